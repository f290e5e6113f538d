/* One end of an emulated link: a network interface, read through a ring, written in batches. */
#ifndef PORT_H
#define PORT_H

#include <stdbool.h>
#include <sys/uio.h>

#include "device.h"
#include "xdp.h"

/* A frame as it lies in the ring, valid until the next port_receive(). */
struct arrival {
	int64_t realtime_ns;		/* the kernel's time stamp */
	const uint8_t *data;		/* a struct virtio_net_hdr lies directly before it */
	uint32_t size, captured;	/* captured < size: cut off by the ring, see port_fetch() */
	uint32_t vlan;			/* 4 bytes of 802.1Q tag that the kernel took out; 0 = none */
};

struct port {
	struct xdp xdp;			/* fd -1: not here */
	int in, out, index;		/* two sockets: what is sent wakes nobody who waits for arrivals */
	struct device device;
	bool queued;			/* the frame handed out last is whole in the socket's queue */
	uint8_t *ring;
	unsigned frame_size, frames, next;
	uint32_t *held;			/* status word of the slot handed out last */
	int64_t empty_ns;		/* when the ring was last seen empty */
	char name[16];
};

/* Opens the interface with a ring of this many frames, and AF_XDP if `xdp` and where it is to be had; on failure says why on stderr. */
int port_open(struct port *p, const char *name, unsigned frames, bool xdp);

/* Gives the interface back as it was. */
void port_close(struct port *p);

/* Takes the next frame out of the ring; false: it is empty. */
bool port_receive(struct port *p, struct arrival *a);

/* Copies the frame handed out last, its vnet header first, into these parts; false: there was no room for it. */
bool port_fetch(struct port *p, const struct arrival *a, const struct iovec *parts, unsigned n);

/* Sends frames in order; returns how many the device took before it refused one. */
unsigned port_send(struct port *p, struct frame *const *frames, unsigned n);

/* Frames lost for want of room in the ring since the last call. */
unsigned port_ring_drops(struct port *p);

#endif
