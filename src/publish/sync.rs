//! The atomics in use: loom's under model checking, the standard library's otherwise.

// Counting references is not what is checked, and methods cannot take `&loom::sync::Arc<Self>`.
pub(super) use std::sync::Arc;

#[cfg(loom)]
pub(super) use loom::sync::atomic::{AtomicU64, Ordering, fence};
#[cfg(not(loom))]
pub(super) use std::sync::atomic::{AtomicU64, Ordering, fence};
