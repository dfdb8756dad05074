//! Side by side with the real `iptables`, in a network namespace of its own.
//!
//! Each line of a corpus is a table, `|`, and the words of one command. It is given to both with the
//! table flushed before; what they print and with which status they leave must be the same, and so must
//! the rules be afterwards as `-S`, `-L`, `-L -n` and `-L -n -v` show them. These tests need root and
//! the real programs; without them they say so and pass.

use std::fmt::Write as _;

pub(super) use crate::iproute2::oracle::shell;
use crate::iptables::restore::split;
use crate::iptables::{Surroundings, Tables, program};
use crate::netfilter::rule::{Family, TableName};

use super::known;

/// Ways to show rules.
const SHOWN: [&str; 4] = ["-S", "-L", "-L -n", "-L -n -v"];

/// The sets that there are.
const SETS: [&str; 2] = ["foo", "bar"];

/// What the script makes.
struct Sets;

impl Surroundings for Sets {
    fn has_set(&self, name: &str) -> bool {
        SETS.contains(&name)
    }

    fn has_timeout(&self, _: &str) -> bool {
        false
    }
}

/// What one command did and what there was afterwards.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    status: u8,
    stdout: String,
    stderr: String,
    shown: Vec<String>,
}

pub(super) fn words(line: &str) -> Vec<String> {
    split(line).expect("a line that can be split").into_iter().map(|(word, _)| word).collect()
}

pub(super) fn quoted(words: &[String]) -> String {
    let quote = |word: &String| format!("'{}'", word.replace('\'', "'\\''"));
    words.iter().map(quote).collect::<Vec<_>>().join(" ")
}

fn theirs(family: Family, lines: &[&str]) -> Option<Vec<Outcome>> {
    let ipt = format!("{}-legacy", program(family));
    let mut script = format!(
        "LC_ALL=C; export LC_ALL; {ipt} -S >/dev/null || exit 77\n\
         dir=$(mktemp -d) || exit 77; trap 'rm -r $dir' EXIT\n"
    );
    for set in SETS {
        let _ = writeln!(
            script,
            "ipset create {set} hash:ip,port skbinfo counters timeout 9 || exit 77"
        );
    }
    for line in lines {
        let (table, rest) = line.split_once('|').expect("a table and a command");
        let command = quoted(&words(rest));
        let _ = write!(
            script,
            "{ipt} -t {table} -F 2>/dev/null; {ipt} -t {table} -X 2>/dev/null\n\
             {ipt} -t {table} {command} >$dir/out 2>$dir/err </dev/null; status=$?\n\
             printf '%s\\001' $status; cat $dir/out; printf '\\001'; cat $dir/err\n"
        );
        for shown in SHOWN {
            let _ = writeln!(script, "printf '\\001'; {ipt} -t {table} {shown} 2>/dev/null");
        }
        script.push_str("printf '\\002'\n");
    }
    let text = shell(script)?;
    let outcomes: Vec<Outcome> = text
        .split_terminator('\u{2}')
        .map(|record| {
            let mut parts = record.split('\u{1}').map(str::to_owned);
            let mut next = || parts.next().expect("a part of the record");
            let status = next().parse().expect("a status");
            let (stdout, stderr) = (next(), next());
            Outcome { status, stdout, stderr, shown: parts.collect() }
        })
        .collect();
    assert_eq!(outcomes.len(), lines.len(), "one outcome for each line");
    Some(outcomes)
}

fn ours(family: Family, line: &str) -> Outcome {
    let (table, rest) = line.split_once('|').expect("a table and a command");
    let mut tables = Tables::new(family);
    let mut run = |rest: &str| {
        let mut all = vec!["-t".to_owned(), table.to_owned()];
        all.extend(words(rest));
        tables.command(&all, &Sets)
    };
    let (status, stdout, stderr) = match run(rest) {
        Ok(told) => (0, told, String::new()),
        Err(mut error) => {
            // The real program has no hints.
            error.hint = None;
            (error.exit_status(), String::new(), error.render(program(family)))
        }
    };
    let shown = SHOWN.iter().map(|shown| run(shown).expect("rules that can be shown")).collect();
    Outcome { status, stdout, stderr, shown }
}

/// Leaves out what only one of them says: warnings, and hints to other texts.
pub(super) fn plain(text: &str) -> String {
    let told = |line: &&str| {
        !line.is_empty()
            && !line.to_ascii_lowercase().starts_with("warn")
            && !line.starts_with("xt_")
            && !line.starts_with("Try `")
    };
    let lines: Vec<&str> = text.lines().filter(told).collect();
    lines.join("\n").replace("(legacy)", "(wagonway)")
}

fn compare(family: Family, corpus: &str) {
    let lines: Vec<&str> = corpus.lines().filter(|line| !line.is_empty()).collect();
    let Some(theirs) = theirs(family, &lines) else { return };
    let mut wrong = String::new();
    let mut count = 0;
    for (line, their) in lines.iter().zip(theirs) {
        let our = ours(family, line);
        let same = our.status == their.status
            && our.stdout == their.stdout
            && plain(&our.stderr) == plain(&their.stderr)
            && our.shown == their.shown;
        match (same, known::reason(line)) {
            (true, None) | (false, Some(_)) => continue,
            (true, Some(reason)) => {
                let _ = writeln!(wrong, "{line}\n  is the same, though known: {reason}");
            }
            (false, None) => {
                count += 1;
                let _ = writeln!(wrong, "{line}");
                let mut tell = |what: &str, ours: &str, theirs: &str| {
                    if ours != theirs {
                        for (ours, theirs) in longest(ours, theirs) {
                            let _ =
                                writeln!(wrong, "  {what}\n   ours |{ours}|\n   real |{theirs}|");
                        }
                    }
                };
                tell("status", &our.status.to_string(), &their.status.to_string());
                tell("stdout", &our.stdout, &their.stdout);
                tell("stderr", &plain(&our.stderr), &plain(&their.stderr));
                for (name, (our, their)) in SHOWN.iter().zip(our.shown.iter().zip(&their.shown)) {
                    tell(name, our, their);
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{count} of {} differ\n{wrong}", lines.len());
}

/// The lines that differ, side by side.
fn longest<'a>(ours: &'a str, theirs: &'a str) -> Vec<(&'a str, &'a str)> {
    let (ours, theirs): (Vec<&str>, Vec<&str>) = (ours.lines().collect(), theirs.lines().collect());
    let at = |of: &[&'a str], n: usize| of.get(n).copied().unwrap_or("");
    let pairs = (0..ours.len().max(theirs.len())).map(|n| (at(&ours, n), at(&theirs, n)));
    pairs.filter(|(ours, theirs)| ours != theirs).collect()
}

#[test]
fn rules_of_ipv4_are_read_and_told_as_iptables_does() {
    compare(Family::Four, include_str!("corpus/four.txt"));
}

#[test]
fn rules_of_ipv6_are_read_and_told_as_ip6tables_does() {
    compare(Family::Six, include_str!("corpus/six.txt"));
}

#[test]
fn rules_on_sets_are_read_and_told_as_iptables_does() {
    compare(Family::Four, include_str!("corpus/sets.txt"));
}

#[test]
fn odd_rules_are_read_or_refused_as_iptables_does() {
    compare(Family::Four, include_str!("corpus/odd.txt"));
}

#[test]
fn odd_rules_of_ipv6_are_read_or_refused_as_ip6tables_does() {
    compare(Family::Six, include_str!("corpus/odd6.txt"));
}

#[test]
fn words_and_commands_are_taken_or_refused_as_iptables_does() {
    compare(Family::Four, include_str!("corpus/words.txt"));
}

/// All rules of a corpus at every chain of every table: where each may stand.
fn compare_places(family: Family, corpus: &str) {
    let ipt = format!("{}-legacy", program(family));
    let mut script = format!("LC_ALL=C; export LC_ALL; {ipt} -S >/dev/null || exit 77\n");
    let mut asked = Vec::new();
    for line in corpus.lines().filter(|line| known::reason(line).is_none()) {
        let (_, rest) = line.split_once('|').expect("a table and a command");
        let Some((_, rule)) =
            rest.strip_prefix("-A ").map(|rest| rest.split_once(' ').unwrap_or((rest, "")))
        else {
            continue;
        };
        for table in TableName::ALL {
            for hook in table.hooks() {
                asked.push(format!("-t {table} -A {} {rule}", hook.chain()));
            }
        }
    }
    for (at, line) in asked.iter().enumerate() {
        if at % 16 == 0 {
            for table in TableName::ALL {
                let _ = writeln!(script, "{ipt} -t {table} -F");
            }
        }
        let _ = writeln!(script, "{ipt} {} 2>/dev/null; printf '%s ' $?", quoted(&words(line)));
    }
    let Some(text) = shell(script) else { return };
    let theirs: Vec<&str> = text.split_whitespace().collect();
    assert_eq!(theirs.len(), asked.len(), "one status for each rule");
    let mut wrong = String::new();
    for (line, their) in asked.iter().zip(theirs) {
        let done = Tables::new(family).command(&words(line), &Sets);
        let our = done.as_ref().map_or_else(|error| error.exit_status(), |_| 0).to_string();
        if our != their {
            let _ = writeln!(wrong, "{line}\n  ours {our}, real {their}: {done:?}");
        }
    }
    assert!(wrong.is_empty(), "of {}\n{wrong}", asked.len());
}

#[test]
fn rules_of_ipv4_stand_where_the_kernel_lets_them() {
    compare_places(Family::Four, include_str!("corpus/four.txt"));
}

#[test]
fn rules_of_ipv6_stand_where_the_kernel_lets_them() {
    compare_places(Family::Six, include_str!("corpus/six.txt"));
}
