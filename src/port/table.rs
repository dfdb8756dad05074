//! What crosses to the workers: interfaces and their addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

use crate::{
    dpdk::mbuf::Flags,
    packet::{ipv6::MIN_MTU, mac::MacAddr},
};

/// An address of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IfaceAddr {
    /// The address and the length of its subnet's prefix.
    pub local: Ipv4Net,
    /// The subnet's broadcast address, when it has one.
    pub broadcast: Option<Ipv4Addr>,
    /// Not the first address in its subnet.
    pub secondary: bool,
}

/// An IPv6 address of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IfaceAddr6 {
    /// The address and the length of its prefix.
    pub local: Ipv6Net,
    /// The other end of a point-to-point link.
    pub peer: Option<Ipv6Addr>,
    /// What is known of it.
    pub flags: AddrFlags,
    /// Until when it is preferred as a source, on the router's clock; `None` for ever.
    pub preferred_until: Option<u64>,
    /// Until when it is valid; `None` for ever.
    pub valid_until: Option<u64>,
    /// Metric of its prefix route, 0 for the usual one.
    pub metric: u32,
    /// Who made it (`IFAPROT_*`).
    pub proto: u8,
}

impl IfaceAddr6 {
    /// An address for good, ready for use.
    pub fn permanent(local: Ipv6Net) -> Self {
        Self {
            local,
            peer: None,
            flags: AddrFlags::PERMANENT,
            preferred_until: None,
            valid_until: None,
            metric: 0,
            proto: 0,
        }
    }

    /// Answers for it are sent, and packets to it taken: it is no longer looked for among others.
    pub fn is_usable(&self) -> bool {
        !self.flags.any(AddrFlags::DADFAILED)
            && (!self.flags.any(AddrFlags::TENTATIVE) || self.flags.any(AddrFlags::OPTIMISTIC))
    }
}

/// Flags of an IPv6 address (`IFA_F_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct AddrFlags(pub u32);

impl AddrFlags {
    /// `temporary` (RFC 8981).
    pub const TEMPORARY: Self = Self(0x01);
    /// `nodad`.
    pub const NODAD: Self = Self(0x02);
    /// `optimistic` (RFC 4429).
    pub const OPTIMISTIC: Self = Self(0x04);
    /// `dadfailed`: somebody else has it.
    pub const DADFAILED: Self = Self(0x08);
    /// `home` (RFC 6275).
    pub const HOMEADDRESS: Self = Self(0x10);
    /// `deprecated`.
    pub const DEPRECATED: Self = Self(0x20);
    /// `tentative`: duplicates are being looked for.
    pub const TENTATIVE: Self = Self(0x40);
    /// Made by the administrator or the router, without a lifetime.
    pub const PERMANENT: Self = Self(0x80);
    /// `mngtmpaddr`.
    pub const MANAGETEMPADDR: Self = Self(0x100);
    /// `noprefixroute`.
    pub const NOPREFIXROUTE: Self = Self(0x200);
    /// `autojoin`.
    pub const MCAUTOJOIN: Self = Self(0x400);
    /// `stable-privacy` (RFC 7217).
    pub const STABLE_PRIVACY: Self = Self(0x800);

    /// True when any flag of `other` is set.
    pub const fn any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// This set without those of `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// `net.ipv6.conf.IFACE.*` as it is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IfaceConf6 {
    /// `forwarding`.
    pub forwarding: bool,
    /// Packets that come in by it may leave by others: `forwarding` of `all`, or `force_forwarding`.
    pub transit: bool,
    /// `disable_ipv6`.
    pub disable_ipv6: bool,
    /// `hop_limit` of the router's own packets.
    pub hop_limit: u8,
    /// `mtu`, 0 for that of the interface.
    pub mtu: u16,
    /// `accept_redirects`.
    pub accept_redirects: bool,
    /// `accept_source_route`: 0 for type 2 alone, negative for none.
    pub accept_source_route: i8,
    /// `seg6_enabled`.
    pub seg6_enabled: bool,
    /// `drop_unicast_in_l2_multicast`.
    pub drop_unicast_in_l2_multicast: bool,
    /// `proxy_ndp`.
    pub proxy_ndp: bool,
    /// `use_tempaddr` 2: temporary addresses go before others.
    pub prefers_temporary: bool,
    /// `use_optimistic`.
    pub use_optimistic: bool,
    /// `ndisc_tclass`.
    pub ndisc_tclass: u8,
    /// `suppress_frag_ndisc`.
    pub suppress_frag_ndisc: bool,
}

impl Default for IfaceConf6 {
    /// Linux's defaults, on a router.
    fn default() -> Self {
        Self {
            forwarding: true,
            transit: true,
            disable_ipv6: false,
            hop_limit: 64,
            mtu: 0,
            accept_redirects: false,
            accept_source_route: 0,
            seg6_enabled: false,
            drop_unicast_in_l2_multicast: false,
            proxy_ndp: false,
            prefers_temporary: false,
            use_optimistic: false,
            ndisc_tclass: 0,
            suppress_frag_ndisc: true,
        }
    }
}

/// Tunables of ARP on an interface, `net.ipv4.conf.DEV.*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArpConf {
    /// `arp_announce`.
    pub announce: u8,
    /// `arp_ignore`.
    pub ignore: u8,
    /// `arp_accept`.
    pub accept: u8,
    /// `arp_filter`.
    pub filter: bool,
    /// `arp_notify`.
    pub notify: bool,
    /// `proxy_arp`.
    pub proxy: bool,
    /// `proxy_arp_pvlan`.
    pub proxy_pvlan: bool,
    /// `medium_id`.
    pub medium: i32,
    /// `drop_gratuitous_arp`.
    pub drop_gratuitous: bool,
    /// `arp_evict_nocarrier`.
    pub evict_nocarrier: bool,
}

impl Default for ArpConf {
    fn default() -> Self {
        Self {
            announce: 0,
            ignore: 0,
            accept: 0,
            filter: false,
            notify: false,
            proxy: false,
            proxy_pvlan: false,
            medium: 0,
            drop_gratuitous: false,
            evict_nocarrier: true,
        }
    }
}

/// `net.ipv4.conf.IFACE.*` as it is in force, that of `conf.all` considered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IfaceConf {
    /// `forwarding`.
    pub forwarding: bool,
    /// `rp_filter`: 0 off, 1 strict, 2 loose.
    pub rp_filter: u8,
    /// `accept_local`.
    pub accept_local: bool,
    /// `route_localnet`.
    pub route_localnet: bool,
    /// `log_martians`.
    pub log_martians: bool,
    /// `bc_forwarding`.
    pub bc_forwarding: bool,
    /// `accept_source_route`.
    pub accept_source_route: bool,
    /// `send_redirects`.
    pub send_redirects: bool,
    /// `accept_redirects`.
    pub accept_redirects: bool,
    /// `secure_redirects`.
    pub secure_redirects: bool,
    /// `shared_media`.
    pub shared_media: bool,
    /// `ignore_routes_with_linkdown`.
    pub ignore_linkdown: bool,
    /// `promote_secondaries`.
    pub promote_secondaries: bool,
    /// `drop_unicast_in_l2_multicast`.
    pub drop_unicast_in_l2_multicast: bool,
    /// Those of ARP.
    pub arp: ArpConf,
}

impl Default for IfaceConf {
    /// Linux's defaults, on a router.
    fn default() -> Self {
        Self {
            forwarding: true,
            rp_filter: 0,
            accept_local: false,
            route_localnet: false,
            log_martians: false,
            bc_forwarding: false,
            accept_source_route: false,
            send_redirects: true,
            accept_redirects: false,
            secure_redirects: true,
            shared_media: true,
            ignore_linkdown: false,
            promote_secondaries: false,
            drop_unicast_in_l2_multicast: false,
            arp: ArpConf::default(),
        }
    }
}

/// A group from which not all sources are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupFilter {
    /// The group.
    pub group: IpAddr,
    /// Sources that are not named are wanted.
    pub others: bool,
    /// Sources for which it is the other way round.
    pub sources: Vec<IpAddr>,
}

/// An interface: a port, or a VLAN on one.
#[derive(Clone, Debug)]
pub struct Iface {
    /// Its number, from 1 as in the kernel.
    pub index: u16,
    /// Its name.
    pub name: String,
    /// DPDK port it sends and receives on.
    pub port: u16,
    /// VLAN id, for a sub-interface.
    pub vlan: Option<u16>,
    /// Interface that a sub-interface stands on.
    pub parent: Option<u16>,
    /// Link-layer address.
    pub mac: MacAddr,
    /// Largest IPv4 packet.
    pub mtu: u16,
    /// Administratively up.
    pub up: bool,
    /// The link is there.
    pub carrier: bool,
    /// Nobody is asked for addresses there, and nobody is answered (`IFF_NOARP`).
    pub noarp: bool,
    /// Its tunables.
    pub conf: IfaceConf,
    /// The VRF that it is in, by index; 0 for none.
    pub vrf: u16,
    /// Group of interfaces, for the operator.
    pub group: u32,
    /// The table of a VRF; such an interface has no port.
    pub vrf_table: Option<u32>,
    /// Addresses, the primary one of each subnet before its secondary ones.
    pub addresses: Vec<IfaceAddr>,
    /// IPv6 addresses, in the order of `ip -6 addr`.
    pub addresses6: Vec<IfaceAddr6>,
    /// Its tunables of IPv6.
    pub conf6: IfaceConf6,
    /// IPv6 groups that it listens to, in order.
    pub groups6: Vec<Ipv6Addr>,
    /// IPv4 groups that it listens to, in order.
    pub groups4: Vec<Ipv4Addr>,
    /// Those of its groups that are not wanted from everybody.
    pub filters: Vec<GroupFilter>,
    /// The hop of IPv6 destinations on its link, 0 while it has none.
    pub link6: u32,
}

/// The port of an interface that has none: a VRF, or the loopback.
pub const NO_PORT: u16 = u16::MAX;
/// The name of the loopback.
pub const LOOPBACK: &str = "lo";

impl Iface {
    /// Whether packets come and go by it.
    pub fn has_port(&self) -> bool {
        self.port != NO_PORT
    }

    /// Whether it is the router's own loopback.
    pub fn is_loopback(&self) -> bool {
        !self.has_port() && self.vrf_table.is_none()
    }

    /// The VRF that its addresses are in, 0 for none: a VRF is in itself.
    pub fn own_vrf(&self) -> u16 {
        if self.vrf_table.is_some() { self.index } else { self.vrf }
    }

    /// True when one subnet of the interface holds both (`inet_addr_onlink`).
    pub fn on_link(&self, a: Ipv4Addr, b: Ipv4Addr) -> bool {
        self.addresses
            .iter()
            .any(|own| own.local.contains(&a) && (b.is_unspecified() || own.local.contains(&b)))
    }

    /// Routes may lead out by it.
    pub fn serves(&self) -> bool {
        self.up && (self.carrier || !self.conf.ignore_linkdown)
    }

    /// Whether packets to a group that it listens to are wanted from a source.
    pub fn admits(&self, group: impl Into<IpAddr>, source: impl Into<IpAddr>) -> bool {
        if self.filters.is_empty() {
            return true;
        }
        let (group, source) = (group.into(), source.into());
        let filter = self.filters.iter().find(|filter| filter.group == group);
        filter.is_none_or(|filter| filter.others != filter.sources.contains(&source))
    }

    /// IPv6 is on, which no link has that carries less than 1280 bytes (RFC 8200 section 5).
    pub fn speaks6(&self) -> bool {
        !self.conf6.disable_ipv6 && self.mtu >= MIN_MTU
    }

    /// Largest IPv6 packet.
    pub fn mtu6(&self) -> u16 {
        if self.conf6.mtu == 0 { self.mtu } else { self.conf6.mtu.min(self.mtu) }
    }

    /// The address that packets to `towards` carry when the router makes them and nothing else
    /// chooses: the first one of the subnet that covers `towards`, or else the first
    /// (`inet_select_addr`).
    pub fn select_address(&self, towards: Ipv4Addr) -> Option<Ipv4Addr> {
        let primary = || self.addresses.iter().filter(|address| !address.secondary);
        primary()
            .find(|address| address.local.contains(&towards))
            .or_else(|| primary().next())
            .map(|address| address.local.addr())
    }
}

/// What `classify` needs to know of a DPDK port: one line.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub struct PortFacts {
    /// Destination MAC address of frames for us, in the low six bytes of a little-endian word.
    pub mac: u64,
    /// Interface of untagged frames; 0 when the port is not in use.
    pub iface: u16,
    /// What is known of every packet that comes in here.
    pub flags: Flags,
    /// Frames for any unicast address count as ours (replay of captures from elsewhere).
    pub any_mac: bool,
    /// Which bits of a frame's first eight bytes, as a little-endian word, tell that it is for us, and
    /// what they are then: all of the address, or that it is none of a group. No frame is for a port that
    /// is down: of no bits no other than zero can be asked.
    pub own: (u64, u64),
    /// Plain IPv6 packets may.
    pub six: bool,
}

/// Interfaces by index, and by port and VLAN.
#[derive(Clone, Debug, Default)]
pub struct Ifaces {
    by_index: Vec<Option<Iface>>,
    ports: Vec<PortFacts>,
    vlans: Vec<(u16, u16, u16)>,
}

impl Ifaces {
    /// Arranges interfaces for look-up. `any_mac` sets [`PortFacts::any_mac`] on all ports.
    pub fn new(ifaces: Vec<Iface>, any_mac: bool) -> Self {
        let mut all = Self::default();
        for iface in ifaces {
            let (index, port) = (usize::from(iface.index), usize::from(iface.port));
            if all.by_index.len() <= index {
                all.by_index.resize(index + 1, None);
            }
            if !iface.has_port() {
                all.by_index[index] = Some(iface);
                continue;
            }
            match iface.vlan {
                Some(vlan) => all.vlans.push((iface.port, vlan, iface.index)),
                None => {
                    if all.ports.len() <= port {
                        all.ports.resize(port + 1, PortFacts::UNUSED);
                    }
                    let flags = if iface.conf.forwarding { Flags(0) } else { Flags::NO_FORWARD };
                    all.ports[port] = PortFacts {
                        iface: iface.index,
                        flags,
                        mac: mac_word(iface.mac),
                        any_mac,
                        own: match iface.up {
                            true if any_mac => (1, 0),
                            true => (MAC, mac_word(iface.mac)),
                            false => NOTHING,
                        },
                        six: iface.up && iface.conf6.transit && iface.speaks6(),
                    };
                }
            }
            all.by_index[index] = Some(iface);
        }
        all.vlans.sort_unstable();
        all
    }

    /// The interface of an index.
    pub fn get(&self, index: u16) -> Option<&Iface> {
        self.by_index.get(usize::from(index))?.as_ref()
    }

    /// The interface of a name.
    pub fn by_name(&self, name: &str) -> Option<&Iface> {
        self.iter().find(|iface| iface.name == name)
    }

    /// All interfaces in the order of their indices.
    pub fn iter(&self) -> impl Iterator<Item = &Iface> {
        self.by_index.iter().flatten()
    }

    /// What is known of a DPDK port.
    #[inline]
    pub fn port(&self, port: u16) -> &PortFacts {
        self.ports.get(usize::from(port)).unwrap_or(&PortFacts::UNUSED)
    }

    /// The sub-interface of a VLAN on a port.
    pub fn vlan(&self, port: u16, vlan: u16) -> Option<&Iface> {
        let found = self.vlans.binary_search_by_key(&(port, vlan), |&(port, vlan, _)| (port, vlan));
        found.ok().and_then(|at| self.get(self.vlans[at].2))
    }
}

impl PortFacts {
    /// No packet is for this one.
    pub const UNUSED: Self =
        Self { mac: u64::MAX, own: NOTHING, iface: 0, flags: Flags(0), any_mac: false, six: false };

    /// Whether a frame that begins with these bytes is for us.
    #[inline(always)]
    pub const fn is_own(&self, first: [u8; 8]) -> bool {
        u64::from_le_bytes(first) & self.own.0 == self.own.1
    }
}

/// An address among the first eight bytes of a frame.
const MAC: u64 = 0xffff_ffff_ffff;

/// What no frame begins with.
const NOTHING: (u64, u64) = (0, 1);

fn mac_word(mac: MacAddr) -> u64 {
    let [a, b, c, d, e, f] = mac.octets();
    u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
}

/// Places of the filter of addresses: so many that hardly another address than the router's is in one of its.
const FILTER: usize = 4096;

/// What takes a packet of IPv4 off the plain way, by its addresses: one table, so that one register leads there.
#[derive(Clone, Debug)]
pub struct Screen {
    /// By first octet of an address: zero, loopback, multicast and above.
    /// Behind that, the places of a Bloom filter of the router's addresses.
    stops: [bool; 256 + FILTER],
}

impl Screen {
    fn new<'a>(own: impl Iterator<Item = &'a Ipv4Addr>) -> Self {
        let mut stops = [false; 256 + FILTER];
        stops[0] = true;
        stops[127] = true;
        stops[224..256].fill(true);
        for address in own {
            stops[Self::place(address.octets())] = true;
        }
        Self { stops }
    }

    #[inline(always)]
    const fn place(address: [u8; 4]) -> usize {
        let hash = u32::from_le_bytes(address).wrapping_mul(0x9e37_79b1);
        256 + (hash >> (32 - FILTER.trailing_zeros())) as usize
    }

    /// False only where a packet from an address to one that begins with `dst` is surely neither from the router
    /// nor of an odd one of the two.
    #[inline(always)]
    pub const fn stops(&self, src: [u8; 4], dst: u8) -> bool {
        self.stops[src[0] as usize] | self.stops[dst as usize] | self.stops[Self::place(src)]
    }
}

/// The router's own unicast addresses: a filter that the fast path asks, and the list.
#[derive(Clone, Debug)]
pub struct LocalAddresses {
    screen: Box<Screen>,
    /// With the VRF that they are in.
    sorted: Vec<(u16, Ipv4Addr)>,
    /// Broadcast addresses that are no sources, in the same way.
    barred: Vec<(u16, Ipv4Addr)>,
}

impl LocalAddresses {
    /// From all interfaces' addresses. With `bar_broadcasts` their broadcast addresses cannot be
    /// sources either.
    pub fn new(ifaces: &Ifaces, bar_broadcasts: bool) -> Self {
        let mut sorted: Vec<_> = ifaces
            .iter()
            .flat_map(|iface| {
                let vrf = iface.own_vrf();
                iface.addresses.iter().map(move |address| (vrf, address.local.addr()))
            })
            .collect();
        sorted.sort_unstable();
        sorted.dedup();
        let broadcasts =
            ifaces.iter().filter(|iface| bar_broadcasts && iface.up).flat_map(|iface| {
                let vrf = iface.own_vrf();
                iface.addresses.iter().flat_map(move |own| {
                    let net = Some(own.local.broadcast()).filter(|_| own.local.prefix_len() < 31);
                    own.broadcast.into_iter().chain(net).map(move |address| (vrf, address))
                })
            });
        let mut barred: Vec<_> = broadcasts.collect();
        barred.sort_unstable();
        barred.dedup();
        let own = sorted.iter().chain(&barred).map(|(_, address)| address);
        let screen = Box::new(Screen::new(own));
        Self { screen, sorted, barred }
    }

    /// What tells most packets that nothing is odd about their addresses.
    #[inline(always)]
    pub fn screen(&self) -> &Screen {
        &self.screen
    }

    /// True for a broadcast address that is no source.
    pub fn is_barred(&self, vrf: u16, address: Ipv4Addr) -> bool {
        self.barred.binary_search(&(vrf, address)).is_ok()
    }

    /// True when the address is the router's in a VRF (0 for outside of all).
    pub fn contains(&self, vrf: u16, address: Ipv4Addr) -> bool {
        self.sorted.binary_search(&(vrf, address)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_screen_stops_odd_addresses_and_the_routers_own_as_source() {
        let own = [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(192, 0, 2, 255)];
        let screen = Screen::new(own.iter());
        for address in own {
            assert!(screen.stops(address.octets(), 198), "{address}");
        }
        assert!(!screen.stops([10, 0, 0, 2], 10), "the router's own are no odd destinations");
        for first in 0..=255 {
            let odd = first == 0 || first == 127 || first >= 224;
            assert_eq!(screen.stops([10, 0, 0, 2], first), odd, "to {first}");
            if odd {
                assert!(screen.stops([first, 1, 2, 3], 10), "from {first}");
            }
        }
    }

    #[test]
    fn the_screen_lets_nearly_all_others_pass() {
        let own: Vec<_> = (1..=8).map(|net| Ipv4Addr::new(10, 0, net, 1)).collect();
        let screen = Screen::new(own.iter());
        let sources = (0..=u16::MAX).map(|low| [10, 0, (low >> 8) as u8, low as u8]);
        let stopped = sources.filter(|src| screen.stops(*src, 198)).count();
        // Eight of 4096 places, twice that where the hash is unlucky.
        assert!((8..=256).contains(&stopped), "{stopped} of 65536");
    }
}
