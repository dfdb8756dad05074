//! Room `packet`.
