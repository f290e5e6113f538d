/*
 * libFuzzer target (make fuzz; needs clang): the input is what clients send to linkd's control socket, one message a
 * line. Whatever it is, no order may leave that names a lane which is not there or a value which no link can have.
 */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control.c"

#define LINKS 2

void engine_order(struct engine *e, struct order *o)
{
	(void)e;
	if (o->kind == CHANGE && (o->first >= o->end || o->end > 2 * LINKS || !o->step || o->field >= FIELDS ||
				  !in_range(o->field, o->value) || o->duration_ns < 0))
		abort();
}

void engine_count_drops(struct engine *e)
{
	(void)e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct evidence evidence = { .stats_fd = STDERR_FILENO };
	static char names[LINKS][NAME_MAX_LENGTH + 1] = { "starlink", "lte" };
	struct setup setup = { .n_links = LINKS, .names = names, .engine.evidence = &evidence };
	int ends[2];
	bool stop = false;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends))
		abort();
	for (const uint8_t *end = data + size, *next; data < end && !stop; data = next) {
		const uint8_t *line = memchr(data, '\n', (size_t)(end - data));
		char said[512];

		next = line ? line + 1 : end;
		if (send(ends[0], data, (size_t)((line ? line : end) - data), MSG_DONTWAIT) <= 0)
			continue;	/* one that is empty, or larger than a socket takes */
		if (!control_serve(&setup, ends[1], &stop))
			break;
		recv(ends[0], said, sizeof said, MSG_DONTWAIT);
	}
	close(ends[0]);
	close(ends[1]);
	return 0;
}
