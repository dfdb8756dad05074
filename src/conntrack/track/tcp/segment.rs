//! A segment of TCP as the tracker reads it.
//!
//! - obeys: rows [9.125], [9.131], [9.132], [9.136]

use crate::packet::{
    ipv4::protocol,
    tcp::{HEADER_LEN, flag as flags},
};

use super::{Class, Side, Why, flag};
use crate::conntrack::{seqadj::after, track::Facts};

/// Most that a window may be shifted.
const MAX_SCALE: u8 = 14;
/// Kinds of options.
const END: u8 = 0;
const NOP: u8 = 1;
const WINDOW: u8 = 3;
const SACK_PERMITTED: u8 = 4;
const SACK: u8 = 5;

/// A segment whose header is sound.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment<'a> {
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) window: u16,
    pub(super) flags: u8,
    options: &'a [u8],
    /// Octets of data.
    data: u32,
}

/// Whether these flags may stand together; PSH, ECE and CWR stand everywhere.
const fn valid(all: u8) -> bool {
    use flags::{ACK, FIN, RST, SYN, URG};
    const SYN_URG: u8 = SYN | URG;
    const SYN_ACK: u8 = SYN | ACK;
    const RST_ACK: u8 = RST | ACK;
    const FIN_ACK: u8 = FIN | ACK;
    const FIN_ACK_URG: u8 = FIN | ACK | URG;
    const ACK_URG: u8 = ACK | URG;
    matches!(
        all & (FIN | SYN | RST | ACK | URG),
        SYN | SYN_URG | SYN_ACK | RST | RST_ACK | FIN_ACK | FIN_ACK_URG | ACK | ACK_URG
    )
}

impl<'a> Segment<'a> {
    /// Reads a segment, or says what is wrong with it.
    #[inline]
    pub(super) fn read(facts: &Facts<'a>) -> Result<Self, Why> {
        let header: &[u8; HEADER_LEN] = facts.l4.first_chunk().ok_or(Why::Short)?;
        let header_len = usize::from(header[12] >> 4) * 4;
        if header_len < HEADER_LEN || header_len > facts.l4.len() {
            return Err(Why::Malformed);
        }
        if facts.verify && !facts.sum_holds(protocol::TCP, facts.l4.len()) {
            return Err(Why::BadChecksum);
        }
        let flags = header[13];
        if !valid(flags) {
            return Err(Why::BadFlags);
        }
        let word = |at: usize| {
            u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        Ok(Self {
            seq: word(4),
            ack: word(8),
            window: u16::from_be_bytes([header[14], header[15]]),
            flags,
            options: &facts.l4[HEADER_LEN..header_len],
            data: (facts.l4.len() - header_len) as u32,
        })
    }

    pub(super) const fn has(&self, bit: u8) -> bool {
        self.flags & bit != 0
    }

    /// The class.
    #[inline]
    pub(super) const fn class(&self) -> Class {
        if self.has(flags::RST) {
            Class::Rst
        } else if self.has(flags::SYN) {
            if self.has(flags::ACK) { Class::SynAck } else { Class::Syn }
        } else if self.has(flags::FIN) {
            Class::Fin
        } else if self.has(flags::ACK) {
            Class::Ack
        } else {
            Class::None
        }
    }

    /// The sequence number behind the segment; SYN and FIN take one each.
    #[inline]
    pub(super) const fn end(&self) -> u32 {
        self.seq
            .wrapping_add(self.data)
            .wrapping_add(self.has(flags::SYN) as u32)
            .wrapping_add(self.has(flags::FIN) as u32)
    }

    /// Options with their values, until one that lies.
    fn each(&self, mut option: impl FnMut(u8, &[u8])) {
        let mut rest = self.options;
        while let [kind, behind @ ..] = rest {
            match *kind {
                END => return,
                NOP => rest = behind,
                kind => {
                    let Some(len @ 2..) = behind.first().map(|&len| usize::from(len)) else {
                        return;
                    };
                    let Some(value) = rest.get(2..len) else { return };
                    option(kind, value);
                    rest = &rest[len..];
                }
            }
        }
    }

    /// Notes what a SYN offers: scaling and selective acknowledgement.
    pub(super) fn read_options(&self, side: &mut Side) {
        // A SYN sent again without options takes nothing back.
        if self.options.is_empty() {
            return;
        }
        side.scale = 0;
        side.flags &= flag::BE_LIBERAL;
        self.each(|kind, value| match (kind, value) {
            (SACK_PERMITTED, []) => side.flags |= flag::SACK_PERM,
            (WINDOW, &[scale]) => {
                side.scale = scale.min(MAX_SCALE);
                side.flags |= flag::WINDOW_SCALE;
            }
            _ => {}
        });
    }

    /// The highest sequence number that is acknowledged, also selectively.
    pub(super) fn highest_ack(&self) -> u32 {
        let mut highest = self.ack;
        let mut first = true;
        self.each(|kind, value| {
            let (blocks, rest) = value.as_chunks::<8>();
            if kind == SACK && first && !blocks.is_empty() && rest.is_empty() {
                first = false;
                for &[_, _, _, _, a, b, c, d] in blocks {
                    let right = u32::from_be_bytes([a, b, c, d]);
                    if after(right, highest) {
                        highest = right;
                    }
                }
            }
        });
        highest
    }
}
