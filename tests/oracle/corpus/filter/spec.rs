//! Packets in a line.
//!
//! ```text
//! [by PORT] A[:PORT] > B[:PORT] PROTOCOL WORDS
//! ```
//!
//! A and B are hosts of the laboratory (`lan`, `other`, `wan`, `gw`, `far`, `dmz`, `vlan`), the router's own
//! addresses (`rlan`, `rsecond`, `rwan`, `rdmz`, `rvlan`), those with a `6` behind, or addresses, those of
//! IPv6 in brackets. A packet comes by the port that its source is behind, unless it says `by`.
//!
//! Protocols are those of [`segments`](super::segments). Words of all packets: `ttl= tos= id= df mf mac= bcast`,
//! `opts=HEX` of IPv4, `hbh= dsto= HEX`, `rt=TYPE/LEFT`, `auth=WORDS`, `label=` of IPv6; `len=N` and `data=TEXT` or
//! `hex=` is what is carried; `cut=N` keeps so many bytes behind the IP header, `flip=N` spoils one of them, `badip` the
//! checksum of the IP header. `frag=OFFSET+LENGTH` is one piece of what would have been sent, `split=LENGTH` are
//! all of them.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::super::six::{
    DMZ6, DMZ6_HOST, FAR6, LAN6, LAN6_HOST, LAN6_OTHER, LAN6_SECOND, VLAN6, VLAN6_HOST, WAN6,
    WAN6_GATEWAY, WAN6_HOST,
};
use super::segments;
use crate::common::frame::{BROADCAST, DF, IPV4, Ip, MF, Mac, ether, pad, tag};
use crate::common::frame6::{IPV6, Ip6, group_mac};
use crate::netfilter::split;
use crate::topology::{
    DMZ, DMZ_HOST, DMZ_MAC, FAR_HOST, LAN, LAN_HOST, LAN_MAC, LAN_OTHER, LAN_SECOND, VLAN10,
    VLAN10_HOST, WAN, WAN_GATEWAY, WAN_HOST, WAN_MAC, mac_of,
};

/// Hosts and their names; the last is where packets of its port that come from elsewhere came by.
const HOSTS: [(&str, Ipv4Addr, Ipv6Addr); 12] = [
    ("lan", LAN_HOST, LAN6_HOST),
    ("other", LAN_OTHER, LAN6_OTHER),
    ("wan", WAN_HOST, WAN6_HOST),
    ("gw", WAN_GATEWAY, WAN6_GATEWAY),
    ("far", FAR_HOST, FAR6),
    ("dmz", DMZ_HOST, DMZ6_HOST),
    ("vlan", VLAN10_HOST, VLAN6_HOST),
    ("rlan", LAN, LAN6),
    ("rsecond", LAN_SECOND, LAN6_SECOND),
    ("rwan", WAN, WAN6),
    ("rdmz", DMZ, DMZ6),
    ("rvlan", VLAN10, VLAN6),
];

/// What a line says.
#[derive(Clone, Debug)]
pub(super) struct Spec {
    by: Option<String>,
    pub(super) src: IpAddr,
    pub(super) sport: u16,
    pub(super) dst: IpAddr,
    pub(super) dport: u16,
    pub(super) protocol: String,
    pub(super) words: HashMap<String, String>,
    /// Words without a value, in order.
    pub(super) plain: Vec<String>,
    /// The packet that an error quotes.
    pub(super) quote: Option<Box<Self>>,
}

impl Spec {
    pub(super) fn parse(line: &str) -> Self {
        Self::from_words(&split(line), line)
    }

    fn from_words(words: &[String], line: &str) -> Self {
        let (by, words) = match words {
            [by, port, rest @ ..] if by == "by" => (Some(port.clone()), rest),
            _ => (None, words),
        };
        let [from, arrow, to, protocol, rest @ ..] = words else {
            panic!("a packet in {line:?}");
        };
        assert_eq!(arrow, ">", "a packet in {line:?}");
        let (src, sport) = end(from);
        let (dst, dport) = end(to);
        let mut spec = Self {
            by,
            src,
            sport,
            dst,
            dport,
            protocol: protocol.clone(),
            words: HashMap::new(),
            plain: Vec::new(),
            quote: None,
        };
        let mut at = 0;
        while at < rest.len() {
            if rest[at] == "[" {
                let close = rest.iter().rposition(|word| word == "]").expect("a closing bracket");
                let inside = Self::from_words(&rest[at + 1..close], line);
                spec.quote = Some(Box::new(inside));
                at = close;
            } else if let Some((key, value)) = rest[at].split_once('=') {
                spec.words.insert(key.to_owned(), value.to_owned());
            } else {
                spec.plain.push(rest[at].clone());
            }
            at += 1;
        }
        spec
    }

    pub(super) fn is_six(&self) -> bool {
        self.src.is_ipv6()
    }

    /// A number among the words.
    pub(super) fn number(&self, key: &str) -> Option<u64> {
        let value = self.words.get(key)?;
        let number = match value.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16),
            None => value.parse(),
        };
        Some(number.unwrap_or_else(|_| panic!("{key}={value} is no number")))
    }

    pub(super) fn number_or(&self, key: &str, other: u64) -> u64 {
        self.number(key).unwrap_or(other)
    }

    /// Bytes among the words.
    pub(super) fn hex(&self, key: &str) -> Vec<u8> {
        self.words.get(key).map(|text| bytes(text)).unwrap_or_default()
    }

    pub(super) fn says(&self, word: &str) -> bool {
        self.plain.iter().any(|plain| plain == word)
    }

    /// Two numbers with something between.
    pub(super) fn pair(&self, key: &str, between: char) -> Option<(u64, u64)> {
        let value = self.words.get(key)?;
        let (left, right) = value.split_once(between).expect("two numbers");
        Some((left.parse().expect("a number"), right.parse().expect("a number")))
    }

    /// The port that it comes by.
    pub(super) fn port(&self) -> &'static str {
        if let Some(by) = &self.by {
            return match by.as_str() {
                "lan" => "lan",
                "dmz" => "dmz",
                _ => "wan",
            };
        }
        match self.src {
            IpAddr::V4(src) => match src.octets() {
                [10, 1, 0, _] => "lan",
                [198, 51, 100, _] | [10, 9, 1, 0..=127] => "dmz",
                _ => "wan",
            },
            IpAddr::V6(src) => match src.segments() {
                [0x2001, 0xdb8, 1, ..] | [0xfe80, ..] => "lan",
                [0x2001, 0xdb8, 3, ..] => "dmz",
                _ => "wan",
            },
        }
    }

    /// The frames: one, or one for each piece.
    pub(super) fn frames(&self, id: u16) -> Vec<Vec<u8>> {
        let id = self.number("id").map_or(id, |id| id as u16);
        let packets = match self.src {
            IpAddr::V4(_) => self.packets4(id),
            IpAddr::V6(_) => self.packets6(u32::from(id)),
        };
        packets.iter().map(|packet| self.frame(packet)).collect()
    }

    /// The packet as an error quotes it: the first piece, if there are several.
    pub(super) fn packet(&self) -> Vec<u8> {
        let id = self.number_or("id", 0x7777);
        let packets = match self.src {
            IpAddr::V4(_) => self.packets4(id as u16),
            IpAddr::V6(_) => self.packets6(id as u32),
        };
        packets.into_iter().next().expect("a packet")
    }

    /// Bytes behind the IP header and the number of what they are.
    fn inside(&self) -> (u8, Vec<u8>) {
        let (protocol, mut bytes) = segments::segment(self);
        if let Some(at) = self.number("flip") {
            bytes[at as usize] ^= 0x55;
        }
        if let Some(len) = self.number("cut") {
            bytes.truncate(len as usize);
        }
        (protocol, bytes)
    }

    fn whole4(&self, id: u16) -> Ip {
        let (IpAddr::V4(src), IpAddr::V4(dst)) = (self.src, self.dst) else {
            panic!("addresses of two kinds");
        };
        let (protocol, inside) = self.inside();
        let mut ip = Ip::new(src, dst)
            .id(id)
            .ttl(self.number_or("ttl", 64) as u8)
            .tos(self.number_or("tos", 0) as u8)
            .options(&self.hex("opts"))
            .raw(protocol, &inside);
        for (word, flag) in [("df", DF), ("mf", MF)] {
            ip = if self.says(word) { ip.flags(flag) } else { ip };
        }
        if self.says("badip") {
            ip = ip.spoil_checksum(0x0101);
        }
        ip
    }

    fn packets4(&self, id: u16) -> Vec<Vec<u8>> {
        let whole = self.whole4(id);
        let len = whole.payload_len();
        if let Some((offset, piece)) = self.pair("frag", '+') {
            let (offset, piece) = (offset as usize, piece as usize);
            return vec![whole.fragment(offset, piece, offset + piece < len).bytes()];
        }
        let Some(size) = self.number("split").map(|size| size as usize) else {
            return vec![whole.bytes()];
        };
        let pieces = (0..len).step_by(size).map(|at| {
            let piece = size.min(len - at);
            whole.fragment(at, piece, at + piece < len).bytes()
        });
        pieces.collect()
    }

    fn whole6(&self) -> Ip6 {
        let (IpAddr::V6(src), IpAddr::V6(dst)) = (self.src, self.dst) else {
            panic!("addresses of two kinds");
        };
        let (next, inside) = self.inside();
        let mut ip = Ip6::new(src, dst)
            .hops(self.number_or("ttl", 64) as u8)
            .class(self.number_or("tos", 0) as u8)
            .label(self.number_or("label", 0) as u32)
            .raw(next, &inside);
        if self.words.contains_key("hbh") {
            ip = ip.hop_by_hop(&self.hex("hbh"));
        }
        if self.words.contains_key("dsto") {
            ip = ip.dst_options(&self.hex("dsto"));
        }
        if let Some((kind, left)) = self.pair("rt", '/') {
            ip = ip.by_way_of(kind as u8, left as u8, &[dst]);
        }
        if let Some(words) = self.number("auth") {
            ip = ip.auth(words as usize);
        }
        ip
    }

    fn packets6(&self, id: u32) -> Vec<Vec<u8>> {
        let whole = self.whole6();
        let len = whole.payload_size();
        if let Some((offset, piece)) = self.pair("frag", '+') {
            let (offset, piece) = (offset as usize, piece as usize);
            return vec![whole.fragment(id, offset, piece, offset + piece < len).bytes()];
        }
        if self.says("atomic") {
            return vec![whole.fragment(id, 0, len, false).bytes()];
        }
        let Some(size) = self.number("split").map(|size| size as usize) else {
            return vec![whole.bytes()];
        };
        let pieces = (0..len).step_by(size).map(|at| {
            let piece = size.min(len - at);
            whole.fragment(id, at, piece, at + piece < len).bytes()
        });
        pieces.collect()
    }

    fn frame(&self, packet: &[u8]) -> Vec<u8> {
        let (to, ethertype) = match self.dst {
            _ if self.says("bcast") => (BROADCAST, self.ethertype()),
            IpAddr::V4(dst) if dst.is_multicast() => {
                let [_, b, c, d] = dst.octets();
                ([1, 0, 0x5e, b & 0x7f, c, d], IPV4)
            }
            IpAddr::V6(dst) if dst.is_multicast() => (group_mac(dst), IPV6),
            _ => (self.router_mac(), self.ethertype()),
        };
        let frame = pad(ether(to, self.sender_mac(), ethertype, packet), 60);
        let tagged = matches!(self.src, IpAddr::V4(src) if src.octets()[..3] == [203, 0, 113])
            || matches!(self.src, IpAddr::V6(src) if src.segments()[..3] == [0x2001, 0xdb8, 4]);
        if tagged && self.by.is_none() { tag(&frame, 10) } else { frame }
    }

    fn ethertype(&self) -> u16 {
        if self.is_six() { IPV6 } else { IPV4 }
    }

    fn router_mac(&self) -> Mac {
        match self.port() {
            "lan" => LAN_MAC,
            "dmz" => DMZ_MAC,
            _ => WAN_MAC,
        }
    }

    fn sender_mac(&self) -> Mac {
        if let Some(mac) = self.words.get("mac") {
            let bytes = bytes(&mac.replace(':', ""));
            return bytes.try_into().expect("an Ethernet address");
        }
        let known = HOSTS
            .iter()
            .any(|(_, four, six)| self.src == IpAddr::V4(*four) || self.src == IpAddr::V6(*six));
        let near = known && self.src != IpAddr::V4(FAR_HOST) && self.src != IpAddr::V6(FAR6);
        match (near, self.port()) {
            (true, _) => mac_of(self.src),
            (false, "lan") => mac_of(LAN_HOST),
            (false, "dmz") => mac_of(DMZ_HOST),
            (false, _) => mac_of(WAN_GATEWAY),
        }
    }
}

/// A host and a port.
fn end(words: &str) -> (IpAddr, u16) {
    if let Some(rest) = words.strip_prefix('[') {
        let (address, port) = rest.split_once(']').expect("an address in brackets");
        let port = port.strip_prefix(':').map_or(0, |port| port.parse().expect("a port"));
        return (IpAddr::V6(address.parse().expect("an address")), port);
    }
    let (host, port) = match words.split_once(':') {
        Some((host, port)) => (host, port.parse().expect("a port")),
        None => (words, 0),
    };
    for (name, four, six) in HOSTS {
        if host == name {
            return (IpAddr::V4(four), port);
        }
        if host.strip_suffix('6') == Some(name) {
            return (IpAddr::V6(six), port);
        }
    }
    (host.parse().unwrap_or_else(|_| panic!("{host:?} is no host")), port)
}

/// Bytes written in hexadecimal.
fn bytes(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "half a byte in {text:?}");
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).expect("a byte");
    (0..text.len()).step_by(2).map(byte).collect()
}
