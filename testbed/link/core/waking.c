#include "waking.h"

#include <linux/sched.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FOREVER INT64_MAX
#define IDLE (100 * MS)			/* looks at the clock and closes records even when nothing happens */
#define WORTHWHILE (10 * US)		/* a shorter sleep costs more than it saves */
#define MARGIN_MIN (60 * US)
#define MARGIN_MAX (500 * US)
#define PRIORITY 20
#define PERIOD MS
#define SHARE 94			/* per cent of a processor: with the fair server's 5 it is admitted ... */
#define SHARE_OF_A_SECOND 80		/* ... and this beside another engine, on two processors */

struct attributes {			/* sched_setattr(2), which the C library does not know yet */
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

static bool granted(struct attributes a)
{
	a.size = sizeof a;
	return !syscall(SYS_sched_setattr, 0, &a, 0);	/* this thread alone */
}

/*
 * A thread that needs its processor all the time loses it for 50 ms of each second under SCHED_FIFO (the
 * kernel's fair server), under SCHED_DEADLINE for a fraction of a millisecond at a time.
 */
static bool ask_for_real_time(void)
{
	struct attributes deadline = { .policy = SCHED_DEADLINE, .runtime = PERIOD * SHARE / 100,
				       .deadline = PERIOD, .period = PERIOD };

	if (granted(deadline))
		return true;
	deadline.runtime = PERIOD * SHARE_OF_A_SECOND / 100;
	return granted(deadline) || granted((struct attributes){ .policy = SCHED_FIFO, .priority = PRIORITY });
}

enum scheduling waking_scheduling(void)
{
	long policy = syscall(SYS_sched_getscheduler, 0);

	return policy == SCHED_DEADLINE ? DEADLINE : policy == SCHED_FIFO ? FIFO : FAIR;
}

void waking_choose(struct waking *w)
{
	bool real_time = ask_for_real_time();

	prctl(PR_SET_TIMERSLACK, 1);
	if (w->spin == SPIN_AUTO && real_time)
		w->spin = SPIN_NEAR;
	else if (w->spin == SPIN_AUTO)
		w->spin = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? SPIN_ALWAYS : SPIN_NEVER;
	w->margin_ns = w->spin == SPIN_NEAR ? MARGIN_MIN : w->spin == SPIN_ALWAYS ? FOREVER / 2 : 0;
}

/* The margin covers what this host's timers have lately been late by, and slowly forgets. */
static void learn(struct waking *w, int64_t late)
{
	if (late > w->margin_ns)
		w->margin_ns = late < MARGIN_MAX ? late : MARGIN_MAX;
	else if (w->margin_ns > MARGIN_MIN)
		w->margin_ns -= w->margin_ns / 256;
}

int64_t waking_rest(struct waking *w, int watch, int64_t now, int64_t next_ns)
{
	struct epoll_event events[4];
	int64_t until = next_ns == FOREVER ? now + IDLE : next_ns - w->margin_ns;
	struct timespec left = { 0, until - now < IDLE ? until - now : IDLE };

	if (until < now + WORTHWHILE || epoll_pwait2(watch, events, 4, &left, NULL) != 0 || next_ns == FOREVER)
		return now_ns();
	int64_t due = now + left.tv_nsec;

	if (w->spin == SPIN_NEAR)
		learn(w, now_ns() - due);
	return due;
}
