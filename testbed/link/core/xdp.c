#include "xdp.h"

#include <errno.h>
#include <linux/if_xdp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define SLOTS 128			/* frames in memory; twice what is sent at once */
#define COMPLETIONS 4096		/* frames that the far end may still hold */
#define AT_ONCE 32			/* the kernel sends no more in one call */
#define NOWHERE UINT64_MAX		/* an address that the kernel skips */

/* Newer than Debian's headers: include/uapi/linux/if_xdp.h of Linux 6.11 */
#define METADATA_IN_MEMORY (1 << 2)
#define WITH_METADATA (1 << 1)
#define FINISH_CHECKSUM (1 << 1)

struct registration {
	uint64_t address, length;
	uint32_t chunk, headroom, flags, metadata;
};

struct metadata {
	uint64_t flags;
	uint16_t csum_start, csum_offset;
	uint32_t unused;
	uint64_t launch_ns;
};

static bool rings(struct xdp *x)
{
	struct xdp_mmap_offsets at;
	socklen_t size = sizeof at;
	int slots = SLOTS, completions = COMPLETIONS;

	if (setsockopt(x->fd, SOL_XDP, XDP_UMEM_FILL_RING, &slots, sizeof slots) ||
	    setsockopt(x->fd, SOL_XDP, XDP_UMEM_COMPLETION_RING, &completions, sizeof completions) ||
	    setsockopt(x->fd, SOL_XDP, XDP_TX_RING, &slots, sizeof slots) ||
	    getsockopt(x->fd, SOL_XDP, XDP_MMAP_OFFSETS, &at, &size))
		return false;
	uint8_t *out = mmap(NULL, at.tx.desc + SLOTS * sizeof(struct xdp_desc), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_POPULATE, x->fd, XDP_PGOFF_TX_RING);
	uint8_t *back = mmap(NULL, at.cr.desc + COMPLETIONS * sizeof(uint64_t), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_POPULATE, x->fd, XDP_UMEM_PGOFF_COMPLETION_RING);

	if (out == MAP_FAILED || back == MAP_FAILED)
		return false;
	x->produced = (uint32_t *)(out + at.tx.producer);
	x->consumed = (uint32_t *)(out + at.tx.consumer);
	x->ring = (struct xdp_desc *)(out + at.tx.desc);
	x->completed = (uint32_t *)(back + at.cr.producer);
	x->reclaimed = (uint32_t *)(back + at.cr.consumer);
	return true;
}

static bool attach(struct xdp *x, int index)
{
	struct registration memory = {
		.address = (uint64_t)(uintptr_t)x->memory, .length = (uint64_t)SLOTS * x->chunk, .chunk = x->chunk,
		.flags = METADATA_IN_MEMORY, .metadata = sizeof(struct metadata),
	};
	struct sockaddr_xdp address = { .sxdp_family = AF_XDP, .sxdp_ifindex = (uint32_t)index, .sxdp_flags = XDP_COPY };
	int sndbuf = 64 << 20;

	setsockopt(x->fd, SOL_SOCKET, SO_SNDBUFFORCE, &sndbuf, sizeof sndbuf);
	return !setsockopt(x->fd, SOL_XDP, XDP_UMEM_REG, &memory, sizeof memory) && rings(x) &&
	       !bind(x->fd, (struct sockaddr *)&address, sizeof address);
}

bool xdp_open(struct xdp *x, int index, unsigned mtu)
{
	size_t size;

	x->chunk = mtu + ETHERNET_MAX + sizeof(struct metadata) <= 2048 ? 2048 : 4096;
	size = (size_t)SLOTS * x->chunk;
	x->fd = mtu + ETHERNET_MAX + sizeof(struct metadata) <= 4096 ? socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0) : -1;
	x->memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (x->fd >= 0 && x->memory != MAP_FAILED && attach(x, index))
		return true;
	if (x->fd >= 0)
		close(x->fd);
	munmap(x->memory, size);
	x->fd = -1;
	return false;
}

bool xdp_takes(const struct xdp *x, const struct frame *f)
{
	return x->fd >= 0 && f->packet.size + sizeof(struct metadata) <= x->chunk;
}

static void put(struct xdp *x, const struct frame *f)
{
	uint32_t slot = x->head++ % SLOTS;
	uint64_t at = (uint64_t)slot * x->chunk + sizeof(struct metadata);
	bool unfinished = f->vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;

	if (unfinished)
		*(struct metadata *)(x->memory + at - sizeof(struct metadata)) = (struct metadata){
			.flags = FINISH_CHECKSUM, .csum_start = f->vnet.csum_start, .csum_offset = f->vnet.csum_offset };
	memcpy(x->memory + at, f->data, f->packet.size);
	x->ring[slot] = (struct xdp_desc){ at, f->packet.size, unfinished ? WITH_METADATA : 0 };
}

/* Sends up to AT_ONCE frames in one call. */
static unsigned send_some(struct xdp *x, struct frame *const *frames, unsigned n)
{
	uint32_t first = x->head;

	for (unsigned i = 0; i < n; i++)
		put(x, frames[i]);
	__atomic_store_n(x->produced, x->head, __ATOMIC_RELEASE);
	int sent = (int)sendto(x->fd, NULL, 0, MSG_DONTWAIT, NULL, 0), reason = errno;
	int32_t moved = (int32_t)(__atomic_load_n(x->consumed, __ATOMIC_ACQUIRE) - first);
	uint32_t taken = moved > 0 ? (uint32_t)moved : 0;

	/* the copy is made: a slot is free again, whatever becomes of the frame */
	__atomic_store_n(x->reclaimed, __atomic_load_n(x->completed, __ATOMIC_ACQUIRE), __ATOMIC_RELEASE);
	for (uint32_t i = first + taken; i != x->head; i++)
		x->ring[i % SLOTS].addr = NOWHERE;	/* refused: the caller may try again */
	return sent < 0 && reason == EBUSY && taken ? taken - 1 : taken;	/* dropped by the device */
}

unsigned xdp_send(struct xdp *x, struct frame *const *frames, unsigned n)
{
	unsigned done = 0, part, taken;

	do {
		part = n - done < AT_ONCE ? n - done : AT_ONCE;
		taken = send_some(x, frames + done, part);
		done += taken;
	} while (done < n && taken == part);
	return done;
}
