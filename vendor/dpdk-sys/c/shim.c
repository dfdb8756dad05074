#define _GNU_SOURCE
#include "shim.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <sys/types.h>

#include <rte_common.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_log.h>

int dpdk_errno(void)
{
	return rte_errno;
}

void dpdk_set_errno(int value)
{
	rte_errno = value;
}

static dpdk_log_sink log_sink;
static FILE *log_stream;

static ssize_t log_write(void *cookie, const char *text, size_t len)
{
	(void)cookie;
	log_sink((unsigned int)rte_log_cur_msg_loglevel(), text, len);
	return (ssize_t)len;
}

static ssize_t stderr_write(void *cookie, const char *text, size_t len)
{
	(void)cookie;
	log_sink(RTE_LOG_ERR, text, len);
	return (ssize_t)len;
}

static ssize_t drop_write(void *cookie, const char *text, size_t len)
{
	(void)cookie;
	(void)text;
	return (ssize_t)len;
}

int dpdk_log_to(dpdk_log_sink sink)
{
	cookie_io_functions_t io = { .write = log_write };

	log_sink = sink;
	if (log_stream == NULL) {
		log_stream = fopencookie(NULL, "w", io);
		if (log_stream == NULL)
			return -1;
		setvbuf(log_stream, NULL, _IOLBF, 0);
	}
	return rte_openlog_stream(log_stream);
}

/* Same as libbpf_print_fn_t and libxdp_print_fn_t; levels are warning, information, debugging. */
static int xdp_print(int level, const char *format, va_list args)
{
	static const unsigned int levels[] = { RTE_LOG_WARNING, RTE_LOG_INFO, RTE_LOG_DEBUG };
	char text[512];
	int len;

	if (level < 0 || level > 2)
		return 0;
	len = vsnprintf(text, sizeof(text), format, args);
	if (len > 0)
		log_sink(levels[level], text, RTE_MIN((size_t)len, sizeof(text) - 1));
	return len;
}

static void set_print(const char *library, const char *function)
{
	void *handle = dlopen(library, RTLD_NOW | RTLD_NOLOAD);
	void *(*set)(int (*)(int, const char *, va_list));

	if (handle == NULL)
		return;
	*(void **)&set = dlsym(handle, function);
	if (set != NULL)
		set(xdp_print);
	dlclose(handle);
}

void dpdk_xdp_log(void)
{
	set_print("libbpf.so.1", "libbpf_set_print");
	set_print("libxdp.so.1", "libxdp_set_print");
}

int dpdk_eal_init(int argc, char **argv)
{
	cookie_io_functions_t to_sink = { .write = stderr_write };
	cookie_io_functions_t to_nobody = { .write = drop_write };
	FILE *err = stderr, *out = stdout;
	FILE *told = fopencookie(NULL, "w", to_sink);
	FILE *dropped = fopencookie(NULL, "w", to_nobody);
	int ret;

	if (told != NULL)
		stderr = told;
	if (dropped != NULL)
		stdout = dropped;
	ret = rte_eal_init(argc, argv);
	stderr = err;
	stdout = out;
	if (told != NULL)
		fclose(told);
	if (dropped != NULL)
		fclose(dropped);
	return ret;
}

int dpdk_link(uint16_t port, int *up, uint32_t *mbps, int *full_duplex)
{
	struct rte_eth_link link = { 0 };
	int ret = rte_eth_link_get_nowait(port, &link);

	if (ret != 0)
		return ret;
	*up = link.link_status == RTE_ETH_LINK_UP;
	*mbps = link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : link.link_speed;
	*full_duplex = link.link_duplex == RTE_ETH_LINK_FULL_DUPLEX;
	return 0;
}
