//! Packets and a world around them, for tests.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::env::{
    ConnFacts, Endpoint, Env, NatRequest, Record, RecordKind, ReversePath, SetAsk, SetFound,
};
use super::rule::{self, Basic, Family, Hook, Is, Match, Rule, Ruleset, TableName, Target};
use super::view::{Conn, View};
use super::{DropCause, IpsecState, PacketFacts, Slots, Verdict, compile, evaluate};
use crate::packet::{FrameBuilder, MacAddr, checksum, ethernet};

/// The interfaces of tests.
pub(super) const LINKS: &[(u16, &str)] = &[(1, "lo"), (2, "eth0"), (3, "eth1"), (4, "wan0")];

/// A world in which all that is asked about can be set.
#[derive(Default)]
pub(super) struct World {
    pub(super) facts: Option<ConnFacts>,
    pub(super) helper: Option<String>,
    pub(super) open: Vec<u64>,
    pub(super) types: Vec<(IpAddr, u16)>,
    pub(super) reverse: bool,
    pub(super) paths: std::cell::RefCell<Vec<ReversePath>>,
    pub(super) sets: Vec<(String, IpAddr)>,
    pub(super) found: Option<SetFound>,
    pub(super) told: Vec<String>,
    pub(super) random: u32,
    pub(super) mtus: [Option<u32>; 2],
    pub(super) owner: Option<(u32, u32)>,
    pub(super) realm: Option<u32>,
    pub(super) ipsec: Vec<IpsecState>,
}

impl World {
    fn element(&self, ask: &SetAsk<'_>, view: &View<'_>) -> (String, IpAddr) {
        let facts = view.facts();
        let address = match ask.sides.first() {
            Some(rule::SetSide::Destination) => facts.destination(),
            _ => facts.source(),
        };
        (ask.name.to_owned(), address)
    }
}

impl Env for World {
    fn conn(&self, _: &Conn) -> Option<ConnFacts> {
        self.facts
    }

    fn set_conn_mark(&mut self, _: &Conn, mark: u32) {
        if let Some(facts) = &mut self.facts {
            facts.mark = mark;
        }
    }

    fn set_conn_label(&mut self, _: &Conn, label: u16) -> bool {
        let labels = self.facts.as_mut().and_then(|facts| facts.labels.as_mut());
        labels.map(|labels| *labels |= 1 << label).is_some()
    }

    fn helper(&self, _: &Conn) -> Option<&str> {
        self.helper.as_deref()
    }

    fn is_open(&self, id: u64) -> bool {
        self.open.contains(&id)
    }

    fn address_types(&self, address: IpAddr, _: Option<u16>) -> u16 {
        self.types.iter().find(|(of, _)| *of == address).map_or(0, |(_, types)| *types)
    }

    fn reverse_path(&self, ask: &ReversePath) -> bool {
        self.paths.borrow_mut().push(*ask);
        self.reverse
    }

    fn set_test(&mut self, ask: &SetAsk<'_>, view: &View<'_>) -> bool {
        self.sets.contains(&self.element(ask, view))
    }

    fn set_add(&mut self, ask: &SetAsk<'_>, view: &View<'_>) {
        self.sets.push(self.element(ask, view));
    }

    fn set_del(&mut self, ask: &SetAsk<'_>, view: &View<'_>) {
        let element = self.element(ask, view);
        self.sets.retain(|have| *have != element);
    }

    fn set_find(&mut self, _: &SetAsk<'_>, _: &View<'_>) -> Option<SetFound> {
        self.found
    }

    fn record(&mut self, record: &Record<'_>, _: &View<'_>) {
        self.told.push(match record.kind {
            RecordKind::Log(log) => format!("LOG {}", log.prefix),
            RecordKind::Nflog(log) => format!("NFLOG {}", log.group),
            RecordKind::Audit(kind) => format!("AUDIT {kind:?}"),
            RecordKind::Invalid { protocol, why } => format!("INVALID {protocol} {why}"),
            RecordKind::Trace { chain, kind, number } => {
                format!("{}:{chain}:{}:{number}", record.table, kind.name())
            }
        });
    }

    fn nat(&mut self, request: &NatRequest<'_>, _: &mut View<'_>) -> Verdict {
        self.told.push(format!("{:?} {:?}", request.hook, request.kind));
        Verdict::Accept
    }

    fn synproxy(&mut self, _: &rule::Synproxy, _: &mut View<'_>) -> Verdict {
        Verdict::Stolen
    }

    fn tee(&mut self, gateway: IpAddr, output: Option<u16>, _: &View<'_>) {
        self.told.push(format!("TEE {gateway} {output:?}"));
    }

    fn random(&mut self) -> u32 {
        self.random
    }

    fn path_mtu(&self, _: &View<'_>) -> Option<u32> {
        self.mtus[0]
    }

    fn reverse_mtu(&self, _: &View<'_>) -> Option<u32> {
        self.mtus[1]
    }

    fn owner(&self, _: &View<'_>) -> Option<(u32, u32)> {
        self.owner
    }

    fn group(&self, iface: u16) -> u32 {
        u32::from(iface) * 10
    }

    fn realm(&self, _: &View<'_>) -> Option<u32> {
        self.realm
    }

    fn ipsec(&self, _: rule::PolicyWay, _: &View<'_>) -> &[IpsecState] {
        &self.ipsec
    }
}

/// A connection from 10.0.0.1:1000 to 10.0.0.2:80, of which the source was changed to 192.0.2.1:2000.
pub(super) fn facts() -> ConnFacts {
    let end = |address: [u8; 4], port| Endpoint { address: Ipv4Addr::from(address).into(), port };
    ConnFacts {
        protocol: 6,
        original: [end([10, 0, 0, 1], 1000), end([10, 0, 0, 2], 80)],
        reply: [end([10, 0, 0, 2], 80), end([192, 0, 2, 1], 2000)],
        status: 0x1a,
        expires: 100,
        mark: 0x12,
        labels: Some(1 << 5),
        counts: Some([
            rule::Counters { packets: 10, bytes: 1000 },
            rule::Counters { packets: 30, bytes: 9000 },
        ]),
    }
}

/// An IPv4 packet from 10.0.0.1 to 10.0.0.2.
pub(super) fn four(fill: impl FnOnce(FrameBuilder) -> FrameBuilder) -> Vec<u8> {
    let builder = FrameBuilder::new()
        .ethernet(MacAddr::new([2, 0, 0, 0, 0, 1]), MacAddr::new([2, 0, 0, 0, 0, 2]))
        .ipv4(Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
    fill(builder).build().split_off(ethernet::HEADER_LEN)
}

/// One of UDP.
pub(super) fn udp(sport: u16, dport: u16) -> Vec<u8> {
    four(|frame| frame.udp(sport, dport))
}

/// One of TCP.
pub(super) fn tcp(sport: u16, dport: u16, flags: u8) -> Vec<u8> {
    four(|frame| frame.tcp(sport, dport, flags))
}

/// A segment of TCP with these options, whose checksum is right.
pub(super) fn tcp_with(flags: u8, options: &[u8], data: &[u8]) -> Vec<u8> {
    let mut segment =
        vec![0x03, 0xe8, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0, flags, 0xff, 0xff, 0, 0, 0, 0];
    segment[12] = (((20 + options.len()) / 4) << 4) as u8;
    segment.extend(options);
    segment.extend(data);
    let mut packet = four(|frame| frame.protocol(6).payload(&segment));
    let (src, dst) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
    let sum = checksum::transport(src, dst, 6, &packet[20..20 + segment.len()]);
    packet[36..38].copy_from_slice(&sum.to_be_bytes());
    packet.truncate(20 + segment.len());
    packet
}

/// An IPv6 packet from 2001:db8::1 to 2001:db8::2.
pub(super) fn six(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0, 0, 0, next, 64];
    packet[4..6].copy_from_slice(&(payload.len() as u16).to_be_bytes());
    for last in [1, 2] {
        packet.extend(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last).octets());
    }
    packet.extend(payload);
    packet
}

/// Whether both checksums of a packet of IPv4 and TCP are right.
pub(super) fn checksums_hold(packet: &[u8]) -> bool {
    let address = |at: usize| Ipv4Addr::from(*packet[at..].first_chunk::<4>().unwrap());
    checksum::ipv4_header(&packet[..20])
        && checksum::transport_holds(address(12), address(16), 6, &packet[20..])
}

/// A rule of one match.
pub(super) fn rule_of(protocol: u8, matches: Vec<Match>, target: Target) -> Rule {
    let protocol = (protocol != 0).then(|| Is::so(protocol));
    Rule { basic: Basic { protocol, ..Basic::default() }, matches, target, ..Rule::default() }
}

/// A rule set with one rule.
pub(super) fn ruleset(family: Family, table: TableName, hook: Hook, rule: Rule) -> Ruleset {
    let mut ruleset = Ruleset::new(family);
    let table = ruleset.table_mut(table);
    table.chain_mut(hook.chain()).unwrap().rules.push(rule);
    ruleset
}

/// What one rule does with a packet, and the packet after that.
pub(super) fn effect(
    table: TableName,
    hook: Hook,
    rule: Rule,
    packet: &[u8],
    about: &mut PacketFacts<'_>,
    world: &mut World,
) -> (Verdict, Vec<u8>) {
    let family = if packet[0] >> 4 == 4 { Family::Four } else { Family::Six };
    let ruleset = ruleset(family, table, hook, rule);
    let program = compile(&ruleset, LINKS, &mut Slots::new(1), &[]).unwrap();
    let mut bytes = packet.to_vec();
    bytes.resize(packet.len() + 64, 0);
    let mut view = View::new(&mut bytes, packet.len(), *about).unwrap();
    let entry = program.entry(table, hook).unwrap();
    let verdict = evaluate(&program, entry, &mut view, world, 0);
    let len = view.len();
    *about = PacketFacts { link: about.link, ..view.about };
    bytes.truncate(len);
    (verdict, bytes)
}

/// Whether a match holds for a packet: nothing where the packet is not to go on.
pub(super) fn ask_at(
    hook: Hook,
    protocol: u8,
    asked: Match,
    packet: &[u8],
    about: PacketFacts<'_>,
    world: &mut World,
) -> Option<bool> {
    let rule = rule_of(protocol, vec![asked], Target::Drop);
    let (mut about, before) = (about, packet.to_vec());
    let (verdict, after) = effect(TableName::Mangle, hook, rule, packet, &mut about, world);
    assert_eq!(before, after);
    match verdict {
        Verdict::Drop(DropCause::Rule) => Some(true),
        Verdict::Drop(DropCause::Malformed) => None,
        _ => Some(false),
    }
}

/// The same in transit, with nothing known of the packet.
pub(super) fn ask(protocol: u8, asked: Match, packet: &[u8]) -> Option<bool> {
    ask_at(Hook::Forward, protocol, asked, packet, PacketFacts::default(), &mut World::default())
}
