/* A packet as the physics sees it, and lists of them. Whoever drives the link owns the memory. */
#ifndef PACKET_H
#define PACKET_H

#include <stddef.h>
#include <stdint.h>

struct link;

struct packet {
	struct packet *next;
	struct link *owner;		/* the direction that it travels */
	int64_t arrival_ns;
	int64_t served_ns;		/* left the server */
	int64_t depart_ns;		/* shall leave the link */
	uint64_t number;		/* of its direction, counted from the start */
	uint32_t size;			/* bytes of the L2 frame, without FCS */
	uint16_t link;			/* the driver's index */
	uint8_t dscp;
	uint8_t flags;
};

enum { PACKET_LATE = 1, PACKET_CORRUPT = 2, PACKET_COPY = 4, PACKET_COUNTED = 8,
       PACKET_RATED = 16 /* served at a finite rate */ };

struct list {
	struct packet *head, *tail;
};

static inline void list_append(struct list *l, struct packet *p)
{
	p->next = NULL;
	if (l->head)
		l->tail->next = p;
	else
		l->head = p;
	l->tail = p;
}

static inline struct packet *list_take(struct list *l)
{
	struct packet *p = l->head;

	if (p)
		l->head = p->next;
	return p;
}

#endif
