//! The fragment header: which part of a packet this is.
//!
//! - obeys: RFC 8200 section 4.5; rows [8.51], [8.52]

use crate::packet::{Malformed, split};

/// Bytes of the header.
pub const LEN: usize = 8;
/// Bit of the offset word: more fragments follow.
pub const MORE: u16 = 1;
/// Bits of the offset word that give the offset, in bytes.
pub const OFFSET: u16 = 0xfff8;

/// Where the fields stand from the start of the header.
pub mod field {
    use std::ops::Range;

    /// Type of what the whole packet carries.
    pub const NEXT_HEADER: usize = 0;
    /// Offset, and whether more follow.
    pub const OFFSET: Range<usize> = 2..4;
    /// Identification.
    pub const ID: Range<usize> = 4..8;
}

/// A fragment header, read or to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FragmentHeader {
    /// Type of what the whole packet carries.
    pub next_header: u8,
    /// Where the payload stands behind the headers that every fragment repeats, a multiple of 8.
    pub offset: u16,
    /// Whether more fragments follow.
    pub more: bool,
    /// Which packet it is a part of.
    pub id: u32,
}

impl FragmentHeader {
    /// Reads the header that the bytes start with.
    #[inline]
    pub fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let (&[next_header, _, high, low, a, b, c, d], _) = split(bytes, "fragment header")?;
        let word = u16::from_be_bytes([high, low]);
        Ok(Self {
            next_header,
            offset: word & OFFSET,
            more: word & MORE != 0,
            id: u32::from_be_bytes([a, b, c, d]),
        })
    }

    /// Whether the "fragment" is all there is of its packet (RFC 6946).
    pub const fn is_atomic(&self) -> bool {
        self.offset == 0 && !self.more
    }

    /// The header's bytes.
    pub const fn to_bytes(&self) -> [u8; LEN] {
        let [high, low] = (self.offset & OFFSET | self.more as u16).to_be_bytes();
        let [a, b, c, d] = self.id.to_be_bytes();
        [self.next_header, 0, high, low, a, b, c, d]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_header_reads_back() {
        bolero::check!().with_type::<(u8, u16, bool, u32)>().for_each(
            |&(next_header, offset, more, id)| {
                let header = FragmentHeader { next_header, offset: offset & OFFSET, more, id };
                assert_eq!(FragmentHeader::read(&header.to_bytes()), Ok(header));
                assert_eq!(header.is_atomic(), header.offset == 0 && !more);
            },
        );
        let bytes = [17, 0xff, 0x05, 0xcf, 0, 0, 1, 2, 9];
        let header = FragmentHeader { next_header: 17, offset: 1480, more: true, id: 258 };
        assert_eq!(FragmentHeader::read(&bytes), Ok(header), "reserved bits say nothing");
        assert!(FragmentHeader::read(&bytes[..7]).is_err());
    }
}
