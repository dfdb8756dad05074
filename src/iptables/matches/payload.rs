//! Any bytes of a packet: `string`, `u32`.
//!
//! - takes: `--string`, `--hex-string`; `--u32` with its small language
//! - gives: [`Match::String`], [`Match::U32`]
//! - obeys: `iptables-extensions(8)`

use std::fmt::Write as _;

use crate::netfilter::rule::{
    Algorithm, Is, Match, Span, StringMatch, U32, U32Op, U32Step, U32Test,
};

use super::super::error::{Error, Fact, Parse, Refused};
use super::super::options::{Args, Kind, bad_word, opt};
use super::super::registry::{Families, MatchEntry, Place, free};
use super::super::words::{bang, printable};

const PATTERN: usize = 128;

/// Bytes of a text in which `|` begins and ends hexadecimal ones and `\` saves what follows.
fn unhex(text: &str) -> Parse<Vec<u8>> {
    let block = || Error::from(Fact::Says("Invalid hex block"));
    let mut bytes = Vec::new();
    let mut rest = text.bytes().peekable();
    let mut hex = false;
    // Whether the last block has a byte.
    let mut begun = false;
    while let Some(byte) = rest.next() {
        match byte {
            b'\\' if !hex => bytes.push(rest.next().ok_or_else(|| {
                Error::from(Fact::Says("Bad literal placement at end of string"))
            })?),
            b'|' => {
                hex = !hex;
                begun = false;
            }
            b' ' | b'\t' if hex => {}
            _ if !hex => bytes.push(byte),
            _ => {
                begun = true;
                let odd = || Error::from(Fact::Says("Odd number of hex digits"));
                let second = rest.next().ok_or_else(odd)?;
                let mut value = 0;
                for digit in [byte, second] {
                    if digit == b'|' || digit == b' ' {
                        return Err(block());
                    }
                    let Some(digit) = char::from(digit).to_digit(16) else {
                        let char = char::from(digit).to_string();
                        return Err(bad_word("Invalid hex char '", &char, "'"));
                    };
                    value = value << 4 | u8::try_from(digit).unwrap_or_default();
                }
                bytes.push(value);
            }
        }
    }
    if hex && begun { Err(block()) } else { Ok(bytes) }
}

fn build_string(args: &Args) -> Parse<Match> {
    let (not, pattern) = if let Some(words) = args.text("string") {
        (words.not, words.value.as_bytes().to_vec())
    } else if let Some(words) = args.text("hex-string") {
        (words.not, unhex(words.value)?)
    } else {
        let says = "STRING match: You must specify `--string' or `--hex-string'";
        return Err(Fact::Says(says).into());
    };
    if pattern.len() > PATTERN {
        let text = String::from_utf8_lossy(&pattern).into_owned();
        return Err(bad_word("STRING too long \"", &text, "\""));
    }
    let algorithm = match args.text("algo").map(|words| words.value) {
        Some("bm") => Algorithm::BoyerMoore,
        Some("kmp") => Algorithm::KnuthMorrisPratt,
        _ => {
            let why = "string: the algorithms are bm and kmp";
            return Err(Error::because(Fact::Kernel(Refused::NoName), why));
        }
    };
    Ok(Match::String(StringMatch {
        not,
        algorithm,
        from: args.uint("from").map_or(0, |from| from.value),
        to: args.uint("to").map_or(u16::MAX, |to| to.value),
        ignore_case: args.has("icase"),
        pattern,
    }))
}

/// Whether a pattern can only be told in hexadecimal, and how it is told.
fn pattern_text(pattern: &[u8]) -> (bool, String) {
    if pattern.ends_with(b"\\") || !pattern.iter().all(|byte| printable(*byte)) {
        let mut text = String::from("\"|");
        for byte in pattern {
            let _ = write!(text, "{byte:02x}");
        }
        text.push_str("|\"");
        return (true, text);
    }
    let mut text = String::from("\"");
    for byte in pattern {
        if matches!(byte, b'"' | b'\\') {
            text.push('\\');
        }
        text.push(char::from(*byte));
    }
    text.push('"');
    (false, text)
}

fn algorithm_word(of: Algorithm) -> &'static str {
    match of {
        Algorithm::BoyerMoore => "bm",
        Algorithm::KnuthMorrisPratt => "kmp",
    }
}

pub(super) static STRING: MatchEntry = MatchEntry {
    name: "string",
    families: Families::Both,
    place: Place::ANY,
    terse: false,
    options: &[
        opt(&["from"], Kind::Uint(0, 65535)),
        opt(&["to"], Kind::Uint(0, 65535)),
        opt(&["algo"], Kind::Text).required(),
        opt(&["string"], Kind::Text).inverts().excludes(&["hex-string"]),
        opt(&["hex-string"], Kind::Text).inverts().excludes(&["string"]),
        opt(&["icase"], Kind::Flag),
    ],
    build: build_string,
    save: |of, out| {
        let Match::String(of) = of else { return false };
        bang(out, of.not);
        let (hex, text) = pattern_text(&of.pattern);
        let name = if hex { "hex-string" } else { "string" };
        let _ = write!(out, " --{name} {text} --algo {}", algorithm_word(of.algorithm));
        if of.from != 0 {
            let _ = write!(out, " --from {}", of.from);
        }
        if of.to != u16::MAX {
            let _ = write!(out, " --to {}", of.to);
        }
        out.push_str(if of.ignore_case { " --icase" } else { "" });
        true
    },
    list: |of, out, _| {
        let Match::String(of) = of else { return false };
        let inverted = if of.not { "!" } else { "" };
        let (_, text) = pattern_text(&of.pattern);
        let algorithm = algorithm_word(of.algorithm);
        let _ = write!(out, " STRING match {inverted} {text} ALGO name {algorithm}");
        if of.from != 0 {
            let _ = write!(out, " FROM {}", of.from);
        }
        if of.to != u16::MAX {
            let _ = write!(out, " TO {}", of.to);
        }
        out.push_str(if of.ignore_case { " ICASE" } else { "" });
        true
    },
    check: |of, _| {
        let Match::String(of) = of else { return Ok(()) };
        if of.pattern.is_empty() || of.from > of.to {
            return Err((Refused::Invalid, "string: nothing could be found".to_owned()));
        }
        Ok(())
    },
};

/// Most steps of a location, values of a test, and tests.
const MOST: usize = 10;

/// A reader of `--u32`.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn wrong(&self, what: &str) -> Error {
        Fact::Tells(format!("u32: at char {}: {what}", self.at)).into()
    }

    fn skip(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    fn peek(&mut self) -> Option<char> {
        self.skip();
        self.text[self.at..].chars().next()
    }

    /// Takes a character if it comes next, without looking over spaces.
    fn take(&mut self, wanted: char) -> bool {
        let here = self.text[self.at..].starts_with(wanted);
        self.at += if here { wanted.len_utf8() } else { 0 };
        here
    }

    fn number(&mut self) -> Parse<u32> {
        self.skip();
        let rest = &self.text[self.at..];
        let hex = rest.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("0x"));
        let skip = if hex { 2 } else { 0 };
        let digit = |c: char| if hex { c.is_ascii_hexdigit() } else { c.is_ascii_digit() };
        let digits = rest[skip..].chars().take_while(|c| digit(*c)).count();
        let word = &rest[..skip + digits];
        let number = super::super::words::number32(word).filter(|_| digits != 0);
        let number = number.ok_or_else(|| self.wrong("not a number or out of range"))?;
        self.at += word.len();
        Ok(number)
    }

    fn test(&mut self) -> Parse<U32Test> {
        let abrupt =
            || Error::from(Fact::Says("u32: abrupt end of input after location specifier"));
        self.peek().ok_or_else(abrupt)?;
        let start = self.number()?;
        let mut steps = Vec::new();
        loop {
            let Some(next) = self.peek() else { return Err(abrupt()) };
            let op = match next {
                '=' => break,
                '&' => U32Op::And,
                '<' => U32Op::Left,
                '>' => U32Op::Right,
                '@' => U32Op::At,
                _ => return Err(self.wrong("operator expected")),
            };
            if steps.len() == MOST {
                return Err(self.wrong("too many operators"));
            }
            self.at += 1;
            if matches!(next, '<' | '>') && !self.take(next) {
                return Err(self.wrong(&format!("a second '{next}' was expected")));
            }
            steps.push(U32Step { op, number: self.number()? });
        }
        self.at += 1;
        let mut ranges = Vec::new();
        loop {
            let first = self.number()?;
            let last = if self.peek() == Some(':') {
                self.at += 1;
                self.number()?
            } else {
                first
            };
            if ranges.len() == MOST {
                return Err(self.wrong("too many \",\"s"));
            }
            ranges.push(Span { first, last });
            if self.peek() != Some(',') {
                return Ok(U32Test { start, steps, ranges });
            }
            self.at += 1;
        }
    }

    fn all(mut self) -> Parse<U32> {
        let mut tests = Vec::new();
        loop {
            let test = self.test()?;
            if tests.len() == MOST {
                return Err(self.wrong("too many \"&&\"s"));
            }
            tests.push(test);
            match self.peek() {
                None => return Ok(tests),
                Some('&') => {
                    self.at += 1;
                    if !self.take('&') {
                        return Err(self.wrong("a second '&' was expected"));
                    }
                }
                Some(_) => return Err(self.wrong("expected \",\" or \"&&\"")),
            }
        }
    }
}

fn test_text(test: &U32Test) -> String {
    let mut text = format!("{:#x}", test.start);
    for step in &test.steps {
        let op = match step.op {
            U32Op::And => "&",
            U32Op::Left => "<<",
            U32Op::Right => ">>",
            U32Op::At => "@",
        };
        let _ = write!(text, "{op}{:#x}", step.number);
    }
    let range = |range: &Span<u32>| {
        if range.first == range.last {
            format!("{:#x}", range.first)
        } else {
            format!("{:#x}:{:#x}", range.first, range.last)
        }
    };
    let ranges: Vec<String> = test.ranges.iter().map(range).collect();
    format!("{text}={}", ranges.join(","))
}

fn tests_text(tests: &U32) -> String {
    tests.iter().map(test_text).collect::<Vec<_>>().join("&&")
}

pub(super) static U32_MATCH: MatchEntry = MatchEntry {
    name: "u32",
    families: Families::Both,
    place: Place::ANY,
    terse: false,
    options: &[opt(&["u32"], Kind::Text).inverts().required()],
    build: |args| {
        let words = args.text("u32").unwrap_or(Is::so(""));
        let value = Reader { text: words.value, at: 0 }.all()?;
        Ok(Match::U32(Is { not: words.not, value }))
    },
    save: |of, out| {
        let Match::U32(of) = of else { return false };
        bang(out, of.not);
        let _ = write!(out, " --u32 \"{}\"", tests_text(&of.value));
        true
    },
    list: |of, out, _| {
        let Match::U32(of) = of else { return false };
        out.push_str(" u32");
        bang(out, of.not);
        let _ = write!(out, " \"{}\"", tests_text(&of.value));
        true
    },
    check: free,
};
