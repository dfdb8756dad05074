//! What must hold of any bytes that are read as rules; shared by tests and by `fuzz/`.

use crate::netfilter::rule::Family;

use super::restore::split;
use super::{RestoreOptions, SaveOptions, Surroundings, Tables, save};

/// Every set and policy is there.
struct Rich;

impl Surroundings for Rich {
    fn has_set(&self, _: &str) -> bool {
        true
    }

    fn has_timeout(&self, _: &str) -> bool {
        true
    }
}

/// Reads bytes as a file of rules or as command lines, of either family.
///
/// The first byte says which: `6` and `7` are IPv6, `5` and `7` command lines. What was taken is saved,
/// restored and saved again to the same text; a file with an error changes nothing.
pub fn rules(bytes: &[u8]) {
    let Some((way, rest)) = bytes.split_first() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    let family = if way & 2 == 0 { Family::Four } else { Family::Six };
    let mut tables = Tables::new(family);
    let options = RestoreOptions { counters: true, ..RestoreOptions::default() };
    if way & 1 == 0 {
        let before = tables.clone();
        if let Err(error) = tables.restore(text, options, &Rich) {
            assert!(!error.render("iptables-restore").is_empty());
            assert_eq!(tables, before, "a file with an error changes nothing");
        }
    } else {
        for line in text.lines() {
            let Ok(words) = split(line) else { continue };
            let words: Vec<String> = words.into_iter().map(|(word, _)| word).collect();
            let before = tables.clone();
            if tables.command(&words, &Rich).is_err() {
                assert_eq!(tables, before, "a command that fails changes nothing");
            }
        }
    }
    fixed(&tables);
}

/// Saves, restores and saves again.
fn fixed(tables: &Tables) {
    let told = |tables: &Tables| {
        save(tables.rules(), SaveOptions { counters: true, ..SaveOptions::default() })
    };
    let first = told(tables);
    let mut again = Tables::new(tables.rules().family);
    let options = RestoreOptions { counters: true, ..RestoreOptions::default() };
    let read = again.restore(&first, options, &Rich);
    assert!(read.is_ok(), "{first}\n{read:?}");
    assert_eq!(told(&again), first);
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    /// Rules that are taken, as files and as command lines of both families.
    fn sound() -> Vec<String> {
        let corpora = [
            (false, include_str!("tests/corpus/four.txt")),
            (false, include_str!("tests/corpus/odd.txt")),
            (true, include_str!("tests/corpus/six.txt")),
        ];
        let mut seeds = Vec::new();
        for (six, corpus) in corpora {
            let lines: Vec<&str> = corpus.lines().filter(|line| line.contains("|-A ")).collect();
            for lines in lines.chunks(32) {
                let mut commands = String::from(if six { "7" } else { "5" });
                for line in lines {
                    if let Some((table, rest)) = line.split_once('|') {
                        let _ = writeln!(commands, "-t {table} {rest}");
                    }
                }
                seeds.push(commands);
            }
            for line in lines.iter().step_by(16) {
                if let Some((table, rest)) = line.split_once('|') {
                    let way = if six { '6' } else { '4' };
                    seeds.push(format!("{way}*{table}\n{rest}\nCOMMIT\n"));
                }
            }
        }
        seeds
    }

    #[test]
    fn sound_rules_hold_what_must_hold_of_any() {
        sound().iter().for_each(|seed| super::rules(seed.as_bytes()));
    }

    #[test]
    fn any_bytes_hold_it_too() {
        bolero::check!().for_each(super::rules);
    }

    #[test]
    #[ignore = "writes fuzz/seeds/rules anew"]
    fn rule_seeds_are_written() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds/rules");
        std::fs::create_dir_all(dir).unwrap();
        for (at, text) in sound().iter().enumerate() {
            std::fs::write(format!("{dir}/{at:02}"), text).unwrap();
        }
    }
}
