/*
 * Where a run's evidence goes: counters in memory that is shared with the reader (and outlives a
 * killed linkd), and 10 ms records in a file, written by the control thread so that the packet
 * thread never waits for a disk.
 */
#ifndef EVIDENCE_H
#define EVIDENCE_H

#include "record.h"

enum sending { BY_PACKET = 1, BY_XDP, BY_BOTH };	/* sockets, of single frames */

struct run_stats {
	char magic[8];
	uint64_t n_lanes;
	int64_t started_ns;		/* CLOCK_REALTIME of the start, 0 = not started */
	int64_t updated_ns;		/* since the start */
	uint64_t spin;			/* enum spin: how it waits while packets are inside */
	uint64_t scheduling;		/* enum scheduling: what the packet thread was permitted */
	uint64_t clock_steps;		/* of CLOCK_REALTIME against CLOCK_MONOTONIC, above 0.2 ms */
	int64_t clock_step_max_ns;
	uint64_t clock_doubts;		/* time stamps that could not be and were replaced */
	uint64_t stalls;		/* times the packet thread came back more than 0.5 ms late */
	int64_t stall_max_ns;
	int64_t needed_ns;		/* time with packets inside ... */
	int64_t away_ns;		/* ... and the sum of the stalls: time not served */
	uint64_t records_lost;		/* 10 ms records lost for want of memory */
	uint64_t memory_frames;
	uint64_t memory_frames_used_max;
	uint64_t sending;		/* enum sending */
	struct counters lanes[];
};

#define STATS_MAGIC "tbstat2"

#define RECORDS (1 << 16)

struct evidence {
	struct run_stats *stats;
	int stats_fd, file;
	struct bin *records;		/* a ring from the packet thread to the control thread */
	_Atomic uint64_t head, tail;
};

/* Shared counters for this many lanes and the file for the records; -1: could not (errno). */
int evidence_open(struct evidence *e, unsigned n_lanes, const char *file);

/* recorder.emit */
void evidence_record(void *evidence, const struct bin *b);

/* Writes what has gathered; the control thread's. */
void evidence_flush(struct evidence *e);

#endif
