//! Following single packets through the graph.
//!
//! An operator arms a [`Session`] with a filter and a number. Inputs mark the first packets that
//! match, and the dispatcher notes each node they enter and each edge they take. Events go through
//! a bounded ring; when it is full the events are counted as lost, never waited for.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use crossbeam_queue::ArrayQueue;
use ipnet::Ipv4Net;

use super::{Frame, Nanos};
use crate::dpdk::mbuf::Packet;

/// Bytes of each packet that an event keeps.
pub const HEAD_LEN: usize = 64;

/// Which packets to follow; a field that is `None` matches all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// IPv4 source.
    pub src: Option<Ipv4Net>,
    /// IPv4 destination.
    pub dst: Option<Ipv4Net>,
    /// IPv4 protocol.
    pub proto: Option<u8>,
    /// Ethertype.
    pub ethertype: Option<u16>,
    /// DPDK port.
    pub port: Option<u16>,
}

impl Filter {
    /// True when a frame that came in on `port` is to be followed.
    pub fn matches(&self, port: u16, frame: &[u8]) -> bool {
        let Some((head, rest)) = frame.split_first_chunk::<14>() else {
            return false;
        };
        let (mut ethertype, mut payload) = (u16::from_be_bytes([head[12], head[13]]), rest);
        if ethertype == 0x8100
            && let Some((tag, inner)) = rest.split_first_chunk::<4>()
        {
            (ethertype, payload) = (u16::from_be_bytes([tag[2], tag[3]]), inner);
        }
        let ip = payload.first_chunk::<20>().filter(|_| ethertype == 0x0800);
        let address =
            |at: usize| ip.map(|ip| Ipv4Addr::new(ip[at], ip[at + 1], ip[at + 2], ip[at + 3]));
        let within = |net: Option<Ipv4Net>, at: usize| {
            net.is_none_or(|net| address(at).is_some_and(|address| net.contains(&address)))
        };
        self.port.is_none_or(|wanted| wanted == port)
            && self.ethertype.is_none_or(|wanted| wanted == ethertype)
            && self.proto.is_none_or(|wanted| ip.is_some_and(|ip| ip[9] == wanted))
            && within(self.src, 12)
            && within(self.dst, 16)
    }
}

/// A place in the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    /// Came in by this input.
    Input(u8),
    /// Entered this node.
    Node(u8),
    /// Left this node by this edge.
    Edge(u8, u8),
    /// Met a rule of this number; its words stand in place of the packet's bytes.
    Rule(u32),
}

/// One step of one packet.
#[derive(Clone, Debug)]
pub struct Event {
    /// Number of the packet in this session, from 1.
    pub id: u16,
    /// When.
    pub at: Nanos,
    /// Where.
    pub place: Where,
    /// Length of the packet.
    pub len: u32,
    /// Its first bytes.
    pub head: [u8; HEAD_LEN],
    /// How many of them there are.
    pub head_len: u8,
    /// What the look-up found so far.
    pub hop: u32,
}

/// A request to follow some packets.
pub struct Session {
    filter: Filter,
    wanted: u32,
    taken: AtomicU32,
    lost: AtomicU64,
    events: ArrayQueue<Event>,
}

impl Session {
    /// Follows the first `count` packets that match, over all workers.
    pub fn new(filter: Filter, count: u16) -> Arc<Self> {
        let room = usize::from(count).saturating_mul(32).clamp(256, 65_536);
        Arc::new(Self {
            filter,
            wanted: u32::from(count),
            taken: AtomicU32::new(0),
            lost: AtomicU64::new(0),
            events: ArrayQueue::new(room),
        })
    }

    /// Takes the next event, in the order in which they happened on each worker.
    pub fn pop(&self) -> Option<Event> {
        self.events.pop()
    }

    /// Packets found so far.
    pub fn taken(&self) -> u32 {
        self.taken.load(Ordering::Relaxed).min(self.wanted)
    }

    /// True when as many packets were found as were asked for.
    pub fn complete(&self) -> bool {
        self.taken.load(Ordering::Relaxed) >= self.wanted
    }

    /// Events that found the ring full.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Whether a packet of this number is followed.
    pub fn has(&self, number: u16) -> bool {
        number != 0 && u32::from(number) <= self.taken()
    }

    /// Notes that a packet has met a rule, which these words with colons between them name.
    pub fn rule(&self, id: u16, at: Nanos, len: u32, words: &[&str], number: u32) {
        let (mut head, mut head_len) = ([0; HEAD_LEN], 0);
        for (place, word) in words.iter().enumerate() {
            let colon = if place == 0 { "" } else { ":" };
            for byte in colon.bytes().chain(word.bytes()).take(HEAD_LEN - head_len) {
                head[head_len] = byte;
                head_len += 1;
            }
        }
        let place = Where::Rule(number);
        let event = Event { id, at, place, len, head, head_len: head_len as u8, hop: 0 };
        if self.events.push(event).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn note(&self, packet: &Packet, place: Where, at: Nanos) {
        let data = packet.data();
        let head_len = data.len().min(HEAD_LEN);
        let mut head = [0; HEAD_LEN];
        head[..head_len].copy_from_slice(&data[..head_len]);
        let event = Event {
            id: packet.trace(),
            at,
            place,
            len: packet.len() as u32,
            head,
            head_len: head_len as u8,
            hop: packet.hop(),
        };
        if self.events.push(event).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A worker's end of tracing.
#[derive(Default)]
pub struct Tracer {
    session: Option<Arc<Session>>,
}

impl Tracer {
    /// Follows packets for `session`, or none.
    pub fn arm(&mut self, session: Option<&Arc<Session>>) {
        let same = match (&self.session, session) {
            (Some(old), Some(new)) => Arc::ptr_eq(old, new),
            (None, None) => true,
            _ => false,
        };
        if !same {
            self.session = session.cloned();
        }
    }

    #[inline]
    pub(super) fn armed(&self) -> bool {
        self.session.is_some()
    }

    /// Marks what has come in: with a number of its own when it is to be followed, else with 0.
    #[cold]
    pub(super) fn select(&mut self, input: u8, frame: &mut Frame, now: Nanos) {
        let Some(session) = &self.session else { return };
        for packet in frame.iter_mut() {
            packet.set_trace(0);
            if session.complete() || !session.filter.matches(packet.port(), packet.data()) {
                continue;
            }
            let number = session.taken.fetch_add(1, Ordering::Relaxed);
            if number < session.wanted {
                packet.set_trace((number + 1) as u16);
                session.note(packet, Where::Input(input), now);
            }
        }
    }

    #[cold]
    pub(super) fn before(&mut self, node: u8, frame: &Frame, now: Nanos) {
        let Some(session) = &self.session else { return };
        for packet in frame.iter().filter(|packet| session.follows(packet)) {
            session.note(packet, Where::Node(node), now);
        }
    }

    #[cold]
    pub(super) fn after(&mut self, node: u8, edge: u8, packet: &Packet, now: Nanos) {
        if let Some(session) = &self.session
            && session.follows(packet)
        {
            session.note(packet, Where::Edge(node, edge), now);
        }
    }
}

impl Session {
    /// Packets that were under way when the session was armed hold what the driver left in the
    /// field; numbers that were never given out are not ours.
    fn follows(&self, packet: &Packet) -> bool {
        self.has(packet.trace())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn udp_frame() -> Vec<u8> {
        let mut frame = vec![0; 42];
        frame[12..14].copy_from_slice(&[8, 0]);
        frame[14] = 0x45;
        frame[23] = 17;
        frame[26..30].copy_from_slice(&[192, 0, 2, 1]);
        frame[30..34].copy_from_slice(&[198, 51, 100, 7]);
        frame
    }

    #[test]
    fn a_filter_matches_on_every_field_it_names() {
        let frame = udp_frame();
        let net = |text: &str| Some(text.parse().unwrap());
        assert!(Filter::default().matches(0, &frame));
        assert!(Filter { dst: net("198.51.100.0/24"), ..Filter::default() }.matches(0, &frame));
        assert!(!Filter { dst: net("198.51.101.0/24"), ..Filter::default() }.matches(0, &frame));
        assert!(!Filter { src: net("198.51.100.0/24"), ..Filter::default() }.matches(0, &frame));
        assert!(Filter { proto: Some(17), port: Some(2), ..Filter::default() }.matches(2, &frame));
        assert!(!Filter { proto: Some(6), ..Filter::default() }.matches(2, &frame));
        assert!(!Filter { ethertype: Some(0x0806), ..Filter::default() }.matches(0, &frame));
        assert!(!Filter::default().matches(0, &frame[..10]));
    }
}
