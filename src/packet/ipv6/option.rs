//! Options of hop-by-hop and destination headers: what a node is told on the way or at the end.
//!
//! - takes: a packet from its IPv6 header on, the place of the header, and the limits of the node
//! - gives: to go on, with what was found; to drop; or the parameter problem to send about it
//! - obeys: RFC 8200 section 4.2 and 4.3, RFC 2711, RFC 2675, RFC 4942 section 2.1.9.5; the order of
//!   checks of the kernel's `ip6_parse_tlv`; rows [8.38] to [8.45], [8.60], [8.61], [3.84]

use std::net::Ipv6Addr;

use super::{HEADER_LEN, address, address_at, field, next_header};

/// Types of option.
pub mod ty {
    /// One byte of padding.
    pub const PAD1: u8 = 0;
    /// Two or more bytes of padding.
    pub const PADN: u8 = 1;
    /// To be looked at by routers on the way.
    pub const ROUTER_ALERT: u8 = 5;
    /// Security label (RFC 5570).
    pub const CALIPSO: u8 = 7;
    /// Measurements on the way (RFC 9486).
    pub const IOAM: u8 = 0x31;
    /// A payload beyond 65,535 bytes.
    pub const JUMBO: u8 = 0xc2;
    /// Where a mobile node is at home.
    pub const HOME_ADDRESS: u8 = 0xc9;
}

/// Values of a router alert.
pub mod alert {
    /// A message of multicast listener discovery.
    pub const MLD: u16 = 0;
    /// A message of RSVP.
    pub const RSVP: u16 = 1;
}

/// Codes of a Parameter Problem; the pointer of each counts from the IPv6 header.
mod code {
    pub(super) const FIELD: u8 = 0;
    pub(super) const OPTION: u8 = 2;
}

/// Bytes of padding that may stand together.
const MOST_PADDING: usize = 7;

/// How much a node puts up with in one header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Options, padding not counted; a negative number is that many known ones alone
    /// (`net.ipv6.max_hbh_opts_number`, `max_dst_opts_number`).
    pub count: i32,
    /// Bytes (`net.ipv6.max_hbh_length`, `max_dst_opts_length`).
    pub len: i32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { count: 8, len: i32::MAX }
    }
}

/// In which header options stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// For every node on the way.
    HopByHop,
    /// For the destination.
    Destination,
}

/// What a header said that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Taken {
    /// Bytes of the header.
    pub len: usize,
    /// Type of what follows it.
    pub next_header: u8,
    /// Value of a router alert.
    pub router_alert: Option<u16>,
    /// Length of a jumbogram behind its IPv6 header.
    pub jumbo: Option<u32>,
}

/// Why a packet is dropped without a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discard {
    /// The header runs over the packet.
    Truncated,
    /// The header is longer than the node puts up with.
    TooLong,
    /// There are more options than the node puts up with, or an unknown one where it takes none.
    TooMany,
    /// Padding is too long or not empty, or an option runs over its header or has a bad length.
    Malformed,
    /// An unknown option that asks for this.
    Unknown,
    /// A jumbogram that is not there whole.
    ShortJumbo,
}

/// What becomes of a packet whose options were looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Accept(Taken),
    /// It is dropped without a word.
    Discard(Discard),
    /// It is dropped, and a Parameter Problem tells so.
    Problem {
        /// The code.
        code: u8,
        /// The bad byte, counted from the IPv6 header.
        pointer: usize,
    },
}

/// What a node that does not know an option does, by the option's upper two bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// Goes on to the next option.
    Skip,
    /// Drops the packet.
    Discard,
    /// Drops it and tells so.
    Report,
    /// Drops it, and tells so when the destination is not a group.
    ReportUnlessMulticast,
}

/// What the type of an option asks of a node that does not know it [8.41].
pub const fn unknown(kind: u8) -> Unknown {
    match kind >> 6 {
        0 => Unknown::Skip,
        1 => Unknown::Discard,
        2 => Unknown::Report,
        _ => Unknown::ReportUnlessMulticast,
    }
}

/// Looks at the options of the header that stands `at` bytes into a packet.
///
/// `packet` starts at the IPv6 header, all that was received included.
pub fn walk(packet: &[u8], at: usize, place: Place, limits: Limits) -> Verdict {
    let Some(&[next_header, told]) = packet.get(at..).and_then(|rest| rest.first_chunk()) else {
        return Verdict::Discard(Discard::Truncated);
    };
    let len = (usize::from(told) + 1) * 8;
    let Some(whole) = packet.get(..at + len) else {
        return Verdict::Discard(Discard::Truncated);
    };
    if i64::from(limits.len) < len as i64 {
        return Verdict::Discard(Discard::TooLong);
    }
    let mut walk = Walk {
        packet,
        place,
        known_only: limits.count < 0,
        left: limits.count.unsigned_abs(),
        padding: 0,
        taken: Taken { len, next_header, ..Taken::default() },
    };
    let mut at = at + 2;
    while at < whole.len() {
        match walk.option(whole, at) {
            Ok(len) => at += len,
            Err(verdict) => return verdict,
        }
    }
    Verdict::Accept(walk.taken)
}

/// A walk over the options of one header.
struct Walk<'a> {
    packet: &'a [u8],
    place: Place,
    known_only: bool,
    left: u32,
    padding: usize,
    taken: Taken,
}

const BAD: Verdict = Verdict::Discard(Discard::Malformed);

impl Walk<'_> {
    /// Looks at one option of a header that ends with `bytes`, and tells how long it is.
    fn option(&mut self, bytes: &[u8], at: usize) -> Result<usize, Verdict> {
        let rest = bytes.get(at..).unwrap_or_default();
        let (kind, len) = match *rest {
            [ty::PAD1, ..] => (ty::PAD1, 1),
            [kind, told, ..] => (kind, usize::from(told) + 2),
            _ => return Err(BAD),
        };
        let option = rest.get(..len).ok_or(BAD)?;
        if matches!(kind, ty::PAD1 | ty::PADN) {
            self.padding += len;
            let empty = option.get(2..).unwrap_or_default().iter().all(|byte| *byte == 0);
            return if self.padding > MOST_PADDING || !empty { Err(BAD) } else { Ok(len) };
        }
        self.left = self.left.checked_sub(1).ok_or(Verdict::Discard(Discard::TooMany))?;
        match (self.place, kind) {
            (Place::HopByHop, ty::ROUTER_ALERT) => {
                let &[_, 2, high, low] = option else { return Err(BAD) };
                self.taken.router_alert = Some(u16::from_be_bytes([high, low]));
            }
            (Place::HopByHop, ty::IOAM) if at.is_multiple_of(4) => {}
            // Labels of a domain that nobody told us of are not for us to vouch for.
            (Place::HopByHop, ty::IOAM | ty::CALIPSO) => return Err(BAD),
            (Place::HopByHop, ty::JUMBO) => self.jumbo(option, at)?,
            _ => self.unknown(kind, at)?,
        }
        self.padding = 0;
        Ok(len)
    }

    /// A jumbo payload [8.44].
    fn jumbo(&mut self, option: &[u8], at: usize) -> Result<(), Verdict> {
        let &[_, 4, a, b, c, d] = option else { return Err(BAD) };
        if at % 4 != 2 {
            return Err(BAD);
        }
        let len = u32::from_be_bytes([a, b, c, d]);
        if len <= u32::from(u16::MAX) {
            return Err(Verdict::Problem { code: code::FIELD, pointer: at + 2 });
        }
        if self.packet.get(field::PAYLOAD_LEN) != Some(&[0, 0]) {
            return Err(Verdict::Problem { code: code::FIELD, pointer: at });
        }
        if len as usize > self.packet.len().saturating_sub(HEADER_LEN) {
            return Err(Verdict::Discard(Discard::ShortJumbo));
        }
        self.taken.jumbo = Some(len);
        Ok(())
    }

    fn unknown(&self, kind: u8, at: usize) -> Result<(), Verdict> {
        if self.known_only {
            return Err(Verdict::Discard(Discard::TooMany));
        }
        let to_group = || address::is_multicast(address_at(self.packet, field::DST.start));
        match unknown(kind) {
            Unknown::Skip => Ok(()),
            Unknown::Discard => Err(Verdict::Discard(Discard::Unknown)),
            Unknown::ReportUnlessMulticast if to_group() => Err(Verdict::Discard(Discard::Unknown)),
            _ => Err(Verdict::Problem { code: code::OPTION, pointer: at }),
        }
    }
}

/// The home address that a destination header which starts `at` bytes into a packet tells
/// (RFC 6275 section 6.3), when it is a unicast address.
pub fn home_address(packet: &[u8], at: usize) -> Option<Ipv6Addr> {
    let place = find(packet, at, ty::HOME_ADDRESS)?;
    let whole = packet.get(place + 1) == Some(&16) && packet.len() >= place + 18;
    let bits = address_at(packet, place + 2);
    (whole && address::kind(bits).is_unicast()).then(|| Ipv6Addr::from_bits(bits))
}

/// Where the first option of a type stands in the header that starts `at` bytes into a packet
/// (`ipv6_find_tlv`).
pub fn find(packet: &[u8], at: usize, kind: u8) -> Option<usize> {
    let end = at + (usize::from(*packet.get(at + 1)?) + 1) * 8;
    let whole = packet.get(..end)?;
    let mut at = at + 2;
    while let Some(&found) = whole.get(at) {
        let len = match found {
            ty::PAD1 => 1,
            _ => usize::from(*whole.get(at + 1)?) + 2,
        };
        whole.get(at..at + len)?;
        if found == kind {
            return Some(at);
        }
        at += len;
    }
    None
}

/// Whether the packet, which starts at its IPv6 header, has hop-by-hop options.
#[inline]
pub fn has_hop_by_hop(packet: &[u8]) -> bool {
    packet.get(field::NEXT_HEADER) == Some(&next_header::HOP_BY_HOP)
}

/// Options in a header of the type `next_header` tells, padded to a multiple of 8 bytes: one byte by
/// [`ty::PAD1`], more by one [`ty::PADN`] [8.39].
pub fn header(next_header: u8, options: &[u8]) -> Vec<u8> {
    let mut bytes = vec![next_header, 0];
    bytes.extend_from_slice(options);
    let missing = bytes.len().next_multiple_of(8) - bytes.len();
    match missing {
        0 => {}
        1 => bytes.push(ty::PAD1),
        more => {
            bytes.extend([ty::PADN, more as u8 - 2]);
            bytes.resize(bytes.len().next_multiple_of(8), 0);
        }
    }
    bytes[1] = (bytes.len() / 8 - 1) as u8;
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet to an address, with a header of these options, which must come padded.
    fn packet(dst: &str, options: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x60, 0, 0, 0, 0, 0, 0, 64];
        bytes.extend("2001:db8::1".parse::<Ipv6Addr>().unwrap().octets());
        bytes.extend(dst.parse::<Ipv6Addr>().unwrap().octets());
        assert!((options.len() + 2).is_multiple_of(8), "{options:?}");
        let told = (options.len() + 2) / 8 - 1;
        let len = (options.len() + 2) as u16;
        bytes[4..6].copy_from_slice(&len.to_be_bytes());
        bytes.extend([59, told as u8]);
        bytes.extend(options);
        bytes
    }

    fn hop(options: &[u8]) -> Verdict {
        walk(&packet("2001:db8::2", options), 40, Place::HopByHop, Limits::default())
    }

    fn taken(verdict: Verdict) -> Taken {
        match verdict {
            Verdict::Accept(taken) => taken,
            other => panic!("{other:?}"),
        }
    }

    /// Shows [8.39] and [8.40].
    #[test]
    fn padding_is_short_and_empty() {
        assert_eq!(taken(hop(&[1, 4, 0, 0, 0, 0])).len, 8);
        assert_eq!(taken(hop(&[0; 6])).next_header, 59);
        let seven = [1, 5, 0, 0, 0, 0, 0, 0x1e, 5, 0, 0, 0, 0, 0];
        assert_eq!(taken(hop(&seven)).len, 16);
        for bad in [
            &[1, 4, 0, 0, 0, 1][..],
            &[0; 14],
            &[0x1e, 2, 0, 0, 1, 6, 0, 0, 0, 0, 0, 0, 0, 0],
            &[1, 2, 0, 0, 1, 2, 0, 0, 0x1e, 4, 0, 0, 0, 0],
        ] {
            assert_eq!(hop(bad), BAD, "{bad:?}");
        }
        assert_eq!(header(17, &[0x1e, 1, 9]), [17, 0, 0x1e, 1, 9, 1, 1, 0]);
        assert_eq!(header(17, &[0x1e, 3, 9, 9, 9]), [17, 0, 0x1e, 3, 9, 9, 9, 0]);
        assert_eq!(header(17, &[]), [17, 0, 1, 4, 0, 0, 0, 0]);
    }

    #[test]
    fn options_and_headers_that_run_over_are_dropped() {
        for bad in [[0x1e, 5, 0, 0, 0, 0], [0x1e, 3, 0, 0, 0, 0x1e], [1, 5, 0, 0, 0, 0]] {
            assert_eq!(hop(&bad), BAD, "{bad:?}");
        }
        let mut long = packet("2001:db8::2", &[0; 6]);
        long[41] = 1;
        let cut = Verdict::Discard(Discard::Truncated);
        assert_eq!(walk(&long, 40, Place::HopByHop, Limits::default()), cut);
        assert_eq!(walk(&long[..41], 40, Place::HopByHop, Limits::default()), cut);
    }

    /// Shows [8.41] and [3.84].
    #[test]
    fn unknown_options_are_skipped_dropped_or_told_of() {
        for place in [Place::HopByHop, Place::Destination] {
            let verdict = |kind: u8, dst: &str| {
                walk(&packet(dst, &[kind, 4, 0, 0, 0, 0]), 40, place, Limits::default())
            };
            let problem = Verdict::Problem { code: 2, pointer: 42 };
            let drop = Verdict::Discard(Discard::Unknown);
            assert_eq!(taken(verdict(0x1e, "2001:db8::2")).len, 8);
            assert_eq!(verdict(0x5e, "2001:db8::2"), drop);
            assert_eq!(verdict(0x9e, "2001:db8::2"), problem);
            assert_eq!(verdict(0x9e, "ff02::1"), problem);
            assert_eq!(verdict(0xde, "2001:db8::2"), problem);
            assert_eq!(verdict(0xde, "ff02::1"), drop);
        }
    }

    /// Shows [8.42].
    #[test]
    fn a_router_alert_has_two_bytes() {
        assert_eq!(taken(hop(&[5, 2, 0, 0, 0, 0])).router_alert, Some(alert::MLD));
        assert_eq!(taken(hop(&[5, 2, 0x12, 0x34, 1, 0])).router_alert, Some(0x1234));
        assert_eq!(hop(&[5, 4, 0, 0, 0, 0]), BAD);
        let destination = packet("2001:db8::2", &[5, 4, 0, 0, 0, 0]);
        let verdict = walk(&destination, 40, Place::Destination, Limits::default());
        assert_eq!(taken(verdict).router_alert, None, "it says nothing to a destination");
    }

    /// Shows [8.44].
    #[test]
    fn a_jumbo_payload_is_told_once_and_right() {
        let jumbo = |len: u32, told: u16, extra: usize, options: [u8; 2]| {
            let [a, b, c, d] = len.to_be_bytes();
            let mut bytes = packet("2001:db8::2", &[options[0], options[1], a, b, c, d]);
            bytes[4..6].copy_from_slice(&told.to_be_bytes());
            bytes.resize(bytes.len() + extra, 0);
            walk(&bytes, 40, Place::HopByHop, Limits::default())
        };
        let kind = [ty::JUMBO, 4];
        assert_eq!(taken(jumbo(65_536, 0, 65_536, kind)).jumbo, Some(65_536));
        assert_eq!(jumbo(65_536, 0, 100, kind), Verdict::Discard(Discard::ShortJumbo));
        assert_eq!(jumbo(65_535, 0, 0, kind), Verdict::Problem { code: 0, pointer: 44 });
        assert_eq!(jumbo(65_536, 8, 0, kind), Verdict::Problem { code: 0, pointer: 42 });
        assert_eq!(jumbo(65_536, 0, 0, [ty::JUMBO, 3]), BAD);
        let crooked = hop(&[0, 0, ty::JUMBO, 4, 0, 1, 0, 0, 1, 4, 0, 0, 0, 0]);
        assert_eq!(crooked, BAD, "it stands at 4n+2");
    }

    /// Shows [8.45].
    #[test]
    fn a_node_puts_up_with_so_many_options_and_so_long_headers() {
        let many = |count: usize, limits| {
            let mut options = [0x1e, 0].repeat(count);
            options.extend([0; 6]);
            while !(options.len() + 2).is_multiple_of(8) {
                options.pop();
            }
            walk(&packet("2001:db8::2", &options), 40, Place::HopByHop, limits)
        };
        let limits = Limits::default();
        assert_eq!(taken(many(8, limits)).len, 24);
        let too_many = Verdict::Discard(Discard::TooMany);
        assert_eq!(many(9, limits), too_many);
        assert_eq!(many(1, Limits { count: 0, ..limits }), too_many);
        assert_eq!(many(1, Limits { count: -8, ..limits }), too_many, "known ones alone");
        assert_eq!(many(8, Limits { len: 16, ..limits }), Verdict::Discard(Discard::TooLong));
        let alert = packet("2001:db8::2", &[5, 2, 0, 0, 0, 0]);
        let few = Limits { count: -1, ..limits };
        assert_eq!(taken(walk(&alert, 40, Place::HopByHop, few)).router_alert, Some(0));
    }

    #[test]
    fn measurements_stand_aligned_and_labels_are_refused() {
        let label = hop(&[7, 8, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2, 0, 0]);
        assert_eq!(label, BAD);
        assert_eq!(hop(&[ty::IOAM, 2, 0, 0, 0, 0]), BAD);
        assert_eq!(taken(hop(&[0, 0, ty::IOAM, 2, 0, 0])).len, 8);
    }

    #[test]
    fn a_home_address_is_read() {
        let home: Ipv6Addr = "2001:db8::7".parse().unwrap();
        let mut options = vec![1, 2, 0, 0, ty::HOME_ADDRESS, 16];
        options.extend(home.octets());
        let sound = packet("2001:db8::2", &options);
        assert_eq!(
            (home_address(&sound, 40), find(&sound, 40, ty::HOME_ADDRESS)),
            (Some(home), Some(46))
        );
        let problem = Verdict::Problem { code: 2, pointer: 46 };
        assert_eq!(walk(&sound, 40, Place::Destination, Limits::default()), problem);
        options[6] = 0xff;
        assert_eq!(home_address(&packet("2001:db8::2", &options), 40), None);
        assert!(!has_hop_by_hop(&[]) && has_hop_by_hop(&sound));
    }

    #[test]
    fn no_bytes_make_the_walk_panic_and_pointers_stay_inside() {
        bolero::check!().with_type::<(bool, i8, Vec<u8>)>().for_each(|(hop, count, bytes)| {
            let place = if *hop { Place::HopByHop } else { Place::Destination };
            let mut whole = packet("2001:db8::2", &[0; 6]);
            whole.truncate(40);
            whole.extend(bytes);
            let limits = Limits { count: (*count).into(), ..Limits::default() };
            match walk(&whole, 40, place, limits) {
                Verdict::Accept(taken) => assert!(40 + taken.len <= whole.len()),
                Verdict::Problem { pointer, .. } => {
                    assert!((42..whole.len()).contains(&pointer));
                }
                Verdict::Discard(_) => {}
            }
            home_address(&whole, 40);
            walk(bytes, 0, place, limits);
            home_address(bytes, 0);
        });
    }
}
