//! What rules write: headers, what goes with a packet, its connection.
//!
//! - takes: a value in a rule's scratch
//! - gives: the packet with the field and the checksums that cover it changed
//! - obeys: `nft_payload_set`, `nft_meta_set`, `nft_ct_set`, `nft_exthdr_tcp_set`

use super::{Cx, load::Base, packet};
use crate::netfilter::{env::Env, rule, view::View};
use crate::packet::{checksum, ipv4::protocol};

/// Which checksums cover a field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sums {
    /// The place of the checksum in the field's own header.
    pub own: Option<u8>,
    /// It is part of the pseudo-header.
    pub pseudo: bool,
}

/// Something to write to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Store {
    /// Bits of a header.
    Payload {
        /// Which.
        base: Base,
        /// The first bit.
        bit: u32,
        /// How many.
        bits: u32,
        /// What is to be mended.
        sums: Sums,
    },
    /// `meta mark`
    Mark,
    /// `meta priority`
    Priority,
    /// `ct mark`
    ConnMark,
    /// `ct label`
    ConnLabel,
    /// Bytes of an option of TCP, by its kind, from a place of it.
    TcpOption(u8, u8, u8),
}

impl Store {
    /// Bytes that it takes.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Payload { bits, .. } => bits.div_ceil(8) as usize,
            Self::Mark | Self::Priority | Self::ConnMark => 4,
            Self::ConnLabel => 16,
            Self::TcpOption(_, _, len) => usize::from(*len),
        }
    }

    /// Whether it takes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes what stands in the scratch; whether there was a place for it.
    pub(super) fn run<E: Env>(&self, cx: &mut Cx<'_, '_, '_, E>, at: usize) -> bool {
        let len = self.len();
        let mut value = [0; 16];
        let Some(bytes) = cx.scratch.get(at..at + len).filter(|_| len <= 16) else { return false };
        value[..len].copy_from_slice(bytes);
        let word = u32::from_be_bytes([value[0], value[1], value[2], value[3]]);
        match *self {
            Self::Payload { base, bit, bits, sums } => {
                payload(cx.view, base, (bit, bits), sums, &value[..len])
            }
            Self::Mark => {
                cx.view.about.mark = word;
                true
            }
            Self::Priority => {
                cx.view.about.priority = word;
                true
            }
            Self::ConnMark => {
                let conn = cx.view.about.conn;
                // Who has no connection goes on all the same.
                if conn.state.is_tracked() && cx.env.conn_mark(&conn).is_some_and(|had| had != word)
                {
                    cx.env.set_conn_mark(&conn, word);
                }
                true
            }
            Self::ConnLabel => {
                let conn = cx.view.about.conn;
                if conn.state.is_tracked() {
                    let labels = u128::from_be_bytes(value);
                    for label in (0..128).filter(|label| labels >> label & 1 != 0) {
                        cx.env.set_conn_label(&conn, label);
                    }
                }
                true
            }
            Self::TcpOption(kind, from, _) => tcp_option(cx.view, kind, from, &value[..len]),
        }
    }
}

/// Corrects the checksum at a place after a word changed.
fn mend(bytes: &mut [u8], place: usize, old: u16, new: u16) {
    if let Some([high, low]) = bytes.get_mut(place..place + 2) {
        let mended = checksum::update16(u16::from_be_bytes([*high, *low]), old, new);
        [*high, *low] = mended.to_be_bytes();
    }
}

/// The place of the transport's checksum, where it has one that covers addresses.
fn transport_sum(view: &View<'_>) -> Option<usize> {
    let facts = view.facts();
    let start = packet::start(view, Base::Transport)?;
    let at = match facts.protocol {
        protocol::TCP => 16,
        protocol::UDP | protocol::UDPLITE => 6,
        58 if facts.family == rule::Family::Six => 2,
        _ => return None,
    };
    let sum = view.bytes().get(start + at..start + at + 2)?;
    (facts.protocol != protocol::UDP || sum != [0, 0]).then_some(start + at)
}

fn payload(
    view: &mut View<'_>,
    base: Base,
    (bit, bits): (u32, u32),
    sums: Sums,
    value: &[u8],
) -> bool {
    let Some(start) = packet::start(view, base) else { return false };
    let (from, first) = (bit as usize / 8, bit % 8);
    let span = (first + bits).div_ceil(8) as usize;
    let place = start + from;
    let Some(old) = view.bytes().get(place..place + span) else { return false };
    // Whole words, as checksums count from the header's beginning.
    let mut before = [0; 24];
    let odd = from % 2;
    let even = (odd + span).next_multiple_of(2);
    let window = place - odd..(place - odd + even).min(view.len());
    if even > before.len() {
        return false;
    }
    let mut new = [0; 20];
    new[..span].copy_from_slice(old);
    write_bits(&mut new[..span], first, bits, value);
    // The kernel mends a checksum that is not there as if it were.
    let own = sums.own.map(|at| start + usize::from(at));
    let pseudo = sums.pseudo.then(|| transport_sum(view)).flatten();
    let bytes = view.bytes_mut();
    let whole = window.len();
    before[..whole].copy_from_slice(&bytes[window.clone()]);
    bytes[place..place + span].copy_from_slice(&new[..span]);
    for at in (0..whole).step_by(2) {
        let word =
            |bytes: &[u8]| u16::from_be_bytes([bytes[at], bytes.get(at + 1).copied().unwrap_or(0)]);
        let (old, new) = (word(&before[..whole]), word(&bytes[window.clone()]));
        if old == new {
            continue;
        }
        for sum in [own, pseudo].into_iter().flatten() {
            // What is written over a checksum itself is meant so.
            if !(window.start + at..window.start + at + 2).contains(&sum) {
                mend(bytes, sum, old, new);
            }
        }
    }
    for sum in [own, pseudo].into_iter().flatten() {
        // None is ever zero (`CSUM_MANGLED_0`), but where that is what was written.
        if let Some(sum) =
            bytes.get_mut(sum..sum + 2).filter(|_| !(place..place + span).contains(&sum))
            && sum == [0, 0]
        {
            sum.fill(0xff);
        }
    }
    view.refresh();
    true
}

/// Writes a number into bits of a few bytes, or all of them.
fn write_bits(bytes: &mut [u8], first: u32, bits: u32, value: &[u8]) {
    if first == 0 && bits.is_multiple_of(8) {
        bytes.copy_from_slice(value);
        return;
    }
    let whole = |bytes: &[u8]| bytes.iter().fold(0_u128, |all, byte| all << 8 | u128::from(*byte));
    let behind = bytes.len() as u32 * 8 - first - bits;
    let mask = (u128::MAX >> (128 - bits.clamp(1, 128))) << behind;
    let new = whole(bytes) & !mask | whole(value) << behind & mask;
    let len = bytes.len();
    bytes.copy_from_slice(&new.to_be_bytes()[16 - len..]);
}

fn tcp_option(view: &mut View<'_>, kind: u8, from: u8, value: &[u8]) -> bool {
    if !packet::has_tcp(view) {
        return false;
    }
    let Some((at, len)) = packet::tcp_option(view, kind) else { return true };
    let (from, l4) = (usize::from(from), view.facts().l4);
    if from + value.len() > len {
        return false;
    }
    let segment = &mut view.bytes_mut()[l4..];
    let place = at - l4 + from;
    // A largest segment is never raised: the other side may have its reasons.
    if kind == 2 && segment[place..place + value.len()] <= *value {
        return true;
    }
    for (at, byte) in (place..).zip(value) {
        let shift = if at.is_multiple_of(2) { 8 } else { 0 };
        let old = std::mem::replace(&mut segment[at], *byte);
        mend(segment, 16, u16::from(old) << shift, u16::from(*byte) << shift);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_written_between_bits_that_stay() {
        let mut bytes = [0xff];
        write_bits(&mut bytes, 0, 6, &[0x18]);
        assert_eq!(bytes, [0x63]);
        let mut bytes = [0x6f, 0xff];
        write_bits(&mut bytes, 4, 6, &[0]);
        assert_eq!(bytes, [0x60, 0x3f]);
        let mut bytes = [0x60, 0, 0, 0];
        write_bits(&mut bytes, 12, 20, &[0x0f, 0xab, 0xcd]);
        assert_eq!(bytes, [0x60, 0x0f, 0xab, 0xcd]);
    }
}
