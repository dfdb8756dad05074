//! Tables of text: columns as wide as what stands in them.

use std::fmt::Write as _;

pub(super) use crate::telemetry::words::{bytes, grouped, time};

/// How a column is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Set {
    Left,
    Right,
}

/// A table with a line of headings.
pub(super) struct Table {
    columns: Vec<Set>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings; those that start with `>` are set to the right.
    pub(super) fn new(headings: &[&str]) -> Self {
        let set = |heading: &&str| if heading.starts_with('>') { Set::Right } else { Set::Left };
        let columns = headings.iter().map(set).collect();
        let first = headings.iter().map(|text| text.trim_start_matches('>').to_owned()).collect();
        Self { columns, rows: vec![first] }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.len() == 1
    }

    pub(super) fn text(&self) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<_> = (0..self.columns.len()).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for ((cell, set), width) in row.iter().zip(&self.columns).zip(&widths) {
                let _ = match set {
                    Set::Left => write!(line, "{cell:<width$}  "),
                    Set::Right => write!(line, "{cell:>width$}  "),
                };
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_lines_end_without_blanks() {
        let mut table = Table::new(&["name", ">packets", "help"]);
        table.row(["a".into(), "12".into(), "first".into()]);
        table.row(["longer".into(), "1".into(), String::new()]);
        assert_eq!(
            table.text(),
            "name    packets  help\na            12  first\nlonger        1\n"
        );
    }
}
