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

use super::{ReplayError, fail, source::Player, stream::OtherCores};
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

/// Where a packet's time stands, and where its checksum. Nothing for what is no datagram of UDP: the router sends
/// packets of its own too.
fn places(frame: &[u8]) -> Option<(usize, usize)> {
    let (mut kind, mut at) = (frame.get(12..14)?, 14);
    while matches!(kind, [0x81, 0x00] | [0x88, 0xa8]) {
        (kind, at) = (frame.get(at + 2..at + 4)?, at + 4);
    }
    let (protocol, udp) = match kind {
        [0x08, 0x00] => (frame.get(at + 9)?, at + usize::from(frame.get(at)? & 15) * 4),
        [0x86, 0xdd] => (frame.get(at + 6)?, at + 40),
        _ => return None,
    };
    if *protocol != 17 {
        return None;
    }
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
    let (at, _) = places(frame)?;
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
        let beside = OtherCores::of(cores);
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
            let now = units(now);
            frame.iter().for_each(Packet::prefetch);
            let mut back = 0;
            for time in frame.iter().filter_map(|packet| stamped(packet.data())) {
                back += 1;
                if !self.late {
                    self.seen.latency.record(u64::from(now.wrapping_sub(time)) << UNIT, 1);
                }
            }
            self.seen.back += back;
            self.seen.untimed += if self.late { back } else { 0 };
            Packet::free_all(frame);
        }
        self.late &= !emptied;
        self.looked = rdtsc();
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
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;
    use crate::packet::{build::FrameBuilder, checksum, vlan::Tag};

    const SRC: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 7);
    const DST: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 7);
    const SRC6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7);
    const DST6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 7);

    fn plain() -> FrameBuilder {
        FrameBuilder::new().ethernet([2; 6].into(), [4; 6].into()).ipv4(SRC, DST)
    }

    fn six(payload: usize) -> Vec<u8> {
        let udp = [0, 1, 0, 2, 0, payload as u8 + 8, 0, 0];
        let mut segment = [&udp[..], &vec![7; payload]].concat();
        let sum = checksum::transport6(SRC6, DST6, 17, &segment);
        segment[6..8].copy_from_slice(&sum.to_be_bytes());
        let mut frame =
            [&[2; 12][..], &[0x86, 0xdd, 0x60, 0, 0, 0, 0, payload as u8 + 8, 17, 64]].concat();
        frame.extend(SRC6.octets().into_iter().chain(DST6.octets()).chain(segment));
        frame
    }

    #[test]
    fn a_stamp_is_read_again_and_leaves_the_checksum_right() {
        bolero::check!().with_type::<(u32, u32, u8)>().for_each(|(first, second, len)| {
            let len = usize::from(*len % 200);
            let udp = |frame: FrameBuilder| frame.udp(1, 2).payload_len(len).build();
            for mut frame in [udp(plain()), udp(plain().vlan(Tag::dot1q(7))), six(len)] {
                for time in [*first, *second] {
                    stamp(&mut frame, time);
                    assert_eq!(stamped(&frame), (len >= 4 + len % 2).then_some(time));
                    let segment = &frame[frame.len() - len - 8..];
                    assert!(
                        checksum::transport_holds(SRC, DST, 17, segment)
                            || checksum::transport6_holds(SRC6, DST6, 17, segment)
                    );
                }
            }
            let mut other = plain().tcp(1, 2, 2).payload_len(len).build();
            let before = other.clone();
            stamp(&mut other, *first);
            assert_eq!((stamped(&other), other), (None, before));
        });
    }
}
