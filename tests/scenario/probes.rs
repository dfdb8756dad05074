//! The router's own ping and traceroute, beside those of a Linux router in its place.

use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::common::netns::Namespace;
use crate::common::process::Process;
use crate::plan::Kind;
use crate::router::{AfPacket, Linux, Router as _, Wagonway, configuration, instance};
use crate::six::{Six, Told, link_local};
use crate::world::{Said, World, on};

const SOON: Duration = Duration::from_secs(10);

/// Runs a command of the router: in its namespace when it is Linux, over its socket when it is not.
fn wagonway(world: &World, program: &str, words: &str) -> Said {
    let binary = env!("CARGO_BIN_EXE_wagonway");
    on(&world.router, &format!("{binary} {program} --instance {} {words}", instance()))
}

/// The text without its first line, and with numbers that are times put out of sight.
fn timeless(said: &Said) -> String {
    let mut text = String::new();
    for line in said.text.lines().skip(1) {
        let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        for at in 0..words.len() {
            let number = |word: &str| word.trim_end_matches("ms").parse::<f64>().is_ok();
            let is_ms = |word: &str| word.ends_with("ms") && number(word);
            let before_ms =
                words.get(at + 1).is_some_and(|next| next.trim_end_matches(',') == "ms");
            if let Some(time) = words[at].strip_prefix("time=") {
                assert!(number(time), "{line}");
                words[at] = "time=T".into();
            } else if words[at] == "time" && words[at + 1].ends_with("ms") {
                words[at + 1] = "Tms".into();
            } else if before_ms && words[at].split('/').all(number) || is_ms(&words[at]) {
                words[at] = "T".into();
            }
        }
        text += &words.join(" ");
        text.push('\n');
    }
    text
}

/// Runs the router's program with these words, one after the other.
fn told(world: &World, linux: bool, program: &str, words: &[&str]) -> Vec<String> {
    let one = |words: &&str| {
        let said = match linux {
            true => on(&world.router, &format!("{program} {words}")),
            false => wagonway(world, program, words),
        };
        format!("{program} {words}: {:?}\n{}", said.status, timeless(&said))
    };
    words.iter().map(one).collect()
}

/// Hosts that tell of every probe, and the router's programs of both kinds with the same words.
fn compare(program: &str, words: &[&str]) {
    let told = |linux: bool| {
        let world = World::new();
        for host in [&world.alice, &world.bob, &world.carol] {
            host.sysctl("net.ipv4.icmp_ratelimit", "0");
        }
        if linux {
            let _router = Linux::start(&world);
            return told(&world, linux, program, words);
        }
        let _router = Wagonway::<AfPacket>::start(&world);
        told(&world, linux, program, words)
    };
    for (linux, own) in told(true).into_iter().zip(told(false)) {
        assert_eq!(linux, own);
    }
}

/// The same in the world of IPv6; `LINK` stands for the link-local address of the host beside `wan`.
fn compare_six(program: &str, words: &[&str]) {
    let told = |linux: bool| {
        let world = World::six();
        for host in [&world.alice, &world.bob, &world.carol] {
            host.sysctl("net.ipv6.icmp.ratelimit", "0");
        }
        let link = link_local(&world.bob, "eth0");
        let words: Vec<String> = words.iter().map(|words| words.replace("LINK", &link)).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let kind = if linux { Kind::Linux } else { Kind::Wagonway };
        let mut router = Six::start(kind, &world, Told::default());
        // Nobody is asked for from an address that may be another's: the first probes would wait.
        router.until("duplicates have been looked for", |router| {
            !router.ip("-6 addr show").contains("tentative")
        });
        let said = told(&world, linux, program, &words);
        // Cables have other Ethernet addresses each time.
        said.into_iter().map(|said| said.replace(&link, "LINK")).collect::<Vec<String>>()
    };
    for (linux, own) in told(true).into_iter().zip(told(false)) {
        assert_eq!(linux, own);
    }
}

/// [3.71]
pub(crate) fn pings_over_ipv6_read_as_those_of_iputils() {
    compare_six(
        "ping",
        &[
            "-c 3 -i 0.2 2001:db8:2::10",
            "-6 -n -c 3 -i 0.2 -q 2001:db8:9::2",
            "-n -c 1 -t 1 2001:db8:9::2",
            "-c 1 -t 0 2001:db8:9::2",
            "-c 1 -s 4 2001:db8:2::10",
            "-c 1 -s 1000 -M do 2001:db8:2::10",
            "-c 1 -M want -Q 16 2001:db8:2::10",
            "-c 2 -i 0.2 -s 4000 2001:db8:2::10",
            "-c 2 -i 0.3 -s 1400 2001:db8:9::2",
            "-c 1 -s 20000 -M dont 2001:db8:9::2",
            "-c 1 -M do -s 1400 2001:db8:9::2",
            "-c 1 -M do -s 2000 2001:db8:2::10",
            "-c 1 -I wan 2001:db8:2::10",
            "-c 1 -I wan 2001:db8:9::2",
            "-c 1 -I 2001:db8:1::1 2001:db8:2::10",
            "-c 1 LINK%wan",
            "-c 2 -i 0.2 -s 3000 LINK%wan",
            "-c 3 -i 0.2 2001:db8:1::77",
            "-c 1 -W 0.3 2001:db8:9::77",
            "-c 1 2001:db8:20::1",
            "-c 1 2001:db8:21::1",
            "-c 1 2001:db8:22::1",
            "-c 1 2001:db8:55::1",
            "-c 1 2001:db8:1::1",
            "-c 1 -I nosuch0 2001:db8:2::10",
            "-c 1 LINK%nosuch0",
            "-c 1 -I 2001:db8:ffff::9 2001:db8:2::10",
            "-4 -c 1 2001:db8:2::10",
            "-6 -c 1 192.0.2.10",
        ],
    );
}

/// [3.71], [8.109]
pub(crate) fn traceroutes_over_ipv6_read_as_those_of_linux() {
    compare_six(
        "traceroute",
        &[
            "-n -w 5,0,0 2001:db8:9::2",
            "-6 -w 5,0,0 2001:db8:9::2",
            "-n -w 5,0,0 -I 2001:db8:9::2",
            "-n -w 5,0,0 -T -p 9 2001:db8:9::2",
            "-n -w 5,0,0 -q 1 -f 2 2001:db8:9::2",
            "-n -w 5,0,0 -m 1 2001:db8:9::2 100",
            "-n -w 5,0,0 2001:db8:1::1",
            "-n -w 5,0,0 LINK%wan",
            "-n -w 5,0,0 -q 1 -F 2001:db8:9::2 1400",
            "-n -w 0.3,0,0 -m 3 -q 2 2001:db8:9::77",
            "-n 2001:db8:55::1",
            "-n 2001:db8:20::1",
            "-n 2001:db8:21::1",
            "-n -s 2001:db8:ffff::9 2001:db8:9::2",
            "-n -i nosuch0 2001:db8:9::2",
        ],
    );
}

/// The router hears itself among those that answer to a group, as every member does.
pub(crate) fn a_group_is_pinged() {
    let world = World::six();
    let mut router = Six::start(Kind::Wagonway, &world, Told::default());
    router.until("wan has looked for duplicates", |router| {
        !router.ip("-6 addr show dev wan").contains("tentative")
    });
    let (bob, own) = (link_local(&world.bob, "eth0"), link_local(&world.router, "wan"));
    let said = wagonway(&world, "ping", "-c 2 -i 0.2 -W 5 ff02::1%wan");
    said.expect("PING ff02::1%wan(ff02::1%wan) 56 data bytes\n")
        .expect(&format!("64 bytes from {own}%wan: icmp_seq=1 ttl=64 "))
        .expect(&format!("64 bytes from {bob}%wan: icmp_seq=1 ttl=64 "))
        .expect("2 packets transmitted, 2 received, +");
    wagonway(&world, "ping", &format!("-c 1 -I wan {bob}"))
        .expect(&format!("PING {bob}({bob}) from {own}%wan wan: 56 data bytes\n"))
        .expect(&format!("64 bytes from {bob}%wan: icmp_seq=1 ttl=64 "));
    wagonway(&world, "ping", &format!("-c 1 {bob}")).expect("ping: connect: Invalid argument");
    wagonway(&world, "ping", &format!("-c 1 -I lan {bob}%wan"))
        .expect("ping: sendmsg: Invalid argument");
}

/// [3.10], [3.11], [3.14], [3.93]
pub(crate) fn pings_read_as_those_of_iputils() {
    compare(
        "ping",
        &[
            "-c 3 -i 0.2 192.0.2.10",
            "-c 3 -i 0.2 -q 10.9.0.2",
            "-n -c 1 -t 1 10.9.0.2",
            "-c 1 -s 4 192.0.2.10",
            "-c 1 -s 1000 -M do 192.0.2.10",
            "-c 1 -M want -Q 16 192.0.2.10",
            "-c 2 -i 0.2 -s 4000 192.0.2.10",
            "-c 1 -s 20000 -M dont 10.9.0.2",
            "-c 1 -I wan 192.0.2.10",
            "-c 1 -I 10.1.0.1 192.0.2.10",
            "-c 2 -i 0.3 -M do -s 1400 10.9.0.2",
            "-c 1 -M do -s 2000 192.0.2.10",
            "-c 3 -i 0.2 10.1.0.77",
            "-c 1 -W 0.3 10.9.0.77",
            "-c 1 10.20.0.1",
            "-c 1 10.21.0.1",
            "-c 1 10.22.0.1",
            "-c 1 172.30.0.1",
            "-c 1 10.1.0.255",
            "-c 1 10.1.0.1",
            "-c 1 -I nosuch0 192.0.2.10",
            "-c 1 -I 203.0.113.9 192.0.2.10",
            "-c 0 192.0.2.10",
            "-c 1 -M maybe 192.0.2.10",
            "-c 1 -t 0 192.0.2.10",
            "-c 1 -Q 300 192.0.2.10",
            "-c 1 no-such-host.invalid",
        ],
    );
}

/// [3.11], [3.93]; waits are long, so that a busy machine is not taken for a silent hop.
pub(crate) fn traceroutes_read_as_those_of_linux() {
    compare(
        "traceroute",
        &[
            "-n -w 5,0,0 10.9.0.2",
            "-w 5,0,0 10.9.0.2",
            "-n -w 5,0,0 -I 10.9.0.2",
            "-n -w 5,0,0 -T -p 9 10.9.0.2",
            "-n -w 5,0,0 -q 1 -f 2 10.9.0.2",
            "-n -w 5,0,0 -m 1 10.9.0.2 100",
            "-n -w 5,0,0 10.1.0.1",
            "-n -w 0.3,0,0 -m 3 -q 2 10.9.0.77",
            "-n 172.30.0.1",
            "-n 10.21.0.1",
            "-n -s 203.0.113.9 10.9.0.2",
            "-q 11 10.9.0.2",
            "-m 256 10.9.0.2",
            "-f 31 10.9.0.2",
        ],
    );
}

/// The Ethernet address of a host, as arping prints it.
fn mac(machine: &Namespace, interface: &str) -> String {
    let shown = on(machine, &format!("ip -br link show {interface}")).text;
    let line = shown.lines().find(|line| line.starts_with(interface)).expect("the interface");
    line.split_whitespace().nth(2).expect("an Ethernet address").to_owned()
}

/// [7.106], [7.163]
pub(crate) fn arpings_read_as_those_of_iputils() {
    let words = [
        "-c 2 -I lan 10.1.0.10",
        "-b -c 2 -I lan 10.1.0.10",
        "-f -I lan 10.1.0.10",
        "-q -f -I lan 10.1.0.10",
        "-c 1 -s 10.1.0.1 -I lan 10.1.0.10",
        "-c 1 -w 5 -I lan 10.1.0.10",
        "-c 1 -I lan 10.1.0.77",
        "-D -c 2 -w 3 -I lan 10.1.0.10",
        "-D -q -c 2 -w 3 -I lan 10.1.0.10",
        "-D -c 2 -w 4 -I lan 10.1.0.77",
        "-U -c 1 -I lan 10.1.0.1",
        "-A -c 1 -I lan 10.1.0.1",
        "-U -c 1 -I lan 10.1.0.99",
        "-c 1 -s 203.0.113.9 -I lan 10.1.0.10",
        "-c 1 -I nosuch0 10.1.0.10",
        "-c 1 -I lan 2001:db8::1",
        "-c 0 -I lan 10.1.0.10",
        "-c x -I lan 10.1.0.10",
        "-c 1 -I lan no-such-host.invalid",
    ];
    let told = |linux: bool| {
        let world = World::new();
        let alice = mac(&world.alice, "eth0").to_uppercase();
        let said = if linux {
            let _router = Linux::start(&world);
            told(&world, linux, "arping", &words)
        } else {
            let _router = Wagonway::<AfPacket>::start(&world);
            told(&world, linux, "arping", &words)
        };
        said.into_iter().map(|said| said.replace(&alice, "ALICE")).collect::<Vec<String>>()
    };
    for (linux, own) in told(true).into_iter().zip(told(false)) {
        assert_eq!(linux, own);
    }
}

/// [7.106]: what an arping says is heard by others, and others find out what addresses the router has.
pub(crate) fn arping_tells_neighbours_and_is_answered() {
    let world = World::new();
    let _router = Wagonway::<AfPacket>::start(&world);
    let own = mac(&world.router, "lan");
    let shown = || on(&world.alice, "ip neigh show 10.1.0.1").text;
    for mode in ["-U", "-A"] {
        world.alice.ip("neigh replace 10.1.0.1 lladdr 02:00:00:00:00:99 dev eth0 nud stale");
        let said = wagonway(&world, "arping", &format!("{mode} -c 1 -I lan 10.1.0.1"));
        said.expect("ARPING 10.1.0.1 from 10.1.0.1 lan\nSent 1 probes (1 broadcast(s))\n");
        let deadline = Instant::now() + SOON;
        while !shown().contains(&own) {
            assert!(Instant::now() < deadline, "{mode}: {}", shown());
        }
    }
    let asked = |address: &str| on(&world.alice, &format!("arping -D -c 2 -w 3 -I eth0 {address}"));
    let taken = asked("10.1.0.1");
    taken.expect(&format!("Unicast reply from 10.1.0.1 [{}]", own.to_uppercase()));
    assert_eq!((taken.status, asked("10.1.0.78").status), (Some(1), Some(0)));
    // One of nobody's leaves no entry.
    let neighbours = wagonway(&world, "ip", "neigh show dev lan");
    assert!(!neighbours.contains("0.0.0.0"), "{}", neighbours.text);
    // A host that takes an address is heard by who looks for duplicates of it.
    world.alice.ip("addr add 10.1.0.78/24 dev eth0");
    let found = wagonway(&world, "arping", "-D -c 2 -w 3 -I lan 10.1.0.78");
    assert_eq!(found.status, Some(1), "{}", found.text);
    wagonway(&world, "arping", "-c 1 10.1.0.10").expect("Please, use option -I.");
}

/// [3.92], [3.93]: sessions are listed, do not take each other's answers, and end with their clients.
pub(crate) fn a_session_ends_with_its_client() {
    let world = World::new();
    let _router = Wagonway::<AfPacket>::start(&world);
    let ping = |whom: &str| {
        Process::spawn(
            &world.router,
            Command::new(env!("CARGO_BIN_EXE_wagonway"))
                .args(["ping", "-i", "0.1", whom, "--instance"])
                .arg(instance()),
        )
    };
    let (mut near, mut far) = (ping("192.0.2.10"), ping("10.9.0.2"));
    let answered = |process: &mut Process| process.log().matches("icmp_seq=").count() >= 5;
    near.wait_until_true(answered);
    far.wait_until_true(answered);
    let listed = wagonway(&world, "show", "sessions");
    listed.expect("192.0.2.10").expect("10.9.0.2");

    near.signal(Signal::INT);
    assert_eq!(near.ends_within(SOON).code(), Some(0), "{}", near.log());
    let log = near.log();
    assert!(log.contains("--- 192.0.2.10 ping statistics ---\n"), "{log}");
    // The signal may come between a request and its answer, as with any ping.
    let numbers = |line: &str| -> Vec<usize> {
        line.split(' ').filter_map(|word| word.parse().ok()).collect()
    };
    let summary = log.lines().find(|line| line.contains("packets transmitted"));
    let numbers = numbers(summary.unwrap_or_default());
    assert!(numbers[1] >= 5 && numbers[0] <= numbers[1] + 1, "{log}");
    assert!(!log.contains("10.9.0.2"), "an answer of the other's: {log}");
    // Killed, a client cannot say goodbye.
    far.signal(Signal::KILL);
    far.ends_within(SOON);
    let deadline = Instant::now() + SOON;
    while !wagonway(&world, "show", "sessions").contains("no sessions") {
        assert!(Instant::now() < deadline, "a session outlives its client");
    }
    // The kernel's names, as nstat prints them.
    let counters = wagonway(&world, "show", "counters IcmpOut*");
    let echos = counters.text.lines().find(|line| line.starts_with("IcmpOutEchos "));
    let echos = echos.unwrap_or_else(|| panic!("{}", counters.text));
    let value: u64 = echos[32..48].trim().parse().expect("a value");
    assert!(value >= 10 && echos[48..] == *"   0.0", "{echos}");
    assert!(!counters.contains("IcmpOutTimestampReps"), "zeros are not shown");
    wagonway(&world, "show", "counters -a IcmpOut*").expect("IcmpOutTimestampReps            0 ");
}

/// [3.93]: probes leave by the tables of a VRF, and only by those.
pub(crate) fn probes_leave_by_a_vrf() {
    let world = World::new();
    let _router = Wagonway::<AfPacket>::start(&world);
    let ip = |words: &str| {
        let said = wagonway(&world, "ip", words);
        assert!(said.ok, "{}", said.text);
    };
    ip("link add red type vrf table 10");
    ip("link set red up");
    ip("link set wan master red");
    let ping = |words: &str| wagonway(&world, "ping", &format!("-c 2 -i 0.1 -W 2 {words}"));
    let answered = " 2 received, 0% packet loss";
    ping("192.0.2.10").expect("ping: connect: Network is unreachable");
    ping("--vrf red 192.0.2.10").expect("PING 192.0.2.10 (192.0.2.10) 56(84)").expect(answered);
    ping("-I wan 192.0.2.10").expect(" from 192.0.2.1 wan: 56(84)").expect(answered);
    ping("-I red 192.0.2.10")
        .expect("ping: Warning: source address might be selected on device other than: red\n")
        .expect(" from 192.0.2.1 red: 56(84)")
        .expect(answered);
    ping("--vrf red -I 192.0.2.1 192.0.2.10").expect(" from 192.0.2.1 : 56(84)").expect(answered);
    ping("-I 192.0.2.1 10.1.0.10").expect("ping: bind: Cannot assign requested address");
    ping("10.1.0.10").expect(answered);
    ping("--vrf lan 10.1.0.10").expect("No such device");
    let trace = wagonway(&world, "traceroute", "-n -q 1 -w 5,0,0 --vrf red 192.0.2.10");
    trace.expect("\n 1  192.0.2.10  ");
    wagonway(&world, "traceroute", "-n 192.0.2.10").expect("connect: Network is unreachable");
}

/// Ten in five seconds, and then how many more there were.
pub(crate) fn martians_are_logged_as_the_kernel_does() {
    let world = World::new();
    let config = configuration("af_packet", &instance());
    let config = format!(
        "{config}\n[sysctl]\n\"net.ipv4.conf.all.rp_filter\" = 1\n\
         \"net.ipv4.conf.all.log_martians\" = 1\n"
    );
    let mut router = Process::start(&world.router, &config);
    router.wait_until(|| on(&world.alice, "ping -n -c 1 -W 1 10.1.0.1").ok);
    // An address that is reached by another interface.
    world.alice.ip("addr add 192.0.2.77/32 dev lo");
    let spoof = |count: u32| {
        on(&world.alice, &format!("ping -n -q -c {count} -i 0.01 -W 0.1 -I 192.0.2.77 10.9.0.2"))
    };
    spoof(30);
    let line = "IPv4: martian source 10.9.0.2 from 192.0.2.77, on dev lan\nll header: 00000000: ";
    let logged = |router: &Process| router.log().matches(line).count();
    router.wait_until_true(|router| logged(router) == 10);
    let log = router.log();
    let header = log.split("ll header: 00000000: ").nth(1).expect("a header");
    let header = header.lines().next().unwrap_or_default();
    assert!(header.len() == 41 && header.ends_with(" 08 00"), "{header:?}");
    // Once the time is over the next one tells of those that were not logged.
    router.wait_until_true(|router| {
        spoof(1);
        router.log().contains("callbacks suppressed")
    });
    assert_eq!(logged(&router), 11, "{}", router.log());
    let drops = wagonway(&world, "show", "drops");
    drops.expect("rp_filter");
}
