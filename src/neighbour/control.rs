//! The neighbour tables of the management core: states, timers, and packets that wait.
//!
//! One machine for ARP and neighbour discovery, without input or output: `handle_*`,
//! [`Neighbours::update`] and [`Neighbours::learn`] tell it what the world said,
//! [`Neighbours::poll`] lets time pass, [`Neighbours::take_actions`] says what it wants done.
//!
//! - obeys: RFC 826, RFC 4861 section 7.3; ledger 7.1 to 7.74; the kernel's `net/core/neighbour.c`
//! - costs: an ordered set a change; a packet that a full table refuses costs a look-up

/// Bytes of an entry, packets that wait for it left out.
pub const ENTRY_SIZE: usize = size_of::<(Key, Entry<()>)>();

pub use super::{
    action::{Action, Lost, Refusal},
    entry::{Ages, Entry, EntryFlags, Family, Key, State, UpdateFlags},
    machine::Neighbours,
    params::{Params, Thresholds, Unit, Var},
    proxy::Proxied,
    stats::Stats,
};
