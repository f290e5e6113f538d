#include "engine.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "intake.h"

#define GRACE (50 * US)			/* looks on after the last frame: the next one is near */
#define STALL (500 * US)
#define LOOK (2 * MS)			/* one look takes less, with all that it may find to do */
#define PATIENCE MS			/* for a device that refuses a frame */
#define STEP MS				/* light hubs are played at least this often */

bool engine_init(struct engine *e, uint64_t memory)
{
	unsigned mtu = 0;

	for (unsigned i = 0; i < e->n_lanes; i++)
		mtu = e->ports[i].device.mtu > mtu ? e->ports[i].device.mtu : mtu;
	if (!pool_init(&e->pool, mtu, memory, &e->stats->memory_frames_used_max))
		return false;
	e->stats->memory_frames = e->pool.free;
	e->waking.most_ns = e->light.plan && e->light.plan->n_hubs ? STEP : IDLE;
	return true;
}

/* How far CLOCK_REALTIME, the kernel's for time stamps, is from ours; steps are noticed and reported. */
static void read_offset(struct engine *e, int64_t now)
{
	int64_t before = now_ns(), offset = clock_ns(CLOCK_REALTIME), after = now_ns();

	if (after - before > 20 * US)
		return;				/* interrupted in between: next time */
	offset -= before + (after - before) / 2;
	int64_t step = llabs(offset - e->offset_ns);

	if (e->offset_read_ns && step > 200 * US) {
		e->stats->clock_steps++;
		if (step > e->stats->clock_step_max_ns)
			e->stats->clock_step_max_ns = step;
	}
	e->offset_ns = offset;
	e->offset_read_ns = now;
}

/* Flips one bit behind the Ethernet header; a checksum left to hardware would hide it. */
static void corrupt(struct frame *f)
{
	uint32_t bits = (f->packet.size - 14) * 8, bit = (uint32_t)(f->packet.number * 2654435761u) % bits;

	f->data[14 + bit / 8] ^= (uint8_t)(1 << bit % 8);
	f->vnet.flags = 0;
}

/* Where the clock is simulated, what is done between two rests takes no time. */
static int64_t read_clock(const struct engine *e)
{
	return e->waking.spin == SPIN_NEVER ? e->due_ns : now_ns();
}

/* Has light hubs do what they do until now, so that whoever meets their packets finds them there. */
static int64_t catch_up(struct engine *e, int64_t now)
{
	if (e->light.fleet && !fleet_run(e->light.fleet, now))
		e->starved = e->stopping = true;
	return now;
}

static void send_batch(struct engine *e, struct lane *lane, struct frame **frames, unsigned n)
{
	unsigned done = 0;
	int64_t patient_until = 0, now = read_clock(e);

	while (done < n) {
		int64_t before = now;
		unsigned sent = port_send(lane->out, frames + done, n - done);

		now = sent ? read_clock(e) : now_ns();
		/* they left one after the other in this time, which on a veth includes their reception */
		for (unsigned i = 0; i < sent; i++) {
			struct frame *f = frames[done + i];

			record_departure(&lane->recorder, &lane->link, &f->packet,
					 before + (now - before) * (2 * i + 1) / (2 * sent));
			pool_give_back(&e->pool, f);
		}
		done += sent;
		if (sent) {
			patient_until = 0;
		} else if (!patient_until) {
			patient_until = now + PATIENCE;
		} else if (now > patient_until) {
			lane->recorder.counters->send_failed++;
			pool_give_back(&e->pool, frames[done++]);
			patient_until = 0;
		}
	}
}

/*
 * When to look at a lane again. Packets that wait in a cell leave it between those of light hubs, which are played
 * step by step: behind a delay of more than a step, none is missed in between.
 */
static int64_t next_look(struct lane *lane, int64_t now)
{
	struct link *l = &lane->link;

	if (lane->station != NONE && l->inside && !l->line.head && !l->late.head &&
	    conditions_at(&l->playback, &l->exit, now).delay_ns >= 2 * STEP)
		return FOREVER;
	return link_next(l);
}

/* Sends all that is due; returns when to look again. */
static int64_t transmit(struct engine *e, struct lane *lane, unsigned *sent)
{
	struct frame *batch[BATCH];
	int64_t now = catch_up(e, read_clock(e));
	struct packet *p;
	unsigned n;

	do {
		for (n = 0; n < BATCH && (p = link_pop(&lane->link, now)); n++) {
			batch[n] = (struct frame *)p;
			if (p->flags & PACKET_CORRUPT && p->size > 14)
				corrupt(batch[n]);
		}
		send_batch(e, lane, batch, n);
		*sent += n;
	} while (n == BATCH);
	return next_look(lane, now);
}

static void start(struct engine *e, int64_t realtime, int64_t now)
{
	read_offset(e, now);
	engine_count_drops(e);
	for (unsigned i = 0; i < e->n_lanes; i++) {
		struct lane *l = &e->lanes[i];

		link_start(&l->link, realtime - e->offset_ns);
		l->recorder.epoch_ns = realtime - e->offset_ns;
		l->recorder.counters->ring_drops = l->recorder.counters->oversize = 0;
		l->recorder.counters->no_memory = l->recorder.counters->send_failed = 0;
		l->device_drops = device_drops(l->in->index);
		l->recorder.counters->device_drops = 0;
	}
	if (e->light.fleet)
		fleet_start(e->light.fleet, realtime - e->offset_ns);
	e->stats->started_ns = realtime;
}

static void carry_out(struct engine *e, const struct order *o, int64_t now)
{
	int64_t until = o->duration_ns < FOREVER - now ? now + o->duration_ns : FOREVER;

	if (o->kind == START)
		start(e, o->realtime_ns, now);
	if (o->kind == STOP)
		e->stopping = true;
	for (unsigned i = o->first; o->kind == CHANGE && i < o->end; i += o->step)
		link_change(&e->lanes[i].link, o->field, o->value, now, until);
}

static void count_stall(struct run_stats *s, int64_t away)
{
	if (away <= STALL)
		return;
	s->stalls++;
	s->away_ns += away;
	if (away > s->stall_max_ns)
		s->stall_max_ns = away;
}

/*
 * Keeps account of the time in which the thread was needed, and of that, when it was not there: back
 * late from a sleep, or longer in one look than its work takes.
 */
static void account(struct engine *e, int64_t now)
{
	if (e->next_ns != FOREVER || e->active_ns >= e->looked_ns)
		e->stats->needed_ns += now - e->looked_ns;
	count_stall(e->stats, now - e->due_ns);
	e->looked_ns = e->due_ns = now;
}

/* Hands over the 10 ms records that are complete. */
static void close_records(struct engine *e, int64_t now)
{
	for (unsigned i = 0; i < e->n_lanes; i++)
		record_until(&e->lanes[i].recorder, now);
	e->records_due_ns = now + BIN_NS;
}

static void look(struct engine *e, int64_t now)
{
	struct order *o = atomic_load_explicit(&e->order, memory_order_acquire);
	unsigned busy = 0;

	if (now - e->offset_read_ns > MS)
		read_offset(e, now);
	for (unsigned i = 0; i < e->n_lanes; i++)
		busy += intake(e, &e->lanes[i], now);
	e->next_ns = FOREVER;
	now = catch_up(e, read_clock(e));
	for (unsigned i = 0; i < e->n_lanes; i++) {
		int64_t next = next_look(&e->lanes[i], now);

		if (next <= now)
			next = transmit(e, &e->lanes[i], &busy);
		e->next_ns = next < e->next_ns ? next : e->next_ns;
	}
	if (now >= e->records_due_ns)
		close_records(e, now);
	if (o) {
		carry_out(e, o, catch_up(e, now_ns()));
		e->next_ns = now;		/* what was just changed may be due already */
		atomic_store_explicit(&e->order, NULL, memory_order_release);
	}
	if (busy)
		e->active_ns = now;
}

void *engine_run(void *argument)
{
	struct engine *e = argument;

	waking_choose(&e->waking);
	e->stats->spin = (uint64_t)e->waking.spin;
	e->stats->scheduling = (uint64_t)e->waking.scheduling;
	e->next_ns = FOREVER;
	e->looked_ns = e->due_ns = now_ns();
	while (!e->stopping) {
		int64_t now = read_clock(e);

		waking_turn(&e->waking, now);
		account(e, now);
		look(e, now);
		now = now_ns();
		if (now - e->looked_ns > LOOK)
			count_stall(e->stats, now - e->looked_ns);
		if (e->waking.spin == SPIN_NEVER || now - e->active_ns > GRACE)
			e->due_ns = waking_rest(&e->waking, e->watch, now, e->next_ns);
		else
			e->due_ns = now;
	}
	for (unsigned i = 0; i < e->n_lanes; i++)
		record_until(&e->lanes[i].recorder, FOREVER);
	return NULL;
}

void engine_order(struct engine *e, struct order *o)
{
	uint64_t one = 1;

	atomic_store_explicit(&e->order, o, memory_order_release);
	if (write(e->bell, &one, sizeof one) < 0)
		return;
	while (atomic_load_explicit(&e->order, memory_order_acquire))
		nanosleep(&(struct timespec){ 0, 100 * US }, NULL);
	if (read(e->bell, &one, sizeof one) < 0)
		return;
}

void engine_count_drops(struct engine *e)
{
	for (unsigned i = 0; i < e->n_lanes; i++) {
		struct lane *l = &e->lanes[i];

		l->recorder.counters->ring_drops += port_ring_drops(l->in);
		l->recorder.counters->device_drops =
			device_drops(l->in->index) - l->device_drops;
		l->recorder.counters->inside = l->link.inside;
	}
}
