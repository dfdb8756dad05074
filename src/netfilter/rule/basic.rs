//! What every rule can ask: addresses, interfaces, protocol, fragments.
//!
//! - takes: nothing
//! - gives: [`Basic`], and the small values that all matches are built of
//! - obeys: `iptables(8)`, "PARAMETERS"

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Whose packets a rule set is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// IPv4: `iptables`.
    Four,
    /// IPv6: `ip6tables`.
    Six,
}

impl Family {
    /// The family of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv6() { Self::Six } else { Self::Four }
    }

    /// Bits of an address.
    #[must_use]
    pub fn bits(self) -> u8 {
        match self {
            Self::Four => 32,
            Self::Six => 128,
        }
    }

    /// The address of zeros.
    #[must_use]
    pub fn any(self) -> IpAddr {
        match self {
            Self::Four => Ipv4Addr::UNSPECIFIED.into(),
            Self::Six => Ipv6Addr::UNSPECIFIED.into(),
        }
    }
}

/// Something that must hold, or with `!` must not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Is<T> {
    /// Whether it must not.
    pub not: bool,
    /// What.
    pub value: T,
}

impl<T> Is<T> {
    /// Must hold.
    pub fn so(value: T) -> Self {
        Self { not: false, value }
    }

    /// Must not hold.
    pub fn not(value: T) -> Self {
        Self { not: true, value }
    }

    /// Whether it is as asked, given whether the value itself holds.
    pub fn holds(&self, test: impl FnOnce(&T) -> bool) -> bool {
        test(&self.value) != self.not
    }
}

/// From the first to the last, both belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span<T> {
    /// Lowest.
    pub first: T,
    /// Highest.
    pub last: T,
}

impl<T: Copy + PartialOrd> Span<T> {
    /// From one to another.
    pub fn new(first: T, last: T) -> Self {
        Self { first, last }
    }

    /// One value alone.
    pub fn only(value: T) -> Self {
        Self { first: value, last: value }
    }

    /// Whether a value belongs to it.
    pub fn contains(&self, value: T) -> bool {
        self.first <= value && value <= self.last
    }
}

/// Bits that must have a value: `(field & mask) == value`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Masked<T> {
    /// What they must be; bits outside the mask make it never hold.
    pub value: T,
    /// Which are looked at.
    pub mask: T,
}

/// A set of small numbers, one bit each.
pub type Bits = u32;

/// An address with a mask whose ones need not be the first bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Prefix {
    /// No bit is set outside the mask.
    pub address: IpAddr,
    /// Of the same family.
    pub mask: IpAddr,
}

impl Prefix {
    /// The address under a mask; both are of one family.
    #[must_use]
    pub fn new(address: IpAddr, mask: IpAddr) -> Self {
        Self { address: and(address, mask), mask }
    }

    /// The net, unless its mask has holes.
    #[must_use]
    pub fn net(&self) -> Option<IpNet> {
        IpNet::with_netmask(self.address, self.mask).ok()
    }

    /// The length of the mask, unless it has holes.
    #[must_use]
    pub fn length(&self) -> Option<u8> {
        self.net().map(|net| net.prefix_len())
    }

    /// Whether an address belongs to it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv6() == self.mask.is_ipv6() && and(address, self.mask) == self.address
    }
}

impl From<IpNet> for Prefix {
    fn from(net: IpNet) -> Self {
        Self { address: net.network(), mask: net.netmask() }
    }
}

/// The bits that both have; the first alone where families differ.
fn and(address: IpAddr, mask: IpAddr) -> IpAddr {
    match (address, mask) {
        (IpAddr::V4(a), IpAddr::V4(m)) => IpAddr::V4(a & m),
        (IpAddr::V6(a), IpAddr::V6(m)) => IpAddr::V6(a & m),
        _ => address,
    }
}

/// An interface's name, or with `+` how it begins.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Iface {
    /// The name without the `+`.
    pub name: String,
    /// Whether more may follow.
    pub wildcard: bool,
}

impl Iface {
    /// Whether an interface is meant; a packet that has none has the empty name.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        if self.wildcard { name.starts_with(&self.name) } else { name == self.name }
    }
}

/// What `ip_tables` and `ip6_tables` themselves look at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Basic {
    /// `-s`
    pub source: Option<Is<Prefix>>,
    /// `-d`
    pub destination: Option<Is<Prefix>>,
    /// `-i`
    pub input: Option<Is<Iface>>,
    /// `-o`
    pub output: Option<Is<Iface>>,
    /// `-p`; never 0, which asks nothing.
    pub protocol: Option<Is<u8>>,
    /// `-f` asks for fragments but the first, `! -f` for all else; IPv4 only.
    pub fragment: Option<bool>,
}
