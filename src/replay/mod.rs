//! Captures through the router: as fast as it can, or reproducibly.

use std::path::PathBuf;

use thiserror::Error;

use crate::{
    config::{Config, ConfigErrors},
    telemetry::report::{BenchReport, ReplayReport},
};

/// What to replay, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The router.
    pub config: Config,
    /// Captures: name of the port and file.
    pub captures: Vec<(String, PathBuf)>,
    /// Directory for one capture a port: a deterministic replay.
    pub write: Option<PathBuf>,
    /// Rounds.
    pub repeat: u64,
    /// Workers, when not as configured.
    pub workers: Option<u16>,
    /// Frames must be addressed to the router.
    pub strict_mac: bool,
    /// Neighbours must be known.
    pub strict_neighbours: bool,
    /// Every destination in the captures gets a route over the ports.
    pub routes_auto: bool,
    /// Draw a progress bar.
    pub progress: bool,
}

/// Size of the frames of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// All alike, in bytes with the frame check sequence.
    Fixed(u16),
    /// 7 of 64, 4 of 594 and 1 of 1518 bytes.
    Imix,
}

/// What to measure.
#[derive(Clone, Debug)]
pub struct BenchOptions {
    /// The router; its routes are taken as they are.
    pub config: Config,
    /// A measurement for each.
    pub sizes: Vec<Size>,
    /// Distinct flows.
    pub flows: u32,
    /// Synthetic routes in place of the configuration's.
    pub routes: Option<u32>,
    /// Workers, when not as configured.
    pub workers: Option<u16>,
    /// Packets of each measurement.
    pub packets: u64,
    /// Seed of the traffic.
    pub seed: u64,
    /// Draw a progress bar.
    pub progress: bool,
}

/// A replay that could not be.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// The configuration does not serve.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// Something else: what, and what to do about it.
    #[error("{message}")]
    Other {
        /// What.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
}

impl ReplayError {
    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Config(_) => None,
            Self::Other { hint, .. } => hint.as_deref(),
        }
    }
}

/// Replays captures.
///
/// # Errors
/// When a capture or the configuration does not serve, or an output cannot be written.
pub fn replay(_options: &Options) -> Result<ReplayReport, ReplayError> {
    todo!()
}

/// Measures with synthetic traffic.
///
/// # Errors
/// When the configuration does not serve.
pub fn bench(_options: &BenchOptions) -> Result<BenchReport, ReplayError> {
    todo!()
}
