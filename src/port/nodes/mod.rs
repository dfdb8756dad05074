//! Nodes of the ports.

mod rx;
mod spread;
mod tx;

pub use rx::DeviceRx;
pub use spread::{Handover, HandoverRx, Spread};
pub use tx::{Away, Sink, Tx};
