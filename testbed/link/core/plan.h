/*
 * What a fleet plays. A plan is a flat block of memory, the same in a file (linkd maps it) and in a numpy array
 * (testbed/link/light_plan.py makes it): this struct, then its arrays and all schedules. Pointers in it are offsets
 * from its beginning until plan_read() has made pointers of them.
 *
 * Lane (2 * (hub * uplinks + uplink) + direction) is one direction of one uplink of one hub; 0 is up. Its packets
 * go through a station, the server of a cell, or through its own.
 */
#ifndef PLAN_H
#define PLAN_H

#include "server.h"

#define NONE UINT32_MAX
#define PLAN_MAGIC "tbfleet"		/* with its final zero, eight bytes */

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
 * Of FLOW and FETCH there may be less at a time: a packet is left out, a user rests once more.
 */
enum stream_kind { BEAT, FLOW, FETCH };

struct stream {
	uint32_t kind, dscp, size, unused;
	int64_t every_ns;
};

struct hub_plan {
	uint32_t users;
	uint32_t first_size, n_sizes;	/* of the objects that its users ask for */
	uint32_t real;			/* its packets come from outside: none are made */
};

/* MOVE: a hub uses an uplink from now on (NONE: none), and fetches `bytes` for its cache. CUTS: a lane is cut. */
enum action_kind { MOVE, CUTS };

struct action {
	int64_t t_ns, until_ns;
	uint32_t kind, index, uplink, bytes;
};

struct fleet_plan {
	char magic[8];
	uint64_t seed;
	int64_t bin_ns;
	uint32_t n_hubs, n_uplinks, n_stations, n_streams;
	uint64_t n_bins, n_actions, n_sizes;
	const struct station *stations;
	const struct lane_plan *lanes;
	const struct stream *streams;
	const struct hub_plan *hubs;
	const uint32_t *sizes;
	const struct action *actions;	/* in order of time */
	const double *shares;		/* [bin]: how much there is of what is random; NULL: all of it */
};

/* Makes a plan of a block of this many bytes, in place; NULL: `fault` says what is wrong with it. */
const struct fleet_plan *plan_read(void *block, size_t size, const char **fault);

#endif
