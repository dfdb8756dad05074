//! Packet filtering as netfilter does it: tables of rules at five points of a packet's way.
//!
//! - takes: rule sets, as the faces read them from `iptables-save` files; packets, as [`View`]s
//! - gives: the [`rule`] model, which says what each rule asks of a packet and does with it; the
//!   [`Program`] that workers run in its place, and its [`Verdict`] on a packet
//! - obeys: `iptables(8)`, `iptables-extensions(8)`
//!
//! The model is data without behaviour of its own: the faces parse and print it, the management core
//! compiles it. Nothing here knows where connections, sets, routes and logs are kept; a worker brings
//! them as its [`Env`].

mod check;
mod compile;
mod counters;
mod env;
mod eval;
pub mod flows;
pub mod flowtable;
mod index;
pub mod jobs;
mod matches;
mod memory;
pub mod nft;
pub mod nodes;
mod program;
mod proxy;
pub mod queue;
pub mod room;
pub mod rule;
pub mod table;
mod targets;
pub mod told;
mod view;

#[cfg(test)]
mod doubles;
#[cfg(test)]
mod eval_tests;

pub use check::{Fault, Wrong};
pub use compile::{Links, compile};
pub use counters::{Counts, Slots};
pub use env::{
    ConnFacts, Endpoint, Env, IpsecState, NatKind, NatRequest, Record, RecordKind, ReversePath,
    SetAsk, SetFound, TraceKind,
};
pub use eval::{DropCause, Verdict, evaluate};
pub use matches::recent::Seen;
pub use program::{Entry, Program};
pub use view::{Conn, ConnState, Facts, PacketFacts, PacketKind, View};
