//! What is noted of packets for `LOG`, `AUDIT`, `TRACE` and `NFLOG`.
//!
//! - takes: records of the workers
//! - gives: lines for the router's log, at most so many a second; the last of them for who asks; packets
//!   for capture files
//! - obeys: `nf_log_syslog`; levels are those of syslog(3)

use std::collections::VecDeque;

use super::Router;
use crate::{
    graph::Nanos,
    netfilter::{
        table::LOOPBACK,
        told::{self, Told, Why},
    },
};

/// Lines that are kept for who asks.
const KEPT: usize = 4096;
/// Lines and packets that wait to be written.
const WAITING: usize = 4096;
/// Time of one allowance.
const SECOND: Nanos = 1_000_000_000;
/// Level of what is told without a rule that says one, as of traces.
const WARNING: u8 = 4;
const NOTICE: u8 = 5;

/// A line of the router's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Nanoseconds since 1970 by the clock of who told of it; 0 where nobody did.
    pub wall: Nanos,
    /// How urgent it is, from 0 to 7.
    pub level: u8,
    /// The line.
    pub text: String,
}

impl LogLine {
    /// A warning of the router's own.
    pub fn warning(text: String) -> Self {
        Self { wall: 0, level: WARNING, text }
    }
}

/// What was counted of packets that are told of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalCounts {
    /// Lines made.
    pub lines: u64,
    /// Lines that were not written to the log, as too many came at once.
    pub suppressed: u64,
    /// Packets for captures.
    pub captured: u64,
    /// Packets for captures that nobody writes, or that came too fast.
    pub uncaptured: u64,
    /// Records that found no room on their way from the workers.
    pub lost: u64,
}

/// Lines and packets to be written.
#[derive(Debug)]
pub(super) struct Journal {
    kept: VecDeque<LogLine>,
    waiting: VecDeque<LogLine>,
    captures: VecDeque<Told>,
    /// Whether somebody writes captures.
    captured: bool,
    /// Lines of a second.
    rate: u32,
    began: Nanos,
    written: u32,
    held_back: u64,
    serial: u64,
    counts: JournalCounts,
}

impl Journal {
    /// Nothing is noted yet.
    pub(super) fn new() -> Self {
        Self {
            kept: VecDeque::new(),
            waiting: VecDeque::new(),
            captures: VecDeque::new(),
            captured: false,
            rate: 100,
            began: 0,
            written: 0,
            held_back: 0,
            serial: 0,
            counts: JournalCounts::default(),
        }
    }

    /// Whether another line may be written; the first of a second tells how many were not.
    fn allows(&mut self, now: Nanos) -> bool {
        if now.saturating_sub(self.began) >= SECOND || self.began == 0 {
            (self.began, self.written) = (now.max(1), 0);
            let held = std::mem::take(&mut self.held_back);
            if held > 0 {
                let text = format!("nf_log: {held} lines suppressed");
                self.waiting.push_back(LogLine::warning(text));
            }
        }
        let allowed = self.written < self.rate && self.waiting.len() < WAITING;
        self.written += u32::from(allowed);
        self.held_back += u64::from(!allowed);
        self.counts.suppressed += u64::from(!allowed);
        allowed
    }

    fn line(&mut self, now: Nanos, line: LogLine) {
        self.counts.lines += 1;
        if self.allows(now) {
            self.waiting.push_back(line.clone());
        }
        self.kept.push_back(line);
        if self.kept.len() > KEPT {
            self.kept.pop_front();
        }
    }

    fn capture(&mut self, told: Told) {
        if self.captured && self.captures.len() < WAITING {
            self.counts.captured += 1;
            self.captures.push_back(told);
        } else {
            self.counts.uncaptured += 1;
        }
    }

    /// Lines to be written now.
    pub(super) fn take(&mut self) -> impl Iterator<Item = LogLine> + '_ {
        self.waiting.drain(..)
    }
}

impl Router {
    /// A worker has told of a packet.
    pub fn handle_told(&mut self, now: Nanos, told: Told) {
        let level = match told.about.why {
            Why::Nflog { .. } => return self.journal.capture(told),
            Why::Log { level, .. } => level,
            Why::Audit(_) | Why::Invalid { .. } => NOTICE,
            Why::Trace { .. } => WARNING,
        };
        let text = match told.about.why {
            Why::Audit(_) => {
                self.journal.serial += 1;
                told::audit(&told, self.journal.serial)
            }
            _ => told::line(&told, &|iface| self.link_name(iface)),
        };
        self.journal.line(now, LogLine { wall: told.about.wall, level, text });
    }

    /// The name of an interface by its number.
    pub fn link_name(&self, iface: u16) -> String {
        let known = self.ifaces.iter().find(|own| own.index == iface);
        match known {
            Some(known) => known.name.clone(),
            None if iface == LOOPBACK => "lo".to_owned(),
            None => String::new(),
        }
    }

    /// Records that workers had no room for since the start.
    pub fn note_untold(&mut self, lost: u64) {
        self.journal.counts.lost = lost;
    }

    /// At most so many lines a second are written to the log.
    pub fn set_log_rate(&mut self, lines: u32) {
        self.journal.rate = lines;
    }

    /// Somebody writes packets of `NFLOG`.
    pub fn set_captured(&mut self, on: bool) {
        self.journal.captured = on;
    }

    /// Packets of `NFLOG` since the last call.
    pub fn take_captured(&mut self) -> Vec<Told> {
        self.journal.captures.drain(..).collect()
    }

    /// The last lines about packets, oldest first.
    pub fn log_lines(&self) -> impl ExactSizeIterator<Item = &LogLine> {
        self.journal.kept.iter()
    }

    /// What was counted of packets that are told of.
    pub fn journal_counts(&self) -> JournalCounts {
        self.journal.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: u32) -> LogLine {
        LogLine { wall: 0, level: 6, text: number.to_string() }
    }

    #[test]
    fn a_flood_is_cut_to_the_rate_and_counted_and_its_last_lines_are_kept() {
        let mut journal = Journal { rate: 3, ..Journal::new() };
        for number in 0..5000 {
            journal.line(SECOND, line(number));
        }
        let texts =
            |journal: &mut Journal| journal.take().map(|line| line.text).collect::<Vec<_>>();
        assert_eq!(texts(&mut journal), ["0", "1", "2"]);
        assert_eq!(
            journal.counts,
            JournalCounts { lines: 5000, suppressed: 4997, ..journal.counts }
        );
        journal.line(2 * SECOND, line(5000));
        assert_eq!(texts(&mut journal), ["nf_log: 4997 lines suppressed", "5000"]);
        assert_eq!(journal.kept.len(), KEPT);
        assert_eq!(journal.kept.back(), Some(&line(5000)));
    }

    #[test]
    fn lines_that_nobody_takes_are_bounded() {
        let mut journal = Journal { rate: u32::MAX, ..Journal::new() };
        (0..2 * WAITING as u32).for_each(|number| journal.line(1, line(number)));
        assert_eq!(journal.waiting.len(), WAITING);
        assert_eq!(journal.counts.suppressed, WAITING as u64);
    }
}
