#include "load.h"

#include <math.h>

#define MTU 1500
#define REQUEST_SIZE 300
#define WINDOW 10.0			/* packets, at first (RFC 6928) */
#define TIMEOUT_MAX (8 * SECOND)
#define PLAIN ((struct entry){ 0 })

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

/* Whether what a hub would do at random now is done: always, or as often as the plan has it for this bin. */
static bool is_done(struct fleet *f, uint32_t hub, int64_t now)
{
	const double *shares = f->plan->shares;

	return !shares || draw(f, hub) < shares[(now - f->epoch_ns) / f->plan->bin_ns];
}

static void note_delay(struct fleet *f, const struct parcel *p, int64_t t)
{
	struct tally *y = fleet_tally(f, p->stream, p->hub, t);
	int64_t delay = t - p->since_ns;

	y->arrived++;
	y->carried += p->packet.size;
	y->delay_ns += delay;
	y->delay_ns_max = delay > y->delay_ns_max ? delay : y->delay_ns_max;
	f->delays[(p->stream * f->plan->n_hubs + p->hub) * BUCKETS + bucket((uint64_t)delay)]++;
}

static void send_request(struct fleet *f, uint32_t i, int64_t now)
{
	struct user *u = &f->users[i];
	struct parcel p = { .packet.size = REQUEST_SIZE, .hub = u->hub, .stream = u->stream, .user = i,
			    .round = u->round, .uplink = u->uplink, .kind = THE_REQUEST, .since_ns = now };

	fleet_send(f, p, 0, now);
	u->alive_ns = now;
	fleet_add(f, now + u->timeout_ns, TIMED_OUT, i, (struct entry){ .round = u->round });
}

static void send_data(struct fleet *f, uint32_t i, int64_t now)
{
	struct user *u = &f->users[i];

	while (u->left && u->inflight < u->window) {
		uint32_t size = u->left < MTU ? u->left : MTU;
		struct parcel p = { .packet.size = size, .hub = u->hub, .stream = u->stream, .user = i,
				    .round = u->round, .uplink = u->uplink, .kind = THE_DATA, .since_ns = now };
		enum fate fate = fleet_send(f, p, 1, now);
		struct tally *y = fleet_tally(f, u->stream, u->hub, now);

		u->left -= size;
		u->outstanding += size;
		u->inflight++;
		y->packets++;
		y->offered += size;
		if (fate == ACCEPTED)
			continue;
		y->lost++;
		if (fate != CUT_OFF)		/* what followed it will tell; behind a cut nothing follows */
			fleet_add(f, now + u->rtt_ns, MISSED, i, (struct entry){ .round = u->round, .size = size });
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

static void rest(struct fleet *f, uint32_t i, int64_t now)
{
	struct user *u = &f->users[i];

	fleet_add(f, now + draw_pause(f, u->hub, f->plan->streams[u->stream].every_ns), ASK, i, PLAIN);
}

static void ask(struct fleet *f, uint32_t i, int64_t now)
{
	struct user *u = &f->users[i];
	const struct hub_plan *h = &f->plan->hubs[u->hub];

	if (f->hubs[u->hub].uplink == NONE)
		fleet_add(f, now + SECOND, ASK, i, PLAIN);
	else if (!is_done(f, u->hub, now))
		rest(f, i, now);
	else
		begin(f, i, f->plan->sizes[h->first_size + (uint32_t)(draw(f, u->hub) * h->n_sizes)], now);
}

static void finish(struct fleet *f, uint32_t i, int64_t now)
{
	struct user *u = &f->users[i];
	struct tally *y = fleet_tally(f, u->stream, u->hub, now);

	u->busy = false;
	u->round++;
	if (u->refills)
		return;
	y->done++;
	y->done_ns += now - u->begun_ns;
	rest(f, i, now);
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
		fleet_add(f, u->alive_ns + u->timeout_ns, TIMED_OUT, e->index, (struct entry){ .round = u->round });
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
	struct tally *y = fleet_tally(f, stream, hub, now);
	struct parcel p = { .packet.size = s->size, .hub = hub, .stream = stream, .uplink = uplink,
			    .kind = s->kind == BEAT ? THE_BEAT : THE_FLOW, .since_ns = now };

	if (s->kind == BEAT || is_done(f, hub, now)) {
		y->packets++;
		y->offered += s->size;
		if (uplink == NONE || fleet_send(f, p, s->kind == FLOW, now) != ACCEPTED)
			y->lost++;
	}
	if (s->kind == BEAT)
		fleet_add(f, now + s->every_ns, SEND_BEAT, index, PLAIN);
	else
		fleet_add(f, now + draw_pause(f, hub, s->every_ns), SEND_FLOW, index, PLAIN);
}

void load_arrive(struct fleet *f, const struct parcel *p, int64_t now)
{
	struct line *up = fleet_line(f, p->hub, p->uplink, 0);
	struct parcel echo = *p;

	switch ((enum parcel_kind)p->kind) {
	case THE_BEAT:
		echo.kind = THE_ECHO;
		if (fleet_send(f, echo, 1, now) != ACCEPTED)
			fleet_tally(f, p->stream, p->hub, now)->lost++;
		return;
	case THE_REQUEST:
		if (p->round == f->users[p->user].round)
			send_data(f, p->user, now);
		return;
	case THE_DATA:
		note_delay(f, p, now);
		struct conditions c = conditions_at(&up->link.playback, &up->back, now);

		if (c.state != CUT)
			fleet_add(f, now + c.delay_ns, ACKNOWLEDGED, p->user,
			    (struct entry){ .round = p->round, .size = p->packet.size, .since_ns = p->since_ns });
		return;
	case THE_ECHO:
	case THE_FLOW:
		note_delay(f, p, now);
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
			fleet_add(f, f->epoch_ns + (int64_t)(draw(f, hub) * (double)f->plan->streams[stream].every_ns), ASK,
			    i, PLAIN);
	}
}

void load_open(struct fleet *f, uint32_t stream, uint32_t hub)
{
	const struct stream *s = &f->plan->streams[stream];

	if (s->kind == FETCH)
		open_users(f, stream, hub);
	else
		fleet_add(f, f->epoch_ns + (int64_t)(draw(f, hub) * (double)s->every_ns),
			  s->kind == BEAT ? SEND_BEAT : SEND_FLOW, stream * f->plan->n_hubs + hub, PLAIN);
}

void load_refill(struct fleet *f, uint32_t hub, uint32_t bytes, int64_t now)
{
	uint32_t refiller = f->hubs[hub].refiller;

	if (refiller != NONE && !f->users[refiller].busy)
		begin(f, refiller, bytes, now);
}

void load_happen(struct fleet *f, const struct entry *e)
{
	switch ((enum entry_kind)e->kind) {
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
	default:
		timed_out(f, e);
	}
}
