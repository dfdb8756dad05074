//! Replay at full speed: threads, the processor's clock, and frames that go nowhere.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use indicatif::ProgressBar;

use super::{
    ReplayError, fail,
    feed::Feed,
    generator::{Cables, Generator, Seen},
    load::{Arena, Entry, Frames},
    rig::{Rig, owner},
    source::{Arrivals, Pace, Player, Progress, Source},
    stream::Stream,
};
use crate::{
    config::{Config, Spread},
    control::Router,
    dpdk::{eal::tsc_hz, mbuf::Packet, mempool::Pool},
    graph::{Input, Stats},
    port::nodes::{DeviceRx, Sink},
    setup::{self, Captures, Leniency, unaccounted},
    tables::Tables,
    worker::{Clock, Idle, spawn},
};

/// How long the management core rests between two looks at its rings: each look takes time from a worker
/// where there is no core for it alone.
const REST: Duration = Duration::from_micros(200);
/// The same when nothing has come for a while, as a live router does.
const LONG_REST: Duration = Duration::from_millis(1);
/// Workers are awake while there is something to replay.
const IDLE: Idle =
    Idle::Adaptive { spin: Duration::from_micros(20), max_sleep: Duration::from_micros(100) };
/// Rounds whose times are kept.
const ROUNDS_KEPT: u64 = 64;

/// What to play, and how often.
pub(super) struct Play<'a> {
    pub(super) config: &'a Config,
    pub(super) pool: Pool,
    pub(super) workers: usize,
    pub(super) leniency: Leniency,
    pub(super) rounds: u64,
    /// How packets come; unless given, as fast as they are taken.
    pub(super) pace: Option<Pace>,
    /// A generator on another core sends them, by devices.
    pub(super) beside: bool,
    pub(super) bar: ProgressBar,
}

/// What came of it.
pub(super) struct Played {
    pub(super) rig: Rig,
    /// From the first packet to the end of the last round, in seconds.
    pub(super) seconds: f64,
    /// Packets a second: the sum of what each worker took until its own end, as flows do not divide evenly.
    pub(super) rate: f64,
    /// Ends of rounds, in seconds since the first packet.
    pub(super) rounds: Vec<f64>,
    /// Packets in.
    pub(super) packets: u64,
    /// Packets that came faster than they were taken.
    pub(super) lost: u64,
    /// Packets that the generator was too late to send.
    pub(super) skipped: u64,
    /// The longest that a worker waited for frames to be read, in seconds.
    pub(super) waited: f64,
    /// Why captures could not be read to their ends, if they could not.
    pub(super) failed: Option<String>,
    /// How long packets took since they came, where they came by themselves; by worker.
    pub(super) arrivals: Vec<Arc<Arrivals>>,
    /// What the generator saw, if there is one.
    pub(super) seen: Option<Seen>,
    pub(super) unaccounted: i64,
}

/// Frames of each worker: a flow belongs to one.
fn share(arena: &Arena, spread: Spread, workers: usize) -> Vec<Vec<Entry>> {
    if workers == 1 {
        return vec![arena.entries.clone()];
    }
    let mut shares = vec![Vec::new(); workers];
    for entry in &arena.entries {
        let frame = Arena::frame(&arena.bytes, entry);
        shares[owner(spread, entry.port.into(), frame, workers)].push(*entry);
    }
    shares
}

/// What each worker plays, and the thread that reads it if there has to be one.
fn feeds(
    play: &Play<'_>,
    frames: Frames<'_>,
    cores: &[usize],
) -> Result<(Vec<Feed>, Option<Stream>), ReplayError> {
    let (spread, workers, rounds) = (play.config.workers.spread, play.workers, play.rounds);
    match frames {
        Frames::Kept(arena) => {
            let shares = share(arena, spread, workers).into_iter();
            let feed = |entries| Feed::kept(Arc::clone(&arena.bytes), entries, rounds);
            Ok((shares.map(feed).collect(), None))
        }
        Frames::Streamed(origins) => {
            let owner = move |port: u16, frame: &[u8]| owner(spread, port.into(), frame, workers);
            let (stream, feeds) = Stream::start(origins, rounds, workers, cores, Box::new(owner))?;
            Ok((feeds, Some(stream)))
        }
    }
}

/// What goes on beside the packets.
pub(super) trait Beside {
    /// Changes the router's tables before the first packet.
    fn prepare(&mut self, router: &mut Router) -> Result<(), ReplayError>;

    /// Changes them while packets flow; called at each turn of the management core. False when it
    /// wants to go on without a rest.
    fn turn(&mut self, _router: &mut Router, _stats: &[Arc<Stats>]) -> bool {
        true
    }

    /// Where packets of `NFLOG` go, if anywhere.
    fn captures(&self) -> Option<Captures> {
        None
    }

    /// Where the packets of the port at `place` go.
    fn sink(&mut self, _place: usize) -> Sink {
        Sink::Other(Box::new(|frame, _| Packet::free_all(frame)))
    }
}

/// Plays frames through a new router.
pub(super) fn play<'a>(
    play: &Play<'_>,
    frames: impl Into<Frames<'a>>,
    beside: &mut impl Beside,
) -> Result<Played, ReplayError> {
    let Play { config, pool, workers, leniency, rounds, pace, beside: generates, bar } = play;
    let (mut rig, epochs) = Rig::new(config, *pool, *workers, *leniency)?;
    beside.prepare(&mut rig.router)?;
    rig.router.commit();
    let clock = Clock::new(tsc_hz());
    let mut progress = Vec::new();
    let mut arrivals = Vec::new();
    let cores = setup::cores(config, *workers);
    let (feeds, stream) = feeds(play, frames.into(), &cores)?;
    let lay = || Cables::lay(rig.ports.len(), *workers, pool);
    let mut cables = generates.then(lay).transpose()?;
    let mut wired = cables.as_mut().map(Cables::workers).unwrap_or_default().into_iter();
    let mut players = Vec::new();
    for feed in feeds {
        let kept = (*rounds).min(ROUNDS_KEPT) as usize;
        progress.push(Progress::new(kept));
        let player = Player::new(
            feed,
            rig.ports.clone(),
            usize::from(config.workers.burst),
            *pace,
            Arc::clone(&progress[progress.len() - 1]),
        );
        let mut sinks: Vec<_> = (0..rig.ports.len()).map(|place| beside.sink(place)).collect();
        let input: Box<dyn Input<Tables>> = if let Some((rx, tx)) = wired.next() {
            sinks = tx.into_iter().map(Sink::Device).collect();
            players.push(player);
            let (_, iface) = rig.ports[0];
            let burst = usize::from(config.workers.burst);
            Box::new(DeviceRx::new("net_ring".into(), rx, iface, burst, "classify"))
        } else {
            Box::new(Source(player))
        };
        if let (Some(pace), false) = (pace, generates) {
            let watch = Arrivals::new(Arc::clone(&progress[progress.len() - 1]), pace);
            sinks = sinks.into_iter().map(|sink| watch.beside(sink)).collect();
            arrivals.push(watch);
        }
        rig.add_worker(config, *pool, &epochs, (input, sinks), clock.wall_offset());
    }

    let done = Arc::new(AtomicBool::new(false));
    let mut running = Vec::new();
    for (index, worker) in std::mem::take(&mut rig.workers).into_iter().enumerate() {
        let done = Arc::clone(&done);
        let core = cores.get(index).copied();
        let started = spawn(format!("worker-{index}"), worker, core, IDLE, clock, move || {
            done.load(Ordering::Acquire)
        });
        running
            .push(started.map_err(|error| fail(format!("cannot start a thread: {error}"), None))?);
    }
    let start = |cables: Cables| cables.start(players, pace.is_some(), *pool, &cores);
    let generator = cables.map(start).transpose()?;
    let given = || progress.iter().map(|one| one.given.load(Ordering::Relaxed)).sum::<u64>();
    let (mut quiet, mut rest) = (0, REST);
    // Three looks in a row at which nothing was under way and every worker had turned in between.
    while quiet < 3 {
        let turns: Vec<_> = rig.stats.iter().map(|stats| stats.loops.get()).collect();
        let moved = rig.crew.pump(&mut rig.router, clock.now());
        let finished = progress.iter().all(|one| one.finished.load(Ordering::Acquire))
            && generator.as_ref().is_none_or(Generator::is_done);
        let (punted, injected, _) = rig.crew.waiting();
        let idle = finished && moved + punted + injected + rig.router.held() == 0;
        if running.iter().any(|worker| worker.is_finished()) {
            break;
        }
        if finished || beside.turn(&mut rig.router, &rig.stats) {
            rest = if finished || moved > 0 { REST } else { (rest * 2).min(LONG_REST) };
            std::thread::sleep(rest);
        }
        bar.set_position(given());
        let turned = |(stats, before): (&Arc<Stats>, &u64)| stats.loops.get() > *before + 1;
        match (idle, rig.stats.iter().zip(&turns).all(turned)) {
            (true, true) => quiet += 1,
            (true, false) => {}
            (false, _) => quiet = 0,
        }
    }
    done.store(true, Ordering::Release);
    for worker in running {
        let worker =
            worker.stop().map_err(|panic| fail(format!("a worker failed: {panic}"), None))?;
        rig.workers.push(worker);
    }
    let seen = generator.map(Generator::finish).transpose()?;
    bar.set_position(given());
    rig.crew.clear(&mut rig.router);
    let failed = stream.and_then(Stream::finish);

    let start = progress.iter().map(|one| one.started.load(Ordering::Relaxed)).min().unwrap_or(0);
    let hz = tsc_hz().max(1) as f64;
    let ends = |round: usize| {
        let end = |one: &Arc<Progress>| one.rounds[round].load(Ordering::Relaxed);
        progress.iter().map(end).max().unwrap_or(start).saturating_sub(start) as f64 / hz
    };
    let kept = progress.first().map_or(0, |one| one.rounds.len());
    // Rounds that did not come to their ends have none.
    let kept = if failed.is_some() { 0 } else { kept };
    let waited = progress.iter().map(|one| one.waited.load(Ordering::Relaxed)).max().unwrap_or(0);
    let late = progress.iter().map(|one| one.lost.load(Ordering::Relaxed)).sum();
    Ok(Played {
        rate: progress.iter().map(|one| one.rate()).sum::<f64>() * hz,
        seconds: last_end(&progress, start) as f64 / hz,
        rounds: (0..kept).map(ends).collect(),
        packets: given(),
        lost: seen.as_ref().map_or(late, |seen| seen.lost),
        skipped: if seen.is_some() { late } else { 0 },
        waited: waited as f64 / hz,
        failed,
        arrivals,
        seen,
        unaccounted: unaccounted(&rig.stats, &rig.router),
        rig,
    })
}

/// Cycles from the first packet to the end of the last round.
fn last_end(progress: &[Arc<Progress>], start: u64) -> u64 {
    let ends = progress.iter().map(|one| one.ended.load(Ordering::Relaxed));
    ends.max().unwrap_or(start).saturating_sub(start)
}
