//! Matches on addresses as the routing tables know them.
//!
//! - takes: a packet, and the router's tables by way of [`Env`]
//! - gives: [`Found`]
//! - obeys: xt_addrtype, ipt_rpfilter, ip6t_rpfilter of the kernel

use super::Found;
use crate::netfilter::env::{Env, ReversePath};
use crate::netfilter::rule::{AddrType, AddrTypes, Family, Is, RpFilter};
use crate::netfilter::view::{View, address};
use crate::packet::{
    ipv4,
    ipv6::address::{self as six, Kind},
};

const UNSPEC: u16 = 1;
const UNICAST: u16 = 1 << 1;
const LOCAL: u16 = 1 << 2;
const ANYCAST: u16 = 1 << 4;
const MULTICAST: u16 = 1 << 5;
const UNREACHABLE: u16 = 1 << 7;

/// `addrtype`
pub(super) fn addrtype<E: Env>(view: &View<'_>, env: &E, ask: &AddrType) -> Found {
    let facts = view.facts();
    let iface = match (ask.limit_in, ask.limit_out) {
        (true, _) => Some(view.about.input),
        (_, true) => Some(view.about.output),
        _ => None,
    };
    let is = |asked: &Option<Is<AddrTypes>>, bits: u128| {
        asked.as_ref().is_none_or(|is| {
            is.holds(|types| match facts.family {
                Family::Four => {
                    env.address_types(address(Family::Four, bits), iface) & types.0 != 0
                }
                Family::Six => is_six(env, bits, iface, types.0),
            })
        })
    };
    Found::of(is(&ask.source, facts.src) && is(&ask.destination, facts.dst))
}

/// Of IPv6 an address must be all that is asked for, but for what only the tables can tell.
fn is_six<E: Env>(env: &E, bits: u128, iface: Option<u16>, types: u16) -> bool {
    let kind = six::kind(bits);
    let asked = |bit: u16| types & bit != 0;
    if asked(MULTICAST) && !six::is_multicast(bits)
        || asked(UNICAST) && !kind.is_unicast()
        || asked(UNSPEC) && kind != Kind::Unspecified
    {
        return false;
    }
    let looked = types & (LOCAL | ANYCAST | UNREACHABLE);
    looked == 0 || env.address_types(address(Family::Six, bits), iface) & looked != 0
}

/// `rpfilter`
pub(super) fn rpfilter<E: Env>(view: &View<'_>, env: &E, ask: &RpFilter) -> Found {
    let facts = view.facts();
    let four = facts.family == Family::Four;
    let (src, dst) = (facts.src as u32, facts.dst as u32);
    let exempt = env.is_loopback(view.about.input)
        || match four {
            // As of a client that has no address yet.
            true => {
                ipv4::is_zeronet(src)
                    && (ipv4::is_limited_broadcast(dst) || ipv4::is_local_multicast(dst))
            }
            false => facts.src == 0,
        };
    let from = match four {
        true => {
            !(ipv4::is_multicast(dst) || ipv4::is_limited_broadcast(dst) || ipv4::is_zeronet(dst))
        }
        false => six::kind(facts.dst).is_unicast(),
    };
    let head = view.bytes();
    let right = exempt
        || env.reverse_path(&ReversePath {
            to: facts.source(),
            from: from.then(|| facts.destination()),
            iface: view.about.input,
            mark: if ask.valid_mark { view.about.mark } else { 0 },
            tos: view.tos() & 0xfc,
            flow: u32::from_be_bytes([head[0], head[1], head[2], head[3]]) & 0x0fff_ffff,
            loose: ask.loose,
            accept_local: ask.accept_local,
        });
    Found::of(right != ask.invert)
}
