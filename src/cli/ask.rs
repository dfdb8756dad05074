//! The other end of the status socket.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
};

use serde_json::Value;
use thiserror::Error;

use crate::telemetry::protocol::{Line, Request};

/// A question that was not answered.
#[derive(Debug, Error)]
pub(super) enum AskError {
    /// Nobody is there.
    #[error("no router answers at {}: {error}", path.display())]
    NoRouter {
        /// Where it was looked for.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// The connection broke.
    #[error("the connection to the router broke: {0}")]
    Broken(io::Error),
    /// What came is no answer.
    #[error("the router's answer cannot be read: {0}")]
    Unreadable(String),
    /// The router said no.
    #[error("{error}")]
    Refused {
        /// Why.
        error: String,
        /// What to do.
        hint: Option<String>,
    },
}

impl AskError {
    /// What to do about it.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::NoRouter { error, .. } => Some(match error.kind() {
                io::ErrorKind::PermissionDenied => "run as the user who runs the router".into(),
                _ => "start one with `wagonway run`, or name it with --instance or --socket".into(),
            }),
            Self::Broken(_) => Some("the router may be stopping".into()),
            Self::Unreadable(_) => Some("is the router of another version?".into()),
            Self::Refused { hint, .. } => hint.clone(),
        }
    }
}

/// A connection to a router.
pub(super) struct Ask {
    read: BufReader<UnixStream>,
}

impl Ask {
    pub(super) fn connect(path: &Path) -> Result<Self, AskError> {
        let stream = UnixStream::connect(path)
            .map_err(|error| AskError::NoRouter { path: path.to_owned(), error })?;
        Ok(Self { read: BufReader::new(stream) })
    }

    /// Asks, and gives the rows of the answer to `row` until it wants no more.
    pub(super) fn request(
        &mut self,
        request: &Request,
        mut row: impl FnMut(Value) -> bool,
    ) -> Result<(), AskError> {
        let mut text = serde_json::to_string(request)
            .map_err(|error| AskError::Unreadable(error.to_string()))?;
        text.push('\n');
        self.read.get_mut().write_all(text.as_bytes()).map_err(AskError::Broken)?;
        loop {
            let mut text = String::new();
            if self.read.read_line(&mut text).map_err(AskError::Broken)? == 0 {
                return Err(AskError::Broken(io::ErrorKind::UnexpectedEof.into()));
            }
            let line: Line = serde_json::from_str(&text)
                .map_err(|error| AskError::Unreadable(error.to_string()))?;
            if let Some(error) = line.error {
                return Err(AskError::Refused { error, hint: line.hint });
            }
            if let Some(data) = line.data {
                row(data);
                return Ok(());
            }
            for one in line.rows.into_iter().flatten() {
                if !row(one) {
                    return Ok(());
                }
            }
            if line.end {
                return Ok(());
            }
        }
    }
}
