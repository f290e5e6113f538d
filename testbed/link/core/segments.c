#include "segments.h"

#include <string.h>

#define IPV4 0x0800
#define IPV6 0x86dd
#define VLAN 0x8100
#define SERVICE_VLAN 0x88a8
#define MPLS 0x8847
#define LAST_LABEL 1
#define HOP_BY_HOP 0
#define ROUTING 43
#define DESTINATION 60
#define JUMBO_PAYLOAD 0xc2		/* RFC 2675 */
#define JUMBO_BYTES 8
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

/* Steps over VLAN tags and MPLS labels to the IP header; false: there is none. */
static bool find_ip(struct segments *s, const uint8_t *d, uint32_t held)
{
	unsigned at = 14, type;

	for (type = get16(d + 12); type == VLAN || type == SERVICE_VLAN; at += 4) {
		if (at + 4 > held || at > HEADERS_MAX)
			return false;
		type = get16(d + at + 2);
	}
	s->plain = at <= 18;
	if (type == MPLS) {
		s->plain = false;
		do {
			at += 4;
		} while (at < held && at <= HEADERS_MAX && !(d[at - 2] & LAST_LABEL));
		type = at < held && d[at] >> 4 == 6 ? IPV6 : IPV4;
	}
	s->ip = (uint16_t)at;
	s->v6 = type == IPV6;
	return (s->v6 || type == IPV4) && at + (s->v6 ? 40u : 20u) <= held && d[at] >> 4 == (s->v6 ? 6 : 4);
}

/* Whether this is the header that Linux puts before frames above 64 KiB; it is for hosts and no wire. */
static bool is_jumbo(const uint8_t *ip, const uint8_t *header)
{
	return !get16(ip + 4) && !header[1] && header[2] == JUMBO_PAYLOAD && header[3] == 4;
}

static bool is_extension(unsigned protocol)
{
	return protocol == HOP_BY_HOP || protocol == ROUTING || protocol == DESTINATION;
}

/* Steps over options and extension headers; returns the transport's protocol, 0: of this packet it is not known. */
static unsigned find_transport(struct segments *s, const uint8_t *d, uint32_t held)
{
	const uint8_t *ip = d + s->ip;
	unsigned at = s->ip + (s->v6 ? 40 : (ip[0] & 15) * 4u), protocol = ip[s->v6 ? 6 : 9];

	s->plain = s->plain && (s->v6 || ip[0] == 0x45);
	s->jumbo = 0;
	if (!s->v6 && (at < s->ip + 20u || get16(ip + 6) & 0x3fff))
		return 0;
	while (s->v6 && is_extension(protocol) && at + 8 <= held && at <= HEADERS_MAX) {
		if (at == s->ip + 40u && protocol == HOP_BY_HOP && is_jumbo(ip, d + at))
			s->jumbo = JUMBO_BYTES;
		s->plain = false;
		protocol = d[at];
		at += 8 + d[at + 1] * 8u;
	}
	s->transport = (uint16_t)at;
	return protocol;
}

/* Finds the layers of an unfragmented TCP or UDP packet, of which `held` bytes are there; false: it is something else. */
static bool find_layers(struct segments *s, const uint8_t *d, uint32_t held)
{
	if (held < 14 + 20 + 8 || !find_ip(s, d, held))
		return false;
	unsigned protocol = find_transport(s, d, held), least = protocol == TCP ? 20 : 8;

	s->tcp = protocol == TCP;
	if ((!s->tcp && protocol != UDP) || s->transport + least > held)
		return false;
	s->headers = (uint16_t)(s->transport + (s->tcp ? d[s->transport + 12] >> 4 << 2 : 8));
	return s->headers <= held && s->headers <= HEADERS_MAX && s->headers >= s->transport + least;
}

bool segments_read(struct segments *s, const struct virtio_net_hdr *v, const uint8_t *frame, uint32_t held, uint32_t size)
{
	unsigned type = v->gso_type & ~VIRTIO_NET_HDR_GSO_ECN;

	if (!find_layers(s, frame, held) || !v->gso_size || !(v->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) ||
	    v->csum_start != s->transport)
		return false;		/* a tunnel's inner checksum is further behind */
	if (s->tcp ? type != (s->v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4) : type != UDP_DATAGRAMS)
		return false;
	s->payload = v->gso_size;
	s->bytes = size - s->headers;
	s->transport = (uint16_t)(s->transport - s->jumbo);
	s->headers = (uint16_t)(s->headers - s->jumbo);
	return s->bytes && segments_count(s) <= SEGMENTS_MAX;
}

void segments_strip(const struct segments *s, uint8_t *headers)
{
	uint8_t *jumbo = headers + s->ip + 40;

	if (!s->jumbo)
		return;
	headers[s->ip + 6] = jumbo[0];		/* what comes next */
	memmove(jumbo, jumbo + s->jumbo, s->headers - s->ip - 40u);
}

/* Where the transport's checksum lies in the frame. */
static unsigned sum_at(const struct segments *s)
{
	return s->transport + (s->tcp ? 16u : 6u);
}

static uint32_t transport_bytes(const struct segments *s, uint32_t payload)
{
	return s->headers - s->transport + payload;
}

/* Lengths of a packet with this much payload, and its checksums, of which the transport's is left unfinished at `sum`. */
static void seal(const struct segments *s, uint8_t *h, uint32_t payload, uint16_t sum, struct virtio_net_hdr *v)
{
	uint8_t *ip = h + s->ip;
	unsigned options = s->transport - s->ip;	/* and all the rest of the network's header */

	if (s->v6) {
		put16(ip + 4, options - 40 + transport_bytes(s, payload));
	} else {
		put16(ip + 2, options + transport_bytes(s, payload));
		put16(ip + 10, 0);
		put16(ip + 10, ~(uint32_t)fold(sum16(ip, options, 0)));
	}
	if (!s->tcp)
		put16(h + s->transport + 4, transport_bytes(s, payload));
	put16(h + sum_at(s), sum);
	*v = (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = s->transport,
				      .csum_offset = (uint16_t)(sum_at(s) - s->transport) };
}

void segments_head(const struct segments *s, uint8_t *h, unsigned i, struct virtio_net_hdr *v)
{
	uint32_t before = i * s->payload, left = s->bytes - before, payload = left < s->payload ? left : s->payload;
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
	/* the whole's sum of its pseudo header, with another length: only the host knows a routed packet's last address */
	uint32_t others = get16(h + sum_at(s)) + 0xffffu - fold(transport_bytes(s, s->bytes));

	seal(s, h, payload, fold(others + transport_bytes(s, payload)), v);
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

	if (!find_layers(s, frame, size) || !s->plain || !checksum_good(s, v, frame) || size == s->headers ||
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
	uint8_t expected[PLAIN_HEADERS_MAX];
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
	const uint8_t *addresses = t->first + s->ip + (s->v6 ? 8 : 12);
	uint32_t rest = transport_bytes(s, s->bytes) + (s->tcp ? TCP : UDP);

	seal(s, t->first, s->bytes, fold(sum16(addresses, s->v6 ? 32 : 8, rest)), v);
	v->gso_type = !s->tcp ? UDP_DATAGRAMS : s->v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
	v->gso_size = s->payload;
	v->hdr_len = s->headers;
}
