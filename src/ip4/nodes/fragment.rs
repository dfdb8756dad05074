//! `ip4-fragment`: cuts packets that are larger than the MTU of their way.
//!
//! - takes: packets with a hop and no DF, their time to live already lowered
//! - gives: the pieces to `ip4-output`; the packet itself ends here
//! - obeys: RFC 791 section 3.2; ledger 4.74 to 4.76, 4.92 to 4.100

use crate::{
    dpdk::mbuf::{Flags, Packet},
    graph::{Cx, Edge, Frame, Node, Out, Reason, Snmp},
    packet::{
        PIECES_MAX, checksum,
        ipv4::{Ipv4View, Options, option},
    },
    tables::Tables,
};

/// The node.
pub struct Fragment;

const PIECE: u8 = 0;
const DONE: u8 = 1;
const FAILED: u8 = 2;

/// Room for the largest Ethernet header in front of a piece.
const LINK_ROOM: usize = 18;
const MAX_HEADER: usize = 60;
const DF: u16 = 0x4000;
const MORE: u16 = 0x2000;
const OFFSET: u16 = 0x1fff;

/// Options that belong to the first piece only become no-ops in the others, so that all headers
/// have one length [4.74].
fn blank_options(header: &mut [u8]) {
    let mut blank = [(0, 0); 40];
    let mut count = 0;
    for found in Options::new(header.get(20..).unwrap_or_default()) {
        let Ok(found) = found else { break };
        if found.kind == option::END {
            break;
        }
        if !option::is_copied(found.kind) {
            blank[count] = (usize::from(found.offset), found.bytes.len());
            count += 1;
        }
    }
    for &(at, len) in &blank[..count] {
        header[at..at + len].fill(option::NOP);
    }
}

/// Cuts one packet. True when all pieces were made.
fn cut(packet: &Packet, cx: &Cx<'_, Tables>, out: &mut Out) -> bool {
    let mut mtu = usize::from(cx.tables.hops.get(packet.hop()).out().mtu);
    let joined = packet.flags().any(Flags::REASSEMBLED);
    if joined {
        mtu = mtu.min(packet.piece_size().into());
    }
    let bytes = packet.data().get(packet.l3()..).unwrap_or_default();
    let Ok(whole) = Ipv4View::new_checked(bytes) else {
        return false;
    };
    let header_len = whole.header_len();
    let room = mtu.saturating_sub(header_len);
    let as_it_came = packet.as_it_came(whole.payload().len(), room);
    let pieces = whole.payload().len().div_ceil((room & !7).max(1));
    if room < 8 || as_it_came.map_or(pieces, |_| PIECES_MAX) > out.emit_room() {
        return false;
    }
    let mut header = [0; MAX_HEADER];
    let header = &mut header[..header_len];
    header.copy_from_slice(whole.header());
    let (word, mut offset) = (whole.fragment_word(), 0);
    // Only what came with DF, in pieces, leaves with it, but not in the same pieces again
    // (`ip_fraglist_init`).
    let df = if joined && as_it_came.is_none() { word & DF } else { 0 };
    let mut number = 0;
    while offset < whole.payload().len() {
        let left = &whole.payload()[offset..];
        // Only the last piece may have a length that no offset can follow.
        let len = match as_it_came {
            Some(pieces) => pieces[number].into(),
            None if left.len() <= room => left.len(),
            None => room & !7,
        };
        let piece = &left[..len];
        let Some(mut made) = cx.pool.alloc() else {
            return false;
        };
        if !made.resize(LINK_ROOM + header_len + piece.len()) {
            return false;
        }
        made.copy_notes(packet);
        made.begin(packet.iface(), LINK_ROOM as u8, packet.flags().without(Flags::REASSEMBLED));
        let last = offset + piece.len() == whole.payload().len();
        let more = if last { word & MORE } else { MORE };
        let place = (word & OFFSET) + (offset / 8) as u16;
        header[2..4].copy_from_slice(&((header_len + piece.len()) as u16).to_be_bytes());
        header[6..8].copy_from_slice(&(df | more | place & OFFSET).to_be_bytes());
        checksum::ipv4_header_fill(header);
        let data = &mut made.data_mut()[LINK_ROOM..];
        data[..header_len].copy_from_slice(header);
        data[header_len..].copy_from_slice(piece);
        if out.emit(PIECE, made).is_err() {
            return false;
        }
        cx.count(Snmp::FragCreates, 1);
        // A later piece that is cut again had its options blanked by who cut it first.
        if offset == 0 && word & OFFSET == 0 {
            blank_options(header);
        }
        offset += piece.len();
        number += 1;
    }
    cx.count(Snmp::FragOKs, 1);
    true
}

impl Node<Tables> for Fragment {
    fn name(&self) -> &'static str {
        "ip4-fragment"
    }

    fn edges(&self) -> &'static [Edge] {
        &[Edge::To("ip4-output"), Edge::Drop(Reason::Fragmented), Edge::Drop(Reason::FragFailed)]
    }

    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, out: &mut Out) {
        for (index, packet) in frame.iter().enumerate() {
            let done = cut(packet, cx, out);
            out.set(index, if done { DONE } else { FAILED });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_copied_options_survive_in_later_pieces() {
        let mut header = [0_u8; 32];
        header[0] = 0x48;
        header[20..32].copy_from_slice(&[7, 3, 4, 1, 148, 4, 0, 0, 68, 4, 5, 0]);
        blank_options(&mut header);
        assert_eq!(header[20..32], [1, 1, 1, 1, 148, 4, 0, 0, 1, 1, 1, 1]);
    }

    #[test]
    fn a_corrupt_option_stops_the_blanking_and_nothing_else() {
        let mut header = [0_u8; 28];
        header[20..28].copy_from_slice(&[7, 3, 4, 68, 99, 1, 1, 1]);
        blank_options(&mut header);
        assert_eq!(header[20..28], [1, 1, 1, 68, 99, 1, 1, 1]);
    }
}
