//! Rules as `iptables -L` prints them.
//!
//! - takes: a table
//! - gives: columns for a person to read
//! - obeys: `iptables(8)`; names of hosts are never looked up

use std::fmt::Write as _;

use crate::netfilter::rule::{Chain, Family, Iface, Is, Policy, Prefix, Rule, Table, Target};

use super::basic::{iface_text, target_text};
use super::error::{Error, Fact, Parse, Refused};
use super::registry::{Look, saved_match, saved_target};
use super::statement::Format;
use super::tables::references;
use super::words::{protocol_text, short_prefix_text};

/// One chain or all.
pub(super) fn chosen<'a>(table: &'a Table, chain: Option<&str>) -> Parse<Vec<&'a Chain>> {
    let Some(name) = chain else { return Ok(table.chains.iter().collect()) };
    let found = table.chain(name);
    Ok(vec![found.ok_or_else(|| Error::from(Fact::Kernel(Refused::NoName)))?])
}

/// One chain or all, and one rule of it or all.
pub(super) fn list(
    table: &Table,
    chain: Option<&str>,
    at: Option<usize>,
    format: Format,
    family: Family,
) -> Parse<String> {
    let mut out = String::new();
    for (number, chain) in chosen(table, chain)?.into_iter().enumerate() {
        if at.is_none() {
            out.push_str(if number != 0 { "\n" } else { "" });
            header(&mut out, table, chain, format);
        }
        for (number, rule) in chain.rules.iter().enumerate() {
            if at.is_none_or(|at| at == number + 1) {
                if format.line_numbers {
                    let _ = write!(out, "{:<4} ", number + 1);
                }
                row(&mut out, rule, format, family);
            }
        }
    }
    Ok(out)
}

fn header(out: &mut String, table: &Table, chain: &Chain, format: Format) {
    let _ = write!(out, "Chain {}", chain.name);
    let _ = match chain.policy {
        None => write!(out, " ({} references", references(table, &chain.name)),
        Some(Policy::Accept) => write!(out, " (policy ACCEPT"),
        Some(Policy::Drop) => write!(out, " (policy DROP"),
    };
    if format.verbose && chain.policy.is_some() {
        let packets = count(chain.counters.packets, format, false);
        let bytes = count(chain.counters.bytes, format, false);
        let _ = write!(out, " {packets}packets, {bytes}bytes");
    }
    out.push_str(")\n");
    if format.line_numbers {
        out.push_str("num  ");
    }
    match (format.verbose, format.exact) {
        (true, true) => out.push_str("    pkts      bytes "),
        (true, false) => out.push_str(" pkts bytes "),
        (false, _) => {}
    }
    out.push_str("target     prot opt");
    if format.verbose {
        out.push_str(" in     out    ");
    }
    let _ = writeln!(out, " {:<19}  {:<19} ", "source", "destination");
}

/// A number, short unless exact; with room for a column or followed by one space.
fn count(number: u64, format: Format, column: bool) -> String {
    if format.exact {
        return if column { format!("{number:>8} ") } else { format!("{number} ") };
    }
    let (mut shown, mut unit) = (number, "");
    if number > 99_999 {
        for next in ["K", "M", "G", "T"] {
            shown = shown.saturating_add(500) / 1000;
            unit = next;
            if shown <= 9999 {
                break;
            }
        }
    }
    match (column, unit) {
        (true, "") => format!("{shown:>5} "),
        (true, unit) => format!("{shown:>4}{unit} "),
        (false, unit) => format!("{shown}{unit} "),
    }
}

/// A prefix with `!` before it where it must not hold, and blanks after it.
fn address(prefix: Option<Is<Prefix>>, format: Format, family: Family) -> (bool, String) {
    let any = family.any();
    let Is { not, value } = prefix.unwrap_or(Is::so(Prefix::new(any, any)));
    let text = match value.length() {
        Some(0) if !format.numeric => "anywhere".to_owned(),
        Some(0) => format!("{any}/0"),
        _ => short_prefix_text(value),
    };
    (not, text)
}

fn iface(of: &Option<Is<Iface>>, format: Format) -> String {
    match of {
        None => (if format.numeric { "*" } else { "any" }).to_owned(),
        Some(of) => {
            format!("{}{}", if of.not { "!" } else { "" }, iface_text(&of.value))
        }
    }
}

fn protocol(rule: &Rule, format: Format) -> (bool, String) {
    let Is { not, value } = rule.basic.protocol.unwrap_or(Is::so(0));
    let text = match value {
        _ if format.numeric => value.to_string(),
        0 => "all".to_owned(),
        value => protocol_text(value),
    };
    (not, text)
}

fn bang(not: bool) -> char {
    if not { '!' } else { ' ' }
}

fn flags(rule: &Rule) -> &'static str {
    match rule.basic.fragment {
        None => "--",
        Some(true) => "-f",
        Some(false) => "!f",
    }
}

/// The name in the column of targets.
fn target_column(target: &Target) -> &str {
    match target {
        // One is the other's under its older name.
        Target::Notrack => "CT",
        other => target_text(other).0,
    }
}

fn row(out: &mut String, rule: &Rule, format: Format, family: Family) {
    if format.verbose {
        out.push_str(&count(rule.counters.packets, format, true));
        if format.exact {
            let _ = write!(out, "{:>8} ", rule.counters.bytes);
        } else {
            out.push_str(&count(rule.counters.bytes, format, true));
        }
    }
    let (not, protocol) = protocol(rule, format);
    let _ = write!(out, "{:<9} {}{protocol:<4} ", target_column(&rule.target), bang(not));
    let _ = write!(out, "{} ", flags(rule));
    if format.verbose {
        let (input, output) = (iface(&rule.basic.input, format), iface(&rule.basic.output, format));
        let _ = write!(out, " {input:<6} {output:<6} ");
    }
    let (not, source) = address(rule.basic.source, format, family);
    let _ = write!(out, "{}{source:<19} ", bang(not));
    let (not, destination) = address(rule.basic.destination, format, family);
    let _ = write!(out, "{}{destination:<19} ", bang(not));
    details(out, rule, format, family);
    out.push('\n');
}

/// What extensions print of a rule.
fn details(out: &mut String, rule: &Rule, format: Format, family: Family) {
    if matches!(rule.target, Target::Goto(_)) {
        out.push_str("[goto] ");
    }
    let protocol = rule.basic.protocol.filter(|of| !of.not).map(|of| of.value);
    let look = Look { family, numeric: format.numeric, protocol };
    for of in &rule.matches {
        if let Some((entry, _)) = saved_match(of, family) {
            (entry.list)(of, out, look);
        }
    }
    if let Some((entry, _)) = saved_target(&rule.target) {
        (entry.list)(&rule.target, out, look);
    }
}

/// What `-A -v` tells of the rules it was given.
pub(super) fn echo(rules: &[Rule], format: Format, family: Family) -> String {
    let mut out = String::new();
    if !format.verbose {
        return out;
    }
    let format = Format { numeric: true, ..format };
    for rule in rules {
        let (not, protocol) = self::protocol(rule, Format { numeric: false, ..format });
        let _ = write!(out, "{} {}{protocol} ", target_column(&rule.target), bang(not));
        let _ = write!(out, "opt {} ", flags(rule));
        let (input, output) = (iface(&rule.basic.input, format), iface(&rule.basic.output, format));
        let _ = write!(out, "in {input} out {output} ");
        let (not, source) = address(rule.basic.source, format, family);
        let _ = write!(out, "{}{source} ", bang(not));
        let (not, destination) = address(rule.basic.destination, format, family);
        let _ = write!(out, "{}-> {destination}  ", bang(not));
        details(&mut out, rule, format, family);
        out.push('\n');
    }
    out
}
