//! Whole frames made to order, for tests, benches, replayed traffic and generators.
//!
//! - takes: what a frame should say, and in which ways it should be wrong
//! - gives: its bytes, with every length and checksum that was not spoilt filled in

use std::net::{IpAddr, Ipv4Addr};

use super::arp::ArpSpec;
use super::ethernet::{EthernetSpec, HEADER_LEN, MIN_FRAME_LEN, ethertype};
use super::icmp4::{self, EchoSpec, ErrorKind};
use super::icmp6::{self, Icmp6Spec};
use super::ipv4::{self, Ipv4Spec, protocol};
use super::mac::MacAddr;
use super::tcp::TcpSpec;
use super::udp::UdpSpec;
use super::vlan::Tag;
use super::{tcp, udp};

mod six;

/// What stands over the network header.
#[derive(Debug, Clone)]
enum Layer4 {
    Raw,
    Udp(UdpSpec),
    Tcp(TcpSpec),
    Echo { reply: bool, id: u16, seq: u16 },
    Error(ErrorKind),
    Icmp6(Icmp6Spec),
}

/// What stands over the link header.
#[derive(Debug, Clone)]
enum Layer3 {
    Raw(u16),
    Arp(ArpSpec),
    Ipv4,
    Ipv6,
}

/// Makes one frame; every method says one thing about it.
///
/// Without a word it is an IPv4 datagram of protocol 253 (for experiments) from 10.0.0.1 to
/// 10.0.1.1 with a TTL of 64, between two locally administered stations.
#[derive(Debug, Clone)]
pub struct FrameBuilder {
    dst_mac: MacAddr,
    src_mac: MacAddr,
    tags: Vec<Tag>,
    layer3: Layer3,
    layer4: Layer4,
    src: Ipv4Addr,
    dst: Ipv4Addr,
    six: six::Six,
    tos: u8,
    id: u16,
    fragment_word: u16,
    ttl: u8,
    protocol: Option<u8>,
    options: Vec<u8>,
    payload: Vec<u8>,
    total_len: Option<u16>,
    bad_header_checksum: bool,
    bad_transport_checksum: bool,
    no_udp_checksum: bool,
    frame_len: Option<usize>,
    padded: bool,
}

impl Default for FrameBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl FrameBuilder {
    /// A frame of which nothing has been said yet.
    pub fn new() -> Self {
        Self {
            dst_mac: MacAddr([0x02, 0, 0, 0, 0, 0x02]),
            src_mac: MacAddr([0x02, 0, 0, 0, 0, 0x01]),
            tags: Vec::new(),
            layer3: Layer3::Ipv4,
            layer4: Layer4::Raw,
            src: Ipv4Addr::new(10, 0, 0, 1),
            dst: Ipv4Addr::new(10, 0, 1, 1),
            six: six::Six::default(),
            tos: 0,
            id: 0,
            fragment_word: 0,
            ttl: 64,
            protocol: None,
            options: Vec::new(),
            payload: Vec::new(),
            total_len: None,
            bad_header_checksum: false,
            bad_transport_checksum: false,
            no_udp_checksum: false,
            frame_len: None,
            padded: false,
        }
    }

    /// Link addresses, source first as in [`ipv4`](Self::ipv4).
    pub fn ethernet(mut self, src: MacAddr, dst: MacAddr) -> Self {
        (self.src_mac, self.dst_mac) = (src, dst);
        self
    }

    /// Adds a VLAN tag inside the tags said before.
    pub fn vlan(mut self, tag: Tag) -> Self {
        self.tags.push(tag);
        self
    }

    /// Addresses of the datagram.
    pub fn ipv4(mut self, src: Ipv4Addr, dst: Ipv4Addr) -> Self {
        (self.src, self.dst, self.layer3) = (src, dst, Layer3::Ipv4);
        self
    }

    /// Addresses of the datagram, of either family; two families at once make no datagram, so that the
    /// source's counts.
    pub fn ip(self, src: IpAddr, dst: IpAddr) -> Self {
        match (src, dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => self.ipv4(src, dst),
            (IpAddr::V4(src), IpAddr::V6(_)) => self.ipv4(src, src),
            (IpAddr::V6(src), IpAddr::V6(dst)) => self.ipv6(src, dst),
            (IpAddr::V6(src), IpAddr::V4(_)) => self.ipv6(src, src),
        }
    }

    /// Carries an ARP packet; the link's source is its sender, and a request goes to all.
    pub fn arp(mut self, arp: ArpSpec) -> Self {
        self.src_mac = arp.sender_mac;
        self.dst_mac = match arp.target_mac {
            MacAddr::ZERO => MacAddr::BROADCAST,
            target => target,
        };
        self.layer3 = Layer3::Arp(arp);
        self
    }

    /// Carries the payload straight over the link header, under this type.
    pub fn ethertype(mut self, ethertype: u16) -> Self {
        self.layer3 = Layer3::Raw(ethertype);
        self
    }

    /// Time to live, or hop limit.
    pub fn ttl(mut self, ttl: u8) -> Self {
        self.ttl = ttl;
        self
    }

    /// Type of service, or traffic class.
    pub fn tos(mut self, tos: u8) -> Self {
        self.tos = tos;
        self
    }

    /// Identification.
    pub fn id(mut self, id: u16) -> Self {
        self.id = id;
        self
    }

    /// Must not be fragmented.
    pub fn dont_fragment(mut self) -> Self {
        self.fragment_word |= ipv4::DONT_FRAGMENT;
        self
    }

    /// More fragments follow.
    pub fn more_fragments(mut self) -> Self {
        self.fragment_word |= ipv4::MORE_FRAGMENTS;
        self
    }

    /// Where the payload stands in the whole datagram, in bytes; a multiple of 8.
    pub fn fragment_offset(mut self, bytes: u16) -> Self {
        self.fragment_word = (self.fragment_word & !ipv4::OFFSET_MASK) | (bytes / 8);
        self
    }

    /// IPv4 options, padded to a multiple of 4 bytes.
    pub fn options(mut self, options: &[u8]) -> Self {
        self.options = options.to_vec();
        self
    }

    /// Protocol number, when it should not be that of the transport header.
    pub fn protocol(mut self, protocol: u8) -> Self {
        self.protocol = Some(protocol);
        self
    }

    /// A UDP header over the payload.
    pub fn udp(mut self, src_port: u16, dst_port: u16) -> Self {
        self.layer4 = Layer4::Udp(UdpSpec { src_port, dst_port });
        self
    }

    /// A TCP header over the payload, with the bits of [`tcp::flag`].
    pub fn tcp(self, src_port: u16, dst_port: u16, flags: u8) -> Self {
        self.tcp_spec(TcpSpec { src_port, dst_port, flags, window: 0xffff, ..TcpSpec::default() })
    }

    /// A TCP header over the payload, in full.
    pub fn tcp_spec(mut self, spec: TcpSpec) -> Self {
        self.layer4 = Layer4::Tcp(spec);
        self
    }

    /// An ICMP echo request that carries the payload.
    pub fn echo_request(mut self, id: u16, seq: u16) -> Self {
        self.layer4 = Layer4::Echo { reply: false, id, seq };
        self
    }

    /// An ICMP echo reply that carries the payload.
    pub fn echo_reply(mut self, id: u16, seq: u16) -> Self {
        self.layer4 = Layer4::Echo { reply: true, id, seq };
        self
    }

    /// An ICMP error whose quotation is the payload.
    pub fn icmp_error(mut self, kind: ErrorKind) -> Self {
        self.layer4 = Layer4::Error(kind);
        self
    }

    /// What the innermost header carries.
    pub fn payload(mut self, payload: &[u8]) -> Self {
        self.payload = payload.to_vec();
        self
    }

    /// A payload of so many bytes that count upwards from zero.
    pub fn payload_len(mut self, len: usize) -> Self {
        self.payload = counting(len);
        self
    }

    /// Grows the payload until the frame, check sequence not counted, has this length; a frame that
    /// is longer already stays as it is.
    pub fn frame_len(mut self, len: usize) -> Self {
        self.frame_len = Some(len);
        self
    }

    /// Pads the frame after its contents to the 60 bytes that a wire would.
    pub fn padded(mut self) -> Self {
        self.padded = true;
        self
    }

    /// Spoils the IPv4 header checksum.
    pub fn bad_header_checksum(mut self) -> Self {
        self.bad_header_checksum = true;
        self
    }

    /// Spoils the checksum of the transport or ICMP header.
    pub fn bad_transport_checksum(mut self) -> Self {
        self.bad_transport_checksum = true;
        self
    }

    /// Leaves the UDP checksum out, as RFC 768 allows.
    pub fn no_udp_checksum(mut self) -> Self {
        self.no_udp_checksum = true;
        self
    }

    /// An IPv4 total length or IPv6 payload length that need not be the true one; the checksum is that
    /// of what it says.
    pub fn total_len(mut self, total_len: u16) -> Self {
        self.total_len = Some(total_len);
        self
    }

    /// Where the network header of the frame stands.
    pub fn l3_offset(&self) -> usize {
        HEADER_LEN + self.tags.len() * super::vlan::TAG_LEN
    }

    /// Bytes of the frame without its payload.
    fn overhead(&self) -> usize {
        let l3 = match &self.layer3 {
            Layer3::Raw(_) => 0,
            Layer3::Arp(_) => super::arp::PACKET_LEN,
            Layer3::Ipv4 => self.ipv4_header_len() + self.l4_header_len(),
            Layer3::Ipv6 => self.ipv6_headers_len() + self.l4_header_len(),
        };
        self.l3_offset() + l3
    }

    fn ipv4_header_len(&self) -> usize {
        ipv4::HEADER_LEN + self.options.len().next_multiple_of(4)
    }

    const fn l4_header_len(&self) -> usize {
        match self.layer4 {
            Layer4::Raw => 0,
            Layer4::Udp(_) => udp::HEADER_LEN,
            Layer4::Tcp(_) => tcp::HEADER_LEN,
            Layer4::Echo { .. } | Layer4::Error(_) => icmp4::HEADER_LEN,
            Layer4::Icmp6(_) => icmp6::HEADER_LEN,
        }
    }

    /// The frame's bytes.
    ///
    /// # Panics
    /// When what was asked for is no frame: options over 40 bytes or a datagram over 65,535.
    pub fn build(&self) -> Vec<u8> {
        let mut frame = Vec::new();
        self.build_into(&mut frame);
        frame
    }

    /// Makes the frame in `frame`, whose former contents are lost and whose room is reused.
    ///
    /// # Panics
    /// As [`build`](Self::build).
    pub fn build_into(&self, frame: &mut Vec<u8>) {
        let wanted = self.frame_len.unwrap_or(0).saturating_sub(self.overhead());
        let mut payload = self.payload.clone();
        if payload.len() < wanted {
            payload.extend_from_slice(&counting(wanted)[payload.len()..]);
        }
        frame.clear();
        self.write_link(frame);
        match &self.layer3 {
            Layer3::Raw(_) => frame.extend_from_slice(&payload),
            Layer3::Arp(arp) => {
                frame.extend_from_slice(&arp.to_bytes());
                frame.extend_from_slice(&payload);
            }
            Layer3::Ipv4 => self.write_ipv4(frame, &payload),
            Layer3::Ipv6 => self.write_ipv6(frame, &payload),
        }
        if self.padded && frame.len() < MIN_FRAME_LEN {
            frame.resize(MIN_FRAME_LEN, 0);
        }
    }

    fn write_link(&self, frame: &mut Vec<u8>) {
        let inner = match &self.layer3 {
            Layer3::Raw(ethertype) => *ethertype,
            Layer3::Arp(_) => ethertype::ARP,
            Layer3::Ipv4 => ethertype::IPV4,
            Layer3::Ipv6 => ethertype::IPV6,
        };
        // Each type announces what follows it: the next tag, or in the end the payload.
        let mut types = self.tags.iter().map(|tag| tag.tpid).chain([inner]);
        let ethertype = types.next().unwrap_or(inner);
        let link = EthernetSpec { dst: self.dst_mac, src: self.src_mac, ethertype };
        frame.extend_from_slice(&link.to_bytes());
        for (tag, following) in self.tags.iter().zip(types) {
            frame.extend_from_slice(&tag.tci.0.to_be_bytes());
            frame.extend_from_slice(&following.to_be_bytes());
        }
    }

    fn write_ipv4(&self, frame: &mut Vec<u8>, payload: &[u8]) {
        let default_protocol = match self.layer4 {
            Layer4::Raw => 253,
            Layer4::Udp(_) => protocol::UDP,
            Layer4::Tcp(_) => protocol::TCP,
            Layer4::Echo { .. } | Layer4::Error(_) => protocol::ICMP,
            Layer4::Icmp6(_) => super::ipv6::next_header::ICMPV6,
        };
        let l3 = frame.len();
        let l4 = l3 + self.ipv4_header_len();
        frame.resize(l4 + self.l4_header_len(), 0);
        frame.extend_from_slice(payload);

        let spec = Ipv4Spec {
            tos: self.tos,
            id: self.id,
            fragment_word: self.fragment_word,
            ttl: self.ttl,
            protocol: self.protocol.unwrap_or(default_protocol),
            src: self.src,
            dst: self.dst,
            options: &self.options,
            payload_len: frame.len() - l4,
        };
        spec.emit(&mut frame[l3..]).expect("options and payload that IPv4 can carry");
        let header = &mut frame[l3..l4];
        if let Some(total_len) = self.total_len {
            header[ipv4::field::TOTAL_LEN].copy_from_slice(&total_len.to_be_bytes());
            super::checksum::ipv4_header_fill(header);
        }
        if self.bad_header_checksum {
            header[ipv4::field::CHECKSUM.start] ^= 0x55;
        }
        self.write_layer4(&mut frame[l4..], payload);
    }

    fn write_layer4(&self, segment: &mut [u8], payload: &[u8]) {
        let (written, checksum) = match self.layer4 {
            Layer4::Raw => return,
            Layer4::Udp(spec) => (spec.emit(segment, self.src, self.dst), udp::field::CHECKSUM),
            Layer4::Tcp(spec) => (spec.emit(segment, self.src, self.dst), tcp::field::CHECKSUM),
            Layer4::Echo { reply, id, seq } => {
                let echo = EchoSpec { reply, id, seq, data: payload };
                (echo.emit(segment), icmp4::field::CHECKSUM)
            }
            Layer4::Error(kind) => {
                (icmp4::emit_error(segment, kind, payload), icmp4::field::CHECKSUM)
            }
            // Over IPv4 it is a payload like any other.
            Layer4::Icmp6(spec) => {
                let nobody = std::net::Ipv6Addr::UNSPECIFIED;
                (spec.emit(segment, nobody, nobody), icmp6::field::CHECKSUM)
            }
        };
        debug_assert_eq!(written, Ok(segment.len()));
        self.spoil(segment, checksum);
    }

    /// Does to a transport checksum what was asked for.
    fn spoil(&self, segment: &mut [u8], checksum: std::ops::Range<usize>) {
        if self.no_udp_checksum && matches!(self.layer4, Layer4::Udp(_)) {
            segment[checksum.clone()].fill(0);
        }
        if self.bad_transport_checksum {
            segment[checksum.start] ^= 0x55;
        }
    }
}

/// So many bytes that count upwards from zero and start over after 255.
fn counting(len: usize) -> Vec<u8> {
    (0..=255).cycle().take(len).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{arp, ipv4::Ipv4View, vlan};
    use etherparse::{NetSlice, SlicedPacket, TransportSlice};

    const A: Ipv4Addr = Ipv4Addr::new(10, 1, 2, 3);
    const B: Ipv4Addr = Ipv4Addr::new(10, 4, 5, 6);

    #[test]
    fn a_udp_frame_is_what_an_independent_reader_takes_it_for() {
        let frame = FrameBuilder::new()
            .vlan(Tag::dot1ad(7))
            .vlan(Tag::dot1q(100))
            .ipv4(A, B)
            .ttl(3)
            .options(&[148, 4, 0, 0])
            .udp(1111, 53)
            .payload(b"hello")
            .build();
        let sliced = SlicedPacket::from_ethernet(&frame).unwrap();
        let ids = sliced.vlan_ids();
        assert_eq!(ids.iter().map(|id| id.value()).collect::<Vec<_>>(), [7, 100]);
        let Some(NetSlice::Ipv4(ip)) = sliced.net else { panic!() };
        assert_eq!((ip.header().source_addr(), ip.header().destination_addr()), (A, B));
        assert_eq!(ip.header().ttl(), 3);
        let Some(TransportSlice::Udp(udp)) = sliced.transport else { panic!() };
        assert_eq!((udp.source_port(), udp.destination_port()), (1111, 53));
        assert_eq!(udp.payload(), b"hello");
    }

    #[test]
    fn the_frame_length_asked_for_is_kept_for_every_kind() {
        for len in [60, 64, 590, 1514] {
            let base = FrameBuilder::new().ipv4(A, B).frame_len(len);
            for builder in [
                base.clone(),
                base.clone().udp(1, 2),
                base.clone().tcp(1, 2, tcp::flag::SYN),
                base.clone().echo_request(1, 2),
                base.clone().vlan(Tag::dot1q(5)).udp(1, 2),
                base.clone().arp(ArpSpec::request(MacAddr([2; 6]), A, B)),
                base.clone().ethertype(0x88b5),
            ] {
                assert_eq!(builder.build().len(), len, "{builder:?}");
            }
        }
        assert_eq!(FrameBuilder::new().payload_len(100).frame_len(60).build().len(), 134);
        assert_eq!(FrameBuilder::new().udp(1, 2).padded().build().len(), 60);
    }

    #[test]
    fn what_is_spoilt_is_wrong_and_nothing_else_is() {
        let good = FrameBuilder::new().ipv4(A, B).udp(1, 2).payload(b"x");
        let holds = |builder: &FrameBuilder| {
            let frame = builder.build();
            let ip = Ipv4View::new_quoted(&frame[14..]).unwrap();
            let udp = udp::UdpView::new_checked(ip.payload()).unwrap();
            (ip.checksum_holds(), udp.checksum_holds(ip.src(), ip.dst()))
        };
        assert_eq!(holds(&good), (true, true));
        assert_eq!(holds(&good.clone().bad_header_checksum()), (false, true));
        assert_eq!(holds(&good.clone().bad_transport_checksum()), (true, false));
        assert_eq!(holds(&good.clone().no_udp_checksum()), (true, true));
        assert_eq!(holds(&good.clone().total_len(9999)), (true, true));
        let frame = good.total_len(9999).build();
        assert!(Ipv4View::new_checked(&frame[14..]).is_err());
    }

    #[test]
    fn fragments_say_where_they_belong() {
        let frame = FrameBuilder::new().fragment_offset(1480).more_fragments().build();
        let ip = Ipv4View::new_checked(&frame[14..]).unwrap();
        assert_eq!((ip.fragment_offset(), ip.mf(), ip.df()), (1480, true, false));
    }

    #[test]
    fn an_arp_request_goes_to_all_and_a_reply_to_who_asked() {
        let (ours, theirs) = (MacAddr([2; 6]), MacAddr([4; 6]));
        let request = FrameBuilder::new().arp(ArpSpec::request(ours, A, B)).padded().build();
        let peeled = vlan::peel(&request).unwrap();
        assert_eq!((request.len(), peeled.ethertype), (60, ethertype::ARP));
        assert_eq!(request[..6], MacAddr::BROADCAST.0);
        assert_eq!(arp::ArpView::new_checked(peeled.payload).unwrap().target_ip(), B);
        let reply = FrameBuilder::new().arp(ArpSpec::reply(ours, A, theirs, B)).build();
        assert_eq!((&reply[..6], &reply[6..12]), (&theirs.0[..], &ours.0[..]));
    }
}
