/* The simulated link's interface to Python (testbed/link/simulated.py loads it with ctypes). */
#ifndef SIM_H
#define SIM_H

#include "record.h"

struct sim;

/* NULL: the schedule (of `size` bytes, kept by the caller) is faulty or there is no memory. */
struct sim *sim_open(const struct schedule *schedule, size_t size, uint64_t seed, unsigned link,
		     unsigned direction);
void sim_close(struct sim *s);
void sim_start(struct sim *s, int64_t at_ns, unsigned mark);
void sim_change(struct sim *s, unsigned field, int64_t value, int64_t now, int64_t until_ns);

/*
 * Pushes n arrivals in order of time and runs until `until_ns` (FOREVER: until nothing moves).
 * Writes each arrival's fate and up to `room` departures (the arrival's number since sim_open, and
 * its time), which may belong to earlier calls; returns the number of departures, or UINT64_MAX
 * when there is no memory.
 */
uint64_t sim_run(struct sim *s, uint64_t n, const int64_t *t_ns, const uint32_t *size, const uint8_t *dscp,
		 uint8_t *fate, int64_t until_ns, uint64_t room, uint64_t *out_id, int64_t *out_ns);

/*
 * Sends s's packets through the server of another, whose rate, hold and queue limit they share; runs
 * of the two must then alternate in order of time, and `of` must live longer.
 */
void sim_share(struct sim *s, struct sim *of);

/* Serves s by classes (of a copy), and all that share its server. */
void sim_classes(struct sim *s, const struct classes *c);

uint64_t sim_inside(const struct sim *s);
const struct counters *sim_counters(const struct sim *s);

/* The 10 ms records so far, the open one included if `last`; they stay the simulation's. */
const struct bin *sim_bins(struct sim *s, bool last, uint64_t *n);

#endif
