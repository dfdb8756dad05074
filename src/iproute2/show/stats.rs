//! The counters of an interface, as `ip -statistics` lays them out.

use serde::{Deserialize, Serialize};

use super::super::Options;
use super::out::Entry;

/// What was received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RxStats {
    /// Bytes of good frames.
    pub bytes: u64,
    /// Good frames.
    pub packets: u64,
    /// Bad frames.
    pub errors: u64,
    /// Good frames for which there was no room or no use.
    pub dropped: u64,
    /// Frames that overran a ring of the device.
    pub over_errors: u64,
    /// Multicast frames.
    pub multicast: u64,
    /// Frames of a wrong length.
    pub length_errors: u64,
    /// Frames with a wrong checksum.
    pub crc_errors: u64,
    /// Frames out of alignment.
    pub frame_errors: u64,
    /// Frames that overran the device's memory.
    pub fifo_errors: u64,
    /// Frames that the device had no buffer for.
    pub missed_errors: u64,
}

/// What was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TxStats {
    /// Bytes of frames sent.
    pub bytes: u64,
    /// Frames sent.
    pub packets: u64,
    /// Frames that could not be sent.
    pub errors: u64,
    /// Frames for which there was no room.
    pub dropped: u64,
    /// Frames lost for want of carrier.
    pub carrier_errors: u64,
    /// Collisions.
    pub collisions: u64,
    /// Frames given up.
    pub aborted_errors: u64,
    /// Frames that underran the device's memory.
    pub fifo_errors: u64,
    /// Late collisions.
    pub window_errors: u64,
    /// Missing heartbeats.
    pub heartbeat_errors: u64,
    /// How often carrier came or went.
    pub carrier_changes: u64,
}

/// The counters of an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LinkStats {
    /// What was received.
    pub rx: RxStats,
    /// What was sent.
    pub tx: TxStats,
}

/// The counters as the last lines of an interface, which the caller ends.
pub(super) fn print(entry: &mut Entry<'_>, stats: &LinkStats, options: &Options) {
    if entry.is_json() {
        print_json(entry, stats, options);
    } else {
        let line = entry.line_break;
        entry.text(format_args!("{line}"));
        print_text(entry, stats, options);
    }
}

/// The counters after the addresses, each of which ended its line.
pub(super) fn print_after_addresses(entry: &mut Entry<'_>, stats: &LinkStats, options: &Options) {
    if entry.is_json() {
        print_json(entry, stats, options);
    } else {
        print_text(entry, stats, options);
        entry.text(format_args!("\n"));
    }
}

fn print_json(entry: &mut Entry<'_>, stats: &LinkStats, options: &Options) {
    let (rx, tx) = (&stats.rx, &stats.tx);
    let more = options.statistics > 1;
    entry.object("stats64", |entry| {
        entry.object("rx", |entry| {
            entry.json("bytes", rx.bytes);
            entry.json("packets", rx.packets);
            entry.json("errors", rx.errors);
            entry.json("dropped", rx.dropped);
            entry.json("over_errors", rx.over_errors);
            entry.json("multicast", rx.multicast);
            if more {
                entry.json("length_errors", rx.length_errors);
                entry.json("crc_errors", rx.crc_errors);
                entry.json("frame_errors", rx.frame_errors);
                entry.json("fifo_errors", rx.fifo_errors);
                entry.json("missed_errors", rx.missed_errors);
            }
        });
        entry.object("tx", |entry| {
            entry.json("bytes", tx.bytes);
            entry.json("packets", tx.packets);
            entry.json("errors", tx.errors);
            entry.json("dropped", tx.dropped);
            entry.json("carrier_errors", tx.carrier_errors);
            entry.json("collisions", tx.collisions);
            if more {
                entry.json("aborted_errors", tx.aborted_errors);
                entry.json("fifo_errors", tx.fifo_errors);
                entry.json("window_errors", tx.window_errors);
                entry.json("heartbeat_errors", tx.heartbeat_errors);
                entry.json("carrier_changes", tx.carrier_changes);
            }
        });
    });
}

fn print_text(entry: &mut Entry<'_>, stats: &LinkStats, options: &Options) {
    let (rx, tx) = (&stats.rx, &stats.tx);
    let mut rows = vec![
        (
            "RX:",
            ["bytes", "packets", "errors", "dropped", "missed", "mcast"],
            [rx.bytes, rx.packets, rx.errors, rx.dropped, rx.missed_errors, rx.multicast],
        ),
        (
            "TX:",
            ["bytes", "packets", "errors", "dropped", "carrier", "collsns"],
            [tx.bytes, tx.packets, tx.errors, tx.dropped, tx.carrier_errors, tx.collisions],
        ),
    ];
    if options.statistics > 1 {
        rows.insert(
            1,
            (
                "RX errors:",
                ["", "length", "crc", "frame", "fifo", "overrun"],
                [
                    0,
                    rx.length_errors,
                    rx.crc_errors,
                    rx.frame_errors,
                    rx.fifo_errors,
                    rx.over_errors,
                ],
            ),
        );
        rows.push((
            "TX errors:",
            ["", "aborted", "fifo", "window", "heartbt", "transns"],
            [
                0,
                tx.aborted_errors,
                tx.fifo_errors,
                tx.window_errors,
                tx.heartbeat_errors,
                tx.carrier_changes,
            ],
        ));
    }
    // All rows share the widths of their columns.
    let mut widths = ["RX errors:".len(), 7, 6, 7, 7, 7];
    for (_, _, values) in &rows {
        for (width, value) in widths.iter_mut().zip(values) {
            *width = (*width).max(number(*value, options).len());
        }
    }
    let line = entry.line_break;
    for (i, (title, heads, values)) in rows.iter().enumerate() {
        if i > 0 {
            entry.text(format_args!("{line}"));
        }
        let errors = title.len() > 3;
        entry.text(format_args!("    {title}"));
        for (column, (head, width)) in heads.iter().zip(widths).enumerate() {
            match (column, errors) {
                (0, true) => entry.text(format_args!("{:1$}", "", width - title.len())),
                (0, false) => entry.text(format_args!(" {head:>0$}", width - title.len() - 1)),
                _ => entry.text(format_args!(" {head:>width$}")),
            }
        }
        // The place of a column that only old devices fill.
        if !errors {
            entry.text(format_args!("{:11}", ""));
        }
        entry.text(format_args!("{line}    "));
        for (column, (value, width)) in values.iter().zip(widths).enumerate() {
            if errors && column == 0 {
                entry.text(format_args!("{:width$} ", ""));
            } else {
                let value = number(*value, options);
                entry.text(format_args!("{value:>width$} "));
            }
        }
    }
}

/// A counter, shortened to a few digits and a letter for `-human-readable`.
fn number(value: u64, options: &Options) -> String {
    if !options.human || value < 1000 {
        return value.to_string();
    }
    let (mut unit, mut letter) = (1000u64, 0);
    while value / unit >= 1000 && letter < 5 {
        unit *= 1000;
        letter += 1;
    }
    let precision = match value / unit {
        0..10 => 2,
        10..100 => 1,
        _ => 0,
    };
    #[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
    let scaled = value as f64 / unit as f64;
    format!("{scaled:.precision$}{}", ["k", "M", "G", "T", "P", "E"][letter])
}
