//! Translates an ICMP error about a translated connection: its own addresses, and its quotation.
//!
//! - takes: the error from its IP header on, and the tuple of the connection's other direction, which
//!   is what the quoted packet shall look like
//! - gives: whether it could be written; an error where it could not is to be dropped
//! - obeys: RFC 5508 section 4; `nf_nat_icmp_reply_translation` and its sister for ICMPv6; row [9.236]
//!
//! The quoted packet went the other way, so that where the error's source is translated the
//! quotation's destination is. Who asks keeps redirects of translated connections back
//! ([`is_redirect`]), and asks for a translation only where the connection has it.

use crate::packet::checksum;
use crate::packet::ipv4::protocol;
use crate::packet::{icmp4, icmp6, ipv4, ipv6};

use super::super::headers;
use super::super::tuple::{ICMPV6, Tuple};
use super::rewrite::{Manip, write};

/// Gives an ICMP error the addresses that its connection shows, outside and in its quotation.
///
/// `quoted` is the tuple of the direction opposite to the error's, `which` the end of the error that
/// is written.
#[must_use = "an error that could not be written is to be dropped"]
pub fn manip_error(packet: &mut [u8], quoted: &Tuple, which: Manip) -> bool {
    let len = headers::trimmed(packet).len();
    packet.get_mut(..len).and_then(|packet| both(packet, quoted, which)).is_some()
}

fn both(packet: &mut [u8], quoted: &Tuple, which: Manip) -> Option<()> {
    let l4 = place(packet, quoted.six)?;
    let (message, inside) = if quoted.six {
        (icmp6::HEADER_LEN, ipv6::HEADER_LEN)
    } else {
        (icmp4::HEADER_LEN, ipv4::HEADER_LEN)
    };
    let start = l4 + message;
    // Damage must not be hidden by a fresh checksum.
    if packet.len() < start + inside || sum(packet, l4, quoted.six)? != 0xffff {
        return None;
    }
    write(packet.get_mut(start..)?, quoted, which.other()).then_some(())?;
    packet.get_mut(l4 + 2..l4 + 4)?.fill(0);
    let check = !sum(packet, l4, quoted.six)?;
    packet.get_mut(l4 + 2..l4 + 4)?.copy_from_slice(&check.to_be_bytes());
    // Ports and protocol stay the error's own: an error has no identifier that would be written.
    let outer = Tuple { src: quoted.dst, dst: quoted.src, ..*quoted };
    write(packet, &outer, which).then_some(())
}

/// Where the message of ICMP stands.
fn place(packet: &[u8], six: bool) -> Option<usize> {
    let found = headers::find(packet)?;
    let proto = if six { ICMPV6 } else { protocol::ICMP };
    (found.six == six && found.proto == proto).then_some(found.l4)
}

/// The sum over the message of ICMP, and over its pseudo-header where it has one.
fn sum(packet: &[u8], l4: usize, six: bool) -> Option<u16> {
    let message = packet.get(l4..)?;
    let own = checksum::sum(message);
    if !six {
        return Some(own);
    }
    let ends = checksum::sum(packet.get(ipv6::field::SRC.start..ipv6::field::DST.end)?);
    let rest = checksum::fold(message.len() as u64 + u64::from(ICMPV6));
    Some(checksum::add(own, checksum::add(ends, rest)))
}

/// Whether a packet of ICMP is a redirect, which speaks of a network that a translation hides.
pub fn is_redirect(packet: &[u8]) -> bool {
    let Some(found) = headers::find(packet) else { return false };
    match packet.get(found.l4) {
        Some(&ty) if found.proto == ICMPV6 => ty == icmp6::ty::REDIRECT,
        Some(&ty) if found.proto == protocol::ICMP => ty == icmp4::ty::REDIRECT,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
