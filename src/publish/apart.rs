//! What one thread writes and others read, or write beside, away from everything else.

use std::ops::{Deref, DerefMut};

/// A value on cache lines of its own. Processors fetch lines in pairs, so it is two.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(128))]
pub struct Apart<T>(pub T);

impl<T> Deref for Apart<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Apart<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

/// Bytes that are fetched together.
pub const PAIR: usize = align_of::<Apart<()>>();

/// Whether values of a type never share lines with anything else, wherever they are put.
pub const fn is_apart<T>() -> bool {
    align_of::<T>().is_multiple_of(PAIR) && size_of::<T>() > 0
}

#[cfg(all(test, not(loom)))]
mod tests {
    use crossbeam_queue::ArrayQueue;

    use super::*;

    /// Rings leave room between who puts in and who takes out, as they promise nowhere.
    const _: () =
        assert!(align_of::<ArrayQueue<u64>>() >= PAIR && size_of::<ArrayQueue<u64>>() >= 3 * PAIR);

    #[test]
    fn neighbours_lie_on_other_lines() {
        let all = [Apart(1_u8), Apart(2), Apart(3)];
        let at = |value: &Apart<u8>| std::ptr::from_ref(&value.0).addr();
        assert!(all.windows(2).all(|two| at(&two[1]) / PAIR > at(&two[0]) / PAIR));
        assert!(is_apart::<Apart<u8>>() && is_apart::<[Apart<u8>; 2]>() && !is_apart::<u64>());
    }
}
