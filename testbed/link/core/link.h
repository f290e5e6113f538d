/*
 * One direction of a link: loss and outage at its entrance, a queue and a server, a delay line that
 * keeps the order. Pure: it is told the time, owns no memory, and makes the same decisions for the
 * same seed and arrivals on any machine.
 */
#ifndef LINK_H
#define LINK_H

#include "server.h"

enum fate { ACCEPTED, LOST, CUT_OFF, NO_ROOM };

struct link {
	struct playback playback;
	struct cursor entrance, exit;
	struct server own, *server;	/* the server is its own, or one shared with other links */
	struct list line, late;		/* served packets in order of departure; reordered ones */
	int64_t last_depart_ns;
	uint64_t key;			/* of this direction's random numbers */
	uint64_t arrivals;		/* since the start */
	uint64_t loss_asked;		/* sum of the loss probabilities that counted packets met, in 2^-32 */
	uint64_t inside;		/* packets accepted and not yet popped */
};

/* `l` must stay where it is: its server points into it. */
void link_init(struct link *l, const struct schedule *s, uint64_t seed, unsigned direction);

/*
 * From now on the link's packets go through a server shared with others (a satellite's cell): its
 * rate, hold and queue limit replace the link's own. Before anything was pushed.
 */
void link_share(struct link *l, struct server *shared);

/* Plays the schedule, and that of a shared server, from this instant. */
void link_start(struct link *l, int64_t epoch_ns);

/* A packet (size, dscp set) arrives; unless it is accepted the caller keeps it. */
enum fate link_push(struct link *l, struct packet *p, int64_t now);

/* Whether a profile asks for a second copy of the packet just accepted: push it with PACKET_COPY set. */
bool link_duplicates(const struct link *l, const struct packet *p);

/* The next packet whose depart_ns <= now, or NULL. */
struct packet *link_pop(struct link *l, int64_t now);

/* Nothing leaves the link before this; FOREVER: nothing is inside, or it is held without an end. */
int64_t link_next(struct link *l);

/*
 * Serves one packet that a server finishes by `now` and returns its link, or NULL: whoever drives many
 * links of one server learns which of them has something to send, without asking all.
 */
struct link *link_serve(struct server *s, int64_t now);

/* From `now` on `value` replaces the schedule's until `until_ns`; until INT64_MIN: the schedule again. */
void link_change(struct link *l, enum field f, int64_t value, int64_t now, int64_t until_ns);

#endif
