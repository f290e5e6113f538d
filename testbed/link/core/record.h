/*
 * The evidence of one direction: counters and a histogram of lateness over the whole run, and a
 * record for each 10 ms in which anything happened. Python reads these structs through numpy
 * (testbed/link/records.py has the same layout); traffic from before the start is not in them.
 */
#ifndef RECORD_H
#define RECORD_H

#include "link.h"

#define BIN_NS INT64_C(10000000)
#define BUCKETS 496

struct bin {
	int64_t t_ns;			/* since the start */
	uint16_t link;
	uint8_t direction, unused;
	uint32_t packets_in;
	uint64_t bytes_in, bytes_out;
	uint32_t packets_out;
	uint32_t lost, cut, queue_drops;
	uint32_t marked_out;		/* packets with the first mark ... */
	uint32_t queue_bytes_max;
	int64_t late_ns_max;
	uint32_t marked_new_out;	/* ... and with the second */
	uint32_t unused2;
};

struct counters {
	uint64_t packets_in, bytes_in, packets_out, bytes_out;
	uint64_t lost, cut, queue_drops;	/* asked for */
	uint64_t marked_out, marked_new_out, inside;
	uint64_t duplicated, delayed, corrupted;	/* asked for by a profile */
	uint64_t no_memory, oversize, send_failed;	/* packets lost that nobody asked to lose ... */
	uint64_t ring_drops, device_drops;		/* ... and those lost before or after the engine had them */
	uint64_t reordered;			/* left after a packet that should have followed it */
	uint64_t loss_asked;			/* sum of the loss probabilities met, in 2^-32 */
	int64_t late_ns_max;
	int64_t first_ns, last_ns;		/* departures, since the start; -1 = none */
	double offered_bits;			/* what the schedule's rate could have served while busy */
	int64_t busy_ns;
	uint64_t rated_bytes;			/* what was served at a finite rate */
	uint64_t late[BUCKETS];			/* departures by lateness, see bucket() */
};

/* What packets are counted by: a DSCP, and the length of a frame; NO_DSCP, 0: none. */
#define NO_DSCP 255

struct mark {
	unsigned dscp, length;
};

struct recorder {
	struct counters *counters;
	struct bin bin;
	int64_t epoch_ns;
	void (*emit)(void *to, const struct bin *);
	void *to;
	struct mark marks[2];			/* counted as marked_out, and as marked_new_out */
	int64_t last_depart_ns;
};

void recorder_init(struct recorder *r, struct counters *c, unsigned link, unsigned direction);
void record_arrival(struct recorder *r, const struct link *l, const struct packet *p, enum fate fate,
		    int64_t now);
void record_departure(struct recorder *r, const struct link *l, const struct packet *p, int64_t now);

/* Emits the open bin if it ends by `now`. */
void record_until(struct recorder *r, int64_t now);

/* Eight buckets for each power of two: a bucket is at most 12.5 % wide. */
static inline unsigned bucket(uint64_t ns)
{
	if (ns < 8)
		return (unsigned)ns;
	unsigned top = 63 - (unsigned)__builtin_clzll(ns);

	return (top - 2) * 8 + (unsigned)(ns >> (top - 3) & 7);
}

#endif
