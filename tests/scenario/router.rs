//! What stands in the middle of the world: a Linux router, or Wagonway.

use std::fmt::Write as _;

use crate::common::process::Process;
use crate::world::{PORTS, ROUTES, World, on};

/// Something that routes between the router's cables until dropped.
pub(crate) trait Router: Sized {
    /// Starts it; packets are forwarded when this returns.
    fn start(world: &World) -> Self {
        Self::start_with(world, &[])
    }

    /// The same with these tunables.
    fn start_with(world: &World, sysctls: &[(&str, &str)]) -> Self;
}

/// The kernel of this machine, which shows that the stories are true ones.
pub(crate) struct Linux;

impl Router for Linux {
    fn start_with(world: &World, sysctls: &[(&str, &str)]) -> Self {
        for (port, address, mtu) in PORTS {
            world.router.ip(&format!("link set {port} mtu {mtu}"));
            world.router.ip(&format!("addr add {address} brd + dev {port}"));
        }
        for route in ROUTES {
            world.router.ip(&format!("route add {route}"));
        }
        world.router.sysctl("net.ipv4.ip_forward", "1");
        for (name, value) in sysctls {
            world.router.sysctl(name, value);
        }
        Self
    }
}

/// Wagonway, running, with its ports opened by the driver that `D` names.
pub(crate) struct Wagonway<D> {
    process: Process,
    driver: std::marker::PhantomData<D>,
}

/// How a port takes an interface of the kernel's.
pub(crate) trait Driver {
    /// The word before the interface's name in a port's `device`.
    const NAME: &'static str;
}

/// Packet sockets.
pub(crate) struct AfPacket;

impl Driver for AfPacket {
    const NAME: &'static str = "af_packet";
}

/// XDP sockets.
pub(crate) struct AfXdp;

impl Driver for AfXdp {
    const NAME: &'static str = "af_xdp";
}

impl<D: Driver> Router for Wagonway<D> {
    fn start_with(world: &World, sysctls: &[(&str, &str)]) -> Self {
        let mut config = configuration(D::NAME, &instance());
        if !sysctls.is_empty() {
            put(&mut config, format_args!("\n[sysctl]"));
        }
        for (name, value) in sysctls {
            put(&mut config, format_args!("\"{name}\" = {value}"));
        }
        let mut process = Process::start(&world.router, &config);
        process.wait_until(|| on(&world.alice, "ping -n -c 1 -W 1 10.1.0.1").ok);
        Self { process, driver: std::marker::PhantomData }
    }
}

impl<D> Wagonway<D> {
    /// The process, to be stopped in a way of the story's own.
    pub(crate) fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// A name that no other test uses at the same time.
pub(crate) fn instance() -> String {
    format!("scenario-{}", std::process::id())
}

/// The configuration file of the router in the middle.
pub(crate) fn configuration(driver: &str, instance: &str) -> String {
    let mut text = format!(
        "[instance]\nname = \"{instance}\"\n\n[workers]\ncount = 1\nidle = \"adaptive\"\n\n\
         [dpdk]\nhuge = \"never\"\nin-memory = true\n"
    );
    for (port, address, mtu) in PORTS {
        put(
            &mut text,
            format_args!(
                "\n[[port]]\nname = \"{port}\"\ndevice = \"{driver}:{port}\"\naddresses = [\"{address}\"]\nmtu = {mtu}"
            ),
        );
    }
    for route in ROUTES {
        let (kind, rest) = match route.split_once(' ') {
            Some((kind @ ("unreachable" | "prohibit" | "blackhole"), rest)) => (Some(kind), rest),
            _ => (None, route),
        };
        let mut words = rest.split_whitespace();
        put(&mut text, format_args!("\n[[route]]\nto = \"{}\"", words.next().unwrap_or_default()));
        if let Some(kind) = kind {
            put(&mut text, format_args!("type = \"{kind}\""));
        }
        while let (Some(word), Some(value)) = (words.next(), words.next()) {
            put(&mut text, format_args!("{word} = \"{value}\""));
        }
    }
    text
}

fn put(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("write to a string");
}
