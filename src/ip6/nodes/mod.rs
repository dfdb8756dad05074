//! Nodes of IPv6.

mod forward;
mod input;
mod local;
mod lookup;

pub use forward::{Forward6, Output6};
pub use input::Ip6Input;
pub use local::Ip6Local;
pub use lookup::Lookup6;
