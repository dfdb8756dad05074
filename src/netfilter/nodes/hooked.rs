//! `nf4-pre-routing`, `nf4-local-in`, `nf4-forward`, `nf4-local-out`, `nf4-link-out` and those of IPv6:
//! packets meet what the operator says at a hook.
//!
//! - takes: packets as a feature of an arc; behind the forwarding and local-out arcs comes the
//!   post-routing hook at once, as a packet's way out is known there
//! - gives: those that may go on to the arc's next feature, but in transit to the output node, as the
//!   first half of forwarding is behind them, and complete frames of the management core to `tx`; refused ones to the node that tells the sender
//! - obeys: `ip_rcv`, `ip_local_deliver`, `ip_forward`, `ip_output`, `__ip_local_out` and their
//!   counterparts of IPv6; ledger 9.12 to 9.22
//! - costs: nothing while no hook of it asks anything

use super::{
    pass::{self, Fate},
    queue,
};
use crate::{
    dpdk::mbuf::{Flags, Meta, Packet},
    graph::{Cx, Edge, Frame, Node, Out, Reason},
    icmp::table::Cause,
    icmp6::table::Cause6,
    netfilter::rule::Hook,
    packet::ipv4,
    tables::Tables,
};

/// The node.
pub struct Hooked {
    name: &'static str,
    edges: &'static [Edge],
    six: bool,
    place: Place,
}

/// Where on a packet's way a node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    PreRouting,
    LocalIn,
    Forward,
    LocalOut,
    LinkOut,
}

pub(super) const ON: u8 = 0;
pub(super) const ERROR: u8 = 1;
pub(super) const RESET: u8 = 2;
pub(super) const PIECES: u8 = 3;
pub(super) const RULE: u8 = 4;
pub(super) const POLICY: u8 = 5;
pub(super) const MALFORMED: u8 = 6;
pub(super) const TARGET: u8 = 7;
pub(super) const TRACKER: u8 = 8;
pub(super) const CLASH: u8 = 9;
pub(super) const NO_NAT: u8 = 10;
pub(super) const QUEUE: u8 = 11;
pub(super) const NO_WAY: u8 = 12;
pub(super) const REJECT: u8 = 13;
pub(super) const MOVED: u8 = 14;
pub(super) const HELPER: u8 = 15;
pub(super) const SEQUENCE: u8 = 16;
pub(super) const PROXY: u8 = 17;
pub(super) const PROXIED: u8 = 18;
const OWN: u8 = 19;
const LOOP: u8 = 20;
pub(super) const AWAY: u8 = 21;
pub(super) const CROSS: u8 = 22;
pub(super) const NO_CROSS: u8 = 23;
pub(super) const QUEUED: u8 = 24;
pub(super) const ENDED: u8 = 25;
pub(super) const FULL: u8 = 26;

/// Hooks that a packet of the router's to itself meets.
const ROUND: &[Hook] = &[Hook::LocalOut, Hook::PostRouting, Hook::PreRouting, Hook::LocalIn];

/// All ways out, of which some differ by family and place.
macro_rules! edges {
    ($on:expr, $error:literal, $reset:literal, $pieces:literal, $own:literal, $loop:expr) => {
        &[
            $on,
            Edge::To($error),
            Edge::To($reset),
            Edge::To($pieces),
            Edge::Drop(Reason::FilterRule),
            Edge::Drop(Reason::FilterPolicy),
            Edge::Drop(Reason::FilterMalformed),
            Edge::Drop(Reason::FilterTarget),
            Edge::Drop(Reason::ConntrackDrop),
            Edge::Drop(Reason::ConntrackClash),
            Edge::Drop(Reason::NatFailed),
            Edge::Drop(Reason::QueueNobody),
            Edge::Drop(Reason::OutNoRoute),
            Edge::Drop(Reason::FilterReject),
            Edge::Drop(Reason::NatMoved),
            Edge::Drop(Reason::HelperDrop),
            Edge::Drop(Reason::SequenceDrop),
            Edge::Drop(Reason::SynproxyDrop),
            Edge::Drop(Reason::SynproxyTaken),
            Edge::Arc($own),
            $loop,
            Edge::To("hand-over"),
            Edge::To("nat64"),
            Edge::Drop(Reason::NatCross),
            Edge::To("nf-queue"),
            Edge::Drop(Reason::QueueDrop),
            Edge::Drop(Reason::QueueFull),
        ]
    };
}

/// Ways out of nodes of IPv4 and IPv6.
macro_rules! both {
    ($six:expr, $on:expr, $on6:expr) => {
        if $six {
            edges!(
                $on6,
                "icmp6-error",
                "nf6-reset",
                "ip6-reassemble-local",
                "ip6-local-out",
                Edge::To("ip6-local")
            )
        } else {
            edges!(
                $on,
                "icmp4-error",
                "nf4-reset",
                "ip4-reassemble-local",
                "ip4-local-out",
                Edge::Drop(Reason::LocalDone)
            )
        }
    };
}

impl Hooked {
    /// Before routes are looked up.
    pub const fn pre_routing(six: bool) -> Self {
        let name = if six { "nf6-pre-routing" } else { "nf4-pre-routing" };
        let edges: &[Edge] = both!(six, Edge::Continue, Edge::Continue);
        Self { name, edges, six, place: Place::PreRouting }
    }

    /// Before delivery.
    pub const fn local_in(six: bool) -> Self {
        let name = if six { "nf6-local-in" } else { "nf4-local-in" };
        let edges: &[Edge] = both!(six, Edge::Continue, Edge::Continue);
        Self { name, edges, six, place: Place::LocalIn }
    }

    /// In transit, behind the first half of forwarding.
    pub const fn forward(six: bool) -> Self {
        let name = if six { "nf6-forward" } else { "nf4-forward" };
        let edges: &[Edge] = both!(six, Edge::To("ip4-output"), Edge::To("ip6-output"));
        Self { name, edges, six, place: Place::Forward }
    }

    /// From the router itself.
    pub const fn local_out(six: bool) -> Self {
        let name = if six { "nf6-local-out" } else { "nf4-local-out" };
        let edges: &[Edge] = both!(six, Edge::Continue, Edge::Continue);
        Self { name, edges, six, place: Place::LocalOut }
    }

    /// What the management core puts on a link itself, as discovery of neighbours and groups.
    pub const fn link_out(six: bool) -> Self {
        let name = if six { "nf6-link-out" } else { "nf4-link-out" };
        let edges: &[Edge] = both!(six, Edge::To("tx"), Edge::To("tx"));
        Self { name, edges, six, place: Place::LinkOut }
    }

    /// The hooks that a packet meets here.
    fn hooks(&self, packet: &Packet) -> &'static [Hook] {
        match self.place {
            Place::PreRouting => &[Hook::PreRouting],
            Place::LocalIn => &[Hook::LocalIn],
            Place::Forward => &[Hook::Forward, Hook::PostRouting],
            // Who was told of a better way sent a packet in transit, which goes on from there.
            Place::LocalOut if self.was_redirected(packet) => &[Hook::Forward, Hook::PostRouting],
            Place::LocalOut if packet.meta().done & Meta::LOOPED != 0 => ROUND,
            Place::LocalOut | Place::LinkOut => &[Hook::LocalOut, Hook::PostRouting],
        }
    }

    fn was_redirected(&self, packet: &Packet) -> bool {
        let note = packet.note();
        match self.six {
            false => note == Cause::Redirect.note(),
            true => note == Cause6::Redirect.note(),
        }
    }

    /// Whether a packet for the router is to be put together first.
    fn is_piece(&self, packet: &Packet) -> bool {
        let ip = packet.data().get(packet.l3()..).unwrap_or_default();
        self.place == Place::LocalIn
            && !self.six
            && ip.get(6..8).is_some_and(|word| {
                u16::from_be_bytes([word[0], word[1]]) & (ipv4::MORE_FRAGMENTS | ipv4::OFFSET_MASK)
                    != 0
            })
    }
}

impl Hooked {
    /// A packet leaves for its program.
    #[cold]
    fn leave(&self, packet: &mut Packet, cx: &Cx<'_, Tables>) {
        let meta = packet.meta();
        let (worker, way) = (cx.own.worker as u8, queue::way_of(packet, &meta, cx));
        packet.set_meta(Meta { worker, way, node: self.place as u8, ..meta });
    }
}

impl Node<Tables> for Hooked {
    fn name(&self) -> &'static str {
        self.name
    }

    fn edges(&self) -> &'static [Edge] {
        self.edges
    }

    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, out: &mut Out) {
        let Some(filter) = cx.tables.filter.as_deref() else {
            // Only those that were away meet a hook that has gone.
            for (number, packet) in frame.iter_mut().enumerate() {
                out.set(number, queue::orphan(packet, cx));
            }
            return;
        };
        for (number, packet) in frame.iter_mut().enumerate() {
            if self.is_piece(packet) {
                out.set(number, PIECES);
                continue;
            }
            if self.place == Place::LocalOut && !self.was_redirected(packet) {
                packet.add_flags(Flags::LOCAL_OUT);
            }
            let hooks = self.hooks(packet);
            let stopped = hooks.iter().find_map(|hook| {
                match pass::meet(packet, *hook, self.six, filter, cx) {
                    Fate::On => None,
                    Fate::Edge(edge) => Some(edge),
                }
            });
            if let Some(edge) = stopped {
                out.set(number, edge);
                if edge == QUEUED {
                    self.leave(packet, cx);
                }
            } else if hooks == ROUND {
                packet.begin(packet.iface(), packet.l3() as u8, Flags(0));
                out.set(number, LOOP);
            }
            if self.place == Place::LocalOut
                && out.edge(number) == ON
                && pass::outgrows(packet, self.six, cx)
            {
                out.set(number, ERROR);
            }
            for own in cx.own.sent.drain(..) {
                // Without room a copy or an answer is lost like any other packet.
                let _ = out.emit(OWN, own);
            }
        }
    }
}
