//! Room `icmp`.
