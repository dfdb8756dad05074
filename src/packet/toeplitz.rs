//! The hash by which devices spread flows over their queues (Toeplitz).
//!
//! - takes: a key, and the bytes of addresses and ports as they stand in a packet
//! - gives: what the device would have for them
//! - obeys: Microsoft's "RSS hashing functions"; `rte_softrss`
//! - costs: by [`toeplitz`] a step a bit; of a key of one pattern ([`Pattern`]) sixteen steps in all

/// The hash of bytes by a key, which has to be four bytes longer than them; what lies beyond its end
/// counts as zero.
pub fn toeplitz(key: &[u8], input: &[u8]) -> u32 {
    let byte = |at: usize| u64::from(key.get(at).copied().unwrap_or(0));
    let mut hash = 0;
    for (at, bits) in input.iter().enumerate() {
        // The five bytes of the key that the eight bits meet.
        let window = (at..at + 5).fold(0, |window, at| window << 8 | byte(at));
        for bit in 0..8 {
            if bits << bit & 0x80 != 0 {
                hash ^= (window >> (8 - bit)) as u32;
            }
        }
    }
    hash
}

/// A key that repeats sixteen bits: both directions of a flow hash alike, whatever their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pattern(u32);

impl Pattern {
    /// The pattern of a key, where it is one.
    pub fn of(key: &[u8]) -> Option<Self> {
        let (words, rest) = key.as_chunks::<2>();
        let first = words.first()?;
        let same =
            words.iter().all(|word| word == first) && rest.iter().all(|byte| *byte == first[0]);
        let word = u32::from(u16::from_be_bytes(*first));
        same.then_some(Self(word << 16 | word))
    }

    /// The hash of bytes whose words of sixteen bits give `folded` together by exclusive or.
    #[inline]
    pub const fn hash(self, folded: u16) -> u32 {
        let (mut hash, mut bit) = (0, 0);
        while bit < 16 {
            let set = (folded >> (15 - bit)) as u32 & 1;
            hash ^= set.wrapping_neg() & self.0.rotate_left(bit);
            bit += 1;
        }
        hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key and some of the cases that Microsoft gives.
    const KEY: [u8; 40] = [
        0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f,
        0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
        0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
    ];

    fn input(src: [u8; 4], dst: [u8; 4], ports: Option<(u16, u16)>) -> Vec<u8> {
        let mut bytes = [src, dst].concat();
        if let Some((sport, dport)) = ports {
            bytes.extend(sport.to_be_bytes());
            bytes.extend(dport.to_be_bytes());
        }
        bytes
    }

    #[test]
    fn the_known_cases_hash_as_they_should() {
        let cases = [
            ([66, 9, 149, 187], [161, 142, 100, 80], (2794, 1766), 0x323e_8fc2, 0x51cc_c178),
            ([199, 92, 111, 2], [65, 69, 140, 83], (14_230, 4739), 0xd718_262a, 0xc626_b0ea),
            ([24, 19, 198, 95], [12, 22, 207, 184], (12_898, 38_024), 0xd2d0_a5de, 0x5c2b_394a),
        ];
        for (src, dst, ports, alone, both) in cases {
            assert_eq!(toeplitz(&KEY, &input(src, dst, None)), alone, "{src:?}");
            assert_eq!(toeplitz(&KEY, &input(src, dst, Some(ports))), both, "{src:?}");
        }
    }

    #[test]
    fn a_pattern_hashes_as_its_key_and_both_directions_alike() {
        bolero::check!().with_type::<([u8; 36], [u8; 2])>().for_each(|(bytes, word)| {
            let key: Vec<u8> = word.iter().copied().cycle().take(40).collect();
            let pattern = Pattern::of(&key).unwrap();
            let folded = bytes
                .as_chunks::<2>()
                .0
                .iter()
                .fold(0, |all, word| all ^ u16::from_be_bytes(*word));
            assert_eq!(pattern.hash(folded), toeplitz(&key, bytes));
        });
        assert_eq!(Pattern::of(&KEY), None);
        assert_eq!(Pattern::of(&[]), None);
    }
}
