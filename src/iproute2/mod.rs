//! Room `iproute2`.
