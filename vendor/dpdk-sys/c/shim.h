/* What bindgen cannot express: thread-local macros and a stdio stream that ends in a callback. */
#ifndef DPDK_SYS_SHIM_H
#define DPDK_SYS_SHIM_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The calling thread's rte_errno. */
int dpdk_errno(void);
void dpdk_set_errno(int value);

/* Receives each piece of text that DPDK logs, with its RTE_LOG_* level. */
typedef void (*dpdk_log_sink)(unsigned int level, const char *text, size_t len);

/* Sends all of DPDK's log to `sink` instead of stderr and syslog. 0, or -1 with errno set. */
int dpdk_log_to(dpdk_log_sink sink);

/*
 * Sends what libbpf and libxdp print, which the af_xdp driver brings into the process, to the sink
 * too. Does nothing before that driver has been loaded.
 */
void dpdk_xdp_log(void);

/*
 * rte_eal_init(), with what it prints to stderr past its log sent to the sink too, and its usage
 * text on stdout dropped. dpdk_log_to() comes first.
 */
int dpdk_eal_init(int argc, char **argv);

/* Link of a port without waiting: the fields of struct rte_eth_link moved between releases. */
int dpdk_link(uint16_t port, int *up, uint32_t *mbps, int *full_duplex);

#endif
