//! What a rule asks of a packet, as a box: a range in each dimension.
//!
//! - takes: a rule
//! - gives: a box outside of which no packet matches it; never too small, maybe too large

use super::{DIMS, halves};
use crate::netfilter::matches::Test;
use crate::netfilter::program::{Op, Program, flag};
use crate::netfilter::rule::{Family, Is, Multiport, PortSide, Span};

/// A range in each dimension, both ends included.
pub(super) type Box = [(u64, u64); DIMS];

/// All there is.
const ALL: (u64, u64) = (0, u64::MAX);

/// Of a rule.
pub(super) fn of(program: &Program, op: &Op) -> Box {
    let mut found = [ALL; DIMS];
    let not = |bit| op.flags & bit != 0;
    if !not(flag::NOT_SRC) {
        (found[0], found[1]) = addresses(program.family, op.src);
    }
    if !not(flag::NOT_DST) {
        (found[2], found[3]) = addresses(program.family, op.dst);
    }
    if op.protocol != 0 && !not(flag::NOT_PROTOCOL) {
        found[6] = (op.protocol.into(), op.protocol.into());
    }
    if op.input != 0 && !not(flag::NOT_IN) {
        found[7] = interfaces(program, op.input);
    }
    if op.output != 0 && !not(flag::NOT_OUT) {
        found[8] = interfaces(program, op.output);
    }
    let tests = op.tests as usize..op.tests as usize + usize::from(op.test_count);
    for test in &program.tests[tests] {
        let (source, destination) = ports(test);
        for (dim, asked) in [(4, source), (5, destination)] {
            if let Some((first, last)) = asked {
                let (low, high) = found[dim];
                found[dim] = (low.max(first), high.min(last));
            }
        }
        if !test.is_harmless() {
            break;
        }
    }
    // Nothing fits what contradicts itself; it may as well be looked at.
    found.map(|(low, high)| if low > high { ALL } else { (low, high) })
}

/// The addresses under a mask, as far as its ones are the first bits.
fn addresses(family: Family, [bits, mask]: [u128; 2]) -> ((u64, u64), (u64, u64)) {
    let shift = if family == Family::Four { 96 } else { 0 };
    let len = (mask << shift).leading_ones();
    let free = u128::MAX.checked_shr(len).unwrap_or(0) >> shift;
    // Bits that are asked for outside of the mask are never there.
    let (first, last) = (bits & !free, bits & !free | free);
    match family {
        Family::Four => ((first as u64, last as u64), ALL),
        Family::Six => {
            let ([upper, lower], [upper_last, lower_last]) = (halves(first), halves(last));
            let low = if upper == upper_last { (lower, lower_last) } else { ALL };
            ((upper, upper_last), low)
        }
    }
}

/// From the lowest to the highest interface of a set.
fn interfaces(program: &Program, set: u16) -> (u64, u64) {
    let stride = program.ifaces.stride;
    let words = &program.ifaces.words[usize::from(set) * stride..][..stride];
    let mut all = words.iter().enumerate().filter(|(_, word)| **word != 0);
    let Some((first, low)) = all.next() else { return ALL };
    let (last, high) = all.next_back().unwrap_or((first, low));
    let place = |word: usize, bit: u32| word as u64 * 64 + u64::from(bit);
    (place(first, low.trailing_zeros()), place(last, 63 - high.leading_zeros()))
}

type Range = Option<(u64, u64)>;

fn range(asked: &Option<Is<Span<u16>>>) -> Range {
    asked.as_ref().filter(|is| !is.not).map(|is| (is.value.first.into(), is.value.last.into()))
}

/// The ports that a test asks for before all else.
fn ports(test: &Test) -> (Range, Range) {
    match test {
        Test::Tcp(ask) => (range(&ask.source), range(&ask.destination)),
        Test::Udp(ask) => (range(&ask.source), range(&ask.destination)),
        Test::Sctp(ask) => (range(&ask.ports().source), range(&ask.ports().destination)),
        Test::Dccp(ask) => (range(&ask.source), range(&ask.destination)),
        Test::Multiport(ask) if !ask.not => several(&ask.value),
        _ => (None, None),
    }
}

fn several(ask: &Multiport) -> (Range, Range) {
    let first = ask.ports.iter().map(|span| span.first).min();
    let last = ask.ports.iter().map(|span| span.last).max();
    let all = first.zip(last).map(|(first, last)| (first.into(), last.into()));
    match ask.side {
        PortSide::Source => (all, None),
        PortSide::Destination => (None, all),
        PortSide::Either => (None, None),
    }
}
