//! Nodes of the ports.

mod hand;
mod rx;
mod spread;
mod tx;

pub use hand::{HandOver, HandedOver};
pub use rx::{DeviceRx, Intake};
pub use spread::{Handover, HandoverRx, Spread};
pub use tx::{Away, Sink, Tx};
