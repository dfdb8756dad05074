//! Pages of the packet filter: rules, sets, translated connections, and who sends most.

use super::page::{Table, bytes, grouped};
use crate::telemetry::report::{FilterRow, NatRow, QueueRow, SetRow, TalkerRow};

fn or(table: &Table, nothing: &str) -> String {
    if table.is_empty() { format!("{nothing}\n") } else { table.text() }
}

/// Rules with their counts.
pub(super) fn filter(rows: &[FilterRow]) -> String {
    let mut table =
        Table::new(&["family", "table", "chain", ">rule", ">packets", ">bytes", "what"]);
    for row in rows {
        table.row([
            row.family.clone(),
            row.table.clone(),
            row.chain.clone(),
            row.number.map_or_else(|| "-".into(), |number| number.to_string()),
            grouped(row.packets),
            bytes(row.bytes),
            row.rule.clone(),
        ]);
    }
    or(&table, "no rules")
}

/// Sets.
pub(super) fn sets(rows: &[SetRow]) -> String {
    let mut table = Table::new(&["set", "type", ">entries", ">limit", ">memory", ">references"]);
    for row in rows {
        table.row([
            row.name.clone(),
            row.kind.clone(),
            grouped(row.entries),
            grouped(row.limit),
            bytes(row.memory),
            row.references.to_string(),
        ]);
    }
    or(&table, "no sets")
}

/// Programs that decide on packets.
pub(super) fn queues(rows: &[QueueRow]) -> String {
    let mut table =
        Table::new(&["queues", ">program", ">waiting", ">limit", "when full", ">seen", ">full"]);
    for row in rows {
        table.row([
            if row.first == row.last {
                row.first.to_string()
            } else {
                format!("{} to {}", row.first, row.last)
            },
            row.program.to_string(),
            grouped(row.waiting),
            grouped(row.limit),
            if row.fail_open { "pass" } else { "drop" }.into(),
            grouped(row.offered),
            grouped(row.full),
        ]);
    }
    or(&table, "no program listens")
}

/// Translated connections.
pub(super) fn nat(rows: &[NatRow]) -> String {
    let mut table = Table::new(&[
        ">worker",
        "protocol",
        "from",
        "to",
        "becomes from",
        "to",
        "state",
        ">seconds left",
    ]);
    for row in rows {
        table.row([
            row.worker.to_string(),
            row.protocol.clone(),
            row.source.clone(),
            row.destination.clone(),
            row.new_source.clone(),
            row.new_destination.clone(),
            if row.state.is_empty() { "-".into() } else { row.state.clone() },
            row.seconds.to_string(),
        ]);
    }
    or(&table, "no translated connections")
}

/// Hosts that send and receive most.
pub(super) fn talkers(rows: &[TalkerRow]) -> String {
    let mut table =
        Table::new(&["host", ">connections", ">sent", ">packets", ">received", ">packets"]);
    for row in rows {
        table.row([
            row.host.clone(),
            grouped(row.connections),
            bytes(row.sent_bytes),
            grouped(row.sent_packets),
            bytes(row.received_bytes),
            grouped(row.received_packets),
        ]);
    }
    or(&table, "no connections")
}
