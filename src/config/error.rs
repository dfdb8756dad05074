//! What is wrong with a configuration file, shown where it is written.
//!
//! - takes: the text of a file, and places in it
//! - gives: `file:line:column`, the line with a mark below the place, and what to do about it

use std::{fmt, ops::Range, sync::Arc};

/// A file's name and text, kept so that later errors can point into it too.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Source {
    /// Name in messages, most often a path.
    pub name: String,
    /// The text.
    pub text: String,
}

impl Source {
    /// Line and column of a byte, both from 1; the column counts characters.
    pub fn line_column(&self, at: usize) -> (usize, usize) {
        let mut at = at.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        let before = &self.text[..at];
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[start..].chars().count() + 1)
    }

    fn line(&self, number: usize) -> &str {
        self.text.lines().nth(number - 1).unwrap_or("")
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The fact.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Where it is written, as bytes of the file; `None` for the file as a whole.
    pub at: Option<Range<usize>>,
}

/// All that is wrong with one file, in the order of its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    source: Arc<Source>,
    errors: Vec<ConfigError>,
}

impl std::error::Error for ConfigErrors {}

impl ConfigErrors {
    /// These errors of `source`; there is at least one.
    pub(super) fn new(source: Arc<Source>, mut errors: Vec<ConfigError>) -> Self {
        errors.sort_by_key(|error| error.at.as_ref().map_or(0, |at| at.start));
        errors.dedup();
        Self { source, errors }
    }

    /// One error about the file as a whole.
    pub(super) fn whole(name: &str, message: String, hint: Option<String>) -> Self {
        let source = Source { name: name.to_owned(), text: String::new() };
        Self { source: Arc::new(source), errors: vec![ConfigError { message, hint, at: None }] }
    }

    /// The errors.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.errors.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.errors.len()
    }

    /// True when there is none, which is never.
    pub fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// The file that they are in.
    pub fn source_file(&self) -> &Source {
        &self.source
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, error) in self.errors.iter().enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            write_one(f, &self.source, error)?;
        }
        if self.errors.len() > 1 {
            write!(f, "\n{} errors in {}\n", self.errors.len(), self.source.name)?;
        }
        Ok(())
    }
}

fn write_one(f: &mut fmt::Formatter<'_>, source: &Source, error: &ConfigError) -> fmt::Result {
    let Some(at) = &error.at else {
        writeln!(f, "{}: {}", source.name, error.message)?;
        return error.hint.iter().try_for_each(|hint| writeln!(f, "  hint: {hint}"));
    };
    let (line, column) = source.line_column(at.start);
    let text = source.line(line);
    let gutter = line.to_string().len();
    writeln!(f, "{}:{line}:{column}: {}", source.name, error.message)?;
    writeln!(f, "{:gutter$} |", "")?;
    writeln!(f, "{line} | {text}")?;
    // Tabs stay tabs, so that the mark stands below its place however wide the terminal shows them.
    let lead: String =
        text.chars().take(column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    let (last, end) = source.line_column(at.end);
    let end = if last == line { end } else { text.chars().count() + 1 };
    writeln!(f, "{:gutter$} | {lead}{}", "", "^".repeat(end.saturating_sub(column).max(1)))?;
    error.hint.iter().try_for_each(|hint| writeln!(f, "{:gutter$} = hint: {hint}", ""))
}

/// The word of `known` that was most likely meant by `word`, if any is near.
pub fn suggest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace('_', "-");
    let wanted = plain(word);
    let near = wanted.chars().count().div_ceil(3).max(1);
    known
        .into_iter()
        .map(|candidate| (distance(&wanted, &plain(candidate)), candidate))
        .filter(|(distance, _)| *distance <= near)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours that make `b` of `a` (optimal string
/// alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let replace = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replace.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_the_word_that_was_meant() {
        let known = ["addresses", "device", "mtu", "rx-queues"];
        assert_eq!(suggest("adresses", known), Some("addresses"));
        assert_eq!(suggest("devcie", known), Some("device"));
        assert_eq!(suggest("rx_queues", known), Some("rx-queues"));
        assert_eq!(suggest("MTU", known), Some("mtu"));
        assert_eq!(suggest("gateway", known), None);
    }

    #[test]
    fn distance_is_symmetric_and_zero_for_equal_words_only() {
        bolero::check!().with_type::<(String, String)>().for_each(|(a, b)| {
            if a.len() > 40 || b.len() > 40 {
                return;
            }
            assert_eq!(distance(a, b), distance(b, a));
            assert_eq!(distance(a, b) == 0, a == b);
        });
    }

    #[test]
    fn any_place_in_any_text_can_be_shown() {
        bolero::check!().with_type::<(String, u8, u8)>().for_each(|(text, from, length)| {
            let source = Source { name: "x".into(), text: text.clone() };
            let from = usize::from(*from);
            let at = Some(from..from + usize::from(*length));
            let error = ConfigError { message: "wrong".into(), hint: None, at };
            let shown = ConfigErrors::new(Arc::new(source), vec![error]).to_string();
            assert!(shown.starts_with("x:") && shown.contains('^'), "{shown}");
        });
    }
}
