//! Nodes of IPv4.

mod clamp;
mod forward;
mod fragment;
mod input;
mod local;
mod lookup;
mod options;
mod originate;
mod reassemble;
mod source;

pub use clamp::ClampMss;
pub use forward::{Forward, Output, Transit};
pub use fragment::Fragment;
pub use input::{Ip4Addresses, Ip4Input};
pub use local::Ip4Local;
pub use lookup::Lookup;
pub use options::{Ip4Options, RouterAlert};
pub use originate::Originate;
pub use reassemble::Reassemble;
pub use source::Source;
