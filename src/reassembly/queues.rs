//! Unfinished datagrams by key, by age, and the senders that they come from.

use super::{
    Mark,
    store::{Map, REACH},
};
use crate::{
    graph::Nanos,
    packet::{PIECES_MAX, Pieces},
};

/// No entry: entries are numbered from one.
pub(crate) const NONE: u32 = 0;

/// Which datagram a piece belongs to.
pub(crate) trait Key: Copy + Eq {
    /// What is kept of the first piece's headers beside the blocks.
    type First: Copy;
    /// Nothing of them.
    const NO_FIRST: Self::First;
    /// Of no datagram.
    const NONE: Self;

    /// A number that only those who know the seed can foretell.
    fn hash(self, seed: u64) -> u64;
    /// What of it tells the sender; the rest as in [`Key::NONE`].
    fn sender(self) -> Self;
}

/// Two words of a key, mixed under a seed.
pub(crate) const fn mix_key(ends: u64, rest: u64, seed: u64) -> u64 {
    mix(mix(ends ^ seed, seed.rotate_left(32) ^ PI[0]) ^ rest, seed ^ PI[1])
}

/// Digits of pi: odd numbers without a pattern.
const PI: [u64; 2] = [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7345];

/// The two halves of a full product, mixed.
pub(crate) const fn mix(a: u64, b: u64) -> u64 {
    let product = a as u128 * (b | 1) as u128;
    product as u64 ^ (product >> 64) as u64
}

/// One unfinished datagram.
#[derive(Clone, Copy)]
pub(crate) struct Queue<K: Key> {
    pub(crate) key: K,
    /// The next of the same bucket, or of those at rest.
    chain: u32,
    /// Neighbours in the order in which time runs out.
    before: u32,
    after: u32,
    pub(crate) due: Nanos,
    peer: u32,
    /// Count of the sender's pieces when the last one of this datagram came.
    seen: u32,
    /// Length of what is carried, as far as it is known.
    pub(crate) len: u32,
    /// Bytes that have come.
    pub(crate) bytes: u32,
    /// End of the piece that reaches furthest.
    pub(crate) reach: u32,
    /// Pieces that have come.
    pub(crate) pieces: u32,
    /// Length of the largest piece, header included, and of the largest with DF.
    pub(crate) largest: u32,
    pub(crate) largest_df: u32,
    /// Where the first pieces to come begin, in units of eight bytes.
    pub(crate) starts: [u16; PIECES_MAX],
    /// The first piece is there: length of its headers and of what it carries.
    pub(crate) header_len: u32,
    pub(crate) first_len: u16,
    /// The last piece is there.
    pub(crate) ended: u8,
    /// Congestion marks that were seen, a bit for each of the four.
    pub(crate) ecn: u8,
    pub(crate) header: K::First,
    /// What was known of the first piece, and of the one that came last.
    pub(crate) first: Mark,
    pub(crate) last: Mark,
    pub(crate) map: Map,
}

impl<K: Key> Queue<K> {
    /// What memory one unfinished datagram takes besides its blocks.
    pub(crate) const COST: usize = size_of::<Self>();

    /// Notes where a piece begins; to be called before it is counted.
    pub(crate) fn note_start(&mut self, start: usize) {
        if let Some(place) = self.starts.get_mut(self.pieces as usize) {
            *place = (start / 8) as u16;
        }
    }

    /// What each piece of a whole datagram carries, in order; zeros behind them, and where there are too
    /// many.
    pub(crate) fn lengths(&self) -> Pieces {
        let (mut lengths, count) = (self.starts, self.pieces as usize);
        let Some(starts) = lengths.get_mut(..count) else { return [0; PIECES_MAX] };
        starts.sort_unstable();
        let mut end = self.len;
        for start in starts.iter_mut().rev() {
            let begin = u32::from(*start) * 8;
            *start = end.saturating_sub(begin) as u16;
            end = begin;
        }
        lengths
    }

    const EMPTY: Self = Self {
        key: K::NONE,
        chain: NONE,
        before: NONE,
        after: NONE,
        due: 0,
        peer: NONE,
        seen: 0,
        len: 0,
        bytes: 0,
        reach: 0,
        pieces: 0,
        largest: 0,
        largest_df: 0,
        starts: [0; PIECES_MAX],
        header_len: 0,
        first_len: 0,
        ended: 0,
        ecn: 0,
        header: K::NO_FIRST,
        first: Mark { iface: 0, flags: 0, options: 0 },
        last: Mark { iface: 0, flags: 0, options: 0 },
        map: [0; REACH],
    };

    /// Forgets all pieces, but not how large they were, as the kernel does.
    pub(crate) fn restart(&mut self) {
        debug_assert_eq!(self.map, [0; REACH]);
        (self.len, self.bytes, self.reach, self.pieces) = (0, 0, 0, 0);
        (self.header_len, self.ended, self.ecn) = (0, 0, 0);
    }
}

/// A sender with unfinished datagrams.
#[derive(Clone, Copy)]
struct Peer<K> {
    sender: K,
    /// Pieces that came from it.
    count: u32,
    /// Unfinished datagrams.
    users: u32,
    chain: u32,
}

/// All unfinished datagrams of a worker.
pub(crate) struct Queues<K: Key> {
    seed: u64,
    /// Those that were ever used, behind one that is none; there is room for `most`.
    all: Vec<Queue<K>>,
    most: usize,
    buckets: Box<[u32]>,
    free: u32,
    /// First and last by the time at which they run out.
    first: u32,
    last: u32,
    peers: Vec<Peer<K>>,
    peer_buckets: Box<[u32]>,
    peer_free: u32,
}

impl<K: Key> Queues<K> {
    pub(crate) fn new(count: usize, seed: u64) -> Self {
        let buckets = count.next_power_of_two();
        let (mut all, mut peers) = (Vec::with_capacity(count + 1), Vec::with_capacity(count + 1));
        all.push(Queue::EMPTY);
        peers.push(Peer { sender: K::NONE, count: 0, users: 0, chain: NONE });
        Self {
            seed,
            all,
            most: count,
            buckets: bytemuck::zeroed_slice_box(buckets),
            free: NONE,
            first: NONE,
            last: NONE,
            peers,
            peer_buckets: bytemuck::zeroed_slice_box(buckets),
            peer_free: NONE,
        }
    }

    pub(crate) fn get(&self, id: u32) -> &Queue<K> {
        &self.all[id as usize]
    }

    pub(crate) fn get_mut(&mut self, id: u32) -> &mut Queue<K> {
        &mut self.all[id as usize]
    }

    fn bucket(&self, key: K) -> usize {
        key.hash(self.seed) as usize & (self.buckets.len() - 1)
    }

    pub(crate) fn find(&self, key: K) -> u32 {
        let mut id = self.buckets[self.bucket(key)];
        while id != NONE && self.get(id).key != key {
            id = self.get(id).chain;
        }
        id
    }

    /// A new datagram whose time runs out at `due`; `NONE` when there are too many. `counts` when
    /// the pieces of its sender are to be counted.
    pub(crate) fn add(&mut self, key: K, due: Nanos, counts: bool) -> u32 {
        let id = match self.free {
            NONE if self.all.len() > self.most => return NONE,
            NONE => {
                self.all.push(Queue::EMPTY);
                (self.all.len() - 1) as u32
            }
            id => {
                self.free = self.get(id).chain;
                id
            }
        };
        let peer = if counts { self.use_peer(key.sender()) } else { NONE };
        let bucket = self.bucket(key);
        let chain = std::mem::replace(&mut self.buckets[bucket], id);
        *self.get_mut(id) = Queue { key, chain, peer, ..Queue::EMPTY };
        self.set_due(id, due);
        id
    }

    /// Takes a datagram out of all lists, so that no further piece finds it.
    pub(crate) fn unlink(&mut self, id: u32) {
        let Queue { key, chain, peer, .. } = *self.get(id);
        let bucket = self.bucket(key);
        let mut at = self.buckets[bucket];
        if at == id {
            self.buckets[bucket] = chain;
        } else {
            while at != NONE && self.get(at).chain != id {
                at = self.get(at).chain;
            }
            self.get_mut(at).chain = chain;
        }
        self.forget_due(id);
        if peer != NONE {
            self.leave_peer(peer);
        }
    }

    /// Gives back the place of a datagram that was unlinked.
    pub(crate) fn release(&mut self, id: u32) {
        self.get_mut(id).chain = self.free;
        self.free = id;
    }

    /// The datagram whose time runs out first.
    pub(crate) fn oldest(&self) -> u32 {
        self.first
    }

    fn forget_due(&mut self, id: u32) {
        let Queue { before, after, .. } = *self.get(id);
        match before {
            NONE => self.first = after,
            before => self.get_mut(before).after = after,
        }
        match after {
            NONE => self.last = before,
            after => self.get_mut(after).before = before,
        }
    }

    /// Puts a datagram that is in no order of time behind those that run out no later than it: the
    /// last one, unless `ipfrag_time` was lowered since.
    fn set_due(&mut self, id: u32, due: Nanos) {
        let mut before = self.last;
        while before != NONE && self.get(before).due > due {
            before = self.get(before).before;
        }
        let after = match before {
            NONE => std::mem::replace(&mut self.first, id),
            before => std::mem::replace(&mut self.get_mut(before).after, id),
        };
        match after {
            NONE => self.last = id,
            after => self.get_mut(after).before = id,
        }
        let queue = self.get_mut(id);
        (queue.due, queue.before, queue.after) = (due, before, after);
    }

    /// Gives a datagram new time.
    pub(crate) fn renew(&mut self, id: u32, due: Nanos) {
        self.forget_due(id);
        self.set_due(id, due);
    }

    /// Counts a piece for its sender; gives how many came from there since the last piece of this
    /// datagram, the piece itself included.
    pub(crate) fn distance(&mut self, id: u32) -> u32 {
        let peer = self.get(id).peer;
        if peer == NONE {
            return 0;
        }
        let peer = &mut self.peers[peer as usize];
        peer.count = peer.count.wrapping_add(1);
        let count = peer.count;
        let before = std::mem::replace(&mut self.get_mut(id).seen, count);
        count.wrapping_sub(before)
    }

    fn peer_bucket(&self, sender: K) -> usize {
        sender.hash(self.seed) as usize & (self.peer_buckets.len() - 1)
    }

    fn use_peer(&mut self, sender: K) -> u32 {
        let bucket = self.peer_bucket(sender);
        let mut id = self.peer_buckets[bucket];
        while id != NONE {
            let peer = &mut self.peers[id as usize];
            if peer.sender == sender {
                peer.users += 1;
                return id;
            }
            id = peer.chain;
        }
        // There are as many places as datagrams, so one is free.
        let chain = self.peer_buckets[bucket];
        let peer = Peer { sender, count: 0, users: 1, chain };
        let id = match self.peer_free {
            NONE => {
                self.peers.push(peer);
                (self.peers.len() - 1) as u32
            }
            id => {
                self.peer_free = self.peers[id as usize].chain;
                self.peers[id as usize] = peer;
                id
            }
        };
        self.peer_buckets[bucket] = id;
        id
    }

    fn leave_peer(&mut self, id: u32) {
        let peer = &mut self.peers[id as usize];
        peer.users -= 1;
        if peer.users > 0 {
            return;
        }
        let Peer { sender, chain, .. } = *peer;
        let bucket = self.peer_bucket(sender);
        let mut at = self.peer_buckets[bucket];
        if at == id {
            self.peer_buckets[bucket] = chain;
        } else {
            while at != NONE && self.peers[at as usize].chain != id {
                at = self.peers[at as usize].chain;
            }
            self.peers[at as usize].chain = chain;
        }
        self.peers[id as usize].chain = self.peer_free;
        self.peer_free = id;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ip4::reassembly::Key;

    fn key(n: u32) -> Key {
        Key { src: n / 4, dst: 9, id: n as u16, vrf: 0, protocol: 1 }
    }

    #[test]
    fn datagrams_are_found_until_they_are_unlinked_and_run_out_in_order() {
        let mut queues = Queues::new(100, 5);
        for round in 0..3_u64 {
            let ids: Vec<_> =
                (0..100).map(|n| queues.add(key(n), round + u64::from(n), true)).collect();
            assert_eq!(queues.add(key(100), 0, true), NONE, "there is no more room");
            for n in 0..100 {
                assert_eq!(queues.find(key(n)), ids[n as usize]);
            }
            for n in (0..100).step_by(3) {
                queues.unlink(ids[n as usize]);
                queues.release(ids[n as usize]);
                assert_eq!(queues.find(key(n)), NONE);
            }
            let mut last = 0;
            while let id @ 1.. = queues.oldest() {
                assert!(queues.get(id).due >= last);
                last = queues.get(id).due;
                queues.unlink(id);
                queues.release(id);
            }
            assert!((0..100).all(|n| queues.find(key(n)) == NONE));
        }
    }

    #[test]
    fn less_time_than_those_before_had_comes_before_them() {
        let mut queues = Queues::new(4, 1);
        let ids = [30, 31, 2, 31].map(|due| queues.add(key(due as u32), due, false));
        queues.renew(ids[0], 40);
        let mut order = Vec::new();
        while let id @ 1.. = queues.oldest() {
            order.push(queues.get(id).due);
            queues.unlink(id);
        }
        assert_eq!(order, [2, 31, 31, 40]);
    }

    #[test]
    fn pieces_are_counted_by_sender() {
        let mut queues = Queues::new(8, 3);
        let of = |src, id| Key { src, dst: 1, id, vrf: 0, protocol: 17 };
        let (a, b, c) = (
            queues.add(of(7, 1), 0, true),
            queues.add(of(7, 2), 0, true),
            queues.add(of(8, 1), 0, true),
        );
        assert_eq!(queues.distance(a), 1);
        assert_eq!(queues.distance(b), 2, "a new datagram has seen none");
        assert_eq!(queues.distance(c), 1);
        assert_eq!(queues.distance(a), 2);
        assert_eq!(queues.distance(a), 1);
        queues.unlink(a);
        assert_eq!(queues.distance(b), 3);
        queues.unlink(b);
        let d = queues.add(of(7, 9), 0, true);
        assert_eq!(queues.distance(d), 1, "a sender without datagrams is forgotten");
    }

    #[test]
    fn keys_that_meet_under_one_seed_part_under_another() {
        let (one, other) = (Queues::new(1024, 1), Queues::new(1024, 2));
        let keys = (0..1 << 20).map(|n: u32| Key { src: n >> 16, id: n as u16, ..Key::default() });
        let crafted: Vec<_> = keys.filter(|key| one.bucket(*key) == 7).collect();
        assert!(crafted.len() > 900, "{}", crafted.len());
        let mut counts = [0; 1024];
        crafted.iter().for_each(|key| counts[other.bucket(*key)] += 1);
        assert!(counts.iter().all(|count| *count < 12), "{counts:?}");
    }
}
