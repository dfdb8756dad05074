//! One description of an entry gives both its text and its JSON.
//!
//! Keys keep their order, and the pretty form has iproute2's own spacing, so JSON is written here
//! and not by a serialiser that has other habits.

use std::fmt::{self, Write};

use super::super::Options;

/// A JSON value with ordered keys.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Number(u64),
    /// As `%g` of C writes it.
    Real(f64),
    Text(String),
    Array(Vec<Self>),
    Object(Vec<(&'static str, Self)>),
}

impl From<u64> for Json {
    fn from(n: u64) -> Self {
        Self::Number(n)
    }
}

impl From<u32> for Json {
    fn from(n: u32) -> Self {
        Self::Number(n.into())
    }
}

impl From<u8> for Json {
    fn from(n: u8) -> Self {
        Self::Number(n.into())
    }
}

impl From<bool> for Json {
    fn from(b: bool) -> Self {
        Self::Bool(b)
    }
}

impl From<&str> for Json {
    fn from(s: &str) -> Self {
        Self::Text(s.to_owned())
    }
}

impl From<String> for Json {
    fn from(s: String) -> Self {
        Self::Text(s)
    }
}

impl Json {
    fn compact(&self, out: &mut String) {
        match self {
            Self::Array(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    item.compact(out);
                }
                out.push(']');
            }
            Self::Object(fields) => {
                out.push('{');
                for (i, (key, value)) in fields.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    quote(key, out);
                    out.push(':');
                    value.compact(out);
                }
                out.push('}');
            }
            _ => self.scalar(out),
        }
    }

    /// iproute2's pretty form: objects break lines, arrays do not.
    fn pretty(&self, out: &mut String, depth: usize) {
        match self {
            Self::Array(items) => {
                out.push_str("[ ");
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    item.pretty(out, depth + 1);
                }
                out.push_str(if items.is_empty() { "]" } else { " ]" });
            }
            Self::Object(fields) => {
                out.push('{');
                for (i, (key, value)) in fields.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    line(out, depth + 1);
                    quote(key, out);
                    out.push_str(": ");
                    value.pretty(out, depth + 1);
                }
                line(out, depth);
                out.push('}');
            }
            _ => self.scalar(out),
        }
    }

    fn scalar(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
            Self::Number(n) => push(out, format_args!("{n}")),
            Self::Real(n) => out.push_str(&real(*n)),
            Self::Text(s) => quote(s, out),
            Self::Array(_) | Self::Object(_) => {}
        }
    }
}

/// Appends formatted text; writing to a `String` cannot fail.
fn push(out: &mut String, text: fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

/// A number with six digits that count, as `%g` of C writes those that are neither huge nor tiny.
pub(super) fn real(n: f64) -> String {
    let whole = n.abs().max(1.0).log10().floor();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 5")]
    let decimals = (5.0 - whole).clamp(0.0, 5.0) as usize;
    let text = format!("{n:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

fn line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("    ", depth));
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => push(out, format_args!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// The output of one command.
pub(super) struct Listing<'a> {
    pub(super) options: &'a Options,
    out: String,
    entries: Vec<Json>,
}

impl<'a> Listing<'a> {
    pub(super) fn new(options: &'a Options) -> Self {
        Self { options, out: String::new(), entries: Vec::new() }
    }

    /// Adds one entry.
    pub(super) fn entry(&mut self, describe: impl FnOnce(&mut Entry<'_>)) {
        let mut entry = Entry {
            json: self.options.json.then(Vec::new),
            text: &mut self.out,
            line_break: if self.options.oneline { "\\" } else { "\n" },
        };
        describe(&mut entry);
        self.entries.extend(entry.json.map(Json::Object));
    }

    pub(super) fn finish(self) -> String {
        if !self.options.json {
            return self.out;
        }
        let mut out = String::new();
        let all = Json::Array(self.entries);
        if self.options.pretty {
            all.pretty(&mut out, 0);
        } else {
            all.compact(&mut out);
        }
        out.push('\n');
        out
    }
}

/// One entry of a listing, or an object inside one.
pub(super) struct Entry<'a> {
    json: Option<Vec<(&'static str, Json)>>,
    text: &'a mut String,
    /// What separates the lines of an entry: `-oneline` writes a backslash.
    pub(super) line_break: &'static str,
}

impl Entry<'_> {
    pub(super) fn is_json(&self) -> bool {
        self.json.is_some()
    }

    /// A value under its key, or as text.
    pub(super) fn field(
        &mut self,
        key: &'static str,
        value: impl Into<Json>,
        text: fmt::Arguments<'_>,
    ) {
        match &mut self.json {
            Some(fields) => fields.push((key, value.into())),
            None => push(self.text, text),
        }
    }

    /// Text that JSON does not have.
    pub(super) fn text(&mut self, text: fmt::Arguments<'_>) {
        if self.json.is_none() {
            push(self.text, text);
        }
    }

    /// A value that text does not have.
    pub(super) fn json(&mut self, key: &'static str, value: impl Into<Json>) {
        if let Some(fields) = &mut self.json {
            fields.push((key, value.into()));
        }
    }

    /// A word that is `null` in JSON.
    pub(super) fn word(&mut self, word: &'static str) {
        self.field(word, Json::Null, format_args!("{word} "));
    }

    /// A list of words, each followed by a blank.
    pub(super) fn words(&mut self, key: &'static str, words: &[&str]) {
        match &mut self.json {
            Some(fields) => {
                let words = words.iter().map(|word| Json::from(*word)).collect();
                fields.push((key, Json::Array(words)));
            }
            None => words.iter().for_each(|word| push(self.text, format_args!("{word} "))),
        }
    }

    /// An object inside this one; its text goes where it stands.
    pub(super) fn object(&mut self, key: &'static str, describe: impl FnOnce(&mut Entry<'_>)) {
        let object = self.nested(describe);
        if let (Some(fields), Some(object)) = (&mut self.json, object) {
            fields.push((key, object));
        }
    }

    /// A list of objects, one for each item.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        items: impl IntoIterator<Item = T>,
        mut describe: impl FnMut(&mut Entry<'_>, T),
    ) {
        let mut objects = Vec::new();
        for item in items {
            objects.extend(self.nested(|entry| describe(entry, item)));
        }
        self.json(key, Json::Array(objects));
    }

    fn nested(&mut self, describe: impl FnOnce(&mut Entry<'_>)) -> Option<Json> {
        let mut entry = Entry {
            json: self.json.is_some().then(Vec::new),
            text: self.text,
            line_break: self.line_break,
        };
        describe(&mut entry);
        entry.json.map(Json::Object)
    }
}
