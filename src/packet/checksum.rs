//! The Internet checksum: computing it, checking it and mending it after a change.
//!
//! - obeys: RFC 1071 (the sum), RFC 1624 §3 eqn 3 (mending), RFC 768 (a UDP checksum of zero);
//!   rows [1.24], [4.11], [4.14], [4.15]
//! - costs: under ten instructions to check a header without options (`benches/checksum.rs`)
//!
//! A *sum* here is the folded one's complement sum, a *checksum* is its complement, both as the
//! number that the two bytes on the wire spell.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::word;

/// 1/65535 modulo 2^64, and the greatest quotient by 65535: a number is a multiple of 65535 just
/// when its product with the first does not exceed the second.
const INVERSE_65535: u64 = 0xfffe_fffe_fffe_ffff;
const GREATEST_QUOTIENT: u64 = 0x0001_0001_0001_0001;

/// One's complement addition of 64-bit words; as 65535 divides 2^64-1, no carry is lost.
#[inline(always)]
const fn add64(a: u64, b: u64) -> u64 {
    let (sum, carry) = a.overflowing_add(b);
    sum + carry as u64
}

/// Folds a wide one's complement sum to 16 bits.
#[inline]
pub const fn fold(wide: u64) -> u16 {
    let half = (wide >> 32) + (wide & 0xffff_ffff);
    let quarter = (half >> 16) + (half & 0xffff);
    let eighth = (quarter >> 16) + (quarter & 0xffff);
    ((eighth >> 16) + (eighth & 0xffff)) as u16
}

/// One's complement addition of two sums.
#[inline]
pub const fn add(a: u16, b: u16) -> u16 {
    let (sum, carry) = a.overflowing_add(b);
    sum + carry as u16
}

/// Halves of a word in a wide lane: no carry before 2^32 words.
#[inline(always)]
const fn halves(word: [u8; 8]) -> u64 {
    let word = u64::from_ne_bytes(word);
    (word >> 32) + (word & 0xffff_ffff)
}

/// The sum of the bytes, neither folded nor in the order of the wire; an odd last byte counts as followed
/// by a zero. Sums of pieces of which all but the last are even add up, and need one [`fold`].
#[inline(always)]
pub fn wide(bytes: &[u8]) -> u64 {
    // Four independent lanes, so that the additions of one do not wait for the carries of another.
    let mut lanes = [0u64; 4];
    let (blocks, mut rest) = bytes.as_chunks::<32>();
    for block in blocks {
        let (words, _) = block.as_chunks::<8>();
        for (lane, word) in lanes.iter_mut().zip(words) {
            *lane += halves(*word);
        }
    }
    let mut total = lanes[0] + lanes[1] + lanes[2] + lanes[3];
    // Not a loop, whose making ready for many rounds would take longer than the few that there are.
    if let Some((head, tail)) = rest.split_first_chunk::<16>() {
        total += halves(word(head, 0)) + halves(word(head, 8));
        rest = tail;
    }
    if let Some((head, tail)) = rest.split_first_chunk::<8>() {
        total += halves(*head);
        rest = tail;
    }
    if let Some((head, tail)) = rest.split_first_chunk::<4>() {
        total += u64::from(u32::from_ne_bytes(*head));
        rest = tail;
    }
    if let Some((head, tail)) = rest.split_first_chunk::<2>() {
        total += u64::from(u16::from_ne_bytes(*head));
        rest = tail;
    }
    if let [last] = rest {
        total += u64::from(u16::from_ne_bytes([*last, 0]));
    }
    total
}

/// Whether a sum of [`wide`] ones folds to 0xffff, as one over what has a right checksum does.
#[inline(always)]
pub(crate) const fn is_whole(wide: u64) -> bool {
    // Just when it is a multiple of 65535 other than zero.
    wide.wrapping_mul(INVERSE_65535).wrapping_sub(1) < GREATEST_QUOTIENT
}

/// The folded one's complement sum of the bytes; an odd last byte counts as followed by a zero.
#[inline]
pub fn sum(bytes: &[u8]) -> u16 {
    // The sum commutes with swapping bytes (RFC 1071 §2.B), so one swap at the end is enough.
    u16::from_be(fold(wide(bytes)))
}

/// The checksum of the bytes, in which the checksum field must be zero.
#[inline]
pub fn checksum(bytes: &[u8]) -> u16 {
    !sum(bytes)
}

/// A sum gathered over pieces of any length, as the segments of a chained buffer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pieces {
    sum: u16,
    odd: bool,
}

impl Pieces {
    /// Starts from a sum that is already known, as that of a pseudo-header.
    pub const fn starting_at(sum: u16) -> Self {
        Self { sum, odd: false }
    }

    /// Adds the next piece.
    pub fn push(&mut self, piece: &[u8]) {
        let next = sum(piece);
        // A piece that starts at an odd place has its bytes in the other halves of the words.
        self.sum = add(self.sum, if self.odd { next.swap_bytes() } else { next });
        self.odd ^= piece.len() % 2 == 1;
    }

    /// The sum of all pieces as if they stood together.
    pub const fn sum(self) -> u16 {
        self.sum
    }
}

/// Whether the checksum of an IPv4 header without options holds.
#[inline(always)]
pub fn ipv4_header20(header: &[u8; 20]) -> bool {
    let first = u64::from_ne_bytes(word(header, 0));
    let second = u64::from_ne_bytes(word(header, 8));
    let third = u64::from(u32::from_ne_bytes(word(header, 16)));
    is_whole(add64(add64(first, second), third))
}

/// Whether the checksum of an IPv4 header of any length holds; `header` is the header alone.
#[inline]
pub fn ipv4_header(header: &[u8]) -> bool {
    sum(header) == 0xffff
}

/// Computes an IPv4 header's checksum and writes it into the header; `header` is the header alone.
///
/// Bytes too short to hold the field are left as they are.
#[inline]
pub fn ipv4_header_fill(header: &mut [u8]) {
    if let Some(field) = header.get_mut(10..12) {
        field.fill(0);
        let checksum = checksum(header);
        header[10..12].copy_from_slice(&checksum.to_be_bytes());
    }
}

/// The checksum after one 16-bit word that it covers changed from `old` to `new`.
#[inline]
pub const fn update16(checksum: u16, old: u16, new: u16) -> u16 {
    !add(add(!checksum, !old), new)
}

/// The checksum after one 32-bit word, as an address, changed from `old` to `new`.
#[inline]
pub const fn update32(checksum: u16, old: u32, new: u32) -> u16 {
    let halfway = update16(checksum, (old >> 16) as u16, (new >> 16) as u16);
    update16(halfway, old as u16, new as u16)
}

/// Bytes 8 to 11 of an IPv4 header (TTL, protocol, checksum) with the TTL one lower.
///
/// The TTL is at least one: the caller decides first whether the packet may go on.
#[inline(always)]
pub const fn ttl_decremented([ttl, protocol, high, low]: [u8; 4]) -> [u8; 4] {
    // The TTL is the first byte of its word, so the first byte of the checksum grows by one and its
    // carry comes round to the second. A true checksum is never 0xffff, so that one becomes zero, as a
    // full computation would have it. One added above and one taken below is one sum.
    let word = u32::from_le_bytes([ttl, protocol, high, low]);
    let carry = (word >= 0xfffe_0000) as u32;
    word.wrapping_add(0xffff).wrapping_add(carry << 16).to_le_bytes()
}

/// Lowers the TTL of an IPv4 header by one and mends its checksum.
#[inline(always)]
pub fn ttl_decrement(header: &mut [u8; 20]) {
    let [_, _, _, _, _, _, _, _, ttl, protocol, high, low, ..] = header;
    [*ttl, *protocol, *high, *low] = ttl_decremented([*ttl, *protocol, *high, *low]);
}

/// The sum of the pseudo-header that a transport protocol puts before its segment.
#[inline]
pub fn pseudo_header(src: Ipv4Addr, dst: Ipv4Addr, protocol: u8, segment_len: u16) -> u16 {
    let (src, dst) = (u64::from(src.to_bits()), u64::from(dst.to_bits()));
    fold(src + dst + u64::from(protocol) + u64::from(segment_len))
}

/// The checksum of a transport segment, in which the checksum field must be zero.
///
/// UDP says "no checksum" with zero, so for it a computed zero becomes 0xffff.
#[inline]
pub fn transport(src: Ipv4Addr, dst: Ipv4Addr, protocol: u8, segment: &[u8]) -> u16 {
    let pseudo = pseudo_header(src, dst, protocol, segment.len() as u16);
    match !add(pseudo, sum(segment)) {
        0 if protocol == super::ipv4::protocol::UDP => 0xffff,
        checksum => checksum,
    }
}

/// Whether the checksum inside a transport segment holds; a UDP segment without one is the
/// caller's case.
#[inline]
pub fn transport_holds(src: Ipv4Addr, dst: Ipv4Addr, protocol: u8, segment: &[u8]) -> bool {
    add(pseudo_header(src, dst, protocol, segment.len() as u16), sum(segment)) == 0xffff
}

/// The sum of the pseudo-header that IPv6 puts before an upper-layer packet (RFC 8200 section 8.1).
#[inline]
pub fn pseudo_header6(src: Ipv6Addr, dst: Ipv6Addr, protocol: u8, len: u32) -> u16 {
    // Halves of 64 bits, whose carries are added where they belong: 2^64 leaves one modulo 65535.
    let half = |address: Ipv6Addr| {
        let bits = address.to_bits();
        add64((bits >> 64) as u64, bits as u64)
    };
    fold(add64(add64(half(src), half(dst)), u64::from(len) + u64::from(protocol)))
}

/// The checksum of an upper-layer packet over IPv6, in which the checksum field must be zero.
///
/// UDP has no packet without checksum here, so for it a computed zero becomes 0xffff.
#[inline]
pub fn transport6(src: Ipv6Addr, dst: Ipv6Addr, protocol: u8, segment: &[u8]) -> u16 {
    let pseudo = pseudo_header6(src, dst, protocol, segment.len() as u32);
    match !add(pseudo, sum(segment)) {
        0 if protocol == super::ipv4::protocol::UDP => 0xffff,
        checksum => checksum,
    }
}

/// Whether the checksum inside an upper-layer packet over IPv6 holds.
#[inline]
pub fn transport6_holds(src: Ipv6Addr, dst: Ipv6Addr, protocol: u8, segment: &[u8]) -> bool {
    add(pseudo_header6(src, dst, protocol, segment.len() as u32), sum(segment)) == 0xffff
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 1071 §1 read aloud, word by word.
    fn plain(bytes: &[u8]) -> u16 {
        let mut total = 0u32;
        for pair in bytes.chunks(2) {
            total += u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low));
            total = (total & 0xffff) + (total >> 16);
        }
        total as u16
    }

    /// The header printed in the usual textbook example, whose checksum is 0xb861.
    const EXAMPLE: [u8; 20] = [
        0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8, 0x00,
        0x01, 0xc0, 0xa8, 0x00, 0xc7,
    ];

    #[test]
    fn the_sum_is_that_of_rfc_1071() {
        assert_eq!(sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), 0xddf2);
        assert_eq!(sum(&[]), 0);
        assert_eq!(sum(&[0xab]), 0xab00);
        bolero::check!().for_each(|bytes: &[u8]| assert_eq!(sum(bytes), plain(bytes)));
    }

    #[test]
    fn long_buffers_of_ones_lose_no_carry() {
        for len in [1, 31, 32, 33, 1500, 9000, 65_535] {
            let ones = vec![0xff; len];
            assert_eq!(sum(&ones), plain(&ones), "{len}");
        }
    }

    #[test]
    fn pieces_sum_like_the_whole_wherever_they_are_cut() {
        bolero::check!().with_type::<(Vec<u8>, u8, u8)>().for_each(|(bytes, a, b)| {
            let a = usize::from(*a).min(bytes.len());
            let b = usize::from(*b).clamp(a, bytes.len().max(a));
            let mut pieces = Pieces::default();
            for piece in [&bytes[..a], &bytes[a..b], &bytes[b..]] {
                pieces.push(piece);
            }
            assert_eq!(pieces.sum(), plain(bytes));
        });
    }

    #[test]
    fn a_right_header_is_taken_and_every_flipped_bit_is_found() {
        assert!(ipv4_header20(&EXAMPLE) && ipv4_header(&EXAMPLE));
        for bit in 0..160 {
            let mut header = EXAMPLE;
            header[bit / 8] ^= 1 << (bit % 8);
            assert!(!ipv4_header20(&header) && !ipv4_header(&header), "bit {bit}");
        }
    }

    #[test]
    fn a_header_of_zeros_has_no_right_checksum() {
        assert!(!ipv4_header20(&[0; 20]) && !ipv4_header(&[0; 20]));
        assert!(ipv4_header20(&[0xff; 20]) && ipv4_header(&[0xff; 20]));
    }

    #[test]
    fn the_short_check_agrees_with_the_long_one() {
        bolero::check!().with_type::<([u8; 20], bool)>().for_each(|(header, mend)| {
            let mut header = *header;
            if *mend {
                ipv4_header_fill(&mut header);
                assert!(ipv4_header20(&header) || header == [0; 20]);
            }
            assert_eq!(ipv4_header20(&header), plain(&header) == 0xffff);
        });
    }

    /// Shows [1.24] for every checksum and every TTL that may be forwarded.
    #[test]
    fn lowering_the_ttl_gives_the_checksum_of_a_full_computation() {
        for ttl in 1..=255u8 {
            for free in 0..=0xffffu16 {
                // The identification is free, so it walks the checksum through all its values.
                let mut header = EXAMPLE;
                header[8] = ttl;
                header[4..6].copy_from_slice(&free.to_be_bytes());
                header[10..12].fill(0);
                let before = checksum_of_words(&header);
                header[10..12].copy_from_slice(&before.to_be_bytes());

                let mut lowered = header;
                ttl_decrement(&mut lowered);

                header[8] = ttl - 1;
                header[10..12].fill(0);
                let after = checksum_of_words(&header);
                header[10..12].copy_from_slice(&after.to_be_bytes());
                assert_eq!(lowered, header, "ttl {ttl} id {free:#x}");
            }
        }
    }

    /// A full computation that is quick enough for sixteen million headers.
    fn checksum_of_words(header: &[u8; 20]) -> u16 {
        let total: u32 =
            header.as_chunks::<2>().0.iter().map(|word| u32::from(u16::from_be_bytes(*word))).sum();
        let total = (total & 0xffff) + (total >> 16);
        !(((total & 0xffff) + (total >> 16)) as u16)
    }

    #[test]
    fn lowering_the_ttl_keeps_a_checksum_of_all_ones_right() {
        // 0xffff in the field holds wherever 0x0000 does; after the change both must still hold.
        let mut header = EXAMPLE;
        header[4..6].copy_from_slice(&0u16.to_be_bytes());
        header[10..12].fill(0);
        let sum = plain(&header);
        header[4..6].copy_from_slice(&(!sum).to_be_bytes());
        for field in [0x0000u16, 0xffff] {
            header[10..12].copy_from_slice(&field.to_be_bytes());
            assert!(ipv4_header20(&header));
            let mut lowered = header;
            ttl_decrement(&mut lowered);
            assert!(ipv4_header20(&lowered), "{field:#x}");
            assert_eq!(lowered[10..12], [0x01, 0x00]);
        }
    }

    #[test]
    fn mending_after_a_change_keeps_the_checksum_right() {
        bolero::check!().with_type::<([u8; 20], u8, u16, u32)>().for_each(
            |(header, word, new16, new32)| {
                let mut header = *header;
                header[0] = 0x45; // A header of zeros has no right checksum.
                ipv4_header_fill(&mut header);
                let at = [2, 4, 6, 8][usize::from(*word % 4)];
                let check = u16::from_be_bytes([header[10], header[11]]);
                let old = u16::from_be_bytes([header[at], header[at + 1]]);
                header[at..at + 2].copy_from_slice(&new16.to_be_bytes());
                let check = update16(check, old, *new16);
                header[10..12].copy_from_slice(&check.to_be_bytes());
                assert!(ipv4_header20(&header));

                let old = u32::from_be_bytes([header[12], header[13], header[14], header[15]]);
                header[12..16].copy_from_slice(&new32.to_be_bytes());
                let check = update32(check, old, *new32);
                header[10..12].copy_from_slice(&check.to_be_bytes());
                assert!(ipv4_header20(&header));
            },
        );
    }

    /// The case for which RFC 1624 §4 replaced the equation of RFC 1141.
    #[test]
    fn mending_gives_zero_where_the_older_equation_gave_minus_zero() {
        assert_eq!(update16(0xdd2f, 0x5555, 0x3285), 0x0000);
    }

    #[test]
    fn the_pseudo_header_of_ipv6_sums_like_its_bytes() {
        bolero::check!().with_type::<(u128, u128, u8, u32)>().for_each(
            |&(src, dst, proto, len)| {
                let bytes =
                    [&src.to_be_bytes()[..], &dst.to_be_bytes(), &len.to_be_bytes()].concat();
                let bytes = [&bytes[..], &[0, 0, 0, proto]].concat();
                let (src, dst) = (Ipv6Addr::from_bits(src), Ipv6Addr::from_bits(dst));
                // Zero has two spellings; they are one sum.
                assert_eq!(pseudo_header6(src, dst, proto, len) % 0xffff, plain(&bytes) % 0xffff);
            },
        );
        let ones = Ipv6Addr::from_bits(u128::MAX);
        assert_eq!(pseudo_header6(ones, ones, 255, u32::MAX) % 0xffff, 255);
    }

    #[test]
    fn a_transport_checksum_over_ipv6_holds_and_any_flipped_bit_spoils_it() {
        let (src, dst) = (Ipv6Addr::LOCALHOST, "2001:db8::1".parse().unwrap());
        let mut segment = *b"12345678901";
        segment[6..8].fill(0);
        let check = transport6(src, dst, 17, &segment);
        segment[6..8].copy_from_slice(&check.to_be_bytes());
        assert!(transport6_holds(src, dst, 17, &segment));
        for bit in 0..segment.len() * 8 {
            let mut bad = segment;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(!transport6_holds(src, dst, 17, &bad), "{bit}");
        }
        let pseudo = pseudo_header6(src, dst, 17, 2);
        assert_eq!(transport6(src, dst, 17, &(!pseudo).to_be_bytes()), 0xffff);
    }

    #[test]
    fn a_udp_checksum_of_zero_is_sent_as_all_ones() {
        let (src, dst) = (Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED);
        let pseudo = pseudo_header(src, dst, 17, 8);
        let mut segment = [0; 8];
        segment[0..2].copy_from_slice(&(!pseudo).to_be_bytes());
        assert_eq!(transport(src, dst, 17, &segment), 0xffff);
        let pseudo = pseudo_header(src, dst, 6, 8);
        segment[0..2].copy_from_slice(&(!pseudo).to_be_bytes());
        assert_eq!(transport(src, dst, 6, &segment), 0);
    }
}
