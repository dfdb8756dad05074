//! What differs between the families where routes are kept: the large forwarding table.

use std::sync::Arc;

use super::{
    fib::{Fib4, Fib4Writer, FibFull},
    fib6::{Fib6, Fib6Writer},
};
use crate::{packet::Bits, publish::Epoch};

/// A family of addresses with its large forwarding table.
pub trait Family: Bits {
    /// What workers read.
    type Fib: Fib<Self> + Send + Sync + 'static;
    /// What the management core writes.
    type Writer: FibWriter<Self, Fib = Self::Fib>;
}

/// A forwarding table as workers read it.
pub trait Fib<B> {
    /// Value of the longest route that covers `dst`, or 0.
    fn lookup(&self, dst: B) -> u32;
    /// The same with the route's length.
    fn lookup_with_len(&self, dst: B) -> (u32, u8);
    /// Looks all of `dst` up; `found` is as long as `dst`.
    fn lookup_batch(&self, dst: &[B], found: &mut [u32]);
}

/// The one writer of a forwarding table.
pub trait FibWriter<B> {
    /// What it writes.
    type Fib;

    /// An empty table with room for `groups` groups of longer routes.
    fn with_groups(groups: u32) -> Self;
    /// What readers hold.
    fn table(&self) -> &Arc<Self::Fib>;
    /// Routes of at most this length take no groups.
    const FREE_LEN: u8;
    /// Sets the value of a route.
    ///
    /// # Errors
    /// When there is no room; no look-up has changed then.
    fn insert(&mut self, prefix: B, len: u8, value: u32) -> Result<(), FibFull>;
    /// Removes a route; `cover` is the next shorter one, its length and value.
    fn remove(&mut self, prefix: B, len: u8, cover: Option<(u8, u32)>);
    /// True when places were given up since the last [`FibWriter::retire`].
    fn has_unlinked(&self) -> bool;
    /// Tags places that were given up with an epoch that began after that.
    fn retire(&mut self, epoch: Epoch);
    /// Makes places free that no worker can hold.
    fn reclaim(&mut self, safe: Epoch);
    /// Groups and bytes in use.
    fn usage(&self) -> (u64, u64);
}

impl Family for u32 {
    type Fib = Fib4;
    type Writer = Fib4Writer;
}

impl Family for u128 {
    type Fib = Fib6;
    type Writer = Fib6Writer;
}

impl Fib<u32> for Fib4 {
    #[inline]
    fn lookup(&self, dst: u32) -> u32 {
        self.lookup(dst)
    }

    fn lookup_with_len(&self, dst: u32) -> (u32, u8) {
        self.lookup_with_len(dst)
    }

    #[inline]
    fn lookup_batch(&self, dst: &[u32], found: &mut [u32]) {
        self.lookup_batch(dst, found);
    }
}

impl FibWriter<u32> for Fib4Writer {
    type Fib = Fib4;
    const FREE_LEN: u8 = 24;

    fn with_groups(groups: u32) -> Self {
        Self::new(groups)
    }

    fn table(&self) -> &Arc<Fib4> {
        self.table()
    }

    fn insert(&mut self, prefix: u32, len: u8, value: u32) -> Result<(), FibFull> {
        self.insert(prefix, len, value)
    }

    fn remove(&mut self, prefix: u32, len: u8, cover: Option<(u8, u32)>) {
        self.remove(prefix, len, cover);
    }

    fn has_unlinked(&self) -> bool {
        self.has_unlinked()
    }

    fn retire(&mut self, epoch: Epoch) {
        self.retire(epoch);
    }

    fn reclaim(&mut self, safe: Epoch) {
        self.reclaim(safe);
    }

    fn usage(&self) -> (u64, u64) {
        self.usage()
    }
}
