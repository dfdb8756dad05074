//! `rx`: takes a burst from a queue of a device.
//!
//! - takes: what the device has received, at most a burst
//! - gives: frames to `classify`, or to `spread` where workers share a queue

use crate::{
    dpdk::port::RxQueue,
    graph::{Cx, Frame, Input},
    tables::Tables,
};

/// One queue of one device.
pub struct DeviceRx {
    name: String,
    queue: RxQueue,
    iface: u16,
    burst: usize,
    target: &'static str,
}

impl DeviceRx {
    /// Polls `queue`, whose packets count for interface `iface`, `burst` packets at a time.
    pub fn new(
        name: String,
        queue: RxQueue,
        iface: u16,
        burst: usize,
        target: &'static str,
    ) -> Self {
        Self { name, queue, iface, burst, target }
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
        let count = self.queue.recv(frame, self.burst);
        if count == 0 {
            return;
        }
        let mut bytes = 0;
        for packet in frame.iter() {
            bytes += packet.len() as u64;
        }
        if let Some(counts) = cx.stats.ifaces.get(usize::from(self.iface)) {
            counts.rx_packets.add(count as u64);
            counts.rx_bytes.add(bytes);
        }
    }
}
