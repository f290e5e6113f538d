#include "pool.h"

#include <sys/mman.h>

#define LINE 64				/* bytes that a processor fetches at once */

bool pool_init(struct pool *p, unsigned mtu, uint64_t memory, uint64_t *touched)
{
	size_t frame = sizeof(struct frame) + mtu + ETHERNET_MAX;

	p->slot_size = (frame + LINE - 1) / LINE * LINE;
	p->free = memory / p->slot_size;
	p->touched = touched;
	p->fresh = mmap(NULL, p->free * p->slot_size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return p->fresh != MAP_FAILED;
}
