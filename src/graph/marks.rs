//! Marks that a worker leaves for the management core: which hops it has used.
//!
//! A worker writes a mark only for a hop that asks for it, and only when the mark is not there yet, so
//! that a busy hop costs one store until the management core has read it. Two hops that share a place
//! take turns at it; the one that lost its mark leaves it again with its next packet.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

const PLACES: usize = 1024;

/// The marks of one worker.
pub struct Marks {
    hops: Box<[AtomicU32; PLACES]>,
    any: AtomicBool,
}

impl Default for Marks {
    fn default() -> Self {
        Self { hops: Box::new([const { AtomicU32::new(0) }; PLACES]), any: AtomicBool::new(false) }
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
