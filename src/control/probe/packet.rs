//! Probes as datagrams, and what is heard about them.
//!
//! - gives: whole datagrams or their pieces, each small enough for its way
//! - obeys: RFC 791 section 3.2 (fragmentation), RFC 792

use std::net::Ipv4Addr;

use crate::{
    icmp::expected::quoted_id,
    packet::{
        checksum,
        icmp4::{self, EchoSpec, Icmp4View},
        ipv4::{self, Ipv4Spec, Ipv4View, protocol},
        tcp::{TcpSpec, TcpView, flag},
        udp::{self, UdpSpec},
    },
};

const MORE: u16 = 0x2000;

/// A datagram, cut into pieces where it is larger than `mtu`; none at all when it cannot be cut to
/// that size. `header.payload_len` is that of the whole.
pub(super) fn pieces(header: &Ipv4Spec<'_>, payload: &[u8], mtu: usize) -> Vec<Vec<u8>> {
    let whole = ipv4::HEADER_LEN + payload.len();
    let room = if whole <= mtu { payload.len() } else { mtu.saturating_sub(ipv4::HEADER_LEN) & !7 };
    if whole > usize::from(u16::MAX) || room == 0 && !payload.is_empty() {
        return Vec::new();
    }
    let mut made = Vec::new();
    let mut offset = 0;
    loop {
        let piece = &payload[offset..payload.len().min(offset + room)];
        let end = offset + piece.len();
        let more = if end < payload.len() { MORE } else { 0 };
        let header = Ipv4Spec {
            fragment_word: header.fragment_word | more | (offset / 8) as u16,
            payload_len: piece.len(),
            ..*header
        };
        let mut datagram = vec![0; ipv4::HEADER_LEN + piece.len()];
        if header.emit(&mut datagram).is_err() {
            return Vec::new();
        }
        datagram[ipv4::HEADER_LEN..].copy_from_slice(piece);
        made.push(datagram);
        offset = end;
        if offset >= payload.len() {
            return made;
        }
    }
}

/// An echo request with `size` bytes of data: a time, where it fits, and bytes that count up.
pub(super) fn echo(id: u16, seq: u16, size: usize, at: u64) -> Vec<u8> {
    let mut data: Vec<u8> = (0..size).map(|at| at as u8).collect();
    if let Some(time) = data.get_mut(..16) {
        time[..8].copy_from_slice(&(at / 1_000_000_000).to_le_bytes());
        time[8..].copy_from_slice(&(at / 1000 % 1_000_000).to_le_bytes());
    }
    let mut message = vec![0; icmp4::HEADER_LEN + size];
    // The buffer is as large as the message.
    let _ = EchoSpec { reply: false, id, seq, data: &data }.emit(&mut message);
    message
}

/// A UDP datagram of `len` bytes, its header among them.
pub(super) fn datagram(
    src_port: u16,
    dst_port: u16,
    len: usize,
    src: Ipv4Addr,
    dst: Ipv4Addr,
) -> Vec<u8> {
    let mut bytes: Vec<u8> =
        (0..len.max(udp::HEADER_LEN)).map(|at| 0x40 | at as u8 & 0x3f).collect();
    // The buffer is as large as the datagram.
    let _ = UdpSpec { src_port, dst_port }.emit(&mut bytes, src, dst);
    bytes
}

/// Options of a SYN segment as the kernel sends them: size, selective acknowledgments, times, scale.
const SYN_OPTIONS: [u8; 20] = [2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7];

/// A SYN segment.
pub(super) fn syn(src_port: u16, dst_port: u16, seq: u32, src: Ipv4Addr, dst: Ipv4Addr) -> Vec<u8> {
    let mut bytes = [[0; 20], SYN_OPTIONS].concat();
    let spec = TcpSpec { src_port, dst_port, seq, ack: 0, flags: flag::SYN, window: 5840 };
    // The buffer is as large as the segment.
    let _ = spec.emit(&mut bytes, src, dst);
    bytes[12] = 10 << 4;
    bytes[16..18].fill(0);
    let sum = checksum::transport(src, dst, protocol::TCP, &bytes);
    bytes[16..18].copy_from_slice(&sum.to_be_bytes());
    bytes
}

/// Which probe something is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct About {
    /// Protocol of the probe.
    pub(super) protocol: u8,
    /// Identifier of its session.
    pub(super) id: u16,
    /// Sequence number, or port of the destination.
    pub(super) number: u32,
    /// Source.
    pub(super) src: Ipv4Addr,
    /// Destination.
    pub(super) dst: Ipv4Addr,
}

/// What was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// The destination answered.
    Answer { about: About, bytes: usize, ttl: u8 },
    /// Somebody had something to say.
    Error { about: About, from: Ipv4Addr, kind: u8, code: u8, info: u32 },
}

/// The probe at the start of `datagram`, of which the rest may be missing.
pub(super) fn about(datagram: &[u8]) -> Option<About> {
    let ip = Ipv4View::new_quoted(datagram).ok()?;
    let id = quoted_id(datagram)?;
    let payload = datagram.get(ip.header_len()..)?;
    let number = match ip.protocol() {
        protocol::ICMP => u32::from(u16::from_be_bytes(*payload.get(6..)?.first_chunk()?)),
        protocol::UDP => u32::from(u16::from_be_bytes(*payload.get(2..)?.first_chunk()?)),
        _ => u32::from_be_bytes(*payload.get(4..)?.first_chunk()?),
    };
    Some(About { protocol: ip.protocol(), id, number, src: ip.src(), dst: ip.dst() })
}

/// What a packet to the router says about a probe.
pub(super) fn heard(datagram: &[u8]) -> Option<Heard> {
    let ip = Ipv4View::new_checked(datagram).ok()?;
    let mirrored =
        |id, number| About { protocol: ip.protocol(), id, number, src: ip.dst(), dst: ip.src() };
    match ip.protocol() {
        protocol::ICMP => {
            let message = Icmp4View::new_checked(ip.payload()).ok()?;
            if message.ty() == icmp4::ty::ECHO_REPLY {
                let about = mirrored(message.id(), message.seq().into());
                return Some(Heard::Answer { about, bytes: ip.payload().len(), ttl: ip.ttl() });
            }
            let rest = ip.payload().get(4..)?.first_chunk()?;
            Some(Heard::Error {
                about: about(message.data())?,
                from: ip.src(),
                kind: message.ty(),
                code: message.code(),
                info: u32::from_be_bytes(*rest),
            })
        }
        protocol::TCP => {
            let segment = TcpView::new_checked(ip.payload()).ok()?;
            let about = mirrored(segment.dst_port(), segment.ack().wrapping_sub(1));
            Some(Heard::Answer { about, bytes: ip.payload().len(), ttl: ip.ttl() })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SRC: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
    const DST: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);

    fn header(protocol: u8) -> Ipv4Spec<'static> {
        Ipv4Spec {
            tos: 0,
            id: 7,
            fragment_word: 0,
            ttl: 64,
            protocol,
            src: SRC,
            dst: DST,
            options: &[],
            payload_len: 0,
        }
    }

    #[test]
    fn pieces_make_up_the_whole_and_none_is_too_large() {
        bolero::check!().with_type::<(u16, u16)>().for_each(|(len, mtu)| {
            let payload: Vec<u8> = (0..*len).map(|at| at as u8).collect();
            let mtu = usize::from(*mtu).max(68);
            let pieces = pieces(&header(1), &payload, mtu);
            if 20 + payload.len() > 65_535 {
                return assert!(pieces.is_empty());
            }
            let mut whole: Vec<u8> = Vec::new();
            for (number, piece) in pieces.iter().enumerate() {
                assert!(piece.len() <= mtu);
                let ip = Ipv4View::new_checked(piece).unwrap();
                assert!(ip.checksum_holds());
                assert_eq!(ip.fragment_offset(), whole.len());
                assert_eq!(ip.mf(), number + 1 < pieces.len());
                whole.extend(ip.payload());
            }
            assert_eq!(whole, payload);
        });
        assert!(pieces(&header(1), &[0; 100], 27).is_empty());
    }

    #[test]
    fn probes_are_recognised_by_what_routers_quote_of_them() {
        let quoted = |protocol, payload: &[u8]| pieces(&header(protocol), payload, 1500).remove(0);
        let expected =
            |protocol, number| About { protocol, id: 40_000, number, src: SRC, dst: DST };
        for (probe, is) in [
            (quoted(1, &echo(40_000, 3, 56, 0)), expected(1, 3)),
            (quoted(17, &datagram(40_000, 33_440, 40, SRC, DST)), expected(17, 33_440)),
            (quoted(6, &syn(40_000, 80, 0xdead_0002, SRC, DST)), expected(6, 0xdead_0002)),
        ] {
            assert_eq!(about(&probe[..28]), Some(is));
            assert_eq!(about(&probe[..22]), None);
        }
    }

    #[test]
    fn answers_name_the_probe_that_they_answer() {
        let mut reply = echo(40_000, 9, 20, 0);
        assert!(icmp4::echo_reply_in_place(&mut reply));
        let back = Ipv4Spec { src: DST, dst: SRC, ttl: 61, ..header(1) };
        let about = About { protocol: 1, id: 40_000, number: 9, src: SRC, dst: DST };
        let packet = pieces(&back, &reply, 1500).remove(0);
        assert_eq!(heard(&packet), Some(Heard::Answer { about, bytes: 28, ttl: 61 }));

        let mut segment = vec![0; 20];
        let flags = flag::SYN | flag::ACK;
        let spec = TcpSpec { src_port: 80, dst_port: 40_000, seq: 1, ack: 8, flags, window: 1 };
        spec.emit(&mut segment, DST, SRC).unwrap();
        let packet = pieces(&Ipv4Spec { protocol: 6, ..back }, &segment, 1500).remove(0);
        let about = About { protocol: 6, number: 7, ..about };
        assert_eq!(heard(&packet), Some(Heard::Answer { about, bytes: 20, ttl: 61 }));
    }

    #[test]
    fn a_syn_has_the_length_of_the_kernels_and_a_good_checksum() {
        let segment = syn(40_000, 80, 5, SRC, DST);
        let view = TcpView::new_checked(&segment).unwrap();
        assert_eq!((segment.len(), view.header_len(), view.mss()), (40, 40, Some(1460)));
        assert!(view.checksum_holds(SRC, DST));
    }
}
