#include "device.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static uint32_t ethtool(int fd, struct ifreq *request, uint32_t command, uint32_t value)
{
	struct ethtool_value argument = { .cmd = command, .data = value };

	request->ifr_data = (void *)&argument;
	/* a device without the feature says so: as good as off */
	return ioctl(fd, SIOCETHTOOL, request) ? 0 : argument.data;
}

static void receive_offloads_off(int fd, struct ifreq *request)
{
	uint32_t flags = ethtool(fd, request, ETHTOOL_GFLAGS, 0);

	ethtool(fd, request, ETHTOOL_SGRO, 0);
	if (flags & ETH_FLAG_LRO)
		ethtool(fd, request, ETHTOOL_SFLAGS, flags & ~(uint32_t)ETH_FLAG_LRO);
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	if (!f)
		return;
	fputs(text, f);
	fclose(f);
}

/* A RTM_NEWLINK answer's attribute, or NULL. */
static const void *attribute(const struct nlmsghdr *h, unsigned short type)
{
	int left = (int)IFLA_PAYLOAD(h);

	for (struct rtattr *a = IFLA_RTA(NLMSG_DATA(h)); RTA_OK(a, left); a = RTA_NEXT(a, left))
		if (a->rta_type == type)
			return RTA_DATA(a);
	return NULL;
}

struct request {
	struct nlmsghdr header;
	struct ifinfomsg link;
	char attributes[64];
};

static void add(struct request *r, unsigned short type, uint32_t value)
{
	struct rtattr *a = (struct rtattr *)((char *)r + NLMSG_ALIGN(r->header.nlmsg_len));

	a->rta_type = type;
	a->rta_len = RTA_LENGTH(sizeof value);
	memcpy(RTA_DATA(a), &value, sizeof value);
	r->header.nlmsg_len = NLMSG_ALIGN(r->header.nlmsg_len) + RTA_SPACE(sizeof value);
}

static struct request link_request(unsigned short type, int index)
{
	return (struct request){
		.header = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)), .nlmsg_type = type,
			    .nlmsg_flags = NLM_F_REQUEST | (type == RTM_SETLINK ? NLM_F_ACK : 0) },
		.link = { .ifi_family = AF_UNSPEC, .ifi_index = index },
	};
}

/* Sends a request and returns the answer's header within `answer`, or NULL. */
static const struct nlmsghdr *exchange(const struct request *r, char *answer, size_t size)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	bool done = fd >= 0 && send(fd, r, r->header.nlmsg_len, 0) > 0 && recv(fd, answer, size, 0) > 0;

	if (fd >= 0)
		close(fd);
	return done ? (const struct nlmsghdr *)answer : NULL;
}

/*
 * A veth hands over frames as its peer's stack made them, up to 64 KiB each. The peer is usually in
 * another namespace, whose ethtool cannot be reached from here, but the peer's limit of one segment
 * for each frame can be set through its namespace's id, and makes that stack cut frames to the MTU.
 * Where that is refused, oversized frames are counted as unasked losses.
 */
static void one_segment_peer(int index)
{
	_Alignas(8) char answer[32768];
	struct request get = link_request(RTM_GETLINK, index), set;
	const struct nlmsghdr *h = exchange(&get, answer, sizeof answer);
	const uint32_t *peer, *space;

	if (!h || h->nlmsg_type != RTM_NEWLINK || !(peer = attribute(h, IFLA_LINK)) || !*peer)
		return;
	set = link_request(RTM_SETLINK, (int)*peer);
	if ((space = attribute(h, IFLA_LINK_NETNSID)))
		add(&set, IFLA_TARGET_NETNSID, *space);
	add(&set, IFLA_GSO_MAX_SEGS, 1);
	exchange(&set, answer, sizeof answer);
}

int device_prepare(const char *name, unsigned *mtu)
{
	struct ifreq request = { 0 };
	char path[96];
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), failed;

	if (fd < 0)
		return -1;
	snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%.15s/disable_ipv6", name);
	write_file(path, "1");
	snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
	receive_offloads_off(fd, &request);
	one_segment_peer((int)if_nametoindex(name));
	failed = ioctl(fd, SIOCGIFMTU, &request);
	*mtu = (unsigned)request.ifr_mtu;
	failed |= ioctl(fd, SIOCGIFFLAGS, &request);
	request.ifr_flags |= IFF_UP;
	failed |= ioctl(fd, SIOCSIFFLAGS, &request);
	close(fd);
	return failed ? -1 : 0;
}

uint64_t device_drops(int index)
{
	_Alignas(8) char answer[32768];
	struct request get = link_request(RTM_GETLINK, index);
	const struct nlmsghdr *h = exchange(&get, answer, sizeof answer);
	const struct rtnl_link_stats64 *stats;

	if (!h || h->nlmsg_type != RTM_NEWLINK || !(stats = attribute(h, IFLA_STATS64)))
		return 0;
	return stats->rx_dropped;
}
