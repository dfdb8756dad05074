//! Chooses the tuple that a connection shall have behind a translation.
//!
//! - takes: the tuple as it is so far, the range that a rule gives, what is taken ([`Tuples`]), and a
//!   source of random numbers
//! - gives: the new tuple, and whether it is known to be free ([`Choice`])
//! - obeys: `get_unique_tuple` and `nf_nat_l4proto_unique_tuple` of the kernel, RFC 6056 section 3.3.1;
//!   rows [9.233], [9.241] to [9.245]
//! - costs: at most 248 looks at the table; where replies are steered to workers twice that, and at most
//!   [`MAX_STEERS`] hashes
//!
//! Addresses of a range are chosen by the same unkeyed hash as the kernel's, so that a client meets a
//! server with the same address after a change from one to the other.
//!
//! What is Wagonway's own: ports are chosen among those whose reply comes to the same worker, as far
//! as there are such ([`Tuples::steers`]).

use crate::packet::{ipv4::protocol, jhash::jhash};

use super::super::tuple::{Addr, ICMPV6, Tuple};
use super::prefix::netmap;
use super::rewrite::Manip;

/// Flags of a range, with the kernel's values (`NF_NAT_RANGE_*`).
pub mod flag {
    /// The range has addresses.
    pub const MAP_IPS: u32 = 1;
    /// The range has ports.
    pub const PROTO_SPECIFIED: u32 = 1 << 1;
    /// Ports are chosen at random from the start (`--random`).
    pub const PROTO_RANDOM: u32 = 1 << 2;
    /// The destination does not count for the choice of an address (`--persistent`).
    pub const PERSISTENT: u32 = 1 << 3;
    /// Ports are chosen at random from the start (`--random-fully`).
    pub const PROTO_RANDOM_FULLY: u32 = 1 << 4;
    /// Ports are shifted from a base (`--to-destination a:p-q/base`).
    pub const PROTO_OFFSET: u32 = 1 << 5;
    /// The network is mapped one to one.
    pub const NETMAP: u32 = 1 << 6;
    /// Either way to random ports.
    pub const RANDOM_ALL: u32 = PROTO_RANDOM | PROTO_RANDOM_FULLY;
}

/// Where new addresses and ports are taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Range {
    /// Bits of [`flag`].
    pub flags: u32,
    /// First address.
    pub min: Addr,
    /// Last address.
    pub max: Addr,
    /// First port, identifier or call.
    pub min_port: u16,
    /// Last one.
    pub max_port: u16,
    /// What ports are shifted from.
    pub base_port: u16,
}

impl Range {
    /// Keeps the address; the port changes where the tuple is taken (a null binding [9.233]).
    pub const NONE: Self = Self {
        flags: 0,
        min: Addr([0; 16]),
        max: Addr([0; 16]),
        min_port: 0,
        max_port: 0,
        base_port: 0,
    };

    /// One address, and the port that there is.
    pub const fn address(address: Addr) -> Self {
        Self { flags: flag::MAP_IPS, min: address, max: address, ..Self::NONE }
    }

    /// The same with ports.
    pub const fn with_ports(self, min_port: u16, max_port: u16) -> Self {
        Self { flags: self.flags | flag::PROTO_SPECIFIED, min_port, max_port, ..self }
    }

    /// The same with more flags.
    pub const fn with(self, flags: u32) -> Self {
        Self { flags: self.flags | flags, ..self }
    }

    pub(super) const fn has(&self, flags: u32) -> bool {
        self.flags & flags != 0
    }

    /// The range with the one address that a prefix is mapped to, where it maps prefixes.
    fn settled(&self, tuple: &Tuple, which: Manip) -> Self {
        if !self.has(flag::NETMAP) {
            return *self;
        }
        let address = netmap(*end(tuple, which).0, self.min, self.max);
        Self { flags: self.flags | flag::MAP_IPS, min: address, max: address, ..*self }
    }

    /// Whether the source is one that this range could have given (`nf_in_range`).
    pub(super) fn holds_source(&self, tuple: &Tuple) -> bool {
        (!self.has(flag::MAP_IPS) || (self.min..=self.max).contains(&tuple.src))
            && (!self.has(flag::PROTO_SPECIFIED) || self.holds_port(tuple, Manip::Src))
    }

    /// Whether the port is in the range; protocols without one are.
    fn holds_port(&self, tuple: &Tuple, which: Manip) -> bool {
        let ports = self.min_port..=self.max_port;
        match tuple.proto {
            protocol::ICMP | ICMPV6 => ports.contains(&tuple.sport),
            protocol::GRE => ports.contains(end(tuple, which).1),
            proto if has_ports(proto) => ports.contains(end(tuple, which).1),
            _ => true,
        }
    }
}

/// Address and port of an end.
const fn end(tuple: &Tuple, which: Manip) -> (&Addr, &u16) {
    match which {
        Manip::Src => (&tuple.src, &tuple.sport),
        Manip::Dst => (&tuple.dst, &tuple.dport),
    }
}

pub(super) const fn has_ports(proto: u8) -> bool {
    matches!(
        proto,
        protocol::TCP | protocol::UDP | protocol::UDPLITE | protocol::SCTP | protocol::DCCP
    )
}

/// What is known of the connections that there are.
///
/// Replies carry the zone of the tuple that they are the inverse of; a table with a zone for each
/// direction puts in the reply's. The connection that a tuple is chosen for does not count as one
/// that takes anything.
pub trait Tuples {
    /// Whether some connection is looked up by this tuple.
    fn taken(&mut self, reply: &Tuple) -> bool;

    /// The same for the tuple that the connection has now. Two packets of one datagram flow may make
    /// the same connection twice; where neither is translated they do not disturb each other.
    fn taken_unchanged(&mut self, reply: &Tuple) -> bool {
        self.taken(reply)
    }

    /// The same, but a connection of TCP that this one may take the place of is made to give way:
    /// closed and waiting, its source translated, and its sequence numbers left behind.
    fn taken_for_good(&mut self, reply: &Tuple) -> bool {
        self.taken(reply)
    }

    /// The tuple with the source that another connection of the same source, protocol and zone shows
    /// to the outside: the first that fits.
    fn mapping_of_source(
        &mut self,
        tuple: &Tuple,
        fits: impl FnMut(&Tuple) -> bool,
    ) -> Option<Tuple>;

    /// Whether packets with this tuple come to this worker.
    fn steers(&self, _reply: &Tuple) -> bool {
        true
    }
}

/// What came of a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// The new tuple; the rule may leave no other, so that only insertion shows whether it is free.
    Found(Tuple),
    /// The last tuple that was tried; all that were tried are taken.
    Exhausted(Tuple),
}

impl Choice {
    /// The tuple; that of an exhausted range is not going to be confirmed.
    pub const fn tuple(&self) -> &Tuple {
        match self {
            Self::Found(tuple) | Self::Exhausted(tuple) => tuple,
        }
    }
}

/// Most ports that are tried one after the other.
pub const MAX_ATTEMPTS: u32 = 128;
/// Fewer attempts than this are not followed by another round.
const LAST_ROUND: u32 = 16;
/// With fewer attempts left, closed connections are made to give way.
const HARDER: u32 = 32;
/// Most ports whose way back is asked for.
pub const MAX_STEERS: u32 = 8192;

/// Chooses the tuple of a connection.
///
/// `current` is the inverse of the reply so far; `expected` says that another connection has announced
/// this one.
pub fn choose(
    current: &Tuple,
    range: &Range,
    which: Manip,
    expected: bool,
    tuples: &mut impl Tuples,
    random: &mut impl FnMut() -> u16,
) -> Choice {
    let range = &range.settled(current, which);
    // Services have their ports, and prefixes are mapped one to one.
    let steered = which == Manip::Src && !range.has(flag::NETMAP | flag::PROTO_OFFSET);
    // A mapping that the source has already is kept, unless ports shall be random.
    if which == Manip::Src && !range.has(flag::RANDOM_ALL) {
        if range.holds_source(current) {
            if current.inverse().is_some_and(|reply| !tuples.taken_unchanged(&reply)) {
                return Choice::Found(*current);
            }
        } else if let Some(found) =
            tuples.mapping_of_source(current, |found| range.holds_source(found))
            && fits(&found, steered, tuples)
        {
            return Choice::Found(found);
        }
    }
    let mut tuple = *current;
    pick_address(&mut tuple, range, which);
    if !range.has(flag::RANDOM_ALL) {
        if range.has(flag::PROTO_SPECIFIED) {
            if !range.has(flag::PROTO_OFFSET)
                && range.holds_port(&tuple, which)
                && (range.min_port == range.max_port || fits(&tuple, steered, tuples))
            {
                return Choice::Found(tuple);
            }
        } else if fits(&tuple, steered, tuples) {
            return Choice::Found(tuple);
        }
    }
    pick_port(tuple, range, which, (expected, steered), tuples, random)
}

/// Whether the reply is free, and comes to this worker where that matters.
fn fits(tuple: &Tuple, steered: bool, tuples: &mut impl Tuples) -> bool {
    let Some(reply) = tuple.inverse() else { return false };
    (!steered || tuples.steers(&reply)) && !tuples.taken(&reply)
}

/// Takes an address by a hash of both (`find_best_ips_proto`).
fn pick_address(tuple: &mut Tuple, range: &Range, which: Manip) {
    if !range.has(flag::MAP_IPS) {
        return;
    }
    if range.min == range.max {
        *end_mut(tuple, which).0 = range.min;
        return;
    }
    let last = if tuple.six { 3 } else { 0 };
    let persistent = range.has(flag::PERSISTENT);
    let (min, max) = (words(&range.min), words(&range.max));
    let initial =
        if persistent { 0 } else { words(&tuple.dst)[last].swap_bytes() ^ u32::from(tuple.zone) };
    let mut hash = jhash(&tuple.src.0, initial);
    let mut chosen = words(end(tuple, which).0);
    // Below the greatest value of a word the words behind it may be anything.
    let mut any = false;
    for at in 0..=last {
        let (least, distance) = if any {
            (0, u32::MAX)
        } else {
            (min[at], max[at].wrapping_sub(min[at]).wrapping_add(1))
        };
        let scaled = (u64::from(hash) * u64::from(distance)) >> 32;
        chosen[at] = least.wrapping_add(scaled as u32);
        any |= chosen[at] != max[at];
        if !persistent {
            // The destination as it is by now.
            let dst = if which == Manip::Dst { chosen[at] } else { words(&tuple.dst)[at] };
            hash ^= dst.swap_bytes();
        }
    }
    let mut octets = [0; 16];
    for (place, word) in octets.chunks_exact_mut(4).zip(chosen) {
        place.copy_from_slice(&word.to_be_bytes());
    }
    *end_mut(tuple, which).0 = Addr(octets);
}

const fn end_mut(tuple: &mut Tuple, which: Manip) -> (&mut Addr, &mut u16) {
    match which {
        Manip::Src => (&mut tuple.src, &mut tuple.sport),
        Manip::Dst => (&mut tuple.dst, &mut tuple.dport),
    }
}

/// The words of an address.
fn words(address: &Addr) -> [u32; 4] {
    let [a, b, c, d] = *address.0.as_chunks::<4>().0 else { return [0; 4] };
    [a, b, c, d].map(u32::from_be_bytes)
}

/// Searches a port, identifier or call (`nf_nat_l4proto_unique_tuple`).
fn pick_port(
    mut tuple: Tuple,
    range: &Range,
    which: Manip,
    (expected, steered): (bool, bool),
    tuples: &mut impl Tuples,
    random: &mut impl FnMut() -> u16,
) -> Choice {
    let specified = range.has(flag::PROTO_SPECIFIED);
    let given = u32::from(range.min_port.min(range.max_port))
        ..=u32::from(range.min_port.max(range.max_port));
    let (place, ports) = match tuple.proto {
        protocol::ICMP | ICMPV6 => (Manip::Src, if specified { given } else { 0..=65_535 }),
        // Without a call that somebody announced there is no key to change.
        protocol::GRE if expected => (which, if specified { given } else { 1..=65_535 }),
        proto if has_ports(proto) => match (specified, which) {
            (true, _) => (which, given),
            // Where it goes to is a service, which has its port.
            (false, Manip::Dst) => return unchosen(tuple, tuples),
            // Ports that only the privileged may take stay such.
            (false, Manip::Src) => match tuple.sport {
                ..512 => (which, 1..=511),
                512..1024 => (which, 600..=1023),
                _ => (which, 1024..=65_535),
            },
        },
        _ => return unchosen(tuple, tuples),
    };
    let search = Search {
        place,
        min: *ports.start(),
        size: ports.end() - ports.start() + 1,
        start: if range.has(flag::PROTO_OFFSET) {
            Some(end(&tuple, place).1.wrapping_sub(range.base_port))
        } else if range.has(flag::RANDOM_ALL) || which != Manip::Dst {
            None
        } else {
            Some(0)
        },
    };
    let mut steers = Steers { left: MAX_STEERS, turned_away: false };
    match search.run(&mut tuple, tuples, random, steered.then_some(&mut steers)) {
        // Better a reply that another worker hands over than none.
        Choice::Exhausted(_) if steers.turned_away => search.run(&mut tuple, tuples, random, None),
        choice => choice,
    }
}

/// Where there is nothing to choose.
fn unchosen(tuple: Tuple, tuples: &mut impl Tuples) -> Choice {
    match tuple.inverse() {
        Some(reply) if tuples.taken(&reply) => Choice::Exhausted(tuple),
        _ => Choice::Found(tuple),
    }
}

/// How many ways back may still be asked for, and whether one led to another worker.
struct Steers {
    left: u32,
    turned_away: bool,
}

/// A search among ports.
struct Search {
    place: Manip,
    min: u32,
    size: u32,
    /// Where to start, from the first port; at random otherwise.
    start: Option<u16>,
}

impl Search {
    fn run(
        &self,
        tuple: &mut Tuple,
        tuples: &mut impl Tuples,
        random: &mut impl FnMut() -> u16,
        mut steers: Option<&mut Steers>,
    ) -> Choice {
        let mut offset = self.start.unwrap_or_else(&mut *random);
        let mut attempts = self.size.min(MAX_ATTEMPTS);
        loop {
            for tried in 0..attempts {
                if let Some(steers) = &mut steers {
                    offset = self.skip(tuple, offset, tuples, steers);
                }
                self.set(tuple, offset);
                let Some(reply) = tuple.inverse() else { return Choice::Found(*tuple) };
                let harder = tuple.proto == protocol::TCP && attempts - tried <= HARDER;
                let taken =
                    if harder { tuples.taken_for_good(&reply) } else { tuples.taken(&reply) };
                if !taken {
                    return Choice::Found(*tuple);
                }
                offset = offset.wrapping_add(1);
            }
            if attempts >= self.size || attempts < LAST_ROUND {
                return Choice::Exhausted(*tuple);
            }
            attempts /= 2;
            offset = random();
        }
    }

    const fn set(&self, tuple: &mut Tuple, offset: u16) {
        *end_mut(tuple, self.place).1 = (self.min + offset as u32 % self.size) as u16;
    }

    /// The next offset whose reply comes to this worker; the same where there is none in reach.
    fn skip(
        &self,
        tuple: &mut Tuple,
        offset: u16,
        tuples: &impl Tuples,
        steers: &mut Steers,
    ) -> u16 {
        let mut at = offset;
        for _ in 0..self.size.min(steers.left) {
            steers.left -= 1;
            self.set(tuple, at);
            if tuple.inverse().is_none_or(|reply| tuples.steers(&reply)) {
                return at;
            }
            steers.turned_away = true;
            at = at.wrapping_add(1);
        }
        offset
    }
}

#[cfg(test)]
mod tests;
