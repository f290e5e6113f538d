#include "port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "device.h"

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

	if (setsockopt(p->fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof request))
		return -1;
	p->ring = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, p->fd, 0);
	return p->ring == MAP_FAILED ? -1 : 0;
}

static int configure(struct port *p)
{
	struct packet_mreq promiscuous = { .mr_ifindex = p->index, .mr_type = PACKET_MR_PROMISC };
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = p->index,
	};
	int sndbuf = 64 << 20;

	if (option(p->fd, PACKET_VERSION, TPACKET_V2) || option(p->fd, PACKET_VNET_HDR, 1) ||
	    option(p->fd, PACKET_QDISC_BYPASS, 1) || option(p->fd, PACKET_IGNORE_OUTGOING, 1))
		return -1;
	setsockopt(p->fd, SOL_SOCKET, SO_SNDBUFFORCE, &sndbuf, sizeof sndbuf);
	if (setsockopt(p->fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof promiscuous))
		return -1;
	if (map_ring(p))
		return -1;
	return bind(p->fd, (struct sockaddr *)&address, sizeof address);
}

int port_open(struct port *p, const char *name, unsigned frames)
{
	memset(p, 0, sizeof *p);
	snprintf(p->name, sizeof p->name, "%s", name);
	p->index = (int)if_nametoindex(name);
	if (!p->index || device_prepare(name, &p->mtu)) {
		fprintf(stderr, "interface %s: %s\n", name, strerror(errno));
		return -1;
	}
	p->frame_size = slot_size(p->mtu);
	p->frames = frames;
	/* protocol 0: nothing is received before bind(), which comes after the ring */
	p->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (p->fd < 0 || configure(p)) {
		fprintf(stderr, "packet socket on %s: %s\n", name, strerror(errno));
		return -1;
	}
	return 0;
}

static struct tpacket2_hdr *slot(struct port *p)
{
	return (struct tpacket2_hdr *)(p->ring + (size_t)p->next * p->frame_size);
}

bool port_receive(struct port *p, struct arrival *a)
{
	struct tpacket2_hdr *h = slot(p);

	if (p->held) {
		__atomic_store_n(p->held, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
		p->held = NULL;
	}
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
	p->held = &h->tp_status;
	p->next = p->next + 1 < p->frames ? p->next + 1 : 0;
	return true;
}

unsigned port_send(struct port *p, struct frame *const *frames, unsigned n)
{
	struct mmsghdr messages[BATCH];
	struct iovec parts[BATCH];

	memset(messages, 0, n * sizeof messages[0]);
	for (unsigned i = 0; i < n; i++) {
		parts[i].iov_base = &frames[i]->vnet;
		parts[i].iov_len = sizeof frames[i]->vnet + frames[i]->packet.size;
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	int sent = sendmmsg(p->fd, messages, n, MSG_DONTWAIT);

	return sent < 0 ? 0 : (unsigned)sent;
}

unsigned port_ring_drops(struct port *p)
{
	struct tpacket_stats stats;
	socklen_t size = sizeof stats;

	return getsockopt(p->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size) ? 0 : stats.tp_drops;
}
