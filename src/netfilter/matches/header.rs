//! Matches on the network header, the link layer's, and what the router knows beside them.
//!
//! - takes: a packet
//! - gives: [`Found`]
//! - obeys: xt_dscp, xt_ecn, xt_hl, xt_length, xt_iprange, xt_mac, xt_pkttype, xt_devgroup, xt_owner,
//!   xt_policy of the kernel

use super::Found;
use crate::netfilter::env::{Env, IpsecState};
use crate::netfilter::rule::{
    Compare, DevGroup, Ecn, Family, IpRange, IpsecPolicy, Is, Owner, PacketType, PolicyElement,
    PolicyWay, Span,
};
use crate::netfilter::view::{PacketKind, View, bits};

/// `ttl`, `hl`
#[inline]
pub(super) fn ttl(view: &View<'_>, ask: &Compare) -> Found {
    let ttl = view.ttl();
    Found::of(match ask {
        Compare::Equal(value) => ttl == *value,
        Compare::NotEqual(value) => ttl != *value,
        Compare::Less(value) => ttl < *value,
        Compare::Greater(value) => ttl > *value,
    })
}

/// `length`, as the header tells it.
#[inline]
pub(super) fn length(view: &View<'_>, ask: &Is<Span<u16>>) -> Found {
    let bytes = view.bytes();
    let (at, more) = if view.facts().family == Family::Four { (2, 0) } else { (4, 40) };
    let told = u32::from(u16::from_be_bytes([bytes[at], bytes[at + 1]])) + more;
    Found::of(ask.holds(|span| u32::from(span.first) <= told && told <= u32::from(span.last)))
}

/// `ecn`
pub(super) fn ecn(view: &View<'_>, ask: &Ecn) -> Found {
    if ask.ip.as_ref().is_some_and(|is| !is.holds(|bits| view.tos() & 3 == *bits)) {
        return Found::Miss;
    }
    if ask.cwr.is_none() && ask.ece.is_none() {
        return Found::Hit;
    }
    let Some(head) = view.l4_head::<20>() else { return Found::Miss };
    let right =
        |asked: Option<bool>, bit: u8| asked.is_none_or(|want| (head[13] & bit != 0) == want);
    Found::of(right(ask.ece, 0x40) && right(ask.cwr, 0x80))
}

/// `iprange`
#[inline]
pub(super) fn iprange(view: &View<'_>, ask: &IpRange) -> Found {
    let facts = view.facts();
    let within = |asked: &Option<Is<Span<std::net::IpAddr>>>, address: u128| {
        asked.as_ref().is_none_or(|is| {
            is.holds(|span| bits(span.first) <= address && address <= bits(span.last))
        })
    };
    Found::of(within(&ask.source, facts.src) && within(&ask.destination, facts.dst))
}

/// `mac`, of Ethernet only.
pub(super) fn mac(view: &View<'_>, ask: &Is<[u8; 6]>) -> Found {
    let source = view.about.link.get(..14).map(|head| &head[6..12]);
    Found::of(source.is_some_and(|source| ask.holds(|address| address == source)))
}

/// `pkttype`
pub(super) fn kind(view: &View<'_>, ask: &Is<PacketType>) -> Found {
    let kind = view.about.kind;
    Found::of(ask.holds(|asked| match asked {
        PacketType::Unicast => kind == PacketKind::Host,
        PacketType::Broadcast => kind == PacketKind::Broadcast,
        PacketType::Multicast => kind == PacketKind::Multicast,
        PacketType::OtherHost => kind == PacketKind::Other,
        // Rules see the router's own packets before they are any of these.
        PacketType::Outgoing | PacketType::Loopback => false,
    }))
}

/// `devgroup`
pub(super) fn group<E: Env>(view: &View<'_>, env: &E, ask: &DevGroup) -> Found {
    let of = |asked: &Option<Is<crate::netfilter::rule::Masked<u32>>>, iface: u16| {
        asked
            .as_ref()
            .is_none_or(|is| is.holds(|bits| (env.group(iface) ^ bits.value) & bits.mask == 0))
    };
    Found::of(of(&ask.source, view.about.input) && of(&ask.destination, view.about.output))
}

/// `owner`
pub(super) fn owner<E: Env>(view: &View<'_>, env: &E, ask: &Owner) -> Found {
    let Some((uid, gid)) = env.owner(view) else {
        let not = ask.uid.is_none_or(|is| is.not) && ask.gid.is_none_or(|is| is.not);
        // The kernel's own sockets are nobody's.
        let wanted = Some(!env.has_socket(view));
        return Found::of(not && ask.socket != wanted);
    };
    Found::of(
        ask.socket != Some(false)
            && super::ports::within(&ask.uid, uid)
            && super::ports::within(&ask.gid, gid),
    )
}

/// `policy`
pub(super) fn policy<E: Env>(view: &View<'_>, env: &E, ask: &IpsecPolicy) -> Found {
    let states = env.ipsec(ask.way, view);
    if states.is_empty() {
        return Found::of(ask.none);
    }
    if ask.none {
        return Found::Miss;
    }
    let is = |state: &IpsecState, element: &PolicyElement| {
        let [source, destination] = state.tunnel;
        element.request.as_ref().is_none_or(|is| is.holds(|id| *id == state.request))
            && element.spi.as_ref().is_none_or(|is| is.holds(|spi| *spi == state.spi))
            && element.protocol.as_ref().is_none_or(|is| is.holds(|of| *of == state.protocol))
            && element.mode.as_ref().is_none_or(|is| is.holds(|mode| *mode == state.mode))
            && element.tunnel_source.as_ref().is_none_or(|is| is.holds(|net| net.contains(source)))
            && element
                .tunnel_destination
                .as_ref()
                .is_none_or(|is| is.holds(|net| net.contains(destination)))
    };
    if !ask.strict {
        let first = ask.elements.first();
        return Found::of(first.is_some_and(|first| states.iter().any(|state| is(state, first))));
    }
    // Of a packet that came in, the last transformation is the first to be undone.
    let count = states.len() == ask.elements.len();
    let all = match ask.way {
        PolicyWay::In => {
            states.iter().rev().zip(&ask.elements).all(|(state, element)| is(state, element))
        }
        PolicyWay::Out => {
            states.iter().zip(&ask.elements).all(|(state, element)| is(state, element))
        }
    };
    Found::of(count && all)
}
