//! What is printed reads back to the same, whatever was read.

use crate::iptables::restore::split;
use crate::iptables::{Bare, RestoreOptions, SaveOptions, Surroundings, Tables, save};
use crate::netfilter::rule::Family;

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

fn words(line: &str) -> Vec<String> {
    split(line).unwrap_or_default().into_iter().map(|(word, _)| word).collect()
}

fn told(tables: &Tables) -> String {
    save(tables.rules(), SaveOptions { counters: true, table: None, stamp: "now" })
}

/// Saves, restores and saves again.
fn assert_fixed(tables: &Tables, line: &str) {
    let first = told(tables);
    let mut again = Tables::new(tables.rules().family);
    let options = RestoreOptions { counters: true, ..RestoreOptions::default() };
    let read = again.restore(&first, options, &Rich);
    assert!(read.is_ok(), "{line}\n{first}\n{read:?}");
    assert_eq!(told(&again), first, "{line}");
}

fn corpus(family: Family, text: &str) -> usize {
    let mut taken = 0;
    for line in text.lines().filter(|line| !line.is_empty()) {
        let (table, rest) = line.split_once('|').expect("a table and a command");
        let mut tables = Tables::new(family);
        let mut all = vec!["-t".to_owned(), table.to_owned()];
        all.extend(words(rest));
        if tables.command(&all, &Rich).is_ok() {
            taken += 1;
            assert_fixed(&tables, line);
        }
    }
    taken
}

#[test]
fn what_is_saved_restores_to_the_same() {
    let four = [
        include_str!("corpus/four.txt"),
        include_str!("corpus/odd.txt"),
        include_str!("corpus/words.txt"),
    ];
    let taken: usize = four.iter().map(|text| corpus(Family::Four, text)).sum();
    assert!(taken > 300, "{taken} were taken");
    assert!(corpus(Family::Six, include_str!("corpus/six.txt")) > 70);
}

#[test]
fn reading_never_panics_and_what_it_took_is_fixed() {
    // Words of real rules in any order, with odd ones among them.
    let pool: Vec<String> = [
        include_str!("corpus/four.txt"),
        include_str!("corpus/six.txt"),
        include_str!("corpus/odd.txt"),
        include_str!("corpus/words.txt"),
    ]
    .iter()
    .flat_map(|text| text.lines())
    .flat_map(|line| words(line.split_once('|').map_or(line, |(_, rest)| rest)))
    .chain(
        ["", "-", "--", "=", "\u{e9}", "0x", "999999999999999999999", "a:b:c", "!"]
            .map(str::to_owned),
    )
    .collect();
    let families = [Family::Four, Family::Six];
    bolero::check!().with_type::<(bool, Vec<u16>)>().for_each(|(six, picks)| {
        let family = families[usize::from(*six)];
        let mut tables = Tables::new(family);
        let mut line = vec!["-A".to_owned(), "INPUT".to_owned()];
        line.extend(picks.iter().map(|pick| pool[usize::from(*pick) % pool.len()].clone()));
        if tables.command(&line, &Rich).is_ok() {
            assert_fixed(&tables, &line.join(" "));
        }
    });
}

#[test]
fn a_rate_below_a_unit_takes_no_burst() {
    let tried = |rate: &str| {
        let line = format!(
            "-A INPUT -m hashlimit --hashlimit-above {rate} --hashlimit-burst 4mb --hashlimit-name q"
        );
        Tables::new(Family::Four).command(&words(&line), &Rich).is_ok()
    };
    assert!(!tried("10b/s") && tried("16b/s"));
}

#[test]
fn mended_rules_never_panic_and_are_fixed() {
    let rules: Vec<Vec<String>> = [include_str!("corpus/four.txt"), include_str!("corpus/odd.txt")]
        .iter()
        .flat_map(|text| text.lines())
        .map(|line| {
            let (table, rest) = line.split_once('|').expect("a table and a command");
            let mut all = vec!["-t".to_owned(), table.to_owned()];
            all.extend(words(rest));
            all
        })
        .collect();
    // One rule, of which a word is changed or taken from another.
    bolero::check!().with_type::<(u16, u16, u16, u8, String)>().for_each(
        |(pick, place, other, way, text)| {
            let mut line = rules[usize::from(*pick) % rules.len()].clone();
            let from = &rules[usize::from(*other) % rules.len()];
            let place = usize::from(*place) % line.len();
            match way % 4 {
                0 => line[place].push_str(text),
                1 => line[place] = from[place % from.len()].clone(),
                2 => line.extend(from[4.min(from.len())..].iter().cloned()),
                _ => {
                    line.remove(place);
                }
            }
            let mut tables = Tables::new(Family::Four);
            if tables.command(&line, &Rich).is_ok() {
                assert_fixed(&tables, &line.join(" "));
            }
        },
    );
}

#[test]
fn files_never_panic() {
    let lines: Vec<&str> = include_str!("corpus/files.txt").lines().collect();
    bolero::check!().with_type::<(Vec<u16>, String, bool)>().for_each(|(picks, text, counters)| {
        let mut file = String::from("*filter\n");
        for pick in picks {
            file.push_str(lines[usize::from(*pick) % lines.len()]);
            file.push('\n');
        }
        file.push_str(text);
        let mut tables = Tables::new(Family::Four);
        let options = RestoreOptions { counters: *counters, ..RestoreOptions::default() };
        let before = tables.clone();
        if tables.restore(&file, options, &Bare).is_err() {
            assert_eq!(tables, before, "a file with an error changes nothing");
        }
    });
}
