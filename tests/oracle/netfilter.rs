//! The programs of netfilter: how each router is asked by them, and what of their words may differ.
//!
//! A command whose first word is one of [`PROGRAMS`] is not `ip`'s. Linux is asked by the programs
//! of xtables themselves, so that it is xtables that is compared with.

use std::path::{Path, PathBuf};

use crate::outcome::Said;

/// The programs.
pub(crate) const PROGRAMS: [&str; 9] = [
    "iptables",
    "ip6tables",
    "iptables-save",
    "ip6tables-save",
    "iptables-restore",
    "ip6tables-restore",
    "conntrack",
    "ipset",
    "nft",
];

/// A command for one of the programs.
pub(crate) struct Call {
    pub(crate) program: &'static str,
    pub(crate) args: Vec<String>,
}

/// Where the rule files are.
pub(crate) fn rule_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/corpus/filter/rules").join(name)
}

/// What a command asks of a program of netfilter, if it does.
pub(crate) fn call(words: &str) -> Option<Call> {
    let mut all = split(words).into_iter();
    let first = all.next()?;
    let program = PROGRAMS.into_iter().find(|program| *program == first)?;
    let mut args: Vec<String> = all.collect();
    let reads = program == "nft" && args.iter().any(|word| word == "-f");
    if let (true, Some(last)) = (reads || program.ends_with("-restore"), args.last_mut()) {
        *last = rule_file(last).display().to_string();
    }
    Some(Call { program, args })
}

/// A command with its rule file where it lies.
pub(crate) fn spelled(words: &str) -> String {
    let restores = ["iptables-restore ", "ip6tables-restore ", "nft -j -f "]
        .into_iter()
        .any(|program| words.starts_with(program));
    match words.rsplit_once(' ') {
        Some((rest, file)) if restores => format!("{rest} {}", rule_file(file).display()),
        _ => words.to_owned(),
    }
}

impl Call {
    /// The program on Linux and its arguments.
    pub(crate) fn on_linux(&self) -> (String, Vec<String>) {
        let (family, rest) = match self.program.split_once("tables") {
            Some((ip, rest)) => (format!("{ip}tables-legacy"), rest),
            None => return (self.program.to_owned(), self.args.clone()),
        };
        // Others of this machine may change their rules at the same time.
        let waits = match rest {
            "-save" => None,
            "-restore" => Some("--wait=60"),
            _ => Some("-w"),
        };
        let args = waits.map(str::to_owned).into_iter().chain(self.args.clone());
        (family + rest, args.collect())
    }
}

/// The words of a line; what stands between quotes is one.
pub(crate) fn split(line: &str) -> Vec<String> {
    let (mut words, mut word) = (Vec::new(), None::<String>);
    let mut quote = None;
    for letter in line.chars() {
        match (quote, letter) {
            (Some(open), close) if open == close => quote = None,
            (None, '"' | '\'') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, space) if space.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

impl Said {
    /// What a program of netfilter said, without what two right routers may say differently:
    ///
    /// - the order of connections and of members of sets, and what refers to them;
    /// - how long they have yet to live, beyond tens of seconds begun: a table is listed within ten
    ///   seconds of what is in it;
    /// - seeds, sizes in memory, dates, and the programs' own names and versions;
    /// - what a complaint says to help, behind its first line;
    /// - the order of tables, and tables that nothing has been said to.
    pub(crate) fn of_netfilter(mut self) -> Self {
        if self.out.starts_with("{\"nftables\"") {
            self.out = listed(&self.out);
            return self;
        }
        // Where and why a text is refused is told in each router's own words.
        let refuses = |line: &str| line.starts_with("nft: ") || line.contains("Error: ");
        if self.status != 0 && self.err.lines().next().is_some_and(refuses) {
            self.err = "refused\n".to_owned();
            return self;
        }
        let kept = |line: &&str| {
            !line.starts_with("# ")
                && !line.starts_with("Size in memory:")
                && !line.starts_with("Try `")
                && !line.contains("connlabel.conf")
                && !line.starts_with("nfct_labelmap_new")
                && !line.is_empty()
        };
        let mut lines: Vec<String> = self.out.lines().filter(kept).map(steady).collect();
        if lines.first().is_some_and(|line| line.starts_with('*')) {
            lines = tables(&lines);
        } else if lines.iter().all(|line| line.contains(" src=")) {
            lines.sort();
        } else if let Some(members) = lines.iter().position(|line| line == "Members:") {
            lines[members + 1..].sort();
        } else if lines.iter().any(|line| line.starts_with("create ")) {
            lines.sort_by_key(|line| (!line.starts_with("create "), line.clone()));
        }
        self.out = lines.iter().map(|line| format!("{line}\n")).collect();
        let mut errors: Vec<String> = self.err.lines().filter(kept).map(anonymous).collect();
        if errors.first().is_some_and(|_| self.status != 0) {
            // What is wrong stands first. What may help is each router's own.
            let first = errors.remove(0);
            errors.retain(|line| line.starts_with("Error occurred") || line.contains("entries"));
            errors.insert(0, first);
        }
        self.err = errors.iter().map(|line| format!("{line}\n")).collect();
        self
    }
}

/// What `nft -j list ruleset` prints, an object a line: without handles, which count what has been; the
/// interface of an ingress chain, which nft 1.0.6 leaves out; and how long elements live yet, but for
/// tens of seconds begun. Members of sets are in no order.
fn listed(out: &str) -> String {
    let whole: serde_json::Value = serde_json::from_str(out).expect("a listing");
    let all = whole["nftables"].as_array().expect("a list");
    let mut lines: Vec<String> = all
        .iter()
        .filter(|object| object.get("metainfo").is_none())
        .map(|object| {
            let mut object = object.clone();
            for inside in object.as_object_mut().into_iter().flatten() {
                let inside = inside.1.as_object_mut().expect("an object");
                inside.remove("handle");
                if inside.get("hook").is_some_and(|hook| hook == "ingress") {
                    inside.remove("dev");
                }
                // What a map leads to is written as one word, and read as a list.
                if let Some(serde_json::Value::Array(all)) = inside.get("map") {
                    let words: Vec<_> = all.iter().filter_map(|word| word.as_str()).collect();
                    let word = words.join(" . ");
                    inside.insert("map".to_owned(), word.into());
                }
                inside.values_mut().for_each(by_tens);
                if let Some(serde_json::Value::Array(all)) = inside.get_mut("elem") {
                    all.sort_by_key(ToString::to_string);
                }
            }
            object.to_string()
        })
        .collect();
    // Rules stay in order; what else there is has none.
    lines.sort_by_key(|line| match line.starts_with("{\"rule\"") {
        true => (true, String::new()),
        false => (false, line.clone()),
    });
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// An element whose time is told by tens of seconds.
fn by_tens(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Array(all) => all.iter_mut().for_each(by_tens),
        serde_json::Value::Object(map) => {
            map.iter_mut().for_each(|(key, value)| match key.as_str() {
                "expires" => {
                    let tens = value.as_u64().unwrap_or(0).next_multiple_of(10);
                    *value = tens.into();
                }
                "set" => {
                    by_tens(value);
                    if let serde_json::Value::Array(all) = value {
                        all.sort_by_key(ToString::to_string);
                    }
                }
                _ => by_tens(value),
            })
        }
        _ => {}
    }
}

/// A complaint without the name and the version of who makes it, and without the place of rule files.
fn anonymous(line: &str) -> String {
    let line = line.replace(&format!("{}/", rule_file("").display()), "");
    let Some((name, rest)) = line.split_once(": ") else { return line };
    let program = name.split_once(" v").map_or(name, |(program, _)| program);
    let restores = name.ends_with("-restore");
    let known = PROGRAMS.contains(&program) && (program != name || restores);
    if known { rest.to_owned() } else { line }
}

/// A line without what may differ.
fn steady(line: &str) -> String {
    let connection = line.contains(" src=") || line.contains("proto=");
    let set = line.starts_with("Header: ") || line.starts_with("create ");
    let member = line.contains(" timeout ");
    if !connection && !set && !member {
        return line.trim_end().to_owned();
    }
    let mut words: Vec<String> = Vec::new();
    let mut lives = false;
    let mut known = false;
    for word in line.split_whitespace() {
        let number = word.parse::<u64>().ok();
        // A connection's line begins with protocols and their numbers, and then says how long.
        let behind = words.last().is_some_and(|last| last.parse::<u64>().is_ok());
        let first = words.is_empty();
        let lasts = connection && !known && (behind || first) || lives;
        lives = word == "timeout" && !set;
        match number {
            Some(seconds) if lasts => {
                known = true;
                words.push(seconds.next_multiple_of(10).to_string());
            }
            _ => words.push(word.to_owned()),
        }
    }
    let mut before = String::new();
    words.retain(|word| {
        let free = ["use=", "delta-time=", "[start=", "[stop="];
        let free = free.iter().any(|free| word.starts_with(free));
        let seed = set && (word == "initval" || before == "initval");
        before.clone_from(word);
        !free && !seed
    });
    words.join(" ")
}

/// Tables of a saved rule set in the order of their names, without those that are as they began.
fn tables(lines: &[String]) -> Vec<String> {
    let mut tables: Vec<&[String]> = lines.split_inclusive(|line| line == "COMMIT").collect();
    tables.retain(|table| {
        table.iter().any(|line| {
            let chain = line.starts_with(':') && !line.contains(" ACCEPT ");
            chain || line.starts_with('-') || line.starts_with('[')
        })
    });
    tables.sort();
    tables.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalised(out: &str) -> String {
        Said { out: out.to_owned(), ..Said::default() }.of_netfilter().out
    }

    #[test]
    fn what_stands_between_quotes_is_one_word() {
        assert_eq!(split("a \"b c\"  'd \"e'f"), ["a", "b c", "d \"ef"]);
    }

    #[test]
    fn the_life_of_a_connection_is_compared_by_tens() {
        let line = |timeout, mark| {
            format!(
                "tcp      6 {timeout} ESTABLISHED src=10.1.0.10 dst=1.1.1.1 sport=1 dport=2 src=1.1.1.1 dst=10.1.0.10 sport=2 dport=1 mark={mark} use=1\n"
            )
        };
        assert_eq!(normalised(&line(431_999, 0)), normalised(&line(431_991, 0)));
        assert_ne!(normalised(&line(119, 0)), normalised(&line(431_991, 0)));
        assert_ne!(normalised(&line(119, 0)), normalised(&line(119, 1)));
    }

    #[test]
    fn connections_are_compared_in_no_order() {
        let (a, b) = ("udp 17 29 src=1.1.1.1\n", "udp 17 29 src=1.1.1.2\n");
        assert_eq!(normalised(&format!("{a}{b}")), normalised(&format!("{b}{a}")));
    }

    #[test]
    fn a_table_without_rules_counts_as_none() {
        let none = "*raw\n:PREROUTING ACCEPT [3:4]\nCOMMIT\n";
        let some = "*filter\n:INPUT ACCEPT [0:0]\n[1:2] -A INPUT -j DROP\nCOMMIT\n";
        assert_eq!(normalised(&format!("# Generated\n{none}{some}")), some);
        assert_ne!(normalised(some), normalised(&some.replace("[1:2]", "[1:3]")));
    }

    #[test]
    fn a_complaint_is_compared_without_who_makes_it_and_what_may_help() {
        let complaint = |err: &str| {
            let said = Said { err: err.to_owned(), status: 2, ..Said::default() };
            said.of_netfilter().err
        };
        let linux =
            "iptables-restore v1.8.9 (legacy): Bad argument `x'\nError occurred at line: 3\n";
        let other =
            "iptables-restore v1.8.9 (other): Bad argument `x'\nError occurred at line: 3\nuse y\n";
        assert_eq!(complaint(linux), complaint(other));
        assert_ne!(complaint(linux), complaint(&other.replace("line: 3", "line: 4")));
        assert_ne!(complaint(linux), complaint(&other.replace("`x'", "`z'")));
        assert_eq!(complaint("iptables: Bad rule.\nmore\n"), "iptables: Bad rule.\n");
    }

    #[test]
    fn programs_are_asked_of_xtables() {
        let call = call("iptables -t nat -F").expect("a program");
        let (program, args) = call.on_linux();
        assert_eq!((program.as_str(), args.join(" ")), ("iptables-legacy", "-w -t nat -F".into()));
        assert!(super::call("route show").is_none());
    }
}
