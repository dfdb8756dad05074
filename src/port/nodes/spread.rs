//! `spread`: where one queue feeds several workers, gives each flow to the worker that owns it.
//!
//! - takes: frames as received
//! - gives: this worker's flows to `classify`, the others' by a ring of frames to their workers;
//!   what is not IPv4 stays
//! - obeys: the book's receive packet steering; both directions of a flow have one owner
//! - costs: a hash a packet, one ring operation a frame and owner

use std::sync::Arc;

use crossbeam_queue::ArrayQueue;

use crate::{
    dpdk::mbuf::Packet,
    graph::{Cx, Edge, Frame, Input, Node, Out, Reason},
    packet::flow_hash,
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

    /// Sends a frame that was taken from `empty`.
    #[inline]
    fn give(&self, full: Box<Frame>) {
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
        let ip = frame.get(14..).filter(|_| frame[12..14] == [8, 0])?;
        // High bits of the product pick evenly whatever the number of workers.
        Some(((u64::from(flow_hash(ip, 0)) * workers as u64) >> 32) as usize)
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
}

impl HandoverRx {
    /// Takes over what comes by `way` from worker `from` and goes on at node `target`.
    pub fn new(from: usize, way: Arc<Handover>, target: &'static str) -> Self {
        Self { name: format!("handover-{from}-{target}"), way, target }
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
        if let Some(mut full) = self.way.full.pop() {
            std::mem::swap(frame, &mut full);
            cx.stats.handed_in.add(frame.len() as u64);
            let _ = self.way.empty.push(full);
        }
    }
}
