//! How the rooms stand, and that the documents tell what is so.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Files below a directory of the project whose names end so.
fn files(below: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().join(below)];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Rooms that each room may use; a subsystem may also read the `table` of another.
const ARROWS: &[(&str, &[&str])] = &[
    ("packet", &[]),
    ("publish", &[]),
    ("dpdk", &["packet"]),
    ("graph", &["dpdk", "packet", "publish"]),
    ("port", ENGINE),
    // Plain packets leave from where they are proved to be so.
    ("l2", &["dpdk", "graph", "packet", "publish", "tables", "route::", "route::rewrite"]),
    // Look-ups ask their table whole frames at a time, and their caches before it.
    (
        "ip4",
        &[
            "dpdk",
            "graph",
            "packet",
            "publish",
            "reassembly",
            "tables",
            "route::",
            "route::rewrite",
        ],
    ),
    (
        "ip6",
        &[
            "dpdk",
            "graph",
            "packet",
            "publish",
            "reassembly",
            "tables",
            "route::",
            "route::rewrite",
        ],
    ),
    // Its tables lie in large pages.
    ("conntrack", &["dpdk", "packet"]),
    ("reassembly", &["graph", "packet"]),
    ("icmp", ENGINE),
    ("multicast", ENGINE),
    ("ndisc", ENGINE),
    ("neighbour", ENGINE),
    // A hook asks the worker's own connections.
    (
        "netfilter",
        &[
            "conntrack",
            "dpdk",
            "graph",
            "packet",
            "publish",
            "route::cache",
            "route::rewrite",
            "sets",
            "tables",
        ],
    ),
    // It makes steps of what is stated, with what helpers are called.
    ("nftables", &["conntrack", "graph", "netfilter", "sets"]),
    ("route", ENGINE),
    ("sets", &["graph", "publish"]),
    ("tables", &["graph"]),
];

const ENGINE: &[&str] = &["dpdk", "graph", "packet", "publish", "tables"];
const FACES: &[&str] =
    &["capture", "cli", "config", "iproute2", "iptables", "live", "replay", "setup", "telemetry"];

/// Paths behind `crate::` in the code of a file, tests left out: the first two words of each.
fn uses(text: &str) -> BTreeSet<String> {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let mut found = BTreeSet::new();
    let plain: String = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    for rest in plain.split("crate::").skip(1) {
        let word = |text: &str| -> String {
            text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
        };
        if let Some(list) = rest.strip_prefix('{') {
            // Names at the first level of the braces.
            let (mut depth, mut item) = (0, String::new());
            for c in list.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        found.insert(two(&item));
                        item.clear();
                        continue;
                    }
                    _ => {}
                }
                item.push(c);
            }
            found.insert(two(&item));
        } else {
            let first = word(rest);
            let second = rest[first.len()..].strip_prefix("::").map(word).unwrap_or_default();
            found.insert(format!("{first}::{second}"));
        }
    }
    found.into_iter().filter(|path| path != "::").collect()
}

/// The first two words of a path.
fn two(path: &str) -> String {
    let mut words = path.trim().split("::");
    let first = words.next().unwrap_or_default().trim().to_owned();
    let second = words.next().unwrap_or_default().trim();
    let second: String = second.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    format!("{first}::{second}")
}

#[test]
fn dependencies_point_one_way() {
    let mut wrong = Vec::new();
    for file in files("src", ".rs") {
        let inside = file.strip_prefix(root().join("src")).expect("inside");
        let room = inside.iter().next().expect("a name").to_string_lossy().replace(".rs", "");
        let name = inside.file_name().unwrap_or_default().to_string_lossy();
        if name == "tests.rs" || name == "oracle.rs" || name == "sample.rs" {
            continue;
        }
        let text = fs::read_to_string(&file).expect("a file");
        for path in uses(&text) {
            let (other, part) = path.split_once("::").unwrap_or((&path, ""));
            if other == room
                || other.is_empty()
                || other.chars().next().is_some_and(char::is_uppercase)
            {
                continue;
            }
            let allowed = match ARROWS.iter().find(|(known, _)| *known == room) {
                Some((_, may)) => {
                    may.contains(&other)
                        || may.contains(&path.as_str())
                        || (part == "table" && ENGINE.contains(&"tables") && room != "packet")
                        // Routes are stated in the words of their own room.
                        || path == "route::spec"
                        || (room == "tables" && other != "worker" && !FACES.contains(&other))
                }
                // The management core and the workers know all but the faces.
                None if matches!(room.as_str(), "control" | "worker") => !FACES.contains(&other),
                None => true,
            };
            if !allowed {
                wrong.push(format!("{} uses {path}", inside.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is_and_none_is_a_hall() {
    for file in files("src", ".rs") {
        let text = fs::read_to_string(&file).expect("a file");
        let is_tests = file.ends_with("tests.rs");
        assert!(is_tests || text.starts_with("//!"), "{} says nothing", file.display());
        let lines = text.lines().count();
        assert!(lines < 1050, "{} has {lines} lines", file.display());
    }
}

#[test]
fn unsafe_code_stays_in_its_room() {
    for file in files("src", ".rs") {
        let text = fs::read_to_string(&file).expect("a file");
        let inside = file.strip_prefix(root().join("src")).expect("inside");
        let here = inside.starts_with("dpdk") || text.contains("allow(unsafe_code)");
        let uses = text.contains("unsafe {") || text.contains("unsafe impl");
        assert!(here || !uses, "{}", file.display());
    }
}

#[test]
fn no_file_names_the_machine_it_was_written_on() {
    let words = [concat!("/wo", "rk/"), concat!("/ro", "ot/")];
    for below in ["src", "tests", "docs", "scripts", "config", "benches", "vendor"] {
        for file in files(below, "") {
            let Ok(text) = fs::read_to_string(&file) else { continue };
            for word in words {
                assert!(!text.contains(word), "{} contains {word}", file.display());
            }
        }
    }
}

/// Rows of a chapter.
const CHAPTERS: &[(&str, u32, u32)] = &[
    ("icmp.md", 3, 94),
    ("ipv4.md", 4, 133),
    ("routing.md", 5, 112),
    ("policy.md", 6, 142),
    ("neighbours.md", 7, 166),
    ("ipv6.md", 8, 178),
    ("netfilter.md", 9, 258),
];

/// Rows in the first cell of a line: `4.1`, `4.1, 4.3 to 4.5`.
fn rows(cell: &str) -> Vec<(u32, u32)> {
    let number = |text: &str| -> Option<(u32, u32)> {
        let (chapter, row) = text.trim().split_once('.')?;
        Some((chapter.parse().ok()?, row.parse().ok()?))
    };
    let mut found = Vec::new();
    for part in cell.split(',') {
        match part.split_once(" to ") {
            Some((from, to)) => {
                if let (Some(from), Some(to)) = (number(from), number(to)) {
                    found.extend((from.1..=to.1).map(|row| (from.0, row)));
                }
            }
            None => found.extend(number(part)),
        }
    }
    found
}

#[test]
fn every_row_of_behaviour_stands_once_and_its_test_is_there() {
    let mut code = String::new();
    for file in files("src", ".rs").into_iter().chain(files("tests", ".rs")) {
        code += &fs::read_to_string(&file).expect("a file");
    }
    let shown = |file: &str| {
        let families = fs::read_to_string(root().join(file)).expect("the oracle");
        let (shown, _) = families.rsplit_once("    open {").expect("families that are open");
        shown.to_owned()
    };
    let (families, filters) = (shown("tests/oracle/main.rs"), shown("tests/oracle/filters.rs"));
    let stories = fs::read_to_string(root().join("tests/scenario/main.rs")).expect("the stories");
    for (page, chapter, last) in CHAPTERS {
        let text = fs::read_to_string(root().join("docs/behaviour").join(page)).expect("a page");
        let mut seen: BTreeMap<u32, u32> = BTreeMap::new();
        for line in text.lines().filter(|line| line.starts_with('|')) {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            let rows = rows(cells[0]);
            for (of, row) in &rows {
                assert_eq!(of, chapter, "{page}: {line}");
                *seen.entry(*row).or_default() += 1;
            }
            let (false, Some(test)) = (rows.is_empty(), cells.get(2)) else { continue };
            let test = test.trim_matches(['`', '|', ' ']);
            let there = match test.split_once(' ') {
                Some(("oracle", family)) => families.contains(&format!("    {family}: corpus::")),
                Some(("filters", family)) => filters.contains(&format!("    {family}: story(")),
                Some(("scenario", story)) => stories.contains(&format!(": {story} }}")),
                _ => code.contains(&format!("fn {test}(")),
            };
            assert!(there, "{page}: there is no test {test:?}");
        }
        for row in 1..=*last {
            assert_eq!(seen.get(&row), Some(&1), "{page}: row {chapter}.{row}");
        }
        assert_eq!(seen.len() as u32, *last, "{page}");
    }
}
