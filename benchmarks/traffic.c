/*
 * Traffic for the benchmarks, one job for each invocation; results go to standard output.
 *     traffic sink PORT SECONDS [FILE]            UDP: counts; with FILE one (seq, sent, received) a packet
 *     traffic stream ADDRESS PORT SIZE RATE SECONDS [HOSTS]
 *         UDP at a steady RATE a second (0: as fast as it goes), in turn to a.b.c.d, a.b.c+1.d ... of HOSTS
 *     traffic accept PORT FLOWS                   TCP: swallows; prints bytes and ns from first to last
 *     traffic push ADDRESS PORT SECONDS FLOWS     TCP: sends
 * Times are CLOCK_REALTIME; received is the kernel's time stamp.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64
#define MOST_FLOWS 128

struct sample {
	uint64_t sequence;
	int64_t sent_ns, received_ns;
};

static int64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static int fail(const char *what)
{
	perror(what);
	exit(1);
}

static struct sockaddr_in address_of(const char *address, const char *port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)),
				     .sin_addr.s_addr = inet_addr(address) };
}

static int bound(int type, const char *port)
{
	struct sockaddr_in a = address_of("0.0.0.0", port);
	int fd = socket(AF_INET, type, 0), on = 1, room = 64 << 20;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a))
		fail("bind");
	return fd;
}

static int64_t stamp_of(struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
		if (c->cmsg_type == SCM_TIMESTAMPNS) {
			struct timespec t;

			memcpy(&t, CMSG_DATA(c), sizeof t);
			return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
		}
	return 0;
}

static int sink(const char *port, double seconds, const char *file)
{
	static struct sample samples[BATCH];
	static char control[BATCH][64];
	struct mmsghdr messages[BATCH];
	struct iovec parts[BATCH];
	uint64_t packets = 0, disordered = 0, last = 0;
	int64_t first_ns = 0, last_ns = 0, end = clock_ns(CLOCK_REALTIME) + (int64_t)(seconds * 1e9);
	int fd = bound(SOCK_DGRAM, port), on = 1;
	FILE *f = file ? fopen(file, "w") : NULL;

	setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
	while (clock_ns(CLOCK_REALTIME) < end) {
		struct timespec patience = { 0, 50000000 };

		for (int i = 0; i < BATCH; i++) {
			parts[i] = (struct iovec){ &samples[i], 16 };
			messages[i].msg_hdr = (struct msghdr){ .msg_iov = &parts[i], .msg_iovlen = 1,
				.msg_control = control[i], .msg_controllen = sizeof control[i] };
		}
		struct pollfd p = { fd, POLLIN, 0 };

		if (ppoll(&p, 1, &patience, NULL) <= 0)
			continue;
		int n = recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL);

		for (int i = 0; i < n; i++) {
			last_ns = samples[i].received_ns = stamp_of(&messages[i].msg_hdr);
			first_ns = first_ns ? first_ns : last_ns;
			disordered += samples[i].sequence < last;
			last = samples[i].sequence;
			packets++;
		}
		if (f && n > 0)
			fwrite(samples, sizeof samples[0], (size_t)n, f);
	}
	if (f)
		fclose(f);
	printf("%" PRIu64 " %" PRIu64 " %" PRId64 "\n", packets, disordered, last_ns - first_ns);
	return 0;
}

static int stream(const char *address, const char *port, size_t size, double rate, double seconds, uint32_t hosts)
{
	struct sockaddr_in to = address_of(address, port);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	static char data[BATCH][2048];
	struct mmsghdr messages[BATCH];
	struct iovec parts[BATCH];
	uint64_t sequence = 0;
	int64_t begin = clock_ns(CLOCK_MONOTONIC), end = begin + (int64_t)(seconds * 1e9), now;
	int batch = rate ? 1 : 8, segment = (int)size;
	size_t length = size;

	/* in a hurry: the kernel cuts a long datagram into packets of this size */
	if ((!rate || rate > 50000) && !setsockopt(fd, SOL_UDP, UDP_SEGMENT, &segment, sizeof segment))
		length = size * (1400 / size < 60 ? 1400 / size : 60);
	memset(messages, 0, sizeof messages);
	for (int i = 0; i < BATCH; i++) {
		parts[i] = (struct iovec){ data[i], length };
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
		messages[i].msg_hdr.msg_name = &to;
		messages[i].msg_hdr.msg_namelen = sizeof to;
	}
	uint32_t first = ntohl(to.sin_addr.s_addr);

	while ((now = clock_ns(CLOCK_MONOTONIC)) < end) {
		int64_t due = rate ? begin + (int64_t)((double)sequence * 1e9 / rate) : now;
		struct timespec until = { due / 1000000000, due % 1000000000 };

		if (due > now)
			clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
		for (int i = 0; i < batch; i++) {
			struct sample s = { sequence, clock_ns(CLOCK_REALTIME), 0 };

			for (size_t at = 0; at < length; at += size, s.sequence = ++sequence)
				memcpy(data[i] + at, &s, 16);
		}
		sendmmsg(fd, messages, (unsigned)batch, 0);
		to.sin_addr.s_addr = htonl(first + (uint32_t)(sequence % hosts) * 256);
	}
	printf("%" PRIu64 "\n", sequence);
	return 0;
}

static int swallow(const char *port, int flows)
{
	static char data[1 << 18];
	struct pollfd polls[MOST_FLOWS];
	int fd = bound(SOCK_STREAM, port), open = 0;
	uint64_t bytes = 0;
	int64_t first_ns = 0, last_ns = 0;

	if (listen(fd, 64))
		fail("listen");
	for (int i = 0; i < flows; i++)
		polls[open++] = (struct pollfd){ accept(fd, NULL, NULL), POLLIN, 0 };
	while (open && poll(polls, (nfds_t)flows, 5000) > 0)
		for (int i = 0; i < flows; i++) {
			if (!polls[i].revents)
				continue;
			ssize_t n = read(polls[i].fd, data, sizeof data);

			if (n <= 0) {
				close(polls[i].fd);
				polls[i].fd = -1;
				open--;
				continue;
			}
			bytes += (uint64_t)n;
			last_ns = clock_ns(CLOCK_MONOTONIC);
			first_ns = first_ns ? first_ns : last_ns;
		}
	printf("%" PRIu64 " %" PRId64 "\n", bytes, last_ns - first_ns);
	return 0;
}

static int push(const char *address, const char *port, double seconds, int flows)
{
	struct sockaddr_in to = address_of(address, port);
	static char data[1 << 16];
	struct pollfd polls[MOST_FLOWS];
	int64_t end = clock_ns(CLOCK_MONOTONIC) + (int64_t)(seconds * 1e9);
	uint64_t again = 0;

	for (int i = 0; i < flows; i++) {
		polls[i] = (struct pollfd){ socket(AF_INET, SOCK_STREAM, 0), POLLOUT, 0 };
		if (connect(polls[i].fd, (struct sockaddr *)&to, sizeof to))
			fail("connect");
	}
	/* poll() tells of room when a third of the socket's memory is free; filled up each ms, the window alone limits */
	while (clock_ns(CLOCK_MONOTONIC) < end && poll(polls, (nfds_t)flows, 1) >= 0)
		for (int i = 0; i < flows; i++)
			while (send(polls[i].fd, data, sizeof data, MSG_DONTWAIT) > 0)
				continue;
	for (int i = 0; i < flows; i++) {
		struct tcp_info info;
		socklen_t size = sizeof info;

		if (!getsockopt(polls[i].fd, IPPROTO_TCP, TCP_INFO, &info, &size))
			again += info.tcpi_total_retrans;
		close(polls[i].fd);
	}
	printf("%" PRIu64 "\n", again);
	return 0;
}

int main(int argc, char **argv)
{
	const char *job = argc > 2 ? argv[1] : "";

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_TIMERSLACK, 1);
	if (!strcmp(job, "sink") && argc >= 4)
		return sink(argv[2], atof(argv[3]), argc > 4 ? argv[4] : NULL);
	if (!strcmp(job, "stream") && argc >= 7)
		return stream(argv[2], argv[3], (size_t)atoi(argv[4]), atof(argv[5]), atof(argv[6]),
			      argc > 7 ? (uint32_t)atoi(argv[7]) : 1);
	if (!strcmp(job, "accept") && argc == 4)
		return swallow(argv[2], atoi(argv[3]));
	if (!strcmp(job, "push") && argc == 6)
		return push(argv[2], argv[3], atof(argv[4]), atoi(argv[5]));
	fprintf(stderr, "usage: see the head of traffic.c\n");
	return 2;
}
