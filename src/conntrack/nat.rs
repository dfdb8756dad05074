//! Address translation: which tuple a connection gets, and what that changes in its packets.
//!
//! - takes: packets from their IP header on, tuples, ranges to choose from, seeds
//! - gives: new tuples and rewritten packets; nothing here knows tables, rules or workers
//! - obeys: rows [9.225] to [9.256]; RFC 4787, RFC 5382, RFC 5508 where Linux leaves the choice
//! - costs: no allocation, no clock, no lock; work is bounded by the length of a packet or by a
//!   number of attempts that is named
//!
//! One file is one step: [`choose`] finds the tuple, [`rewrite`] writes an end of a packet, [`quote`]
//! does it within ICMP errors, [`prefix`] maps prefixes one to one, [`nat64`] turns packets into ones
//! of the other family, [`mangle`] edits payloads and [`sequence`] corrects what that does to TCP.
//! [`delta`] is [`rewrite`] worked out beforehand for the packets of a known flow, and [`sources`] knows
//! which connections of a source there are. [`setup`] does the choice in a table. [`blocks`] and [`cone`] are ways of carriers to choose that the
//! kernel has not, and [`carrier`] is what a worker keeps for them; [`cross`] gives
//! connections tuples of two families.

pub mod blocks;
pub mod carrier;
pub mod choose;
pub mod cone;
pub mod cross;
pub mod delta;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod mangle;
pub mod nat64;
pub mod prefix;
pub mod quote;
pub mod rewrite;
#[cfg(any(test, fuzzing))]
pub(crate) mod sample;
pub mod sequence;
pub mod setup;
pub mod sources;

pub use choose::{Choice, Range, Tuples, choose};
pub use quote::manip_error;
pub use rewrite::{Manip, applies, manip};
