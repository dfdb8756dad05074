//! What rules learn of the world around a packet, and what they do to it.
//!
//! - takes: questions of matches and wishes of targets ([`Env`])
//! - gives: answers from the snapshot and from the worker's own connections
//! - obeys: `xt_addrtype`, `xt_set`, `ipt_rpfilter`, `ip6t_rpfilter`, `xt_conntrack`, as far as they look beyond a
//!   packet
//! - costs: what is asked, and nothing else

use std::net::IpAddr;

use super::{own::Maker, synproxy, translate};
use crate::{
    conntrack::{ConnId, Dir, helper::Helper, status, tuple::ICMPV6},
    dpdk::mempool::Pool,
    graph::{Nanos, Stats},
    netfilter::{
        Conn, ConnFacts, Endpoint, Env, NatRequest, Record, RecordKind, ReversePath, SetAsk,
        SetFound, Verdict, View,
        flows::Flows,
        flowtable::Counter,
        rule::{self, Family, Hook, SetCounter, SetSide},
    },
    packet::{
        Bits, Flow,
        ipv4::{self, protocol},
        ipv6::address,
    },
    route::table::HopKind,
    sets,
    tables::Tables,
};

/// The world around one packet.
pub(super) struct Around<'a> {
    pub(super) tables: &'a Tables,
    pub(super) own: &'a mut Flows,
    pub(super) pool: &'a Pool,
    pub(super) stats: &'a Stats,
    pub(super) now: Nanos,
    pub(super) hook: Hook,
    /// The hop that the packet takes, where it is known.
    pub(super) hop: u32,
    /// The interface that it belongs to.
    pub(super) iface: u16,
    pub(super) trace: u16,
    pub(super) six: bool,
    /// Whether it may be copied.
    pub(super) copies: bool,
    /// The counts that its flow raises, as far as they are known to be the same for all its packets.
    pub(super) path: Option<u16>,
}

/// Kinds of routes by their numbers in rtnetlink, as bits of [`rule::AddrTypes`].
mod types {
    pub(super) const UNSPEC: u16 = 1;
    pub(super) const UNICAST: u16 = 1 << 1;
    pub(super) const LOCAL: u16 = 1 << 2;
    pub(super) const BROADCAST: u16 = 1 << 3;
    pub(super) const ANYCAST: u16 = 1 << 4;
    pub(super) const MULTICAST: u16 = 1 << 5;
    pub(super) const BLACKHOLE: u16 = 1 << 6;
    pub(super) const UNREACHABLE: u16 = 1 << 7;
    pub(super) const PROHIBIT: u16 = 1 << 8;
    pub(super) const THROW: u16 = 1 << 9;
}

impl Around<'_> {
    /// Whether an address is an interface's own.
    fn has_address(&self, iface: u16, address: u32) -> bool {
        let own = self.tables.ifaces.get(iface);
        own.is_some_and(|own| own.addresses.iter().any(|own| own.local.addr().to_bits() == address))
    }

    fn types4(&self, address: u32, iface: Option<u16>) -> u16 {
        if ipv4::is_zeronet(address) || address == u32::MAX {
            return types::BROADCAST;
        }
        if ipv4::is_multicast(address) {
            return types::MULTICAST;
        }
        if ipv4::is_loopback(address) {
            return if iface.is_none() { types::LOCAL } else { types::UNICAST };
        }
        let vrf = self.tables.vrf(iface.unwrap_or(self.iface));
        let hop = self.tables.hops.get(self.tables.route(&Flow::out(address, vrf)));
        match hop.kind() {
            HopKind::Local if iface.is_none_or(|iface| self.has_address(iface, address)) => {
                types::LOCAL
            }
            HopKind::Broadcast if iface.is_none_or(|iface| hop.out().iface == iface) => {
                types::BROADCAST
            }
            _ => types::UNICAST,
        }
    }

    fn types6(&self, address: u128, iface: Option<u16>) -> u16 {
        if address == 0 {
            return types::UNSPEC;
        }
        if address::is_multicast(address) {
            return types::MULTICAST;
        }
        let at = iface.unwrap_or(self.iface);
        let mut found = types::UNICAST;
        if self.tables.owns6(at, address) {
            return found | types::LOCAL;
        }
        if self.tables.is_anycast6(at, address) {
            return found | types::ANYCAST;
        }
        let flow = Flow::<u128>::out(address, self.tables.vrf(at));
        found |= match self.tables.hops.get(self.tables.route6(&flow)).kind() {
            HopKind::Local => types::LOCAL,
            HopKind::Blackhole => types::BLACKHOLE,
            HopKind::Unreachable | HopKind::NetUnreachable | HopKind::NoRoute => types::UNREACHABLE,
            HopKind::Prohibit => types::PROHIBIT,
            HopKind::Throw => types::THROW,
            _ => 0,
        };
        found
    }

    /// The realms of the route that a hop is of.
    fn realms(&self, index: u32) -> u32 {
        let hop = self.tables.hops.get(index);
        if hop.kind() == HopKind::Group { 0 } else { hop.attrs().realms }
    }

    /// Whether a hop leaves by an interface.
    fn leads_to(&self, index: u32, iface: u16) -> bool {
        let hop = self.tables.hops.get(index);
        match hop.kind() {
            HopKind::Group => self
                .tables
                .hops
                .members(hop)
                .any(|member| self.tables.hops.get(member).out().iface == iface),
            _ => hop.out().iface == iface,
        }
    }

    fn leads_back(&self, index: u32, ask: &ReversePath) -> bool {
        match self.tables.hops.get(index).kind() {
            // With IPv4 the address has to be of the interface, as any other has to be behind it.
            HopKind::Local => match ask.to {
                IpAddr::V4(to) => {
                    ask.accept_local && (ask.loose || self.has_address(ask.iface, to.to_bits()))
                }
                IpAddr::V6(_) => ask.accept_local,
            },
            HopKind::Neighbour | HopKind::Link | HopKind::Group | HopKind::Sources => {
                ask.loose || self.leads_to(index, ask.iface)
            }
            _ => false,
        }
    }

    /// What of a packet elements of sets are made of.
    fn element<'b>(&'b self, view: &'b View<'_>) -> sets::Packet<'b> {
        let facts = view.facts();
        let name = |iface| self.tables.ifaces.get(iface).map_or("", |iface| iface.name.as_str());
        let (proto, ports) = element_ports(view);
        let link = view.about.link;
        let mac = |at: usize| link.get(at..)?.first_chunk::<6>().copied();
        sets::Packet {
            six: facts.family == Family::Six,
            addresses: [facts.src, facts.dst],
            proto,
            ports,
            macs: mac(6).zip(mac(0)).map(|(src, dst)| [src, dst]),
            ifaces: [name(view.about.input), name(view.about.output)],
            len: view.bytes().len() as u64,
            now: self.now,
        }
    }

    fn entry(&self, conn: &Conn) -> Option<(ConnId, &crate::conntrack::Entry)> {
        let id = ConnId::from_bits(conn.id)?;
        Some((id, self.own.conntrack.get(id)?))
    }
}

/// Protocol and ports as sets see them: of ICMP type and code, none where they are not to be seen.
fn element_ports(view: &View<'_>) -> (Option<u8>, [u16; 2]) {
    let facts = view.facts();
    let proto = facts.protocol;
    if facts.broken {
        return (None, [0; 2]);
    }
    let has = matches!(proto, protocol::TCP | protocol::UDP | protocol::UDPLITE | protocol::SCTP);
    let kinds = if facts.family == Family::Six { proto == ICMPV6 } else { proto == protocol::ICMP };
    if !has && !kinds {
        let whole = facts.family == Family::Four || facts.fragment_offset == 0;
        return (Some(proto).filter(|_| whole), [0; 2]);
    }
    match view.l4() {
        [a, b, c, d, ..] if facts.fragment_offset == 0 => {
            let (src, dst) = (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]));
            (Some(proto), if kinds { [src, src] } else { [src, dst] })
        }
        _ => (None, [0; 2]),
    }
}

/// A question in the words of sets.
fn how(ask: &SetAsk<'_>) -> sets::How {
    let source = |(at, side): (usize, &SetSide)| u8::from(*side == SetSide::Source) << at;
    let compare = |counter| match counter {
        SetCounter::Equal(than) => sets::Compare::Equal(than),
        SetCounter::NotEqual(than) => sets::Compare::NotEqual(than),
        SetCounter::Less(than) => sets::Compare::Less(than),
        SetCounter::Greater(than) => sets::Compare::Greater(than),
    };
    sets::How {
        sides: (
            ask.sides.len() as u8,
            ask.sides.iter().enumerate().take(8).map(source).fold(0, |bits, bit| bits | bit),
        ),
        return_nomatch: ask.return_nomatch,
        keep_counters: ask.keep_counters,
        keep_subcounters: ask.keep_subcounters,
        packets: ask.packets.map(compare),
        bytes: ask.bytes.map(compare),
        exist: ask.exist,
        timeout: ask.timeout,
    }
}

impl<'a> Around<'a> {
    /// What it takes to make a packet that this one calls for.
    pub(super) const fn maker(&self) -> Maker<'a> {
        let Self { tables, pool, stats, iface, trace, .. } = *self;
        Maker { tables, pool, stats, iface, trace }
    }
}

impl Env for Around<'_> {
    fn conn(&self, conn: &Conn) -> Option<ConnFacts> {
        let (id, entry) = self.entry(conn)?;
        let ends = |dir: Dir| {
            let tuple = entry.tuple(dir);
            [
                Endpoint { address: tuple.src.ip(tuple.six), port: tuple.sport },
                Endpoint { address: tuple.dst.ip(tuple.six), port: tuple.dport },
            ]
        };
        let counts = self.own.conntrack.counts(id).map(|[packets, bytes, back, back_bytes]| {
            [rule::Counters { packets, bytes }, rule::Counters { packets: back, bytes: back_bytes }]
        });
        Some(ConnFacts {
            protocol: entry.tuple(Dir::Original).proto,
            original: ends(Dir::Original),
            reply: ends(Dir::Reply),
            status: entry.status,
            // The time of what is not in the table yet has not begun.
            expires: match entry.is(status::CONFIRMED) {
                true => (entry.left(self.now) / 1_000_000_000) as u32,
                false => 0,
            },
            mark: entry.mark,
            labels: self.own.conntrack.labels(id),
            counts,
        })
    }

    fn conn_mark(&self, conn: &Conn) -> Option<u32> {
        Some(self.entry(conn)?.1.mark)
    }

    fn set_conn_mark(&mut self, conn: &Conn, mark: u32) {
        let id = ConnId::from_bits(conn.id);
        if let Some(entry) = id.and_then(|id| self.own.conntrack.get_mut(id)) {
            entry.mark = mark;
        }
    }

    fn set_conn_label(&mut self, conn: &Conn, label: u16) -> bool {
        let Some(id) = ConnId::from_bits(conn.id) else { return false };
        let Some(labels) = self.own.conntrack.labels(id) else { return false };
        self.own.conntrack.set_labels(id, labels | 1_u128 << (label & 127));
        true
    }

    fn conn_zone(&self, conn: &Conn, reply: Option<bool>) -> Option<u16> {
        let entry = self.entry(conn)?.1;
        Some(if reply.is_none_or(|reply| entry.has_zone(reply)) { entry.zone } else { 0 })
    }

    fn set_conn_helper(&mut self, conn: &Conn, helper: u16) {
        let id = ConnId::from_bits(conn.id);
        if let Some(entry) = id.and_then(|id| self.own.conntrack.get_mut(id))
            && !entry.is(status::CONFIRMED)
            && entry.helper == 0
        {
            entry.helper = helper;
            entry.status |= status::HELPER;
        }
    }

    fn helper(&self, conn: &Conn) -> Option<&str> {
        let master = self.entry(conn)?.1.master()?;
        let number = self.own.conntrack.get(master)?.helper;
        Helper::of_number(number).map(|helper| helper.info().name)
    }

    fn is_open(&self, id: u64) -> bool {
        self.own.is_open(id)
    }

    fn address_types(&self, address: IpAddr, iface: Option<u16>) -> u16 {
        match address {
            IpAddr::V4(four) => self.types4(four.to_bits(), iface),
            IpAddr::V6(six) => self.types6(six.to_bits(), iface),
        }
    }

    fn reverse_path(&self, ask: &ReversePath) -> bool {
        let vrf = self.tables.vrf(ask.iface);
        let index = match ask.to {
            IpAddr::V4(to) => {
                let src = ask.from.and_then(u32::of).unwrap_or_default();
                let flow =
                    Flow { src, mark: ask.mark, tos: ask.tos, ..Flow::out(to.to_bits(), vrf) };
                self.tables.route(&flow)
            }
            IpAddr::V6(to) => {
                let to = to.to_bits();
                if address::is_link_local(to) {
                    return true;
                }
                let src = ask.from.and_then(u128::of).unwrap_or_default();
                let flow = Flow { src, mark: ask.mark, ..Flow::out(to, vrf) };
                self.tables.route6(&flow)
            }
        };
        self.leads_back(index, ask)
    }

    fn set_test(&mut self, ask: &SetAsk<'_>, view: &View<'_>) -> bool {
        self.set_find(ask, view).is_some()
    }

    fn set_add(&mut self, ask: &SetAsk<'_>, view: &View<'_>) {
        if let Some(filter) = &self.tables.filter {
            filter.sets.add(ask.name, &self.element(view), &how(ask));
        }
    }

    fn set_del(&mut self, ask: &SetAsk<'_>, view: &View<'_>) {
        if let Some(filter) = &self.tables.filter {
            filter.sets.del(ask.name, &self.element(view), &how(ask));
        }
    }

    fn set_find(&mut self, ask: &SetAsk<'_>, view: &View<'_>) -> Option<SetFound> {
        let filter = self.tables.filter.as_ref()?;
        let found = filter.sets.find(ask.name, &self.element(view), &how(ask))?;
        Some(SetFound { mark: found.mark, priority: found.priority, queue: found.queue })
    }

    fn record(&mut self, record: &Record<'_>, view: &View<'_>) {
        if matches!(record.kind, RecordKind::Trace { .. }) {
            if view.about.followed {
                self.own.log.step(self.trace, record, view.len() as u32, self.now);
            }
            if !view.about.traced {
                return;
            }
        }
        self.own.log.note(record, view, self.now);
    }

    fn nat(&mut self, request: &NatRequest<'_>, view: &mut View<'_>) -> Verdict {
        translate::set_up(self, request, view)
    }

    fn synproxy(&mut self, how: &rule::Synproxy, view: &mut View<'_>) -> Verdict {
        synproxy::answer(self, how, view)
    }

    fn tee(&mut self, gateway: IpAddr, output: Option<u16>, view: &View<'_>) {
        if self.copies {
            // A copy that finds no way or no room is lost like any other packet.
            let _ = self.maker().copy(view.bytes(), gateway, output, self.hook, self.own);
        }
    }

    #[inline(always)]
    fn counted(&mut self, slot: u32) {
        if let Some(path) = self.path {
            let by = Counter::Rule { six: self.six, slot };
            self.path = self.own.paths.extend(path, by.to_bits());
        }
    }

    fn counted_by_step(&mut self, step: u32) {
        if let Some(path) = self.path {
            self.path = self.own.paths.extend(path, Counter::Step(step).to_bits());
        }
    }

    #[inline(always)]
    fn learns(&self) -> bool {
        self.path.is_some()
    }

    #[inline(always)]
    fn unsteady(&mut self) {
        self.path = None;
    }

    fn random(&mut self) -> u32 {
        self.own.random()
    }

    fn path_mtu(&self, _: &View<'_>) -> Option<u32> {
        let known = !matches!(self.hook, Hook::PreRouting | Hook::LocalIn);
        known.then(|| self.tables.hops.get(self.hop).out().mtu.into())
    }

    fn reverse_mtu(&self, view: &View<'_>) -> Option<u32> {
        let vrf = self.tables.vrf(self.iface);
        let index = match view.facts().source() {
            IpAddr::V4(to) => self.tables.route(&Flow::out(to.to_bits(), vrf)),
            IpAddr::V6(to) => self.tables.route6(&Flow::out(to.to_bits(), vrf)),
        };
        match self.tables.hops.get(index).out().mtu {
            0 => None,
            mtu => Some(mtu.into()),
        }
    }

    fn has_socket(&self, view: &View<'_>) -> bool {
        view.about.input == 0
    }

    fn realm(&self, view: &View<'_>) -> Option<u32> {
        let own = match self.hook {
            Hook::PreRouting => return None,
            Hook::LocalIn => 0,
            _ => self.realms(self.hop),
        };
        // Where the route does not say from which realm, the way back to the source does.
        let back = match view.facts().source() {
            IpAddr::V4(to) if view.about.input != 0 && own >> 16 == 0 => {
                let vrf = self.tables.vrf(self.iface);
                self.realms(self.tables.route(&Flow::out(to.to_bits(), vrf)))
            }
            _ => 0,
        };
        Some(own | back << 16)
    }

    fn group(&self, iface: u16) -> u32 {
        self.tables.ifaces.get(iface).map_or(0, |iface| iface.group)
    }
}
