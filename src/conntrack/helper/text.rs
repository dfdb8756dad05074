//! Numbers and addresses in text, read and written without allocation.
//!
//! - obeys: `in6_pton`, `%pI4` and `%pI6` of the kernel

use std::net::{Ipv4Addr, Ipv6Addr};

use arrayvec::ArrayVec;

use super::super::tuple::Addr;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// A short text that is being written.
#[derive(Debug, Clone, Default)]
pub(super) struct Line(ArrayVec<u8, 96>);

impl Line {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Adds bytes as they are; what does not fit is left out, which no caller's text comes near.
    pub(super) fn put(mut self, bytes: &[u8]) -> Self {
        let room = self.0.remaining_capacity().min(bytes.len());
        let _ = self.0.try_extend_from_slice(&bytes[..room]);
        self
    }

    /// Adds a number in decimal.
    pub(super) fn number(self, mut number: u32) -> Self {
        let mut digits = [0; 10];
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return self.put(&digits[at..]);
            }
        }
    }

    /// Adds octets with something between them.
    pub(super) fn octets(mut self, octets: [u8; 4], between: u8) -> Self {
        for (n, octet) in octets.into_iter().enumerate() {
            if n != 0 {
                self = self.put(&[between]);
            }
            self = self.number(u32::from(octet));
        }
        self
    }

    /// Adds an address; the longest run of zeros of one of IPv6 is left out (RFC 5952).
    pub(super) fn address(mut self, address: Addr, six: bool) -> Self {
        if !six {
            return self.octets(address.first4(), b'.');
        }
        let (words, _) = address.0.as_chunks::<2>();
        let (mut run, mut longest) = (0..0, 0..0);
        for (n, word) in words.iter().enumerate() {
            run = if *word != [0, 0] { n + 1..n + 1 } else { run.start..n + 1 };
            if run.len() > longest.len().max(1) {
                longest = run.clone();
            }
        }
        for (n, word) in words.iter().enumerate() {
            if longest.contains(&n) {
                if n == longest.start {
                    self = self.put(b"::");
                }
                continue;
            }
            if n != 0 && n != longest.end {
                self = self.put(b":");
            }
            self = self.hex(u16::from_be_bytes(*word));
        }
        self
    }

    fn hex(mut self, word: u16) -> Self {
        let digits = (4 - word.leading_zeros() / 4).max(1);
        for digit in (0..digits).rev() {
            let digit = (word >> (4 * digit)) as usize & 15;
            self = self.put(&[HEX[digit]]);
        }
        self
    }

    /// Adds an address; all digits of one of IPv6.
    pub(super) fn address_in_full(mut self, address: Addr, six: bool) -> Self {
        if !six {
            return self.octets(address.first4(), b'.');
        }
        for (n, octet) in address.0.into_iter().enumerate() {
            if n != 0 && n % 2 == 0 {
                self = self.put(b":");
            }
            self = self.put(&[HEX[usize::from(octet >> 4)], HEX[usize::from(octet & 15)]]);
        }
        self
    }
}

/// The digits that a text starts with: their number, wrapped as the kernel's, and how many they are.
pub(super) fn digits(text: &[u8]) -> (u32, usize) {
    let len = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = text[..len]
        .iter()
        .fold(0_u32, |number, digit| number.wrapping_mul(10).wrapping_add(u32::from(digit - b'0')));
    (number, len)
}

/// The port that digits spell, where there are some and they are one.
pub(super) fn port(text: &[u8]) -> Option<(u16, usize)> {
    let len = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = std::str::from_utf8(text.get(..len.min(6))?).ok()?.parse().ok()?;
    (len <= 6).then_some((number, len))
}

/// The address that a text starts with, and its length.
pub(super) fn address(text: &[u8], six: bool) -> Option<(Addr, usize)> {
    let of_one = |byte: &u8| match byte {
        b'.' => true,
        b':' => six,
        _ if six => byte.is_ascii_hexdigit(),
        _ => byte.is_ascii_digit(),
    };
    let len = text.iter().take(46).take_while(|byte| of_one(byte)).count();
    let spelled = std::str::from_utf8(text.get(..len)?).ok()?;
    let address = if six {
        Addr(spelled.parse::<Ipv6Addr>().ok()?.octets())
    } else {
        Addr::four(spelled.parse::<Ipv4Addr>().ok()?.octets())
    };
    Some((address, len))
}

/// Whether a text starts with a word, whatever the case.
pub(super) fn starts_with(text: &[u8], word: &[u8]) -> bool {
    text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// Where a word stands first.
pub(super) fn find(text: &[u8], word: &[u8]) -> Option<usize> {
    text.windows(word.len().max(1)).position(|window| window == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_addresses_are_written_as_linux_does() {
        let line = Line::default().number(0).put(b" ").number(u32::MAX).put(b" ");
        assert_eq!(line.bytes(), b"0 4294967295 ");
        let six: Ipv6Addr = "2001:db8::10".parse().unwrap();
        let line = Line::default().address_in_full(Addr(six.octets()), true);
        assert_eq!(line.bytes(), b"2001:0db8:0000:0000:0000:0000:0000:0010");
        let line = Line::default().octets([10, 0, 200, 1], b',');
        assert_eq!(line.bytes(), b"10,0,200,1");
    }

    #[test]
    fn numbers_and_addresses_are_read_up_to_what_is_none() {
        assert_eq!(digits(b"123,4"), (123, 3));
        assert_eq!(digits(b""), (0, 0));
        assert_eq!(port(b"65535 "), Some((65_535, 5)));
        assert_eq!((port(b"65536"), port(b""), port(b"0000080")), (None, None, None));
        assert_eq!(address(b"10.0.0.1:5060", false), Some((Addr::four([10, 0, 0, 1]), 8)));
        assert_eq!(address(b"10.0.0.256", false), None);
        let six = "fe80::1".parse::<Ipv6Addr>().unwrap().octets();
        assert_eq!(address(b"fe80::1|", true), Some((Addr(six), 7)));
        assert_eq!(find(b"a CONNECT x", b"CONNECT "), Some(2));
        assert!(starts_with(b"port 1", b"PORT") && !starts_with(b"po", b"PORT"));
    }

    #[test]
    fn addresses_are_written_as_everybody_does() {
        bolero::check!().with_type::<(u128, u128)>().for_each(|(bits, mask)| {
            let six = Ipv6Addr::from_bits(bits & mask & (mask << 16));
            // The last octets of some are written as IPv4 there.
            if six.to_ipv4().is_none() {
                let line = Line::default().address(Addr(six.octets()), true);
                assert_eq!(line.bytes(), six.to_string().as_bytes());
            }
        });
        for text in ["::", "::1", "1::", "2001:db8::1:0:0:1", "1:0:2:3:4:5:6:7"] {
            let six: Ipv6Addr = text.parse().unwrap();
            assert_eq!(Line::default().address(Addr(six.octets()), true).bytes(), text.as_bytes());
        }
    }

    #[test]
    fn any_text_is_read_or_not() {
        bolero::check!().with_type::<(Vec<u8>, bool)>().for_each(|(text, six)| {
            let _ = (digits(text), port(text), find(text, b"ab"));
            if let Some((_, len)) = address(text, *six) {
                assert!(len <= text.len());
            }
        });
    }
}
