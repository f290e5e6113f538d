/* The simulated link's interface to Python (testbed/link/simulated.py loads it with ctypes). */
#ifndef SIM_H
#define SIM_H

#include "fleet.h"

struct sim;

/* NULL: the schedule (of `size` bytes, kept by the caller) is faulty or there is no memory. */
struct sim *sim_open(const struct schedule *schedule, size_t size, uint64_t seed, unsigned link,
		     unsigned direction);
void sim_close(struct sim *s);
void sim_start(struct sim *s, int64_t at_ns, unsigned mark, unsigned new_mark);
void sim_change(struct sim *s, unsigned field, int64_t value, int64_t now, int64_t until_ns);

/* Packets in order of time, each for one of several simulations; `fate` is an answer. */
struct arrivals {
	uint64_t n;
	const uint32_t *sim;
	const int64_t *t_ns;
	const uint32_t *size;
	const uint8_t *dscp;
	uint8_t *fate;
};

/* Room for packets that left, each with its number among its simulation's arrivals since sim_open. */
struct departures {
	uint64_t room;
	uint32_t *sim;
	uint64_t *id;
	int64_t *t_ns;
};

/*
 * Pushes the arrivals and runs the simulations until `until_ns` (FOREVER: until nothing moves). Returns
 * the number of departures, which may belong to earlier calls, or UINT64_MAX when there is no memory.
 * Simulations that share a server run together: what they do to each other depends on the order of time.
 */
uint64_t sim_run(struct sim **sims, uint32_t n_sims, const struct arrivals *in, int64_t until_ns,
		 const struct departures *out);

/*
 * Sends s's packets through the server of another, whose rate, hold and queue limit they share; `of`
 * must live longer.
 */
void sim_share(struct sim *s, struct sim *of);

/* Sends s's packets through a station of a fleet, which must live longer and runs as far as s does. */
void sim_visit(struct sim *s, struct fleet *f, uint32_t station);

/* Serves s by classes (of a copy), and all that share its server. */
void sim_classes(struct sim *s, const struct classes *c);

uint64_t sim_inside(const struct sim *s);
const struct counters *sim_counters(const struct sim *s);

/* The 10 ms records so far, the open one included if `last`; they stay the simulation's. */
const struct bin *sim_bins(struct sim *s, bool last, uint64_t *n);

#endif
