//! What `ip monitor` tells.

use super::*;

const SECOND: u64 = 1_000_000_000;

/// All but links, whose names and addresses are others here.
const WORDS: &str = "label address route neigh rule nexthop";

const LINES: &str = "
route add 10.0.0.0/8 via 192.0.2.9
route replace 10.0.0.0/8 via 192.0.2.10
route change 10.0.0.0/8 via 192.0.2.11 metric 5
route append 10.0.0.0/8 via 192.0.2.12
route add 10.0.0.0/8 via 192.0.2.13
route add 10.1.0.0/16 nexthop via 192.0.2.9 nexthop via 192.0.2.10
route add blackhole 10.2.0.0/16 table 100
route del 10.0.0.0/8
route del 10.77.0.0/16
rule add from 1.2.3.4 table 100 pref 50
rule add iif nosuch table 100 pref 51
rule add pref 52 goto 60
rule del pref 50
rule del pref 50
nexthop add id 1 via 192.0.2.9 dev d0
nexthop add id 2 via 192.0.2.10 dev d0
nexthop add id 4 blackhole
nexthop add id 10 group 1/2
route add 10.3.0.0/16 nhid 10
route add 10.4.0.0/16 nhid 4
nexthop replace id 1 via 192.0.2.11 dev d0
nexthop del id 1
addr add 198.51.100.1/24 dev d1
addr add 198.51.100.2/24 dev d1
addr del 198.51.100.2/24 dev d1
addr del 198.51.100.1/24 dev d1
neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev d0
neigh change 192.0.2.9 lladdr 02:00:00:00:00:0a dev d0
neigh change 192.0.2.9 lladdr 02:00:00:00:00:0a dev d0
neigh del 192.0.2.9 dev d0
route add 10.5.0.0/16 via 192.0.2.9 tos 0x10 mtu 1400
route flush table 100
route flush root 10.1.0.0/16
rule flush
";

/// What a watcher is told after some lines.
fn told(world: &mut World, words: &str, lines: &str) -> IpOutput {
    let words = words.split_whitespace().map(str::to_owned).collect();
    let Reply::Rows { mut next, .. } = world.desk().answer(Request::Ip(words)) else {
        panic!("no watch")
    };
    for line in lines.lines().filter(|line| !line.is_empty()) {
        world.ip(line);
    }
    let mut said = IpOutput::default();
    loop {
        let Reply::Rows { rows, next: then, pause } = world.desk().resume(next) else {
            panic!("it ended")
        };
        for row in rows {
            let row: IpOutput = serde_json::from_value(row).unwrap();
            said.out += &row.out;
            said.err += &row.err;
        }
        next = then;
        if !pause.is_zero() {
            world.desk().abandon(next);
            return said;
        }
    }
}

#[test]
fn a_watcher_is_told_what_ip_monitor_tells_of_the_kernel() {
    let lines: Vec<String> =
        LINES.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    let Some(linux) = oracle::watch(WORDS, &lines) else { return };
    let ours = told(&mut World::new(), &format!("-4 monitor {WORDS}"), LINES);
    assert_eq!(ours.err, "");
    let (linux, ours) = (apart(&linux), apart(&ours.out));
    let first = linux.iter().zip(&ours).position(|(linux, ours)| linux != ours);
    if let Some(first) = first {
        let from = first.saturating_sub(3);
        panic!(
            "apart from line {first} on:\n  Linux {:#?}\n  ours {:#?}",
            &linux[from..linux.len().min(first + 6)],
            &ours[from..ours.len().min(first + 6)]
        );
    }
    assert_eq!(linux.len(), ours.len());
}

#[test]
fn a_watcher_hears_only_what_it_asked_for() {
    let lines = "route add 10.0.0.0/8 via 192.0.2.9\nrule add table 5 pref 5\n\
                 link set d1 mtu 1400\nlink set d1 group 7\nlink set d1 group 7\n";
    let mut world = World::new();
    assert_eq!(told(&mut world, "monitor rule", lines).out, "5:\tfrom all lookup 5\n");
    let lines = "link set d1 mtu 1300\nlink set d1 group 8\nlink set d1 group 8\n\
                 route add 10.1.0.0/16 via 192.0.2.9\n";
    let links = told(&mut world, "monitor link label", lines).out;
    assert_eq!(links.matches("[LINK]2: d1: <").count(), 2, "{links}");
    assert!(links.contains("mtu 1300") && links.contains("group 8"), "{links}");
    assert_eq!(told(&mut world, "monitor route dev d1", "route del 10.1.0.0/16\n").out, "");
    let words = ["monitor", "dev", "nosuch"].map(str::to_owned).to_vec();
    let said = all(&mut world, Request::Ip(words));
    assert_eq!(said[0]["status"], 255);
}

#[test]
fn a_watcher_that_is_too_slow_is_told_so_and_others_hold_nothing() {
    let mut world = World::new();
    let lines: String = (0..5000)
        .map(|n| format!("route add 20.{}.{}.0/24 via 192.0.2.9\n", n >> 8, n & 255))
        .collect();
    let said = told(&mut world, "monitor route", &lines);
    assert_eq!(said.out.lines().count(), 4096);
    assert_eq!(said.err, "netlink receive error No buffer space available (105)\n");
    // Nobody watches any more, so nothing is kept.
    world.ip("route del 20.0.0.0/24");
    assert!(world.router.routes().journal.is_none());
}

/// What a watcher is told when lines are typed and so many seconds pass after each.
fn told_in_time(world: &mut World, now: &mut u64, lines: &[(&str, u64)]) -> String {
    let words = "-6 monitor label address route".split_whitespace().map(str::to_owned).collect();
    let Reply::Rows { mut next, .. } = world.desk().answer(Request::Ip(words)) else {
        panic!("no watch")
    };
    let mut said = String::new();
    for (line, seconds) in lines {
        let mut desk = world.desk();
        desk.now = *now;
        let done = desk.one_command(&line.split_whitespace().collect::<Vec<_>>());
        assert_eq!(done.err, "", "{line}");
        for _ in 0..=*seconds {
            world.router.poll(*now);
            let mut desk = world.desk();
            desk.now = *now;
            let Reply::Rows { rows, next: then, .. } = desk.resume(next) else { panic!("no rows") };
            for row in rows {
                said += &serde_json::from_value::<IpOutput>(row).unwrap().out;
            }
            next = then;
            *now += SECOND;
        }
    }
    world.desk().abandon(next);
    said
}

/// An address as it is looked for, found unused, grows old and goes: the lines are Linux's, but for
/// the number of the interface.
#[test]
fn a_watcher_is_told_what_becomes_of_an_address() {
    let (mut world, mut now) = (World::new(), 10 * SECOND);
    world.router.set_speaks(true);
    world.router.poll(now);
    for name in ["d0", "d1"] {
        world.router.set_up(name, false).unwrap();
        world.router.set_up(name, true).unwrap();
    }
    for _ in 0..4 {
        now += SECOND;
        world.router.poll(now);
    }
    let said = told_in_time(
        &mut world,
        &mut now,
        &[
            ("-6 addr add 2001:db8:1::5/64 dev d0", 4),
            ("-6 addr change 2001:db8:1::5/64 dev d0 valid_lft 100 preferred_lft 1", 1),
            ("-6 addr del 2001:db8:1::5/64 dev d0", 0),
            ("-6 addr add 2001:db8:1::7/64 dev d0 nodad", 0),
        ],
    );
    let wanted = "\
[ROUTE]2001:db8:1::/64 dev d0 proto kernel metric 256 pref medium
[ADDR]1: d0    inet6 2001:db8:1::5/64 scope global tentative 
       valid_lft forever preferred_lft forever
[ADDR]1: d0    inet6 2001:db8:1::5/64 scope global 
       valid_lft forever preferred_lft forever
[ROUTE]local 2001:db8:1::5 dev d0 table local proto kernel metric 0 pref medium
[ROUTE]anycast 2001:db8:1:: dev d0 table local proto kernel metric 0 pref medium
[ADDR]1: d0    inet6 2001:db8:1::5/64 scope global dynamic 
       valid_lft 100sec preferred_lft 1sec
[ADDR]1: d0    inet6 2001:db8:1::5/64 scope global deprecated dynamic 
       valid_lft 99sec preferred_lft 0sec
[ADDR]Deleted 1: d0    inet6 2001:db8:1::5/64 scope global deprecated dynamic 
       valid_lft 98sec preferred_lft 0sec
[ROUTE]Deleted anycast 2001:db8:1:: dev d0 table local proto kernel metric 0 pref medium
[ROUTE]Deleted local 2001:db8:1::5 dev d0 table local proto kernel metric 0 pref medium
[ADDR]1: d0    inet6 2001:db8:1::7/64 scope global nodad 
       valid_lft forever preferred_lft forever
[ROUTE]local 2001:db8:1::7 dev d0 table local proto kernel metric 0 pref medium
[ROUTE]anycast 2001:db8:1:: dev d0 table local proto kernel metric 0 pref medium
";
    assert_eq!(said, wanted);
}
