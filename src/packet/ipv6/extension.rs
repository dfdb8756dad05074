//! The chain of extension headers between the IPv6 header and what it carries.
//!
//! - takes: the bytes behind an IPv6 header, in whatever state
//! - gives: one header after another; where the chain ends; where a header of some type stands
//! - obeys: RFC 8200 section 4; `ipv6_skip_exthdr` and `ipv6_find_hdr` of the kernel; rows [8.28] to
//!   [8.36]
//! - costs: a step a header, each of which is at least 8 bytes long, so that none goes on for ever

/// Numbers of what may follow an IPv6 header; those of protocols are the same as in IPv4.
pub mod next_header {
    /// Options that every node on the way looks at.
    pub const HOP_BY_HOP: u8 = 0;
    /// IPv4.
    pub const IPV4: u8 = 4;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// IPv6 in IPv6.
    pub const IPV6: u8 = 41;
    /// Routing header.
    pub const ROUTING: u8 = 43;
    /// Fragment header.
    pub const FRAGMENT: u8 = 44;
    /// GRE.
    pub const GRE: u8 = 47;
    /// IPsec encapsulating security payload.
    pub const ESP: u8 = 50;
    /// IPsec authentication header.
    pub const AUTHENTICATION: u8 = 51;
    /// ICMPv6.
    pub const ICMPV6: u8 = 58;
    /// Nothing follows.
    pub const NONE: u8 = 59;
    /// Options for the destination.
    pub const DESTINATION: u8 = 60;
    /// Mobility header.
    pub const MOBILITY: u8 = 135;

    /// The name in `/etc/protocols`.
    pub const fn name(number: u8) -> Option<&'static str> {
        match number {
            HOP_BY_HOP => Some("hopopt"),
            IPV6 => Some("ipv6"),
            ROUTING => Some("ipv6-route"),
            FRAGMENT => Some("ipv6-frag"),
            ICMPV6 => Some("ipv6-icmp"),
            NONE => Some("ipv6-nonxt"),
            DESTINATION => Some("ipv6-opts"),
            MOBILITY => Some("mobility-header"),
            _ => crate::packet::ipv4::protocol::name(number),
        }
    }
}

/// Bits of the fragment word that give the offset, in bytes.
const OFFSET: u16 = 0xfff8;

/// Whether the number is that of an extension header, "nothing follows" included.
#[inline]
pub const fn is_extension(number: u8) -> bool {
    matches!(
        number,
        next_header::HOP_BY_HOP
            | next_header::ROUTING
            | next_header::FRAGMENT
            | next_header::AUTHENTICATION
            | next_header::NONE
            | next_header::DESTINATION
    )
}

/// Bytes of an extension header of this type, by the length that its second byte tells.
#[inline]
pub const fn len_of(number: u8, told: u8) -> usize {
    match number {
        next_header::FRAGMENT => 8,
        next_header::AUTHENTICATION => (told as usize + 2) * 4,
        _ => (told as usize + 1) * 8,
    }
}

/// The end of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upper {
    /// What stands there: a protocol, or [`next_header::FRAGMENT`] for a fragment other than the
    /// first, behind whose header nobody can tell.
    pub number: u8,
    /// Where it stands in the bytes; they may end before.
    pub offset: usize,
    /// The word of the fragment header met last: offset in bytes, and in the lowest bit whether more
    /// follow.
    pub fragment: Option<u16>,
}

impl Upper {
    /// Whether this is a fragment other than the first.
    pub const fn is_later_fragment(&self) -> bool {
        matches!(self.fragment, Some(word) if word & OFFSET != 0)
    }
}

/// Goes over the extension headers that start at a place of the bytes with one of type `number`.
///
/// Nothing where the chain runs over the bytes, or nothing follows it.
#[inline]
pub fn skip(bytes: &[u8], start: usize, number: u8) -> Option<Upper> {
    let mut end = Upper { number, offset: start, fragment: None };
    while is_extension(end.number) {
        if end.number == next_header::NONE {
            return None;
        }
        let &[next, told] = bytes.get(end.offset..)?.first_chunk()?;
        if end.number == next_header::FRAGMENT {
            let word = bytes.get(end.offset + 2..)?.first_chunk()?;
            end.fragment = Some(u16::from_be_bytes(*word));
            if end.is_later_fragment() {
                break;
            }
        }
        end.offset += len_of(end.number, told);
        end.number = next;
    }
    Some(end)
}

/// Why a header was not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// The chain has none of that type.
    Absent,
    /// The chain runs over the bytes.
    Truncated,
}

/// Finds the first header of a type; `bytes` start behind an IPv6 header that tells `number`.
///
/// As `ipv6_find_hdr`: a fragment other than the first ends the search. With `live_routing` a routing
/// header that has nothing left to visit does not count as one.
pub fn find(bytes: &[u8], number: u8, target: u8, live_routing: bool) -> Result<Upper, Missing> {
    let mut at = Upper { number, offset: 0, fragment: None };
    loop {
        let mut found = at.number == target;
        if !is_extension(at.number) || at.number == next_header::NONE {
            return if found { Ok(at) } else { Err(Missing::Absent) };
        }
        let head = |from: usize| bytes.get(at.offset + from..).and_then(|rest| rest.first_chunk());
        let &[next, told] = head(0).ok_or(Missing::Truncated)?;
        if at.number == next_header::ROUTING {
            let &[_, left] = head(2).ok_or(Missing::Truncated)?;
            found &= left != 0 || !live_routing;
        }
        if at.number == next_header::FRAGMENT {
            let word = head(2).ok_or(Missing::Truncated)?;
            at.fragment = Some(u16::from_be_bytes(*word));
            if at.is_later_fragment() && !found {
                return Err(Missing::Absent);
            }
        }
        if found {
            return Ok(at);
        }
        at.offset += len_of(at.number, told);
        at.number = next;
    }
}

/// One extension header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extension<'a> {
    /// Its type.
    pub number: u8,
    /// Where it stands behind the IPv6 header.
    pub offset: usize,
    /// Where the byte stands that names its type, from the start of the IPv6 header: the pointer of a
    /// Parameter Problem about the type.
    pub named_at: usize,
    /// The type of what follows.
    pub next: u8,
    /// The whole header.
    pub bytes: &'a [u8],
}

/// Walks the extension headers that are there whole; ends before the first of another type, before
/// one that runs over the bytes, and behind a fragment header other than the first.
#[derive(Debug, Clone)]
pub struct Chain<'a> {
    bytes: &'a [u8],
    number: u8,
    offset: usize,
    named_at: usize,
    over: bool,
}

impl<'a> Chain<'a> {
    /// A walk over the bytes behind an IPv6 header whose next header is `number`.
    pub const fn new(number: u8, bytes: &'a [u8]) -> Self {
        let named_at = super::field::NEXT_HEADER;
        Self { bytes, number, offset: 0, named_at, over: false }
    }

    /// The type of what comes next.
    pub const fn number(&self) -> u8 {
        self.number
    }

    /// Where it stands behind the IPv6 header.
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// Where the byte stands that names it, from the start of the IPv6 header.
    pub const fn named_at(&self) -> usize {
        self.named_at
    }
}

impl<'a> Iterator for Chain<'a> {
    type Item = Extension<'a>;

    fn next(&mut self) -> Option<Extension<'a>> {
        if self.over || !is_extension(self.number) || self.number == next_header::NONE {
            return None;
        }
        let rest = self.bytes.get(self.offset..)?;
        let &[next, told] = rest.first_chunk()?;
        let bytes = rest.get(..len_of(self.number, told))?;
        let &Self { number, offset, named_at, .. } = &*self;
        self.over = number == next_header::FRAGMENT
            && u16::from_be_bytes([bytes[2], bytes[3]]) & OFFSET != 0;
        self.named_at = super::HEADER_LEN + offset;
        self.offset += bytes.len();
        self.number = next;
        Some(Extension { number, offset, named_at, next, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use next_header::*;

    /// Hop-by-hop, destination options of 16 bytes, routing with nothing left, then UDP.
    fn chain() -> Vec<u8> {
        let mut bytes = vec![DESTINATION, 0, 1, 4, 0, 0, 0, 0];
        bytes.extend([ROUTING, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend([UDP, 0, 4, 0, 0, 0, 0, 0]);
        bytes.extend([0, 53, 0, 53, 0, 8, 0, 0]);
        bytes
    }

    /// Shows [8.29], [8.32] and [8.33].
    #[test]
    fn a_chain_is_walked_in_order_and_each_type_knows_its_length() {
        let bytes = chain();
        let walked: Vec<_> = Chain::new(HOP_BY_HOP, &bytes)
            .map(|header| (header.number, header.offset, header.named_at, header.bytes.len()))
            .collect();
        assert_eq!(walked, [(HOP_BY_HOP, 0, 6, 8), (DESTINATION, 8, 40, 16), (ROUTING, 24, 48, 8)]);
        let end = Upper { number: UDP, offset: 32, fragment: None };
        assert_eq!(skip(&bytes, 0, HOP_BY_HOP), Some(end));
        assert_eq!(
            (len_of(AUTHENTICATION, 4), len_of(FRAGMENT, 9), len_of(ROUTING, 2)),
            (24, 8, 24)
        );
        let numbers: Vec<u8> = (0..=255).filter(|number| is_extension(*number)).collect();
        assert_eq!(numbers, [0, 43, 44, 51, 59, 60]);
    }

    #[test]
    fn the_end_may_stand_behind_the_bytes_and_nothing_follows_nothing() {
        let bytes = chain();
        assert_eq!(skip(&bytes[..32], 0, HOP_BY_HOP).map(|end| end.offset), Some(32));
        assert_eq!(skip(&bytes[..25], 0, HOP_BY_HOP), None);
        assert_eq!(skip(&bytes, 0, NONE), None);
        assert_eq!(skip(&[], 0, TCP).map(|end| end.number), Some(TCP));
        assert_eq!(Chain::new(HOP_BY_HOP, &bytes[..23]).count(), 1);
    }

    /// Shows [8.34].
    #[test]
    fn a_later_fragment_hides_what_it_carries() {
        let with = |word: u16| {
            let [high, low] = word.to_be_bytes();
            [UDP, 0, high, low, 0, 0, 0, 7, 0, 53, 0, 53]
        };
        let first = Upper { number: UDP, offset: 8, fragment: Some(1) };
        assert_eq!(skip(&with(1), 0, FRAGMENT), Some(first));
        let later = skip(&with(1480), 0, FRAGMENT).unwrap();
        assert_eq!((later.number, later.offset, later.is_later_fragment()), (FRAGMENT, 0, true));
        assert_eq!(find(&with(1480), FRAGMENT, UDP, false), Err(Missing::Absent));
        assert_eq!(find(&with(1480), FRAGMENT, FRAGMENT, false), Ok(later));
        assert_eq!(find(&with(1), FRAGMENT, UDP, false), Ok(first));
        let bytes = with(1480);
        let mut chain = Chain::new(FRAGMENT, &bytes);
        assert_eq!(
            (chain.next().map(|header| header.number), chain.next()),
            (Some(FRAGMENT), None)
        );
    }

    #[test]
    fn a_header_is_found_by_its_type() {
        let bytes = chain();
        let at = |target, live| find(&bytes, HOP_BY_HOP, target, live).map(|found| found.offset);
        assert_eq!(at(DESTINATION, false), Ok(8));
        assert_eq!((at(ROUTING, false), at(ROUTING, true)), (Ok(24), Err(Missing::Absent)));
        assert_eq!((at(UDP, true), at(TCP, false)), (Ok(32), Err(Missing::Absent)));
        assert_eq!(find(&bytes[..9], HOP_BY_HOP, UDP, false), Err(Missing::Truncated));
        assert_eq!(find(&[], NONE, NONE, false).map(|found| found.offset), Ok(0));
    }

    #[test]
    fn numbers_have_the_names_of_protocols() {
        assert_eq!(
            (name(44), name(58), name(17)),
            (Some("ipv6-frag"), Some("ipv6-icmp"), Some("udp"))
        );
    }

    #[test]
    fn walking_skipping_and_finding_agree() {
        bolero::check!().with_type::<(u8, Vec<u8>)>().for_each(|(number, bytes)| {
            // Numbers of chance seldom name an extension header.
            let some = [HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION, UDP, NONE];
            let number = some[usize::from(*number) % some.len()];
            let mut chain = Chain::new(number, bytes);
            let mut end = 0;
            for header in chain.by_ref() {
                assert_eq!(header.offset, end);
                end += header.bytes.len();
                assert!(end <= bytes.len());
                let found = find(bytes, number, header.number, false);
                assert!(found.is_ok_and(|found| found.offset <= header.offset));
            }
            match skip(bytes, 0, number) {
                // Its word is enough to tell; to be walked over it must be there whole.
                Some(upper) if upper.is_later_fragment() => {
                    assert!(upper.offset + 8 == end || upper.offset == end);
                }
                // A header that is told longer than the bytes is skipped over all the same.
                Some(upper) => assert!(upper.offset == end || upper.offset > bytes.len()),
                None => {}
            }
        });
    }
}
