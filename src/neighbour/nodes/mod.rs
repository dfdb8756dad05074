//! Nodes of the neighbouring subsystem: what workers leave to the management core.

mod punt;

pub use punt::{Punt, PuntKind, Punted};
