//! Where the elements of a set are.
//!
//! - takes: elements, with the time
//! - gives: [`Table`], which all workers and the management core read and write at once
//! - obeys: `ip_set_hash_gen` of the kernel: what is found by which prefix, what an element's extensions
//!   say, when it is over
//! - costs: a test one probe for each length of prefix in use; nothing is allocated behind the making
//!
//! An element is found by a hash that nobody can foresee. A place is taken by exchanging its tag, and its
//! words are there before its tag is. Of two that put one element in at once, the one whose place is
//! behind gives it up.

use std::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{Relaxed, SeqCst},
};

use super::{
    element::{Element, Words, mac_bits, mac_of, stride},
    kind::{Kind, Part, Spec},
};
use crate::{graph::Nanos, publish::Apart};

/// Tags of places that hold no element: never used, used once, being filled.
const EMPTY: u64 = 0;
const GONE: u64 = 1;
const FILLING: u64 = 2;
const FIRST_TAG: u64 = 3;

/// The most elements that a set has room for.
pub(super) const MOST: u32 = 1 << 22;
/// Places looked at for what is over, with each element that is put in.
const SWEEP: usize = 8;
/// The same when the set is full.
const FULL_SWEEP: usize = 1024;

const SECOND: Nanos = 1_000_000_000;

/// A comparison with a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// The same.
    Equal(u64),
    /// Another.
    NotEqual(u64),
    /// Less.
    Less(u64),
    /// More.
    Greater(u64),
}

impl Compare {
    fn holds(self, count: u64) -> bool {
        match self {
            Self::Equal(than) => count == than,
            Self::NotEqual(than) => count != than,
            Self::Less(than) => count < than,
            Self::Greater(than) => count > than,
        }
    }
}

/// What a packet takes from an element (`skbinfo`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skb {
    /// Mark and which bits of it.
    pub mark: (u32, u32),
    /// Class.
    pub priority: u32,
    /// Queue.
    pub queue: u16,
}

/// What an element has beside what it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// Seconds it stays, 0 for ever.
    pub timeout: u32,
    /// Packets that found it.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What packets take from it.
    pub skb: Skb,
    /// The number of its comment, 0 for none.
    pub comment: u64,
}

/// How an element is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Question {
    /// Packets and bytes to count.
    pub(super) count: Option<(u64, u64)>,
    pub(super) packets: Option<Compare>,
    pub(super) bytes: Option<Compare>,
}

/// Why an element is not put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    Exists,
    Full,
}

/// Where the extensions stand behind an element's words.
#[derive(Clone, Copy, Debug)]
struct Layout {
    stride: usize,
    timeout: Option<usize>,
    counters: Option<usize>,
    skb: Option<usize>,
    comment: Option<usize>,
    mac: Option<usize>,
}

impl Layout {
    fn new(spec: &Spec) -> Self {
        let mut stride = stride(spec);
        let mut take = |wanted: bool, words: usize| {
            let at = stride;
            stride += if wanted { words } else { 0 };
            wanted.then_some(at)
        };
        let timeout = take(spec.timeout.is_some(), 1);
        let counters = take(spec.counters, 2);
        let skb = take(spec.skbinfo, 2);
        let comment = take(spec.comment, 1);
        let mac = take(spec.kind == Kind::BitmapIpMac, 1);
        Self { stride, timeout, counters, skb, comment, mac }
    }
}

/// Which lengths of prefixes are in use.
#[derive(Debug)]
struct Lengths {
    /// Written more often than the lengths change, which look-ups read.
    counts: Apart<[AtomicU32; 129]>,
    /// One bit a length, less one.
    long: [AtomicU64; 2],
    zero: AtomicU32,
}

impl Lengths {
    fn new() -> Self {
        Self {
            counts: Apart([const { AtomicU32::new(0) }; 129]),
            long: [const { AtomicU64::new(0) }; 2],
            zero: AtomicU32::new(0),
        }
    }

    fn set(&self, len: u8) {
        match usize::from(len).checked_sub(1) {
            None => self.zero.store(1, SeqCst),
            Some(bit) => {
                self.long[bit / 64].fetch_or(1 << (bit % 64), SeqCst);
            }
        }
    }

    fn comes(&self, len: u8) {
        self.counts[usize::from(len)].fetch_add(1, SeqCst);
        self.set(len);
    }

    fn goes(&self, len: u8) {
        let count = &self.counts[usize::from(len)];
        if count.fetch_sub(1, SeqCst) != 1 {
            return;
        }
        match usize::from(len).checked_sub(1) {
            None => self.zero.store(0, SeqCst),
            Some(bit) => {
                self.long[bit / 64].fetch_and(!(1 << (bit % 64)), SeqCst);
            }
        }
        // One may have come in between.
        if count.load(SeqCst) != 0 {
            self.set(len);
        }
    }

    /// Those in use, the longest first.
    fn each(&self) -> impl Iterator<Item = u8> {
        let [low, high] = &self.long;
        let mut bits = u128::from(high.load(Relaxed)) << 64 | u128::from(low.load(Relaxed));
        let mut zero = self.zero.load(Relaxed) != 0;
        std::iter::from_fn(move || {
            if bits == 0 {
                return std::mem::take(&mut zero).then_some(0);
            }
            let bit = bits.ilog2();
            bits &= !(1 << bit);
            Some(bit as u8 + 1)
        })
    }
}

/// The elements of a set.
#[derive(Debug)]
pub struct Table {
    spec: Spec,
    layout: Layout,
    /// Which parts of an element are prefixes.
    nets: [bool; 2],
    tags: Box<[AtomicU64]>,
    words: Box<[AtomicU64]>,
    lengths: [Lengths; 2],
    /// Written by workers that add, away from what all others read.
    count: Apart<AtomicU32>,
    most: u32,
    /// How far behind its first place an element has ever been put.
    reach: AtomicU32,
    sweeper: Apart<AtomicU32>,
    seed: u64,
}

impl Table {
    /// An empty one.
    pub(super) fn new(spec: &Spec, seed: u64) -> Self {
        let most = match spec.kind {
            Kind::List => 1024,
            kind if kind.is_bitmap() => spec.range.1 - spec.range.0 + 1,
            _ => spec.maxelem.min(MOST),
        };
        let places = (most as usize + most as usize / 2).next_power_of_two().max(64);
        let layout = Layout::new(spec);
        let addresses =
            spec.kind.parts().iter().filter(|part| !matches!(part, Part::Port | Part::Iface));
        let mut nets = [false; 2];
        for (net, part) in nets.iter_mut().zip(addresses) {
            *net = *part == Part::Net;
        }
        Self {
            spec: spec.clone(),
            layout,
            nets,
            tags: bytemuck::zeroed_slice_box(places),
            words: bytemuck::zeroed_slice_box(places * layout.stride),
            lengths: [Lengths::new(), Lengths::new()],
            count: Apart::default(),
            most,
            reach: AtomicU32::new(0),
            sweeper: Apart::default(),
            seed,
        }
    }

    /// What the set was made with.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Most elements that it takes.
    pub(super) fn most(&self) -> u64 {
        self.most.into()
    }

    /// Bytes that it may take.
    pub(super) fn size(&self) -> usize {
        (self.tags.len() + self.words.len()) * size_of::<u64>()
    }

    /// The longest prefix in use; that of one address where there is none.
    pub(super) fn longest(&self, address: usize) -> u8 {
        self.lengths[address].each().next().unwrap_or_else(|| self.spec.host())
    }

    fn word(&self, place: usize, at: usize) -> &AtomicU64 {
        &self.words[place * self.layout.stride + at]
    }

    fn tag(&self, words: &Words) -> u64 {
        let mut state = self.seed;
        for (at, word) in words.iter().enumerate() {
            let word = if at == 0 { word & !Element::EXEMPT } else { *word };
            let wide = u128::from(state ^ word ^ 0x9e37_79b9_7f4a_7c15)
                * u128::from(0x6a09_e667_f3bc_c909_u64 ^ self.seed << 1);
            state = (wide as u64 ^ (wide >> 64) as u64).rotate_left(29) ^ self.seed;
        }
        state.max(FIRST_TAG)
    }

    /// The places where an element may be, in order.
    fn chain(&self, tag: u64) -> impl Iterator<Item = usize> + use<> {
        let mask = self.tags.len() - 1;
        let home = (tag >> 16) as usize;
        (0..=mask).map(move |step| home.wrapping_add(step) & mask)
    }

    fn seek(&self, tag: u64) -> Option<usize> {
        let reach = self.reach.load(SeqCst) as usize;
        for place in self.chain(tag).take(reach + 1) {
            match self.tags[place].load(SeqCst) {
                EMPTY => return None,
                found if found == tag => return Some(place),
                _ => {}
            }
        }
        None
    }

    fn is_over(&self, place: usize, now: Nanos) -> bool {
        self.layout.timeout.is_some_and(|at| {
            let until = self.word(place, at).load(Relaxed);
            until != 0 && until < now
        })
    }

    fn free(&self, place: usize, tag: u64) -> bool {
        let first = self.word(place, 0).load(Relaxed);
        let freed = self.tags[place].compare_exchange(tag, GONE, SeqCst, SeqCst).is_ok();
        if freed {
            self.count.fetch_sub(1, SeqCst);
            let found = Element::from_words(&[first], &self.spec);
            self.count_lengths(&found, Lengths::goes);
        }
        freed
    }

    fn count_lengths(&self, element: &Element, note: impl Fn(&Lengths, u8)) {
        for at in 0..2 {
            if self.nets[at] {
                note(&self.lengths[at], element.len[at].min(128));
            }
        }
    }

    /// Frees what is over in some of the places.
    fn sweep(&self, places: usize, now: Nanos) {
        if self.layout.timeout.is_none() {
            return;
        }
        let places = places.min(self.tags.len());
        let from = self.sweeper.fetch_add(places as u32, Relaxed) as usize;
        for place in from..from + places {
            let place = place & (self.tags.len() - 1);
            let tag = self.tags[place].load(SeqCst);
            if tag >= FIRST_TAG && self.is_over(place, now) {
                self.free(place, tag);
            }
        }
    }

    /// Frees all that is over.
    pub(super) fn expire(&self, now: Nanos) {
        self.sweep(self.tags.len(), now);
    }

    fn extend(&self, place: usize, element: &Element, with: &Extensions, now: Nanos) {
        let put = |at: usize, value: u64| self.word(place, at).store(value, Relaxed);
        if let Some(at) = self.layout.timeout {
            let until = now + u64::from(with.timeout) * SECOND;
            put(at, if with.timeout == 0 { 0 } else { until });
        }
        if let Some(at) = self.layout.counters {
            put(at, with.packets);
            put(at + 1, with.bytes);
        }
        if let Some(at) = self.layout.skb {
            let (mark, mask) = with.skb.mark;
            put(at, u64::from(mark) << 32 | u64::from(mask));
            put(at + 1, u64::from(with.skb.priority) << 32 | u64::from(with.skb.queue));
        }
        if let Some(at) = self.layout.comment {
            put(at, with.comment);
        }
        if let Some(at) = self.layout.mac {
            put(at, mac_bits(element.mac));
        }
    }

    /// Puts an element in; with `again` one that is there gets these extensions.
    pub(super) fn add(
        &self,
        element: &Element,
        with: &Extensions,
        again: bool,
        now: Nanos,
    ) -> Result<(), Denied> {
        let words = element.words(&self.spec);
        let tag = self.tag(&words);
        if let Some(place) = self.seek(tag) {
            if !again && !self.is_over(place, now) {
                return Err(Denied::Exists);
            }
            self.word(place, 0).store(words[0], Relaxed);
            self.extend(place, element, with, now);
            return Ok(());
        }
        self.sweep(SWEEP, now);
        if self.count.fetch_add(1, SeqCst) >= self.most {
            self.count.fetch_sub(1, SeqCst);
            self.make_room(tag, now)?;
            self.count.fetch_add(1, SeqCst);
        }
        let Some((step, place)) = self.claim(tag) else {
            self.count.fetch_sub(1, SeqCst);
            return Err(Denied::Full);
        };
        for (at, word) in words.iter().enumerate() {
            self.word(place, at).store(*word, Relaxed);
        }
        self.extend(place, element, with, now);
        self.reach.fetch_max(step as u32, SeqCst);
        self.count_lengths(element, Lengths::comes);
        self.tags[place].store(tag, SeqCst);
        self.part_twins(tag, step, place);
        Ok(())
    }

    /// Leaves the foremost of the places that hold one element. Whoever is later to put it in sees the
    /// other, whichever of them is in front.
    fn part_twins(&self, tag: u64, step: usize, place: usize) {
        if self.chain(tag).take(step).any(|at| self.tags[at].load(SeqCst) == tag) {
            self.free(place, tag);
            return;
        }
        let reach = self.reach.load(SeqCst) as usize;
        for at in self.chain(tag).take(reach + 1).skip(step + 1) {
            match self.tags[at].load(SeqCst) {
                // No element has ever gone further than here.
                EMPTY => return,
                found if found == tag => {
                    self.free(at, tag);
                }
                _ => {}
            }
        }
    }

    /// Takes the first place that is free.
    fn claim(&self, tag: u64) -> Option<(usize, usize)> {
        self.chain(tag).enumerate().find(|(_, place)| {
            let had = self.tags[*place].load(SeqCst);
            matches!(had, EMPTY | GONE)
                && self.tags[*place].compare_exchange(had, FILLING, SeqCst, SeqCst).is_ok()
        })
    }

    fn make_room(&self, tag: u64, now: Nanos) -> Result<(), Denied> {
        self.sweep(FULL_SWEEP, now);
        if self.count.load(SeqCst) < self.most {
            return Ok(());
        }
        // As the kernel, which puts out only what shares the new one's bucket.
        let victim = self.chain(tag).next().filter(|_| self.spec.forceadd);
        let freed = victim.is_some_and(|place| {
            let had = self.tags[place].load(SeqCst);
            had >= FIRST_TAG && self.free(place, had)
        });
        if freed { Ok(()) } else { Err(Denied::Full) }
    }

    /// Takes an element out; false if it was not there.
    pub(super) fn del(&self, element: &Element, now: Nanos) -> bool {
        let tag = self.tag(&element.words(&self.spec));
        let Some(place) = self.seek(tag) else { return false };
        let over = self.is_over(place, now);
        self.free(place, tag) && !over
    }

    /// The place of an element that is there as it is asked for.
    pub(super) fn find(&self, element: &Element, how: &Question, now: Nanos) -> Option<usize> {
        let host = self.spec.host();
        let plain = |at: usize| !self.nets[at] || element.len[at] == host;
        let wide = self.nets[0] || self.nets[1];
        if !wide || !plain(0) || !plain(1) {
            return self.find_one(element, how, now);
        }
        let mut asked = *element;
        if !self.nets[0] || !self.nets[1] {
            let at = usize::from(self.nets[1]);
            return self.lengths[at].each().find_map(|len| {
                asked.len[at] = len;
                asked.ip[at] = self.spec.cut(element.ip[at], len);
                self.find_one(&asked, how, now)
            });
        }
        self.lengths[0].each().find_map(|first| {
            (asked.len[0], asked.ip[0]) = (first, self.spec.cut(element.ip[0], first));
            self.lengths[1].each().find_map(|second| {
                (asked.len[1], asked.ip[1]) = (second, self.spec.cut(element.ip[1], second));
                self.find_one(&asked, how, now)
            })
        })
    }

    fn find_one(&self, element: &Element, how: &Question, now: Nanos) -> Option<usize> {
        let place = self.seek(self.tag(&element.words(&self.spec)))?;
        if self.is_over(place, now) || !self.knows_mac(place, element) {
            return None;
        }
        let Some(at) = self.layout.counters else { return Some(place) };
        let (packets, bytes) = (self.word(place, at), self.word(place, at + 1));
        if let Some((more, longer)) = how.count {
            packets.fetch_add(more, Relaxed);
            bytes.fetch_add(longer, Relaxed);
        }
        let holds = |asked: Option<Compare>, count: &AtomicU64| {
            asked.is_none_or(|asked| asked.holds(count.load(Relaxed)))
        };
        (holds(how.packets, packets) && holds(how.bytes, bytes)).then_some(place)
    }

    /// Whether an address has the Ethernet address it is asked with. One that has none yet takes it.
    fn knows_mac(&self, place: usize, element: &Element) -> bool {
        let Some(at) = self.layout.mac else { return true };
        let asked = mac_bits(element.mac);
        if asked == 0 {
            return true;
        }
        match self.word(place, at).compare_exchange(0, asked, Relaxed, Relaxed) {
            Ok(_) => true,
            Err(known) => known == asked,
        }
    }

    /// Whether the element of a place is exempt from the set.
    pub(super) fn is_exempt(&self, place: usize) -> bool {
        self.word(place, 0).load(Relaxed) & Element::EXEMPT != 0
    }

    /// What packets take from the element of a place.
    pub(super) fn skb(&self, place: usize) -> Option<Skb> {
        let at = self.layout.skb?;
        let (mark, rest) =
            (self.word(place, at).load(Relaxed), self.word(place, at + 1).load(Relaxed));
        Some(Skb {
            mark: ((mark >> 32) as u32, mark as u32),
            priority: (rest >> 32) as u32,
            queue: rest as u16,
        })
    }

    /// All elements, in order, and what they have beside.
    pub(super) fn elements(&self, now: Nanos) -> Vec<(Element, Extensions)> {
        let mut found = Vec::new();
        for place in 0..self.tags.len() {
            if self.tags[place].load(SeqCst) < FIRST_TAG || self.is_over(place, now) {
                continue;
            }
            let count = stride(&self.spec);
            let words: Words = (0..count).map(|at| self.word(place, at).load(Relaxed)).collect();
            let mut element = Element::from_words(&words, &self.spec);
            let read = |at: usize| self.word(place, at).load(Relaxed);
            if let Some(at) = self.layout.mac {
                element.mac = mac_of(read(at));
            }
            let left = self.layout.timeout.map_or(0, |at| match read(at) {
                0 => 0,
                until => (until.saturating_sub(now) / SECOND).max(1),
            });
            let counters = self.layout.counters;
            let extensions = Extensions {
                timeout: left as u32,
                packets: counters.map_or(0, read),
                bytes: counters.map_or(0, |at| read(at + 1)),
                skb: self.skb(place).unwrap_or_default(),
                comment: self.layout.comment.map_or(0, read),
            };
            found.push((element, extensions));
        }
        found.sort_by_key(|(element, _)| *element);
        found
    }
}
