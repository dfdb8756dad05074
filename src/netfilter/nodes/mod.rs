//! Nodes of the packet filter: one where packets meet each hook, for either family.

mod around;
mod cross;
mod flowtable;
mod help;
mod hooked;
mod ingress;
mod learn;
mod own;
mod pass;
mod queue;
mod range;
mod synproxy;
mod translate;

pub use cross::Nat64;
pub use flowtable::Short;
pub use hooked::Hooked;
pub use ingress::Ingress;
pub use queue::Queue;
