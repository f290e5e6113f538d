/*
 * Which way of sending is cheapest: N frames of SIZE bytes out of a veth, ns of CPU for each.
 *     explore_tx INTERFACE SIZE N sendmmsg|vnet|ring|xdp
 * The frames carry a foreign MAC address, so that the far end drops them at once.
 */
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <string.h>
#include <time.h>

#include "explore.h"

#define BATCH 64
#define SLOTS 2048

static uint8_t frame[FRAME] = { 2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 0x08, 0x00, 0x45 };

static int packet_socket(const char *name, int vnet)
{
	int fd = socket(AF_PACKET, SOCK_RAW, 0), on = 1, version = TPACKET_V2;
	struct sockaddr_ll a = { .sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(name) };

	setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof version);
	setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on);
	if (vnet)
		setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on);
	if (bind(fd, (struct sockaddr *)&a, sizeof a))
		die("bind");
	return fd;
}

static long by_sendmmsg(const char *name, size_t size, long n, int vnet)
{
	static uint8_t data[BATCH][FRAME];
	struct mmsghdr m[BATCH] = { 0 };
	struct iovec v[BATCH];
	int fd = packet_socket(name, vnet);
	long sent = 0;

	for (int i = 0; i < BATCH; i++) {
		size_t head = vnet ? sizeof(struct virtio_net_hdr) : 0;

		memcpy(data[i] + head, frame, size);
		v[i] = (struct iovec){ data[i], size + head };
		m[i].msg_hdr.msg_iov = &v[i];
		m[i].msg_hdr.msg_iovlen = 1;
	}
	while (sent < n) {
		int done = sendmmsg(fd, m, BATCH, 0);

		sent += done > 0 ? done : 0;
	}
	return sent;
}

static long by_ring(const char *name, size_t size, long n)
{
	int fd = packet_socket(name, 0), loss = 1;
	struct tpacket_req r = { .tp_block_size = 1 << 16, .tp_frame_size = FRAME, .tp_block_nr = SLOTS / 32,
				 .tp_frame_nr = SLOTS };
	long sent = 0, next = 0;

	setsockopt(fd, SOL_PACKET, PACKET_LOSS, &loss, sizeof loss);
	if (setsockopt(fd, SOL_PACKET, PACKET_TX_RING, &r, sizeof r))
		die("PACKET_TX_RING");
	uint8_t *ring = mmap(NULL, SLOTS * FRAME, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	while (sent < n) {
		int i;

		for (i = 0; i < BATCH; i++) {
			struct tpacket2_hdr *h = (void *)(ring + next * FRAME);

			if (h->tp_status != TP_STATUS_AVAILABLE)
				break;
			h->tp_len = (uint32_t)size;
			memcpy((uint8_t *)h + TPACKET2_HDRLEN - sizeof(struct sockaddr_ll), frame, size);
			__atomic_store_n(&h->tp_status, TP_STATUS_SEND_REQUEST, __ATOMIC_RELEASE);
			next = (next + 1) % SLOTS;
		}
		send(fd, NULL, 0, MSG_DONTWAIT);
		sent += i;
	}
	return sent;
}

static long by_xdp(const char *name, size_t size, long n)
{
	struct xdp x = xdp_open(name, false, SLOTS);
	struct xdp_desc *desc = x.frames.slots;
	long sent = 0;
	uint32_t head = 0, freed = 0;

	while (sent < n) {
		for (int i = 0; i < BATCH && head - freed < SLOTS; i++, head++, sent++) {
			uint64_t at = head % SLOTS * FRAME;

			memcpy(x.memory + at, frame, size);
			desc[head % SLOTS] = (struct xdp_desc){ at, (uint32_t)size, 0 };
		}
		__atomic_store_n(x.frames.head, head, __ATOMIC_RELEASE);
		sendto(x.fd, NULL, 0, MSG_DONTWAIT, NULL, 0);
		freed = __atomic_load_n(x.addresses.head, __ATOMIC_ACQUIRE);
		__atomic_store_n(x.addresses.tail, freed, __ATOMIC_RELEASE);
	}
	return sent;
}

int main(int argc, char **argv)
{
	struct timespec t;

	if (argc != 5) {
		fprintf(stderr, "usage: explore_tx INTERFACE SIZE N sendmmsg|vnet|ring|xdp\n");
		return 2;
	}
	size_t size = (size_t)atoi(argv[2]);
	long n = atol(argv[3]), sent;

	if (!strcmp(argv[4], "ring"))
		sent = by_ring(argv[1], size, n);
	else if (!strcmp(argv[4], "xdp"))
		sent = by_xdp(argv[1], size, n);
	else
		sent = by_sendmmsg(argv[1], size, n, !strcmp(argv[4], "vnet"));
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	printf("%s %zu bytes: %.0f ns of CPU a frame\n", argv[4], size,
	       ((double)t.tv_sec * 1e9 + (double)t.tv_nsec) / (double)sent);
	return 0;
}
