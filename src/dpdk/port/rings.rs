//! Two devices on one cable that is made of rings in memory (`net_ring`): what one sends the other receives.

use std::{
    ffi::CString,
    ptr::{self, NonNull},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use dpdk_sys as sys;

use super::{
    Port, PortConfig, PortError, RxQueue, Started, TxQueue,
    open::{LINK_HEADER, Opening},
};
use crate::dpdk::{log, mempool::Pool};

/// Rings that are queues of devices; packets in them are theirs.
#[derive(Debug)]
pub(super) struct Rings(Vec<NonNull<sys::rte_ring>>);

// SAFETY: a ring may be used from any thread; who sends and who receives is each queue's affair.
unsafe impl Send for Rings {}
// SAFETY: as above.
unsafe impl Sync for Rings {}

impl Drop for Rings {
    fn drop(&mut self) {
        for ring in &self.0 {
            let mut packet = ptr::null_mut();
            // SAFETY: no device is left whose queue the ring is, and what it holds are packets.
            unsafe {
                while sys::rte_ring_dequeue(ring.as_ptr(), &mut packet) == 0 {
                    sys::rte_pktmbuf_free(packet.cast());
                }
                sys::rte_ring_free(ring.as_ptr());
            }
        }
    }
}

/// A device at the end of a cable, with its queues.
pub struct CableEnd {
    /// The device.
    pub port: Port,
    /// What the other end sends, by its queues.
    pub rx: Vec<RxQueue>,
    /// What the other end receives, by its queues.
    pub tx: Vec<TxQueue>,
}

/// A cable.
#[derive(Clone, Copy, Debug)]
pub struct Cable {
    /// Queues of each end.
    pub queues: u16,
    /// Packets that a queue of the first end holds until they are received, rounded up to a power of two less one.
    pub near: u32,
    /// The same of the other end.
    pub far: u32,
}

/// Queues of a device of rings.
const MOST_QUEUES: u16 = 16;
/// Makes names of devices unique.
static NEXT: AtomicU32 = AtomicU32::new(0);

impl Cable {
    /// Makes both ends. They carry whatever fits into a buffer of `pool`.
    ///
    /// # Errors
    /// When there are no queues or more than 16, there is no memory, or DPDK cannot.
    pub fn lay(&self, pool: &Pool) -> Result<[CableEnd; 2], PortError> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("cable{number}");
        let refused = |why: String| PortError::Device { device: name.clone(), step: "attach", why };
        if !(1..=MOST_QUEUES).contains(&self.queues) {
            return Err(refused(format!("its queues can be 1 to {MOST_QUEUES}")));
        }
        let mut rings = Rings(Vec::new());
        for (end, depth) in [("near", self.near), ("far", self.far)] {
            for queue in 0..self.queues {
                let ring = CString::new(format!("{name}-{end}{queue}")).unwrap_or_default();
                let flags = sys::RING_F_SP_ENQ | sys::RING_F_SC_DEQ;
                let size = depth.saturating_add(1).checked_next_power_of_two().unwrap_or(0);
                // SAFETY: the name is a C string that outlives the call.
                let made =
                    unsafe { sys::rte_ring_create(ring.as_ptr(), size, sys::SOCKET_ID_ANY, flags) };
                rings.0.push(
                    NonNull::new(made)
                        .ok_or_else(|| refused(format!("no ring for {depth} packets")))?,
                );
            }
        }
        let rings = Arc::new(rings);
        let (near, far) = rings.0.split_at(usize::from(self.queues));
        Ok([
            plug(&format!("{name}-near"), [near, far], &rings, pool)?,
            plug(&format!("{name}-far"), [far, near], &rings, pool)?,
        ])
    }
}

/// A device that receives from the first rings and sends to the second.
fn plug(
    name: &str,
    [rx, tx]: [&[NonNull<sys::rte_ring>]; 2],
    rings: &Arc<Rings>,
    pool: &Pool,
) -> Result<CableEnd, PortError> {
    let queues = rx.len() as u16;
    let mtu = (u32::from(pool.data_room()) - sys::RTE_PKTMBUF_HEADROOM).saturating_sub(LINK_HEADER);
    let mtu = u16::try_from(mtu).unwrap_or(u16::MAX);
    let config = PortConfig { rx_queues: queues, tx_queues: queues, mtu, ..PortConfig::default() };
    let driver = "net_ring".to_owned();
    let opening = Opening { text: name, config: &config, driver, notes: Vec::new() };
    let c_name = CString::new(name).unwrap_or_default();
    let mark = log::mark();
    let [rx, tx] = [rx, tx].map(|rings| rings.as_ptr().cast::<*mut sys::rte_ring>());
    let socket = sys::SOCKET_ID_ANY as u32;
    // SAFETY: as many rings lie behind each pointer as are told, and live as long as the device does.
    let id = unsafe {
        sys::rte_eth_from_rings(c_name.as_ptr(), rx, queues.into(), tx, queues.into(), socket)
    };
    let id = u16::try_from(id).map_err(|_| opening.refused("attach", -1, mark))?;
    let started = Started {
        id,
        bus: c"vdev",
        name: CString::new(format!("net_ring_{name}")).unwrap_or_default(),
        interface: None,
        xdp_sockets: OnceLock::new(),
        first_mac: OnceLock::new(),
        _rings: Some(Arc::clone(rings)),
    };
    let (port, rx, tx) = opening.open(started, 0, pool)?;
    Ok(CableEnd { port, rx, tx })
}
