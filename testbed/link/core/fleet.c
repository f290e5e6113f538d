#include "load.h"

#include <stdlib.h>

#define CHUNK 4096

struct chunk {
	struct chunk *next;
	struct parcel parcels[CHUNK];
};

void fleet_add(struct fleet *f, int64_t t, enum entry_kind kind, uint32_t index, struct entry rest)
{
	rest.t_ns = t;
	rest.kind = kind;
	rest.index = index;
	if (!agenda_add(&f->agenda, rest))
		f->starved = true;
}

static struct parcel *take(struct fleet *f)
{
	if (!f->free) {
		struct chunk *chunk = malloc(sizeof *chunk);

		if (!chunk) {
			f->starved = true;
			return NULL;
		}
		chunk->next = f->chunks;
		f->chunks = chunk;
		for (int i = 0; i < CHUNK; i++) {
			chunk->parcels[i].packet.next = f->free;
			f->free = &chunk->parcels[i].packet;
		}
	}
	struct parcel *p = (struct parcel *)f->free;

	f->free = p->packet.next;
	f->inside++;
	return p;
}

static void give_back(struct fleet *f, struct parcel *p)
{
	p->packet.next = f->free;
	f->free = &p->packet;
	f->inside--;
}

static uint32_t lane_of(const struct fleet *f, uint32_t hub, uint32_t uplink, unsigned direction)
{
	return 2 * (hub * f->plan->n_uplinks + uplink) + direction;
}

struct tally *fleet_tally(struct fleet *f, uint32_t stream, uint32_t hub, int64_t t)
{
	uint64_t bin = (uint64_t)((t - f->epoch_ns) / f->plan->bin_ns);

	return &f->tallies[(stream * f->plan->n_bins + bin) * f->plan->n_hubs + hub];
}

struct line *fleet_line(struct fleet *f, uint32_t hub, uint32_t uplink, unsigned direction)
{
	return &f->lines[lane_of(f, hub, uplink, direction)];
}

/* Sees to it that somebody comes when the line's first packet leaves. */
static void watch_line(struct fleet *f, struct line *l)
{
	struct packet *head = l->link.line.head;

	if (!head || l->wake_ns <= head->depart_ns)
		return;
	l->wake_ns = head->depart_ns;
	fleet_add(f, l->wake_ns, DEPART, (uint32_t)(l - f->lines), (struct entry){ 0 });
}

/* And when the server behind it may have finished one; a shared one is watched once for all its lines. */
static void watch_desk(struct fleet *f, uint32_t desk, int64_t now)
{
	struct desk *d = &f->desks[desk];
	int64_t next = server_next(d->server);

	next = next < now ? now : next;
	if (next == FOREVER || d->wake_ns <= next)
		return;
	d->wake_ns = next;
	fleet_add(f, next, SERVE, desk, (struct entry){ 0 });
}

static bool is_light(const struct fleet *f, const struct link *l)
{
	uintptr_t at = (uintptr_t)l, first = (uintptr_t)f->lines;

	return at >= first && at < first + f->n_lanes * sizeof *f->lines;
}

static void serve(struct fleet *f, uint32_t desk, int64_t now)
{
	struct link *done;

	while ((done = link_serve(f->desks[desk].server, now)))
		if (is_light(f, done))		/* a real link is watched by who drives it */
			watch_line(f, (struct line *)done);
}

enum fate fleet_send(struct fleet *f, struct parcel p, unsigned direction, int64_t now)
{
	uint32_t lane = lane_of(f, p.hub, p.uplink, direction);
	struct line *l = &f->lines[lane];
	struct parcel *made = take(f);

	if (!made)
		return NO_ROOM;
	*made = p;
	made->packet.dscp = (uint8_t)f->plan->streams[p.stream].dscp;
	serve(f, l->desk, now);
	f->bytes[2 * lane] += p.packet.size;
	enum fate fate = link_push(&l->link, &made->packet, now);

	if (fate != ACCEPTED)
		give_back(f, made);
	watch_line(f, l);
	watch_desk(f, l->desk, now);
	return fate;
}

static void depart(struct fleet *f, struct line *l, int64_t now)
{
	struct packet *p;

	serve(f, l->desk, now);
	while ((p = link_pop(&l->link, now))) {
		struct parcel parcel = *(struct parcel *)p;

		give_back(f, (struct parcel *)p);
		f->bytes[2 * (uint64_t)(l - f->lines) + 1] += parcel.packet.size;
		load_arrive(f, &parcel, now);
	}
	watch_line(f, l);
	watch_desk(f, l->desk, now);
}

static struct shared *cell_of(struct fleet *f, uint32_t hub, uint32_t uplink)
{
	uint32_t station = uplink == NONE ? NONE : f->plan->lanes[lane_of(f, hub, uplink, 1)].station;

	return station == NONE ? NULL : &f->shared[station];
}

/* Into the cell of the uplink that the hub wants; where it is full the hub stays where it is and asks again. */
static void admit(struct fleet *f, uint32_t hub, int64_t now)
{
	struct hub *h = &f->hubs[hub];
	struct shared *old = cell_of(f, hub, h->uplink), *new = cell_of(f, hub, h->wanted);

	if (h->wanted == h->uplink)
		return;
	if (new) {
		uint64_t admits = f->plan->stations[new - f->shared].admits;

		if (admits && new->admitted >= admits) {
			fleet_add(f, now + SECOND, ADMIT, hub, (struct entry){ 0 });
			return;
		}
		new->admitted++;
	}
	if (old)
		old->admitted--;
	h->uplink = h->wanted;
}

static void carry_out(struct fleet *f, const struct action *a)
{
	int64_t now = f->epoch_ns + a->t_ns;

	if (a->kind == CUTS) {
		struct line *l = &f->lines[a->index];

		serve(f, l->desk, now);
		link_change(&l->link, STATE, CUT, now, f->epoch_ns + a->until_ns);
		return;
	}
	struct hub *h = &f->hubs[a->index];

	h->wanted = a->uplink;
	admit(f, a->index, now);
	if (a->bytes && h->uplink != NONE)
		load_refill(f, a->index, a->bytes, now);
}

static void happen(struct fleet *f, const struct entry *e)
{
	switch ((enum entry_kind)e->kind) {
	case SERVE:
		if (f->desks[e->index].wake_ns != e->t_ns)
			return;
		f->desks[e->index].wake_ns = FOREVER;
		serve(f, e->index, e->t_ns);
		watch_desk(f, e->index, e->t_ns);
		return;
	case DEPART:
		if (f->lines[e->index].wake_ns != e->t_ns)
			return;
		f->lines[e->index].wake_ns = FOREVER;
		depart(f, &f->lines[e->index], e->t_ns);
		return;
	case ADMIT:
		admit(f, e->index, e->t_ns);
		return;
	default:
		load_happen(f, e);
	}
}

/* When the next action is to be carried out; FOREVER: none is left, or the start is not known. */
static int64_t next_action_ns(const struct fleet *f)
{
	if (f->epoch_ns == FOREVER || f->next_action == f->plan->n_actions)
		return FOREVER;
	int64_t next = f->epoch_ns + f->plan->actions[f->next_action].t_ns;

	return next < f->end_ns ? next : FOREVER;
}

bool fleet_run(struct fleet *f, int64_t until_ns)
{
	struct entry e;

	while (!f->starved) {
		int64_t next = next_action_ns(f);

		if (next <= until_ns && (!f->agenda.n || next <= f->agenda.entries[0].t_ns))
			carry_out(f, &f->plan->actions[f->next_action++]);
		else if (!agenda_take(&f->agenda, until_ns, &e))
			break;
		else if (e.t_ns < f->end_ns || e.kind == SERVE)	/* real packets go on */
			happen(f, &e);
	}
	return !f->starved;
}

void fleet_share(struct fleet *f, struct link *real, uint32_t station)
{
	link_share(real, &f->shared[station].server);
}

enum fate fleet_push(struct fleet *f, struct link *real, uint32_t station, struct packet *p, int64_t now)
{
	fleet_run(f, now);
	serve(f, station, now);
	enum fate fate = link_push(real, p, now);

	watch_desk(f, station, now);
	return fate;
}

static void open_lines(struct fleet *f)
{
	const struct fleet_plan *p = f->plan;

	for (uint32_t i = 0; i < p->n_stations; i++) {
		struct shared *s = &f->shared[i];

		playback_init(&s->playback, p->stations[i].schedule);
		server_init(&s->server, &s->playback, &p->stations[i].schedule->queue);
		s->server.classes = p->stations[i].classes;
		f->desks[i] = (struct desk){ &s->server, FOREVER };
	}
	for (uint32_t i = 0; i < f->n_lanes; i++) {
		struct line *l = &f->lines[i];
		bool shares = p->lanes[i].station != NONE;

		link_init(&l->link, p->lanes[i].schedule, p->seed + i / 2, i % 2);
		if (shares)
			link_share(&l->link, &f->shared[p->lanes[i].station].server);
		l->wake_ns = FOREVER;
		l->desk = shares ? p->lanes[i].station : p->n_stations + i;
		f->desks[p->n_stations + i] = (struct desk){ &l->link.own, FOREVER };
	}
}


void fleet_start(struct fleet *f, int64_t epoch_ns)
{
	const struct fleet_plan *p = f->plan;

	f->epoch_ns = epoch_ns;
	f->end_ns = epoch_ns + p->bin_ns * (int64_t)p->n_bins;
	for (uint32_t i = 0; i < p->n_stations; i++)
		f->shared[i].playback.epoch_ns = epoch_ns;
	for (uint32_t i = 0; i < f->n_lanes; i++)
		f->lines[i].link.playback.epoch_ns = epoch_ns - p->lanes[i].phase_ns;
	for (uint32_t stream = 0; stream < p->n_streams; stream++)
		for (uint32_t hub = 0; hub < p->n_hubs; hub++)
			if (!p->hubs[hub].real)
				load_open(f, stream, hub);
}

static uint64_t n_tallies(const struct fleet_plan *p)
{
	return p->n_streams * p->n_bins * p->n_hubs;
}

size_t fleet_evidence_size(const struct fleet_plan *p)
{
	uint64_t n_lanes = 2 * (uint64_t)p->n_hubs * p->n_uplinks;

	return n_tallies(p) * sizeof(struct tally) + 2 * n_lanes * sizeof(uint64_t) +
	       (uint64_t)p->n_streams * p->n_hubs * BUCKETS * sizeof(uint32_t);
}

struct fleet *fleet_open(const struct fleet_plan *p, void *evidence)
{
	struct fleet *f = calloc(1, sizeof *f);
	uint64_t n_users = 0;

	if (!f)
		return NULL;
	for (uint32_t i = 0; i < p->n_hubs; i++)
		n_users += p->hubs[i].users + 1;
	f->plan = p;
	f->epoch_ns = f->end_ns = FOREVER;
	f->n_lanes = 2 * p->n_hubs * p->n_uplinks;
	f->tallies = evidence;
	f->bytes = (uint64_t *)(f->tallies + n_tallies(p));
	f->delays = (uint32_t *)(f->bytes + 2 * (uint64_t)f->n_lanes);
	f->shared = calloc(p->n_stations + 1, sizeof *f->shared);
	f->lines = calloc((uint64_t)f->n_lanes + 1, sizeof *f->lines);
	f->desks = calloc((uint64_t)p->n_stations + f->n_lanes + 1, sizeof *f->desks);
	f->hubs = calloc((uint64_t)p->n_hubs + 1, sizeof *f->hubs);
	f->users = calloc(n_users * p->n_streams + 1, sizeof *f->users);
	if (!f->shared || !f->lines || !f->desks || !f->hubs || !f->users) {
		fleet_close(f);
		return NULL;
	}
	for (uint32_t i = 0; i < p->n_hubs; i++)
		f->hubs[i].uplink = f->hubs[i].wanted = f->hubs[i].refiller = NONE;
	open_lines(f);
	return f;
}

uint64_t fleet_inside(const struct fleet *f)
{
	return f->inside;
}

void fleet_close(struct fleet *f)
{
	for (struct chunk *chunk = f->chunks, *next; chunk; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	agenda_free(&f->agenda);
	free(f->shared);
	free(f->lines);
	free(f->desks);
	free(f->hubs);
	free(f->users);
	free(f);
}

