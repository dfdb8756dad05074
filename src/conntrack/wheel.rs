//! Says which connections' time is over, a bounded number at a time.
//!
//! - takes: the time as an argument; entries carry the links
//! - gives: expired entries one by one; refreshing an entry writes its new end and nothing else,
//!   unless it ends before the wheel would look at it
//! - obeys: rows [9.70], [9.71]
//! - costs: a refreshed entry is moved when its old slot comes up, so never more than once for each
//!   timeout that passed
//!
//! Four levels of 256 slots each. A tick is 2^26 ns (67 ms); look-ups see to it that an entry is dead
//! at the nanosecond, the wheel only has to come by soon.

use super::{Nanos, entry::Entry};

/// Bits of a tick.
const TICK: u32 = 26;
const LEVELS: usize = 4;
const SLOTS: usize = 256;
/// The slot of an entry that stands in none.
pub(crate) const NOWHERE: u16 = u16::MAX;

/// The wheel of one worker.
#[derive(Debug)]
pub(crate) struct Wheel {
    heads: [u32; LEVELS * SLOTS],
    /// How many entries stand in each level.
    filled: [u32; LEVELS],
    /// The tick whose slot is looked at next.
    tick: u64,
}

impl Wheel {
    pub(crate) const fn new(now: Nanos) -> Self {
        Self { heads: [0; LEVELS * SLOTS], filled: [0; LEVELS], tick: (now >> TICK) + 1 }
    }

    /// The tick of a time, as a stamp for ages.
    pub(crate) const fn stamp(now: Nanos) -> u32 {
        (now >> TICK) as u32
    }

    /// How many ticks a time takes.
    pub(crate) const fn ticks(time: Nanos) -> u32 {
        (time >> TICK) as u32
    }

    /// The first tick at which a time has passed.
    const fn due(&self, expires: Nanos) -> u64 {
        let due = (expires >> TICK) + 1;
        if due > self.tick { due } else { self.tick }
    }

    /// The slot for a tick ahead.
    const fn slot(&self, due: u64) -> usize {
        let ahead = due - self.tick;
        let (level, due) = match ahead {
            0..0x100 => (0, due),
            0x100..0x1_0000 => (1, due),
            0x1_0000..0x100_0000 => (2, due),
            0x100_0000..0xffff_ffff => (3, due),
            _ => (3, self.tick + 0xffff_fffe),
        };
        level * SLOTS + (due >> (8 * level)) as usize % SLOTS
    }

    /// When the wheel looks at a slot.
    const fn comes_up(&self, slot: u16) -> u64 {
        let (level, slot) = (slot as usize / SLOTS, slot as u64 % SLOTS as u64);
        let here = self.tick >> (8 * level);
        let ahead = slot.wrapping_sub(here) & 0xff;
        // An upper slot with the number of the present one was filled for the next round.
        let ahead = if level > 0 && ahead == 0 { 256 } else { ahead };
        (here + ahead) << (8 * level)
    }

    /// Puts an entry in by its time.
    pub(crate) fn insert(&mut self, entries: &mut [Entry], index: u32) {
        let slot = self.slot(self.due(entries[index as usize].expires));
        let first = self.heads[slot];
        let entry = &mut entries[index as usize];
        entry.wheel_slot = slot as u16;
        entry.wheel_prev = 0;
        entry.wheel_next = first;
        if first != 0 {
            entries[first as usize].wheel_prev = index;
        }
        self.heads[slot] = index;
        self.filled[slot / SLOTS] += 1;
    }

    /// Takes an entry out.
    pub(crate) fn remove(&mut self, entries: &mut [Entry], index: u32) {
        let entry = &mut entries[index as usize];
        let (slot, prev, next) = (entry.wheel_slot, entry.wheel_prev, entry.wheel_next);
        if slot == NOWHERE {
            return;
        }
        entry.wheel_slot = NOWHERE;
        entry.wheel_next = 0;
        entry.wheel_prev = 0;
        match prev {
            0 => self.heads[usize::from(slot)] = next,
            prev => entries[prev as usize].wheel_next = next,
        }
        if next != 0 {
            entries[next as usize].wheel_prev = prev;
        }
        self.filled[usize::from(slot) / SLOTS] -= 1;
    }

    /// Sets an entry's end, and moves it only where the wheel would come too late.
    #[inline]
    pub(crate) fn refresh(&mut self, entries: &mut [Entry], index: u32, expires: Nanos) {
        let entry = &mut entries[index as usize];
        let sooner = expires < entry.expires;
        entry.expires = expires;
        if sooner && self.comes_up(entry.wheel_slot) > self.due(expires) {
            self.remove(entries, index);
            self.insert(entries, index);
        }
    }

    /// The next entry whose time is over, out of the wheel; nothing when there is none or the budget
    /// is spent. Each entry looked at and each empty stretch costs one.
    pub(crate) fn next_expired(
        &mut self,
        entries: &mut [Entry],
        now: Nanos,
        budget: &mut u32,
    ) -> Option<u32> {
        let end = now >> TICK;
        while self.tick <= end {
            // Upper levels first: what they hold for this tick comes down.
            for level in (0..LEVELS).rev() {
                if self.tick & ((1 << (8 * level)) - 1) != 0 {
                    continue;
                }
                let slot = level * SLOTS + (self.tick >> (8 * level)) as usize % SLOTS;
                while self.heads[slot] != 0 {
                    *budget = budget.checked_sub(1)?;
                    let index = self.heads[slot];
                    self.remove(entries, index);
                    if entries[index as usize].expires <= now {
                        return Some(index);
                    }
                    self.insert(entries, index);
                }
            }
            *budget = budget.checked_sub(1)?;
            self.skip(end);
        }
        None
    }

    /// Goes on to the next tick that may have something to do.
    fn skip(&mut self, end: u64) {
        let mut next = self.tick + 1;
        let mut empty = 0;
        while empty < LEVELS && self.filled[empty] == 0 {
            empty += 1;
        }
        if empty > 0 {
            let round = (1u64 << (8 * empty.min(3))) - 1;
            next = (next + round) & !round;
        } else {
            // Stretches of empty slots are one step.
            while next <= end && next & 0xff != 0 && self.heads[next as usize % SLOTS] == 0 {
                next += 1;
            }
        }
        // The end itself has been looked at, what lies behind it has not.
        self.tick = next.min(end + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::generate::Random;

    const MS: Nanos = 1_000_000;

    fn drain(wheel: &mut Wheel, entries: &mut [Entry], now: Nanos) -> Vec<u32> {
        let mut out = Vec::new();
        while let Some(index) = wheel.next_expired(entries, now, &mut u32::MAX.clone()) {
            out.push(index);
        }
        out
    }

    #[test]
    fn entries_expire_in_time_over_all_levels() {
        let ends = [1, 300, 1000, 30_000, 120_000, 432_000_000, 900_000_000, 4_000_000_000];
        let mut entries = vec![Entry::empty(); ends.len() + 1];
        let mut wheel = Wheel::new(0);
        for (n, end) in ends.into_iter().enumerate() {
            entries[n + 1].expires = end * MS;
            wheel.insert(&mut entries, n as u32 + 1);
        }
        for (n, end) in ends.into_iter().enumerate() {
            assert!(drain(&mut wheel, &mut entries, end * MS - 1).is_empty(), "{end}");
            let late = end * MS + (1 << TICK);
            assert_eq!(drain(&mut wheel, &mut entries, late), vec![n as u32 + 1], "{end}");
        }
    }

    /// Shows [9.71]: an entry that is refreshed stays where it is until its slot comes up.
    #[test]
    fn a_refreshed_entry_is_not_moved() {
        let mut entries = vec![Entry::empty(); 2];
        let mut wheel = Wheel::new(0);
        entries[1].expires = 30_000 * MS;
        wheel.insert(&mut entries, 1);
        let slot = entries[1].wheel_slot;
        for n in 1..1000 {
            wheel.refresh(&mut entries, 1, (30_000 + n) * MS);
            assert_eq!(entries[1].wheel_slot, slot);
        }
        // To five days and back to five minutes, as data and its acknowledgements do.
        wheel.refresh(&mut entries, 1, 432_000_000 * MS);
        wheel.refresh(&mut entries, 1, 300_000 * MS);
        assert_eq!(entries[1].wheel_slot, slot);
        assert!(drain(&mut wheel, &mut entries, 299_999 * MS).is_empty());
        wheel.refresh(&mut entries, 1, 299_999 * MS + 10);
        assert_eq!(drain(&mut wheel, &mut entries, 300_100 * MS), [1]);
    }

    /// Shows [9.70]: no call takes longer than its budget, and nothing is lost by that.
    #[test]
    fn budgets_bound_every_call() {
        let mut random = Random::new(7);
        let mut entries = vec![Entry::empty(); 5001];
        let mut wheel = Wheel::new(0);
        for index in 1..=5000 {
            entries[index as usize].expires = 60_000 * MS + random.below(20_000) * MS;
            wheel.insert(&mut entries, index);
        }
        let mut gone = 0;
        let mut calls = 0;
        while gone < 5000 {
            let mut budget = 64;
            while wheel.next_expired(&mut entries, 100_000 * MS, &mut budget).is_some() {
                gone += 1;
            }
            calls += 1;
            assert!(calls < 1000);
        }
        assert!(calls > 5000 / 64);
        assert_eq!(wheel.filled, [0; 4]);
    }

    /// A model: entries come, are refreshed to earlier and later ends, go, and expire just in time.
    #[test]
    fn the_wheel_agrees_with_a_list_of_times() {
        let mut random = Random::new(3);
        let mut entries = vec![Entry::empty(); 101];
        let mut wheel = Wheel::new(5 * MS);
        let mut now = 5 * MS;
        let mut ends = [None; 101];
        for _ in 0..200_000 {
            let index = random.below(100) as u32 + 1;
            let spans = [10, 1000, 30_000, 300_000, 10_000_000, 432_000_000];
            let span = spans[random.below(6) as usize];
            let end = now + (random.below(span) + 1) * MS;
            match (ends[index as usize], random.below(4)) {
                (None, _) => {
                    entries[index as usize].expires = end;
                    wheel.insert(&mut entries, index);
                    ends[index as usize] = Some(end);
                }
                (Some(_), 0) => {
                    wheel.remove(&mut entries, index);
                    ends[index as usize] = None;
                }
                (Some(old), _) if old > now => {
                    wheel.refresh(&mut entries, index, end);
                    ends[index as usize] = Some(end);
                }
                _ => {}
            }
            let span = 1 << random.below(34);
            now += random.below(span);
            for index in drain(&mut wheel, &mut entries, now) {
                let end = ends[index as usize].take().unwrap();
                assert!(end <= now);
            }
            for end in ends.iter().flatten() {
                assert!(*end + (2 << TICK) > now, "{end} is late at {now}");
            }
        }
    }
}
