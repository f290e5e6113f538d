/*
 * Light hubs: the load of many hubs through the links and cells that they share, without a node each.
 * Pure but for its memory: it is told how far to run, and makes the same decisions for the same plan.
 * Python lays these structs out in testbed/link/light.py.
 *
 * Lane (2 * (hub * uplinks + uplink) + direction) is one direction of one uplink of one hub; 0 is up. Its packets
 * go through a station, the server of a cell, or through its own.
 */
#ifndef FLEET_H
#define FLEET_H

#include "agenda.h"
#include "record.h"

#define NONE UINT32_MAX

struct station {
	const struct schedule *schedule;
	const struct classes *classes;	/* NULL: in order of arrival */
	uint64_t admits;		/* hubs at once; 0 = all */
};

struct lane_plan {
	const struct schedule *schedule;
	int64_t phase_ns;		/* how far into its schedule it begins */
	uint32_t station;		/* NONE: its own server */
	uint32_t unused;
};

/*
 * BEAT: a packet up every `every_ns`, answered down; its delay is the round trip.
 * FLOW: packets down at random, one in `every_ns` on average; it does not yield.
 * FETCH: each user asks for an object, gets it by a window that grows and yields as TCP's (Reno), rests for
 * `every_ns` on average and asks again.
 */
enum stream_kind { BEAT, FLOW, FETCH };

struct stream {
	uint32_t kind, dscp, size, unused;
	int64_t every_ns;
};

struct hub_plan {
	uint32_t users;
	uint32_t first_size, n_sizes;	/* of the objects that its users ask for */
	uint32_t unused;
};

/* MOVE: a hub uses an uplink from now on (NONE: none), and fetches `bytes` for its cache. CUTS: a lane is cut. */
enum action_kind { MOVE, CUTS };

struct action {
	int64_t t_ns, until_ns;
	uint32_t kind, index, uplink, bytes;
};

struct fleet_plan {
	uint64_t seed;
	int64_t bin_ns;
	uint32_t n_hubs, n_uplinks, n_stations, n_streams;
	uint64_t n_bins, n_actions;
	const struct station *stations;
	const struct lane_plan *lanes;
	const struct stream *streams;
	const struct hub_plan *hubs;
	const uint32_t *sizes;
	const struct action *actions;	/* in order of time */
};

/* What became of a stream of a hub in one bin of time; [stream][bin][hub]. */
struct tally {
	uint64_t offered, carried;	/* bytes */
	uint64_t packets, arrived, lost;
	int64_t delay_ns, delay_ns_max;	/* the sum, and the longest */
	uint64_t done;			/* objects that were fetched whole ... */
	int64_t done_ns;		/* ... and the sum of the times that it took */
};

struct fleet;

/* NULL: a schedule is faulty or there is no memory. The plan stays the caller's and must live as long. */
struct fleet *fleet_open(const struct fleet_plan *plan);

/* Runs until this instant, included; false: no memory. */
bool fleet_run(struct fleet *f, int64_t until_ns);

const struct tally *fleet_tallies(const struct fleet *f);
const uint32_t *fleet_delays(const struct fleet *f);	/* [stream][hub][BUCKETS], packets by delay */
const uint64_t *fleet_bytes(const struct fleet *f);	/* [lane][2]: bytes into it, bytes out of it */
uint64_t fleet_inside(const struct fleet *f);		/* packets on their way */
void fleet_close(struct fleet *f);

#endif
