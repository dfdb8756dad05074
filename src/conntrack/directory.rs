//! Whose a flow is that comes to another worker than its own: one table for all workers.
//!
//! - takes: tuples of connections, the ends that somebody expects packets at, and the ends that have
//!   one mapping for all, each put in and taken out by the worker that it belongs to
//! - gives: that worker, to others that do not know a packet
//! - obeys: nothing of the kernel's, whose connections belong to nobody
//! - costs: a line or two of memory for a look-up, and no lock: places are words of 64 bits, each
//!   written by one worker at a time; while nothing is in it, one branch
//!
//! A word is a fingerprint of 56 bits and the number of a worker. It stands in one of two lines of eight
//! words, so that nothing ever moves and taking out leaves no traces. Who is misled by two flows with
//! one fingerprint has sent a packet to a worker that takes it as new.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::packet::ipv4::protocol;

use super::tuple::{Addr, ICMPV6, Seed, Tuple};

/// What is known of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A tuple: it is that of a connection.
    Tuple,
    /// The destination of a tuple: a connection to it is expected, or it is the outer end of a mapping.
    Towards,
    /// The source of a tuple: it is the inner end of a mapping.
    From,
}

/// Words of a line.
const LINE: usize = 8;
/// A word that is in use.
const USED: u64 = 0x80;
/// Bits of a word that are not the fingerprint.
const OWNER: u64 = 0x7f;

#[derive(Debug, Default)]
#[repr(align(64))]
struct Line([AtomicU64; LINE]);

/// The directory.
#[derive(Debug)]
pub struct Directory {
    seeds: [Seed; 3],
    /// Whether there ever was something of a kind.
    used: [AtomicBool; 3],
    lines: Box<[Line]>,
}

/// Somebody else has the tuple, or there is no place for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused;

impl Directory {
    /// With room for about so many flows.
    pub fn new(flows: usize, seed: u64) -> Self {
        // Half of the places are to be free, so that two lines that are both full are a rare thing.
        let lines = (flows * 2 / LINE).max(2).next_power_of_two();
        Self {
            seeds: [1, 2, 3].map(|kind: u64| Seed::new(seed ^ kind << 56)),
            used: Default::default(),
            lines: (0..lines).map(|_| Line::default()).collect(),
        }
    }

    /// What a tuple of a kind is told by.
    #[inline]
    fn key(&self, kind: Kind, tuple: &Tuple) -> (u64, [usize; 2]) {
        let mut named = *tuple;
        match kind {
            // Who did not hear the control connection of a call knows one of its numbers alone.
            Kind::Tuple if named.proto == protocol::GRE => named.sport = 0,
            Kind::Tuple => {}
            Kind::Towards if is_icmp(named.proto) => {
                (named.src, named.dport) = (Addr::default(), 0)
            }
            Kind::Towards => (named.src, named.sport) = (Addr::default(), 0),
            Kind::From if is_icmp(named.proto) => (named.dst, named.dport) = (Addr::default(), 0),
            Kind::From => (named.dst, named.dport) = (Addr::default(), 0),
        }
        let hash = self.seeds[kind as usize].wide(&named);
        let mask = self.lines.len() - 1;
        let first = hash as usize & mask;
        let second =
            first ^ (hash.rotate_left(29).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize;
        (hash & !(USED | OWNER), [first, second & mask])
    }

    /// The worker of a tuple.
    #[inline]
    pub fn find(&self, kind: Kind, tuple: &Tuple) -> Option<u16> {
        if !self.used[kind as usize].load(Ordering::Relaxed) {
            return None;
        }
        let (key, lines) = self.key(kind, tuple);
        let words = || lines.iter().flat_map(|at| &self.lines[*at].0);
        words()
            .map(|word| word.load(Ordering::Acquire))
            .find(|word| word & !OWNER == key | USED)
            .map(|word| (word & OWNER) as u16)
    }

    /// Puts a tuple of a worker in, where no other worker has it.
    pub fn insert(&self, kind: Kind, tuple: &Tuple, owner: u16) -> Result<(), Refused> {
        let used = &self.used[kind as usize];
        if !used.load(Ordering::Relaxed) {
            used.store(true, Ordering::SeqCst);
        }
        let (key, lines) = self.key(kind, tuple);
        let word = key | USED | u64::from(owner) & OWNER;
        let words = || lines.iter().flat_map(|at| &self.lines[*at].0);
        let free = |place: &&AtomicU64| {
            place.load(Ordering::Relaxed) == 0
                && place.compare_exchange(0, word, Ordering::SeqCst, Ordering::Relaxed).is_ok()
        };
        let place = words().find(free).ok_or(Refused)?;
        // Of two who put the same in at once at least one sees the other.
        let theirs = |place: &AtomicU64| {
            let other = place.load(Ordering::SeqCst);
            other & !OWNER == key | USED && other != word
        };
        // Several may expect packets at one end, and of calls that one number is known of both may be had.
        let shared = kind == Kind::Towards || tuple.proto == protocol::GRE;
        if !shared && words().any(theirs) {
            place.store(0, Ordering::Release);
            return Err(Refused);
        }
        Ok(())
    }

    /// Takes a tuple of a worker out, where it is in; what was put in twice is in once more.
    pub fn remove(&self, kind: Kind, tuple: &Tuple, owner: u16) {
        let (key, lines) = self.key(kind, tuple);
        let word = key | USED | u64::from(owner) & OWNER;
        let place = lines
            .iter()
            .flat_map(|at| &self.lines[*at].0)
            .find(|place| place.load(Ordering::Relaxed) == word);
        if let Some(place) = place {
            place.store(0, Ordering::Release);
        }
    }

    /// How many words are in use, for tests and for showing.
    pub fn len(&self) -> usize {
        let words = self.lines.iter().flat_map(|line| &line.0);
        words.filter(|word| word.load(Ordering::Relaxed) != 0).count()
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

const fn is_icmp(proto: u8) -> bool {
    matches!(proto, protocol::ICMP | ICMPV6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn tuple(host: u8, port: u16) -> Tuple {
        Tuple {
            src: Addr::four([10, 0, 0, host]),
            dst: Addr::four([192, 0, 2, 1]),
            sport: port,
            dport: 80,
            proto: protocol::UDP,
            ..Tuple::default()
        }
    }

    #[test]
    fn each_flow_has_one_owner_as_in_a_plain_map() {
        bolero::check!().with_type::<Vec<(u8, u8, bool)>>().for_each(|steps| {
            let directory = Directory::new(4096, 5);
            let mut plain: HashMap<u8, u16> = HashMap::new();
            for &(host, owner, put) in steps {
                let owner = u16::from(owner % 4);
                if put && !plain.contains_key(&host) {
                    assert_eq!(directory.insert(Kind::Tuple, &tuple(host, 1), owner), Ok(()));
                    plain.insert(host, owner);
                } else if put && plain[&host] != owner {
                    assert_eq!(directory.insert(Kind::Tuple, &tuple(host, 1), owner), Err(Refused));
                } else if !put {
                    // What is another's stays.
                    directory.remove(Kind::Tuple, &tuple(host, 1), owner);
                    if plain.get(&host) == Some(&owner) {
                        plain.remove(&host);
                    }
                }
                assert_eq!(directory.find(Kind::Tuple, &tuple(host, 1)), plain.get(&host).copied());
            }
            assert_eq!(directory.len(), plain.len());
        });
    }

    #[test]
    fn ends_count_where_ends_are_meant() {
        let directory = Directory::new(64, 5);
        directory.insert(Kind::Towards, &tuple(1, 1), 3).unwrap();
        directory.insert(Kind::From, &tuple(1, 1), 2).unwrap();
        assert_eq!(directory.find(Kind::Towards, &tuple(9, 9)), Some(3));
        assert_eq!(directory.find(Kind::From, &Tuple { dport: 81, ..tuple(1, 1) }), Some(2));
        assert_eq!(directory.find(Kind::From, &tuple(1, 2)), None);
        assert_eq!(directory.find(Kind::Tuple, &tuple(1, 1)), None);
        let echo = Tuple { proto: protocol::ICMP, dport: 0x0800, ..tuple(1, 7) };
        directory.insert(Kind::From, &echo, 1).unwrap();
        assert_eq!(directory.find(Kind::From, &Tuple { dport: 0, ..echo }), Some(1));
        let call = |sport| Tuple { proto: protocol::GRE, sport, ..tuple(1, 0) };
        directory.insert(Kind::Tuple, &call(7), 1).unwrap();
        assert_eq!(directory.find(Kind::Tuple, &call(0)), Some(1));
    }

    #[test]
    fn two_lines_that_are_full_take_no_more() {
        let directory = Directory::new(1, 5);
        let taken =
            (0..200).filter(|port| directory.insert(Kind::Tuple, &tuple(1, *port), 0).is_ok());
        assert_eq!(taken.count(), 16);
        (0..200).for_each(|port| directory.remove(Kind::Tuple, &tuple(1, port), 0));
        assert!(directory.is_empty());
    }

    /// Of two workers that claim one tuple at the same time one at most has it.
    #[test]
    fn claims_at_one_time_do_not_both_succeed() {
        let directory = Directory::new(1 << 14, 5);
        let rounds = 4096;
        let claim = |owner: u16| -> Vec<bool> {
            let one = |port| directory.insert(Kind::Tuple, &tuple(1, port), owner).is_ok();
            (0..rounds).map(one).collect()
        };
        let [first, second] = std::thread::scope(|scope| {
            [0, 1].map(|owner| scope.spawn(move || claim(owner))).map(|one| one.join().unwrap())
        });
        for port in 0..rounds {
            let got = [first[usize::from(port)], second[usize::from(port)]];
            assert_ne!(got, [true; 2], "{port}");
            let owner = got.iter().position(|got| *got).map(|owner| owner as u16);
            assert_eq!(directory.find(Kind::Tuple, &tuple(1, port)), owner);
        }
    }
}
