/*
 * How the packet thread gets a processor, and how it waits. With real-time scheduling it sleeps until
 * just before the next departure and spins from there; without, timers are late by milliseconds under
 * load, and it spins as long as packets are inside.
 */
#ifndef WAKING_H
#define WAKING_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define US INT64_C(1000)
#define MS (1000 * US)
#define IDLE (100 * MS)			/* looks at the clock and closes records even when nothing happens */

enum spin { SPIN_AUTO, SPIN_NEVER, SPIN_NEAR, SPIN_ALWAYS };	/* while packets are inside */
enum scheduling { FAIR, FIFO };

struct waking {
	enum spin spin;
	enum scheduling scheduling;
	int64_t margin_ns;		/* how long before a departure to be awake */
	int64_t most_ns;		/* the longest rest */
	int64_t turn_ns, slept_ns;	/* when this turn began, and how much of it was slept */
	bool spent;			/* its share of real time */
};

static inline int64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static inline int64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

/* Takes the best scheduling that this thread is permitted, and the way of waiting that goes with it. */
void waking_choose(struct waking *w);

/*
 * Call it often. Real-time threads that need their processor all the time lose it for 50 ms of each second
 * (RT throttling, kernel.sched_rt_runtime_us). So a thread that did not sleep for nine tenths of a turn is
 * an ordinary one of the least nice value for the rest of it, which the kernel does not throttle.
 */
void waking_turn(struct waking *w, int64_t now);

/*
 * Sleeps until the epoll `watch` has news or `next_ns` (FOREVER: unknown) is near; not at all when
 * that is so soon that it would not pay. Returns when it was to be back: now, but for the host's delay.
 */
int64_t waking_rest(struct waking *w, int watch, int64_t now, int64_t next_ns);

#endif
