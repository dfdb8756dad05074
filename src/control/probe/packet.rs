//! Probes as datagrams of either family, and what is heard about them.
//!
//! - gives: whole datagrams or their pieces, each small enough for its way
//! - obeys: RFC 791 section 3.2 and RFC 8200 section 4.5 (fragmentation), RFC 792, RFC 4443

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{
    icmp::expected::{carried, quoted_id},
    packet::{
        checksum,
        icmp4::{self, EchoSpec, Icmp4View},
        icmp6::{self, Icmp6Spec},
        ipv4::{self, Ipv4Spec, Ipv4View, protocol},
        ipv6::{
            self, Ipv6Spec, Ipv6View,
            fragment::{self, FragmentHeader},
            next_header,
        },
        tcp::{TcpSpec, TcpView, flag},
        udp::{self, UdpSpec},
    },
};

const MORE: u16 = 0x2000;

/// Source and destination of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    Four(Ipv4Addr, Ipv4Addr),
    Six(Ipv6Addr, Ipv6Addr),
}

impl Ends {
    /// Of two addresses of one family.
    pub(super) const fn of(src: IpAddr, dst: IpAddr) -> Option<Self> {
        match (src, dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => Some(Self::Four(src, dst)),
            (IpAddr::V6(src), IpAddr::V6(dst)) => Some(Self::Six(src, dst)),
            _ => None,
        }
    }

    fn transport(self, number: u8, segment: &[u8]) -> u16 {
        match self {
            Self::Four(src, dst) => checksum::transport(src, dst, number, segment),
            Self::Six(src, dst) => checksum::transport6(src, dst, number, segment),
        }
    }
}

/// Cuts a payload into pieces of at most `room` bytes, each made with its offset and whether more
/// follow; none at all when one cannot be made.
fn cut(
    payload: &[u8],
    room: usize,
    make: impl Fn(usize, bool, &[u8]) -> Option<Vec<u8>>,
) -> Vec<Vec<u8>> {
    if room == 0 && !payload.is_empty() {
        return Vec::new();
    }
    let mut made = Vec::new();
    let mut offset = 0;
    loop {
        let piece = &payload[offset..payload.len().min(offset + room)];
        let end = offset + piece.len();
        let Some(datagram) = make(offset, end < payload.len(), piece) else { return Vec::new() };
        made.push(datagram);
        offset = end;
        if offset >= payload.len() {
            return made;
        }
    }
}

/// A datagram, cut into pieces where it is larger than `mtu`; none at all when it cannot be cut to
/// that size. `header.payload_len` is that of the whole.
pub(super) fn pieces(header: &Ipv4Spec<'_>, payload: &[u8], mtu: usize) -> Vec<Vec<u8>> {
    let whole = ipv4::HEADER_LEN + payload.len();
    if whole > usize::from(u16::MAX) {
        return Vec::new();
    }
    let room = if whole <= mtu { payload.len() } else { mtu.saturating_sub(ipv4::HEADER_LEN) & !7 };
    cut(payload, room, |offset, more, piece| {
        let more = if more { MORE } else { 0 };
        let header = Ipv4Spec {
            fragment_word: header.fragment_word | more | (offset / 8) as u16,
            payload_len: piece.len(),
            ..*header
        };
        let mut datagram = vec![0; ipv4::HEADER_LEN + piece.len()];
        header.emit(&mut datagram).ok()?;
        datagram[ipv4::HEADER_LEN..].copy_from_slice(piece);
        Some(datagram)
    })
}

/// The same of IPv6, where each piece says of which packet `id` it is.
pub(super) fn pieces6(header: &Ipv6Spec, payload: &[u8], mtu: usize, id: u32) -> Vec<Vec<u8>> {
    if payload.len() > usize::from(u16::MAX) {
        return Vec::new();
    }
    if ipv6::HEADER_LEN + payload.len() <= mtu {
        return vec![[&header.to_bytes(), payload].concat()];
    }
    let room = mtu.saturating_sub(ipv6::HEADER_LEN + fragment::LEN) & !7;
    cut(payload, room, |offset, more, piece| {
        let outer = Ipv6Spec {
            next_header: next_header::FRAGMENT,
            payload_len: fragment::LEN + piece.len(),
            ..*header
        };
        let inner =
            FragmentHeader { next_header: header.next_header, offset: offset as u16, more, id };
        Some([&outer.to_bytes()[..], &inner.to_bytes(), piece].concat())
    })
}

/// An echo request with `size` bytes of data: a time, where it fits, and bytes that count up.
pub(super) fn echo(id: u16, seq: u16, size: usize, at: u64, ends: Ends) -> Vec<u8> {
    let mut data: Vec<u8> = (0..size).map(|at| at as u8).collect();
    if let Some(time) = data.get_mut(..16) {
        time[..8].copy_from_slice(&(at / 1_000_000_000).to_le_bytes());
        time[8..].copy_from_slice(&(at / 1000 % 1_000_000).to_le_bytes());
    }
    let mut message = vec![0; icmp4::HEADER_LEN + size];
    // The buffer is as large as the message.
    match ends {
        Ends::Four(..) => {
            let _ = EchoSpec { reply: false, id, seq, data: &data }.emit(&mut message);
        }
        Ends::Six(src, dst) => {
            message[icmp6::HEADER_LEN..].copy_from_slice(&data);
            let _ = Icmp6Spec::echo(false, id, seq).emit(&mut message, src, dst);
        }
    }
    message
}

/// A UDP datagram of `len` bytes, its header among them.
pub(super) fn datagram(src_port: u16, dst_port: u16, len: usize, ends: Ends) -> Vec<u8> {
    let mut bytes: Vec<u8> =
        (0..len.max(udp::HEADER_LEN)).map(|at| 0x40 | at as u8 & 0x3f).collect();
    let spec = UdpSpec { src_port, dst_port };
    // The buffer is as large as the datagram.
    let _ = match ends {
        Ends::Four(src, dst) => spec.emit(&mut bytes, src, dst),
        Ends::Six(src, dst) => spec.emit6(&mut bytes, src, dst),
    };
    bytes
}

/// Options of a SYN segment as the kernel sends them: size, selective acknowledgments, times, scale.
const SYN_OPTIONS: [u8; 20] = [2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7];

/// A SYN segment.
pub(super) fn syn(src_port: u16, dst_port: u16, seq: u32, ends: Ends) -> Vec<u8> {
    let mut bytes = [[0; 20], SYN_OPTIONS].concat();
    let spec = TcpSpec { src_port, dst_port, seq, ack: 0, flags: flag::SYN, window: 5840 };
    // The buffer is as large as the segment.
    let _ = match ends {
        Ends::Four(src, dst) => spec.emit(&mut bytes, src, dst),
        Ends::Six(src, dst) => spec.emit6(&mut bytes, src, dst),
    };
    bytes[12] = 10 << 4;
    bytes[16..18].fill(0);
    let sum = ends.transport(protocol::TCP, &bytes);
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
    pub(super) src: IpAddr,
    /// Destination.
    pub(super) dst: IpAddr,
}

/// What was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// The destination answered.
    Answer { about: About, bytes: usize, ttl: u8 },
    /// Somebody had something to say.
    Error { about: About, from: IpAddr, kind: u8, code: u8, info: u32 },
}

/// Source, destination and hops to go of a datagram that may be cut short.
fn header(datagram: &[u8]) -> Option<(IpAddr, IpAddr, u8)> {
    if datagram.first()? >> 4 == 6 {
        let ip = Ipv6View::new_quoted(datagram).ok()?;
        return Some((ip.src().into(), ip.dst().into(), ip.hop_limit()));
    }
    let ip = Ipv4View::new_quoted(datagram).ok()?;
    Some((ip.src().into(), ip.dst().into(), ip.ttl()))
}

/// The probe at the start of `datagram`, of which the rest may be missing.
pub(super) fn about(datagram: &[u8]) -> Option<About> {
    let (src, dst, _) = header(datagram)?;
    let id = quoted_id(datagram)?;
    let (number_of, payload) = carried(datagram)?;
    let number = match number_of {
        protocol::ICMP | next_header::ICMPV6 => {
            u32::from(u16::from_be_bytes(*payload.get(6..)?.first_chunk()?))
        }
        protocol::UDP => u32::from(u16::from_be_bytes(*payload.get(2..)?.first_chunk()?)),
        _ => u32::from_be_bytes(*payload.get(4..)?.first_chunk()?),
    };
    Some(About { protocol: number_of, id, number, src, dst })
}

/// What a packet to the router says about a probe.
pub(super) fn heard(datagram: &[u8]) -> Option<Heard> {
    let (src, dst, ttl) = header(datagram)?;
    let (number_of, payload) = carried(datagram)?;
    // What fills a frame that is too short for it is no part of the packet.
    let end = match src {
        IpAddr::V4(_) => Ipv4View::new_checked(datagram).ok()?.payload().len(),
        IpAddr::V6(_) => payload.len(),
    };
    let payload = payload.get(..end)?;
    let mirrored = |id, number| About { protocol: number_of, id, number, src: dst, dst: src };
    match number_of {
        protocol::ICMP | next_header::ICMPV6 => {
            // The headers of both have their fields at the same places.
            let message = Icmp4View::new_checked(payload).ok()?;
            let reply = match src {
                IpAddr::V4(_) => icmp4::ty::ECHO_REPLY,
                IpAddr::V6(_) => icmp6::ty::ECHO_REPLY,
            };
            if message.ty() == reply {
                let about = mirrored(message.id(), message.seq().into());
                return Some(Heard::Answer { about, bytes: payload.len(), ttl });
            }
            let rest = payload.get(4..)?.first_chunk()?;
            Some(Heard::Error {
                about: about(message.data())?,
                from: src,
                kind: message.ty(),
                code: message.code(),
                info: u32::from_be_bytes(*rest),
            })
        }
        protocol::TCP => {
            let segment = TcpView::new_checked(payload).ok()?;
            let about = mirrored(segment.dst_port(), segment.ack().wrapping_sub(1));
            Some(Heard::Answer { about, bytes: payload.len(), ttl })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SRC: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
    const DST: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
    const ENDS: Ends = Ends::Four(SRC, DST);
    const SRC6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 1);
    const DST6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 9, 0, 0, 0, 0, 2);
    const ENDS6: Ends = Ends::Six(SRC6, DST6);

    fn header6(number: u8, payload_len: usize) -> Ipv6Spec {
        Ipv6Spec {
            traffic_class: 0,
            flow_label: 7,
            payload_len,
            next_header: number,
            hop_limit: 61,
            src: SRC6,
            dst: DST6,
        }
    }

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
        let quoted6 =
            |number, payload: &[u8]| [&header6(number, payload.len()).to_bytes(), payload].concat();
        let expected = |protocol, number, (src, dst): (IpAddr, IpAddr)| About {
            protocol,
            id: 40_000,
            number,
            src,
            dst,
        };
        let (four, six) = ((SRC.into(), DST.into()), (SRC6.into(), DST6.into()));
        for (probe, is) in [
            (quoted(1, &echo(40_000, 3, 56, 0, ENDS)), expected(1, 3, four)),
            (quoted(17, &datagram(40_000, 33_440, 40, ENDS)), expected(17, 33_440, four)),
            (quoted(6, &syn(40_000, 80, 0xdead_0002, ENDS)), expected(6, 0xdead_0002, four)),
            (quoted6(58, &echo(40_000, 3, 56, 0, ENDS6)), expected(58, 3, six)),
            (quoted6(17, &datagram(40_000, 33_440, 40, ENDS6)), expected(17, 33_440, six)),
            (quoted6(6, &syn(40_000, 80, 0xdead_0002, ENDS6)), expected(6, 0xdead_0002, six)),
        ] {
            let header = if is.src.is_ipv6() { 40 } else { 20 };
            assert_eq!(about(&probe[..header + 8]), Some(is));
            assert_eq!(about(&probe[..header + 2]), None);
        }
    }

    #[test]
    fn pieces_of_ipv6_make_up_the_whole_and_none_is_too_large() {
        bolero::check!().with_type::<(u16, u16)>().for_each(|(len, mtu)| {
            let payload: Vec<u8> = (0..*len).map(|at| at as u8).collect();
            let mtu = usize::from(*mtu).max(1280);
            let pieces = pieces6(&header6(58, payload.len()), &payload, mtu, 9);
            let mut whole: Vec<u8> = Vec::new();
            for (number, piece) in pieces.iter().enumerate() {
                assert!(piece.len() <= mtu);
                let ip = Ipv6View::new_checked(piece).unwrap();
                if pieces.len() == 1 && ip.next_header() == 58 {
                    whole.extend(ip.payload());
                    continue;
                }
                let header = FragmentHeader::read(ip.payload()).unwrap();
                let more = number + 1 < pieces.len();
                assert_eq!((usize::from(header.offset), header.more), (whole.len(), more));
                assert_eq!((header.next_header, header.id), (58, 9));
                whole.extend(&ip.payload()[8..]);
            }
            assert_eq!(whole, payload);
        });
    }

    #[test]
    fn answers_over_ipv6_name_the_probe_that_they_answer() {
        let mut reply = echo(40_000, 9, 20, 0, ENDS6);
        reply[0] = 129;
        let back = Ipv6Spec { src: DST6, dst: SRC6, ..header6(58, reply.len()) };
        let packet = pieces6(&back, &reply, 1500, 0).remove(0);
        let (src, dst) = (SRC6.into(), DST6.into());
        let about = About { protocol: 58, id: 40_000, number: 9, src, dst };
        assert_eq!(heard(&packet), Some(Heard::Answer { about, bytes: 28, ttl: 61 }));

        let probe = echo(40_000, 9, 20, 0, ENDS6);
        let quoted = [&header6(58, probe.len()).to_bytes(), &probe[..]].concat();
        let error = [&[2, 0, 0, 0, 0, 0, 5, 0x14], &quoted[..]].concat();
        let packet = pieces6(&Ipv6Spec { payload_len: error.len(), ..back }, &error, 1500, 0);
        let (from, info) = (DST6.into(), 1300);
        let told = Heard::Error { about, from, kind: 2, code: 0, info };
        assert_eq!(heard(&packet[0]), Some(told));
    }

    #[test]
    fn nothing_that_is_heard_does_harm() {
        bolero::check!().with_type::<Vec<u8>>().for_each(|bytes| {
            let _ = (heard(bytes), about(bytes));
        });
    }

    #[test]
    fn answers_name_the_probe_that_they_answer() {
        let mut reply = echo(40_000, 9, 20, 0, ENDS);
        assert!(icmp4::echo_reply_in_place(&mut reply));
        let back = Ipv4Spec { src: DST, dst: SRC, ttl: 61, ..header(1) };
        let (src, dst) = (SRC.into(), DST.into());
        let about = About { protocol: 1, id: 40_000, number: 9, src, dst };
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
        let segment = syn(40_000, 80, 5, ENDS);
        let view = TcpView::new_checked(&segment).unwrap();
        assert_eq!((segment.len(), view.header_len(), view.mss()), (40, 40, Some(1460)));
        assert!(view.checksum_holds(SRC, DST));
    }
}
