/*
 * Light hubs: the load of many hubs through the links and cells that they share, without a node each; and real
 * links that go through the same cells. Pure but for its memory: it is told how far to run, and makes the same
 * decisions for the same plan and the same packets from outside, in however many steps it runs.
 */
#ifndef FLEET_H
#define FLEET_H

#include "agenda.h"
#include "plan.h"
#include "record.h"

/* What became of a stream of a hub in one bin of time; [stream][bin][hub]. */
struct tally {
	uint64_t offered, carried;	/* bytes */
	uint64_t packets, arrived, lost;
	int64_t delay_ns, delay_ns_max;	/* the sum, and the longest */
	uint64_t done;			/* objects that were fetched whole ... */
	int64_t done_ns;		/* ... and the sum of the times that it took */
};

/*
 * What a fleet leaves behind, three arrays one after the other: struct tally [stream][bin][hub], uint64_t
 * [lane][2] (bytes into it, bytes out of it), uint32_t [stream][hub][BUCKETS] (packets by delay).
 */
size_t fleet_evidence_size(const struct fleet_plan *plan);

struct fleet;

/*
 * NULL: there is no memory. The plan and the evidence, memory of that size and zero at first, stay the caller's and
 * must live as long.
 */
struct fleet *fleet_open(const struct fleet_plan *plan, void *evidence);

/*
 * Plays the plan from this instant; until then, and after its bins, its light hubs are silent. Before it stations are
 * as at their beginning.
 */
void fleet_start(struct fleet *f, int64_t epoch_ns);

/* Runs until this instant, included; false: no memory. */
bool fleet_run(struct fleet *f, int64_t until_ns);

/*
 * Sends a real link's packets through a station from now on. Whoever drives the link uses fleet_push() in place of
 * link_push(), and runs the fleet until `now` before anything else that is told `now`.
 */
void fleet_share(struct fleet *f, struct link *real, uint32_t station);
enum fate fleet_push(struct fleet *f, struct link *real, uint32_t station, struct packet *p, int64_t now);

uint64_t fleet_inside(const struct fleet *f);		/* packets of light hubs on their way */
void fleet_close(struct fleet *f);

#endif
