//! The world of IPv6, and what routes in its middle: Linux, or Wagonway on packet sockets.
//!
//! ```text
//!   alice 2001:db8:1::10 - lan ::1 |        | wan 2001:db8:2::1 - ::10 bob ::1 - 2001:db8:9::2 carol
//!                                  | router |                              (1300 bytes)
//!   dave  2001:db8:3::10 - dmz ::1 |        |
//!            (1400 bytes)
//! ```

use std::fmt::Write as _;

use crate::common::netns::Namespace;
use crate::common::process::Process;
use crate::plan::Kind;
use crate::router::instance;
use crate::world::{PORTS, Said, World, on};

/// Addresses of the router's ports.
pub(crate) const ADDRESSES: [(&str, &str); 3] =
    [("lan", "2001:db8:1::1/64"), ("wan", "2001:db8:2::1/64"), ("dmz", "2001:db8:3::1/64")];

/// Routes of the router, in the words of `ip route add`.
const ROUTES: [&str; 4] = [
    "2001:db8:9::/64 via 2001:db8:2::10",
    "unreachable 2001:db8:20::/48",
    "prohibit 2001:db8:21::/48",
    "blackhole 2001:db8:22::/48",
];

/// What is told to the router beside its addresses and routes.
#[derive(Clone, Copy, Default)]
pub(crate) struct Told<'a> {
    /// Tunables by their whole names.
    pub(crate) sysctls: &'a [(&'a str, &'a str)],
    /// Addresses of its own and no routes; the usual ones when there are none.
    pub(crate) addresses: Option<&'a [(&'a str, &'a str)]>,
    /// What else Wagonway's configuration says.
    pub(crate) more: &'a str,
}

impl World {
    /// Builds it with IPv6 on every host, the router not yet running.
    pub(crate) fn six() -> Self {
        let world = Self::new();
        for (machine, addresses, gateway) in [
            (&world.alice, &[("eth0", "2001:db8:1::10/64")][..], "2001:db8:1::1"),
            (
                &world.bob,
                &[("eth0", "2001:db8:2::10/64"), ("eth1", "2001:db8:9::1/64")],
                "2001:db8:2::1",
            ),
            (&world.carol, &[("eth0", "2001:db8:9::2/64")], "2001:db8:9::1"),
            (&world.dave, &[("eth0", "2001:db8:3::10/64")], "2001:db8:3::1"),
        ] {
            let interfaces: Vec<&str> = addresses.iter().map(|(interface, _)| *interface).collect();
            enable(machine, &interfaces);
            for (interface, address) in addresses {
                machine.ip(&format!("addr add {address} dev {interface} nodad"));
            }
            machine.ip(&format!("route add default via {gateway}"));
        }
        world.bob.sysctl("net.ipv6.conf.all.forwarding", "1");
        world
    }
}

impl World {
    /// Another, with one segment: bob is a gateway beside alice, and carol behind him.
    pub(crate) fn segment() -> Self {
        let world = Self {
            alice: Namespace::new("alice"),
            bob: Namespace::new("bob"),
            carol: Namespace::new("carol"),
            dave: Namespace::new("switch"),
            router: Namespace::new("router"),
        };
        let switch = &world.dave;
        switch.ip("link add br0 type bridge");
        switch.ip("link set br0 up");
        for (machine, interface) in
            [(&world.router, "lan"), (&world.alice, "eth0"), (&world.bob, "eth0")]
        {
            let port = format!("to-{}", machine.label());
            switch.cable(&port, machine, interface);
            switch.ip(&format!("link set {port} master br0"));
        }
        for port in ["wan", "dmz"] {
            world.router.cable(port, switch, &format!("end-of-{port}"));
        }
        world.bob.cable("eth1", &world.carol, "eth0");
        for (machine, interfaces) in [
            (&world.alice, &["eth0"][..]),
            (&world.bob, &["eth0", "eth1"]),
            (&world.carol, &["eth0"]),
        ] {
            enable(machine, interfaces);
        }
        world.alice.ip("addr add 2001:db8:1::10/64 dev eth0 nodad");
        world.bob.ip("addr add 2001:db8:1::30/64 dev eth0 nodad");
        world.bob.ip("addr add 2001:db8:8::1/64 dev eth1 nodad");
        world.bob.sysctl("net.ipv6.conf.all.forwarding", "1");
        world.carol.ip("addr add 2001:db8:8::2/64 dev eth0 nodad");
        world.carol.ip("route add default via 2001:db8:8::1");
        world
    }
}

/// The link-local address that is made from an interface's Ethernet address.
pub(crate) fn link_local(machine: &Namespace, interface: &str) -> String {
    let shown = on(machine, &format!("ip -br link show {interface}")).text;
    let line = shown.lines().find(|line| line.starts_with(interface)).expect("the interface");
    let mac = line.split_whitespace().nth(2).expect("an Ethernet address");
    let octets = mac.split(':').map(|octet| u8::from_str_radix(octet, 16).expect("hex"));
    let [a, b, c, d, e, f] = octets.collect::<Vec<_>>()[..] else { panic!("{mac}") };
    let bytes = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f];
    std::net::Ipv6Addr::from(bytes).to_string()
}

/// Lets a machine speak IPv6, which takes no router's word for anything and waits for no duplicates.
pub(crate) fn enable(machine: &Namespace, interfaces: &[&str]) {
    machine.sysctl("net.ipv6.conf.default.disable_ipv6", "0");
    for interface in ["default"].iter().chain(interfaces) {
        machine.sysctl(&format!("net.ipv6.conf.{interface}.accept_dad"), "0");
        machine.sysctl(&format!("net.ipv6.conf.{interface}.accept_ra"), "0");
    }
    machine.sysctl("net.ipv6.conf.all.disable_ipv6", "0");
}

/// A router at work until it is dropped.
pub(crate) struct Six<'a> {
    machine: &'a Namespace,
    process: Option<Process>,
}

impl<'a> Six<'a> {
    /// Starts it; it has answered alice when this returns.
    pub(crate) fn start(kind: Kind, world: &'a World, told: Told<'_>) -> Self {
        let running = Self::start_unasked(kind, world, told);
        running.answers(&world.alice, "2001:db8:1::1")
    }

    /// Waits until a host has an answer.
    pub(crate) fn answers(mut self, host: &Namespace, address: &str) -> Self {
        let ask = || on(host, &format!("ping -6 -n -c 1 -W 1 {address}")).ok;
        match &mut self.process {
            Some(process) => process.wait_until(ask),
            None => assert!((0..10).any(|_| ask()), "the Linux router does not answer"),
        }
        self
    }

    /// Starts it, whether it answers or not.
    pub(crate) fn start_unasked(kind: Kind, world: &'a World, told: Told<'_>) -> Self {
        let machine = &world.router;
        let addresses = told.addresses.unwrap_or(&ADDRESSES);
        let process = match kind {
            Kind::Linux => {
                linux(machine, addresses, &told);
                None
            }
            Kind::Wagonway => Some(Process::start(machine, &toml(addresses, &told))),
        };
        Self { machine, process }
    }

    /// Asks or changes it in the words of `ip`.
    pub(crate) fn ip(&self, words: &str) -> Said {
        match self.process {
            None => on(self.machine, &format!("ip {words}")),
            Some(_) => self.wagonway(&format!("ip --instance {} {words}", instance())),
        }
    }

    /// The number of its process, if it is one.
    pub(crate) fn process_id(&self) -> Option<String> {
        self.process.as_ref().map(|process| process.id().to_string())
    }

    /// Runs the program with these words.
    pub(crate) fn wagonway(&self, words: &str) -> Said {
        on(self.machine, &format!("{} {words}", env!("CARGO_BIN_EXE_wagonway")))
    }

    /// Waits until something holds; panics if the router ends, or does not come so far.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while !done(self) {
            let log = self.process.as_ref().map(Process::log).unwrap_or_default();
            assert!(std::time::Instant::now() < deadline, "{what}:\n{log}");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }
}

/// The routes that there are with these addresses.
fn routes(told: &Told<'_>) -> &'static [&'static str] {
    if told.addresses.is_some() { &[] } else { &ROUTES }
}

fn linux(machine: &Namespace, addresses: &[(&str, &str)], told: &Told<'_>) {
    enable(machine, &["lan", "wan", "dmz"]);
    machine.sysctl("net.ipv6.conf.all.forwarding", "1");
    for (name, value) in told.sysctls {
        machine.sysctl(name, value);
    }
    for (port, _, mtu) in PORTS {
        machine.ip(&format!("link set {port} mtu {mtu}"));
    }
    for (port, address) in addresses {
        machine.ip(&format!("addr add {address} dev {port} nodad"));
    }
    for route in routes(told) {
        machine.ip(&format!("route add {route}"));
    }
}

fn toml(addresses: &[(&str, &str)], told: &Told<'_>) -> String {
    let mut text = format!(
        "[instance]\nname = \"{}\"\n\n[workers]\ncount = 1\nidle = \"adaptive\"\n\n\
         [dpdk]\nhuge = \"never\"\nin-memory = true\n",
        instance()
    );
    for (port, four, mtu) in PORTS {
        let six = addresses.iter().filter(|(of, _)| *of == port).map(|(_, address)| *address);
        let all: Vec<&str> = [four].into_iter().chain(six).collect();
        writeln!(
            text,
            "\n[[port]]\nname = \"{port}\"\ndevice = \"af_packet:{port}\"\n\
             addresses = {all:?}\nmtu = {mtu}"
        )
        .expect("write to a string");
    }
    for route in routes(told) {
        let (kind, rest) = match route.split_once(' ') {
            Some((kind @ ("unreachable" | "prohibit" | "blackhole"), rest)) => (Some(kind), rest),
            _ => (None, *route),
        };
        let mut words = rest.split_whitespace();
        writeln!(text, "\n[[route]]\nto = \"{}\"", words.next().unwrap_or_default())
            .expect("write to a string");
        if let Some(kind) = kind {
            writeln!(text, "type = \"{kind}\"").expect("write to a string");
        }
        while let (Some(word), Some(value)) = (words.next(), words.next()) {
            writeln!(text, "{word} = \"{value}\"").expect("write to a string");
        }
    }
    text += told.more;
    text += "\n[sysctl]\n\"net.ipv6.conf.all.forwarding\" = 1\n";
    for (name, value) in told.sysctls {
        writeln!(text, "\"{name}\" = {value}").expect("write to a string");
    }
    text
}
