//! Packets that programs decide on (`NFQUEUE`): who listens, and where a packet goes on afterwards.
//!
//! - takes: numbers of queues that programs have bound
//! - gives: [`Served`], part of the snapshot; [`Place`], which goes with a packet to its program and back
//! - obeys: `nf_queue`, `nf_reinject`; ledger 9.27, 9.30, 9.31

use super::rule::Hook;
use crate::dpdk::mbuf::Meta;

/// Queues of one program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// The first of them.
    pub first: u16,
    /// The last.
    pub last: u16,
}

impl Served {
    /// Whether a queue is among them.
    pub const fn has(&self, number: u16) -> bool {
        self.first <= number && number <= self.last
    }
}

/// What becomes of a packet that comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Outcome {
    /// It goes on behind the rule's table.
    Accept = 1,
    /// The table is asked again.
    Repeat = 2,
    /// The program has dropped it, or is gone.
    Drop = 3,
    /// Nobody listened any more.
    Nobody = 4,
    /// As many wait as may.
    Full = 5,
}

impl Outcome {
    /// The one of a packet that comes back.
    pub const fn of(meta: &Meta) -> Option<Self> {
        Some(match meta.outcome {
            1 => Self::Accept,
            2 => Self::Repeat,
            3 => Self::Drop,
            4 => Self::Nobody,
            5 => Self::Full,
            _ => return None,
        })
    }
}

/// Where a packet left its hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The hook.
    pub hook: Hook,
    /// The step at it; see [`Step::turn`](super::table::Step::turn).
    pub rank: u8,
    /// It passes where nobody listens.
    pub bypass: bool,
}

impl Place {
    /// In a byte of a packet's notes.
    pub const fn to_bits(self) -> u8 {
        (self.hook as u8) << 5 | (self.bypass as u8) << 4 | (self.rank & 0xf)
    }

    /// From there.
    pub fn of(bits: u8) -> Self {
        let hook = Hook::ALL.get(usize::from(bits >> 5)).copied().unwrap_or(Hook::PreRouting);
        Self { hook, rank: bits & 0xf, bypass: bits & 0x10 != 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_byte() {
        for hook in Hook::ALL {
            for (rank, bypass) in [(0, true), (8, false), (3, true)] {
                let place = Place { hook, rank, bypass };
                assert_eq!(Place::of(place.to_bits()), place);
            }
        }
        Place::of(0xff);
    }

    #[test]
    fn outcomes_are_numbers_in_notes() {
        use Outcome::{Accept, Drop, Full, Nobody, Repeat};
        assert_eq!(Outcome::of(&Meta::default()), None);
        for outcome in [Accept, Repeat, Drop, Nobody, Full] {
            let meta = Meta { outcome: outcome as u8, ..Meta::default() };
            assert_eq!(Outcome::of(&meta), Some(outcome));
        }
    }
}
