//! Captures that are read while they are played: frames in chunks, a little ahead of the workers.
//!
//! - takes: captures that have been read once before, so that what holds of all frames is known
//! - gives: each worker the frames of its flows in the order of their times, round after round
//! - costs: memory of so many chunks, whatever the length of the captures. A thread beside the workers'
//!   cores reads, copies each frame once and waits for chunks that were played; workers only ever look
//!   into their queue

use std::{
    mem::take,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use crossbeam_queue::ArrayQueue;
use rustix::thread::{CpuSet, sched_setaffinity};

use super::{
    ReplayError, fail,
    feed::Feed,
    load::Entry,
    records::{Frame, Merged, Origin},
};

/// Bytes of frames in a chunk. While workers keep up, few chunks are under way and stay in the processor's
/// caches: that reads half as fast again as chunks that fill a large page each.
const CHUNK: usize = 128 << 10;
/// Frames in a chunk: as many as fit when all are of the least size.
const ENTRIES: usize = CHUNK / 60;
/// Chunks that are read ahead, 16 MiB.
const AHEAD: usize = 128;
/// Chunks beside these for each worker: one that it plays, and one that is being filled.
const EACH: usize = 2;
/// Between two looks for a chunk that was played: a small part of what is read ahead, at any speed.
pub(super) const REST: Duration = Duration::from_micros(100);

/// What ends with a chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Ends {
    /// Nothing: more of the round follows.
    #[default]
    Nothing,
    /// A round.
    Round,
    /// The last round.
    All,
}

/// Frames of one worker, in their order.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    pub(super) bytes: Box<[u8]>,
    used: usize,
    pub(super) entries: Vec<Entry>,
    pub(super) ends: Ends,
}

impl Chunk {
    fn new() -> Self {
        let entries = Vec::with_capacity(ENTRIES);
        Self { bytes: vec![0; CHUNK].into(), used: 0, entries, ends: Ends::Nothing }
    }

    /// Adds a frame; false, and nothing done, when there is no room for it.
    #[inline]
    fn add(&mut self, frame: &Frame<'_>) -> bool {
        let (header, len) = (frame.header(), frame.len());
        let Some(room) = self.bytes.get_mut(self.used..self.used + len) else { return false };
        if self.entries.len() == ENTRIES {
            return false;
        }
        room[..header.len()].copy_from_slice(header);
        room[header.len()..].copy_from_slice(frame.rest);
        let (at, len) = (self.used as u64, len as u32);
        self.entries.push(Entry { at, len, port: frame.port, ts_ns: frame.ts_ns });
        self.used += len as usize;
        true
    }

    fn clear(&mut self) {
        (self.used, self.ends) = (0, Ends::Nothing);
        self.entries.clear();
    }
}

/// What reader and workers share.
pub(super) struct Shared {
    /// Chunks to be played, by worker.
    lanes: Box<[ArrayQueue<Chunk>]>,
    /// Chunks that were played.
    free: ArrayQueue<Chunk>,
    /// The reader has ended: what is not in a lane now never will be.
    ended: AtomicBool,
    /// Nobody plays any more.
    stop: AtomicBool,
    /// Why the reader ended too early.
    failed: OnceLock<String>,
}

impl Shared {
    fn new(workers: usize) -> Arc<Self> {
        let chunks = AHEAD + EACH * workers;
        // Each lane has room for all chunks there are, so that the reader never waits for a worker whose
        // flows are few.
        let lanes = (0..workers).map(|_| ArrayQueue::new(chunks)).collect();
        let free = ArrayQueue::new(chunks);
        let (ended, stop) = (AtomicBool::new(false), AtomicBool::new(false));
        Arc::new(Self { lanes, free, ended, stop, failed: OnceLock::new() })
    }

    /// The next chunk of a worker; none, and true, when there will never be one.
    pub(super) fn take(&self, lane: usize) -> (Option<Chunk>, bool) {
        // Asked first: what was handed over before the end is still found.
        let ended = self.ended.load(Ordering::Acquire);
        let chunk = self.lanes[lane].pop();
        let over = ended && chunk.is_none();
        (chunk, over)
    }

    /// Chunks of a worker that are still to be played.
    #[cfg(test)]
    pub(super) fn waiting(&self, lane: usize) -> usize {
        self.lanes[lane].len()
    }

    /// Gives a chunk back that was played.
    pub(super) fn give_back(&self, mut chunk: Chunk) {
        chunk.clear();
        let kept = self.free.push(chunk);
        debug_assert!(kept.is_ok(), "there are no more chunks than room for them");
    }
}

/// What a worker's flows are found by: the port and the frame.
pub(super) type Owner = Box<dyn Fn(u16, &[u8]) -> usize + Send>;

/// The thread that reads.
pub(super) struct Stream {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Stream {
    /// Starts to read for so many workers, which have these cores. Gives what each worker plays.
    pub(super) fn start(
        origins: &[Origin],
        rounds: u64,
        workers: usize,
        cores: &[usize],
        owner: Owner,
    ) -> Result<(Self, Vec<Feed>), ReplayError> {
        let shared = Shared::new(workers);
        let feeds = (0..workers).map(|lane| Feed::streamed(Arc::clone(&shared), lane)).collect();
        let filling = Filling {
            shared: Arc::clone(&shared),
            chunks: (0..workers).map(|_| Chunk::default()).collect(),
            spare: Vec::new(),
            owner,
            room: Vec::new(),
        };
        let (origins, beside) = (origins.to_vec(), OtherCores::of(cores));
        let thread = std::thread::Builder::new().name("reader".into()).spawn(move || {
            beside.settle();
            filling.run(&origins, rounds);
        });
        let thread =
            thread.map_err(|error| fail(format!("cannot start a thread: {error}"), None))?;
        let stream = Self { shared, thread: Some(thread) };
        stream.wait_until_ahead();
        Ok((stream, feeds))
    }

    /// Waits until as much has been read as may be, so that nobody waits at the start.
    fn wait_until_ahead(&self) {
        let reads = || self.thread.as_ref().is_some_and(|thread| !thread.is_finished());
        let filled = || self.shared.lanes.iter().map(ArrayQueue::len).sum::<usize>();
        while reads() && filled() < AHEAD {
            std::thread::sleep(REST);
        }
    }

    /// Chunks there are.
    #[cfg(test)]
    pub(super) fn chunks(&self) -> usize {
        self.shared.free.capacity()
    }

    /// Ends the thread, and tells why it ended too early if it did.
    pub(super) fn finish(mut self) -> Option<String> {
        self.join();
        self.shared.failed.get().cloned()
    }

    fn join(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Its panic has been told on standard error, and as a failure.
            let _ = thread.join();
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.join();
    }
}

/// The CPUs that are no worker's, if any.
pub(super) struct OtherCores(Option<CpuSet>);

impl OtherCores {
    pub(super) fn of(workers: &[usize]) -> Self {
        let mut set = CpuSet::new();
        let cores = core_affinity::get_core_ids().unwrap_or_default();
        cores.iter().filter(|core| !workers.contains(&core.id)).for_each(|core| set.set(core.id));
        Self((set.count() > 0).then_some(set))
    }

    /// Lets this thread run on them.
    pub(super) fn settle(self) {
        if let Some(cores) = self.0 {
            // Refused by a sandbox, perhaps; it runs there as well.
            let _ = sched_setaffinity(None, &cores);
        }
    }
}

/// Nobody plays any more, or the captures cannot be read.
enum Stop {
    Told,
    Failed(String),
}

/// The reader at work.
struct Filling {
    shared: Arc<Shared>,
    /// By worker: the chunk that is being filled, or one of no room.
    chunks: Vec<Chunk>,
    /// Chunks to be filled, the one played last on top: it is the one most likely to be in a cache.
    spare: Vec<Chunk>,
    owner: Owner,
    room: Vec<u8>,
}

/// Whatever ends the reader, workers learn that nothing follows.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self.0.failed.set("the thread that reads captures has failed".into());
        }
        self.0.ended.store(true, Ordering::Release);
    }
}

impl Filling {
    fn run(mut self, origins: &[Origin], rounds: u64) {
        let ending = Ending(Arc::clone(&self.shared));
        // Made here, so that the memory is near the core that fills it first.
        self.spare.extend((0..self.shared.free.capacity()).map(|_| Chunk::new()));
        let mut played = Ok(());
        for round in 0..rounds {
            let ends = if round + 1 == rounds { Ends::All } else { Ends::Round };
            played = self.round(origins, ends);
            if played.is_err() {
                break;
            }
        }
        if let Err(Stop::Failed(why)) = played {
            // What was read before is still played.
            (0..self.chunks.len()).for_each(|lane| self.hand_over(lane));
            let _ = self.shared.failed.set(why);
        }
        drop(ending);
    }

    fn round(&mut self, origins: &[Origin], ends: Ends) -> Result<(), Stop> {
        let mut merged = Merged::open(origins).map_err(Stop::Failed)?;
        while let Some(frame) = merged.next().map_err(Stop::Failed)? {
            let lane = match self.chunks.len() {
                1 => 0,
                _ => (self.owner)(frame.port, frame.whole(&mut self.room)),
            };
            while !self.chunks[lane].add(&frame) {
                self.next_chunk(lane)?;
            }
        }
        for lane in 0..self.chunks.len() {
            if self.chunks[lane].bytes.is_empty() {
                self.next_chunk(lane)?;
            }
            self.chunks[lane].ends = ends;
            self.hand_over(lane);
        }
        Ok(())
    }

    /// Hands over what a worker's chunk holds, and takes a fresh one when there is one.
    fn next_chunk(&mut self, lane: usize) -> Result<(), Stop> {
        self.hand_over(lane);
        loop {
            self.spare.extend(std::iter::from_fn(|| self.shared.free.pop()));
            if let Some(chunk) = self.spare.pop() {
                self.chunks[lane] = chunk;
                return Ok(());
            }
            if self.shared.stop.load(Ordering::Relaxed) {
                return Err(Stop::Told);
            }
            // Workers who have nothing need not wait for what there is. Those who have something do:
            // chunks that go out with little in them would soon be all there are.
            let starving = |lane: &usize| self.shared.lanes[*lane].is_empty();
            let starving: Vec<_> = (0..self.chunks.len()).filter(starving).collect();
            starving.into_iter().for_each(|lane| self.hand_over(lane));
            std::thread::sleep(REST);
        }
    }

    /// Hands over what a worker's chunk holds, if anything.
    fn hand_over(&mut self, lane: usize) {
        let chunk = &mut self.chunks[lane];
        if !chunk.entries.is_empty() || chunk.ends != Ends::Nothing {
            let handed = self.shared.lanes[lane].push(take(chunk));
            debug_assert!(handed.is_ok(), "a lane has room for all chunks");
        }
    }
}
