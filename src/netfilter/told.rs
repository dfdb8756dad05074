//! What workers tell of packets for `LOG`, `NFLOG`, `AUDIT` and `TRACE`: plain records through a ring.
//!
//! - takes: a record and the packet that it is about
//! - gives: [`Told`], which the management core writes in words ([`line()`], [`audit()`]) or to a capture;
//!   what the ring has no room for is counted
//! - costs: a copy of the packet's first bytes, or for `NFLOG` of as many as its rule wants; nothing while no
//!   rule tells of packets

mod audit;
mod line;
mod line6;
#[cfg(test)]
mod tests;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use crossbeam_queue::ArrayQueue;

use super::{
    Record, RecordKind, TraceKind, View,
    rule::{Audit, Hook, TableName},
};
use crate::{
    conntrack::{
        self,
        nat::{blocks::Record as Block, carrier::Carrier},
    },
    graph::{Nanos, trace::Session},
};

pub use audit::audit;
pub use line::line;

/// Bytes of a packet in one record, from its network header on.
const KEPT: usize = 192;
/// Most bytes of a packet that are kept for words about it.
const SPOKEN: usize = 2 * KEPT;
/// Records that may wait for the management core, by worker.
pub const DEPTH: usize = 1024;
/// Length of an Ethernet header without tags.
const LINK: usize = 14;

/// Some words in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words {
    bytes: [u8; 64],
    len: u8,
}

impl Words {
    /// The first 64 bytes of a text.
    fn of(text: &str) -> Self {
        let mut bytes = [0; 64];
        let len = text.len().min(bytes.len());
        bytes[..len].copy_from_slice(&text.as_bytes()[..len]);
        Self { bytes, len: len as u8 }
    }

    /// The text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes[..usize::from(self.len)]).into_owned()
    }
}

/// Bits of [`Why::Log`]'s options (`NF_LOG_*`).
pub mod option {
    /// Sequence numbers of TCP.
    pub const TCP_SEQUENCE: u8 = 1;
    /// Options of TCP.
    pub const TCP_OPTIONS: u8 = 2;
    /// Options of IPv4, extension headers of IPv6.
    pub const IP_OPTIONS: u8 = 4;
    /// The user of the socket, which packets of a router have not.
    pub const UID: u8 = 8;
    /// Link-layer addresses in words.
    pub const MAC_DECODE: u8 = 32;
    /// What traces tell.
    pub const TRACE: u8 = TCP_SEQUENCE | TCP_OPTIONS | IP_OPTIONS | UID;
}

/// For what a packet is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// `LOG`.
    Log {
        /// Level of the log, 0 to 7.
        level: u8,
        /// Bits of [`option`].
        options: u8,
    },
    /// `NFLOG`.
    Nflog {
        /// Group.
        group: u16,
    },
    /// `AUDIT`.
    Audit(Audit),
    /// It belongs to no connection.
    Invalid {
        /// Its protocol.
        protocol: u8,
        /// Why not.
        why: conntrack::Why,
    },
    /// `TRACE`: the chain is in the words.
    Trace {
        /// How the packet came past the rule.
        kind: TraceKind,
        /// The rule's number in its chain.
        number: u32,
    },
}

/// What is told of a packet beside its bytes.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// When, by the router's clock.
    pub at: Nanos,
    /// When, since 1970.
    pub wall: Nanos,
    /// By which table.
    pub table: TableName,
    /// Where.
    pub hook: Hook,
    /// For what.
    pub why: Why,
    /// Prefix, or the name of the chain.
    pub words: Words,
    /// Interface it came by, 0 for none.
    pub input: u16,
    /// Interface it leaves by, 0 for none.
    pub output: u16,
    /// Its mark.
    pub mark: u32,
    /// Length of the packet.
    pub len: u32,
    link: [u8; LINK],
    has_link: bool,
}

impl About {
    /// Its Ethernet header as its interface sees it, without tags; `None` where it has none.
    pub fn link(&self) -> Option<&[u8; LINK]> {
        self.has_link.then_some(&self.link)
    }
}

/// A packet that is told of.
#[derive(Clone, Debug)]
pub struct Told {
    /// All but its bytes.
    pub about: About,
    /// Its first bytes from the network header on.
    pub bytes: Vec<u8>,
}

/// A part of what is told: the beginning with what there is to know, or more bytes.
#[derive(Clone, Copy, Debug)]
pub struct Note {
    /// There only in the first part: what it is about, and how many bytes all parts have.
    head: Option<(About, u16)>,
    bytes: [u8; KEPT],
    len: u8,
}

/// The ring between a worker and the management core.
#[derive(Debug)]
pub struct Ring {
    notes: ArrayQueue<Note>,
    lost: AtomicU64,
}

impl Default for Ring {
    fn default() -> Self {
        Self { notes: ArrayQueue::new(DEPTH), lost: AtomicU64::new(0) }
    }
}

impl Ring {
    /// Packets that were not told of since the start, as there was no room.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

/// A block of ports that was taken or given back.
#[derive(Clone, Copy, Debug)]
pub struct BlockTold {
    /// When.
    pub at: Nanos,
    /// The block.
    pub record: Block,
}

impl BlockTold {
    /// It as a line of a log.
    pub fn line(&self) -> String {
        let Block { taken, subscriber, zone, address, first, last, six } = self.record;
        let what = if taken { "taken" } else { "given back" };
        let (subscriber, address) = (subscriber.ip(six[0]), address.ip(six[1]));
        let zone = if zone == 0 { String::new() } else { format!(" zone {zone}") };
        format!("nat block {what}: {subscriber}{zone} as {address} ports {first}-{last}")
    }
}

/// A worker's end of the rings.
#[derive(Default)]
#[expect(missing_debug_implementations, reason = "a session has none")]
pub struct Teller {
    ring: Option<Arc<Ring>>,
    blocks: Option<Arc<ArrayQueue<BlockTold>>>,
    session: Option<Arc<Session>>,
}

impl Teller {
    /// Into these rings.
    pub fn new(ring: Arc<Ring>, blocks: Arc<ArrayQueue<BlockTold>>) -> Self {
        Self { ring: Some(ring), blocks: Some(blocks), session: None }
    }

    /// Tells of blocks; what finds no room waits with the carrier.
    pub fn tell_blocks(&self, carrier: &mut Carrier, now: Nanos) {
        let Some(ring) = &self.blocks else { return };
        while !ring.is_full()
            && let Some(record) = carrier.next_record()
        {
            let _ = ring.push(BlockTold { at: now, record });
        }
    }

    /// Rules that packets meet which a session follows are told to it from now on.
    pub fn follow(&mut self, session: Option<&Arc<Session>>) {
        self.session = session.cloned();
    }

    /// Whether a session follows the packet of this number.
    #[inline]
    pub fn follows(&self, number: u16) -> bool {
        number != 0 && self.session.as_ref().is_some_and(|session| session.has(number))
    }

    /// Tells the session that a packet of a number has met a rule.
    #[cold]
    pub fn step(&self, number: u16, record: &Record<'_>, len: u32, now: Nanos) {
        let (Some(session), RecordKind::Trace { chain, kind, number: rule }) =
            (&self.session, record.kind)
        else {
            return;
        };
        session.rule(number, now, len, &[record.table.name(), chain, kind.name()], rule);
    }

    /// Tells of a packet.
    #[cold]
    pub fn note(&mut self, record: &Record<'_>, view: &View<'_>, now: Nanos) {
        let Some(ring) = &self.ring else { return };
        let (why, words) = match record.kind {
            RecordKind::Log(log) => {
                let bit = |on: bool, bit: u8| if on { bit } else { 0 };
                let options = bit(log.tcp_sequence, option::TCP_SEQUENCE)
                    | bit(log.tcp_options, option::TCP_OPTIONS)
                    | bit(log.ip_options, option::IP_OPTIONS)
                    | bit(log.uid, option::UID)
                    | bit(log.mac_decode, option::MAC_DECODE);
                (Why::Log { level: log.level, options }, log.prefix.as_str())
            }
            RecordKind::Nflog(nflog) => (Why::Nflog { group: nflog.group }, nflog.prefix.as_str()),
            RecordKind::Audit(audit) => (Why::Audit(audit), ""),
            RecordKind::Invalid { protocol, why } => (Why::Invalid { protocol, why }, ""),
            RecordKind::Trace { chain, kind, number } => (Why::Trace { kind, number }, chain),
        };
        let wanted = match record.kind {
            RecordKind::Nflog(nflog) => nflog.size.map_or(usize::MAX, |size| size as usize),
            _ => SPOKEN,
        };
        let bytes = &view.bytes()[..view.len().min(wanted).min(usize::from(u16::MAX))];
        let facts = &view.about;
        let (link, has_link) = header(facts.link);
        let about = About {
            at: now,
            wall: facts.wall,
            table: record.table,
            hook: record.hook,
            why,
            words: Words::of(words),
            input: facts.input,
            output: facts.output,
            mark: facts.mark,
            len: view.len() as u32,
            link,
            has_link,
        };
        // Only this worker puts anything in, so that what is free stays free.
        let parts = bytes.len().div_ceil(KEPT).max(1);
        if ring.notes.capacity() - ring.notes.len() < parts {
            ring.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let mut head = Some((about, bytes.len() as u16));
        for part in 0..parts {
            let rest = &bytes[part * KEPT..];
            let mut note = Note { head: head.take(), bytes: [0; KEPT], len: 0 };
            let len = rest.len().min(KEPT);
            note.bytes[..len].copy_from_slice(&rest[..len]);
            note.len = len as u8;
            // There is room.
            let _ = ring.notes.push(note);
        }
    }
}

/// The Ethernet header without its tags, as the interface of a VLAN has it.
fn header(link: &[u8]) -> ([u8; LINK], bool) {
    let mut header = [0; LINK];
    let (Some(addresses), Some(kind)) = (link.get(..12), link.last_chunk::<2>()) else {
        return (header, false);
    };
    if link.len() < LINK {
        return (header, false);
    }
    header[..12].copy_from_slice(addresses);
    header[12..].copy_from_slice(kind);
    (header, true)
}

/// The management core's end of the ring.
#[derive(Debug, Default)]
pub struct Listener {
    ring: Arc<Ring>,
    open: Option<(Told, usize)>,
}

impl Listener {
    /// The ring that it listens to.
    pub fn ring(&self) -> &Arc<Ring> {
        &self.ring
    }
}

/// Parts as they come; what each completes.
impl Iterator for Listener {
    type Item = Option<Told>;

    fn next(&mut self) -> Option<Self::Item> {
        let note = self.ring.notes.pop()?;
        let bytes = &note.bytes[..usize::from(note.len)];
        if let Some((about, len)) = note.head {
            let room = Vec::with_capacity(len.into());
            self.open = Some((Told { about, bytes: room }, len.into()));
        }
        let Some((mut told, len)) = self.open.take() else { return Some(None) };
        told.bytes.extend_from_slice(bytes);
        if told.bytes.len() < len {
            self.open = Some((told, len));
            return Some(None);
        }
        Some(Some(told))
    }
}
