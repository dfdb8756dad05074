//! What the machine wants done, and what it refuses.

use thiserror::Error;

use super::entry::{EntryFlags, Key, State};
use crate::packet::MacAddr;

/// What the machine wants done.
#[derive(Debug)]
pub enum Action<P> {
    /// Ask for an address.
    Solicit {
        /// Whose.
        key: Key,
        /// The station to ask; all of them without.
        mac: Option<MacAddr>,
        /// How many questions came before.
        attempt: u32,
    },
    /// Ask those who watch (`app_solicit`).
    Ask(Key),
    /// The neighbour is at this address now.
    Resolved(Key, MacAddr),
    /// The neighbour's address is not known any more.
    Unresolved(Key),
    /// Whether workers are to say when they use the neighbour.
    Watch(Key, bool),
    /// Send these packets, in order.
    Release(Key, Vec<P>),
    /// Tell the senders of these packets that the neighbour does not answer.
    Fail(Key, Vec<P>),
    /// Drop these packets.
    Drop(Lost, Vec<P>),
    /// Look again at this question, whose answer was delayed.
    Redo(P),
    /// Tell those who watch.
    Tell {
        /// Who.
        key: Key,
        /// Its link-layer address.
        mac: Option<MacAddr>,
        /// Its state.
        state: State,
        /// Its marks.
        flags: EntryFlags,
        /// It is there no more.
        deleted: bool,
    },
}

/// Why packets are dropped in silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lost {
    /// Newer ones needed the room.
    QueueFull,
    /// The table is full of neighbours in use.
    TableFull,
    /// Nobody may be asked: `mcast_solicit` and `app_solicit` are 0.
    Unasked,
    /// The neighbour was taken away.
    Flushed,
    /// Too many questions wait for a proxy's answer.
    ProxyQueueFull,
}

/// A change of a neighbour that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// There is none.
    #[error("No such file or directory")]
    NotFound,
    /// There is one.
    #[error("File exists")]
    Exists,
    /// It is not to be learned: the administrator has set it.
    #[error("Operation not permitted")]
    Locked,
    /// Its address is neither given nor known.
    #[error("No link layer address given")]
    NoAddress,
    /// The table is full.
    #[error("No buffer space available")]
    Full,
    /// A permanent entry cannot be managed.
    #[error("Invalid NTF_* flag for permanent entry")]
    Permanent,
}
