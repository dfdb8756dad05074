use super::*;
use crate::{
    config::Config,
    dpdk::eal::tsc_hz,
    iproute2::oracle,
    publish::Epochs,
    setup::{self, Leniency, Machine, PortFact},
    telemetry::report::MemoryRow,
};

mod filter;
mod monitor;
mod policy;
mod six;

const CONFIG: &str = r#"
[instance]
name = "desk"
[dpdk]
huge = "never"
[[port]]
name = "d0"
addresses = ["192.0.2.1/24"]
[[port]]
name = "d1"
"#;

struct World {
    router: Router,
    machine: Machine,
}

impl World {
    fn new() -> Self {
        let config = Config::parse("desk.toml", CONFIG).unwrap();
        let machine = Machine::start(&config, 1023, 2176, Vec::new()).unwrap();
        assert!(tsc_hz() > 0);
        let fact = |number| PortFact {
            number,
            mac: crate::packet::MacAddr::new([2, 0, 0, 0, 0, number as u8 + 1]),
            permanent: crate::packet::MacAddr::ZERO,
            carrier: true,
        };
        let facts = [fact(0), fact(1)];
        let epochs = Epochs::new(0);
        let router =
            setup::router(&config, &facts, machine.pool, epochs, Leniency::default(), 1).unwrap();
        Self { router, machine }
    }

    fn desk(&mut self) -> Desk<'_> {
        Desk {
            router: &mut self.router,
            tally: Counters { stats: &[], inputs: &[], shape: &[] },
            workers: &[],
            devices: &Vec::new,
            set_mac: &|_, _| Ok(()),
            pool: &self.machine.pool,
            rings: Rings::default(),
            post: None,
            now: 0,
        }
    }

    fn ip(&mut self, line: &str) -> IpOutput {
        self.desk().one_command(&line.split_whitespace().collect::<Vec<_>>())
    }
}

/// All rows of an answer, however many pieces it comes in.
fn all(world: &mut World, request: Request) -> Vec<Value> {
    let mut found = Vec::new();
    let mut reply = world.desk().answer(request);
    loop {
        match reply {
            Reply::LastRows(rows) => {
                found.extend(rows);
                return found;
            }
            Reply::Rows { rows, next, .. } => {
                found.extend(rows);
                reply = world.desk().resume(next);
            }
            Reply::Data(data) => return vec![data],
            Reply::Error { error, .. } => panic!("{error}"),
        }
    }
}

/// What an operator may type, in order; each line's output and status are compared.
const LINES: &str = "
route show
route add 10.0.0.0/8 via 192.0.2.9
route add 10.0.0.0/8 via 192.0.2.9
route add 10.0.0.0/8 via 192.0.2.10 metric 50
route add unreachable 10.1.0.0/16
route add blackhole 10.2.0.0/16
route add prohibit 10.3.0.0/16
route add throw 10.4.0.0/16
route add default via 192.0.2.9 proto static
route add 10.5.0.0/16 dev d1
route add 10.6.0.0/16 via 203.0.113.1
route add 10.6.0.0/16 via 203.0.113.1 dev d0
route add 10.6.0.0/16 via 203.0.113.1 dev d0 onlink
route add 10.7.0.0/16 nexthop via 192.0.2.9 nexthop via 192.0.2.10 weight 3
route add 10.8.0.0/16 via 192.0.2.9 mtu 1400
route add 10.8.0.0/16 via 192.0.2.9 src 198.51.100.7
route add 10.9.0.0/16 via 192.0.2.1
route add 10.9.9.9 via 192.0.2.9 dev nosuch0
route show
-j route show
-d route show
route show 10.0.0.0/8
route show root 10.0.0.0/8
route show match 10.5.1.1
route show proto static
route show type unreachable
route show via 192.0.2.9
route show dev d1
route get 192.0.2.77
route get 10.0.1.2
route get 8.8.8.8
route get 10.1.2.3
route get 10.2.2.3
route get 10.3.2.3
route get 192.0.2.1
route replace 10.0.0.0/8 via 192.0.2.11
route change 10.1.0.0/16 via 192.0.2.9
route change 10.77.0.0/16 via 192.0.2.9
route append 10.5.0.0/16 dev d0
route del 10.77.0.0/16
route del 10.2.0.0/16
route del blackhole 10.2.0.0/16
route del 10.7.0.0/16
route show
route get 10.1.2.3
route del default
route get 8.8.8.8
neigh add 192.0.2.9 lladdr 02:aa:00:00:00:09 dev d0
neigh add 192.0.2.9 lladdr 02:aa:00:00:00:0a dev d0
neigh change 192.0.2.9 lladdr 02:aa:00:00:00:0b dev d0
neigh replace 192.0.2.12 lladdr 02:aa:00:00:00:0c dev d0
neigh del 192.0.2.12 dev d0
neigh change 192.0.2.99 lladdr 02:aa:00:00:00:0b dev d0
neigh add 192.0.2.13 dev d0
neigh add 192.0.2.13 lladdr 02:aa:00:00:00:0c dev nosuch0
neigh show
neigh show dev d0
-j neigh show
neigh get 192.0.2.9 dev d0
neigh del 192.0.2.9 dev d0
neigh del 192.0.2.9 dev d0
neigh show
route show table main dev nosuch0
link set nosuch0 up
link set d1 mtu 60
addr add 198.51.100.1/24 dev d1
addr add 198.51.100.1/24 dev d1
addr add 198.51.100.2/24 dev d1
addr del 198.51.100.9/24 dev d1
route show dev d1
addr del 198.51.100.1/24 dev d1
route show dev d1
route flush root 10.0.0.0/8
route show
link set d1 down
route add 10.9.0.0/16 dev d1
";

#[test]
fn commands_do_and_say_what_the_real_ip_does_and_says() {
    compare(LINES);
}

/// Carries lines out here and by the real `ip`, and tells where they differ.
fn compare(lines: &str) {
    let lines: Vec<String> =
        lines.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    let Some(outcomes) = oracle::run(&lines) else { return };
    let mut world = World::new();
    let mut wrong = String::new();
    for (line, linux) in lines.iter().zip(outcomes) {
        let ours = world.ip(line);
        // ip writes an empty line behind some of its complaints.
        let same = (ours.status, &*ours.out, ours.err.trim_end())
            == (linux.status, &*linux.stdout, linux.stderr.trim_end());
        if !same {
            let (theirs, own) = (apart(&linux.stdout), apart(&ours.out));
            let first = theirs.iter().zip(&own).find(|(theirs, own)| theirs != own);
            wrong += &format!(
                "ip {line}\n  Linux {} {:?}\n  ours  {} {:?}\n  first apart: {first:#?}\n",
                linux.status, linux.stderr, ours.status, ours.err
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Lines of text or pieces of JSON, and an end that differs from each of them.
fn apart(out: &str) -> Vec<&str> {
    out.split_inclusive(['\n', '}']).chain(["(end)"]).collect()
}

#[test]
fn a_batch_stops_at_its_first_error_and_names_the_line_unless_forced() {
    let mut world = World::new();
    let text = "route add 10.0.0.0/8 via 192.0.2.9\n# a comment\nroute add 10.0.0.0/8 via 192.0.2.9\n\
                route add 11.0.0.0/8 via 192.0.2.9\n";
    let batch = |force: bool| {
        let options = if force { vec!["-force".into()] } else { Vec::new() };
        Request::IpBatch(IpBatch { text: text.into(), name: "routes.txt".into(), options })
    };
    let said = all(&mut world, batch(false));
    let said: IpOutput = serde_json::from_value(said[0].clone()).unwrap();
    assert_eq!(said.status, 1);
    assert_eq!(said.err, "RTNETLINK answers: File exists\nCommand failed routes.txt:3\n");
    assert_eq!(world.router.routes().rib().len(), 4);
    all(&mut world, batch(true));
    assert_eq!(world.router.routes().rib().len(), 5);
}

#[test]
fn a_long_batch_and_a_long_listing_come_in_pieces_and_whole() {
    let mut world = World::new();
    let text: String = (0..5000)
        .map(|n| format!("route add 20.{}.{}.0/24 via 192.0.2.9\n", n >> 8, n & 255))
        .collect();
    let batch = IpBatch { text, name: "-".into(), options: Vec::new() };
    let reply = world.desk().answer(Request::IpBatch(batch.clone()));
    assert!(matches!(reply, Reply::Rows { .. }), "packets are served in between");
    drop(reply);
    let mut world = world;
    all(&mut world, Request::IpBatch(IpBatch { options: vec!["-force".into()], ..batch }));
    let routes = all(&mut world, Request::Show(Show::Routes(RouteQuery::default())));
    assert_eq!(routes.len(), 5001);
    let query = RouteQuery { limit: Some(3000), ..RouteQuery::default() };
    assert_eq!(all(&mut world, Request::Show(Show::Routes(query))).len(), 3000);
    let query = RouteQuery { covering: Some([20, 1, 2, 3].into()), ..RouteQuery::default() };
    let covering = all(&mut world, Request::Show(Show::Routes(query)));
    assert_eq!(covering.len(), 1);
    assert_eq!(covering[0]["dst"], "20.1.2.0/24");
}

#[test]
fn a_full_table_refuses_with_the_name_of_its_limit_and_forwards_on() {
    let config = format!("{CONFIG}\n[limits]\nroutes = 16\n");
    let config = Config::parse("desk.toml", &config).unwrap();
    let mut world = World::new();
    let facts = [0, 1].map(|number| PortFact {
        number,
        mac: crate::packet::MacAddr::new([2, 0, 0, 0, 0, 1]),
        permanent: crate::packet::MacAddr::ZERO,
        carrier: true,
    });
    let epochs = Epochs::new(0);
    let pool = world.machine.pool;
    world.router = setup::router(&config, &facts, pool, epochs, Leniency::default(), 1).unwrap();
    let refused = (0..30)
        .map(|n| world.ip(&format!("route add 30.{n}.0.0/16 via 192.0.2.9")))
        .find(|said| said.status != 0)
        .unwrap();
    assert!(refused.err.contains("limits.routes"), "{}", refused.err);
    assert!(world.ip("route get 30.0.0.1").out.contains("via 192.0.2.9"));
    let memory = all(&mut world, Request::Show(Show::Memory));
    let rows: Vec<MemoryRow> =
        memory.into_iter().map(|row| serde_json::from_value(row).unwrap()).collect();
    let routes = rows.iter().find(|row| row.name == "routes").unwrap();
    assert_eq!((routes.used, routes.limit), (16, 16));
}

#[test]
fn a_second_trace_waits_for_the_first_and_a_broken_off_one_is_disarmed() {
    let mut world = World::new();
    let request = || Request::Trace(TraceRequest { count: 1, ..TraceRequest::default() });
    let Reply::Rows { next, .. } = world.desk().answer(request()) else { panic!("no trace") };
    assert!(matches!(world.desk().answer(request()), Reply::Error { .. }));
    world.desk().abandon(next);
    assert!(matches!(world.desk().answer(request()), Reply::Rows { .. }));
}

mod probes {
    use super::*;
    use crate::{
        control::probe::spec::{Event, PingSpec},
        dpdk::mbuf::Flags,
        neighbour::nodes::{PuntKind, Punted},
        packet::{
            icmp4::{self, ErrorKind},
            icmp6::fill_checksum,
            ipv4::Ipv4Spec,
            ipv6::{Ipv6Spec, Ipv6View, next_header},
        },
        port::table::IfaceConf,
    };
    use std::net::{Ipv4Addr, Ipv6Addr};

    const MS: Nanos = 1_000_000;

    fn start(world: &mut World, spec: PingSpec) -> Result<u16, String> {
        match world.desk().answer(Request::Ping(spec)) {
            Reply::Rows { rows, next: Cursor::Probe(id), .. } => {
                assert_eq!(rows[0]["event"], "start");
                Ok(id)
            }
            Reply::Error { error, .. } => Err(error),
            _ => panic!("neither a session nor an error"),
        }
    }

    /// What a session has to tell, and whether that is all.
    fn events(world: &mut World, id: u16) -> (Vec<Event>, bool) {
        let (rows, over) = match world.desk().resume(Cursor::Probe(id)) {
            Reply::Rows { rows, .. } => (rows, false),
            Reply::LastRows(rows) => (rows, true),
            _ => panic!("no rows"),
        };
        let read = |row| serde_json::from_value(row).unwrap();
        (rows.into_iter().map(read).collect(), over)
    }

    /// Turns what was sent into its answer, received at `at`.
    fn answer(world: &mut World, request: &[u8], at: Nanos) {
        let mut bytes = request.to_vec();
        let (src, dst) = (request[12..16].to_vec(), request[16..20].to_vec());
        bytes[12..16].copy_from_slice(&dst);
        bytes[16..20].copy_from_slice(&src);
        assert!(crate::packet::icmp4::echo_reply_in_place(&mut bytes[20..]));
        let mut packet = world.machine.pool.alloc().unwrap();
        assert!(packet.fill(&bytes));
        packet.begin(1, 0, Flags(0));
        packet.set_hash(at as u32);
        world.router.handle_punt(at + 3 * MS, Punted { kind: PuntKind::Learn, packet });
    }

    fn sent(world: &mut World) -> Vec<Vec<u8>> {
        let all = world.router.take_injected();
        let packets = all.iter().map(|injected| {
            assert!(injected.packet.flags().any(Flags::LOCAL_OUT));
            injected.packet.data()[injected.packet.l3()..].to_vec()
        });
        packets.collect()
    }

    #[test]
    fn a_ping_sends_waits_and_tells_without_the_time_in_rings() {
        let mut world = World::new();
        let host = "192.0.2.9".parse().unwrap();
        let spec = PingSpec { count: Some(1), ..PingSpec::to(host) };
        let id = start(&mut world, spec).unwrap();
        world.router.commit();
        world.router.poll(1 << 40);
        let requests = sent(&mut world);
        assert_eq!((requests.len(), requests[0].len()), (1, 84));
        // The clock's low half wraps between the two.
        answer(&mut world, &requests[0], (1 << 40) + 7 * MS);
        world.router.poll((1 << 40) + 10 * MS);
        let (told, over) = events(&mut world, id);
        assert!(
            matches!(
                told[..],
                [
                    Event::Sent { seq: 1, .. },
                    Event::Reply { seq: 1, bytes: 64, ttl: 64, rtt: Some(7_000_000), .. }
                ]
            ),
            "{told:?}"
        );
        assert!(over);
        assert!(world.router.probe_sessions().is_empty());
        let counts = world.router.counts();
        assert_eq!(counts[crate::graph::Snmp::IcmpOutEchos as usize], 1);
    }

    /// A message of ICMPv6 from `src` to where a request came from, as a worker hands it over.
    fn tell6(world: &mut World, request: &[u8], src: Ipv6Addr, message: &[u8]) {
        let own = Ipv6View::new_quoted(request).unwrap().src();
        let mut message = message.to_vec();
        fill_checksum(&mut message, src, own);
        let header = Ipv6Spec {
            traffic_class: 0,
            flow_label: 0,
            payload_len: message.len(),
            next_header: next_header::ICMPV6,
            hop_limit: 63,
            src,
            dst: own,
        };
        let mut packet = world.machine.pool.alloc().unwrap();
        assert!(packet.fill(&[&header.to_bytes()[..], &message].concat()));
        packet.begin(1, 0, Flags(0));
        packet.set_hash((2 * MS) as u32);
        world.router.handle_punt(3 * MS, Punted { kind: PuntKind::Learn, packet });
    }

    /// Shows [3.71], [3.73] and [3.78].
    #[test]
    fn a_ping_over_ipv6_hears_answers_and_errors() {
        let mut world = World::new();
        world.ip("-6 addr add 2001:db8:1::1/64 dev d0 nodad");
        world.ip("-6 route add 2001:db8:9::/64 via 2001:db8:1::9");
        world.router.commit();
        let (host, near): (Ipv6Addr, Ipv6Addr) =
            ("2001:db8:9::2".parse().unwrap(), "2001:db8:1::9".parse().unwrap());
        let id = start(&mut world, PingSpec::to(host.into())).unwrap();
        world.router.commit();
        world.router.poll(MS);
        let request = sent(&mut world).remove(0);
        let ip = Ipv6View::new_checked(&request).unwrap();
        assert_eq!((ip.src(), ip.dst()), ("2001:db8:1::1".parse().unwrap(), host));
        assert_eq!((ip.next_header(), ip.hop_limit(), ip.payload()[0]), (58, 64, 128));
        let expected = world.router.reader().refresh().expected.clone().unwrap();
        let quoting = |kind: u8| [&[kind, 0, 0, 0, 0, 0, 0, 0], &request[..]].concat();
        for kind in [1, 2, 3, 4, 100] {
            assert!(expected.wants6(&quoting(kind)), "type {kind}");
            tell6(&mut world, &request, near, &quoting(kind));
        }
        let mut reply = ip.payload().to_vec();
        reply[0] = 129;
        tell6(&mut world, &request, host, &reply);
        let (events, _) = events(&mut world, id);
        let kinds = events.iter().filter_map(|event| match event {
            Event::Error { seq: 1, kind, .. } => Some(*kind),
            _ => None,
        });
        assert_eq!(kinds.collect::<Vec<u8>>(), [1, 2, 3, 4, 100]);
        let rtt = events.iter().find_map(|event| match event {
            Event::Reply { seq: 1, bytes: 64, ttl: 63, rtt, .. } => *rtt,
            _ => None,
        });
        assert_eq!(rtt, Some(MS), "from a poll at 1 ms to a receipt at 2 ms");
        assert_eq!(world.router.counts()[crate::graph::Snmp::Icmp6OutEchos as usize], 1);
        world.router.clear();
    }

    /// Where no packet of the router's own can go over IPv6, in the kernel's words.
    #[test]
    fn ways_over_ipv6_are_those_of_the_kernel() {
        let mut world = World::new();
        for words in [
            "link set d1 up",
            "-6 addr add 2001:db8:1::1/64 dev d0 nodad",
            "-6 addr add 2001:db8:2::1/64 dev d1 nodad",
            "-6 route add 2001:db8:9::/64 via 2001:db8:1::9",
            "-6 route add 2001:db8:3::/64 from 2001:db8:2::/64 via 2001:db8:2::9",
            "-6 route add unreachable 2001:db8:20::/48",
            "-6 route add prohibit 2001:db8:21::/48",
            "-6 route add blackhole 2001:db8:22::/48",
            "-6 addr add fe80::1/64 dev d0 nodad",
        ] {
            assert_eq!(world.ip(words).err, "", "{words}");
        }
        world.router.commit();
        for (host, iface, source, says) in [
            ("2001:db8:55::1", None, None, Err("Network is unreachable")),
            ("2001:db8:20::1", None, None, Err("No route to host")),
            ("2001:db8:21::1", None, None, Err("Permission denied")),
            ("2001:db8:22::1", None, None, Err("Invalid argument")),
            ("fe80::9", None, None, Err("Invalid argument")),
            ("ff02::1", None, None, Err("Invalid argument")),
            ("fe80::9", Some("d9"), None, Err("No such device")),
            ("2001:db8:9::2", Some("d1"), None, Err("Network is unreachable")),
            ("2001:db8:9::2", None, Some("2001:db8:7::1"), Err("Cannot assign requested address")),
            ("2001:db8:9::2", None, Some("fe80::1"), Err("Cannot assign requested address")),
            ("2001:db8:9::2", None, None, Ok("2001:db8:1::1")),
            ("2001:db8:9::2", Some("d0"), None, Ok("2001:db8:1::1")),
            ("2001:db8:9::2", None, Some("2001:db8:2::1"), Ok("2001:db8:2::1")),
            // Of another family it says nothing.
            ("2001:db8:9::2", None, Some("192.0.2.1"), Ok("2001:db8:1::1")),
            ("fe80::9", Some("d0"), Some("fe80::1"), Ok("fe80::1")),
            ("ff02::1", Some("d0"), None, Ok("fe80::1")),
            // Only what comes from the other network has a route there.
            ("2001:db8:3::1", None, None, Ok("2001:db8:2::1")),
            ("2001:db8:3::1", None, Some("2001:db8:1::1"), Err("Network is unreachable")),
            ("2001:db8:2::1", None, None, Ok("2001:db8:2::1")),
        ] {
            let mut spec = PingSpec::to(host.parse().unwrap());
            spec.origin.iface = iface.map(str::to_owned);
            spec.origin.source = source.map(|source| source.parse().unwrap());
            let found = start(&mut world, spec).map(|id| {
                let sessions = world.router.probe_sessions();
                world.router.end_probe(id);
                sessions[0].source.to_string()
            });
            let wanted = says.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(found, wanted, "{host} by {iface:?} from {source:?}");
        }
    }

    #[test]
    fn a_redirect_is_told_and_learned_from() {
        let mut world = World::new();
        let (old, new) = (Ipv4Addr::new(192, 0, 2, 9), Ipv4Addr::new(192, 0, 2, 11));
        let host = Ipv4Addr::new(10, 5, 0, 1);
        world.ip("route add 10.5.0.0/16 via 192.0.2.9");
        let conf = IfaceConf { accept_redirects: true, ..IfaceConf::default() };
        world.router.set_conf("d0", conf).unwrap();
        world.ip("neigh add 192.0.2.11 lladdr 02:00:00:00:00:99 dev d0 nud permanent");
        world.router.commit();
        let id = start(&mut world, PingSpec::to(host.into())).unwrap();
        world.router.poll(MS);
        let request = sent(&mut world).remove(0);

        let mut message = vec![0; 64];
        let kind = ErrorKind::Redirect { code: 1, gateway: new };
        let len = icmp4::emit_error(&mut message, kind, &request[..28]).unwrap();
        let header = Ipv4Spec {
            tos: 0,
            id: 1,
            fragment_word: 0,
            ttl: 64,
            protocol: 1,
            src: old,
            dst: Ipv4Addr::new(192, 0, 2, 1),
            options: &[],
            payload_len: len,
        };
        let mut bytes = vec![0; 20];
        header.emit(&mut bytes).unwrap();
        bytes.extend(&message[..len]);
        let mut packet = world.machine.pool.alloc().unwrap();
        assert!(packet.fill(&bytes));
        packet.begin(1, 0, Flags(0));
        world.router.handle_punt(2 * MS, Punted { kind: PuntKind::Learn, packet });
        let (told, _) = events(&mut world, id);
        let is = |event: &Event| {
            matches!(event, Event::Error { seq: 1, kind: 5, code: 1, info, .. }
                if *info == new.to_bits())
        };
        assert!(told.iter().any(is), "{told:?}");
        let learned: Vec<_> =
            world.router.exceptions().map(|(_, dst, learned)| (dst, learned.gateway)).collect();
        assert_eq!(learned, [(host.into(), Some(new.into()))]);
    }

    #[test]
    fn nobody_can_flood_the_network_or_the_management_core() {
        let mut world = World::new();
        let host = "192.0.2.9".parse().unwrap();
        let greedy = PingSpec { interval_ms: 0, size: PingSpec::MAX_SIZE, ..PingSpec::to(host) };
        let ids: Vec<u16> = (0..32).map(|_| start(&mut world, greedy.clone()).unwrap()).collect();
        assert_eq!(start(&mut world, greedy).unwrap_err(), "Too many users");
        let (mut all, mut most) = (0, 0);
        for turn in 0..1000 {
            world.router.poll(turn * MS);
            let pieces = sent(&mut world).len();
            (all, most) = (all + pieces, most.max(pieces));
        }
        // 16 a turn in the long run, a whole datagram at once at most.
        assert!((15_000..=16_000 + 45).contains(&all), "{all}");
        assert!(most <= 16 + 45, "{most}");
        // All have had their share, although the first ones alone could have used it up.
        let shares: Vec<u64> =
            world.router.probe_sessions().iter().map(|session| session.sent).collect();
        assert!(shares.iter().all(|share| *share >= 5), "{shares:?}");
        for id in ids {
            world.desk().abandon(Cursor::Probe(id));
        }
        assert!(world.router.probe_sessions().is_empty());
    }

    #[test]
    fn what_nobody_reads_stops_the_sending() {
        let mut world = World::new();
        let host = "192.0.2.9".parse().unwrap();
        let id = start(&mut world, PingSpec { interval_ms: 0, ..PingSpec::to(host) }).unwrap();
        let mut requests = 0;
        for turn in 0..2000 {
            world.router.poll(turn * MS);
            requests += sent(&mut world).len();
        }
        assert!((200..=256).contains(&requests), "{requests}");
        assert!(!events(&mut world, id).1);
        world.router.poll(2001 * MS);
        assert_eq!(sent(&mut world).len(), 1, "reading lets it go on");
    }

    #[test]
    fn a_way_that_is_not_there_is_refused_in_the_systems_words() {
        let mut world = World::new();
        world.ip("route add prohibit 10.3.0.0/16");
        world.ip("route add unreachable 10.4.0.0/16");
        world.router.commit();
        for (host, why) in [
            ("198.51.100.1", "Network is unreachable"),
            ("10.3.0.1", "Permission denied"),
            ("10.4.0.1", "No route to host"),
            ("192.0.2.255", "Permission denied"),
        ] {
            let refused = start(&mut world, PingSpec::to(host.parse().unwrap()));
            assert_eq!(refused.unwrap_err(), why, "{host}");
        }
        let mut foreign = PingSpec::to("192.0.2.9".parse().unwrap());
        foreign.origin.source = Some("203.0.113.1".parse().unwrap());
        assert_eq!(start(&mut world, foreign).unwrap_err(), "Cannot assign requested address");
    }
}
