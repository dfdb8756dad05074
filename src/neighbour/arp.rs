//! What an ARP packet calls for: the decisions of `arp_process`, without the packet's buffer.
//!
//! - takes: a packet, how it came, the interface's tunables, and who can say what the router knows
//! - gives: a verdict: whether and when to answer, and what is learned
//! - obeys: RFC 826, RFC 5227, RFC 3069; the kernel's order of checks; ledger 7.89 to 7.125

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::entry::State;
use crate::packet::{arp::ArpView, ipv4};
pub use crate::port::table::ArpConf;

/// Operation of a request.
pub const REQUEST: u16 = 1;
/// Operation of a reply.
pub const REPLY: u16 = 2;

/// What an address or a route is (`RTN_*`), as far as ARP cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The router's.
    Local,
    /// Somebody's.
    Unicast,
    /// All of a subnet's.
    Broadcast,
    /// A group's.
    Multicast,
    /// Nobody's.
    Other,
}

/// Scopes of addresses, the wider the lower (`RT_SCOPE_*`).
pub mod scope {
    /// Of the link.
    pub const LINK: u8 = 253;
    /// Of the router alone.
    pub const HOST: u8 = 254;
}

/// What the router knows that matters to an ARP packet.
pub trait Facts {
    /// Kind of an address, seen from the interface.
    fn kind(&self, address: Ipv4Addr) -> Kind;
    /// Where a packet from `sender` to `target` would go that came by the interface: the kind of its
    /// route, and the interface that it leaves by. `None` when it would not be let in.
    fn arrives(&self, sender: Ipv4Addr, target: Ipv4Addr) -> Option<(Kind, u16)>;
    /// The interface by which a packet of the router's from `source` to `to` leaves.
    fn leaves(&self, to: Ipv4Addr, source: Ipv4Addr) -> Option<u16>;
    /// Whether an interface, or with `None` any, has an address that [`confirm`] finds.
    fn confirms(&self, anywhere: bool, peer: Ipv4Addr, local: Ipv4Addr, scope: u8) -> bool;
    /// Whether a proxy entry names the address on the interface.
    fn proxied(&self, target: Ipv4Addr) -> bool;
    /// `medium_id` of an interface.
    fn medium(&self, iface: u16) -> i32;
}

/// How a packet came, and what holds on its interface.
#[derive(Clone, Copy, Debug)]
pub struct Came {
    /// The interface.
    pub iface: u16,
    /// The frame was sent to the router alone.
    pub unicast: bool,
    /// It waited for its answer already.
    pub waited: bool,
    /// Tunables in force.
    pub conf: ArpConf,
    /// `forwarding`.
    pub forwarding: bool,
    /// `route_localnet`.
    pub route_localnet: bool,
    /// `proxy_delay` is not 0.
    pub delays: bool,
}

/// Whether a request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Not at all.
    No,
    /// Not, because the sender is reached by another interface (`arp_filter`).
    Filtered,
    /// At once.
    Now,
    /// At once, if there was room to learn the sender.
    IfLearned,
    /// After a while, when it is looked at again.
    Later,
}

/// What is learned about the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learn {
    /// Nothing.
    No,
    /// It asks for us, so we shall need it.
    Request,
    /// What is known of it is brought up to date.
    Hear {
        /// In this state.
        state: State,
        /// It becomes known if it is not.
        create: bool,
        /// Its address counts at once, whatever the age of the old one.
        gratuitous: bool,
    },
}

/// The verdict on an ARP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it is answered.
    pub answer: Answer,
    /// What is learned.
    pub learn: Learn,
}

const NOTHING: Verdict = Verdict { answer: Answer::No, learn: Learn::No };

/// The decision (`arp_process`).
pub fn consider(arp: &ArpView<'_>, came: &Came, facts: &impl Facts) -> Verdict {
    let (operation, sender, target) = (arp.operation(), arp.sender_ip(), arp.target_ip());
    if !matches!(operation, REQUEST | REPLY) {
        return NOTHING;
    }
    if ipv4::is_multicast(target.to_bits())
        || !came.route_localnet && ipv4::is_loopback(target.to_bits())
    {
        return NOTHING;
    }
    if sender == target && came.conf.drop_gratuitous {
        return NOTHING;
    }
    let request = operation == REQUEST;
    if sender.is_unspecified() {
        // Somebody asks whether it may take the address (RFC 5227): defend ours, learn nothing.
        let ours = request && facts.kind(target) == Kind::Local;
        let answers = ours && !ignores(sender, target, came, facts);
        return Verdict { answer: if answers { Answer::Now } else { Answer::No }, ..NOTHING };
    }
    if request && let Some((kind, out)) = facts.arrives(sender, target) {
        if kind == Kind::Local {
            return own(sender, target, came, facts);
        }
        let proxies = came.forwarding && kind == Kind::Unicast;
        if proxies && is_proxied(sender, target, out, came, facts) {
            let at_once = came.waited || came.unicast || !came.delays;
            let answer = if at_once { Answer::Now } else { Answer::Later };
            return Verdict { answer, learn: Learn::Request };
        }
    }
    Verdict { answer: Answer::No, learn: hear(arp, came, facts) }
}

/// A request for an address of the router's.
fn own(sender: Ipv4Addr, target: Ipv4Addr, came: &Came, facts: &impl Facts) -> Verdict {
    if ignores(sender, target, came, facts) {
        return NOTHING;
    }
    if came.conf.filter {
        match facts.leaves(sender, target) {
            None => return NOTHING,
            Some(out) if out != came.iface => {
                return Verdict { answer: Answer::Filtered, ..NOTHING };
            }
            Some(_) => {}
        }
    }
    Verdict { answer: Answer::IfLearned, learn: Learn::Request }
}

/// Whether `arp_ignore` silences the answer (`arp_ignore`).
fn ignores(sender: Ipv4Addr, target: Ipv4Addr, came: &Came, facts: &impl Facts) -> bool {
    let any = Ipv4Addr::UNSPECIFIED;
    match came.conf.ignore {
        1 => !facts.confirms(false, any, target, scope::HOST),
        2 => !facts.confirms(false, sender, target, scope::HOST),
        3 => !facts.confirms(true, any, target, scope::LINK),
        8 => true,
        _ => false,
    }
}

/// Whether the router answers for somebody else (`arp_fwd_proxy`, `arp_fwd_pvlan`, `pneigh_lookup`).
fn is_proxied(
    sender: Ipv4Addr,
    target: Ipv4Addr,
    out: u16,
    came: &Came,
    facts: &impl Facts,
) -> bool {
    if out == came.iface {
        // Hosts that ask for their own address do so to find out whether it is free.
        return came.conf.proxy_pvlan && sender != target;
    }
    let mediums = || match came.conf.medium {
        0 => true,
        -1 => false,
        own => {
            let other = facts.medium(out);
            other != own && other != -1
        }
    };
    came.conf.proxy && mediums() || facts.proxied(target)
}

/// What traffic that is not for the router teaches.
fn hear(arp: &ArpView<'_>, came: &Came, facts: &impl Facts) -> Learn {
    let (reply, sender) = (arp.operation() == REPLY, arp.sender_ip());
    let announces = arp.is_gratuitous() && (!reply || arp.target_mac() == arp.sender_mac());
    let unicast = || facts.kind(sender) == Kind::Unicast;
    let gratuitous = announces && unicast();
    let accepts = match came.conf.accept {
        1 => true,
        2 => facts.confirms(false, sender, Ipv4Addr::UNSPECIFIED, scope::LINK),
        _ => false,
    };
    let create = accepts && (gratuitous || reply && unicast());
    // Only who answered us is known to hear us.
    let state = if reply && came.unicast { State::Reachable } else { State::Stale };
    Learn::Hear { state, create, gratuitous }
}

/// An own address of a scope up to `widest` that equals `local` (any, when unspecified), where some
/// subnet of the interface holds it and `peer` (any, when unspecified) (`confirm_addr_indev`).
pub fn confirm(
    addresses: impl Iterator<Item = (Ipv4Net, u8)>,
    peer: Ipv4Addr,
    local: Ipv4Addr,
    widest: u8,
    route_localnet: bool,
) -> Option<Ipv4Addr> {
    let localnet = if route_localnet { scope::LINK } else { scope::HOST };
    let (any_peer, any_local) = (peer.is_unspecified(), local.is_unspecified());
    let (mut found, mut same) = (None, false);
    for (own, scope) in addresses {
        let fits = scope.min(localnet) <= widest;
        if found.is_none() && (any_local || own.addr() == local) && fits {
            found = Some(own.addr());
            if same {
                break;
            }
        }
        if !same {
            same = (any_local || own.contains(&local)) && (any_peer || own.contains(&peer));
            if let (true, Some(address)) = (same, found) {
                if !any_local || any_peer || own.contains(&address) {
                    break;
                }
                if fits {
                    found = Some(own.addr());
                    break;
                }
                // Perhaps a larger subnet has both.
                same = false;
            }
        }
    }
    found.filter(|_| same)
}

/// The source that a request bears because the packet that waits bears it; with `None` the best
/// address of the interface is chosen for the target (`arp_solicit`).
pub fn announce(
    level: u8,
    packet: Option<Ipv4Addr>,
    is_local: impl FnOnce(Ipv4Addr) -> bool,
    is_on_link: impl FnOnce(Ipv4Addr) -> bool,
) -> Option<Ipv4Addr> {
    let source = packet?;
    match level {
        1 => (is_local(source) && is_on_link(source)).then_some(source),
        2 => None,
        _ => is_local(source).then_some(source),
    }
}

#[cfg(test)]
#[path = "arp/tests.rs"]
mod tests;
