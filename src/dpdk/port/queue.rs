//! Queues of a port: where a worker's packets come from and go to.

use std::{cell::Cell, marker::PhantomData, os::fd::RawFd, sync::Arc};

use dpdk_sys as sys;

use super::Started;
use crate::dpdk::mbuf::{BURST_MAX, Burst};

/// One receive queue; it belongs to one worker.
#[derive(Debug)]
pub struct RxQueue {
    started: Arc<Started>,
    queue: u16,
    one_thread: PhantomData<Cell<()>>,
}

/// One transmit queue; it belongs to one worker.
#[derive(Debug)]
pub struct TxQueue {
    started: Arc<Started>,
    queue: u16,
    one_thread: PhantomData<Cell<()>>,
}

impl RxQueue {
    pub(super) fn new(started: &Arc<Started>, queue: u16) -> Self {
        Self { started: Arc::clone(started), queue, one_thread: PhantomData }
    }

    /// Number of the queue in its port.
    pub fn number(&self) -> u16 {
        self.queue
    }

    /// Adds up to `max` received packets to `burst`; gives their number.
    #[inline]
    pub fn recv(&mut self, burst: &mut Burst, max: usize) -> usize {
        let len = burst.len();
        let room = (BURST_MAX - len).min(max);
        // SAFETY: there is room for `room` pointers behind `len`; the driver fills the first
        // `count` of them with buffers that become ours. One thread polls a queue, as `&mut self`.
        unsafe {
            let into = burst.as_mut_ptr().add(len).cast::<*mut sys::rte_mbuf>();
            let count = sys::rte_eth_rx_burst(self.started.id, self.queue, into, room as u16);
            burst.set_len(len + usize::from(count));
            usize::from(count)
        }
    }

    /// A descriptor that becomes readable when a packet comes in and interrupts are on; `None`
    /// where the port was opened without them or the driver has none. It stays the driver's.
    pub fn interrupt_fd(&self) -> Option<RawFd> {
        // SAFETY: the port is started and has the queue.
        let fd = unsafe { sys::rte_eth_dev_rx_intr_ctl_q_get_fd(self.started.id, self.queue) };
        (fd >= 0).then_some(fd)
    }

    /// Lets the next packet make [`Self::interrupt_fd`] readable. False when the driver cannot.
    /// A packet may have come in before: poll once more before sleeping.
    pub fn arm(&mut self) -> bool {
        // SAFETY: the port is started and has the queue.
        unsafe { sys::rte_eth_dev_rx_intr_enable(self.started.id, self.queue) == 0 }
    }

    /// Goes back to polling.
    pub fn disarm(&mut self) -> bool {
        // SAFETY: the port is started and has the queue.
        unsafe { sys::rte_eth_dev_rx_intr_disable(self.started.id, self.queue) == 0 }
    }
}

impl TxQueue {
    pub(super) fn new(started: &Arc<Started>, queue: u16) -> Self {
        Self { started: Arc::clone(started), queue, one_thread: PhantomData }
    }

    /// Number of the queue in its port.
    pub fn number(&self) -> u16 {
        self.queue
    }

    /// Sends what the device takes and gives the number; the rest stays in `burst`, in order.
    #[inline]
    pub fn send(&mut self, burst: &mut Burst) -> usize {
        let len = burst.len();
        // SAFETY: the driver takes the first `sent` of the `len` buffers, which we own and forget
        // here by moving the rest to the front. One thread sends on a queue, as `&mut self`.
        unsafe {
            let packets = burst.as_mut_ptr().cast::<*mut sys::rte_mbuf>();
            let sent = sys::rte_eth_tx_burst(self.started.id, self.queue, packets, len as u16);
            let sent = usize::from(sent);
            let rest = len - sent;
            if rest > 0 && sent > 0 {
                packets.copy_from(packets.add(sent), rest);
            }
            burst.set_len(rest);
            sent
        }
    }

    /// Gives back the buffers of packets that have left, as far as the driver can say; false when
    /// it cannot be asked and keeps them until it needs the room.
    pub fn reclaim(&mut self) -> bool {
        // SAFETY: the port is started and has the queue.
        unsafe { sys::rte_eth_tx_done_cleanup(self.started.id, self.queue, 0) >= 0 }
    }
}
