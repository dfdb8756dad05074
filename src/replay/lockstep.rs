//! Replay that is the same on every run: one packet at a time, by the clock of the captures.
//!
//! Any number of workers takes part, each with the flows that it would own live; one thread turns
//! them. What a worker leaves to the management core is seen to before the next packet, and timers
//! run when their time has come, so the frames that leave depend on nothing but the captures and the
//! configuration.

use std::{
    cell::RefCell,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use indicatif::ProgressBar;

use super::{
    ReplayError,
    commands::Timed,
    fail,
    feed::{Feed, Next},
    load::{Arena, Facts, Frames},
    rig::Rig,
    stream::{REST, Stream},
    throughput::Beside,
};
use crate::{
    capture::{PcapWriter, WriteError},
    config::Config,
    dpdk::{
        cycles::rdtsc,
        mbuf::{Burst, Packet},
        mempool::Pool,
    },
    graph::{Cx, Frame, Input, Nanos},
    port::nodes::Sink,
    setup::{Captures, Leniency, unaccounted},
    tables::Tables,
    telemetry::report::CommandRow,
    worker::Worker,
};

/// The clock starts here, so that nothing that looks back looks before the beginning.
pub(super) const START: Nanos = 1_000_000_000;
/// Between two rounds of a capture.
const GAP: Nanos = 1_000_000;

/// The frame that a worker receives next.
type Slot = Arc<Mutex<Option<Packet>>>;

fn open<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives the worker what lies in its slot.
struct One {
    slot: Slot,
    /// By number in DPDK: interface.
    ifaces: Vec<u16>,
}

impl Input<Tables> for One {
    fn name(&self) -> &str {
        "replay"
    }

    fn target(&self) -> &'static str {
        "classify"
    }

    fn poll(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame) {
        if let Some(packet) = open(&self.slot).take() {
            let iface = self.ifaces[usize::from(packet.port())];
            let counts = &cx.stats.ifaces[usize::from(iface)];
            counts.rx_packets.add(1);
            counts.rx_bytes.add(packet.len() as u64);
            frame.push(packet);
        }
    }
}

/// Where what leaves is written.
pub(super) trait Outlet: Send {
    /// A frame left by the port at `place` in the configuration, at `now` since 1970.
    fn frame(&mut self, place: usize, now: Nanos, bytes: &[u8]);
}

/// One capture a port.
pub(super) struct Files {
    writers: Vec<Option<PcapWriter>>,
    failed: Option<WriteError>,
}

impl Files {
    /// Creates `DIR/PORT.pcap` for every port.
    pub(super) fn create(dir: &Path, config: &Config) -> Result<Self, ReplayError> {
        std::fs::create_dir_all(dir).map_err(|error| {
            fail(format!("cannot make the directory {}: {error}", dir.display()), None)
        })?;
        let mut writers = Vec::new();
        for port in &config.ports {
            let path = Self::path(dir, &port.name);
            let writer = PcapWriter::create(path).map_err(|error| fail(error.to_string(), None))?;
            writers.push(Some(writer));
        }
        Ok(Self { writers, failed: None })
    }

    /// The file of a port.
    pub(super) fn path(dir: &Path, port: &str) -> PathBuf {
        dir.join(format!("{port}.pcap"))
    }

    /// Ends the files.
    pub(super) fn finish(&mut self) -> Result<(), ReplayError> {
        let failed = self.failed.take();
        let ends = self.writers.iter_mut().filter_map(Option::take).map(PcapWriter::finish);
        let errors = ends.filter_map(Result::err);
        match failed.into_iter().chain(errors).next() {
            Some(error) => Err(fail(
                error.to_string(),
                "the files in the directory are not complete; make room, or write elsewhere",
            )),
            None => Ok(()),
        }
    }
}

impl Outlet for Files {
    fn frame(&mut self, place: usize, now: Nanos, bytes: &[u8]) {
        if self.failed.is_none()
            && let Some(Some(writer)) = self.writers.get_mut(place)
            && let Err(error) = writer.write(now, bytes)
        {
            self.failed = Some(error);
        }
    }
}

/// What to play, and how.
pub(super) struct Steps<'a> {
    pub(super) config: &'a Config,
    pub(super) pool: Pool,
    pub(super) workers: usize,
    pub(super) leniency: Leniency,
    pub(super) rounds: u64,
    pub(super) script: &'a [Timed],
    pub(super) bar: ProgressBar,
}

/// A router that stands between packets.
pub(super) struct Lockstep {
    pub(super) rig: Rig,
    slots: Vec<Slot>,
    pub(super) now: Nanos,
    pub(super) pool: Pool,
    /// What commands have said.
    pub(super) said: Vec<CommandRow>,
    /// Packets that found no buffer.
    pub(super) lost: u64,
    pub(super) packets: u64,
    /// What could not be done.
    pub(super) notes: Vec<String>,
    /// Why captures could not be read to their ends, if they could not.
    pub(super) failed: Option<String>,
    /// What rules hand to `NFLOG`.
    captures: Option<Captures>,
}

impl Lockstep {
    /// Builds the router; `base` is what to add to its clock for the time since 1970.
    pub(super) fn new<O: Outlet + 'static>(
        config: &Config,
        pool: Pool,
        workers: usize,
        leniency: Leniency,
        base: Nanos,
        outlet: &Arc<Mutex<O>>,
    ) -> Result<Self, ReplayError> {
        let (mut rig, epochs) = Rig::new(config, pool, workers, leniency)?;
        rig.crew.inject_in_order();
        let mut slots = Vec::new();
        let ifaces: Vec<u16> = rig.ports.iter().map(|(_, iface)| *iface).collect();
        for _ in 0..workers {
            let slot: Slot = Arc::default();
            let input = One { slot: Arc::clone(&slot), ifaces: ifaces.clone() };
            let sinks = (0..rig.ports.len()).map(|place| sink(outlet, place, base)).collect();
            rig.add_worker(config, pool, &epochs, (Box::new(input), sinks), base);
            slots.push(slot);
        }
        rig.workers.iter().for_each(Worker::wake);
        Ok(Self {
            rig,
            slots,
            now: START,
            pool,
            said: Vec::new(),
            lost: 0,
            packets: 0,
            notes: Vec::new(),
            failed: None,
            captures: None,
        })
    }

    /// The router's clock.
    #[cfg(test)]
    pub(super) fn now(&self) -> Nanos {
        self.now
    }

    /// Lets time pass up to `to`, with every timer in between at its time.
    pub(super) fn advance(&mut self, to: Nanos) {
        loop {
            let router = self.rig.router.next_deadline().unwrap_or(Nanos::MAX);
            let due = self.rig.workers.iter_mut().map(Worker::due).fold(router, Nanos::min);
            if due > to {
                break;
            }
            self.now = self.now.max(due);
            for worker in &mut self.rig.workers {
                while worker.due() <= self.now {
                    worker.step(self.now, rdtsc());
                }
            }
            self.settle();
            // A timer that stays due would stop the clock.
            if router == due && self.rig.router.next_deadline().is_some_and(|next| next <= due) {
                break;
            }
        }
        self.now = self.now.max(to);
    }

    /// Turns the management core and the workers until nothing moves.
    pub(super) fn settle(&mut self) {
        self.finish_handing_over();
        while self.rig.crew.pump(&mut self.rig.router, self.now) > 0 {
            for worker in &mut self.rig.workers {
                while worker.step(self.now, rdtsc()).0 > 0 {}
            }
            self.finish_handing_over();
        }
    }

    /// Turns the workers until none has handed anything to another.
    fn finish_handing_over(&mut self) {
        while self.rig.workers.len() > 1 && self.rig.crew.is_handing_over() {
            for worker in &mut self.rig.workers {
                while worker.step(self.now, rdtsc()).0 > 0 {}
            }
        }
        if let Some(captures) = &mut self.captures {
            let router = &mut self.rig.router;
            let told = router.take_captured();
            self.notes.extend(captures.write(&told, &|iface| router.link_name(iface)));
        }
    }

    /// The router receives `frame` now on the port at `place`.
    pub(super) fn receive(&mut self, place: usize, frame: &[u8]) {
        self.packets += 1;
        let Some(mut packet) = self.pool.alloc() else {
            self.lost += 1;
            return;
        };
        if !packet.fill(frame) {
            self.lost += 1;
            return;
        }
        packet.set_port(self.rig.ports[place].0);
        let owner = self.rig.owner(place, frame);
        *open(&self.slots[owner]) = Some(packet);
        self.rig.workers[owner].step(self.now, rdtsc());
        self.settle();
    }

    /// Ends at the time of the last packet: what still waits for a neighbour is dropped, as when a
    /// live router stops. Gives what is unaccounted.
    pub(super) fn finish(&mut self) -> i64 {
        for worker in &mut self.rig.workers {
            worker.finish();
            worker.rest();
        }
        self.rig.crew.clear(&mut self.rig.router);
        unaccounted(&self.rig.stats, &self.rig.router)
    }
}

fn sink<O: Outlet + 'static>(outlet: &Arc<Mutex<O>>, place: usize, base: Nanos) -> Sink {
    let outlet = Arc::clone(outlet);
    let whole = RefCell::new(Vec::new());
    Sink::Other(Box::new(move |frame: &mut Burst, now| {
        let mut outlet = open(&outlet);
        for packet in frame.iter() {
            if packet.is_contiguous() {
                outlet.frame(place, now + base, packet.data());
            } else {
                let mut bytes = whole.borrow_mut();
                bytes.clear();
                packet.copy_to(&mut bytes);
                outlet.frame(place, now + base, &bytes);
            }
        }
        Packet::free_all(frame);
    }))
}

/// All frames in their order, and the thread that reads them if there has to be one.
fn feed(frames: Frames<'_>, rounds: u64) -> Result<(Feed, Option<Stream>), ReplayError> {
    match frames {
        Frames::Kept(arena) => {
            let feed = Feed::kept(Arc::clone(&arena.bytes), arena.entries.clone(), rounds);
            Ok((feed, None))
        }
        Frames::Streamed(origins) => {
            let (stream, feeds) = Stream::start(origins, rounds, 1, &[], Box::new(|_, _| 0))?;
            let feed = feeds.into_iter().next();
            feed.map(|feed| (feed, Some(stream))).ok_or_else(|| fail("nobody plays", None))
        }
    }
}

/// Plays frames one by one.
pub(super) fn play<O: Outlet + 'static>(
    steps: &Steps<'_>,
    frames: Frames<'_>,
    facts: &Facts,
    outlet: &Arc<Mutex<O>>,
    beside: &mut impl Beside,
) -> Result<(Lockstep, i64), ReplayError> {
    let base = facts.first.saturating_sub(START);
    let Steps { config, pool, workers, leniency, rounds, script, bar } = steps;
    let mut lockstep = Lockstep::new(config, *pool, *workers, *leniency, base, outlet)?;
    lockstep.captures = beside.captures();
    lockstep.rig.router.set_captured(lockstep.captures.is_some());
    beside.prepare(&mut lockstep.rig.router)?;
    lockstep.rig.router.commit();
    let span = facts.span() + GAP;
    let mut script = script.iter().peekable();
    let (mut feed, stream) = feed(frames, *rounds)?;
    let mut before = 0;
    loop {
        match feed.advance() {
            Next::Frames => {}
            Next::Later => std::thread::sleep(REST),
            Next::Round => before += span,
            Next::End => break,
        }
        let (bytes, entries) = feed.frames();
        for entry in entries {
            let at = entry.ts_ns.saturating_sub(base) + before;
            while let Some(command) = script.next_if(|command| START + command.at <= at) {
                lockstep.advance(START + command.at);
                lockstep.command(command);
            }
            lockstep.advance(at);
            lockstep.receive(usize::from(entry.port), Arena::frame(bytes, entry));
            if lockstep.packets.is_multiple_of(4096) {
                bar.set_position(lockstep.packets);
            }
        }
    }
    lockstep.failed = stream.and_then(Stream::finish);
    for command in script {
        lockstep.advance(START + command.at);
        lockstep.command(command);
    }
    bar.set_position(lockstep.packets);
    let unaccounted = lockstep.finish();
    Ok((lockstep, unaccounted))
}
