//! Nodes of the neighbouring subsystem: what workers leave to the management core.

mod martian;
mod punt;

pub use martian::MartianLog;
pub use punt::{Punt, PuntKind, Punted};
