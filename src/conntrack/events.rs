//! What happened to connections, told to whoever listens.
//!
//! - gives: a bounded buffer of records of fixed size; what does not fit is counted as lost
//! - obeys: rows [9.110], [9.149], [9.187]; the kernel's `IPCT_*` bits
//! - costs: nothing while nobody listens; a record is a copy of the entry

use super::{expect::Announced, show::Snapshot};

/// A connection was made.
pub const NEW: u16 = 1 << 0;
/// A connection was made that another had announced.
pub const RELATED: u16 = 1 << 1;
/// A connection ended.
pub const DESTROY: u16 = 1 << 2;
/// The first packet of the reply direction was seen.
pub const REPLY: u16 = 1 << 3;
/// It will not be dropped early.
pub const ASSURED: u16 = 1 << 4;
/// The state of its protocol changed.
pub const PROTOINFO: u16 = 1 << 5;
/// A helper was attached.
pub const HELPER: u16 = 1 << 6;
/// Its mark changed.
pub const MARK: u16 = 1 << 7;
/// Its sequence numbers are adjusted.
pub const SEQADJ: u16 = 1 << 8;
/// Its security mark changed.
pub const SECMARK: u16 = 1 << 9;
/// A label changed.
pub const LABEL: u16 = 1 << 10;
/// Its SYN proxy changed.
pub const SYNPROXY: u16 = 1 << 11;

/// Which message an event is, as `conntrack -E` prints them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Message {
    /// `[NEW]`
    New,
    /// `[UPDATE]`
    Update,
    /// `[DESTROY]`
    Destroy,
}

/// One record.
#[derive(Debug, Clone, Copy)]
pub struct Event {
    /// What happened: bits of this module.
    pub what: u16,
    /// The connection, as it was then.
    pub snapshot: Snapshot,
    /// Of what happens to an expectation, that, and no connection is meant.
    pub expected: Option<Announced>,
}

impl Event {
    /// The message that carries it.
    pub const fn message(&self) -> Message {
        if self.what & DESTROY != 0 {
            Message::Destroy
        } else if self.what & (NEW | RELATED) != 0 {
            Message::New
        } else {
            Message::Update
        }
    }
}

/// The buffer of one worker.
#[derive(Debug)]
pub struct Events {
    ring: Vec<Event>,
    /// Where the oldest stands.
    first: usize,
    len: usize,
    /// Records that found no room since the last call of [`Events::take_lost`].
    lost: u64,
}

impl Events {
    pub(crate) fn new(capacity: u32) -> Self {
        Self { ring: Vec::with_capacity(capacity as usize), first: 0, len: 0, lost: 0 }
    }

    pub(crate) fn push(&mut self, event: Event) {
        let capacity = self.ring.capacity();
        if self.len == capacity {
            self.lost += 1;
            return;
        }
        let at = (self.first + self.len) % capacity;
        match self.ring.get_mut(at) {
            Some(place) => *place = event,
            None => self.ring.push(event),
        }
        self.len += 1;
    }

    /// The oldest record.
    pub fn pop(&mut self) -> Option<Event> {
        let event = *self.ring.get(self.first).filter(|_| self.len > 0)?;
        self.first = (self.first + 1) % self.ring.capacity();
        self.len -= 1;
        Some(event)
    }

    /// How many records wait.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether none waits.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Records lost since the last call.
    pub const fn take_lost(&mut self) -> u64 {
        std::mem::replace(&mut self.lost, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows [9.149]: who is too slow is told that something is missing.
    #[test]
    fn a_full_buffer_counts_what_it_loses() {
        let mut events = Events::new(3);
        let event = |what| Event { what, snapshot: Snapshot::default(), expected: None };
        for round in 0..5 {
            for n in 0..4 {
                events.push(event(n));
            }
            assert_eq!((events.len(), events.take_lost(), events.take_lost()), (3, 1, 0));
            let taken: Vec<_> = std::iter::from_fn(|| events.pop()).map(|e| e.what).collect();
            assert_eq!(taken, [0, 1, 2], "{round}");
            events.push(event(9));
            assert_eq!(events.pop().map(|e| e.what), Some(9));
        }
        let mut none = Events::new(0);
        none.push(event(1));
        assert!(none.pop().is_none() && none.is_empty());
    }
}
