//! The command line of iproute2: an operator's `ip ...` words become typed commands, and state is
//! printed as `ip` prints it.
//!
//! - takes: words, as a shell splits them or as a batch file writes them ([`batch`])
//! - gives: a [`Command`] for the management core, or the error that `ip` would print
//! - obeys: `ip(8)`, `ip-link(8)`, `ip-address(8)`, `ip-route(8)`, `ip-neighbour(8)`, `ip-ntable(8)`,
//!   `ip-rule(8)`, `ip-nexthop(8)`, `ip-addrlabel(8)`, `ip-maddress(8)`, `ip-vrf(8)`, `ip-monitor(8)`
//!
//! Parsing is pure: whether a device exists is the executor's to say. A word that iproute2 knows and
//! this router does not is an error, never ignored.

mod addr;
mod addrlabel;
pub mod batch;
mod error;
mod link;
mod maddr;
mod metrics;
mod monitor;
pub mod names;
mod neigh;
mod nexthop;
mod ntable;
mod options;
mod route;
mod rule;
pub mod show;
mod usage;
mod vrf;
mod words;

pub use addr::{
    AddrCommand, AddrFilter, AddrFlags, AddrSpec, Broadcast, FLAG_WORDS, NOPREFIXROUTE, PERMANENT,
};
pub use addrlabel::{LabelCommand, LabelSpec};
pub use batch::parse_batch;
pub use error::{Fact, ParseError};
pub use link::{LinkChange, LinkCommand, LinkFilter, Master, VlanProtocol, VlanSpec};
pub use maddr::MaddrCommand;
pub use monitor::MonitorCommand;
pub use neigh::{NeighCommand, NeighFilter, NeighSpec, NudState};
pub use nexthop::{BucketFilter, NexthopCommand, NexthopFilter, ResilientWords};
pub use ntable::{NtableCommand, NtableFilter, NtableParam, NtableSpec, NtableThreshold};
pub use options::Options;
pub use route::{PrefixFilter, RouteCommand, RouteFilter, RouteGet, parse_route_words};
pub use rule::{RuleCommand, RuleFilter, RulePattern};
pub use usage::{Object, Usage};
pub use vrf::VrfCommand;

pub use words::Inet;
use words::{Parse, Words, abbreviates};

/// One command line of `ip`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// What stands before the object.
    pub options: Options,
    /// What is to be done.
    pub action: Action,
}

/// What one command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// `ip link ...`
    Link(LinkCommand),
    /// `ip address ...`
    Addr(AddrCommand),
    /// `ip route ...`
    Route(RouteCommand),
    /// `ip neighbour ...`
    Neigh(NeighCommand),
    /// `ip ntable ...`
    Ntable(NtableCommand),
    /// `ip rule ...`
    Rule(RuleCommand),
    /// `ip nexthop ...`
    Nexthop(NexthopCommand),
    /// `ip maddress ...`
    Maddr(MaddrCommand),
    /// `ip vrf ...`
    Vrf(VrfCommand),
    /// `ip addrlabel ...`
    Label(LabelCommand),
    /// `ip monitor ...`
    Monitor(MonitorCommand),
    /// `ip -batch FILE`; `-` is the standard input.
    Batch(String),
}

/// The objects of iproute2 in the order in which it tries abbreviations.
const OBJECTS: &[(&str, Option<Object>)] = &[
    ("address", Some(Object::Address)),
    ("addrlabel", Some(Object::Label)),
    ("maddress", Some(Object::Maddr)),
    ("route", Some(Object::Route)),
    ("rule", Some(Object::Rule)),
    ("neighbor", Some(Object::Neigh)),
    ("neighbour", Some(Object::Neigh)),
    ("ntable", Some(Object::Ntable)),
    ("ntbl", Some(Object::Ntable)),
    ("link", Some(Object::Link)),
    ("l2tp", None),
    ("fou", None),
    ("ila", None),
    ("macsec", None),
    ("tunnel", None),
    ("tunl", None),
    ("tuntap", None),
    ("tap", None),
    ("token", None),
    ("tcpmetrics", None),
    ("tcp_metrics", None),
    ("monitor", Some(Object::Monitor)),
    ("xfrm", None),
    ("mroute", None),
    ("mrule", None),
    ("netns", None),
    ("netconf", None),
    ("vrf", Some(Object::Vrf)),
    ("sr", None),
    ("nexthop", Some(Object::Nexthop)),
    ("mptcp", None),
    ("ioam", None),
    ("stats", None),
];

/// Reads the words after `ip`.
///
/// # Errors
/// The error that `ip` would print, or that the router cannot do it yet.
pub fn parse(words: &[&str]) -> Result<Command, ParseError> {
    let mut words = Words::new(words);
    let options = options::read(&mut words)?;
    if let Some(file) = &options.batch {
        let action = Action::Batch(file.clone());
        return Ok(Command { options, action });
    }
    let action = read_action(&mut words)?;
    Ok(Command { options, action })
}

fn read_action(words: &mut Words<'_>) -> Parse<Action> {
    let Some(word) = words.take() else {
        return words.fail_end(Fact::Usage(Usage(None)));
    };
    let Some((name, object)) = OBJECTS.iter().find(|(name, _)| abbreviates(word, name)) else {
        return if abbreviates(word, "help") {
            words.fail(Fact::Usage(Usage(None)))
        } else {
            words.fail(Fact::UnknownObject(word.to_owned()))
        };
    };
    match object {
        Some(Object::Address) => addr::read(words).map(Action::Addr),
        Some(Object::Route) => route::read(words).map(Action::Route),
        Some(Object::Neigh) => neigh::read(words).map(Action::Neigh),
        Some(Object::Ntable) => ntable::read(words).map(Action::Ntable),
        Some(Object::Link) => link::read(words).map(Action::Link),
        Some(Object::Rule) => rule::read(words).map(Action::Rule),
        Some(Object::Nexthop) => nexthop::read(words).map(Action::Nexthop),
        Some(Object::Maddr) => maddr::read(words).map(Action::Maddr),
        Some(Object::Vrf) => vrf::read(words).map(Action::Vrf),
        Some(Object::Label) => addrlabel::read(words).map(Action::Label),
        Some(Object::Monitor) => monitor::read(words).map(Action::Monitor),
        None => words.unsupported(*name),
    }
}

#[cfg(test)]
pub(crate) mod oracle;
#[cfg(test)]
mod tests;
