/* From a port into a lane's link: arrival times, tags put back, frames of many segments cut. */
#include "intake.h"

#include <stdlib.h>
#include <string.h>

#include "segments.h"

#define AT_ONCE 64			/* frames read from one port before the others have their turn */
#define DOUBT (100 * US)		/* a time stamp further off than this is not believed */

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
	enum fate fate = lane->station == NONE
				 ? link_push(&lane->link, &f->packet, t)
				 : fleet_push(e->light.fleet, &lane->link, lane->station, &f->packet, t);

	record_arrival(&lane->recorder, &lane->link, &f->packet, fate, t);
	if (fate != ACCEPTED)
		pool_give_back(&e->pool, f);
	else if (link_duplicates(&lane->link, &f->packet)) {
		struct frame *copy = pool_take(&e->pool);

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

	if (!segments_read(&s, vnet, a->data, a->captured < a->size ? a->captured : a->size, a->size) ||
	    sizeof(struct frame) + s.headers + s.payload + 4 > e->pool.slot_size) {
		c->oversize++;
		return 1;
	}
	unsigned n = segments_count(&s), tag = a->vlan ? 4 : 0;
	bool taken = e->pool.free >= n;

	parts[0] = (struct iovec){ &whole, sizeof whole.vnet + s.headers + s.jumbo };
	for (unsigned i = 0; taken && i < n; i++) {
		uint32_t left = s.bytes - i * s.payload;

		frames[i] = pool_take(&e->pool);
		frames[i]->packet.size = s.headers + (left < s.payload ? left : s.payload);
		parts[i + 1] = (struct iovec){ frames[i]->data + tag + s.headers, frames[i]->packet.size - s.headers };
	}
	if (!taken || !port_fetch(lane->in, a, parts, n + 1)) {
		for (unsigned i = 0; taken && i < n; i++)
			pool_give_back(&e->pool, frames[i]);
		c->no_memory += n;
		return n;
	}
	segments_strip(&s, whole.headers);
	for (unsigned i = 0; i < n; i++) {
		memcpy(frames[i]->data, whole.headers, s.headers);
		segments_head(&s, frames[i]->data, i, &frames[i]->vnet);
		frame_ready(frames[i], a->vlan, s.headers);
		push(e, lane, frames[i], t);
	}
	return n;
}

unsigned intake(struct engine *e, struct lane *lane, int64_t now)
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
		if (a.captured < a.size || a.size + sizeof *f + 4 > e->pool.slot_size)
			c->oversize++;
		else if (!(f = pool_take(&e->pool)))
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
