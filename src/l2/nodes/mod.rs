//! Nodes of the link layer.

mod classify;
mod ethernet_input;

pub use classify::Classify;
pub use ethernet_input::EthernetInput;
