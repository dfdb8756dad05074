//! What must hold of the whole router, from receive to transmit, whatever comes in.

use std::{
    collections::HashMap,
    net::Ipv4Addr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use super::{
    load::Arena,
    lockstep::{Lockstep, Outlet},
    source,
    throughput::{Played, play},
    *,
};
use crate::{
    capture::sample::SampleSpec,
    graph::{Nanos, Reason, Stats},
    packet::{FrameBuilder, MacAddr, checksum, generate::Random, ipv4::Ipv4View, vlan},
    port::nodes::Sink,
    route::{control::Verb, spec::RouteSpec},
};

mod carriers;
mod changes;
mod clamp;
mod flowtable;
mod fragments;
mod hosts;
mod nat64;
mod neighbours;
mod nftables;
mod queues;
mod sets;
mod six;
mod streams;
mod told;
mod workers;

/// Three ports, one of them with VLANs; routes of every kind; a path of smaller MTU.
const WORLD: &str = r#"
[instance]
name = "test"
[dpdk]
huge = "never"
in-memory = true
[[port]]
name = "lan"
mac = "02:00:00:00:00:02"
addresses = ["10.0.0.1/24"]
[[port]]
name = "wan"
mac = "02:00:00:00:00:03"
addresses = ["10.0.1.1/24"]
[[port]]
name = "trunk"
mac = "02:00:00:00:00:04"
mtu = 1400
addresses = ["10.0.2.1/24"]
[[port.vlan]]
id = 10
addresses = ["10.0.10.1/24"]
[[neighbour]]
address = "10.0.1.2"
lladdr = "02:00:00:00:01:02"
dev = "wan"
[[route]]
to = "198.51.100.0/24"
via = "10.0.1.2"
[[route]]
to = "203.0.113.0/25"
via = "10.0.2.9"
[[route]]
to = "203.0.113.128/25"
nexthops = [{ via = "10.0.1.2" }, { via = "10.0.10.3", weight = 3 }]
[[route]]
to = "198.18.0.0/24"
type = "unreachable"
[[route]]
to = "198.18.1.0/24"
type = "prohibit"
[[route]]
to = "198.18.2.0/24"
type = "blackhole"
[sysctl]
"net.ipv4.conf.all.accept_source_route" = 1
"#;

fn world() -> Config {
    Config::parse("world.toml", WORLD).unwrap_or_else(|errors| panic!("{errors}"))
}

/// Checks each frame that leaves, and adds it to a digest.
#[derive(Default)]
struct Checked {
    frames: u64,
    digest: u64,
    tagged: u64,
}

impl Outlet for Checked {
    fn frame(&mut self, place: usize, now: Nanos, bytes: &[u8]) {
        self.frames += 1;
        assert_eq!(bytes[6..12], [2, 0, 0, 0, 0, place as u8 + 2], "source of {bytes:02x?}");
        let peeled = vlan::peel(bytes).unwrap();
        self.tagged += u64::from(!peeled.tags().is_empty());
        if bytes[peeled.offset - 2..peeled.offset] == [8, 0] {
            let ip = Ipv4View::new_checked(peeled.payload).unwrap();
            assert!(checksum::ipv4_header(ip.header()), "checksum of {bytes:02x?}");
            assert!(ip.ttl() > 0, "time to live of {bytes:02x?}");
            let mtu = if place == 2 { 1400 } else { 1500 };
            assert!(usize::from(ip.total_len()) <= mtu, "{} bytes by port {place}", bytes.len());
            assert!(!ip.dst().is_loopback() && !ip.dst().is_broadcast());
        }
        let words = (place as u64, now, bytes);
        self.digest = self.digest.rotate_left(9)
            ^ rapidhash::v3::rapidhash_v3(
                &[&words.0.to_le_bytes()[..], &words.1.to_le_bytes(), words.2].concat(),
            );
    }
}

struct World {
    lockstep: Lockstep,
    outlet: Arc<Mutex<Checked>>,
    pool: crate::dpdk::mempool::Pool,
}

fn machine_for(config: &Config) -> Machine {
    machine(config, 2, 1514).unwrap()
}

/// So many rounds, as fast as they are taken, through a router that is as strict as on a wire.
fn rounds<'a>(rounds: u64, config: &'a Config, machine: &Machine, workers: usize) -> Play<'a> {
    let (pool, leniency, bar) = (machine.pool, Leniency::default(), bar(0, false));
    Play { config, pool, workers, leniency, rounds, pace: None, beside: false, bar }
}

impl World {
    fn new(config: &Config, machine: &Machine, workers: usize, leniency: Leniency) -> Self {
        let outlet = Arc::<Mutex<Checked>>::default();
        let pool = machine.pool;
        let lockstep = Lockstep::new(config, pool, workers, leniency, 0, &outlet).unwrap();
        Self { lockstep, outlet, pool }
    }

    /// Ends, and checks that nothing is missing.
    fn finish(mut self) -> (u64, u64, HashMap<&'static str, u64>) {
        assert_eq!(self.lockstep.finish(), 0, "unaccounted");
        let mut ends = HashMap::new();
        for reason in Reason::ALL {
            let count =
                self.lockstep.rig.stats.iter().map(|stats| stats.drops[*reason as usize].get());
            ends.insert(reason.name(), count.sum());
        }
        assert_eq!(self.lockstep.lost, 0, "the pool ran dry");
        drop(self.lockstep);
        assert_eq!(self.pool.in_use(), 0, "leaked");
        let outlet = self.outlet.lock().unwrap();
        (outlet.frames, outlet.digest, ends)
    }
}

/// Frames of every kind, to be damaged: the sample's, and what it does not have.
fn sound_frames(count: usize) -> Vec<Vec<u8>> {
    let mut sample = SampleSpec::default().frames();
    let mut frames: Vec<Vec<u8>> = (0..count).map(|_| sample.sampled().frame).collect();
    let router = MacAddr::new([2, 0, 0, 0, 0, 2]);
    let host = MacAddr::new([2, 0xaa, 0, 0, 0, 7]);
    let from = |dst: [u8; 4]| {
        FrameBuilder::new().ethernet(host, router).ipv4([10, 0, 0, 7].into(), Ipv4Addr::from(dst))
    };
    for dst in
        [[198, 18, 0, 1], [198, 18, 1, 1], [198, 18, 2, 1], [10, 0, 0, 255], [203, 0, 113, 9]]
    {
        frames.push(from(dst).udp(1000, 2000).payload_len(100).build());
        frames.push(from(dst).udp(1000, 2000).payload_len(1460).build());
    }
    for dst in [[10, 0, 0, 1], [10, 0, 1, 1], [10, 0, 10, 1], [203, 0, 113, 200]] {
        frames.push(from(dst).tcp(1000, 80, 2).build());
        frames.push(from(dst).udp(1000, 80).payload_len(20).build());
        frames.push(from(dst).echo_request(1, 2).payload_len(40).build());
    }
    for options in [
        &[7, 15, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1][..],
        &[68, 20, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[131, 11, 4, 10, 0, 1, 1, 198, 51, 100, 1, 1],
        &[137, 11, 8, 10, 0, 0, 9, 10, 0, 1, 2, 1],
        &[148, 4, 0, 0],
    ] {
        for dst in [[10, 0, 0, 1], [198, 51, 100, 1], [198, 18, 0, 1]] {
            frames.push(from(dst).options(options).udp(1000, 80).payload_len(20).build());
            frames.push(from(dst).options(options).echo_request(1, 2).payload_len(40).build());
        }
    }
    frames
}

/// Does to a frame what wires, attackers and bugs do.
fn damage(frame: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..random.below(4) {
        let len = frame.len().max(1) as u64;
        let at = random.below(len) as usize;
        match random.below(9) {
            0 => frame.truncate(at),
            1 => frame.extend((0..random.below(64)).map(|byte| byte as u8)),
            2 | 3 if at < frame.len() => frame[at] ^= 1 << random.below(8),
            4 if at < frame.len() => frame[at] = random.next_u64() as u8,
            // Mostly the headers, where a byte decides something.
            5 | 6 if frame.len() > 50 => frame[random.below(50) as usize] = random.next_u64() as u8,
            7 if frame.len() > 34 => {
                let word = [0_u16, 1, 20, 0x1fff, 0x2000, 0x4000, 0x8000, 0xffff]
                    [random.below(8) as usize];
                let at = 12 + 2 * random.below(11) as usize;
                frame[at..at + 2].copy_from_slice(&word.to_be_bytes());
            }
            // A header that is odd but whole gets further than a broken one.
            _ if frame.len() >= 34 => {
                let end = (14 + usize::from(frame[14] & 15) * 4).min(frame.len()).max(34);
                frame[24..26].fill(0);
                let sum = checksum::checksum(&frame[14..end]);
                frame[24..26].copy_from_slice(&sum.to_be_bytes());
            }
            _ => {}
        }
    }
}

#[test]
fn a_million_damaged_frames_are_all_accounted_for_and_what_leaves_is_sound() {
    let (config, sound) = (world(), sound_frames(2000));
    let machine = machine_for(&config);
    let mut random = Random::new(7);
    for leniency in [Leniency { any_mac: true, stand_in: true, speaks: false }, Leniency::default()]
    {
        let mut world = World::new(&config, &machine, 2, leniency);
        let mut now = world.lockstep.now();
        for _ in 0..500_000 {
            let mut frame = sound[random.below(sound.len() as u64) as usize].clone();
            damage(&mut frame, &mut random);
            now += random.below(20_000);
            world.lockstep.advance(now);
            world.lockstep.receive(random.below(3) as usize, &frame);
        }
        let (frames, _, ends) = world.finish();
        assert!(frames > 10_000, "{frames} frames left");
        for reason in ["ip_header", "ip_csum", "ip_truncated", "ttl_exceeded", "ethernet_truncated"]
        {
            assert!(ends[reason] > 0, "no frame met {reason}: {ends:?}");
        }
    }
}

/// Shows [4.47], [4.48], [4.117].
#[test]
fn a_packet_with_router_alert_is_offered_to_those_who_look_and_then_forwarded() {
    let config = world();
    let machine = machine_for(&config);
    let mut world = World::new(&config, &machine, 1, Leniency::default());
    let router = MacAddr::new([2, 0, 0, 0, 0, 2]);
    let host = MacAddr::new([2, 0xaa, 0, 0, 0, 7]);
    for options in [[148, 4, 0, 0], [148, 4, 0, 1], [1, 1, 1, 1]] {
        let there = FrameBuilder::new().ethernet(host, router);
        let there = there.ipv4([10, 0, 0, 7].into(), [198, 51, 100, 1].into());
        world.lockstep.receive(0, &there.options(&options).udp(1, 2).build());
    }
    let rig = &world.lockstep.rig;
    let place = rig.shape.iter().position(|(name, _)| *name == "ip4-router-alert").unwrap();
    assert_eq!(rig.stats[0].nodes[place].packets.get(), 1, "that of value 0");
    let (frames, _, _) = world.finish();
    assert_eq!(frames, 3, "nobody takes it");
}

#[test]
fn every_header_cut_at_every_byte_ends_with_a_reason() {
    let config = world();
    let machine = machine_for(&config);
    let leniency = Leniency { any_mac: true, stand_in: true, speaks: false };
    let mut world = World::new(&config, &machine, 1, leniency);
    let mut count = 0;
    for frame in sound_frames(300) {
        for len in 0..frame.len().min(130) {
            world.lockstep.receive(0, &frame[..len]);
            count += 1;
        }
    }
    assert_eq!(world.lockstep.packets, count);
    world.finish();
}

#[test]
fn the_same_frames_leave_whatever_the_number_of_workers() {
    let config = world();
    let machine = machine_for(&config);
    let sound = sound_frames(3000);
    let results: Vec<_> = [1, 2, 2, 3]
        .into_iter()
        .map(|workers| {
            let mut world = World::new(&config, &machine, workers, Leniency::default());
            let mut random = Random::new(3);
            let mut now = world.lockstep.now();
            for frame in &sound {
                now += random.below(1_000_000);
                world.lockstep.advance(now);
                world.lockstep.receive(random.below(3) as usize, frame);
            }
            let (frames, digest, _) = world.finish();
            (frames, digest)
        })
        .collect();
    assert!(results[0].0 > 500, "{results:?}");
    assert!(results.iter().all(|one| *one == results[0]), "{results:x?}");
}

/// Changes routes as fast as it can, and checks that no packet goes where it never should.
struct Churn {
    config: Config,
    began: Instant,
    changes: u64,
    random: Random,
    specs: Vec<RouteSpec>,
    wrong: Arc<AtomicU64>,
    rows: u64,
}

fn route(to: &str, via: &str) -> RouteSpec {
    let words = [to, "via", via];
    crate::iproute2::parse_route_words(false, &words).unwrap()
}

/// Routes within 50/8, of three lengths, by either gateway.
fn flapping(random: &mut Random) -> Vec<RouteSpec> {
    let mut specs = Vec::new();
    for _ in 0..3000 {
        let (high, low) = (random.below(256), random.below(256));
        let net = match random.below(3) {
            0 => format!("50.{high}.0.0/16"),
            1 => format!("50.{high}.{low}.0/24"),
            _ => format!("50.{high}.{low}.128/25"),
        };
        specs.extend(["10.0.1.2", "10.0.2.9"].map(|gateway| route(&net, gateway)));
    }
    specs
}

impl Beside for Churn {
    fn prepare(&mut self, router: &mut Router) -> Result<(), ReplayError> {
        setup::load_routes(&self.config, router)?;
        for (net, gateway) in [("50.0.0.0/8", "10.0.1.2"), ("51.0.0.0/8", "10.0.2.9")] {
            router.route(Verb::Add, &route(net, gateway)).unwrap();
        }
        Ok(())
    }

    fn turn(&mut self, router: &mut Router, stats: &[Arc<Stats>]) -> bool {
        for _ in 0..200 {
            let spec = &self.specs[self.random.below(self.specs.len() as u64) as usize];
            let verb = if self.random.below(3) == 0 { Verb::Delete } else { Verb::Replace };
            // Deleting what is not there is refused, and is no change.
            if router.route(verb, spec).is_ok() {
                self.changes += 1;
            }
        }
        // Somebody looks at the counters all the while.
        self.rows = self.rows.wrapping_add(unaccounted_now(stats));
        false
    }

    fn sink(&mut self, place: usize) -> Sink {
        let wrong = Arc::clone(&self.wrong);
        Sink::Other(Box::new(move |frame, _| {
            for packet in frame.iter() {
                let data = packet.data();
                // 51/8 never moves; 50/8 is on either way, with the address that belongs to it.
                let good = match (data[30], place) {
                    (50, 1) => data[..6] == [2, 0, 0, 0, 1, 2],
                    (50 | 51, 2) => data[..6] == [2, 0, 0, 0, 2, 9],
                    _ => false,
                };
                wrong.fetch_add(u64::from(!good), Ordering::Relaxed);
            }
            crate::dpdk::mbuf::Packet::free_all(frame);
        }))
    }
}

/// Changes of every kind, and every report, while packets come whether they are taken or not.
struct Busy {
    churn: Churn,
    turns: u64,
}

impl Beside for Busy {
    fn prepare(&mut self, router: &mut Router) -> Result<(), ReplayError> {
        self.churn.prepare(router)
    }

    fn turn(&mut self, router: &mut Router, stats: &[Arc<Stats>]) -> bool {
        use crate::telemetry::tally::Tally;
        self.churn.turn(router, stats);
        self.turns += 1;
        // Neither MTU nor addresses nor tunables change what becomes of these packets.
        router.set_mtu("lan", 1400 + (self.turns % 100) as u16).unwrap();
        let net = "10.99.0.1/24".parse().unwrap();
        match self.turns % 2 {
            0 => router.add_address("lan", net, None).unwrap(),
            _ if self.turns > 1 => router.delete_address("lan", net).unwrap(),
            _ => {}
        }
        router.set_tunables(|tunables| tunables.default_ttl = 64 + (self.turns % 8) as u8);
        let inputs = vec![vec!["replay".to_owned()]; stats.len()];
        let (dropped, counted) = (router.dropped(), router.counts());
        let tally = Tally { stats, inputs: &inputs, shape: &[], dropped, counted };
        let seen = tally.counters().len() as u64 + tally.drops().len() as u64;
        self.churn.rows = self.churn.rows.wrapping_add(seen);
        false
    }

    fn sink(&mut self, place: usize) -> Sink {
        self.churn.sink(place)
    }
}

#[test]
fn no_change_and_no_report_blocks_a_worker() {
    // Another program may keep the processor for longer than the ring holds, now and then; what the
    // router itself did would show each time.
    let machine = machine_for(&world());
    let lost: Vec<u64> = (0..3).map(|_| lost_while_busy(&machine)).collect();
    println!("packets lost in each run: {lost:?}");
    assert!(lost.contains(&0), "blocked each time: {lost:?} packets of 200 000 a second");
}

/// Packets lost at 200 000 a second while everything changes and everything is looked at.
fn lost_while_busy(machine: &Machine) -> u64 {
    let (config, frames, mut churn) = churning();
    let wrong = Arc::clone(&churn.wrong);
    let arena = Arena::of(&frames);
    churn.began = Instant::now();
    let mut busy = Busy { churn, turns: 0 };
    let hz = crate::dpdk::eal::tsc_hz();
    // 80 ms of packets.
    let pace = Some(source::Pace { rate: 200_000, depth: 16_384, hz });
    let one = Play { pace, ..rounds(10, &config, machine, 1) };
    let played = play(&one, &arena, &mut busy).unwrap();
    let sent: u64 = played.rig.stats.iter().map(|stats| stats.transmitted.get()).sum();
    assert_eq!(played.unaccounted, 0);
    assert_eq!((sent, wrong.load(Ordering::Relaxed)), (played.packets, 0));
    assert!(busy.turns > 50, "only {} turns", busy.turns);
    played.lost
}

fn unaccounted_now(stats: &[Arc<Stats>]) -> u64 {
    let under_way = stats.iter().map(|stats| stats.entered().wrapping_sub(stats.left()));
    under_way.fold(0, u64::wrapping_add)
}

/// A router whose routes flap, the packets that cross it, and what flaps.
fn churning() -> (Config, Vec<Vec<u8>>, Churn) {
    let neighbour =
        "[[neighbour]]\naddress = \"10.0.2.9\"\nlladdr = \"02:00:00:00:02:09\"\ndev = \"trunk\"\n";
    let config = Config::parse("world.toml", &format!("{WORLD}{neighbour}")).unwrap();
    let mut random = Random::new(1);
    let frames: Vec<_> = (0..20_000)
        .map(|_| {
            let mut byte = || random.below(256) as u8;
            let dst = [50 + byte() % 2, byte(), byte(), byte()];
            FrameBuilder::new()
                .ethernet(MacAddr::new([2, 9, 9, 9, 9, 9]), MacAddr::new([2, 0, 0, 0, 0, 2]))
                .ipv4([10, 0, 0, 7].into(), dst.into())
                .udp(1000, 2000)
                .payload_len(18)
                .build()
        })
        .collect();
    let churn = Churn {
        config: config.clone(),
        began: Instant::now(),
        changes: 0,
        specs: flapping(&mut random),
        random,
        wrong: Arc::default(),
        rows: 0,
    };
    (config, frames, churn)
}

#[test]
fn a_hundred_thousand_route_changes_a_second_lose_no_packet_and_send_none_wrong() {
    let (config, frames, mut churn) = churning();
    let machine = machine_for(&config);
    let wrong = Arc::clone(&churn.wrong);
    let arena = Arena::of(&frames);
    churn.began = Instant::now();
    let one = rounds(400, &config, &machine, 1);
    let Played { packets, unaccounted, rig, seconds, .. } = play(&one, &arena, &mut churn).unwrap();
    let rate = churn.changes as f64 / seconds;
    println!(
        "{} changes in {seconds:.2} s: {rate:.0} a second, beside {:.2} Mpps ({:?} in all)",
        churn.changes,
        packets as f64 / seconds / 1e6,
        churn.began.elapsed()
    );
    let sent: u64 = rig.stats.iter().map(|stats| stats.transmitted.get()).sum();
    assert_eq!((sent, unaccounted, wrong.load(Ordering::Relaxed)), (packets, 0, 0));
    drop(rig);
    assert_eq!(machine.pool.in_use(), 0);
    assert!(rate > 100_000.0, "only {rate:.0} changes a second");
}
