//! Routing: routes as the operator states them, the forwarding table the workers read, and the
//! nodes that look packets up.

pub mod spec;
