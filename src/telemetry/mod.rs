//! What the router tells of itself: the rows of every `show`, and the socket on which it answers.
//!
//! The router fills the rows of [`report`]; `cli` renders them, and prints the same rows as JSON.

pub mod desk;
pub mod page;
pub mod protocol;
pub mod queues;
pub mod report;
pub mod socket;
pub mod tally;
pub mod words;
