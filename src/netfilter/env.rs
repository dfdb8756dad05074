//! What rules ask of the world around a packet, and what they tell it.
//!
//! - takes: nothing
//! - gives: [`Env`], which a worker implements; the plain values that go through it
//!
//! Every method has the answer of a router that has none of the things asked about.

use std::net::IpAddr;

use crate::conntrack;

use super::eval::{DropCause, Verdict};
use super::rule::{self, Hook, SetSide, TableName};
use super::view::{Conn, View};

/// One side of a connection's tuple.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its address.
    pub address: IpAddr,
    /// Its port; the identifier of an echo, and the call of a tunnel.
    pub port: u16,
}

/// What a tracker knows of a packet's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnFacts {
    /// Its protocol.
    pub protocol: u8,
    /// Source and destination of its first packet.
    pub original: [Endpoint; 2],
    /// Source and destination of answers to it.
    pub reply: [Endpoint; 2],
    /// Bits of [`rule::CtStatus`], with those of the kernel that rules cannot name.
    pub status: u32,
    /// Seconds until it is forgotten.
    pub expires: u32,
    /// `connmark`
    pub mark: u32,
    /// `connlabel`; none where there is no room for any.
    pub labels: Option<u128>,
    /// Packets and bytes of both directions, if they are counted.
    pub counts: Option<[rule::Counters; 2]>,
}

/// Bits of [`ConnFacts::status`] beyond those that rules name.
pub(super) mod status {
    /// Its source was changed.
    pub(crate) const SRC_NAT: u32 = 1 << 4;
    /// Its destination was changed.
    pub(crate) const DST_NAT: u32 = 1 << 5;
}

/// A question of `rpfilter`: whether the way to the source leads where the packet came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReversePath {
    /// Where to: the packet's source.
    pub to: IpAddr,
    /// Where from: the packet's destination, none if that is no address of one host.
    pub from: Option<IpAddr>,
    /// The interface it came by.
    pub iface: u16,
    /// The mark to route by.
    pub mark: u32,
    /// DSCP bits in their place.
    pub tos: u8,
    /// Flow label with its class, of IPv6.
    pub flow: u32,
    /// Any interface will do.
    pub loose: bool,
    /// A source that is this host's own will do.
    pub accept_local: bool,
}

/// A question about, or a change of, a set.
#[derive(Clone, Copy, Debug)]
pub struct SetAsk<'a> {
    /// Which set.
    pub name: &'a str,
    /// From which sides the element's parts are taken.
    pub sides: &'a [SetSide],
    /// Elements marked `nomatch` are found.
    pub return_nomatch: bool,
    /// Finding it does not count.
    pub keep_counters: bool,
    /// Nor in the sets that a list holds.
    pub keep_subcounters: bool,
    /// Its packets must compare so.
    pub packets: Option<rule::SetCounter>,
    /// Its bytes must compare so.
    pub bytes: Option<rule::SetCounter>,
    /// One that is there has its timeout set anew.
    pub exist: bool,
    /// Seconds it stays; the set's own if not said.
    pub timeout: Option<u32>,
}

impl<'a> SetAsk<'a> {
    /// The plain question.
    #[must_use]
    pub fn new(name: &'a str, sides: &'a [SetSide]) -> Self {
        Self {
            name,
            sides,
            return_nomatch: false,
            keep_counters: false,
            keep_subcounters: false,
            packets: None,
            bytes: None,
            exist: false,
            timeout: None,
        }
    }
}

/// What an element of a set has beside its name (`skbinfo`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetFound {
    /// Mark, and which bits of it.
    pub mark: (u32, u32),
    /// Class.
    pub priority: u32,
    /// Queue.
    pub queue: u16,
}

/// Which kind of translation is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NatKind<'a> {
    /// `SNAT`
    Snat(&'a rule::Nat),
    /// `DNAT`
    Dnat(&'a rule::Nat),
    /// `MASQUERADE`
    Masquerade(&'a rule::Masquerade),
    /// `REDIRECT`
    Redirect(&'a rule::Redirect),
    /// `NETMAP`
    Netmap(&'a rule::Prefix),
}

/// A translation that a rule wants for a packet's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NatRequest<'a> {
    /// Where.
    pub hook: Hook,
    /// What.
    pub kind: NatKind<'a>,
}

/// How a packet came past a rule that is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceKind {
    /// Its target had it.
    Rule,
    /// A chain went back to where it was called.
    Return,
    /// A built-in chain's policy had it.
    Policy,
}

impl TraceKind {
    /// The word in the log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Return => "return",
            Self::Policy => "policy",
        }
    }
}

/// What a packet is told of for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind<'a> {
    /// `LOG`
    Log(&'a rule::Log),
    /// `NFLOG`
    Nflog(&'a rule::Nflog),
    /// `AUDIT`
    Audit(rule::Audit),
    /// It belongs to no connection.
    Invalid {
        /// Its protocol.
        protocol: u8,
        /// Why not.
        why: conntrack::Why,
    },
    /// It is traced, and came past a rule.
    Trace {
        /// Name of the chain.
        chain: &'a str,
        /// How.
        kind: TraceKind,
        /// The rule's number, from 1.
        number: u32,
    },
}

/// A packet is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// By which table.
    pub table: TableName,
    /// Where.
    pub hook: Hook,
    /// For what.
    pub kind: RecordKind<'a>,
}

/// What IPsec did, or will do, with a packet, for `policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpsecState {
    /// `--reqid`
    pub request: u32,
    /// `--spi`
    pub spi: u32,
    /// `--proto`
    pub protocol: u8,
    /// `--mode`
    pub mode: rule::PolicyMode,
    /// Outer addresses, source first.
    pub tunnel: [IpAddr; 2],
}

/// What is around a packet.
pub trait Env {
    /// What is known of the packet's connection.
    fn conn(&self, _: &Conn) -> Option<ConnFacts> {
        None
    }

    /// The connection's mark.
    fn conn_mark(&self, conn: &Conn) -> Option<u32> {
        self.conn(conn).map(|facts| facts.mark)
    }

    /// Marks the connection.
    fn set_conn_mark(&mut self, _: &Conn, _mark: u32) {}

    /// Sets a label of the connection; false if it cannot have any.
    fn set_conn_label(&mut self, _: &Conn, _label: u16) -> bool {
        false
    }

    /// The zone of the connection, of a direction or of both.
    fn conn_zone(&self, _: &Conn, _reply: Option<bool>) -> Option<u16> {
        None
    }

    /// Gives a connection that is not known yet a helper, unless it has one.
    fn set_conn_helper(&mut self, _: &Conn, _helper: u16) {}

    /// The name of the helper of the connection that expected this one.
    fn helper(&self, _: &Conn) -> Option<&str> {
        None
    }

    /// Whether a connection of this worker is still there, and neither closed nor waiting to be
    /// forgotten.
    fn is_open(&self, _id: u64) -> bool {
        false
    }

    /// The types of an address, bits of [`rule::AddrTypes`]; with an interface only as it knows them.
    fn address_types(&self, _: IpAddr, _iface: Option<u16>) -> u16 {
        0
    }

    /// Whether the way back leads where it should.
    fn reverse_path(&self, _: &ReversePath) -> bool {
        false
    }

    /// Whether the packet's element is in a set.
    fn set_test(&mut self, _: &SetAsk<'_>, _: &View<'_>) -> bool {
        false
    }

    /// Puts it there.
    fn set_add(&mut self, _: &SetAsk<'_>, _: &View<'_>) {}

    /// Takes it out.
    fn set_del(&mut self, _: &SetAsk<'_>, _: &View<'_>) {}

    /// What the set has beside it.
    fn set_find(&mut self, _: &SetAsk<'_>, _: &View<'_>) -> Option<SetFound> {
        None
    }

    /// Tells of the packet.
    fn record(&mut self, _: &Record<'_>, _: &View<'_>) {}

    /// Decides a translation of the packet's connection.
    fn nat(&mut self, _: &NatRequest<'_>, _: &mut View<'_>) -> Verdict {
        Verdict::Drop(DropCause::Target)
    }

    /// Answers for a server until the client has proved itself.
    fn synproxy(&mut self, _: &rule::Synproxy, _: &mut View<'_>) -> Verdict {
        Verdict::Drop(DropCause::Target)
    }

    /// Sends a copy to a neighbour.
    fn tee(&mut self, _gateway: IpAddr, _output: Option<u16>, _: &View<'_>) {}

    /// Whether an interface leads back to the router itself.
    fn is_loopback(&self, _iface: u16) -> bool {
        false
    }

    /// Minutes by which the clock on the wall is behind UTC.
    fn minutes_west(&self) -> i32 {
        0
    }

    /// A rule that held has counted the packet in this place.
    #[inline(always)]
    fn counted(&mut self, _slot: u32) {}

    /// A step of nftables has counted the packet, by its number.
    #[inline(always)]
    fn counted_by_step(&mut self, _step: u32) {}

    /// Whether it matters what of this holds for all packets of the flow.
    #[inline(always)]
    fn learns(&self) -> bool {
        false
    }

    /// What the packet met may differ for the next packet of its flow.
    #[inline(always)]
    fn unsteady(&mut self) {}

    /// A number that nobody can foresee.
    fn random(&mut self) -> u32 {
        0
    }

    /// The MTU of the way that the packet goes, none where it has none yet.
    fn path_mtu(&self, _: &View<'_>) -> Option<u32> {
        None
    }

    /// The MTU of the way to where the packet came from.
    fn reverse_mtu(&self, _: &View<'_>) -> Option<u32> {
        None
    }

    /// Whether a socket sent it, though it may be nobody's.
    fn has_socket(&self, view: &View<'_>) -> bool {
        self.owner(view).is_some()
    }

    /// User and group of the socket that sent it.
    fn owner(&self, _: &View<'_>) -> Option<(u32, u32)> {
        None
    }

    /// The group of an interface.
    fn group(&self, _iface: u16) -> u32 {
        0
    }

    /// The realm of the packet's route.
    fn realm(&self, _: &View<'_>) -> Option<u32> {
        None
    }

    /// What IPsec did or will do with it, the outermost first.
    fn ipsec(&self, _way: rule::PolicyWay, _: &View<'_>) -> &[IpsecState] {
        &[]
    }
}
