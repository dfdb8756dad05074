//! What rules read: headers, what goes with a packet, its connection, its way.
//!
//! - takes: a packet, what is around it
//! - gives: bytes in a rule's scratch, highest first; nothing where there is nothing to read
//! - obeys: `nft_payload`, `nft_meta`, `nft_ct`, `nft_fib`, `nft_rt`, `nft_exthdr`, `nft_numgen`, `nft_hash`

use std::net::IpAddr;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use super::{Cx, Family, packet};
use crate::netfilter::{
    env::{ConnFacts, Env, ReversePath},
    rule,
    view::{ConnState, PacketKind},
};
use crate::packet::ipv6::address;
use crate::publish::Apart;

/// From where the place of a field counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Base {
    /// The link layer's header.
    Link,
    /// The network layer's.
    Network,
    /// The transport layer's.
    Transport,
    /// What is behind that.
    Inner,
}

/// What goes with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MetaKey {
    /// `length`
    Length,
    /// `protocol`
    Protocol,
    /// `nfproto`
    NfProto,
    /// `l4proto`
    L4Proto,
    /// `mark`
    Mark,
    /// `priority`
    Priority,
    /// `iif`
    Iif,
    /// `oif`
    Oif,
    /// `iifname`
    IifName,
    /// `oifname`
    OifName,
    /// `iifgroup`
    IifGroup,
    /// `oifgroup`
    OifGroup,
    /// `pkttype`
    PacketType,
    /// `cpu`
    Cpu,
    /// `random`
    Random,
    /// `time`: nanoseconds since 1970.
    Time,
    /// `day`: of the week, Sunday is 0.
    Day,
    /// `hour`: seconds since midnight.
    Hour,
    /// `rtclassid`
    Realm,
    /// `skuid`, `skgid` and what else only sockets have.
    Socket,
    /// `secpath`: whether IPsec had it.
    Ipsec,
}

/// What is known of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnKey {
    /// `state`
    State,
    /// `direction`
    Direction,
    /// `status`
    Status,
    /// `mark`
    Mark,
    /// `expiration`: milliseconds.
    Expiration,
    /// `helper`
    Helper,
    /// `label`
    Label,
    /// `l3proto`
    L3Proto,
    /// `protocol`
    Protocol,
    /// `saddr`
    Saddr,
    /// `daddr`
    Daddr,
    /// `proto-src`
    ProtoSrc,
    /// `proto-dst`
    ProtoDst,
    /// `packets`
    Packets,
    /// `bytes`
    Bytes,
    /// `avgpkt`
    AvgPkt,
    /// `zone`
    Zone,
}

/// What is asked of the routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FibResult {
    /// Whether the way to an address leads by the packet's interface.
    Exists,
    /// The kind of the address.
    Type,
}

/// What is asked of a packet's route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RtKey {
    /// `mtu`: the largest segment that fits its way and the way back.
    Mtu,
}

/// Something to read.
#[derive(Clone, Debug)]
pub enum Load {
    /// Bits of a header.
    Payload {
        /// Which.
        base: Base,
        /// The first bit.
        bit: u32,
        /// How many.
        bits: u32,
    },
    /// What goes with the packet.
    Meta(MetaKey),
    /// Of its connection; with a direction of that one.
    Conn(ConnKey, Option<bool>, u8),
    /// Of the routes.
    Fib {
        /// What.
        result: FibResult,
        /// Of the source, not the destination.
        source: bool,
        /// As the interface that the packet came by knows it.
        input: bool,
        /// As the interface that it leaves by knows it.
        output: bool,
        /// With its mark.
        mark: bool,
    },
    /// Of its route.
    Route(RtKey),
    /// Bits of an option of TCP.
    TcpOption(u8, u32, u32),
    /// Whether there is such an option.
    HasTcpOption(u8),
    /// Bits of an option of IPv4.
    IpOption(u8, u32, u32),
    /// Whether there is such an option.
    HasIpOption(u8),
    /// Bits of an extension header of IPv6.
    Extension(u8, u32, u32),
    /// Whether there is such a header.
    HasExtension(u8),
    /// The next of so many numbers, and the first of them.
    Next(Arc<Apart<AtomicU64>>, u32, u32),
    /// Any of so many numbers, and the first of them.
    Any(u32, u32),
}

impl Load {
    /// Whether it is the same for all packets of a flow; see [`Op::is_steady`](super::Op).
    pub(super) fn is_steady(&self, six: bool) -> bool {
        match self {
            // Version, class and label; protocol; addresses.
            Self::Payload { base: Base::Network, bit, bits } => {
                let parts: &[_] =
                    if six { &[0..32, 48..56, 64..320] } else { &[0..16, 72..80, 96..160] };
                parts.iter().any(|part| part.start <= *bit && bit + bits <= part.end)
            }
            // Ports.
            Self::Payload { base: Base::Transport, bit, bits } => bit + bits <= 32,
            Self::Meta(key) => matches!(
                key,
                MetaKey::Protocol
                    | MetaKey::NfProto
                    | MetaKey::L4Proto
                    | MetaKey::Mark
                    | MetaKey::Iif
                    | MetaKey::Oif
                    | MetaKey::IifName
                    | MetaKey::OifName
                    | MetaKey::IifGroup
                    | MetaKey::OifGroup
                    | MetaKey::PacketType
                    | MetaKey::Cpu
                    | MetaKey::Realm
            ),
            Self::Conn(key, ..) => matches!(
                key,
                ConnKey::State
                    | ConnKey::Direction
                    | ConnKey::L3Proto
                    | ConnKey::Protocol
                    | ConnKey::Saddr
                    | ConnKey::Daddr
                    | ConnKey::ProtoSrc
                    | ConnKey::ProtoDst
                    | ConnKey::Zone
            ),
            Self::Fib { .. } => true,
            _ => false,
        }
    }

    /// Bytes that it fills.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Payload { bits, .. }
            | Self::TcpOption(_, _, bits)
            | Self::IpOption(_, _, bits)
            | Self::Extension(_, _, bits) => bits.div_ceil(8) as usize,
            Self::Meta(key) => match key {
                MetaKey::Protocol => 2,
                MetaKey::NfProto
                | MetaKey::L4Proto
                | MetaKey::PacketType
                | MetaKey::Day
                | MetaKey::Ipsec => 1,
                MetaKey::IifName | MetaKey::OifName => 16,
                MetaKey::Time => 8,
                _ => 4,
            },
            Self::Conn(key, _, len) => match key {
                ConnKey::State | ConnKey::Status | ConnKey::Mark | ConnKey::Expiration => 4,
                ConnKey::Direction | ConnKey::L3Proto | ConnKey::Protocol => 1,
                ConnKey::Helper | ConnKey::Label => 16,
                ConnKey::Saddr | ConnKey::Daddr => usize::from(*len),
                ConnKey::ProtoSrc | ConnKey::ProtoDst | ConnKey::Zone => 2,
                ConnKey::Packets | ConnKey::Bytes | ConnKey::AvgPkt => 8,
            },
            Self::Fib { result: FibResult::Exists, .. }
            | Self::HasTcpOption(_)
            | Self::HasIpOption(_)
            | Self::HasExtension(_) => 1,
            Self::Fib { .. } => 4,
            Self::Route(_) => 2,
            Self::Next(..) | Self::Any(..) => 4,
        }
    }

    /// Whether it fills nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it asks for a connection.
    #[must_use]
    pub const fn needs_tracking(&self) -> bool {
        matches!(self, Self::Conn(..))
    }

    /// Reads it to a place of the scratch; whether there was something to read.
    #[inline]
    pub(super) fn run<E: Env>(&self, cx: &mut Cx<'_, '_, '_, E>, at: usize) -> bool {
        let len = self.len();
        match self {
            Self::Payload { base, bit, bits } if bit % 8 == 0 && bits % 8 == 0 => {
                let Cx { view, scratch, .. } = cx;
                let Some(bytes) = packet::bytes(view, *base, *bit as usize / 8, len) else {
                    return false;
                };
                put(scratch, at, bytes)
            }
            Self::Payload { base, bit, bits } => {
                let (from, first) = (*bit as usize / 8, bit % 8);
                let span = (first + bits).div_ceil(8) as usize;
                let Some(bytes) = packet::bytes(cx.view, *base, from, span) else { return false };
                number(&mut cx.scratch, at, len, part(bytes, first, *bits))
            }
            Self::Meta(key) => meta(cx, *key, at, len),
            Self::Conn(key, reply, _) => conn(cx, *key, *reply, at, len),
            Self::Fib { .. } => self.fib(cx, at, len),
            Self::Route(RtKey::Mtu) => {
                let four = cx.view.facts().family == rule::Family::Four;
                let least = if four { 40 } else { 60 };
                let mtus = [cx.env.path_mtu(cx.view), cx.env.reverse_mtu(cx.view)];
                let mtu = mtus.into_iter().flatten().min();
                let Some(mss) = mtu.and_then(|mtu| mtu.checked_sub(least)) else { return false };
                number(&mut cx.scratch, at, len, u64::from(mss.min(0xffff)))
            }
            Self::TcpOption(kind, bit, bits) => {
                let found = packet::tcp_option(cx.view, *kind);
                option(cx, found, *bit, *bits, at, len)
            }
            Self::IpOption(kind, bit, bits) => {
                let found = packet::ip_option(cx.view, *kind);
                option(cx, found, *bit, *bits, at, len)
            }
            Self::HasTcpOption(kind) => {
                let has = packet::tcp_option(cx.view, *kind).is_some();
                number(&mut cx.scratch, at, len, has.into())
            }
            Self::HasIpOption(kind) => {
                let has = packet::ip_option(cx.view, *kind).is_some();
                number(&mut cx.scratch, at, len, has.into())
            }
            Self::HasExtension(which) => {
                let has = packet::extension(cx.view, *which).is_some();
                number(&mut cx.scratch, at, len, has.into())
            }
            Self::Extension(which, bit, bits) => {
                let found = packet::extension(cx.view, *which).map(|at| (at, usize::MAX));
                option(cx, found, *bit, *bits, at, len)
            }
            Self::Next(last, count, first) => {
                let next =
                    |last: u64| Some(if last + 1 < u64::from(*count) { last + 1 } else { 0 });
                let before = last.fetch_update(Relaxed, Relaxed, next).unwrap_or(0);
                let now = next(before).unwrap_or(0);
                number(&mut cx.scratch, at, len, now + u64::from(*first))
            }
            Self::Any(count, first) => {
                let any = (u64::from(cx.env.random()) * u64::from(*count)) >> 32;
                number(&mut cx.scratch, at, len, any + u64::from(*first))
            }
        }
    }

    fn fib<E: Env>(&self, cx: &mut Cx<'_, '_, '_, E>, at: usize, len: usize) -> bool {
        let Self::Fib { result, source, input, output, mark } = self else { return false };
        let facts = *cx.view.facts();
        let about = cx.view.about;
        let (to, from) = match source {
            true => (facts.source(), facts.destination()),
            false => (facts.destination(), facts.source()),
        };
        let value = match result {
            FibResult::Type => {
                let iface = match (input, output) {
                    (true, _) => Some(about.input),
                    (_, true) => Some(about.output),
                    _ => None,
                };
                kind_of(cx.env.address_types(to, iface), to)
            }
            FibResult::Exists => {
                let ask = ReversePath {
                    to,
                    from: Some(from),
                    iface: if *output { about.output } else { about.input },
                    mark: if *mark { about.mark } else { 0 },
                    tos: 0,
                    flow: 0,
                    loose: !*input && !*output,
                    accept_local: true,
                };
                // Nothing comes from nowhere, and what comes to all has no way of its own.
                let looped = cx.env.is_loopback(about.input);
                u64::from(looped || is_link_local(to) || cx.env.reverse_path(&ask))
            }
        };
        number(&mut cx.scratch, at, len, value)
    }
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(six) if address::is_link_local(six.to_bits()))
}

/// The number of a kind of address as rtnetlink has it, of bits of [`rule::AddrTypes`].
fn kind_of(types: u16, address: IpAddr) -> u64 {
    // An address of IPv6 is of several kinds at once: the one that is not plain counts.
    let special = if address.is_ipv6() && types & !2 != 0 { types & !2 } else { types };
    u64::from(special.checked_ilog2().unwrap_or(0))
}

/// Writes bytes.
fn put(scratch: &mut [u8], at: usize, bytes: &[u8]) -> bool {
    match scratch.get_mut(at..at + bytes.len()) {
        Some(room) => {
            room.copy_from_slice(bytes);
            true
        }
        None => false,
    }
}

/// Writes a number in so many bytes.
pub(super) fn number(scratch: &mut [u8], at: usize, len: usize, value: u64) -> bool {
    let bytes = value.to_be_bytes();
    match len <= 8 {
        true => put(scratch, at, &bytes[8 - len..]),
        false => false,
    }
}

/// Some bits of a few bytes.
pub(super) fn part(bytes: &[u8], first: u32, bits: u32) -> u64 {
    let all = bytes.iter().take(9).fold(0_u128, |all, byte| all << 8 | u128::from(*byte));
    let behind = (bytes.len().min(9) as u32 * 8).saturating_sub(first + bits);
    (all >> behind) as u64 & (u64::MAX >> (64 - bits.clamp(1, 64)))
}

/// Bits behind a place that was found, which is so long.
fn option<E: Env>(
    cx: &mut Cx<'_, '_, '_, E>,
    found: Option<(usize, usize)>,
    bit: u32,
    bits: u32,
    at: usize,
    len: usize,
) -> bool {
    let Some((start, whole)) = found else { return false };
    let (from, first) = (bit as usize / 8, bit % 8);
    let span = (first + bits).div_ceil(8) as usize;
    if from + span > whole {
        return false;
    }
    let Some(bytes) = cx.view.bytes().get(start + from..start + from + span) else { return false };
    if bit.is_multiple_of(8) && bits.is_multiple_of(8) {
        return put(&mut cx.scratch, at, bytes);
    }
    number(&mut cx.scratch, at, len, part(bytes, first, bits))
}

fn meta<E: Env>(cx: &mut Cx<'_, '_, '_, E>, key: MetaKey, at: usize, len: usize) -> bool {
    let about = &cx.view.about;
    let facts = cx.view.facts();
    let seconds = about.wall / 1_000_000_000;
    // What rules call local time.
    let local = || (seconds as i64 - i64::from(cx.env.minutes_west()) * 60).max(0) as u64;
    let value: u64 = match key {
        MetaKey::Length => cx.view.len() as u64,
        MetaKey::Protocol => packet::ethertype(cx.view, cx.family).into(),
        MetaKey::NfProto => match (cx.family, facts.family) {
            (Family::Netdev, _) => 5,
            (_, rule::Family::Four) => 2,
            (_, rule::Family::Six) => 10,
        },
        MetaKey::L4Proto if packet::has_protocol(cx.view) => packet::transport(cx.view).0.into(),
        MetaKey::Mark => about.mark.into(),
        MetaKey::Priority => about.priority.into(),
        MetaKey::Iif => about.input.into(),
        MetaKey::Oif => about.output.into(),
        MetaKey::IifName => return put(&mut cx.scratch, at, cx.program.name(about.input)),
        MetaKey::OifName => return put(&mut cx.scratch, at, cx.program.name(about.output)),
        MetaKey::IifGroup if about.input != 0 => cx.env.group(about.input).into(),
        MetaKey::OifGroup if about.output != 0 => cx.env.group(about.output).into(),
        MetaKey::PacketType => match about.kind {
            PacketKind::Host => 0,
            PacketKind::Broadcast => 1,
            PacketKind::Multicast => 2,
            PacketKind::Other => 3,
        },
        MetaKey::Cpu => cx.worker as u64,
        MetaKey::Random => cx.env.random().into(),
        MetaKey::Time => about.wall,
        // The first of January 1970 was a Thursday.
        MetaKey::Day => (local() / 86_400 + 4) % 7,
        MetaKey::Hour => local() % 86_400,
        MetaKey::Realm => match cx.env.realm(cx.view) {
            Some(realm) => realm.into(),
            None => return false,
        },
        MetaKey::Ipsec => 0,
        MetaKey::L4Proto | MetaKey::IifGroup | MetaKey::OifGroup | MetaKey::Socket => return false,
    };
    number(&mut cx.scratch, at, len, value)
}

/// Bits of `ct state`.
fn state_bits(state: ConnState) -> u64 {
    match state {
        ConnState::None => 1,
        ConnState::Established | ConnState::EstablishedReply => 2,
        ConnState::Related | ConnState::RelatedReply => 4,
        ConnState::New => 8,
        ConnState::Untracked => 64,
    }
}

fn conn<E: Env>(
    cx: &mut Cx<'_, '_, '_, E>,
    key: ConnKey,
    reply: Option<bool>,
    at: usize,
    len: usize,
) -> bool {
    let conn = cx.view.about.conn;
    if key == ConnKey::State {
        return number(&mut cx.scratch, at, len, state_bits(conn.state));
    }
    if !conn.state.is_tracked() {
        return false;
    }
    if key == ConnKey::Mark {
        let Some(mark) = cx.env.conn_mark(&conn) else { return false };
        return number(&mut cx.scratch, at, len, mark.into());
    }
    let Some(facts) = cx.env.conn(&conn) else { return false };
    let value = match key {
        ConnKey::Direction => conn.state.is_reply().into(),
        ConnKey::Status => facts.status.into(),
        ConnKey::Expiration => u64::from(facts.expires) * 1000,
        ConnKey::L3Proto => match facts.original[0].address {
            IpAddr::V4(_) => 2,
            IpAddr::V6(_) => 10,
        },
        ConnKey::Protocol => facts.protocol.into(),
        ConnKey::Zone => match cx.env.conn_zone(&conn, reply) {
            Some(zone) => zone.into(),
            None => return false,
        },
        ConnKey::Label => {
            let labels = facts.labels.unwrap_or(0).to_be_bytes();
            return put(&mut cx.scratch, at, &labels);
        }
        ConnKey::Helper => {
            let Some(name) = cx.env.helper(&conn) else { return false };
            let mut field = [0; 16];
            let len = name.len().min(16);
            field[..len].copy_from_slice(&name.as_bytes()[..len]);
            return put(&mut cx.scratch, at, &field);
        }
        ConnKey::Saddr | ConnKey::Daddr | ConnKey::ProtoSrc | ConnKey::ProtoDst => {
            let ends = if reply == Some(true) { facts.reply } else { facts.original };
            let end = ends[usize::from(matches!(key, ConnKey::Daddr | ConnKey::ProtoDst))];
            if matches!(key, ConnKey::ProtoSrc | ConnKey::ProtoDst) {
                return number(&mut cx.scratch, at, len, end.port.into());
            }
            return match end.address {
                IpAddr::V4(four) => len == 4 && put(&mut cx.scratch, at, &four.octets()),
                IpAddr::V6(six) => len == 16 && put(&mut cx.scratch, at, &six.octets()),
            };
        }
        ConnKey::Packets | ConnKey::Bytes | ConnKey::AvgPkt => counted(&facts, key, reply),
        ConnKey::State | ConnKey::Mark => return false,
    };
    number(&mut cx.scratch, at, len, value)
}

/// What was counted of a connection, in a direction or in both.
fn counted(facts: &ConnFacts, key: ConnKey, reply: Option<bool>) -> u64 {
    let Some(counts) = facts.counts else { return 0 };
    let of = |get: fn(&rule::Counters) -> u64| match reply {
        Some(reply) => get(&counts[usize::from(reply)]),
        None => counts.iter().map(get).sum(),
    };
    let (packets, bytes) = (of(|one| one.packets), of(|one| one.bytes));
    match key {
        ConnKey::Packets => packets,
        ConnKey::Bytes => bytes,
        _ => bytes.checked_div(packets).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_taken_out_of_bytes() {
        assert_eq!(part(&[0x45], 0, 4), 4);
        assert_eq!(part(&[0x45], 4, 4), 5);
        assert_eq!(part(&[0x6a, 0xbc], 4, 8), 0xab);
        assert_eq!(part(&[0x60, 0x0f, 0xff, 0xff], 12, 20), 0xf_ffff);
        assert_eq!(part(&[0xff; 9], 4, 64), u64::MAX);
    }

    #[test]
    fn kinds_of_addresses_have_their_numbers() {
        let four: IpAddr = "10.0.0.1".parse().unwrap();
        let six: IpAddr = "2001:db8::1".parse().unwrap();
        assert_eq!([kind_of(2, four), kind_of(4, four), kind_of(8, four)], [1, 2, 3]);
        assert_eq!([kind_of(2 | 4, six), kind_of(2, six)], [2, 1]);
    }
}
