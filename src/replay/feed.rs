//! What one worker plays, round after round: frames that are in memory, or those that a thread reads.
//!
//! - gives: frames in their order, a run of them at a time, and where a round ends
//! - costs: nothing a packet; a run from a thread costs a look into its queue, and one that gives it back

use std::{mem::take, sync::Arc};

use super::{
    load::Entry,
    stream::{Chunk, Ends, Shared},
};

/// What comes when all frames of a run have been played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Another run, which may be empty.
    Frames,
    /// Another run, once it has been read.
    Later,
    /// The end of a round.
    Round,
    /// Nothing any more.
    End,
}

/// Frames of one worker.
pub(super) enum Feed {
    /// All in memory: one run is a round.
    Kept {
        /// Bytes of all frames.
        bytes: Arc<Vec<u8>>,
        /// The worker's own.
        entries: Vec<Entry>,
        /// Rounds that have not begun.
        rounds: u64,
        /// A round has begun.
        open: bool,
    },
    /// Read by a thread.
    Streamed {
        /// What it is shared with.
        shared: Arc<Shared>,
        /// The worker's place.
        lane: usize,
        /// The run.
        chunk: Chunk,
        /// Nothing follows.
        over: bool,
    },
}

impl Feed {
    pub(super) const fn kept(bytes: Arc<Vec<u8>>, entries: Vec<Entry>, rounds: u64) -> Self {
        Self::Kept { bytes, entries, rounds, open: false }
    }

    pub(super) fn streamed(shared: Arc<Shared>, lane: usize) -> Self {
        Self::Streamed { shared, lane, chunk: Chunk::default(), over: false }
    }

    /// The frames of the run, and the bytes that they lie in. None before the first run has come.
    #[inline]
    pub(super) fn frames(&self) -> (&[u8], &[Entry]) {
        match self {
            Self::Kept { bytes, entries, open: true, .. } => (bytes, entries),
            Self::Kept { .. } => (&[], &[]),
            Self::Streamed { chunk, .. } => (&chunk.bytes, &chunk.entries),
        }
    }

    /// Runs that have been read and are still to be played.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        match self {
            Self::Kept { .. } => 0,
            Self::Streamed { shared, lane, .. } => shared.waiting(*lane),
        }
    }

    /// Goes on from a run that has been played.
    pub(super) fn advance(&mut self) -> Next {
        match self {
            Self::Kept { entries, rounds, open, .. } => {
                if take(open) {
                    return Next::Round;
                }
                if *rounds == 0 {
                    return Next::End;
                }
                // Rounds of nothing are one.
                *rounds = if entries.is_empty() { 0 } else { *rounds - 1 };
                *open = true;
                Next::Frames
            }
            Self::Streamed { shared, lane, chunk, over } => {
                let played = take(chunk);
                if !played.bytes.is_empty() {
                    let ends = played.ends;
                    shared.give_back(played);
                    *over |= ends == Ends::All;
                    if ends != Ends::Nothing {
                        return Next::Round;
                    }
                }
                if *over {
                    return Next::End;
                }
                match shared.take(*lane) {
                    (Some(next), _) => {
                        *chunk = next;
                        Next::Frames
                    }
                    (None, true) => {
                        *over = true;
                        Next::End
                    }
                    (None, false) => Next::Later,
                }
            }
        }
    }
}
