//! Frames built byte by byte, right or wrong as the test wants them.
//!
//! Every field can be set to what no sane sender would write. Lengths and checksums that are not
//! set are computed.

use std::net::Ipv4Addr;

/// An Ethernet address.
pub(crate) type Mac = [u8; 6];

pub(crate) const BROADCAST: Mac = [0xff; 6];
pub(crate) const ETH_HEADER: usize = 14;
pub(crate) const IPV4: u16 = 0x0800;
pub(crate) const ARP: u16 = 0x0806;
pub(crate) const VLAN: u16 = 0x8100;

pub(crate) const ICMP: u8 = 1;
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;

pub(crate) const DF: u16 = 0x4000;
pub(crate) const MF: u16 = 0x2000;
pub(crate) const RESERVED: u16 = 0x8000;

/// An Ethernet frame around a payload.
pub(crate) fn ether(dst: Mac, src: Mac, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(ETH_HEADER + payload.len());
    frame.extend(dst);
    frame.extend(src);
    frame.extend(ethertype.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The frame with an 802.1Q tag; `tci` is priority (3 bits), drop-eligible (1) and VLAN (12).
pub(crate) fn tag(frame: &[u8], tci: u16) -> Vec<u8> {
    tag_as(frame, VLAN, tci)
}

/// The frame with a tag of another ethertype, such as 0x88a8 of 802.1ad.
pub(crate) fn tag_as(frame: &[u8], ethertype: u16, tci: u16) -> Vec<u8> {
    let mut tagged = frame[..12].to_vec();
    tagged.extend(ethertype.to_be_bytes());
    tagged.extend(tci.to_be_bytes());
    tagged.extend(&frame[12..]);
    tagged
}

/// The 802.1Q tag control word and the frame without the tag, if it has one.
pub(crate) fn untag(frame: &[u8]) -> Option<(u16, Vec<u8>)> {
    if frame.get(12..14)? != VLAN.to_be_bytes() {
        return None;
    }
    let tci = u16::from_be_bytes(frame.get(14..16)?.try_into().ok()?);
    Some((tci, [&frame[..12], &frame[16..]].concat()))
}

/// The frame with zeroes up to `len` bytes, as a card pads to 60.
pub(crate) fn pad(mut frame: Vec<u8>, len: usize) -> Vec<u8> {
    if frame.len() < len {
        frame.resize(len, 0);
    }
    frame
}

/// `n` bytes that differ from each other, so that a shifted payload shows.
pub(crate) fn filler(n: usize) -> Vec<u8> {
    (0..n).map(|i| (i * 7 + i / 256) as u8).collect()
}

/// The Internet checksum (RFC 1071) of these pieces laid end to end; odd pieces only last.
pub(crate) fn checksum(pieces: &[&[u8]]) -> u16 {
    let mut sum = 0u32;
    for piece in pieces {
        for pair in piece.chunks(2) {
            sum += u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// An IPv4 packet to be.
#[derive(Clone, Debug)]
pub(crate) struct Ip {
    version: u8,
    ihl: Option<u8>,
    pub(crate) tos: u8,
    total_len: Option<u16>,
    id: u16,
    flags_offset: u16,
    ttl: u8,
    protocol: u8,
    checksum_xor: u16,
    pub(crate) src: Ipv4Addr,
    pub(crate) dst: Ipv4Addr,
    options: Vec<u8>,
    payload: Vec<u8>,
}

impl Ip {
    /// A packet with TTL 64, some identification and nothing in it.
    pub(crate) fn new(src: Ipv4Addr, dst: Ipv4Addr) -> Self {
        Self {
            version: 4,
            ihl: None,
            tos: 0,
            total_len: None,
            id: 0x1234,
            flags_offset: 0,
            ttl: 64,
            protocol: 253,
            checksum_xor: 0,
            src,
            dst,
            options: Vec::new(),
            payload: Vec::new(),
        }
    }

    pub(crate) fn version(mut self, version: u8) -> Self {
        self.version = version;
        self
    }

    /// Lies about the header length, in 32-bit words.
    pub(crate) fn ihl(mut self, words: u8) -> Self {
        self.ihl = Some(words);
        self
    }

    pub(crate) fn tos(mut self, tos: u8) -> Self {
        self.tos = tos;
        self
    }

    /// Lies about the total length.
    pub(crate) fn total_len(mut self, len: u16) -> Self {
        self.total_len = Some(len);
        self
    }

    pub(crate) fn id(mut self, id: u16) -> Self {
        self.id = id;
        self
    }

    /// Sets flag bits ([`DF`], [`MF`], [`RESERVED`]).
    pub(crate) fn flags(mut self, flags: u16) -> Self {
        self.flags_offset |= flags;
        self
    }

    /// Makes the payload begin this many bytes (a multiple of eight) into its datagram.
    pub(crate) fn offset(mut self, bytes: u16) -> Self {
        self.flags_offset = (self.flags_offset & 0xe000) | (bytes / 8);
        self
    }

    pub(crate) fn ttl(mut self, ttl: u8) -> Self {
        self.ttl = ttl;
        self
    }

    /// Flips these bits of the right header checksum.
    pub(crate) fn spoil_checksum(mut self, bits: u16) -> Self {
        self.checksum_xor = bits;
        self
    }

    /// Adds header options, padded with end-of-list to whole words.
    pub(crate) fn options(mut self, options: &[u8]) -> Self {
        self.options = options.to_vec();
        self.options.resize(options.len().next_multiple_of(4), 0);
        self
    }

    /// Carries any protocol.
    pub(crate) fn raw(mut self, protocol: u8, payload: &[u8]) -> Self {
        self.protocol = protocol;
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

    /// Carries ICMP with a right checksum; `rest` follows the checksum field.
    pub(crate) fn icmp(self, kind: u8, code: u8, rest: &[u8]) -> Self {
        let mut message = vec![kind, code, 0, 0];
        message.extend(rest);
        let sum = checksum(&[&message]);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        self.raw(ICMP, &message)
    }

    /// Carries an echo request with this much data.
    pub(crate) fn echo(self, id: u16, sequence: u16, data: &[u8]) -> Self {
        let mut rest = Vec::with_capacity(4 + data.len());
        rest.extend(id.to_be_bytes());
        rest.extend(sequence.to_be_bytes());
        rest.extend(data);
        self.icmp(8, 0, &rest)
    }

    /// Carries an ICMP error about `culprit`, quoting its header and `quote` bytes after it.
    pub(crate) fn icmp_error(
        self,
        kind: u8,
        code: u8,
        info: u32,
        culprit: &Self,
        quote: usize,
    ) -> Self {
        let mut rest = info.to_be_bytes().to_vec();
        let culprit = culprit.bytes();
        let header = usize::from(culprit[0] & 15) * 4;
        rest.extend(&culprit[..culprit.len().min(header + quote)]);
        self.icmp(kind, code, &rest)
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

    /// One fragment of this packet: `len` payload bytes from `offset`, the last if `more` is false.
    pub(crate) fn fragment(&self, offset: usize, len: usize, more: bool) -> Self {
        let mut piece = self.clone();
        piece.payload = self.payload[offset..offset + len].to_vec();
        let piece = piece.offset(offset as u16);
        if more { piece.flags(MF) } else { piece }
    }

    /// Length of what is carried.
    pub(crate) fn payload_len(&self) -> usize {
        self.payload.len()
    }

    /// The packet.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let header_len = 20 + self.options.len();
        let ihl = self.ihl.unwrap_or((header_len / 4) as u8);
        let total_len = self.total_len.unwrap_or((header_len + self.payload.len()) as u16);
        let mut packet = vec![self.version << 4 | ihl & 15, self.tos];
        packet.extend(total_len.to_be_bytes());
        packet.extend(self.id.to_be_bytes());
        packet.extend(self.flags_offset.to_be_bytes());
        packet.extend([self.ttl, self.protocol, 0, 0]);
        packet.extend(self.src.octets());
        packet.extend(self.dst.octets());
        packet.extend(&self.options);
        packet.extend(&self.payload);
        // Over what the header length field claims, as far as there is anything: a packet with a
        // false length must not fail for its checksum instead.
        let summed = packet.len().min(usize::from(ihl) * 4);
        let sum = checksum(&[&packet[..summed]]) ^ self.checksum_xor;
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        packet
    }

    fn pseudo_checksum(&self, protocol: u8, segment: &[u8]) -> u16 {
        let len = (segment.len() as u16).to_be_bytes();
        checksum(&[&self.src.octets(), &self.dst.octets(), &[0, protocol], &len, segment])
    }
}

/// An ARP packet to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arp {
    pub(crate) hardware: u16,
    pub(crate) protocol: u16,
    pub(crate) hardware_len: u8,
    pub(crate) protocol_len: u8,
    pub(crate) operation: u16,
    pub(crate) sender_mac: Mac,
    pub(crate) sender: Ipv4Addr,
    pub(crate) target_mac: Mac,
    pub(crate) target: Ipv4Addr,
}

impl Arp {
    /// "Who has `target`? Tell `sender`."
    pub(crate) fn request(sender_mac: Mac, sender: Ipv4Addr, target: Ipv4Addr) -> Self {
        Self {
            hardware: 1,
            protocol: IPV4,
            hardware_len: 6,
            protocol_len: 4,
            operation: 1,
            sender_mac,
            sender,
            target_mac: [0; 6],
            target,
        }
    }

    /// "`sender` is at `sender_mac`."
    pub(crate) fn reply(
        sender_mac: Mac,
        sender: Ipv4Addr,
        target_mac: Mac,
        target: Ipv4Addr,
    ) -> Self {
        Self { operation: 2, target_mac, ..Self::request(sender_mac, sender, target) }
    }

    /// The 28 bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut packet = Vec::with_capacity(28);
        packet.extend(self.hardware.to_be_bytes());
        packet.extend(self.protocol.to_be_bytes());
        packet.extend([self.hardware_len, self.protocol_len]);
        packet.extend(self.operation.to_be_bytes());
        packet.extend(self.sender_mac);
        packet.extend(self.sender.octets());
        packet.extend(self.target_mac);
        packet.extend(self.target.octets());
        packet
    }
}
