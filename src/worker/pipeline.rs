//! The list of nodes, in the order in which packets meet them. A new node is one line here.

use std::sync::Arc;

use crossbeam_queue::ArrayQueue;

use crate::{
    graph::{ArcSpec, Graph, Input, Node},
    icmp::{
        nodes::{Icmp4Error, Icmp4Input, TcpReset},
        table::Cause,
    },
    icmp6::{
        nodes::{Icmp6Error, Icmp6Input, Tcp6Reset},
        table::Cause6,
    },
    ip4::{
        nodes::{
            ClampMss, Forward, Fragment, Ip4Input, Ip4Local, Ip4Options, Lookup, Output,
            Reassemble, RouterAlert, Source,
        },
        table::ReassemblyRoom,
    },
    ip6::nodes::{
        Forward6, Fragment6, HopByHop, Ip6Input, Ip6Local, Lookup6, Output6, Reassemble6,
        RouterAlert6,
    },
    l2::nodes::{Classify, EthernetInput},
    neighbour::nodes::{MartianLog, Punt, Punted},
    port::nodes::{Sink, Spread, Tx},
    tables::Tables,
};

/// Where features can be switched on.
pub const ARCS: &[ArcSpec] = &[
    ArcSpec { name: "ip4-pre-routing", end: "ip4-lookup", features: &["ip4-reassemble"] },
    ArcSpec {
        name: "ip4-forwarding",
        end: "ip4-forward",
        features: &["ip4-source-forward", "ip4-clamp-mss"],
    },
    ArcSpec { name: "ip4-router-alert", end: "ip4-forward", features: &[] },
    ArcSpec { name: "ip4-delivery", end: "ip4-local", features: &["ip4-source-local"] },
    ArcSpec { name: "ip4-post-routing", end: "tx", features: &[] },
    ArcSpec { name: "ip6-pre-routing", end: "ip6-lookup", features: &[] },
    ArcSpec { name: "ip6-forwarding", end: "ip6-forward", features: &[] },
    ArcSpec { name: "ip6-router-alert", end: "ip6-forward", features: &[] },
    ArcSpec { name: "ip6-delivery", end: "ip6-local", features: &[] },
    ArcSpec { name: "ip6-post-routing", end: "tx", features: &[] },
];

/// What differs between workers.
pub struct Parts {
    /// Where packets come from.
    pub inputs: Vec<Box<dyn Input<Tables>>>,
    /// Where they go: DPDK port, interface, and the way out.
    pub sinks: Vec<(u16, u16, Sink)>,
    /// To the management core.
    pub punt: Arc<ArrayQueue<Punted>>,
    /// Spreads flows over workers, where this worker's queues feed others.
    pub spread: Option<Spread>,
    /// Entries of the destination cache.
    pub cache_entries: usize,
    /// Room for fragments.
    pub reassembly: ReassemblyRoom,
}

/// Builds a worker's graph.
pub fn graph(parts: Parts) -> Graph<Tables> {
    let Parts { inputs, sinks, punt, spread, cache_entries, reassembly } = parts;
    let mut nodes: Vec<Box<dyn Node<Tables>>> = Vec::new();
    if let Some(spread) = spread {
        nodes.push(Box::new(spread));
    }
    nodes.extend([
        Box::new(Classify) as Box<dyn Node<Tables>>,
        Box::new(EthernetInput),
        Box::new(Punt::arp(Arc::clone(&punt))),
        Box::new(Ip4Input),
        Box::new(Reassemble::pre_routing(reassembly)),
        Box::new(Lookup::new(cache_entries)),
        Box::new(Ip4Options),
        Box::new(Source::delivery()),
        Box::new(Ip4Local),
        Box::new(Reassemble::delivery(reassembly)),
        Box::new(Icmp4Input),
        Box::new(TcpReset),
        Box::new(Punt::igmp(Arc::clone(&punt))),
        Box::new(Punt::learn(Arc::clone(&punt))),
        Box::new(Source::forwarding()),
        Box::new(ClampMss),
        Box::new(Forward),
        Box::new(RouterAlert),
        Box::new(MartianLog::new(Arc::clone(&punt))),
        Box::new(Icmp4Error),
        Box::new(Fragment),
        Box::new(Output),
        Box::new(Punt::resolve("ip4-resolve", Arc::clone(&punt))),
        Box::new(Ip6Input),
        Box::new(HopByHop),
        Box::new(Lookup6),
        Box::new(Ip6Local),
        Box::new(Reassemble6::new(reassembly)),
        Box::new(Icmp6Input),
        Box::new(Tcp6Reset),
        Box::new(Punt::nd(Arc::clone(&punt))),
        Box::new(Forward6),
        Box::new(RouterAlert6),
        Box::new(Icmp6Error),
        Box::new(Fragment6),
        Box::new(Output6),
        Box::new(Punt::resolve("ip6-resolve", punt)),
        Box::new(Tx::new(sinks)),
    ]);
    Graph::new(nodes, inputs, ARCS, |packet| match Cause6::from_note(packet.note()) {
        Some(cause) => cause.reason(),
        None => Cause::from_note(packet.note()).0.reason(),
    })
}
