/* What the explorations of receiving and sending share: an AF_XDP socket in copy mode, on queue 0 of an interface. */
#include <linux/if_xdp.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define FRAME 2048	/* bytes of memory for each frame */

struct ring {
	uint32_t *head, *tail;	/* of the producer, of the consumer */
	void *slots;
};

struct xdp {
	int fd;
	uint8_t *memory;
	struct ring frames;	/* received, or to be sent */
	struct ring addresses;	/* that the kernel may fill, or is done with */
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static struct ring xdp_ring(int fd, const struct xdp_ring_offset *at, size_t size, off_t which)
{
	uint8_t *memory = mmap(NULL, at->desc + size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, which);

	if (memory == MAP_FAILED)
		die("AF_XDP rings");
	return (struct ring){ (uint32_t *)(memory + at->producer), (uint32_t *)(memory + at->consumer),
			      memory + at->desc };
}

static struct xdp xdp_open(const char *name, bool receives, int count)
{
	size_t size = (size_t)count * FRAME;
	struct xdp x = { .fd = socket(AF_XDP, SOCK_RAW, 0),
			 .memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) };
	struct xdp_umem_reg reg = { .addr = (uintptr_t)x.memory, .len = size, .chunk_size = FRAME };
	struct sockaddr_xdp a = { .sxdp_family = AF_XDP, .sxdp_ifindex = if_nametoindex(name),
				  .sxdp_flags = XDP_COPY };
	struct xdp_mmap_offsets o;
	socklen_t length = sizeof o;

	if (setsockopt(x.fd, SOL_XDP, XDP_UMEM_REG, &reg, sizeof reg) ||
	    setsockopt(x.fd, SOL_XDP, XDP_UMEM_FILL_RING, &count, sizeof count) ||
	    setsockopt(x.fd, SOL_XDP, XDP_UMEM_COMPLETION_RING, &count, sizeof count) ||
	    setsockopt(x.fd, SOL_XDP, receives ? XDP_RX_RING : XDP_TX_RING, &count, sizeof count) ||
	    getsockopt(x.fd, SOL_XDP, XDP_MMAP_OFFSETS, &o, &length))
		die("AF_XDP");
	x.frames = receives ? xdp_ring(x.fd, &o.rx, count * sizeof(struct xdp_desc), XDP_PGOFF_RX_RING)
			    : xdp_ring(x.fd, &o.tx, count * sizeof(struct xdp_desc), XDP_PGOFF_TX_RING);
	x.addresses = receives ? xdp_ring(x.fd, &o.fr, count * sizeof(uint64_t), XDP_UMEM_PGOFF_FILL_RING)
			       : xdp_ring(x.fd, &o.cr, count * sizeof(uint64_t), XDP_UMEM_PGOFF_COMPLETION_RING);
	if (bind(x.fd, (struct sockaddr *)&a, sizeof a))
		die("bind");
	return x;
}
