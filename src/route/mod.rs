//! Routing: routes as the operator states them, the forwarding table the workers read, and the
//! nodes that look packets up.

pub mod cache;
pub mod control;
pub mod fib;
pub mod hops;
pub mod rib;
pub mod spec;
pub mod synth;
pub mod table;
