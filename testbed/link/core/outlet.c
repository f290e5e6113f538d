/* The way out of a port: trains of segments joined, single frames by AF_XDP where it is to be had. */
#include <string.h>
#include <sys/socket.h>

#include "port.h"
#include "segments.h"

/* What goes to the device as one frame: a frame, or the headers of a train and the payload of each of its frames. */
struct shipment {
	struct train train;
	struct virtio_net_hdr vnet;
	unsigned frames;
};

/* Loads the next frames into `parts`; returns how many parts they take. */
static unsigned load(struct port *p, struct shipment *s, struct frame *const *frames, unsigned n, struct iovec *parts)
{
	const struct segments *g = &s->train.segments;
	struct frame *f = frames[0];

	s->frames = 1;
	if (n > 1 && p->device.segments && train_begin(&s->train, &f->vnet, f->data, f->packet.size))
		while (s->frames < n && train_couple(&s->train, &frames[s->frames]->vnet, frames[s->frames]->data,
						     frames[s->frames]->packet.size))
			s->frames++;
	if (s->frames == 1) {
		parts[0] = (struct iovec){ &f->vnet, sizeof f->vnet + f->packet.size };
		return 1;
	}
	train_head(&s->train, &s->vnet);
	parts[0] = (struct iovec){ &s->vnet, sizeof s->vnet };
	parts[1] = (struct iovec){ s->train.first, g->headers };
	for (unsigned i = 0; i < s->frames; i++)
		parts[i + 2] = (struct iovec){ frames[i]->data + g->headers, frames[i]->packet.size - g->headers };
	return s->frames + 2;
}

struct shipments {
	struct shipment each[BATCH];
	struct mmsghdr messages[BATCH];
	struct iovec parts[3 * BATCH];
	unsigned n;
};

static void load_all(struct port *p, struct shipments *s, struct frame *const *frames, unsigned n)
{
	struct iovec *part = s->parts;

	s->n = 0;
	for (unsigned at = 0; at < n; at += s->each[s->n++].frames) {
		unsigned used = load(p, &s->each[s->n], frames + at, n - at, part);

		s->messages[s->n] = (struct mmsghdr){ .msg_hdr = { .msg_iov = part, .msg_iovlen = used } };
		part += used;
	}
}

static bool by_xdp(const struct port *p, const struct shipment *s)
{
	return p->xdp.fd >= 0 && s->frames == 1;
}

unsigned port_send(struct port *p, struct frame *const *frames, unsigned n)
{
	struct shipments s;
	unsigned done = 0, end;
	int sent;

	load_all(p, &s, frames, n);
	for (unsigned at = 0; at < s.n; at = end) {
		bool xdp = by_xdp(p, &s.each[at]);

		for (end = at + 1; end < s.n && by_xdp(p, &s.each[end]) == xdp; end++)
			continue;
		if (xdp)
			sent = (int)xdp_send(&p->xdp, frames + done, end - at);
		else
			sent = sendmmsg(p->out, s.messages + at, end - at, MSG_DONTWAIT);
		for (int i = 0; i < sent; i++)
			done += s.each[at + (unsigned)i].frames;
		if (sent < (int)(end - at))
			break;
	}
	return done;
}
