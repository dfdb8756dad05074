//! The oracle: this machine's kernel, in a namespace, as the router.

use std::thread::sleep;
use std::time::Duration;

use crate::common::frame::{ETH_HEADER, tag, untag};
use crate::common::netns::Namespace;
use crate::common::tap::Tap;
use crate::corpus::Step;
use crate::outcome::Outcome;
use crate::topology::{Topology, colons};

/// A Linux router with a wire in each port.
pub(crate) struct LinuxRouter {
    _namespace: Namespace,
    wires: Vec<Wire>,
}

struct Wire {
    tap: Tap,
    /// Where its frames belong if the kernel has no 802.1Q: the port and the VLAN identifier.
    vlan: Option<(&'static str, u16)>,
}

impl LinuxRouter {
    /// Builds and configures it.
    pub(crate) fn new(topology: &Topology) -> Self {
        let namespace = Namespace::new("linux");
        // Before the interfaces exist, so that they inherit `default`.
        for (name, value) in &topology.sysctls {
            namespace.sysctl(name, value);
        }
        let mut wires = Vec::new();
        for port in &topology.ports {
            let vlan = match port.vlan {
                Some((parent, vid)) if has_vlans(&namespace, parent, port.name, vid) => None,
                vlan => {
                    let tap = Tap::new(&namespace, port.name);
                    wires.push(Wire { tap, vlan });
                    vlan
                }
            };
            debug_assert!(vlan.is_none() || port.vlan.is_some());
            namespace.ip(&format!("link set {} address {}", port.name, colons(port.mac)));
            namespace.ip(&format!("link set {} mtu {} up", port.name, port.mtu));
        }
        namespace.ip_batch(&topology.ip_batch());
        Self { _namespace: namespace, wires }
    }

    /// Gives the router each frame in turn and takes what it does about it.
    pub(crate) fn play(&self, steps: &[Step]) -> Vec<Outcome> {
        let outcomes = steps
            .iter()
            .map(|step| {
                self.inject(step.port, &step.frame);
                if !step.settle.is_zero() {
                    sleep(step.settle);
                }
                self.collect()
            })
            .collect();
        // A frame's effects are there when `inject` returns. Were some late, the next frame would be
        // blamed, so this is not left to belief: after the last one nothing may come.
        sleep(Duration::from_millis(20));
        let late = self.collect();
        assert!(late.is_nothing(), "the kernel sent frames late: {}", late.brief());
        outcomes
    }

    /// A tagged frame for a VLAN that the kernel cannot split off enters by its stand-in, whose
    /// interface sees what a VLAN interface would: the frame without the tag.
    fn inject(&self, port: &str, frame: &[u8]) {
        if let Some((tci, inner)) = untag(frame) {
            let stand_in =
                self.wires.iter().find(|wire| wire.vlan == Some((static_name(port), tci & 0xfff)));
            // A tag with no ethertype behind it is no frame for any interface; the port drops it.
            if let Some(wire) = stand_in.filter(|_| inner.len() >= ETH_HEADER) {
                wire.tap.send(&inner);
                return;
            }
        }
        let wire = self.wires.iter().find(|wire| wire.tap.name() == port);
        wire.expect("a port of that name").tap.send(frame);
    }

    fn collect(&self) -> Outcome {
        let mut outcome = Outcome::default();
        for wire in &self.wires {
            while let Some(frame) = wire.tap.receive() {
                match wire.vlan {
                    Some((parent, vid)) => outcome.push(parent, tag(&frame, vid)),
                    None => outcome.push(static_name(wire.tap.name()), frame),
                }
            }
        }
        outcome
    }
}

/// Makes a VLAN interface if the kernel can (`CONFIG_VLAN_8021Q` is not in every kernel).
fn has_vlans(namespace: &Namespace, parent: &str, name: &str, vid: u16) -> bool {
    let vid = vid.to_string();
    let words = ["link", "add", "link", parent, "name", name, "type", "vlan", "id", &vid];
    namespace.output("ip", &words).status.success()
}

fn static_name(name: &str) -> &'static str {
    crate::outcome::PORTS
        .into_iter()
        .find(|port| *port == name)
        .unwrap_or_else(|| panic!("{name} is no port of the laboratory"))
}
