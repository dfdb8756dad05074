//! The steps of rules.
//!
//! - takes: a packet, the scratch of the rule
//! - gives: whether the rule goes on, or what becomes of the packet
//! - obeys: `nft_cmp`, `nft_bitwise`, `nft_range`, `nft_lookup`, `nft_objref`, `nft_dynset`, `nft_counter`,
//!   `nft_limit`, `nft_quota`, `nft_reject`, `nft_log`, `nft_nat`, `nft_masq`, `nft_redir`, `nft_dup`, `nft_queue`,
//!   `nft_synproxy`

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::{
    Cx, Family, SCRATCH, Then, hash,
    load::Load,
    set::{self, Data, Set},
    state::{Conns, Count, Limit, Quota, State},
    store::Store,
};
use crate::netfilter::{
    env::{Env, NatKind, NatRequest, Record, RecordKind},
    eval::{DropCause, Verdict},
    matches::Found,
    rule::{self, TableName},
    targets,
    view::ConnState,
};

/// What a rule says of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The next rule has it.
    Continue,
    /// It lets pass.
    Accept,
    /// It ends the packet.
    Drop,
    /// It goes back to where the chain was called.
    Return,
    /// It calls a chain.
    Jump(u32),
    /// It goes on in a chain.
    Goto(u32),
}

/// How two values compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cmp {
    /// Alike.
    Equal,
    /// Not alike.
    NotEqual,
    /// Below.
    Less,
    /// Not above.
    AtMost,
    /// Above.
    Greater,
    /// Not below.
    AtLeast,
}

/// An object that has a name.
#[derive(Clone, Debug)]
pub enum Object {
    /// It counts.
    Count(Arc<Count>),
    /// It limits; whether what is over passes.
    Limit(Arc<Limit>, bool),
    /// It limits all in all; whether what is over passes.
    Quota(Arc<Quota>, bool),
    /// It gives a connection a helper, by its number, of a protocol and a family.
    Helper(u16, u8, Option<bool>),
}

/// What is done to a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetUpdate {
    /// An element is added, and one that is there stays as it is.
    Add,
    /// An element is added, or its time begins anew.
    Update,
    /// An element is taken away.
    Delete,
}

/// Which translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NatWhat {
    /// `snat`
    Snat,
    /// `dnat`
    Dnat,
    /// `masquerade`
    Masquerade,
    /// `redirect`
    Redirect,
}

/// A translation; numbers are places in the scratch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NatOp {
    /// Which.
    pub what: NatWhat,
    /// Whether addresses are of IPv6.
    pub six: bool,
    /// First and last address.
    pub addresses: Option<(u8, u8)>,
    /// First and last port.
    pub ports: Option<(u8, u8)>,
    /// `random`
    pub random: bool,
    /// `fully-random`
    pub random_fully: bool,
    /// `persistent`
    pub persistent: bool,
    /// `prefix`: the part behind it stays.
    pub netmap: bool,
}

/// A step; numbers called `at` are places in the scratch.
#[derive(Debug)]
pub enum Op {
    /// Reads something.
    Load(Load, u8),
    /// Writes a value.
    Value(Box<[u8]>, u8),
    /// Keeps some bits and turns some.
    Bits {
        /// Where.
        at: u8,
        /// Bits that stay.
        and: Box<[u8]>,
        /// Bits that turn.
        xor: Box<[u8]>,
    },
    /// Joins what stands at two places: bits of both, of either, or of one alone.
    Join {
        /// Where, and where to.
        at: u8,
        /// The other.
        with: u8,
        /// Bytes of each.
        len: u8,
        /// How.
        how: Join,
    },
    /// Moves bits towards the front, or backwards.
    Shift {
        /// Where.
        at: u8,
        /// Bytes of it, 8 at most.
        len: u8,
        /// By so many; below zero backwards.
        by: i8,
    },
    /// Writes one of so many numbers, and the first of them, by a hash of a value: of its fields, each from a
    /// multiple of four bytes on as the kernel's registers have them, or of the packet's flow.
    Hash {
        /// Where the value stands, and of which fields it is; of none for the flow.
        of: (u8, super::Fields),
        /// Where the number goes.
        at: u8,
        /// How many.
        count: u32,
        /// The first.
        first: u32,
        /// What the hash begins with.
        seed: u32,
    },
    /// Goes on where a value compares so.
    Compare(u8, Cmp, Box<[u8]>),
    /// Goes on where a value is between two, or with `true` where it is not.
    Range(u8, bool, Box<[u8]>, Box<[u8]>),
    /// Goes on where a key is in a set, or with `true` where it is not.
    Lookup(Arc<Set>, u8, bool),
    /// Writes what a map says of a key to a place; goes on where it says something.
    Map(Arc<Set>, u8, u8),
    /// Does what a map says of a key.
    Vmap(Arc<Set>, u8),
    /// Asks the object that a map says of a key.
    Objects(Arc<Set>, u8),
    /// Changes a set.
    Update {
        /// Which.
        set: Arc<Set>,
        /// How.
        how: SetUpdate,
        /// The key.
        at: u8,
        /// What it says.
        data: u8,
        /// Nanoseconds that it stays, 0 for ever.
        timeout: u64,
        /// Whether the element is asked what it remembers.
        asks: bool,
    },
    /// Decides.
    Decide(Decision),
    /// Counts.
    Count(Arc<Count>),
    /// Limits; with `true` what is over goes on.
    Limit(Arc<Limit>, bool),
    /// Limits all in all; with `true` what is over goes on.
    Quota(Arc<Quota>, bool),
    /// Counts open connections; goes on with up to so many, or with more.
    Conns(Arc<Conns>, rule::Is<u32>),
    /// Asks an object.
    Object(Object),
    /// Writes a value.
    Store(Store, u8),
    /// Refuses; for both families what IPv4 and IPv6 are told.
    Reject(rule::Reject, rule::Reject),
    /// Tells of it.
    Log(Box<rule::Log>),
    /// The same, in another way.
    Nflog(Box<rule::Nflog>),
    /// The same, for who audits.
    Audit,
    /// Hands it over.
    Queue(rule::Nfqueue),
    /// Leaves it without a connection.
    NoTrack,
    /// What the connection that it makes begins with.
    Template(u16),
    /// Sends a copy to a neighbour, by an interface.
    Dup(IpAddr, Option<u16>),
    /// Answers for a server.
    Synproxy(rule::Synproxy),
    /// Translates.
    Nat(NatOp),
}

/// How two values are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// Bits of both.
    And,
    /// Bits of either.
    Or,
    /// Bits of one alone.
    Xor,
}

impl Op {
    /// Whether it asks for, or changes, connections.
    #[must_use]
    pub fn needs_tracking(&self) -> bool {
        match self {
            Self::Load(load, _) => load.needs_tracking(),
            Self::Store(store, _) => matches!(store, Store::ConnMark | Store::ConnLabel),
            Self::Nat(_) | Self::Template(_) | Self::Synproxy(_) | Self::Conns(..) => true,
            Self::Object(object) => matches!(object, Object::Helper(..)),
            _ => false,
        }
    }

    /// Whether all packets of an established flow of a family take it alike as long as the tables stay, of
    /// those that neither begin nor end anything and are of the same class
    /// ([`flowtable`](crate::netfilter::flowtable)); counting is made up for.
    pub(super) fn is_steady(&self, six: bool) -> bool {
        match self {
            Self::Load(load, _) => load.is_steady(six),
            Self::Lookup(set, ..) | Self::Map(set, ..) | Self::Vmap(set, _) => set.is_steady(),
            Self::Hash { of: (_, fields), .. } => !fields.is_empty(),
            Self::Value(..)
            | Self::Bits { .. }
            | Self::Join { .. }
            | Self::Shift { .. }
            | Self::Compare(..)
            | Self::Range(..)
            | Self::Decide(_)
            | Self::Count(_)
            | Self::Object(Object::Count(_))
            | Self::Store(Store::Mark, _) => true,
            _ => false,
        }
    }

    /// Takes the step.
    #[inline]
    pub(super) fn run<E: Env>(&self, cx: &mut Cx<'_, '_, '_, E>) -> Then {
        match self {
            Self::Load(load, at) => go(load.run(cx, usize::from(*at))),
            Self::Compare(at, how, value) => {
                go(compare(of(&cx.scratch, *at, value.len()), *how, value))
            }
            Self::Range(at, not, from, to) => {
                let own = of(&cx.scratch, *at, from.len());
                go((from.as_ref() <= own && own <= to.as_ref()) != *not)
            }
            Self::Lookup(set, at, not) => {
                let (now, len) = (cx.view.about.now, cx.view.len());
                let found = set.find(of(&cx.scratch, *at, set.key_len), now);
                let Some(found) = found else { return go(*not) };
                if *not {
                    return Then::Break;
                }
                go(asks(&found, cx.worker, len, now))
            }
            Self::Count(count) => {
                count.add(cx.worker, cx.view.len());
                Then::On
            }
            Self::Decide(decision) => Then::Do(*decision),
            Self::Vmap(set, at) => self.vmap(cx, set, *at),
            _ => self.run_rare(cx),
        }
    }

    fn vmap<E: Env>(&self, cx: &Cx<'_, '_, '_, E>, set: &Set, at: u8) -> Then {
        let now = cx.view.about.now;
        match set.find(of(&cx.scratch, at, set.key_len), now) {
            Some(found) if !asks(&found, cx.worker, cx.view.len(), now) => Then::Break,
            Some(set::Found::Element(element)) => match element.data {
                Data::Decision(decision) => Then::Do(decision),
                _ => Then::Break,
            },
            _ => Then::Break,
        }
    }

    #[inline(never)]
    fn run_rare<E: Env>(&self, cx: &mut Cx<'_, '_, '_, E>) -> Then {
        let now = cx.view.about.now;
        match self {
            Self::Value(value, at) => go(write(&mut cx.scratch, *at, value)),
            Self::Bits { at, and, xor } => {
                let from = usize::from(*at);
                let bytes = cx.scratch[from..].iter_mut();
                for ((byte, and), xor) in bytes.zip(and.iter()).zip(xor.iter()) {
                    *byte = *byte & and ^ xor;
                }
                Then::On
            }
            Self::Join { at, with, len, how } => {
                for step in 0..usize::from(*len) {
                    let (to, with) = (usize::from(*at) + step, usize::from(*with) + step);
                    if to >= SCRATCH || with >= SCRATCH {
                        return Then::Break;
                    }
                    let other = cx.scratch[with];
                    match how {
                        Join::And => cx.scratch[to] &= other,
                        Join::Or => cx.scratch[to] |= other,
                        Join::Xor => cx.scratch[to] ^= other,
                    }
                }
                Then::On
            }
            Self::Shift { at, len, by } => {
                let len = usize::from(*len).min(8);
                let own = of(&cx.scratch, *at, len);
                let number = own.iter().fold(0_u64, |all, byte| all << 8 | u64::from(*byte));
                let steps = u32::from(by.unsigned_abs());
                let moved = match *by < 0 {
                    true => number.checked_shr(steps),
                    false => number.checked_shl(steps),
                };
                let bytes = moved.unwrap_or(0).to_be_bytes();
                go(write(&mut cx.scratch, *at, &bytes[8 - len..]))
            }
            Self::Hash { of, at, count, first, seed } => {
                let hash = match of.1.is_empty() {
                    true => targets::flow_hash(cx.view),
                    false => hash::registers(&cx.scratch, of.0, &of.1, *seed),
                };
                let scaled = (u64::from(hash) * u64::from(*count)) >> 32;
                go(write(&mut cx.scratch, *at, &(scaled as u32).wrapping_add(*first).to_be_bytes()))
            }
            Self::Map(set, at, to) => self.map(cx, set, *at, *to),
            Self::Objects(set, at) => match set.find(of(&cx.scratch, *at, set.key_len), now) {
                Some(set::Found::Element(element)) => match &element.data {
                    Data::Object(object) => ask(object, cx),
                    _ => Then::Break,
                },
                _ => Then::Break,
            },
            Self::Update { .. } => self.update(cx),
            Self::Limit(limit, over) => go(limit.take(cx.view.len(), now) != *over),
            Self::Quota(quota, over) => go(quota.is_over(cx.view.len()) == *over),
            Self::Conns(conns, upto) => match conns.ask(cx.view, upto, cx.worker, cx.env) {
                Found::Hit => Then::On,
                Found::Miss => Then::Break,
                Found::HotDrop => Then::End(Verdict::Drop(DropCause::Malformed)),
            },
            Self::Object(object) => ask(object, cx),
            Self::Store(store, at) => go(store.run(cx, usize::from(*at))),
            Self::Reject(four, six) => Then::End(Verdict::Reject(match cx.view.facts().family {
                rule::Family::Four => *four,
                rule::Family::Six => *six,
            })),
            Self::Log(log) => tell(cx, RecordKind::Log(log)),
            Self::Nflog(log) => tell(cx, RecordKind::Nflog(log)),
            Self::Audit => tell(cx, RecordKind::Audit(rule::Audit::Accept)),
            Self::Queue(queue) => Then::End(Verdict::Queue {
                number: targets::queue_of(queue, cx.view, cx.worker),
                bypass: queue.bypass,
            }),
            Self::NoTrack => {
                // Who has a connection, or is to have none, stays so.
                if cx.view.about.conn.state == ConnState::None {
                    cx.view.about.conn.state = ConnState::Untracked;
                }
                Then::On
            }
            Self::Template(number) => {
                if cx.view.about.conn.state == ConnState::None {
                    cx.view.about.template = Some(cx.templates + number);
                }
                Then::On
            }
            Self::Dup(gateway, output) => {
                cx.env.tee(*gateway, *output, cx.view);
                Then::On
            }
            Self::Synproxy(proxy) => match cx.env.synproxy(proxy, cx.view) {
                // What is of no handshake goes on to the next step.
                Verdict::Accept => Then::On,
                verdict => Then::End(verdict),
            },
            Self::Nat(nat) => translate(cx, nat),
            Self::Load(..)
            | Self::Compare(..)
            | Self::Range(..)
            | Self::Lookup(..)
            | Self::Count(_)
            | Self::Decide(_)
            | Self::Vmap(..) => Then::Break,
        }
    }

    fn map<E: Env>(&self, cx: &mut Cx<'_, '_, '_, E>, set: &Set, at: u8, to: u8) -> Then {
        let (now, len) = (cx.view.about.now, cx.view.len());
        let Some(found) = set.find(of(&cx.scratch, at, set.key_len), now) else {
            return Then::Break;
        };
        if !asks(&found, cx.worker, len, now) {
            return Then::Break;
        }
        match found {
            set::Found::Element(element) => match &element.data {
                Data::Value(value) => go(write(&mut cx.scratch, to, value)),
                _ => Then::Break,
            },
            set::Found::Live(live) => {
                let mut value = [0; 24];
                live.data(&mut value);
                go(write(&mut cx.scratch, to, &value))
            }
        }
    }

    fn update<E: Env>(&self, cx: &mut Cx<'_, '_, '_, E>) -> Then {
        let Self::Update { set, how, at, data, timeout, asks } = self else { return Then::Break };
        let super::Elements::Live(table) = &set.elements else { return Then::Break };
        let now = cx.view.about.now;
        let key = of(&cx.scratch, *at, set.key_len);
        if *how == SetUpdate::Delete {
            table.remove(key, now);
            return Then::On;
        }
        let says = of(&cx.scratch, *data, table.data_len);
        // Without room the rule ends here.
        let Some((live, new)) = table.add(key, says, *timeout, now) else { return Then::Break };
        if *how == SetUpdate::Update && !new {
            live.renew(*timeout, now);
        }
        go(!*asks || live.ask(cx.view.len(), now))
    }
}

#[inline(always)]
fn go(on: bool) -> Then {
    if on { Then::On } else { Then::Break }
}

/// So many bytes of the scratch from a place on.
#[inline(always)]
fn of(scratch: &[u8; SCRATCH], at: u8, len: usize) -> &[u8] {
    let at = usize::from(at);
    scratch.get(at..at + len).unwrap_or_default()
}

fn write(scratch: &mut [u8; SCRATCH], at: u8, value: &[u8]) -> bool {
    let at = usize::from(at);
    match scratch.get_mut(at..at + value.len()) {
        Some(room) => {
            room.copy_from_slice(value);
            true
        }
        None => false,
    }
}

#[inline(always)]
fn compare(own: &[u8], how: Cmp, value: &[u8]) -> bool {
    match how {
        Cmp::Equal => own == value,
        Cmp::NotEqual => own != value,
        Cmp::Less => own < value,
        Cmp::AtMost => own <= value,
        Cmp::Greater => own > value,
        Cmp::AtLeast => own >= value,
    }
}

/// Asks what an element remembers; whether the rule goes on.
#[inline]
fn asks(found: &set::Found<'_>, worker: usize, bytes: usize, now: crate::graph::Nanos) -> bool {
    match found {
        set::Found::Live(live) => live.ask(bytes, now),
        set::Found::Element(element) => element.states.iter().all(|(state, over)| match state {
            State::Count(count) => {
                count.add(worker, bytes);
                true
            }
            State::Limit(limit) => limit.take(bytes, now) != *over,
            State::Quota(quota) => quota.is_over(bytes) == *over,
            State::Number(_) | State::Table(_) | State::Conns(_) => true,
        }),
    }
}

/// Asks an object.
fn ask<E: Env>(object: &Object, cx: &mut Cx<'_, '_, '_, E>) -> Then {
    let len = cx.view.len();
    match object {
        Object::Count(count) => {
            count.add(cx.worker, len);
            Then::On
        }
        Object::Limit(limit, over) => go(limit.take(len, cx.view.about.now) != *over),
        Object::Quota(quota, over) => go(quota.is_over(len) == *over),
        Object::Helper(number, protocol, six) => {
            let facts = cx.view.facts();
            let fits = facts.protocol == *protocol
                && six.is_none_or(|six| six == (facts.family == rule::Family::Six));
            let conn = cx.view.about.conn;
            if fits && conn.state.is_tracked() {
                cx.env.set_conn_helper(&conn, *number);
            }
            Then::On
        }
    }
}

fn tell<E: Env>(cx: &mut Cx<'_, '_, '_, E>, kind: RecordKind<'_>) -> Then {
    cx.env.record(&Record { table: TableName::Filter, hook: cx.hook, kind }, cx.view);
    Then::On
}

fn translate<E: Env>(cx: &mut Cx<'_, '_, '_, E>, nat: &NatOp) -> Then {
    let six = cx.view.facts().family == rule::Family::Six;
    if nat.addresses.is_some() && six != nat.six {
        return Then::On;
    }
    let port = |at: u8| {
        let bytes = of(&cx.scratch, at, 2).first_chunk().copied();
        u16::from_be_bytes(bytes.unwrap_or_default())
    };
    let address = |at: u8| match nat.six {
        false => IpAddr::V4(Ipv4Addr::from(
            of(&cx.scratch, at, 4).first_chunk::<4>().copied().unwrap_or_default(),
        )),
        true => IpAddr::V6(Ipv6Addr::from(
            of(&cx.scratch, at, 16).first_chunk::<16>().copied().unwrap_or_default(),
        )),
    };
    let addresses = nat.addresses.map(|(first, last)| (address(first), address(last)));
    let ports = nat.ports.map(|(first, last)| {
        let (first, last) = (port(first), port(last));
        rule::Span { first: first.min(last), last: first.max(last) }
    });
    let hook = cx.hook;
    let NatOp { random, random_fully, persistent, .. } = *nat;
    let verdict = match nat.what {
        NatWhat::Masquerade => {
            let how = rule::Masquerade { ports, random, random_fully };
            cx.env.nat(&NatRequest { hook, kind: NatKind::Masquerade(&how) }, cx.view)
        }
        NatWhat::Redirect => {
            let how = rule::Redirect { ports, random: random || random_fully };
            cx.env.nat(&NatRequest { hook, kind: NatKind::Redirect(&how) }, cx.view)
        }
        _ if nat.netmap => {
            let Some((first, last)) = addresses else { return Then::Break };
            let prefix = rule::Prefix { address: first, mask: mask(first, last) };
            cx.env.nat(&NatRequest { hook, kind: NatKind::Netmap(&prefix) }, cx.view)
        }
        what => {
            let addresses = addresses.map(|(first, last)| rule::Span { first, last });
            let how =
                rule::Nat { addresses, ports, base_port: None, random, random_fully, persistent };
            let kind = match what {
                NatWhat::Snat => NatKind::Snat(&how),
                _ => NatKind::Dnat(&how),
            };
            cx.env.nat(&NatRequest { hook, kind }, cx.view)
        }
    };
    Then::End(verdict)
}

/// The mask of a prefix of which these are the first and the last address.
fn mask(first: IpAddr, last: IpAddr) -> IpAddr {
    match (first, last) {
        (IpAddr::V4(a), IpAddr::V4(b)) => IpAddr::V4(Ipv4Addr::from(!(a.to_bits() ^ b.to_bits()))),
        (IpAddr::V6(a), IpAddr::V6(b)) => IpAddr::V6(Ipv6Addr::from(!(a.to_bits() ^ b.to_bits()))),
        (other, _) => other,
    }
}

/// Whether a family has one kind of addresses, and which.
impl Family {
    /// Whether all its packets are of IPv6, or of IPv4; nothing where it has both.
    #[must_use]
    pub const fn six(self) -> Option<bool> {
        match self {
            Self::Ip => Some(false),
            Self::Ip6 => Some(true),
            Self::Inet | Self::Netdev => None,
        }
    }
}
