/*
 * Facts and settings of a kernel interface that a DPDK port stands on (af_packet, af_xdp). The
 * drivers report the link of such a port as always up, know nothing of GRO and never bring the
 * interface up. Each function returns a negative errno when the kernel refuses.
 */
#ifndef DPDK_SYS_KERNEL_H
#define DPDK_SYS_KERNEL_H

#include <stdint.h>

/* Index of the interface. */
int dpdk_if_index(const char *name);
/* IFF_* flags. */
int dpdk_if_flags(const char *name);
/* Sets and clears IFF_* flags. */
int dpdk_if_change_flags(const char *name, unsigned int set, unsigned int clear);
int dpdk_if_mtu(const char *name);
int dpdk_if_set_mtu(const char *name, int mtu);
/* Whether there is a carrier, at once: IFF_RUNNING follows it up to a second later. */
int dpdk_if_carrier(const char *name);
/* Speed in Mb/s (0 when unknown) and duplex (1 for full). */
int dpdk_if_speed(const char *name, uint32_t *mbps, int *full_duplex);
/* Queues that take the interface's traffic, as the af_xdp driver counts them. */
int dpdk_if_channels(const char *name);
/* Whether received packets are merged into larger ones. */
int dpdk_if_gro(const char *name);
int dpdk_if_set_gro(const char *name, int on);
/*
 * Keeps this process's packet sockets on the interface from seeing what the host itself sends
 * there. Returns the number of such sockets.
 */
int dpdk_packet_sockets_ignore_outgoing(int index);

/*
 * Inodes of the XDP sockets that this process has open; up to `max` of them are written to
 * `inodes`. Returns their number.
 */
int dpdk_xdp_sockets(uint64_t *inodes, int max);
/*
 * Closes those of the sockets that are still open; returns how many were. DPDK 22.11 forgets the first socket of a port
 * when it closes the port, and a forgotten socket keeps its queue.
 */
int dpdk_xdp_close(const uint64_t *inodes, int count);

#endif
