#define _GNU_SOURCE
#include "kernel.h"

#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/ethtool.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>

static int interface_ioctl(const char *name, unsigned long request, struct ifreq *ifr)
{
	int fd, ret;

	if (strlen(name) >= IFNAMSIZ)
		return -ENODEV;
	strcpy(ifr->ifr_name, name);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	ret = ioctl(fd, request, ifr) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

static int ethtool(const char *name, void *command)
{
	struct ifreq ifr = { .ifr_data = command };

	return interface_ioctl(name, SIOCETHTOOL, &ifr);
}

int dpdk_if_index(const char *name)
{
	struct ifreq ifr = { 0 };
	int ret = interface_ioctl(name, SIOCGIFINDEX, &ifr);

	return ret < 0 ? ret : ifr.ifr_ifindex;
}

int dpdk_if_flags(const char *name)
{
	struct ifreq ifr = { 0 };
	int ret = interface_ioctl(name, SIOCGIFFLAGS, &ifr);

	return ret < 0 ? ret : (unsigned short)ifr.ifr_flags;
}

int dpdk_if_change_flags(const char *name, unsigned int set, unsigned int clear)
{
	struct ifreq ifr = { 0 };
	int ret = interface_ioctl(name, SIOCGIFFLAGS, &ifr);

	if (ret < 0)
		return ret;
	ifr.ifr_flags = (short)((ifr.ifr_flags & ~clear) | set);
	return interface_ioctl(name, SIOCSIFFLAGS, &ifr);
}

int dpdk_if_mtu(const char *name)
{
	struct ifreq ifr = { 0 };
	int ret = interface_ioctl(name, SIOCGIFMTU, &ifr);

	return ret < 0 ? ret : ifr.ifr_mtu;
}

int dpdk_if_set_mtu(const char *name, int mtu)
{
	struct ifreq ifr = { .ifr_mtu = mtu };

	return interface_ioctl(name, SIOCSIFMTU, &ifr);
}

int dpdk_if_carrier(const char *name)
{
	struct ethtool_value value = { .cmd = ETHTOOL_GLINK };
	int ret = ethtool(name, &value);

	if (ret == -EOPNOTSUPP) {
		ret = dpdk_if_flags(name);
		return ret < 0 ? ret : (ret & IFF_RUNNING) != 0;
	}
	return ret < 0 ? ret : value.data != 0;
}

int dpdk_if_speed(const char *name, uint32_t *mbps, int *full_duplex)
{
	struct ethtool_cmd settings = { .cmd = ETHTOOL_GSET };
	int ret = ethtool(name, &settings);
	uint32_t speed;

	if (ret < 0)
		return ret;
	speed = ethtool_cmd_speed(&settings);
	*mbps = speed == (uint32_t)SPEED_UNKNOWN ? 0 : speed;
	*full_duplex = settings.duplex == DUPLEX_FULL;
	return 0;
}

int dpdk_if_channels(const char *name)
{
	struct ethtool_channels channels = { .cmd = ETHTOOL_GCHANNELS };
	int ret = ethtool(name, &channels);

	if (ret == -EOPNOTSUPP)
		return 1;
	if (ret < 0)
		return ret;
	return channels.max_combined == 0 ? 1 : (int)channels.combined_count;
}

int dpdk_if_gro(const char *name)
{
	struct ethtool_value value = { .cmd = ETHTOOL_GGRO };
	int ret = ethtool(name, &value);

	return ret < 0 ? ret : value.data != 0;
}

int dpdk_if_set_gro(const char *name, int on)
{
	struct ethtool_value value = { .cmd = ETHTOOL_SGRO, .data = on != 0 };

	return ethtool(name, &value);
}

/* Calls `visit` with each open descriptor of this process until it returns something else than 0. */
static int each_descriptor(int (*visit)(int fd, void *arg), void *arg)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	int ret = 0;

	if (dir == NULL)
		return -errno;
	while (ret == 0 && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(dir))
			ret = visit(atoi(entry->d_name), arg);
	}
	closedir(dir);
	return ret;
}

struct packet_sockets {
	int index;
	int count;
};

static int ignore_outgoing(int fd, void *arg)
{
	/*
	 * The option PACKET_IGNORE_OUTGOING comes too late for a socket in a fanout group, which the
	 * driver's are.
	 */
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, SKF_AD_OFF + SKF_AD_PKTTYPE),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	struct sock_fprog filter = { .len = 4, .filter = code };
	struct packet_sockets *sockets = arg;
	struct sockaddr_ll address = { 0 };
	socklen_t len = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &len) < 0)
		return 0;
	if (address.sll_family != AF_PACKET || address.sll_ifindex != sockets->index)
		return 0;
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) < 0)
		return -errno;
	sockets->count++;
	return 0;
}

int dpdk_packet_sockets_ignore_outgoing(int index)
{
	struct packet_sockets sockets = { .index = index };
	int ret = each_descriptor(ignore_outgoing, &sockets);

	return ret < 0 ? ret : sockets.count;
}

struct xdp_sockets {
	uint64_t *inodes;
	int max;
	int count;
	int closed;
};

/* The inode of an XDP socket, or 0. */
static uint64_t xdp_inode(int fd)
{
	int domain = 0;
	socklen_t len = sizeof(domain);
	struct stat status;

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0 || domain != AF_XDP)
		return 0;
	return fstat(fd, &status) < 0 ? 0 : status.st_ino;
}

static int list_xdp(int fd, void *arg)
{
	struct xdp_sockets *sockets = arg;
	uint64_t inode = xdp_inode(fd);

	if (inode != 0 && sockets->count < sockets->max)
		sockets->inodes[sockets->count++] = inode;
	return 0;
}

int dpdk_xdp_sockets(uint64_t *inodes, int max)
{
	struct xdp_sockets sockets = { .inodes = inodes, .max = max };
	int ret = each_descriptor(list_xdp, &sockets);

	return ret < 0 ? ret : sockets.count;
}

static int close_xdp(int fd, void *arg)
{
	struct xdp_sockets *sockets = arg;
	uint64_t inode = xdp_inode(fd);
	int i;

	for (i = 0; inode != 0 && i < sockets->count; i++) {
		if (sockets->inodes[i] == inode) {
			close(fd);
			sockets->closed++;
			break;
		}
	}
	return 0;
}

int dpdk_xdp_close(const uint64_t *inodes, int count)
{
	struct xdp_sockets sockets = { .inodes = (uint64_t *)inodes, .count = count };

	each_descriptor(close_xdp, &sockets);
	return sockets.closed;
}

/*
 * The af_packet driver has the kernel put fragments together before it hands them over, and has no
 * argument against it; a router passes fragments on as they come. The program exports this, so that
 * the driver finds it before the C library's.
 */
int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	int fanout;

	if (level == SOL_PACKET && name == PACKET_FANOUT && len == sizeof(fanout)) {
		memcpy(&fanout, value, sizeof(fanout));
		fanout &= ~(PACKET_FANOUT_FLAG_DEFRAG << 16);
		value = &fanout;
	}
	return (int)syscall(SYS_setsockopt, fd, level, name, value, len);
}
