//! What matches remember, shared by all workers.
//!
//! - takes: questions of packets, with the time
//! - gives: [`Memory`] of one rule, [`Named`] of all rules that say a name
//! - costs: one compare-and-swap a question; nothing is allocated behind compilation
//!
//! Sizes are fixed when the rules are compiled. What a rule remembers lives as long as the rule.

use std::sync::{
    Arc,
    atomic::{AtomicU32, AtomicU64},
};

use super::matches::{connlimit, hashlimit, limit, recent};
use crate::publish::Apart;

/// What one match of a rule remembers.
#[derive(Clone, Debug)]
pub(super) enum Memory {
    /// `limit`
    Limit(Arc<limit::Bucket>),
    /// `quota`: bytes that are left.
    Quota(Arc<Apart<AtomicU64>>),
    /// `statistic --mode nth`: how many came since the last one.
    Nth(Arc<Apart<AtomicU32>>),
    /// `connlimit`
    ConnLimit(Arc<connlimit::Counted>),
}

/// What is shared by name.
#[derive(Clone, Debug)]
pub(super) enum Named {
    /// `hashlimit`
    HashLimit(Arc<hashlimit::Buckets>),
    /// `recent`
    Recent(Arc<recent::List>),
}
