//! Matches on any bytes of a packet: `string` and `u32`.
//!
//! - takes: a packet
//! - gives: [`Found`]
//! - obeys: xt_string and xt_u32 of the kernel
//! - costs: of a string, fewer steps than bytes where its last byte is rare (Horspool)

use super::Found;
use crate::netfilter::rule::{Is, Span, StringMatch, U32, U32Op};
use crate::netfilter::view::View;

/// A string to be found, whatever the algorithm: both find the same.
#[derive(Clone, Debug)]
pub(in crate::netfilter) struct Text {
    not: bool,
    span: Span<usize>,
    ignore_case: bool,
    pattern: Vec<u8>,
    /// How far to go on by the byte under the pattern's last.
    skip: [u8; 256],
}

impl Text {
    /// From what the rule says.
    pub(super) fn new(ask: &StringMatch) -> Self {
        let fold = |byte: &u8| if ask.ignore_case { byte.to_ascii_lowercase() } else { *byte };
        let pattern: Vec<u8> = ask.pattern.iter().map(fold).collect();
        let len = pattern.len().min(255) as u8;
        let mut skip = [len.max(1); 256];
        for (at, byte) in pattern.iter().enumerate().take(usize::from(len).saturating_sub(1)) {
            let far = len - 1 - at as u8;
            skip[usize::from(*byte)] = far;
            if ask.ignore_case {
                skip[usize::from(byte.to_ascii_uppercase())] = far;
            }
        }
        Self {
            not: ask.not,
            span: Span::new(ask.from.into(), ask.to.into()),
            ignore_case: ask.ignore_case,
            pattern,
            skip,
        }
    }

    fn is_at(&self, place: &[u8]) -> bool {
        match self.ignore_case {
            true => place.eq_ignore_ascii_case(&self.pattern),
            false => place == self.pattern,
        }
    }

    fn find(&self, bytes: &[u8]) -> bool {
        let end = self.span.last.min(bytes.len());
        let Some(bytes) = bytes.get(self.span.first..end) else { return false };
        let len = self.pattern.len();
        let mut at = 0;
        while let Some(place) = bytes.get(at..at + len) {
            if self.is_at(place) {
                return true;
            }
            let Some(last) = place.last() else { return false };
            at += usize::from(self.skip[usize::from(*last)]);
        }
        false
    }
}

/// `string`
pub(super) fn text(view: &View<'_>, ask: &Text) -> Found {
    Found::of(ask.find(view.bytes()) != ask.not)
}

/// `u32`
pub(super) fn u32(view: &View<'_>, ask: &Is<U32>) -> Found {
    let bytes = view.bytes();
    Found::of(ask.holds(|tests| {
        tests.iter().all(|test| {
            let value = value(bytes, test.start, &test.steps);
            value.is_some_and(|value| test.ranges.iter().any(|range| range.contains(value)))
        })
    }))
}

/// What stands where the steps of a location lead; nothing where they lead out of the packet.
fn value(bytes: &[u8], start: u32, steps: &[crate::netfilter::rule::U32Step]) -> Option<u32> {
    let read = |base: u32, place: u32| {
        let at = (base as usize).checked_add(place as usize)?;
        bytes.get(at..)?.first_chunk().map(|word| u32::from_be_bytes(*word))
    };
    let mut base = 0_u32;
    let mut value = read(0, start)?;
    for step in steps {
        match step.op {
            U32Op::And => value &= step.number,
            U32Op::Left => value = value.wrapping_shl(step.number),
            U32Op::Right => value = value.wrapping_shr(step.number),
            U32Op::At => {
                base = base.checked_add(value)?;
                value = read(base, step.number)?;
            }
        }
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netfilter::rule::Algorithm;

    #[test]
    fn a_string_is_found_where_a_plain_search_finds_it() {
        bolero::check!().with_type::<(Vec<u8>, Vec<u8>, u8, u8, bool)>().for_each(
            |(bytes, pattern, from, to, ignore_case)| {
                // Few letters, so that there is something to find.
                let few = |all: &[u8]| all.iter().map(|b| b"abAB"[usize::from(b % 4)]).collect();
                let (bytes, mut pattern): (Vec<u8>, Vec<u8>) = (few(bytes), few(pattern));
                pattern.truncate(128);
                if pattern.is_empty() || from > to {
                    return;
                }
                let text = Text::new(&StringMatch {
                    not: false,
                    algorithm: Algorithm::BoyerMoore,
                    from: (*from).into(),
                    to: (*to).into(),
                    ignore_case: *ignore_case,
                    pattern: pattern.clone(),
                });
                let end = usize::from(*to).min(bytes.len());
                let place = bytes.get(usize::from(*from)..end).unwrap_or_default();
                let plain = place.windows(pattern.len()).any(|window| match ignore_case {
                    true => window.eq_ignore_ascii_case(&pattern),
                    false => window == pattern,
                });
                assert_eq!(text.find(&bytes), plain);
            },
        );
    }
}
