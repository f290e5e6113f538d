/*
 * What one direction of a link plays. A schedule is a flat block of memory, the same in a file
 * (linkd maps it) and in a numpy array (the simulation is handed its address): a header, then its
 * segments. All times are nanoseconds; segment times count from the start of the link.
 */
#ifndef SCHEDULE_H
#define SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FOREVER INT64_MAX
#define CERTAIN UINT32_MAX		/* as a probability: always */

enum state { PASS, CUT, HOLD };

struct segment {
	int64_t t_ns;			/* holds from here until the next segment's t_ns */
	int64_t delay_ns;
	int64_t rate_bps;		/* 0 = unlimited */
	uint32_t loss;			/* probability in 2^-32 */
	uint32_t state;
};

struct limit {				/* drop-tail; 0 = no such limit */
	int64_t bytes, packets;
	int64_t time_ns;		/* as bytes: what the rate of the moment serves in this time */
};

struct impairments {			/* what a profile may ask for on top; probabilities in 2^-32 */
	uint32_t reorder, duplicate, corrupt, unused;
	int64_t reorder_ns;		/* how much longer a reordered packet takes */
};

struct schedule {
	char magic[8];
	uint64_t n;
	int64_t end_ns;
	uint32_t repeat, interpolate;
	struct limit queue;
	struct impairments impairments;
	struct segment segments[];
};

#define SCHEDULE_MAGIC "tblink1"	/* with its final zero, eight bytes */

/* A live change: `value` replaces what the schedule says before `until_ns`. */
struct change {
	int64_t value, until_ns;
};

enum field { DELAY, RATE, LOSS, STATE, FIELDS };

/* A schedule being played: segment time 0 is `epoch_ns` (FOREVER until the start is known). */
struct playback {
	const struct schedule *schedule;
	int64_t epoch_ns;
	struct change changes[FIELDS];
};

/* A reader's place in a playback; readers that move forward find their segment at once. */
struct cursor {
	uint64_t i;
	int64_t lap_ns;			/* where the current repetition began */
};

struct conditions {
	int64_t delay_ns, rate_bps;
	uint32_t loss;
	enum state state;
	int64_t until_ns;		/* rate and state stay so until here */
};

/* NULL, or what is wrong with a schedule of this many bytes. */
const char *schedule_fault(const struct schedule *s, size_t size);

void playback_init(struct playback *p, const struct schedule *s);

/* What holds at `now`. Before the start: the first segment's delay and rate, nothing lost. */
struct conditions conditions_at(const struct playback *p, struct cursor *c, int64_t now);

#endif
