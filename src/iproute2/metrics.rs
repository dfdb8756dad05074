//! Metrics of a route: what TCP of the router itself should assume about a path.
//!
//! They are kept as `(name, value)` with the kernel's units (`RTAX_*`): `rtt` in eighths and
//! `rttvar` in quarters of a millisecond, `rto_min` in milliseconds, `features` as bits, `congctl`
//! as an index into [`names::CONGCTL`](super::names::CONGCTL), `realms` with the source realm in the
//! upper half. `"advmss lock"` is a locked `advmss`, and so for the others; only the MTU has fields
//! of its own.

use super::names;
use super::words::{Parse, Words, abbreviates, c_number};
use crate::route::spec::RouteSpec;

/// How a value is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// A plain number, at most this.
    Number(u32),
    /// Milliseconds or seconds; the kernel keeps this many parts of a millisecond.
    Time(u32),
    /// `ecn`.
    Features,
    /// 0 or 1.
    Bool,
    /// The name of an algorithm.
    Algorithm,
}

/// One metric of iproute2.
pub(super) struct Metric {
    /// Its word.
    pub(super) name: &'static str,
    /// The same with `lock`, for those that can be locked.
    pub(super) locked: Option<&'static str>,
    /// iproute2 accepts the word cut short.
    abbreviated: bool,
    pub(super) unit: Unit,
    /// iproute2's sentence about a wrong value.
    what: &'static str,
}

impl Metric {
    /// The word without `lock`.
    pub(super) fn word(&self) -> &'static str {
        self.name.split(' ').next().unwrap_or(self.name)
    }
}

const fn number(name: &'static str, locked: &'static str, what: &'static str) -> Metric {
    Metric { name, locked: Some(locked), abbreviated: true, unit: Unit::Number(u32::MAX), what }
}

/// All metrics but the MTU in the order of their numbers, which is the order of printing.
pub(super) const METRICS: &[Metric] = &[
    number("window", "window lock", "\"window\" value is invalid"),
    Metric {
        name: "rtt",
        locked: Some("rtt lock"),
        abbreviated: false,
        unit: Unit::Time(8),
        what: "\"rtt\" value is invalid",
    },
    Metric {
        name: "rttvar",
        locked: Some("rttvar lock"),
        abbreviated: true,
        unit: Unit::Time(4),
        what: "\"rttvar\" value is invalid",
    },
    number("ssthresh", "ssthresh lock", "\"ssthresh\" value is invalid"),
    number("cwnd", "cwnd lock", "\"cwnd\" value is invalid"),
    Metric {
        name: "advmss",
        locked: Some("advmss lock"),
        abbreviated: false,
        unit: Unit::Number(u32::MAX),
        what: "\"mss\" value is invalid",
    },
    number("reordering", "reordering lock", "\"reordering\" value is invalid"),
    Metric {
        name: "hoplimit",
        locked: Some("hoplimit lock"),
        abbreviated: false,
        unit: Unit::Number(255),
        what: "\"hoplimit\" value is invalid",
    },
    number("initcwnd", "initcwnd lock", "\"initcwnd\" value is invalid"),
    Metric {
        name: "features",
        locked: None,
        abbreviated: true,
        unit: Unit::Features,
        what: "\"features\" value not valid",
    },
    Metric {
        name: "rto_min lock",
        locked: Some("rto_min lock"),
        abbreviated: false,
        unit: Unit::Time(1),
        what: "\"rto_min\" value is invalid",
    },
    number("initrwnd", "initrwnd lock", "\"initrwnd\" value is invalid"),
    Metric {
        name: "quickack",
        locked: None,
        abbreviated: true,
        unit: Unit::Bool,
        what: "\"quickack\" value is invalid",
    },
    Metric {
        name: "congctl",
        locked: Some("congctl lock"),
        abbreviated: true,
        unit: Unit::Algorithm,
        what: "",
    },
];

/// The order in which iproute2 tries abbreviations.
const TRIED: &[&str] = &[
    "hoplimit",
    "advmss",
    "reordering",
    "rtt",
    "rto_min",
    "window",
    "cwnd",
    "initcwnd",
    "initrwnd",
    "features",
    "quickack",
    "congctl",
    "rttvar",
    "ssthresh",
];

/// Sets a metric, in place of an earlier value.
pub(super) fn set(metrics: &mut Vec<(&'static str, u32)>, name: &'static str, value: u32) {
    let word = name.split(' ').next();
    metrics.retain(|(other, _)| other.split(' ').next() != word);
    metrics.push((name, value));
}

/// Reads the value of a metric if `word` is one; false if it is none.
pub(super) fn read(words: &mut Words<'_>, word: &str, spec: &mut RouteSpec) -> Parse<bool> {
    if word == "mtu" {
        spec.mtu_locked |= words.skip("lock");
        spec.mtu = Some(words.number(u32::MAX, "\"mtu\" value is invalid")?);
        return Ok(true);
    }
    let hit = TRIED.iter().find_map(|tried| {
        let metric = METRICS.iter().find(|m| m.word() == *tried)?;
        let same = if metric.abbreviated { abbreviates(word, tried) } else { word == *tried };
        same.then_some(metric)
    });
    let Some(metric) = hit else { return Ok(false) };
    let name = match metric.locked {
        // `rto_min` is always locked and takes no such word.
        Some(locked) if locked != metric.name && words.skip("lock") => locked,
        _ => metric.name,
    };
    let value = read_value(words, metric)?;
    set(&mut spec.metrics, name, value);
    Ok(true)
}

fn read_value(words: &mut Words<'_>, metric: &Metric) -> Parse<u32> {
    match metric.unit {
        Unit::Number(max) => words.number(max, metric.what),
        Unit::Time(parts) => {
            let word = words.value()?;
            match read_time(word, parts) {
                Some(time) => Ok(time),
                None => words.wrong(word, metric.what),
            }
        }
        Unit::Features => match words.value()? {
            "ecn" => Ok(1),
            word => words.wrong(word, metric.what),
        },
        Unit::Bool => {
            let word = words.value()?;
            match c_number(word, 0) {
                Some(n @ (0 | 1)) => Ok(u32::from(n == 1)),
                Some(n) if n <= u64::from(u32::MAX) => {
                    words.wrong(word, "\"quickack\" value should be 0 or 1")
                }
                _ => words.wrong(word, metric.what),
            }
        }
        Unit::Algorithm => {
            let word = words.value()?;
            match names::CONGCTL.iter().position(|name| *name == word) {
                Some(index) => Ok(u32::try_from(index).unwrap_or(0)),
                None => words.unsupported(format!("congctl {word}")),
            }
        }
    }
}

/// A time in the kernel's unit; a number without a suffix is in that unit already.
fn read_time(word: &str, parts: u32) -> Option<u32> {
    let digits = word.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(word.len());
    let (number, suffix) = word.split_at(digits);
    let number: f64 = number.parse().ok()?;
    let lower = suffix.to_ascii_lowercase();
    let (factor, parts) = match lower.as_str() {
        "" => (1.0, 1),
        "s" | "sec" | "secs" => (1000.0, parts),
        "ms" | "msec" | "msecs" => (1.0, parts),
        _ => return None,
    };
    let millis = (number * factor).ceil();
    if millis >= f64::from(u32::MAX) {
        return None;
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
    (millis as u32).checked_mul(parts)
}
