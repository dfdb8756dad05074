//! `ip4-clamp-mss`: lets no TCP connection in transit agree on segments that its way does not carry.
//!
//! - takes: packets in transit whose way is known, while `tcp.clamp-mss` is on
//! - gives: the same, with the maximum segment size of a SYN lowered to the route's `advmss`, or to what
//!   the route's or the interface's MTU holds
//! - obeys: RFC 9293 section 3.7.1; what `TCPMSS --clamp-mss-to-pmtu` of iptables does on the way out
//! - costs: nothing while it is off; a look at the protocol of each packet while it is on

use crate::{
    dpdk::mbuf::Packet,
    graph::{Cx, Edge, Frame, Node, Out},
    packet::{ipv4::protocol, tcp},
    tables::Tables,
};

/// The node.
pub struct ClampMss;

/// IPv4 and TCP headers without options.
const HEADERS: u16 = 40;

/// The largest segment on a way.
fn most(mtu: u16, advmss: u16) -> u16 {
    let fits = mtu.saturating_sub(HEADERS);
    if advmss == 0 { fits } else { fits.min(advmss) }
}

fn one(packet: &mut Packet, cx: &Cx<'_, Tables>) {
    let hop = cx.tables.hops.get(packet.hop());
    let l3 = packet.l3();
    let Some(ip) = packet.data_mut().get_mut(l3..) else { return };
    let first = ip.get(6..8).is_some_and(|word| word[0] & 0x1f == 0 && word[1] == 0);
    if ip.get(9) != Some(&protocol::TCP) || !first {
        return;
    }
    let at = usize::from(ip[0] & 0x0f) * 4;
    if let Some(segment) = ip.get_mut(at..) {
        tcp::clamp_mss(segment, most(hop.out().mtu, hop.attrs().advmss));
    }
}

impl Node<Tables> for ClampMss {
    fn name(&self) -> &'static str {
        "ip4-clamp-mss"
    }

    fn edges(&self) -> &'static [Edge] {
        &[Edge::Continue]
    }

    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, _out: &mut Out) {
        for packet in frame.iter_mut() {
            one(packet, cx);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_route_or_its_mtu_says_how_much_fits() {
        assert_eq!(most(1500, 0), 1460);
        assert_eq!(most(1500, 1300), 1300);
        assert_eq!(most(1280, 1300), 1240);
        assert_eq!(most(20, 0), 0);
    }
}
