/*
 * A prober that can keep a recording's own cadence, for `testbed link verify`.
 *     prober reflect PORT
 *     prober probe ADDRESS PORT TIMES OUT START_NS WAIT_MS
 * TIMES holds int64 ns since START_NS (CLOCK_REALTIME), one for each probe; OUT gets a struct outcome
 * for each. The reflector says how long it kept a probe, so that its own wake-up is not measured.
 */
#include <arpa/inet.h>
#include <stdbool.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
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

struct probe {
	uint64_t number;
	int64_t kept_ns;		/* by the reflector */
};

struct outcome {
	int64_t sent_ns;		/* since the start */
	int64_t rtt_ns;			/* without the time at the reflector; -1 = no answer */
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

static int udp(const char *address, const char *port, bool serve)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)),
				 .sin_addr.s_addr = inet_addr(address) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), on = 1, room = 4 << 20;

	setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
	if (fd < 0 || (serve ? bind : connect)(fd, (struct sockaddr *)&a, sizeof a))
		return -1;
	return fd;
}

/* Receives a probe; returns the kernel's time stamp of it, or 0. */
static int64_t receive(int fd, struct probe *p, struct sockaddr_in *from, int flags)
{
	char control[64];
	struct iovec part = { p, sizeof *p };
	struct msghdr m = { .msg_name = from, .msg_namelen = from ? sizeof *from : 0, .msg_iov = &part,
			    .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
	struct timespec t;

	if (recvmsg(fd, &m, flags) != sizeof *p)
		return 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
		if (c->cmsg_type == SCM_TIMESTAMPNS) {
			memcpy(&t, CMSG_DATA(c), sizeof t);
			return t.tv_sec * SECOND + t.tv_nsec;
		}
	return now_ns();
}

static int reflect(const char *port)
{
	int fd = udp("0.0.0.0", port, true);
	struct sockaddr_in from;
	struct probe p;

	if (fd < 0)
		return fail("reflector's socket");
	puts("ready");
	fflush(stdout);
	for (;;) {
		int64_t received = receive(fd, &p, &from, 0);

		p.kept_ns = now_ns() - received;
		if (received)
			sendto(fd, &p, sizeof p, 0, (struct sockaddr *)&from, sizeof from);
	}
}

static void collect(int fd, struct outcome *outcomes, uint64_t n, int64_t start)
{
	struct probe p;
	int64_t received;

	while ((received = receive(fd, &p, NULL, MSG_DONTWAIT)))
		if (p.number < n && outcomes[p.number].rtt_ns < 0)
			outcomes[p.number].rtt_ns =
				received - start - outcomes[p.number].sent_ns - p.kept_ns;
}

/* Collects answers until this instant, asleep where there is time for that. */
static void wait_until(int64_t due, int fd, struct outcome *outcomes, uint64_t n, int64_t start)
{
	struct pollfd p = { fd, POLLIN, 0 };
	int64_t left;

	while ((left = due - now_ns()) > 0) {
		struct timespec t = { (left - SPIN_NS) / SECOND, (left - SPIN_NS) % SECOND };

		if (left > SPIN_NS && ppoll(&p, 1, &t, NULL) > 0)
			collect(fd, outcomes, n, start);
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

static int probe(char **argv)
{
	uint64_t n = 0;
	int64_t *times = read_times(argv[4], &n), start = atoll(argv[6]);
	struct outcome *outcomes = malloc(n * sizeof *outcomes + 1);
	int fd = udp(argv[2], argv[3], false);
	FILE *out = fopen(argv[5], "w");

	if (!times || !outcomes || fd < 0 || !out)
		return fail("prober's files or socket");
	for (uint64_t i = 0; i < n; i++)
		outcomes[i].rtt_ns = -1;
	for (uint64_t i = 0; i < n; i++) {
		struct probe p = { i, 0 };

		wait_until(start + times[i], fd, outcomes, i, start);
		outcomes[i].sent_ns = now_ns() - start;
		send(fd, &p, sizeof p, 0);
	}
	wait_until(now_ns() + atoll(argv[7]) * 1000000, fd, outcomes, n, start);
	return fwrite(outcomes, sizeof *outcomes, n, out) != n || fclose(out) ? fail(argv[5]) : 0;
}

int main(int argc, char **argv)
{
	struct sched_param priority = { .sched_priority = 15 };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_TIMERSLACK, 1);
	sched_setscheduler(0, SCHED_FIFO, &priority);	/* where permitted */
	if (argc == 3 && !strcmp(argv[1], "reflect"))
		return reflect(argv[2]);
	if (argc == 8 && !strcmp(argv[1], "probe"))
		return probe(argv);
	fprintf(stderr, "usage: prober reflect PORT | prober probe ADDRESS PORT TIMES OUT START_NS WAIT_MS\n");
	return 2;
}
