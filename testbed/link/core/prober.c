/*
 * A prober that can keep a recording's own cadence, for `testbed link verify`.
 *     prober ADDRESS TIMES OUT START_NS WAIT_MS
 * TIMES holds int64 ns since START_NS (CLOCK_REALTIME), one for each probe; OUT gets a struct outcome
 * for each. The far end's kernel answers (ICMP Echo), and the kernel stamps what leaves and what comes:
 * no process's wake-up is measured, at either end.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/errqueue.h>
#include <linux/icmp.h>
#include <linux/net_tstamp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)
#define SPIN_NS 100000			/* before a probe is due */
#define NEVER INT64_MIN

struct probe {
	struct icmphdr icmp;
	uint64_t number, unused;
};

struct outcome {
	int64_t sent_ns;		/* since the start */
	int64_t rtt_ns;			/* -1 = no answer */
};

struct probing {
	int fd;
	int64_t start;			/* CLOCK_REALTIME, ns */
	uint64_t n;
	struct outcome *outcomes;
	int64_t *departed, *received;	/* ns since the start, by the kernel's stamps */
};

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * SECOND + t.tv_nsec;
}

static int fail(const char *what)
{
	fprintf(stderr, "prober: %s: %s\n", what, strerror(errno));
	return 1;
}

static int open_socket(const char *address)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = inet_addr(address) };
	struct icmp_filter answers = { ~(1u << ICMP_ECHOREPLY) };
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP), room = 4 << 20;
	int stamps = SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_TX_SOFTWARE |
		     SOF_TIMESTAMPING_OPT_ID | SOF_TIMESTAMPING_OPT_TSONLY;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
	if (fd < 0 || setsockopt(fd, SOL_RAW, ICMP_FILTER, &answers, sizeof answers) ||
	    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &stamps, sizeof stamps) ||
	    connect(fd, (struct sockaddr *)&to, sizeof to))
		return -1;
	return fd;
}

static uint16_t checksum(const struct probe *p)
{
	uint16_t words[sizeof *p / 2];
	uint32_t sum = 0;

	memcpy(words, p, sizeof *p);
	for (size_t i = 0; i < sizeof *p / 2; i++)
		sum += words[i];
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~(sum + (sum >> 16));
}

static bool send_probe(int fd, uint64_t number)
{
	struct probe p = { .icmp = { .type = ICMP_ECHO, .un.echo.id = (uint16_t)getpid() }, .number = number };

	p.icmp.checksum = checksum(&p);
	return send(fd, &p, sizeof p, 0) == sizeof p;
}

/* What the kernel says of a packet: when it passed, and of one that was sent its number; NEVER: nothing. */
static int64_t stamp_of(struct msghdr *m, uint64_t *number)
{
	struct scm_timestamping stamps;
	struct sock_extended_err about;
	int64_t at = NEVER;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPING) {
			memcpy(&stamps, CMSG_DATA(c), sizeof stamps);
			at = stamps.ts[0].tv_sec * SECOND + stamps.ts[0].tv_nsec;
		} else if (c->cmsg_level == SOL_IP && c->cmsg_type == IP_RECVERR) {
			memcpy(&about, CMSG_DATA(c), sizeof about);
			*number = about.ee_data;
		}
	}
	return at;
}

/* Reads a message with its stamp; returns how long it is, -1: there is none. */
static ssize_t receive(int fd, int flags, void *data, size_t size, int64_t *at, uint64_t *number)
{
	char control[256];
	struct iovec part = { data, size };
	struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
	ssize_t got = recvmsg(fd, &m, flags | MSG_DONTWAIT);

	if (got >= 0)
		*at = stamp_of(&m, number);
	return got;
}

/* Reads the answer out of an IP packet; false: it is another one's. */
static bool answer_in(const uint8_t *packet, ssize_t size, struct probe *p)
{
	size_t headers = (size_t)(packet[0] & 15) * 4;

	if (size != (ssize_t)(headers + sizeof *p))
		return false;
	memcpy(p, packet + headers, sizeof *p);
	return p->icmp.un.echo.id == (uint16_t)getpid();
}

static void collect(struct probing *g)
{
	uint8_t packet[128];
	uint64_t number = UINT64_MAX;
	struct probe p;
	int64_t at;
	ssize_t got;

	while (receive(g->fd, MSG_ERRQUEUE, packet, sizeof packet, &at, &number) >= 0)
		if (number < g->n && at != NEVER && g->departed[number] == NEVER)	/* later ones: a veth on its way */
			g->departed[number] = at - g->start;
	while ((got = receive(g->fd, 0, packet, sizeof packet, &at, &number)) >= 0)
		if (answer_in(packet, got, &p) && p.number < g->n && at != NEVER && g->received[p.number] == NEVER)
			g->received[p.number] = at - g->start;
}

/* Collects answers until this instant, asleep where there is time for that. */
static void wait_until(struct probing *g, int64_t due)
{
	struct pollfd p = { g->fd, POLLIN, 0 };
	int64_t left;

	while ((left = due - now_ns()) > 0) {
		struct timespec t = { (left - SPIN_NS) / SECOND, (left - SPIN_NS) % SECOND };

		if (left > SPIN_NS && ppoll(&p, 1, &t, NULL) > 0)
			collect(g);
	}
}

static int64_t *read_times(const char *file, uint64_t *n)
{
	FILE *f = fopen(file, "r");
	int64_t *times = NULL;

	if (!f || fseek(f, 0, SEEK_END))
		return NULL;
	*n = (uint64_t)ftell(f) / sizeof *times;
	rewind(f);
	times = malloc(*n * sizeof *times + 1);
	if (times && fread(times, sizeof *times, *n, f) != *n)
		times = NULL;
	fclose(f);
	return times;
}

int main(int argc, char **argv)
{
	struct sched_param priority = { .sched_priority = 15 };
	struct probing g = { 0 };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_TIMERSLACK, 1);
	sched_setscheduler(0, SCHED_FIFO, &priority);	/* where permitted */
	if (argc != 6) {
		fprintf(stderr, "usage: prober ADDRESS TIMES OUT START_NS WAIT_MS\n");
		return 2;
	}
	int64_t *times = read_times(argv[2], &g.n);
	FILE *out = fopen(argv[3], "w");

	g.start = atoll(argv[4]);
	g.fd = open_socket(argv[1]);
	g.outcomes = calloc(g.n + 1, sizeof *g.outcomes);
	g.departed = calloc(g.n + 1, sizeof *g.departed);
	g.received = calloc(g.n + 1, sizeof *g.received);
	if (!times || !out || g.fd < 0 || !g.outcomes || !g.departed || !g.received)
		return fail("files or socket");
	for (uint64_t i = 0; i < g.n; i++) {
		g.departed[i] = g.received[i] = NEVER;
		wait_until(&g, g.start + times[i]);
		g.outcomes[i].sent_ns = now_ns() - g.start;
		if (!send_probe(g.fd, i))
			return fail("sending");
	}
	wait_until(&g, now_ns() + atoll(argv[5]) * 1000000);
	collect(&g);
	for (uint64_t i = 0; i < g.n; i++) {
		if (g.departed[i] != NEVER)		/* the kernel knows better */
			g.outcomes[i].sent_ns = g.departed[i];
		g.outcomes[i].rtt_ns = g.received[i] == NEVER ? -1 : g.received[i] - g.outcomes[i].sent_ns;
	}
	return fwrite(g.outcomes, sizeof *g.outcomes, g.n, out) != g.n || fclose(out) ? fail(argv[3]) : 0;
}
