//! Redirects (RFC 4861 section 4.5).

use std::net::Ipv6Addr;

use super::{HOP_LIMIT, Item, Items, REDIRECT, Refused, address};
use crate::packet::{
    MacAddr,
    envelope::{self, Envelope},
};

const BODY: usize = 40;
const HEADER: usize = 40;
/// No redirect is longer, so that it passes everywhere.
const MIN_MTU: usize = 1280;

/// There is a better way to a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// The router that tells.
    pub src: Ipv6Addr,
    /// Who is told.
    pub dst: Ipv6Addr,
    /// Where to send: a router, or the destination itself.
    pub target: Ipv6Addr,
    /// What for.
    pub destination: Ipv6Addr,
    /// Where the target is.
    pub mac: Option<MacAddr>,
    /// The packet that went the wrong way, as much of it as there was room for.
    pub redirected: Option<Vec<u8>>,
}

impl Redirect {
    /// The target is where the destination is, on this link.
    pub fn on_link(&self) -> bool {
        self.target == self.destination
    }

    /// Reads a message, with the checks of RFC 4861 section 8.1 that need no table.
    pub(super) fn read(envelope: &Envelope<'_>) -> Result<Self, Refused> {
        let &Envelope { src, dst, message, .. } = envelope;
        if !src.is_unicast_link_local() {
            return Err(Refused::Source);
        }
        if message.len() < BODY {
            return Err(Refused::Short);
        }
        let (target, destination) = (address(message, 8)?, address(message, 24)?);
        if destination.is_multicast() {
            return Err(Refused::Destination);
        }
        if target != destination && !target.is_unicast_link_local() {
            return Err(Refused::RedirectTarget);
        }
        let items = Items::parse(&message[BODY..]).ok_or(Refused::Options)?;
        let mac = items.target()?;
        let redirected = items.redirected().map(<[u8]>::to_vec);
        Ok(Self { src, dst, target, destination, mac, redirected })
    }

    /// The IPv6 packet, no longer than every link takes: the packet that is told of is cut.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut message = vec![REDIRECT, 0, 0, 0, 0, 0, 0, 0];
        message.extend_from_slice(&self.target.octets());
        message.extend_from_slice(&self.destination.octets());
        if let Some(mac) = self.mac {
            Item::Target(mac).emit(&mut message);
        }
        if let Some(packet) = &self.redirected {
            let room = MIN_MTU - HEADER - message.len() - 8;
            let len = packet.len().min(room) & !7;
            Item::Redirected(packet[..len].to_vec()).emit(&mut message);
        }
        envelope::seal(self.src, self.dst, HOP_LIMIT, message)
    }
}
