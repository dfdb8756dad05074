//! What a replay found, as rows.

use std::sync::Arc;

use super::{lockstep::Lockstep, rig::Rig, throughput::Played};
use crate::{
    config::Config,
    dpdk::eal::nanos,
    graph::{Latency, Stats},
    setup::received,
    telemetry::{
        report::{BucketRow, NodeCost, Percentiles, PortReport, ReplayReport, RoundReport, ratio},
        tally::Tally,
        words::time,
    },
};

/// The part of the time above which a wait for captures is told of.
const WORTH_TELLING: f64 = 0.01;

fn sum(stats: &[Arc<Stats>], of: impl Fn(&Stats) -> u64) -> u64 {
    stats.iter().map(|stats| of(stats)).sum()
}

/// What both kinds of replay tell.
fn common(config: &Config, rig: &Rig, seconds: f64) -> ReplayReport {
    let stats = &rig.stats;
    let ports = config.ports.iter().zip(&rig.ports).map(|(port, (_, iface))| {
        let at = usize::from(*iface);
        PortReport {
            name: port.name.to_string(),
            rx_packets: sum(stats, |stats| stats.ifaces[at].rx_packets.get()),
            rx_bytes: sum(stats, |stats| stats.ifaces[at].rx_bytes.get()),
            tx_packets: sum(stats, |stats| stats.ifaces[at].tx_packets.get()),
            tx_bytes: sum(stats, |stats| stats.ifaces[at].tx_bytes.get()),
            tx_dropped: sum(stats, |stats| stats.ifaces[at].tx_dropped.get()),
            written: None,
        }
    });
    let ports: Vec<_> = ports.collect();
    let packets_in = received(stats);
    let bytes_in = ports.iter().map(|port| port.rx_bytes).sum::<u64>();
    let dropped_here = rig.router.dropped();
    let counted = rig.router.counts();
    let tally =
        Tally { stats, inputs: &rig.inputs, shape: &rig.shape, dropped: dropped_here, counted };
    let (dropped, delivered) = tally.dropped_and_delivered();
    let busy = sum(stats, |stats| stats.busy_cycles.get());
    ReplayReport {
        config: config.source.name.clone(),
        workers: stats.len() as u32,
        packets_in,
        bytes_in,
        seconds,
        mpps: ratio(packets_in as f64 / 1e6, seconds),
        gbps: ratio(bytes_in as f64 * 8.0 / 1e9, seconds),
        cycles_per_packet: ratio(busy as f64, packets_in as f64),
        transmitted: sum(stats, |stats| stats.transmitted.get()),
        punted: sum(stats, |stats| stats.punted.get()),
        made: sum(stats, |stats| stats.made.get()) + rig.router.made,
        ports,
        dropped,
        delivered,
        nodes: tally.nodes().into_iter().filter(|row| row.packets > 0).collect(),
        drops: tally.drops(),
        counters: tally.counters().into_iter().filter(|row| row.value > 0).collect(),
        ..ReplayReport::default()
    }
}

/// How long packets took: as the generator saw it where there is one, from when they came where that is known, else from when they were taken.
pub(super) fn histogram(played: &Played) -> Vec<BucketRow> {
    let stats = &played.rig.stats;
    if let Some(seen) = &played.seen {
        return rows([&seen.latency]);
    }
    let sent = sum(stats, |stats| stats.transmitted.get());
    // Packets are known by their places; where some do not leave, the places of others are wrong.
    let by_arrival = !played.arrivals.is_empty() && sent == played.packets;
    if by_arrival {
        rows(played.arrivals.iter().map(|arrivals| &arrivals.latency))
    } else {
        rows(stats.iter().map(|stats| &stats.latency))
    }
}

/// All that was counted, in nanoseconds.
fn rows<'a>(counts: impl IntoIterator<Item = &'a Latency>) -> Vec<BucketRow> {
    let mut buckets = std::collections::BTreeMap::new();
    for (high, count) in counts.into_iter().flat_map(Latency::iter) {
        *buckets.entry(high).or_insert(0) += count;
    }
    let rows = buckets.into_iter().map(|(high, packets)| BucketRow { upto: nanos(high), packets });
    rows.collect()
}

/// What each node had of the time, a packet that came in.
pub(super) fn costs(report: &ReplayReport) -> Vec<NodeCost> {
    let costs = report.nodes.iter().map(|row| NodeCost {
        name: row.name.clone(),
        cycles_per_packet: ratio(row.cycles as f64, report.packets_in as f64),
    });
    costs.collect()
}

pub(super) fn throughput(config: &Config, played: &Played) -> ReplayReport {
    let mut report = common(config, &played.rig, played.seconds);
    report.unaccounted = played.unaccounted;
    let buckets = histogram(played);
    report.latency = Percentiles::from_buckets(buckets.iter().map(|row| (row.upto, row.packets)));
    report.failed.clone_from(&played.failed);
    report.waited_seconds = played.waited;
    if played.waited > WORTH_TELLING * played.seconds {
        let waited = time((played.waited * 1e9) as u64);
        report.notes.push(format!(
            "a worker waited {waited} for the captures: they were read slower than packets were forwarded"
        ));
    }
    if played.rounds.len() > 1 {
        let per_round = played.packets as f64 / played.rounds.len() as f64;
        let mut before = 0.0;
        for end in &played.rounds {
            let seconds = end - before;
            before = *end;
            report.rounds.push(RoundReport { seconds, mpps: ratio(per_round / 1e6, seconds) });
        }
    }
    report
}

pub(super) fn lockstep(config: &Config, lockstep: &Lockstep, unaccounted: i64) -> ReplayReport {
    // Time in a reproducible replay is the captures'; how long it took here means nothing.
    let mut report = common(config, &lockstep.rig, 0.0);
    report.cycles_per_packet = 0.0;
    report.unaccounted = unaccounted;
    report.failed.clone_from(&lockstep.failed);
    report.commands.clone_from(&lockstep.said);
    report.notes.extend(lockstep.notes.iter().cloned());
    if lockstep.lost > 0 {
        report.notes.push(format!("{} packets found no buffer", lockstep.lost));
    }
    report
}
