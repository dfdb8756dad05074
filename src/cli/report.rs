//! Reports of `replay` and `bench` as text.

use std::fmt::Write as _;

use super::page::{Table, bytes, grouped, time};
use crate::telemetry::report::{
    BenchReport, BenchRow, NodeRow, Percentiles, ReplayReport, SearchRow,
};

/// `write!` to a string cannot fail.
macro_rules! put {
    ($to:expr, $($rest:tt)*) => { let _ = writeln!($to, $($rest)*); };
}

fn latency(to: &mut String, latency: &Percentiles) {
    put!(
        to,
        "\nlatency   p50 {}   p90 {}   p99 {}   p99.9 {}   p99.99 {}   most {}",
        time(latency.p50),
        time(latency.p90),
        time(latency.p99),
        time(latency.p999),
        time(latency.p9999),
        time(latency.max)
    );
}

/// What each node cost.
pub(super) fn nodes(rows: &[NodeRow]) -> String {
    let mut table = Table::new(&["node", ">packets", ">a batch", ">cycles a packet", ">share"]);
    let all: u64 = rows.iter().map(|row| row.cycles).sum();
    for row in rows {
        table.row([
            row.name.clone(),
            grouped(row.packets),
            format!("{:.1}", row.packets_per_batch),
            format!("{:.1}", row.cycles_per_packet),
            format!("{:.1} %", 100.0 * row.cycles as f64 / all.max(1) as f64),
        ]);
    }
    table.text()
}

/// `replay`.
pub(super) fn replay(report: &ReplayReport) -> String {
    let mut text = report.said.clone();
    for row in &report.commands {
        put!(text, "{} s: {}", row.at, row.command);
        text.push_str(&row.out);
        text.push_str(&row.err);
    }
    if report.seconds > 0.0 {
        put!(
            text,
            "{} packets in {:.3} s on {} worker{}: {:.2} Mpps, {:.2} Gb/s, {:.0} cycles a packet",
            grouped(report.packets_in),
            report.seconds,
            report.workers,
            if report.workers == 1 { "" } else { "s" },
            report.mpps,
            report.gbps,
            report.cycles_per_packet
        );
    } else {
        put!(
            text,
            "{} packets, {} by the captures' clock",
            grouped(report.packets_in),
            time((report.capture_seconds * 1e9) as u64)
        );
    }
    let mut ports = Table::new(&[
        "port",
        ">packets in",
        ">bytes in",
        ">packets out",
        ">bytes out",
        ">not sent",
        "written to",
    ]);
    for port in &report.ports {
        ports.row([
            port.name.clone(),
            grouped(port.rx_packets),
            bytes(port.rx_bytes),
            grouped(port.tx_packets),
            bytes(port.tx_bytes),
            grouped(port.tx_dropped),
            port.written.clone().unwrap_or_default(),
        ]);
    }
    put!(text, "");
    text.push_str(&ports.text());
    if report.seconds > 0.0 {
        put!(text, "");
        text.push_str(&nodes(&report.nodes));
    }
    if !report.drops.is_empty() {
        let mut drops = Table::new(&["dropped for", ">packets", "meaning"]);
        for row in &report.drops {
            drops.row([row.reason.clone(), grouped(row.count), row.help.clone()]);
        }
        put!(text, "");
        text.push_str(&drops.text());
    }
    if !report.counters.is_empty() {
        let mut counters = Table::new(&["counter", ">value", "meaning"]);
        for row in &report.counters {
            let name = format!("{}{}", row.group, row.name);
            counters.row([name, grouped(row.value), row.help.clone()]);
        }
        put!(text, "");
        text.push_str(&counters.text());
    }
    if let Some(percentiles) = &report.latency {
        latency(&mut text, percentiles);
    }
    if report.rounds.len() > 1 {
        let mut rounds: Vec<f64> = report.rounds.iter().map(|round| round.mpps).collect();
        rounds.sort_by(f64::total_cmp);
        put!(
            text,
            "rounds    least {:.2}   median {:.2}   most {:.2} Mpps, of {}",
            rounds[0],
            rounds[rounds.len() / 2],
            rounds[rounds.len() - 1],
            rounds.len()
        );
    }
    put!(
        text,
        "\n{} in + {} made = {} sent + {} dropped + {} taken by the router",
        grouped(report.packets_in),
        grouped(report.made),
        grouped(report.transmitted),
        grouped(report.dropped),
        grouped(report.delivered)
    );
    put!(text, "unaccounted = {}, leaked = {}", report.unaccounted, report.leaked);
    for note in &report.notes {
        put!(text, "note: {note}");
    }
    text
}

/// `bench`.
pub(super) fn bench(report: &BenchReport) -> String {
    let mut text = String::new();
    put!(text, "{}\n", report.machine);
    let mut table = Table::new(&[
        ">size",
        ">flows",
        ">routes",
        ">rules",
        ">workers",
        ">Mpps",
        ">Gb/s",
        ">cycles a packet",
        ">p50",
        ">p99",
        ">p99.99",
    ]);
    for row in &report.rows {
        let at =
            |of: fn(&Percentiles) -> u64| row.latency.as_ref().map(of).map_or("-".into(), time);
        table.row([
            row.size.clone(),
            grouped(row.flows),
            grouped(row.routes),
            grouped(row.rules),
            row.workers.to_string(),
            format!("{:.2}", row.mpps),
            format!("{:.2}", row.gbps),
            format!("{:.0}", row.cycles_per_packet),
            at(|latency| latency.p50),
            at(|latency| latency.p99),
            at(|latency| latency.p9999),
        ]);
    }
    text.push_str(&table.text());
    if !report.grid.is_empty() {
        put!(text, "");
        text.push_str(&grid(&report.grid));
    }
    if !report.searches.is_empty() {
        put!(text, "");
        text.push_str(&searches(&report.searches));
    }
    for note in &report.notes {
        put!(text, "note: {note}");
    }
    text
}

/// By numbers of routes and of flows.
fn grid(rows: &[BenchRow]) -> String {
    let mut table = Table::new(&[">size", ">routes", ">flows", ">Mpps", ">cycles a packet"]);
    for row in rows {
        table.row([
            row.size.clone(),
            grouped(row.routes),
            grouped(row.flows),
            format!("{:.2}", row.mpps),
            format!("{:.0}", row.cycles_per_packet),
        ]);
    }
    table.text()
}

/// Rates without loss, and the time that packets take below them.
fn searches(rows: &[SearchRow]) -> String {
    let mut table = Table::new(&[
        ">size",
        ">no-drop Mpps",
        ">Gb/s",
        ">load",
        ">Mpps",
        ">lost",
        ">p50",
        ">p99",
        ">p99.99",
        ">most",
    ]);
    for row in rows {
        let mut head = [row.size.clone(), format!("{:.2}", row.mpps), format!("{:.2}", row.gbps)];
        for load in &row.loads {
            let at = |of: fn(&Percentiles) -> u64| {
                load.latency.as_ref().map(of).map_or("-".into(), time)
            };
            table.row(std::mem::take(&mut head).into_iter().chain([
                format!("{} %", load.percent),
                format!("{:.2}", load.mpps),
                grouped(load.lost),
                at(|latency| latency.p50),
                at(|latency| latency.p99),
                at(|latency| latency.p9999),
                at(|latency| latency.max),
            ]));
        }
        if row.loads.is_empty() {
            table.row(head);
        }
    }
    table.text()
}
