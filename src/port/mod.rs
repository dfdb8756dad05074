//! Ports: where packets enter and leave, and the interfaces that stand on them.

pub mod nodes;
pub mod table;
