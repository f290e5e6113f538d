/*
 * A drop-tail queue and the one server behind it, which works through its head packet bit by bit at
 * the playback's rate. It is served lazily: nothing is decided before it must be, so that a live
 * change acts on all that has not been served yet. Several links may share one server.
 */
#ifndef SERVER_H
#define SERVER_H

#include "packet.h"
#include "schedule.h"

#define CLASSES 4

enum discipline { STRICT, WEIGHTED };

struct classes {
	enum discipline discipline;	/* class 0 first, or by turns */
	uint32_t apart;			/* the queue's limit is each class's own; 0: of all together */
	uint8_t of_dscp[64];
	int64_t quantum[CLASSES];	/* WEIGHTED: bytes per turn; 0 = class not in use */
};

struct server {
	struct playback *playback;
	const struct limit *limit;
	const struct classes *classes;	/* NULL: one class */
	struct cursor cursor;
	struct list waiting[CLASSES];
	struct packet *in_service;
	int64_t clock_ns;		/* served up to here */
	int64_t left;			/* of the packet in service, in bit/s·ns (1 bit = 10^9) */
	int64_t credit;			/* served beyond the last packet's end, within its last ns */
	int64_t bytes, packets;		/* waiting and in service */
	int64_t bytes_of[CLASSES], packets_of[CLASSES];
	double offered_bits;		/* what the rate could serve since the start, while there was work */
	int64_t busy_ns;
	int64_t deficit[CLASSES];
	int turn;
};

void server_init(struct server *s, struct playback *p, const struct limit *l);

/* Queues the packet; false: no room. Everything before `now` has to be served (server_pop). */
bool server_push(struct server *s, struct packet *p, int64_t now);

/* The next packet that has left the server by `now` (its served_ns is set), or NULL. */
struct packet *server_pop(struct server *s, int64_t now);

/* No packet leaves the server before this; ask again then. */
int64_t server_next(struct server *s);

#endif
