#include "plan.h"

#include <string.h>

struct block {
	uint8_t *bytes;
	size_t size;
};

/* Where the `n` things of a size lie that an offset says; NULL: not in the block, all of them. */
static void *find(const struct block *b, const void *offset, uint64_t n, size_t each)
{
	uint64_t at = (uintptr_t)offset;

	return at % 8 || at > b->size || n > (b->size - at) / each ? NULL : b->bytes + at;
}

static const struct schedule *find_schedule(const struct block *b, const struct schedule *offset)
{
	const struct schedule *s = find(b, offset, 1, sizeof *s);
	size_t left = s ? b->size - (size_t)((const uint8_t *)s - b->bytes) - sizeof *s : 0;

	if (!s || s->n > left / sizeof s->segments[0] ||
	    schedule_fault(s, sizeof *s + s->n * sizeof s->segments[0]))
		return NULL;
	return s;
}

static bool find_classes(const struct block *b, struct station *s)
{
	if (!s->classes)
		return true;
	if (!(s->classes = find(b, s->classes, 1, sizeof *s->classes)))
		return false;
	for (int i = 0; i < 64; i++)
		if (s->classes->of_dscp[i] >= CLASSES || s->classes->quantum[s->classes->of_dscp[i]] <= 0)
			return false;
	return true;
}

static bool find_arrays(const struct block *b, struct fleet_plan *p)
{
	uint64_t n_lanes = 2 * (uint64_t)p->n_hubs * p->n_uplinks;

	p->stations = find(b, p->stations, p->n_stations, sizeof *p->stations);
	p->lanes = find(b, p->lanes, n_lanes, sizeof *p->lanes);
	p->streams = find(b, p->streams, p->n_streams, sizeof *p->streams);
	p->hubs = find(b, p->hubs, p->n_hubs, sizeof *p->hubs);
	p->sizes = find(b, p->sizes, p->n_sizes, sizeof *p->sizes);
	p->actions = find(b, p->actions, p->n_actions, sizeof *p->actions);
	if (p->shares && !(p->shares = find(b, p->shares, p->n_bins, sizeof *p->shares)))
		return false;
	return p->stations && p->lanes && p->streams && p->hubs && p->sizes && p->actions && n_lanes < NONE;
}

static const char *fault_of_loads(const struct fleet_plan *p)
{
	if (p->bin_ns <= 0 || !p->n_bins)
		return "it has no time";
	for (uint32_t i = 0; i < p->n_streams; i++)
		if (p->streams[i].kind > FETCH || p->streams[i].every_ns <= 0)
			return "a stream is of no kind, or has no pace";
	for (uint32_t i = 0; i < p->n_hubs; i++)
		if ((uint64_t)p->hubs[i].first_size + p->hubs[i].n_sizes > p->n_sizes ||
		    (p->hubs[i].users && !p->hubs[i].n_sizes))
			return "a hub's users have nothing to ask for";
	for (uint64_t i = 0; i < p->n_actions; i++) {
		const struct action *a = &p->actions[i];
		uint32_t most = a->kind == MOVE ? p->n_hubs : 2 * p->n_hubs * p->n_uplinks;

		if (a->kind > CUTS || a->index >= most || (i && a->t_ns < a[-1].t_ns) ||
		    (a->kind == MOVE && a->uplink != NONE && a->uplink >= p->n_uplinks))
			return "an action is of an unknown hub or lane, or not in order";
	}
	return NULL;
}

const struct fleet_plan *plan_read(void *block, size_t size, const char **fault)
{
	struct block b = { block, size };
	struct fleet_plan *p = block;

	*fault = "not a fleet's plan";
	if (size < sizeof *p || memcmp(p->magic, PLAN_MAGIC, sizeof p->magic) || !find_arrays(&b, p))
		return NULL;
	for (uint32_t i = 0; i < p->n_stations; i++) {
		struct station *s = (struct station *)&p->stations[i];

		*fault = "a station's schedule or classes are faulty";
		if (!(s->schedule = find_schedule(&b, s->schedule)) || !find_classes(&b, s))
			return NULL;
	}
	for (uint32_t i = 0; i < 2 * p->n_hubs * p->n_uplinks; i++) {
		struct lane_plan *l = (struct lane_plan *)&p->lanes[i];

		*fault = "a lane's schedule is faulty, or its station unknown";
		if (!(l->schedule = find_schedule(&b, l->schedule)) ||
		    (l->station != NONE && l->station >= p->n_stations))
			return NULL;
	}
	*fault = fault_of_loads(p);
	return *fault ? NULL : p;
}
