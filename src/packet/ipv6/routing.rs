//! Routing headers: nodes that a packet visits on its way.
//!
//! - takes: the bytes of a routing header, told length and all
//! - gives: what all types share; the segments of segment routing, the home address of mobility
//! - obeys: RFC 8200 section 4.4, RFC 5095 (type 0 is refused), RFC 6275 section 6.4, RFC 8754
//!   section 2; rows [8.46] to [8.50]

use std::net::Ipv6Addr;

use super::address_at;
use crate::packet::{Malformed, split};

/// Types of routing header.
pub mod ty {
    /// Loose source route, refused by everyone (RFC 5095).
    pub const SOURCE_ROUTE: u8 = 0;
    /// To a mobile node at home (RFC 6275).
    pub const MOBILE: u8 = 2;
    /// Source route of low-power networks (RFC 6554).
    pub const RPL: u8 = 3;
    /// Segment routing (RFC 8754).
    pub const SEGMENTS: u8 = 4;
}

/// Bytes before what a type adds.
pub const HEADER_LEN: usize = 8;
/// Bytes of an address in the list.
const ADDRESS_LEN: usize = 16;

/// Where the fields stand from the start of the header.
pub mod field {
    use std::ops::Range;

    /// Type.
    pub const TYPE: usize = 2;
    /// Nodes still to visit.
    pub const SEGMENTS_LEFT: usize = 3;
    /// Last place of the list of a segment routing header.
    pub const LAST_ENTRY: usize = 4;
    /// Flags of a segment routing header.
    pub const FLAGS: usize = 5;
    /// Tag of a segment routing header.
    pub const TAG: Range<usize> = 6..8;
}

/// Flag of a segment routing header: a keyed hash follows the list.
pub const FLAG_HMAC: u8 = 0x08;
/// Type and length of the keyed hash behind a list of segments.
const HMAC: [u8; 2] = [5, 38];
/// Bytes of it.
const HMAC_LEN: usize = 40;

/// A routing header that is there whole.
#[derive(Debug, Clone, Copy)]
pub struct RoutingView<'a> {
    fixed: &'a [u8; HEADER_LEN],
    bytes: &'a [u8],
}

impl<'a> RoutingView<'a> {
    /// Proves that the header is there to the length that it tells.
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (fixed, _) = split::<HEADER_LEN>(bytes, "routing header")?;
        let need = (usize::from(fixed[1]) + 1) * 8;
        let have = bytes.len();
        let whole = bytes.get(..need);
        let bytes = whole.ok_or(Malformed::Truncated { header: "routing header", need, have })?;
        Ok(Self { fixed, bytes })
    }

    /// Type of what follows.
    pub const fn next_header(&self) -> u8 {
        self.fixed[0]
    }

    /// The length as it stands: units of 8 bytes behind the first.
    pub const fn told_len(&self) -> u8 {
        self.fixed[1]
    }

    /// Bytes of the whole header.
    #[allow(clippy::len_without_is_empty)]
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Type; see [`ty`].
    pub const fn ty(&self) -> u8 {
        self.fixed[field::TYPE]
    }

    /// Nodes still to visit.
    pub const fn segments_left(&self) -> u8 {
        self.fixed[field::SEGMENTS_LEFT]
    }

    /// Addresses that the told length has room for.
    pub const fn capacity(&self) -> u8 {
        self.fixed[1] >> 1
    }

    /// The address at a place of the list.
    pub fn address(&self, place: u8) -> Option<Ipv6Addr> {
        let at = HEADER_LEN + usize::from(place) * ADDRESS_LEN;
        self.bytes.get(at..at + ADDRESS_LEN)?;
        Some(Ipv6Addr::from_bits(address_at(self.bytes, at)))
    }

    /// The home address, when it is a sound header of [`ty::MOBILE`] that was not used yet.
    pub fn home_address(&self) -> Option<Ipv6Addr> {
        let sound = self.ty() == ty::MOBILE && self.told_len() == 2 && self.segments_left() == 1;
        sound.then(|| self.address(0)).flatten()
    }

    /// Last place of the list of a segment routing header.
    pub const fn last_entry(&self) -> u8 {
        self.fixed[field::LAST_ENTRY]
    }

    /// Flags of a segment routing header.
    pub const fn flags(&self) -> u8 {
        self.fixed[field::FLAGS]
    }

    /// Tag of a segment routing header.
    pub const fn tag(&self) -> u16 {
        u16::from_be_bytes([self.fixed[6], self.fixed[7]])
    }

    /// Whether more nodes are left than the list has, so that a node refuses to go on.
    pub const fn leaves_too_many(&self) -> bool {
        match self.ty() {
            // The last place of the list is where the packet is going, so it is no node left.
            ty::SEGMENTS => self.segments_left() >= self.capacity() && self.segments_left() > 0,
            _ => self.segments_left() > self.capacity(),
        }
    }

    /// Whether a keyed hash stands behind the list of segments.
    pub fn has_hmac(&self) -> bool {
        let least = (usize::from(self.last_entry()) + 1) * 2 + 5;
        let at = self.bytes.len().saturating_sub(HMAC_LEN);
        usize::from(self.told_len()) >= least
            && self.flags() & FLAG_HMAC != 0
            && self.bytes.get(at..at + 2) == Some(&HMAC)
    }

    /// The whole header.
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

/// A segment routing header's bytes: the list is in the order of the visits, and so is written from
/// its end.
pub fn segments(next_header: u8, visits: &[Ipv6Addr], left: u8, tag: u16) -> Vec<u8> {
    let last = visits.len().saturating_sub(1) as u8;
    let [high, low] = tag.to_be_bytes();
    let told = (visits.len() * 2) as u8;
    let mut bytes = vec![next_header, told, ty::SEGMENTS, left, last, 0, high, low];
    bytes.extend(visits.iter().rev().flat_map(Ipv6Addr::octets));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_a_segment_routing_header_are_read() {
        let visits: Vec<Ipv6Addr> = (1..=3).map(Ipv6Addr::from_bits).collect();
        let bytes = segments(17, &visits, 2, 0x1234);
        let view = RoutingView::new_checked(&bytes).unwrap();
        assert_eq!((view.next_header(), view.len(), view.ty()), (17, 56, ty::SEGMENTS));
        assert_eq!((view.segments_left(), view.last_entry(), view.capacity()), (2, 2, 3));
        assert_eq!((view.tag(), view.flags(), view.has_hmac()), (0x1234, 0, false));
        assert_eq!((view.address(0), view.address(3)), (visits.last().copied(), None));
        assert!(!view.leaves_too_many());
        for len in 0..bytes.len() {
            assert!(RoutingView::new_checked(&bytes[..len]).is_err());
        }
    }

    /// Shows [8.48].
    #[test]
    fn more_left_than_listed_is_seen() {
        let one = [Ipv6Addr::LOCALHOST];
        let too_many = |kind: u8, left: u8| {
            let mut bytes = segments(17, &one, left, 0);
            bytes[2] = kind;
            RoutingView::new_checked(&bytes).unwrap().leaves_too_many()
        };
        assert!(!too_many(ty::SEGMENTS, 0) && too_many(ty::SEGMENTS, 1));
        assert!(!too_many(ty::MOBILE, 1) && too_many(ty::MOBILE, 2));
    }

    #[test]
    fn a_home_address_is_read_from_a_sound_header_alone() {
        let home: Ipv6Addr = "2001:db8::7".parse().unwrap();
        let mut bytes = segments(17, &[home], 1, 0);
        bytes[2] = ty::MOBILE;
        assert_eq!(RoutingView::new_checked(&bytes).unwrap().home_address(), Some(home));
        for (at, value) in [(1, 1), (2, 0), (3, 0), (3, 2)] {
            let mut bad = bytes.clone();
            bad[at] = value;
            assert_eq!(RoutingView::new_checked(&bad).unwrap().home_address(), None);
        }
    }

    #[test]
    fn a_keyed_hash_is_found_where_it_should_stand() {
        let mut bytes = segments(17, &[Ipv6Addr::LOCALHOST], 0, 0);
        bytes.extend(HMAC);
        bytes.resize(24 + HMAC_LEN, 0);
        bytes[1] = 7;
        assert!(!RoutingView::new_checked(&bytes).unwrap().has_hmac());
        bytes[field::FLAGS] = FLAG_HMAC;
        assert!(RoutingView::new_checked(&bytes).unwrap().has_hmac());
        bytes[field::LAST_ENTRY] = 1;
        assert!(!RoutingView::new_checked(&bytes).unwrap().has_hmac());
    }

    #[test]
    fn no_bytes_make_it_panic() {
        bolero::check!().for_each(|bytes: &[u8]| {
            if let Ok(view) = RoutingView::new_checked(bytes) {
                let _ = (view.home_address(), view.has_hmac(), view.leaves_too_many());
                assert!(view.capacity() == 0 || view.address(view.capacity() - 1).is_some());
            }
        });
    }
}
