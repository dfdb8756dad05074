//! A packet in a DPDK buffer: owned, never shared, freed to its pool when dropped.
//!
//! The fields that workers touch for every packet are read through [`Head`], which mirrors the
//! first cache line of `rte_mbuf`; the layout is checked against the bindings at compile time.
//! Wagonway keeps its own notes about a packet in fields of that line that mean nothing once the
//! driver has delivered it: see [`Packet::begin`].

use std::{mem::offset_of, ptr::NonNull, slice};

use arrayvec::ArrayVec;
use dpdk_sys::rte_mbuf;

use super::mempool::Pool;
pub use super::notes::{Flags, Meta, Notes, Shape};
use crate::packet::Pieces;

/// Most packets in a [`Burst`].
pub const BURST_MAX: usize = 256;

/// Packets that travel together.
pub type Burst = ArrayVec<Packet, BURST_MAX>;

/// First cache line of `rte_mbuf`.
#[repr(C)]
struct Head {
    buf_addr: *mut u8,
    buf_iova: u64,
    data_off: u16,
    refcnt: u16,
    nb_segs: u16,
    port: u16,
    ol_flags: u64,
    /// Ours once received: interface (high half), offset of the network header, [`Flags`].
    packet_type: u32,
    pkt_len: u32,
    data_len: u16,
    /// Ours: number of the trace, 0 for none.
    vlan_tci: u16,
    /// Flow hash, ours or the device's.
    hash_lo: u32,
    /// Ours: forwarding index.
    hash_hi: u32,
    /// Ours: note about the end of the packet.
    vlan_tci_outer: u16,
    buf_len: u16,
    pool: *mut dpdk_sys::rte_mempool,
}

const _: () = {
    assert!(size_of::<Head>() == 64);
    assert!(offset_of!(Head, buf_addr) == offset_of!(rte_mbuf, buf_addr));
    assert!(offset_of!(Head, data_off) == offset_of!(rte_mbuf, data_off));
    assert!(offset_of!(Head, nb_segs) == offset_of!(rte_mbuf, nb_segs));
    assert!(offset_of!(Head, port) == offset_of!(rte_mbuf, port));
    // One word: `Shape`.
    assert!(offset_of!(Head, data_off) % 8 == 0);
    assert!(offset_of!(Head, nb_segs) == offset_of!(Head, data_off) + 4);
    assert!(offset_of!(Head, port) == offset_of!(Head, data_off) + 6);
    assert!(offset_of!(Head, ol_flags) == offset_of!(rte_mbuf, ol_flags));
    assert!(offset_of!(Head, pkt_len) == offset_of!(rte_mbuf, pkt_len));
    assert!(offset_of!(Head, data_len) == offset_of!(rte_mbuf, data_len));
    assert!(offset_of!(Head, vlan_tci) == offset_of!(rte_mbuf, vlan_tci));
    assert!(offset_of!(Head, vlan_tci_outer) == offset_of!(rte_mbuf, vlan_tci_outer));
    assert!(offset_of!(Head, buf_len) == offset_of!(rte_mbuf, buf_len));
    assert!(offset_of!(Head, pool) == offset_of!(rte_mbuf, pool));
};

/// Bytes that each buffer has for [`Meta`].
pub(super) const META_LEN: u16 = size_of::<Meta>() as u16;

const _: () = assert!(size_of::<rte_mbuf>() == 128 && size_of::<Meta>() == 64);

/// Where the first byte of a packet as received lies, from its mbuf on.
const DATA_AT: usize =
    size_of::<rte_mbuf>() + size_of::<Meta>() + dpdk_sys::RTE_PKTMBUF_HEADROOM as usize;

/// A packet of one owner.
#[repr(transparent)]
pub struct Packet(NonNull<rte_mbuf>);

// SAFETY: a packet is owned by one thread at a time, its memory belongs to no thread, and mempools
// take buffers back from any thread.
unsafe impl Send for Packet {}

impl Drop for Packet {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: we own the buffer, and nobody uses it after us.
        unsafe { dpdk_sys::rte_pktmbuf_free(self.0.as_ptr()) }
    }
}

impl Packet {
    /// Takes ownership of a buffer.
    ///
    /// # Safety
    /// - `mbuf` is an initialised buffer with a reference count of 1 that nobody else uses.
    pub(in crate::dpdk) unsafe fn from_raw(mbuf: NonNull<rte_mbuf>) -> Self {
        Self(mbuf)
    }

    #[inline]
    fn head(&self) -> &Head {
        // SAFETY: `Head` mirrors the first line of `rte_mbuf` (asserted above), and we own the mbuf.
        unsafe { self.0.cast().as_ref() }
    }

    #[inline]
    fn head_mut(&mut self) -> &mut Head {
        // SAFETY: as in `head`; `&mut self` makes the access exclusive.
        unsafe { self.0.cast().as_mut() }
    }

    /// Starts the notes of a packet that has just come in on `iface`: no flags, no trace, no hop.
    #[inline]
    pub fn begin(&mut self, iface: u16, l3: u8, flags: Flags) {
        self.begin_as(Notes::new(iface, l3, flags));
    }

    /// The same with notes that many packets start with.
    #[inline(always)]
    pub fn begin_as(&mut self, notes: Notes) {
        let head = self.head_mut();
        head.packet_type = notes.0;
        head.vlan_tci_outer = 0;
    }

    /// What [`Self::begin_as`] has set, as it is now.
    #[inline(always)]
    pub fn notes(&self) -> Notes {
        Notes(self.head().packet_type)
    }

    /// Interface on which the packet came in, or for which the router made it.
    #[inline]
    pub fn iface(&self) -> u16 {
        (self.head().packet_type >> 16) as u16
    }

    /// Sets [`Packet::iface`].
    #[inline]
    pub fn set_iface(&mut self, iface: u16) {
        let head = self.head_mut();
        head.packet_type = head.packet_type & 0xffff | u32::from(iface) << 16;
    }

    /// Offset of the network header in the data.
    #[inline]
    pub fn l3(&self) -> usize {
        (self.head().packet_type >> 8 & 0xff) as usize
    }

    /// Sets [`Packet::l3`].
    #[inline]
    pub fn set_l3(&mut self, offset: u8) {
        let head = self.head_mut();
        head.packet_type = head.packet_type & 0xffff_00ff | u32::from(offset) << 8;
    }

    /// What is known of the packet.
    #[inline]
    pub fn flags(&self) -> Flags {
        Flags(self.head().packet_type as u8)
    }

    /// True when nothing is known of the packet but that its network header is at `l3`.
    #[inline]
    pub fn is_plain_at(&self, l3: u8) -> bool {
        self.head().packet_type as u16 == u16::from(l3) << 8
    }

    /// Adds `flags`.
    #[inline]
    pub fn add_flags(&mut self, flags: Flags) {
        self.head_mut().packet_type |= u32::from(flags.0);
    }

    /// DPDK port on which the packet came in, or on which it is to leave.
    #[inline]
    pub fn port(&self) -> u16 {
        self.head().port
    }

    /// How the packet lies in its buffers, and where it came in.
    #[inline(always)]
    pub fn shape(&self) -> Shape {
        // SAFETY: these eight bytes of the first line, four plain fields, are aligned as the word is
        // (asserted above), and we own the mbuf.
        Shape(unsafe { self.0.cast::<u64>().byte_add(offset_of!(Head, data_off)).read() })
    }

    /// Sets [`Packet::port`].
    #[inline]
    pub fn set_port(&mut self, port: u16) {
        self.head_mut().port = port;
    }

    /// Forwarding index that the look-up found.
    #[inline]
    pub fn hop(&self) -> u32 {
        self.head().hash_hi
    }

    /// Sets [`Packet::hop`].
    #[inline]
    pub fn set_hop(&mut self, hop: u32) {
        self.head_mut().hash_hi = hop;
    }

    /// Note about the end of the packet; see [`crate::icmp::table::Cause`].
    #[inline]
    pub fn note(&self) -> u16 {
        self.head().vlan_tci_outer
    }

    /// Sets [`Packet::note`].
    #[inline]
    pub fn set_note(&mut self, note: u16) {
        self.head_mut().vlan_tci_outer = note;
    }

    /// What is known of the packet's IPv4 options. Only meaningful with [`Flags::OPTIONS`]; it lies in
    /// the second cache line, in a field that means nothing before the packet is sent.
    #[cold]
    pub fn options(&self) -> u64 {
        // SAFETY: the field of an mbuf that we own.
        unsafe { dpdk_sys::mbuf::tx_offload(self.0.as_ptr()).read() }
    }

    /// Sets [`Packet::options`] and the flag.
    #[cold]
    pub fn set_options(&mut self, options: u64) {
        self.add_flags(Flags::OPTIONS);
        // SAFETY: as in `options`; `&mut self` makes the access exclusive.
        unsafe { dpdk_sys::mbuf::tx_offload(self.0.as_ptr()).write(options) }
    }

    /// What the packet filter knows of the packet; nothing before it has looked.
    #[inline]
    pub fn meta(&self) -> Meta {
        if !self.flags().any(Flags::META) {
            return Meta::default();
        }
        // SAFETY: every pool has `META_LEN` bytes behind each of its mbufs, which are 128 bytes long and
        // lie at cache lines; `set_meta` has written them, as the flag says, and we own the mbuf.
        unsafe { self.0.add(1).cast::<Meta>().read() }
    }

    /// Sets [`Packet::meta`] and the flag.
    #[inline]
    pub fn set_meta(&mut self, meta: Meta) {
        self.add_flags(Flags::META);
        // SAFETY: as in `meta`; `&mut self` makes the access exclusive.
        unsafe { self.0.add(1).cast::<Meta>().write(meta) }
    }

    /// Gives the packet a mark, where that is one.
    #[inline]
    pub fn set_mark(&mut self, mark: u32) {
        if mark != 0 {
            self.set_meta(Meta { mark, ..self.meta() });
        }
    }

    /// Notes that the packet is an answer to `other`, and so of its connection, where that has one
    /// (`nf_ct_attach`).
    #[inline]
    pub fn attach(&mut self, other: &Self) {
        if other.flags().any(Flags::META) && other.meta().conn != 0 {
            let mark = self.meta().mark;
            self.set_meta(Meta { mark, ..other.meta().answered() });
        }
    }

    /// Notes that the router sends the packet to itself, as by its loopback, and so for who it is on `iface`.
    pub fn loops(&mut self, iface: u16) {
        let meta = self.meta();
        self.set_iface(iface);
        self.set_hop(0);
        self.set_meta(Meta { done: meta.done | Meta::LOOPED, ..meta });
    }

    /// The pieces in which a packet came that carries `len` bytes, where none carried more than `most`, so
    /// that it may leave in the same.
    pub fn as_it_came(&self, len: usize, most: usize) -> Option<Pieces> {
        let pieces = self.flags().any(Flags::REASSEMBLED).then(|| self.meta().pieces)?;
        let sum: usize = pieces.iter().map(|len| usize::from(*len)).sum();
        (sum == len && pieces.iter().all(|len| usize::from(*len) <= most)).then_some(pieces)
    }

    /// Number of the trace that follows this packet, 0 for none. Only meaningful while a trace is
    /// armed.
    #[inline]
    pub fn trace(&self) -> u16 {
        self.head().vlan_tci
    }

    /// Sets [`Packet::trace`].
    #[inline]
    pub fn set_trace(&mut self, trace: u16) {
        self.head_mut().vlan_tci = trace;
    }

    /// Flow hash, where somebody has set it.
    #[inline]
    pub fn hash(&self) -> u32 {
        self.head().hash_lo
    }

    /// Sets [`Packet::hash`].
    #[inline]
    pub fn set_hash(&mut self, hash: u32) {
        self.head_mut().hash_lo = hash;
    }

    /// Length of the largest piece of a packet that is [`Flags::REASSEMBLED`]; it takes the place of
    /// the hash.
    #[inline]
    pub fn piece_size(&self) -> u16 {
        self.head().hash_lo as u16
    }

    /// Sets [`Packet::piece_size`].
    #[inline]
    pub fn set_piece_size(&mut self, len: u16) {
        self.head_mut().hash_lo = len.into();
    }

    /// Length of the whole packet in bytes.
    #[inline]
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.head().pkt_len as usize
    }

    /// True when all bytes are in one buffer, which every node may take for granted behind
    /// `classify`.
    #[inline]
    pub fn is_contiguous(&self) -> bool {
        self.head().nb_segs == 1
    }

    /// Bytes of the first buffer.
    #[inline]
    pub fn data(&self) -> &[u8] {
        let head = self.head();
        // SAFETY: the `data_len` bytes at `data_off` lie within the buffer and are initialised: the
        // driver, `Pool` or one of the methods below wrote them.
        unsafe {
            slice::from_raw_parts(
                head.buf_addr.add(usize::from(head.data_off)),
                usize::from(head.data_len),
            )
        }
    }

    /// Bytes of the first buffer, to change.
    #[inline]
    pub fn data_mut(&mut self) -> &mut [u8] {
        let head = self.head_mut();
        // SAFETY: as in `data`; the buffer has one owner, so the access is exclusive.
        unsafe {
            slice::from_raw_parts_mut(
                head.buf_addr.add(usize::from(head.data_off)),
                usize::from(head.data_len),
            )
        }
    }

    /// Asks for the first bytes before they are needed, where every pool has them and most drivers put
    /// them; the packet itself is not looked at.
    #[inline(always)]
    pub fn prefetch(&self) {
        // SAFETY: prefetching has no effect on memory, whatever the address.
        unsafe {
            core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T0 }>(
                self.0.as_ptr().cast::<i8>().wrapping_add(DATA_AT),
            );
        }
    }

    /// Asks for the notes before they are needed.
    #[inline]
    pub fn prefetch_head(&self) {
        // SAFETY: prefetching has no effect on memory, whatever the address.
        unsafe {
            core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T0 }>(
                self.0.as_ptr().cast(),
            );
        }
    }

    /// Cuts a contiguous packet to `len` bytes; longer than it is, it stays as it is.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        let head = self.head_mut();
        if head.nb_segs == 1 && len < usize::from(head.data_len) {
            head.data_len = len as u16;
            head.pkt_len = len as u32;
        }
    }

    /// As [`Self::truncate`], of a packet that is known to be contiguous and often as long already: without
    /// a branch.
    #[inline(always)]
    pub fn cut(&mut self, len: usize) {
        debug_assert!(self.is_contiguous());
        let head = self.head_mut();
        let len = len.min(usize::from(head.data_len));
        head.data_len = len as u16;
        head.pkt_len = len as u32;
    }

    /// Removes up to `count` bytes of the first buffer at the front.
    #[inline]
    pub fn pull(&mut self, count: usize) {
        let head = self.head_mut();
        let count = count.min(usize::from(head.data_len));
        head.data_off += count as u16;
        head.data_len -= count as u16;
        head.pkt_len -= count as u32;
    }

    /// Puts `count` zero bytes in front. False, and nothing done, when there is no room.
    #[inline]
    pub fn push(&mut self, count: usize) -> bool {
        let head = self.head_mut();
        if count > usize::from(head.data_off) || usize::from(head.data_len) + count > 0xffff {
            return false;
        }
        head.data_off -= count as u16;
        head.data_len += count as u16;
        head.pkt_len += count as u32;
        self.data_mut()[..count].fill(0);
        true
    }

    /// Makes a contiguous packet `len` bytes long, new ones zero. False, and nothing done, when
    /// there is no room.
    pub fn resize(&mut self, len: usize) -> bool {
        let head = self.head_mut();
        let room = usize::from(head.buf_len) - usize::from(head.data_off);
        if head.nb_segs != 1 || len > room {
            return false;
        }
        let old = usize::from(head.data_len);
        if len > old {
            // SAFETY: `data_off + len` lies within the buffer, which we own.
            unsafe {
                head.buf_addr.add(usize::from(head.data_off) + old).write_bytes(0, len - old);
            }
        }
        head.data_len = len as u16;
        head.pkt_len = len as u32;
        true
    }

    /// Puts `bytes` in place of the data of a contiguous packet. False, and nothing done, when
    /// they do not fit.
    #[inline]
    pub fn fill(&mut self, bytes: &[u8]) -> bool {
        let head = self.head_mut();
        let room = usize::from(head.buf_len) - usize::from(head.data_off);
        if head.nb_segs != 1 || bytes.len() > room {
            return false;
        }
        // SAFETY: the bytes fit behind `data_off`, and the buffer is ours, so they do not overlap.
        unsafe {
            let data = head.buf_addr.add(usize::from(head.data_off));
            data.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
        head.data_len = bytes.len() as u16;
        head.pkt_len = bytes.len() as u32;
        true
    }

    /// Adds `bytes` behind the data of a contiguous packet. False, and nothing done, when they do not
    /// fit.
    pub fn append(&mut self, bytes: &[u8]) -> bool {
        let head = self.head_mut();
        let room = usize::from(head.buf_len) - usize::from(head.data_off);
        let old = usize::from(head.data_len);
        if head.nb_segs != 1 || bytes.len() > room - old {
            return false;
        }
        // SAFETY: the bytes fit behind the data, and the buffer is ours, so they do not overlap.
        unsafe {
            let end = head.buf_addr.add(usize::from(head.data_off) + old);
            end.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
        head.data_len = (old + bytes.len()) as u16;
        head.pkt_len = u32::from(head.data_len);
        true
    }

    /// Moves the start of an empty packet to the very start of its buffer, where the most fits.
    pub fn use_headroom(&mut self) {
        let head = self.head_mut();
        if head.nb_segs == 1 && head.data_len == 0 {
            head.data_off = 0;
        }
    }

    /// Copies all bytes of the packet, whatever its segments, to the end of `into`.
    pub fn copy_to(&self, into: &mut Vec<u8>) {
        let mut next = Some(self.0);
        while let Some(segment) = next {
            // SAFETY: every segment of a packet we own is an initialised mbuf.
            let (head, following) =
                unsafe { (segment.cast::<Head>().as_ref(), segment.as_ref().next) };
            // SAFETY: as in `data`.
            into.extend_from_slice(unsafe {
                slice::from_raw_parts(
                    head.buf_addr.add(usize::from(head.data_off)),
                    usize::from(head.data_len),
                )
            });
            next = NonNull::new(following.cast());
        }
    }

    /// Brings all segments into one buffer. False, and nothing done, when they do not fit.
    pub fn linearize(&mut self, pool: &Pool) -> bool {
        if self.is_contiguous() {
            return true;
        }
        let Some(mut whole) = pool.alloc() else {
            return false;
        };
        if self.len() > whole.room() {
            return false;
        }
        let mut next = Some(self.0);
        while let Some(segment) = next {
            // SAFETY: every segment of a packet we own is an initialised mbuf.
            let (head, following) =
                unsafe { (segment.cast::<Head>().as_ref(), segment.as_ref().next) };
            let at = whole.len();
            whole.resize(at + usize::from(head.data_len));
            // SAFETY: as in `data`.
            whole.data_mut()[at..].copy_from_slice(unsafe {
                slice::from_raw_parts(
                    head.buf_addr.add(usize::from(head.data_off)),
                    usize::from(head.data_len),
                )
            });
            next = NonNull::new(following.cast());
        }
        whole.copy_notes(self);
        *self = whole;
        true
    }

    /// Bytes that fit behind the start of the data.
    pub fn room(&self) -> usize {
        let head = self.head();
        usize::from(head.buf_len) - usize::from(head.data_off)
    }

    /// Takes over port, interface, flags, trace and the rest of the notes of `other`.
    pub fn copy_notes(&mut self, other: &Self) {
        let from = other.head();
        let head = self.head_mut();
        head.port = from.port;
        head.packet_type = from.packet_type;
        head.vlan_tci = from.vlan_tci;
        head.vlan_tci_outer = from.vlan_tci_outer;
        head.hash_lo = from.hash_lo;
        head.hash_hi = from.hash_hi;
        if other.flags().any(Flags::OPTIONS) {
            self.set_options(other.options());
        }
        if other.flags().any(Flags::META) {
            self.set_meta(other.meta());
        }
    }

    /// Clears what the driver left in the offload flags, so that transmit does not act on it.
    #[inline]
    pub fn clear_offloads(&mut self) {
        self.head_mut().ol_flags = 0;
    }

    /// Frees all packets of a burst at once.
    #[inline]
    pub fn free_all(burst: &mut Burst) {
        let count = burst.len();
        let packets = burst.as_mut_ptr().cast::<*mut rte_mbuf>();
        // SAFETY: `Packet` is a transparent pointer to an mbuf that we own; the length is set to
        // zero so that the packets are not dropped again.
        unsafe {
            burst.set_len(0);
            dpdk_sys::rte_pktmbuf_free_bulk(packets, count as u32);
        }
    }
}
