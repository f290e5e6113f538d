#include "waking.h"

#include <linux/sched.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FOREVER INT64_MAX
#define WORTHWHILE (10 * US)		/* a shorter sleep costs more than it saves */
#define MARGIN_MIN (60 * US)
#define MARGIN_MAX (500 * US)
#define PRIORITY 20
#define NICE (-20)
#define TURN (20 * MS)
#define SHARE (TURN * 9 / 10)		/* of it in real time; the kernel allows all such threads 95 % of a second */

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

static bool be_real_time(void)
{
	return granted((struct attributes){ .policy = SCHED_FIFO, .priority = PRIORITY });
}

static bool be_first_of_all(void)
{
	return granted((struct attributes){ .policy = SCHED_NORMAL, .nice = NICE });
}

void waking_choose(struct waking *w)
{
	/* the nice value stays with the thread while it is a real-time one */
	bool real_time = w->spin != SPIN_NEVER && be_first_of_all() && be_real_time();

	w->scheduling = real_time ? FIFO : FAIR;
	prctl(PR_SET_TIMERSLACK, 1);
	if (w->spin == SPIN_AUTO && real_time)
		w->spin = SPIN_NEAR;
	else if (w->spin == SPIN_AUTO)
		w->spin = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? SPIN_ALWAYS : SPIN_NEVER;
	w->margin_ns = w->spin == SPIN_NEAR ? MARGIN_MIN : w->spin == SPIN_ALWAYS ? FOREVER / 2 : 0;
}

void waking_turn(struct waking *w, int64_t now)
{
	if (w->scheduling == FAIR)
		return;
	if (now - w->turn_ns >= TURN) {
		w->turn_ns = now;
		w->slept_ns = 0;
		if (w->spent)
			w->spent = !be_real_time();
	} else if (!w->spent && now - w->turn_ns - w->slept_ns > SHARE) {
		w->spent = be_first_of_all();
	}
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
	int64_t until = next_ns == FOREVER ? now + w->most_ns : next_ns - w->margin_ns;
	struct timespec left = { 0, until - now < w->most_ns ? until - now : w->most_ns };

	if (until < now + (w->spin == SPIN_NEVER ? 1 : WORTHWHILE))
		return now_ns();
	bool news = epoll_pwait2(watch, events, 4, &left, NULL) != 0;
	int64_t due = now + left.tv_nsec;

	if (w->spin == SPIN_NEVER)
		return news ? now_ns() : due;
	int64_t back = now_ns();

	w->slept_ns += back - now;
	if (news || next_ns == FOREVER)
		return back;
	if (w->spin == SPIN_NEAR)
		learn(w, back - due);
	return due;
}
