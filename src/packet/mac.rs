//! The 48-bit address of an Ethernet station, as an operator writes it.
//!
//! - obeys: IEEE 802 (group and local bits), RFC 1112 §6.4 (IPv4 groups); rows [1.15]

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An Ethernet address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// `00:00:00:00:00:00`, which no station may use.
    pub const ZERO: Self = Self([0; 6]);
    /// `ff:ff:ff:ff:ff:ff`, every station of the link.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// The address with these six octets, in wire order.
    pub const fn new(octets: [u8; 6]) -> Self {
        Self(octets)
    }

    /// The six octets in wire order.
    pub const fn octets(self) -> [u8; 6] {
        self.0
    }

    /// The address as a number below 2^48, first octet most significant.
    pub const fn to_u64(self) -> u64 {
        let [a, b, c, d, e, f] = self.0;
        u64::from_be_bytes([0, 0, a, b, c, d, e, f])
    }

    /// The address whose number is the low 48 bits of `n`.
    pub const fn from_u64(n: u64) -> Self {
        let [_, _, a, b, c, d, e, f] = n.to_be_bytes();
        Self([a, b, c, d, e, f])
    }

    /// The group address that carries an IPv4 multicast group: `01:00:5e` and its low 23 bits.
    pub const fn of_ipv4_group(group: Ipv4Addr) -> Self {
        let [_, b, c, d] = group.octets();
        Self([0x01, 0x00, 0x5e, b & 0x7f, c, d])
    }

    /// Whether the group bit is set; broadcast is a group too.
    pub const fn is_multicast(self) -> bool {
        self.0[0] & 1 != 0
    }

    /// Whether this is every station of the link.
    pub const fn is_broadcast(self) -> bool {
        self.to_u64() == 0xffff_ffff_ffff
    }

    /// Whether one station may own this address: neither a group nor zero.
    pub const fn is_unicast(self) -> bool {
        !self.is_multicast() && !self.is_zero()
    }

    /// Whether all octets are zero.
    pub const fn is_zero(self) -> bool {
        self.to_u64() == 0
    }

    /// Whether the address was given by an administrator and not by the maker.
    pub const fn is_local(self) -> bool {
        self.0[0] & 2 != 0
    }
}

impl From<[u8; 6]> for MacAddr {
    fn from(octets: [u8; 6]) -> Self {
        Self(octets)
    }
}

impl From<MacAddr> for [u8; 6] {
    fn from(mac: MacAddr) -> Self {
        mac.0
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        // As one string, so that a width in a table's column is honoured.
        f.pad(&format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}"))
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not six pairs of hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not an Ethernet address such as 02:00:00:00:00:01")]
pub struct ParseMacError(String);

impl FromStr for MacAddr {
    type Err = ParseMacError;

    /// Six groups of one or two hexadecimal digits, all set apart by `:` or all by `-`.
    fn from_str(text: &str) -> Result<Self, ParseMacError> {
        let wrong = || ParseMacError(text.to_owned());
        let separator = if text.contains('-') { '-' } else { ':' };
        let mut octets = [0; 6];
        let mut groups = text.split(separator);
        for octet in &mut octets {
            let group = groups.next().ok_or_else(wrong)?;
            // from_str_radix would take a sign.
            if !(1..=2).contains(&group.len()) || !group.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(wrong());
            }
            *octet = u8::from_str_radix(group, 16).map_err(|_| wrong())?;
        }
        match groups.next() {
            None => Ok(Self(octets)),
            Some(_) => Err(wrong()),
        }
    }
}

impl Serialize for MacAddr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MacAddr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_back_as_it_is_printed() {
        bolero::check!().with_type::<[u8; 6]>().for_each(|octets| {
            let mac = MacAddr(*octets);
            assert_eq!(mac.to_string().parse(), Ok(mac));
            assert_eq!(MacAddr::from_u64(mac.to_u64()), mac);
            let json = serde_json::to_string(&mac).unwrap();
            assert_eq!(serde_json::from_str::<MacAddr>(&json).unwrap(), mac);
        });
    }

    #[test]
    fn spellings_that_iproute2_takes_are_taken() {
        let want = MacAddr([2, 0, 0, 0xa, 0xb, 0xcc]);
        for text in ["02:00:00:0a:0b:cc", "2:0:0:a:b:cc", "02:00:00:0A:0B:CC", "02-00-00-0a-0b-cc"]
        {
            assert_eq!(text.parse(), Ok(want), "{text}");
        }
    }

    #[test]
    fn spellings_that_are_no_address_are_refused() {
        for text in [
            "",
            "02",
            "02:00:00:00:00",
            "02:00:00:00:00:01:02",
            "02:00:00:00:00:+1",
            "02:00:00:00:00:001",
            "02:00:00:00:00:",
            "02:00-00:00:00:01",
            "gg:00:00:00:00:01",
        ] {
            assert!(text.parse::<MacAddr>().is_err(), "{text}");
        }
    }

    #[test]
    fn groups_and_stations_are_told_apart() {
        assert!(MacAddr::BROADCAST.is_multicast() && MacAddr::BROADCAST.is_broadcast());
        assert!(!MacAddr::BROADCAST.is_unicast() && !MacAddr::ZERO.is_unicast());
        let group = MacAddr::of_ipv4_group(Ipv4Addr::new(239, 129, 2, 3));
        assert_eq!(group.to_string(), "01:00:5e:01:02:03");
        assert!(group.is_multicast() && !group.is_broadcast());
        assert!(MacAddr([2, 0, 0, 0, 0, 1]).is_unicast() && MacAddr([2, 0, 0, 0, 0, 1]).is_local());
    }
}
