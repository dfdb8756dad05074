//! `TCPMSS` and `TCPOPTSTRIP`: options of TCP.
//!
//! - takes: a segment; the MTUs of the ways to where it goes and where it came from
//! - gives: the segment with its options, its checksum and the lengths around it changed
//! - obeys: xt_TCPMSS and xt_TCPOPTSTRIP of the kernel, but for its checksum of an MSS option that
//!   stands at an odd place: that one is right here

use super::{failed, header::mend};
use crate::netfilter::env::Env;
use crate::netfilter::eval::Verdict;
use crate::netfilter::matches::step;
use crate::netfilter::rule::{Family, Tcpmss};
use crate::netfilter::view::View;

const HEADER: usize = 20;
const CHECKSUM: usize = 16;
const MSS_LEN: usize = 4;

/// The segment's own header length, if it is all there.
fn header_len(view: &View<'_>) -> Option<usize> {
    let head = view.l4_head::<HEADER>()?;
    let len = usize::from(head[12] >> 4) * 4;
    (len >= HEADER && len <= view.l4().len()).then_some(len)
}

/// Changes the byte at a place of the segment.
fn set_byte(segment: &mut [u8], place: usize, byte: u8) {
    let shift = if place.is_multiple_of(2) { 8 } else { 0 };
    let old = segment[place];
    segment[place] = byte;
    mend(segment, CHECKSUM, u16::from(old) << shift, u16::from(byte) << shift);
}

/// `TCPMSS`
pub(super) fn mss<E: Env>(view: &mut View<'_>, env: &E, how: &Tcpmss) -> Option<Verdict> {
    let facts = *view.facts();
    if facts.fragment_offset != 0 {
        return None;
    }
    let Some(header_len) = header_len(view).filter(|_| !facts.broken) else { return failed() };
    let four = facts.family == Family::Four;
    let (least, default) = if four { (40, 536) } else { (60, 1220) };
    let wanted = match how {
        Tcpmss::Set(mss) => *mss,
        Tcpmss::Clamp => {
            let mtus = [env.path_mtu(view), env.reverse_mtu(view)];
            let mtu = mtus.into_iter().flatten().min()?;
            match mtu.checked_sub(least) {
                None | Some(0) => return failed(),
                Some(mss) => u16::try_from(mss).unwrap_or(u16::MAX),
            }
        }
    };
    let segment = &mut view.bytes_mut()[facts.l4..];
    let mut at = HEADER;
    while at + MSS_LEN <= header_len {
        if let [2, 4, high, low] = segment[at..at + MSS_LEN] {
            // It is never raised: the other side may have its reasons.
            if u16::from_be_bytes([high, low]) > wanted {
                let [high, low] = wanted.to_be_bytes();
                set_byte(segment, at + 2, high);
                set_byte(segment, at + 3, low);
            }
            return None;
        }
        at += step(&segment[..header_len], at);
    }
    // One that carries data would have to grow where it may not, and a full header cannot.
    if segment.len() > header_len || header_len >= 60 {
        return None;
    }
    add_mss(view, wanted.min(default), header_len, facts.l4, four)
}

/// Puts the option there, for a sender that said nothing.
fn add_mss(
    view: &mut View<'_>,
    mss: u16,
    header_len: usize,
    l4: usize,
    four: bool,
) -> Option<Verdict> {
    if !view.grow(l4 + HEADER, MSS_LEN) {
        return failed();
    }
    let bytes = view.bytes_mut();
    let more = MSS_LEN as u16;
    let place = if four { 2 } else { 4 };
    let told = u16::from_be_bytes([bytes[place], bytes[place + 1]]);
    let [high, low] = told.wrapping_add(more).to_be_bytes();
    (bytes[place], bytes[place + 1]) = (high, low);
    if four {
        mend(bytes, 10, told, told.wrapping_add(more));
    }
    let segment = &mut bytes[l4..];
    // The pseudo-header has the length too.
    mend(segment, CHECKSUM, header_len as u16, header_len as u16 + more);
    let [high, low] = mss.to_be_bytes();
    for (at, byte) in [2, MSS_LEN as u8, high, low].into_iter().enumerate() {
        set_byte(segment, HEADER + at, byte);
    }
    let longer = segment[12] + 0x10;
    set_byte(segment, 12, longer);
    None
}

/// `TCPOPTSTRIP`: options become `NOP`.
pub(super) fn strip(view: &mut View<'_>, kinds: &[u64; 4]) -> Option<Verdict> {
    let facts = *view.facts();
    if facts.fragment_offset != 0 {
        return None;
    }
    let Some(header_len) = header_len(view).filter(|_| !facts.broken) else { return failed() };
    let segment = &mut view.bytes_mut()[facts.l4..];
    let mut at = HEADER;
    while at + 1 < header_len {
        let kind = segment[at];
        let len = step(&segment[..header_len], at);
        if at + len > header_len {
            break;
        }
        if kinds[usize::from(kind) / 64] >> (kind % 64) & 1 != 0 {
            for place in at..at + len {
                set_byte(segment, place, 1);
            }
        }
        at += len;
    }
    None
}
