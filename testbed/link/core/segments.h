/*
 * What a network card does for its host: a frame of up to 64 KiB, many segments of a TCP stream or a train
 * of UDP datagrams with one header, is cut into the frames that go over a wire; and frames of one stream or
 * train that arrive together are handed to the host as one. The physics sees frames of a wire alone.
 */
#ifndef SEGMENTS_H
#define SEGMENTS_H

#include <linux/virtio_net.h>

#include <stdbool.h>
#include <stdint.h>

#define HEADERS_MAX 128			/* Ethernet, a tag, IPv6, TCP with all its options: 118 */
#define SEGMENTS_MAX 1000		/* of one frame; IOV_MAX is 1024 */

/* The headers of a frame that can be cut or joined: TCP or UDP on IPv4 or IPv6. */
struct segments {
	uint16_t ip, transport, headers;	/* offsets in the frame; bytes of all headers */
	bool v6, tcp;
	uint16_t payload;		/* of each segment but the last, which may be shorter */
	uint32_t bytes;			/* of payload, all segments together */
};

static inline unsigned segments_count(const struct segments *s)
{
	return (s->bytes + s->payload - 1) / s->payload;
}

/* Reads the headers of a frame of many segments; false: it is none, or of a kind that is not known. */
bool segments_read(struct segments *s, const struct virtio_net_hdr *v, const uint8_t *frame, uint32_t size);

/*
 * Turns the headers of a whole frame into those of its i-th segment, the last one of segments_count(), with
 * the checksum left to be finished. The whole frame's own headers may be made so too: from its first one's.
 */
void segments_head(const struct segments *s, uint8_t *headers, unsigned i, struct virtio_net_hdr *v);

/* A frame of a wire, and what may be joined to it. */
struct train {
	struct segments segments;
	uint8_t first[HEADERS_MAX];	/* headers of the first frame */
	bool complete;			/* nothing more may follow */
};

/* Begins a train with this frame; false: it goes alone. */
bool train_begin(struct train *t, const struct virtio_net_hdr *v, const uint8_t *frame, uint32_t size);

/* Couples the next frame, if cutting the longer train would give the very same frames again. */
bool train_couple(struct train *t, const struct virtio_net_hdr *v, const uint8_t *frame, uint32_t size);

/* Writes the headers of the whole train over those of its first frame. */
void train_head(struct train *t, struct virtio_net_hdr *v);

#endif
