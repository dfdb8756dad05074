//! A host that speaks IPv6 alone, and a server that speaks IPv4 alone.
//!
//! ```text
//!   alice 2001:db8:1::10 --- lan ::1 | router | wan 192.0.2.1 --- 192.0.2.10 bob
//! ```
//!
//! Linux has no such translation, so only Wagonway stands in the middle.

use std::process::Command;

use crate::common::netns::Namespace;
use crate::common::process::Process;
use crate::filters::{echoes, hears_its_echo};
use crate::router::instance;
use crate::world::{Said, on};

struct World {
    router: Namespace,
    alice: Namespace,
    bob: Namespace,
    process: Process,
}

/// Bob as alice sees him.
const BOB: &str = "64:ff9b::c000:20a";

impl World {
    fn new() -> Self {
        let (router, alice, bob) =
            (Namespace::new("router"), Namespace::new("alice"), Namespace::new("bob"));
        router.cable("lan", &alice, "eth0");
        router.cable("wan", &bob, "eth0");
        alice.sysctl("net.ipv6.conf.all.disable_ipv6", "0");
        alice.sysctl("net.ipv6.conf.eth0.disable_ipv6", "0");
        alice.ip("addr add 2001:db8:1::10/64 dev eth0 nodad");
        alice.ip("route add default via 2001:db8:1::1");
        // He knows nobody beyond his link.
        bob.ip("addr add 192.0.2.10/24 dev eth0");
        bob.sysctl("net.ipv4.icmp_ratelimit", "0");
        let config = format!(
            "[instance]\nname = \"{}\"\n[workers]\ncount = 2\n[dpdk]\nhuge = \"never\"\nin-memory = true\n\
             [nat64]\npool = \"192.0.2.1\"\n\
             [[port]]\nname = \"lan\"\ndevice = \"af_packet:lan\"\naddresses = [\"2001:db8:1::1/64\"]\n\
             [[port]]\nname = \"wan\"\ndevice = \"af_packet:wan\"\naddresses = [\"192.0.2.1/24\"]\n",
            instance()
        );
        let mut process = Process::start(&router, &config);
        process.wait_until(|| on(&alice, "ping -6 -n -c 1 -W 1 2001:db8:1::1").ok);
        Self { router, alice, bob, process }
    }

    fn tool(&self, words: &str) -> Said {
        let (program, rest) = words.split_once(' ').expect("a program and words");
        let wagonway = env!("CARGO_BIN_EXE_wagonway");
        on(&self.router, &format!("{wagonway} {program} --instance {} {rest}", instance()))
    }
}

/// Shows RFC 6146: pings of any size, TCP both ways, UDP, and errors from the other side.
pub(crate) fn a_host_of_ipv6_reaches_a_server_of_ipv4() {
    let mut world = World::new();
    on(&world.alice, &format!("ping -6 -n -c 3 -i 0.1 -W 5 {BOB}")).expect(" 0% packet loss");
    for size in [1000, 1400, 1432, 1500, 3000] {
        let words = format!("ping -6 -n -c 2 -i 0.1 -W 5 -s {size} {BOB}");
        on(&world.alice, &words).expect(" 0% packet loss");
    }
    // It ends at the router, and at the server, who speaks IPv4.
    on(&world.alice, &format!("traceroute -6 -n -U -p 9999 -q 1 -w 3 -m 4 {BOB}"))
        .expect(" 1  2001:db8:1::1 ")
        .expect(&format!(" 2  {BOB} "));

    echoes(&world.bob, "192.0.2.10:80");
    hears_its_echo(&world.alice, &format!("[{BOB}]:80"));
    let refused =
        on(&world.alice, &format!("curl -6 -sS --max-time 5 --noproxy * http://[{BOB}]:81/"));
    assert_eq!(refused.status, Some(7), "{}", refused.text);

    let ways =
        ["-t 1", "-t 1 -R", "-t 1 -P 4", "-t 1 -u -b 5M -l 1200", "-t 1 -u -b 5M -l 1200 -R"];
    for (port, words) in (5300..).zip(ways) {
        let mut command = Command::new("iperf3");
        command.args(["-s", "-1", "--forceflush", "-p", &port.to_string()]);
        let server = Process::spawn(&world.bob, &mut command);
        world.process.wait_until(|| server.log().contains("listening"));
        let said = on(&world.alice, &format!("iperf3 -6 -c {BOB} -p {port} {words}"));
        assert!(said.ok, "{words}: {}", said.text);
        // Something came, whatever a busy machine has lost.
        assert!(!said.contains("(100%)"), "{words}: {}", said.text);
    }

    world.tool("conntrack -L -p tcp --dport 80").expect("src=192.0.2.10 dst=192.0.2.1 ");
    // Rules of IPv4 meet what has become of it.
    let rule = "iptables -A FORWARD -p tcp --dport 80 -m conntrack --ctstate NEW -j DROP";
    assert!(world.tool(rule).ok);
    let words = format!("curl -6 -sS --max-time 2 --noproxy * http://[{BOB}]/");
    assert_eq!(on(&world.alice, &words).status, Some(28), "it is dropped");
    let drops = world.tool("show drops");
    assert!(drops.contains("nf_drop") && !drops.contains("nf_nat64"), "{}", drops.text);
}
