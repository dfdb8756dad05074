//! What people on hosts of IPv6 see, whoever routes.

use std::thread::sleep;
use std::time::Duration;

use crate::plan::Kind;
use crate::six::{Six, Told, link_local};
use crate::stories::{hold_to_a_gigabit, iperf_report};
use crate::world::{World, on};

/// [8.5], [8.12], [8.24]
pub(crate) fn hosts_ping_each_other_and_the_router(kind: Kind) {
    let world = World::six();
    let _router = Six::start(kind, &world, Told::default());
    for (who, whom) in [
        (&world.alice, "2001:db8:1::1"),
        (&world.alice, "2001:db8:1::"),
        (&world.alice, "2001:db8:2::1"),
        (&world.alice, "2001:db8:2::10"),
        (&world.alice, "2001:db8:9::2"),
        (&world.alice, "2001:db8:3::10"),
        (&world.bob, "2001:db8:1::10"),
        (&world.bob, "2001:db8:3::1"),
        (&world.carol, "2001:db8:1::10"),
        (&world.carol, "2001:db8:1::1"),
        (&world.dave, "2001:db8:1::10"),
        (&world.dave, "2001:db8:2::10"),
        (&world.alice, "ff02::1%eth0"),
        (&world.alice, "ff02::2%eth0"),
    ] {
        // The first packet of a pair may wait for a neighbour but must not be lost.
        on(who, &format!("ping -6 -n -c 5 -i 0.05 -W 2 {whom}")).expect(" 0% packet loss");
    }
}

/// [8.51], [8.52], [8.57]: the hosts cut, the router passes pieces on, and puts its own together.
pub(crate) fn pings_larger_than_a_frame_come_back(kind: Kind) {
    let world = World::six();
    let _router = Six::start(kind, &world, Told::default());
    // Who has not learned of the narrow places yet loses what finds them.
    for whom in ["2001:db8:3::10", "2001:db8:9::2", "2001:db8:3::1"] {
        on(&world.alice, &format!("ping -6 -n -c 3 -i 0.1 -W 1 -s 1400 {whom}"));
    }
    for whom in
        ["2001:db8:1::1", "2001:db8:3::1", "2001:db8:2::10", "2001:db8:3::10", "2001:db8:9::2"]
    {
        for size in [1453, 4000, 8000, 20_000, 65_000] {
            on(&world.alice, &format!("ping -6 -n -c 3 -i 0.05 -W 2 -s {size} {whom}"))
                .expect(" 0% packet loss");
        }
    }
}

/// [8.109]
pub(crate) fn traceroute_shows_the_router(kind: Kind) {
    let world = World::six();
    let _router = Six::start(kind, &world, Told::default());
    for how in ["", "-I", "-T -p 9"] {
        let trace = on(&world.alice, &format!("traceroute -6 -n -q 2 -w 2 {how} 2001:db8:9::2"));
        let hops: Vec<&str> =
            trace.text.lines().skip(2).filter_map(|line| line.split_whitespace().nth(1)).collect();
        assert_eq!(hops, ["2001:db8:1::1", "2001:db8:2::10", "2001:db8:9::2"], "{}", trace.text);
    }
    let trace = on(&world.carol, "traceroute -6 -n -q 1 -w 2 2001:db8:1::10");
    trace.expect(" 2001:db8:2::1 ").expect(" 2001:db8:1::10 ");
}

/// [8.51], [8.115]: once the router itself is the narrow place, once it only passes the news on.
pub(crate) fn tracepath_finds_the_narrow_places(kind: Kind) {
    let world = World::six();
    let _router = Six::start(kind, &world, Told::default());
    let own = on(&world.alice, "tracepath -6 -n 2001:db8:3::10");
    own.expect("2001:db8:1::1").expect("pmtu 1400").expect("Resume: pmtu 1400");
    let behind = on(&world.alice, "tracepath -6 -n 2001:db8:9::2");
    behind.expect("2001:db8:1::1").expect("pmtu 1300").expect("Resume: pmtu 1300");
    on(&world.bob, "ping -6 -n -c 1 -W 2 -M do -s 1400 2001:db8:3::10")
        .expect("Packet too big: mtu=1400");
}

/// [8.94], [8.99] to [8.101], [8.113]
pub(crate) fn hosts_are_told_what_is_wrong(kind: Kind) {
    let world = World::six();
    let _router = Six::start(kind, &world, Told::default());
    let ping = |whom: &str| {
        let said = on(&world.alice, &format!("ping -6 -n -c 1 -W 5 {whom}"));
        // Errors to one host are limited.
        sleep(Duration::from_millis(1100));
        said
    };
    ping("2001:db8:77::1").expect("Destination unreachable: No route");
    ping("2001:db8:20::1").expect("Destination unreachable: No route");
    ping("2001:db8:21::1").expect("Destination unreachable: Administratively prohibited");
    let silence = on(&world.alice, "ping -6 -n -c 1 -W 1 2001:db8:22::1");
    silence.expect("100% packet loss");
    assert!(!silence.contains("From"), "a blackhole answered:\n{}", silence.text);
    // Nobody has this address: the router asks three times, then says so.
    ping("2001:db8:2::77").expect("Destination unreachable: Address unreachable");
    on(&world.alice, "ping -6 -n -c 1 -W 2 -t 1 2001:db8:2::10")
        .expect("From 2001:db8:1::1 icmp_seq=1 Time exceeded: Hop limit");
    sleep(Duration::from_millis(1100));
    // Link-local addresses do not leave their link.
    let near = link_local(&world.alice, "eth0");
    on(&world.alice, &format!("ping -6 -n -c 1 -W 2 -I {near}%eth0 2001:db8:2::10"))
        .expect("Destination unreachable: Beyond scope of source address");
}

/// [7.130] and on: the router is asked by hosts, asks, and defends what it has.
pub(crate) fn neighbours_are_found_both_ways(kind: Kind) {
    let world = World::six();
    let router = Six::start(kind, &world, Told::default());
    on(&world.alice, "ndisc6 -n -1 2001:db8:1::1 eth0").expect("Target link-layer address: ");
    let silence = on(&world.alice, "ndisc6 -n -r 1 -w 300 2001:db8:1::99 eth0");
    assert!(!silence.ok, "{}", silence.text);
    // Alice takes the router's address and is told that it is another's.
    world.alice.sysctl("net.ipv6.conf.eth0.accept_dad", "1");
    world.alice.ip("addr add 2001:db8:1::1/64 dev eth0");
    let failed = || on(&world.alice, "ip -6 addr show dev eth0").contains("dadfailed");
    let told = (0..60).any(|_| {
        sleep(Duration::from_millis(50));
        failed()
    });
    assert!(told, "{}", on(&world.alice, "ip -6 addr show dev eth0").text);
    // A host changes its card: it is asked for again and reached there.
    on(&world.bob, "ping -6 -n -c 1 -W 2 2001:db8:1::10").expect(" 0% packet loss");
    router.ip("-6 neigh show 2001:db8:1::10 dev lan").expect("2001:db8:1::10 lladdr ");
    world.alice.sysctl("net.ipv6.conf.eth0.ndisc_notify", "1");
    world.alice.ip("link set eth0 down");
    world.alice.ip("link set eth0 address 02:aa:bb:cc:dd:ee");
    world.alice.ip("link set eth0 up");
    world.alice.ip("addr add 2001:db8:1::10/64 dev eth0 nodad");
    world.alice.ip("route replace default via 2001:db8:1::1");
    on(&world.alice, "ping -6 -n -c 2 -i 0.2 -W 2 2001:db8:1::1").expect(" 0% packet loss");
    on(&world.bob, "ping -6 -n -c 3 -i 0.1 -W 2 2001:db8:1::10").expect(" 0% packet loss");
    router.ip("-6 neigh show 2001:db8:1::10 dev lan").expect("02:aa:bb:cc:dd:ee");
}

/// Bulk transfers through a router, each way; in gigabits a second.
fn bulk(kind: Kind) -> [f64; 2] {
    let world = World::six();
    let _router = Six::start(kind, &world, Told::default());
    [("alice to bob", "-6 -t 3"), ("bob to alice", "-6 -t 3 -R")].map(|(way, options)| {
        let report = iperf_report(&world, (&world.bob, "2001:db8:2::10"), options);
        let number = |side: &str, name: &str| report["end"][side][name].as_f64().expect(name);
        let gigabits = number("sum_received", "bits_per_second") / 1e9;
        let again = number("sum_sent", "retransmits");
        let segments = number("sum_received", "bytes") / 1428.0;
        println!("{way}: {gigabits:.2} Gb/s, {again} of {segments} segments sent again");
        assert!(again * 100.0 <= segments, "{way}: {again} of {segments} segments sent again");
        gigabits
    })
}

pub(crate) fn tcp_runs_at_a_gigabit(kind: Kind) {
    hold_to_a_gigabit(bulk(kind), || bulk(Kind::Linux));
}

/// [7.118] and on: an address answered for in another's name.
pub(crate) fn an_address_is_answered_for(kind: Kind) {
    let world = World::six();
    let told = Told {
        sysctls: &[("net.ipv6.conf.lan.proxy_ndp", "1"), ("net.ipv6.neigh.lan.proxy_delay", "0")],
        ..Told::default()
    };
    let router = Six::start(kind, &world, told);
    // Bob has an address of the lan, and alice takes it for a neighbour's.
    world.bob.ip("addr add 2001:db8:1::77/128 dev lo nodad");
    for words in [
        "-6 route add 2001:db8:1::77/128 via 2001:db8:2::10",
        "-6 neigh add proxy 2001:db8:1::77 dev lan",
    ] {
        let said = router.ip(words);
        assert!(said.ok, "{}", said.text);
    }
    on(&world.alice, "ping -6 -n -c 3 -i 0.1 -W 2 2001:db8:1::77").expect(" 0% packet loss");
    router.ip("-6 neigh show proxy").expect("2001:db8:1::77 dev lan");
    assert!(router.ip("-6 neigh del proxy 2001:db8:1::77 dev lan").ok);
    world.alice.ip("neigh flush dev eth0");
    on(&world.alice, "ping -6 -n -c 1 -W 4 2001:db8:1::77").expect("Address unreachable");
}

/// [8.112]: a host that goes by the router to a network behind its neighbour is told so, and obeys.
///
/// ```text
///   router 2001:db8:1::1, alice ::10, gateway ::30 ---- 2001:db8:8::1 | 2001:db8:8::2 carol
/// ```
pub(crate) fn a_host_obeys_a_redirect(kind: Kind) {
    let world = World::segment();
    let gateway = link_local(&world.bob, "eth0");
    let router = Six::start(kind, &world, Told::default());
    let add = router.ip(&format!("-6 route add 2001:db8:8::/64 via {gateway} dev lan"));
    assert!(add.ok, "{}", add.text);
    // Only the next hop itself may redirect, and it does so by its link-local address.
    let own = link_local(&world.router, "lan");
    world.alice.ip(&format!("route replace default via {own} dev eth0"));
    on(&world.alice, "ping -6 -n -c 4 -i 0.1 -W 2 2001:db8:8::2").expect(" 0% packet loss");
    on(&world.alice, "ip -6 route get 2001:db8:8::2").expect(&format!("via {gateway} "));
    // Direct is without the router.
    drop(router);
    on(&world.alice, "ping -6 -n -c 3 -i 0.1 -W 2 2001:db8:8::2").expect(" 0% packet loss");
}

/// [7.86], [7.88]: neighbours are told of another Ethernet address, and nothing is lost.
pub(crate) fn a_port_changes_its_ethernet_address(kind: Kind) {
    const OTHER: &str = "02:00:00:00:aa:01";
    let world = World::six();
    let sysctls = &[("net.ipv6.conf.lan.ndisc_notify", "1")];
    let mut router = Six::start(kind, &world, Told { sysctls, ..Told::default() });
    let ping = || on(&world.alice, "ping -6 -n -c 3 -i 0.1 -W 5 2001:db8:2::10");
    ping().expect(" 0% packet loss");
    let said = router.ip(&format!("link set lan address {OTHER}"));
    assert!(said.ok, "{}", said.text);
    router.until("the host has heard of it", |_| {
        on(&world.alice, "ip -6 neigh show 2001:db8:1::1").contains(OTHER)
    });
    ping().expect(" 0% packet loss");
}
