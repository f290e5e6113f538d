#include "link.h"

#include <string.h>

enum purpose { LOSS_DRAW, REORDER_DRAW, DUPLICATE_DRAW, CORRUPT_DRAW };

/* The finaliser of SplitMix64 (Steele, Lea, Flood 2014): each input bit changes half of the output. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* A function of (seed, direction, packet number) alone: no state that a lost packet could shift. */
static bool drawn(const struct link *l, uint64_t number, enum purpose purpose, uint32_t probability)
{
	if (!probability || probability == CERTAIN)
		return probability;
	uint64_t x = mix(l->key + (number * 4 + purpose) * UINT64_C(0x9e3779b97f4a7c15));

	return x >> 32 < probability;
}

void link_init(struct link *l, const struct schedule *s, uint64_t seed, unsigned direction)
{
	memset(l, 0, sizeof *l);
	playback_init(&l->playback, s);
	server_init(&l->own, &l->playback, &s->queue);
	l->server = &l->own;
	l->last_depart_ns = INT64_MIN;
	l->key = mix(mix(seed) + direction + 1);
}

void link_share(struct link *l, struct server *shared)
{
	l->server = shared;
}

void link_start(struct link *l, int64_t epoch_ns)
{
	l->playback.epoch_ns = epoch_ns;
	l->server->playback->epoch_ns = epoch_ns;
}

static void enter_line(struct link *l, struct packet *p)
{
	const struct impairments *wish = &l->playback.schedule->impairments;
	int64_t delay = conditions_at(&l->playback, &l->exit, p->served_ns).delay_ns;

	p->depart_ns = p->served_ns + delay;
	if (p->flags & PACKET_LATE) {
		p->depart_ns += wish->reorder_ns;
		if (l->late.head && l->late.tail->depart_ns > p->depart_ns)
			p->depart_ns = l->late.tail->depart_ns;
		list_append(&l->late, p);
		return;
	}
	if (p->depart_ns < l->last_depart_ns)
		p->depart_ns = l->last_depart_ns;	/* the delay fell: never before the one in front */
	l->last_depart_ns = p->depart_ns;
	list_append(&l->line, p);
}

struct link *link_serve(struct server *s, int64_t now)
{
	struct packet *p = server_pop(s, now);

	if (!p)
		return NULL;
	enter_line(p->owner, p);
	return p->owner;
}

static void serve(struct link *l, int64_t now)
{
	while (link_serve(l->server, now))
		;
}

enum fate link_push(struct link *l, struct packet *p, int64_t now)
{
	const struct impairments *wish = &l->playback.schedule->impairments;
	struct conditions c = conditions_at(&l->playback, &l->entrance, now);

	if (!(p->flags & PACKET_COPY)) {
		p->flags = now >= l->playback.epoch_ns ? PACKET_COUNTED : 0;
		p->number = p->flags & PACKET_COUNTED ? l->arrivals++ : 0;
		if (c.state == CUT)
			return CUT_OFF;
		l->loss_asked += p->flags & PACKET_COUNTED ? c.loss : 0;
		if (drawn(l, p->number, LOSS_DRAW, c.loss))
			return LOST;
	}
	serve(l, now);
	if (!server_push(l->server, p, now))
		return NO_ROOM;
	p->owner = l;
	p->arrival_ns = now;
	if (p->flags == PACKET_COUNTED && drawn(l, p->number, REORDER_DRAW, wish->reorder))
		p->flags |= PACKET_LATE;
	if (p->flags & PACKET_COUNTED && drawn(l, p->number, CORRUPT_DRAW, wish->corrupt))
		p->flags |= PACKET_CORRUPT;
	l->inside++;
	serve(l, now);				/* an idle server takes it at once */
	return ACCEPTED;
}

bool link_duplicates(const struct link *l, const struct packet *p)
{
	return (p->flags & (PACKET_COUNTED | PACKET_COPY)) == PACKET_COUNTED &&
	       drawn(l, p->number, DUPLICATE_DRAW, l->playback.schedule->impairments.duplicate);
}

/* The list whose head leaves first; on a tie the one in order. */
static struct list *first(struct link *l)
{
	if (!l->late.head)
		return &l->line;
	if (!l->line.head || l->late.head->depart_ns < l->line.head->depart_ns)
		return &l->late;
	return &l->line;
}

struct packet *link_pop(struct link *l, int64_t now)
{
	if (!l->inside)
		return NULL;
	serve(l, now);
	struct list *list = first(l);

	if (!list->head || list->head->depart_ns > now)
		return NULL;
	l->inside--;
	return list_take(list);
}

int64_t link_next(struct link *l)
{
	if (!l->inside)
		return FOREVER;
	/* an unserved packet cannot overtake the line, but it can overtake a late one */
	if (l->line.head && !l->late.head)
		return l->line.head->depart_ns;
	int64_t next = server_next(l->server);
	struct packet *head = first(l)->head;

	return head && head->depart_ns < next ? head->depart_ns : next;
}

void link_change(struct link *l, enum field f, int64_t value, int64_t now, int64_t until_ns)
{
	serve(l, now);
	l->playback.changes[f] = (struct change){ value, until_ns };
}
