/*
 * How soon a spinning reader sees a frame, by each way of receiving: for SECONDS it reads what
 * `traffic stream` sends to the other end of a veth.
 *     explore_rx INTERFACE SECONDS ring2|ring3|xdp-generic|xdp-native
 * Prints how many it saw, and how long after they were sent; the cost is the sender's, see the CPU of `traffic`.
 */
#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "explore.h"

#define FRAMES 4096
#define BLOCK (1 << 16)
#define BLOCKS 128
#define SENT_AT (14 + 20 + 8 + 8)	/* the sender's time stamp, behind its sequence number */
#define SAMPLES (1 << 22)

static int64_t samples[SAMPLES];
static size_t n;

static int64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void seen(const uint8_t *frame, size_t size)
{
	int64_t sent;

	if (size < SENT_AT + sizeof sent || frame[12] != 8 || frame[23] != 17 || n == SAMPLES)
		return;
	memcpy(&sent, frame + SENT_AT, sizeof sent);
	samples[n++] = clock_ns(CLOCK_REALTIME) - sent;
}

static int packet_ring(const char *name, int version, uint8_t **ring)
{
	int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	struct sockaddr_ll a = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL),
				 .sll_ifindex = (int)if_nametoindex(name) };
	struct tpacket_req3 r = { .tp_block_size = BLOCK, .tp_block_nr = BLOCKS, .tp_frame_size = FRAME,
				  .tp_frame_nr = FRAMES, .tp_retire_blk_tov = 1 };	/* ms: the least there is */
	size_t size = version == TPACKET_V3 ? sizeof r : sizeof(struct tpacket_req);

	if (setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof version) ||
	    setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &r, (socklen_t)size) || bind(fd, (struct sockaddr *)&a, sizeof a))
		die("ring");
	*ring = mmap(NULL, BLOCK * BLOCKS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	return fd;
}

static void ring2(const char *name, int64_t end)
{
	uint8_t *ring;
	unsigned next = 0;

	packet_ring(name, TPACKET_V2, &ring);
	while (clock_ns(CLOCK_MONOTONIC) < end) {
		struct tpacket2_hdr *h = (void *)(ring + (size_t)next * FRAME);

		if (!(__atomic_load_n(&h->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
			continue;
		seen((uint8_t *)h + h->tp_mac, h->tp_snaplen);
		__atomic_store_n(&h->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
		next = (next + 1) % FRAMES;
	}
}

static void ring3(const char *name, int64_t end)
{
	uint8_t *ring;
	unsigned next = 0;

	packet_ring(name, TPACKET_V3, &ring);
	while (clock_ns(CLOCK_MONOTONIC) < end) {
		struct tpacket_block_desc *b = (void *)(ring + (size_t)next * BLOCK);

		if (!(__atomic_load_n(&b->hdr.bh1.block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
			continue;
		uint8_t *at = (uint8_t *)b + b->hdr.bh1.offset_to_first_pkt;

		for (unsigned i = 0; i < b->hdr.bh1.num_pkts; i++) {
			struct tpacket3_hdr *h = (void *)at;

			seen(at + h->tp_mac, h->tp_snaplen);
			at += h->tp_next_offset;
		}
		__atomic_store_n(&b->hdr.bh1.block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
		next = (next + 1) % BLOCKS;
	}
}

static int bpf(int command, union bpf_attr *a)
{
	int result = (int)syscall(SYS_bpf, command, a, sizeof *a);

	if (result < 0)
		die("bpf");
	return result;
}

/* Five instructions: redirect to the socket of the queue that it came by. */
static void redirect(int index, int socket, uint32_t mode)
{
	union bpf_attr map = { .map_type = BPF_MAP_TYPE_XSKMAP, .key_size = 4, .value_size = 4, .max_entries = 64 };
	int map_fd = bpf(BPF_MAP_CREATE, &map);
	struct bpf_insn code[] = {
		{ .code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 2, .src_reg = 1,
		  .off = offsetof(struct xdp_md, rx_queue_index) },
		{ .code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = 1, .src_reg = BPF_PSEUDO_MAP_FD, .imm = map_fd },
		{ 0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_map },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	uint32_t queue = 0;
	union bpf_attr put = { .map_fd = (uint32_t)map_fd, .key = (uintptr_t)&queue, .value = (uintptr_t)&socket };
	union bpf_attr load = { .prog_type = BPF_PROG_TYPE_XDP, .insns = (uintptr_t)code, .license = (uintptr_t)"GPL",
				.insn_cnt = sizeof code / sizeof code[0] };
	union bpf_attr link = { .link_create = { .target_ifindex = (uint32_t)index, .attach_type = BPF_XDP, .flags = mode } };

	bpf(BPF_MAP_UPDATE_ELEM, &put);
	link.link_create.prog_fd = (uint32_t)bpf(BPF_PROG_LOAD, &load);
	bpf(BPF_LINK_CREATE, &link);
}

static void xdp(const char *name, int64_t end, uint32_t mode)
{
	struct xdp x = xdp_open(name, true, FRAMES);
	struct xdp_desc *received = x.frames.slots;
	uint64_t *fill = x.addresses.slots;
	uint32_t read = 0, given = FRAMES;

	redirect((int)if_nametoindex(name), x.fd, mode);
	for (uint64_t i = 0; i < FRAMES; i++)
		fill[i] = i * FRAME;
	__atomic_store_n(x.addresses.head, given, __ATOMIC_RELEASE);
	while (clock_ns(CLOCK_MONOTONIC) < end) {
		for (; read != __atomic_load_n(x.frames.head, __ATOMIC_ACQUIRE); read++, given++) {
			struct xdp_desc *d = &received[read % FRAMES];

			seen(x.memory + d->addr, d->len);
			fill[given % FRAMES] = d->addr - d->addr % FRAME;
		}
		__atomic_store_n(x.frames.tail, read, __ATOMIC_RELEASE);
		__atomic_store_n(x.addresses.head, given, __ATOMIC_RELEASE);
	}
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr, "usage: explore_rx INTERFACE SECONDS ring2|ring3|xdp-generic|xdp-native\n");
		return 2;
	}
	int64_t end = clock_ns(CLOCK_MONOTONIC) + (int64_t)(atof(argv[2]) * 1e9);

	if (!strcmp(argv[3], "ring2"))
		ring2(argv[1], end);
	else if (!strcmp(argv[3], "ring3"))
		ring3(argv[1], end);
	else
		xdp(argv[1], end, strcmp(argv[3], "xdp-native") ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE);
	qsort(samples, n, sizeof samples[0], compare);
	printf("%s: %zu frames", argv[3], n);
	if (n)
		printf(", seen after %.0f us (p50), %.0f us (p99)", (double)samples[n / 2] / 1e3,
		       (double)samples[n * 99 / 100] / 1e3);
	printf("\n");
	return 0;
}
