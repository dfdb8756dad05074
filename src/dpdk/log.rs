//! DPDK's log: kept in memory so that a failure can be told with the driver's own reason, and
//! shown on standard error only as far as the operator asked.

use std::{
    collections::VecDeque,
    ffi::c_char,
    io::Write,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use dpdk_sys as sys;

/// How much of DPDK's log goes to standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LogLevel {
    /// Nothing: failures are told by errors.
    #[default]
    Quiet,
    /// What went wrong.
    Error,
    /// What may be wrong.
    Warning,
    /// What an operator may want to know.
    Notice,
    /// What drivers do.
    Info,
    /// Everything.
    Debug,
}

impl LogLevel {
    /// DPDK's number for the level.
    pub(super) const fn number(self) -> u32 {
        match self {
            Self::Quiet => 0,
            Self::Error => sys::RTE_LOG_ERR,
            Self::Warning => sys::RTE_LOG_WARNING,
            Self::Notice => sys::RTE_LOG_NOTICE,
            Self::Info => sys::RTE_LOG_INFO,
            Self::Debug => sys::RTE_LOG_DEBUG,
        }
    }
}

/// Lines kept.
const KEPT: usize = 256;

struct Line {
    number: u64,
    level: u32,
    text: String,
}

struct Kept {
    lines: VecDeque<Line>,
    unfinished: String,
    next: u64,
}

static KEPT_LINES: Mutex<Kept> =
    Mutex::new(Kept { lines: VecDeque::new(), unfinished: String::new(), next: 0 });

static SHOWN: AtomicU32 = AtomicU32::new(0);

impl Kept {
    fn add(&mut self, level: u32, text: &str) {
        for piece in text.split_inclusive('\n') {
            self.unfinished.push_str(piece);
            if !piece.ends_with('\n') {
                continue;
            }
            let text = std::mem::take(&mut self.unfinished).trim_end().to_owned();
            if self.lines.len() == KEPT {
                self.lines.pop_front();
            }
            self.lines.push_back(Line { number: self.next, level, text });
            self.next += 1;
        }
    }

    fn worst_since(&self, mark: u64) -> Vec<String> {
        let at = |most: u32, least: u32| -> Vec<String> {
            let mut told_lines: Vec<String> = self
                .lines
                .iter()
                .filter(|line| line.number >= mark && (least..=most).contains(&line.level))
                .filter_map(|line| told(&line.text))
                .collect();
            told_lines.dedup();
            told_lines
        };
        let errors = at(sys::RTE_LOG_ERR, 0);
        if errors.is_empty() { at(sys::RTE_LOG_WARNING, sys::RTE_LOG_WARNING) } else { errors }
    }
}

/// A line without the names of C functions and components in front; `None` for lines in which
/// DPDK only says that it passes on a failure.
fn told(line: &str) -> Option<String> {
    const PASSED_ON: [&str; 5] = [
        "Failed to attach device on primary process",
        "Driver cannot attach the device",
        "failed to initialize",
        "Failed to init internals",
        "Failed to configure xdp socket",
    ];
    let mut text = line;
    while let Some((front, rest)) = text.split_once(": ") {
        let is_name = |c: char| c.is_ascii_alphanumeric() || "_()".contains(c);
        let named =
            front.ends_with("()") || front.chars().all(|c| c.is_ascii_uppercase() || c == '_');
        if !named || !front.chars().all(is_name) {
            break;
        }
        text = rest;
    }
    let text = text.trim();
    let passed_on = PASSED_ON.iter().any(|words| text.contains(words));
    (!text.is_empty() && !passed_on).then(|| text.trim_end_matches('.').to_owned())
}

/// Receives DPDK's log on whatever thread logs.
extern "C" fn sink(level: u32, text: *const c_char, len: usize) {
    // SAFETY: the shim passes the bytes that stdio wants written.
    let bytes = unsafe { std::slice::from_raw_parts(text.cast::<u8>(), len) };
    if level <= SHOWN.load(Ordering::Relaxed) {
        // Nobody can be told that standard error is gone.
        let _ = std::io::stderr().write_all(bytes);
    }
    lock().add(level, &String::from_utf8_lossy(bytes));
}

fn lock() -> std::sync::MutexGuard<'static, Kept> {
    KEPT_LINES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes over DPDK's log; `shown` of it goes to standard error.
pub(super) fn capture(shown: LogLevel) {
    SHOWN.store(shown.number(), Ordering::Relaxed);
    // SAFETY: `sink` lives as long as the process and may be called from any thread. When there is
    // no memory for the stream, DPDK logs to standard error as it would without us.
    unsafe { sys::dpdk_log_to(Some(sink)) };
}

/// Takes over what the libraries of the `af_xdp` driver print past DPDK's log; after EAL started.
pub(super) fn capture_xdp() {
    // SAFETY: `capture` has set the sink, which may be called from any thread.
    unsafe { sys::dpdk_xdp_log() };
}

/// True when a line since `mark` holds `text`.
pub(super) fn has_since(mark: u64, text: &str) -> bool {
    lock().lines.iter().any(|line| line.number >= mark && line.text.contains(text))
}

/// A place in the log, for [`since`].
pub(super) fn mark() -> u64 {
    lock().next
}

/// What DPDK complained of since `mark`, or an empty string.
pub(super) fn since(mark: u64) -> String {
    lock().worst_since(mark).join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(lines: &[(u32, &str)]) -> Kept {
        let mut kept = Kept { lines: VecDeque::new(), unfinished: String::new(), next: 0 };
        for (level, text) in lines {
            kept.add(*level, text);
        }
        kept
    }

    #[test]
    fn a_failure_is_told_in_the_drivers_words_without_its_function_names() {
        let log = kept(&[
            (sys::RTE_LOG_INFO, "init_internals(): Zero copy enabled.\n"),
            (sys::RTE_LOG_ERR, "init_internals(): Queue count 4 is larger than 1.\n"),
            (sys::RTE_LOG_ERR, "EAL: Driver cannot attach the device (net_af_xdp0)\n"),
        ]);
        assert_eq!(log.worst_since(0), ["Queue count 4 is larger than 1"]);
    }

    #[test]
    fn a_line_written_in_pieces_is_one_line() {
        let log = kept(&[(4, "could not "), (4, "open\nnext"), (4, " one\n")]);
        assert_eq!(log.worst_since(0), ["could not open", "next one"]);
        assert_eq!(log.worst_since(1), ["next one"]);
    }

    #[test]
    fn warnings_are_told_when_there_is_no_error() {
        let log = kept(&[(sys::RTE_LOG_WARNING, "EAL: no free hugepages\n")]);
        assert_eq!(log.worst_since(0), ["no free hugepages"]);
    }

    #[test]
    fn an_old_line_makes_room_for_a_new_one() {
        let mut log = kept(&[]);
        for number in 0..=KEPT {
            log.add(4, &format!("line {number}\n"));
        }
        assert_eq!(log.lines.len(), KEPT);
        assert_eq!(log.worst_since(0)[0], "line 1");
    }
}
