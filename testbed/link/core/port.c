#include "port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "claim.h"

#define AHEAD 4			/* slots fetched before they are looked at */
#define LARGEST (1 << 20)	/* of a host's frames; Linux makes none above 512 KiB */
#define HEADROOM 160		/* of a ring's slot: its header, an address, the vnet header, Ethernet */

static int option(int fd, int name, int value)
{
	return setsockopt(fd, SOL_PACKET, name, &value, sizeof value);
}

static unsigned slot_size(unsigned mtu)
{
	unsigned size = 2048;

	while (size < mtu + HEADROOM)
		size *= 2;
	return size;
}

static int map_ring(struct port *p)
{
	unsigned block = p->frame_size < 65536 ? 65536 : p->frame_size;
	struct tpacket_req request = {
		.tp_block_size = block,
		.tp_frame_size = p->frame_size,
		.tp_block_nr = p->frames / (block / p->frame_size),
		.tp_frame_nr = p->frames,
	};
	size_t size = (size_t)p->frame_size * p->frames;

	if (setsockopt(p->in, SOL_PACKET, PACKET_RX_RING, &request, sizeof request))
		return -1;
	p->ring = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, p->in, 0);
	return p->ring == MAP_FAILED ? -1 : 0;
}

/* Protocol 0 receives nothing. */
static int attach(int fd, int index, unsigned short protocol)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET, .sll_protocol = htons(protocol), .sll_ifindex = index,
	};

	return bind(fd, (struct sockaddr *)&address, sizeof address);
}

static int configure(struct port *p)
{
	struct packet_mreq promiscuous = { .mr_ifindex = p->index, .mr_type = PACKET_MR_PROMISC };
	int sndbuf = 64 << 20, rcvbuf = (int)(p->frame_size * p->frames);

	setsockopt(p->out, SOL_SOCKET, SO_SNDBUFFORCE, &sndbuf, sizeof sndbuf);
	setsockopt(p->in, SOL_SOCKET, SO_RCVBUFFORCE, &rcvbuf, sizeof rcvbuf);
	if (option(p->out, PACKET_VNET_HDR, 1) || option(p->out, PACKET_QDISC_BYPASS, 1) || attach(p->out, p->index, 0))
		return -1;
	/* frames too large for the ring come through the socket's queue as well */
	if (option(p->in, PACKET_VERSION, TPACKET_V2) || option(p->in, PACKET_VNET_HDR, 1) ||
	    option(p->in, PACKET_IGNORE_OUTGOING, 1) || option(p->in, PACKET_COPY_THRESH, 1) ||
	    setsockopt(p->in, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof promiscuous))
		return -1;
	return map_ring(p) || attach(p->in, p->index, ETH_P_ALL) ? -1 : 0;
}

int port_open(struct port *p, const char *name, unsigned frames, bool xdp)
{
	memset(p, 0, sizeof *p);
	snprintf(p->name, sizeof p->name, "%s", name);
	int index = (int)if_nametoindex(name);

	if (index && !claim(name, index))
		return -1;
	if (!index || device_prepare(name, &p->device)) {
		fprintf(stderr, "interface %s: %s\n", name, strerror(errno));
		return -1;
	}
	p->index = index;
	p->frame_size = slot_size(p->device.mtu);
	p->frames = frames;
	p->in = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	p->out = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (p->in < 0 || p->out < 0 || configure(p)) {
		fprintf(stderr, "packet socket on %s: %s\n", name, strerror(errno));
		return -1;
	}
	p->xdp.fd = -1;
	/* of a card with many queues one socket could overtake the other */
	if (xdp && p->device.veth)
		xdp_open(&p->xdp, p->index, p->device.mtu);
	return 0;
}

void port_close(struct port *p)
{
	if (p->index)
		device_give_back(p->name, &p->device);
}

static uint8_t *slot(const struct port *p, unsigned ahead)
{
	unsigned at = p->next + ahead < p->frames ? p->next + ahead : p->next + ahead - p->frames;

	return p->ring + (size_t)at * p->frame_size;
}

/* Another processor wrote the slots: their beginnings, headers and all, are fetched while others are worked on. */
static void fetch_ahead(const struct port *p)
{
	const uint8_t *next = slot(p, AHEAD);

	__builtin_prefetch(next, 1);
	__builtin_prefetch(next + 64);
	__builtin_prefetch(next + 128);
}

bool port_receive(struct port *p, struct arrival *a)
{
	struct tpacket2_hdr *h = (struct tpacket2_hdr *)slot(p, 0);

	if (p->held) {
		__atomic_store_n(p->held, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
		p->held = NULL;
	}
	if (p->queued)
		recv(p->in, NULL, 0, MSG_DONTWAIT);	/* nobody wanted it */
	p->queued = false;
	uint32_t status = __atomic_load_n(&h->tp_status, __ATOMIC_ACQUIRE);

	if (!(status & TP_STATUS_USER))
		return false;
	a->realtime_ns = h->tp_sec * INT64_C(1000000000) + h->tp_nsec;
	a->data = (uint8_t *)h + h->tp_mac;
	a->size = h->tp_len;
	a->captured = h->tp_snaplen;
	a->vlan = 0;
	if (status & TP_STATUS_VLAN_VALID) {
		uint32_t tpid = status & TP_STATUS_VLAN_TPID_VALID ? h->tp_vlan_tpid : ETH_P_8021Q;

		a->vlan = htonl(tpid << 16 | h->tp_vlan_tci);
	}
	p->queued = status & TP_STATUS_COPY;
	p->held = &h->tp_status;
	p->next = p->next + 1 < p->frames ? p->next + 1 : 0;
	fetch_ahead(p);
	return true;
}

bool port_fetch(struct port *p, const struct arrival *a, const struct iovec *parts, unsigned n)
{
	static uint8_t whole[LARGEST];		/* the packet thread's alone */
	const uint8_t *from = a->data - sizeof(struct virtio_net_hdr);

	if (a->captured < a->size) {
		bool queued = p->queued, few = n <= IOV_MAX;
		ssize_t size = (ssize_t)(sizeof(struct virtio_net_hdr) + a->size);

		p->queued = false;
		if (!queued || (few ? readv(p->in, parts, (int)n) : read(p->in, whole, sizeof whole)) != size)
			return false;
		if (few)
			return true;
		from = whole;
	}
	for (unsigned i = 0; i < n; from += parts[i++].iov_len)
		memcpy(parts[i].iov_base, from, parts[i].iov_len);
	return true;
}

unsigned port_ring_drops(struct port *p)
{
	struct tpacket_stats stats;
	socklen_t size = sizeof stats;

	return getsockopt(p->in, SOL_PACKET, PACKET_STATISTICS, &stats, &size) ? 0 : stats.tp_drops;
}
