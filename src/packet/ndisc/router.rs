//! Router solicitations and advertisements (RFC 4861 sections 4.1 and 4.2, RFC 4191).

use std::net::Ipv6Addr;

use super::{HOP_LIMIT, Item, Items, ROUTER_ADVERTISEMENT, ROUTER_SOLICITATION, Refused};
use crate::packet::{
    MacAddr,
    envelope::{self, Envelope},
};

const SOLICITATION: usize = 8;
const ADVERTISEMENT: usize = 16;
const MANAGED: u8 = 0x80;
const OTHER: u8 = 0x40;
const HOME_AGENT: u8 = 0x20;
const PREFERENCE: u8 = 0x18;

/// Who routes here?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouterSolicitation {
    /// Who asks; unspecified for one that has no address yet.
    pub src: Ipv6Addr,
    /// Destination of the packet.
    pub dst: Ipv6Addr,
    /// Where it is.
    pub mac: Option<MacAddr>,
}

impl RouterSolicitation {
    pub(super) fn read(envelope: &Envelope<'_>) -> Result<Self, Refused> {
        let &Envelope { src, dst, message, .. } = envelope;
        let options = message.get(SOLICITATION..).ok_or(Refused::Short)?;
        let items = Items::parse(options).ok_or(Refused::Options)?;
        // RFC 4861 section 6.1.1: one without an address cannot tell where it is.
        let mac = items.source()?;
        if src.is_unspecified() && mac.is_some() {
            return Err(Refused::ProbeLinkLayer);
        }
        Ok(Self { src, dst, mac })
    }

    /// The IPv6 packet.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut message = vec![ROUTER_SOLICITATION, 0, 0, 0, 0, 0, 0, 0];
        if let Some(mac) = self.mac {
            Item::Source(mac).emit(&mut message);
        }
        envelope::seal(self.src, self.dst, HOP_LIMIT, message)
    }
}

/// How a router ranks among others (RFC 4191 section 2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Preference {
    /// After others.
    Low,
    /// As usual.
    #[default]
    Medium,
    /// Before others.
    High,
}

impl Preference {
    /// Of the two bits; nothing for the value that none may send.
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits & 3 {
            0 => Some(Self::Medium),
            1 => Some(Self::High),
            3 => Some(Self::Low),
            _ => None,
        }
    }

    /// The two bits.
    pub const fn bits(self) -> u8 {
        match self {
            Self::Medium => 0,
            Self::High => 1,
            Self::Low => 3,
        }
    }

    /// As `ip route` prints it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// What a router tells of itself and of the link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouterAdvertisement {
    /// The router, by its address of the link.
    pub src: Ipv6Addr,
    /// Destination of the packet.
    pub dst: Ipv6Addr,
    /// Hop limit for what hosts send; 0 leaves it to them.
    pub hop_limit: u8,
    /// Addresses are to be had by DHCPv6.
    pub managed: bool,
    /// Other things are to be had by DHCPv6.
    pub other: bool,
    /// The router is a Mobile IPv6 home agent.
    pub home_agent: bool,
    /// Its rank as a default router; nothing where the bits mean nothing.
    pub preference: Option<Preference>,
    /// Seconds for which it is a default router.
    pub lifetime: u16,
    /// Milliseconds for which a neighbour counts as reachable; 0 leaves it to hosts.
    pub reachable_time: u32,
    /// Milliseconds between solicitations; 0 leaves it to hosts.
    pub retrans_timer: u32,
    /// Options.
    pub items: Items,
}

impl RouterAdvertisement {
    pub(super) fn read(envelope: &Envelope<'_>) -> Result<Self, Refused> {
        let &Envelope { src, dst, message, .. } = envelope;
        if !src.is_unicast_link_local() {
            return Err(Refused::Source);
        }
        let (head, options) = message.split_first_chunk::<ADVERTISEMENT>().ok_or(Refused::Short)?;
        let items = Items::parse(options).ok_or(Refused::Options)?;
        let word =
            |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        Ok(Self {
            src,
            dst,
            hop_limit: head[4],
            managed: head[5] & MANAGED != 0,
            other: head[5] & OTHER != 0,
            home_agent: head[5] & HOME_AGENT != 0,
            preference: Preference::from_bits((head[5] & PREFERENCE) >> 3),
            lifetime: u16::from_be_bytes([head[6], head[7]]),
            reachable_time: word(8),
            retrans_timer: word(12),
            items,
        })
    }

    /// The IPv6 packet.
    pub fn to_bytes(&self) -> Vec<u8> {
        let bit = |on: bool, bit: u8| if on { bit } else { 0 };
        let flags = bit(self.managed, MANAGED)
            | bit(self.other, OTHER)
            | bit(self.home_agent, HOME_AGENT)
            | self.preference.map_or(2, Preference::bits) << 3;
        let [high, low] = self.lifetime.to_be_bytes();
        let mut message = vec![ROUTER_ADVERTISEMENT, 0, 0, 0, self.hop_limit, flags, high, low];
        message.extend_from_slice(&self.reachable_time.to_be_bytes());
        message.extend_from_slice(&self.retrans_timer.to_be_bytes());
        for item in self.items.iter() {
            item.emit(&mut message);
        }
        envelope::seal(self.src, self.dst, HOP_LIMIT, message)
    }
}
