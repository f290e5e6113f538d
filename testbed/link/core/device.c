#include "device.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#define FEATURES_MAX 256
#define DATAGRAMS "tx-udp-segmentation"

static uint32_t ethtool(int fd, struct ifreq *request, uint32_t command, uint32_t value)
{
	struct ethtool_value argument = { .cmd = command, .data = value };

	request->ifr_data = (void *)&argument;
	/* a device without the feature says so: as good as off */
	return ioctl(fd, SIOCETHTOOL, request) ? 0 : argument.data;
}

static void set_receive_offloads(int fd, struct ifreq *request, bool gro, bool lro)
{
	uint32_t flags = ethtool(fd, request, ETHTOOL_GFLAGS, 0), wanted = flags & ~(uint32_t)ETH_FLAG_LRO;

	ethtool(fd, request, ETHTOOL_SGRO, gro);
	if (flags != (wanted |= lro ? ETH_FLAG_LRO : 0))
		ethtool(fd, request, ETHTOOL_SFLAGS, wanted);
}

/* Whether the host talks IPv6 on the interface; returns what was before. */
static bool set_ipv6(const char *name, bool on)
{
	char path[96];

	snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%.15s/disable_ipv6", name);
	FILE *f = fopen(path, "r+");

	if (!f)
		return false;
	bool before = fgetc(f) == '0';

	rewind(f);
	fputc(on ? '0' : '1', f);
	fclose(f);
	return before;
}

static int set_up(int fd, struct ifreq *request, bool up)
{
	if (ioctl(fd, SIOCGIFFLAGS, request))
		return -1;
	if (up)
		request->ifr_flags |= IFF_UP;
	else
		request->ifr_flags &= (short)~IFF_UP;
	return ioctl(fd, SIOCSIFFLAGS, request);
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

/* The id by which our namespace knows the one behind this descriptor, or -1. */
static int32_t namespace_id(int fd)
{
	_Alignas(8) char answer[1024];
	struct request get = { .header = { .nlmsg_len = NLMSG_LENGTH(NLMSG_ALIGN(sizeof(struct rtgenmsg))),
					   .nlmsg_type = RTM_GETNSID, .nlmsg_flags = NLM_F_REQUEST } };

	add(&get, NETNSA_FD, (uint32_t)fd);
	const struct nlmsghdr *h = exchange(&get, answer, sizeof answer);

	if (!h || h->nlmsg_type != RTM_NEWNSID)
		return -1;
	const struct rtattr *id = (const void *)((const char *)NLMSG_DATA(h) + NLMSG_ALIGN(sizeof(struct rtgenmsg)));

	return id->rta_type == NETNSA_NSID ? *(const int32_t *)RTA_DATA(id) : -1;
}

/* Namespaces have no names of their own, but the processes in them can be seen. */
static int find_namespace(int32_t id)
{
	DIR *processes = opendir("/proc");
	const struct dirent *entry;
	int found = -1;

	while (processes && found < 0 && (entry = readdir(processes))) {
		char path[300];

		if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
			continue;
		snprintf(path, sizeof path, "/proc/%s/ns/net", entry->d_name);
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		if (fd >= 0 && namespace_id(fd) == id)
			found = fd;
		else if (fd >= 0)
			close(fd);
	}
	if (processes)
		closedir(processes);
	return found;
}

/* Many links go to few namespaces: those found stay open. */
static int open_namespace(int32_t id)
{
	static struct { int32_t id; int fd; } known[16];
	static unsigned n;

	for (unsigned i = 0; i < n && i < 16; i++)
		if (known[i].id == id)
			return known[i].fd;
	int fd = find_namespace(id);

	if (fd >= 0) {
		if (n >= 16)
			close(known[n % 16].fd);
		known[n++ % 16].id = id;
		known[(n - 1) % 16].fd = fd;
	}
	return fd;
}

/* Left on, frames of a kind that segments.h does not know would be counted as unasked losses. */
static const char *const unknown_kinds[] = {
	"tx-sctp-segmentation", "tx-gre-segmentation", "tx-gre-csum-segmentation", "tx-ipxip4-segmentation",
	"tx-ipxip6-segmentation", "tx-udp_tnl-segmentation", "tx-udp_tnl-csum-segmentation", "tx-gso-list",
	/* of which AF_PACKET does not tell that all segments have one IP identification, or one CWR */
	"tx-tcp-mangleid-segmentation", "tx-tcp-accecn-segmentation",
};

/* Before Linux 6.2, AF_PACKET has no word for a frame of many datagrams: the kernel drops it. */
static bool carries_datagrams(void)
{
	struct utsname host;
	unsigned major, minor;

	return !uname(&host) && sscanf(host.release, "%u.%u", &major, &minor) == 2 &&
	       (major > 6 || (major == 6 && minor >= 2));
}

static bool unknown(const char *kind)
{
	if (!strcmp(kind, DATAGRAMS))
		return !carries_datagrams();
	for (size_t i = 0; i < sizeof unknown_kinds / sizeof unknown_kinds[0]; i++)
		if (!strcmp(kind, unknown_kinds[i]))
			return true;
	return false;
}

/* Features are numbered in the order of their names, which differs from kernel to kernel. */
struct features {
	struct ethtool_gstrings head;
	char names[FEATURES_MAX][ETH_GSTRING_LEN];
};

/* False: the interface does not tell. */
static bool read_features(int fd, struct ifreq *request, struct features *f)
{
	f->head = (struct ethtool_gstrings){ .cmd = ETHTOOL_GSTRINGS, .string_set = ETH_SS_FEATURES };
	request->ifr_data = (void *)f;
	return !ioctl(fd, SIOCETHTOOL, request) && f->head.len <= FEATURES_MAX;
}

static void switch_off_unknown(int fd, struct ifreq *request)
{
	struct features features;
	struct {
		struct ethtool_sfeatures head;
		struct ethtool_set_features_block blocks[FEATURES_MAX / 32];
	} set = { .head = { .cmd = ETHTOOL_SFEATURES } };

	if (!read_features(fd, request, &features))
		return;
	for (unsigned i = 0; i < features.head.len; i++)
		if (unknown(features.names[i]))
			set.blocks[i / 32].valid |= 1u << i % 32;
	set.head.size = (features.head.len + 31) / 32;
	request->ifr_data = (void *)&set;
	ioctl(fd, SIOCETHTOOL, request);	/* what cannot be changed stays */
}

static bool feature_on(int fd, struct ifreq *request, const char *name)
{
	struct features features;
	struct {
		struct ethtool_gfeatures head;
		struct ethtool_get_features_block blocks[FEATURES_MAX / 32];
	} get = { .head = { .cmd = ETHTOOL_GFEATURES, .size = FEATURES_MAX / 32 } };

	if (!read_features(fd, request, &features))
		return false;
	request->ifr_data = (void *)&get;
	if (ioctl(fd, SIOCETHTOOL, request))
		return false;
	for (unsigned i = 0; i < features.head.len; i++)
		if (!strncmp(features.names[i], name, ETH_GSTRING_LEN))
			return get.blocks[i / 32].active >> i % 32 & 1;
	return false;
}

static void unknown_segmentation_off(int index)
{
	struct ifreq request = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && if_indextoname((unsigned)index, request.ifr_name))
		switch_off_unknown(fd, &request);
	if (fd >= 0)
		close(fd);
}

/*
 * A veth hands over frames as its peer's stack made them, up to 64 KiB each; without a segmentation
 * offload that stack cuts them to the MTU first. The peer is usually in another namespace. Where it cannot
 * be reached, frames that cannot be cut are counted as unasked losses.
 */
static void peer_unknown_segmentation_off(int index)
{
	_Alignas(8) char answer[32768];
	struct request get = link_request(RTM_GETLINK, index);
	const struct nlmsghdr *h = exchange(&get, answer, sizeof answer);
	const int32_t *peer, *space;

	if (!h || h->nlmsg_type != RTM_NEWLINK || !(peer = attribute(h, IFLA_LINK)) || !*peer)
		return;
	if (!(space = attribute(h, IFLA_LINK_NETNSID))) {
		unknown_segmentation_off(*peer);
		return;
	}
	int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), there = open_namespace(*space);

	if (home >= 0 && there >= 0 && !setns(there, CLONE_NEWNET)) {
		unknown_segmentation_off(*peer);
		if (setns(home, CLONE_NEWNET))
			abort();		/* in the wrong namespace nothing may go on */
	}
	if (home >= 0)
		close(home);
}

static bool is_veth(int fd, struct ifreq *request)
{
	struct ethtool_drvinfo driver = { .cmd = ETHTOOL_GDRVINFO };

	request->ifr_data = (void *)&driver;
	return !ioctl(fd, SIOCETHTOOL, request) && !strcmp(driver.driver, "veth");
}

int device_prepare(const char *name, struct device *d)
{
	struct ifreq request = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), failed;

	if (fd < 0)
		return -1;
	snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
	failed = ioctl(fd, SIOCGIFFLAGS, &request);
	d->up = request.ifr_flags & IFF_UP;
	failed |= ioctl(fd, SIOCGIFMTU, &request);
	d->mtu = (unsigned)request.ifr_mtu;
	d->gro = ethtool(fd, &request, ETHTOOL_GGRO, 0);
	d->lro = ethtool(fd, &request, ETHTOOL_GFLAGS, 0) & ETH_FLAG_LRO;
	d->veth = is_veth(fd, &request);
	d->segments = ethtool(fd, &request, ETHTOOL_GTSO, 0);
	d->datagrams = carries_datagrams() && feature_on(fd, &request, DATAGRAMS);
	d->ipv6 = set_ipv6(name, false);
	set_receive_offloads(fd, &request, false, false);
	peer_unknown_segmentation_off((int)if_nametoindex(name));
	failed |= set_up(fd, &request, true);
	close(fd);
	return failed ? -1 : 0;
}

void device_give_back(const char *name, const struct device *d)
{
	struct ifreq request = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
	set_receive_offloads(fd, &request, d->gro, d->lro);
	set_ipv6(name, d->ipv6);
	if (!d->up)
		set_up(fd, &request, false);
	close(fd);
}

uint64_t device_drops(int index)
{
	_Alignas(8) char answer[32768];
	struct request get = link_request(RTM_GETLINK, index);
	const struct nlmsghdr *h = exchange(&get, answer, sizeof answer);
	const char *stats;
	uint64_t dropped;

	if (!h || h->nlmsg_type != RTM_NEWLINK || !(stats = attribute(h, IFLA_STATS64)))
		return 0;
	/* attributes are aligned to 4 bytes only */
	memcpy(&dropped, stats + offsetof(struct rtnl_link_stats64, rx_dropped), sizeof dropped);
	return dropped;
}
