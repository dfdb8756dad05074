//! Quiescent-state reclamation: when may a retired thing be freed?
//!
//! The writer unlinks a thing, then advances the epoch and tags the thing with the new number. A
//! reader stores the epoch it has seen in a cell of its own once it holds nothing old. When every
//! cell shows the tag or more, nobody can hold the thing.

use std::collections::VecDeque;

use super::{
    Apart,
    sync::{Arc, AtomicU64, Ordering, fence},
};

/// A moment in the writer's history; grows by one with each [`Epochs::advance`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(pub u64);

const OFFLINE: u64 = u64::MAX;

/// The writer's clock and the readers' cells.
pub struct Epochs {
    global: Apart<AtomicU64>,
    /// Each on lines of its own, so that announcing disturbs nobody.
    cells: Box<[Apart<AtomicU64>]>,
}

impl Epochs {
    /// Makes the clock for `readers` readers, all offline.
    pub fn new(readers: usize) -> Arc<Self> {
        Arc::new(Self {
            global: Apart(AtomicU64::new(1)),
            cells: (0..readers).map(|_| Apart(AtomicU64::new(OFFLINE))).collect(),
        })
    }

    /// How many readers there are.
    pub fn readers(&self) -> usize {
        self.cells.len()
    }

    /// Starts a new epoch and returns it: the tag for everything unlinked before this call.
    ///
    /// Only the one writer calls this.
    pub fn advance(&self) -> Epoch {
        let now = self.global.fetch_add(1, Ordering::SeqCst) + 1;
        // Pairs with the fence in `Guard::online`: either we see that reader's cell, or it sees our
        // unlinking.
        fence(Ordering::SeqCst);
        Epoch(now)
    }

    /// The newest epoch that every reader on line has announced: things tagged with it or with an
    /// earlier one can be reclaimed.
    pub fn safe(&self) -> Epoch {
        fence(Ordering::SeqCst);
        let newest = self.global.load(Ordering::Acquire);
        let oldest = self.cells.iter().map(|cell| cell.0.load(Ordering::Acquire)).min();
        Epoch(oldest.unwrap_or(newest).min(newest))
    }

    /// The reader's end of cell `index`. The reader starts offline.
    ///
    /// # Panics
    /// When `index` is not below the number of readers given to [`Epochs::new`].
    pub fn guard(self: &Arc<Self>, index: usize) -> Guard {
        assert!(index < self.cells.len(), "reader {index} of {}", self.cells.len());
        Guard { epochs: Arc::clone(self), index }
    }
}

/// A reader's announcements; one a worker.
pub struct Guard {
    epochs: Arc<Epochs>,
    index: usize,
}

impl Guard {
    fn cell(&self) -> &AtomicU64 {
        &self.epochs.cells[self.index].0
    }

    /// From now on this reader may hold what it reads.
    pub fn online(&self) {
        self.cell().store(self.epochs.global.load(Ordering::Acquire), Ordering::SeqCst);
        // The store must be visible before the first table is read; see `Epochs::advance`.
        fence(Ordering::SeqCst);
    }

    /// The epoch now: to be announced once everything read before this call is let go.
    #[inline]
    pub fn observe(&self) -> Epoch {
        Epoch(self.epochs.global.load(Ordering::Acquire))
    }

    /// Announces that this reader holds nothing it read before it observed `epoch`.
    ///
    /// The order is: observe, let go of the old tables and take the new, announce. Observed after
    /// taking, the epoch could belong to a table newer than the one taken, and the one in hand
    /// would count as let go.
    #[inline]
    pub fn announce(&self, epoch: Epoch) {
        self.cell().store(epoch.0, Ordering::Release);
    }

    /// Announces that this reader holds nothing it read before this call.
    #[inline]
    pub fn quiescent(&self) {
        self.announce(self.observe());
    }

    /// Announces that this reader holds nothing and will read nothing until [`Guard::online`].
    pub fn offline(&self) {
        self.cell().store(OFFLINE, Ordering::Release);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.offline();
    }
}

/// Things taken out of use, in order, each waiting for its epoch to be safe.
pub struct Retired<T> {
    waiting: VecDeque<(Epoch, T)>,
}

impl<T> Default for Retired<T> {
    fn default() -> Self {
        Self { waiting: VecDeque::new() }
    }
}

impl<T> Retired<T> {
    /// Keeps `thing`, which was unlinked before `epoch` began.
    pub fn push(&mut self, epoch: Epoch, thing: T) {
        debug_assert!(self.waiting.back().is_none_or(|(last, _)| *last <= epoch));
        self.waiting.push_back((epoch, thing));
    }

    /// Takes the next thing that nobody can hold any more.
    pub fn pop(&mut self, safe: Epoch) -> Option<T> {
        match self.waiting.front() {
            Some((epoch, _)) if *epoch <= safe => self.waiting.pop_front().map(|(_, thing)| thing),
            _ => None,
        }
    }

    /// How many things are waiting.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// True when nothing is waiting.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_thing_waits_for_every_reader_on_line() {
        let epochs = Epochs::new(3);
        let (a, b) = (epochs.guard(0), epochs.guard(1));
        a.online();
        b.online();
        let mut retired = Retired::default();
        retired.push(epochs.advance(), "old");
        assert_eq!(retired.pop(epochs.safe()), None);
        a.quiescent();
        assert_eq!(retired.pop(epochs.safe()), None, "b may still hold it");
        b.offline();
        assert_eq!(retired.pop(epochs.safe()), Some("old"));
        assert!(retired.is_empty());
    }

    #[test]
    fn without_readers_everything_is_safe_at_once() {
        let epochs = Epochs::new(0);
        let tag = epochs.advance();
        assert!(epochs.safe() >= tag);
    }
}

/// Model checks: run with `RUSTFLAGS="--cfg loom" cargo test --release --lib publish`.
#[cfg(all(test, loom))]
mod model {
    use loom::{cell::UnsafeCell, sync::atomic::AtomicUsize, thread};

    use super::*;

    /// Two slots that take turns: the live one is named by `root`, the other is written afresh only
    /// when its epoch is safe. loom reports any write that races with a reader's read.
    struct Slots {
        root: AtomicUsize,
        slots: [UnsafeCell<u64>; 2],
    }

    fn slots() -> Arc<Slots> {
        Arc::new(Slots {
            root: AtomicUsize::new(0),
            slots: [UnsafeCell::new(0), UnsafeCell::new(0)],
        })
    }

    fn read(slots: &Slots) {
        let live = slots.root.load(Ordering::Acquire);
        slots.slots[live].with(|_| ());
    }

    fn write(epochs: &Epochs, slots: &Slots) {
        slots.slots[1].with_mut(|_| ());
        slots.root.store(1, Ordering::Release);
        let tag = epochs.advance();
        if epochs.safe() >= tag {
            slots.slots[0].with_mut(|_| ());
        }
    }

    #[test]
    fn a_running_reader_never_sees_a_reused_slot() {
        loom::model(|| {
            let (epochs, slots) = (Epochs::new(1), slots());
            let guard = epochs.guard(0);
            guard.online();
            let reader = {
                let slots = Arc::clone(&slots);
                thread::spawn(move || {
                    read(&slots);
                    guard.quiescent();
                    read(&slots);
                    guard
                })
            };
            write(&epochs, &slots);
            drop(reader.join());
        });
    }

    #[test]
    fn a_reader_that_takes_before_it_announces_never_sees_a_reused_slot() {
        loom::model(|| {
            let (epochs, slots) = (Epochs::new(1), slots());
            let guard = epochs.guard(0);
            guard.online();
            let reader = {
                let slots = Arc::clone(&slots);
                thread::spawn(move || {
                    read(&slots);
                    let seen = guard.observe();
                    let live = slots.root.load(Ordering::Acquire);
                    guard.announce(seen);
                    slots.slots[live].with(|_| ());
                    guard
                })
            };
            write(&epochs, &slots);
            drop(reader.join());
        });
    }

    #[test]
    fn a_reader_that_wakes_never_sees_a_reused_slot() {
        loom::model(|| {
            let (epochs, slots) = (Epochs::new(1), slots());
            let guard = epochs.guard(0);
            let reader = {
                let slots = Arc::clone(&slots);
                thread::spawn(move || {
                    guard.online();
                    read(&slots);
                    guard.offline();
                })
            };
            write(&epochs, &slots);
            drop(reader.join());
        });
    }

    #[test]
    fn two_readers_are_both_waited_for() {
        loom::model(|| {
            let (epochs, slots) = (Epochs::new(2), slots());
            let readers: Vec<_> = (0..2)
                .map(|index| {
                    let guard = epochs.guard(index);
                    guard.online();
                    let slots = Arc::clone(&slots);
                    thread::spawn(move || {
                        read(&slots);
                        guard.quiescent();
                    })
                })
                .collect();
            write(&epochs, &slots);
            for reader in readers {
                drop(reader.join());
            }
        });
    }
}
