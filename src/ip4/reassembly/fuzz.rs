//! The reassembler beside a plain model of it: a map of bytes, and the kernel's list of runs.

use std::collections::{BTreeMap, BTreeSet};

use super::{Datagram, Fate, Mark, Piece, Put, QUEUE_COST, Reassembler, Rules};
use crate::{
    graph::Nanos,
    packet::ipv4::Ipv4View,
    reassembly::store::{BLOCK_COST, BLOCK_LEN},
};

/// One unfinished datagram, as plainly as can be.
#[derive(Clone, Debug, Default)]
struct Plain {
    due: Nanos,
    born: u64,
    bytes: BTreeMap<usize, u8>,
    /// Start and end of each run.
    runs: Vec<(usize, usize)>,
    pieces: u32,
    len: usize,
    ended: bool,
    ecn: BTreeSet<u8>,
    first: Option<Vec<u8>>,
    first_len: usize,
    largest: usize,
    largest_df: usize,
    rid: u32,
    blocks: BTreeSet<usize>,
}

/// What the model says of a whole datagram.
#[derive(Debug, PartialEq, Eq)]
struct Expected {
    header: Vec<u8>,
    bytes: Vec<u8>,
}

#[derive(Debug)]
enum Verdict {
    Ends(Fate),
    Stays(Fate),
    Whole(Expected),
}

#[derive(Default)]
struct Model {
    datagrams: BTreeMap<(u32, u16), Plain>,
    peers: BTreeMap<u32, u32>,
    born: u64,
}

impl Model {
    fn memory(&self) -> usize {
        let of = |one: &Plain| QUEUE_COST + one.blocks.len() * BLOCK_COST;
        self.datagrams.values().map(of).sum()
    }

    fn forget_peers(&mut self) {
        let users: BTreeSet<u32> = self.datagrams.keys().map(|key| key.0).collect();
        self.peers.retain(|src, _| users.contains(src));
    }

    /// The oldest that is due.
    fn expire(&mut self, now: Nanos) -> Option<Plain> {
        let due = self.datagrams.iter().filter(|(_, one)| one.due <= now);
        let key = *due.min_by_key(|(_, one)| (one.due, one.born))?.0;
        let one = self.datagrams.remove(&key);
        self.forget_peers();
        one
    }

    fn put(&mut self, ip: &Ipv4View<'_>, now: Nanos, rules: &Rules) -> (Verdict, u32, u32) {
        if rules.high_thresh == 0 || self.memory() > rules.high_thresh {
            return (Verdict::Stays(Fate::Refused), 0, 0);
        }
        let key = (ip.src().to_bits(), ip.id());
        self.born += 1;
        let born = self.born;
        let fresh = || Plain { due: now + rules.time, born, ..Plain::default() };
        let one = self.datagrams.entry(key).or_insert_with(fresh);
        let mut too_far = 0;
        if rules.max_dist > 0 {
            let count = self.peers.entry(key.0).or_default();
            *count += 1;
            let distance = *count - one.rid;
            one.rid = *count;
            if one.pieces > 0 && distance > rules.max_dist {
                too_far = one.pieces;
                let (largest, largest_df, rid) = (one.largest, one.largest_df, one.rid);
                *one = Plain { largest, largest_df, rid, ..fresh() };
            }
        }
        let before = one.pieces;
        let verdict = one.take(ip);
        if !matches!(verdict, Verdict::Stays(_)) {
            self.datagrams.remove(&key);
            self.forget_peers();
        }
        let ended = if matches!(verdict, Verdict::Stays(_)) { 0 } else { before };
        (verdict, ended, too_far)
    }
}

impl Plain {
    fn take(&mut self, ip: &Ipv4View<'_>) -> Verdict {
        let start = ip.fragment_offset();
        let mut end = start + ip.payload().len();
        if ip.mf() {
            end = end / 8 * 8;
            if end > self.len && self.ended {
                return Verdict::Ends(Fate::Malformed);
            }
            self.len = self.len.max(end);
        } else {
            if end < self.len || self.ended && end != self.len {
                return Verdict::Ends(Fate::Malformed);
            }
            (self.ended, self.len) = (true, end);
        }
        if end <= start {
            return Verdict::Ends(Fate::Malformed);
        }
        let reach = self.runs.last().map(|run| run.1);
        match reach {
            Some(reach) if reach < end && start < reach => return Verdict::Ends(Fate::Overlap),
            Some(reach) if reach < end && start == reach => {
                self.runs.last_mut().expect("a last run").1 = end;
            }
            _ => {
                for (from, to) in &self.runs {
                    if end <= *from || start >= *to {
                        continue;
                    }
                    if start >= *from && end <= *to {
                        return Verdict::Stays(Fate::Duplicate);
                    }
                    return Verdict::Ends(Fate::Overlap);
                }
                self.runs.push((start, end));
                self.runs.sort_unstable();
            }
        }
        for (at, byte) in (start..end).zip(ip.payload()) {
            assert!(self.bytes.insert(at, *byte).is_none(), "the model put byte {at} twice");
        }
        self.blocks.extend((start..end).map(|at| at / BLOCK_LEN));
        self.pieces += 1;
        self.ecn.insert(ip.ecn());
        if start == 0 {
            self.first = Some(ip.header().to_vec());
            self.first_len = end;
        }
        let size = ip.header_len() + end - start;
        self.largest = self.largest.max(size);
        if ip.df() {
            self.largest_df = self.largest_df.max(size);
        }
        self.join()
    }

    fn join(&self) -> Verdict {
        let Some(first) = self.first.as_ref().filter(|_| self.ended) else {
            return Verdict::Stays(Fate::Kept);
        };
        if self.bytes.len() != self.len {
            return Verdict::Stays(Fate::Kept);
        }
        if self.ecn.len() > 1 && self.ecn.contains(&0) {
            return Verdict::Ends(Fate::Ecn);
        }
        let total = first.len() + self.len;
        if total > 65_535 {
            return Verdict::Ends(Fate::Oversize);
        }
        let mut header = first.clone();
        if self.ecn.contains(&3) {
            header[1] |= 3;
        }
        header[2..4].copy_from_slice(&(total as u16).to_be_bytes());
        let df = if self.largest == self.largest_df { 0x40 } else { 0 };
        header[6..8].copy_from_slice(&[df, 0]);
        Verdict::Whole(Expected { header, bytes: self.bytes.values().copied().collect() })
    }
}

fn whole(datagram: &Datagram<'_>) -> Expected {
    let (header, len) = datagram.header();
    let bytes = datagram.bytes().flatten().copied().collect();
    Expected { header: header[..len].to_vec(), bytes }
}

/// Bytes of a step, and what they say.
const STEP: usize = 7;

/// The packet of a step: small numbers mostly, so that pieces meet each other.
fn packet(step: [u8; STEP], number: usize) -> Vec<u8> {
    let [what, kind, _, high, low, len_high, len] = step;
    let wide = kind & 0x0f == 0;
    let word = u16::from_be_bytes([high, low]);
    let offset = if wide { word & 0x1fff } else { u16::from(low % 48) };
    let len = match kind >> 6 {
        0 => usize::from(len % 33) * 8,
        1 => usize::from(len),
        2 => usize::from(u16::from_be_bytes([len_high, len]) % 1600),
        _ if wide => usize::from(u16::from_be_bytes([len_high, len])).min(65_535 - 60),
        _ => 8,
    };
    let words = if kind & 0x10 == 0 { 5 } else { 5 + usize::from(what >> 5) };
    let mut bytes = vec![0; words * 4];
    bytes[0] = 0x40 | words as u8;
    bytes[1] = if kind & 0x20 == 0 { 2 } else { what >> 3 };
    bytes[2..4].copy_from_slice(&((words * 4 + len) as u16).to_be_bytes());
    bytes[5] = what & 1;
    let more = if what & 2 != 0 { 0x2000 } else { 0 };
    let df = if what & 4 != 0 { 0x4000 } else { 0 };
    bytes[6..8].copy_from_slice(&(more | df | offset).to_be_bytes());
    bytes[8..10].copy_from_slice(&[64, 17]);
    bytes[15] = what >> 3 & 1;
    bytes[20..].fill(number as u8);
    bytes.extend((0..len).map(|at| (number * 89 + at * 7 + at / 256) as u8));
    bytes
}

/// Plays bytes of chance to the reassembler and to the model, which must agree on everything.
pub fn pieces(bytes: &[u8]) {
    play(bytes);
}

/// Gives how many datagrams became whole.
fn play(bytes: &[u8]) -> usize {
    let Some((&[how, ..], steps)) = bytes.split_first_chunk::<1>() else { return 0 };
    let mut count = 0;
    let high_thresh = [0, 6000, 30_000, 1 << 20][usize::from(how & 3)];
    let max_dist = [0, 1, 5, 64][usize::from(how >> 2 & 3)];
    let rules = Rules { time: 1000, high_thresh, max_dist };
    let mut real = Reassembler::new(high_thresh, u64::from(how));
    let (mut model, mut now) = (Model::default(), 0);
    for (number, step) in steps.as_chunks::<STEP>().0.iter().enumerate() {
        now += Nanos::from(step[2]) * Nanos::from(step[2] / 16);
        run_out(&mut real, &mut model, now);
        let packet = packet(*step, number);
        let Ok(ip) = Ipv4View::new_checked(&packet) else { continue };
        let mark = Mark { iface: number as u16, flags: step[0], options: number as u64 };
        let put = real.put(&Piece { ip, vrf: 0, mark }, now, &rules);
        let (verdict, ended, too_far) = model.put(&ip, now, &rules);
        let Put { fate, .. } = put;
        assert_eq!((put.ended, put.too_far), (ended, too_far), "step {number}: {fate:?}");
        match (fate, verdict) {
            (Fate::Whole(done), Verdict::Whole(expected)) => {
                let datagram = real.datagram(&done);
                assert_eq!(whole(&datagram), expected, "step {number}");
                assert_eq!(datagram.last(), mark);
                real.release(done);
                count += 1;
            }
            (fate, Verdict::Ends(same) | Verdict::Stays(same)) => {
                assert_eq!(fate, same, "step {number}");
            }
            (fate, verdict) => panic!("step {number}: {fate:?}, and the model: {verdict:?}"),
        }
        assert_eq!(real.memory(), model.memory(), "step {number}");
    }
    run_out(&mut real, &mut model, Nanos::MAX);
    assert_eq!((real.memory(), real.due()), (0, Nanos::MAX));
    count
}

/// Lets time run out for what is due.
fn run_out(real: &mut Reassembler, model: &mut Model, now: Nanos) {
    loop {
        let (done, plain) = (real.expire(now), model.expire(now));
        let (done, plain) = match (done, plain) {
            (Some(done), Some(plain)) => (done, plain),
            (None, None) => return,
            (done, plain) => panic!("{done:?} ran out, and in the model {plain:?}"),
        };
        let datagram = real.datagram(&done);
        assert_eq!(datagram.pieces(), plain.pieces);
        assert_eq!(datagram.first_header(), plain.first.as_deref().unwrap_or_default());
        if plain.first.is_some() {
            let head: Vec<u8> = datagram.first_bytes(100).flatten().copied().collect();
            let expected: Vec<u8> = plain.bytes.values().copied().collect();
            assert_eq!(head, expected[..plain.first_len.min(100)]);
        }
        real.release(done);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three pieces of one datagram in some order, after the byte that says how.
    fn sound() -> Vec<Vec<u8>> {
        const PIECES: [[u8; STEP]; 4] = [
            [2, 1, 0, 0, 0, 0, 13],
            [2, 1, 0, 0, 13, 0, 12],
            [0, 1, 0, 0, 25, 0, 12],
            [2, 1, 0, 0, 12, 0, 3],
        ];
        [
            &[0, 1, 2][..],
            &[2, 1, 0],
            &[1, 0, 2],
            &[0, 0, 1, 1, 2, 2],
            &[0, 3, 0, 1, 2],
            &[0, 1, 3, 2],
        ]
        .iter()
        .map(|order| {
            let pieces = order.iter().flat_map(|piece| PIECES[*piece]);
            std::iter::once(15).chain(pieces).collect()
        })
        .collect()
    }

    #[test]
    fn sound_steps_make_datagrams() {
        let whole: Vec<_> = sound().iter().map(|bytes| play(bytes)).collect();
        assert_eq!(whole, [1, 1, 1, 1, 1, 1]);
    }

    #[test]
    #[ignore = "writes fuzz/seeds/reassembly anew"]
    fn seeds_are_written() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds/reassembly");
        std::fs::create_dir_all(dir).unwrap();
        for (at, bytes) in sound().iter().enumerate() {
            std::fs::write(format!("{dir}/{at:02}"), bytes).unwrap();
        }
    }
}
