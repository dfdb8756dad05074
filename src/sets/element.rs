//! An element of a set.
//!
//! - takes: its parts
//! - gives: [`Element`], the words it is stored as, and how it is told
//! - obeys: `ipset(8)`

use std::{
    fmt::Write as _,
    net::{Ipv4Addr, Ipv6Addr},
};

use arrayvec::ArrayVec;

use super::{
    kind::{Kind, Part, Spec},
    names,
};

/// It is exempt from the set.
pub(super) const NOMATCH: u8 = 1;
/// Its interface is a port of a bridge.
pub(super) const PHYSDEV: u8 = 2;

/// The longest name of an interface.
pub(super) const NAME: usize = 15;

/// Words of one element.
pub(super) type Words = ArrayVec<u64, 8>;

/// An element; what its kind of set does not hold is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Element {
    /// Addresses, those of IPv4 in the lowest bits; of a list the member's number.
    pub ip: [u128; 2],
    /// Lengths of their prefixes, where they are prefixes.
    pub len: [u8; 2],
    /// Protocol.
    pub proto: u8,
    /// Port, or type and code.
    pub port: u16,
    /// Interface, filled with zeros.
    pub iface: [u8; 16],
    /// Ethernet address.
    pub mac: [u8; 6],
    pub(super) flags: u8,
}

/// A name, filled with zeros.
pub(super) fn name(text: &str) -> [u8; 16] {
    let mut name = [0; 16];
    let len = text.len().min(NAME);
    name[..len].copy_from_slice(&text.as_bytes()[..len]);
    name
}

/// How many words elements of a set take.
pub(super) fn stride(spec: &Spec) -> usize {
    Element::default().words(spec).len()
}

impl Element {
    /// Whether it is exempt from its set.
    #[must_use]
    pub fn is_exempt(&self) -> bool {
        self.flags & NOMATCH != 0
    }

    /// The element as it is stored; the first word without [`Self::mark`] and the rest are what makes it.
    pub(super) fn words(&self, spec: &Spec) -> Words {
        let mut words = Words::new();
        let [a, b] = self.len;
        words.push(
            u64::from(self.port)
                | u64::from(self.proto) << 16
                | u64::from(a) << 24
                | u64::from(b) << 32
                | u64::from(self.flags) << 40,
        );
        let mut address = 0;
        for part in spec.kind.parts() {
            match part {
                Part::Ip | Part::Net | Part::Set => {
                    let ip = self.ip[address];
                    address += 1;
                    words.push(ip as u64);
                    if spec.six {
                        words.push((ip >> 64) as u64);
                    }
                }
                Part::Iface => words.extend(
                    self.iface.as_chunks::<8>().0.iter().map(|half| u64::from_be_bytes(*half)),
                ),
                // Which Ethernet address an address has is not what it is found by.
                Part::Mac if spec.kind != Kind::BitmapIpMac => words.push(mac_bits(self.mac)),
                Part::Mac | Part::Port | Part::PlainPort => {}
            }
        }
        words
    }

    /// Whether it is exempt, in the first of its words.
    pub(super) const EXEMPT: u64 = (NOMATCH as u64) << 40;

    /// The element of these words.
    pub(super) fn from_words(words: &[u64], spec: &Spec) -> Self {
        let mut words = words.iter().copied();
        let mut next = || words.next().unwrap_or_default();
        let first = next();
        let mut element = Self {
            port: first as u16,
            proto: (first >> 16) as u8,
            len: [(first >> 24) as u8, (first >> 32) as u8],
            flags: (first >> 40) as u8,
            ..Self::default()
        };
        let mut address = 0;
        for part in spec.kind.parts() {
            match part {
                Part::Ip | Part::Net | Part::Set => {
                    let low = next();
                    let high = if spec.six { next() } else { 0 };
                    element.ip[address] = u128::from(high) << 64 | u128::from(low);
                    address += 1;
                }
                Part::Iface => {
                    element.iface = (u128::from(next()) << 64 | u128::from(next())).to_be_bytes();
                }
                Part::Mac if spec.kind != Kind::BitmapIpMac => element.mac = mac_of(next()),
                Part::Mac | Part::Port | Part::PlainPort => {}
            }
        }
        element
    }

    /// The element as `ipset` tells it, without its extensions.
    pub(super) fn text(&self, spec: &Spec) -> String {
        let mut out = String::new();
        let mut address = 0;
        for (at, part) in spec.kind.parts().iter().enumerate() {
            if at > 0 && !(spec.kind == Kind::BitmapIpMac && self.mac == [0; 6]) {
                out.push(',');
            }
            match part {
                Part::Ip | Part::Net => {
                    out.push_str(&address_text(self.ip[address], spec.six));
                    if *part == Part::Net && self.len[address] != spec.host() {
                        let _ = write!(out, "/{}", self.len[address]);
                    }
                    address += 1;
                }
                Part::Port => out.push_str(&names::port_text(self.proto, self.port)),
                Part::PlainPort => {
                    let _ = write!(out, "{}", self.port);
                }
                Part::Mac if spec.kind == Kind::BitmapIpMac && self.mac == [0; 6] => {}
                Part::Mac => {
                    let [a, b, c, d, e, f] = self.mac;
                    let _ = write!(out, "{a:02X}:{b:02X}:{c:02X}:{d:02X}:{e:02X}:{f:02X}");
                }
                Part::Iface => {
                    if self.flags & PHYSDEV != 0 {
                        out.push_str("physdev:");
                    }
                    let name = self.iface.split(|byte| *byte == 0).next().unwrap_or_default();
                    out.push_str(&String::from_utf8_lossy(name));
                }
                Part::Set => {}
            }
        }
        out
    }
}

/// An address as text.
pub(super) fn address_text(address: u128, six: bool) -> String {
    if six {
        Ipv6Addr::from_bits(address).to_string()
    } else {
        Ipv4Addr::from_bits(address as u32).to_string()
    }
}

/// The bits of an Ethernet address.
pub(super) fn mac_bits(mac: [u8; 6]) -> u64 {
    mac.iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte))
}

/// The Ethernet address of these bits.
pub(super) fn mac_of(bits: u64) -> [u8; 6] {
    let [_, _, mac @ ..] = bits.to_be_bytes();
    mac
}
