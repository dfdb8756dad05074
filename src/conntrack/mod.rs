//! Connection tracking: which connection a packet belongs to, and what it is in it.
//!
//! - takes: packets from their IP header on, the time, and what operators have set ([`Rules`])
//! - gives: [`Conntrack`], one for each worker and owned by it alone: no lock, no clock, no allocation
//!   after it is built
//! - obeys: chapter 9 of docs/behaviour; Linux 6.x, whose names and numbers are used throughout
//! - costs: a look-up of an established flow touches four cache lines
//!
//! A packet *enters* at PRE_ROUTING or LOCAL_OUT and is *confirmed* at POST_ROUTING or LOCAL_IN; what
//! ends between must be *released*. Once a turn, between bursts, [`Conntrack::run`] ends what has
//! expired. [`show`] belongs to the management core.

mod affinity;
mod chain;
pub mod directory;
pub mod entry;
pub mod events;
pub mod expect;
pub mod headers;
pub mod helper;
pub mod homes;
mod known;
pub mod manage;
pub mod nat;
pub mod pipeline;
mod reap;
pub mod rules;
#[cfg(any(test, fuzzing))]
pub mod sample;
pub mod seqadj;
pub mod show;
pub mod stats;
mod table;
#[cfg(test)]
mod tests;
pub mod timeouts;
pub mod track;
pub mod tuple;
mod wheel;

pub use affinity::Affinity;
pub use directory::Directory;
pub use entry::{ConnId, Dir, Entry, status};
pub use expect::Expect;
pub use homes::Homes;
pub use known::Known;
pub use pipeline::{CtInfo, EnterCx, Entered, Hook, Prepared, Prior, Verdict};
pub use rules::{Policy, Rules, Template, Zone};
pub use show::Snapshot;
pub use stats::Stats;
pub use table::{Conntrack, Limits, Warm};
pub use timeouts::Timeouts;
pub use track::Why;
pub use tuple::{Addr, Tuple};

/// Time, in nanoseconds of the worker's clock.
pub type Nanos = u64;
