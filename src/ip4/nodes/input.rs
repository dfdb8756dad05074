//! `ip4-input`: the receive checks one by one, in the kernel's order; `ip4-addresses`: the last of them,
//! behind the packet filter.
//!
//! - takes: IPv4 packets that `classify` did not pass as plain; [`Packet::l3`] says where they start
//! - gives: sound packets to the pre-routing arc, broadcast and the router's groups to `ip4-local`,
//!   those with options by way of `ip4-options`; while the packet filter looks at what comes in, all
//!   to the pre-routing arc, at whose end `ip4-addresses` stands then
//! - obeys: RFC 1122 section 3.2.1, RFC 1812 section 5.2.2; ledger 4.13 to 4.16, 4.23, 4.30; the source checks are those of `ip_route_input`

use std::net::Ipv4Addr;

use super::{
    options::{self, after},
    source::logs,
};
use crate::{
    dpdk::mbuf::{Flags, Packet},
    graph::{Cx, Edge, Frame, Node, Out, Reason, Snmp},
    neighbour::table::martian,
    netfilter::table::Filter,
    packet::{
        checksum,
        ipv4::{self, Ipv4View},
    },
    tables::Tables,
};

/// All checks.
pub struct Ip4Input;

/// Those of addresses alone, of what has met the packet filter.
pub struct Ip4Addresses;

const ROUTE: u8 = 0;
const LOCAL: u8 = 1;
const HEADER: u8 = 2;
const CHECKSUM: u8 = 3;
const TRUNCATED: u8 = 4;
const MARTIAN_SOURCE: u8 = 5;
const MARTIAN_DESTINATION: u8 = 6;
const NOT_JOINED: u8 = 7;
const LOG: u8 = 8;
const OPTIONS: u8 = 9;

const IGMP: u8 = 2;

/// What kind of destination it is, as far as the address alone says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Route,
    /// To 127/8, where `route_localnet` lets it be.
    Loopback,
    Broadcast,
    Group,
    NotJoined,
    MartianSource,
    MartianDestination,
}

/// The address checks of `ip_route_input`, before any table is asked; `joined` where the destination is a
/// group that the interface listens to.
pub(super) fn way(
    src: Ipv4Addr,
    dst: Ipv4Addr,
    protocol: u8,
    joined: bool,
    ours: bool,
    localnet: bool,
) -> Way {
    let loopback = |address| !localnet && ipv4::is_loopback(address);
    let (source, destination) = (src.to_bits(), dst.to_bits());
    if ipv4::is_multicast(destination) {
        let zero_ok = ipv4::is_local_multicast(destination) || protocol == IGMP;
        return match () {
            () if !joined => Way::NotJoined,
            () if ipv4::is_multicast(source) || ipv4::is_limited_broadcast(source) => {
                Way::MartianSource
            }
            () if loopback(source) || ours => Way::MartianSource,
            () if source == 0 && !zero_ok => Way::MartianSource,
            () => Way::Group,
        };
    }
    if ipv4::is_multicast(source) || ipv4::is_limited_broadcast(source) {
        return Way::MartianSource;
    }
    if ipv4::is_limited_broadcast(destination) || (source, destination) == (0, 0) {
        return if ours { Way::MartianSource } else { Way::Broadcast };
    }
    if source == 0 {
        return Way::MartianSource;
    }
    if destination == 0 || loopback(destination) {
        return Way::MartianDestination;
    }
    if loopback(source) || ours {
        return Way::MartianSource;
    }
    if ipv4::is_loopback(destination) {
        return Way::Loopback;
    }
    Way::Route
}

/// Total length; or the edge of what is wrong.
fn check(bytes: &[u8]) -> Result<usize, u8> {
    let Ok(header) = Ipv4View::new_quoted(bytes) else {
        return Err(HEADER);
    };
    if !checksum::ipv4_header(header.header()) {
        return Err(CHECKSUM);
    }
    let total = usize::from(header.total_len());
    if bytes.len() < total {
        return Err(TRUNCATED);
    }
    if total < header.header_len() {
        return Err(HEADER);
    }
    Ok(total)
}

/// Where a packet goes by its addresses, and whether it has options.
fn ask(header: &Ipv4View<'_>, iface: u16, tables: &Tables) -> (bool, Way) {
    let (src, dst) = (header.src(), header.dst());
    let found = tables.ifaces.get(iface);
    let conf = found.map_or_else(Default::default, |iface| iface.conf);
    let ours = found.is_some_and(|iface| tables.denies_source(iface, src));
    let joined = found.is_some_and(|iface| {
        let listens = iface.groups4.binary_search(&dst).is_ok();
        // Of what IGMP says no source is refused (`ip_check_mc_rcu`).
        listens && (header.protocol() == IGMP || iface.admits(dst, src))
    });
    let way = way(src, dst, header.protocol(), joined, ours, conf.route_localnet);
    (!header.option_bytes().is_empty(), way)
}

/// Whether a packet with impossible addresses is to be logged; those to groups never are.
fn logged(packet: &mut Packet, wrong: u16, cx: &Cx<'_, Tables>) -> bool {
    let l3 = packet.l3();
    let group =
        packet.data().get(l3 + 16).is_some_and(|first| ipv4::is_multicast(u32::from(*first) << 24));
    !group && logs(packet, wrong, cx)
}

fn one(packet: &mut Packet, cx: &Cx<'_, Tables>) -> u8 {
    let l3 = packet.l3();
    let bytes = packet.data().get(l3..).unwrap_or_default();
    match check(bytes) {
        Err(edge) => edge,
        Ok(total) => {
            packet.truncate(l3 + total);
            let filtered = cx.tables.filter.as_deref().is_some_and(Filter::looks_at_all4);
            if filtered { ROUTE } else { by_address(packet, cx) }
        }
    }
}

/// The edge of a packet whose header is sound.
fn by_address(packet: &mut Packet, cx: &Cx<'_, Tables>) -> u8 {
    let bytes = packet.data().get(packet.l3()..).unwrap_or_default();
    let Ok(header) = Ipv4View::new_quoted(bytes) else { return HEADER };
    let (options, way) = ask(&header, packet.iface(), cx.tables);
    if options {
        options::later(packet, after::LOCAL);
    }
    let local = if options { OPTIONS } else { LOCAL };
    match way {
        Way::Route => ROUTE,
        Way::Loopback => local,
        Way::Broadcast => {
            packet.add_flags(Flags::IP_BROADCAST);
            cx.count(Snmp::InBcastPkts, 1);
            local
        }
        Way::Group => {
            packet.add_flags(Flags::IP_BROADCAST);
            cx.count(Snmp::InMcastPkts, 1);
            local
        }
        Way::NotJoined => NOT_JOINED,
        Way::MartianSource if logged(packet, martian::SOURCE, cx) => LOG,
        Way::MartianSource => MARTIAN_SOURCE,
        Way::MartianDestination if logged(packet, martian::DESTINATION, cx) => LOG,
        Way::MartianDestination => MARTIAN_DESTINATION,
    }
}

/// Ways out, the first of which differs.
macro_rules! edges {
    ($on:expr) => {
        &[
            $on,
            Edge::Arc("ip4-delivery"),
            Edge::Drop(Reason::IpHeader),
            Edge::Drop(Reason::IpChecksum),
            Edge::Drop(Reason::IpTruncated),
            Edge::Drop(Reason::MartianSource),
            Edge::Drop(Reason::MartianDestination),
            Edge::Drop(Reason::MulticastNotJoined),
            Edge::To("martian-log"),
            Edge::To("ip4-options"),
        ]
    };
}

impl Node<Tables> for Ip4Input {
    fn name(&self) -> &'static str {
        "ip4-input"
    }

    fn edges(&self) -> &'static [Edge] {
        edges!(Edge::Arc("ip4-pre-routing"))
    }

    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, out: &mut Out) {
        for (index, packet) in frame.iter_mut().enumerate() {
            out.set(index, one(packet, cx));
        }
    }
}

impl Node<Tables> for Ip4Addresses {
    fn name(&self) -> &'static str {
        "ip4-addresses"
    }

    fn edges(&self) -> &'static [Edge] {
        edges!(Edge::Continue)
    }

    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, out: &mut Out) {
        for (index, packet) in frame.iter_mut().enumerate() {
            out.set(index, by_address(packet, cx));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(src: [u8; 4], dst: [u8; 4]) -> Way {
        way(src.into(), dst.into(), 17, dst == [224, 0, 0, 1], src == [192, 0, 2, 1], false)
    }

    #[test]
    fn addresses_that_cannot_be_on_the_wire_are_martian() {
        let host = [198, 51, 100, 1];
        for src in [[224, 0, 0, 9], [255; 4], [0; 4], [127, 0, 0, 1], [192, 0, 2, 1]] {
            assert_eq!(of(src, host), Way::MartianSource, "{src:?}");
        }
        for dst in [[0; 4], [127, 0, 0, 1]] {
            assert_eq!(of(host, dst), Way::MartianDestination, "{dst:?}");
        }
        assert_eq!(of(host, [203, 0, 113, 5]), Way::Route);
        assert_eq!(of([0, 1, 2, 3], [0, 3, 2, 1]), Way::Route, "so is the rest of 0/8");
        assert_eq!(of([240, 0, 0, 1], [250, 0, 0, 1]), Way::Route, "class E is ordinary");
    }

    #[test]
    fn broadcast_and_the_all_systems_group_are_for_us_and_other_groups_are_not() {
        let host = [198, 51, 100, 1];
        assert_eq!(of(host, [255; 4]), Way::Broadcast);
        assert_eq!(of([0; 4], [255; 4]), Way::Broadcast);
        assert_eq!(of([192, 0, 2, 1], [255; 4]), Way::MartianSource);
        assert_eq!(of(host, [224, 0, 0, 1]), Way::Group);
        assert_eq!(of([0; 4], [224, 0, 0, 1]), Way::Group);
        assert_eq!(of(host, [224, 0, 0, 5]), Way::NotJoined);
        assert_eq!(of(host, [239, 1, 2, 3]), Way::NotJoined);
    }
}
