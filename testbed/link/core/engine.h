/* The packet thread: real frames through the physics, on time. */
#ifndef ENGINE_H
#define ENGINE_H

#include <pthread.h>

#include "evidence.h"
#include "light.h"
#include "pool.h"
#include "port.h"
#include "waking.h"

struct lane {				/* one direction of a link */
	struct link link;
	struct recorder recorder;
	struct port *in, *out;
	uint32_t station;		/* of the fleet, whose server it shares; NONE: it has its own */
	uint64_t device_drops;		/* of its entrance, before the start */
};

enum order_kind { START, CHANGE, STOP };

struct order {				/* handed from the control thread to the packet thread */
	enum order_kind kind;
	unsigned first, step, end;	/* lanes first, first + step ... < end */
	enum field field;
	int64_t value;
	int64_t duration_ns;		/* 0: the schedule's again, FOREVER: until changed */
	int64_t realtime_ns;		/* of START */
};

struct engine {
	struct lane *lanes;		/* 2 * link + direction (0 up, 1 down) */
	struct port *ports;		/* 2 * link + end (0 the hub's, 1 the net's) */
	unsigned n_lanes;
	struct evidence *evidence;
	struct run_stats *stats;
	struct pool pool;
	struct light light;
	int watch, bell;		/* an epoll of the ports and of the bell, which announces an order */
	_Atomic(struct order *) order;
	struct waking waking;
	bool stopping;
	_Atomic bool starved;		/* of memory for light hubs */
	int64_t offset_ns;		/* CLOCK_REALTIME - CLOCK_MONOTONIC */
	int64_t offset_read_ns;
	int64_t active_ns;		/* when a frame was last received or sent */
	int64_t next_ns;		/* the next departure */
	int64_t records_due_ns;
	int64_t looked_ns, due_ns;	/* the last look at the ports, and when the next one should have been */
};

/* Allocates the frames, decides how often to look; false: no memory. */
bool engine_init(struct engine *e, uint64_t memory);

/* The packet thread's body, until STOP. */
void *engine_run(void *engine);

/* Called from the control thread: hands the order over and waits until it is carried out. */
void engine_order(struct engine *e, struct order *o);

/* Brings the counters that the kernel keeps into the evidence (ring and device drops). */
void engine_count_drops(struct engine *e);

#endif
