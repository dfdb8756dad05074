//! Elements of sets that packets add, renew and take away.
//!
//! - takes: keys, and how long they are to stay
//! - gives: [`Live`] elements
//! - obeys: `nft_dynset`, `nft_rhash_update`
//! - costs: a walk over neighbouring places, atomics, nothing allocated; all workers share a table
//!
//! Places are open-addressed and of fixed number. One is taken with a compare-and-swap and known when
//! its key stands in it. Two workers that add one key at the same moment may both succeed; then one of
//! the two places is found and the other ends with its time.

use std::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

use super::{WIDEST, state::Stated};
use crate::graph::Nanos;

const FREE: u64 = 0;
const BUSY: u64 = 1;
const HELD: u64 = 2;
/// Was held; those behind it may still be found.
const LEFT: u64 = 3;

/// Words of a place: whether it is held, when its element ends (0 for never), how long that stays when it is
/// renewed; then what it remembers, what it says, and its key.
const STATE: usize = 0;
const UNTIL: usize = 1;
const TIMEOUT: usize = 2;
const HEAD: usize = 3;
/// Statements that each element may have.
pub const STATES: usize = 2;
/// Places that are looked at for a key at most.
const REACH: usize = 64;

/// The table.
#[derive(Debug)]
pub struct Table {
    key_len: usize,
    words: usize,
    /// Bytes of what each says, 0 for none.
    pub data_len: usize,
    size: u32,
    count: AtomicU32,
    room: usize,
    /// Words of one place.
    stride: usize,
    /// All places; pages that none of them uses cost nothing.
    places: Box<[AtomicU64]>,
    /// What each element remembers.
    pub stated: Vec<Stated>,
}

/// An element in it.
#[derive(Clone, Copy)]
pub struct Live<'a> {
    table: &'a Table,
    at: usize,
}

/// What stands in a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: Vec<u8>,
    /// What it says.
    pub data: Vec<u8>,
    /// How long it stays from its last renewal, in nanoseconds; 0 for ever.
    pub timeout: Nanos,
    /// How long yet.
    pub left: Nanos,
    /// What it remembers.
    pub states: Vec<[u64; 2]>,
}

impl Table {
    /// An empty one.
    #[must_use]
    pub fn new(key_len: usize, data_len: usize, size: u32, stated: Vec<Stated>) -> Self {
        let room = (size as usize).max(8).next_power_of_two() * 2;
        let words = key_len.div_ceil(8);
        let stride = HEAD + stated.len() * 2 + data_len.div_ceil(8) + words;
        Self {
            key_len,
            words,
            data_len,
            size: size.max(1),
            count: AtomicU32::new(0),
            room,
            stride,
            places: bytemuck::allocation::zeroed_slice_box(room * stride),
            stated,
        }
    }

    fn split(&self, key: &[u8]) -> [u64; WIDEST / 8] {
        let mut words = [0; WIDEST / 8];
        for (word, bytes) in words.iter_mut().zip(key.chunks(8)) {
            let mut whole = [0; 8];
            whole[..bytes.len()].copy_from_slice(bytes);
            *word = u64::from_be_bytes(whole);
        }
        words
    }

    fn first(&self, words: &[u64]) -> usize {
        let mixed = words.iter().fold(0x9e37_79b9_7f4a_7c15_u64, |state, word| {
            let wide = u128::from(state ^ word) * 0x6a09_e667_f3bc_c909_u128;
            wide as u64 ^ (wide >> 64) as u64
        });
        mixed as usize & (self.room - 1)
    }

    /// The words of a place.
    #[inline]
    fn place(&self, at: usize) -> &[AtomicU64] {
        let from = at * self.stride;
        self.places.get(from..from + self.stride).unwrap_or_default()
    }

    fn key(&self, at: usize) -> &[AtomicU64] {
        let place = self.place(at);
        &place[place.len() - self.words..]
    }

    fn is(&self, at: usize, words: &[u64]) -> bool {
        self.key(at).iter().zip(words).all(|(own, word)| own.load(Relaxed) == *word)
    }

    fn lives(&self, at: usize, now: Nanos) -> bool {
        let until = self.place(at)[UNTIL].load(Relaxed);
        until == 0 || now < until
    }

    /// Places where a key may be, in order.
    fn reach(&self, first: usize) -> impl Iterator<Item = usize> + '_ {
        let all = self.room;
        (0..all.min(REACH)).map(move |step| (first + step) & (all - 1))
    }

    /// The element of a key.
    #[inline]
    pub fn find(&self, key: &[u8], now: Nanos) -> Option<Live<'_>> {
        let words = self.split(key);
        for at in self.reach(self.first(&words[..self.words])) {
            match self.place(at)[STATE].load(Acquire) {
                FREE => return None,
                HELD if self.is(at, &words) && self.lives(at, now) => {
                    return Some(Live { table: self, at });
                }
                _ => {}
            }
        }
        None
    }

    /// Puts an element there, or finds it: nothing without room. `timeout` of 0 is for ever. Says whether
    /// it is new.
    pub fn add(
        &self,
        key: &[u8],
        data: &[u8],
        timeout: Nanos,
        now: Nanos,
    ) -> Option<(Live<'_>, bool)> {
        if let Some(live) = self.find(key, now) {
            return Some((live, false));
        }
        if self.count.load(Relaxed) >= self.size && self.sweep(now) == 0 {
            return None;
        }
        let words = self.split(key);
        for at in self.reach(self.first(&words[..self.words])) {
            let place = self.place(at);
            let held = place[STATE].load(Acquire);
            let takes = match held {
                FREE | LEFT => true,
                HELD => !self.lives(at, now),
                _ => false,
            };
            if !takes || place[STATE].compare_exchange(held, BUSY, AcqRel, Relaxed).is_err() {
                continue;
            }
            if held != HELD {
                self.count.fetch_add(1, Relaxed);
            }
            for (own, word) in self.key(at).iter().zip(words) {
                own.store(word, Relaxed);
            }
            let live = Live { table: self, at };
            live.states().iter().for_each(|word| word.store(0, Relaxed));
            live.say(data);
            place[TIMEOUT].store(timeout, Relaxed);
            place[UNTIL].store(if timeout == 0 { 0 } else { now + timeout }, Relaxed);
            place[STATE].store(HELD, Release);
            return Some((live, true));
        }
        None
    }

    /// Takes an element away.
    pub fn remove(&self, key: &[u8], now: Nanos) {
        if let Some(live) = self.find(key, now) {
            self.free(live.at);
        }
    }

    /// Takes all away.
    pub fn clear(&self) {
        (0..self.room).for_each(|at| self.free(at));
    }

    fn free(&self, at: usize) {
        if self.place(at)[STATE].compare_exchange(HELD, LEFT, AcqRel, Relaxed).is_ok() {
            self.count.fetch_sub(1, Relaxed);
        }
    }

    /// Gives up places whose time is over, of a table that is full; how many.
    fn sweep(&self, now: Nanos) -> usize {
        let over =
            |at: &usize| self.place(*at)[STATE].load(Relaxed) == HELD && !self.lives(*at, now);
        let gone = (0..self.room).filter(over).map(|at| self.free(at));
        gone.count()
    }

    /// All that is in it.
    #[must_use]
    pub fn list(&self, now: Nanos) -> Vec<Listed> {
        let held =
            |at: &usize| self.place(*at)[STATE].load(Acquire) == HELD && self.lives(*at, now);
        (0..self.room).filter(held).map(|at| Live { table: self, at }.listed(now)).collect()
    }
}

impl Live<'_> {
    fn place(&self) -> &[AtomicU64] {
        self.table.place(self.at)
    }

    /// The words that it remembers with.
    fn states(&self) -> &[AtomicU64] {
        &self.place()[HEAD..HEAD + self.table.stated.len() * 2]
    }

    /// The words of what it says.
    fn says(&self) -> &[AtomicU64] {
        let from = HEAD + self.table.stated.len() * 2;
        &self.place()[from..self.table.stride - self.table.words]
    }

    /// Its time begins anew.
    pub fn renew(&self, timeout: Nanos, now: Nanos) {
        if timeout != 0 {
            self.place()[UNTIL].store(now + timeout, Relaxed);
        }
    }

    /// How long it stays yet is this.
    pub fn expires(&self, left: Nanos, now: Nanos) {
        self.place()[UNTIL].store(now + left, Relaxed);
    }

    /// It says this.
    fn say(&self, data: &[u8]) {
        for (word, bytes) in self.says().iter().zip(data.chunks(8)) {
            let mut whole = [0; 8];
            whole[..bytes.len()].copy_from_slice(bytes);
            word.store(u64::from_be_bytes(whole), Relaxed);
        }
    }

    /// Writes what it says.
    pub fn data(&self, into: &mut [u8]) {
        for (word, bytes) in self.says().iter().zip(into.chunks_mut(8)) {
            let whole = word.load(Relaxed).to_be_bytes();
            let len = bytes.len();
            bytes.copy_from_slice(&whole[..len]);
        }
    }

    /// What it remembers is this.
    pub fn remember(&self, number: usize, words: [u64; 2]) {
        for (state, word) in self.states().iter().skip(number * 2).zip(words) {
            state.store(word, Relaxed);
        }
    }

    /// Asks what it remembers; whether the rule goes on.
    #[inline]
    pub fn ask(&self, bytes: usize, now: Nanos) -> bool {
        let (states, _) = self.states().as_chunks::<2>();
        let stated = self.table.stated.iter().zip(states);
        let mut asked = stated.map(|(stated, words)| stated.ask(words, bytes, now));
        asked.all(|goes_on| goes_on)
    }

    fn listed(&self, now: Nanos) -> Listed {
        let (table, place) = (self.table, self.place());
        let words = table.key(self.at).iter();
        let mut key: Vec<u8> = words.flat_map(|word| word.load(Relaxed).to_be_bytes()).collect();
        key.truncate(table.key_len);
        let mut data = vec![0; table.data_len];
        self.data(&mut data);
        let (states, _) = self.states().as_chunks::<2>();
        let states = states.iter().map(|[a, b]| [a.load(Relaxed), b.load(Relaxed)]).collect();
        let timeout = place[TIMEOUT].load(Relaxed);
        let left = place[UNTIL].load(Relaxed).saturating_sub(now);
        Listed { key, data, timeout, left, states }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_packets_add_is_found_until_its_time_is_over() {
        let table = Table::new(4, 0, 3, vec![Stated::Count]);
        let add = |n: u8, timeout, now| table.add(&[n; 4], &[], timeout, now).map(|added| added.1);
        assert_eq!(
            [add(1, 10, 0), add(1, 10, 5), add(2, 0, 5), add(3, 5, 5)],
            [Some(true), Some(false), Some(true), Some(true)]
        );
        // It is full, and nothing has ended yet.
        assert_eq!(add(4, 10, 9), None);
        assert!(table.find(&[1; 4], 9).is_some() && table.find(&[1; 4], 10).is_none());
        assert_eq!(add(4, 10, 11), Some(true));
        let live = table.find(&[2; 4], 11).unwrap();
        assert!(live.ask(100, 11));
        let mut keys: Vec<_> =
            table.list(11).into_iter().map(|one| (one.key[0], one.left)).collect();
        keys.sort_unstable();
        assert_eq!(keys, [(2, 0), (4, 10)]);
        table.remove(&[2; 4], 11);
        assert!(table.find(&[2; 4], 11).is_none());
        table.clear();
        assert!(table.list(11).is_empty());
    }

    #[test]
    fn elements_of_maps_say_what_they_were_given() {
        let table = Table::new(17, 18, 8, vec![]);
        let data: Vec<u8> = (1..=18).collect();
        table.add(&[7; 17], &data, 0, 1).unwrap();
        let mut said = [0; 18];
        table.find(&[7; 17], 1).unwrap().data(&mut said);
        assert_eq!(said[..], data[..]);
    }
}
