//! Programs on either side of translation, the errors they are told, and what remains of many.
//!
//! ```text
//!   inner 10.2.0.2 --- .1 alice 10.1.0.10 --- lan .1 | router | wan 192.0.2.1 --- .10 bob .1 --- 10.9.0.2 far
//! ```

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::common::netns::Namespace;
use crate::common::process::Process;
use crate::filters::{Directory, fetches};
use crate::plan::{Kind, Plan, Running};
use crate::stories::iperf_server;
use crate::world::on;

/// Long enough for a busy machine, short enough to call a hang a hang.
const SOON: Duration = Duration::from_secs(20);

struct World {
    inner: Namespace,
    alice: Namespace,
    router: Namespace,
    bob: Namespace,
    far: Namespace,
}

impl World {
    fn new() -> Self {
        let [inner, alice, router, bob, far] =
            ["inner", "alice", "router", "bob", "far"].map(Namespace::new);
        alice.cable("eth1", &inner, "eth0");
        router.cable("lan", &alice, "eth0");
        router.cable("wan", &bob, "eth0");
        bob.cable("eth1", &far, "eth0");
        inner.ip("addr add 10.2.0.2/24 dev eth0");
        inner.ip("route add default via 10.2.0.1");
        alice.ip("addr add 10.2.0.1/24 dev eth1");
        alice.ip("addr add 10.1.0.10/24 dev eth0");
        alice.ip("route add default via 10.1.0.1");
        alice.sysctl("net.ipv4.ip_forward", "1");
        // Who is outside knows no way to those behind the router.
        bob.ip("addr add 192.0.2.10/24 dev eth0");
        bob.ip("addr add 10.9.0.1/24 dev eth1");
        bob.sysctl("net.ipv4.ip_forward", "1");
        far.ip("addr add 10.9.0.2/24 dev eth0");
        far.ip("route add default via 10.9.0.1");
        Self { inner, alice, router, bob, far }
    }

    fn start(&self, kind: Kind, sysctls: &[(&str, &str)], rules: &[&str]) -> Running<'_> {
        let plan = Plan {
            workers: 2,
            ports: &[("lan", "10.1.0.1/24", 1500), ("wan", "192.0.2.1/24", 1500)],
            routes: &["10.2.0.0/24 via 10.1.0.10", "10.9.0.0/24 via 192.0.2.10"],
            sysctls,
        };
        let running = Running::start(kind, &self.router, &plan, &self.alice);
        for rule in rules {
            let said = running.iptables(rule);
            assert!(said.ok, "{}", said.text);
        }
        running
    }
}

const MASQUERADE: &str = "-t nat -A POSTROUTING -o wan -j MASQUERADE";

/// A server of a directory's files over HTTP, which listens when this returns.
fn web_server(machine: &Namespace, address: &str, directory: &Directory) -> Process {
    let mut command = Command::new("/usr/bin/python3");
    command.args(["-u", "-m", "http.server", "--bind", address, "--directory"]);
    command.arg(directory.files()).arg("80");
    let mut server = Process::spawn(machine, &mut command);
    server.wait_until_true(|_| on(machine, "ss -Hltn sport = 80").contains(":80"));
    server
}

/// Shows [9.225], [9.237]: pages come through a translated source, and from behind a forwarded port.
pub(crate) fn pages_cross_translation_both_ways(kind: Kind) {
    let (world, directory) = (World::new(), Directory::new());
    let _router = world.start(
        kind,
        &[],
        &[
            "-P FORWARD DROP",
            "-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT",
            "-A FORWARD -i lan -m conntrack --ctstate NEW -j ACCEPT",
            "-A FORWARD -i wan -m conntrack --ctstate DNAT -j ACCEPT",
            "-t nat -A POSTROUTING -o wan -p tcp -j SNAT --to-source 192.0.2.1:40000-40999",
            "-t nat -A PREROUTING -i wan -d 192.0.2.1 -p tcp --dport 8080 -j DNAT --to-destination 10.2.0.2:80",
        ],
    );
    let outside = web_server(&world.far, "10.9.0.2", &directory);
    let inside = web_server(&world.inner, "10.2.0.2", &directory);
    for _ in 0..3 {
        fetches(&world.inner, "", "http://10.9.0.2/file", &directory);
        fetches(&world.far, "", "http://192.0.2.1:8080/file", &directory);
    }
    let (seen, came) = (outside.log(), inside.log());
    assert!(seen.contains("192.0.2.1 - - ") && !seen.contains("10.2.0.2"), "{seen}");
    assert!(came.contains("10.9.0.2 - - "), "{came}");
    let closed = on(&world.far, "curl -sS --max-time 2 --noproxy * http://192.0.2.1/file");
    assert!(!closed.ok, "a port that nobody forwards is open: {}", closed.text);
}

/// Transfers in parallel, each way, out through a masquerade and in by a forwarded port.
pub(crate) fn transfers_run_side_by_side_through_translation(kind: Kind) {
    let world = World::new();
    let forward =
        "-t nat -A PREROUTING -i wan -p tcp --dport 5201 -j DNAT --to-destination 10.1.0.10";
    let _router = world.start(kind, &[], &[MASQUERADE, forward]);
    let ways = [(&world.bob, &world.alice, "192.0.2.10"), (&world.alice, &world.bob, "192.0.2.1")];
    for (server, client, address) in ways {
        for options in ["-P 4 -t 2", "-P 4 -t 2 -R"] {
            let server = iperf_server(server);
            let said = on(client, &format!("iperf3 -J -c {address} {options}"));
            drop(server);
            let (from, to) = (said.text.find('{'), said.text.rfind('}'));
            let json = from.zip(to).map_or("", |(from, to)| &said.text[from..=to]);
            let report: serde_json::Value = serde_json::from_str(json)
                .unwrap_or_else(|error| panic!("{error}:\n{}", said.text));
            assert!(said.ok && report["error"].is_null(), "{}", said.text);
            let streams = report["end"]["streams"].as_array().expect("streams");
            let bytes = streams.iter().map(|stream| stream["receiver"]["bytes"].as_u64());
            let bytes: Vec<u64> = bytes.map(|bytes| bytes.expect("bytes")).collect();
            let sum = bytes.iter().sum::<u64>() as f64 * 8.0 / 2e9;
            println!("{address} {options}: {sum:.2} Gb/s, {bytes:?} bytes");
            assert_eq!(bytes.len(), 4);
            assert!(
                bytes.iter().all(|bytes| *bytes > 1_000_000),
                "a stream stood still: {bytes:?}"
            );
        }
    }
}

/// The routers and the host that a traceroute shows.
#[track_caller]
fn trace(machine: &Namespace, how: &str, to: &str) -> Vec<String> {
    let said = on(machine, &format!("traceroute -n -q 1 -w 5 -m 8 {how} {to}"));
    assert!(said.ok, "{}", said.text);
    let hops = said.text.lines().skip(2).map(|line| line.split_whitespace().nth(1));
    hops.map(|hop| hop.unwrap_or_default().to_owned()).collect()
}

const HOW: [&str; 4] = ["-U", "-I", "-T -p 80", "-P 253"];

/// Shows [9.97], [9.236]: errors from outside come to whom they concern, through a masquerade, and errors from
/// inside to who knows the router's address alone.
pub(crate) fn traceroutes_see_every_hop_through_translation(kind: Kind) {
    let world = World::new();
    let forward = "-t nat -A PREROUTING -i wan -d 192.0.2.1 -j DNAT --to-destination 10.2.0.2";
    let strict = [
        "-P FORWARD DROP",
        "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "-A FORWARD -m conntrack --ctstate NEW -j ACCEPT",
    ];
    let _router = world.start(kind, &[], &[&strict[..], &[MASQUERADE, forward]].concat());
    for how in HOW {
        let seen = trace(&world.inner, how, "10.9.0.2");
        assert_eq!(seen, ["10.2.0.1", "10.1.0.1", "192.0.2.10", "10.9.0.2"], "outwards, {how}");
        let seen = trace(&world.far, how, "192.0.2.1");
        assert_eq!(seen, ["10.9.0.1", "192.0.2.1", "192.0.2.1", "192.0.2.1"], "inwards, {how}");
    }
    // Whoever cannot be reached is told of, to either side.
    for (machine, to) in [(&world.inner, "10.9.0.2"), (&world.far, "192.0.2.1")] {
        on(machine, &format!("ping -n -c 2 -i 0.2 -W 2 {to}")).expect(" 0% packet loss");
    }
    world.bob.ip("route add unreachable 10.9.0.77/32");
    on(&world.inner, "ping -n -c 1 -W 2 10.9.0.77")
        .expect("From 192.0.2.10 icmp_seq=1 Destination Host Unreachable");
    world.alice.ip("route add unreachable 10.2.0.2/32");
    on(&world.far, "ping -n -c 1 -W 2 192.0.2.1")
        .expect("From 192.0.2.1 icmp_seq=1 Destination Host Unreachable");
}

/// Ports of the server.
const PORTS: std::ops::Range<u16> = 7000..7004;

/// Takes connections and closes each when its client has.
fn takes_and_closes(machine: &Namespace, port: u16) {
    let listener = machine.enter(|| TcpListener::bind(("192.0.2.10", port))).expect("bind");
    std::thread::spawn(move || {
        for mut peer in listener.incoming().flatten() {
            let mut bytes = [0; 16];
            while let Ok(1..) = peer.read(&mut bytes) {}
        }
    });
}

/// Shows [9.70]: of fifty thousand connections nothing remains when their time is over.
pub(crate) fn fifty_thousand_connections_leave_nothing_behind(kind: Kind) {
    let world = World::new();
    let router = world.start(
        kind,
        &[
            ("netfilter.nf_conntrack_tcp_timeout_time_wait", "3"),
            ("netfilter.nf_conntrack_tcp_timeout_last_ack", "3"),
            ("netfilter.nf_conntrack_tcp_timeout_close", "3"),
        ],
        &["-P FORWARD DROP", "-A FORWARD -m conntrack ! --ctstate INVALID -j ACCEPT", MASQUERADE],
    );
    // That the story is true a tenth of it tells.
    let all = if kind == Kind::Linux { 5000 } else { 50_000 };
    let buffers = router.buffers_in_use();
    world.alice.sysctl("net.ipv4.ip_local_port_range", "10000 60999");
    PORTS.for_each(|port| takes_and_closes(&world.bob, port));
    let (opened, most, began) = (AtomicU32::new(0), AtomicU32::new(0), Instant::now());
    std::thread::scope(|scope| {
        for port in PORTS {
            let (alice, opened) = (&world.alice, &opened);
            scope.spawn(move || {
                alice.enter(|| {
                    for _ in 0..all / PORTS.len() as u32 {
                        let to = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 10), port));
                        let mut peer = TcpStream::connect_timeout(&to, SOON)
                            .unwrap_or_else(|error| panic!("to {to}: {error}"));
                        peer.write_all(b"hello").expect("say hello");
                        drop(peer);
                        opened.fetch_add(1, Ordering::Relaxed);
                    }
                });
            });
        }
        scope.spawn(|| {
            while opened.load(Ordering::Relaxed) < all {
                most.fetch_max(router.connections(), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(200));
            }
        });
    });
    let (opened, most, took) = (opened.into_inner(), most.into_inner(), began.elapsed());
    println!("{opened} connections in {took:?}, {most} known at once");
    assert_eq!(opened, all);
    assert!(most > 100, "few are known while many are closed: {most}");
    let rate = f64::from(opened) / took.as_secs_f64();
    if kind == Kind::Wagonway && took > Duration::from_secs(10) {
        // Those of the last seconds, with room for a machine that stands still for some.
        assert!(f64::from(most) < rate * 8.0, "{most} are known, at {rate} a second");
    }
    let began = Instant::now();
    // To list them ends those whose time is over, with Linux too.
    while router.connections() != 0 {
        assert!(began.elapsed() < SOON, "{} connections stay", router.connections());
        std::thread::sleep(Duration::from_millis(200));
    }
    on(&world.alice, "ping -n -c 2 -i 0.2 -W 2 192.0.2.10").expect(" 0% packet loss");
    let now = router.buffers_in_use();
    assert!(now <= buffers + 256, "{buffers} buffers were in use, and now {now}");
    router.stops_in_order();
}

/// Sends something by UDP and gives who the other end takes the sender for, or nothing where it is not
/// heard.
fn heard_as(from: &UdpSocket, to: &UdpSocket, say: u8) -> Option<Ipv4Addr> {
    from.send(&[say]).expect("send");
    let mut heard = [0; 8];
    loop {
        match to.recv_from(&mut heard) {
            Ok((1, SocketAddr::V4(peer))) if heard[0] == say => return Some(*peer.ip()),
            Ok(_) => {}
            Err(_) => return None,
        }
    }
}

/// Shows [9.252]: an outside port changes its address under open connections: those that spoke with it end,
/// and new ones have the new one.
pub(crate) fn a_masquerade_follows_its_address(kind: Kind) {
    let world = World::new();
    let router = world.start(kind, &[], &[MASQUERADE]);
    let listener = world.bob.enter(|| TcpListener::bind("192.0.2.10:7")).expect("bind");
    let connect = || {
        let to = "192.0.2.10:7".parse().expect("an address");
        let own = world.alice.enter(|| TcpStream::connect_timeout(&to, SOON)).expect("connect");
        let (other, known_as) = listener.accept().expect("accept");
        for end in [&own, &other] {
            end.set_read_timeout(Some(SOON)).expect("set a time limit");
        }
        (own, other, known_as.ip().to_string())
    };
    let bound = |machine: &Namespace, address: &str| {
        let socket = machine.enter(|| UdpSocket::bind(address)).expect("bind");
        socket.set_read_timeout(Some(Duration::from_secs(2))).expect("set a time limit");
        socket
    };
    let (teller, hearer) =
        (bound(&world.alice, "10.1.0.10:99"), bound(&world.bob, "192.0.2.10:99"));
    teller.connect("192.0.2.10:99").expect("connect");
    assert_eq!(heard_as(&teller, &hearer, 1), Some(Ipv4Addr::new(192, 0, 2, 1)));
    let (mut own, mut other, known_as) = connect();
    assert_eq!(known_as, "192.0.2.1");
    let mut word = [0; 5];
    own.write_all(b"first").expect("send");
    other.read_exact(&mut word).expect("hear the first word");
    for words in ["addr del 192.0.2.1/24 dev wan", "addr add 192.0.2.2/24 dev wan"] {
        let said = router.ip(words);
        assert!(said.ok, "{}", said.text);
    }
    // The route by which others are reached went with the address.
    let _ = router.ip("route replace 10.9.0.0/24 via 192.0.2.10");
    let began = Instant::now();
    while router.conntrack("-L").contains("dst=192.0.2.1 ") {
        assert!(began.elapsed() < SOON, "{}", router.conntrack("-L").text);
    }
    // To bob the old connection says something as somebody whom he does not know, and is reset.
    let ended = own.write_all(b"other").and_then(|()| own.read(&mut word));
    assert!(!matches!(ended, Ok(1..)), "the old connection goes on: {ended:?}");
    assert_eq!(heard_as(&teller, &hearer, 2), Some(Ipv4Addr::new(192, 0, 2, 2)));
    let (mut own, mut other, known_as) = connect();
    assert_eq!(known_as, "192.0.2.2");
    own.write_all(b"hello").expect("send");
    other.read_exact(&mut word).expect("hear it");
    assert_eq!(&word, b"hello");
    router.conntrack("-L -p tcp").expect("dst=192.0.2.2 ");
}
