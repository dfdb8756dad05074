//! The list of nodes, in the order in which packets meet them. A new node is one line here.

use std::sync::Arc;

use crossbeam_queue::ArrayQueue;

use crate::{
    dpdk::mbuf::Packet,
    graph::{ArcSpec, Graph, Input, Node},
    icmp::{
        nodes::{Icmp4Error, Icmp4Input, TcpRefuse, TcpReset},
        table::Cause,
    },
    icmp6::{
        nodes::{Icmp6Error, Icmp6Input, Tcp6Refuse, Tcp6Reset},
        table::Cause6,
    },
    ip4::{
        nodes::{
            ClampMss, Forward, Fragment, Ip4Addresses, Ip4Input, Ip4Local, Ip4Options, Lookup,
            Originate, Output, Reassemble, RouterAlert, Source, Transit,
        },
        table::ReassemblyRoom,
    },
    ip6::nodes::{
        Forward6, Fragment6, HopByHop, Ip6Input, Ip6Local, Lookup6, Output6, Reassemble6,
        RouterAlert6, Transit6,
    },
    l2::nodes::{Classify, EthernetInput},
    neighbour::nodes::{MartianLog, Punt, Punted},
    netfilter::nodes::{Hooked, Ingress, Nat64, Queue, Short},
    port::nodes::{HandOver, HandedOver, Handover, HandoverRx, Sink, Spread, Tx},
    tables::Tables,
};

/// Where features can be switched on.
pub const ARCS: &[ArcSpec] = &[
    ArcSpec { name: "port-input", end: "classify", features: &["nf-ingress"] },
    ArcSpec {
        name: "ip4-pre-routing",
        end: "ip4-lookup",
        features: &["nf4-flowtable", "ip4-reassemble", "nf4-pre-routing", "ip4-addresses"],
    },
    ArcSpec {
        name: "ip4-forwarding",
        end: "ip4-forward",
        features: &["ip4-source-forward", "ip4-clamp-mss", "ip4-transit", "nf4-forward"],
    },
    ArcSpec {
        name: "ip4-delivery",
        end: "ip4-local",
        features: &["ip4-source-local", "nf4-local-in"],
    },
    ArcSpec { name: "ip4-local-out", end: "ip4-output", features: &["nf4-local-out"] },
    ArcSpec { name: "ip4-post-routing", end: "tx", features: &[] },
    ArcSpec {
        name: "ip6-pre-routing",
        end: "ip6-lookup",
        features: &["nf6-flowtable", "ip6-reassemble", "nf6-pre-routing"],
    },
    ArcSpec {
        name: "ip6-forwarding",
        end: "ip6-forward",
        features: &["ip6-transit", "nf6-forward"],
    },
    ArcSpec { name: "ip6-delivery", end: "ip6-local", features: &["nf6-local-in"] },
    ArcSpec { name: "ip6-local-out", end: "ip6-output", features: &["nf6-local-out"] },
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
    /// To programs that decide on packets.
    pub queue: Arc<ArrayQueue<Packet>>,
    /// Spreads flows over workers, where this worker's queues feed others.
    pub spread: Option<Spread>,
    /// This worker, and by which ways workers hand packets to each other; none for a lone one.
    pub handed: (usize, Vec<Arc<Handover>>),
    /// Entries of the destination cache.
    pub cache_entries: usize,
    /// Room for fragments.
    pub reassembly: ReassemblyRoom,
}

/// Builds a worker's graph.
pub fn graph(parts: Parts) -> Graph<Tables> {
    let Parts { mut inputs, sinks, punt, queue, spread, handed, cache_entries, reassembly } = parts;
    let (me, ways) = handed;
    if let Some(way) = ways.get(me) {
        inputs.push(Box::new(HandoverRx::of_connections(Arc::clone(way))));
    }
    let mut nodes: Vec<Box<dyn Node<Tables>>> = Vec::new();
    if let Some(spread) = spread {
        nodes.push(Box::new(spread));
    }
    nodes.extend([
        Box::new(Ingress) as Box<dyn Node<Tables>>,
        Box::new(Classify::default()),
        Box::new(HandedOver),
        Box::new(HandOver::new(ways)),
        Box::new(Nat64),
        Box::new(EthernetInput),
        Box::new(Punt::arp(Arc::clone(&punt))),
        Box::new(Ip4Input),
        Box::new(Short::four()),
        Box::new(Reassemble::pre_routing(reassembly)),
        Box::new(Hooked::pre_routing(false)),
        Box::new(Ip4Addresses),
        Box::new(Lookup::new(cache_entries)),
        Box::new(Ip4Options),
        Box::new(Source::delivery()),
        Box::new(Hooked::local_in(false)),
        Box::new(Ip4Local),
        Box::new(Reassemble::delivery(reassembly)),
        Box::new(Icmp4Input),
        Box::new(TcpReset),
        Box::new(Punt::igmp(Arc::clone(&punt))),
        Box::new(Punt::learn(Arc::clone(&punt))),
        Box::new(Source::forwarding()),
        Box::new(ClampMss),
        Box::new(Transit),
        Box::new(Hooked::forward(false)),
        Box::new(Forward),
        Box::new(RouterAlert),
        Box::new(MartianLog::new(Arc::clone(&punt))),
        Box::new(Icmp4Error),
        Box::new(Fragment),
        Box::new(TcpRefuse),
        Box::new(Originate::four()),
        Box::new(Hooked::local_out(false)),
        Box::new(Output),
        Box::new(Hooked::link_out(false)),
        Box::new(Punt::resolve("ip4-resolve", Arc::clone(&punt))),
        Box::new(Ip6Input),
        Box::new(HopByHop),
        Box::new(Short::six()),
        Box::new(Reassemble6::pre_routing(reassembly)),
        Box::new(Hooked::pre_routing(true)),
        Box::new(Lookup6),
        Box::new(Hooked::local_in(true)),
        Box::new(Ip6Local),
        Box::new(Reassemble6::delivery(reassembly)),
        Box::new(Icmp6Input),
        Box::new(Tcp6Reset),
        Box::new(Punt::nd(Arc::clone(&punt))),
        Box::new(Transit6),
        Box::new(Hooked::forward(true)),
        Box::new(Forward6),
        Box::new(RouterAlert6),
        Box::new(Icmp6Error),
        Box::new(Fragment6),
        Box::new(Tcp6Refuse),
        Box::new(Originate::six()),
        Box::new(Hooked::local_out(true)),
        Box::new(Output6),
        Box::new(Hooked::link_out(true)),
        Box::new(Punt::resolve("ip6-resolve", punt)),
        Box::new(Queue::new(queue)),
        Box::new(Tx::new(sinks)),
    ]);
    Graph::new(nodes, inputs, ARCS, |packet| match Cause6::from_note(packet.note()) {
        Some(cause) => cause.reason(),
        None => Cause::from_note(packet.note()).0.reason(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::IN_TRANSIT;

    /// Who goes straight passes over these, and over nothing else.
    #[test]
    fn all_features_of_packets_in_transit_are_known() {
        for (family, listed) in ["ip4", "ip6"].iter().zip(IN_TRANSIT) {
            let arcs = ["pre-routing", "forwarding", "post-routing"];
            let arcs = arcs.map(|arc| format!("{family}-{arc}"));
            let features = ARCS.iter().filter(|arc| arcs.iter().any(|name| name == arc.name));
            let features: Vec<_> = features.flat_map(|arc| arc.features).collect();
            assert_eq!(features, listed.iter().collect::<Vec<_>>());
        }
    }
}
