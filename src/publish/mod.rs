//! How tables cross from the management core to the workers without a lock.
//!
//! One thread writes, workers read. A table is either a *snapshot* ([`Publisher`]), built aside and
//! swapped whole, or changed *in place* by atomic stores, with freed slots kept in a [`Retired`]
//! list. Both rest on [`Epochs`]: what a worker may still see is neither freed nor reused until
//! every worker has announced that it let go.
//!
//! - obeys: ledger 5.92 (readers are lock-free, entries are released after a grace period)
//! - costs: one load of the snapshot pointer and one store a loop of a worker (`benches/engine.rs`)

mod apart;
mod epoch;
#[cfg(not(loom))]
mod snapshot;
mod sync;

pub use apart::{Apart, PAIR, is_apart};
pub use epoch::{Epoch, Epochs, Guard, Retired};
#[cfg(not(loom))]
pub use snapshot::{Publisher, Reader};
