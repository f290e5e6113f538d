#include "engine.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "segments.h"

#define AT_ONCE 64			/* frames read from one port before the others have their turn */
#define GRACE (50 * US)			/* looks on after the last frame: the next one is near */
#define STALL (500 * US)
#define LOOK (2 * MS)			/* one look takes less, with all that it may find to do */
#define DOUBT (100 * US)		/* a time stamp further off than this is not believed */
#define PATIENCE MS			/* for a device that refuses a frame */

bool engine_init(struct engine *e, uint64_t memory)
{
	unsigned mtu = 0;

	for (unsigned i = 0; i < e->n_lanes; i++)
		mtu = e->ports[i].device.mtu > mtu ? e->ports[i].device.mtu : mtu;
	e->slot_size = (sizeof(struct frame) + mtu + 14 + 8 + 63) / 64 * 64;
	e->frames_free = memory / e->slot_size;
	e->fresh = mmap(NULL, e->frames_free * e->slot_size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	e->stats->memory_frames = e->frames_free;
	return e->fresh != MAP_FAILED;
}

static struct frame *take(struct engine *e)
{
	struct packet *p = e->free;

	if (!e->frames_free)
		return NULL;
	if (p) {
		e->free = p->next;
	} else {				/* never used before: memory is touched only as it is needed */
		p = (struct packet *)e->fresh;
		e->fresh += e->slot_size;
		e->stats->memory_frames_used_max++;
	}
	e->frames_free--;
	return (struct frame *)p;
}

static void give_back(struct engine *e, struct frame *f)
{
	f->packet.next = e->free;
	e->free = &f->packet;
	e->frames_free++;
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

/* The arrival in our clock. It cannot be before the ring was last seen empty, nor after now. */
static int64_t arrival_ns(struct engine *e, const struct port *p, int64_t realtime, int64_t *now)
{
	int64_t t = realtime - e->offset_ns;

	if (t > *now)
		*now = now_ns();		/* it came while we were looking */
	if (t <= *now + DOUBT && t >= p->empty_ns - DOUBT)
		return t < *now ? t : *now;
	e->stats->clock_doubts++;
	return *now;
}

static uint8_t dscp_of(const uint8_t *d, uint32_t size)
{
	unsigned at = 12, type;

	if (size < 18)
		return 0;
	type = (unsigned)d[at] << 8 | d[at + 1];
	if (type == 0x8100 || type == 0x88a8) {
		at += 4;
		type = (unsigned)d[at] << 8 | d[at + 1];
	}
	if (size < at + 4)
		return 0;
	if (type == 0x0800)
		return d[at + 3] >> 2;
	if (type == 0x86dd)
		return (uint8_t)((d[at + 2] & 15) << 2 | d[at + 3] >> 6);
	return 0;
}

/* Completes a frame: a tag that the kernel took out goes back to where it was, moving `headers` bytes. */
static void frame_ready(struct frame *f, uint32_t vlan, uint32_t headers)
{
	if (vlan) {
		memmove(f->data + 16, f->data + 12, headers - 12);
		memcpy(f->data + 12, &vlan, 4);
		f->packet.size += 4;
		if (f->vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
			f->vnet.csum_start = (uint16_t)(f->vnet.csum_start + 4);
	}
	f->packet.flags = 0;
	f->packet.dscp = dscp_of(f->data, f->packet.size);
}

static void copy_in(struct frame *f, const struct arrival *a)
{
	memcpy(&f->vnet, a->data - sizeof f->vnet, sizeof f->vnet + a->size);
	f->packet.size = a->size;
	frame_ready(f, a->vlan, a->size);
}

static void push(struct engine *e, struct lane *lane, struct frame *f, int64_t t)
{
	enum fate fate = link_push(&lane->link, &f->packet, t);

	record_arrival(&lane->recorder, &lane->link, &f->packet, fate, t);
	if (fate != ACCEPTED)
		give_back(e, f);
	else if (link_duplicates(&lane->link, &f->packet)) {
		struct frame *copy = take(e);

		if (!copy) {
			lane->recorder.counters->no_memory++;
			return;
		}
		memcpy(copy, f, sizeof *f + f->packet.size);
		copy->packet.flags = PACKET_COUNTED | PACKET_COPY;
		push(e, lane, copy, t);
	}
}

/* Cuts a frame of many segments into the frames that a wire would carry; returns how many. */
static unsigned cut(struct engine *e, struct lane *lane, const struct arrival *a, int64_t t)
{
	struct {
		struct virtio_net_hdr vnet;
		uint8_t headers[HEADERS_MAX];
	} whole;
	struct counters *c = lane->recorder.counters;
	const struct virtio_net_hdr *vnet = (const void *)(a->data - sizeof *vnet);
	struct frame *frames[SEGMENTS_MAX];
	struct iovec parts[SEGMENTS_MAX + 1];
	struct segments s;

	if (!segments_read(&s, vnet, a->data, a->size) ||
	    sizeof(struct frame) + s.headers + s.payload + 4 > e->slot_size) {
		c->oversize++;
		return 1;
	}
	unsigned n = segments_count(&s), tag = a->vlan ? 4 : 0;
	bool taken = e->frames_free >= n;

	parts[0] = (struct iovec){ &whole, sizeof whole.vnet + s.headers };
	for (unsigned i = 0; taken && i < n; i++) {
		uint32_t left = s.bytes - i * s.payload;

		frames[i] = take(e);
		frames[i]->packet.size = s.headers + (left < s.payload ? left : s.payload);
		parts[i + 1] = (struct iovec){ frames[i]->data + tag + s.headers, frames[i]->packet.size - s.headers };
	}
	if (!taken || !port_fetch(lane->in, a, parts, n + 1)) {
		for (unsigned i = 0; taken && i < n; i++)
			give_back(e, frames[i]);
		c->no_memory += n;
		return n;
	}
	for (unsigned i = 0; i < n; i++) {
		memcpy(frames[i]->data, whole.headers, s.headers);
		segments_head(&s, frames[i]->data, i, &frames[i]->vnet);
		frame_ready(frames[i], a->vlan, s.headers);
		push(e, lane, frames[i], t);
	}
	return n;
}

static unsigned receive(struct engine *e, struct lane *lane, int64_t now)
{
	struct counters *c = lane->recorder.counters;
	struct arrival a;
	unsigned n = 0;
	int64_t read_ns = now;

	while (n < AT_ONCE && port_receive(lane->in, &a)) {
		int64_t t = arrival_ns(e, lane->in, a.realtime_ns, &read_ns);
		const struct virtio_net_hdr *vnet = (const void *)(a.data - sizeof *vnet);
		struct frame *f;

		if (vnet->gso_type) {
			n += cut(e, lane, &a, t);
			continue;
		}
		n++;
		if (a.captured < a.size || a.size + sizeof *f + 4 > e->slot_size)
			c->oversize++;
		else if (!(f = take(e)))
			c->no_memory++;
		else {
			copy_in(f, &a);
			push(e, lane, f, t);
		}
	}
	if (n < AT_ONCE)
		lane->in->empty_ns = now;
	return n;
}

/* Flips one bit behind the Ethernet header; a checksum left to hardware would hide it. */
static void corrupt(struct frame *f)
{
	uint32_t bits = (f->packet.size - 14) * 8, bit = (uint32_t)(f->packet.number * 2654435761u) % bits;

	f->data[14 + bit / 8] ^= (uint8_t)(1 << bit % 8);
	f->vnet.flags = 0;
}

static void send_batch(struct engine *e, struct lane *lane, struct frame **frames, unsigned n)
{
	unsigned done = 0;
	int64_t patient_until = 0, now = now_ns();

	while (done < n) {
		int64_t before = now;
		unsigned sent = port_send(lane->out, frames + done, n - done);

		now = now_ns();
		/* they left one after the other in this time, which on a veth includes their reception */
		for (unsigned i = 0; i < sent; i++) {
			struct frame *f = frames[done + i];

			record_departure(&lane->recorder, &lane->link, &f->packet,
					 before + (now - before) * (2 * i + 1) / (2 * sent));
			give_back(e, f);
		}
		done += sent;
		if (sent) {
			patient_until = 0;
		} else if (!patient_until) {
			patient_until = now + PATIENCE;
		} else if (now > patient_until) {
			lane->recorder.counters->send_failed++;
			give_back(e, frames[done++]);
			patient_until = 0;
		}
	}
}

/* Sends all that is due; returns when to look again. */
static int64_t transmit(struct engine *e, struct lane *lane, unsigned *sent)
{
	struct frame *batch[BATCH];
	int64_t now = now_ns();
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
	return link_next(&lane->link);
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
		busy += receive(e, &e->lanes[i], now);
	e->next_ns = FOREVER;
	now = now_ns();
	for (unsigned i = 0; i < e->n_lanes; i++) {
		int64_t next = link_next(&e->lanes[i].link);

		if (next <= now)
			next = transmit(e, &e->lanes[i], &busy);
		e->next_ns = next < e->next_ns ? next : e->next_ns;
	}
	if (now >= e->records_due_ns)
		close_records(e, now);
	if (o) {
		carry_out(e, o, now_ns());
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
		int64_t now = now_ns();

		waking_turn(&e->waking, now);
		account(e, now);
		look(e, now);
		now = now_ns();
		if (now - e->looked_ns > LOOK)
			count_stall(e->stats, now - e->looked_ns);
		if (now - e->active_ns > GRACE)
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
