//! Groups that the router itself listens to, and telling others on the link so: IGMP and MLD.
//!
//! - takes: who wants to hear which group from which sources; queries and reports from the link; time
//! - gives: reports and farewells to be sent, and whether a packet to a group is wanted
//! - obeys: RFC 1112, 2236 and 3376 (IGMP), RFC 2710 and 3810 (MLD), RFC 4604; rows [6.10] to [6.30],
//!   [8.130] to [8.164]
//!
//! One machine serves both protocols and each interface has one of each: [`Host`]. What they differ
//! in is in [`Protocol`].

mod filter;
mod host;
mod members;
mod protocol;
mod report;

pub use filter::{Group, Mode, Source};
pub use host::Host;
pub use members::{Error, Owner};
pub use protocol::{Igmp, Knobs, Mld, Protocol};

use crate::packet::record::Record;

/// What is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing<A> {
    /// That we listen to a group, in the words of this older version.
    Report(A, u8),
    /// That we may have been the last who listened to a group, in an older version's words.
    Leave(A),
    /// Records, as many as one packet holds.
    Records(Vec<Record<A>>),
}

#[cfg(test)]
mod tests;
