//! The oracle: this machine's kernel, in a namespace, as the router.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::common::netns::{Namespace, check};
use crate::corpus::Family;
use crate::netfilter;
use crate::outcome::{Outcome, Said};
use crate::topology::{Port, Topology, colons};
use crate::wires::{Wires, carrier_of};

/// Makes a router of IPv6 of a host.
pub(crate) const FORWARDING: &str = "net.ipv6.conf.all.forwarding";

/// A Linux router with a wire in each port.
pub(crate) struct LinuxRouter {
    namespace: Namespace,
    wires: Wires,
}

impl LinuxRouter {
    /// Builds and configures it.
    pub(crate) fn new(topology: &Topology) -> Self {
        let namespace = Namespace::new("linux");
        if topology.six {
            namespace.sysctl("net.ipv6.conf.all.disable_ipv6", "0");
            namespace.sysctl("net.ipv6.conf.default.disable_ipv6", "0");
        }
        // Before the interfaces exist, so that they inherit `default`; but a router of IPv6 joins all its
        // groups on those alone that are there when it becomes one.
        let of_port = |name: &str| {
            let of = |port: &Port, kind| name.contains(&format!(".{kind}.{}.", port.name));
            topology.ports.iter().any(|port| of(port, "conf") || of(port, "neigh"))
        };
        let late = |name: &str| of_port(name) || name == FORWARDING;
        for (name, value) in topology.sysctls.iter().filter(|(name, _)| !late(name)) {
            namespace.sysctl(name, value);
        }
        let mut wires = Wires::new(topology.chatty);
        for port in &topology.ports {
            match port.vlan {
                None => wires.plug(&namespace, port.name),
                Some((parent, vid)) if has_vlans(&namespace, parent, port.name, vid) => {}
                Some((parent, vid)) => wires.plug_for_vlan(&namespace, port.name, parent, vid),
            }
            namespace.ip(&format!("link set {} address {}", port.name, colons(port.mac)));
            namespace.ip(&format!("link set {} mtu {} up", port.name, port.mtu));
        }
        let forwarding = topology.sysctls.iter().filter(|(name, _)| name == FORWARDING);
        let special = topology.sysctls.iter().filter(|(name, _)| of_port(name));
        for (name, value) in forwarding.chain(special) {
            namespace.sysctl(name, value);
        }
        namespace.ip_batch(&topology.ip_batch());
        namespace.ip_batch(&topology.more_batch());
        if topology.six {
            await_addresses(&namespace, topology);
            wires.calm();
        }
        for file in &topology.rules {
            if file.ends_with(".json") {
                let path = netfilter::rule_file(file).display().to_string();
                let loaded = namespace.output("nft", &["-j", "-f", &path]);
                check(&format!("nft -j -f {file}"), &loaded);
                continue;
            }
            let program = if file.ends_with(".v6") { "ip6tables" } else { "iptables" };
            // What a file says that its rules have counted holds.
            let call = netfilter::call(&format!("{program}-restore -c {file}"));
            let call = call.expect("a program");
            let (program, args) = call.on_linux();
            check(&format!("{program} {file}"), &namespace.output(&program, &args));
        }
        Self { namespace, wires }
    }

    /// Gives it a family of frames. The kernel has done all that a frame causes when the frame is
    /// on the wire, but for what waits for a timer.
    pub(crate) fn play(&self, family: &Family) -> Vec<Outcome> {
        self.wires.play(&family.steps, |command| self.command(command))
    }

    /// Carries a command out to its end.
    fn command(&self, words: &str) -> Said {
        if let Some(call) = netfilter::call(words) {
            let (program, args) = call.on_linux();
            return Said::from(self.namespace.output(&program, &args)).of_netfilter();
        }
        let all: Vec<&str> = words.split_whitespace().collect();
        let said = Said::from(self.namespace.output("ip", &all));
        if let Some((link, carrier)) = carrier_of(words) {
            self.namespace.wait_for_carrier(link, carrier);
        }
        said
    }

    /// Counters of these groups in `/proc/net/snmp` that are not 0, as `IcmpInMsgs`.
    pub(crate) fn counters(&self, groups: &[&str]) -> BTreeMap<String, u64> {
        let output = self.namespace.output("cat", &["/proc/net/snmp"]);
        let text = String::from_utf8(output.stdout).expect("text");
        let lines: Vec<_> = text.lines().filter_map(|line| line.split_once(": ")).collect();
        let mut found = BTreeMap::new();
        for pair in lines.chunks(2) {
            let &[(group, names), (_, values)] = pair else { panic!("names without values") };
            if !groups.contains(&group) {
                continue;
            }
            for (name, value) in names.split_whitespace().zip(values.split_whitespace()) {
                match value.parse() {
                    Ok(0) | Err(_) => {}
                    Ok(value) => drop(found.insert(format!("{group}{name}"), value)),
                }
            }
        }
        found
    }

    /// Counters of IPv6 in `/proc/net/snmp6`, as `Icmp6InMsgs`.
    pub(crate) fn counters6(&self) -> BTreeMap<String, u64> {
        let output = self.namespace.output("cat", &["/proc/net/snmp6"]);
        let text = String::from_utf8(output.stdout).expect("text");
        let pairs = text.lines().filter_map(|line| line.split_once(char::is_whitespace));
        pairs
            .filter_map(|(name, value)| Some((name.to_owned(), value.trim().parse().ok()?)))
            .collect()
    }

    /// The same, not relying on that.
    pub(crate) fn play_with_sentinels(&self, family: &Family) -> Vec<Outcome> {
        self.wires.play_with_sentinels(&family.steps)
    }
}

/// Makes a VLAN interface if the kernel can (`CONFIG_VLAN_8021Q` is not in every kernel).
fn has_vlans(namespace: &Namespace, parent: &str, name: &str, vid: u16) -> bool {
    let vid = vid.to_string();
    let words = ["link", "add", "link", parent, "name", name, "type", "vlan", "id", &vid];
    namespace.output("ip", &words).status.success()
}

/// Waits until every IPv6 address is one that packets are taken for, which the kernel sees to in its
/// own time; and the link-local one of each port.
fn await_addresses(namespace: &Namespace, topology: &Topology) {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let shown = namespace.output("ip", &["-6", "route", "show", "table", "local"]);
        let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
        let ready = topology.ports.iter().all(|port| {
            let own =
                |address: &str| shown.contains(&format!("local {address} dev {} ", port.name));
            let near = format!("dev {} ", port.name);
            let near =
                shown.lines().any(|line| line.starts_with("local fe80::") && line.contains(&near));
            let six = port.addresses.iter().filter(|address| address.contains(':'));
            near && six.filter_map(|address| address.split('/').next()).all(own)
        });
        if ready {
            return;
        }
        assert!(Instant::now() < deadline, "addresses of the router: {shown}");
        sleep(Duration::from_millis(5));
    }
}
