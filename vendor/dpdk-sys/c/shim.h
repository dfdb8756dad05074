/* What bindgen cannot express: thread-local macros and a stdio stream that ends in a callback. */
#ifndef DPDK_SYS_SHIM_H
#define DPDK_SYS_SHIM_H

#include <stddef.h>
#include <stdio.h>

/* The calling thread's rte_errno. */
int dpdk_errno(void);
void dpdk_set_errno(int value);

/* Receives each piece of text that DPDK logs. */
typedef void (*dpdk_log_sink)(const char *text, size_t len);

/* Sends all of DPDK's log to `sink` instead of stderr and syslog. 0, or -1 with errno set. */
int dpdk_log_to(dpdk_log_sink sink);

#endif
