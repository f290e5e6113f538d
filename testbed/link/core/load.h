/*
 * What light hubs send, and what they make of what arrives: beats, flows, and users who fetch by a window as TCP's. The
 * way of their packets through links and cells is fleet.c's; this is between the two.
 */
#ifndef LOAD_H
#define LOAD_H

#include "fleet.h"

#define SECOND INT64_C(1000000000)

enum entry_kind { SERVE, DEPART, SEND_BEAT, SEND_FLOW, ASK, ACKNOWLEDGED, MISSED, TIMED_OUT, ADMIT };
enum parcel_kind { THE_BEAT, THE_ECHO, THE_FLOW, THE_REQUEST, THE_DATA };

struct parcel {
	struct packet packet;		/* first: the link hands back its address */
	int64_t since_ns;
	uint32_t hub, stream, user, round;
	uint32_t uplink, kind;
};

struct shared {
	struct playback playback;
	struct server server;
	uint64_t admitted;		/* hubs */
};

/* A server, a station's or a line's own, and when somebody comes to see what it has finished. */
struct desk {
	struct server *server;
	int64_t wake_ns;
};

struct line {
	struct link link;		/* first: a server names it */
	uint32_t desk;
	int64_t wake_ns;
	struct cursor back;		/* reads the delay of acknowledgements */
};

struct user {
	uint32_t hub, stream, uplink, round;
	uint32_t left, outstanding, inflight;	/* bytes, bytes, packets */
	double window, threshold;
	int64_t begun_ns, alive_ns, rtt_ns, timeout_ns, spared_ns;
	bool busy, refills;
};

struct hub {
	uint32_t uplink, wanted;
	uint64_t draws;
	uint32_t refiller;
};

struct fleet {
	const struct fleet_plan *plan;
	int64_t epoch_ns, end_ns;	/* FOREVER: not started */
	struct shared *shared;
	struct line *lines;
	struct desk *desks;		/* of the stations, then of the lines */
	struct hub *hubs;
	struct user *users;
	uint32_t n_lanes, n_users;
	struct agenda agenda;
	struct tally *tallies;		/* the evidence's parts */
	uint64_t *bytes;
	uint32_t *delays;
	struct chunk *chunks;		/* of parcels */
	struct packet *free;
	uint64_t inside, next_action;
	bool starved;			/* of memory */
};

/* The fleet's, for the load. */
void fleet_add(struct fleet *f, int64_t t, enum entry_kind kind, uint32_t index, struct entry rest);
struct tally *fleet_tally(struct fleet *f, uint32_t stream, uint32_t hub, int64_t t);
enum fate fleet_send(struct fleet *f, struct parcel p, unsigned direction, int64_t now);
struct line *fleet_line(struct fleet *f, uint32_t hub, uint32_t uplink, unsigned direction);

/* A stream of a hub begins. */
void load_open(struct fleet *f, uint32_t stream, uint32_t hub);

/* A hub's cache fetches so many bytes, if it does not already. */
void load_refill(struct fleet *f, uint32_t hub, uint32_t bytes, int64_t now);

/* A packet of light hubs leaves its link. */
void load_arrive(struct fleet *f, const struct parcel *p, int64_t now);

/* What is the load's of an agenda: from SEND_BEAT to TIMED_OUT. */
void load_happen(struct fleet *f, const struct entry *e);

#endif
