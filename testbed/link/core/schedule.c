#include "schedule.h"

#include <string.h>

const char *schedule_fault(const struct schedule *s, size_t size)
{
	if (size < sizeof *s || memcmp(s->magic, SCHEDULE_MAGIC, sizeof s->magic))
		return "not a link schedule";
	if (!s->n || s->n != (size - sizeof *s) / sizeof s->segments[0])
		return "its length is not that of its segments";
	if (s->segments[0].t_ns != 0)
		return "its first segment does not start at 0";
	if (s->end_ns <= s->segments[s->n - 1].t_ns)
		return "it ends before its last segment starts";
	for (uint64_t i = 0; i < s->n; i++) {
		const struct segment *g = &s->segments[i];

		if (i && g->t_ns <= g[-1].t_ns)
			return "its segments do not follow each other in time";
		if (g->delay_ns < 0 || g->rate_bps < 0 || g->state > HOLD)
			return "a segment has a negative value or an unknown state";
	}
	return NULL;
}

void playback_init(struct playback *p, const struct schedule *s)
{
	p->schedule = s;
	p->epoch_ns = FOREVER;
	for (int f = 0; f < FIELDS; f++)
		p->changes[f] = (struct change){ 0, INT64_MIN };
}

static int64_t segment_end(const struct schedule *s, uint64_t i)
{
	if (i + 1 < s->n)
		return s->segments[i + 1].t_ns;
	return s->repeat ? s->end_ns : FOREVER;
}

/* The last segment that starts at or before t. */
static uint64_t search(const struct schedule *s, int64_t t)
{
	uint64_t low = 0, high = s->n;

	while (high - low > 1) {
		uint64_t middle = low + (high - low) / 2;

		if (s->segments[middle].t_ns <= t)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* Moves the cursor to the segment at t >= 0 and returns t within its repetition. */
static int64_t seek(const struct schedule *s, struct cursor *c, int64_t t)
{
	if (s->repeat && (t < c->lap_ns || t - c->lap_ns >= s->end_ns))
		c->lap_ns = t - t % s->end_ns;
	t -= c->lap_ns;
	if (c->i + 1 < s->n && t >= segment_end(s, c->i))
		c->i++;				/* nearly always the next one */
	if (t < s->segments[c->i].t_ns || t >= segment_end(s, c->i))
		c->i = search(s, t);
	return t;
}

/* The delay at t, on the line from this segment's value to the next one's. */
static int64_t interpolated(const struct schedule *s, uint64_t i, int64_t t)
{
	const struct segment *from = &s->segments[i];
	const struct segment *to = &s->segments[i + 1 < s->n ? i + 1 : 0];
	__extension__ typedef unsigned __int128 wide;

	if ((i + 1 == s->n && !s->repeat) || to->delay_ns == from->delay_ns)
		return from->delay_ns;
	wide length = segment_end(s, i) - from->t_ns, done = t - from->t_ns;
	return (int64_t)((from->delay_ns * (length - done) + to->delay_ns * done) / length);
}

static void scheduled(const struct playback *p, struct cursor *c, int64_t now, struct conditions *out)
{
	const struct schedule *s = p->schedule;
	const struct segment *g = s->segments;

	if (now < p->epoch_ns) {
		*out = (struct conditions){ g->delay_ns, g->rate_bps, 0, PASS, p->epoch_ns };
		return;
	}
	int64_t t = seek(s, c, now - p->epoch_ns), end = segment_end(s, c->i);

	g += c->i;
	*out = (struct conditions){ g->delay_ns, g->rate_bps, g->loss, g->state, FOREVER };
	if (end != FOREVER)
		out->until_ns = p->epoch_ns + c->lap_ns + end;
	if (s->interpolate)
		out->delay_ns = interpolated(s, c->i, t);
}

struct conditions conditions_at(const struct playback *p, struct cursor *c, int64_t now)
{
	const struct change *change = p->changes;
	struct conditions out;

	scheduled(p, c, now, &out);
	if (now < change[DELAY].until_ns)
		out.delay_ns = change[DELAY].value;
	if (now < change[LOSS].until_ns)
		out.loss = (uint32_t)change[LOSS].value;
	if (now < change[RATE].until_ns) {
		out.rate_bps = change[RATE].value;
		if (change[RATE].until_ns < out.until_ns)
			out.until_ns = change[RATE].until_ns;
	}
	if (now < change[STATE].until_ns) {
		out.state = (enum state)change[STATE].value;
		if (change[STATE].until_ns < out.until_ns)
			out.until_ns = change[STATE].until_ns;
	}
	return out;
}
