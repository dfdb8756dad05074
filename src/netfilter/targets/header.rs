//! `DSCP`, `TOS`, `ECN`, `TTL`, `HL`: fields of the network header.
//!
//! - takes: a packet
//! - gives: the packet with the field and the checksums that cover it changed
//! - obeys: xt_DSCP, ipt_ECN, xt_HL of the kernel

use super::failed;
use crate::netfilter::eval::Verdict;
use crate::netfilter::rule::{EcnTarget, Family, Ttl};
use crate::netfilter::view::View;
use crate::packet::{checksum, ipv4::protocol};

/// Corrects the checksum at a place after a word changed.
pub(super) fn mend(bytes: &mut [u8], place: usize, old: u16, new: u16) {
    if let Some([high, low]) = bytes.get_mut(place..place + 2) {
        let mended = checksum::update16(u16::from_be_bytes([*high, *low]), old, new);
        [*high, *low] = mended.to_be_bytes();
    }
}

/// Sets the byte of TOS or traffic class.
pub(super) fn set_tos(view: &mut View<'_>, tos: u8) {
    let four = view.facts().family == Family::Four;
    if tos == view.tos() {
        return;
    }
    let bytes = view.bytes_mut();
    if four {
        let old = u16::from_be_bytes([bytes[0], bytes[1]]);
        bytes[1] = tos;
        mend(bytes, 10, old, old & 0xff00 | u16::from(tos));
    } else {
        bytes[0] = bytes[0] & 0xf0 | tos >> 4;
        bytes[1] = bytes[1] & 0x0f | tos << 4;
    }
}

/// `ECN`
pub(super) fn ecn(view: &mut View<'_>, ecn: &EcnTarget) -> Option<Verdict> {
    if let Some(bits) = ecn.ip {
        set_tos(view, view.tos() & !3 | bits & 3);
    }
    let facts = *view.facts();
    if ecn.cwr.is_none() && ecn.ece.is_none() || facts.protocol != protocol::TCP {
        return None;
    }
    let Some(head) = view.bytes_mut().get_mut(facts.l4..).filter(|head| head.len() >= 20) else {
        return failed();
    };
    let old = u16::from_be_bytes([head[12], head[13]]);
    for (want, bit) in [(ecn.ece, 0x40), (ecn.cwr, 0x80)] {
        match want {
            Some(true) => head[13] |= bit,
            Some(false) => head[13] &= !bit,
            None => {}
        }
    }
    let new = u16::from_be_bytes([head[12], head[13]]);
    if new != old {
        mend(head, 16, old, new);
    }
    None
}

/// `TTL`, `HL`
pub(super) fn ttl(view: &mut View<'_>, how: &Ttl) {
    let old = view.ttl();
    let new = match how {
        Ttl::Set(value) => *value,
        Ttl::Increase(by) => old.saturating_add(*by),
        Ttl::Decrease(by) => old.saturating_sub(*by),
    };
    let four = view.facts().family == Family::Four;
    let bytes = view.bytes_mut();
    if !four {
        bytes[7] = new;
    } else if new != old {
        let word = u16::from_be_bytes([old, bytes[9]]);
        bytes[8] = new;
        let changed = u16::from_be_bytes([new, bytes[9]]);
        mend(bytes, 10, word, changed);
    }
}
