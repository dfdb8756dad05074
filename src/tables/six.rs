//! Ways and addresses of IPv6, for what the router sends itself.

use std::net::Ipv6Addr;

use super::Tables;
use crate::{
    packet::ipv6::address,
    port::table::{Iface, IfaceAddr6},
    route::{
        family::Fib,
        policy::{Flow, Sources},
        table::HopKind,
    },
};

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

    /// True when the address is one that all routers of a prefix share (RFC 4291 section 2.6.1), and the
    /// router is one of them for what comes by an interface.
    pub fn is_anycast6(&self, iface: u16, address: u128) -> bool {
        let Some(own) = self.ifaces.get(iface) else { return false };
        let shares = |iface: &Iface| {
            iface.conf6.forwarding
                && iface.addresses6.iter().any(|own| {
                    let (bits, len) = (own.local.addr().to_bits(), own.local.prefix_len());
                    address::subnet_router_anycast(bits, len) == Some(address)
                })
        };
        if address::is_link_local(address) {
            return shares(own);
        }
        let vrf = own.own_vrf();
        self.ifaces.iter().any(|iface| [vrf, 0].contains(&iface.own_vrf()) && shares(iface))
    }

    /// Hop of an IPv6 packet of the router's own, which `iface` binds where the destination is of one
    /// link or a group.
    pub fn output_hop6(&self, flow: &Flow<u128>, iface: u16) -> Option<u32> {
        if address::needs_interface(flow.dst) {
            let own = self.ifaces.get(iface)?;
            let known = self.neighbours.six.get(iface, Ipv6Addr::from_bits(flow.dst));
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

    /// The address that the router's own packets to `dst` carry when an interface stands for their way
    /// (RFC 6724 section 5).
    pub fn source_at6(&self, iface: u16, dst: u128) -> Option<Ipv6Addr> {
        let iface = self.ifaces.get(iface)?;
        let vrf = iface.own_vrf();
        let wanted = address::scope_of(dst);
        let on = |iface: &Iface, only_global: bool| {
            let fits = |own: &&IfaceAddr6| {
                let bits = own.local.addr().to_bits();
                own.is_usable() && !(only_global && address::is_link_local(bits))
            };
            let key = |own: &&IfaceAddr6| {
                let bits = own.local.addr().to_bits();
                let scope = address::scope_of(bits);
                // The same scope, else the smallest that is wider, else the widest there is; then the
                // longest common prefix.
                let near = if scope >= wanted { (1, u8::MAX - scope) } else { (0, scope) };
                (bits == dst, near, (bits ^ dst).leading_zeros().min(64))
            };
            let best = iface.addresses6.iter().filter(fits).max_by_key(key);
            best.map(|own| own.local.addr())
        };
        let wide = wanted > address::scope::LINK_LOCAL;
        let others = || {
            let same = self.ifaces.iter().filter(|other| other.up && other.own_vrf() == vrf);
            same.filter_map(|other| on(other, true)).next()
        };
        on(iface, wide).or_else(|| if wide { others() } else { None }).or_else(|| on(iface, false))
    }
}
