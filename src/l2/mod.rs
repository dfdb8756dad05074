//! Room `l2`.
