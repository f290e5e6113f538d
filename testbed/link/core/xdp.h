/*
 * The cheaper way out for single frames: an AF_XDP socket in copy mode, which needs no program in the
 * kernel. It cannot send frames of many segments.
 */
#ifndef XDP_H
#define XDP_H

#include <stdbool.h>

#include "frame.h"

struct xdp {
	int fd;
	unsigned chunk;			/* bytes of memory a frame: its metadata, the frame */
	uint8_t *memory;
	uint32_t *produced, *consumed;	/* of the ring to the kernel ... */
	uint32_t *completed, *reclaimed;	/* ... and of the one back */
	struct xdp_desc *ring;
	uint32_t head;
};

/* false: this kernel or this device does not have it. */
bool xdp_open(struct xdp *x, int index, unsigned mtu);

/* false: not here, or the frame is too large, as from an interface with a larger MTU. */
bool xdp_takes(const struct xdp *x, const struct frame *f);

/* Sends frames that it takes, in order; returns how many the device took before it refused one. */
unsigned xdp_send(struct xdp *x, struct frame *const *frames, unsigned n);

#endif
