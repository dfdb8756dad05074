//! Interface identifiers: of link-layer addresses, of a secret, and of chance.
//!
//! - obeys: RFC 4291 appendix A (EUI-64), RFC 7217 as the kernel reads it (one block of SHA-1, so that
//!   the same secret gives the same addresses), RFC 8981 section 3.3; rows [8.80], [8.85], [8.88]

use std::net::Ipv6Addr;

use crate::packet::{MacAddr, ndisc::link_local};

/// Bytes that a function of RFC 3174 takes at once.
const BLOCK: usize = 64;
const START: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

/// One block of SHA-1 (RFC 3174 section 6.1), without the padding of a whole message.
fn sha1_block(block: &[u8; BLOCK]) -> [u32; 5] {
    let mut words = [0; 80];
    let (chunks, _) = block.as_chunks::<4>();
    for (word, bytes) in words.iter_mut().zip(chunks) {
        *word = u32::from_be_bytes(*bytes);
    }
    for at in 16..80 {
        let mixed = words[at - 3] ^ words[at - 8] ^ words[at - 14] ^ words[at - 16];
        words[at] = u32::rotate_left(mixed, 1);
    }
    let [mut a, mut b, mut c, mut d, mut e] = START;
    for (round, word) in words.into_iter().enumerate() {
        let (f, constant) = match round {
            0..20 => (b & c | !b & d, 0x5a82_7999),
            20..40 => (b ^ c ^ d, 0x6ed9_eba1),
            40..60 => (b & c | b & d | c & d, 0x8f1b_bcdc),
            _ => (b ^ c ^ d, 0xca62_c1d6_u32),
        };
        let next = a
            .rotate_left(5)
            .wrapping_add(f)
            .wrapping_add(e)
            .wrapping_add(constant)
            .wrapping_add(word);
        (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
    }
    let sums = [a, b, c, d, e];
    std::array::from_fn(|at| START[at].wrapping_add(sums[at]))
}

/// Numbers that nobody can foretell who does not know the seed.
#[derive(Clone)]
pub struct Chance {
    seed: [u8; 32],
    count: u64,
}

impl std::fmt::Debug for Chance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The seed is a secret.
        f.write_str("Chance")
    }
}

impl Chance {
    /// The sequence of a seed.
    pub const fn new(seed: [u8; 32]) -> Self {
        Self { seed, count: 0 }
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        let mut block = [0; BLOCK];
        block[..32].copy_from_slice(&self.seed);
        block[32..40].copy_from_slice(&self.count.to_be_bytes());
        self.count += 1;
        let [high, low, ..] = sha1_block(&block);
        u64::from(high) << 32 | u64::from(low)
    }

    /// A number below `end`; zero when `end` is zero.
    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(end)) >> 64) as u64
    }

    /// A nonce, never zero.
    pub fn nonce(&mut self) -> [u8; 6] {
        loop {
            let [_, _, nonce @ ..] = self.next_u64().to_be_bytes();
            if nonce != [0; 6] {
                return nonce;
            }
        }
    }
}

/// A prefix of 64 bits and an identifier as one address.
pub fn join(prefix: Ipv6Addr, identifier: u64) -> Ipv6Addr {
    Ipv6Addr::from_bits(prefix.to_bits() >> 64 << 64 | u128::from(identifier))
}

/// The identifier of a link-layer address.
pub fn eui64(mac: MacAddr) -> u64 {
    link_local(mac).to_bits() as u64
}

/// Identifiers that belong to others (RFC 5453).
fn is_reserved(identifier: u64) -> bool {
    let (high, low) = ((identifier >> 32) as u32, identifier as u32);
    identifier == 0
        || high == 0x0200_5eff && low & 0xfe00_0000 == 0xfe00_0000
        || high == 0xfdff_ffff && low & 0xffff_ff80 == 0xffff_ff80
}

/// The address of a secret, a prefix and an interface; `count` grows with each duplicate, `most` is
/// `idgen_retries`.
pub fn stable(
    prefix: Ipv6Addr,
    secret: Ipv6Addr,
    hardware: MacAddr,
    count: u8,
    most: u8,
) -> Option<Ipv6Addr> {
    let mut block = [0; BLOCK];
    block[..16].copy_from_slice(&secret.octets());
    block[16..24].copy_from_slice(&prefix.octets()[..8]);
    block[24..30].copy_from_slice(&hardware.octets());
    for count in count..=most.max(count) {
        block[56] = count;
        let [high, low, ..] = sha1_block(&block);
        let identifier = u64::from(high.swap_bytes()) << 32 | u64::from(low.swap_bytes());
        if !is_reserved(identifier) {
            return Some(join(prefix, identifier));
        }
    }
    None
}

/// An address of chance in a prefix.
pub fn random(prefix: Ipv6Addr, chance: &mut Chance) -> Ipv6Addr {
    loop {
        let identifier = chance.next_u64();
        if !is_reserved(identifier) {
            return join(prefix, identifier);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Linux with this secret made these addresses, on a device without a permanent address. [8.88]
    #[test]
    fn a_secret_gives_the_addresses_that_linux_gives() {
        let secret = "2001:db8::1:2:3:4".parse().unwrap();
        for (prefix, want) in [
            ("2001:db8:1::", "2001:db8:1:0:607d:af1:8062:3613"),
            ("fe80::", "fe80::6092:4257:ee30:1a1d"),
        ] {
            let prefix: Ipv6Addr = prefix.parse().unwrap();
            let made = stable(prefix, secret, MacAddr::ZERO, 0, 3).expect("an address");
            assert_eq!(made.to_string(), want);
            let next = stable(prefix, secret, MacAddr::ZERO, 1, 3);
            assert!(next.is_some_and(|next| next != made));
        }
        let mac = MacAddr::new([2, 0, 0, 0, 0, 0xa]);
        let prefix = "2001:db8:1::".parse().unwrap();
        assert_eq!(join(prefix, eui64(mac)).to_string(), "2001:db8:1::ff:fe00:a");
    }

    #[test]
    fn identifiers_of_others_are_left_to_them() {
        for reserved in [0, 0x0200_5eff_fe00_5213, 0xfdff_ffff_ffff_ff80, 0xfdff_ffff_ffff_ffff] {
            assert!(is_reserved(reserved));
        }
        assert!(!is_reserved(1) && !is_reserved(0x0200_5eff_0000_0000));
        let mut chance = Chance::new([7; 32]);
        let (a, b) = (chance.next_u64(), chance.next_u64());
        assert!(a != b && chance.nonce() != [0; 6] && chance.below(3) < 3);
        assert_eq!(format!("{chance:?}"), "Chance");
    }
}
