/* Everything that bindgen reads. The allow-list in build.rs decides what of it reaches Rust. */
#include <stddef.h>
#include <stdint.h>

#include <rte_config.h>

#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_fib.h>
#include <rte_fib6.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_mbuf_pool_ops.h>
#include <rte_mempool.h>
#include <rte_pause.h>
#include <rte_pdump.h>
#include <rte_ring.h>
#include <rte_thash.h>
#include <rte_vect.h>
#include <rte_version.h>

#include "kernel.h"
#include "shim.h"

/*
 * Newer DPDK nests the mbuf's fields in other anonymous structures and unions than older DPDK, and
 * bindgen numbers those. Rust therefore reaches the fields by the offset that this compiler sees.
 */
enum dpdk_mbuf_offset {
	DPDK_MBUF_BUF_ADDR = offsetof(struct rte_mbuf, buf_addr),
	DPDK_MBUF_DATA_OFF = offsetof(struct rte_mbuf, data_off),
	DPDK_MBUF_REFCNT = offsetof(struct rte_mbuf, refcnt),
	DPDK_MBUF_NB_SEGS = offsetof(struct rte_mbuf, nb_segs),
	DPDK_MBUF_PORT = offsetof(struct rte_mbuf, port),
	DPDK_MBUF_OL_FLAGS = offsetof(struct rte_mbuf, ol_flags),
	DPDK_MBUF_PACKET_TYPE = offsetof(struct rte_mbuf, packet_type),
	DPDK_MBUF_PKT_LEN = offsetof(struct rte_mbuf, pkt_len),
	DPDK_MBUF_DATA_LEN = offsetof(struct rte_mbuf, data_len),
	DPDK_MBUF_VLAN_TCI = offsetof(struct rte_mbuf, vlan_tci),
	DPDK_MBUF_HASH_RSS = offsetof(struct rte_mbuf, hash.rss),
	DPDK_MBUF_HASH_FDIR_HI = offsetof(struct rte_mbuf, hash.fdir.hi),
	DPDK_MBUF_VLAN_TCI_OUTER = offsetof(struct rte_mbuf, vlan_tci_outer),
	DPDK_MBUF_BUF_LEN = offsetof(struct rte_mbuf, buf_len),
	DPDK_MBUF_POOL = offsetof(struct rte_mbuf, pool),
	DPDK_MBUF_NEXT = offsetof(struct rte_mbuf, next),
	DPDK_MBUF_TX_OFFLOAD = offsetof(struct rte_mbuf, tx_offload),
	DPDK_MBUF_PRIV_SIZE = offsetof(struct rte_mbuf, priv_size),
	DPDK_MBUF_DYNFIELD1 = offsetof(struct rte_mbuf, dynfield1),
	DPDK_MBUF_SIZE = sizeof(struct rte_mbuf),
};
