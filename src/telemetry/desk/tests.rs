use super::*;
use crate::{
    config::Config,
    dpdk::eal::tsc_hz,
    iproute2::oracle,
    publish::Epochs,
    setup::{self, Leniency, Machine, PortFact},
    telemetry::report::MemoryRow,
};

mod monitor;
mod policy;

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
            pool: &self.machine.pool,
            rings: Rings::default(),
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
