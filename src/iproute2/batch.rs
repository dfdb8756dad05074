//! Batch files: one command of `ip` per line, as `ip -batch` reads them.
//!
//! `#` starts a comment, a backslash at the end of a line joins the next one, single and double
//! quotes keep spaces together. A leading word `ip` is accepted, so that a shell script of plain
//! `ip` lines is a batch file too. Going on after an error (`-force`) is the executor's choice: the
//! iterator goes on anyway.

use super::{Command, ParseError, parse};

/// Reads a batch file; each item is the number of the command's last line, as `ip` reports it, and
/// the command. Lines without words give nothing.
pub fn parse_batch(text: &str) -> impl Iterator<Item = (usize, Result<Command, ParseError>)> + '_ {
    lines(text).map(|(number, words)| {
        let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
        if words.first() == Some(&"ip") {
            words.remove(0);
        }
        (number, parse(&words))
    })
}

/// Splits a batch file into the words of each command, with the number of its last line.
pub fn lines(text: &str) -> impl Iterator<Item = (usize, Vec<String>)> + '_ {
    let mut raw = text.lines().enumerate();
    std::iter::from_fn(move || {
        loop {
            let (mut number, first) = raw.next()?;
            let mut line = without_comment(first).to_owned();
            while line.ends_with('\\') {
                line.pop();
                let Some((next, more)) = raw.next() else {
                    break;
                };
                number = next;
                line.push_str(without_comment(more));
            }
            let words = split_words(&line);
            if !words.is_empty() {
                return Some((number + 1, words));
            }
        }
    })
}

fn without_comment(line: &str) -> &str {
    line.find('#').map_or(line, |hash| &line[..hash])
}

/// Words of a line: a quote at the start of a word keeps all up to the same quote together.
fn split_words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        let (word, after) = if first == '\'' || first == '"' {
            let inner = &rest[1..];
            inner.split_once(first).unwrap_or((inner, ""))
        } else {
            rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len()))
        };
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    words
}
