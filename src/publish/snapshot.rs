//! Immutable tables, published whole.

use std::{ops::Deref, sync::Arc};

use arc_swap::{ArcSwap, Cache};

use super::{
    Apart,
    epoch::{Epoch, Epochs, Retired},
};

/// The pointer that every worker reads each turn, away from what changes more often.
struct Root<T>(Arc<Apart<ArcSwap<T>>>);

impl<T> Root<T> {
    fn share(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for Root<T> {
    type Target = ArcSwap<T>;

    #[inline]
    fn deref(&self) -> &ArcSwap<T> {
        &self.0
    }
}

/// The writer's end: the table in force, and those that workers may still read.
pub struct Publisher<T> {
    current: Root<T>,
    retired: Retired<Arc<T>>,
}

impl<T> Publisher<T> {
    /// Publishes the first table.
    pub fn new(first: T) -> Self {
        let current = Root(Arc::new(Apart(ArcSwap::from_pointee(first))));
        Self { current, retired: Retired::default() }
    }

    /// The table in force.
    pub fn current(&self) -> Arc<T> {
        self.current.load_full()
    }

    /// Puts `next` in force. The old table lives on until no worker can see it, and is then freed
    /// by [`Publisher::reclaim`] on the writer's thread, never by a worker.
    pub fn publish(&mut self, next: T, epochs: &Epochs) {
        let old = self.current.swap(Arc::new(next));
        self.retired.push(epochs.advance(), old);
    }

    /// Frees the tables that no worker can see any more.
    pub fn reclaim(&mut self, safe: Epoch) {
        while self.retired.pop(safe).is_some() {}
    }

    /// A reader for one worker.
    pub fn reader(&self) -> Reader<T> {
        Reader { cache: Cache::new(self.current.share()) }
    }
}

/// A worker's view of a published table.
pub struct Reader<T> {
    cache: Cache<Root<T>, Arc<T>>,
}

impl<T> Reader<T> {
    /// Lets go of the table held and takes the one in force. Call between bursts, between
    /// [`super::Guard::observe`] and [`super::Guard::announce`].
    #[inline]
    pub fn refresh(&mut self) -> &Arc<T> {
        self.cache.load()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_table_is_freed_by_the_writer_after_the_reader_let_go() {
        let epochs = Epochs::new(1);
        let guard = epochs.guard(0);
        guard.online();
        let mut publisher = Publisher::new(1);
        let mut reader = publisher.reader();
        assert_eq!(**reader.refresh(), 1);
        let old = Arc::downgrade(&publisher.current());
        publisher.publish(2, &epochs);
        publisher.reclaim(epochs.safe());
        assert!(old.upgrade().is_some(), "the reader has not announced yet");
        let seen = guard.observe();
        assert_eq!(**reader.refresh(), 2);
        guard.announce(seen);
        publisher.reclaim(epochs.safe());
        assert!(old.upgrade().is_none());
    }
}
