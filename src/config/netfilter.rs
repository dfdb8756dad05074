//! Tunables of connection tracking by their names in `/proc/sys/net/netfilter`.
//!
//! - takes: the words behind `net.netfilter.nf_conntrack_`
//! - gives: values of [`Rules`], and what they are unless set
//! - obeys: the kernel's `Documentation/networking/nf_conntrack-sysctl.rst`

use std::ops::RangeInclusive;

use crate::conntrack::{
    Rules,
    timeouts::{DEFAULTS, SECOND},
};

/// Beginning of all names.
pub(super) const PREFIX: &str = "net.netfilter.nf_conntrack_";

/// Tunables beside the timeouts: name, range, default, what they do.
pub(super) const OTHERS: [(&str, RangeInclusive<i64>, i64, &str); 14] = [
    ("acct", 0..=1, 0, "Count packets and bytes of connections."),
    ("checksum", 0..=1, 1, "Take packets with a wrong checksum for none of a connection."),
    ("dccp_loose", 0..=1, 1, "Pick up connections of DCCP that are under way."),
    ("events", 0..=2, 2, "Tell of connections that come, change and go."),
    (
        "expect_max",
        0..=MOST,
        4096,
        "Most connections that others have announced, over all workers, each of which has its share.",
    ),
    (
        "frag6_high_thresh",
        0..=MOST,
        4 << 20,
        "Bytes of fragments of IPv6 in transit that may wait, over all workers, each of which has its share.",
    ),
    (
        "frag6_low_thresh",
        0..=MOST,
        3 << 20,
        "The kernel's lower mark of the same, which does nothing in today's kernels either.",
    ),
    (
        "frag6_timeout",
        0..=MOST,
        60,
        "Seconds that fragments of IPv6 in transit wait for the others.",
    ),
    (
        "log_invalid",
        0..=255,
        0,
        "Tell of packets of this protocol that belong to no connection in the log; 255 is for all.",
    ),
    (
        "max",
        0..=MOST,
        262_144,
        "Most connections, over all workers, each of which has its share, and never more than limits.connections.",
    ),
    ("tcp_be_liberal", 0..=1, 0, "Let segments outside of the window pass, but no resets."),
    (
        "tcp_ignore_invalid_rst",
        0..=1,
        0,
        "Leave it to the receiver what to make of a reset outside of the window.",
    ),
    ("tcp_loose", 0..=1, 1, "Pick up connections of TCP that are under way."),
    (
        "tcp_max_retrans",
        0..=255,
        3,
        "Retransmissions without an answer after which tcp_timeout_max_retrans holds.",
    ),
];

const MOST: i64 = i32::MAX as i64;

/// One more of them, which has a type of its own.
pub(super) const TIMESTAMP: (&str, RangeInclusive<i64>, i64, &str) =
    ("timestamp", 0..=1, 0, "Note when connections begin and end.");

/// Names, ranges, defaults and help of all, timeouts in seconds.
pub(super) fn all() -> impl Iterator<Item = (&'static str, RangeInclusive<i64>, i64, String)> {
    let own = |name: &str| {
        // Two words of timeout policies stand for what has another name already.
        !matches!(name, "tcp_timeout_retrans" | "tcp_timeout_unack" | "generic_timeout_timeout")
    };
    let timeouts =
        DEFAULTS.into_iter().filter(move |(name, _)| own(name)).map(|(name, seconds)| {
            let help = format!("Seconds that a connection lives: {}.", name.replace('_', " "));
            (name, 0..=MOST, seconds as i64, help)
        });
    let others = OTHERS.into_iter().chain([TIMESTAMP]);
    others
        .map(|(name, range, default, help)| (name, range, default, help.to_owned()))
        .chain(timeouts)
}

/// The one of this name behind the prefix.
pub(super) fn find(word: &str) -> Option<(&'static str, RangeInclusive<i64>, i64)> {
    all().find(|(name, ..)| *name == word).map(|(name, range, default, _)| (name, range, default))
}

/// Sets a tunable; `workers` share what is meant for all together.
pub fn set(rules: &mut Rules, word: &str, value: i64, workers: usize) {
    let on = value != 0;
    let share = |value: i64| (value / workers.max(1) as i64).clamp(0, MOST) as u32;
    match word {
        "acct" => rules.acct = on,
        "checksum" => rules.checksum = on,
        "dccp_loose" => rules.dccp_loose = on,
        "events" => rules.events = on,
        "expect_max" => rules.expect_max = share(value),
        "frag6_high_thresh" => rules.frag6_high_thresh = value.unsigned_abs(),
        "frag6_low_thresh" => rules.frag6_low_thresh = value.unsigned_abs(),
        "frag6_timeout" => rules.frag6_timeout = value.unsigned_abs() * SECOND,
        "log_invalid" => rules.log_invalid = value.clamp(0, 255) as u8,
        "max" => rules.max = share(value),
        "tcp_be_liberal" => rules.tcp_be_liberal = on,
        "tcp_ignore_invalid_rst" => rules.tcp_ignore_invalid_rst = on,
        "tcp_loose" => rules.tcp_loose = on,
        "tcp_max_retrans" => rules.tcp_max_retrans = value.clamp(0, 255) as u8,
        "timestamp" => rules.timestamp = on,
        timeout => {
            if let Some(place) = rules.timeouts.place(timeout) {
                *place = value.unsigned_abs() * SECOND;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tunable_changes_something_and_its_default_nothing() {
        for (name, range, default, _) in all() {
            let mut rules = Rules::default();
            set(&mut rules, name, default, 1);
            assert_eq!(rules, Rules { events: name == "events", ..Rules::default() }, "{name}");
            let other = if default == *range.end() { *range.start() } else { default + 1 };
            set(&mut rules, name, other, 1);
            assert!(name == "events" || rules != Rules::default(), "{name}");
        }
    }
}
