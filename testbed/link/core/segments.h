/*
 * What a network card does for its host: a frame of up to 512 KiB, many segments of a TCP stream or a train
 * of UDP datagrams with one header, is cut into the frames that go over a wire; and frames of one stream or
 * train that arrive together are handed to the host as one. The physics sees frames of a wire alone.
 */
#ifndef SEGMENTS_H
#define SEGMENTS_H

#include <linux/virtio_net.h>

#include <stdbool.h>
#include <stdint.h>

#define HEADERS_MAX 9000		/* IPv6 with four extension headers at their longest: 8,400 */
#define PLAIN_HEADERS_MAX 128		/* Ethernet, a tag, IPv6, TCP with all its options: 118 */
#define SEGMENTS_MAX 16384		/* of one frame: 512 KiB in segments of 36 bytes, Linux's limits */

/* The headers of a frame that can be cut: TCP or UDP on IPv4 or IPv6, behind VLAN tags or MPLS labels. */
struct segments {
	uint16_t ip, transport, headers;	/* offsets in a segment's frame; bytes of all its headers */
	bool v6, tcp;
	uint16_t payload;		/* of each segment but the last, which may be shorter */
	uint32_t bytes;			/* of payload, all segments together */
	uint16_t jumbo;			/* bytes that the whole frame has behind its IPv6 header and no segment has */
	bool plain;			/* no options, extension headers, labels; one tag at most: the kind that is joined */
};

static inline unsigned segments_count(const struct segments *s)
{
	return (s->bytes + s->payload - 1) / s->payload;
}

/*
 * Reads the headers of a frame of many segments, of whose `size` bytes the first `held` are there; false: it is
 * none, or of a kind that is not known.
 */
bool segments_read(struct segments *s, const struct virtio_net_hdr *v, const uint8_t *frame, uint32_t held, uint32_t size);

/* Takes out of the whole frame's headers what no segment has: s->headers + s->jumbo bytes become s->headers. */
void segments_strip(const struct segments *s, uint8_t *headers);

/*
 * Turns the stripped headers of a whole frame into those of its i-th segment, the last one of segments_count(), with
 * the checksum left to be finished. The whole frame's own headers may be made so too: from its first one's.
 */
void segments_head(const struct segments *s, uint8_t *headers, unsigned i, struct virtio_net_hdr *v);

/* A frame of a wire, and what may be joined to it. */
struct train {
	struct segments segments;
	uint8_t first[PLAIN_HEADERS_MAX];	/* headers of the first frame */
	bool complete;			/* nothing more may follow */
};

/* Begins a train with this frame; false: it goes alone. */
bool train_begin(struct train *t, const struct virtio_net_hdr *v, const uint8_t *frame, uint32_t size);

/* Couples the next frame, if cutting the longer train would give the very same frames again. */
bool train_couple(struct train *t, const struct virtio_net_hdr *v, const uint8_t *frame, uint32_t size);

/* Writes the headers of the whole train over those of its first frame. */
void train_head(struct train *t, struct virtio_net_hdr *v);

#endif
