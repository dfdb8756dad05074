//! Addresses as numbers: what tables of either family do with them.

use std::{
    fmt::Debug,
    hash::Hash,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::{BitAnd, BitOr, BitXor, Not},
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The bits of an address in host order: `u32` for IPv4, `u128` for IPv6.
pub trait Bits:
    Copy
    + Debug
    + Default
    + Eq
    + Hash
    + Ord
    + Send
    + Sync
    + BitAnd<Output = Self>
    + BitOr<Output = Self>
    + BitXor<Output = Self>
    + Not<Output = Self>
    + 'static
{
    /// Number of bits.
    const LEN: u8;
    /// True for the bits of IPv6.
    const SIX: bool;

    /// The first `len` bits set.
    fn mask(len: u8) -> Self;
    /// The octet of this number, 0 for the first one.
    fn octet(self, at: usize) -> u8;
    /// The same bits at the upper end of 128.
    fn upper(self) -> u128;
    /// The bits of an address, where it is of this family.
    fn of(address: IpAddr) -> Option<Self>;
    /// The address.
    fn address(self) -> IpAddr;
    /// The number behind this one, unless it is the last.
    fn next(self) -> Option<Self>;
    /// The prefix of an address; a length out of range counts as the longest.
    fn net(self, len: u8) -> IpNet;

    /// True when both have the same first `len` bits.
    #[inline]
    fn agrees(self, other: Self, len: u8) -> bool {
        (self ^ other) & Self::mask(len) == Self::default()
    }
}

impl Bits for u32 {
    const LEN: u8 = 32;
    const SIX: bool = false;

    #[inline]
    fn mask(len: u8) -> Self {
        Self::MAX.checked_shl(32 - Self::from(len.min(32))).unwrap_or(0)
    }

    #[inline]
    fn octet(self, at: usize) -> u8 {
        self.to_be_bytes()[at & 3]
    }

    #[inline(always)]
    fn upper(self) -> u128 {
        u128::from(self) << 96
    }

    fn of(address: IpAddr) -> Option<Self> {
        match address {
            IpAddr::V4(four) => Some(four.to_bits()),
            IpAddr::V6(_) => None,
        }
    }

    fn address(self) -> IpAddr {
        Ipv4Addr::from_bits(self).into()
    }

    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }

    fn net(self, len: u8) -> IpNet {
        Ipv4Net::new_assert(Ipv4Addr::from_bits(self), len.min(32)).into()
    }
}

impl Bits for u128 {
    const LEN: u8 = 128;
    const SIX: bool = true;

    #[inline]
    fn mask(len: u8) -> Self {
        Self::MAX.checked_shl(128 - u32::from(len.min(128))).unwrap_or(0)
    }

    #[inline]
    fn octet(self, at: usize) -> u8 {
        self.to_be_bytes()[at & 15]
    }

    #[inline(always)]
    fn upper(self) -> u128 {
        self
    }

    fn of(address: IpAddr) -> Option<Self> {
        match address {
            IpAddr::V4(_) => None,
            IpAddr::V6(six) => Some(six.to_bits()),
        }
    }

    fn address(self) -> IpAddr {
        Ipv6Addr::from_bits(self).into()
    }

    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }

    fn net(self, len: u8) -> IpNet {
        Ipv6Net::new_assert(Ipv6Addr::from_bits(self), len.min(128)).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_octets_and_addresses_agree_in_both_families() {
        assert_eq!((u32::mask(0), u32::mask(9), u32::mask(32)), (0, 0xff80_0000, u32::MAX));
        assert_eq!((u128::mask(0), u128::mask(128)), (0, u128::MAX));
        let six: IpAddr = "2001:db8::1".parse().unwrap();
        let bits = u128::of(six).unwrap();
        assert_eq!((bits.address(), bits.octet(0), bits.octet(15)), (six, 0x20, 1));
        assert_eq!((bits.upper(), 0x0a00_0001_u32.upper() >> 96), (bits, 0x0a00_0001));
        assert_eq!(bits.net(32).to_string(), "2001:db8::1/32");
        assert_eq!(u32::of(six), None);
        assert!(bits.agrees(bits ^ 1, 127) && !bits.agrees(bits ^ 1, 128));
        assert!(0_u32.agrees(u32::MAX, 0) && !0_u32.agrees(u32::MAX, 1));
    }
}
