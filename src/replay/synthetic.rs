//! Measurements with traffic that is made here: no captures, and nothing to install.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;

use super::{
    ReplayError, fail,
    generator::CATCH_UP,
    load::Arena,
    policies, report, rig,
    source::Pace,
    throughput::{self, Beside, Play},
};
use crate::{
    config::Config,
    control::Router,
    dpdk::{eal::tsc_hz, mempool::Pool},
    packet::{
        MacAddr,
        generate::{Addresses, Popularity, Sizes, TrafficSpec},
    },
    route::{
        control::Verb,
        spec::{NextHopSpec, RouteSpec},
        synth,
    },
    setup::{self, Leniency},
    telemetry::report::{BenchReport, BenchRow, BucketRow, FactRow, ReplayReport, ratio},
};

mod goals;
mod host;
mod search;
mod six;

/// Size of the frames of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// All alike, in bytes with the frame check sequence.
    Fixed(u16),
    /// 7 of 64, 4 of 594 and 1 of 1518 bytes.
    Imix,
}

/// What to measure.
#[derive(Clone, Debug)]
pub struct BenchOptions {
    /// The router; its routes are taken as they are.
    pub config: Config,
    /// A measurement for each.
    pub sizes: Vec<Size>,
    /// Distinct flows.
    pub flows: u32,
    /// How often each has a packet.
    pub popularity: Popularity,
    /// Synthetic routes in place of the configuration's.
    pub routes: Option<u32>,
    /// Rules of policy routing.
    pub rules: u32,
    /// Tables that the rules lead to.
    pub tables: u32,
    /// Workers, when not as configured.
    pub workers: Option<u16>,
    /// Packets of each measurement.
    pub packets: u64,
    /// Packets a second that are offered; unless given, as many as are taken.
    pub rate: Option<u64>,
    /// Look for the highest rate without loss, in trials of so many seconds.
    pub search: Option<f64>,
    /// Measure by numbers of routes and of flows too.
    pub sweeps: bool,
    /// Packets come from another core, over devices.
    pub generator: bool,
    /// Over IPv6.
    pub ipv6: bool,
    /// Seed of the traffic.
    pub seed: u64,
    /// Draw a progress bar.
    pub progress: bool,
}

/// Frames that are kept in memory; they are played in rounds.
const FEWEST_FRAMES: u64 = 1020;
/// The same where each is of a flow by chance.
const FEWEST_BY_CHANCE: u64 = 65_536;
/// Packets that wait for a worker at most when they come at a rate, as in the ring of a device.
const RING: u64 = 4096;
/// Routes, where numbers of them are compared.
const SWEEP_ROUTES: [u32; 4] = [16, 1000, 100_000, 1_000_000];
/// Flows, where numbers of them are compared.
const SWEEP_FLOWS: [u32; 3] = [64, 4000, 65_536];
/// Most packets of each measurement then.
const SWEEP_PACKETS: u64 = 5_000_000;
/// Longest frame of any size.
const LONGEST: usize = 16_000;

/// Measures with synthetic traffic.
///
/// # Errors
/// When the configuration does not serve.
pub fn bench(options: &BenchOptions) -> Result<BenchReport, ReplayError> {
    let config = &options.config;
    if config.ports.is_empty() {
        return Err(fail("the configuration has no port", "add a [[port]] with an address"));
    }
    let workers = options.workers.map_or(config.workers.cores.workers(), usize::from).max(1);
    let longest = options.sizes.iter().map(|size| match size {
        Size::Fixed(size) => usize::from(*size),
        Size::Imix => 1518,
    });
    let longest = longest.max().unwrap_or(0).min(LONGEST);
    let machine = super::machine(config, workers, longest)?;
    let mut report = BenchReport {
        machine: host::processor(),
        facts: host::facts(config, workers),
        notes: machine.notes.clone(),
        ..BenchReport::default()
    };
    if options.generator {
        let value = "a thread beside the workers' cores, over net_ring".into();
        report.facts.push(FactRow { name: "Generator".into(), value });
    }
    let case = Case::new(options, machine.pool, workers)?;
    for size in &options.sizes {
        let arena = case.frames(*size)?;
        let trial = case.play(&arena, options.packets, options.rate)?;
        report.notes.extend(trial.notes(&name(*size)));
        let row = case.row(*size, &trial);
        if let Some(seconds) = options.search {
            let found = search::search(&case, &row, &arena, seconds)?;
            if found.loads.is_empty() {
                let size = name(*size);
                report.notes.push(format!("{size}: packets were lost at every rate"));
            }
            for load in &found.loads {
                let what = format!("{} at {} %", name(*size), load.percent);
                report.notes.extend(untimed(&what, load.untimed, load.packets));
            }
            report.searches.push(found);
        }
        report.rows.push(row);
    }
    if let (true, Some(size)) = (options.sweeps, options.sizes.first()) {
        sweep(options, *size, &case, &mut report)?;
    }
    Ok(report)
}

/// Measures each number of flows with each number of routes.
fn sweep(
    options: &BenchOptions,
    size: Size,
    case: &Case<'_>,
    report: &mut BenchReport,
) -> Result<(), ReplayError> {
    let with = |own: Option<u32>, usual: &[u32]| {
        let mut all: Vec<_> = usual.iter().copied().chain(own).collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    // Those of the configuration are among them.
    let added = options.routes.unwrap_or(0);
    let own = (case.routes as u32).saturating_sub(added);
    for routes in with(options.routes.map(|added| added + own), &SWEEP_ROUTES) {
        for flows in with(Some(options.flows), &SWEEP_FLOWS) {
            let routes = Some(routes.saturating_sub(own));
            let options = BenchOptions { routes, flows, ..options.clone() };
            let case = Case::new(&options, case.pool, case.workers)?;
            let arena = case.frames(size)?;
            let trial = case.play(&arena, options.packets.min(SWEEP_PACKETS), None)?;
            let what = format!("{} routes, {flows} flows", case.routes);
            report.notes.extend(trial.notes(&what));
            report.grid.push(case.row(size, &trial));
        }
    }
    Ok(())
}

/// A router, and destinations that it has routes to.
struct Case<'a> {
    options: &'a BenchOptions,
    pool: Pool,
    workers: usize,
    routes: usize,
    destinations: Vec<IpAddr>,
}

/// Frames are for whoever takes them, and all neighbours are there.
const LENIENCY: Leniency = Leniency { any_mac: true, stand_in: true, speaks: false };

impl<'a> Case<'a> {
    /// One router tells the destinations that all measurements then use.
    fn new(options: &'a BenchOptions, pool: Pool, workers: usize) -> Result<Self, ReplayError> {
        let (mut rig, _) = rig::Rig::new(&options.config, pool, 1, LENIENCY)?;
        Routes(options).prepare(&mut rig.router)?;
        rig.router.commit();
        let (router, from) = (&rig.router, (rig.ports[0].1, &sources(options)));
        let wanted = (options.flows, options.seed);
        let (destinations, routes) = match options.ipv6 {
            true => {
                (goals::destinations::<u128>(router, from, wanted), router.routes6().rib().len())
            }
            false => {
                (goals::destinations::<u32>(router, from, wanted), router.routes().rib().len())
            }
        };
        Ok(Self { options, pool, workers, routes, destinations })
    }

    /// Frames of all flows, as many of each.
    fn frames(&self, size: Size) -> Result<Arena, ReplayError> {
        let options = self.options;
        let facts = rig::facts(&options.config);
        let spec = TrafficSpec {
            sizes: match size {
                Size::Fixed(size) => Sizes::Fixed(size),
                Size::Imix => Sizes::Imix,
            },
            flows: options.flows,
            popularity: options.popularity,
            seed: options.seed,
            src: sources(options),
            dst: Addresses::from(self.destinations.clone()),
            src_mac: MacAddr::new([0x02, 0x57, 0, 0, 0, 1]),
            dst_mac: facts[0].mac,
            ..TrafficSpec::default()
        };
        let mut traffic = spec.traffic().map_err(|error| {
            fail(error.to_string(), "give the first port an address, and a route over another port")
        })?;
        // Enough that how often each flow comes can be told.
        let least = if options.popularity == Popularity::Equal { 1 } else { FEWEST_BY_CHANCE };
        let flows = u64::from(options.flows).max(least);
        let count = (flows * FEWEST_FRAMES.div_ceil(flows)).next_multiple_of(12);
        let mut frames: Vec<_> = (0..count)
            .map(|_| {
                let mut frame = Vec::new();
                traffic.next_into(&mut frame);
                frame
            })
            .collect();
        // Those of a worker lie side by side, as in the memory of a device's queue.
        let spread = options.config.workers.spread;
        frames.sort_by_cached_key(|frame| rig::owner(spread, 0, frame, self.workers));
        Ok(Arena::of(&frames))
    }

    /// Plays at least so many packets, as fast as they are taken or at a rate.
    fn play(&self, arena: &Arena, packets: u64, rate: Option<u64>) -> Result<Trial, ReplayError> {
        let (options, pool, workers) = (self.options, self.pool, self.workers);
        let rounds = packets.div_ceil(arena.entries.len() as u64).max(1);
        let bar = super::bar(rounds * arena.entries.len() as u64, options.progress);
        let hz = tsc_hz();
        let each = |rate: u64| (rate / workers as u64).max(1);
        let depth = if options.generator { CATCH_UP } else { RING };
        let pace = rate.map(|rate| Pace { rate: each(rate), depth, hz });
        let config = &options.config;
        let leniency = LENIENCY;
        let beside = options.generator;
        let play = Play { config, pool, workers, leniency, rounds, pace, beside, bar: bar.clone() };
        let played = throughput::play(&play, arena, &mut Routes(options))?;
        bar.finish_and_clear();
        let mut report = report::throughput(config, &played);
        // What the workers forward while all of them have something to forward.
        let busy = ratio(played.rate * played.seconds, played.packets as f64);
        report.mpps *= busy;
        report.gbps *= busy;
        Ok(Trial {
            lost: played.lost,
            skipped: played.skipped,
            untimed: played.seen.as_ref().map_or(0, |seen| seen.untimed),
            histogram: report::histogram(&played),
            report,
        })
    }

    fn row(&self, size: Size, trial: &Trial) -> BenchRow {
        let report = &trial.report;
        BenchRow {
            size: name(size),
            flows: u64::from(self.options.flows),
            routes: self.routes as u64,
            rules: u64::from(self.options.rules),
            workers: self.workers as u32,
            packets: report.transmitted,
            seconds: report.seconds,
            mpps: report.mpps,
            gbps: report.gbps,
            cycles_per_packet: report.cycles_per_packet,
            latency: report.latency,
            histogram: trial.histogram.clone(),
            nodes: report::costs(report),
        }
    }
}

/// What came of one measurement.
struct Trial {
    report: ReplayReport,
    /// Packets that came too fast.
    lost: u64,
    /// Packets that the generator was too late to send.
    skipped: u64,
    /// Packets that came back while the generator was stopped.
    untimed: u64,
    histogram: Vec<BucketRow>,
}

impl Trial {
    /// Packets that came and were not forwarded, for whatever reason.
    fn missing(&self) -> u64 {
        self.report.packets_in.saturating_sub(self.report.transmitted)
    }

    /// What was offered of `rate` packets a second.
    fn offered(&self, rate: u64) -> f64 {
        let sent = (self.report.packets_in + self.lost) as f64;
        rate as f64 * ratio(sent, sent + self.skipped as f64)
    }

    /// What has to be said beside the figures of `what`.
    fn notes(&self, what: &str) -> Vec<String> {
        let (lost, missing) = (self.lost, self.missing());
        let lost =
            (lost > 0).then(|| format!("{what}: {lost} packets came too fast and were lost"));
        let missing =
            (missing > 0).then(|| format!("{what}: {missing} packets were not forwarded"));
        let skipped = (self.skipped > 0)
            .then(|| format!("{what}: the generator was too late for {} packets", self.skipped));
        let untimed = untimed(what, self.untimed, self.report.transmitted);
        [lost, missing, skipped, untimed].into_iter().flatten().collect()
    }
}

/// What has to be said where packets that came back were not timed.
fn untimed(what: &str, untimed: u64, packets: u64) -> Option<String> {
    let share = 100.0 * ratio(untimed as f64, packets as f64);
    (untimed > 0).then(|| {
        format!("{what}: {share:.2} % of the packets waited for the generator and are not timed")
    })
}

fn name(size: Size) -> String {
    match size {
        Size::Fixed(size) => size.to_string(),
        Size::Imix => "imix".into(),
    }
}

/// The routes of a measurement.
struct Routes<'a>(&'a BenchOptions);

impl Beside for Routes<'_> {
    fn prepare(&mut self, router: &mut Router) -> Result<(), ReplayError> {
        setup::load_routes(&self.0.config, router)?;
        if self.0.ipv6 {
            return six::prepare(self.0, router);
        }
        // Behind the neighbour of the last port, where packets of the first one go anyway.
        let port = self.0.config.ports.last().map(|port| port.name.to_string());
        let subnet = self.0.config.ports.last().and_then(|port| port.addresses.first());
        let via = super::gateway(subnet.map(|subnet| **subnet), self.0.config.ports.len());
        for dst in synth::prefixes(self.0.routes.unwrap_or(0) as usize, self.0.seed) {
            let hop =
                NextHopSpec { via: Some(via.into()), dev: port.clone(), weight: 1, onlink: true };
            let spec = RouteSpec::through(dst, hop);
            router
                .route(Verb::Append, &spec)
                .map_err(|error| fail(format!("route to {dst}: {error}"), None))?;
        }
        policies::add(self.0, via, port.as_deref(), router)
    }
}

/// Hosts behind the first port.
fn sources(options: &BenchOptions) -> Addresses {
    let config = &options.config;
    if options.ipv6 {
        return six::sources(config);
    }
    let port = &config.ports[0];
    let own = port.addresses.first().map(|address| **address);
    let subnet = own.unwrap_or_else(|| Ipv4Net::new_assert(Ipv4Addr::new(198, 18, 0, 1), 16));
    let sources = subnet.hosts().filter(|host| Some(*host) != own.map(|own| own.addr()));
    Addresses::from(sources.take(200).collect::<Vec<_>>())
}
