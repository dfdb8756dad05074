//! `spread`: where one queue feeds several workers, gives each flow to the worker that owns it.
//!
//! - takes: frames as received
//! - gives: this worker's flows to `classify`, the others' by a ring of frames to their workers;
//!   what is neither IPv4 nor IPv6 stays
//! - obeys: the book's receive packet steering; both directions of a flow have one owner
//! - costs: a hash a packet, one ring operation a frame and owner

use std::sync::Arc;

use crossbeam_queue::ArrayQueue;

use crate::{
    dpdk::mbuf::Packet,
    graph::{Cx, Edge, Frame, Input, Node, Out, Reason},
    packet::{ethernet::ethertype, flow_hash, flow_hash6},
    tables::Tables,
};

/// The way from one worker to another: full frames forth, empty ones back.
pub struct Handover {
    full: ArrayQueue<Box<Frame>>,
    empty: ArrayQueue<Box<Frame>>,
}

impl Handover {
    /// A way on which `frames` frames may be.
    pub fn new(frames: usize) -> Arc<Self> {
        let way = Self { full: ArrayQueue::new(frames), empty: ArrayQueue::new(frames) };
        while way.empty.push(Box::default()).is_ok() {}
        Arc::new(way)
    }

    /// An empty frame, unless the other worker is behind.
    #[inline]
    pub(crate) fn empty(&self) -> Option<Box<Frame>> {
        self.empty.pop()
    }

    /// Sends a frame that was taken from `empty`.
    #[inline]
    pub(crate) fn give(&self, full: Box<Frame>) {
        // There are as many places as frames, so one taken from `empty` always fits.
        if let Err(mut full) = self.full.push(full) {
            Packet::free_all(&mut full);
        }
    }

    /// Hands over all of `frame`, or nothing when the other worker is behind.
    #[inline]
    pub(super) fn pass(&self, frame: &mut Frame) {
        if let Some(mut empty) = self.empty.pop() {
            std::mem::swap(frame, &mut empty);
            self.give(empty);
        }
    }

    /// Whether nothing is on its way.
    pub fn is_idle(&self) -> bool {
        self.full.is_empty()
    }

    /// Frees what nobody took; for the end, when the workers have stopped.
    pub fn clear(&self) -> usize {
        let mut count = 0;
        while let Some(mut full) = self.full.pop() {
            count += full.len();
            Packet::free_all(&mut full);
        }
        count
    }
}

/// The node on the worker that owns the queue.
pub struct Spread {
    me: usize,
    /// By worker; `None` for this one.
    ways: Vec<Option<Arc<Handover>>>,
    filling: Vec<Option<Box<Frame>>>,
}

impl Spread {
    /// The node of worker `me`, with its ways to the others.
    pub fn new(me: usize, ways: Vec<Option<Arc<Handover>>>) -> Self {
        let filling = ways.iter().map(|_| None).collect();
        Self { me, ways, filling }
    }

    /// The worker, of `workers`, that owns the flow of a frame.
    #[inline]
    pub fn owner(frame: &[u8], workers: usize) -> Option<usize> {
        let mut at = 12;
        let hash = loop {
            let kind = u16::from_be_bytes(*frame.get(at..)?.first_chunk()?);
            match kind {
                ethertype::IPV4 => break flow_hash(frame.get(at + 2..)?, 0),
                ethertype::IPV6 => break flow_hash6(frame.get(at + 2..)?, 0),
                ethertype::VLAN | ethertype::QINQ if at < 20 => at += 4,
                _ => return None,
            }
        };
        // High bits of the product pick evenly whatever the number of workers.
        Some(((u64::from(hash) * workers as u64) >> 32) as usize)
    }
}

const FULL: u8 = 1;

impl Node<Tables> for Spread {
    fn name(&self) -> &'static str {
        "spread"
    }

    fn edges(&self) -> &'static [Edge] {
        &[Edge::Arc("port-input"), Edge::Drop(Reason::HandoverFull)]
    }

    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, out: &mut Out) {
        let workers = self.ways.len();
        let mut stay = Frame::new();
        frame.iter().for_each(Packet::prefetch);
        for packet in frame.drain(..) {
            let owner = Self::owner(packet.data(), workers).unwrap_or(self.me);
            if owner == self.me {
                // Edge 0 leads on.
                stay.push(packet);
                continue;
            }
            let Some(way) = &self.ways[owner] else {
                continue;
            };
            let filling = &mut self.filling[owner];
            if filling.is_none() {
                *filling = way.empty.pop();
            }
            match filling {
                Some(filling) => filling.push(packet),
                None => {
                    out.set(stay.len(), FULL);
                    stay.push(packet);
                }
            }
        }
        for (way, filling) in self.ways.iter().zip(&mut self.filling) {
            if let (Some(way), Some(full)) = (way, filling.take()) {
                cx.stats.handed_out.add(full.len() as u64);
                way.give(full);
            }
        }
        frame.extend(stay);
    }
}

/// The input on the worker at the other end.
pub struct HandoverRx {
    name: String,
    way: Arc<Handover>,
    target: &'static str,
    /// A frame that has come and found no room behind others.
    next: Option<Box<Frame>>,
}

impl HandoverRx {
    /// Takes over what comes by `way` from worker `from` and goes on at node `target`.
    pub fn new(from: usize, way: Arc<Handover>, target: &'static str) -> Self {
        Self { name: format!("handover-{from}-{target}"), way, target, next: None }
    }

    /// The same from all other workers, by one way, for connections of this one.
    pub fn of_connections(way: Arc<Handover>) -> Self {
        Self { name: "handover-connections".to_owned(), way, target: "handed-over", next: None }
    }
}

impl Input<Tables> for HandoverRx {
    fn name(&self) -> &str {
        &self.name
    }

    fn target(&self) -> &'static str {
        self.target
    }

    fn poll(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame) {
        // Many frames with a packet or two each are one burst.
        // Asking whether the ring is empty is cheaper than taking nothing out of it.
        if self.next.is_none() && self.way.full.is_empty() {
            return;
        }
        while let Some(mut full) = self.next.take().or_else(|| self.way.full.pop()) {
            if frame.is_empty() {
                std::mem::swap(frame, &mut full);
            } else if full.len() <= frame.remaining_capacity() {
                frame.extend(full.drain(..));
            } else {
                self.next = Some(full);
                break;
            }
            let _ = self.way.empty.push(full);
        }
        cx.stats.handed_in.add(frame.len() as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{
        FrameBuilder,
        vlan::{Tag, Tci},
    };
    use std::{collections::HashSet, net::Ipv6Addr};

    #[test]
    fn both_directions_of_a_flow_have_one_owner_whatever_they_are_wrapped_in() {
        let mut owners = HashSet::new();
        for host in 0..64_u16 {
            let (a, b) = ([10, 0, 0, host as u8].into(), [192, 0, 2, 1].into());
            let (c, d) = (Ipv6Addr::from(0x2001 << 112 | u128::from(host)), Ipv6Addr::LOCALHOST);
            let pairs = [
                (FrameBuilder::new().ipv4(a, b), FrameBuilder::new().ipv4(b, a)),
                (FrameBuilder::new().ipv6(c, d), FrameBuilder::new().ipv6(d, c)),
            ];
            for (there, back) in pairs {
                let there = there.udp(1000 + host, 53);
                let back = back.udp(53, 1000 + host);
                let owner = Spread::owner(&there.build(), 4).unwrap();
                assert_eq!(Spread::owner(&back.clone().build(), 4), Some(owner));
                assert_eq!(
                    Spread::owner(&back.vlan(Tag { tpid: 0x8100, tci: Tci::new(7, 0) }).build(), 4),
                    Some(owner)
                );
                owners.insert(owner);
            }
        }
        assert_eq!(owners.len(), 4);
        assert_eq!(Spread::owner(&[0; 60], 4), None);
        assert_eq!(Spread::owner(&[], 4), None);
    }
}
