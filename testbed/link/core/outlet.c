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

struct shipments {
	struct shipment each[BATCH];
	struct mmsghdr messages[BATCH];
	struct iovec parts[3 * BATCH];
};

static bool takes(const struct device *d, const struct segments *s)
{
	return s->tcp ? d->segments : d->datagrams;
}

/* Joins to the first frame those that continue it; returns how many frames that makes. */
static unsigned join(const struct port *p, struct train *t, struct frame *const *frames, unsigned n)
{
	unsigned joined = 1;

	if (n > 1 && (p->device.segments || p->device.datagrams) &&
	    train_begin(t, &frames[0]->vnet, frames[0]->data, frames[0]->packet.size) &&
	    takes(&p->device, &t->segments))
		while (joined < n && train_couple(t, &frames[joined]->vnet, frames[joined]->data,
						  frames[joined]->packet.size))
			joined++;
	return joined;
}

/* Loads the next frames into `parts`; returns how many parts they take. */
static unsigned load(struct port *p, struct shipment *s, struct frame *const *frames, unsigned n, struct iovec *parts)
{
	const struct segments *g = &s->train.segments;

	s->frames = join(p, &s->train, frames, n);
	if (s->frames == 1) {
		parts[0] = (struct iovec){ &frames[0]->vnet, sizeof frames[0]->vnet + frames[0]->packet.size };
		return 1;
	}
	train_head(&s->train, &s->vnet);
	parts[0] = (struct iovec){ &s->vnet, sizeof s->vnet };
	parts[1] = (struct iovec){ s->train.first, g->headers };
	for (unsigned i = 0; i < s->frames; i++)
		parts[i + 2] = (struct iovec){ frames[i]->data + g->headers, frames[i]->packet.size - g->headers };
	return s->frames + 2;
}

/* Sends frames joined, up to the first that AF_XDP takes; `wanted` are these frames, the result those sent. */
static unsigned send_joined(struct port *p, struct frame *const *frames, unsigned n, unsigned *wanted)
{
	struct shipments s;
	struct iovec *part = s.parts;
	unsigned loaded = 0, done = 0;

	for (*wanted = 0; *wanted < n; *wanted += s.each[loaded++].frames) {
		unsigned used = load(p, &s.each[loaded], frames + *wanted, n - *wanted, part);

		if (s.each[loaded].frames == 1 && xdp_takes(&p->xdp, frames[*wanted]))
			break;
		s.messages[loaded] = (struct mmsghdr){ .msg_hdr = { .msg_iov = part, .msg_iovlen = used } };
		part += used;
	}
	int sent = sendmmsg(p->out, s.messages, loaded, MSG_DONTWAIT);

	for (int i = 0; i < sent; i++)
		done += s.each[i].frames;
	return done;
}

/* Sends by AF_XDP the frames in front of the first that others join. */
static unsigned send_single(struct port *p, struct frame *const *frames, unsigned n, unsigned *wanted)
{
	struct train unused;

	for (*wanted = 0; *wanted < n && xdp_takes(&p->xdp, frames[*wanted]) &&
			  join(p, &unused, frames + *wanted, n - *wanted) == 1; ++*wanted)
		continue;
	return *wanted ? xdp_send(&p->xdp, frames, *wanted) : 0;
}

unsigned port_send(struct port *p, struct frame *const *frames, unsigned n)
{
	bool single = p->xdp.fd >= 0;
	unsigned done = 0, sent, wanted;

	do {
		sent = single ? send_single(p, frames + done, n - done, &wanted)
			      : send_joined(p, frames + done, n - done, &wanted);
		done += sent;
		single = !single && p->xdp.fd >= 0;
	} while (done < n && sent == wanted);
	return done;
}
