//! IPv6 packets from their fragments, as far as neither packets nor clocks take part.
//!
//! - takes: fragments whose headers are there whole, and the time; see [`Piece`]
//! - gives: what became of each ([`Put`]), whole packets ([`Datagram`]), and what ran out of time
//! - obeys: RFC 8200 section 4.5, RFC 5722 (overlaps), RFC 3168 section 5.3; the order of checks of
//!   the kernel's `ip6_frag_queue`; ledger 8.52 to 8.56
//! - costs: a copy of each fragment and a step for each 512 bytes of it, however many came before
//! - differs: packets of different VRFs never meet, where the kernel tells them apart for groups and
//!   link-local addresses alone
//!
//! Overlaps are told as in [`crate::ip4::reassembly`]. The headers before the first fragment may be
//! as long as a packet, so they lie in blocks too, behind the furthest place of data.

use super::table::ReassemblyRules as Rules;
pub use crate::reassembly::Mark;
use crate::{
    graph::Nanos,
    packet::{
        Pieces,
        ipv6::{self, address, address_at, field, fragment, fragment::FragmentHeader},
    },
    reassembly::{
        join_marks,
        queues::{self, NONE, Queue, Queues},
        store::{BLOCK_COST, Blocks, Lie, REACH},
    },
};

/// Which packet a fragment belongs to [8.56].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Key {
    /// Source.
    pub src: u128,
    /// Destination.
    pub dst: u128,
    /// Identification.
    pub id: u32,
    /// VRF of the interface.
    pub vrf: u16,
    /// The interface, where the destination means something there alone.
    pub iface: u16,
}

impl queues::Key for Key {
    /// Where the byte stands that names the fragment header.
    type First = u32;
    const NO_FIRST: u32 = 0;
    const NONE: Self = Self { src: 0, dst: 0, id: 0, vrf: 0, iface: 0 };

    fn hash(self, seed: u64) -> u64 {
        let half = |address: u128| queues::mix((address >> 64) as u64 ^ seed, address as u64);
        let rest = u64::from(self.vrf) << 48 | u64::from(self.iface) << 32 | u64::from(self.id);
        queues::mix_key(half(self.src) ^ half(self.dst).rotate_left(32), rest, seed)
    }

    fn sender(self) -> Self {
        Self { src: self.src, vrf: self.vrf, ..Self::NONE }
    }
}

/// What memory one unfinished packet takes besides its blocks.
const QUEUE_COST: usize = Queue::<Key>::COST;
/// Where headers lie: behind all data, which ends before.
const HEAD_AT: usize = 1 << 16;
/// The most that an offset and a length may come to.
const MAX_END: usize = u16::MAX as usize;

/// A fragment of a packet.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// The packet from its IPv6 header to the end of its payload.
    pub packet: &'a [u8],
    /// Where its fragment header stands in it, which is there whole.
    pub at: usize,
    /// Where the byte stands that names the fragment header.
    pub named_at: usize,
    /// VRF of the interface by which it came.
    pub vrf: u16,
    /// What else is known of it.
    pub mark: Mark,
}

/// A packet that has left the lists but still takes room: look at it by [`Reassembler::datagram`],
/// then give it back by [`Reassembler::release`].
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Done(u32);

/// What became of a fragment.
#[derive(Debug, PartialEq, Eq)]
pub enum Fate {
    /// It waits for the others.
    Kept,
    /// It was the one that was missing.
    Whole(Done),
    /// It cannot be right, which its sender is told, by whom it is for; the pointer of the Parameter Problem.
    Problem(usize),
    /// Its bytes are there already.
    Duplicate,
    /// Too much waits already (`ip6frag_high_thresh`).
    Refused,
    /// The packet is given up: a fragment overlaps another.
    Overlap,
    /// The packet is given up: a fragment is empty, or its end does not agree with that of others.
    Malformed,
    /// The packet is given up: congestion marks that cannot go together.
    Ecn,
    /// The packet is given up: it is longer than a packet can be.
    Oversize,
}

/// What became of a fragment, and of those before it.
#[derive(Debug, PartialEq, Eq)]
pub struct Put {
    /// Of the fragment.
    pub fate: Fate,
    /// Fragments that had waited and came to the same end.
    pub ended: u32,
}

/// A packet that is whole, or has run out of time.
#[derive(Clone, Copy)]
pub struct Datagram<'a> {
    queue: &'a Queue<Key>,
    blocks: &'a Blocks,
}

impl Datagram<'_> {
    /// What was known of the first fragment.
    pub fn first(&self) -> Mark {
        self.queue.first
    }

    /// What was known of the fragment that came last.
    pub fn last(&self) -> Mark {
        self.queue.last
    }

    /// Fragments that it has.
    pub fn pieces(&self) -> u32 {
        self.queue.pieces
    }

    /// Length of the headers of the first fragment, fragment header included; 0 when it has not come.
    pub fn headers_len(&self) -> usize {
        self.queue.header_len as usize
    }

    /// Headers of the first fragment as they came, fragment header included.
    pub fn headers(&self) -> impl Iterator<Item = &[u8]> {
        self.blocks.bytes(&self.queue.map, HEAD_AT, self.headers_len())
    }

    /// Up to `most` bytes that the first fragment carried.
    pub fn first_bytes(&self, most: usize) -> impl Iterator<Item = &[u8]> {
        self.blocks.bytes(&self.queue.map, 0, usize::from(self.queue.first_len).min(most))
    }

    /// Length of the whole, headers included.
    pub fn total_len(&self) -> usize {
        self.headers_len().saturating_sub(fragment::LEN) + self.queue.len as usize
    }

    /// Length of its largest fragment, headers included [8.55].
    pub fn largest(&self) -> u16 {
        self.queue.largest as u16
    }

    /// Bytes that each fragment carried, where they are few; see [`Pieces`].
    pub fn lengths(&self) -> Pieces {
        self.queue.lengths()
    }

    /// What it carries.
    pub fn bytes(&self) -> impl Iterator<Item = &[u8]> {
        self.blocks.bytes(&self.queue.map, 0, self.queue.len as usize)
    }

    /// Makes the headers of the whole from those of the first fragment, which end with the fragment
    /// header; what is left is shorter by that header. Gives the place of the byte that names what
    /// is carried.
    pub fn finish_headers(&self, headers: &mut Vec<u8>) -> Option<usize> {
        let carried = FragmentHeader::read(headers.get(headers.len().checked_sub(8)?..)?).ok()?;
        headers.truncate(headers.len() - fragment::LEN);
        self.mend(headers, carried.next_header)
    }

    /// Mends headers from which the fragment header is gone: lengths, marks, and who names whom.
    pub fn mend(&self, headers: &mut [u8], next_header: u8) -> Option<usize> {
        let named_at = self.queue.header as usize;
        let payload_len = (self.total_len() - ipv6::HEADER_LEN) as u16;
        headers.get_mut(field::PAYLOAD_LEN)?.copy_from_slice(&payload_len.to_be_bytes());
        *headers.get_mut(1)? |= join_marks(self.queue.ecn).unwrap_or(0) << 4;
        *headers.get_mut(named_at)? = next_header;
        Some(named_at)
    }
}

/// All unfinished packets of one worker.
pub struct Reassembler {
    queues: Queues<Key>,
    blocks: Blocks,
    memory: usize,
    most: usize,
    /// It is for others, and judges as the packet filter of the kernel does.
    transit: bool,
}

impl Reassembler {
    /// Room for `memory` bytes of fragments, their books included, and for the packet that goes over.
    pub fn new(memory: usize, seed: u64) -> Self {
        let blocks = memory / BLOCK_COST + REACH + 1;
        // A fragment with a mistake leaves a packet without blocks behind.
        let queues = memory / QUEUE_COST + 2;
        let most = memory.min((usize::from(u16::MAX) - REACH - 1) * BLOCK_COST);
        Self {
            queues: Queues::new(queues, seed),
            blocks: Blocks::new(blocks),
            memory: 0,
            most,
            transit: false,
        }
    }

    /// The same for packets in transit: what cannot be right leaves those that wait as they were but
    /// for a length that no fragment can have (`nf_ct_frag6_queue`).
    #[must_use]
    pub fn for_transit(self) -> Self {
        Self { transit: true, ..self }
    }

    /// Bytes in use, books included.
    pub fn memory(&self) -> usize {
        self.memory
    }

    /// When the first packet runs out of time.
    pub fn due(&self) -> Nanos {
        match self.queues.oldest() {
            NONE => Nanos::MAX,
            id => self.queues.get(id).due,
        }
    }

    /// Takes out a packet whose time has run out.
    pub fn expire(&mut self, now: Nanos) -> Option<Done> {
        let id = self.queues.oldest();
        if id == NONE || self.queues.get(id).due > now {
            return None;
        }
        self.queues.unlink(id);
        Some(Done(id))
    }

    /// A packet that is done.
    pub fn datagram(&self, done: &Done) -> Datagram<'_> {
        Datagram { queue: self.queues.get(done.0), blocks: &self.blocks }
    }

    /// Gives back the room of a packet that is done.
    pub fn release(&mut self, done: Done) {
        let Done(id) = done;
        self.memory -= self.blocks.clear(&mut self.queues.get_mut(id).map) * BLOCK_COST;
        self.memory -= QUEUE_COST;
        self.queues.release(id);
    }

    /// Takes a fragment at time `now`.
    pub fn put(&mut self, piece: &Piece<'_>, now: Nanos, rules: &Rules) -> Put {
        let refused = Put { fate: Fate::Refused, ended: 0 };
        let header = piece.packet.get(piece.at..).map(FragmentHeader::read);
        let Some(Ok(header)) = header else { return Put { fate: Fate::Malformed, ended: 0 } };
        if rules.high_thresh == 0 || self.memory > rules.high_thresh.min(self.most) {
            return refused;
        }
        let dst = address_at(piece.packet, field::DST.start);
        let local = address::is_multicast(dst) || address::is_link_local(dst);
        let key = Key {
            src: address_at(piece.packet, field::SRC.start),
            dst,
            id: header.id,
            vrf: piece.vrf,
            iface: if local { piece.mark.iface } else { 0 },
        };
        let mut id = self.queues.find(key);
        if id == NONE {
            id = self.queues.add(key, now + rules.time, false);
            if id == NONE {
                return refused;
            }
            self.memory += QUEUE_COST;
        }
        let before = self.queues.get(id).pieces;
        let (fate, ended) = match self.insert(id, piece, header) {
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
        Put { fate, ended }
    }

    fn discard(&mut self, id: u32) {
        self.queues.unlink(id);
        self.release(Done(id));
    }

    /// Adds a fragment to its packet, in the order of the checks of `ip6_frag_queue`. An error ends
    /// the packet; nothing means that no fragment is missing any more.
    fn insert(
        &mut self,
        id: u32,
        piece: &Piece<'_>,
        header: FragmentHeader,
    ) -> Result<Option<Fate>, Fate> {
        let (head, bytes) = piece.packet.split_at(piece.at + fragment::LEN);
        let start = usize::from(header.offset);
        let end = start + bytes.len();
        let queue = self.queues.get_mut(id);
        queue.last.iface = piece.mark.iface;
        // Who puts together for others gives up the one fragment alone.
        let wrong = if self.transit { Ok(Some(Fate::Malformed)) } else { Err(Fate::Malformed) };
        if end > MAX_END && self.transit {
            return wrong;
        }
        if end > MAX_END {
            return Ok(Some(Fate::Problem(piece.at + fragment::field::OFFSET.start)));
        }
        if !header.more {
            if end < queue.len as usize || (queue.ended != 0 && end != queue.len as usize) {
                return wrong;
            }
            (queue.ended, queue.len) = (1, end as u32);
        } else {
            if !end.is_multiple_of(8) {
                let problem = Fate::Problem(field::PAYLOAD_LEN.start);
                return if self.transit { Err(problem) } else { Ok(Some(problem)) };
            }
            if end > queue.len as usize {
                if queue.ended != 0 {
                    return wrong;
                }
                queue.len = end as u32;
            }
        }
        if bytes.is_empty() {
            return wrong;
        }
        match self.blocks.lie(&queue.map, start, end) {
            Lie::Within => return Ok(Some(Fate::Duplicate)),
            Lie::Across => return Err(Fate::Overlap),
            Lie::New => {}
        }
        let begins = queue.pieces == 0 || start != queue.reach as usize;
        let mut taken = self.blocks.put(&mut queue.map, start, bytes, begins);
        if let (0, Some(blocks)) = (start, &mut taken) {
            match self.blocks.put(&mut queue.map, HEAD_AT, head, true) {
                Some(more) => *blocks += more,
                None => {
                    // What is there is counted before it is given up.
                    self.memory += *blocks * BLOCK_COST;
                    return Err(Fate::Refused);
                }
            }
        }
        self.memory += taken.ok_or(Fate::Refused)? * BLOCK_COST;
        queue.reach = queue.reach.max(end as u32);
        queue.bytes += bytes.len() as u32;
        queue.note_start(start);
        queue.pieces += 1;
        queue.ecn |= 1 << (piece.packet[1] >> 4 & 3);
        queue.last = piece.mark;
        queue.largest = queue.largest.max(piece.packet.len() as u32);
        if start == 0 {
            queue.header_len = head.len() as u32;
            queue.header = piece.named_at as u32;
            queue.first_len = bytes.len() as u16;
            queue.first = piece.mark;
        }
        let missing = queue.header_len == 0 || queue.ended == 0 || queue.bytes != queue.len;
        Ok(missing.then_some(Fate::Kept))
    }

    /// Whether a packet without gaps can be one.
    fn whole(&self, id: u32) -> Result<(), Fate> {
        let queue = self.queues.get(id);
        if join_marks(queue.ecn).is_none() {
            return Err(Fate::Ecn);
        }
        let headers = queue.header_len as usize - fragment::LEN - ipv6::HEADER_LEN;
        if headers + queue.len as usize > usize::from(u16::MAX) {
            return Err(Fate::Oversize);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
