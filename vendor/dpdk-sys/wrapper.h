/* Every DPDK header that Wagonway uses. */
#include <rte_version.h>
#include <rte_eal.h>
#include <rte_lcore.h>
#include <rte_launch.h>
#include <rte_errno.h>
#include <rte_dev.h>
#include <rte_bus.h>
#include <rte_log.h>
#include <rte_malloc.h>
#include <rte_mempool.h>
#include <rte_mbuf.h>
#include <rte_ether.h>
#include <rte_ethdev.h>
#include <rte_fib.h>
#include <rte_interrupts.h>

/* Thread-local, hence a function: see shim.c. */
int wagonway_errno(void);
