//! The part of [`FrameBuilder`] that speaks IPv6.

use std::net::Ipv6Addr;

use super::{FrameBuilder, Layer3, Layer4};
use crate::packet::icmp6::{self, ErrorKind, Icmp6Spec};
use crate::packet::ipv6::fragment::FragmentHeader;
use crate::packet::ipv6::{self, Ipv6Spec, next_header, option, routing};
use crate::packet::{tcp, udp};

/// What is said about IPv6 alone.
#[derive(Debug, Clone)]
pub(super) struct Six {
    src: Ipv6Addr,
    dst: Ipv6Addr,
    flow_label: u32,
    /// Type and bytes of each header; its first byte is filled in when the next one is known.
    extensions: Vec<(u8, Vec<u8>)>,
}

impl Default for Six {
    fn default() -> Self {
        Self {
            src: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1),
            dst: Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, 1),
            flow_label: 0,
            extensions: Vec::new(),
        }
    }
}

impl FrameBuilder {
    /// Addresses of an IPv6 packet.
    pub fn ipv6(mut self, src: Ipv6Addr, dst: Ipv6Addr) -> Self {
        (self.six.src, self.six.dst, self.layer3) = (src, dst, Layer3::Ipv6);
        self
    }

    /// Flow label.
    pub fn flow_label(mut self, label: u32) -> Self {
        self.six.flow_label = label;
        self
    }

    /// Adds an extension header behind those said before; its first byte is filled in.
    pub fn extension(mut self, number: u8, bytes: &[u8]) -> Self {
        self.six.extensions.push((number, bytes.to_vec()));
        self
    }

    /// Adds hop-by-hop options, padded.
    pub fn hop_by_hop(self, options: &[u8]) -> Self {
        self.extension(next_header::HOP_BY_HOP, &option::header(0, options))
    }

    /// Adds options for the destination, padded.
    pub fn destination_options(self, options: &[u8]) -> Self {
        self.extension(next_header::DESTINATION, &option::header(0, options))
    }

    /// Adds a routing header; `rest` is what follows the number of segments left, and is padded.
    pub fn routing(self, ty: u8, segments_left: u8, rest: &[u8]) -> Self {
        let mut bytes = [&[0, 0, ty, segments_left], rest].concat();
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes[1] = (bytes.len() / 8 - 1) as u8;
        self.extension(next_header::ROUTING, &bytes)
    }

    /// Adds a segment routing header of these visits, of which so many are left.
    pub fn segments(self, visits: &[Ipv6Addr], left: u8) -> Self {
        self.extension(next_header::ROUTING, &routing::segments(0, visits, left, 0))
    }

    /// Adds a fragment header; the offset is in bytes.
    pub fn fragment(self, id: u32, offset: u16, more: bool) -> Self {
        let header = FragmentHeader { next_header: 0, offset, more, id };
        self.extension(next_header::FRAGMENT, &header.to_bytes())
    }

    /// An ICMPv6 message of any type that carries the payload.
    pub fn icmp6(mut self, spec: Icmp6Spec) -> Self {
        self.layer4 = Layer4::Icmp6(spec);
        self
    }

    /// An ICMPv6 error whose quotation is the payload.
    pub fn icmp6_error(self, kind: ErrorKind) -> Self {
        self.icmp6(Icmp6Spec::error(kind))
    }

    pub(super) fn ipv6_headers_len(&self) -> usize {
        let extensions = self.six.extensions.iter().map(|(_, bytes)| bytes.len());
        ipv6::HEADER_LEN + extensions.sum::<usize>()
    }

    pub(super) fn write_ipv6(&self, frame: &mut Vec<u8>, payload: &[u8]) {
        let default_protocol = match self.layer4 {
            Layer4::Raw => 253,
            Layer4::Udp(_) => next_header::UDP,
            Layer4::Tcp(_) => next_header::TCP,
            Layer4::Error(_) => super::protocol::ICMP,
            Layer4::Echo { .. } | Layer4::Icmp6(_) => next_header::ICMPV6,
        };
        let Six { src, dst, flow_label, extensions } = &self.six;
        // Each header names what follows it: the next one, or in the end the payload.
        let last = self.protocol.unwrap_or(default_protocol);
        let mut numbers = extensions.iter().map(|(number, _)| *number).chain([last]);
        let true_len =
            self.ipv6_headers_len() - ipv6::HEADER_LEN + self.l4_header_len() + payload.len();
        let spec = Ipv6Spec {
            traffic_class: self.tos,
            flow_label: *flow_label,
            payload_len: self.total_len.map_or(true_len, usize::from),
            next_header: numbers.next().unwrap_or(last),
            hop_limit: self.ttl,
            src: *src,
            dst: *dst,
        };
        assert!(spec.payload_len <= usize::from(u16::MAX), "a payload that IPv6 can carry");
        frame.extend_from_slice(&spec.to_bytes());
        for ((_, bytes), following) in extensions.iter().zip(numbers) {
            frame.push(following);
            frame.extend_from_slice(bytes.get(1..).unwrap_or_default());
        }
        let l4 = frame.len();
        frame.resize(l4 + self.l4_header_len(), 0);
        frame.extend_from_slice(payload);
        self.write_layer4_over_ipv6(&mut frame[l4..], payload);
    }

    fn write_layer4_over_ipv6(&self, segment: &mut [u8], payload: &[u8]) {
        let (src, dst) = (self.six.src, self.six.dst);
        let (written, checksum) = match self.layer4 {
            Layer4::Raw => return,
            Layer4::Udp(spec) => (spec.emit6(segment, src, dst), udp::field::CHECKSUM),
            Layer4::Tcp(spec) => (spec.emit6(segment, src, dst), tcp::field::CHECKSUM),
            Layer4::Echo { reply, id, seq } => {
                let echo = Icmp6Spec::echo(reply, id, seq);
                (echo.emit(segment, src, dst), icmp6::field::CHECKSUM)
            }
            Layer4::Icmp6(spec) => (spec.emit(segment, src, dst), icmp6::field::CHECKSUM),
            // Over IPv6 it is a payload like any other.
            Layer4::Error(_) => return self.write_layer4(segment, payload),
        };
        debug_assert_eq!(written, Ok(segment.len()));
        self.spoil(segment, checksum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::ipv6::Ipv6View;
    use crate::packet::vlan::Tag;
    use etherparse::{NetSlice, SlicedPacket, TransportSlice};

    const A: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 5);
    const B: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 9, 0, 0, 0, 0, 6);

    #[test]
    fn a_frame_of_every_header_is_what_an_independent_reader_takes_it_for() {
        let frame = FrameBuilder::new()
            .vlan(Tag::dot1q(100))
            .ipv6(A, B)
            .ttl(3)
            .tos(0xb9)
            .flow_label(0x54321)
            .hop_by_hop(&[5, 2, 0, 0])
            .segments(&[B, A], 0)
            .destination_options(&[0x1e, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0])
            .udp(1111, 53)
            .payload(b"hello")
            .build();
        let sliced = SlicedPacket::from_ethernet(&frame).unwrap();
        let Some(NetSlice::Ipv6(ip)) = sliced.net else { panic!() };
        assert_eq!((ip.header().source_addr(), ip.header().destination_addr()), (A, B));
        assert_eq!((ip.header().hop_limit(), ip.header().traffic_class()), (3, 0xb9));
        assert_eq!(ip.header().flow_label().value(), 0x54321);
        let Some(TransportSlice::Udp(udp)) = sliced.transport else { panic!() };
        assert_eq!((udp.source_port(), udp.payload()), (1111, &b"hello"[..]));
        let view = Ipv6View::new_checked(&frame[18..]).unwrap();
        let numbers: Vec<u8> = view.chain().map(|header| header.number).collect();
        assert_eq!(numbers, [0, 43, 60]);
        let upper = view.upper_layer().unwrap();
        let segment = udp::UdpView::new_checked(&view.payload()[upper.offset..]).unwrap();
        assert!(segment.checksum_holds6(A, B));
    }

    #[test]
    fn the_frame_length_asked_for_is_kept_for_every_kind() {
        for len in [90, 590, 1514] {
            let base = FrameBuilder::new().ipv6(A, B).frame_len(len);
            for builder in [
                base.clone(),
                base.clone().udp(1, 2),
                base.clone().tcp(1, 2, tcp::flag::SYN),
                base.clone().echo_request(1, 2),
                base.clone().fragment(1, 8, true).hop_by_hop(&[]),
                base.clone().vlan(Tag::dot1q(5)).udp(1, 2),
                base.clone().icmp6_error(ErrorKind::PacketTooBig { mtu: 1280 }),
            ] {
                let frame = builder.build();
                assert_eq!(frame.len(), len, "{builder:?}");
                assert!(Ipv6View::new_checked(&frame[builder.l3_offset()..]).is_ok());
            }
        }
    }

    #[test]
    fn what_is_spoilt_is_wrong() {
        let base = FrameBuilder::new().ipv6(A, B).udp(1, 2).payload(b"x");
        let holds = |builder: &FrameBuilder| {
            let frame = builder.build();
            let view = Ipv6View::new_quoted(&frame[14..]).unwrap();
            udp::UdpView::new_checked(view.payload()).unwrap().checksum_holds6(A, B)
        };
        assert!(holds(&base) && holds(&base.clone().total_len(999)));
        assert!(!holds(&base.clone().bad_transport_checksum()));
        assert!(!holds(&base.clone().no_udp_checksum()));
        assert!(Ipv6View::new_checked(&base.total_len(999).build()[14..]).is_err());
    }

    #[test]
    fn both_families_are_said_by_one_word() {
        let four = FrameBuilder::new().ip([10, 0, 0, 1].into(), [10, 0, 0, 2].into()).build();
        let six = FrameBuilder::new().ip(A.into(), B.into()).build();
        assert_eq!((&four[12..14], &six[12..14]), (&[8, 0][..], &[0x86, 0xdd][..]));
        let echo = FrameBuilder::new().ipv6(A, B).echo_reply(1, 2).payload(b"data").build();
        let view = icmp6::Icmp6View::new_checked(&echo[54..]).unwrap();
        assert!(view.ty() == icmp6::ty::ECHO_REPLY && view.checksum_holds(A, B));
    }
}
