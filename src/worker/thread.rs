//! The thread of a live worker.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use super::{Clock, Idle, Worker, idle::Napper};
use crate::{
    dpdk::{
        cycles::{pause, rdtsc},
        eal::Registration,
    },
    graph::{LongTurns, Stats},
    publish::Apart,
};

/// A worker that runs.
pub struct Running {
    /// Its counters.
    pub stats: Arc<Stats>,
    /// CPU it is pinned to.
    pub core: Option<usize>,
    stop: Arc<Apart<AtomicBool>>,
    thread: Option<JoinHandle<Worker>>,
}

impl Running {
    /// Ends the loop after its turn and gives the worker back.
    ///
    /// # Errors
    /// When the worker panicked; the panic's message.
    pub fn stop(mut self) -> Result<Worker, String> {
        self.stop.store(true, Ordering::Release);
        let Some(thread) = self.thread.take() else { return Err(String::new()) };
        thread.join().map_err(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
                .unwrap_or_default()
        })
    }

    /// True when the loop has ended by itself.
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Running {
    /// A panic elsewhere unwinds past this: the worker must end before the pools that it uses do.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // Its own panic has been told on standard error.
            let _ = thread.join();
        }
    }
}

/// Starts a worker on `core`. It turns until it is told to stop, or until `done` says so after a
/// turn that found nothing.
pub fn spawn(
    name: String,
    worker: Worker,
    core: Option<usize>,
    idle: Idle,
    clock: Clock,
    done: impl Fn() -> bool + Send + 'static,
) -> std::io::Result<Running> {
    // The worker looks at it each turn, so nothing else that changes may lie beside.
    let stop = Arc::new(Apart::<AtomicBool>::default());
    let (stats, flag) = (Arc::clone(worker.stats()), Arc::clone(&stop));
    let thread = std::thread::Builder::new().name(name).spawn(move || {
        if let Some(core) = core {
            core_affinity::set_for_current(core_affinity::CoreId { id: core });
        }
        // Without a place in EAL the worker still runs, only without a pool cache of its own.
        let _registration = Registration::new();
        turn(worker, idle, clock, &flag, done)
    })?;
    Ok(Running { stats, core, stop, thread: Some(thread) })
}

fn turn(
    mut worker: Worker,
    idle: Idle,
    clock: Clock,
    stop: &AtomicBool,
    done: impl Fn() -> bool,
) -> Worker {
    let stats = Arc::clone(worker.stats());
    let (hz, long) = (clock.hz(), LongTurns::shortest(clock.hz()));
    let mut napper = Napper::new(idle);
    worker.wake();
    let mut start = rdtsc();
    while !stop.load(Ordering::Relaxed) {
        let now = clock.at(start);
        let (came, after) = worker.step(now, start);
        stats.loops.add(1);
        if came > 0 {
            if after - start > long {
                stats.long_turns.record(after - start, hz);
            }
            stats.busy_cycles.add(after - start);
            napper.nap(came, now);
            start = after;
            continue;
        }
        let mut end = rdtsc();
        if end - start > long {
            stats.long_turns.record(end - start, hz);
        }
        if done() {
            break;
        }
        match napper.nap(0, now) {
            Some(nap) => {
                worker.rest();
                std::thread::sleep(nap);
                worker.wake();
                let woke = rdtsc();
                stats.asleep_cycles.add(woke - end);
                end = woke;
            }
            None => pause(),
        }
        stats.idle_cycles.add(end - start);
        start = end;
    }
    worker.finish();
    worker.rest();
    worker
}
