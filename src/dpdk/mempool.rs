//! Pools of packet buffers.

use std::{
    ffi::CString,
    ptr::{self, NonNull},
};

use dpdk_sys::{rte_mbuf, rte_mempool, rte_pktmbuf_pool_private};
use thiserror::Error;

use super::mbuf::{BURST_MAX, Burst, META_LEN, Packet};

/// A pool could not be made.
#[derive(Debug, Error)]
#[error(
    "no memory for {count} packet buffers of {data_room} bytes ({reason}); lower `buffers.count`, or \
     raise `dpdk.memory-mib` or the number of hugepages"
)]
pub struct PoolError {
    count: u32,
    data_room: u16,
    reason: String,
}

/// Bytes of a large buffer: as many as its length can tell, and just enough for any IPv4 packet.
pub const LARGE_ROOM: u16 = u16::MAX;
/// Bytes in front of a packet in a fresh buffer.
const HEADROOM: u16 = dpdk_sys::RTE_PKTMBUF_HEADROOM as u16;

/// A pool of packet buffers. It lives as long as the process: devices may hold buffers until EAL
/// ends, so there is nothing to free earlier.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    pool: NonNull<rte_mempool>,
    count: u32,
    data_room: u16,
    large: Option<Large>,
}

/// Buffers for what fits into no ordinary one.
#[derive(Clone, Copy, Debug)]
struct Large {
    pool: NonNull<rte_mempool>,
    count: u32,
}

// SAFETY: DPDK's mempools may be used from any thread.
unsafe impl Send for Pool {}
// SAFETY: as above.
unsafe impl Sync for Pool {}

impl Pool {
    /// Makes a pool of `count` buffers with `data_room` bytes each (headroom of 128 included) on
    /// the given NUMA socket (-1 for any). `cache` buffers stay with each thread.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn new(
        name: &str,
        count: u32,
        cache: u32,
        data_room: u16,
        socket: i32,
    ) -> Result<Self, PoolError> {
        let pool = Self::make(name, count, cache, data_room, socket, 0)?;
        Ok(Self { pool, count, data_room, large: None })
    }

    /// The same with one buffer right behind the other. Without hugepages a pool else gives each a page of
    /// its own, so that all begin alike and drive each other out of a processor's first cache; but only
    /// memory that no device reads by itself may cross from page to page.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn packed(
        name: &str,
        count: u32,
        cache: u32,
        data_room: u16,
        socket: i32,
    ) -> Result<Self, PoolError> {
        let flags = dpdk_sys::RTE_MEMPOOL_F_NO_IOVA_CONTIG;
        let pool = Self::make(name, count, cache, data_room, socket, flags)?;
        Ok(Self { pool, count, data_room, large: None })
    }

    /// Adds `count` buffers that each hold the largest of all packets, for [`Pool::alloc_for`].
    ///
    /// # Errors
    /// When there is no memory.
    pub fn with_large(self, name: &str, count: u32, socket: i32) -> Result<Self, PoolError> {
        let pool = Self::make(name, count, 0, LARGE_ROOM, socket, 0)?;
        Ok(Self { large: Some(Large { pool, count }), ..self })
    }

    fn make(
        name: &str,
        count: u32,
        cache: u32,
        data_room: u16,
        socket: i32,
        flags: u32,
    ) -> Result<NonNull<rte_mempool>, PoolError> {
        let fail = |reason: String| PoolError { count, data_room, reason };
        let c_name = CString::new(name).map_err(|_| fail("name holds a zero byte".into()))?;
        let size = dpdk_sys::DPDK_MBUF_SIZE + u32::from(META_LEN) + u32::from(data_room);
        let mut room = rte_pktmbuf_pool_private {
            mbuf_data_room_size: data_room,
            mbuf_priv_size: META_LEN,
            flags: 0,
        };
        // SAFETY: what `rte_pktmbuf_pool_create` does, in its order, with flags of the pool's own: the name
        // is a C string that outlives the call, and a pool that does not come about is given back.
        unsafe {
            let pool = dpdk_sys::rte_mempool_create_empty(
                c_name.as_ptr(),
                count,
                size,
                cache,
                size_of::<rte_pktmbuf_pool_private>() as u32,
                socket,
                flags,
            );
            let pool = NonNull::new(pool).ok_or_else(|| fail(super::eal::last_error()))?;
            let at = pool.as_ptr();
            let ops = dpdk_sys::rte_mbuf_best_mempool_ops();
            let mut done = dpdk_sys::rte_mempool_set_ops_byname(at, ops, ptr::null_mut());
            if done == 0 {
                dpdk_sys::rte_pktmbuf_pool_init(at, (&raw mut room).cast());
                done = dpdk_sys::rte_mempool_populate_default(at);
            }
            if done < 0 {
                dpdk_sys::rte_mempool_free(at);
                return Err(fail(super::eal::describe(done)));
            }
            dpdk_sys::rte_mempool_obj_iter(at, Some(dpdk_sys::rte_pktmbuf_init), ptr::null_mut());
            Ok(pool)
        }
    }

    /// The DPDK object, for devices that draw from it.
    pub(in crate::dpdk) fn as_ptr(&self) -> *mut rte_mempool {
        self.pool.as_ptr()
    }

    /// Number of buffers.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Bytes of a buffer, headroom included.
    pub fn data_room(&self) -> u16 {
        self.data_room
    }

    /// Buffers that nobody holds. Not exact while threads allocate.
    pub fn available(&self) -> u32 {
        // SAFETY: the pool lives as long as the process.
        unsafe { dpdk_sys::rte_mempool_avail_count(self.pool.as_ptr()) }
    }

    /// Buffers that somebody holds, large ones too. Not exact while threads allocate.
    pub fn in_use(&self) -> u32 {
        let ordinary = self.count - self.available();
        let large = self.large.map_or(0, |large| {
            // SAFETY: the pool lives as long as the process.
            large.count - unsafe { dpdk_sys::rte_mempool_avail_count(large.pool.as_ptr()) }
        });
        ordinary + large
    }

    /// An empty packet with room for `len` bytes, and for up to `before` in front of them as far as
    /// both fit at all; or `None` when no such buffer is free. Gives the room in front as well.
    pub fn alloc_for(&self, before: usize, len: usize) -> Option<(Packet, usize)> {
        let headroom = usize::from(HEADROOM);
        if before + len + headroom <= usize::from(self.data_room) {
            return Some((self.alloc()?, before));
        }
        let before = before.min(usize::from(LARGE_ROOM).checked_sub(len)?);
        // SAFETY: the pool lives as long as the process; the buffer is fresh and ours.
        let mut packet = unsafe {
            let packet = dpdk_sys::rte_pktmbuf_alloc(self.large?.pool.as_ptr());
            Packet::from_raw(NonNull::new(packet)?)
        };
        if before + len + headroom > usize::from(LARGE_ROOM) {
            packet.use_headroom();
        }
        Some((packet, before))
    }

    /// An empty packet, or `None` when all buffers are in use.
    #[inline]
    pub fn alloc(&self) -> Option<Packet> {
        // SAFETY: the pool lives as long as the process; the buffer is fresh and ours.
        unsafe {
            let packet = dpdk_sys::rte_pktmbuf_alloc(self.pool.as_ptr());
            NonNull::new(packet).map(|packet| Packet::from_raw(packet))
        }
    }

    /// Adds `count` empty packets to `burst`: all, or none when buffers or room run out.
    #[inline]
    pub fn alloc_bulk(&self, burst: &mut Burst, count: usize) -> bool {
        let len = burst.len();
        if len + count > BURST_MAX {
            return false;
        }
        // SAFETY: there is room for `count` pointers behind `len`; `Packet` is a transparent
        // pointer; the length grows only when DPDK has filled all of them with fresh buffers.
        unsafe {
            let into = burst.as_mut_ptr().add(len).cast::<*mut rte_mbuf>();
            if dpdk_sys::rte_pktmbuf_alloc_bulk(self.pool.as_ptr(), into, count as u32) != 0 {
                return false;
            }
            burst.set_len(len + count);
        }
        true
    }
}
