//! Maps prefixes one to one: NETMAP for either family, and NPTv6, which keeps no state at all.
//!
//! - takes: addresses and prefixes
//! - gives: the mapped address
//! - obeys: RFC 6296; `nf_nat_netmap`, `ip6t_NPT` of the kernel; rows [9.254], [9.255]

use crate::packet::checksum;
use crate::packet::{icmp6, ipv6};

use super::super::headers;
use super::super::tuple::{Addr, ICMPV6};
use super::rewrite::Manip;

/// The address with the network part of the range and its own host part; a range that is no prefix
/// maps by the bits in which its ends agree.
pub fn netmap(address: Addr, min: Addr, max: Addr) -> Addr {
    let [address, min, max] = [address, min, max].map(|Addr(octets)| u128::from_be_bytes(octets));
    let host = min ^ max;
    Addr((address & host | min & !host).to_be_bytes())
}

/// Why two prefixes cannot be translated one into the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPrefix {
    /// Longer than 64 bits.
    #[error("a prefix of {0} bits is longer than 64")]
    Long(u8),
    /// Bits behind the prefix are set.
    #[error("bits behind the prefix are set")]
    HostBits,
}

/// A translation between two prefixes of IPv6 that no checksum notices (RFC 6296).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Npt {
    from: u128,
    from_len: u8,
    to: u128,
    len: u8,
    /// What the sum of the old prefix exceeds that of the new one by.
    adjustment: u16,
}

/// An address that has no counterpart: all words that could carry the adjustment are used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unmappable;

const fn mask(len: u8) -> u128 {
    match u128::MAX.checked_shl(128 - len as u32) {
        Some(mask) => mask,
        None => 0,
    }
}

impl Npt {
    /// The translation from one prefix to another; the shorter is filled with zeros.
    pub fn new((from, from_len): (u128, u8), (to, to_len): (u128, u8)) -> Result<Self, BadPrefix> {
        for (prefix, len) in [(from, from_len), (to, to_len)] {
            if len > 64 {
                return Err(BadPrefix::Long(len));
            }
            if prefix & !mask(len) != 0 {
                return Err(BadPrefix::HostBits);
            }
        }
        let [before, after] = [from, to].map(|prefix| checksum::sum(&prefix.to_be_bytes()));
        let adjustment = checksum::add(before, !after);
        Ok(Self { from, from_len, to, len: from_len.max(to_len), adjustment })
    }

    /// The translation of an address.
    pub fn map(&self, address: u128) -> Result<u128, Unmappable> {
        let mapped = address & !mask(self.len) | self.to & mask(self.len);
        let word = |at: u32| (mapped >> (112 - 16 * at)) as u16;
        // The subnet is adjusted, or with long prefixes the first word of the identifier that can be.
        let at = match self.len {
            ..=48 => 3,
            _ => (4..8).find(|&at| word(at) != 0xffff).ok_or(Unmappable)?,
        };
        // RFC 6296 section 3.4: all ones and all zeros are one number; zero is written.
        let adjusted = match checksum::add(word(at), self.adjustment) {
            0xffff => 0,
            sum => sum,
        };
        let shift = 112 - 16 * at;
        Ok(mapped & !(0xffff << shift) | u128::from(adjusted) << shift)
    }

    /// Translates an end of a packet, and within an error of ICMPv6 the other end of what it quotes.
    ///
    /// A packet without the header stays as it is.
    pub fn translate(&self, packet: &mut [u8], which: Manip) -> Result<(), Unmappable> {
        let place = |which| match which {
            Manip::Src => ipv6::field::SRC,
            Manip::Dst => ipv6::field::DST,
        };
        let Some(address) = packet.get_mut(place(which)) else { return Ok(()) };
        let Ok(old) = <[u8; 16]>::try_from(&*address) else { return Ok(()) };
        address.copy_from_slice(&self.map(u128::from_be_bytes(old))?.to_be_bytes());
        let Some(found) = headers::find(packet).filter(|found| found.proto == ICMPV6) else {
            return Ok(());
        };
        let error = packet.get(found.l4).is_some_and(|&ty| icmp6::quotes(ty));
        let inside = place(which.other());
        let start = found.l4 + icmp6::HEADER_LEN;
        if error
            && packet.len() >= start + ipv6::HEADER_LEN
            && let Some(address) = packet.get_mut(start + inside.start..start + inside.end)
            && let Ok(old) = <[u8; 16]>::try_from(&*address)
        {
            let old = u128::from_be_bytes(old);
            if (old ^ self.from) & mask(self.from_len) == 0
                && let Ok(new) = self.map(old)
            {
                address.copy_from_slice(&new.to_be_bytes());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    fn six(text: &str) -> u128 {
        text.parse::<Ipv6Addr>().unwrap().to_bits()
    }

    fn four(text: &str) -> Addr {
        Addr::four(text.parse::<Ipv4Addr>().unwrap().octets())
    }

    /// Shows [9.254].
    #[test]
    fn netmap_keeps_host_bits() {
        let map = |address| netmap(four(address), four("192.168.2.0"), four("192.168.2.255"));
        assert_eq!(map("10.1.2.3"), four("192.168.2.3"));
        assert_eq!(map("10.1.2.255"), four("192.168.2.255"));
        let [min, max] = [six("2001:db8:5::"), six("2001:db8:5:ffff:ffff:ffff:ffff:ffff")]
            .map(|bits| Addr(bits.to_be_bytes()));
        let mapped = netmap(Addr(six("fd00:1:2:3::9").to_be_bytes()), min, max);
        assert_eq!(mapped, Addr(six("2001:db8:5:3::9").to_be_bytes()));
    }

    /// The example of RFC 6296 section 2.1. Shows [9.255].
    #[test]
    fn the_example_of_the_rfc_is_mapped_and_mapped_back() {
        let (inside, outside) = ((six("fd01:203:405::"), 48), (six("2001:db8:1::"), 48));
        let out = Npt::new(inside, outside).unwrap();
        let back = Npt::new(outside, inside).unwrap();
        assert_eq!(out.map(six("fd01:203:405:1::1234")), Ok(six("2001:db8:1:d550::1234")));
        assert_eq!(back.map(six("2001:db8:1:d550::1234")), Ok(six("fd01:203:405:1::1234")));
    }

    #[test]
    fn prefixes_that_are_none_are_refused() {
        assert_eq!(Npt::new((0, 65), (0, 64)), Err(BadPrefix::Long(65)));
        assert_eq!(Npt::new((1, 64), (0, 64)), Err(BadPrefix::HostBits));
    }

    #[test]
    fn an_address_all_of_ones_has_no_counterpart_under_a_long_prefix() {
        let npt = Npt::new((six("fd00::"), 64), (six("2001:db8::"), 64)).unwrap();
        assert_eq!(npt.map(six("fd00::ffff:ffff:ffff:ffff")), Err(Unmappable));
        assert!(npt.map(six("fd00::ffff:ffff:ffff:fffe")).is_ok());
    }

    #[test]
    fn the_sum_of_an_address_is_kept() {
        bolero::check!().with_type::<(u128, u128, u8, u8, u128)>().for_each(
            |&(from, to, from_len, to_len, host)| {
                let (from_len, to_len) = (from_len % 65, to_len % 65);
                let (from, to) = (from & mask(from_len), to & mask(to_len));
                let npt = Npt::new((from, from_len), (to, to_len)).unwrap();
                // Between the lengths the bits belong to the longer prefix.
                let old = host & !mask(from_len.max(to_len)) | from;
                if let Ok(new) = npt.map(old) {
                    let sum = |bits: u128| checksum::sum(&bits.to_be_bytes()) % 0xffff;
                    assert_eq!(sum(new), sum(old), "{old:#x} {new:#x}");
                    // A word of 0..=48 bits may carry the adjustment, so only the prefix is sure.
                    assert_eq!((new ^ to) & mask(to_len.min(48)), 0);
                }
            },
        );
    }
}
