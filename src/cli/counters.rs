//! `show counters`: the kernel's SNMP counters as `nstat` prints them.

use std::fmt::Write as _;

use serde_json::Value;

use crate::telemetry::report::CounterRow;

/// True for a row that is to be shown: not zero, unless `all` are, and fitting some pattern.
pub(super) fn wanted(row: &Value, patterns: &[String], all: bool) -> bool {
    let text = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let name = text("group") + &text("name");
    let zero = row.get("value").and_then(Value::as_u64) == Some(0);
    (all || !zero) && (patterns.is_empty() || patterns.iter().any(|pattern| fits(pattern, &name)))
}

/// Whether a name fits a pattern of a shell: `*` for anything, `?` for one letter.
fn fits(pattern: &str, name: &str) -> bool {
    let Some(first) = pattern.chars().next() else { return name.is_empty() };
    let rest = &pattern[first.len_utf8()..];
    if first == '*' {
        let ends = name.char_indices().map(|(at, _)| at).chain([name.len()]);
        return ends.into_iter().any(|at| fits(rest, &name[at..]));
    }
    let Some(letter) = name.chars().next() else { return false };
    (first == '?' || first == letter) && fits(rest, &name[letter.len_utf8()..])
}

/// The page: name, value and, for `nstat` without its daemon, a rate of zero.
pub(super) fn page(rows: &[CounterRow]) -> String {
    let mut text = "#kernel\n".to_owned();
    for row in rows {
        let name = format!("{}{}", row.group, row.name);
        // Writing to a string never fails.
        let _ = writeln!(text, "{name:<32}{:<16}{:>6.1}", row.value, 0.0);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_in_a_shell() {
        for (pattern, name) in [
            ("IcmpIn*", "IcmpInEchos"),
            ("*Echo*", "IcmpInEchos"),
            ("Ip?nReceives", "IpInReceives"),
        ] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("Icmp", "IcmpInEchos"), ("*Reps", "IcmpInEchos"), ("?", "")] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn lines_are_those_of_nstat() {
        let row = CounterRow {
            group: "Ip".into(),
            name: "InReceives".into(),
            value: 3243,
            help: String::new(),
        };
        assert_eq!(
            page(&[row]),
            "#kernel\nIpInReceives                    3243               0.0\n"
        );
        let value = serde_json::json!({ "group": "Ip", "name": "InReceives", "value": 0 });
        assert!(!wanted(&value, &[], false) && wanted(&value, &[], true));
        assert!(!wanted(&value, &["Tcp*".into()], true));
    }
}
