/*
 * linkd DIRECTORY: emulates the links of DIRECTORY/linkd.conf until it is told to stop or its parent
 * dies. In DIRECTORY it makes linkd.sock (control), links.bins (10 ms records, flushed twice a second)
 * and linkd.log; when it is ready it writes "ready" to linkd.ready, a pipe that a waiting parent made.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control.h"

#define CLIENTS 16
#define FLUSH_MS 500

enum { SIGNALS, LISTENER, FIRST_CLIENT };

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);	/* for the packet thread as well */
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static void accept_client(struct pollfd *polls, unsigned *n)
{
	int client = accept4(polls[LISTENER].fd, NULL, NULL, SOCK_CLOEXEC);

	if (client >= 0 && *n < FIRST_CLIENT + CLIENTS)
		polls[(*n)++] = (struct pollfd){ client, POLLIN, 0 };
	else if (client >= 0)
		close(client);
}

static void serve(struct setup *s, int signals, int listener)
{
	struct pollfd polls[FIRST_CLIENT + CLIENTS] = { { signals, POLLIN, 0 }, { listener, POLLIN, 0 } };
	unsigned n = FIRST_CLIENT;
	bool stop = false;

	while (!stop && !s->engine.starved) {
		if (poll(polls, n, FLUSH_MS) > 0) {
			stop = polls[SIGNALS].revents;
			for (unsigned i = n; i-- > FIRST_CLIENT;)
				if (polls[i].revents && !control_serve(s, polls[i].fd, &stop)) {
					close(polls[i].fd);
					polls[i] = polls[--n];
				}
			if (polls[LISTENER].revents)
				accept_client(polls, &n);
		}
		engine_count_drops(&s->engine);
		evidence_flush(s->engine.evidence);
	}
}

static void tell_ready(void)
{
	int fd = open("linkd.ready", O_WRONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0 && write(fd, "ready\n", 6) == 6)
		close(fd);
}

int main(int argc, char **argv)
{
	struct order stop = { .kind = STOP };
	static struct setup s;			/* lives as long as the process */
	pthread_t thread;
	int signals, listener;

	if (argc != 2) {
		fprintf(stderr, "usage: linkd DIRECTORY\n");
		return 2;
	}
	prctl(PR_SET_PDEATHSIG, SIGTERM);	/* SIGTERM, so that the last records are written */
	mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
	signals = open_signals();
	if (chdir(argv[1]) || !freopen("linkd.log", "w", stderr)) {
		perror(argv[1]);
		return 2;
	}
	if (setup_read(&s, "linkd.conf")) {
		setup_close(&s);
		return 2;
	}
	listener = control_listen("linkd.sock");
	if (signals < 0 || listener < 0 || pthread_create(&thread, NULL, engine_run, &s.engine)) {
		perror("linkd");
		return 1;
	}
	tell_ready();
	serve(&s, signals, listener);
	engine_order(&s.engine, &stop);
	pthread_join(thread, NULL);
	engine_count_drops(&s.engine);
	evidence_flush(s.engine.evidence);
	setup_close(&s);
	if (s.engine.starved)
		fprintf(stderr, "no memory for light hubs\n");
	return s.engine.starved;
}
