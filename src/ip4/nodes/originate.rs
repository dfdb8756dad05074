//! `ip4-originate` and `ip6-originate`: where packets that the management core made begin their way.
//!
//! - takes: the router's own packets with [`crate::dpdk::mbuf::Packet::hop`] set
//! - gives: the same to the local-out arc, at whose end they are put into frames
//! - costs: nothing for packets that pass the router

use crate::{
    graph::{Cx, Edge, Frame, Node, Out},
    tables::Tables,
};

/// The node.
pub struct Originate {
    name: &'static str,
    edges: &'static [Edge],
}

impl Originate {
    /// Of IPv4.
    pub const fn four() -> Self {
        Self { name: "ip4-originate", edges: &[Edge::Arc("ip4-local-out")] }
    }

    /// Of IPv6.
    pub const fn six() -> Self {
        Self { name: "ip6-originate", edges: &[Edge::Arc("ip6-local-out")] }
    }
}

impl Node<Tables> for Originate {
    fn name(&self) -> &'static str {
        self.name
    }

    fn edges(&self) -> &'static [Edge] {
        self.edges
    }

    fn process(&mut self, _cx: &mut Cx<'_, Tables>, _frame: &mut Frame, _out: &mut Out) {}
}
