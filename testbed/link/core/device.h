/* What must be true of an interface before a link may be emulated between two of them. */
#ifndef DEVICE_H
#define DEVICE_H

#include <stdint.h>

/*
 * Brings the interface up, stops the host's own IPv6 talk on it, and sees to it that frames arrive
 * as they were on the wire: receive offloads off here, segmentation off at a veth's other end.
 * Returns -1 (errno) when the interface cannot be had.
 */
int device_prepare(const char *name, unsigned *mtu);

/* Frames that the kernel dropped on their way in from this interface, ever. */
uint64_t device_drops(int index);

#endif
