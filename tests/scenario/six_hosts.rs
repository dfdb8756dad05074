//! Hosts that learn from the router's advertisements, the router that learns from others', and those
//! who mean no good.

use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::common::netns::Namespace;
use crate::common::process::{Process, write};
use crate::plan::Kind;
use crate::six::{ADDRESSES, Six, Told, enable, link_local};
use crate::stories::iperf_server;
use crate::world::{World, on};

/// What a Linux router advertises by radvd; Wagonway's configuration says the same in `ADVERTISED`.
const RADVD: &str = "
interface lan {
    AdvSendAdvert on;
    MinRtrAdvInterval 3;
    MaxRtrAdvInterval 4;
    AdvOtherConfigFlag on;
    AdvLinkMTU 1480;
    AdvReachableTime 30000;
    AdvRetransTimer 1500;
    AdvCurHopLimit 61;
    AdvDefaultLifetime 1800;
    AdvDefaultPreference high;
    prefix 2001:db8:1::/64 { AdvValidLifetime 86400; AdvPreferredLifetime 14400; };
    prefix 2001:db8:1:5::/64 { AdvOnLink on; AdvAutonomous off; };
    route 2001:db8:aa::/48 { AdvRoutePreference low; AdvRouteLifetime 600; };
    RDNSS 2001:db8:1::53 2001:db8:1::54 { AdvRDNSSLifetime 1200; };
    DNSSL example.net lab.example.net { AdvDNSSLLifetime 1200; };
};
interface dmz {
    AdvSendAdvert on;
    MinRtrAdvInterval 3;
    MaxRtrAdvInterval 4;
    prefix 2001:db8:3::/64 { };
};
";

/// The same in the words of Wagonway's configuration.
const ADVERTISED: &str = r#"
[[advertise]]
dev = "lan"
min-interval = 3
max-interval = 4
other-config = true
mtu = 1480
reachable-time = 30000
retrans-timer = 1500
hop-limit = 61
lifetime = 1800
preference = "high"
prefix = [
    { prefix = "2001:db8:1::/64", valid-lifetime = 86400, preferred-lifetime = 14400 },
    { prefix = "2001:db8:1:5::/64", on-link = true, autonomous = false },
]
route = [{ prefix = "2001:db8:aa::/48", preference = "low", lifetime = 600 }]
rdnss = [{ servers = ["2001:db8:1::53", "2001:db8:1::54"], lifetime = 1200 }]
dnssl = [{ domains = ["example.net", "lab.example.net"], lifetime = 1200 }]

[[advertise]]
dev = "dmz"
min-interval = 3
max-interval = 4
prefix = [{ prefix = "2001:db8:3::/64" }]
"#;

/// Starts radvd on a machine with this configuration.
fn radvd(machine: &Namespace, config: &str) -> Process {
    let config: PathBuf = write(config);
    let pid = config.with_extension("pid");
    let mut command = Command::new("radvd");
    command.arg("-n").arg("-m").arg("stderr").arg("-C").arg(&config).arg("-p").arg(pid);
    Process::spawn(machine, &mut command)
}

/// A router that advertises, and radvd where Linux needs it.
fn advertising(kind: Kind, world: &World) -> (Six<'_>, Option<Process>) {
    let told = Told { more: ADVERTISED, ..Told::default() };
    let router = Six::start_unasked(kind, world, told);
    let radvd = (kind == Kind::Linux).then(|| radvd(&world.router, RADVD));
    (router, radvd)
}

/// A host that believes routers.
fn believe(machine: &Namespace) {
    enable(machine, &["eth0"]);
    machine.sysctl("net.ipv6.conf.eth0.accept_dad", "1");
    machine.sysctl("net.ipv6.conf.eth0.accept_ra", "1");
    machine.sysctl("net.ipv6.conf.eth0.accept_ra_rt_info_max_plen", "64");
    machine.ip("link set eth0 down");
    machine.ip("link set eth0 up");
}

/// Waits until a host has made itself an address that begins so, and gives it.
fn made(router: &mut Six<'_>, host: &Namespace, begin: &str) -> String {
    let mut found = String::new();
    router.until(&format!("an address of {begin}"), |_| {
        let shown = on(host, "ip -6 -o addr show dev eth0 -tentative scope global").text;
        let mut words = shown.split_whitespace().filter(|word| word.starts_with(begin));
        found = words.next().and_then(|word| word.split('/').next()).unwrap_or("").to_owned();
        !found.is_empty()
    });
    found
}

/// [8.67] to [8.74]: hosts configure themselves and reach each other.
pub(crate) fn hosts_configure_themselves(kind: Kind) {
    let world = World::new();
    let (mut router, _radvd) = advertising(kind, &world);
    believe(&world.alice);
    believe(&world.dave);
    let alice = made(&mut router, &world.alice, "2001:db8:1:");
    let dave = made(&mut router, &world.dave, "2001:db8:3:");
    let own = |host: &Namespace| link_local(host, "eth0").trim_start_matches("fe80::").to_owned();
    assert!(alice.ends_with(&own(&world.alice)), "{alice}");
    let gateway = link_local(&world.router, "lan");
    let routes = on(&world.alice, "ip -6 route show dev eth0");
    routes.expect(&format!("default via {gateway} proto ra metric 1024"));
    routes.expect("mtu 1480").expect("hoplimit 61").expect("pref high");
    routes.expect(&format!("2001:db8:aa::/48 via {gateway} proto ra")).expect("pref low");
    routes.expect("2001:db8:1:5::/64 proto kernel");
    on(&world.alice, &format!("ping -6 -n -c 5 -i 0.1 -W 2 {dave}")).expect(" 0% packet loss");
    on(&world.dave, &format!("ping -6 -n -c 5 -i 0.1 -W 2 {alice}")).expect(" 0% packet loss");
    let read = |name: &str| {
        on(&world.alice, &format!("cat /proc/sys/net/ipv6/{name}"))
            .text
            .lines()
            .nth(1)
            .map(str::to_owned)
    };
    assert_eq!(read("conf/eth0/mtu").as_deref(), Some("1480"));
    assert_eq!(read("conf/eth0/hop_limit").as_deref(), Some("61"));
    assert_eq!(read("neigh/eth0/retrans_time_ms").as_deref(), Some("1500"));
    assert_eq!(read("neigh/eth0/base_reachable_time_ms").as_deref(), Some("30000"));
}

/// [8.71]: every field as the one who asked reads it.
pub(crate) fn every_field_of_an_advertisement_is_read(kind: Kind) {
    let world = World::new();
    let (mut router, _radvd) = advertising(kind, &world);
    enable(&world.alice, &["eth0"]);
    let mut said = on(&world.alice, "true");
    router.until("an advertisement", |_| {
        said = on(&world.alice, "rdisc6 -n -1 -r 1 -w 1000 eth0");
        said.ok
    });
    let squeezed: Vec<String> = said
        .text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    let gateway = link_local(&world.router, "lan");
    let mac = on(&world.router, "ip -br link show lan").text;
    let mac = mac
        .lines()
        .nth(1)
        .and_then(|line| line.split_whitespace().nth(2))
        .expect("a MAC")
        .to_uppercase();
    for line in [
        "Hop limit : 61 ( 0x3d)",
        "Stateful address conf. : No",
        "Stateful other conf. : Yes",
        "Mobile home agent : No",
        "Router preference : high",
        "Neighbor discovery proxy : No",
        "Router lifetime : 1800 (0x00000708) seconds",
        "Reachable time : 30000 (0x00007530) milliseconds",
        "Retransmit time : 1500 (0x000005dc) milliseconds",
        "Prefix : 2001:db8:1::/64",
        "Prefix : 2001:db8:1:5::/64",
        "On-link : Yes",
        "Autonomous address conf.: Yes",
        "Autonomous address conf.: No",
        "Valid time : 86400 (0x00015180) seconds",
        "Pref. time : 14400 (0x00003840) seconds",
        "Route : 2001:db8:aa::/48",
        "Route preference : low",
        "Route lifetime : 600 (0x00000258) seconds",
        "Recursive DNS server : 2001:db8:1::53",
        "Recursive DNS server : 2001:db8:1::54",
        "DNS servers lifetime : 1200 (0x000004b0) seconds",
        "DNS search list : example.net lab.example.net",
        "DNS search list lifetime: 1200 (0x000004b0) seconds",
        "MTU : 1480 bytes (valid)",
        &format!("Source link-layer address: {mac}"),
        &format!("from {gateway}"),
    ] {
        assert!(squeezed.iter().any(|told| told == line), "no {line:?} in:\n{}", said.text);
    }
}

/// [8.76] to [8.84]: a router that believes another.
pub(crate) fn a_router_learns_from_another(kind: Kind) {
    let world = World::six();
    let own: Vec<_> = ADDRESSES.into_iter().filter(|(port, _)| *port != "wan").collect();
    let told = Told {
        sysctls: &[
            ("net.ipv6.conf.wan.accept_ra", "2"),
            ("net.ipv6.conf.wan.accept_ra_rt_info_max_plen", "64"),
        ],
        addresses: Some(&own),
        ..Told::default()
    };
    let mut router = Six::start_unasked(kind, &world, told);
    let _radvd = radvd(
        &world.bob,
        "interface eth0 {
            AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4; AdvCurHopLimit 60;
            prefix 2001:db8:2::/64 { AdvValidLifetime 7200; AdvPreferredLifetime 1800; };
            route 2001:db8:bb::/48 { };
        };",
    );
    let bob = link_local(&world.bob, "eth0");
    router.until("a default route", |router| {
        router.ip("-6 route show default").contains(&format!("default via {bob} dev wan proto ra"))
    });
    router.until("an address", |router| {
        let shown = router.ip("-6 addr show dev wan scope global");
        shown.contains("inet6 2001:db8:2:") && !shown.contains("tentative")
    });
    router.ip("-6 route show 2001:db8:bb::/48").expect(&format!("via {bob} dev wan proto ra"));
    router.ip("-6 route show 2001:db8:2::/64").expect("dev wan proto kernel");
    // Alice is served by what the router learned.
    world.bob.ip("addr add 2001:db8:cc::1/128 dev lo nodad");
    let own = link_local(&world.router, "wan");
    world.bob.ip(&format!("route replace 2001:db8:1::/64 via {own} dev eth0"));
    on(&world.alice, "ping -6 -n -c 5 -i 0.1 -W 2 2001:db8:cc::1").expect(" 0% packet loss");
}

/// [8.68], [7.160]: the address that a neighbour has already is not taken.
pub(crate) fn a_duplicate_address_is_not_taken(kind: Kind) {
    let world = World::six();
    let mut router = Six::start(kind, &world, Told::default());
    world.alice.ip("addr add 2001:db8:1::66/64 dev eth0 nodad");
    if kind == Kind::Linux {
        world.router.sysctl("net.ipv6.conf.lan.accept_dad", "1");
    }
    assert!(router.ip("-6 addr add 2001:db8:1::66/64 dev lan").ok);
    router.ip("-6 addr show dev lan").expect("2001:db8:1::66/64").expect("tentative");
    router.until("the duplicate", |router| router.ip("-6 addr show dev lan").contains("dadfailed"));
    // One that is free is taken when nobody has spoken up.
    assert!(router.ip("-6 addr add 2001:db8:1::67/64 dev lan").ok);
    router.until("the free one", |router| {
        !router.ip("-6 addr show dev lan to 2001:db8:1::67").contains("tentative")
    });
    on(&world.alice, "ping -6 -n -c 3 -i 0.1 -W 2 2001:db8:1::67").expect(" 0% packet loss");
    on(&world.bob, "ping -6 -n -c 1 -W 2 2001:db8:1::66").expect(" 0% packet loss");
}

/// Memory that a process has now, in KiB.
fn resident(process: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}

/// Packets that were sent and those of them that were lost.
#[derive(Clone, Copy, Default)]
struct Lost {
    sent: u64,
    lost: u64,
}

impl Lost {
    fn add(&mut self, other: Self) {
        (self.sent, self.lost) = (self.sent + other.sent, self.lost + other.lost);
    }
}

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {}", self.lost, self.sent)
    }
}

/// A flow of datagrams from bob to dave, 1250 a second, and what becomes of it.
struct Stream {
    _server: Process,
    client: Process,
}

impl Stream {
    fn start(world: &World, seconds: u64) -> Self {
        let server = iperf_server(&world.dave);
        let words = format!("-J -6 -u -b 10M -l 1000 -w 1M -t {seconds} -c 2001:db8:3::10");
        let words: Vec<&str> = words.split_whitespace().collect();
        let client = Process::spawn(&world.bob, Command::new("iperf3").args(words));
        Self { _server: server, client }
    }

    fn end(mut self) -> Lost {
        self.client.ends_within(Duration::from_secs(30));
        let log = self.client.log();
        let told = log.get(log.find('{').unwrap_or(0)..).unwrap_or_default();
        let told: serde_json::Value =
            serde_json::from_str(told).unwrap_or_else(|error| panic!("{error}: {log}"));
        let number = |key: &str| told["end"]["sum"][key].as_u64();
        let (Some(sent), Some(lost)) = (number("packets"), number("lost_packets")) else {
            panic!("{log}");
        };
        Lost { sent, lost }
    }
}

/// Runs a tool of the thc-ipv6 collection on alice for so long at the most; gives what became meanwhile of
/// bob's questions to dave, and of a stream of datagrams between the same.
fn attack(world: &World, words: &str, limit: Duration) -> (Lost, Lost) {
    let stream = Stream::start(world, limit.as_secs() + 1);
    let ping = ["-6", "-n", "-q", "-i", "0.002", "-W", "2", "-w", "30", "2001:db8:3::10"];
    let mut flow = Process::spawn(&world.bob, Command::new("ping").args(ping));
    let mut words = words.split_whitespace();
    let tool = words.next().expect("a tool");
    let mut tool = Command::new(format!("atk6-{tool}"));
    let mut process = Process::spawn(&world.alice, tool.args(words));
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline && process.is_running() {
        sleep(Duration::from_millis(50));
    }
    drop(process);
    // What is on its way may still arrive.
    flow.signal(Signal::INT);
    flow.ends_within(Duration::from_secs(10));
    let log = flow.log();
    let number = |words: &str| {
        let before = log.split(words).next().and_then(|text| text.split_whitespace().next_back());
        before.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{log}"))
    };
    let (sent, received): (u64, u64) = (number(" packets transmitted"), number(" received,"));
    (Lost { sent, lost: sent - received.min(sent) }, stream.end())
}

/// The router stays up, keeps its memory, and others lose nothing, while one host attacks it.
pub(crate) fn attacks_do_not_disturb_others(kind: Kind) {
    let world = World::six();
    let router = Six::start(kind, &world, Told::default());
    let before = router.process_id().map(|id| resident(&id));
    let target = "eth0 2001:db8:1::1";
    let mut attacks: Vec<String> = (1..=7).map(|case| format!("denial6 {target} {case}")).collect();
    for options in [
        "-1", "-1 -I", "-1 -F", "-1 -S", "-1 -D", "-1 -H", "-1 -J", "-2", "-3", "-4", "-5", "-6",
        "-7", "-8", "-9",
    ] {
        attacks.push(format!("fuzz_ip6 -a {options} {target}"));
    }
    for flood in
        ["flood_advertise6", "flood_solicitate6", "flood_router26", "flood_mld26", "flood_rs6"]
    {
        attacks.push(format!("{flood} eth0"));
    }
    attacks.push(format!("implementation6 -p {target}"));
    let (mut pings, mut stream, mut story) = (Lost::default(), Lost::default(), String::new());
    for words in &attacks {
        let limit = if words.starts_with("implementation6") { 15_000 } else { 1500 };
        let (asked, streamed) = attack(&world, words, Duration::from_millis(limit));
        pings.add(asked);
        stream.add(streamed);
        story += &format!("{asked} pings and {streamed} datagrams lost under {words}\n");
    }
    println!("{story}{pings} pings and {stream} datagrams lost");
    let most = |all: Lost| all.lost * 1000 < all.sent;
    assert!(pings.sent > 3000 && stream.sent > 30_000, "{story}");
    assert!(most(pings) && most(stream), "{story}{pings} pings and {stream} datagrams lost");
    for (machine, name) in [(&world.bob, "bob"), (&world.alice, "alice")] {
        let said = on(machine, "ping -6 -n -c 3 -i 0.1 -W 2 2001:db8:1::1");
        assert!(said.contains(" 0% packet loss"), "{name}: {}", said.text);
    }
    if let (Some(id), Some(before)) = (router.process_id(), before) {
        let after = resident(&id);
        println!("{before} KiB before, {after} KiB after");
        assert!(after < before + 64 * 1024, "{before} KiB grew to {after}");
    }
}
