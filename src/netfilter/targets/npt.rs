//! `SNPT`, `DNPT`: prefixes of IPv6 exchanged so that no checksum notices.
//!
//! - takes: a packet; an ICMPv6 error with the one that it quotes
//! - gives: the packet with its source or destination mapped
//! - obeys: RFC 6296; ip6t_NPT of the kernel

use super::failed;
use crate::netfilter::eval::Verdict;
use crate::netfilter::rule::Npt;
use crate::netfilter::view::View;
use crate::packet::{
    checksum,
    ipv6::{HEADER_LEN, address_at, next_header},
};

const SRC: usize = 8;
const DST: usize = 24;
/// Where the packet stands that an ICMPv6 error right behind the header quotes.
const QUOTED: usize = HEADER_LEN + 8;

/// A mapping.
#[derive(Clone, Debug)]
pub(in crate::netfilter) struct Map {
    from: (u128, u8),
    to: u128,
    /// The longer one of both prefixes.
    len: u8,
    adjust: u16,
}

impl Map {
    /// From what the rule says.
    pub(super) fn new(npt: &Npt) -> Self {
        let sum = |bits: u128| checksum::sum(&bits.to_be_bytes());
        let (from, to) = (npt.from.0.to_bits(), npt.to.0.to_bits());
        Self {
            from: (from, npt.from.1),
            to,
            len: npt.from.1.max(npt.to.1).min(64),
            adjust: checksum::add(sum(from), !sum(to)),
        }
    }

    /// The address mapped; nothing where no word of it can take up the difference.
    fn map(&self, address: u128) -> Option<u128> {
        let mask = u128::MAX.checked_shl(128 - u32::from(self.len)).unwrap_or(0);
        let mapped = address & !mask | self.to & mask;
        let word = |at: u32| (mapped >> (112 - 16 * at)) as u16;
        let at = match self.len {
            ..=48 => 3,
            _ => (4..8).find(|at| word(*at) != 0xffff)?,
        };
        let new = match checksum::add(word(at), self.adjust) {
            0xffff => 0,
            new => new,
        };
        let place = 112 - 16 * at;
        Some(mapped & !(0xffff << place) | u128::from(new) << place)
    }

    fn is_from(&self, address: u128) -> bool {
        let mask = u128::MAX.checked_shl(128 - u32::from(self.from.1)).unwrap_or(0);
        address & mask == self.from.0 & mask
    }
}

/// `SNPT`
pub(super) fn source(view: &mut View<'_>, map: &Map) -> Option<Verdict> {
    // A packet that came back was sent to where this one comes from.
    change(view, map, SRC, DST)
}

/// `DNPT`
pub(super) fn destination(view: &mut View<'_>, map: &Map) -> Option<Verdict> {
    change(view, map, DST, SRC)
}

fn change(view: &mut View<'_>, map: &Map, place: usize, quoted: usize) -> Option<Verdict> {
    let bytes = view.bytes_mut();
    let Some(mapped) = map.map(address_at(bytes, place)) else { return failed() };
    bytes[place..place + 16].copy_from_slice(&mapped.to_be_bytes());
    let is_error = bytes[6] == next_header::ICMPV6
        && bytes[HEADER_LEN..].first().is_some_and(|ty| ty & 0x80 == 0);
    if is_error && bytes.len() >= QUOTED + HEADER_LEN {
        let place = QUOTED + quoted;
        let address = address_at(bytes, place);
        if map.is_from(address)
            && let Some(mapped) = map.map(address)
        {
            bytes[place..place + 16].copy_from_slice(&mapped.to_be_bytes());
        }
    }
    view.refresh();
    None
}
