//! `rx`: takes a burst from a queue of a device.
//!
//! - takes: what the device has received, at most a burst
//! - gives: frames to `classify`, or to `spread` where workers share a queue

use crate::{
    dpdk::port::RxQueue,
    graph::{Cx, Frame, Input},
    tables::Tables,
};

/// How many packets a poll takes: as many as it may, as each frame has a price of its own, but few where they
/// are large, so that all are still in the second cache when they leave.
#[derive(Clone, Copy, Debug)]
pub struct Intake {
    burst: usize,
    next: usize,
}

impl Intake {
    /// Mean size from which on packets are large, in bytes.
    const LARGE: u64 = 512;
    /// Most of these at once.
    const FEW: usize = 32;

    /// At most `burst` packets at a time.
    pub const fn new(burst: usize) -> Self {
        Self { burst, next: burst }
    }

    /// Most packets of the next poll.
    #[inline(always)]
    pub const fn next(&self) -> usize {
        self.next
    }

    /// Notes what a poll has taken.
    #[inline(always)]
    pub fn took(&mut self, packets: usize, bytes: u64) {
        let large = bytes > packets as u64 * Self::LARGE;
        self.next = if large { self.burst.min(Self::FEW) } else { self.burst };
    }
}

/// One queue of one device.
pub struct DeviceRx {
    name: String,
    queue: RxQueue,
    iface: u16,
    intake: Intake,
    target: &'static str,
}

impl DeviceRx {
    /// Polls `queue`, whose packets count for interface `iface`, at most `burst` packets at a time.
    pub fn new(
        name: String,
        queue: RxQueue,
        iface: u16,
        burst: usize,
        target: &'static str,
    ) -> Self {
        Self { name, queue, iface, intake: Intake::new(burst), target }
    }
}

impl Input<Tables> for DeviceRx {
    fn name(&self) -> &str {
        &self.name
    }

    fn target(&self) -> &'static str {
        self.target
    }

    fn poll(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame) {
        let count = self.queue.recv(frame, self.intake.next());
        if count == 0 {
            return;
        }
        let mut bytes = 0;
        for packet in frame.iter() {
            bytes += packet.len() as u64;
        }
        self.intake.took(count, bytes);
        if let Some(counts) = cx.stats.ifaces.get(usize::from(self.iface)) {
            counts.rx_packets.add(count as u64);
            counts.rx_bytes.add(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Intake;

    #[test]
    fn large_packets_are_taken_few_at_a_time_and_small_ones_many() {
        let mut intake = Intake::new(128);
        assert_eq!(intake.next(), 128);
        intake.took(128, 128 * 512);
        assert_eq!(intake.next(), 128);
        intake.took(128, 128 * 512 + 1);
        assert_eq!(intake.next(), 32);
        intake.took(1, 60);
        assert_eq!(intake.next(), 128);
    }

    #[test]
    fn large_packets_are_no_more_than_a_burst() {
        let mut intake = Intake::new(8);
        intake.took(8, 8 * 1514);
        assert_eq!(intake.next(), 8);
    }
}
