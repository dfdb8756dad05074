//! Room `ip4`.
