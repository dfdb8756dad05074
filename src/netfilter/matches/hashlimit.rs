//! `hashlimit`: a bucket for each group of packets.
//!
//! - takes: a packet, and the time
//! - gives: whether its group's bucket had enough
//! - obeys: xt_hashlimit of the kernel: its credits and how it rounds them
//! - costs: one look at a line of eight groups, and one or two compare-and-swaps
//!
//! A table has its room from the start. Where all eight places of a group are taken by others that are
//! not yet forgotten the packet ends, as in the kernel when its table is full.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use super::{Found, limit};
use crate::graph::Nanos;
use crate::netfilter::rule::{Family, HashLimit, HashRate};
use crate::netfilter::view::View;
use crate::packet::ipv4::protocol::{AH, DCCP, ESP, SCTP, TCP, UDP, UDPLITE};

/// Ticks a second.
const TICKS: u64 = 1000;
/// Credits a tick, of packets. The kernel has more of them and loses three in a thousand million, but
/// they would run over within a day where they are not counted from packet to packet.
const EACH: i64 = 1_000_000;
/// Credits a second, of bytes.
const BYTES_EACH: i64 = 4_194_304 * TICKS as i64;
/// Groups that share a line.
const WAYS: usize = 8;
/// Groups of a table for which the rule does not say, and most for any.
const ROOM: (u32, u32) = (65_536, 1 << 20);
/// Bytes that count as one.
const CHUNK: usize = 16;

/// What so many millionths of a second cost; nothing where the kernel cannot tell.
pub(in crate::netfilter) fn credits(period: u64) -> Option<i64> {
    const KERNEL: u64 = 137_438_953;
    period.checked_mul(KERNEL)?;
    i64::try_from(period * 1000).ok()
}

/// A group of packets.
#[derive(Debug, Default)]
struct Group {
    /// Hash of what they have in common, 0 for a free place.
    tag: AtomicU64,
    /// As in [`limit::Bucket`]; with a rate to match, packets seen in this interval and in the lowest
    /// bit whether there were too many in the last.
    level: AtomicI64,
    /// Of bytes, how often it may be filled up at once; with a rate to match, when the interval began.
    other: AtomicU64,
    /// When it may be forgotten, in ticks.
    until: AtomicU64,
}

/// What the groups of a table cost.
#[derive(Clone, Copy, Debug)]
enum Price {
    Packets { cost: i64, most: i64 },
    Bytes { cost: i64, burst: u64 },
    Rate { rate: u64, burst: u64, ticks: u64, bytes: bool },
}

/// A table of groups.
#[derive(Debug)]
pub(in crate::netfilter) struct Buckets {
    family: Family,
    ask: HashLimit,
    price: Price,
    groups: Box<[Group]>,
    mask: u64,
    seed: u64,
}

impl Buckets {
    /// An empty one.
    pub(super) fn new(family: Family, ask: &HashLimit) -> Self {
        let room = if ask.max == 0 { ROOM.0 } else { ask.max.min(ROOM.1) };
        let room = (room as usize * 2).next_power_of_two().max(WAYS);
        Self {
            family,
            ask: ask.clone(),
            price: price(ask),
            groups: (0..room).map(|_| Group::default()).collect(),
            mask: (room / WAYS - 1) as u64,
            seed: super::seed(),
        }
    }

    /// Whether its groups are those that a rule asks for.
    pub(super) fn is_for(&self, ask: &HashLimit) -> bool {
        let plain = |ask: &HashLimit| HashLimit { above: false, ..ask.clone() };
        plain(&self.ask) == plain(ask)
    }

    /// The hash of what a packet has in common with its group; nothing where it has no ports to tell.
    fn tag(&self, view: &View<'_>) -> Option<u64> {
        let facts = view.facts();
        let bits = if self.family == Family::Four { 32 } else { 128 };
        let masked = |on: bool, address: u128, len: u8| {
            let drop = bits - u32::from(len).min(bits);
            if on { address.checked_shr(drop).unwrap_or(0) } else { 0 }
        };
        let src = masked(self.ask.by_source, facts.src, self.ask.source_mask);
        let dst = masked(self.ask.by_destination, facts.dst, self.ask.destination_mask);
        let mut ports = [0; 2];
        if self.ask.by_source_port || self.ask.by_destination_port {
            let skip = match facts.protocol {
                TCP | UDP | DCCP | ESP | SCTP | UDPLITE => Some(0),
                AH => Some(4),
                _ => None,
            };
            if facts.broken {
                return None;
            }
            if let Some(skip) = skip {
                let &[a, b, c, d] = view.l4().get(skip..)?.first_chunk()?;
                let port =
                    |on: bool, high, low| if on { u16::from_be_bytes([high, low]) } else { 0 };
                ports =
                    [port(self.ask.by_source_port, a, b), port(self.ask.by_destination_port, c, d)];
            }
        }
        Some(super::hash(self.seed, &[src, dst, u128::from(ports[0]) << 16 | u128::from(ports[1])]))
    }

    /// The group of a tag, made now if it was not there; nothing where there is no room.
    fn group(&self, tag: u64, tick: u64) -> Option<&Group> {
        let line = (tag >> 32 & self.mask) as usize * WAYS;
        let line = &self.groups[line..line + WAYS];
        let until = tick + u64::from(self.ask.expire).max(1);
        let is_over = |group: &Group| tick > group.until.load(Relaxed);
        if let Some(group) = line.iter().find(|group| group.tag.load(Relaxed) == tag) {
            if is_over(group) {
                self.fill(group, tick);
            }
            group.until.store(until, Relaxed);
            return Some(group);
        }
        for group in line {
            let had = group.tag.load(Relaxed);
            if had != 0 && had != tag && !is_over(group) {
                continue;
            }
            match group.tag.compare_exchange(had, tag, Relaxed, Relaxed) {
                Ok(had) if had == tag => {}
                Ok(_) => self.fill(group, tick),
                // Another worker has made it in this moment.
                Err(now) if now == tag => {}
                Err(_) => continue,
            }
            group.until.store(until, Relaxed);
            return Some(group);
        }
        None
    }

    fn fill(&self, group: &Group, tick: u64) {
        let (level, other) = match self.price {
            Price::Packets { .. } => (i64::MAX / 2, 0),
            Price::Bytes { burst, .. } => (i64::MAX / 2, burst),
            Price::Rate { .. } => (0, tick),
        };
        group.level.store(level, Relaxed);
        group.other.store(other, Relaxed);
    }

    /// Whether a packet's group has enough for it.
    pub(super) fn ask(&self, view: &View<'_>, above: bool, now: Nanos) -> Found {
        let tick = limit::tick(now);
        let Some(group) = self.tag(view).and_then(|tag| self.group(tag, tick as u64)) else {
            return Found::HotDrop;
        };
        let enough = match self.price {
            Price::Packets { cost, most } => {
                limit::take(&group.level, most, cost, tick.saturating_mul(EACH))
            }
            Price::Bytes { cost, .. } => bytes(group, cost, view.len(), tick),
            Price::Rate { .. } => self.rate(group, view.len(), tick as u64),
        };
        Found::of(enough != above)
    }

    fn rate(&self, group: &Group, len: usize, tick: u64) -> bool {
        let Price::Rate { rate, burst, ticks, bytes } = self.price else { return false };
        let began = group.other.load(Relaxed);
        let age = tick.saturating_sub(began);
        if age >= ticks && group.other.compare_exchange(began, tick, Relaxed, Relaxed).is_ok() {
            let seen = group.level.load(Relaxed) as u64 >> 1;
            let over = seen.saturating_mul(ticks) > age.saturating_mul(rate);
            group.level.store(i64::from(over), Relaxed);
        }
        let cost = if bytes { len as i64 } else { 1 };
        let before = group.level.fetch_add(cost * 2, Relaxed);
        before & 1 == 0 && (before / 2 + cost) as u64 <= burst
    }
}

/// Takes what a packet's bytes cost; a group that has not enough may be filled up some times at once.
fn bytes(group: &Group, cost: i64, len: usize, tick: i64) -> bool {
    let chunks = (len / CHUNK + 1) as i64;
    let cost = chunks.saturating_mul(cost).min(BYTES_EACH);
    let flown = tick.saturating_mul(BYTES_EACH / TICKS as i64);
    if limit::take(&group.level, BYTES_EACH, cost, flown) {
        return true;
    }
    let more = |left: u64| left.checked_sub(1);
    if group.other.fetch_update(Relaxed, Relaxed, more).is_err() {
        return false;
    }
    group.level.store(BYTES_EACH - flown, Relaxed);
    limit::take(&group.level, BYTES_EACH, cost, flown)
}

fn price(ask: &HashLimit) -> Price {
    let ticks = u64::from(ask.rate_interval) * TICKS;
    match ask.rate {
        HashRate::Packets { period, burst } if ask.rate_match => {
            let rate = 1_000_000_u64.checked_div(period).unwrap_or(0);
            Price::Rate { rate, burst: burst + rate, ticks, bytes: false }
        }
        HashRate::Packets { period, burst } => Price::Packets {
            cost: credits(period).unwrap_or(i64::MAX / 4),
            most: credits(period.saturating_mul(burst)).unwrap_or(i64::MAX / 4),
        },
        HashRate::Bytes { cost, burst } if ask.rate_match => {
            let units = u64::from(u32::MAX).checked_div(cost).unwrap_or(u32::MAX.into());
            let rate = units.saturating_sub(1) * CHUNK as u64;
            let burst = if burst == 0 { rate } else { burst.saturating_mul(rate) };
            Price::Rate { rate, burst, ticks, bytes: true }
        }
        HashRate::Bytes { cost, burst } => {
            let cost = (u128::from(cost) * BYTES_EACH as u128) >> 32;
            Price::Bytes { cost: i64::try_from(cost).unwrap_or(BYTES_EACH), burst }
        }
    }
}
