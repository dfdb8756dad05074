//! Datagrams from their pieces, as far as neither packets nor clocks take part.
//!
//! - takes: pieces whose headers are sound, and the time; see [`Piece`]
//! - gives: what became of each ([`Put`]), whole datagrams ([`Datagram`]), and what ran out of time
//! - obeys: RFC 791 section 3.2, RFC 3168 section 5.3, RFC 5722 section 4 (overlaps), as
//!   `ip_fragment.c` and `inet_fragment.c` of Linux 6.18; ledger 4.103 to 4.114
//! - costs: a copy of each piece and a step for each 512 bytes of it, however many came before
//!
//! Memory is taken once, when the worker is built. Bytes are put into blocks at the place where they
//! stand in the datagram, and each block knows which of its eight-byte units have come, so that no
//! order and no number of pieces makes a search long.
//!
//! The kernel joins pieces into a *run* while each comes right behind the one that reaches furthest.
//! What lies within one run is taken for a duplicate, whatever its bounds; what touches anything
//! else is an overlap, and ends the datagram.

#[cfg(any(test, fuzzing))]
pub mod fuzz;

use super::table::ReassemblyRules as Rules;
pub use crate::reassembly::Mark;
use crate::{
    graph::Nanos,
    packet::{
        Pieces,
        ipv4::{self, Ipv4View},
    },
    reassembly::{
        join_marks,
        queues::{self, NONE, Queue, Queues},
        store::{BLOCK_COST, Blocks, Lie, REACH},
    },
};

/// Which datagram a piece belongs to [4.103].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Key {
    /// Source.
    pub src: u32,
    /// Destination.
    pub dst: u32,
    /// Identification.
    pub id: u16,
    /// VRF of the interface.
    pub vrf: u16,
    /// Protocol.
    pub protocol: u8,
}

impl queues::Key for Key {
    type First = [u8; ipv4::MAX_HEADER_LEN];
    const NO_FIRST: Self::First = [0; ipv4::MAX_HEADER_LEN];
    const NONE: Self = Self { src: 0, dst: 0, id: 0, vrf: 0, protocol: 0 };

    fn hash(self, seed: u64) -> u64 {
        let ends = u64::from(self.src) << 32 | u64::from(self.dst);
        let rest = u64::from(self.vrf) << 32 | u64::from(self.protocol) << 16 | u64::from(self.id);
        queues::mix_key(ends, rest, seed)
    }

    fn sender(self) -> Self {
        Self { src: self.src, vrf: self.vrf, ..Self::NONE }
    }
}

/// What memory one unfinished datagram takes besides its blocks.
const QUEUE_COST: usize = Queue::<Key>::COST;

/// A piece of a datagram.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// Its header and payload.
    pub ip: Ipv4View<'a>,
    /// VRF of the interface by which it came.
    pub vrf: u16,
    /// What else is known of it.
    pub mark: Mark,
}

/// A datagram that has left the lists but still takes room: look at it by
/// [`Reassembler::datagram`], then give it back by [`Reassembler::release`].
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Done(u32);

/// What became of a piece.
#[derive(Debug, PartialEq, Eq)]
pub enum Fate {
    /// It waits for the others.
    Kept,
    /// It was the one that was missing.
    Whole(Done),
    /// Its bytes are there already.
    Duplicate,
    /// Too much waits already (`ipfrag_high_thresh`).
    Refused,
    /// The datagram is given up: a piece overlaps another.
    Overlap,
    /// The datagram is given up: a piece is empty, or its end does not agree with that of others.
    Malformed,
    /// The datagram is given up: congestion marks that cannot go together.
    Ecn,
    /// The datagram is given up: it is longer than a packet can be.
    Oversize,
}

/// What became of a piece, and of those before it.
#[derive(Debug, PartialEq, Eq)]
pub struct Put {
    /// Of the piece.
    pub fate: Fate,
    /// Pieces that had waited and came to the same end.
    pub ended: u32,
    /// Pieces that had waited and were given up before, since too many others of the same sender had
    /// come in between (`ipfrag_max_dist`).
    pub too_far: u32,
}

/// A datagram that is whole, or has run out of time.
#[derive(Clone, Copy)]
pub struct Datagram<'a> {
    queue: &'a Queue<Key>,
    blocks: &'a Blocks,
}

impl Datagram<'_> {
    /// What was known of the first piece.
    pub fn first(&self) -> Mark {
        self.queue.first
    }

    /// What was known of the piece that came last.
    pub fn last(&self) -> Mark {
        self.queue.last
    }

    /// Pieces that it has.
    pub fn pieces(&self) -> u32 {
        self.queue.pieces
    }

    /// Header of the first piece as it came; nothing when that has not come.
    pub fn first_header(&self) -> &[u8] {
        &self.queue.header[..self.queue.header_len as usize]
    }

    /// Up to `most` bytes that the first piece carried.
    pub fn first_bytes(&self, most: usize) -> impl Iterator<Item = &[u8]> {
        self.blocks.bytes(&self.queue.map, 0, usize::from(self.queue.first_len).min(most))
    }

    /// Length of the whole, header included.
    pub fn total_len(&self) -> usize {
        self.queue.header_len as usize + self.queue.len as usize
    }

    /// Header of the whole and its length; the checksum is still to be made.
    pub fn header(&self) -> ([u8; ipv4::MAX_HEADER_LEN], usize) {
        let mut header = self.queue.header;
        header[ipv4::field::TOS] |= join_marks(self.queue.ecn).unwrap_or(0);
        header[ipv4::field::TOTAL_LEN].copy_from_slice(&(self.total_len() as u16).to_be_bytes());
        let word = if self.keeps_df() { ipv4::DONT_FRAGMENT } else { 0 };
        header[ipv4::field::FRAGMENT].copy_from_slice(&word.to_be_bytes());
        (header, self.queue.header_len as usize)
    }

    /// Whether its largest piece was sent with DF, and so the whole must be again.
    pub fn keeps_df(&self) -> bool {
        self.queue.largest == self.queue.largest_df
    }

    /// Length of its largest piece, header included [4.93].
    pub fn largest(&self) -> u16 {
        self.queue.largest as u16
    }

    /// Bytes that each piece carried, where they are few; see [`Pieces`].
    pub fn lengths(&self) -> Pieces {
        self.queue.lengths()
    }

    /// What it carries.
    pub fn bytes(&self) -> impl Iterator<Item = &[u8]> {
        self.blocks.bytes(&self.queue.map, 0, self.queue.len as usize)
    }
}

/// All unfinished datagrams of one worker.
pub struct Reassembler {
    queues: Queues<Key>,
    blocks: Blocks,
    memory: usize,
    most: usize,
}

impl Reassembler {
    /// Room for `memory` bytes of pieces, their books included, and for the packet that goes over.
    pub fn new(memory: usize, seed: u64) -> Self {
        // The table of blocks has numbers of 16 bits.
        let blocks = memory / BLOCK_COST + REACH + 1;
        // None is without a block for longer than a piece takes.
        let queues = memory / (QUEUE_COST + BLOCK_COST) + 2;
        let most = memory.min((usize::from(u16::MAX) - REACH - 1) * BLOCK_COST);
        Self { queues: Queues::new(queues, seed), blocks: Blocks::new(blocks), memory: 0, most }
    }

    /// Bytes in use, books included.
    pub fn memory(&self) -> usize {
        self.memory
    }

    /// When the first datagram runs out of time.
    pub fn due(&self) -> Nanos {
        match self.queues.oldest() {
            NONE => Nanos::MAX,
            id => self.queues.get(id).due,
        }
    }

    /// Takes out a datagram whose time has run out.
    pub fn expire(&mut self, now: Nanos) -> Option<Done> {
        let id = self.queues.oldest();
        if id == NONE || self.queues.get(id).due > now {
            return None;
        }
        self.queues.unlink(id);
        Some(Done(id))
    }

    /// A datagram that is done.
    pub fn datagram(&self, done: &Done) -> Datagram<'_> {
        Datagram { queue: self.queues.get(done.0), blocks: &self.blocks }
    }

    /// Gives back the room of a datagram that is done.
    pub fn release(&mut self, done: Done) {
        let Done(id) = done;
        self.memory -= self.blocks.clear(&mut self.queues.get_mut(id).map) * BLOCK_COST;
        self.memory -= QUEUE_COST;
        self.queues.release(id);
    }

    /// Takes a piece at time `now`.
    pub fn put(&mut self, piece: &Piece<'_>, now: Nanos, rules: &Rules) -> Put {
        let refused = Put { fate: Fate::Refused, ended: 0, too_far: 0 };
        if rules.high_thresh == 0 || self.memory > rules.high_thresh.min(self.most) {
            return refused;
        }
        let ip = &piece.ip;
        let (src, dst) = (ip.src().to_bits(), ip.dst().to_bits());
        let key = Key { src, dst, id: ip.id(), vrf: piece.vrf, protocol: ip.protocol() };
        let mut id = self.queues.find(key);
        if id == NONE {
            id = self.queues.add(key, now + rules.time, rules.max_dist > 0);
            if id == NONE {
                return refused;
            }
            self.memory += QUEUE_COST;
        }
        let mut too_far = 0;
        let distance = self.queues.distance(id);
        let waiting = self.queues.get(id).pieces;
        if waiting > 0 && rules.max_dist > 0 && distance > rules.max_dist {
            too_far = waiting;
            let queue = self.queues.get_mut(id);
            self.memory -= self.blocks.clear(&mut queue.map) * BLOCK_COST;
            queue.restart();
            self.queues.renew(id, now + rules.time);
        }
        let before = self.queues.get(id).pieces;
        let (fate, ended) = match self.insert(id, piece) {
            Ok(Some(fate)) => (fate, 0),
            Ok(None) => match self.whole(id) {
                Ok(()) => {
                    self.queues.unlink(id);
                    (Fate::Whole(Done(id)), before)
                }
                Err(fate) => {
                    self.discard(id);
                    (fate, before)
                }
            },
            Err(fate) => {
                self.discard(id);
                (fate, before)
            }
        };
        Put { fate, ended, too_far }
    }

    fn discard(&mut self, id: u32) {
        self.queues.unlink(id);
        self.release(Done(id));
    }

    /// Adds a piece to its datagram, in the order of the checks of `ip_frag_queue`. An error ends the
    /// datagram; nothing means that no piece is missing any more.
    fn insert(&mut self, id: u32, piece: &Piece<'_>) -> Result<Option<Fate>, Fate> {
        let ip = &piece.ip;
        let (start, mut bytes) = (ip.fragment_offset(), ip.payload());
        let queue = self.queues.get_mut(id);
        if ip.mf() {
            // What no offset can follow is left out.
            bytes = &bytes[..((start + bytes.len()) & !7).saturating_sub(start)];
            let end = (start + bytes.len()) as u32;
            if end > queue.len {
                if queue.ended != 0 {
                    return Err(Fate::Malformed);
                }
                queue.len = end;
            }
        } else {
            let end = (start + bytes.len()) as u32;
            if end < queue.len || (queue.ended != 0 && end != queue.len) {
                return Err(Fate::Malformed);
            }
            (queue.ended, queue.len) = (1, end);
        }
        if bytes.is_empty() {
            return Err(Fate::Malformed);
        }
        let end = start + bytes.len();
        match self.blocks.lie(&queue.map, start, end) {
            Lie::Within => return Ok(Some(Fate::Duplicate)),
            Lie::Across => return Err(Fate::Overlap),
            Lie::New => {}
        }
        let begins = queue.pieces == 0 || start != queue.reach as usize;
        match self.blocks.put(&mut queue.map, start, bytes, begins) {
            Some(taken) => self.memory += taken * BLOCK_COST,
            None => return Err(Fate::Refused),
        }
        queue.reach = queue.reach.max(end as u32);
        queue.bytes += bytes.len() as u32;
        queue.note_start(start);
        queue.pieces += 1;
        queue.ecn |= 1 << ip.ecn();
        queue.last = piece.mark;
        if start == 0 {
            queue.header[..ip.header_len()].copy_from_slice(ip.header());
            queue.header_len = ip.header_len() as u32;
            queue.first_len = bytes.len() as u16;
            queue.first = piece.mark;
        }
        let size = (ip.header_len() + bytes.len()) as u32;
        queue.largest = queue.largest.max(size);
        if ip.df() {
            queue.largest_df = queue.largest_df.max(size);
        }
        let missing = queue.header_len == 0 || queue.ended == 0 || queue.bytes != queue.len;
        Ok(missing.then_some(Fate::Kept))
    }

    /// Whether a datagram without gaps can be a packet.
    fn whole(&self, id: u32) -> Result<(), Fate> {
        let queue = self.queues.get(id);
        if join_marks(queue.ecn).is_none() {
            return Err(Fate::Ecn);
        }
        let total = queue.header_len + queue.len;
        if total > u32::from(u16::MAX) {
            return Err(Fate::Oversize);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
