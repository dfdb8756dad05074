//! The frames, in families that each meet a router of their own.

pub(crate) mod alias;
pub(crate) mod arp;
pub(crate) mod filter;
pub(crate) mod forward;
pub(crate) mod header;
pub(crate) mod icmp;
pub(crate) mod kinds;
pub(crate) mod link;
pub(crate) mod links;
pub(crate) mod local;
pub(crate) mod loopback;
pub(crate) mod mac;
pub(crate) mod martian;
pub(crate) mod mtu;
pub(crate) mod neigh;
pub(crate) mod objects;
pub(crate) mod options;
pub(crate) mod pieces;
pub(crate) mod pmtu;
pub(crate) mod policy;
pub(crate) mod reassembly;
pub(crate) mod redirect;
pub(crate) mod routes;
pub(crate) mod rules;
pub(crate) mod six;
pub(crate) mod six_forward;
pub(crate) mod six_fragments;
pub(crate) mod six_groups;
pub(crate) mod six_headers;
pub(crate) mod six_icmp;
pub(crate) mod six_local;
pub(crate) mod six_nd;
pub(crate) mod six_options;
pub(crate) mod six_receive;
pub(crate) mod six_redirect;
pub(crate) mod six_routes;
pub(crate) mod six_routing;
pub(crate) mod six_tunables;
pub(crate) mod six_vlan;
pub(crate) mod six_vrf;
pub(crate) mod source;
pub(crate) mod ttl;
pub(crate) mod tunables;
pub(crate) mod vrf;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crate::common::frame::{IPV4, Ip, Mac, ether, pad};
use crate::netfilter;
use crate::outcome::Outcome;
use crate::topology::{DMZ_HOST, DMZ_MAC, LAN_HOST, LAN_MAC, Topology, WAN_HOST, WAN_MAC, mac_of};

/// One frame given to the router, or one command.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) name: String,
    /// Where the frame enters.
    pub(crate) port: &'static str,
    pub(crate) frame: Vec<u8>,
    /// What follows `ip`, or a program of netfilter and what follows it, in the place of a frame.
    pub(crate) command: Option<String>,
    /// What a right router does about it, in the words of [`crate::outcome::Outcome::brief`].
    pub(crate) expect: String,
    /// The neighbour that all of it goes to.
    pub(crate) leads_to: Option<IpAddr>,
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

impl Step {
    /// The port, or what stands for it.
    pub(crate) fn place(&self) -> &str {
        if self.command.is_some() { "command" } else { self.port }
    }

    /// Whether the router did what this step promises: one of several things with ` or ` between
    /// them.
    pub(crate) fn is_kept(&self, outcome: &Outcome) -> bool {
        let did = outcome.brief();
        let kept = match self.expect.strip_prefix("says ") {
            Some(words) => did.contains(words),
            None if self.is_free() => self.expect.split(" or ").any(|expect| expect == did),
            None => self.expect == did,
        };
        kept && self.leads_to.is_none_or(|host| outcome.is_all_to(mac_of(host)))
    }

    /// Whether two right routers may do different things.
    pub(crate) fn is_free(&self) -> bool {
        self.command.is_none() && self.expect.contains(" or ")
    }
}

impl Family {
    /// Whether the way that packets take is changed, or is another than the standard one, so that
    /// it cannot be counted on.
    pub(crate) fn is_unsteady(&self) -> bool {
        !self.topology.commands.is_empty() || self.steps.iter().any(|step| step.command.is_some())
    }

    /// Whether no time passes that a router could do something in: what a story of netfilter waits for
    /// behind a command is soon over.
    pub(crate) fn is_prompt(&self) -> bool {
        let of_netfilter = |words: &String| netfilter::call(words).is_some();
        let short =
            |step: &Step| step.settle.is_zero() || step.command.as_ref().is_some_and(of_netfilter);
        self.steps.iter().all(short)
    }

    /// The same with a router that asks no neighbour a second time, unless the family lets time pass or
    /// says when: how far it has come when a second is over is another matter for each router.
    pub(crate) fn asking_once(mut self) -> Self {
        let timed = |(name, _): &(String, String)| name.ends_with(".retrans_time_ms");
        if !self.is_prompt() || self.topology.sysctls.iter().any(timed) {
            return self;
        }
        let versions: &[u8] = if self.topology.six { &[4, 6] } else { &[4] };
        let ports = self.topology.ports.iter().filter(|port| port.vlan.is_none());
        for port in ports.map(|port| port.name).collect::<Vec<_>>() {
            for version in versions {
                let name = format!("net.ipv{version}.neigh.{port}.retrans_time_ms");
                self.topology = self.topology.sysctl(&name, "60000");
            }
        }
        self
    }

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
            command: None,
            expect: expect.into(),
            leads_to: None,
            settle: Duration::ZERO,
        });
    }

    /// Adds a command, which does what it is told and says nothing.
    fn ip(&mut self, command: impl Into<String>) {
        self.ip_says(command, "done");
    }

    /// Adds a command and what it says; `says X` for something with X in it.
    fn ip_says(&mut self, command: impl Into<String>, expect: impl Into<String>) {
        let command = command.into();
        let before = self.steps.iter().filter(|step| step.command.as_ref() == Some(&command));
        let name = match before.count() {
            0 => format!("ip {command}"),
            count => format!("ip {command}, time {}", count + 1),
        };
        self.steps.push(Step {
            name,
            port: "",
            frame: Vec::new(),
            command: Some(command),
            expect: expect.into(),
            leads_to: None,
            settle: Duration::ZERO,
        });
    }

    /// Says which neighbour the last frame that was added leads to.
    fn leads_to(&mut self, host: impl Into<IpAddr>) {
        self.steps.last_mut().expect("a frame that leads somewhere").leads_to = Some(host.into());
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
