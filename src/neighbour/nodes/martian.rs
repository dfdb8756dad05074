//! `martian-log`: hands packets with impossible addresses to the management core, which logs them.
//!
//! - takes: packets that came where `log_martians` is on, with what is wrong as their note
//! - gives: ten of them in five seconds to the management core; the others end here, for the reason
//!   for which they would have ended without a log
//! - obeys: `net_ratelimit`; a flood of such packets must not fill the ring that ARP needs
//! - costs: nothing where nothing is logged

use std::sync::Arc;

use crossbeam_queue::ArrayQueue;

use super::{PuntKind, Punted};
use crate::{
    graph::{Cx, Edge, Frame, Nanos, Node, Out, Reason},
    neighbour::table::martian,
    tables::Tables,
};

const PUNT_FULL: u8 = 0;
const SOURCE: u8 = 1;
const DESTINATION: u8 = 2;
const REVERSE_PATH: u8 = 3;
const SOURCE_ROUTE: u8 = 4;
const BOGUS_ERROR: u8 = 5;

/// Time of one allowance, and how many packets are in it.
const INTERVAL: Nanos = 5_000_000_000;
const BURST: u32 = 10;

/// The node; what it allows is each worker's own.
pub struct MartianLog {
    ring: Arc<ArrayQueue<Punted>>,
    began: Option<Nanos>,
    passed: u32,
    missed: u32,
}

impl MartianLog {
    /// Hands packets to the management core by `ring`.
    pub fn new(ring: Arc<ArrayQueue<Punted>>) -> Self {
        Self { ring, began: None, passed: 0, missed: 0 }
    }

    fn allow(&mut self, now: Nanos) -> bool {
        if self.began.is_none_or(|began| now.saturating_sub(began) >= INTERVAL) {
            (self.began, self.passed) = (Some(now), 0);
        }
        let allowed = self.passed < BURST;
        self.passed += u32::from(allowed);
        self.missed = self.missed.saturating_add(u32::from(!allowed));
        allowed
    }
}

impl Node<Tables> for MartianLog {
    fn name(&self) -> &'static str {
        "martian-log"
    }

    fn edges(&self) -> &'static [Edge] {
        &[
            Edge::Drop(Reason::PuntFull),
            Edge::Drop(Reason::MartianSource),
            Edge::Drop(Reason::MartianDestination),
            Edge::Drop(Reason::RpFilter),
            Edge::Drop(Reason::SourceRoute),
            Edge::Drop(Reason::IcmpBogusError),
        ]
    }

    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, out: &mut Out) {
        let offered = frame.len();
        let mut stay = Frame::new();
        for mut packet in frame.drain(..) {
            if self.allow(cx.now) {
                // The management core tells how many were not logged before this one.
                packet.set_hash(std::mem::take(&mut self.missed));
                if let Err(back) = self.ring.push(Punted { kind: PuntKind::Martian, packet }) {
                    out.set(stay.len(), PUNT_FULL);
                    stay.push(back.packet);
                }
                continue;
            }
            let edge = match packet.note() {
                martian::DESTINATION => DESTINATION,
                martian::REVERSE_PATH => REVERSE_PATH,
                martian::SOURCE_ROUTE => SOURCE_ROUTE,
                martian::BOGUS_ERROR => BOGUS_ERROR,
                _ => SOURCE,
            };
            out.set(stay.len(), edge);
            stay.push(packet);
        }
        cx.stats.punted.add((offered - stay.len()) as u64);
        frame.extend(stay);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_packets_in_five_seconds_reach_the_log_and_the_rest_is_counted() {
        let mut log = MartianLog::new(Arc::new(ArrayQueue::new(1)));
        let allowed = |log: &mut MartianLog, at: Nanos, count: usize| {
            (0..count).filter(|_| log.allow(at)).count()
        };
        assert_eq!(allowed(&mut log, 7, 1000), 10);
        assert_eq!(allowed(&mut log, 7 + INTERVAL - 1, 1000), 0);
        assert_eq!(log.missed, 1990);
        assert_eq!(allowed(&mut log, 7 + INTERVAL, 1000), 10);
    }
}
