//! IPv4 options: what a sender asks of the routers on the way.
//!
//! - takes: the bytes between the fixed header and the payload
//! - gives: one option after another, or the place of the first whose length is not sound
//! - obeys: RFC 791 §3.1, RFC 2113; rows [4.38] to [4.42], [4.52]

use super::{HEADER_LEN, MAX_HEADER_LEN};

/// End of the list.
pub const END: u8 = 0;
/// No operation; pads to a boundary.
pub const NOP: u8 = 1;
/// Record route.
pub const RECORD_ROUTE: u8 = 7;
/// Timestamp.
pub const TIMESTAMP: u8 = 68;
/// Security (RFC 1108).
pub const SECURITY: u8 = 130;
/// Loose source route.
pub const LOOSE_SOURCE_ROUTE: u8 = 131;
/// Commercial security label.
pub const CIPSO: u8 = 134;
/// Stream id.
pub const STREAM_ID: u8 = 136;
/// Strict source route.
pub const STRICT_SOURCE_ROUTE: u8 = 137;
/// Router alert (RFC 2113).
pub const ROUTER_ALERT: u8 = 148;

/// Whether a fragment other than the first carries the option too.
pub const fn is_copied(kind: u8) -> bool {
    kind & 0x80 != 0
}

/// Class: 0 control, 2 debugging and measurement.
pub const fn class(kind: u8) -> u8 {
    (kind >> 5) & 3
}

/// Number within the class.
pub const fn number(kind: u8) -> u8 {
    kind & 0x1f
}

/// The word of an operator for a kind, where there is one.
pub const fn name(kind: u8) -> Option<&'static str> {
    Some(match kind {
        END => "end",
        NOP => "no-op",
        RECORD_ROUTE => "record-route",
        TIMESTAMP => "timestamp",
        SECURITY => "security",
        LOOSE_SOURCE_ROUTE => "loose-source-route",
        CIPSO => "cipso",
        STREAM_ID => "stream-id",
        STRICT_SOURCE_ROUTE => "strict-source-route",
        ROUTER_ALERT => "router-alert",
        _ => return None,
    })
}

/// One option of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ipv4Option<'a> {
    /// Kind; one of the constants of this module.
    pub kind: u8,
    /// Where the option stands from the start of the *header*, as an ICMP pointer counts.
    pub offset: u8,
    /// The whole option, kind and length bytes included; for [`END`] all that follows too.
    pub bytes: &'a [u8],
}

impl<'a> Ipv4Option<'a> {
    /// What stands after kind and length.
    pub fn data(&self) -> &'a [u8] {
        self.bytes.get(2..).unwrap_or_default()
    }
}

/// An option's length runs over the header, or is below the two bytes that it covers itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("ipv4 option {kind} at byte {offset} of the header has no sound length")]
pub struct BadOption {
    /// Kind of the option.
    pub kind: u8,
    /// Where it stands from the start of the header; the pointer of a Parameter Problem.
    pub offset: u8,
}

/// Walks the options of a header; ends after the end option and after the first bad one.
#[derive(Debug, Clone)]
pub struct Options<'a> {
    rest: &'a [u8],
    offset: u8,
}

impl<'a> Options<'a> {
    /// A walk over option bytes, which start 20 bytes into the header.
    pub fn new(option_bytes: &'a [u8]) -> Self {
        let most = option_bytes.len().min(MAX_HEADER_LEN - HEADER_LEN);
        Self { rest: &option_bytes[..most], offset: HEADER_LEN as u8 }
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = Result<Ipv4Option<'a>, BadOption>;

    fn next(&mut self) -> Option<Self::Item> {
        let (&kind, after) = self.rest.split_first()?;
        let offset = self.offset;
        let len = match (kind, after.first()) {
            (END, _) => self.rest.len(),
            (NOP, _) => 1,
            (_, Some(&len)) if len >= 2 => usize::from(len),
            _ => usize::MAX,
        };
        let Some((bytes, rest)) = self.rest.split_at_checked(len) else {
            self.rest = &[];
            return Some(Err(BadOption { kind, offset }));
        };
        self.rest = rest;
        self.offset += bytes.len() as u8;
        Some(Ok(Ipv4Option { kind, offset, bytes }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows [4.52]: the pointer of a Parameter Problem is the place of the bad option.
    #[test]
    fn options_are_walked_and_a_bad_length_is_pointed_at() {
        let walk = |bytes: &[u8]| -> Vec<_> {
            Options::new(bytes)
                .map(|item| item.map(|found| (found.kind, found.offset, found.bytes.len())))
                .collect()
        };
        assert_eq!(walk(&[]), []);
        assert_eq!(walk(&[1, 148, 4, 0, 0, 0]), [Ok((1, 20, 1)), Ok((148, 21, 4)), Ok((0, 25, 1))]);
        assert_eq!(walk(&[0, 9, 9, 9]), [Ok((0, 20, 4))], "nothing stands after the end");
        for bad in [&[1, 7, 0, 4][..], &[1, 7, 1, 4], &[1, 7, 4, 4], &[1, 7]] {
            assert_eq!(walk(bad), [Ok((1, 20, 1)), Err(BadOption { kind: 7, offset: 21 })]);
        }
    }

    #[test]
    fn the_walk_covers_every_option_byte_once() {
        bolero::check!().for_each(|bytes: &[u8]| {
            let mut at = 0;
            for item in Options::new(bytes) {
                let Ok(found) = item else { return };
                assert_eq!(usize::from(found.offset), HEADER_LEN + at);
                assert_eq!(found.bytes, &bytes[at..at + found.bytes.len()]);
                at += found.bytes.len();
            }
            assert_eq!(at, bytes.len().min(40));
        });
    }

    #[test]
    fn option_kinds_tell_class_number_and_copying() {
        assert_eq!((class(0x44), number(0x44)), (2, 4));
        assert!(!is_copied(TIMESTAMP) && !is_copied(RECORD_ROUTE));
        assert!(is_copied(LOOSE_SOURCE_ROUTE));
        assert_eq!(name(ROUTER_ALERT), Some("router-alert"));
    }
}
