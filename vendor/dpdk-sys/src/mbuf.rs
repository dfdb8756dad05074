//! Pointers to the fields of an mbuf, at the offsets of the installed DPDK.
//!
//! The nesting of anonymous structures in `struct rte_mbuf` differs between DPDK releases, and with
//! it the Rust path of a field; these functions do not. Each takes a pointer to an mbuf and returns
//! a pointer into it, and compiles to an addition.

use crate::*;

macro_rules! fields {
    ($($name:ident: $type:ty = $offset:ident, $doc:literal;)*) => {$(
        #[doc = $doc]
        ///
        /// # Safety
        /// `mbuf` points to an mbuf, or to memory of its size.
        #[inline(always)]
        #[must_use]
        pub const unsafe fn $name(mbuf: *mut rte_mbuf) -> *mut $type {
            unsafe { mbuf.byte_add($offset as usize).cast() }
        }
    )*};
}

fields! {
    buf_addr: *mut core::ffi::c_void = DPDK_MBUF_BUF_ADDR, "Start of the segment's buffer, headroom included.";
    data_off: u16 = DPDK_MBUF_DATA_OFF, "Where the data starts in the buffer.";
    refcnt: u16 = DPDK_MBUF_REFCNT, "How many hold this segment; shared between threads when above one.";
    nb_segs: u16 = DPDK_MBUF_NB_SEGS, "Segments in the chain; of the first segment only.";
    port: u16 = DPDK_MBUF_PORT, "The port that received the packet.";
    ol_flags: u64 = DPDK_MBUF_OL_FLAGS, "`RTE_MBUF_F_*`.";
    packet_type: u32 = DPDK_MBUF_PACKET_TYPE, "`RTE_PTYPE_*`.";
    pkt_len: u32 = DPDK_MBUF_PKT_LEN, "Bytes of data in all segments.";
    data_len: u16 = DPDK_MBUF_DATA_LEN, "Bytes of data in this segment.";
    vlan_tci: u16 = DPDK_MBUF_VLAN_TCI, "The stripped or wanted VLAN tag.";
    hash_rss: u32 = DPDK_MBUF_HASH_RSS, "The RSS hash, when `RTE_MBUF_F_RX_RSS_HASH` is set.";
    hash_fdir_hi: u32 = DPDK_MBUF_HASH_FDIR_HI, "The second half of the hash union: free on most ports.";
    vlan_tci_outer: u16 = DPDK_MBUF_VLAN_TCI_OUTER, "The stripped or wanted outer VLAN tag.";
    buf_len: u16 = DPDK_MBUF_BUF_LEN, "Length of the segment's buffer, headroom included.";
    pool: *mut rte_mempool = DPDK_MBUF_POOL, "The pool to return the segment to.";
    next: *mut rte_mbuf = DPDK_MBUF_NEXT, "The next segment, or null.";
    tx_offload: u64 = DPDK_MBUF_TX_OFFLOAD, "Header lengths for transmit offloads: l2_len 7 bits, l3_len 9, l4_len 8, tso_segsz 16.";
    priv_size: u16 = DPDK_MBUF_PRIV_SIZE, "Bytes of application data between the mbuf and its buffer.";
    dynfield1: [u32; 9] = DPDK_MBUF_DYNFIELD1, "Room for dynamic fields.";
}

const _: () = {
    assert!(size_of::<rte_mbuf>() == DPDK_MBUF_SIZE as usize);
    assert!(DPDK_MBUF_SIZE == 128);
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_mbuf_is_two_cache_lines() {
        assert_eq!(size_of::<rte_mbuf>(), 128);
        assert_eq!(align_of::<rte_mbuf>(), 64);
    }

    /// Vector drivers write these places by number, so DPDK cannot move them either.
    #[test]
    fn the_receive_fields_are_where_vector_drivers_write_them() {
        assert_eq!(DPDK_MBUF_BUF_ADDR, 0);
        assert_eq!(DPDK_MBUF_DATA_OFF, 16);
        assert_eq!(DPDK_MBUF_REFCNT, 18);
        assert_eq!(DPDK_MBUF_NB_SEGS, 20);
        assert_eq!(DPDK_MBUF_PORT, 22);
        assert_eq!(DPDK_MBUF_OL_FLAGS, 24);
        assert_eq!(DPDK_MBUF_PACKET_TYPE, 32);
        assert_eq!(DPDK_MBUF_PKT_LEN, 36);
        assert_eq!(DPDK_MBUF_DATA_LEN, 40);
        assert_eq!(DPDK_MBUF_VLAN_TCI, 42);
        assert_eq!(DPDK_MBUF_HASH_RSS, 44);
        assert_eq!(DPDK_MBUF_HASH_FDIR_HI, 48);
        assert_eq!(DPDK_MBUF_VLAN_TCI_OUTER, 52);
        assert_eq!(DPDK_MBUF_BUF_LEN, 54);
        assert_eq!(DPDK_MBUF_POOL, 56);
        assert_eq!(DPDK_MBUF_DYNFIELD1, 92);
    }

    /// The fields that every release keeps at the top level also have a plain Rust path.
    #[test]
    fn rust_and_c_agree_on_where_the_plain_fields_are() {
        assert_eq!(core::mem::offset_of!(rte_mbuf, buf_addr), DPDK_MBUF_BUF_ADDR as usize);
        assert_eq!(core::mem::offset_of!(rte_mbuf, ol_flags), DPDK_MBUF_OL_FLAGS as usize);
        assert_eq!(core::mem::offset_of!(rte_mbuf, dynfield1), DPDK_MBUF_DYNFIELD1 as usize);
    }

    #[test]
    fn a_field_written_by_offset_is_read_by_c() {
        let mut bytes = [0u64; 16];
        let mbuf = bytes.as_mut_ptr().cast::<rte_mbuf>();
        // SAFETY: the array is as large as an mbuf and nothing here needs its alignment of 64, as
        // only pointers to single fields are made.
        unsafe {
            *refcnt(mbuf) = 3;
            *pkt_len(mbuf) = 1500;
            assert_eq!(bytes[2], 3 << 16);
            assert_eq!(bytes[4], 1500 << 32);
        }
    }

    #[test]
    fn offload_flags_are_full_width() {
        assert_eq!(RTE_MBUF_F_RX_RSS_HASH as u64, 1 << 1);
        assert_eq!(RTE_ETH_RX_OFFLOAD_IPV4_CKSUM as u64, 1 << 1);
        assert_eq!(RTE_ETH_TX_OFFLOAD_MULTI_SEGS as u64, 1 << 15);
        assert_eq!(RTE_ETH_RSS_IPV4 as u64, 1 << 2);
    }
}
