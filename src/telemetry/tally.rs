//! Counters of all workers and of the management core, added up into rows.

use std::{collections::HashMap, sync::Arc};

use super::report::{CounterRow, DropRow, EdgeRow, NodeRow, TurnRow, WorkerRow, ratio};
use crate::{
    graph::{Count, Edge, NodeStats, Reason, SNMPS, Snmp, Stats},
    packet::icmp4::ty,
};

/// What there is to add up. The workers are all built alike but for their inputs.
#[derive(Clone, Copy)]
pub struct Tally<'a> {
    /// By worker.
    pub stats: &'a [Arc<Stats>],
    /// Names of each worker's inputs.
    pub inputs: &'a [Vec<String>],
    /// Nodes and their edges, in the graph's order.
    pub shape: &'a [(&'static str, &'static [Edge])],
    /// Packets that the management core ended.
    pub dropped: &'a HashMap<Reason, u64>,
    /// What the management core counted, by [`Snmp`].
    pub counted: &'a [u64; SNMPS],
}

/// Groups in the order in which `nstat` prints them.
const GROUPS: [&str; 11] =
    ["Ip", "Icmp", "IcmpMsg", "Tcp", "Udp", "UdpLite", "Ip6", "Icmp6", "Udp6", "TcpExt", "IpExt"];

impl Tally<'_> {
    /// A sum over all workers.
    pub fn sum(&self, of: impl Fn(&Stats) -> u64) -> u64 {
        self.stats.iter().map(|stats| of(stats)).sum()
    }

    /// Packets that ended for a reason.
    pub fn ended(&self, reason: Reason) -> u64 {
        self.sum(|stats| stats.drops[reason as usize].get())
            + self.dropped.get(&reason).copied().unwrap_or(0)
    }

    /// Packets that were dropped, and packets that the router took for itself.
    pub fn dropped_and_delivered(&self) -> (u64, u64) {
        let of = |drop| {
            let all = Reason::ALL.iter().filter(|reason| reason.is_drop() == drop);
            all.map(|reason| self.ended(*reason)).sum()
        };
        (of(true), of(false))
    }

    /// Rows of `show drops`, the most frequent reason first.
    pub fn drops(&self) -> Vec<DropRow> {
        let reasons = Reason::ALL.iter().filter(|reason| reason.is_drop());
        let mut rows: Vec<_> = reasons
            .map(|reason| DropRow {
                reason: reason.name().to_owned(),
                node: None,
                count: self.ended(*reason),
                help: reason.help().to_owned(),
            })
            .filter(|row| row.count > 0)
            .collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.count));
        rows
    }

    /// Rows of `show counters`, all of them in the kernel's order.
    pub fn counters(&self) -> Vec<CounterRow> {
        let rows = Snmp::ALL.iter().map(|counter| {
            let (group, name, help) = counter.describe();
            CounterRow {
                group: group.to_owned(),
                name: name.to_owned(),
                value: self.counter(*counter),
                help: help.to_owned(),
            }
        });
        let mut rows: Vec<_> = rows.collect();
        rows.extend(self.icmp_messages());
        rows.sort_by_key(|row| GROUPS.iter().position(|group| *group == row.group));
        rows
    }

    /// ICMP messages by type, of which the kernel shows those that were seen.
    fn icmp_messages(&self) -> Vec<CounterRow> {
        let mut rows = Vec::new();
        for (way, words) in [("In", "received"), ("Out", "sent")] {
            for kind in 0..=u8::MAX {
                let value = self.icmp(way == "Out", kind);
                if value > 0 {
                    rows.push(CounterRow {
                        group: "IcmpMsg".to_owned(),
                        name: format!("{way}Type{kind}"),
                        value,
                        help: format!("ICMP messages of type {kind} {words}."),
                    });
                }
                let value = self.icmp6(way == "Out", kind);
                if value > 0 {
                    rows.push(CounterRow {
                        group: "Icmp6".to_owned(),
                        name: format!("{way}Type{kind}"),
                        value,
                        help: format!("ICMPv6 messages of type {kind} {words}."),
                    });
                }
            }
        }
        rows
    }

    fn icmp(&self, sent: bool, kind: u8) -> u64 {
        // The management core sends echo requests, and no other messages of its own.
        let here = match (sent, kind) {
            (true, ty::ECHO_REQUEST) => self.counted[Snmp::IcmpOutEchos as usize],
            _ => 0,
        };
        here + self.sum(|stats| stats.icmp[usize::from(sent)][usize::from(kind)].get())
    }

    /// The management core counts what it sends by name; see [`Snmp::icmp6_type`].
    fn icmp6(&self, sent: bool, kind: u8) -> u64 {
        let named = Snmp::ALL.iter().filter(|counter| counter.icmp6_type() == Some((sent, kind)));
        let here: u64 = named.map(|counter| self.counted[*counter as usize]).sum();
        here + self.sum(|stats| stats.icmp6[usize::from(sent)][usize::from(kind)].get())
    }

    /// A counter of the kernel's: what nodes count, what comes of drop reasons, and what the ways
    /// through the graph tell.
    fn counter(&self, counter: Snmp) -> u64 {
        let here = match (counter.icmp_type(), counter.icmp6_type()) {
            (None, None) => self.counted[counter as usize],
            _ => 0,
        };
        let counted = here + self.sum(|stats| stats.snmp[counter as usize].get());
        let reasons = Reason::ALL.iter().filter(|reason| reason.snmp().contains(&counter));
        let ended: u64 = reasons.map(|reason| self.ended(*reason)).sum();
        let ways = match counter {
            // Plain packets go straight to their route; all others are looked at first.
            Snmp::InReceives => {
                self.edge("classify", |edge| {
                    matches!(edge, Edge::Arc("ip4-pre-routing" | "ip4-post-routing"))
                }) + self.node("ip4-input", |node| &node.packets)
            }
            Snmp::Ip6InReceives => {
                self.edge("classify", |edge| {
                    matches!(edge, Edge::Arc("ip6-pre-routing" | "ip6-post-routing"))
                }) + self.node("ip6-input", |node| &node.packets)
            }
            // Where a filter looks at them, they are forwarded when it lets them pass.
            Snmp::Ip6OutForwDatagrams => {
                let filtered = self.edge("nf6-forward", |edge| *edge == Edge::To("ip6-output"));
                let way = Edge::Arc("ip6-post-routing");
                let short = self.edge("nf6-flowtable", |edge| *edge == way)
                    + self.edge("classify", |edge| *edge == way);
                filtered
                    + short
                    + self.edge("ip6-forward", |edge| {
                        matches!(edge, Edge::Arc("ip6-post-routing") | Edge::To("ip6-resolve"))
                    })
            }
            Snmp::ForwDatagrams => {
                let filtered = self.edge("nf4-forward", |edge| *edge == Edge::To("ip4-output"));
                let way = Edge::Arc("ip4-post-routing");
                let short = self.edge("nf4-flowtable", |edge| *edge == way)
                    + self.edge("classify", |edge| *edge == way);
                filtered
                    + short
                    + self.edge("ip4-forward", |edge| {
                        matches!(edge, Edge::Arc(_) | Edge::To("ip4-fragment" | "ip4-resolve"))
                    })
            }
            Snmp::OutTransmits => {
                self.counter(Snmp::ForwDatagrams) + self.counter(Snmp::OutRequests)
            }
            Snmp::Ip6OutTransmits => {
                let sent = self.counter(Snmp::Ip6OutForwDatagrams)
                    + self.counter(Snmp::Ip6OutRequests)
                    + self.counter(Snmp::Ip6FragCreates);
                // What is too big counts as forwarded, and what was cut left in pieces.
                let kept = [Reason::Ip6TooBig, Reason::Ip6TooBigForWay, Reason::Frag6Failed];
                let kept: u64 = kept.into_iter().map(|reason| self.ended(reason)).sum();
                sent.saturating_sub(kept + self.counter(Snmp::Ip6FragOKs))
            }
            _ => match (counter.icmp_type(), counter.icmp6_type()) {
                (Some((sent, kind)), _) => self.icmp(sent, kind),
                (_, Some((sent, kind))) => self.icmp6(sent, kind),
                _ => 0,
            },
        };
        counted + ended + ways
    }

    fn place(&self, node: &str) -> Option<usize> {
        self.shape.iter().position(|(name, _)| *name == node)
    }

    fn node(&self, name: &str, of: fn(&NodeStats) -> &Count) -> u64 {
        let Some(place) = self.place(name) else { return 0 };
        self.sum(|stats| of(&stats.nodes[place]).get())
    }

    /// Packets that left a node by the edges that are wanted.
    fn edge(&self, node: &str, wanted: impl Fn(&Edge) -> bool) -> u64 {
        let Some(place) = self.place(node) else { return 0 };
        let edges = self.shape[place].1.iter().enumerate().filter(|(_, edge)| wanted(edge));
        edges.map(|(at, _)| self.sum(|stats| stats.nodes[place].edges[at].get())).sum()
    }

    /// Rows of `show graph`: inputs, then nodes in the order in which packets meet them.
    pub fn nodes(&self) -> Vec<NodeRow> {
        let mut inputs: Vec<(String, (u64, u64, u64))> = Vec::new();
        for (stats, names) in self.stats.iter().zip(self.inputs) {
            for (input, name) in stats.inputs.iter().zip(names) {
                let counts = (input.packets.get(), input.batches.get(), input.cycles.get());
                match inputs.iter_mut().find(|(known, _)| known == name) {
                    Some((_, sum)) => {
                        *sum = (sum.0 + counts.0, sum.1 + counts.1, sum.2 + counts.2);
                    }
                    None => inputs.push((name.clone(), counts)),
                }
            }
        }
        let inputs = inputs.into_iter().map(|(name, sums)| NodeRow::new(name, true, sums, vec![]));
        let nodes = self.shape.iter().enumerate().map(|(place, (name, edges))| {
            let of = |count: fn(&NodeStats) -> &Count| {
                self.sum(|stats| count(&stats.nodes[place]).get())
            };
            let sums =
                (of(|node| &node.packets), of(|node| &node.batches), of(|node| &node.cycles));
            let edges = edges.iter().enumerate().map(|(at, edge)| {
                let (to, drop) = target(edge);
                let packets = self.sum(|stats| stats.nodes[place].edges[at].get());
                EdgeRow { to: to.to_owned(), drop, packets }
            });
            NodeRow::new(*name, false, sums, edges.collect())
        });
        inputs.chain(nodes).collect()
    }

    /// Rows of `show workers`; `facts` are each worker's core and idle policy, and a second has `hz` cycles.
    pub fn workers(&self, facts: &[(Option<usize>, &str)], hz: u64) -> Vec<WorkerRow> {
        let nanos =
            |cycles: u64| (u128::from(cycles) * 1_000_000_000 / u128::from(hz.max(1))) as u64;
        let rows = self.stats.iter().zip(facts).enumerate().map(|(id, (stats, (core, idle)))| {
            let (busy, rest) = (stats.busy_cycles.get(), stats.idle_cycles.get());
            let percent = |cycles: u64| ratio(cycles as f64 * 100.0, (busy + rest) as f64);
            let received: u64 = stats.inputs.iter().map(|input| input.packets.get()).sum();
            let long = &stats.long_turns;
            let lengths = long.lengths.iter();
            let lengths = lengths.map(|(cycles, turns)| TurnRow { at_most: nanos(cycles), turns });
            WorkerRow {
                id: id as u32,
                core: core.map(|core| core as u32),
                idle: (*idle).to_owned(),
                busy_percent: percent(busy),
                asleep_percent: percent(stats.asleep_cycles.get()),
                loops: stats.loops.get(),
                rx_packets: received - stats.handed_in.get(),
                tx_packets: stats.transmitted.get(),
                dropped: stats.drops.iter().map(Count::get).sum(),
                punted: stats.punted.get(),
                injected: stats.injected.get(),
                handed_in: stats.handed_in.get(),
                handed_out: stats.handed_out.get(),
                cycles_per_packet: ratio(busy as f64, received as f64),
                longest_turn: nanos(long.longest.get()),
                stalls: long.stalls.get(),
                long_turns: lengths.collect(),
            }
        });
        rows.collect()
    }
}

/// Where an edge leads, as people read it, and whether packets end there.
pub fn target(edge: &Edge) -> (&'static str, bool) {
    match edge {
        Edge::To(name) | Edge::Arc(name) => (name, false),
        Edge::Continue => ("(next feature)", false),
        Edge::Drop(reason) => (reason.name(), true),
        Edge::DropMarked => ("(for its cause)", true),
    }
}
