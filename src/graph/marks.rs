//! Marks that a worker leaves for the management core: which hops it has used.
//!
//! A worker writes a mark only for a hop that asks for it, and only when the mark is not there yet, so
//! that a busy hop costs one store until the management core has read it. Two hops that share a place
//! take turns at it; the one that lost its mark leaves it again with its next packet.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::publish::Apart;

const PLACES: usize = 1024;

/// The marks of one worker.
pub struct Marks {
    hops: Box<Apart<[AtomicU32; PLACES]>>,
    /// The management core looks at it all the time, and not at what the worker writes beside.
    any: Apart<AtomicBool>,
}

impl Default for Marks {
    fn default() -> Self {
        let hops = Box::new(Apart([const { AtomicU32::new(0) }; PLACES]));
        Self { hops, any: Apart::default() }
    }
}

impl Marks {
    /// The worker has used a hop.
    #[inline]
    pub fn leave(&self, hop: u32) {
        let place = &self.hops[hop as usize % PLACES];
        if place.load(Ordering::Relaxed) != hop {
            place.store(hop, Ordering::Relaxed);
            self.any.store(true, Ordering::Release);
        }
    }

    /// The pairs of cache lines behind it.
    #[cfg(test)]
    pub(super) fn lines(&self) -> std::ops::Range<usize> {
        use crate::publish::PAIR;
        let begin = std::ptr::from_ref(&*self.hops).addr();
        begin / PAIR..(begin + size_of_val(&*self.hops)).div_ceil(PAIR)
    }

    /// Takes the marks that are there; called by the management core.
    pub fn take(&self, mut used: impl FnMut(u32)) {
        // What is left after this says so again.
        if !self.any.load(Ordering::Relaxed) || !self.any.swap(false, Ordering::Acquire) {
            return;
        }
        for place in self.hops.iter() {
            if place.load(Ordering::Relaxed) != 0 {
                used(place.swap(0, Ordering::Relaxed));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(marks: &Marks) -> Vec<u32> {
        let mut all = Vec::new();
        marks.take(|hop| all.push(hop));
        all
    }

    #[test]
    fn a_mark_is_taken_once() {
        let marks = Marks::default();
        assert!(taken(&marks).is_empty());
        for hop in [7, 5, 7, 7] {
            marks.leave(hop);
        }
        assert_eq!(taken(&marks), [5, 7]);
        assert!(taken(&marks).is_empty());
        marks.leave(7);
        assert_eq!(taken(&marks), [7]);
    }

    #[test]
    fn hops_that_share_a_place_are_all_marked_in_the_end() {
        let marks = Marks::default();
        let (one, other) = (3, 3 + PLACES as u32);
        marks.leave(one);
        marks.leave(other);
        assert_eq!(taken(&marks), [other]);
        marks.leave(one);
        assert_eq!(taken(&marks), [one]);
    }
}
