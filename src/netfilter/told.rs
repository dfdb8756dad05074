//! What workers tell of packets for `LOG`, `NFLOG`, `AUDIT` and `TRACE`: plain records through a ring.
//!
//! - takes: a record and the packet that it is about
//! - gives: [`Told`], which the management core writes in words; what the ring has no room for is counted
//! - costs: a copy of the packet's first bytes; nothing while no rule tells of packets

use std::sync::Arc;

use crossbeam_queue::ArrayQueue;

use super::{
    Record, RecordKind, TraceKind, View,
    rule::{Audit, Hook, TableName},
};
use crate::{
    conntrack::nat::blocks::Record as Block, conntrack::nat::carrier::Carrier, graph::Nanos,
};

/// Bytes of a packet that are kept, from its network header on.
pub const KEPT: usize = 192;
/// Records that may wait for the management core, by worker.
pub const DEPTH: usize = 512;

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

/// For what a packet is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// `LOG`.
    Log {
        /// Level of the log, 0 to 7.
        level: u8,
        /// Bits: TCP sequence numbers, TCP options, IP options, user, MAC decoded.
        options: u8,
    },
    /// `NFLOG`.
    Nflog {
        /// Group.
        group: u16,
    },
    /// `AUDIT`.
    Audit(Audit),
    /// `TRACE`: the chain is in the words.
    Trace {
        /// How the packet came past the rule.
        kind: TraceKind,
        /// The rule's number in its chain.
        number: u32,
    },
}

/// A packet that is told of.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// When.
    pub at: Nanos,
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
    pub len: u16,
    link: [u8; 14],
    link_len: u8,
    head: [u8; KEPT],
    head_len: u8,
}

impl Told {
    /// Its link layer header, empty where it has none.
    pub fn link(&self) -> &[u8] {
        &self.link[..usize::from(self.link_len)]
    }

    /// Its first bytes from the network header on.
    pub fn head(&self) -> &[u8] {
        &self.head[..usize::from(self.head_len)]
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
#[derive(Debug, Default)]
pub struct Teller {
    ring: Option<Arc<ArrayQueue<Told>>>,
    blocks: Option<Arc<ArrayQueue<BlockTold>>>,
    /// Records that found no room.
    pub lost: u64,
}

impl Teller {
    /// Into these rings.
    pub fn new(ring: Arc<ArrayQueue<Told>>, blocks: Arc<ArrayQueue<BlockTold>>) -> Self {
        Self { ring: Some(ring), blocks: Some(blocks), lost: 0 }
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

    /// Tells of a packet.
    pub fn note(&mut self, record: &Record<'_>, view: &View<'_>, now: Nanos) {
        let Some(ring) = &self.ring else { return };
        let (why, words) = match record.kind {
            RecordKind::Log(log) => {
                let bit = |on: bool, at: u8| u8::from(on) << at;
                let options = bit(log.tcp_sequence, 0)
                    | bit(log.tcp_options, 1)
                    | bit(log.ip_options, 2)
                    | bit(log.uid, 3)
                    | bit(log.mac_decode, 5);
                (Why::Log { level: log.level, options }, log.prefix.as_str())
            }
            RecordKind::Nflog(nflog) => (Why::Nflog { group: nflog.group }, nflog.prefix.as_str()),
            RecordKind::Audit(audit) => (Why::Audit(audit), ""),
            RecordKind::Trace { chain, kind, number } => (Why::Trace { kind, number }, chain),
        };
        let about = &view.about;
        let mut told = Told {
            at: now,
            table: record.table,
            hook: record.hook,
            why,
            words: Words::of(words),
            input: about.input,
            output: about.output,
            mark: about.mark,
            len: view.len() as u16,
            link: [0; 14],
            link_len: about.link.len().min(14) as u8,
            head: [0; KEPT],
            head_len: view.len().min(KEPT) as u8,
        };
        told.link[..usize::from(told.link_len)]
            .copy_from_slice(&about.link[..usize::from(told.link_len)]);
        told.head[..usize::from(told.head_len)]
            .copy_from_slice(&view.bytes()[..usize::from(told.head_len)]);
        if ring.push(told).is_err() {
            self.lost += 1;
        }
    }
}
