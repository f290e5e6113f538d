#include "server.h"

#include <string.h>

#define BIT INT64_C(1000000000)		/* one bit, in bit/s·ns */

void server_init(struct server *s, struct playback *p, const struct limit *l)
{
	memset(s, 0, sizeof *s);
	s->playback = p;
	s->limit = l;
	s->clock_ns = INT64_MIN;
}

static unsigned class_of(const struct server *s, const struct packet *p)
{
	return s->classes ? s->classes->of_dscp[p->dscp & 63] : 0;
}

static bool has_room(struct server *s, const struct packet *p, int64_t now)
{
	const struct limit *l = s->limit;
	bool apart = s->classes && s->classes->apart;
	int64_t bytes = apart ? s->bytes_of[class_of(s, p)] : s->bytes;
	int64_t packets = apart ? s->packets_of[class_of(s, p)] : s->packets;
	__extension__ typedef __int128 wide;

	if (l->bytes && bytes + p->size > l->bytes)
		return false;
	if (l->packets && packets + 1 > l->packets)
		return false;
	if (!l->time_ns)
		return true;
	int64_t rate = conditions_at(s->playback, &s->cursor, now).rate_bps;

	return !rate || (wide)(bytes + p->size) * 8 * BIT <= (wide)rate * l->time_ns;
}

bool server_push(struct server *s, struct packet *p, int64_t now)
{
	if (!has_room(s, p, now))
		return false;
	unsigned class = class_of(s, p);

	s->bytes += p->size;
	s->packets++;
	s->bytes_of[class] += p->size;
	s->packets_of[class]++;
	list_append(&s->waiting[class], p);
	return true;
}

static struct packet *take_strict(struct server *s)
{
	for (int i = 0; i < CLASSES; i++)
		if (s->waiting[i].head)
			return list_take(&s->waiting[i]);
	return NULL;
}

/* Deficit round robin: a class sends while its deficit covers the packet, then the turn passes. */
static struct packet *take_weighted(struct server *s)
{
	if (s->packets == 0)
		return NULL;
	for (;;) {
		struct list *l = &s->waiting[s->turn];
		int64_t *deficit = &s->deficit[s->turn];

		if (l->head && l->head->size <= *deficit) {
			*deficit -= l->head->size;
			return list_take(l);
		}
		if (!l->head)
			*deficit = 0;
		s->turn = (s->turn + 1) % CLASSES;
		if (s->waiting[s->turn].head)
			s->deficit[s->turn] += s->classes->quantum[s->turn];
	}
}

static struct packet *take(struct server *s)
{
	if (!s->classes)
		return list_take(&s->waiting[0]);
	return s->classes->discipline == STRICT ? take_strict(s) : take_weighted(s);
}

/* Takes the next packet into service; false: there is none. */
static bool begin(struct server *s)
{
	struct packet *p = take(s);

	if (!p)
		return false;
	s->in_service = p;
	s->left = p->size * 8 * BIT;
	/* a packet that found the server busy starts within the ns in which the one before ended */
	if (p->arrival_ns < s->clock_ns)
		s->left -= s->credit;
	else
		s->clock_ns = p->arrival_ns;
	return true;
}

/* When the packet in service will be done under the conditions at the server's clock, if they last. */
static int64_t done_ns(struct server *s, struct conditions *c)
{
	*c = conditions_at(s->playback, &s->cursor, s->clock_ns);
	if (s->left <= 0)
		return s->clock_ns;
	if (c->state == HOLD)
		return FOREVER;
	if (!c->rate_bps)
		return s->clock_ns;
	int64_t need = (s->left - 1) / c->rate_bps + 1;

	return need < FOREVER - s->clock_ns ? s->clock_ns + need : FOREVER;
}

static void work(struct server *s, const struct conditions *c, int64_t until)
{
	int64_t ns = until - s->clock_ns;

	if (c->state != HOLD && c->rate_bps) {
		s->left -= c->rate_bps * ns;
		if (s->clock_ns >= s->playback->epoch_ns) {
			s->offered_bits += (double)c->rate_bps * (double)ns / BIT;
			s->busy_ns += ns;
		}
	}
	s->clock_ns = until;
}

struct packet *server_pop(struct server *s, int64_t now)
{
	struct conditions c;
	int64_t done;

	if (!s->in_service && !begin(s))
		return NULL;
	while ((done = done_ns(s, &c)) > c.until_ns || done > now) {
		if (s->clock_ns >= now)
			return NULL;
		work(s, &c, c.until_ns < now ? c.until_ns : now);
	}
	struct packet *p = s->in_service;

	work(s, &c, done);
	if (c.rate_bps)
		p->flags |= PACKET_RATED;
	s->credit = s->left < 0 ? -s->left : 0;
	s->in_service = NULL;
	s->bytes -= p->size;
	s->packets--;
	s->bytes_of[class_of(s, p)] -= p->size;
	s->packets_of[class_of(s, p)]--;
	p->served_ns = done;
	return p;
}

int64_t server_next(struct server *s)
{
	struct conditions c;

	if (!s->in_service && !begin(s))
		return FOREVER;
	int64_t done = done_ns(s, &c);

	return done < c.until_ns ? done : c.until_ns;
}
