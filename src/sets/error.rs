//! What `ipset` says when it does not do as it is told.
//!
//! - takes: what is wrong
//! - gives: [`Error`]: its words and its exit status
//! - obeys: `ipset` 7.17

use std::fmt;

/// A command that was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    text: String,
    status: u8,
    /// Of the words of the command, rather than of the sets.
    pub(super) is_syntax: bool,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error {
    /// What the kernel answers.
    pub(super) fn kernel(text: impl Into<String>) -> Self {
        Self { text: text.into(), status: 1, is_syntax: false }
    }

    /// A value that cannot be read.
    pub(super) fn syntax(text: impl Into<String>) -> Self {
        Self::plain(format!("Syntax error: {}", text.into()))
    }

    /// The same in other words.
    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), status: 1, is_syntax: true }
    }

    /// Words that make no command.
    pub(super) fn words(text: impl Into<String>) -> Self {
        Self { text: text.into(), status: 2, is_syntax: true }
    }

    /// The same, in a line of a file.
    pub(super) fn in_line(mut self, line: usize) -> Self {
        if self.status == 1 {
            self.text = format!("Error in line {line}: {}", self.text);
        }
        self
    }

    /// All that is printed.
    #[must_use]
    pub fn render(&self) -> String {
        let hint = if self.status == 2 { "Try `ipset help' for more information.\n" } else { "" };
        format!("ipset v7.17: {}\n{hint}", self.text)
    }

    /// The exit status.
    #[must_use]
    pub fn status(&self) -> u8 {
        self.status
    }
}

/// A number between bounds, as C writes it.
pub(super) fn number(text: &str, least: u64, most: u64) -> Result<u64, Error> {
    let read = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16),
        None if text.len() > 1 && text.starts_with('0') => u64::from_str_radix(&text[1..], 8),
        None => text.parse(),
    };
    match read {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        Ok(_) => Err(Error::syntax(format!("'{text}' is out of range {least}-{most}"))),
        Err(_) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
            Err(Error::syntax(format!("'{text}' is out of range {least}-{most}")))
        }
        Err(_) => Err(Error::syntax(format!("'{text}' is invalid as number"))),
    }
}
