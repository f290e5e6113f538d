#include "fleet.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MTU 1500
#define REQUEST_SIZE 300
#define WINDOW 10.0			/* packets, at first (RFC 6928) */
#define SECOND INT64_C(1000000000)
#define TIMEOUT_MAX (8 * SECOND)
#define CHUNK 4096

enum entry_kind { SERVE, DEPART, SEND_BEAT, SEND_FLOW, ASK, ACKNOWLEDGED, MISSED, TIMED_OUT, ADMIT };
enum parcel_kind { THE_BEAT, THE_ECHO, THE_FLOW, THE_REQUEST, THE_DATA };

struct parcel {
	struct packet packet;		/* first: the link hands back its address */
	int64_t since_ns;
	uint32_t hub, stream, user, round;
	uint32_t uplink, kind;
};

struct chunk {
	struct chunk *next;
	struct parcel parcels[CHUNK];
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
	struct chunk *chunks;
	struct packet *free;
	uint64_t inside, next_action;
	bool starved;			/* of memory */
};

static double draw(struct fleet *f, uint32_t hub)
{
	uint64_t x = (f->plan->seed * UINT64_C(0x9e3779b97f4a7c15)) ^ ((uint64_t)hub << 40);

	x += ++f->hubs[hub].draws * UINT64_C(0xd1342543de82ef95);
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);	/* SplitMix64's finaliser, as in link.c */
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	x ^= x >> 31;
	return (double)(x >> 11) * 0x1p-53;
}

static int64_t draw_pause(struct fleet *f, uint32_t hub, int64_t mean)
{
	return (int64_t)(-log(1 - draw(f, hub)) * (double)mean) + 1;
}

static void add(struct fleet *f, int64_t t, enum entry_kind kind, uint32_t index, struct entry rest)
{
	rest.t_ns = t;
	rest.kind = kind;
	rest.index = index;
	if (!agenda_add(&f->agenda, rest))
		f->starved = true;
}

#define PLAIN ((struct entry){ 0 })

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

static uint32_t line_of(const struct fleet *f, uint32_t hub, uint32_t uplink, unsigned direction)
{
	return 2 * (hub * f->plan->n_uplinks + uplink) + direction;
}

static struct tally *tally(struct fleet *f, uint32_t stream, uint32_t hub, int64_t t)
{
	uint64_t bin = (uint64_t)((t - f->epoch_ns) / f->plan->bin_ns);

	return &f->tallies[(stream * f->plan->n_bins + bin) * f->plan->n_hubs + hub];
}

static void note_delay(struct fleet *f, const struct parcel *p, int64_t t)
{
	struct tally *y = tally(f, p->stream, p->hub, t);
	int64_t delay = t - p->since_ns;

	y->arrived++;
	y->carried += p->packet.size;
	y->delay_ns += delay;
	y->delay_ns_max = delay > y->delay_ns_max ? delay : y->delay_ns_max;
	f->delays[(p->stream * f->plan->n_hubs + p->hub) * BUCKETS + bucket((uint64_t)delay)]++;
}

/* Sees to it that somebody comes when the line's first packet leaves. */
static void watch_line(struct fleet *f, struct line *l)
{
	struct packet *head = l->link.line.head;

	if (!head || l->wake_ns <= head->depart_ns)
		return;
	l->wake_ns = head->depart_ns;
	add(f, l->wake_ns, DEPART, (uint32_t)(l - f->lines), PLAIN);
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
	add(f, next, SERVE, desk, PLAIN);
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

static enum fate push(struct fleet *f, struct parcel p, unsigned direction, int64_t now)
{
	uint32_t lane = line_of(f, p.hub, p.uplink, direction);
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

static void send_request(struct fleet *f, uint32_t i, int64_t now)
{
	struct user *u = &f->users[i];
	struct parcel p = { .packet.size = REQUEST_SIZE, .hub = u->hub, .stream = u->stream, .user = i,
			    .round = u->round, .uplink = u->uplink, .kind = THE_REQUEST, .since_ns = now };

	push(f, p, 0, now);
	u->alive_ns = now;
	add(f, now + u->timeout_ns, TIMED_OUT, i, (struct entry){ .round = u->round });
}

static void send_data(struct fleet *f, uint32_t i, int64_t now)
{
	struct user *u = &f->users[i];

	while (u->left && u->inflight < u->window) {
		uint32_t size = u->left < MTU ? u->left : MTU;
		struct parcel p = { .packet.size = size, .hub = u->hub, .stream = u->stream, .user = i,
				    .round = u->round, .uplink = u->uplink, .kind = THE_DATA, .since_ns = now };
		enum fate fate = push(f, p, 1, now);
		struct tally *y = tally(f, u->stream, u->hub, now);

		u->left -= size;
		u->outstanding += size;
		u->inflight++;
		y->packets++;
		y->offered += size;
		if (fate == ACCEPTED)
			continue;
		y->lost++;
		if (fate != CUT_OFF)		/* what followed it will tell; behind a cut nothing follows */
			add(f, now + u->rtt_ns, MISSED, i, (struct entry){ .round = u->round, .size = size });
	}
}

static void begin(struct fleet *f, uint32_t i, uint32_t size, int64_t now)
{
	struct user *u = &f->users[i];

	u->busy = true;
	u->left = size;
	u->outstanding = u->inflight = 0;
	u->window = WINDOW;
	u->threshold = 1e9;
	u->begun_ns = now;
	u->timeout_ns = SECOND;
	u->uplink = f->hubs[u->hub].uplink;
	u->round++;
	send_request(f, i, now);
}

static void ask(struct fleet *f, uint32_t i, int64_t now)
{
	struct user *u = &f->users[i];
	const struct hub_plan *h = &f->plan->hubs[u->hub];

	if (f->hubs[u->hub].uplink == NONE)
		add(f, now + SECOND, ASK, i, PLAIN);
	else
		begin(f, i, f->plan->sizes[h->first_size + (uint32_t)(draw(f, u->hub) * h->n_sizes)], now);
}

static void finish(struct fleet *f, uint32_t i, int64_t now)
{
	struct user *u = &f->users[i];
	struct tally *y = tally(f, u->stream, u->hub, now);

	u->busy = false;
	u->round++;
	if (u->refills)
		return;
	y->done++;
	y->done_ns += now - u->begun_ns;
	add(f, now + draw_pause(f, u->hub, f->plan->streams[u->stream].every_ns), ASK, i, PLAIN);
}

static void acknowledged(struct fleet *f, const struct entry *e)
{
	struct user *u = &f->users[e->index];
	int64_t rtt = e->t_ns - e->since_ns;

	if (e->round != u->round)
		return;
	u->rtt_ns += (rtt - u->rtt_ns) / 8;
	u->alive_ns = e->t_ns;
	u->timeout_ns = 2 * u->rtt_ns < SECOND ? SECOND : 2 * u->rtt_ns;
	u->inflight--;
	u->outstanding -= e->size;
	u->window += u->window < u->threshold ? 1 : 1 / u->window;
	if (u->left || u->outstanding)
		send_data(f, e->index, e->t_ns);
	else
		finish(f, e->index, e->t_ns);
}

static void missed(struct fleet *f, const struct entry *e)
{
	struct user *u = &f->users[e->index];

	if (e->round != u->round)
		return;
	u->inflight--;
	u->outstanding -= e->size;
	u->left += e->size;
	u->alive_ns = e->t_ns;
	if (e->t_ns >= u->spared_ns) {		/* one loss of a window's counts */
		u->threshold = u->window / 2 < 2 ? 2 : u->window / 2;
		u->window = u->threshold;
		u->spared_ns = e->t_ns + u->rtt_ns;
	}
	send_data(f, e->index, e->t_ns);
}

/* Nothing was heard for a while: what was on its way counts as lost, and the hub's uplink may be another by now. */
static void timed_out(struct fleet *f, const struct entry *e)
{
	struct user *u = &f->users[e->index];

	if (e->round != u->round || !u->busy)
		return;
	if (e->t_ns < u->alive_ns + u->timeout_ns) {
		add(f, u->alive_ns + u->timeout_ns, TIMED_OUT, e->index, (struct entry){ .round = u->round });
		return;
	}
	u->left += u->outstanding;
	u->outstanding = u->inflight = 0;
	u->threshold = u->window / 2 < 2 ? 2 : u->window / 2;
	u->window = 2;
	u->timeout_ns = 2 * u->timeout_ns < TIMEOUT_MAX ? 2 * u->timeout_ns : TIMEOUT_MAX;
	u->round++;
	if (f->hubs[u->hub].uplink != NONE)
		u->uplink = f->hubs[u->hub].uplink;
	send_request(f, e->index, e->t_ns);
}

static void send_beat(struct fleet *f, uint32_t index, int64_t now)
{
	uint32_t hub = index % f->plan->n_hubs, stream = index / f->plan->n_hubs, uplink = f->hubs[hub].uplink;
	const struct stream *s = &f->plan->streams[stream];
	struct tally *y = tally(f, stream, hub, now);
	struct parcel p = { .packet.size = s->size, .hub = hub, .stream = stream, .uplink = uplink,
			    .kind = s->kind == BEAT ? THE_BEAT : THE_FLOW, .since_ns = now };

	y->packets++;
	y->offered += s->size;
	if (uplink == NONE || push(f, p, s->kind == FLOW, now) != ACCEPTED)
		y->lost++;
	if (s->kind == BEAT)
		add(f, now + s->every_ns, SEND_BEAT, index, PLAIN);
	else
		add(f, now + draw_pause(f, hub, s->every_ns), SEND_FLOW, index, PLAIN);
}

static void arrive(struct fleet *f, const struct parcel *p, int64_t now)
{
	struct line *up = &f->lines[line_of(f, p->hub, p->uplink, 0)];
	struct parcel echo = *p;

	switch ((enum parcel_kind)p->kind) {
	case THE_BEAT:
		echo.kind = THE_ECHO;
		if (push(f, echo, 1, now) != ACCEPTED)
			tally(f, p->stream, p->hub, now)->lost++;
		return;
	case THE_REQUEST:
		if (p->round == f->users[p->user].round)
			send_data(f, p->user, now);
		return;
	case THE_DATA:
		note_delay(f, p, now);
		struct conditions c = conditions_at(&up->link.playback, &up->back, now);

		if (c.state != CUT)
			add(f, now + c.delay_ns, ACKNOWLEDGED, p->user,
			    (struct entry){ .round = p->round, .size = p->packet.size, .since_ns = p->since_ns });
		return;
	case THE_ECHO:
	case THE_FLOW:
		note_delay(f, p, now);
	}
}

static void depart(struct fleet *f, struct line *l, int64_t now)
{
	struct packet *p;

	serve(f, l->desk, now);
	while ((p = link_pop(&l->link, now))) {
		struct parcel parcel = *(struct parcel *)p;

		give_back(f, (struct parcel *)p);
		f->bytes[2 * (uint64_t)(l - f->lines) + 1] += parcel.packet.size;
		arrive(f, &parcel, now);
	}
	watch_line(f, l);
	watch_desk(f, l->desk, now);
}

static struct shared *cell_of(struct fleet *f, uint32_t hub, uint32_t uplink)
{
	uint32_t station = uplink == NONE ? NONE : f->plan->lanes[line_of(f, hub, uplink, 1)].station;

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
			add(f, now + SECOND, ADMIT, hub, PLAIN);
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
	if (a->bytes && h->refiller != NONE && !f->users[h->refiller].busy && h->uplink != NONE)
		begin(f, h->refiller, a->bytes, now);
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
	case SEND_BEAT:
	case SEND_FLOW:
		send_beat(f, e->index, e->t_ns);
		return;
	case ASK:
		ask(f, e->index, e->t_ns);
		return;
	case ACKNOWLEDGED:
		acknowledged(f, e);
		return;
	case MISSED:
		missed(f, e);
		return;
	case TIMED_OUT:
		timed_out(f, e);
		return;
	case ADMIT:
		admit(f, e->index, e->t_ns);
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

/* A stream that fetches has its users in each hub, and one that fills the hub's cache. */
static void open_users(struct fleet *f, uint32_t stream, uint32_t hub)
{
	for (uint32_t k = 0; k <= f->plan->hubs[hub].users; k++) {
		uint32_t i = f->n_users++;
		bool refills = k == f->plan->hubs[hub].users;

		f->users[i] = (struct user){ .hub = hub, .stream = stream, .rtt_ns = SECOND / 5, .refills = refills };
		if (refills)
			f->hubs[hub].refiller = i;
		else
			add(f, f->epoch_ns + (int64_t)(draw(f, hub) * (double)f->plan->streams[stream].every_ns), ASK,
			    i, PLAIN);
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
		for (uint32_t hub = 0; hub < p->n_hubs; hub++) {
			const struct stream *s = &p->streams[stream];

			if (p->hubs[hub].real)
				continue;
			if (s->kind == FETCH)
				open_users(f, stream, hub);
			else
				add(f, epoch_ns + (int64_t)(draw(f, hub) * (double)s->every_ns),
				    s->kind == BEAT ? SEND_BEAT : SEND_FLOW, stream * p->n_hubs + hub, PLAIN);
		}
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
