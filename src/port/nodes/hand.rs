//! `hand-over` and `handed-over`: a packet goes to the worker whose connection it belongs to.
//!
//! - takes: packets of the packet filter that this worker does not know and another does; the number of
//!   that one is noted on them
//! - gives: full frames by a ring to each other worker; there packets go on at the hook that they met
//!   here, where only tracking and what follows is still to come
//! - obeys: flows stay in order, as what one worker has in hand goes one way
//! - costs: nothing while no packet takes it; else a ring operation for a burst and owner

use std::sync::Arc;

use super::Handover;
use crate::{
    dpdk::mbuf::{Flags, Packet},
    graph::{Cx, Edge, Frame, Node, Out, Reason},
    tables::Tables,
};

/// The node on the worker that a packet came to.
pub struct HandOver {
    /// By worker: the way to it.
    ways: Vec<Arc<Handover>>,
    filling: Vec<Option<Box<Frame>>>,
}

impl HandOver {
    /// The node of a worker, with the ways to all workers, which a lone one has none of.
    pub fn new(ways: Vec<Arc<Handover>>) -> Self {
        let filling = ways.iter().map(|_| None).collect();
        Self { ways, filling }
    }
}

impl Node<Tables> for HandOver {
    fn name(&self) -> &'static str {
        "hand-over"
    }

    fn edges(&self) -> &'static [Edge] {
        &[Edge::Drop(Reason::ConntrackHandover)]
    }

    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, _: &mut Out) {
        let mut stay = Frame::new();
        for packet in frame.drain(..) {
            let owner = usize::from(packet.meta().worker);
            let (Some(way), Some(filling)) = (self.ways.get(owner), self.filling.get_mut(owner))
            else {
                stay.push(packet);
                continue;
            };
            if filling.is_none() {
                *filling = way.empty();
            }
            match filling {
                Some(filling) => filling.push(packet),
                None => stay.push(packet),
            }
        }
        for (way, filling) in self.ways.iter().zip(&mut self.filling) {
            if let Some(full) = filling.take() {
                cx.stats.handed_out.add(full.len() as u64);
                way.give(full);
            }
        }
        frame.extend(stay);
    }
}

/// The node on the worker that has the connection.
pub struct HandedOver;

const PRE_ROUTING: u8 = 0;
const LOCAL_OUT: u8 = 1;
/// Where the edges of IPv6 begin.
const SIX: u8 = 2;

impl Node<Tables> for HandedOver {
    fn name(&self) -> &'static str {
        "handed-over"
    }

    fn edges(&self) -> &'static [Edge] {
        &[
            Edge::To("nf4-pre-routing"),
            Edge::To("nf4-local-out"),
            Edge::To("nf6-pre-routing"),
            Edge::To("nf6-local-out"),
        ]
    }

    fn process(&mut self, _: &mut Cx<'_, Tables>, frame: &mut Frame, out: &mut Out) {
        for (number, packet) in frame.iter().enumerate() {
            out.set(number, edge(packet));
        }
    }
}

fn edge(packet: &Packet) -> u8 {
    let version = packet.data().get(packet.l3()).map_or(0, |byte| byte >> 4);
    let own = packet.flags().any(Flags::LOCAL_OUT);
    let edge = if own { LOCAL_OUT } else { PRE_ROUTING };
    if version == 6 { edge + SIX } else { edge }
}
