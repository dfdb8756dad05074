//! `tx`: gives packets to the devices they leave by.
//!
//! - takes: complete frames with [`crate::dpdk::mbuf::Packet::port`] set
//! - gives: nothing but drops, when a device takes no more or is gone
//! - costs: nothing a packet where all leave by one port; else a move into that port's burst

use std::sync::Arc;

use super::Handover;
use crate::{
    dpdk::port::TxQueue,
    graph::{Cx, Edge, Frame, Nanos, Node, Out, Reason},
    tables::Tables,
};

/// Takes all packets of a frame, at a time.
pub type Away = Box<dyn FnMut(&mut Frame, Nanos) + Send>;

/// Where packets of a port go.
pub enum Sink {
    /// A queue of a device.
    Device(TxQueue),
    /// Another worker, who has the only queue.
    Worker(Arc<Handover>),
    /// Somewhere else: a capture file, or nowhere.
    Other(Away),
}

impl Sink {
    fn send(&mut self, frame: &mut Frame, now: Nanos) {
        match self {
            Self::Device(queue) => {
                // A device that is full for a moment is worth a few more tries: a burst is at hand.
                for _ in 0..TRIES {
                    queue.send(frame);
                    if frame.is_empty() {
                        return;
                    }
                    crate::dpdk::cycles::pause();
                }
            }
            Self::Worker(way) => way.pass(frame),
            Self::Other(send) => send(frame, now),
        }
    }
}

const TRIES: usize = 8;

struct Way {
    sink: Sink,
    iface: u16,
    waiting: Box<Frame>,
}

/// The node.
pub struct Tx {
    ways: Vec<Option<Way>>,
}

impl Tx {
    /// Sends by `sinks`: DPDK port, interface that counts, and where to.
    pub fn new(sinks: Vec<(u16, u16, Sink)>) -> Self {
        let mut ways = Vec::new();
        for (port, iface, sink) in sinks {
            let port = usize::from(port);
            if ways.len() <= port {
                ways.resize_with(port + 1, || None);
            }
            ways[port] = Some(Way { sink, iface, waiting: Box::default() });
        }
        Self { ways }
    }
}

const RING_FULL: u8 = 0;
const NO_PORT: u8 = 1;

/// Sends all of `frame` by `way`; what stays in it could not be sent.
fn send(way: &mut Sink, iface: u16, frame: &mut Frame, cx: &mut Cx<'_, Tables>, bytes: u64) {
    let offered = frame.len();
    let Some(counts) = cx.stats.ifaces.get(usize::from(iface)) else {
        return;
    };
    way.send(frame, cx.now);
    let sent = (offered - frame.len()) as u64;
    if let Sink::Worker(_) = way {
        cx.stats.handed_out.add(sent);
        counts.tx_dropped.add(frame.len() as u64);
        return;
    }
    let unsent: u64 = frame.iter().map(|packet| packet.len() as u64).sum();
    cx.stats.transmitted.add(sent);
    counts.tx_packets.add(sent);
    counts.tx_bytes.add(bytes - unsent);
    counts.tx_dropped.add(frame.len() as u64);
    let took = cx.stamp() - cx.started;
    cx.stats.latency.record(took, sent);
}

impl Node<Tables> for Tx {
    fn name(&self) -> &'static str {
        "tx"
    }

    fn edges(&self) -> &'static [Edge] {
        &[Edge::Drop(Reason::TxFull), Edge::Drop(Reason::TxNoPort)]
    }

    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, out: &mut Out) {
        let Some(first) = frame.first().map(|packet| packet.port()) else {
            return;
        };
        let (mut bytes, mut differ) = (0, 0);
        for packet in frame.iter() {
            bytes += packet.len() as u64;
            differ |= packet.port() ^ first;
        }
        if differ == 0 {
            match self.ways.get_mut(usize::from(first)).and_then(Option::as_mut) {
                Some(way) => {
                    send(&mut way.sink, way.iface, frame, cx, bytes);
                    out.edges_mut()[..frame.len()].fill(RING_FULL);
                }
                None => out.edges_mut()[..frame.len()].fill(NO_PORT),
            }
            return;
        }
        let mut stay = Frame::new();
        for packet in frame.drain(..) {
            match self.ways.get_mut(usize::from(packet.port())).and_then(Option::as_mut) {
                Some(way) => way.waiting.push(packet),
                None => {
                    out.set(stay.len(), NO_PORT);
                    stay.push(packet);
                }
            }
        }
        for way in self.ways.iter_mut().flatten().filter(|way| !way.waiting.is_empty()) {
            let bytes = way.waiting.iter().map(|packet| packet.len() as u64).sum();
            send(&mut way.sink, way.iface, &mut way.waiting, cx, bytes);
            for packet in way.waiting.drain(..) {
                out.set(stay.len(), RING_FULL);
                stay.push(packet);
            }
        }
        frame.extend(stay);
    }
}
