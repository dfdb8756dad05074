//! What people on the hosts see, told for any router.

use crate::common::netns::Namespace;
use crate::common::process::Process;
use crate::router::{Linux, Router};
use crate::world::{World, on};

/// [3.5], [3.15], [4.27]
pub(crate) fn hosts_ping_each_other_and_the_router<R: Router>() {
    let world = World::new();
    let _router = R::start(&world);
    for (who, whom) in [
        (&world.alice, "10.1.0.1"),
        (&world.alice, "192.0.2.1"),
        (&world.alice, "192.0.2.10"),
        (&world.alice, "10.9.0.2"),
        (&world.alice, "198.51.100.10"),
        (&world.bob, "10.1.0.10"),
        (&world.bob, "198.51.100.1"),
        (&world.carol, "10.1.0.10"),
        (&world.carol, "10.1.0.1"),
        (&world.dave, "10.1.0.10"),
        (&world.dave, "192.0.2.10"),
    ] {
        // The first packet of a pair may wait for ARP but must not be lost.
        on(who, &format!("ping -n -c 5 -i 0.05 -W 2 {whom}")).expect(" 0% packet loss");
    }
}

/// [4.5], [4.92]: the hosts cut, and the router passes pieces on.
pub(crate) fn pings_larger_than_a_frame_come_back<R: Router>() {
    large_pings::<R>(&["192.0.2.10", "198.51.100.10", "10.9.0.2"]);
}

/// [4.101]: pieces for the router itself are put together.
pub(crate) fn pings_of_the_router_larger_than_a_frame_come_back<R: Router>() {
    large_pings::<R>(&["10.1.0.1", "198.51.100.1"]);
}

fn large_pings<R: Router>(whom: &[&str]) {
    let world = World::new();
    let _router = R::start(&world);
    for whom in whom {
        for size in [1473, 4000, 8000, 20_000, 65_507] {
            on(&world.alice, &format!("ping -n -c 3 -i 0.05 -W 2 -M dont -s {size} {whom}"))
                .expect(" 0% packet loss");
        }
    }
}

/// [1.24], [3.49]
pub(crate) fn traceroute_shows_the_router<R: Router>() {
    let world = World::new();
    let _router = R::start(&world);
    for how in ["", "-I", "-T -p 9"] {
        let trace = on(&world.alice, &format!("traceroute -n -q 2 -w 2 {how} 10.9.0.2"));
        let hops: Vec<&str> =
            trace.text.lines().skip(2).filter_map(|line| line.split_whitespace().nth(1)).collect();
        assert_eq!(hops, ["10.1.0.1", "192.0.2.10", "10.9.0.2"], "{}", trace.text);
    }
    // From the other side it is the other address that shows.
    let trace = on(&world.carol, "traceroute -n -q 1 -w 2 10.1.0.10");
    trace.expect(" 192.0.2.1 ").expect(" 10.1.0.10 ");
}

/// [3.44], [4.121]: once the router itself is the narrow place, once it only passes the news on.
pub(crate) fn tracepath_finds_the_narrow_places<R: Router>() {
    let world = World::new();
    let _router = R::start(&world);
    let own = on(&world.alice, "tracepath -n 198.51.100.10");
    own.expect("10.1.0.1").expect("pmtu 1400").expect("Resume: pmtu 1400");
    let behind = on(&world.alice, "tracepath -n 10.9.0.2");
    behind.expect("10.1.0.1").expect("pmtu 1300").expect("Resume: pmtu 1300");
    on(&world.carol, "ping -n -c 1 -W 2 -M do -s 1372 10.1.0.10").expect("message too long");
    world.alice.ip("route flush cache");
    on(&world.alice, "ping -n -c 1 -W 2 -M do -s 1472 198.51.100.10")
        .expect("Frag needed and DF set (mtu = 1400)");
}

/// [3.41], [3.42], [5.34] to [5.47]
pub(crate) fn hosts_are_told_what_is_wrong<R: Router>() {
    let world = World::new();
    let _router = R::start(&world);
    let ping = |whom: &str| {
        let said = on(&world.alice, &format!("ping -n -c 1 -W 5 {whom}"));
        // Errors to one host are limited, twice over when they are about routes.
        std::thread::sleep(std::time::Duration::from_millis(1100));
        said
    };
    ping("10.77.0.1").expect("From 10.1.0.1 icmp_seq=1 Destination Net Unreachable");
    ping("10.20.0.1").expect("From 10.1.0.1 icmp_seq=1 Destination Host Unreachable");
    ping("10.21.0.1").expect("From 10.1.0.1 icmp_seq=1 Packet filtered");
    let silence = on(&world.alice, "ping -n -c 1 -W 1 10.22.0.1");
    silence.expect("100% packet loss");
    assert!(!silence.contains("From"), "a blackhole answered:\n{}", silence.text);
    // Nobody has this address: the router asks three times, then says so.
    ping("192.0.2.77").expect("From 10.1.0.1 icmp_seq=1 Destination Host Unreachable");
    on(&world.alice, "ping -n -c 1 -W 2 -t 1 192.0.2.10")
        .expect("From 10.1.0.1 icmp_seq=1 Time to live exceeded");
}

/// [7.28] and on: the router is asked by hosts, and asks.
pub(crate) fn arp_works_both_ways<R: Router>() {
    let world = World::new();
    let _router = R::start(&world);
    on(&world.alice, "arping -c 2 -w 3 -I eth0 10.1.0.1").expect("Received 2 response(s)");
    // Duplicate address detection: the router defends its address.
    on(&world.alice, "arping -D -c 1 -w 2 -I eth0 10.1.0.1").expect("Received 1 response(s)");
    on(&world.alice, "arping -c 1 -w 1 -I eth0 10.1.0.99").expect("Received 0 response(s)");
    // A host changes its card: it announces itself and is reached there.
    on(&world.bob, "ping -n -c 1 -W 2 10.1.0.10").expect(" 0% packet loss");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    world.alice.ip("link set eth0 address 02:aa:bb:cc:dd:ee");
    on(&world.alice, "arping -U -c 1 -w 1 -I eth0 10.1.0.10");
    on(&world.bob, "ping -n -c 3 -i 0.1 -W 2 10.1.0.10").expect(" 0% packet loss");
}

/// What a transfer of these seconds came to.
struct Transfer {
    gigabits: f64,
    retransmits: u64,
    segments: u64,
}

fn iperf(world: &World, options: &str) -> Transfer {
    let report = iperf_report(world, (&world.bob, "192.0.2.10"), options);
    let received = &report["end"]["sum_received"];
    let sent = &report["end"]["sum_sent"];
    Transfer {
        gigabits: received["bits_per_second"].as_f64().expect("bits_per_second") / 1e9,
        retransmits: sent["retransmits"].as_u64().expect("retransmits"),
        segments: received["bytes"].as_u64().expect("bytes") / 1448,
    }
}

/// A server for one transfer, which listens when this returns.
pub(crate) fn iperf_server(machine: &Namespace) -> Process {
    let mut server =
        Process::spawn(machine, std::process::Command::new("iperf3").args(["-s", "-1", "-J"]));
    server.wait_until(|| on(machine, "ss -H -l -t -n sport = :5201").contains("LISTEN"));
    server
}

/// What iperf3 tells of a transfer between alice and another machine.
pub(crate) fn iperf_report(
    world: &World,
    (machine, address): (&Namespace, &str),
    options: &str,
) -> serde_json::Value {
    let server = iperf_server(machine);
    let client = on(&world.alice, &format!("iperf3 -J -c {address} {options}"));
    drop(server);
    // Behind the command, and before what it warns of.
    let (from, to) = (client.text.find('{'), client.text.rfind('}'));
    let json = from.zip(to).map_or("", |(from, to)| &client.text[from..=to]);
    let report: serde_json::Value =
        serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}:\n{}", client.text));
    assert!(client.ok && report["error"].is_null(), "{}", client.text);
    report
}

/// [4.92], [4.95], [4.96]: what alice sends in pieces of 1500 bytes has to be cut again for dave's
/// link, and what dave sends passes.
pub(crate) fn udp_larger_than_a_frame_crosses_a_narrow_link<R: Router>() {
    let world = World::new();
    let _router = R::start(&world);
    for way in ["", "-R"] {
        let options = format!("-u -l 8000 -b 20M -t 2 {way}");
        let report = iperf_report(&world, (&world.dave, "198.51.100.10"), &options);
        let sum = &report["end"]["sum"];
        let number = |name: &str| sum[name].as_u64().unwrap_or_else(|| panic!("{name} in {sum}"));
        let (lost, all) = (number("lost_packets"), number("packets"));
        println!("{lost} of {all} datagrams of 8000 bytes lost {way}");
        // 20 Mb/s of 8000 bytes are 312 a second; one that is lost has lost one of six pieces.
        assert!(all > 500, "only {all} datagrams");
        assert!(lost * 100 <= all, "{lost} of {all} datagrams lost");
    }
}

/// How many times as much the kernel may carry in the place of a build that is not optimised, where the
/// machine is too slow for a gigabit.
const KERNEL: f64 = 6.0;

/// Holds what was carried to a gigabit a second, or to a share of what the kernel carries now.
pub(crate) fn hold_to_a_gigabit(carried: [f64; 2], by_kernel: impl FnOnce() -> [f64; 2]) {
    if carried.iter().all(|gigabits| *gigabits >= 1.0) {
        return;
    }
    let by_kernel = by_kernel();
    println!("less than a gigabit: {carried:.2?} Gb/s, and {by_kernel:.2?} by the kernel");
    for (gigabits, by_kernel) in carried.into_iter().zip(by_kernel) {
        let least = (by_kernel / KERNEL).min(1.0);
        assert!(gigabits >= least, "only {gigabits:.2} of {least:.2} Gb/s");
    }
}

/// Bulk transfers through a router, each way; in gigabits a second.
fn bulk<R: Router>() -> [f64; 2] {
    let world = World::new();
    let _router = R::start(&world);
    [("alice to bob", "-t 4"), ("bob to alice", "-t 4 -R")].map(|(way, options)| {
        let Transfer { gigabits, retransmits, segments } = iperf(&world, options);
        println!("{way}: {gigabits:.2} Gb/s, {retransmits} of {segments} segments sent again");
        // Loss here would be a queue that runs over; a thousandth is what a window's probing costs.
        assert!(
            retransmits * 100 <= segments,
            "{way}: {retransmits} of {segments} segments sent again"
        );
        gigabits
    })
}

pub(crate) fn tcp_runs_at_a_gigabit<R: Router>() {
    hold_to_a_gigabit(bulk::<R>(), bulk::<Linux>);
}

/// [7.44], [7.122]: a host changes its card while packets flow, and says so; no more is lost than may
/// wait for one neighbour.
pub(crate) fn a_host_that_changes_its_address_is_followed<R: Router>() {
    let world = World::new();
    let _router = R::start(&world);
    world.bob.sysctl("net.ipv4.conf.eth0.arp_notify", "1");
    on(&world.alice, "ping -n -c 2 -i 0.05 -W 2 192.0.2.10").expect(" 0% packet loss");
    let said = std::thread::scope(|scope| {
        let pings = scope.spawn(|| on(&world.alice, "ping -n -c 400 -i 0.01 -W 2 192.0.2.10"));
        for n in 1..=3 {
            std::thread::sleep(std::time::Duration::from_millis(800));
            world.bob.ip(&format!("link set eth0 address 02:bb:00:00:00:0{n}"));
        }
        pings.join().expect("a ping that ends")
    });
    let received = said.text.split(", ").find_map(|part| part.strip_suffix(" received"));
    let received: u32 = received.and_then(|count| count.parse().ok()).expect("a number received");
    assert!(received >= 370, "{}", said.text);
    on(&world.carol, "ping -n -c 2 -i 0.05 -W 2 10.1.0.10").expect(" 0% packet loss");
}

/// [7.113], [7.118]: hosts that take two links for one reach each other through the router.
pub(crate) fn a_proxy_joins_two_links<R: Router>() {
    let world = World::new();
    let _router = R::start_with(
        &world,
        &[("net.ipv4.conf.lan.proxy_arp", "1"), ("net.ipv4.conf.dmz.proxy_arp", "1")],
    );
    world.alice.ip("route del default");
    world.alice.ip("route add 198.51.100.0/24 dev eth0");
    world.dave.ip("route del default");
    world.dave.ip("route add 10.1.0.0/24 dev eth0");
    // The answer may take its 0.8 s, on either side.
    on(&world.alice, "ping -n -c 4 -i 1 -W 3 198.51.100.10").expect(" 0% packet loss");
    let known = on(&world.alice, "ip neigh show 198.51.100.10");
    let router = on(&world.router, "ip -br link show lan");
    let mac = router.text.lines().nth(1).and_then(|line| line.split_whitespace().nth(2));
    let mac = mac.expect("an address");
    known.expect(mac);
    on(&world.dave, "ping -n -c 2 -i 0.1 -W 3 10.1.0.10").expect(" 0% packet loss");
    let arping = on(&world.alice, "arping -c 1 -w 3 -I eth0 198.51.100.77");
    arping.expect("from 198.51.100.77");
}
