//! Captures through the router: as fast as it can, or reproducibly.
//!
//! - takes: captures of any origin, and a configuration
//! - gives: a [`ReplayReport`]; with [`Options::write`] also what left each port
//! - obeys: the same graph and the same management core as a live router; neither root nor hugepages
//!   are needed

mod commands;
mod feed;
mod generator;
mod load;
mod lockstep;
mod policies;
mod records;
mod report;
mod rig;
mod source;
mod stream;
mod synthetic;
mod throughput;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use thiserror::Error;

use self::{
    load::{Frames, Loaded},
    lockstep::{Files, Steps},
    records::Origin,
    throughput::{Beside, Play},
};
use crate::{
    config::{Config, ConfigErrors},
    control::Router,
    dpdk::mempool::Pool,
    setup::{self, Captures, Leniency, Machine, SetupError},
    telemetry::{desk::Desk, protocol::IpBatch, report::ReplayReport},
};

pub use synthetic::{BenchOptions, Size, bench};

/// What to replay, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The router.
    pub config: Config,
    /// Captures: name of the port and file.
    pub captures: Vec<(String, PathBuf)>,
    /// Directory for one capture a port: a deterministic replay.
    pub write: Option<PathBuf>,
    /// Rounds.
    pub repeat: u64,
    /// MiB that all frames may take in memory; longer captures are read while they are played.
    pub preload_mib: u64,
    /// Workers, when not as configured.
    pub workers: Option<u16>,
    /// Frames must be addressed to the router.
    pub strict_mac: bool,
    /// Neighbours must be known.
    pub strict_neighbours: bool,
    /// Links have hosts and routers that hear the router.
    pub strict_hosts: bool,
    /// Every destination in the captures gets a route over the ports.
    pub routes_auto: bool,
    /// Commands of iproute2 before the first packet.
    pub batch: Option<IpBatch>,
    /// Commands at their times; only with [`Options::write`].
    pub commands: Option<IpBatch>,
    /// Draw a progress bar.
    pub progress: bool,
}

/// A replay that could not be.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// The configuration does not serve.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// Something else: what, and what to do about it.
    #[error("{message}")]
    Other {
        /// What.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
}

impl ReplayError {
    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Config(_) => None,
            Self::Other { hint, .. } => hint.as_deref(),
        }
    }
}

impl From<SetupError> for ReplayError {
    fn from(error: SetupError) -> Self {
        match error {
            SetupError::Config(errors) => Self::Config(errors),
            other => fail(other.to_string(), None),
        }
    }
}

/// An error that is not about the configuration.
fn fail<'a>(message: impl Into<String>, hint: impl Into<Option<&'a str>>) -> ReplayError {
    ReplayError::Other { message: message.into(), hint: hint.into().map(str::to_owned) }
}

/// Buffers for each worker, and for packets that wait on the management core.
const BUFFERS: u32 = 8192;
/// Headroom, and what the router may put in front of a frame.
const FRAME_ROOM: usize = 128 + 64;
/// As DPDK's own default.
const LEAST_ROOM: usize = 2048 + 128;

/// Memory for a router that exists without devices.
fn machine(config: &Config, workers: usize, longest: usize) -> Result<Machine, ReplayError> {
    let room = (longest + FRAME_ROOM).max(LEAST_ROOM).max(usize::from(config.data_room()));
    let room = u16::try_from(room).unwrap_or(u16::MAX);
    let count = config.buffers.count.unwrap_or(BUFFERS * (workers as u32 + 1) - 1);
    let mut config = config.clone();
    config.dpdk.in_memory = true;
    Ok(Machine::start(&config, count, room, Vec::new())?)
}

/// A bar of `packets` packets, or none that can be seen.
fn bar(packets: u64, shown: bool) -> ProgressBar {
    let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(packets), target);
    let style = ProgressStyle::with_template(
        "{bar:40} {percent:>3} %  {human_pos}/{human_len} packets  {per_sec}  {eta}",
    );
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Replays captures.
///
/// Captures are read once before the first packet: what is wrong with a file is told before anything has
/// happened, and the longest frame decides the size of buffers. Frames of up to
/// [`preload_mib`](Options::preload_mib) are kept then. Longer captures are read again in each round, in
/// bounded memory, by a thread that is a little ahead of the workers.
///
/// # Errors
/// When a capture or the configuration does not serve, or an output cannot be written.
pub fn replay(options: &Options) -> Result<ReplayReport, ReplayError> {
    let loaded = read(options)?;
    let machine = machine(&options.config, workers(options), loaded.facts.longest)?;
    replay_on(options, &loaded, &machine)
}

/// Workers that share the work.
fn workers(options: &Options) -> usize {
    options.workers.map_or(options.config.workers.cores.workers(), usize::from).max(1)
}

/// Reads the captures for the first time.
fn read(options: &Options) -> Result<Loaded, ReplayError> {
    let loaded = Loaded::new(captures(options)?, options.preload_mib.saturating_mul(1 << 20))?;
    if loaded.facts.packets == 0 {
        let notes = loaded.notes.join("; ");
        let message = format!("there is nothing to replay: {notes}");
        return Err(fail(message.trim_end_matches(": "), None));
    }
    Ok(loaded)
}

/// Replays captures that have been read, in the memory of `machine`.
fn replay_on(
    options: &Options,
    loaded: &Loaded,
    machine: &Machine,
) -> Result<ReplayReport, ReplayError> {
    let config = &options.config;
    let workers = workers(options);
    let (facts, frames) = (loaded.facts, loaded.frames());
    let pool = machine.pool;
    let leniency = Leniency {
        any_mac: !options.strict_mac,
        stand_in: !options.strict_neighbours,
        speaks: options.strict_hosts,
    };
    let total = facts.packets.saturating_mul(options.repeat);
    let bar = bar(total, options.progress);
    let script = options.commands.as_ref().map(commands::read).transpose()?.unwrap_or_default();
    let mut tables = Tables {
        config,
        frames,
        pool,
        batch: options.batch.as_ref(),
        auto: options.routes_auto,
        captures: options.write.as_deref(),
        added: 0,
        said: String::new(),
    };

    let mut report = match &options.write {
        None => {
            let rounds = options.repeat;
            let play = Play {
                config,
                pool,
                workers,
                leniency,
                rounds,
                pace: None,
                beside: false,
                bar: bar.clone(),
            };
            let played = throughput::play(&play, frames, &mut tables)?;
            bar.finish_and_clear();
            report::throughput(config, &played)
        }
        Some(dir) => {
            let outlet = Arc::new(Mutex::new(Files::create(dir, config)?));
            let rounds = options.repeat;
            let script = &script[..];
            let steps = Steps { config, pool, workers, leniency, rounds, script, bar: bar.clone() };
            let (lockstep, unaccounted) =
                lockstep::play(&steps, frames, &facts, &outlet, &mut tables)?;
            bar.finish_and_clear();
            outlet.lock().unwrap_or_else(PoisonError::into_inner).finish()?;
            let mut report = report::lockstep(config, &lockstep, unaccounted);
            for port in &mut report.ports {
                port.written = Some(Files::path(dir, &port.name).display().to_string());
            }
            report
        }
    };
    report.leaked = i64::from(pool.in_use());
    report.said = tables.said;
    report.capture_seconds = facts.span() as f64 / 1e9;
    if tables.added > 0 {
        let added = tables.added;
        report.notes.push(format!("{added} routes were added for destinations that had none"));
    }
    if loaded.streams() {
        let most = options.preload_mib;
        report.notes.push(format!(
            "the captures take more than {most} MiB, and were read while they were replayed"
        ));
    }
    report.notes.extend(loaded.notes.iter().cloned());
    report.notes.extend(machine.notes.iter().cloned());
    Ok(report)
}

/// The commands and routes that a replay adds to the configuration's.
struct Tables<'a> {
    config: &'a Config,
    frames: Frames<'a>,
    pool: Pool,
    batch: Option<&'a IpBatch>,
    auto: bool,
    /// The directory for captures.
    captures: Option<&'a Path>,
    added: usize,
    /// What the commands of the batch have printed.
    said: String,
}

impl Beside for Tables<'_> {
    fn prepare(&mut self, router: &mut Router) -> Result<(), ReplayError> {
        setup::load_routes(self.config, router)?;
        if let Some(batch) = self.batch {
            let done = Desk::bare(router, &self.pool, lockstep::START).whole_batch(batch);
            self.said = done.map_err(|message| fail(message, None))?;
        }
        if self.auto {
            self.added = auto_routes(self.config, self.frames, router)?;
        }
        Ok(())
    }

    fn captures(&self) -> Option<Captures> {
        let directory = self.captures?.join("nflog");
        Some(Captures::new(&directory, self.config.netfilter.nflog_mib))
    }
}

/// Captures with the places of their ports.
fn captures(options: &Options) -> Result<Vec<Origin>, ReplayError> {
    let ports = &options.config.ports;
    let facts = rig::facts(&options.config);
    let place = |name: &str| ports.iter().position(|port| **port.name == *name);
    if options.captures.is_empty() {
        return Err(fail("there is no capture to replay", "give one with --port NAME=FILE"));
    }
    let captures = options.captures.iter().map(|(name, path)| {
        let place = place(name).ok_or_else(|| {
            let names: Vec<_> = ports.iter().map(|port| port.name.as_str()).collect();
            let hint = match &names[..] {
                [] => "the configuration has no port; add a [[port]]".to_owned(),
                _ => format!("the configuration has {}", names.join(", ")),
            };
            fail(format!("there is no port {name:?}"), hint.as_str())
        })?;
        Ok(Origin::new(place as u16, facts[place].mac, path.clone()))
    });
    captures.collect()
}

/// Gives every destination of the captures that has no route one over another port than it came in
/// by; gives their number.
fn auto_routes(
    config: &Config,
    frames: Frames<'_>,
    router: &mut Router,
) -> Result<usize, ReplayError> {
    use crate::{
        packet::{ethernet::ethertype, ipv4},
        route::{
            control::Verb,
            spec::{NextHopSpec, RouteSpec},
        },
    };
    let mut wanted = std::collections::BTreeMap::new();
    frames.each(|port, frame| {
        let Some(&[a, b, c, d]) = frame.get(30..34).and_then(|dst| dst.first_chunk()) else {
            return;
        };
        let dst = u32::from_be_bytes([a, b, c, d]);
        let is_ip = frame[12..14] == ethertype::IPV4.to_be_bytes();
        let plain = a != 0 && a != 127 && !ipv4::is_multicast(dst) && a < 240;
        if is_ip && plain && router.routes().fib().table().lookup(dst) == 0 {
            wanted.entry(dst & 0xffff_ff00).or_insert(usize::from(port));
        }
    })?;
    for (net, from) in &wanted {
        let to = (from + 1) % config.ports.len();
        let port = &config.ports[to];
        let gateway = gateway(port.addresses.first().map(|address| **address), to);
        let hop = NextHopSpec {
            via: Some(gateway.into()),
            dev: Some(port.name.to_string()),
            weight: 1,
            onlink: true,
        };
        let net = ipnet::Ipv4Net::new((*net).into(), 24).unwrap_or_default();
        let spec = RouteSpec::through(net, hop);
        router.route(Verb::Append, &spec).map_err(|error| {
            fail(format!("route to {}: {error}", spec.dst), "raise `limits.routes`")
        })?;
    }
    Ok(wanted.len())
}

/// A host behind a port that may stand for all that is further away.
fn gateway(subnet: Option<ipnet::Ipv4Net>, place: usize) -> std::net::Ipv4Addr {
    let own = subnet.map(|subnet| subnet.addr());
    let hosts = subnet.into_iter().flat_map(|subnet| subnet.hosts());
    hosts
        .into_iter()
        .find(|host| Some(*host) != own)
        .unwrap_or_else(|| std::net::Ipv4Addr::new(169, 254, (place >> 8) as u8, place as u8))
}

#[cfg(test)]
mod tests;
