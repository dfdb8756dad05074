//! The newer capture format: sections of blocks, with interfaces of different links and clocks.
//!
//! - obeys: draft-ietf-opsawg-pcapng §3.1 (blocks), §4.1 (sections), §4.2 (interfaces), §4.3 and
//!   §4.4 (packets), appendix A (the obsolete packet block); blocks of other kinds are passed over

use super::error::CaptureFault;
use super::read::{Found, Source, Stop};

/// The type of a section header block, the same in either byte order.
pub(super) const MAGIC: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

const INTERFACE: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

/// Type and length before a block, length after it.
const FRAME_LEN: u32 = 12;
/// The longest description of an interface; only its options make it long.
const MAX_DESCRIPTION_LEN: u32 = 1024 * 1024;

/// Most bytes of a block that are read as one piece.
const MAX_GATHERED: u64 = 2 * super::MAX_RECORD_LEN as u64;

/// How an interface's clock counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Clock {
    /// The `if_tsresol` byte: a power of ten, or of two with the upper bit set.
    resolution: u8,
    /// Seconds to add.
    offset: i64,
}

impl Clock {
    /// Nanoseconds since 1970 of a count; what cannot be said so is the nearest that can.
    fn to_ns(self, count: u64) -> u64 {
        let exponent = u32::from(self.resolution & 0x7f);
        let count = u128::from(count);
        let ns = if self.resolution & 0x80 != 0 {
            (count * 1_000_000_000) >> exponent
        } else if exponent <= 9 {
            count * 10u128.pow(9 - exponent)
        } else {
            // Beyond 10^38 the divisor would overflow, and the quotient is zero long before.
            10u128.checked_pow(exponent - 9).map_or(0, |divisor| count / divisor)
        };
        // 2^64 seconds, the most that ns can be here, are far from the ends of an i128.
        let ns = i128::try_from(ns).unwrap_or(i128::MAX);
        let ns = ns.saturating_add(i128::from(self.offset) * 1_000_000_000);
        u64::try_from(ns.max(0)).unwrap_or(u64::MAX)
    }
}

/// What a description block says of an interface.
#[derive(Debug, Clone, Copy)]
struct Interface {
    link: u32,
    snap_len: u32,
    clock: Clock,
    fcs_len: u8,
}

/// What is known at a place in the file: byte order, interfaces, and the time last seen.
#[derive(Debug)]
pub(super) struct Section {
    big: bool,
    interfaces: Vec<Interface>,
    /// A simple packet block has no time, so it takes that of the packet before it.
    last_ts_ns: u64,
}

impl Section {
    /// Reads the first section's header after its first four bytes.
    pub(super) fn first(source: &mut Source) -> Result<Self, Stop> {
        let mut section = Self { big: false, interfaces: Vec::new(), last_ts_ns: 0 };
        section.start(source)?;
        Ok(section)
    }

    const fn u32(&self, bytes: [u8; 4]) -> u32 {
        if self.big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }

    const fn u16(&self, bytes: [u8; 2]) -> u16 {
        if self.big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    }

    /// Reads a section header after its type; byte order and interfaces start anew.
    fn start(&mut self, source: &mut Source) -> Result<(), Stop> {
        let at = source.input.offset - 4;
        let [a, b, c, d, m, a2, r, k, maj1, maj2, min1, min2]: [u8; 12] =
            source.array("a section header")?;
        let mark = [m, a2, r, k];
        self.big = match u32::from_be_bytes(mark) {
            0x1a2b_3c4d => true,
            0x4d3c_2b1a => false,
            other => {
                let fault = CaptureFault::ByteOrder(other);
                return Err(Stop::Fault { offset: at + 8, fault });
            }
        };
        self.interfaces.clear();
        let (major, minor) = (self.u16([maj1, maj2]), self.u16([min1, min2]));
        // Minor version 2 was written by some tools for the same layout.
        if major != 1 || !matches!(minor, 0 | 2) {
            return Err(Stop::Fault {
                offset: at + 12,
                fault: CaptureFault::Version { major, minor },
            });
        }
        let block = Block { at, len: self.u32([a, b, c, d]), used: 16 };
        // The section's length follows, then options; nothing of it is needed.
        block.check(8)?;
        self.close(source, block, "a section header")
    }

    /// Reads on to the next packet, whose bytes are then at hand.
    pub(super) fn next(&mut self, source: &mut Source) -> Result<Found, Stop> {
        loop {
            let at = source.input.offset;
            let kind: [u8; 4] = source.array_or_end("a block header")?;
            if kind == MAGIC {
                self.start(source)?;
                continue;
            }
            let len = self.u32(source.array("a block header")?);
            let block = Block { at, len, used: 8 };
            block.check(0)?;
            let found = match self.u32(kind) {
                INTERFACE => {
                    self.describe(source, block)?;
                    continue;
                }
                ENHANCED_PACKET => self.timed_packet(source, block, false)?,
                OBSOLETE_PACKET => self.timed_packet(source, block, true)?,
                SIMPLE_PACKET => self.simple_packet(source, block)?,
                _ => {
                    self.close(source, block, "a block")?;
                    continue;
                }
            };
            self.last_ts_ns = found.ts_ns;
            return Ok(found);
        }
    }

    /// Passes over what is left of a block and compares its two lengths.
    fn close(&self, source: &mut Source, block: Block, within: &'static str) -> Result<(), Stop> {
        source.skip(block.left(), within)?;
        let after = self.u32(source.array(within)?);
        if after == block.len {
            return Ok(());
        }
        let fault = CaptureFault::BlockTrailer { before: block.len, after };
        Err(Stop::Fault { offset: source.input.offset - 4, fault })
    }

    /// Reads an interface's description.
    fn describe(&mut self, source: &mut Source, mut block: Block) -> Result<(), Stop> {
        block.check(8)?;
        if block.len > MAX_DESCRIPTION_LEN {
            return Err(block.fault());
        }
        let within = "an interface description";
        let [a, b, _, _, e, f, g, h]: [u8; 8] = source.array(within)?;
        block.used += 8;
        let options_len = block.left() as usize;
        source.bytes(options_len, within)?;
        block.used += options_len as u32;
        let mut interface = Interface {
            link: u32::from(self.u16([a, b])),
            snap_len: self.u32([e, f, g, h]),
            clock: Clock { resolution: 6, offset: 0 },
            fcs_len: 0,
        };
        self.options(source.data(), &mut interface);
        self.interfaces.push(interface);
        self.close(source, block, within)
    }

    /// Takes from the options what bears on packets; what is cut or odd is left alone.
    fn options(&self, mut rest: &[u8], interface: &mut Interface) {
        while let Some((&[a, b, c, d], after)) = rest.split_first_chunk::<4>() {
            let (code, len) = (self.u16([a, b]), usize::from(self.u16([c, d])));
            let Some(value) = after.get(..len) else {
                return;
            };
            match (code, value) {
                (0, _) => return,
                (9, [resolution, ..]) => interface.clock.resolution = *resolution,
                (13, [fcs_len, ..]) => interface.fcs_len = *fcs_len,
                (14, &[e, f, g, h, i, j, k, l]) => {
                    let bytes = [e, f, g, h, i, j, k, l];
                    interface.clock.offset = if self.big {
                        i64::from_be_bytes(bytes)
                    } else {
                        i64::from_le_bytes(bytes)
                    };
                }
                _ => {}
            }
            rest = after.get(len.next_multiple_of(4)..).unwrap_or_default();
        }
    }

    /// The interface that a packet names.
    fn interface(&self, source: &Source, at: u64, interface: u32) -> Result<Interface, Stop> {
        self.interfaces.get(interface as usize).copied().ok_or(Stop::Fault {
            offset: at + 8,
            fault: CaptureFault::Interface {
                packet: source.packets + 1,
                interface,
                described: self.interfaces.len(),
            },
        })
    }

    /// Reads an enhanced packet block, or the obsolete one, which differs in the interface's width.
    fn timed_packet(
        &self,
        source: &mut Source,
        mut block: Block,
        obsolete: bool,
    ) -> Result<Found, Stop> {
        block.check(20)?;
        let within = "the packet block";
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t]: [u8; 20] =
            source.array(within)?;
        block.used += 20;
        let number = if obsolete { u32::from(self.u16([a, b])) } else { self.u32([a, b, c, d]) };
        let interface = self.interface(source, block.at, number)?;
        let (high, low) = (self.u32([e, f, g, h]), self.u32([i, j, k, l]));
        let (kept, orig_len) = (self.u32([m, n, o, p]), self.u32([q, r, s, t]));
        self.data(source, block, kept, within)?;
        Ok(Found {
            ts_ns: interface.clock.to_ns(u64::from(high) << 32 | u64::from(low)),
            orig_len,
            link: interface.link,
            fcs_len: interface.fcs_len,
        })
    }

    /// Reads a simple packet block, which is of the first interface and has no time.
    fn simple_packet(&self, source: &mut Source, mut block: Block) -> Result<Found, Stop> {
        block.check(4)?;
        let within = "the packet block";
        let orig_len = self.u32(source.array(within)?);
        block.used += 4;
        let interface = self.interface(source, block.at, 0)?;
        let most = if interface.snap_len == 0 { u32::MAX } else { interface.snap_len };
        // How much was kept is not said, but for the snap length and the block's own end.
        let room = block.left() as u32;
        let kept = orig_len.min(most);
        let kept =
            if kept > room && orig_len as usize <= super::MAX_RECORD_LEN { room } else { kept };
        self.data(source, block, kept, within)?;
        Ok(Found {
            ts_ns: self.last_ts_ns,
            orig_len,
            link: interface.link,
            fcs_len: interface.fcs_len,
        })
    }

    /// Reads a packet's bytes and the end of its block.
    fn data(
        &self,
        source: &mut Source,
        mut block: Block,
        kept: u32,
        within: &'static str,
    ) -> Result<(), Stop> {
        if u64::from(kept) > block.left() {
            let fault = CaptureFault::PacketLength { packet: source.packets + 1, len: kept };
            return Err(Stop::Fault { offset: block.at, fault });
        }
        // The packet stays where it is while the end of its block is read, if that is near; a block
        // that the file cuts is told of below.
        let whole = block.left() + 4;
        let near = whole <= MAX_GATHERED;
        if near {
            source.input.gather(whole as usize)?;
        }
        source.packet(kept, block.at)?;
        if !near {
            source.set_aside();
        }
        block.used += kept;
        self.close(source, block, within)
    }
}

/// A block that is being read.
#[derive(Debug, Clone, Copy)]
struct Block {
    /// Where it starts.
    at: u64,
    /// Its length as it says itself.
    len: u32,
    /// Bytes read of it.
    used: u32,
}

impl Block {
    /// Proves that the length can be that of a block with so many fixed bytes.
    fn check(&self, fixed: u32) -> Result<(), Stop> {
        let least = FRAME_LEN.max(self.used + 4) + fixed;
        if self.len < least || !self.len.is_multiple_of(4) { Err(self.fault()) } else { Ok(()) }
    }

    /// Bytes between those read and the length at the end.
    const fn left(&self) -> u64 {
        self.len as u64 - 4 - self.used as u64
    }

    const fn fault(&self) -> Stop {
        Stop::Fault { offset: self.at + 4, fault: CaptureFault::BlockLength { len: self.len } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_clock_becomes_nanoseconds() {
        let ns = |resolution, offset, count| Clock { resolution, offset }.to_ns(count);
        assert_eq!(ns(6, 0, 1_500_000), 1_500_000_000);
        assert_eq!(ns(9, 0, 7), 7);
        assert_eq!(ns(0, 0, 3), 3_000_000_000);
        assert_eq!(ns(12, 0, 7_999), 7);
        assert_eq!(ns(0x80 | 10, 0, 1536), 1_500_000_000);
        assert_eq!(ns(6, 2, 1), 2_000_001_000);
        assert_eq!(ns(6, -1, 1_000_001), 1_000);
        assert_eq!(ns(6, -5, 1), 0, "before 1970");
        assert_eq!(ns(0, i64::MAX, u64::MAX), u64::MAX);
        assert_eq!(ns(0, i64::MIN, u64::MAX), u64::MAX);
        for resolution in 0..=255 {
            for offset in [0, i64::MIN, i64::MAX] {
                for count in [0, 1, u64::MAX] {
                    ns(resolution, offset, count);
                }
            }
        }
    }
}
