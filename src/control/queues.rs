//! Programs that decide on packets (`NFQUEUE`): who listens to which queue, and what waits for whom.
//!
//! - takes: packets of the workers, and what programs say
//! - gives: packets for programs, and the same back to their workers with an outcome
//! - obeys: `nfnetlink_queue`: `nfqnl_enqueue_packet`, `nfqnl_recv_verdict`, `nfqnl_rcv_nl_event`;
//!   ledger 9.27, 9.30, 9.31
//!
//! Call [`Router::bind_queues`] and [`Router::handle_ruling`] for what a program says, then
//! [`Router::take_offered`] for what it is to have, and [`Router::forget_program`] when it is gone.

use std::collections::BTreeMap;

use super::Router;
use crate::{
    dpdk::mbuf::{Flags, Meta, Packet},
    graph::{Nanos, Reason},
    netfilter::queue::{Outcome, Place, Served},
    worker::{Entry, Injected},
};

/// Packets that wait for one program, unless it says otherwise (`NFQNL_QMAX_DEFAULT`).
pub const WAITING: u32 = 1024;
/// Most that it may ask for.
pub const MOST_WAITING: u32 = 4096;

/// What a program wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bind {
    /// Its queues.
    pub served: Served,
    /// Packets that may wait for it, in all its queues.
    pub limit: u32,
    /// Bytes of each packet that it wants to see.
    pub range: u32,
    /// When as many wait as may, others pass.
    pub fail_open: bool,
}

/// What a program decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It ends.
    Drop,
    /// It goes on.
    Accept,
    /// The rules are asked again.
    Repeat,
    /// Another queue decides.
    Queue(u16),
}

/// What a program says of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling<'a> {
    /// The packet's number.
    pub id: u64,
    /// What becomes of it.
    pub decision: Decision,
    /// Its new mark.
    pub mark: Option<u32>,
    /// Its new bytes from the network header on.
    pub payload: Option<&'a [u8]>,
}

/// A packet for a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    /// Which program.
    pub program: u64,
    /// The packet's number, which its ruling names.
    pub id: u64,
    /// The queue.
    pub queue: u16,
    /// The kernel's number of the hook.
    pub hook: u8,
    /// Its mark.
    pub mark: u32,
    /// Names of the interfaces it came by and leaves by, empty for none.
    pub interfaces: [String; 2],
    /// The header in front of it, empty for what the router itself sends.
    pub link: Vec<u8>,
    /// Its length.
    pub len: u32,
    /// Its bytes from the network header on, as many as the program wants.
    pub bytes: Vec<u8>,
}

/// Why a program does not get its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// Another program has one of the queues.
    #[error("Device or resource busy")]
    Busy,
    /// The first queue stands behind the last, or no packet may wait.
    #[error("Invalid argument")]
    Invalid,
    /// There is no such packet, or it is another's.
    #[error("No such file or directory")]
    NoPacket,
}

/// A program's queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Number of the program.
    pub program: u64,
    /// What it wants.
    pub bind: Bind,
    /// Packets that wait for it.
    pub waiting: u32,
    /// Packets that it was handed.
    pub offered: u64,
    /// Packets that found as many waiting as may.
    pub full: u64,
}

/// A packet that waits.
struct Waiting {
    program: u64,
    packet: Packet,
}

/// A packet for its worker.
pub struct Returned {
    /// Number of the worker.
    pub worker: usize,
    /// The packet, and where it enters.
    pub injected: Injected,
}

/// What was counted of queues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueCounts {
    /// Packets handed to programs.
    pub offered: u64,
    /// Packets that found as many waiting as may.
    pub full: u64,
    /// Packets whose program went before it decided.
    pub forsaken: u64,
}

/// Queues and what waits in them.
#[derive(Default)]
pub(super) struct Queues {
    listeners: Vec<Listener>,
    waiting: BTreeMap<u64, Waiting>,
    last: u64,
    offered: Vec<Offered>,
    returned: Vec<Returned>,
    counts: QueueCounts,
}

impl Queues {
    /// The queues that have listeners.
    pub(super) fn served(&self) -> Vec<Served> {
        self.listeners.iter().map(|listener| listener.bind.served).collect()
    }

    fn listener(&mut self, number: u16) -> Option<&mut Listener> {
        self.listeners.iter_mut().find(|listener| listener.bind.served.has(number))
    }

    /// Gives a packet back to its worker.
    fn give_back(&mut self, mut packet: Packet, outcome: Outcome) {
        let meta = packet.meta();
        packet.set_meta(Meta { outcome: outcome as u8, ..meta });
        let six = family_of(&packet) == Some(6);
        let entry = match (meta.node, six) {
            (0, false) => Entry::PreRouting,
            (0, true) => Entry::PreRouting6,
            (1, false) => Entry::LocalIn,
            (1, true) => Entry::LocalIn6,
            (2, false) => Entry::Transit,
            (2, true) => Entry::Transit6,
            (3, false) => Entry::LocalOut,
            (3, true) => Entry::LocalOut6,
            (_, false) => Entry::LinkOut,
            (_, true) => Entry::LinkOut6,
        };
        let injected = Injected { entry, packet };
        self.returned.push(Returned { worker: meta.worker.into(), injected });
    }
}

fn family_of(packet: &Packet) -> Option<u8> {
    packet.data().get(packet.l3()).map(|first| first >> 4)
}

/// The packet from its network header on, without what pads its frame.
fn bytes_of(packet: &Packet) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.copy_to(&mut bytes);
    bytes.drain(..packet.l3().min(bytes.len()));
    let word = |at: usize| match bytes.get(at..at + 2) {
        Some(two) => usize::from(two[0]) << 8 | usize::from(two[1]),
        None => 0,
    };
    let len =
        if bytes.first().is_some_and(|first| first >> 4 == 6) { 40 + word(4) } else { word(2) };
    bytes.truncate(len);
    bytes
}

/// Whether bytes may stand in a packet's place: one of the same family whose header is as long and holds
/// what it says.
fn fits(old: &[u8], new: &[u8], has_options: bool) -> bool {
    let word = |bytes: &[u8], at: usize| {
        bytes.get(at..at + 2).map_or(0, |two| usize::from(two[0]) << 8 | usize::from(two[1]))
    };
    match (old.first().map(|first| first >> 4), new.first()) {
        (Some(4), Some(first)) if first >> 4 == 4 => {
            let header = usize::from(first & 0xf) * 4;
            // Where options have been read, what was noted of them is to hold.
            let same = !has_options || old.get(20..header) == new.get(20..header);
            header >= 20
                && new.first().map(|first| first & 0xf) == old.first().map(|first| first & 0xf)
                && same
                && (header..=new.len()).contains(&word(new, 2))
        }
        (Some(6), Some(first)) if first >> 4 == 6 => new.len() >= 40 + word(new, 4),
        _ => false,
    }
}

/// Writes other bytes in a packet's place; false where they do not fit.
fn change(packet: &mut Packet, new: &[u8]) -> bool {
    let old = bytes_of(packet);
    if !packet.is_contiguous() || !fits(&old, new, packet.flags().any(Flags::OPTIONS)) {
        return false;
    }
    let l3 = packet.l3();
    if !packet.resize(l3 + new.len()) {
        return false;
    }
    match packet.data_mut().get_mut(l3..) {
        Some(bytes) if bytes.len() == new.len() => {
            bytes.copy_from_slice(new);
            true
        }
        _ => false,
    }
}

impl Router {
    /// A program listens to queues.
    ///
    /// # Errors
    /// When another has one of them, or the wish makes no sense.
    pub fn bind_queues(&mut self, program: u64, bind: Bind) -> Result<(), QueueError> {
        let served = bind.served;
        if served.first > served.last || bind.limit == 0 {
            return Err(QueueError::Invalid);
        }
        let meets = |other: &Served| served.first <= other.last && other.first <= served.last;
        if self.queues.listeners.iter().any(|listener| meets(&listener.bind.served)) {
            return Err(QueueError::Busy);
        }
        let bind = Bind { limit: bind.limit.min(MOST_WAITING), ..bind };
        self.queues.listeners.push(Listener { program, bind, waiting: 0, offered: 0, full: 0 });
        self.filter_changed();
        Ok(())
    }

    /// A program says what becomes of a packet.
    ///
    /// # Errors
    /// When it has no such packet.
    pub fn handle_ruling(
        &mut self,
        now: Nanos,
        program: u64,
        ruling: &Ruling<'_>,
    ) -> Result<(), QueueError> {
        match self.queues.waiting.get(&ruling.id) {
            Some(waiting) if waiting.program == program => {}
            _ => return Err(QueueError::NoPacket),
        }
        let Some(Waiting { mut packet, .. }) = self.queues.waiting.remove(&ruling.id) else {
            return Err(QueueError::NoPacket);
        };
        let meta = packet.meta();
        if let Some(listener) = self.queues.listener(meta.stage) {
            listener.waiting = listener.waiting.saturating_sub(1);
        }
        let mark = ruling.mark.unwrap_or(meta.mark);
        packet.set_meta(Meta { mark, ..meta });
        let mut decision = ruling.decision;
        if decision != Decision::Drop
            && let Some(payload) = ruling.payload
            && !change(&mut packet, payload)
        {
            // What is no packet of its family has no place on its way.
            decision = Decision::Drop;
        }
        match decision {
            Decision::Drop => self.queues.give_back(packet, Outcome::Drop),
            Decision::Accept => self.queues.give_back(packet, Outcome::Accept),
            Decision::Repeat => self.queues.give_back(packet, Outcome::Repeat),
            Decision::Queue(queue) => {
                packet.set_meta(Meta { stage: queue, ..packet.meta() });
                self.handle_queued(now, packet);
            }
        }
        Ok(())
    }

    /// A program is gone, or listens no more: what waits for it ends.
    pub fn forget_program(&mut self, program: u64) {
        let before = self.queues.listeners.len();
        self.queues.listeners.retain(|listener| listener.program != program);
        self.queues.offered.retain(|offered| offered.program != program);
        if self.queues.listeners.len() != before {
            self.filter_changed();
        }
        let waiting = std::mem::take(&mut self.queues.waiting);
        for (id, waiting) in waiting {
            if waiting.program == program {
                self.queues.counts.forsaken += 1;
                self.queues.give_back(waiting.packet, Outcome::Drop);
            } else {
                self.queues.waiting.insert(id, waiting);
            }
        }
    }

    /// A worker left a packet for a program.
    pub fn handle_queued(&mut self, _now: Nanos, packet: Packet) {
        let meta = packet.meta();
        let Some(listener) = self.queues.listener(meta.stage) else {
            return self.queues.give_back(packet, Outcome::Nobody);
        };
        let Listener { program, bind, .. } = *listener;
        if listener.waiting >= bind.limit {
            listener.full += 1;
            self.queues.counts.full += 1;
            let outcome = if bind.fail_open { Outcome::Accept } else { Outcome::Full };
            return self.queues.give_back(packet, outcome);
        }
        listener.waiting += 1;
        listener.offered += 1;
        let mut bytes = bytes_of(&packet);
        let len = bytes.len() as u32;
        bytes.truncate(bind.range as usize);
        let own = packet.flags().any(Flags::LOCAL_OUT);
        let link = if own { &[] } else { packet.data().get(..packet.l3()).unwrap_or_default() };
        let place = Place::of(meta.place);
        let [input, output] = self.interfaces_at(&packet, place);
        let offered = Offered {
            program,
            id: self.queues.last + 1,
            queue: meta.stage,
            hook: place.hook as u8,
            mark: meta.mark,
            interfaces: [input, output],
            link: link.to_vec(),
            len,
            bytes,
        };
        self.queues.last += 1;
        self.queues.counts.offered += 1;
        self.queues.offered.push(offered);
        self.queues.waiting.insert(self.queues.last, Waiting { program, packet });
    }

    /// Names of the interfaces that a packet came by and leaves by, as its hook knows them.
    fn interfaces_at(&self, packet: &Packet, place: Place) -> [String; 2] {
        use crate::netfilter::rule::Hook;
        let own = packet.flags().any(Flags::LOCAL_OUT);
        let input = || self.link_name(packet.iface());
        let output = || match packet.hop() {
            0 => self.link_name(packet.iface()),
            hop => self.link_name(self.current().hops.get(hop).out().iface),
        };
        match place.hook {
            Hook::PreRouting | Hook::LocalIn => [input(), String::new()],
            Hook::Forward => [input(), output()],
            Hook::PostRouting if !own => [input(), output()],
            Hook::LocalOut | Hook::PostRouting => [String::new(), output()],
        }
    }

    /// Packets for programs since the last call.
    pub fn take_offered(&mut self) -> Vec<Offered> {
        std::mem::take(&mut self.queues.offered)
    }

    /// Packets that go back to their workers.
    pub fn take_returned(&mut self) -> Vec<Returned> {
        std::mem::take(&mut self.queues.returned)
    }

    /// Who listens to which queues.
    pub fn queue_listeners(&self) -> &[Listener] {
        &self.queues.listeners
    }

    /// What was counted of queues, and how many packets wait.
    pub fn queue_counts(&self) -> (QueueCounts, usize) {
        (self.queues.counts, self.queues.waiting.len())
    }

    /// Ends what waits for programs; for the end.
    pub(super) fn clear_queues(&mut self) {
        for waiting in std::mem::take(&mut self.queues.waiting).into_values() {
            self.drop_packet(waiting.packet, Reason::Shutdown);
        }
        for returned in std::mem::take(&mut self.queues.returned) {
            self.drop_packet(returned.injected.packet, Reason::Shutdown);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn four(len: usize, ihl: u8) -> Vec<u8> {
        let mut packet = vec![0; len];
        packet[0] = 0x40 | ihl;
        packet[2..4].copy_from_slice(&(len as u16).to_be_bytes());
        packet
    }

    fn six(len: usize) -> Vec<u8> {
        let mut packet = vec![0; len];
        packet[0] = 0x60;
        packet[4..6].copy_from_slice(&(len as u16 - 40).to_be_bytes());
        packet
    }

    #[test]
    fn only_packets_of_the_same_shape_take_a_packets_place() {
        assert!(fits(&four(28, 5), &four(1500, 5), false), "it may grow");
        assert!(fits(&four(28, 5), &four(20, 5), false), "and shrink");
        assert!(!fits(&four(28, 5), &four(28, 6), false), "not its header");
        assert!(!fits(&four(28, 5), &six(48), false));
        assert!(!fits(&six(48), &four(28, 5), false));
        assert!(fits(&six(48), &six(40), false));
        assert!(!fits(&six(48), &six(40)[..39], false));
        let mut lies = four(28, 5);
        lies[3] = 29;
        assert!(!fits(&four(28, 5), &lies, false), "longer than there is");
        lies[3] = 19;
        assert!(!fits(&four(28, 5), &lies, false), "shorter than its header");
        assert!(!fits(&four(28, 5), &[], false) && !fits(&[], &four(28, 5), false));
        let (plain, mut other) = (four(28, 6), four(28, 6));
        other[20] = 1;
        assert!(
            fits(&plain, &other, false) && !fits(&plain, &other, true),
            "options have been read"
        );
    }

    #[test]
    fn no_bytes_make_it_panic() {
        bolero::check!().with_type::<(Vec<u8>, Vec<u8>, bool)>().for_each(|(old, new, options)| {
            fits(old, new, *options);
        });
    }
}
