#define _GNU_SOURCE
#include "shim.h"

#include <sys/types.h>

#include <rte_errno.h>
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

static ssize_t log_write(void *cookie, const char *text, size_t len)
{
	(void)cookie;
	log_sink(text, len);
	return (ssize_t)len;
}

int dpdk_log_to(dpdk_log_sink sink)
{
	static FILE *stream;
	cookie_io_functions_t io = { .write = log_write };

	log_sink = sink;
	if (stream == NULL) {
		stream = fopencookie(NULL, "w", io);
		if (stream == NULL)
			return -1;
		setvbuf(stream, NULL, _IOLBF, 0);
	}
	return rte_openlog_stream(stream);
}
