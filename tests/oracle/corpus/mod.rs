//! The frames, in families that each meet a router of their own.

pub(crate) mod arp;
pub(crate) mod forward;
pub(crate) mod header;
pub(crate) mod icmp;
pub(crate) mod link;
pub(crate) mod local;
pub(crate) mod martian;
pub(crate) mod mtu;
pub(crate) mod options;
pub(crate) mod pieces;
pub(crate) mod pmtu;
pub(crate) mod reassembly;
pub(crate) mod routes;
pub(crate) mod rules;
pub(crate) mod ttl;

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::common::frame::{IPV4, Ip, Mac, ether, pad};
use crate::topology::{DMZ_HOST, DMZ_MAC, LAN_HOST, LAN_MAC, Topology, WAN_HOST, WAN_MAC, mac_of};

/// One frame given to the router.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) port: &'static str,
    pub(crate) frame: Vec<u8>,
    /// What a right router does about it, in the words of [`crate::outcome::Outcome::brief`].
    pub(crate) expect: String,
    /// How long to wait for all of it.
    pub(crate) settle: Duration,
}

/// Frames that belong together and the router they meet.
#[derive(Clone, Debug)]
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) topology: Topology,
    pub(crate) steps: Vec<Step>,
}

impl Family {
    fn new(name: &'static str) -> Self {
        Self { name, topology: Topology::standard(), steps: Vec::new() }
    }

    /// Adds a frame.
    fn add(
        &mut self,
        name: impl Into<String>,
        port: &'static str,
        frame: Vec<u8>,
        expect: impl Into<String>,
    ) {
        self.steps.push(Step {
            name: name.into(),
            port,
            frame,
            expect: expect.into(),
            settle: Duration::ZERO,
        });
    }

    /// Lets this much time pass after the last frame that was added.
    fn settle(&mut self, time: Duration) {
        self.steps.last_mut().expect("a frame to wait for").settle = time;
    }

    /// Adds a packet from a lan host to the router's own address on the link layer.
    fn lan(&mut self, name: impl Into<String>, packet: &Ip, expect: impl Into<String>) {
        let on_lan = packet.src.octets()[..3] == LAN_HOST.octets()[..3];
        let host = if on_lan { packet.src } else { LAN_HOST };
        self.add(name, "lan", from(host, LAN_MAC, packet), expect);
    }

    /// The same from the wan host.
    fn wan(&mut self, name: impl Into<String>, packet: &Ip, expect: impl Into<String>) {
        self.add(name, "wan", from(WAN_HOST, WAN_MAC, packet), expect);
    }

    /// The same from the dmz host.
    fn dmz(&mut self, name: impl Into<String>, packet: &Ip, expect: impl Into<String>) {
        self.add(name, "dmz", from(DMZ_HOST, DMZ_MAC, packet), expect);
    }
}

/// A packet in a frame as a card sends it: from a host's Ethernet address, padded to 60 bytes.
fn from(host: Ipv4Addr, to: Mac, packet: &Ip) -> Vec<u8> {
    pad(ether(to, mac_of(host), IPV4, &packet.bytes()), 60)
}
