//! Neighbour solicitations and advertisements (RFC 4861 sections 4.3 and 4.4).

use std::net::Ipv6Addr;

use super::{
    HOP_LIMIT, Item, Items, Message, NEIGHBOUR_ADVERTISEMENT, NEIGHBOUR_SOLICITATION, Refused,
    address, is_solicited_node,
};
use crate::packet::{
    MacAddr,
    envelope::{self, Envelope},
};

const BODY: usize = 24;
const ROUTER: u8 = 0x80;
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;

/// A message about a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Source of the packet; unspecified for one who looks for duplicates.
    pub src: Ipv6Addr,
    /// Destination of the packet.
    pub dst: Ipv6Addr,
    /// The address that is asked for, or told of.
    pub target: Ipv6Addr,
    /// Where the sender is (of a solicitation), or the target.
    pub mac: Option<MacAddr>,
    /// By which one who looks for duplicates knows its own question again (RFC 7527).
    pub nonce: Option<[u8; 6]>,
    /// An advertisement, and what its flags say.
    pub advertisement: Option<Advertisement>,
}

/// Flags of an advertisement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Advertisement {
    /// The sender is a router.
    pub router: bool,
    /// It answers a solicitation.
    pub solicited: bool,
    /// It takes the place of what is known.
    pub overrides: bool,
}

impl Neighbour {
    /// Reads a message, with the checks of RFC 4861 sections 7.1.1 and 7.1.2.
    pub fn parse(l3: &[u8]) -> Option<Self> {
        match Message::parse(l3) {
            Ok(Message::Neighbour(heard)) => Some(heard),
            _ => None,
        }
    }

    pub(super) fn read(envelope: &Envelope<'_>) -> Result<Self, Refused> {
        let &Envelope { src, dst, message, .. } = envelope;
        let asks = message[0] == NEIGHBOUR_SOLICITATION;
        let probes = asks && src.is_unspecified();
        let target = address(message, 8)?;
        let flag = |bit: u8| message[4] & bit != 0;
        if target.is_multicast() {
            return Err(Refused::Target);
        }
        if probes && !is_solicited_node(dst) {
            return Err(Refused::ProbeDestination);
        }
        if !asks && dst.is_multicast() && flag(SOLICITED) {
            return Err(Refused::Solicited);
        }
        let items = Items::parse(&message[BODY..]).ok_or(Refused::Options)?;
        let mac = if asks { items.source()? } else { items.target()? };
        if probes && mac.is_some() {
            return Err(Refused::ProbeLinkLayer);
        }
        let advertisement = (!asks).then(|| Advertisement {
            router: flag(ROUTER),
            solicited: flag(SOLICITED),
            overrides: flag(OVERRIDE),
        });
        let nonce = items.nonce().filter(|_| asks);
        Ok(Self { src, dst, target, mac, nonce, advertisement })
    }

    /// The IPv6 packet.
    pub fn to_bytes(&self) -> Vec<u8> {
        let asks = self.advertisement.is_none();
        let kind = if asks { NEIGHBOUR_SOLICITATION } else { NEIGHBOUR_ADVERTISEMENT };
        let flags = self.advertisement.map_or(0, |says| {
            let bit = |on: bool, bit: u8| if on { bit } else { 0 };
            bit(says.router, ROUTER)
                | bit(says.solicited, SOLICITED)
                | bit(says.overrides, OVERRIDE)
        });
        let mut message = vec![kind, 0, 0, 0, flags, 0, 0, 0];
        message.extend_from_slice(&self.target.octets());
        if let Some(mac) = self.mac {
            if asks { Item::Source(mac) } else { Item::Target(mac) }.emit(&mut message);
        }
        if let Some(nonce) = self.nonce {
            Item::Nonce(nonce).emit(&mut message);
        }
        envelope::seal(self.src, self.dst, HOP_LIMIT, message)
    }
}
