#include "record.h"

#include <string.h>

void recorder_init(struct recorder *r, struct counters *c, unsigned link, unsigned direction)
{
	memset(r, 0, sizeof *r);
	memset(c, 0, sizeof *c);
	c->first_ns = c->last_ns = -1;
	r->counters = c;
	r->bin.link = (uint16_t)link;
	r->bin.direction = (uint8_t)direction;
	r->bin.t_ns = -1;
	r->epoch_ns = FOREVER;
	r->last_depart_ns = INT64_MIN;
	r->marks[0].dscp = r->marks[1].dscp = NO_DSCP;
}

static void emit(struct recorder *r)
{
	struct bin next = { .t_ns = -1, .link = r->bin.link, .direction = r->bin.direction };

	if (r->bin.t_ns >= 0 && r->emit)
		r->emit(r->to, &r->bin);
	r->bin = next;
}

void record_until(struct recorder *r, int64_t now)
{
	if (r->bin.t_ns >= 0 && now - r->epoch_ns >= r->bin.t_ns + BIN_NS)
		emit(r);
}

/* The bin of this instant; one that is a little late belongs to the bin that is open. */
static struct bin *bin_at(struct recorder *r, int64_t now)
{
	record_until(r, now);
	if (r->bin.t_ns < 0)
		r->bin.t_ns = (now - r->epoch_ns) / BIN_NS * BIN_NS;
	return &r->bin;
}

void record_arrival(struct recorder *r, const struct link *l, const struct packet *p, enum fate fate,
		    int64_t now)
{
	if (!(p->flags & PACKET_COUNTED))
		return;
	struct counters *c = r->counters;
	struct bin *b = bin_at(r, now);

	if (p->flags & PACKET_COPY) {
		c->duplicated += fate == ACCEPTED;
	} else {
		c->packets_in++;
		c->bytes_in += p->size;
		b->packets_in++;
		b->bytes_in += p->size;
	}
	c->loss_asked = l->loss_asked;
	c->lost += fate == LOST;
	c->cut += fate == CUT_OFF;
	c->queue_drops += fate == NO_ROOM;
	b->lost += fate == LOST;
	b->cut += fate == CUT_OFF;
	b->queue_drops += fate == NO_ROOM;
	if (l->server->bytes > b->queue_bytes_max)
		b->queue_bytes_max = (uint32_t)l->server->bytes;
}

/* A tunnel hides the DSCP; the length of what it makes of a marked packet shows. */
static bool has(struct mark mark, const struct packet *p)
{
	return p->dscp == mark.dscp || (mark.length && p->size == mark.length);
}

void record_departure(struct recorder *r, const struct link *l, const struct packet *p, int64_t now)
{
	if (!(p->flags & PACKET_COUNTED))
		return;
	struct counters *c = r->counters;
	struct bin *b = bin_at(r, now);
	int64_t late = now > p->depart_ns ? now - p->depart_ns : 0;

	c->packets_out++;
	c->bytes_out += p->size;
	c->marked_out += has(r->marks[0], p);
	c->marked_new_out += has(r->marks[1], p);
	c->delayed += !!(p->flags & PACKET_LATE);
	c->corrupted += !!(p->flags & PACKET_CORRUPT);
	c->reordered += p->depart_ns < r->last_depart_ns;
	r->last_depart_ns = p->depart_ns;
	c->late[bucket((uint64_t)late)]++;
	if (late > c->late_ns_max)
		c->late_ns_max = late;
	c->last_ns = now - r->epoch_ns;
	if (c->first_ns < 0)
		c->first_ns = c->last_ns;
	c->inside = l->inside;
	c->rated_bytes += p->flags & PACKET_RATED ? p->size : 0;
	if (l->server == &l->own) {		/* a cell's rate is not the link's */
		c->offered_bits = l->own.offered_bits;
		c->busy_ns = l->own.busy_ns;
	}
	b->packets_out++;
	b->bytes_out += p->size;
	b->marked_out += has(r->marks[0], p);
	b->marked_new_out += has(r->marks[1], p);
	if (late > b->late_ns_max)
		b->late_ns_max = late;
}
