//! Starting, stopping and refusing to start, as an operator meets them.

use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::common::process::{Process, write};
use crate::router::{
    AfPacket, AfXdp, Driver, Linux, Router as _, Wagonway, configuration, instance,
};
use crate::world::{World, on};

/// Long enough for a start or a stop on a busy machine, short enough to call a hang a hang.
const SOON: Duration = Duration::from_secs(10);

/// Asks the running router something.
fn ask(world: &World, words: &str) -> crate::world::Said {
    let program = env!("CARGO_BIN_EXE_wagonway");
    on(&world.router, &format!("{program} {words} --instance {}", instance()))
}

/// Gives the running router a command in the words of `ip`.
fn command(world: &World, words: &str) -> crate::world::Said {
    let program = env!("CARGO_BIN_EXE_wagonway");
    on(&world.router, &format!("{program} ip --instance {} {words}", instance()))
}

/// After the signal the process ends well, its socket is gone, and the kernel can use the cables.
pub(crate) fn stops_cleanly<D: Driver>(signal: Signal) {
    let world = World::new();
    let mut router = Wagonway::<D>::start(&world);
    on(&world.alice, "ping -n -c 3 -i 0.05 -W 2 192.0.2.10").expect(" 0% packet loss");
    assert!(ask(&world, "show counters").ok, "a running router answers questions");

    let began = Instant::now();
    router.process().signal(signal);
    let status = router.process().ends_within(SOON);
    assert_eq!(status.code(), Some(0), "{}", router.process().log());
    println!("ended {:?} after {signal:?}", began.elapsed());
    let log = router.process().log();
    assert!(!log.contains("panicked"), "{log}");
    assert!(!ask(&world, "show counters").ok, "a stopped router answers no questions");
    let links = on(&world.router, "ip -d link show");
    assert!(!links.contains("xdp"), "an XDP program was left behind:\n{}", links.text);
    assert!(!links.contains("PROMISC"), "promiscuous mode was left on:\n{}", links.text);

    let _linux = Linux::start(&world);
    on(&world.alice, "ping -n -c 3 -i 0.05 -W 2 192.0.2.10").expect(" 0% packet loss");
}

/// Changes take effect at once, and what becomes of packets can be seen.
pub(crate) fn is_changed_and_looked_into() {
    let world = World::new();
    let _router = Wagonway::<AfPacket>::start(&world);
    let ip = |words: &str| command(&world, words);
    let ping = |whom: &str| on(&world.alice, &format!("ping -n -c 3 -i 0.1 -W 2 {whom}"));

    ping("172.30.0.1").expect("Destination Net Unreachable");
    assert!(ip("route add 172.30.0.0/16 via 192.0.2.10").ok);
    ip("route get 172.30.0.1").expect("via 192.0.2.10 dev wan");
    assert!(!ip("route add 172.30.0.0/16 via 192.0.2.10").ok, "it is there already");
    assert!(ip("route replace prohibit 172.30.0.0/16").ok);
    ping("172.30.0.1").expect("Packet filtered");
    ask(&world, "show drops").expect("route_prohibit").expect("ip_innoroutes");
    assert!(ip("route del 172.30.0.0/16").ok);
    ping("172.30.0.1").expect("Destination Net Unreachable");

    assert!(ip("addr add 10.77.0.1/24 dev lan").ok);
    ping("10.77.0.1").expect(" 0% packet loss");
    assert!(ip("addr del 10.77.0.1/24 dev lan").ok);
    assert!(ip("link set wan mtu 1300").ok);
    on(&world.alice, "ping -n -c 1 -W 2 -M do -s 1400 192.0.2.10").expect("mtu = 1300");
    ping("192.0.2.10").expect(" 0% packet loss");
    ip("neigh show").expect("192.0.2.10 dev wan lladdr");

    let mut trace = Process::spawn(
        &world.router,
        Command::new(env!("CARGO_BIN_EXE_wagonway"))
            .args(["trace", "--count", "2", "--dst", "192.0.2.10/32", "--instance"])
            .arg(instance()),
    );
    // Armed at some time soon; pings go on until it has what it wants.
    let _pings = Process::spawn(
        &world.alice,
        Command::new("ping").args(["-n", "-q", "-i", "0.05", "-w", "8", "192.0.2.10"]),
    );
    assert!(trace.ends_within(SOON).success(), "{}", trace.log());
    let said = trace.log();
    for word in ["packet 1", "packet 2", "lan-rx0", "ip4-lookup -> ip4-forward", "tx"] {
        assert!(said.contains(word), "no {word:?} in:\n{said}");
    }
    let graph = ask(&world, "show graph --json");
    assert!(graph.ok && graph.contains("\"name\": \"ip4-forward\""), "{}", graph.text);
}

/// Rules and next-hop objects take effect at once, and who watches is told of each change.
pub(crate) fn is_ruled_and_watched() {
    let world = World::new();
    let _router = Wagonway::<AfPacket>::start(&world);
    let program = env!("CARGO_BIN_EXE_wagonway");
    let ip =
        |words: &str| on(&world.router, &format!("{program} ip --instance {} {words}", instance()));
    let ping = |whom: &str| on(&world.alice, &format!("ping -n -c 3 -i 0.1 -W 2 {whom}"));

    let mut watcher = Process::spawn(
        &world.router,
        Command::new(program).args(["ip", "--instance"]).arg(instance()).args(["monitor", "label"]),
    );
    // It watches from some time soon on.
    for tries in 0.. {
        assert!(tries < 1000, "nothing is told");
        assert!(ip("rule add pref 9 table 9").ok && ip("rule del pref 9").ok);
        if !watcher.log().is_empty() {
            break;
        }
    }

    ping("192.0.2.10").expect(" 0% packet loss");
    assert!(ip("rule add pref 20 to 192.0.2.0/24 iif lan prohibit").ok);
    ping("192.0.2.10").expect("Packet filtered");
    ask(&world, "show rules").expect("from all to 192.0.2.0/24 iif lan prohibit");
    assert!(ip("rule del pref 20").ok);
    ping("192.0.2.10").expect(" 0% packet loss");

    assert!(ip("nexthop add id 7 blackhole").ok);
    assert!(ip("route add 192.0.2.10 nhid 7 table 70").ok);
    assert!(ip("rule add pref 30 to 192.0.2.10 table 70").ok);
    ping("192.0.2.10").expect("100% packet loss");
    ask(&world, "show nexthops").expect("blackhole");
    ask(&world, "show routes --table 70").expect("192.0.2.10 nhid 7");
    assert!(ip("nexthop replace id 7 via 192.0.2.10 dev wan").ok);
    ping("192.0.2.10").expect(" 0% packet loss");
    ip("-d route get 192.0.2.10").expect("rule 30: table 70, route 192.0.2.10/32");
    assert!(ip("nexthop flush").ok && ip("rule flush").ok);
    assert!(ip("link set dmz group 4").ok);

    let began = Instant::now();
    while !watcher.log().contains("group 4 \n") && began.elapsed() < SOON {
        std::thread::sleep(Duration::from_millis(20));
    }
    let log = watcher.log();
    for what in [
        "[RULE]20:\tfrom all to 192.0.2.0/24 iif lan prohibit\n",
        "[RULE]Deleted 20:\tfrom all to 192.0.2.0/24 iif lan prohibit\n",
        "[NEXTHOP]id 7 blackhole \n",
        "[ROUTE]blackhole 192.0.2.10 nhid 7 dev lo table 70 \n",
        "[NEXTHOP]id 7 via 192.0.2.10 dev wan scope link \n",
        "[ROUTE]192.0.2.10 nhid 7 via 192.0.2.10 dev wan table 70 \n",
        "[NEXTHOP]Deleted id 7 via 192.0.2.10 dev wan scope link \n",
        "[RULE]Deleted 30:\tfrom all to 192.0.2.10 lookup 70\n",
        "group 4 \n",
    ] {
        assert!(log.contains(what), "not told {what:?}:\n{log}");
    }
    watcher.signal(Signal::INT);
    watcher.ends_within(SOON);
    assert!(ask(&world, "show vrfs").ok && ask(&world, "show exceptions").ok);
}

/// Told to stop while packets flow, it stops all the same.
pub(crate) fn stops_under_load() {
    let world = World::new();
    let mut router = Wagonway::<AfPacket>::start(&world);
    let mut flood = Process::spawn(
        &world.alice,
        Command::new("ping").args(["-n", "-q", "-f", "-w", "20", "192.0.2.10"]),
    );
    std::thread::sleep(Duration::from_millis(500));
    router.process().signal(Signal::TERM);
    assert_eq!(router.process().ends_within(SOON).code(), Some(0), "{}", router.process().log());
    flood.signal(Signal::INT);
    flood.ends_within(SOON);
}

/// A name is taken once; who comes second is told, and who came first does not notice.
pub(crate) fn second_instance_of_a_name_is_refused() {
    let world = World::new();
    let _router = Wagonway::<AfPacket>::start(&world);
    let mut second = Process::start(&world.router, &configuration(AfPacket::NAME, &instance()));
    let status = second.ends_within(SOON);
    let log = second.log();
    assert!(!status.success(), "{log}");
    assert!(log.contains(&instance()) && log.contains("running"), "{log}");
    on(&world.alice, "ping -n -c 3 -i 0.05 -W 2 192.0.2.10").expect(" 0% packet loss");
    assert!(ask(&world, "show counters").ok, "the first one still answers questions");
}

/// A router that was killed leaves nothing behind that keeps the next one from starting.
pub(crate) fn starts_again_after_being_killed<D: Driver>() {
    let world = World::new();
    for _ in 0..2 {
        let mut router = Wagonway::<D>::start(&world);
        on(&world.alice, "ping -n -c 3 -i 0.05 -W 2 192.0.2.10").expect(" 0% packet loss");
        router.process().signal(Signal::KILL);
        router.process().ends_within(SOON);
    }
}

/// An IPv4 route may have an IPv6 gateway (RFC 5549), which is found by neighbour discovery
/// and forwards back by ours.
pub(crate) fn an_ipv6_gateway_serves_ipv4() {
    let world = World::new();
    let _router = Wagonway::<AfPacket>::start(&world);
    let ip = |words: &str| command(&world, words);
    world.bob.sysctl("net.ipv6.conf.all.disable_ipv6", "0");
    world.bob.sysctl("net.ipv6.conf.eth0.disable_ipv6", "0");
    world.bob.ip("addr add fe80::b/64 dev eth0 nodad");
    let shown = on(&world.router, "ip -br link show wan").text;
    let mac = shown.lines().find(|line| line.starts_with("wan")).expect("the port");
    let mac = mac.split_whitespace().nth(2).expect("a link-layer address");
    let octets: Vec<u8> =
        mac.split(':').map(|octet| u8::from_str_radix(octet, 16).expect("hex")).collect();
    let [a, b, c, d, e, f] = octets[..] else { panic!("{mac}") };
    let ours = format!("fe80::{:02x}{b:02x}:{c:02x}ff:fe{d:02x}:{e:02x}{f:02x}", a ^ 2);

    let change = ip("route replace 10.9.0.0/24 via inet6 fe80::b dev wan");
    assert!(change.ok, "{}", change.text);
    world.bob.ip(&format!("route replace default via inet6 {ours} dev eth0"));
    on(&world.alice, "ping -n -c 5 -i 0.05 -W 2 10.9.0.2").expect(" 0% packet loss");
    ip("route get 10.9.0.2").expect("via inet6 fe80::b dev wan");
    ip("neigh show dev wan").expect("fe80::b lladdr");

    // A gateway that is not there is told of as any other.
    ip("route replace 10.9.0.0/24 via inet6 fe80::c dev wan");
    on(&world.alice, "ping -n -c 1 -W 5 10.9.0.2").expect("Destination Host Unreachable");
}

/// Starts with this configuration, which must fail at once with all of these words said.
fn refused(world: &World, config: &str, words: &[&str]) {
    let mut router = Process::start(&world.router, config);
    let status = router.ends_within(SOON);
    let log = router.log();
    assert!(!status.success(), "started all the same:\n{log}");
    assert!(status.code().is_some(), "died of {status}:\n{log}");
    assert!(!log.contains("panicked"), "{log}");
    for word in words {
        assert!(log.contains(word), "no {word:?} in:\n{log}");
    }
}

/// The error names the port and the device that is not there.
pub(crate) fn device_that_does_not_exist_is_named() {
    let world = World::new();
    for driver in [AfPacket::NAME, AfXdp::NAME] {
        let config = configuration(driver, &instance());
        let config = config.replace(&format!("{driver}:wan"), &format!("{driver}:nosuch0"));
        refused(&world, &config, &["wan", "nosuch0"]);
    }
}

/// Without the rights that it needs it says which.
pub(crate) fn missing_rights_are_explained() {
    let world = World::new();
    let config = write(&configuration(AfPacket::NAME, &instance()));
    let mut command = Command::new("setpriv");
    // The superuser of no capabilities: may read the files that the build left, and nothing else.
    command
        .args(["--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"])
        .args([env!("CARGO_BIN_EXE_wagonway"), "run", "--config"])
        .arg(config);
    let mut router = Process::spawn(&world.router, &mut command);
    let status = router.ends_within(SOON);
    let log = router.log();
    assert!(!status.success() && status.code().is_some(), "{status}:\n{log}");
    assert!(!log.contains("panicked"), "{log}");
    assert!(log.contains("CAP_NET_RAW") || log.contains("root"), "{log}");
}

/// A mistake in the configuration is shown where it is.
pub(crate) fn mistakes_in_the_configuration_are_located() {
    let world = World::new();
    let config =
        configuration(AfPacket::NAME, &instance()).replace("mtu = 1400", "mtu = \"1400 bytes\"");
    let line = config
        .lines()
        .position(|line| line.contains("1400 bytes"))
        .expect("the line with the mistake")
        + 1;
    refused(&world, &config, &["mtu", &line.to_string()]);
    let config = configuration(AfPacket::NAME, &instance()).replace("10.1.0.1/24", "10.1.0.1/33");
    refused(&world, &config, &["10.1.0.1/33"]);
    let config = configuration(AfPacket::NAME, &instance()).replace("[[port]]", "[[prot]]");
    refused(&world, &config, &["prot"]);
}
