//! What paths do to packets: narrow places, detours, and links that go.

use std::net::UdpSocket;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::common::netns::Namespace;
use crate::common::process::Process;
use crate::plan::{Kind, Plan, Running};
use crate::stories::iperf_server;
use crate::world::on;

/// A host with one cable, an address on it, and a way to all else.
fn host(
    name: &'static str,
    beside: &Namespace,
    port: &str,
    address: &str,
    gateway: &str,
) -> Namespace {
    let host = Namespace::new(name);
    host.sysctl("net.ipv4.ip_forward", "0");
    beside.cable(port, &host, "eth0");
    host.ip(&format!("addr add {address} brd + dev eth0"));
    host.ip(&format!("route add default via {gateway}"));
    host
}

/// [3.44], [4.121]: 1500 bytes to the router, 1400 behind it, 1280 behind that.
///
/// ```text
///   alice 10.1.0.10 --- router --- 192.0.2.10 bob 10.9.0.1 --- 10.9.0.2 carol
///                1500        1400                      1280
/// ```
pub(crate) fn tracepath_finds_one_narrow_place_behind_another(kind: Kind) {
    let router = Namespace::new("router");
    let alice = host("alice", &router, "lan", "10.1.0.10/24", "10.1.0.1");
    let bob = host("bob", &router, "wan", "192.0.2.10/24", "192.0.2.1");
    let carol = host("carol", &bob, "eth1", "10.9.0.2/24", "10.9.0.1");
    bob.sysctl("net.ipv4.ip_forward", "1");
    bob.ip("addr add 10.9.0.1/24 dev eth1");
    for (machine, interface, mtu) in
        [(&bob, "eth0", 1400), (&bob, "eth1", 1280), (&carol, "eth0", 1280)]
    {
        machine.ip(&format!("link set {interface} mtu {mtu}"));
    }
    let plan = Plan {
        workers: 1,
        ports: &[("lan", "10.1.0.1/24", 1500), ("wan", "192.0.2.1/24", 1400)],
        routes: &["10.9.0.0/24 via 192.0.2.10"],
        sysctls: &[],
    };
    let _router = Running::start(kind, &router, &plan, &alice);
    let path = on(&alice, "tracepath -n 10.9.0.2");
    path.expect("10.1.0.1").expect("pmtu 1400").expect("pmtu 1280");
    path.expect("Resume: pmtu 1280 hops 3 back 3");
    // What fits the second place goes through both; what is a byte longer is told so by the host,
    // who has learned it.
    on(&alice, "ping -n -c 2 -i 0.1 -W 2 -M do -s 1252 10.9.0.2").expect(" 0% packet loss");
    on(&alice, "ping -n -c 1 -W 2 -M do -s 1253 10.9.0.2").expect("mtu=1280");
    on(&alice, "ip route get 10.9.0.2").expect("mtu 1280");
}

/// Machines on one segment with the router's port `lan`.
///
/// ```text
///   router 10.1.0.1, alice 10.1.0.10, gw1 10.1.0.20, gw2 10.1.0.30 --- 10.9.0.1 | 10.9.0.2 carol
/// ```
struct Segment {
    _switch: Namespace,
    router: Namespace,
    alice: Namespace,
    gw1: Namespace,
    gw2: Namespace,
    carol: Namespace,
}

impl Segment {
    fn new() -> Self {
        let switch = Namespace::new("switch");
        switch.ip("link add br0 type bridge");
        switch.ip("link set br0 up");
        let join = |machine: &Namespace, interface: &str, port: &str| {
            switch.cable(port, machine, interface);
            switch.ip(&format!("link set {port} master br0"));
        };
        let router = Namespace::new("router");
        join(&router, "lan", "to-router");
        let on_it = |name, address: &str| {
            let machine = Namespace::new(name);
            join(&machine, "eth0", &format!("to-{name}"));
            machine.ip(&format!("addr add {address} brd + dev eth0"));
            machine
        };
        let alice = on_it("alice", "10.1.0.10/24");
        let gw1 = on_it("gw1", "10.1.0.20/24");
        let gw2 = on_it("gw2", "10.1.0.30/24");
        let carol = host("carol", &gw2, "eth1", "10.9.0.2/24", "10.9.0.1");
        gw2.ip("addr add 10.9.0.1/24 dev eth1");
        gw1.ip("route add 10.9.0.0/24 via 10.1.0.30");
        alice.sysctl("net.ipv4.ip_forward", "0");
        for gateway in [&gw1, &gw2] {
            gateway.sysctl("net.ipv4.ip_forward", "1");
        }
        alice.ip("route add default via 10.1.0.1");
        Self { _switch: switch, router, alice, gw1, gw2, carol }
    }
}

/// [3.48], [5.93]: a host behind the wrong router is told the right one, and goes there.
pub(crate) fn host_obeys_a_redirect(kind: Kind) {
    let world = Segment::new();
    let plan = Plan {
        workers: 1,
        ports: &[("lan", "10.1.0.1/24", 1500)],
        routes: &["10.9.0.0/24 via 10.1.0.30"],
        sysctls: &[],
    };
    let router = Running::start(kind, &world.router, &plan, &world.alice);
    on(&world.alice, "ip route get 10.9.0.2").expect("via 10.1.0.1 ");
    let first = on(&world.alice, "ping -n -c 4 -i 0.1 -W 2 10.9.0.2");
    first
        .expect(" 0% packet loss")
        .expect("From 10.1.0.1: icmp_seq=1 Redirect Host(New nexthop: 10.1.0.30)");
    on(&world.alice, "ip route get 10.9.0.2").expect("via 10.1.0.30 ").expect("redirected");
    // Direct is without the router.
    router.stop();
    on(&world.alice, "ping -n -c 3 -i 0.1 -W 2 10.9.0.2").expect(" 0% packet loss");
}

/// [5.97] to [5.100], [5.108]: the router's own packets take the better gateway that it was told of.
pub(crate) fn router_obeys_a_redirect(kind: Kind) {
    let world = Segment::new();
    let plan = Plan {
        workers: 1,
        ports: &[("lan", "10.1.0.1/24", 1500)],
        routes: &["10.9.0.0/24 via 10.1.0.20"],
        sysctls: &[("conf.all.accept_redirects", "1"), ("conf.default.accept_redirects", "1")],
    };
    if kind == Kind::Linux {
        world.router.sysctl("net.ipv4.conf.lan.accept_redirects", "1");
    }
    world.gw2.ip("route add 10.1.0.1/32 dev eth0");
    let router = Running::start(kind, &world.router, &plan, &world.alice);
    router.ip("route get 10.9.0.2").expect("via 10.1.0.20 ");
    let forwarded = || {
        let text = on(&world.gw1, "cat /proc/net/snmp").text;
        let mut lines = text.lines().filter(|line| line.starts_with("Ip: "));
        let (names, values) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        let mut pairs = names.split_whitespace().zip(values.split_whitespace());
        let found = pairs.find(|(name, _)| *name == "ForwDatagrams");
        found.and_then(|(_, value)| value.parse::<u64>().ok()).expect("ForwDatagrams")
    };
    // Its answers go by gw1, which says that gw2 is nearer; the first such news may only make the
    // router look for gw2.
    on(&world.carol, "ping -n -c 10 -i 0.1 -W 2 10.1.0.1").expect(" 0% packet loss");
    router.ip("route get 10.9.0.2").expect("via 10.1.0.30 ");
    let before = forwarded();
    assert!(before > 0, "gw1 had nothing to say anything about");
    on(&world.carol, "ping -n -c 10 -i 0.05 -W 2 10.1.0.1").expect(" 0% packet loss");
    assert_eq!(forwarded(), before, "answers still go by gw1");
}

/// Datagrams a second of [`Stream`].
const RATE: u32 = 1000;

/// What became of a stream of datagrams.
struct Outage {
    /// Time from the last datagram that came before some were lost to the next that did, by when
    /// they were sent; the longest such.
    longest: Duration,
    sent: usize,
    lost: usize,
}

/// Sends numbered datagrams from one machine to another while `meanwhile` runs.
fn stream(from: &Namespace, to: &Namespace, address: &str, meanwhile: impl FnOnce()) -> Outage {
    let receiver = to.enter(|| UdpSocket::bind("0.0.0.0:9000")).expect("bind");
    let sender = from.enter(|| UdpSocket::bind("0.0.0.0:9001")).expect("bind");
    sender.connect((address, 9000)).expect("an address to send to");
    receiver.set_read_timeout(Some(Duration::from_millis(200))).expect("set a time limit");
    let (over, sent, came) =
        (AtomicBool::new(false), Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (began, mut number) = (Instant::now(), 0_u32);
            while !over.load(Ordering::Relaxed) {
                sleep(
                    (began + Duration::from_secs(1) / RATE * number)
                        .saturating_duration_since(Instant::now()),
                );
                sent.lock().expect("a lock").push(Instant::now());
                // An error is news of a datagram before; this one is then lost like others.
                let _ = sender.send(&number.to_be_bytes());
                number += 1;
            }
        });
        let receiving = scope.spawn(|| {
            let mut buffer = [0; 4];
            loop {
                match receiver.recv(&mut buffer) {
                    Ok(4) => came.lock().expect("a lock").push(u32::from_be_bytes(buffer)),
                    Ok(_) => {}
                    Err(_) if over.load(Ordering::Relaxed) => return,
                    Err(_) => {}
                }
            }
        });
        meanwhile();
        over.store(true, Ordering::Relaxed);
        receiving.join().expect("the receiver");
    });
    let (sent, mut came) = (sent.into_inner().expect("a lock"), came.into_inner().expect("a lock"));
    came.sort_unstable();
    came.dedup();
    let gaps = came.windows(2).filter(|pair| pair[1] > pair[0] + 1);
    let longest = gaps.map(|pair| sent[pair[1] as usize] - sent[pair[0] as usize]).max();
    let last = came.last().map_or(0, |last| *last as usize + 1);
    assert!(last + 300 > sent.len(), "nothing comes any more after {last} of {}", sent.len());
    Outage { longest: longest.unwrap_or_default(), sent: sent.len(), lost: last - came.len() }
}

/// Packets that came in by an interface so far.
fn received(machine: &Namespace, interface: &str) -> u64 {
    let text = on(machine, "cat /proc/net/dev").text;
    let line = text.lines().find_map(|line| line.trim().strip_prefix(&format!("{interface}:")));
    let words: Vec<&str> = line.expect("the interface").split_whitespace().collect();
    words[1].parse().expect("a number")
}

/// [6.138]: two ways to one place; the link of the one in use goes while iperf3 runs, and all goes by the
/// other within a tenth of a second. What a busy machine itself pauses counts as well, so that one of
/// three times it must be so.
pub(crate) fn traffic_leaves_a_link_that_goes(kind: Kind) {
    let mut outages = Vec::new();
    while outages.len() < 3 {
        let Outage { longest, sent, lost } = link_goes(kind);
        println!("{lost} of {sent} datagrams lost, the longest outage {longest:?}");
        if longest <= Duration::from_millis(100) {
            return;
        }
        outages.push(longest);
    }
    panic!("outages of {outages:?}");
}

///
/// ```text
///                             /--- up1 192.0.2.0/24 ----\
///   alice 10.1.0.10 --- router                           rear 10.9.0.1
///                             \--- up2 198.51.100.0/24 -/
/// ```
fn link_goes(kind: Kind) -> Outage {
    let router = Namespace::new("router");
    let rear = Namespace::new("rear");
    let alice = host("alice", &router, "lan", "10.1.0.10/24", "10.1.0.1");
    router.cable("up1", &rear, "up1");
    router.cable("up2", &rear, "up2");
    rear.ip("addr add 192.0.2.2/24 dev up1");
    rear.ip("addr add 198.51.100.2/24 dev up2");
    rear.ip("addr add 10.9.0.1/32 dev lo");
    // Its own way back is not what is asked about: it goes where the link stays.
    for linkdown in ["all", "default"] {
        rear.sysctl(&format!("net.ipv4.conf.{linkdown}.ignore_routes_with_linkdown"), "1");
        rear.sysctl(&format!("net.ipv4.conf.{linkdown}.rp_filter"), "0");
    }
    rear.ip("route add 10.1.0.0/24 nexthop via 192.0.2.1 nexthop via 198.51.100.1");
    let plan = Plan {
        workers: 1,
        ports: &[
            ("lan", "10.1.0.1/24", 1500),
            ("up1", "192.0.2.1/24", 1500),
            ("up2", "198.51.100.1/24", 1500),
        ],
        routes: &["10.9.0.1/32 nexthop via 192.0.2.2 nexthop via 198.51.100.2"],
        sysctls: &[
            ("conf.all.ignore_routes_with_linkdown", "1"),
            ("conf.default.ignore_routes_with_linkdown", "1"),
        ],
    };
    if kind == Kind::Linux {
        for port in ["lan", "up1", "up2"] {
            router.sysctl(&format!("net.ipv4.conf.{port}.ignore_routes_with_linkdown"), "1");
        }
    }
    let _router = Running::start(kind, &router, &plan, &alice);
    on(&alice, "ping -n -c 3 -i 0.1 -W 2 10.9.0.1").expect(" 0% packet loss");

    let _server = iperf_server(&rear);
    let mut client = Process::spawn(
        &alice,
        std::process::Command::new("iperf3")
            .args(["-c", "10.9.0.1", "-t", "4", "-b", "50M", "-i", "0.5", "-f", "k"]),
    );
    let outage = stream(&alice, &rear, "10.9.0.1", || {
        sleep(Duration::from_millis(700));
        let before = ["up1", "up2"].map(|path| received(&rear, path));
        sleep(Duration::from_millis(300));
        let after = ["up1", "up2"].map(|path| received(&rear, path));
        let used = if after[0] - before[0] > after[1] - before[1] { 0 } else { 1 };
        assert!(after[used] - before[used] > 100, "no path is in use: {before:?}, {after:?}");
        rear.ip(&format!("link set {} down", ["up1", "up2"][used]));
        sleep(Duration::from_millis(1500));
        let other = ["up2", "up1"][used];
        assert!(received(&rear, other) > after[1 - used] + 500, "the other path is not in use");
    });
    let status = client.ends_within(Duration::from_secs(15));
    assert!(status.success(), "iperf3: {status}\n{}", client.log());
    outage
}

/// [1.15], [7.85], [7.99], [7.125]: a port with another Ethernet address says so and goes on; one
/// without ARP asks nobody and answers nobody.
pub(crate) fn a_port_changes_its_ethernet_address(kind: Kind) {
    const OTHER: &str = "02:00:00:00:aa:01";
    let router = Namespace::new("router");
    let alice = host("alice", &router, "lan", "10.1.0.10/24", "10.1.0.1");
    let bob = host("bob", &router, "wan", "192.0.2.10/24", "192.0.2.1");
    let plan = Plan {
        workers: 1,
        ports: &[("lan", "10.1.0.1/24", 1500), ("wan", "192.0.2.1/24", 1500)],
        routes: &[],
        sysctls: &[("conf.lan.arp_notify", "1")],
    };
    let running = Running::start(kind, &router, &plan, &alice);
    let ping = |words: &str| on(&alice, &format!("ping -n -i 0.1 {words}"));
    ping("-c 2 -W 5 192.0.2.10").expect(" 0% packet loss");
    let change = |words: &str| {
        let said = running.ip(words);
        assert!(said.ok, "{}", said.text);
    };
    change(&format!("link set lan address {OTHER}"));
    // The host is told, and asks nothing.
    let deadline = Instant::now() + Duration::from_secs(10);
    while !on(&alice, "ip neigh show 10.1.0.1").contains(OTHER) {
        assert!(Instant::now() < deadline, "{}", on(&alice, "ip neigh show").text);
    }
    ping("-c 3 -W 5 192.0.2.10").expect(" 0% packet loss");
    change(&format!("link set wan address {}", OTHER.replace("aa", "bb")));
    bob.ip("neigh flush dev eth0");
    ping("-c 3 -W 5 192.0.2.10").expect(" 0% packet loss");
    on(&bob, "ip neigh show 192.0.2.1").expect("02:00:00:00:bb:01");
    let refused = running.ip("link set lan address 01:00:00:00:00:01");
    assert_eq!(refused.status, Some(2));
    refused.expect("RTNETLINK answers: Cannot assign requested address");

    change("link set lan arp off");
    alice.ip("neigh flush dev eth0");
    ping("-c 1 -W 1 10.1.0.1").expect("100% packet loss");
    running.ip("link show lan").expect("NOARP");
    change("link set lan arp on");
    ping("-c 2 -W 5 192.0.2.10").expect(" 0% packet loss");
    assert!(!running.ip("link show lan").contains("NOARP"));
    running.stop();
}
