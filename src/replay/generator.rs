//! Traffic from another core over rings that are devices: how a generator beside the router sees it.
//!
//! - takes: frames of UDP that come by the first port, and how often they are to come
//! - gives: packets with the time at which they were sent in their last bytes, by a device of DPDK for each
//!   port; how long those took that came back, and how many found no room
//! - costs: the workers what a device costs, lines that another core wrote among it. Where the
//!   generator has no core for itself it is stopped at times; what waited for it then it does not time, and
//!   tells how much that was

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use super::{ReplayError, fail, source::Player, stream::Beside};
use crate::{
    dpdk::{
        cycles::{pause, rdtsc},
        eal::{Registration, tsc_hz},
        mbuf::{BURST_MAX, Packet},
        mempool::Pool,
        port::{Cable, CableEnd, Port, RxQueue, TxQueue},
    },
    graph::{Frame, Latency},
    packet::checksum::update32,
};

/// Packets that wait for a worker, as in the ring of a device.
const DEPTH: u32 = 4095;
/// Packets that wait for the generator: what it leaves while it is stopped is no loss of the router's.
const ROOM: u32 = 65_535;
/// Packets that come at once at most, when the generator is behind its time. The others it never sends.
pub(super) const CATCH_UP: u64 = 4 * BURST_MAX as u64;
/// How long the generator waits for packets that are missing, as a share of a second.
const PATIENCE: u64 = 20;
/// Time between two looks at what came back after which a packet has waited for the generator, as a share of
/// a second.
const LATE: u64 = 100_000;
/// Ticks of the TSC in a unit of the stamp, as a power of two.
const UNIT: u32 = 4;

/// What the generator saw.
#[derive(Default)]
pub(super) struct Seen {
    /// From when packets were sent to when they came back.
    pub(super) latency: Latency,
    /// Packets that came back while the generator was stopped, so that nobody knows when.
    pub(super) untimed: u64,
    /// Packets that found no room on their way to a worker.
    pub(super) lost: u64,
    /// Packets that came back.
    pub(super) back: u64,
}

/// Where a packet's time stands, and where its checksum.
fn places(frame: &[u8]) -> Option<(usize, usize)> {
    let udp = match frame.get(12..14)? {
        [0x08, 0x00] => 14 + usize::from(frame.get(14)? & 15) * 4,
        [0x86, 0xdd] => 14 + 40,
        _ => return None,
    };
    // At an even place, where it adds to the checksum as it stands.
    let at = frame.len().checked_sub(4)? & !1;
    (at >= udp + 8).then_some((at, udp + 6))
}

/// Writes a time into a packet. The checksum of UDP stays as right as it was.
#[inline]
fn stamp(frame: &mut [u8], time: u32) {
    let Some((at, sum)) = places(frame) else { return };
    let word = |at: usize| [frame[at], frame[at + 1], frame[at + 2], frame[at + 3]];
    let before = u16::from_be_bytes([frame[sum], frame[sum + 1]]);
    if before != 0 {
        let after = match update32(before, u32::from_be_bytes(word(at)), time) {
            0 => u16::MAX,
            after => after,
        };
        frame[sum..sum + 2].copy_from_slice(&after.to_be_bytes());
    }
    frame[at..at + 4].copy_from_slice(&time.to_be_bytes());
}

/// The time in a packet.
#[inline]
fn stamped(frame: &[u8]) -> Option<u32> {
    let at = frame.len().checked_sub(4)? & !1;
    let bytes = frame.get(at..at + 4)?;
    Some(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

const fn units(ticks: u64) -> u32 {
    (ticks >> UNIT) as u32
}

/// What is sent to one worker.
struct Lane {
    player: Player,
    tx: TxQueue,
    /// Sent when there is room.
    waiting: Box<Frame>,
}

/// The generator's thread and its devices.
pub(super) struct Generator {
    thread: Option<JoinHandle<Seen>>,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicBool>,
    /// Devices of the router and of the generator.
    _ports: Vec<Port>,
}

/// Where the generator's thread comes to an end, in any way.
struct Done(Arc<AtomicBool>);

impl Drop for Done {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// What a worker receives by the first port, and what it sends by each.
pub(super) type WorkerEnd = (RxQueue, Vec<TxQueue>);

/// Devices between the generator and the router, before anything is sent.
pub(super) struct Cables {
    ports: Vec<Port>,
    workers: Vec<WorkerEnd>,
    tx: Vec<TxQueue>,
    rx: Vec<RxQueue>,
}

impl Cables {
    /// One for each of `ports` ports, with a queue for each worker.
    pub(super) fn lay(ports: usize, workers: usize, pool: &Pool) -> Result<Self, ReplayError> {
        let mut all =
            Self { ports: Vec::new(), workers: Vec::new(), tx: Vec::new(), rx: Vec::new() };
        let cable = Cable { queues: workers as u16, near: DEPTH, far: ROOM };
        for place in 0..ports {
            let ends = cable.lay(pool);
            let [near, far] = ends.map_err(|error| fail(error.to_string(), None))?;
            let CableEnd { port, rx, tx } = near;
            all.ports.push(port);
            if place == 0 {
                all.workers = rx.into_iter().map(|rx| (rx, Vec::new())).collect();
                all.tx = far.tx;
            }
            for (worker, tx) in all.workers.iter_mut().zip(tx) {
                worker.1.push(tx);
            }
            all.ports.push(far.port);
            all.rx.extend(far.rx);
        }
        Ok(all)
    }

    /// Takes what the workers need.
    pub(super) fn workers(&mut self) -> Vec<WorkerEnd> {
        std::mem::take(&mut self.workers)
    }

    /// Begins to send what `players` play, each to its worker, beside the workers' `cores`. Frames that find no room
    /// wait unless they come by the clock, as `paced` says.
    pub(super) fn start(
        self,
        players: Vec<Player>,
        paced: bool,
        pool: Pool,
        cores: &[usize],
    ) -> Result<Generator, ReplayError> {
        let lanes = players.into_iter().zip(self.tx);
        let lanes = lanes.map(|(player, tx)| Lane { player, tx, waiting: Box::default() });
        let (lanes, rx): (Vec<_>, _) = (lanes.collect(), self.rx);
        let (stop, done) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let (told, ended) = (Arc::clone(&stop), Done(Arc::clone(&done)));
        let beside = Beside::of(cores);
        let thread = std::thread::Builder::new().name("generator".into()).spawn(move || {
            let _ended = ended;
            beside.settle();
            // Without a place in EAL it still runs, only without a pool cache of its own.
            let _registration = Registration::new();
            let (late, looked) = (false, rdtsc());
            Run { lanes, rx, paced, pool, late, looked, seen: Seen::default() }.run(&told)
        });
        let thread =
            thread.map_err(|error| fail(format!("cannot start a thread: {error}"), None))?;
        Ok(Generator { thread: Some(thread), stop, done, _ports: self.ports })
    }
}

struct Run {
    lanes: Vec<Lane>,
    rx: Vec<RxQueue>,
    paced: bool,
    pool: Pool,
    /// What is there now came while nobody looked.
    late: bool,
    /// When it has last looked.
    looked: u64,
    seen: Seen,
}

impl Run {
    fn run(mut self, stop: &AtomicBool) -> Seen {
        let patience = tsc_hz() / PATIENCE;
        let (mut frame, mut last) = (Box::<Frame>::default(), rdtsc());
        self.looked = last;
        while !stop.load(Ordering::Relaxed) {
            let sent = self.send();
            let came = self.receive(&mut frame);
            if sent + came > 0 {
                last = self.looked;
            } else {
                let over = self.lanes.iter().all(|lane| lane.player.is_over());
                let missing = self.sent() > self.seen.back;
                if over && (!missing || self.looked - last > patience) {
                    break;
                }
                pause();
            }
        }
        self.seen
    }

    /// Packets that found room so far.
    fn sent(&self) -> u64 {
        let waiting = |lane: &Lane| lane.waiting.len() as u64;
        let given = self.lanes.iter().map(|lane| lane.player.given() - waiting(lane)).sum::<u64>();
        given - self.seen.lost
    }

    fn send(&mut self) -> usize {
        let mut sent = 0;
        for lane in &mut self.lanes {
            let frame = &mut lane.waiting;
            if frame.is_empty() {
                lane.player.play(&self.pool, frame, |_, _, _| ());
                let time = units(rdtsc());
                frame.iter_mut().for_each(|packet| stamp(packet.data_mut(), time));
            }
            if frame.is_empty() {
                continue;
            }
            sent += lane.tx.send(frame);
            if self.paced && !frame.is_empty() {
                self.seen.lost += frame.len() as u64;
                Packet::free_all(frame);
            }
        }
        sent
    }

    fn receive(&mut self, frame: &mut Frame) -> usize {
        let (mut came, mut emptied, late) = (0, true, tsc_hz() / LATE);
        for queue in &mut self.rx {
            let count = queue.recv(frame, BURST_MAX);
            let now = rdtsc();
            self.late |= now - self.looked > late;
            emptied &= count < BURST_MAX;
            if count == 0 {
                continue;
            }
            came += count;
            if self.late {
                self.seen.untimed += count as u64;
                Packet::free_all(frame);
                continue;
            }
            let now = units(now);
            frame.iter().for_each(Packet::prefetch);
            for packet in frame.iter() {
                if let Some(time) = stamped(packet.data()) {
                    self.seen.latency.record(u64::from(now.wrapping_sub(time)) << UNIT, 1);
                }
            }
            Packet::free_all(frame);
        }
        self.late &= !emptied;
        self.looked = rdtsc();
        self.seen.back += came as u64;
        came
    }
}

impl Generator {
    /// Whether everything was sent, and what came of it came back.
    pub(super) fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire)
    }

    /// What it saw. The workers must have stopped.
    pub(super) fn finish(mut self) -> Result<Seen, ReplayError> {
        let seen = self.end().and_then(|thread| thread.join().ok());
        seen.ok_or_else(|| fail("the generator failed", None))
    }

    fn end(&mut self) -> Option<JoinHandle<Seen>> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take()
    }
}

impl Drop for Generator {
    fn drop(&mut self) {
        if let Some(thread) = self.end() {
            // Its own panic has been told on standard error.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{MacAddr, build::FrameBuilder, checksum};

    #[test]
    fn a_stamp_is_read_again_and_leaves_the_checksum_right() {
        bolero::check!().with_type::<(u32, u32, u8)>().for_each(|(first, second, len)| {
            let mut frame = FrameBuilder::new()
                .ethernet(MacAddr::new([2, 0, 0, 0, 0, 1]), MacAddr::new([2, 0, 0, 0, 0, 2]))
                .ipv4([10, 0, 0, 7].into(), [10, 1, 0, 7].into())
                .udp(1000, 2000)
                .payload_len(usize::from(*len))
                .build();
            for time in [*first, *second] {
                stamp(&mut frame, time);
                let (src, dst) = ([10, 0, 0, 7].into(), [10, 1, 0, 7].into());
                let end = 14 + usize::from(u16::from_be_bytes([frame[16], frame[17]]));
                if places(&frame).is_some_and(|(at, _)| at + 4 <= end) {
                    assert!(checksum::transport_holds(src, dst, 17, &frame[34..end]));
                }
                assert_eq!(
                    stamped(&frame).filter(|_| places(&frame).is_some()).unwrap_or(time),
                    time
                );
            }
        });
    }
}
