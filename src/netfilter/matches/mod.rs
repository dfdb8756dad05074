//! What rules ask beyond addresses, interfaces and protocol.
//!
//! - takes: a packet, the time, what is around them
//! - gives: [`Test`], compiled of a [`Match`], and its answer, [`Found`]
//! - obeys: each file names the kernel's modules whose answers it gives
//! - costs: 32 bytes a test; what needs more lies in a box of its own

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{
    Arc,
    atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
};

pub(super) mod connlimit;
pub(super) mod hashlimit;
pub(super) mod limit;
pub(super) mod payload;
pub(super) mod recent;
pub(super) mod sctp;

mod conn;
mod header;
mod ports;
mod six;
mod time;
mod way;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_memory;
#[cfg(test)]
mod tests_six;

pub(super) use ports::step;

use super::env::{Env, SetAsk};
use super::eval::Site;
use super::memory::{Memory, Named};
use super::rule::{self, Family, Is, Masked, Match, Ruleset, Span, Statistic};
use super::view::View;
use crate::packet::ipv6::next_header;
use crate::publish::Apart;

/// What a match says of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It is so.
    Hit,
    /// It is not.
    Miss,
    /// The packet is not whole, and ends.
    HotDrop,
}

impl Found {
    /// So or not.
    #[inline]
    pub(super) fn of(holds: bool) -> Self {
        if holds { Self::Hit } else { Self::Miss }
    }
}

/// `connlimit` with what it has counted.
#[derive(Clone, Debug)]
pub(super) struct ConnLimit {
    ask: rule::ConnLimit,
    /// Shared with the rule's next program.
    pub(super) counted: Arc<connlimit::Counted>,
}

/// One question.
#[derive(Clone, Debug)]
pub(super) enum Test {
    Tcp(rule::Tcp),
    Udp(rule::Udp),
    Sctp(Box<sctp::Ask>),
    Dccp(Box<rule::Dccp>),
    Icmp(Is<rule::Icmp>),
    Icmp6(Is<rule::Icmp>),
    Multiport(Box<Is<rule::Multiport>>),
    State(Is<rule::CtStates>),
    Conntrack(Box<rule::Conntrack>),
    Mark(Is<Masked<u32>>),
    Connmark(Is<Masked<u32>>),
    ConnLabel(rule::ConnLabel),
    ConnBytes(Box<rule::ConnBytes>),
    ConnLimit(Box<ConnLimit>),
    Tos(Is<Masked<u8>>),
    Ecn(rule::Ecn),
    Ttl(rule::Compare),
    Length(Is<Span<u16>>),
    Limit(Arc<limit::Bucket>),
    HashLimit(bool, Arc<hashlimit::Buckets>),
    Recent(Box<(rule::Recent, Arc<recent::List>)>),
    Set(Box<rule::SetMatch>),
    IpRange(Box<rule::IpRange>),
    Mac(Is<[u8; 6]>),
    AddrType(rule::AddrType),
    PacketType(Is<rule::PacketType>),
    RpFilter(rule::RpFilter),
    Time(Box<rule::Time>),
    Text(Box<payload::Text>),
    U32(Box<Is<rule::U32>>),
    Random(Is<u32>),
    Nth(bool, u32, Arc<Apart<AtomicU32>>),
    Helper(Box<Is<String>>),
    Frag(Box<rule::Frag>),
    Ipv6Header(rule::Ipv6Header),
    Rt(Box<rule::Rt>),
    Options(u8, Box<rule::ExtOptions>),
    Mobility(Is<Span<u8>>),
    Eui64,
    Ah4(Option<Is<Span<u32>>>),
    Ah6(Box<rule::Ah>),
    Esp(Is<Span<u32>>),
    Ipcomp(Is<Span<u32>>),
    Policy(Box<rule::IpsecPolicy>),
    Owner(Box<rule::Owner>),
    Quota(bool, Arc<Apart<AtomicU64>>),
    DevGroup(Box<rule::DevGroup>),
    Cpu(Is<u32>),
    Realm(Is<Masked<u32>>),
    TcpMss(Is<Span<u16>>),
}

const _: () = assert!(size_of::<Test>() <= 32);

impl Test {
    /// Its answer for a packet.
    #[inline]
    pub(super) fn ask<E: Env>(&self, view: &mut View<'_>, env: &mut E, site: &Site) -> Found {
        match self {
            Self::Tcp(ask) => ports::tcp(view, ask),
            Self::Udp(ask) => ports::udp(view, ask),
            Self::Multiport(ask) => ports::multiport(view, ask),
            Self::Icmp(ask) => ports::icmp(view, ask, Some(rule::Icmp::ANY)),
            Self::Icmp6(ask) => ports::icmp(view, ask, None),
            Self::State(ask) => conn::in_one_of(view, env, ask),
            Self::Mark(ask) => {
                Found::of(ask.holds(|bits| view.about.mark & bits.mask == bits.value))
            }
            Self::Conntrack(ask) => conn::conntrack(view, env, ask),
            Self::Connmark(ask) => conn::mark(view, env, ask),
            Self::Limit(bucket) => Found::of(bucket.take(view.about.now)),
            Self::Length(ask) => header::length(view, ask),
            _ => self.ask_rare(view, env, site),
        }
    }

    #[inline(never)]
    fn ask_rare<E: Env>(&self, view: &mut View<'_>, env: &mut E, site: &Site) -> Found {
        match self {
            Self::Sctp(ask) => sctp::ask(view, ask),
            Self::Dccp(ask) => ports::dccp(view, ask),
            Self::TcpMss(ask) => ports::tcpmss(view, ask),
            Self::Esp(ask) => ports::esp(view, ask),
            Self::Ipcomp(ask) => ports::ipcomp(view, ask),
            Self::Ah4(spi) => ports::ah(view, spi),
            Self::Ah6(ask) => six::ah(view, ask),
            Self::ConnLabel(ask) => conn::label(view, env, ask),
            Self::ConnBytes(ask) => conn::bytes(view, env, ask),
            Self::Helper(ask) => conn::helper(view, env, ask),
            Self::ConnLimit(limit) => limit.counted.ask(view, &limit.ask, site.worker, env),
            Self::Tos(ask) => Found::of(ports::masked8(ask, view.tos())),
            Self::Ecn(ask) => header::ecn(view, ask),
            Self::Ttl(ask) => header::ttl(view, ask),
            Self::IpRange(ask) => header::iprange(view, ask),
            Self::Mac(ask) => header::mac(view, ask),
            Self::PacketType(ask) => header::kind(view, ask),
            Self::DevGroup(ask) => header::group(view, env, ask),
            Self::Owner(ask) => header::owner(view, env, ask),
            Self::Policy(ask) => header::policy(view, env, ask),
            Self::AddrType(ask) => way::addrtype(view, env, ask),
            Self::RpFilter(ask) => way::rpfilter(view, env, ask),
            Self::HashLimit(above, buckets) => buckets.ask(view, *above, view.about.now),
            Self::Recent(recent) => recent.1.ask(view, &recent.0, view.about.now),
            Self::Set(ask) => set(view, env, ask),
            Self::Time(ask) => {
                let seconds = (view.about.wall / 1_000_000_000) as i64;
                Found::of(time::holds(ask, seconds, env.minutes_west().into()))
            }
            Self::Text(ask) => payload::text(view, ask),
            Self::U32(ask) => payload::u32(view, ask),
            Self::Random(ask) => {
                Found::of(ask.holds(|chance| env.random() & 0x7fff_ffff < *chance))
            }
            Self::Nth(not, every, seen) => {
                let next = |seen: u32| if seen == *every { 0 } else { seen + 1 };
                let before = seen.fetch_update(Relaxed, Relaxed, |seen| Some(next(seen)));
                Found::of(before.is_ok_and(|seen| next(seen) == 0) != *not)
            }
            Self::Quota(not, left) => {
                let len = view.len() as u64;
                // One that has not enough for a packet has none for a smaller one either.
                let rest = |left: u64| Some(left.saturating_sub(len));
                let before = left.fetch_update(Relaxed, Relaxed, rest);
                Found::of(before.is_ok_and(|left| left >= len) != *not)
            }
            Self::Frag(ask) => six::frag(view, ask),
            Self::Ipv6Header(ask) => six::ipv6header(view, ask),
            Self::Rt(ask) => six::rt(view, ask),
            Self::Options(number, ask) => six::options(view, ask, *number),
            Self::Mobility(ask) => six::mobility(view, ask),
            Self::Eui64 => six::eui64(view),
            Self::Cpu(ask) => Found::of(ask.holds(|cpu| *cpu as usize == site.worker)),
            Self::Realm(ask) => match env.realm(view) {
                Some(realm) => Found::of(ask.holds(|bits| realm & bits.mask == bits.value)),
                None => Found::Miss,
            },
            Self::Tcp(_)
            | Self::Udp(_)
            | Self::Multiport(_)
            | Self::Icmp(_)
            | Self::Icmp6(_)
            | Self::State(_)
            | Self::Mark(_)
            | Self::Conntrack(_)
            | Self::Connmark(_)
            | Self::Limit(_)
            | Self::Length(_) => Found::Miss,
        }
    }

    /// Whether a packet whose ports can be told may as well not be asked: nothing remembers that it
    /// was, and it never ends here.
    pub(super) fn is_harmless(&self) -> bool {
        match self {
            Self::Tcp(ask) => ask.option.is_none(),
            Self::Udp(_)
            | Self::Multiport(_)
            | Self::State(_)
            | Self::Conntrack(_)
            | Self::Mark(_)
            | Self::Connmark(_)
            | Self::Tos(_)
            | Self::Ttl(_)
            | Self::Length(_)
            | Self::IpRange(_)
            | Self::Mac(_)
            | Self::PacketType(_) => true,
            _ => false,
        }
    }

    /// Whether it asks about connections.
    pub(super) fn needs_tracking(&self) -> bool {
        matches!(
            self,
            Self::State(_)
                | Self::Conntrack(_)
                | Self::Connmark(_)
                | Self::ConnLabel(_)
                | Self::ConnBytes(_)
                | Self::ConnLimit(_)
                | Self::Helper(_)
        )
    }
}

impl Test {
    /// Whether all packets of an established flow get the same answer as long as the tables stay, of
    /// those that neither begin nor end anything and are of the same class ([`super::flowtable`]).
    pub(super) fn is_steady(&self) -> bool {
        let turns = |bits: &Is<rule::TcpFlags>| bits.value.mask & !rule::Tcp::TURNS == 0;
        match self {
            Self::Tcp(ask) => ask.option.is_none() && ask.flags.as_ref().is_none_or(turns),
            // Whether a connection is assured, and when it ends, changes with its packets.
            Self::Conntrack(ask) => ask.status.is_none() && ask.expire.is_none(),
            Self::Udp(_)
            | Self::Multiport(_)
            | Self::State(_)
            | Self::Mark(_)
            | Self::Tos(_)
            | Self::IpRange(_)
            | Self::AddrType(_)
            | Self::PacketType(_)
            | Self::RpFilter(_)
            | Self::DevGroup(_)
            | Self::Cpu(_)
            | Self::Realm(_) => true,
            _ => false,
        }
    }
}

fn set<E: Env>(view: &View<'_>, env: &mut E, ask: &rule::SetMatch) -> Found {
    let found = env.set_test(
        &SetAsk {
            return_nomatch: ask.return_nomatch,
            keep_counters: ask.keep_counters,
            keep_subcounters: ask.keep_subcounters,
            packets: ask.packets,
            bytes: ask.bytes,
            ..SetAsk::new(&ask.name.value, &ask.sides)
        },
        view,
    );
    Found::of(found != ask.name.not)
}

/// Makes tests of one rule's matches.
pub(super) struct Maker<'a> {
    /// Whose packets.
    pub(super) family: Family,
    /// How many workers there are.
    pub(super) workers: usize,
    /// What the rule's matches remembered, in order.
    pub(super) had: &'a [Memory],
    /// What they are to remember.
    pub(super) now: Vec<Memory>,
    /// What is shared by name, as it was.
    pub(super) had_named: &'a HashMap<String, Named>,
    /// As it will be.
    pub(super) named: &'a mut HashMap<String, Named>,
    /// All rules, as those that share a name must find room in one place.
    pub(super) all: &'a Ruleset,
}

impl Maker<'_> {
    /// What the next match that remembers had, or what it begins with.
    fn memory(&mut self, begin: impl FnOnce(&Self) -> Memory) -> Memory {
        let had = self.had.get(self.now.len()).cloned();
        let memory = had.unwrap_or_else(|| begin(self));
        self.now.push(memory.clone());
        memory
    }

    /// The test of a match, unless it asks nothing.
    pub(super) fn test(&mut self, asked: &Match) -> Option<Test> {
        Some(match asked {
            Match::Comment(_) => return None,
            Match::Tcp(ask) => Test::Tcp(*ask),
            Match::Udp(ask) | Match::UdpLite(ask) => Test::Udp(*ask),
            Match::Sctp(ask) => Test::Sctp(Box::new(sctp::Ask::new(ask))),
            Match::Dccp(ask) => Test::Dccp(Box::new(*ask)),
            Match::Icmp(ask) => Test::Icmp(*ask),
            Match::Icmp6(ask) => Test::Icmp6(*ask),
            Match::Multiport(ask) => Test::Multiport(Box::new(ask.clone())),
            Match::State(ask) => Test::State(*ask),
            Match::Conntrack(ask) => match ask.states {
                // What is asked for most often is kept small.
                Some(states) if only_states(ask) => Test::State(states),
                _ => Test::Conntrack(ask.clone()),
            },
            Match::Mark(ask) => Test::Mark(*ask),
            Match::Connmark(ask) => Test::Connmark(*ask),
            Match::ConnLabel(ask) => Test::ConnLabel(ask.clone()),
            Match::ConnBytes(ask) => Test::ConnBytes(Box::new(*ask)),
            Match::Dscp(ask) => {
                let value = Masked { value: ask.value << 2, mask: 0xfc };
                Test::Tos(Is { not: ask.not, value })
            }
            Match::Tos(ask) => Test::Tos(*ask),
            Match::Ecn(ask) => Test::Ecn(*ask),
            Match::Ttl(ask) | Match::HopLimit(ask) => Test::Ttl(*ask),
            Match::Length(ask) => Test::Length(*ask),
            Match::Set(ask) => Test::Set(Box::new(ask.clone())),
            Match::IpRange(ask) => Test::IpRange(Box::new(*ask)),
            Match::Mac(ask) => Test::Mac(*ask),
            Match::AddrType(ask) => Test::AddrType(*ask),
            Match::PacketType(ask) => Test::PacketType(*ask),
            Match::RpFilter(ask) => Test::RpFilter(*ask),
            Match::Time(ask) => Test::Time(Box::new(*ask)),
            Match::String(ask) => Test::Text(Box::new(payload::Text::new(ask))),
            Match::U32(ask) => Test::U32(Box::new(ask.clone())),
            Match::Helper(ask) => Test::Helper(Box::new(ask.clone())),
            Match::Frag(ask) => Test::Frag(Box::new(*ask)),
            Match::Ipv6Header(ask) => Test::Ipv6Header(*ask),
            Match::Rt(ask) => Test::Rt(Box::new(ask.clone())),
            Match::HopByHop(ask) => Test::Options(next_header::HOP_BY_HOP, Box::new(ask.clone())),
            Match::DestinationOptions(ask) => {
                Test::Options(next_header::DESTINATION, Box::new(ask.clone()))
            }
            Match::Mobility(ask) => Test::Mobility(*ask),
            Match::Eui64 => Test::Eui64,
            Match::Ah(ask) if self.family == Family::Four => Test::Ah4(ask.spi),
            Match::Ah(ask) => Test::Ah6(Box::new(*ask)),
            Match::Esp(ask) => Test::Esp(*ask),
            Match::Ipcomp(ask) => Test::Ipcomp(*ask),
            Match::Policy(ask) => Test::Policy(Box::new(ask.clone())),
            Match::Owner(ask) => Test::Owner(Box::new(*ask)),
            Match::DevGroup(ask) => Test::DevGroup(Box::new(*ask)),
            Match::Cpu(ask) => Test::Cpu(*ask),
            Match::Realm(ask) => Test::Realm(*ask),
            Match::TcpMss(ask) => Test::TcpMss(*ask),
            Match::Limit(_)
            | Match::HashLimit(_)
            | Match::Recent(_)
            | Match::Statistic(_)
            | Match::Quota(_)
            | Match::ConnLimit(_) => return self.remembering(asked),
        })
    }

    fn remembering(&mut self, asked: &Match) -> Option<Test> {
        match asked {
            Match::Limit(ask) => {
                let begin = |_: &Self| Memory::Limit(Arc::new(limit::Bucket::new(ask)));
                let Memory::Limit(bucket) = self.memory(begin) else { return None };
                Some(Test::Limit(bucket))
            }
            Match::Quota(ask) => {
                let begin = |_: &Self| Memory::Quota(Arc::new(Apart(ask.value.bytes.into())));
                let Memory::Quota(left) = self.memory(begin) else { return None };
                Some(Test::Quota(ask.not, left))
            }
            Match::Statistic(ask) => match ask.value {
                Statistic::Random { probability } => {
                    Some(Test::Random(Is { not: ask.not, value: probability }))
                }
                Statistic::Nth { every, packet } => {
                    let before = every.saturating_sub(packet);
                    let begin = |_: &Self| Memory::Nth(Arc::new(Apart(before.into())));
                    let Memory::Nth(seen) = self.memory(begin) else { return None };
                    Some(Test::Nth(ask.not, every, seen))
                }
            },
            Match::ConnLimit(ask) => {
                let begin = |maker: &Self| {
                    Memory::ConnLimit(Arc::new(connlimit::Counted::new(maker.workers)))
                };
                let Memory::ConnLimit(counted) = self.memory(begin) else { return None };
                Some(Test::ConnLimit(Box::new(ConnLimit { ask: *ask, counted })))
            }
            Match::HashLimit(ask) => {
                let key = format!("hashlimit {}", ask.name);
                let is_for = |had: &Named| matches!(had, Named::HashLimit(had) if had.is_for(ask));
                let begin =
                    || Named::HashLimit(Arc::new(hashlimit::Buckets::new(self.family, ask)));
                let named = self.named.entry(key.clone()).or_insert_with(|| {
                    self.had_named
                        .get(&key)
                        .filter(|had| is_for(had))
                        .cloned()
                        .unwrap_or_else(begin)
                });
                let Named::HashLimit(buckets) = named else { return None };
                Some(Test::HashLimit(ask.above, buckets.clone()))
            }
            Match::Recent(ask) => {
                let key = format!("recent {}", ask.name);
                let times = most_hits(self.all, &ask.name);
                let is_for =
                    |had: &Named| matches!(had, Named::Recent(had) if had.is_for(ask, times));
                let begin = || Named::Recent(Arc::new(recent::List::new(self.family, ask, times)));
                let named = self.named.entry(key.clone()).or_insert_with(|| {
                    self.had_named
                        .get(&key)
                        .filter(|had| is_for(had))
                        .cloned()
                        .unwrap_or_else(begin)
                });
                let Named::Recent(list) = named else { return None };
                Some(Test::Recent(Box::new((ask.clone(), list.clone()))))
            }
            _ => None,
        }
    }
}

/// Whether a connection is asked for its state alone.
fn only_states(ask: &rule::Conntrack) -> bool {
    rule::Conntrack { states: None, ..*ask } == rule::Conntrack::default()
}

/// How often at most a rule wants to have seen an address of a list.
fn most_hits(all: &Ruleset, name: &str) -> u32 {
    let rules = all.tables.iter().flat_map(|table| &table.chains).flat_map(|chain| &chain.rules);
    let hits = rules.flat_map(|rule| &rule.matches).filter_map(|asked| match asked {
        Match::Recent(recent) if recent.name == name => Some(recent.hit_count),
        _ => None,
    });
    hits.max().unwrap_or(0)
}

/// A number that nobody can foresee.
fn seed() -> u64 {
    RandomState::new().hash_one(0_u8)
}

/// Bits of the golden ratio and of the square root of two.
const MIX: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0x6a09_e667_f3bc_c909];

/// A hash that is never 0.
#[inline]
fn hash(seed: u64, words: &[u128]) -> u64 {
    let mut state = seed;
    for word in words {
        for half in [*word as u64, (*word >> 64) as u64] {
            let wide = u128::from(state ^ half ^ MIX[0]) * u128::from(MIX[1]);
            state = wide as u64 ^ (wide >> 64) as u64;
            state = state.rotate_left(29) ^ seed;
        }
    }
    state.max(1)
}
