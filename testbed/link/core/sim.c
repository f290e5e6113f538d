/*
 * Directions of links driven by a simulated clock: the same object code as linkd's, called from Python
 * with whole arrays.
 */
#include "sim.h"

#include <stdlib.h>

#define CHUNK 1024

struct transit {			/* a packet on its way, and whose it is */
	struct packet packet;		/* first: the link hands back its address */
	uint64_t id;
};

struct chunk {				/* packets are never moved: lists point to them */
	struct chunk *next;
	struct transit transits[CHUNK];
};

struct sim {
	struct link link;
	struct classes classes;
	struct fleet *fleet;		/* that it shares a station with; NULL: none */
	uint32_t station;
	struct recorder recorder;
	struct counters counters;
	struct chunk *chunks;
	struct packet *free;
	uint64_t arrivals;
	struct bin *bins;
	uint64_t n_bins, room_bins;
};

static struct transit *take(struct sim *s)
{
	if (!s->free) {
		struct chunk *chunk = malloc(sizeof *chunk);

		if (!chunk)
			return NULL;
		chunk->next = s->chunks;
		s->chunks = chunk;
		for (int i = 0; i < CHUNK; i++) {
			chunk->transits[i].packet.next = s->free;
			s->free = &chunk->transits[i].packet;
		}
	}
	struct transit *t = (struct transit *)s->free;

	s->free = t->packet.next;
	return t;
}

static void give_back(struct sim *s, struct packet *p)
{
	p->next = s->free;
	s->free = p;
}

static void keep(void *to, const struct bin *b)
{
	struct sim *s = to;

	if (s->n_bins == s->room_bins) {
		uint64_t room = s->room_bins ? 2 * s->room_bins : 1024;
		struct bin *bins = realloc(s->bins, room * sizeof *bins);

		if (!bins)
			abort();
		s->bins = bins;
		s->room_bins = room;
	}
	s->bins[s->n_bins++] = *b;
}

struct sim *sim_open(const struct schedule *schedule, size_t size, uint64_t seed, unsigned link,
		     unsigned direction)
{
	struct sim *s = schedule_fault(schedule, size) ? NULL : calloc(1, sizeof *s);

	if (!s)
		return NULL;
	link_init(&s->link, schedule, seed, direction);
	recorder_init(&s->recorder, &s->counters, link, direction);
	s->recorder.emit = keep;
	s->recorder.to = s;
	return s;
}

void sim_start(struct sim *s, int64_t at_ns, unsigned mark, unsigned new_mark)
{
	link_start(&s->link, at_ns);
	s->recorder.epoch_ns = at_ns;
	s->recorder.marks[0].dscp = mark;
	s->recorder.marks[1].dscp = new_mark;
}

void sim_change(struct sim *s, unsigned field, int64_t value, int64_t now, int64_t until_ns)
{
	if (s->fleet)
		fleet_run(s->fleet, now);
	link_change(&s->link, (enum field)field, value, now, until_ns);
}

static enum fate push(struct sim *s, struct transit *t, int64_t now)
{
	enum fate fate = s->fleet ? fleet_push(s->fleet, &s->link, s->station, &t->packet, now)
				  : link_push(&s->link, &t->packet, now);

	record_arrival(&s->recorder, &s->link, &t->packet, fate, now);
	if (fate != ACCEPTED)
		give_back(s, &t->packet);
	return fate;
}

/* Pushes an arrival, and its copy where the profile wants one. */
static bool arrive(struct sim *s, struct packet packet, uint8_t *fate, int64_t now)
{
	struct transit *t = take(s), *copy;

	if (!t)
		return false;
	*t = (struct transit){ packet, s->arrivals++ };
	*fate = (uint8_t)push(s, t, now);
	if (*fate != ACCEPTED || !link_duplicates(&s->link, &t->packet))
		return true;
	if (!(copy = take(s)))
		return false;
	*copy = *t;
	copy->packet.flags = PACKET_COUNTED | PACKET_COPY;
	push(s, copy, now);
	return true;
}

/* Which of them has the next thing to do (on a tie the first), and when. */
static uint32_t soonest(struct sim **sims, uint32_t n_sims, int64_t *next)
{
	uint32_t first = 0;

	*next = link_next(&sims[0]->link);
	for (uint32_t k = 1; k < n_sims; k++) {
		int64_t other = link_next(&sims[k]->link);

		if (other < *next) {
			*next = other;
			first = k;
		}
	}
	return first;
}

uint64_t sim_run(struct sim **sims, uint32_t n_sims, const struct arrivals *in, int64_t until_ns,
		 const struct departures *out)
{
	uint64_t i = 0, n = 0;
	struct packet *p;

	for (;;) {
		int64_t arrival = i < in->n ? in->t_ns[i] : FOREVER, next;
		uint32_t k = soonest(sims, n_sims, &next);

		if (next > until_ns || next > arrival || next == FOREVER) {
			if (i == in->n)
				return n;
			struct packet packet = { .size = in->size[i], .dscp = in->dscp[i] };

			if (!arrive(sims[in->sim[i]], packet, &in->fate[i], arrival))
				return UINT64_MAX;
			i++;
			continue;
		}
		if (sims[k]->fleet && !fleet_run(sims[k]->fleet, next))
			return UINT64_MAX;
		/* what leaves at the instant of an arrival leaves first */
		while (n < out->room && (p = link_pop(&sims[k]->link, next))) {
			record_departure(&sims[k]->recorder, &sims[k]->link, p, p->depart_ns);
			out->sim[n] = k;
			out->id[n] = ((struct transit *)p)->id;
			out->t_ns[n++] = p->depart_ns;
			give_back(sims[k], p);
		}
		if (n == out->room)
			return n;
	}
}

void sim_share(struct sim *s, struct sim *of)
{
	link_share(&s->link, &of->link.own);
}

void sim_visit(struct sim *s, struct fleet *f, uint32_t station)
{
	s->fleet = f;
	s->station = station;
	fleet_share(f, &s->link, station);
}

void sim_classes(struct sim *s, const struct classes *c)
{
	s->classes = *c;
	s->link.own.classes = &s->classes;
}

uint64_t sim_inside(const struct sim *s)
{
	return s->link.inside;
}

const struct counters *sim_counters(const struct sim *s)
{
	return &s->counters;
}

const struct bin *sim_bins(struct sim *s, bool last, uint64_t *n)
{
	if (last && s->recorder.epoch_ns != FOREVER)
		record_until(&s->recorder, FOREVER);
	*n = s->n_bins;
	return s->bins;
}

void sim_close(struct sim *s)
{
	for (struct chunk *chunk = s->chunks, *next; chunk; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	free(s->bins);
	free(s);
}
