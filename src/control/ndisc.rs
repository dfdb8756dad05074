//! Neighbour discovery.
//!
//! - takes: solicitations and advertisements that workers left to us while some route has such a
//!   gateway
//! - gives: questions in the name of the interface's link-local address, and answers for that address
//! - obeys: RFC 4861 section 7.2, RFC 5549; the NUD machine is that of ARP

use std::net::Ipv6Addr;

use super::Router;
use crate::{
    dpdk::mbuf::{Flags, Packet},
    graph::{Nanos, Reason},
    neighbour::control::Key,
    packet::{
        MacAddr,
        ndisc::{Advertisement, Neighbour, group_mac, link_local, solicited_node},
    },
    worker::{Entry, Injected},
};

impl Router {
    /// A worker left a packet about an IPv6 neighbour.
    pub(super) fn handle_nd(&mut self, now: Nanos, packet: Packet) {
        let index = packet.iface();
        let heard = Neighbour::parse(packet.data().get(packet.l3()..).unwrap_or_default());
        let own = self.ifaces.iter().find(|iface| iface.index == index).map(|iface| iface.mac);
        let (Some(heard), Some(mac)) = (heard, own) else {
            return self.discard(packet, Reason::NdMalformed);
        };
        let key = |address: Ipv6Addr| Key { iface: index, address: address.into() };
        match heard.advertisement {
            Some(says) => {
                if let (key, Some(mac)) = (key(heard.target), heard.mac) {
                    let known = self.neighbours.get(key).and_then(|entry| entry.mac);
                    // Another address than the known one counts only where it says that it does.
                    if says.overrides || known.is_none_or(|known| known == mac) {
                        let confirmed = says.solicited;
                        self.neighbours.handle_hint(now, key, mac, confirmed, true);
                    }
                }
                self.act(now);
            }
            None => {
                if let (key, Some(mac)) = (key(heard.src), heard.mac) {
                    self.neighbours.handle_request(now, key, mac);
                }
                self.act(now);
                if heard.target == link_local(mac) {
                    self.advertise(index, mac, &heard);
                }
            }
        }
        self.discard(packet, Reason::LocalDone);
    }

    /// Answers a solicitation.
    fn advertise(&mut self, index: u16, mac: MacAddr, asked: &Neighbour) {
        let all_nodes = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
        let (dst, solicited) = match asked.src.is_unspecified() {
            true => (all_nodes, false),
            false => (asked.src, true),
        };
        let to = asked.mac.filter(|_| solicited).unwrap_or_else(|| group_mac(dst));
        let says = Advertisement { router: true, solicited, overrides: true };
        let answer = Neighbour {
            src: asked.target,
            dst,
            target: asked.target,
            mac: Some(mac),
            nonce: None,
            advertisement: Some(says),
        };
        self.send_link(index, to, &[0x86, 0xdd], &answer.to_bytes());
    }

    /// Asks for an IPv6 neighbour, all stations that may be it or the one at `mac`.
    pub(super) fn solicit_six(&mut self, index: u16, target: Ipv6Addr, mac: Option<MacAddr>) {
        let Some(iface) = self.ifaces.iter().find(|iface| iface.index == index) else { return };
        let (own, group) = (iface.mac, solicited_node(target));
        let asked = Neighbour {
            src: link_local(own),
            dst: if mac.is_some() { target } else { group },
            target,
            mac: Some(own),
            nonce: None,
            advertisement: None,
        };
        let to = mac.unwrap_or_else(|| group_mac(group));
        self.send_link(index, to, &[0x86, 0xdd], &asked.to_bytes());
    }

    /// Sends a frame of the management core's own on an interface.
    pub(super) fn send_link(
        &mut self,
        index: u16,
        to: MacAddr,
        ethertype: &[u8; 2],
        payload: &[u8],
    ) {
        let Some(iface) = self.ifaces.iter().find(|iface| iface.index == index && iface.up) else {
            return;
        };
        let Some(mut packet) = self.pool.alloc() else { return };
        let mut frame = Vec::with_capacity(128);
        frame.extend_from_slice(&to.octets());
        frame.extend_from_slice(&iface.mac.octets());
        if let Some(vlan) = iface.vlan {
            frame.extend_from_slice(&[0x81, 0x00]);
            frame.extend_from_slice(&vlan.to_be_bytes());
        }
        frame.extend_from_slice(ethertype);
        frame.extend_from_slice(payload);
        if packet.fill(&frame) {
            packet.begin(index, 14, Flags::LOCAL_OUT);
            packet.set_port(iface.port);
            self.made += 1;
            self.injected.push(Injected { entry: Entry::Transmit, packet });
        }
    }
}
