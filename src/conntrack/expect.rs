//! Connections that others have announced.
//!
//! - takes: what a helper read in a control connection
//! - gives: the expectation that the first packet of a new flow fulfils
//! - obeys: rows [9.159] to [9.165]; `nf_conntrack_expect.c`

use super::{
    Nanos,
    entry::{ConnId, Dir},
    tuple::{Addr, Seed, Tuple},
};

/// Flags with the kernel's values (`NF_CT_EXPECT_*`).
pub mod flag {
    /// Not removed when it is used.
    pub const PERMANENT: u8 = 1;
    /// Never matches.
    pub const INACTIVE: u8 = 2;
    /// Made by a program, without a helper that stands behind it.
    pub const USERSPACE: u8 = 4;
}

/// Most classes that a helper may have.
pub const CLASSES: usize = 4;

/// An expectation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Expect {
    /// The flow that is expected; of source address and port only what the mask has counts.
    pub tuple: Tuple,
    /// Bits of the source address that count.
    pub mask_src: Addr,
    /// Bits of the source port that count.
    pub mask_sport: u16,
    /// The connection that announced it.
    pub master: ConnId,
    /// Its class within the helper.
    pub class: u8,
    /// Bits of [`flag`].
    pub flags: u8,
    /// Helper for the new connection, 0 for none.
    pub helper: u16,
    /// What is to be done when it comes, in the helper's numbering; 0 is nothing.
    pub follow: u16,
    /// Direction of the master in which the new flow goes, for translation that follows it.
    pub dir: Dir,
    /// Destination address before the helper rewrote it.
    pub saved_addr: Addr,
    /// Destination port before the helper rewrote it.
    pub saved_port: u16,
    /// When it ends.
    pub expires: Nanos,
}

/// A copy of an expectation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announced {
    /// The expectation.
    pub expect: Expect,
    /// The original tuple of the connection that announced it.
    pub master: Option<Tuple>,
    /// The helper of that connection.
    pub helper: u16,
    /// Time left; in a record of what happens, when it ends.
    pub left: Nanos,
}

impl Expect {
    fn matches(&self, tuple: &Tuple) -> bool {
        self.tuple.dst == tuple.dst
            && self.tuple.dport == tuple.dport
            && (self.tuple.proto, self.tuple.six) == (tuple.proto, tuple.six)
            && self.tuple.zone == tuple.zone
            && masked(&self.tuple.src, &self.mask_src) == masked(&tuple.src, &self.mask_src)
            && self.tuple.sport & self.mask_sport == tuple.sport & self.mask_sport
    }

    /// The same expectation announced again.
    fn is(&self, other: &Self) -> bool {
        self.tuple == other.tuple
            && self.mask_src == other.mask_src
            && self.mask_sport == other.mask_sport
            && self.class == other.class
    }

    /// Whether one packet could fulfil both.
    fn clashes(&self, other: &Self) -> bool {
        let both = Self {
            mask_src: masked(&self.mask_src, &other.mask_src),
            mask_sport: self.mask_sport & other.mask_sport,
            ..*self
        };
        both.matches(&other.tuple)
    }
}

fn masked(address: &Addr, mask: &Addr) -> Addr {
    Addr((u128::from_ne_bytes(address.0) & u128::from_ne_bytes(mask.0)).to_ne_bytes())
}

/// Why an expectation could not be made, as the kernel's errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Another connection expects what would be the same packets.
    #[error("Device or resource busy")]
    Busy,
    /// The same is expected in another class or for another connection.
    #[error("Operation already in progress")]
    Already,
    /// The table or the class is full.
    #[error("Too many open files")]
    Full,
    /// The master has no helper, or is gone.
    #[error("Cannot send after transport endpoint shutdown")]
    NoHelper,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    expect: Expect,
    live: bool,
    next: u32,
    /// Neighbours among the expectations of one master, newest first.
    newer: u32,
    older: u32,
}

/// The expectations of one worker; place 0 is none.
#[derive(Debug)]
pub(crate) struct Expects {
    places: Vec<Place>,
    heads: Vec<u32>,
    free: u32,
    len: u32,
    /// Where the search for expired ones goes on.
    cursor: u32,
}

/// A place taken out: the expectation, and the neighbours in its master's list.
pub(crate) struct Removed {
    pub(crate) expect: Expect,
    /// The list's new head, where the head was removed.
    pub(crate) head: Option<u32>,
}

impl Expects {
    pub(crate) fn new(capacity: u32, template: Expect) -> Self {
        let mut places = Vec::with_capacity(capacity as usize + 1);
        places.push(Place { expect: template, live: false, next: 0, newer: 0, older: 0 });
        let buckets = (capacity as usize / 4).next_power_of_two();
        Self { places, heads: vec![0; buckets], free: 0, len: 0, cursor: 0 }
    }

    pub(crate) const fn len(&self) -> u32 {
        self.len
    }

    fn bucket(&self, seed: &Seed, tuple: &Tuple) -> usize {
        let key = Tuple { src: Addr::default(), sport: 0, ..*tuple };
        seed.hash(&key) as usize & (self.heads.len() - 1)
    }

    pub(crate) fn get(&self, place: u32) -> Option<&Expect> {
        self.places.get(place as usize).filter(|place| place.live).map(|place| &place.expect)
    }

    /// All live ones with their places.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Expect)> {
        self.places
            .iter()
            .enumerate()
            .filter(|(_, place)| place.live)
            .map(|(n, place)| (n as u32, &place.expect))
    }

    /// The places of a master's expectations, newest first.
    pub(crate) fn of(&self, head: u32) -> impl Iterator<Item = (u32, &Expect)> {
        let mut at = head;
        std::iter::from_fn(move || {
            let place = self.places.get(at as usize).filter(|place| place.live)?;
            let this = at;
            at = place.older;
            Some((this, &place.expect))
        })
    }

    /// The first active one that a tuple fulfils.
    pub(crate) fn find(&self, seed: &Seed, tuple: &Tuple, now: Nanos) -> Option<u32> {
        if self.len == 0 {
            return None;
        }
        self.chain(seed, tuple).find(|&at| {
            let expect = &self.places[at as usize].expect;
            expect.flags & flag::INACTIVE == 0 && expect.expires > now && expect.matches(tuple)
        })
    }

    fn chain(&self, seed: &Seed, tuple: &Tuple) -> impl Iterator<Item = u32> {
        let mut at = self.heads[self.bucket(seed, tuple)];
        std::iter::from_fn(move || {
            let this = at;
            at = self.places[at as usize].next;
            (this != 0).then_some(this)
        })
    }

    /// What stands in the way of a new one: the same, to be replaced, or one that clashes.
    pub(crate) fn obstacle(&self, seed: &Seed, new: &Expect) -> Result<Option<u32>, Refused> {
        for at in self.chain(seed, &new.tuple) {
            let old = &self.places[at as usize].expect;
            if old.master == new.master && old.is(new) {
                return Ok(Some(at));
            }
            if old.clashes(new) {
                return Err(if old.is(new) { Refused::Already } else { Refused::Busy });
            }
        }
        Ok(None)
    }

    /// The oldest of a master's in a class, and how many there are.
    pub(crate) fn oldest(&self, head: u32, class: u8) -> (u32, u32) {
        self.of(head)
            .filter(|(_, expect)| expect.class == class)
            .fold((0, 0), |(_, count), (at, _)| (at, count + 1))
    }

    /// Puts one in at the head of its master's list; nothing when all places are taken.
    pub(crate) fn insert(&mut self, seed: &Seed, expect: Expect, head: u32) -> Option<u32> {
        let bucket = self.bucket(seed, &expect.tuple);
        let next = self.heads[bucket];
        let new = Place { expect, live: true, next, newer: 0, older: head };
        let at = match self.free {
            0 if self.places.len() == self.places.capacity() => return None,
            0 => {
                self.places.push(new);
                self.places.len() as u32 - 1
            }
            at => {
                self.free = self.places[at as usize].next;
                self.places[at as usize] = new;
                at
            }
        };
        if head != 0 {
            self.places[head as usize].newer = at;
        }
        self.heads[bucket] = at;
        self.len += 1;
        Some(at)
    }

    /// Takes one out.
    pub(crate) fn remove(&mut self, seed: &Seed, at: u32) -> Option<Removed> {
        let Place { expect, live: true, next, newer, older } = *self.places.get(at as usize)?
        else {
            return None;
        };
        let bucket = self.bucket(seed, &expect.tuple);
        if self.heads[bucket] == at {
            self.heads[bucket] = next;
        } else {
            let before =
                self.chain(seed, &expect.tuple).find(|&n| self.places[n as usize].next == at)?;
            self.places[before as usize].next = next;
        }
        if older != 0 {
            self.places[older as usize].newer = newer;
        }
        if newer != 0 {
            self.places[newer as usize].older = older;
        }
        let place = &mut self.places[at as usize];
        place.live = false;
        place.next = self.free;
        self.free = at;
        self.len -= 1;
        Some(Removed { expect, head: (newer == 0).then_some(older) })
    }

    /// The next one whose time is over among a few places.
    pub(crate) fn expired(&mut self, now: Nanos, mut looks: u32) -> Option<u32> {
        while self.len != 0 && looks != 0 {
            looks -= 1;
            self.cursor = (self.cursor + 1) % self.places.len() as u32;
            let place = &self.places[self.cursor as usize];
            if place.live && place.expect.expires <= now {
                return Some(self.cursor);
            }
        }
        None
    }
}
