//! The classic capture format: one header, then records.
//!
//! - obeys: draft-ietf-opsawg-pcap §4 (file header), §5 (records)

use super::error::CaptureFault;
use super::link::LinkType;
use super::read::{Found, Source, Stop};

/// Byte order and unit of time, which the first four bytes show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Order {
    big: bool,
    /// Nanoseconds in one unit of a record's fraction of a second.
    unit: u64,
}

impl Order {
    /// What the first four bytes of a file show.
    pub(super) const fn of(magic: [u8; 4]) -> Option<Self> {
        Some(match magic {
            [0xd4, 0xc3, 0xb2, 0xa1] => Self { big: false, unit: 1000 },
            [0x4d, 0x3c, 0xb2, 0xa1] => Self { big: false, unit: 1 },
            [0xa1, 0xb2, 0xc3, 0xd4] => Self { big: true, unit: 1000 },
            [0xa1, 0xb2, 0x3c, 0x4d] => Self { big: true, unit: 1 },
            _ => return None,
        })
    }

    const fn u32(self, bytes: [u8; 4]) -> u32 {
        if self.big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }

    const fn u16(self, bytes: [u8; 2]) -> u16 {
        if self.big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    }
}

/// What the header says of all records.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    order: Order,
    link: u32,
    fcs_len: u8,
}

impl Header {
    /// Reads the header after its first four bytes.
    pub(super) fn read(source: &mut Source, order: Order) -> Result<Self, Stop> {
        let rest: [u8; 20] = source.array("the file header")?;
        let [a, b, c, d, ..] = rest;
        let (major, minor) = (order.u16([a, b]), order.u16([c, d]));
        // Before 2.4 the two lengths of a record may have changed places.
        if (major, minor) != (2, 4) {
            return Err(Stop::Fault { offset: 4, fault: CaptureFault::Version { major, minor } });
        }
        let [.., w, x, y, z] = rest;
        let word = order.u32([w, x, y, z]);
        // The upper bits may tell that frames keep their check sequence, in units of two bytes.
        let fcs_len = if word & 0x0400_0000 != 0 { (word >> 28) as u8 * 2 } else { 0 };
        let link = word & 0x03ff_ffff;
        if let LinkType::Other(number) = LinkType::from_number(link) {
            return Err(Stop::Fault { offset: 20, fault: CaptureFault::LinkType(number) });
        }
        Ok(Self { order, link, fcs_len })
    }

    /// Reads the next record, whose bytes are then at hand.
    #[inline]
    pub(super) fn next(&mut self, source: &mut Source) -> Result<Found, Stop> {
        let at = source.input.offset;
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]: [u8; 16] =
            source.array_or_end("the record header")?;
        let order = self.order;
        let (seconds, fraction) = (order.u32([a, b, c, d]), order.u32([e, f, g, h]));
        source.packet(order.u32([i, j, k, l]), at + 8)?;
        Ok(Found {
            ts_ns: u64::from(seconds) * 1_000_000_000 + u64::from(fraction) * order.unit,
            orig_len: order.u32([m, n, o, p]),
            link: self.link,
            fcs_len: self.fcs_len,
        })
    }
}
