//! Nodes of IPv6.

mod forward;
mod fragment;
mod hop_by_hop;
mod input;
mod local;
mod lookup;
mod reassemble;
mod segments;

pub use forward::{Forward6, Output6, Transit6};
pub use fragment::Fragment6;
pub use hop_by_hop::{HopByHop, RouterAlert6};
pub use input::Ip6Input;
pub use local::Ip6Local;
pub use lookup::Lookup6;
pub use reassemble::Reassemble6;
