//! What rules have told of packets, at the desk.

use super::Desk;
use crate::telemetry::report::{CounterRow, LogRow};

/// Levels in syslog's words.
const LEVELS: [&str; 8] = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

impl Desk<'_> {
    /// The last lines, oldest first.
    pub fn log_rows(&self, most: Option<u64>) -> Vec<LogRow> {
        let lines = self.router.log_lines();
        let most = most.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
        let skipped = lines.len().saturating_sub(most);
        let row = |line: &crate::control::LogLine| LogRow {
            at: line.wall,
            level: LEVELS[usize::from(line.level & 7)].to_owned(),
            text: line.text.clone(),
        };
        lines.skip(skipped).map(row).collect()
    }

    /// What was counted of packets for programs.
    pub(super) fn queue_counters(&self) -> Vec<CounterRow> {
        let (counts, waiting) = self.router.queue_counts();
        let row = |name: &str, value, help: &str| CounterRow {
            group: "NfQueue".to_owned(),
            name: name.to_owned(),
            value,
            help: help.to_owned(),
        };
        vec![
            row("Offered", counts.offered, "Packets of NFQUEUE handed to programs."),
            row("Waiting", waiting as u64, "Packets that programs have not decided on yet."),
            row("Full", counts.full, "Packets that found as many waiting as may."),
            row("Forsaken", counts.forsaken, "Packets whose program went before it decided."),
        ]
    }

    /// What was counted of them.
    pub(super) fn log_counters(&self) -> Vec<CounterRow> {
        let counts = self.router.journal_counts();
        let row = |name: &str, value, help: &str| CounterRow {
            group: "NfLog".to_owned(),
            name: name.to_owned(),
            value,
            help: help.to_owned(),
        };
        vec![
            row("Lines", counts.lines, "Lines about packets by LOG, AUDIT and TRACE."),
            row(
                "Suppressed",
                counts.suppressed,
                "Of these, lines that the log did not get, as too many came.",
            ),
            row("Captured", counts.captured, "Packets of NFLOG that were written."),
            row(
                "Uncaptured",
                counts.uncaptured,
                "Packets of NFLOG that nobody wanted, or that came too fast.",
            ),
            row("Lost", counts.lost, "Packets that workers had no room to tell of."),
        ]
    }
}
