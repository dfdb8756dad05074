//! Writes one end of a translated packet, and mends the checksums that cover it.
//!
//! - takes: a packet from its IP header on, the tuple that it shall have, and which end to write
//! - gives: whether the end could be written; a packet where it could not is to be dropped
//! - obeys: RFC 1624 (mending), RFC 768 and RFC 3828 (a checksum of zero), RFC 9260 section 6.8;
//!   `nf_nat_manip_pkt` of the kernel; rows [9.246] to [9.250]
//! - costs: a few additions; SCTP alone is summed whole, as its CRC has no cheaper way in the kernel

use crate::packet::checksum::{self, update16};
use crate::packet::ipv4::protocol;
use crate::packet::{icmp4, icmp6, ipv4, ipv6, tcp, udp};

use super::super::entry::{Dir, status};
use super::super::headers;
use super::super::tuple::{ICMPV6, Tuple};

/// Which end of a packet is translated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Manip {
    /// Where it comes from.
    Src,
    /// Where it goes.
    Dst,
}

impl Manip {
    /// The other end.
    pub const fn other(self) -> Self {
        match self {
            Self::Src => Self::Dst,
            Self::Dst => Self::Src,
        }
    }
}

/// Whether packets of a direction have this end translated, in a connection of this [`status`]
/// (`nf_nat_packet`): answers have it the other way round.
pub const fn applies(status: u32, dir: Dir, which: Manip) -> bool {
    let which = match dir {
        Dir::Original => which,
        Dir::Reply => which.other(),
    };
    match which {
        Manip::Src => status & status::SRC_NAT != 0,
        Manip::Dst => status & status::DST_NAT != 0,
    }
}

/// Bytes that every transport header brings at least, and all that an ICMP error must quote of one.
const QUOTED: usize = 8;
/// Bytes of the common header of SCTP, and of that of DCCP.
const SCTP_HEADER_LEN: usize = 12;
const DCCP_HEADER_LEN: usize = 12;
/// Where DCCP keeps its checksum.
const DCCP_CHECKSUM: usize = 6;
/// Where version 1 of GRE keeps its call.
const GRE_CALL: usize = 6;

/// Gives a packet the source or the destination of `target`.
///
/// False where a header is not there as far as it would have to be written.
#[inline]
#[must_use = "a packet that could not be written is to be dropped"]
pub fn manip(packet: &mut [u8], target: &Tuple, which: Manip) -> bool {
    let len = headers::trimmed(packet).len();
    packet.get_mut(..len).is_some_and(|packet| write(packet, target, which))
}

/// The same without regard to the length that the header tells, as for a quotation cut short.
pub(super) fn write(packet: &mut [u8], target: &Tuple, which: Manip) -> bool {
    if target.six { write6(packet, target, which) } else { write4(packet, target, which) }
}

/// What changed in the addresses that a pseudo-header covers: the sums before and after.
#[derive(Clone, Copy)]
struct Ends {
    before: u16,
    after: u16,
}

fn write4(packet: &mut [u8], target: &Tuple, which: Manip) -> bool {
    let Some(&header) = packet.first_chunk::<{ ipv4::HEADER_LEN }>() else { return false };
    let l4 = usize::from(header[0] & 0xf) * 4;
    if l4 < ipv4::HEADER_LEN {
        return false;
    }
    let (place, new) = match which {
        Manip::Src => (ipv4::field::SRC, target.src.first4()),
        Manip::Dst => (ipv4::field::DST, target.dst.first4()),
    };
    let [_, _, _, _, _, _, high, low, ..] = header;
    // A later fragment has no transport header.
    if u16::from_be_bytes([high, low]) & 0x1fff == 0 {
        let before = checksum::sum(&header[place.clone()]);
        let ends = Ends { before, after: checksum::sum(&new) };
        let proto = header[ipv4::field::PROTOCOL];
        if !packet.get_mut(l4..).is_some_and(|l4| transport(l4, proto, target, which, ends)) {
            return false;
        }
    }
    let Some(header) = packet.first_chunk_mut::<{ ipv4::HEADER_LEN }>() else { return false };
    let Ok(old) = <[u8; 4]>::try_from(&header[place.clone()]) else { return false };
    let check = u16::from_be_bytes([header[10], header[11]]);
    let check = checksum::update32(check, u32::from_be_bytes(old), u32::from_be_bytes(new));
    header[ipv4::field::CHECKSUM].copy_from_slice(&check.to_be_bytes());
    header[place].copy_from_slice(&new);
    true
}

fn write6(packet: &mut [u8], target: &Tuple, which: Manip) -> bool {
    let (place, new) = match which {
        Manip::Src => (ipv6::field::SRC, target.src.0),
        Manip::Dst => (ipv6::field::DST, target.dst.0),
    };
    let Some(old) = packet.get(place.clone()) else { return false };
    let ends = Ends { before: checksum::sum(old), after: checksum::sum(&new) };
    // Where no transport header is found the addresses are all there is to write.
    if let Some(found) = headers::find(packet)
        && !packet
            .get_mut(found.l4..)
            .is_some_and(|l4| transport(l4, found.proto, target, which, ends))
    {
        return false;
    }
    packet.get_mut(place).map(|address| address.copy_from_slice(&new)).is_some()
}

fn transport(l4: &mut [u8], proto: u8, target: &Tuple, which: Manip, ends: Ends) -> bool {
    match proto {
        protocol::TCP => {
            let check = tcp::field::CHECKSUM.start;
            ported(l4, target, which, tcp::HEADER_LEN, |l4, port| mend(l4, check, ends, port))
        }
        protocol::UDP => ported(l4, target, which, udp::HEADER_LEN, |l4, port| {
            if read(l4, udp::field::CHECKSUM.start) != 0 {
                mend_udp(l4, ends, port);
            }
        }),
        protocol::UDPLITE => {
            ported(l4, target, which, udp::HEADER_LEN, |l4, port| mend_udp(l4, ends, port))
        }
        protocol::DCCP => ported(l4, target, which, DCCP_HEADER_LEN, |l4, port| {
            mend(l4, DCCP_CHECKSUM, ends, port);
        }),
        protocol::SCTP => ported(l4, target, which, SCTP_HEADER_LEN, |l4, _| sum_sctp(l4)),
        protocol::ICMP => icmp(l4, target),
        ICMPV6 => icmpv6(l4, target, ends),
        protocol::GRE => gre(l4, target, which),
        _ => true,
    }
}

/// Writes a port, and has its checksum seen to where the header is there `whole`.
#[inline]
fn ported(
    l4: &mut [u8],
    target: &Tuple,
    which: Manip,
    whole: usize,
    check: impl FnOnce(&mut [u8], Ends),
) -> bool {
    if l4.len() < QUOTED {
        return false;
    }
    let (at, after) = match which {
        Manip::Src => (0, target.sport),
        Manip::Dst => (2, target.dport),
    };
    let before = read(l4, at);
    store(l4, at, after);
    // The checksum of a quotation of eight bytes is not there to be mended.
    if l4.len() >= whole {
        check(l4, Ends { before, after });
    }
    true
}

pub(super) fn read(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |&word| u16::from_be_bytes(word))
}

pub(super) fn store(bytes: &mut [u8], at: usize, word: u16) {
    if let Some(place) = bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
        *place = word.to_be_bytes();
    }
}

/// Mends a checksum for an address and one more word.
#[inline]
fn mend(l4: &mut [u8], at: usize, ends: Ends, word: Ends) {
    let check = update16(read(l4, at), ends.before, ends.after);
    store(l4, at, update16(check, word.before, word.after));
}

fn mend_udp(l4: &mut [u8], ends: Ends, port: Ends) {
    let at = udp::field::CHECKSUM.start;
    mend(l4, at, ends, port);
    if read(l4, at) == 0 {
        store(l4, at, 0xffff);
    }
}

/// Writes the CRC32c over all of an SCTP packet (RFC 9260 appendix A), low octet first.
pub(super) fn sum_sctp(l4: &mut [u8]) {
    let Some((head, rest)) = l4.split_first_chunk_mut::<SCTP_HEADER_LEN>() else { return };
    head[8..].fill(0);
    let crc = crc32c::crc32c_append(crc32c::crc32c(head), rest);
    head[8..].copy_from_slice(&crc.to_le_bytes());
}

/// Writes the identifier of a query; errors have none.
fn icmp(l4: &mut [u8], target: &Tuple) -> bool {
    use icmp4::ty;
    let Some(&[kind, ..]) = l4.first_chunk::<{ icmp4::HEADER_LEN }>() else { return false };
    let asks = matches!(
        kind,
        ty::ECHO_REQUEST | ty::ECHO_REPLY | ty::TIMESTAMP_REQUEST..=ty::ADDRESS_MASK_REPLY
    );
    if asks {
        let at = icmp4::field::ID.start;
        let id = Ends { before: read(l4, at), after: target.sport };
        store(l4, at, id.after);
        mend(l4, icmp4::field::CHECKSUM.start, Ends { before: 0, after: 0 }, id);
    }
    true
}

/// The same over IPv6, whose checksum covers the addresses too.
fn icmpv6(l4: &mut [u8], target: &Tuple, ends: Ends) -> bool {
    use icmp6::ty;
    let Some(&[kind, ..]) = l4.first_chunk::<{ icmp6::HEADER_LEN }>() else { return false };
    let at = icmp6::field::REST.start;
    let mut id = Ends { before: 0, after: 0 };
    if matches!(kind, ty::ECHO_REQUEST | ty::ECHO_REPLY) {
        id = Ends { before: read(l4, at), after: target.sport };
        store(l4, at, id.after);
    }
    mend(l4, icmp6::field::CHECKSUM.start, ends, id);
    true
}

/// Writes the call of version 1; a packet names its destination's call alone. Version 0 has nothing
/// to write, and of others nobody knows.
fn gre(l4: &mut [u8], target: &Tuple, which: Manip) -> bool {
    let Some(&[_, version, ..]) = l4.first_chunk::<QUOTED>() else { return false };
    match (which, version & 7) {
        (Manip::Src, _) | (Manip::Dst, 0) => true,
        (Manip::Dst, 1) => {
            store(l4, GRE_CALL, target.dport);
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
