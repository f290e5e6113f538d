/*
 * How the packet thread gets a processor, and how it waits. With real-time scheduling it sleeps until
 * just before the next departure and spins from there; without, timers are late by milliseconds under
 * load, and it spins as long as packets are inside.
 */
#ifndef WAKING_H
#define WAKING_H

#include <stdint.h>
#include <time.h>

#define US INT64_C(1000)
#define MS (1000 * US)

enum spin { SPIN_AUTO, SPIN_NEVER, SPIN_NEAR, SPIN_ALWAYS };	/* while packets are inside */
enum scheduling { FAIR, FIFO, DEADLINE };

struct waking {
	enum spin spin;
	int64_t margin_ns;		/* how long before a departure to be awake */
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

/* What this thread is scheduled by now: others may have moved it to a processor of its own. */
enum scheduling waking_scheduling(void);

/*
 * Sleeps until the epoll `watch` has news or `next_ns` (FOREVER: unknown) is near; not at all when
 * that is so soon that it would not pay. Returns when it was to be back: now, but for the host's delay.
 */
int64_t waking_rest(struct waking *w, int watch, int64_t now, int64_t next_ns);

#endif
