//! A router that stands where a story wants it: Linux, or Wagonway on packet sockets.

use std::fmt::Write as _;

use crate::common::netns::Namespace;
use crate::common::process::Process;
use crate::router::instance;
use crate::world::{Said, on};

/// What a router is told before it starts.
pub(crate) struct Plan<'a> {
    /// Name, address (or none), MTU; the cables are in its namespace already.
    pub(crate) ports: &'a [(&'a str, &'a str, u16)],
    /// In the words of `ip route add`.
    pub(crate) routes: &'a [&'a str],
    /// Names under `net.ipv4.`, or with `netfilter.` under `net.`.
    pub(crate) sysctls: &'a [(&'a str, &'a str)],
    /// Workers, where it has such; each port feeds all of them.
    pub(crate) workers: u16,
}

/// Who routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Linux,
    Wagonway,
}

/// A router at work.
pub(crate) struct Running<'a> {
    machine: &'a Namespace,
    process: Option<Process>,
}

impl<'a> Running<'a> {
    /// Starts it; it has answered `witness`, a host beside its first port, when this returns.
    pub(crate) fn start(
        kind: Kind,
        machine: &'a Namespace,
        plan: &Plan<'_>,
        witness: &Namespace,
    ) -> Self {
        let mut running = Self { machine, process: None };
        match kind {
            Kind::Linux => running.configure_linux(plan),
            Kind::Wagonway => {
                machine.sysctl("net.ipv4.ip_forward", "0");
                running.process = Some(Process::start(machine, &toml(plan)));
            }
        }
        let address = plan.ports[0].1.split('/').next().unwrap_or_default();
        let answers = || on(witness, &format!("ping -n -c 1 -W 1 {address}")).ok;
        match &mut running.process {
            Some(process) if !address.is_empty() => process.wait_until(answers),
            Some(process) => {
                let words = format!("{} show workers --instance {}", program(), instance());
                process.wait_until(|| on(machine, &words).ok);
            }
            None => assert!(answers(), "the Linux router does not answer"),
        }
        running
    }

    fn configure_linux(&self, plan: &Plan<'_>) {
        self.machine.sysctl("net.ipv4.ip_forward", "1");
        for (name, value) in plan.sysctls {
            self.machine.sysctl(&full(name), value);
        }
        for (port, address, mtu) in plan.ports {
            self.machine.ip(&format!("link set {port} mtu {mtu}"));
            self.machine.ip(&format!("addr add {address} brd + dev {port}"));
        }
        for route in plan.routes {
            self.machine.ip(&format!("route add {route}"));
        }
    }

    /// Asks or changes it in the words of `ip`.
    pub(crate) fn ip(&self, words: &str) -> Said {
        match self.process {
            None => on(self.machine, &format!("ip {words}")),
            Some(_) => {
                on(self.machine, &format!("{} ip --instance {} {words}", program(), instance()))
            }
        }
    }

    /// Changes its rules in the words of `iptables`.
    pub(crate) fn iptables(&self, words: &str) -> Said {
        self.tool("iptables", words)
    }

    /// Asks about its connections in the words of `conntrack`.
    pub(crate) fn conntrack(&self, words: &str) -> Said {
        self.tool("conntrack", words)
    }

    /// How many connections of TCP it knows.
    pub(crate) fn connections(&self) -> u32 {
        let said = self.conntrack("-L -p tcp");
        let shown = said.text.lines().find(|line| line.contains(" flow entries have been shown"));
        let count =
            shown.and_then(|line| line.split_whitespace().find_map(|word| word.parse().ok()));
        count.unwrap_or_else(|| panic!("how many?\n{}", said.text))
    }

    /// Packet buffers that are not free, of Wagonway's; a device has some all the time.
    pub(crate) fn buffers_in_use(&self) -> u64 {
        if self.process.is_none() {
            return 0;
        }
        let said = self.tool("show", "memory --json");
        let json = said.text.split_once('\n').map_or("", |(_, json)| json);
        let rows: serde_json::Value = serde_json::from_str(json).expect(&said.text);
        let rows = rows.as_array().expect("rows");
        let buffers = rows.iter().find(|row| row["name"] == "packet buffers").expect("buffers");
        buffers["used"].as_u64().expect("a number")
    }

    /// Takes Wagonway out of service as an operator does, which leaves nothing to be said.
    #[track_caller]
    pub(crate) fn stops_in_order(mut self) {
        let Some(process) = &mut self.process else { return };
        process.signal(rustix::process::Signal::TERM);
        let status = process.ends_within(std::time::Duration::from_secs(10));
        let log = process.log();
        assert!(status.success() && !log.contains("note: ") && !log.contains("panicked"), "{log}");
    }

    fn tool(&self, tool: &str, words: &str) -> Said {
        match self.process {
            None => on(self.machine, &format!("{tool} {words}")),
            Some(_) => {
                on(self.machine, &format!("{} {tool} --instance {} {words}", program(), instance()))
            }
        }
    }

    /// Takes it out of service.
    pub(crate) fn stop(mut self) {
        match self.process.take() {
            Some(process) => drop(process),
            None => self.machine.sysctl("net.ipv4.ip_forward", "0"),
        }
    }
}

fn program() -> &'static str {
    env!("CARGO_BIN_EXE_wagonway")
}

/// The whole name of a sysctl.
fn full(name: &str) -> String {
    if name.starts_with("netfilter.") { format!("net.{name}") } else { format!("net.ipv4.{name}") }
}

fn toml(plan: &Plan<'_>) -> String {
    let mut text = format!(
        "[instance]\nname = \"{}\"\n\n[workers]\ncount = {}\nidle = \"adaptive\"\n\n\
         [dpdk]\nhuge = \"never\"\nin-memory = true\n",
        instance(),
        plan.workers
    );
    for (port, address, mtu) in plan.ports {
        let addresses = if address.is_empty() { String::new() } else { format!("\"{address}\"") };
        writeln!(
            text,
            "\n[[port]]\nname = \"{port}\"\ndevice = \"af_packet:{port}\"\n\
             addresses = [{addresses}]\nmtu = {mtu}"
        )
        .expect("write to a string");
    }
    for route in plan.routes {
        let (to, rest) = route.split_once(' ').expect("a destination and a way");
        writeln!(text, "\n[[route]]\nto = \"{to}\"").expect("write to a string");
        let hops: Vec<&str> =
            rest.split("nexthop").map(str::trim).filter(|hop| !hop.is_empty()).collect();
        let pairs = |hop: &str| {
            let words: Vec<&str> = hop.split_whitespace().collect();
            let pairs = words.chunks(2).map(|pair| format!("{} = \"{}\"", pair[0], pair[1]));
            pairs.collect::<Vec<_>>()
        };
        if rest.contains("nexthop") {
            let hops = hops.iter().map(|hop| format!("{{ {} }}", pairs(hop).join(", ")));
            let hops = hops.collect::<Vec<_>>().join(", ");
            writeln!(text, "nexthops = [{hops}]").expect("write to a string");
        } else {
            writeln!(text, "{}", pairs(rest).join("\n")).expect("write to a string");
        }
    }
    text += "\n[sysctl]\n";
    for (name, value) in plan.sysctls {
        writeln!(text, "\"{}\" = {value}", full(name)).expect("write to a string");
    }
    text
}
