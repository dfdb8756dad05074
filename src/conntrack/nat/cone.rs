//! Mappings that do not depend on who is talked with: endpoint-independent translation ("full cone").
//!
//! - takes: inner endpoints with the outer ones that were chosen for them
//! - gives: the outer endpoint of an inner one for every new connection, and where a packet from
//!   anybody to an outer endpoint goes
//! - obeys: RFC 4787 section 4.1 (REQ-1) and section 5, RFC 5382 section 4.1; no feature of the
//!   kernel's
//! - costs: a keyed hash and a short chain; memory is taken once
//!
//! An outer endpoint belongs to one inner endpoint alone, so that [`choose`] finds a port that no
//! connection at all uses. A mapping lives as long as connections hold it.

use crate::packet::ipv4::protocol;

use super::super::tuple::{Addr, ICMPV6, Seed, Tuple};
use super::choose::{self, Choice, Range, Tuples};
use super::rewrite::Manip;

/// Who may send through a mapping (RFC 4787 section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Filtering {
    /// Only who was sent to, from the same port: connection tracking alone decides.
    #[default]
    AddressAndPortDependent,
    /// Anybody.
    EndpointIndependent,
}

/// One mapping: tuples of which only the source counts.
#[derive(Debug, Clone, Copy)]
struct Mapping {
    inner: Tuple,
    outer: Tuple,
    /// Connections that hold it; 0 for a free place.
    holders: u32,
    next_inner: u32,
    next_outer: u32,
}

/// All mappings of one worker; place 0 is none.
#[derive(Debug)]
pub struct Cones {
    seed: Seed,
    places: Vec<Mapping>,
    inner: Box<[u32]>,
    outer: Box<[u32]>,
    free: u32,
    len: u32,
}

/// All places for mappings are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no place for another mapping")]
pub struct Full;

/// What identifies an endpoint, as a tuple without a destination.
fn source(tuple: &Tuple) -> Tuple {
    Tuple { dst: Addr::default(), dport: 0, ..*tuple }
}

impl Cones {
    /// Room for so many mappings.
    pub fn new(capacity: u32, seed: Seed) -> Self {
        let chains = (capacity.max(1) as usize).next_power_of_two();
        let none = Tuple::default();
        let place = Mapping { inner: none, outer: none, holders: 0, next_inner: 0, next_outer: 0 };
        let mut places = Vec::with_capacity(capacity as usize + 1);
        places.push(place);
        let heads = || vec![0; chains].into_boxed_slice();
        Self { seed, places, inner: heads(), outer: heads(), free: 0, len: 0 }
    }

    /// How many mappings there are.
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn chain(&self, key: &Tuple) -> usize {
        self.seed.hash(key) as usize & (self.inner.len() - 1)
    }

    fn find_inner(&self, key: &Tuple) -> u32 {
        let mut at = self.inner[self.chain(key)];
        while at != 0 && self.places[at as usize].inner != *key {
            at = self.places[at as usize].next_inner;
        }
        at
    }

    fn find_outer(&self, key: &Tuple) -> u32 {
        let mut at = self.outer[self.chain(key)];
        while at != 0 && self.places[at as usize].outer != *key {
            at = self.places[at as usize].next_outer;
        }
        at
    }

    /// The tuple with the outer source that its inner source has.
    pub fn outward(&self, tuple: &Tuple) -> Option<Tuple> {
        match self.find_inner(&source(tuple)) {
            0 => None,
            at => {
                let outer = &self.places[at as usize].outer;
                Some(Tuple { src: outer.src, sport: outer.sport, ..*tuple })
            }
        }
    }

    /// The outer source of an inner one, as a tuple without a destination.
    pub fn outer_of(&self, inner: &Tuple) -> Option<Tuple> {
        match self.find_inner(&source(inner)) {
            0 => None,
            at => Some(self.places[at as usize].outer),
        }
    }

    /// The inner source behind the outer endpoint that a packet goes to, as a tuple without a destination.
    pub fn inner_at(&self, tuple: &Tuple) -> Option<Tuple> {
        match self.find_outer(&reversed(tuple)) {
            0 => None,
            at => Some(self.places[at as usize].inner),
        }
    }

    /// Where a packet to an outer endpoint goes, whoever sent it.
    pub fn inward(&self, tuple: &Tuple) -> Option<Range> {
        match self.find_outer(&reversed(tuple)) {
            0 => None,
            at => {
                let inner = &self.places[at as usize].inner;
                let range = Range::address(inner.src).with_ports(inner.sport, inner.sport);
                (inner.six == tuple.six).then_some(range)
            }
        }
    }

    /// Has one more connection hold the mapping from the source of `inner` to that of `outer`; true where
    /// it is the first.
    ///
    /// A mapping that is there already stays as it is.
    pub fn hold(&mut self, inner: &Tuple, outer: &Tuple) -> Result<bool, Full> {
        let (inner, outer) = (source(inner), source(outer));
        match self.find_inner(&inner) {
            0 => {}
            at => {
                self.places[at as usize].holders += 1;
                return Ok(false);
            }
        }
        let (inside, outside) = (self.chain(&inner), self.chain(&outer));
        let mapping = Mapping {
            inner,
            outer,
            holders: 1,
            next_inner: self.inner[inside],
            next_outer: self.outer[outside],
        };
        let at = match self.free {
            0 if self.places.len() == self.places.capacity() => return Err(Full),
            0 => {
                self.places.push(mapping);
                self.places.len() as u32 - 1
            }
            at => {
                self.free = self.places[at as usize].next_inner;
                self.places[at as usize] = mapping;
                at
            }
        };
        self.inner[inside] = at;
        self.outer[outside] = at;
        self.len += 1;
        Ok(true)
    }

    /// Lets a connection go; true when it was the last that held the mapping of its inner source.
    pub fn release(&mut self, inner: &Tuple) -> bool {
        let key = source(inner);
        let at = self.find_inner(&key);
        if at == 0 {
            return false;
        }
        let mapping = &mut self.places[at as usize];
        mapping.holders -= 1;
        if mapping.holders != 0 {
            return false;
        }
        let gone = *mapping;
        let (inside, outside) = (self.chain(&gone.inner), self.chain(&gone.outer));
        if self.inner[inside] == at {
            self.inner[inside] = gone.next_inner;
        } else {
            let mut before = self.inner[inside];
            while self.places[before as usize].next_inner != at {
                before = self.places[before as usize].next_inner;
            }
            self.places[before as usize].next_inner = gone.next_inner;
        }
        if self.outer[outside] == at {
            self.outer[outside] = gone.next_outer;
        } else {
            let mut before = self.outer[outside];
            while self.places[before as usize].next_outer != at {
                before = self.places[before as usize].next_outer;
            }
            self.places[before as usize].next_outer = gone.next_outer;
        }
        // No endpoint is this one, so that a free place is found by no look-up.
        self.places[at as usize].next_inner = self.free;
        self.free = at;
        self.len -= 1;
        true
    }

    /// Connections and mappings together, as what a choice has to go round.
    pub fn alone<'a, T: Tuples>(&'a self, tuples: &'a mut T) -> impl Tuples + use<'a, T> {
        Alone { cones: self, tuples }
    }

    /// Chooses the tuple of a new connection: the mapping that its source has, or a new one of its
    /// own. Who confirms the connection says so with [`Cones::hold`].
    pub fn choose(
        &self,
        current: &Tuple,
        range: &Range,
        expected: bool,
        tuples: &mut impl Tuples,
        random: &mut impl FnMut() -> u16,
    ) -> Choice {
        if let Some(known) = self.outward(current) {
            return match known.inverse() {
                Some(reply) if tuples.taken(&reply) => Choice::Exhausted(known),
                _ => Choice::Found(known),
            };
        }
        let mut alone = Alone { cones: self, tuples };
        choose::choose(current, range, Manip::Src, expected, &mut alone, random)
    }
}

/// The destination as the source that it is when it answers.
fn reversed(tuple: &Tuple) -> Tuple {
    // Both directions of a question have one identifier.
    let sport = if is_icmp(tuple.proto) { tuple.sport } else { tuple.dport };
    Tuple { src: tuple.dst, sport, dst: Addr::default(), dport: 0, ..*tuple }
}

const fn is_icmp(proto: u8) -> bool {
    matches!(proto, protocol::ICMP | ICMPV6)
}

/// Connections and mappings together: what any of them uses is taken.
struct Alone<'a, T> {
    cones: &'a Cones,
    tuples: &'a mut T,
}

impl<T: Tuples> Alone<'_, T> {
    fn mapped(&self, reply: &Tuple) -> bool {
        self.cones.find_outer(&reversed(reply)) != 0
    }
}

impl<T: Tuples> Tuples for Alone<'_, T> {
    fn taken(&mut self, reply: &Tuple) -> bool {
        self.mapped(reply) || self.tuples.taken(reply)
    }

    fn taken_unchanged(&mut self, reply: &Tuple) -> bool {
        self.mapped(reply) || self.tuples.taken_unchanged(reply)
    }

    fn taken_for_good(&mut self, reply: &Tuple) -> bool {
        self.mapped(reply) || self.tuples.taken_for_good(reply)
    }

    fn mapping_of_source(&mut self, _: &Tuple, _: impl FnMut(&Tuple) -> bool) -> Option<Tuple> {
        None
    }

    fn steers(&self, reply: &Tuple) -> bool {
        self.tuples.steers(reply)
    }
}

#[cfg(test)]
mod tests;
