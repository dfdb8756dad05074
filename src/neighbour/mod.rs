//! Room `neighbour`.
