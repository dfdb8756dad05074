#define _GNU_SOURCE
#include "kernel.h"

#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
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

int dpdk_packet_sockets_ignore_outgoing(int index)
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
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	int count = 0;

	if (dir == NULL)
		return -errno;
	while ((entry = readdir(dir)) != NULL) {
		struct sockaddr_ll address = { 0 };
		socklen_t len = sizeof(address);
		int fd = atoi(entry->d_name);

		/* Descriptor 0 also stands for the names . and .. here. */
		if (fd == 0 || getsockname(fd, (struct sockaddr *)&address, &len) < 0)
			continue;
		if (address.sll_family != AF_PACKET || address.sll_ifindex != index)
			continue;
		if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) == 0)
			count++;
	}
	closedir(dir);
	return count;
}
