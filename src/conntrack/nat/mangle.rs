//! Replaces parts of a payload, and mends all lengths and checksums around it.
//!
//! - takes: a packet of TCP or UDP from its IP header on, in a buffer with room behind it, and what is
//!   to stand in place of what ([`Edits`])
//! - gives: the new length, and what a connection of TCP has to be corrected by from there on
//! - obeys: `nf_nat_mangle_tcp_packet` and `nf_nat_mangle_udp_packet` of the kernel; row [9.251]
//! - costs: one move of the payload, and one sum over it

use std::ops::Range;

use arrayvec::ArrayVec;

use crate::packet::checksum;
use crate::packet::ipv4::protocol;
use crate::packet::{ipv4, ipv6, tcp, udp};

use super::super::headers;
use super::rewrite::{read, store};

/// Most edits of one payload, and most bytes of all new text.
pub const MAX_EDITS: usize = 32;
/// Most bytes that the new text of one payload may have together.
pub const MAX_TEXT: usize = 2048;

/// A part of the payload, and where its new text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Edit {
    at: u16,
    len: u16,
    from: u16,
    to: u16,
}

/// What is to be replaced in one payload.
///
/// A worker keeps one and clears it for each packet: it is large.
#[derive(Debug, Clone, Default)]
pub struct Edits {
    edits: ArrayVec<Edit, MAX_EDITS>,
    text: ArrayVec<u8, MAX_TEXT>,
}

/// No room for an edit, or it touches one that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Misplaced;

impl Edits {
    /// Nothing to be replaced.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets all edits.
    pub fn clear(&mut self) {
        self.edits.clear();
        self.text.clear();
    }

    /// Whether nothing is replaced.
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// Has `len` bytes of the payload at `at` replaced by a text; no byte is replaced twice.
    pub fn replace(&mut self, at: usize, len: usize, text: &[u8]) -> Result<(), Misplaced> {
        let (Ok(at), Ok(len)) = (u16::try_from(at), u16::try_from(len)) else {
            return Err(Misplaced);
        };
        let end = |edit: &Edit| u32::from(edit.at) + u32::from(edit.len);
        let place = self.edits.partition_point(|edit| edit.at < at || end(edit) <= u32::from(at));
        let from = self.text.len() as u16;
        let edit = Edit { at, len, from, to: from.saturating_add(text.len() as u16) };
        let before = place.checked_sub(1).and_then(|before| self.edits.get(before));
        if before.is_some_and(|before| end(before) > u32::from(at))
            || self.edits.get(place).is_some_and(|next| end(&edit) > u32::from(next.at))
            || self.edits.is_full()
        {
            return Err(Misplaced);
        }
        self.text.try_extend_from_slice(text).map_err(|_| Misplaced)?;
        self.edits.try_insert(place, edit).map_err(|_| Misplaced)
    }

    /// The edits: place, bytes replaced, and new text.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (usize, usize, &[u8])> {
        self.edits.iter().map(|edit| {
            let text = self.text.get(usize::from(edit.from)..usize::from(edit.to));
            (usize::from(edit.at), usize::from(edit.len), text.unwrap_or_default())
        })
    }
}

/// What a packet became.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mangled {
    /// Its bytes.
    pub len: usize,
    /// How many bytes it grew by.
    pub grown: i32,
    /// The sequence number of a segment of TCP; the corrections of the connection count from there.
    pub seq: u32,
}

/// Replaces parts of the payload of the packet that the first `len` bytes of the buffer are.
///
/// Nothing where the room or the greatest length of a packet does not suffice, or an edit does not
/// stand in the payload; the packet is then as it was.
pub fn mangle(buffer: &mut [u8], len: usize, edits: &Edits) -> Option<Mangled> {
    let mut len = headers::trimmed(buffer.get(..len)?).len();
    let found = headers::find(&buffer[..len])?;
    let start = found.l4
        + match found.proto {
            protocol::TCP => usize::from(*buffer[..len].get(found.l4 + 12)? >> 4) * 4,
            protocol::UDP => udp::HEADER_LEN,
            _ => return None,
        };
    let before = len;
    let grown: isize = edits.iter().map(|(_, old, text)| text.len() as isize - old as isize).sum();
    len = before.checked_add_signed(grown)?;
    if edits.iter().next_back().is_some_and(|(at, old, _)| start + at + old > before) {
        return None;
    }
    buffer.get(..len.max(before))?;
    u16::try_from(len - if found.six { ipv6::HEADER_LEN } else { 0 }).ok()?;
    // What stands between two edits moves as far as all before it grew: to the left from the
    // beginning on, to the right from the end on, so that nothing is written over that is to move.
    let mut shift = 0;
    let mut from = start;
    for (at, old, text) in edits.iter() {
        to_left(buffer, from..start + at, shift);
        (from, shift) = (start + at + old, shift + text.len() as isize - old as isize);
    }
    to_left(buffer, from..before, shift);
    let mut end = before;
    for (at, old, text) in edits.iter().rev() {
        let from = start + at + old;
        if shift > 0 {
            buffer.copy_within(from..end, from.checked_add_signed(shift)?);
        }
        shift -= text.len() as isize - old as isize;
        end = start + at;
    }
    let mut shift = 0;
    for (at, old, text) in edits.iter() {
        let place = (start + at).checked_add_signed(shift)?;
        buffer.get_mut(place..place + text.len())?.copy_from_slice(text);
        shift += text.len() as isize - old as isize;
    }
    let packet = buffer.get_mut(..len)?;
    let seq = packet
        .get(found.l4 + tcp::field::SEQ.start..)?
        .first_chunk()
        .map_or(0, |&seq| u32::from_be_bytes(seq));
    tell_length(packet, found.six)?;
    finish(packet, &found)?;
    Some(Mangled { len, grown: len as i32 - before as i32, seq })
}

/// Moves a piece to the left, where it goes there.
fn to_left(buffer: &mut [u8], piece: Range<usize>, shift: isize) {
    if shift < 0
        && let Some(to) = piece.start.checked_add_signed(shift)
    {
        buffer.copy_within(piece, to);
    }
}

/// Writes the length into the IP header.
fn tell_length(packet: &mut [u8], six: bool) -> Option<()> {
    if six {
        let len = u16::try_from(packet.len() - ipv6::HEADER_LEN).ok()?;
        store(packet, ipv6::field::PAYLOAD_LEN.start, len);
    } else {
        let len = u16::try_from(packet.len()).ok()?;
        let old = read(packet, ipv4::field::TOTAL_LEN.start);
        let check = read(packet, ipv4::field::CHECKSUM.start);
        store(packet, ipv4::field::TOTAL_LEN.start, len);
        store(packet, ipv4::field::CHECKSUM.start, checksum::update16(check, old, len));
    }
    Some(())
}

/// Sums a transport header anew, and writes the length of a datagram of UDP.
fn finish(packet: &mut [u8], found: &headers::Found) -> Option<()> {
    let ends = if found.six {
        ipv6::field::SRC.start..ipv6::field::DST.end
    } else {
        ipv4::field::SRC.start..ipv4::field::DST.end
    };
    let ends = checksum::sum(packet.get(ends)?);
    let l4 = packet.get_mut(found.l4..)?;
    let len = l4.len();
    let udp = found.proto == protocol::UDP;
    let at = if udp { udp::field::CHECKSUM.start } else { tcp::field::CHECKSUM.start };
    if udp {
        store(l4, udp::field::LEN.start, len as u16);
        // A datagram without a checksum stays without.
        if read(l4, at) == 0 {
            return Some(());
        }
    }
    store(l4, at, 0);
    let rest = checksum::fold(len as u64 + u64::from(found.proto));
    let check = !checksum::add(checksum::add(ends, rest), checksum::sum(l4));
    store(l4, at, if udp && check == 0 { 0xffff } else { check });
    Some(())
}

#[cfg(test)]
mod tests {
    use super::super::sample::{packet, settle};
    use super::*;
    use crate::conntrack::tuple::Addr;

    fn one(at: usize, len: usize, text: &[u8]) -> Edits {
        let mut edits = Edits::new();
        edits.replace(at, len, text).unwrap();
        edits
    }

    fn packet_of(six: bool, proto: u8, payload: &[u8]) -> Vec<u8> {
        let head: &[u8] = match proto {
            6 => &[0x12, 0x34, 0, 21, 0, 0, 3, 0xe8, 0, 0, 0, 0, 0x50, 0x18, 1, 0, 0, 0, 0, 0],
            _ => &[0x12, 0x34, 0, 69, 0, 0, 0, 1],
        };
        let mut l4 = [head, payload].concat();
        if proto == 17 {
            let len = l4.len() as u16;
            l4[4..6].copy_from_slice(&len.to_be_bytes());
        }
        let mut packet = packet(Addr([10; 16]), Addr([8; 16]), six, proto, &l4);
        settle(&mut packet);
        packet
    }

    /// Shows [9.251]: a command grows by five bytes.
    #[test]
    fn a_command_grows_and_all_lengths_with_it() {
        let text = b"PORT 10,0,0,2,4,1\r\n";
        let new = b"203,0,113,100,4,1";
        for six in [false, true] {
            let packet = packet_of(six, 6, text);
            let mut buffer = [&packet[..], &[0xee; 10]].concat();
            let done = mangle(&mut buffer, packet.len(), &one(5, 12, new)).unwrap();
            assert_eq!(done, Mangled { len: packet.len() + 5, grown: 5, seq: 1000 });
            assert_eq!(buffer[..done.len], packet_of(six, 6, b"PORT 203,0,113,100,4,1\r\n"));
            assert_eq!(buffer[done.len..], [0xee; 5]);
        }
    }

    #[test]
    fn a_datagram_shrinks_and_may_be_without_a_checksum() {
        let packet = packet_of(false, 17, b"one two three");
        let mut buffer = packet.clone();
        let mut edits = Edits::new();
        edits.replace(4, 3, b"zwei").unwrap();
        edits.replace(13, 0, b"!").unwrap();
        edits.replace(0, 3, b"1").unwrap();
        for (at, len) in [(2, 1), (3, 2), (6, 1), (5, 1), (6, 9), (12, 2)] {
            assert_eq!(edits.replace(at, len, b""), Err(Misplaced), "{at} {len}");
        }
        let done = mangle(&mut buffer, packet.len(), &edits).unwrap();
        assert_eq!(done.grown, 0);
        assert_eq!(buffer, packet_of(false, 17, b"1 zwei three!"));

        let mut plain = packet.clone();
        plain[26..28].fill(0);
        let len = plain.len();
        let done = mangle(&mut plain, len, &one(0, 4, b"")).unwrap();
        assert_eq!(plain[26..28], [0, 0]);
        assert_eq!((done.len, &plain[28..37]), (len - 4, &b"two three"[..]));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let packet = packet_of(false, 6, b"abc");
        let mut buffer = packet.clone();
        assert_eq!(mangle(&mut buffer, 43, &one(0, 3, b"abcd")), None, "no room");
        assert_eq!(mangle(&mut buffer, 43, &one(1, 3, b"a")), None, "over the end");
        assert_eq!(mangle(&mut buffer, 44, &one(0, 1, b"a")), None, "no such packet");
        assert_eq!(buffer, packet);
        let mut long = packet_of(false, 6, &[b'x'; 65_495]);
        long.push(0);
        assert_eq!(mangle(&mut long, 65_535, &one(0, 1, b"ab")), None, "no packet is so long");
        let mut edits = Edits::new();
        assert_eq!(edits.replace(0, 1, &[0; MAX_TEXT + 1]), Err(Misplaced));
    }

    #[test]
    fn any_edit_of_any_packet_leaves_it_right() {
        bolero::check!().with_type::<(Vec<u8>, Vec<(u8, u8, [u8; 3], u8)>, bool, bool)>().for_each(
            |(payload, list, six, udp)| {
                let mut edits = Edits::new();
                let mut want = Vec::new();
                let mut at = 0;
                for (skip, len, text, keep) in list {
                    let start = at + usize::from(skip % 16);
                    let len = usize::from(len % 8);
                    let text = &text[..usize::from(keep % 4)];
                    if start + len > payload.len() || edits.replace(start, len, text).is_err() {
                        break;
                    }
                    want.extend(&payload[at..start]);
                    want.extend(text);
                    at = start + len;
                }
                want.extend(&payload[at..]);
                let proto = if *udp { 17 } else { 6 };
                let old = packet_of(*six, proto, payload);
                let mut buffer = [&old[..], &[0; 200]].concat();
                let done = mangle(&mut buffer, old.len(), &edits).unwrap();
                assert_eq!(buffer[..done.len], packet_of(*six, proto, &want));
                let mut raw = payload.clone();
                let len = raw.len();
                let _ = mangle(&mut raw, len, &edits);
            },
        );
    }
}
