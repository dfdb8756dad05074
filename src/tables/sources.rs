//! Whether a source is where a packet came from (`fib_validate_source`).

use super::Tables;
use crate::{
    packet::Flow,
    port::table::IfaceAddr,
    route::table::{Hop, HopKind},
};

/// Why a source is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unbelievable {
    /// It is reached by another interface.
    ReversePath,
    /// It is no unicast address.
    Martian,
}

impl Tables {
    /// True when a next hop of the route leaves by the interface.
    fn uses(&self, hop: Hop<'_>, iface: u16) -> bool {
        let hops = &self.hops;
        match hop.kind() {
            HopKind::Group => hops.members(hop).any(|member| hops.get(member).out().iface == iface),
            _ => hop.out().iface == iface,
        }
    }

    /// Checks the source of a packet that came by the interface `index` against the routes; `forth`
    /// has the interface by which it leaves as the one by which it came. Gives whether the source is
    /// on the link.
    ///
    /// # Errors
    /// When the source is not believed.
    pub fn validate_source(&self, index: u16, forth: &Flow) -> Result<bool, Unbelievable> {
        let Some(iface) = self.ifaces.get(index) else { return Ok(false) };
        let back = Flow { src: forth.dst, dst: forth.src, mark: 0, ..*forth };
        // DHCP clients have no address yet.
        if back.dst == 0 {
            return Ok(false);
        }
        let strictness = iface.conf.rp_filter;
        let last_resort = match strictness {
            0 => Ok(false),
            _ => Err(Unbelievable::ReversePath),
        };
        let hop = self.hops.get(self.route(&back));
        match hop.kind() {
            HopKind::NoRoute | HopKind::Throw | HopKind::Vrf => return last_resort,
            HopKind::Blackhole
            | HopKind::Unreachable
            | HopKind::NetUnreachable
            | HopKind::Prohibit => return last_resort,
            HopKind::Local if iface.conf.accept_local => {
                let here = |own: &IfaceAddr| own.local.addr().to_bits() == back.dst;
                return match iface.addresses.iter().any(here) {
                    true => Ok(true),
                    false if strictness == 1 => Err(Unbelievable::ReversePath),
                    false => Ok(false),
                };
            }
            HopKind::Local | HopKind::Broadcast | HopKind::Invalid => {
                return Err(Unbelievable::Martian);
            }
            HopKind::Neighbour
            | HopKind::Link
            | HopKind::Group
            | HopKind::Choice
            | HopKind::Sources => {}
        }
        let on_link = hop.kind() == HopKind::Link;
        if self.uses(hop, index) {
            return Ok(on_link);
        }
        if iface.addresses.is_empty() {
            return last_resort;
        }
        match strictness {
            1 => Err(Unbelievable::ReversePath),
            _ => Ok(false),
        }
    }
}
