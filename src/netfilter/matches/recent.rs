//! `recent`: a list of addresses that were seen, and when.
//!
//! - takes: a packet, and the time
//! - gives: whether the list says of its address what the rule asks
//! - obeys: xt_recent of the kernel, with its hundred addresses a list
//! - costs: a look at a hundred words
//!
//! A place of the list is taken by exchanging its tag. What two workers do to one address in the same
//! moment may cost one of them its time stamp, never its place.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};

use super::{Found, limit};
use crate::graph::Nanos;
use crate::netfilter::rule::{Family, Recent, RecentAction};
use crate::netfilter::view::{View, bits};

/// Addresses of a list (`ip_list_tot`).
const PLACES: usize = 100;
/// Ticks a second.
const SECOND: i64 = 1000;

/// An address that was seen.
#[derive(Debug, Default)]
struct Place {
    /// Hash of the address, 0 for a free place.
    tag: AtomicU64,
    /// The address, for those who look at the list.
    upper: AtomicU64,
    lower: AtomicU64,
    ttl: AtomicU8,
    /// How often it was seen.
    seen: AtomicU32,
    /// When it was last seen, in ticks.
    last: AtomicU64,
    /// When it was seen, round and round.
    stamps: Box<[AtomicU64]>,
}

/// A list.
#[derive(Debug)]
pub(in crate::netfilter) struct List {
    family: Family,
    mask: u128,
    places: Box<[Place]>,
    seed: u64,
}

/// What was seen of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// It.
    pub address: std::net::IpAddr,
    /// With which TTL.
    pub ttl: u8,
    /// When, oldest first, in milliseconds of the router's clock.
    pub times: Vec<u64>,
}

impl List {
    /// An empty one, which can count so many times for each address.
    pub(super) fn new(family: Family, ask: &Recent, times: u32) -> Self {
        let times = times.max(32).next_power_of_two() as usize;
        let place = || Place {
            stamps: (0..times).map(|_| AtomicU64::new(0)).collect(),
            ..Place::default()
        };
        Self {
            family,
            mask: bits(ask.mask),
            places: (0..PLACES).map(|_| place()).collect(),
            seed: super::seed(),
        }
    }

    /// Whether it is the list that rules of this mask and count ask for.
    pub(super) fn is_for(&self, ask: &Recent, times: u32) -> bool {
        self.mask == bits(ask.mask) && self.places[0].stamps.len() >= times as usize
    }

    /// What is in it.
    pub(in crate::netfilter) fn seen(&self) -> Vec<Seen> {
        let used = self.places.iter().filter(|place| place.tag.load(Relaxed) != 0);
        let seen = used.map(|place| {
            let address =
                u128::from(place.upper.load(Relaxed)) << 64 | u128::from(place.lower.load(Relaxed));
            let count = place.seen.load(Relaxed) as usize;
            let size = place.stamps.len();
            let times =
                (count.saturating_sub(size)..count).map(|at| place.stamps[at % size].load(Relaxed));
            Seen {
                address: crate::netfilter::view::address(self.family, address),
                ttl: place.ttl.load(Relaxed),
                times: times.collect(),
            }
        });
        seen.collect()
    }

    fn find(&self, tag: u64, ttl: Option<u8>) -> Option<&Place> {
        self.places.iter().find(|place| {
            place.tag.load(Relaxed) == tag
                && ttl.is_none_or(|ttl| {
                    matches!(place.ttl.load(Relaxed), 0) || place.ttl.load(Relaxed) == ttl
                })
        })
    }

    /// Takes a place for an address: a free one, or that of the address not seen for longest.
    fn insert(&self, tag: u64, address: u128, ttl: u8, now: u64) -> Option<()> {
        for _ in 0..PLACES {
            // Another worker may have seen it in this moment.
            if self.find(tag, None).is_some() {
                return Some(());
            }
            let is_free = |place: &&Place| place.tag.load(Relaxed) == 0;
            let oldest = || self.places.iter().min_by_key(|place| place.last.load(Relaxed));
            let place = self.places.iter().find(is_free).or_else(oldest)?;
            let had = place.tag.load(Relaxed);
            if place.tag.compare_exchange(had, tag, Relaxed, Relaxed).is_ok() {
                place.upper.store((address >> 64) as u64, Relaxed);
                place.lower.store(address as u64, Relaxed);
                place.ttl.store(ttl, Relaxed);
                place.seen.store(0, Relaxed);
                place.note(now);
                return Some(());
            }
        }
        None
    }

    /// Asks the list about a packet, and tells it.
    pub(super) fn ask(&self, view: &View<'_>, ask: &Recent, now: Nanos) -> Found {
        let facts = view.facts();
        let address = if ask.destination { facts.dst } else { facts.src } & self.mask;
        // As it was before it was forwarded.
        let ttl =
            view.ttl().wrapping_add(u8::from(view.about.output != 0 && view.about.input != 0));
        let tag = super::hash(self.seed, &[address]);
        let tick = limit::tick(now);
        let wanted = ask.same_ttl.then_some(ttl).filter(|ttl| *ttl != 0);
        let not = ask.action.not;
        let action = ask.action.value;
        let Some(place) = self.find(tag, wanted) else {
            return match action {
                RecentAction::Set => match self.insert(tag, address, ttl, tick as u64) {
                    Some(()) => Found::of(!not),
                    None => Found::HotDrop,
                },
                _ => Found::of(not),
            };
        };
        let since = tick - i64::from(ask.seconds) * SECOND;
        let found = match action {
            RecentAction::Set => true,
            RecentAction::Remove => {
                let _ = place.tag.compare_exchange(tag, 0, Relaxed, Relaxed);
                true
            }
            RecentAction::Check | RecentAction::Update => {
                let found = place.was_seen(ask.seconds != 0, since, ask.hit_count);
                if ask.reap {
                    self.reap(since);
                }
                found
            }
        };
        let holds = found != not;
        if action == RecentAction::Set || action == RecentAction::Update && holds {
            place.note(tick as u64);
            place.ttl.store(ttl, Relaxed);
        }
        Found::of(holds)
    }

    /// Forgets the address not seen for longest, if that is too long.
    fn reap(&self, since: i64) {
        let used = self.places.iter().filter(|place| place.tag.load(Relaxed) != 0);
        if let Some(oldest) = used.min_by_key(|place| place.last.load(Relaxed))
            && (oldest.last.load(Relaxed) as i64) < since
        {
            oldest.tag.store(0, Relaxed);
        }
    }
}

impl Place {
    fn note(&self, tick: u64) {
        let at = self.seen.fetch_add(1, Relaxed) as usize % self.stamps.len();
        self.stamps[at].store(tick, Relaxed);
        self.last.store(tick, Relaxed);
    }

    fn was_seen(&self, timed: bool, since: i64, least: u32) -> bool {
        let count = (self.seen.load(Relaxed) as usize).min(self.stamps.len());
        let recent = self.stamps[..count]
            .iter()
            .filter(|stamp| !timed || stamp.load(Relaxed) as i64 >= since)
            .count();
        recent > 0 && recent as u64 >= u64::from(least)
    }
}
