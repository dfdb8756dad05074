//! The command lines of `iptables-save` and `iptables-restore`.
//!
//! - takes: their words, as a shell splits them
//! - gives: [`SaveWords`], [`RestoreWords`]
//! - obeys: `iptables-save(8)`, `iptables-restore(8)`; what is about locks and modules is taken and has
//!   nothing to do

use crate::netfilter::rule::TableName;

use super::error::{Fact, Parse};
use super::restore::RestoreOptions;

/// What `iptables-save` is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SaveWords {
    /// `-c`
    pub counters: bool,
    /// `-t`
    pub table: Option<TableName>,
    /// `-f`: where it is written instead of to standard output.
    pub file: Option<String>,
    /// `-V`
    pub version: bool,
}

/// What `iptables-restore` is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoreWords {
    /// How the file is read.
    pub options: RestoreOptions,
    /// The file instead of standard input.
    pub file: Option<String>,
    /// `-V`
    pub version: bool,
}

/// An option of a program, whether it takes a word, and whether it need not.
type Known = (&'static str, char, bool, bool);

const SAVE: &[Known] = &[
    ("counters", 'c', false, false),
    ("version", 'V', false, false),
    ("table", 't', true, false),
    ("modprobe", 'M', true, false),
    ("file", 'f', true, false),
];

const RESTORE: &[Known] = &[
    ("counters", 'c', false, false),
    ("verbose", 'v', false, false),
    ("version", 'V', false, false),
    ("test", 't', false, false),
    ("noflush", 'n', false, false),
    ("modprobe", 'M', true, false),
    ("table", 'T', true, false),
    ("wait", 'w', true, true),
    ("wait-interval", 'W', true, true),
];

/// The options of a line, each with its word, and the words that are none.
type Said = (Vec<(char, String)>, Vec<String>);

fn read(words: &[String], known: &[Known]) -> Parse<Said> {
    let (mut options, mut plain) = (Vec::new(), Vec::new());
    let mut rest = words.iter().peekable();
    while let Some(word) = rest.next() {
        let unknown = || Fact::UnknownOption(word.clone());
        // What is attached to the option, and whether more of them may follow it.
        let (found, mut attached) = if let Some(long) = word.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (long, None),
            };
            let whole = known.iter().find(|(known, ..)| *known == name);
            let mut cut = known.iter().filter(|(known, ..)| known.starts_with(name));
            let only = cut.next().filter(|_| cut.next().is_none() && !name.is_empty());
            (vec![*whole.or(only).ok_or_else(unknown)?], value)
        } else if let Some(letters) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) {
            let mut found = Vec::new();
            let mut letters = letters.chars();
            let mut attached = None;
            while let Some(letter) = letters.next() {
                let option = known.iter().find(|(_, short, ..)| *short == letter);
                let option = option.ok_or_else(unknown)?;
                found.push(*option);
                if option.2 {
                    attached = Some(letters.as_str().to_owned()).filter(|rest| !rest.is_empty());
                    break;
                }
            }
            (found, attached)
        } else {
            plain.push(word.clone());
            continue;
        };
        for (_, letter, takes, maybe) in found {
            let value = match attached.take() {
                Some(value) if takes => value,
                Some(_) => return Err(unknown().into()),
                None if !takes => String::new(),
                None if maybe => {
                    let next = rest.next_if(|next| next.starts_with(|c: char| c.is_ascii_digit()));
                    next.cloned().unwrap_or_default()
                }
                None => rest.next().cloned().ok_or_else(|| Fact::NeedsArgument(word.clone()))?,
            };
            options.push((letter, value));
        }
    }
    Ok((options, plain))
}

fn table(name: String) -> Parse<TableName> {
    Ok(TableName::of(&name).ok_or(Fact::NoTable(name))?)
}

/// Reads the words of `iptables-save`.
///
/// # Errors
///
/// An option that it does not know, or a table that does not exist.
pub fn save_words(words: &[String]) -> Parse<SaveWords> {
    let (options, plain) = read(words, SAVE)?;
    if let Some(word) = plain.into_iter().next() {
        return Err(Fact::BadArgument(word).into());
    }
    let mut said = SaveWords::default();
    for (letter, value) in options {
        match letter {
            'c' => said.counters = true,
            'V' => said.version = true,
            't' => said.table = Some(table(value)?),
            'f' => said.file = Some(value),
            _ => {}
        }
    }
    Ok(said)
}

/// Reads the words of `iptables-restore`.
///
/// # Errors
///
/// An option that it does not know, or a table that does not exist.
pub fn restore_words(words: &[String]) -> Parse<RestoreWords> {
    let (options, plain) = read(words, RESTORE)?;
    let mut plain = plain.into_iter();
    let mut said = RestoreWords { file: plain.next(), ..RestoreWords::default() };
    if let Some(word) = plain.next() {
        return Err(Fact::BadArgument(word).into());
    }
    for (letter, value) in options {
        match letter {
            'c' => said.options.counters = true,
            'n' => said.options.noflush = true,
            't' => said.options.test = true,
            'V' => said.version = true,
            'T' => said.options.table = Some(table(value)?),
            _ => {}
        }
    }
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn restore_knows_its_options() {
        let said = restore_words(&words("-cn --tes -T nat -w 5 -M /sbin/modprobe rules.v4"));
        let options = RestoreOptions {
            counters: true,
            noflush: true,
            test: true,
            table: Some(TableName::Nat),
        };
        let file = Some("rules.v4".to_owned());
        assert_eq!(said, Ok(RestoreWords { options, file, version: false }));
        let said = restore_words(&words("--table=raw -w --noflush"));
        let options = RestoreOptions {
            noflush: true,
            table: Some(TableName::Raw),
            ..RestoreOptions::default()
        };
        assert_eq!(said, Ok(RestoreWords { options, ..RestoreWords::default() }));
    }

    #[test]
    fn save_knows_its_options() {
        let said = save_words(&words("-ct filter -f /tmp/rules"));
        let (table, file) = (Some(TableName::Filter), Some("/tmp/rules".to_owned()));
        assert_eq!(said, Ok(SaveWords { counters: true, table, file, version: false }));
    }

    #[test]
    fn what_they_do_not_know_is_refused() {
        for line in ["-x", "--foo", "-t", "-t foo", "rules", "--", "--counters=5"] {
            assert!(save_words(&words(line)).is_err(), "{line}");
        }
        for line in ["-x", "--foo", "-T", "-T foo", "one two", "--w", "-w=5x --"] {
            assert!(restore_words(&words(line)).is_err(), "{line}");
        }
    }
}
