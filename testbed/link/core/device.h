/* What must be true of an interface before a link may be emulated between two of them. */
#ifndef DEVICE_H
#define DEVICE_H

#include <stdbool.h>
#include <stdint.h>

struct device {
	unsigned mtu;
	bool segments, datagrams;	/* takes frames of many TCP segments, of many UDP datagrams */
	bool veth;
	bool gro, lro, ipv6, up;	/* what it was like before */
};

/*
 * Brings the interface up, stops the host's own IPv6 talk on it, and sees to it that frames arrive
 * as they were on the wire, or as this kernel tells and segments.h cuts them: receive offloads off here,
 * those kinds of segmentation that cannot be carried through off at a veth's other end. Returns -1
 * (errno) when the interface cannot be had.
 */
int device_prepare(const char *name, struct device *d);

/* Makes the interface again what it was before; what was done at a veth's other end stays. */
void device_give_back(const char *name, const struct device *d);

/* Frames that the kernel dropped on their way in from this interface, ever. */
uint64_t device_drops(int index);

#endif
