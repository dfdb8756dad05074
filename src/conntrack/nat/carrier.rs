//! The ways of carriers to translate sources: blocks of ports, and mappings that are the same for all.
//!
//! - takes: what operators have set when the worker is built; connections that a rule translates
//! - gives: their tuples, and [`Record`]s of blocks; who a stranger's packet is for
//! - obeys: RFC 4787 sections 4 and 5, RFC 5382 section 4, RFC 5508 section 3, RFC 6888; no feature of the
//!   kernel's
//! - costs: nothing while none is set; memory is taken once
//!
//! Only sources that a rule translates without naming ports are meant, and those that cross to IPv4. What a connection holds is given
//! back when its entry is free again, a turn after its end.

use std::collections::VecDeque;

use crate::packet::ipv4::protocol;

use super::super::{
    affinity::Affinity,
    directory::Kind,
    tuple::{ICMPV6, Seed, Tuple},
};
use super::{
    Choice, Range, Tuples,
    blocks::{BlockId, Blocks, Inside, Plan, Record, Refused},
    choose::{self, flag},
    cone::{Cones, Filtering},
    rewrite::Manip,
};

/// Records that may wait until they are told.
const RECORDS: usize = 4096;

/// What operators have set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ways {
    /// Ports come in blocks.
    pub blocks: Option<Plan>,
    /// A source has one mapping, whoever it talks with.
    pub cones: bool,
    /// Who may answer through it.
    pub filtering: Filtering,
    /// Hosts of IPv6 are seen in IPv4, each end of one as one.
    pub crosses: bool,
}

/// What one worker keeps for them.
#[derive(Debug)]
pub struct Carrier {
    blocks: Option<Blocks>,
    pub(crate) cones: Option<Cones>,
    /// Sources of one family have one mapping too.
    mapping: bool,
    filtering: Filtering,
    /// By place of a connection: the block that it holds, counted from 1.
    held: Box<[u32]>,
    records: VecDeque<Record>,
    /// Records that found no room.
    pub lost: u64,
}

/// What has been decided for a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decision {
    pub(super) choice: Choice,
    block: Option<BlockId>,
    /// It is by a mapping.
    cone: bool,
}

impl Decision {
    pub(super) const fn plain(choice: Choice) -> Self {
        Self { choice, block: None, cone: false }
    }
}

/// What an entry holds: bits of [`super::super::entry::feature`].
pub(crate) mod holds {
    use super::super::super::entry::feature;
    pub(crate) const ANY: u8 = feature::BLOCK | feature::CONE;
}

impl Carrier {
    /// For connections with places up to `capacity`.
    pub fn new(ways: &Ways, capacity: u32, seed: u64) -> Option<Self> {
        let open = ways.filtering == Filtering::EndpointIndependent;
        let cones = ways.cones || open;
        if ways.blocks.is_none() && !cones && !ways.crosses {
            return None;
        }
        let seed = Seed::new(seed);
        Some(Self {
            blocks: ways.blocks.clone().map(|plan| Blocks::new(plan, seed)),
            cones: (cones || ways.crosses).then(|| Cones::new(capacity, seed)),
            mapping: cones,
            filtering: ways.filtering,
            held: vec![0; capacity as usize + 1].into(),
            records: VecDeque::with_capacity(RECORDS),
            lost: 0,
        })
    }

    /// Chooses the source of a new connection.
    pub(super) fn choose(
        &mut self,
        current: &Tuple,
        range: &Range,
        expected: bool,
        tuples: &mut impl Tuples,
        random: &mut impl FnMut() -> u16,
    ) -> Result<Decision, Refused> {
        // An address that stays is no translation, and who names ports means these.
        let stays = range.min == range.max && range.min == current.src;
        let named = flag::PROTO_SPECIFIED | flag::NETMAP;
        let meant = range.has(flag::MAP_IPS) && !range.has(named) && !stays && is_mapped(current);
        if !meant {
            let choice = choose::choose(current, range, Manip::Src, expected, tuples, random);
            return Ok(Decision::plain(choice));
        }
        let Self { blocks, cones, records, lost, mapping, .. } = self;
        let cones = cones.as_ref().filter(|_| *mapping);
        if let Some(known) = cones.and_then(|cones| cones.outward(current))
            && range.holds_source(&known)
        {
            let taken = known.inverse().is_some_and(|reply| tuples.taken(&reply));
            let choice = if taken { Choice::Exhausted(known) } else { Choice::Found(known) };
            let block = blocks.as_ref().and_then(|all| all.block_of(known.src, known.sport));
            return Ok(Decision { choice, block, cone: true });
        }
        let Some(cones) = cones else {
            let inside = Inside::of(current);
            return by_block(blocks, inside, current, range, tuples, random, records, lost);
        };
        // A mapping to an address that the rule has no more is left to its connections.
        let cone = cones.outward(current).is_none();
        let mut alone = cones.alone(tuples);
        let inside = Inside::of(current);
        let found = by_block(blocks, inside, current, range, &mut alone, random, records, lost)?;
        Ok(Decision { cone, ..found })
    }

    /// Chooses the source in IPv4 of a new connection from IPv6; `current` is what it is like there.
    pub(super) fn cross(
        &mut self,
        original: &Tuple,
        current: &Tuple,
        range: &Range,
        tuples: &mut impl Tuples,
        random: &mut impl FnMut() -> u16,
    ) -> Result<Decision, Refused> {
        let Self { blocks, cones, records, lost, .. } = self;
        let cones = cones.as_ref().ok_or(Refused::NoBlock)?;
        let decision = match cones.outer_of(original) {
            Some(outer) => {
                let known = Tuple { src: outer.src, sport: outer.sport, ..*current };
                let taken = known.inverse().is_some_and(|reply| tuples.taken(&reply));
                let choice = if taken { Choice::Exhausted(known) } else { Choice::Found(known) };
                let block = blocks.as_ref().and_then(|all| all.block_of(known.src, known.sport));
                Decision { block, ..Decision::plain(choice) }
            }
            None => {
                let (mut alone, inside) = (cones.alone(tuples), Inside::of(original));
                by_block(blocks, inside, current, range, &mut alone, random, records, lost)?
            }
        };
        match decision.choice {
            Choice::Found(_) => Ok(Decision { cone: true, ..decision }),
            Choice::Exhausted(_) => {
                self.forgo(&decision);
                Err(Refused::NoBlock)
            }
        }
    }

    /// A connection holds what has been decided for it, or nothing of it; gives the bits of what it holds.
    pub(super) fn hold(
        &mut self,
        place: u32,
        original: &Tuple,
        decision: &Decision,
        affinity: Option<&Affinity>,
    ) -> Result<u8, Refused> {
        let held = self.take_hold(place, original, decision, affinity);
        if held.is_err() {
            self.forgo(decision);
        }
        held
    }

    fn take_hold(
        &mut self,
        place: u32,
        original: &Tuple,
        decision: &Decision,
        affinity: Option<&Affinity>,
    ) -> Result<u8, Refused> {
        use super::super::entry::feature;
        let mut bits = 0;
        let outer = decision.choice.tuple();
        if decision.cone
            && let Some(cones) = &mut self.cones
        {
            let first = cones.hold(original, outer).map_err(|_| Refused::Subscribers)?;
            if first && let Some(own) = affinity {
                // The same source may have got a mapping of another worker's in between.
                if own.directory.insert(Kind::From, original, own.me).is_err() {
                    cones.release(original);
                    return Err(Refused::Limit);
                }
                let _ = own.directory.insert(Kind::Towards, &towards(outer), own.me);
            }
            bits |= feature::CONE;
        }
        if let (Some(block), Some(blocks)) = (decision.block, &mut self.blocks) {
            blocks.hold(block);
            if let Some(held) = self.held.get_mut(place as usize) {
                *held = block.number() + 1;
            }
            bits |= feature::BLOCK;
        }
        Ok(bits)
    }

    /// What was decided is not to be: a block that was taken for it alone is given back.
    fn forgo(&mut self, decision: &Decision) {
        if let (Some(block), Some(blocks)) = (decision.block, &mut self.blocks) {
            blocks.hold(block);
            let record = blocks.release(block);
            note(&mut self.records, &mut self.lost, record);
        }
    }

    /// A connection is gone.
    pub(crate) fn release(
        &mut self,
        place: u32,
        bits: u8,
        original: &Tuple,
        affinity: Option<&Affinity>,
    ) {
        use super::super::entry::feature;
        if bits & feature::CONE != 0
            && let Some(cones) = &mut self.cones
        {
            let outer = cones.outer_of(original);
            if cones.release(original)
                && let (Some(own), Some(outer)) = (affinity, outer)
            {
                own.directory.remove(Kind::From, original, own.me);
                own.directory.remove(Kind::Towards, &towards(&outer), own.me);
            }
        }
        if bits & feature::BLOCK != 0
            && let (Some(held), Some(blocks)) =
                (self.held.get_mut(place as usize), &mut self.blocks)
            && let Some(block) = std::mem::take(held).checked_sub(1)
        {
            let record = blocks.release(BlockId::of(block));
            note(&mut self.records, &mut self.lost, record);
        }
    }

    /// Where a packet of a stranger to an outer endpoint goes, where strangers may send.
    pub(crate) fn inward(&self, tuple: &Tuple) -> Option<Range> {
        match self.filtering {
            Filtering::EndpointIndependent => self.cones.as_ref()?.inward(tuple),
            Filtering::AddressAndPortDependent => None,
        }
    }

    /// The host of IPv6 that a packet of IPv4 goes to, where strangers may send or it comes from a host of
    /// IPv6 itself.
    pub(super) fn inward64(&self, tuple: &Tuple, from_inside: bool) -> Option<Tuple> {
        let open = from_inside || self.filtering == Filtering::EndpointIndependent;
        let inner = self.cones.as_ref().filter(|_| open)?.inner_at(tuple)?;
        inner.six.then_some(inner)
    }

    /// The oldest record that has not been told.
    pub fn next_record(&mut self) -> Option<Record> {
        self.records.pop_front()
    }
}

/// What has an endpoint of its own.
const fn is_mapped(tuple: &Tuple) -> bool {
    matches!(tuple.proto, protocol::ICMP | ICMPV6) || choose::has_ports(tuple.proto)
}

/// An outer endpoint as the destination of whoever answers.
fn towards(outer: &Tuple) -> Tuple {
    outer.inverse().unwrap_or(*outer)
}

fn note(records: &mut VecDeque<Record>, lost: &mut u64, record: Option<Record>) {
    match record {
        Some(record) if records.len() < RECORDS => records.push_back(record),
        Some(_) => *lost += 1,
        None => {}
    }
}

#[expect(clippy::too_many_arguments, reason = "a choice, and where its record goes")]
fn by_block(
    blocks: &mut Option<Blocks>,
    inside: Inside,
    current: &Tuple,
    range: &Range,
    tuples: &mut impl Tuples,
    random: &mut impl FnMut() -> u16,
    records: &mut VecDeque<Record>,
    lost: &mut u64,
) -> Result<Decision, Refused> {
    let Some(blocks) = blocks else {
        // Calls of PPTP, which alone depend on who expected them, are no ports.
        let choice = choose::choose(current, range, Manip::Src, false, tuples, random);
        return Ok(Decision::plain(choice));
    };
    let (choice, block, record) = blocks.choose(inside, current, range, tuples, random)?;
    note(records, lost, record);
    Ok(Decision { block: Some(block), ..Decision::plain(choice) })
}
