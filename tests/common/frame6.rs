//! IPv6 packets built byte by byte, right or wrong as the test wants them.
//!
//! Lengths, next headers and checksums that are not set are computed.

use std::net::Ipv6Addr;

use super::frame::{Mac, TCP, UDP, checksum};

pub(crate) const IPV6: u16 = 0x86dd;
pub(crate) const ICMP6: u8 = 58;

pub(crate) const HOP_BY_HOP: u8 = 0;
pub(crate) const ROUTING: u8 = 43;
pub(crate) const FRAGMENT: u8 = 44;
pub(crate) const ESP: u8 = 50;
pub(crate) const AUTH: u8 = 51;
pub(crate) const NONE: u8 = 59;
pub(crate) const DST_OPTIONS: u8 = 60;

/// Flags of a neighbour advertisement.
pub(crate) const ROUTER: u8 = 0x80;
pub(crate) const SOLICITED: u8 = 0x40;
pub(crate) const OVERRIDE: u8 = 0x20;

/// Options of neighbour discovery: the sender's and the target's Ethernet address.
pub(crate) fn source_mac(mac: Mac) -> Vec<u8> {
    [&[1, 1][..], &mac].concat()
}

pub(crate) fn target_mac(mac: Mac) -> Vec<u8> {
    [&[2, 1][..], &mac].concat()
}

/// The group that is asked for an address.
pub(crate) fn solicited(target: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = target.octets();
    let [b, c] = [u16::from(b), u16::from(c)];
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), b << 8 | c)
}

/// The Ethernet address of a group.
pub(crate) fn group_mac(group: Ipv6Addr) -> Mac {
    let [.., a, b, c, d] = group.octets();
    [0x33, 0x33, a, b, c, d]
}

/// Options padded with one PadN or Pad1 until their header has whole words of 8 bytes.
pub(crate) fn padded(options: &[u8]) -> Vec<u8> {
    let mut all = options.to_vec();
    match (all.len() + 2).next_multiple_of(8) - 2 - all.len() {
        0 => {}
        1 => all.push(0),
        n => {
            all.extend([1, (n - 2) as u8]);
            all.resize(all.len() + n - 2, 0);
        }
    }
    all
}

/// An IPv6 packet to be.
#[derive(Clone, Debug)]
pub(crate) struct Ip6 {
    version: u8,
    class: u8,
    label: u32,
    payload_len: Option<u16>,
    first: Option<u8>,
    hops: u8,
    pub(crate) src: Ipv6Addr,
    pub(crate) dst: Ipv6Addr,
    /// Where it goes in the end, for checksums, with a routing header.
    last: Option<Ipv6Addr>,
    /// Extension headers: the number of each, and its bytes but for the first, which is the next
    /// one's number unless it is stated.
    headers: Vec<(u8, Option<u8>, Vec<u8>)>,
    next: u8,
    payload: Vec<u8>,
}

impl Ip6 {
    /// A packet with hop limit 64 and nothing in it.
    pub(crate) fn new(src: Ipv6Addr, dst: Ipv6Addr) -> Self {
        Self {
            version: 6,
            class: 0,
            label: 0,
            payload_len: None,
            first: None,
            hops: 64,
            src,
            dst,
            last: None,
            headers: Vec::new(),
            next: 253,
            payload: Vec::new(),
        }
    }

    pub(crate) fn version(mut self, version: u8) -> Self {
        self.version = version;
        self
    }

    pub(crate) fn class(mut self, class: u8) -> Self {
        self.class = class;
        self
    }

    pub(crate) fn label(mut self, label: u32) -> Self {
        self.label = label;
        self
    }

    pub(crate) fn hops(mut self, hops: u8) -> Self {
        self.hops = hops;
        self
    }

    /// Lies about the payload length.
    pub(crate) fn payload_len(mut self, len: u16) -> Self {
        self.payload_len = Some(len);
        self
    }

    /// Lies about what follows the fixed header.
    pub(crate) fn first(mut self, next: u8) -> Self {
        self.first = Some(next);
        self
    }

    /// Changes the source; checksums stay.
    pub(crate) fn from(mut self, src: Ipv6Addr) -> Self {
        self.src = src;
        self
    }

    /// Changes the destination; checksums stay.
    pub(crate) fn to(mut self, dst: Ipv6Addr) -> Self {
        self.dst = dst;
        self
    }

    /// Makes checksums right for this destination.
    pub(crate) fn last(mut self, last: Ipv6Addr) -> Self {
        self.last = Some(last);
        self
    }

    /// Adds an extension header behind those that there are; `rest` follows its next header byte.
    pub(crate) fn header(mut self, number: u8, rest: &[u8]) -> Self {
        self.headers.push((number, None, rest.to_vec()));
        self
    }

    /// The last extension header lies about what follows it.
    pub(crate) fn says(mut self, next: u8) -> Self {
        self.headers.last_mut().expect("an extension header").1 = Some(next);
        self
    }

    /// Adds hop-by-hop options, padded.
    pub(crate) fn hop_by_hop(self, options: &[u8]) -> Self {
        self.options(HOP_BY_HOP, options)
    }

    /// Adds destination options, padded.
    pub(crate) fn dst_options(self, options: &[u8]) -> Self {
        self.options(DST_OPTIONS, options)
    }

    fn options(self, number: u8, options: &[u8]) -> Self {
        let options = padded(options);
        let words = ((options.len() + 2) / 8 - 1) as u8;
        self.header(number, &[&[words], &options[..]].concat())
    }

    /// Adds a routing header: `rest` follows the count of segments left.
    pub(crate) fn routing(self, kind: u8, left: u8, rest: &[u8]) -> Self {
        let words = ((rest.len() + 4) / 8 - 1) as u8;
        self.header(ROUTING, &[&[words, kind, left], rest].concat())
    }

    /// Adds a routing header of type 0 or 2 by way of these.
    pub(crate) fn by_way_of(self, kind: u8, left: u8, ways: &[Ipv6Addr]) -> Self {
        let ways: Vec<u8> = ways.iter().flat_map(Ipv6Addr::octets).collect();
        self.routing(kind, left, &[&[0; 4], &ways[..]].concat())
    }

    /// Adds a segment routing header (RFC 8754); the last segment comes first.
    pub(crate) fn segments(self, left: u8, segments: &[Ipv6Addr], more: &[u8]) -> Self {
        let list: Vec<u8> = segments.iter().flat_map(Ipv6Addr::octets).collect();
        let last = (segments.len() as u8).wrapping_sub(1);
        self.routing(4, left, &[&[last, 0, 0, 0], &list[..], more].concat())
    }

    /// Adds a fragment header.
    pub(crate) fn piece(self, offset: usize, more: bool, id: u32) -> Self {
        let field = offset as u16 & 0xfff8 | u16::from(more);
        self.header(FRAGMENT, &[&[0], &field.to_be_bytes()[..], &id.to_be_bytes()].concat())
    }

    /// Adds an authentication header of this many 4-byte words.
    pub(crate) fn auth(self, words: usize) -> Self {
        let mut rest = vec![(words - 2) as u8, 0, 0, 0, 0, 1, 0];
        rest.resize(words * 4 - 1, 0xaa);
        self.header(AUTH, &rest)
    }

    /// Carries any protocol.
    pub(crate) fn raw(mut self, next: u8, payload: &[u8]) -> Self {
        self.next = next;
        self.payload = payload.to_vec();
        self
    }

    /// Carries UDP with a right checksum.
    pub(crate) fn udp(self, sport: u16, dport: u16, data: &[u8]) -> Self {
        let mut segment = Vec::with_capacity(8 + data.len());
        segment.extend(sport.to_be_bytes());
        segment.extend(dport.to_be_bytes());
        segment.extend((8 + data.len() as u16).to_be_bytes());
        segment.extend([0, 0]);
        segment.extend(data);
        let sum = match self.pseudo_checksum(UDP, &segment) {
            0 => 0xffff,
            sum => sum,
        };
        segment[6..8].copy_from_slice(&sum.to_be_bytes());
        self.raw(UDP, &segment)
    }

    /// Carries TCP with a right checksum; `flags` is the low byte, SYN 2, ACK 16.
    pub(crate) fn tcp(self, ports: (u16, u16), seq: u32, ack: u32, flags: u8, data: &[u8]) -> Self {
        let mut segment = Vec::with_capacity(20 + data.len());
        segment.extend(ports.0.to_be_bytes());
        segment.extend(ports.1.to_be_bytes());
        segment.extend(seq.to_be_bytes());
        segment.extend(ack.to_be_bytes());
        segment.extend([0x50, flags]);
        segment.extend(8192u16.to_be_bytes());
        segment.extend([0; 4]);
        segment.extend(data);
        let sum = self.pseudo_checksum(TCP, &segment);
        segment[16..18].copy_from_slice(&sum.to_be_bytes());
        self.raw(TCP, &segment)
    }

    /// Carries ICMPv6 with a right checksum; `rest` follows the checksum field.
    pub(crate) fn icmp(self, kind: u8, code: u8, rest: &[u8]) -> Self {
        let mut message = vec![kind, code, 0, 0];
        message.extend(rest);
        let sum = self.pseudo_checksum(ICMP6, &message);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        self.raw(ICMP6, &message)
    }

    /// Carries an echo request with this data.
    pub(crate) fn echo(self, id: u16, sequence: u16, data: &[u8]) -> Self {
        let rest = [&id.to_be_bytes()[..], &sequence.to_be_bytes(), data].concat();
        self.icmp(128, 0, &rest)
    }

    /// Carries an ICMPv6 error about `culprit`, quoting its first `quote` bytes.
    pub(crate) fn icmp_error(
        self,
        kind: u8,
        code: u8,
        info: u32,
        culprit: &Self,
        quote: usize,
    ) -> Self {
        let culprit = culprit.bytes();
        let quote = &culprit[..culprit.len().min(quote)];
        self.icmp(kind, code, &[&info.to_be_bytes()[..], quote].concat())
    }

    /// Asks for a neighbour.
    pub(crate) fn solicit(self, target: Ipv6Addr, options: &[u8]) -> Self {
        self.hops(255).icmp(135, 0, &[&[0; 4], &target.octets()[..], options].concat())
    }

    /// Tells of a neighbour.
    pub(crate) fn advertise(self, target: Ipv6Addr, flags: u8, options: &[u8]) -> Self {
        self.hops(255).icmp(136, 0, &[&[flags, 0, 0, 0], &target.octets()[..], options].concat())
    }

    /// Tells of a better way.
    pub(crate) fn redirect(self, better: Ipv6Addr, of: Ipv6Addr, options: &[u8]) -> Self {
        let rest = [&[0; 4], &better.octets()[..], &of.octets(), options].concat();
        self.hops(255).icmp(137, 0, &rest)
    }

    /// Flips bits of one payload byte after checksums were made.
    pub(crate) fn spoil_payload(mut self, at: usize, bits: u8) -> Self {
        self.payload[at] ^= bits;
        self
    }

    /// Overwrites payload bytes after checksums were made.
    pub(crate) fn set_payload(mut self, at: usize, bytes: &[u8]) -> Self {
        self.payload[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    /// Keeps only the first `len` bytes of the payload.
    pub(crate) fn cut_payload(mut self, len: usize) -> Self {
        self.payload.truncate(len);
        self
    }

    /// Length of what is carried behind all headers.
    pub(crate) fn payload_size(&self) -> usize {
        self.payload.len()
    }

    /// One fragment of this packet: `len` payload bytes from `offset`, the last if `more` is false.
    pub(crate) fn fragment(&self, id: u32, offset: usize, len: usize, more: bool) -> Self {
        let mut piece = self.clone().piece(offset, more, id);
        piece.payload = self.payload[offset..offset + len].to_vec();
        piece
    }

    /// The packet.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut follow: Vec<u8> = self.headers.iter().map(|(number, ..)| *number).collect();
        follow.push(self.next);
        let mut rest = Vec::new();
        for ((_, said, header), next) in self.headers.iter().zip(&follow[1..]) {
            rest.push(said.unwrap_or(*next));
            rest.extend(header);
        }
        rest.extend(&self.payload);
        let word = u32::from(self.version) << 28 | u32::from(self.class) << 20 | self.label;
        let mut packet = word.to_be_bytes().to_vec();
        packet.extend(self.payload_len.unwrap_or(rest.len() as u16).to_be_bytes());
        packet.extend([self.first.unwrap_or(follow[0]), self.hops]);
        packet.extend(self.src.octets());
        packet.extend(self.dst.octets());
        packet.extend(rest);
        packet
    }

    fn pseudo_checksum(&self, next: u8, message: &[u8]) -> u16 {
        let len = (message.len() as u32).to_be_bytes();
        let last = self.last.unwrap_or(self.dst);
        checksum(&[&self.src.octets(), &last.octets(), &len, &[0, 0, 0, next], message])
    }
}
