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
#include "segments.h"

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
	int sndbuf = 64 << 20, rcvbuf = (int)(p->frame_size * p->frames);

	/* frames too large for the ring come through the socket's queue as well */
	if (option(p->fd, PACKET_VERSION, TPACKET_V2) || option(p->fd, PACKET_VNET_HDR, 1) ||
	    option(p->fd, PACKET_QDISC_BYPASS, 1) || option(p->fd, PACKET_IGNORE_OUTGOING, 1) ||
	    option(p->fd, PACKET_COPY_THRESH, 1))
		return -1;
	setsockopt(p->fd, SOL_SOCKET, SO_SNDBUFFORCE, &sndbuf, sizeof sndbuf);
	setsockopt(p->fd, SOL_SOCKET, SO_RCVBUFFORCE, &rcvbuf, sizeof rcvbuf);
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
	if (!p->index || device_prepare(name, &p->mtu, &p->segments)) {
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
	if (p->queued)
		recv(p->fd, NULL, 0, MSG_DONTWAIT);	/* nobody wanted it */
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
	return true;
}

bool port_fetch(struct port *p, const struct arrival *a, const struct iovec *parts, unsigned n)
{
	const uint8_t *from = a->data - sizeof(struct virtio_net_hdr);

	if (a->captured < a->size) {
		bool queued = p->queued;

		p->queued = false;
		return queued && readv(p->fd, parts, (int)n) == (ssize_t)(sizeof(struct virtio_net_hdr) + a->size);
	}
	for (unsigned i = 0; i < n; from += parts[i++].iov_len)
		memcpy(parts[i].iov_base, from, parts[i].iov_len);
	return true;
}

/* What goes to the device as one frame: a frame, or the headers of a train and the payload of each of its frames. */
struct shipment {
	struct train train;
	struct virtio_net_hdr vnet;
	unsigned frames;
};

/* Loads the next frames into `parts`; returns how many parts they take. */
static unsigned load(struct port *p, struct shipment *s, struct frame *const *frames, unsigned n, struct iovec *parts)
{
	const struct segments *g = &s->train.segments;
	struct frame *f = frames[0];

	s->frames = 1;
	if (n > 1 && p->segments && train_begin(&s->train, &f->vnet, f->data, f->packet.size))
		while (s->frames < n && train_couple(&s->train, &frames[s->frames]->vnet, frames[s->frames]->data,
						     frames[s->frames]->packet.size))
			s->frames++;
	if (s->frames == 1) {
		parts[0] = (struct iovec){ &f->vnet, sizeof f->vnet + f->packet.size };
		return 1;
	}
	train_head(&s->train, &s->vnet);
	parts[0] = (struct iovec){ &s->vnet, sizeof s->vnet };
	parts[1] = (struct iovec){ s->train.first, g->headers };
	for (unsigned i = 0; i < s->frames; i++)
		parts[i + 2] = (struct iovec){ frames[i]->data + g->headers, frames[i]->packet.size - g->headers };
	return s->frames + 2;
}

unsigned port_send(struct port *p, struct frame *const *frames, unsigned n)
{
	struct mmsghdr messages[BATCH];
	struct iovec parts[3 * BATCH], *part = parts;
	struct shipment shipments[BATCH];
	unsigned m = 0, done = 0;

	memset(messages, 0, n * sizeof messages[0]);
	for (unsigned at = 0; at < n; at += shipments[m++].frames) {
		unsigned used = load(p, &shipments[m], frames + at, n - at, part);

		messages[m].msg_hdr.msg_iov = part;
		messages[m].msg_hdr.msg_iovlen = used;
		part += used;
	}
	int sent = sendmmsg(p->fd, messages, m, MSG_DONTWAIT);

	for (int i = 0; i < sent; i++)
		done += shipments[i].frames;
	return done;
}

unsigned port_ring_drops(struct port *p)
{
	struct tpacket_stats stats;
	socklen_t size = sizeof stats;

	return getsockopt(p->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size) ? 0 : stats.tp_drops;
}
