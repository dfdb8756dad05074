//! `ip6-hop-by-hop` and `ip6-router-alert`: what senders ask of every node on the way.
//!
//! - takes: packets whose first header is of hop-by-hop options, their receive checks passed
//! - gives: those whose options are sound to the pre-routing arc, noted as [`Parsed`]; others end here,
//!   some with a Parameter Problem from `icmp6-error`
//! - obeys: RFC 8200 section 4.3, RFC 2711, RFC 2675; `ipv6_parse_hopopts`; ledger 8.38 to 8.45, 8.108
//! - costs: nothing to packets without such options

use crate::{
    dpdk::mbuf::Packet,
    graph::{Cx, Edge, Frame, Node, Out, Reason},
    icmp6::table::Cause6,
    ip6::table::Parsed,
    packet::ipv6::{
        HEADER_LEN,
        option::{Discard, Place, Verdict, walk},
    },
    tables::Tables,
};

/// The node.
pub struct HopByHop;

const ROUTE: u8 = 0;
const ERROR: u8 = 1;
const OPTIONS: u8 = 2;
const TRUNCATED: u8 = 3;

/// The note for a Parameter Problem of this code.
pub(super) const fn problem(code: u8) -> Cause6 {
    if code == crate::packet::icmp6::parameter_problem::OPTION {
        Cause6::Option
    } else {
        Cause6::HeaderField
    }
}

fn one(packet: &mut Packet, cx: &Cx<'_, Tables>) -> u8 {
    let l3 = packet.l3();
    let bytes = packet.data().get(l3..).unwrap_or_default();
    match walk(bytes, HEADER_LEN, Place::HopByHop, cx.tables.tunables.six.hop_by_hop) {
        Verdict::Accept(taken) => {
            let parsed = Parsed::default().past(taken.len);
            // A jumbogram ends where it says, as others do.
            if let Some(len) = taken.jumbo {
                packet.truncate(l3 + HEADER_LEN + len as usize);
            }
            // Who names the first header behind the options is the first byte of theirs.
            Parsed { alert: taken.router_alert, ..parsed }.note(packet);
            ROUTE
        }
        Verdict::Problem { code, pointer } => {
            packet.set_note(problem(code).note());
            packet.set_hash(pointer as u32);
            ERROR
        }
        Verdict::Discard(Discard::ShortJumbo) => TRUNCATED,
        Verdict::Discard(_) => OPTIONS,
    }
}

impl Node<Tables> for HopByHop {
    fn name(&self) -> &'static str {
        "ip6-hop-by-hop"
    }

    fn edges(&self) -> &'static [Edge] {
        &[
            Edge::Arc("ip6-pre-routing"),
            Edge::To("icmp6-error"),
            Edge::Drop(Reason::Ip6Options),
            Edge::Drop(Reason::Ip6ShortJumbo),
        ]
    }

    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, out: &mut Out) {
        for (index, packet) in frame.iter_mut().enumerate() {
            out.set(index, one(packet, cx));
        }
    }
}

/// The node where those who look at packets with router alert take them from the arc of its name;
/// what nobody takes is forwarded.
pub struct RouterAlert6;

impl Node<Tables> for RouterAlert6 {
    fn name(&self) -> &'static str {
        "ip6-router-alert"
    }

    fn edges(&self) -> &'static [Edge] {
        &[Edge::Arc("ip6-forwarding")]
    }

    fn process(&mut self, _cx: &mut Cx<'_, Tables>, frame: &mut Frame, _out: &mut Out) {
        for packet in frame.iter_mut() {
            Parsed { alert: None, ..Parsed::of(packet) }.note(packet);
        }
    }
}
