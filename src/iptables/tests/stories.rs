//! Many commands one after another, and whole files, side by side with the real programs.
//!
//! - `corpus/stories.txt`: commands of one namespace; `#` begins a story
//! - `corpus/files.txt`: files one after another in one namespace; `==` begins a file, whose first line
//!   may be options

use std::fmt::Write as _;

use crate::iptables::{Bare, RestoreOptions, SaveOptions, Tables, save};
use crate::netfilter::rule::{Family, TableName};

use super::oracle::{plain, quoted, shell, words};

/// One record of a script: its parts.
fn records(text: &str) -> Vec<Vec<String>> {
    let parts = |record: &str| record.split('\u{1}').map(str::to_owned).collect();
    text.split_terminator('\u{2}').map(parts).collect()
}

const HEAD: &str = "LC_ALL=C; export LC_ALL; iptables-legacy -S >/dev/null || exit 77\n\
                    dir=$(mktemp -d) || exit 77; trap 'rm -r $dir' EXIT\n";

#[test]
fn a_story_of_commands_goes_as_with_iptables() {
    let lines: Vec<&str> =
        include_str!("corpus/stories.txt").lines().filter(|line| !line.starts_with('#')).collect();
    let mut script = HEAD.to_owned();
    for line in &lines {
        let _ = write!(
            script,
            "iptables-legacy {} >$dir/out 2>$dir/err </dev/null; status=$?\n\
             printf '%s\\001' $status; cat $dir/out; printf '\\001'; cat $dir/err; \
             printf '\\002'\n",
            quoted(&words(line))
        );
    }
    let Some(text) = shell(script) else { return };
    let mut tables = Tables::new(Family::Four);
    let mut wrong = String::new();
    for (line, their) in lines.iter().zip(records(&text)) {
        let our = match tables.command(&words(line), &Bare) {
            Ok(told) => vec!["0".to_owned(), told, String::new()],
            Err(mut error) => {
                error.hint = None;
                vec![error.exit_status().to_string(), String::new(), error.render("iptables")]
            }
        };
        for (our, their) in our.iter().zip(&their) {
            if plain(our) != plain(their) {
                let _ = writeln!(wrong, "{line}\n  ours |{our}|\n  real |{their}|");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// A file, and the options it is read with.
struct File {
    name: String,
    options: String,
    text: String,
}

fn files() -> Vec<File> {
    let mut files: Vec<File> = Vec::new();
    for line in include_str!("corpus/files.txt").lines() {
        if let Some(name) = line.strip_prefix("== ") {
            let (name, options, text) = (name.to_owned(), String::new(), String::new());
            files.push(File { name, options, text });
        } else if let Some(file) = files.last_mut() {
            let first = file.text.is_empty() && file.options.is_empty();
            if first && ["-c", "-n", "-T filter", "--test"].contains(&line) {
                line.clone_into(&mut file.options);
            } else {
                let _ = writeln!(file.text, "{line}");
            }
        }
    }
    files
}

/// A save without its comments.
fn bare(text: &str) -> String {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .fold(String::new(), |all, line| format!("{all}{line}\n"))
}

#[test]
fn files_are_restored_as_iptables_restore_does() {
    let files = files();
    let mut script = HEAD.to_owned();
    for file in &files {
        let _ = write!(
            script,
            "cat >$dir/file <<'END OF FILE'\n{}END OF FILE\n\
             iptables-legacy-restore {} <$dir/file >$dir/out 2>$dir/err; status=$?\n\
             printf '%s\\001' $status; cat $dir/out; printf '\\001'; cat $dir/err\n",
            file.text, file.options
        );
        for table in ["filter", "nat"] {
            let _ = writeln!(script, "printf '\\001'; iptables-legacy-save -c -t {table}");
        }
        script.push_str("printf '\\002'\n");
    }
    let Some(text) = shell(script) else { return };
    let mut tables = Tables::new(Family::Four);
    // The real one reads its tables when it saves them.
    for table in ["filter", "nat"] {
        tables.command(&words(&format!("-t {table} -S")), &Bare).expect("a table");
    }
    let mut wrong = String::new();
    for (file, their) in files.iter().zip(records(&text)) {
        let options = RestoreOptions {
            counters: file.options == "-c",
            noflush: file.options == "-n",
            test: file.options == "--test",
            table: (file.options == "-T filter").then_some(TableName::Filter),
        };
        let mut our = match tables.restore(&file.text, options, &Bare) {
            Ok(told) => vec!["0".to_owned(), told, String::new()],
            Err(mut error) => {
                error.error.hint = None;
                let status = error.exit_status().to_string();
                vec![status, String::new(), error.render("iptables-restore")]
            }
        };
        for table in [TableName::Filter, TableName::Nat] {
            let options = SaveOptions { counters: true, table: Some(table), stamp: "now" };
            our.push(bare(&save(tables.rules(), options)));
        }
        for (our, their) in our.iter().zip(&their) {
            let (our, their) = (plain(&bare(our)), plain(&bare(their)));
            if our != their {
                let _ = writeln!(wrong, "{}\n  ours |{our}|\n  real |{their}|", file.name);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
