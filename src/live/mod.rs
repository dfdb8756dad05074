//! The live router: ports, workers and the management core, until a signal.

use thiserror::Error;

use crate::config::{Config, ConfigErrors};

/// A router that could not start, or had to end.
#[derive(Debug, Error)]
pub enum LiveError {
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

impl LiveError {
    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Config(_) => None,
            Self::Other { hint, .. } => hint.as_deref(),
        }
    }
}

/// Runs until SIGINT or SIGTERM.
///
/// # Errors
/// When a device, the socket or memory is not to be had.
pub fn run(_config: Config) -> Result<(), LiveError> {
    todo!()
}
