//! Translates packets between IPv4 and IPv6.
//!
//! - takes: a packet from its IP header on, the tuple that it shall have in the other family, and for
//!   an error the tuple of what it quotes
//! - gives: the packet in the other family, in a buffer of the caller's
//! - obeys: RFC 7915 (headers, errors, fragments), RFC 6146 section 3 (which tuples), RFC 6791 (errors
//!   of routers without an address of the other family are the caller's to give one)
//! - costs: a copy of the payload; checksums are mended, but for UDP without one, which IPv6 forbids
//!
//! The translator is a router: who calls has lowered the TTL or hop limit before, and cuts afterwards
//! what the next link does not carry ([`Translated::may_be_cut`]). Extensions of errors (RFC 4884)
//! are left out. Fragments other than the first carry no ports, so that who calls has put
//! datagrams together, or finds the tuple in another way.

use crate::packet::checksum::{self, add, update16};
use crate::packet::ipv4::protocol;
use crate::packet::{icmp4, icmp6, ipv4, ipv6, tcp, udp};

use super::super::tuple::{ICMPV6, Tuple};
use super::rewrite::{read as word, store, sum_sctp};

mod message;
mod to4;
mod to6;

/// What the paths on both sides carry, and how a translator was told to behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct How {
    /// MTU of the next link in the direction of IPv4.
    pub mtu4: u16,
    /// MTU of the next link in the direction of IPv6.
    pub mtu6: u16,
    /// The identification of a packet of IPv4 that may be cut further on.
    pub id: u16,
    /// Type of service and traffic class are not copied but zero.
    pub clear_tos: bool,
}

/// A packet in the other family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Translated {
    /// Its bytes.
    pub len: usize,
    /// It may be cut to what every link carries; otherwise a packet too long for the next link is
    /// answered by an error.
    pub may_be_cut: bool,
    /// Identification of its parts.
    pub id: u16,
}

/// Why a packet has no counterpart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Untranslatable {
    /// A header is not there in full.
    #[error("a header is cut short")]
    Malformed,
    /// The buffer is too small.
    #[error("no room for the packet")]
    NoRoom,
    /// A source route of IPv4 is not used up: Destination Unreachable, "source route failed".
    #[error("a source route is not used up")]
    SourceRoute,
    /// A routing header is not used up: Parameter Problem with this pointer.
    #[error("a routing header is not used up")]
    RoutingHeader {
        /// Where the number of the segments left stands.
        pointer: u16,
    },
    /// The other family has no such message.
    #[error("no such message in the other family")]
    Message,
    /// A message of ICMP is cut in parts, so that its checksum cannot be mended.
    #[error("a fragment of ICMP")]
    Fragment,
    /// A part of a UDP datagram without checksum.
    #[error("a fragment of UDP without checksum")]
    NoChecksum,
    /// An error without a connection that it is about.
    #[error("an error about no connection")]
    Unrelated,
}

/// Translates a packet into the family of `target`.
///
/// `target` is what the packet shall be; for an error that is its addresses alone, and `quoted` is
/// what the quoted packet shall be.
pub fn translate(
    packet: &[u8],
    target: &Tuple,
    quoted: Option<&Tuple>,
    how: &How,
    out: &mut [u8],
) -> Result<Translated, Untranslatable> {
    let task = Task { target, quoted, how, inside: false };
    if target.six { to6::packet(packet, &task, out) } else { to4::packet(packet, &task, out) }
}

/// What is to be done with one packet.
#[derive(Clone, Copy)]
struct Task<'a> {
    target: &'a Tuple,
    quoted: Option<&'a Tuple>,
    how: &'a How,
    /// The packet is a quotation: it may be cut short, and its errors are not translated.
    inside: bool,
}

impl<'a> Task<'a> {
    /// The task for what an error quotes.
    fn quotation(&self) -> Result<Self, Untranslatable> {
        match self.quoted {
            Some(target) if !self.inside && target.six == self.target.six => {
                Ok(Self { target, quoted: None, inside: true, ..*self })
            }
            _ => Err(Untranslatable::Unrelated),
        }
    }
}

/// Copies bytes behind a header that has been written.
fn put(out: &mut [u8], at: usize, bytes: &[u8]) -> Result<usize, Untranslatable> {
    let end = at + bytes.len();
    out.get_mut(at..end).ok_or(Untranslatable::NoRoom)?.copy_from_slice(bytes);
    Ok(end)
}

/// Sums of what a pseudo-header says of addresses, in the old family and in the new one.
#[derive(Clone, Copy)]
struct Ends {
    before: u16,
    after: u16,
}

/// Writes ports into a transport header that has been copied, and mends its checksum.
///
/// `whole` says that the packet is there whole and in one piece.
fn transport(
    l4: &mut [u8],
    proto: u8,
    task: &Task<'_>,
    ends: Ends,
    whole: bool,
) -> Result<(), Untranslatable> {
    let (checksum, header) = match proto {
        protocol::TCP => (tcp::field::CHECKSUM.start, tcp::HEADER_LEN),
        protocol::UDP | protocol::UDPLITE => (udp::field::CHECKSUM.start, udp::HEADER_LEN),
        protocol::DCCP => (6, 12),
        protocol::SCTP => (8, 12),
        // Others have nothing that a translation touches.
        _ => return Ok(()),
    };
    if l4.len() < 8 || !task.inside && l4.len() < header {
        return Err(Untranslatable::Malformed);
    }
    let old = add(word(l4, 0), word(l4, 2));
    let new = add(task.target.sport, task.target.dport);
    let same = (word(l4, 0), word(l4, 2)) == (task.target.sport, task.target.dport);
    store(l4, 0, task.target.sport);
    store(l4, 2, task.target.dport);
    if l4.len() < header {
        return Ok(());
    }
    let check = word(l4, checksum);
    match proto {
        protocol::SCTP => {
            if !same {
                sum_sctp(l4);
            }
        }
        protocol::UDP if check == 0 => {
            // IPv4 may do without a checksum, IPv6 may not.
            if task.target.six && !task.inside {
                if !whole {
                    return Err(Untranslatable::NoChecksum);
                }
                let len = word(l4, udp::field::LEN.start);
                let datagram = l4.get(..usize::from(len)).ok_or(Untranslatable::Malformed)?;
                let rest = checksum::fold(u64::from(len) + u64::from(proto));
                let sum = add(add(ends.after, rest), checksum::sum(datagram));
                store(l4, checksum, udp_checksum(!sum));
            }
        }
        _ => {
            let mended = update16(update16(check, ends.before, ends.after), old, new);
            let udp = matches!(proto, protocol::UDP | protocol::UDPLITE);
            store(l4, checksum, if udp { udp_checksum(mended) } else { mended });
        }
    }
    Ok(())
}

const fn udp_checksum(checksum: u16) -> u16 {
    if checksum == 0 { 0xffff } else { checksum }
}

/// Type, code and identifier of an echo in the other family, with its checksum mended.
///
/// The checksum of ICMP has no pseudo-header; `pseudo` is the sum of that of ICMPv6.
fn echo(l4: &mut [u8], new: u8, id: u16, pseudo: u16, six: bool) -> Result<(), Untranslatable> {
    let Some(&[ty, code, high, low, old_high, old_low, ..]) = l4.first_chunk::<8>() else {
        return Err(Untranslatable::Malformed);
    };
    let check = u16::from_be_bytes([high, low]);
    let check = update16(check, u16::from_be_bytes([ty, code]), u16::from_be_bytes([new, code]));
    let check = update16(check, u16::from_be_bytes([old_high, old_low]), id);
    let check = if six { update16(check, 0, pseudo) } else { update16(check, pseudo, 0) };
    l4[0] = new;
    store(l4, icmp4::field::CHECKSUM.start, check);
    store(l4, icmp4::field::ID.start, id);
    Ok(())
}

#[cfg(test)]
mod tests;
