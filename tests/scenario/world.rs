//! Four machines and their cables.
//!
//! ```text
//!   alice 10.1.0.10 ---- lan  .1 |        | wan 192.0.2.1 ---- .10 bob .1 ---- 10.9.0.2 carol
//!                                | router |                          (1300 bytes)
//!   dave 198.51.100.10 - dmz  .1 |        |
//!          (1400 bytes)
//! ```

use std::process::Output;

use crate::common::netns::Namespace;

/// The machines; what routes between `lan`, `wan` and `dmz` is not part of the world.
pub(crate) struct World {
    pub(crate) alice: Namespace,
    pub(crate) bob: Namespace,
    pub(crate) carol: Namespace,
    pub(crate) dave: Namespace,
    /// Where the router's ends of the cables are, up and without addresses.
    pub(crate) router: Namespace,
}

/// Ports of the router: name, address, MTU.
pub(crate) const PORTS: [(&str, &str, u16); 3] =
    [("lan", "10.1.0.1/24", 1500), ("wan", "192.0.2.1/24", 1500), ("dmz", "198.51.100.1/24", 1400)];

/// Routes of the router, in the words of `ip route add`.
pub(crate) const ROUTES: [&str; 4] = [
    "10.9.0.0/24 via 192.0.2.10",
    "unreachable 10.20.0.0/16",
    "prohibit 10.21.0.0/16",
    "blackhole 10.22.0.0/16",
];

impl World {
    /// Builds it, router not yet running.
    pub(crate) fn new() -> Self {
        let world = Self {
            alice: Namespace::new("alice"),
            bob: Namespace::new("bob"),
            carol: Namespace::new("carol"),
            dave: Namespace::new("dave"),
            router: Namespace::new("router"),
        };
        // Neither the router's kernel nor a host may route in the router's place.
        for namespace in [&world.alice, &world.dave, &world.router] {
            namespace.sysctl("net.ipv4.ip_forward", "0");
        }
        world.router.cable("lan", &world.alice, "eth0");
        world.router.cable("wan", &world.bob, "eth0");
        world.router.cable("dmz", &world.dave, "eth0");
        world.bob.cable("eth1", &world.carol, "eth0");

        world.alice.ip("addr add 10.1.0.10/24 dev eth0");
        world.alice.ip("route add default via 10.1.0.1");
        world.bob.ip("addr add 192.0.2.10/24 dev eth0");
        world.bob.ip("route add default via 192.0.2.1");
        world.bob.sysctl("net.ipv4.ip_forward", "1");
        world.bob.ip("addr add 10.9.0.1/24 dev eth1");
        world.bob.ip("link set eth1 mtu 1300");
        world.carol.ip("link set eth0 mtu 1300");
        world.carol.ip("addr add 10.9.0.2/24 dev eth0");
        world.carol.ip("route add default via 10.9.0.1");
        world.dave.ip("addr add 198.51.100.10/24 dev eth0");
        world.dave.ip("link set eth0 mtu 1400");
        world.dave.ip("route add default via 198.51.100.1");
        world
    }
}

/// What a program said, and whether it was content.
pub(crate) struct Said {
    /// The command in a line of its own, and what came.
    pub(crate) text: String,
    pub(crate) ok: bool,
    /// Exit status; none when a signal ended it.
    pub(crate) status: Option<i32>,
}

impl Said {
    /// Whether these words are in it, behind the command that asked.
    pub(crate) fn contains(&self, words: &str) -> bool {
        self.text.split_once('\n').is_some_and(|(_, said)| said.contains(words))
    }

    /// Panics with all of it unless these words are in it.
    #[track_caller]
    pub(crate) fn expect(&self, words: &str) -> &Self {
        assert!(self.contains(words), "no {words:?} in:\n{}", self.text);
        self
    }
}

/// Runs a program on a machine; the words are split at spaces.
pub(crate) fn on(machine: &Namespace, command: &str) -> Said {
    let mut words = command.split_whitespace();
    let program = words.next().expect("a program");
    let words: Vec<&str> = words.collect();
    let Output { status, stdout, stderr } = machine.output(program, &words);
    let text = format!(
        "$ {command}\n{}{}",
        String::from_utf8_lossy(&stdout),
        String::from_utf8_lossy(&stderr)
    );
    Said { text, ok: status.success(), status: status.code() }
}
