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

#define OWN_SERVER NONE
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
	int64_t wake_ns;
	uint64_t guests;
};

struct line {
	struct link link;		/* first: a server names it */
	struct server *server;
	int64_t wake_ns, serve_ns;
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
	struct shared *shared;
	struct line *lines;
	struct hub *hubs;
	struct user *users;
	uint32_t n_users;
	struct agenda agenda;
	struct tally *tallies;
	uint32_t *delays;
	uint64_t *bytes;
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
	uint64_t bin = (uint64_t)(t / f->plan->bin_ns);

	bin = bin < f->plan->n_bins ? bin : f->plan->n_bins - 1;
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
static void watch_server(struct fleet *f, struct line *l, int64_t now)
{
	uint32_t i = (uint32_t)(l - f->lines), station = f->plan->lanes[i].station;
	int64_t *wake = station == OWN_SERVER ? &l->serve_ns : &f->shared[station].wake_ns;
	int64_t next = server_next(l->server);

	next = next < now ? now : next;
	if (next == FOREVER || *wake <= next)
		return;
	*wake = next;
	add(f, next, SERVE, i, PLAIN);
}

static void serve(struct fleet *f, struct line *l, int64_t now)
{
	struct link *done;

	while ((done = link_serve(l->server, now)))
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
	serve(f, l, now);
	f->bytes[2 * lane] += p.packet.size;
	enum fate fate = link_push(&l->link, &made->packet, now);

	if (fate != ACCEPTED)
		give_back(f, made);
	watch_line(f, l);
	watch_server(f, l, now);
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

	serve(f, l, now);
	while ((p = link_pop(&l->link, now))) {
		struct parcel parcel = *(struct parcel *)p;

		give_back(f, (struct parcel *)p);
		f->bytes[2 * (uint64_t)(l - f->lines) + 1] += parcel.packet.size;
		arrive(f, &parcel, now);
	}
	watch_line(f, l);
	watch_server(f, l, now);
}

static struct shared *cell_of(struct fleet *f, uint32_t hub, uint32_t uplink)
{
	uint32_t station = uplink == NONE ? NONE : f->plan->lanes[line_of(f, hub, uplink, 1)].station;

	return station == OWN_SERVER ? NULL : &f->shared[station];
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

		if (admits && new->guests >= admits) {
			add(f, now + SECOND, ADMIT, hub, PLAIN);
			return;
		}
		new->guests++;
	}
	if (old)
		old->guests--;
	h->uplink = h->wanted;
}

static void carry_out(struct fleet *f, const struct action *a)
{
	if (a->kind == CUTS) {
		serve(f, &f->lines[a->index], a->t_ns);
		link_change(&f->lines[a->index].link, STATE, CUT, a->t_ns, a->until_ns);
		return;
	}
	struct hub *h = &f->hubs[a->index];

	h->wanted = a->uplink;
	admit(f, a->index, a->t_ns);
	if (a->bytes && h->refiller != NONE && !f->users[h->refiller].busy && h->uplink != NONE)
		begin(f, h->refiller, a->bytes, a->t_ns);
}

static void happen(struct fleet *f, const struct entry *e)
{
	switch ((enum entry_kind)e->kind) {
	case SERVE: {
		struct line *l = &f->lines[e->index];
		uint32_t station = f->plan->lanes[e->index].station;
		int64_t *wake = station == OWN_SERVER ? &l->serve_ns : &f->shared[station].wake_ns;

		if (*wake != e->t_ns)
			return;
		*wake = FOREVER;
		serve(f, l, e->t_ns);
		watch_server(f, l, e->t_ns);
		return;
	}
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

bool fleet_run(struct fleet *f, int64_t until_ns)
{
	const struct fleet_plan *p = f->plan;
	struct entry e;

	while (!f->starved) {
		int64_t next = f->next_action < p->n_actions ? p->actions[f->next_action].t_ns : FOREVER;

		if (next <= until_ns && (!f->agenda.n || next <= f->agenda.entries[0].t_ns))
			carry_out(f, &p->actions[f->next_action++]);
		else if (agenda_take(&f->agenda, until_ns, &e))
			happen(f, &e);
		else
			break;
	}
	return !f->starved;
}

static void open_lines(struct fleet *f)
{
	const struct fleet_plan *p = f->plan;

	for (uint32_t i = 0; i < p->n_stations; i++) {
		struct shared *s = &f->shared[i];

		playback_init(&s->playback, p->stations[i].schedule);
		s->playback.epoch_ns = 0;
		server_init(&s->server, &s->playback, &p->stations[i].schedule->queue);
		s->server.classes = p->stations[i].classes;
		s->wake_ns = FOREVER;
	}
	for (uint32_t i = 0; i < 2 * p->n_hubs * p->n_uplinks; i++) {
		struct line *l = &f->lines[i];

		link_init(&l->link, p->lanes[i].schedule, p->seed + i / 2, i % 2);
		l->link.playback.epoch_ns = -p->lanes[i].phase_ns;
		if (p->lanes[i].station != OWN_SERVER)
			link_share(&l->link, &f->shared[p->lanes[i].station].server);
		l->server = l->link.server;
		l->wake_ns = l->serve_ns = FOREVER;
	}
}

/* Users of every stream that fetches, and for each hub one that fills its cache. */
static void open_users(struct fleet *f)
{
	const struct fleet_plan *p = f->plan;

	for (uint32_t stream = 0; stream < p->n_streams; stream++)
		for (uint32_t hub = 0; hub < p->n_hubs; hub++) {
			const struct stream *s = &p->streams[stream];

			if (s->kind != FETCH) {
				int64_t first = (int64_t)(draw(f, hub) * (double)s->every_ns);

				add(f, first, s->kind == BEAT ? SEND_BEAT : SEND_FLOW, stream * p->n_hubs + hub, PLAIN);
				continue;
			}
			for (uint32_t k = 0; k <= p->hubs[hub].users; k++) {
				uint32_t i = f->n_users++;
				bool refills = k == p->hubs[hub].users;

				f->users[i] = (struct user){ .hub = hub, .stream = stream, .rtt_ns = SECOND / 5,
							     .refills = refills };
				if (refills)
					f->hubs[hub].refiller = i;
				else
					add(f, (int64_t)(draw(f, hub) * (double)s->every_ns), ASK, i, PLAIN);
			}
		}
}

struct fleet *fleet_open(const struct fleet_plan *p)
{
	struct fleet *f = calloc(1, sizeof *f);
	uint64_t n_lanes = 2 * (uint64_t)p->n_hubs * p->n_uplinks, n_users = 0;

	if (!f)
		return NULL;
	for (uint32_t i = 0; i < p->n_hubs; i++)
		n_users += p->hubs[i].users + 1;
	f->plan = p;
	f->shared = calloc(p->n_stations + 1, sizeof *f->shared);
	f->lines = calloc(n_lanes, sizeof *f->lines);
	f->hubs = calloc(p->n_hubs, sizeof *f->hubs);
	f->users = calloc(n_users * p->n_streams, sizeof *f->users);
	f->tallies = calloc(p->n_streams * p->n_bins * p->n_hubs, sizeof *f->tallies);
	f->delays = calloc((uint64_t)p->n_streams * p->n_hubs * BUCKETS, sizeof *f->delays);
	f->bytes = calloc(2 * n_lanes, sizeof *f->bytes);
	if (!f->shared || !f->lines || !f->hubs || !f->users || !f->tallies || !f->delays || !f->bytes) {
		fleet_close(f);
		return NULL;
	}
	for (uint32_t i = 0; i < p->n_hubs; i++)
		f->hubs[i].uplink = f->hubs[i].wanted = f->hubs[i].refiller = NONE;
	open_lines(f);
	open_users(f);
	return f;
}

const struct tally *fleet_tallies(const struct fleet *f)
{
	return f->tallies;
}

const uint32_t *fleet_delays(const struct fleet *f)
{
	return f->delays;
}

const uint64_t *fleet_bytes(const struct fleet *f)
{
	return f->bytes;
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
	free(f->hubs);
	free(f->users);
	free(f->tallies);
	free(f->delays);
	free(f->bytes);
	free(f);
}
