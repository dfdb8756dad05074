//! Ways and addresses of IPv6, for what the router sends itself.

use std::net::Ipv6Addr;

use super::Tables;
use crate::{
    ndisc::select::{self, Candidate, Labels, Wanted},
    packet::ipv6::address,
    port::table::{AddrFlags, Iface, IfaceAddr6},
    route::{
        family::Fib,
        policy::{Flow, Sources},
        table::HopKind,
    },
};

/// Whether an interface shares an address with all routers of a prefix.
fn shares(iface: &Iface, address: u128) -> bool {
    let of = |own: &IfaceAddr6| {
        let (bits, len) = (own.local.addr().to_bits(), own.local.prefix_len());
        address::subnet_router_anycast(bits, len) == Some(address)
    };
    iface.conf6.forwarding && iface.addresses6.iter().any(of)
}

impl Tables {
    /// The IPv6 tables that rules name.
    #[inline]
    pub fn sources6(&self) -> Sources<'_, u128> {
        Sources { fib: &self.fib6, tries: &self.tries6, hops: &self.hops }
    }

    /// Hop of an IPv6 flow; groups are not resolved.
    pub fn route6(&self, flow: &Flow<u128>) -> u32 {
        let index = match &self.policy6 {
            None => self.fib6.lookup(flow.dst),
            Some(policy) => policy.decide(flow, self.sources6()).0,
        };
        let index = self.sources6().by_source(index, flow.src);
        let hop = self.hops.get(index);
        match hop.kind() {
            HopKind::Vrf => self.route6_within(flow, hop.out().iface),
            _ => index,
        }
    }

    /// Hop of a flow that a route has led into a VRF, by the table of that.
    pub fn route6_within(&self, flow: &Flow<u128>, vrf: u16) -> u32 {
        let flow = Flow { iif: 0, oif: vrf, vrf, ..*flow };
        let index = match &self.policy6 {
            Some(policy) => policy.decide(&flow, self.sources6()).0,
            None => 0,
        };
        match self.hops.get(index).kind() {
            HopKind::Vrf => 0,
            _ => index,
        }
    }

    /// True when the address is the router's for what comes by an interface: a link-local one on that
    /// interface alone, others in its VRF or outside of all.
    pub fn owns6(&self, iface: u16, address: u128) -> bool {
        let Some(own) = self.ifaces.get(iface) else { return false };
        let has = |iface: &Iface| {
            let is = |own: &IfaceAddr6| own.local.addr().to_bits() == address && own.is_usable();
            iface.addresses6.iter().any(is)
        };
        if address::is_link_local(address) {
            return has(own);
        }
        let vrf = own.own_vrf();
        self.ifaces.iter().any(|iface| [vrf, 0].contains(&iface.own_vrf()) && has(iface))
    }

    /// True when the address is the router's in the very VRF of an interface; of link-local ones a VRF
    /// has none (`ipv6_chk_addr` of a master).
    pub fn owns6_itself(&self, iface: u16, address: u128) -> bool {
        let vrf = self.vrf(iface);
        if address::is_link_local(address) {
            return vrf == 0 && self.owns6(iface, address);
        }
        let has = |own: &IfaceAddr6| own.local.addr().to_bits() == address && own.is_usable();
        self.ifaces.iter().any(|own| own.own_vrf() == vrf && own.addresses6.iter().any(has))
    }

    /// Whether somebody may be redirected, or others for the sake of a destination: six times at once,
    /// and then once a second.
    pub fn may_redirect6(&self, whom: u128, now: crate::graph::Nanos) -> bool {
        self.limits.allow_redirect6(self.tunables.icmp.seed, whom, now)
    }

    /// True when the address is one that all routers of a prefix share (RFC 4291 section 2.6.1), and the
    /// router is one of them for what comes by an interface.
    pub fn is_anycast6(&self, iface: u16, address: u128) -> bool {
        let Some(own) = self.ifaces.get(iface) else { return false };
        if address::is_link_local(address) {
            return shares(own, address);
        }
        let vrf = own.own_vrf();
        self.ifaces
            .iter()
            .any(|iface| [vrf, 0].contains(&iface.own_vrf()) && shares(iface, address))
    }

    /// The interface that what is about a packet is bound to where it came by another: from a VRF all
    /// packets come by the VRF itself, and it is their route's (`icmp6_iif`).
    pub fn bound6(&self, iface: u16, hop: u32) -> u16 {
        match self.vrf(iface) {
            0 => iface,
            _ => self.hops.get(hop).out().iface,
        }
    }

    /// The interface by which the router shares an address with others.
    pub fn anycast6_on(&self, iface: u16, address: u128) -> Option<u16> {
        let vrf = self.vrf(iface);
        let mut own = self.ifaces.iter().filter(|own| own.own_vrf() == vrf);
        own.find(|own| shares(own, address)).map(|own| own.index)
    }

    /// The same in whichever VRF (`ipv6_chk_acast_addr_src`).
    pub fn is_anycast6_anywhere(&self, iface: u16, address: u128) -> bool {
        match address::is_link_local(address) {
            true => self.is_anycast6(iface, address),
            false => self.ifaces.iter().any(|iface| shares(iface, address)),
        }
    }

    /// Hop of an IPv6 packet of the router's own, which `iface` binds where the destination is of one
    /// link or a group.
    pub fn output_hop6(&self, flow: &Flow<u128>, iface: u16) -> Option<u32> {
        if address::needs_interface(flow.dst) {
            let own = self.ifaces.get(iface)?;
            // Of all that could be of one link, the first /64 alone has a route there.
            if address::is_link_local(flow.dst) && !address::is_on_link(flow.dst) {
                return None;
            }
            // A rule that refuses comes before the route that each link has.
            let bound = Flow { oif: iface, ..*flow };
            if let Some(policy) = &self.policy6
                && address::is_link_local(flow.dst)
                && policy.ends(&bound, self.sources6())
            {
                return None;
            }
            let known = self.neighbours.six.get(iface, Ipv6Addr::from_bits(flow.dst));
            if let Some(learned) = self.exceptions.output6(own.link6, flow.dst) {
                return Some(learned);
            }
            return Some(if known == 0 { own.link6 } else { known }).filter(|hop| *hop != 0);
        }
        let mut index = self.route6(flow);
        let mut hop = self.hops.get(index);
        if hop.kind() == HopKind::Group {
            let seed = self.tunables.multipath.seed;
            index = self.hops.member(hop, crate::packet::l3_hash6(flow.src, flow.dst, 0, seed));
            hop = self.hops.get(index);
        }
        if let Some(learned) = self.exceptions.output6(index, flow.dst) {
            return Some(learned);
        }
        match hop.kind() {
            HopKind::Neighbour => Some(index),
            HopKind::Link => {
                let dst = Ipv6Addr::from_bits(flow.dst);
                match self.neighbours.six.get(hop.out().iface, dst) {
                    0 => Some(index),
                    known => Some(known),
                }
            }
            _ => None,
        }
    }

    /// The address that the router's own packets to `dst` carry on the way `hop` (RFC 6724 section 5).
    pub fn source_on6(&self, hop: u32, dst: u128) -> Option<Ipv6Addr> {
        if let Some(chosen) = self.hops.prefsrc6(hop) {
            return Some(chosen);
        }
        self.source_at6(self.hops.get(hop).out().iface, dst)
    }

    /// The same before there is a way.
    pub fn source_anywhere6(&self, vrf: u16, dst: u128) -> Option<Ipv6Addr> {
        choose((vrf, 0), self.ifaces.iter(), dst, &self.labels)
    }

    /// The address that the router's own packets to `dst` carry when an interface stands for their way
    /// (RFC 6724 section 5).
    pub fn source_at6(&self, iface: u16, dst: u128) -> Option<Ipv6Addr> {
        source_of(self.ifaces.get(iface)?, self.ifaces.iter(), dst, &self.labels)
    }
}

/// The address that packets to `dst` carry on their way by `way`, of those of `all` (RFC 6724 section
/// 5).
pub fn source_of<'a>(
    way: &Iface,
    all: impl Iterator<Item = &'a Iface>,
    dst: u128,
    labels: &Labels,
) -> Option<Ipv6Addr> {
    choose((way.own_vrf(), way.index), all, dst, labels)
}

fn choose<'a>(
    (vrf, iface): (u16, u16),
    all: impl Iterator<Item = &'a Iface>,
    dst: u128,
    labels: &Labels,
) -> Option<Ipv6Addr> {
    let there = |iface: &&Iface| iface.up && iface.own_vrf() == vrf;
    let candidates = all.filter(there).flat_map(|iface| {
        let usable = iface.addresses6.iter().filter(|own| own.is_usable());
        usable.map(|own| candidate(iface, own))
    });
    let wanted = Wanted { dst: Ipv6Addr::from_bits(dst), iface };
    select::source(candidates, wanted, labels)
}

/// An address as the rules of source selection see it.
fn candidate(iface: &Iface, own: &IfaceAddr6) -> Candidate {
    let is = |flag: AddrFlags| own.flags.any(flag);
    Candidate {
        address: own.local.addr(),
        len: own.local.prefix_len(),
        iface: iface.index,
        tentative: is(AddrFlags::TENTATIVE),
        optimistic: is(AddrFlags::OPTIMISTIC),
        uses_optimistic: iface.conf6.use_optimistic,
        deprecated: is(AddrFlags::DEPRECATED),
        temporary: is(AddrFlags::TEMPORARY),
        home: is(AddrFlags::HOMEADDRESS),
        prefers_temporary: iface.conf6.prefers_temporary,
    }
}
