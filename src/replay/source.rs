//! `replay`: packets out of memory, as a device would give them.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use super::{
    feed::{Feed, Next},
    load::{Arena, Entry},
};
use crate::{
    dpdk::{cycles::rdtsc, mempool::Pool, prefetch::prefetch_at},
    graph::{Count, Cx, Frame, Input, Latency},
    port::nodes::{Intake, Sink},
    publish::is_apart,
    tables::Tables,
};

/// What a source tells of itself while it runs; each worker's on lines of its own, as it counts each burst.
#[derive(Default)]
#[repr(align(128))]
pub(super) struct Progress {
    /// TSC at the first poll.
    pub(super) started: AtomicU64,
    /// TSC at the end of each round, as far as there is room.
    pub(super) rounds: Box<[AtomicU64]>,
    /// TSC when nothing was left.
    pub(super) ended: AtomicU64,
    /// Packets given out.
    pub(super) given: AtomicU64,
    /// Cycles in which there was nothing to give out because it had not been read yet.
    pub(super) waited: AtomicU64,
    /// Packets that came while the worker had left too many untaken.
    pub(super) lost: AtomicU64,
    /// Nothing is left.
    pub(super) finished: AtomicBool,
}

const _: () = assert!(is_apart::<Progress>() && is_apart::<Arrivals>());

impl Progress {
    /// Room for the ends of `rounds` rounds.
    pub(super) fn new(rounds: usize) -> Arc<Self> {
        let rounds = (0..rounds).map(|_| AtomicU64::new(0)).collect();
        Arc::new(Self { rounds, ..Self::default() })
    }

    /// Packets a tick of the TSC, from the first to the end of the last round.
    pub(super) fn rate(&self) -> f64 {
        let took =
            self.ended.load(Ordering::Relaxed) as f64 - self.started.load(Ordering::Relaxed) as f64;
        if took > 0.0 { self.given.load(Ordering::Relaxed) as f64 / took } else { 0.0 }
    }
}

/// Packets that come by themselves, whether somebody takes them or not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Packets a second.
    pub(super) rate: u64,
    /// Packets that wait at most, as in the ring of a device.
    pub(super) depth: u64,
    /// Ticks of the TSC in a second.
    pub(super) hz: u64,
}

/// How long packets that come by themselves take until they leave, the wait for a worker included.
#[repr(align(128))]
pub(super) struct Arrivals {
    progress: Arc<Progress>,
    /// Ticks from one packet to the next, in parts of 2^32.
    step: u128,
    sent: Count,
    /// What was found.
    pub(super) latency: Latency,
}

/// How many packets before its turn a packet is asked for.
const AHEAD: usize = 64;
const ENTRIES_A_LINE: usize = 64 / size_of::<Entry>();
/// Packets that are looked at as one: as the first of them.
const TOGETHER: usize = 8;

impl Arrivals {
    pub(super) fn new(progress: Arc<Progress>, pace: &Pace) -> Arc<Self> {
        let step = (u128::from(pace.hz) << 32) / u128::from(pace.rate.max(1));
        Arc::new(Self { progress, step, sent: Count::default(), latency: Latency::default() })
    }

    /// So many more packets leave. They leave as they came, or nearly so, and a packet is known by
    /// its place.
    fn leave(&self, packets: usize) {
        let now = rdtsc();
        let start = self.progress.started.load(Ordering::Relaxed);
        let before = self.sent.get() + self.progress.lost.load(Ordering::Relaxed);
        for place in (0..packets).step_by(TOGETHER) {
            let place = place as u64;
            let came = (u128::from(before + place + 1) * self.step) >> 32;
            let took = now.saturating_sub(start.saturating_add(came as u64));
            self.latency.record(took, (packets as u64 - place).min(TOGETHER as u64));
        }
        self.sent.add(packets as u64);
    }

    /// Looks at the packets that go to `sink`.
    pub(super) fn beside(self: &Arc<Self>, sink: Sink) -> Sink {
        let Sink::Other(mut send) = sink else { return sink };
        let arrivals = Arc::clone(self);
        Sink::Other(Box::new(move |frame, now| {
            arrivals.leave(frame.len());
            send(frame, now);
        }))
    }
}

/// Plays frames round after round.
pub(super) struct Player {
    feed: Feed,
    /// By place in the configuration: number in DPDK, and interface.
    ports: Vec<(u16, u16)>,
    intake: Intake,
    pace: Option<Pace>,
    start: u64,
    round: usize,
    /// Frames of the run that have been given out.
    at: usize,
    given: u64,
    /// TSC when there was nothing to give out yet.
    waits: Option<u64>,
    progress: Arc<Progress>,
}

impl Player {
    pub(super) fn new(
        feed: Feed,
        ports: Vec<(u16, u16)>,
        burst: usize,
        pace: Option<Pace>,
        progress: Arc<Progress>,
    ) -> Self {
        let (round, at, given, start, waits) = (0, 0, 0, 0, None);
        let intake = Intake::new(burst);
        Self { feed, ports, intake, pace, start, round, at, given, waits, progress }
    }

    /// Packets given out so far.
    pub(super) const fn given(&self) -> u64 {
        self.given
    }

    /// Whether all have been given out.
    pub(super) fn is_over(&self) -> bool {
        self.progress.finished.load(Ordering::Relaxed)
    }

    /// How many packets have come and are still to be taken; those that found no room are lost.
    fn waiting(&mut self) -> usize {
        let Some(pace) = self.pace else { return usize::MAX };
        let ticks = u128::from(rdtsc() - self.start);
        let come = (ticks * u128::from(pace.rate) / u128::from(pace.hz.max(1))) as u64;
        let lost = self.progress.lost.load(Ordering::Relaxed);
        let waiting = come.saturating_sub(self.given + lost);
        if waiting > pace.depth {
            self.progress.lost.store(lost + waiting - pace.depth, Ordering::Relaxed);
        }
        waiting.min(pace.depth) as usize
    }

    /// Goes on to the next run of frames. False when there is none now.
    #[cold]
    fn next_run(&mut self) -> bool {
        while self.at == self.feed.frames().1.len() {
            let next = self.feed.advance();
            self.at = 0;
            if next == Next::Later {
                self.waits.get_or_insert_with(rdtsc);
                return false;
            }
            if let Some(since) = self.waits.take() {
                let waited = self.progress.waited.load(Ordering::Relaxed) + rdtsc() - since;
                self.progress.waited.store(waited, Ordering::Relaxed);
            }
            match next {
                Next::Round => {
                    if let Some(end) = self.progress.rounds.get(self.round) {
                        end.store(rdtsc(), Ordering::Relaxed);
                    }
                    self.round += 1;
                }
                Next::End => {
                    if !self.progress.finished.load(Ordering::Relaxed) {
                        self.progress.ended.store(rdtsc(), Ordering::Relaxed);
                        self.progress.finished.store(true, Ordering::Release);
                    }
                    return false;
                }
                Next::Frames | Next::Later => {}
            }
        }
        true
    }

    /// Adds the next packets to an empty frame, if there are any now; tells `count` the interface, packets and
    /// bytes of each run of one port.
    #[inline(always)]
    pub(super) fn play(
        &mut self,
        pool: &Pool,
        frame: &mut Frame,
        mut count: impl FnMut(u16, u64, u64),
    ) {
        if self.given == 0 && self.progress.started.load(Ordering::Relaxed) == 0 {
            self.start = rdtsc();
            self.progress.started.store(self.start, Ordering::Relaxed);
        }
        if self.at == self.feed.frames().1.len() && !self.next_run() {
            return;
        }
        let waiting = self.waiting();
        let (run, entries) = self.feed.frames();
        let left = &entries[self.at..];
        let entries = &left[..left.len().min(self.intake.next()).min(waiting)];
        if entries.is_empty() {
            return;
        }
        // Without free buffers the packets wait, as they would in a device.
        if !pool.alloc_bulk(frame, entries.len()) {
            return;
        }
        let (mut port, mut packets, mut bytes, mut all) = (entries[0].port, 0, 0, 0);
        let mut count =
            |port: u16, packets, bytes| count(self.ports[usize::from(port)].1, packets, bytes);
        // A device would have written what comes to the cache by the time it is taken. Lines are asked for one
        // by one, as a processor waits for few at once, and frames mostly lie in their order.
        let coming = left.get(AHEAD).map_or(0, |coming| coming.at.wrapping_sub(entries[0].at));
        for place in (0..entries.len()).step_by(ENTRIES_A_LINE) {
            prefetch_at(left, 2 * AHEAD + place);
        }
        for (packet, entry) in frame.iter_mut().zip(entries) {
            prefetch_at(run, entry.at.wrapping_add(coming) as usize);
            if entry.port != port {
                count(port, packets, bytes);
                all += bytes;
                (port, packets, bytes) = (entry.port, 0, 0);
            }
            packet.fill(Arena::frame(run, entry));
            packet.set_port(self.ports[usize::from(entry.port)].0);
            packets += 1;
            bytes += u64::from(entry.len);
        }
        count(port, packets, bytes);
        self.intake.took(entries.len(), all + bytes);
        self.at += entries.len();
        self.given += entries.len() as u64;
        self.progress.given.store(self.given, Ordering::Relaxed);
    }
}

/// Plays frames to the worker itself. On lines of its own, as is what it tells: workers have one each.
#[repr(align(128))]
pub(super) struct Source(pub(super) Player);

impl Input<Tables> for Source {
    fn name(&self) -> &str {
        "replay"
    }

    fn target(&self) -> &'static str {
        "classify"
    }

    fn poll(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame) {
        let ifaces = &cx.stats.ifaces;
        self.0.play(cx.pool, frame, |iface, packets, bytes| {
            let counts = &ifaces[usize::from(iface)];
            counts.rx_packets.add(packets);
            counts.rx_bytes.add(bytes);
        });
    }
}
