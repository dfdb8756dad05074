//! Where Wagonway is known to differ from Linux, and why it may.
//!
//! An entry that no longer differs fails the test, so this list cannot outlive its reasons.

use crate::compare::Known;

/// Family, name of the frame, and the reason.
pub(crate) const KNOWN: &[Known] = &[];
