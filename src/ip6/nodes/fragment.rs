//! `ip6-fragment`: cuts the router's own packets that are larger than the MTU of their way, and those of
//! others that came in pieces.
//!
//! - takes: the router's own packets with a hop, and those put together on their way; others nobody but
//!   their source may cut
//! - gives: the fragments to `ip6-output`; the packet itself ends here
//! - obeys: RFC 8200 section 4.5, RFC 7739 (identifications that cannot be foretold); `ip6_fragment`;
//!   ledger 8.51, 8.57

use crate::{
    dpdk::mbuf::{Flags, Packet},
    graph::{Cx, Edge, Frame, Node, Out, Reason, Snmp},
    packet::{
        PIECES_MAX,
        ipv6::{
            HEADER_LEN, Ipv6View, MIN_MTU, field,
            fragment::{self, FragmentHeader},
            next_header,
        },
    },
    tables::Tables,
};

/// The node.
pub struct Fragment6;

const PIECE: u8 = 0;
const DONE: u8 = 1;
const FAILED: u8 = 2;

/// Room for the largest Ethernet header in front of a piece.
const LINK_ROOM: usize = 18;

/// Length of the headers that every piece repeats, and where the byte stands that names what follows
/// them: up to a routing header and what stands before, and destination options where there is none
/// (`ip6_find_1stfragopt`).
fn repeated(ip: &Ipv6View<'_>) -> (usize, usize) {
    let (mut end, mut routed) = ((HEADER_LEN, field::NEXT_HEADER), false);
    for header in ip.chain() {
        let at = HEADER_LEN + header.offset;
        match header.number {
            next_header::HOP_BY_HOP => {}
            next_header::ROUTING => routed = true,
            next_header::DESTINATION if !routed => {}
            _ => break,
        }
        end = (at + header.bytes.len(), at);
    }
    end
}

/// Cuts one packet. True when all pieces were made.
fn cut(packet: &Packet, cx: &Cx<'_, Tables>, out: &mut Out) -> bool {
    let mtu = usize::from(cx.tables.hops.get(packet.hop()).out().mtu.max(MIN_MTU));
    let bytes = packet.data().get(packet.l3()..).unwrap_or_default();
    let Ok(ip) = Ipv6View::new_checked(bytes) else { return false };
    let (headers_len, named_at) = repeated(&ip);
    // What came in pieces leaves in pieces no larger, and as they came where those were all alike.
    let joined = packet.flags().any(Flags::REASSEMBLED);
    let mtu = match joined {
        true if usize::from(packet.piece_size()) > mtu => return false,
        true => packet.piece_size().max(MIN_MTU).into(),
        false => mtu,
    };
    let room = mtu.saturating_sub(headers_len + fragment::LEN) & !7;
    let Some(whole) = bytes.get(headers_len..HEADER_LEN + ip.payload().len()) else { return false };
    let pieces = packet.as_it_came(whole.len(), room);
    if room < 8 || pieces.map_or(whole.len().div_ceil(room), |_| PIECES_MAX) > out.emit_room() {
        return false;
    }
    let seed = cx.tables.tunables.multipath.seed;
    let (carried, id) = (bytes[named_at], cx.tables.limits.next_fragment_id(seed));
    let (mut offset, mut number) = (0, 0);
    while offset < whole.len() {
        let room = pieces.map_or(room, |pieces| pieces[number].into());
        let piece = &whole[offset..whole.len().min(offset + room)];
        let Some(mut made) = cx.pool.alloc() else { return false };
        let len = headers_len + fragment::LEN + piece.len();
        if !made.resize(LINK_ROOM + len) {
            return false;
        }
        made.copy_notes(packet);
        made.begin(packet.iface(), LINK_ROOM as u8, packet.flags().without(Flags::REASSEMBLED));
        let more = offset + piece.len() < whole.len();
        let header = FragmentHeader { next_header: carried, offset: offset as u16, more, id };
        let data = &mut made.data_mut()[LINK_ROOM..];
        data[..headers_len].copy_from_slice(&bytes[..headers_len]);
        data[headers_len..][..fragment::LEN].copy_from_slice(&header.to_bytes());
        data[headers_len + fragment::LEN..].copy_from_slice(piece);
        data[named_at] = next_header::FRAGMENT;
        data[field::PAYLOAD_LEN].copy_from_slice(&((len - HEADER_LEN) as u16).to_be_bytes());
        if out.emit(PIECE, made).is_err() {
            return false;
        }
        cx.count(Snmp::Ip6FragCreates, 1);
        offset += piece.len();
        number += 1;
    }
    cx.count(Snmp::Ip6FragOKs, 1);
    true
}

impl Node<Tables> for Fragment6 {
    fn name(&self) -> &'static str {
        "ip6-fragment"
    }

    fn edges(&self) -> &'static [Edge] {
        &[Edge::To("ip6-output"), Edge::Drop(Reason::Fragmented), Edge::Drop(Reason::Frag6Failed)]
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
    use crate::packet::FrameBuilder;
    use std::net::Ipv6Addr;

    #[test]
    fn every_piece_repeats_what_is_looked_at_on_the_way() {
        let of = |builder: FrameBuilder| {
            let frame = builder.ipv6(Ipv6Addr::LOCALHOST, Ipv6Addr::LOCALHOST).udp(1, 2).build();
            repeated(&Ipv6View::new_checked(&frame[14..]).unwrap())
        };
        let new = FrameBuilder::new;
        assert_eq!(of(new()), (40, 6));
        assert_eq!(of(new().hop_by_hop(&[])), (48, 40));
        assert_eq!(of(new().destination_options(&[])), (48, 40));
        let routed = new().destination_options(&[]).routing(0, 0, &[]).destination_options(&[]);
        assert_eq!(of(routed), (56, 48), "those behind a routing header are for the end alone");
    }
}
