//! Nodes of the packet filter: one where packets meet each hook, for either family.

mod around;
mod help;
mod hooked;
mod ingress;
mod own;
mod pass;
mod range;
mod synproxy;
mod translate;

pub use hooked::Hooked;
pub use ingress::Ingress;
