/* The engine's memory: frames of one size, allocated once, touched only as they are needed. */
#ifndef POOL_H
#define POOL_H

#include <stdbool.h>

#include "frame.h"

struct pool {
	struct packet *used;		/* frames that were used before */
	uint8_t *fresh;			/* and those that never were */
	size_t slot_size;		/* bytes of a struct frame with its data */
	uint64_t free;			/* frames */
	uint64_t *touched;		/* counts the frames that were ever used */
};

/* Allocates frames for this MTU in `memory` bytes; false: no memory. */
bool pool_init(struct pool *p, unsigned mtu, uint64_t memory, uint64_t *touched);

/* NULL: none is free. */
static inline struct frame *pool_take(struct pool *p)
{
	struct packet *taken = p->used;

	if (!p->free)
		return NULL;
	if (taken) {
		p->used = taken->next;
	} else {
		taken = (struct packet *)p->fresh;
		p->fresh += p->slot_size;
		++*p->touched;
	}
	p->free--;
	return (struct frame *)taken;
}

static inline void pool_give_back(struct pool *p, struct frame *f)
{
	f->packet.next = p->used;
	p->used = &f->packet;
	p->free++;
}

#endif
