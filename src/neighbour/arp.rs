//! What an ARP packet calls for: the decisions of `arp_process`, without the packet's buffer.
//!
//! - obeys: RFC 826, RFC 5227; the kernel's order of checks with `arp_ignore`, `arp_accept` and
//!   `proxy_arp` off

use std::net::Ipv4Addr;

use crate::packet::{arp::ArpView, ipv4};

/// Operation of a request.
pub const REQUEST: u16 = 1;
/// Operation of a reply.
pub const REPLY: u16 = 2;

/// What the router knows that matters to an ARP packet.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// The target address is the router's.
    pub target_local: bool,
    /// The sender address is the router's.
    pub sender_local: bool,
    /// The frame was sent to the router alone.
    pub unicast: bool,
}

/// What is learned about the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learn {
    /// Nothing.
    No,
    /// It asks for us, so we shall need it: a new entry if there is none.
    Create,
    /// Only an entry that exists is brought up to date.
    Update {
        /// The sender answered us.
        confirmed: bool,
        /// The new address counts at once, whatever the age of the old one.
        gratuitous: bool,
    },
}

/// The verdict on an ARP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Answer with our address.
    pub reply: bool,
    /// What is learned.
    pub learn: Learn,
}

/// The decision.
pub fn consider(arp: &ArpView<'_>, facts: Facts) -> Verdict {
    const NOTHING: Verdict = Verdict { reply: false, learn: Learn::No };
    let (operation, sender, target) = (arp.operation(), arp.sender_ip(), arp.target_ip());
    if !matches!(operation, REQUEST | REPLY) {
        return NOTHING;
    }
    if ipv4::is_multicast(target.to_bits()) || ipv4::is_loopback(target.to_bits()) {
        return NOTHING;
    }
    if sender.is_unspecified() {
        // Somebody asks whether it may take the address (RFC 5227): defend ours, learn nothing.
        return Verdict { reply: operation == REQUEST && facts.target_local, ..NOTHING };
    }
    if operation == REQUEST && facts.target_local && usable_source(sender, facts) {
        return Verdict { reply: true, learn: Learn::Create };
    }
    let confirmed = operation == REPLY && facts.unicast;
    let gratuitous = sender == target;
    Verdict { reply: false, learn: Learn::Update { confirmed, gratuitous } }
}

/// A source that the routing code would not call martian.
fn usable_source(sender: Ipv4Addr, facts: Facts) -> bool {
    let bits = sender.to_bits();
    let martian =
        ipv4::is_multicast(bits) || ipv4::is_limited_broadcast(bits) || ipv4::is_loopback(bits);
    !martian && !facts.sender_local
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{MacAddr, arp::ArpSpec};

    const PEER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);
    const OURS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
    const MAC: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 9]);

    fn verdict(spec: ArpSpec, target_local: bool) -> Verdict {
        let bytes = spec.to_bytes();
        let arp = ArpView::new_checked(&bytes).unwrap();
        let sender_local = arp.sender_ip() == OURS;
        consider(&arp, Facts { target_local, sender_local, unicast: true })
    }

    #[test]
    fn a_request_for_us_is_answered_and_its_sender_learned() {
        let asked = verdict(ArpSpec::request(MAC, PEER, OURS), true);
        assert_eq!(asked, Verdict { reply: true, learn: Learn::Create });
    }

    #[test]
    fn a_request_for_another_teaches_only_what_we_use_already() {
        let other = verdict(ArpSpec::request(MAC, PEER, Ipv4Addr::new(192, 0, 2, 7)), false);
        assert!(!other.reply);
        assert_eq!(other.learn, Learn::Update { confirmed: false, gratuitous: false });
    }

    #[test]
    fn a_probe_for_our_address_is_answered_and_teaches_nothing() {
        let probe = verdict(ArpSpec::request(MAC, Ipv4Addr::UNSPECIFIED, OURS), true);
        assert_eq!(probe, Verdict { reply: true, learn: Learn::No });
    }

    #[test]
    fn a_reply_confirms_and_an_announcement_overrides() {
        let reply = verdict(ArpSpec::reply(MAC, PEER, MAC, OURS), true);
        assert_eq!(reply.learn, Learn::Update { confirmed: true, gratuitous: false });
        let announcement = verdict(ArpSpec::request(MAC, PEER, PEER), false);
        assert_eq!(announcement.learn, Learn::Update { confirmed: false, gratuitous: true });
    }

    #[test]
    fn a_request_that_claims_our_own_address_is_not_answered() {
        assert!(!verdict(ArpSpec::request(MAC, OURS, OURS), true).reply);
    }
}
