#include "segments.h"

#include <string.h>

#define IPV4 0x0800
#define IPV6 0x86dd
#define VLAN 0x8100
#define SERVICE_VLAN 0x88a8
#define TCP 6
#define UDP 17
#define UDP_DATAGRAMS 5			/* VIRTIO_NET_HDR_GSO_UDP_L4, which older headers lack */
#define IP_MAX 65535
#define FIN 1
#define PSH 8
#define ACK 16
#define CWR 128

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, uint32_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void put32(uint8_t *p, uint32_t value)
{
	put16(p, value >> 16);
	put16(p + 2, value);
}

/* One's complement sum of RFC 1071, not inverted. */
static uint32_t sum16(const uint8_t *p, unsigned bytes, uint32_t sum)
{
	for (unsigned i = 0; i < bytes; i += 2)
		sum += get16(p + i);
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)(sum + (sum >> 16));
}

/* Finds the layers of an unfragmented TCP or UDP packet; false: it is something else. */
static bool find_layers(struct segments *s, const uint8_t *d, uint32_t size)
{
	unsigned at = 14, protocol;

	if (size < 14 + 20 + 8)
		return false;
	if (get16(d + 12) == VLAN || get16(d + 12) == SERVICE_VLAN)
		at += 4;
	s->ip = (uint16_t)at;
	s->v6 = get16(d + at - 2) == IPV6;
	if (s->v6) {
		protocol = d[at + 6];
		s->transport = (uint16_t)(at + 40);
	} else if (get16(d + at - 2) == IPV4 && d[at] == 0x45 && !(get16(d + at + 6) & 0x3fff)) {
		protocol = d[at + 9];
		s->transport = (uint16_t)(at + 20);
	} else {
		return false;
	}
	s->tcp = protocol == TCP;
	if (size < s->transport + (s->tcp ? 20u : 8u) || (!s->tcp && protocol != UDP))
		return false;
	s->headers = (uint16_t)(s->transport + (s->tcp ? d[s->transport + 12] >> 4 << 2 : 8));
	return s->headers <= size && s->headers <= HEADERS_MAX && s->headers >= s->transport + (s->tcp ? 20 : 8);
}

bool segments_read(struct segments *s, const struct virtio_net_hdr *v, const uint8_t *frame, uint32_t size)
{
	unsigned type = v->gso_type & ~VIRTIO_NET_HDR_GSO_ECN;

	if (!find_layers(s, frame, size) || !v->gso_size || v->csum_start != s->transport)
		return false;		/* a tunnel's inner checksum is further behind */
	if (s->tcp ? type != (s->v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4) : type != UDP_DATAGRAMS)
		return false;
	s->payload = v->gso_size;
	s->bytes = size - s->headers;
	return s->bytes && segments_count(s) <= SEGMENTS_MAX;
}

/* Where the transport's checksum lies in the frame. */
static unsigned sum_at(const struct segments *s)
{
	return s->transport + (s->tcp ? 16u : 6u);
}

/* Lengths and checksums of a packet with this much payload; the transport's checksum is left unfinished. */
static void seal(const struct segments *s, uint8_t *h, uint32_t payload, struct virtio_net_hdr *v)
{
	uint8_t *ip = h + s->ip, *transport = h + s->transport;
	uint32_t length = s->headers - s->transport + payload;

	if (s->v6) {
		put16(ip + 4, length);
	} else {
		put16(ip + 2, length + 20);
		put16(ip + 10, 0);
		put16(ip + 10, ~(uint32_t)fold(sum16(ip, 20, 0)));
	}
	if (!s->tcp)
		put16(transport + 4, length);
	/* the pseudo header's sum: addresses, protocol, length */
	put16(h + sum_at(s), fold(sum16(ip + (s->v6 ? 8 : 12), s->v6 ? 32 : 8, length + (s->tcp ? TCP : UDP))));
	*v = (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = s->transport,
				      .csum_offset = (uint16_t)(sum_at(s) - s->transport) };
}

void segments_head(const struct segments *s, uint8_t *h, unsigned i, struct virtio_net_hdr *v)
{
	uint32_t before = i * s->payload, left = s->bytes - before;
	uint8_t *flags = h + s->transport + 13;

	if (!s->v6)
		put16(h + s->ip + 4, get16(h + s->ip + 4) + i);
	if (s->tcp) {
		put32(h + s->transport + 4, get32(h + s->transport + 4) + before);
		if (left > s->payload)
			*flags &= (uint8_t)~(FIN | PSH);
		if (i)
			*flags &= (uint8_t)~CWR;
	}
	seal(s, h, left < s->payload ? left : s->payload, v);
}

/* Whether the transport's checksum is right, or not made yet: joining makes a new one, and must hide no fault. */
static bool checksum_good(const struct segments *s, const struct virtio_net_hdr *v, const uint8_t *frame)
{
	if (v->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		return v->csum_start == s->transport;
	/* zero: a datagram that has none, and must not get one */
	return v->flags & VIRTIO_NET_HDR_F_DATA_VALID && get16(frame + sum_at(s));
}

/* Whether the layers' lengths are the frame's: no padding, nothing between. */
static bool lengths_agree(const struct segments *s, const uint8_t *frame, uint32_t size)
{
	uint32_t ip = s->v6 ? get16(frame + s->ip + 4) + 40u : get16(frame + s->ip + 2);

	return s->ip + ip == size && (s->tcp || s->transport + get16(frame + s->transport + 4) == size);
}

bool train_begin(struct train *t, const struct virtio_net_hdr *v, const uint8_t *frame, uint32_t size)
{
	struct segments *s = &t->segments;

	if (!find_layers(s, frame, size) || !checksum_good(s, v, frame) || size == s->headers ||
	    !lengths_agree(s, frame, size) || (s->tcp && frame[s->transport + 13] != ACK))
		return false;
	s->bytes = size - s->headers;
	s->payload = (uint16_t)s->bytes;
	memcpy(t->first, frame, s->headers);
	t->complete = false;
	return true;
}

bool train_couple(struct train *t, const struct virtio_net_hdr *v, const uint8_t *frame, uint32_t size)
{
	struct segments *s = &t->segments, longer = *s;
	struct virtio_net_hdr unused;
	uint8_t expected[HEADERS_MAX];
	uint32_t payload = size - s->headers, sum = sum_at(s);
	bool pushed = s->tcp && size > s->headers && frame[s->transport + 13] & PSH;

	if (t->complete || size <= s->headers || payload > s->payload || !checksum_good(s, v, frame) ||
	    s->headers - s->ip + s->bytes + payload > IP_MAX)
		return false;
	longer.bytes += payload;
	memcpy(expected, t->first, s->headers);
	if (s->tcp)
		expected[s->transport + 13] = pushed ? ACK | PSH : ACK;
	segments_head(&longer, expected, s->bytes / s->payload, &unused);
	if (memcmp(expected, frame, sum) || memcmp(expected + sum + 2, frame + sum + 2, s->headers - sum - 2))
		return false;
	t->complete = payload < s->payload || pushed;
	if (s->tcp)
		t->first[s->transport + 13] = frame[s->transport + 13];
	*s = longer;
	return true;
}

void train_head(struct train *t, struct virtio_net_hdr *v)
{
	struct segments *s = &t->segments;

	seal(s, t->first, s->bytes, v);
	v->gso_type = !s->tcp ? UDP_DATAGRAMS : s->v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
	v->gso_size = s->payload;
	v->hdr_len = s->headers;
}
