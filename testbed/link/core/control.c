#include "control.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int control_listen(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 8))
		return -1;
	return fd;
}

static void answer(int client, const char *format, ...)
{
	char text[256];
	va_list values;

	va_start(values, format);
	vsnprintf(text, sizeof text, format, values);
	va_end(values);
	send(client, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void answer_with_descriptor(int client, int fd)
{
	char text[] = "ok";
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .header = { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
				  .cmsg_len = CMSG_LEN(sizeof(int)) } };
	struct iovec part = { text, 2 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
				  .msg_controllen = sizeof control.space };

	memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
	sendmsg(client, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* The index of a word in a list that ends with NULL, or -1. */
static int find(const char *word, const char *const *words)
{
	for (int i = 0; words[i]; i++)
		if (!strcmp(word, words[i]))
			return i;
	return -1;
}

/* The lanes of this link and direction; false: unknown. */
static bool select_lanes(const struct setup *s, const char *link, const char *direction, struct order *o)
{
	static const char *const directions[] = { "up", "down", "both", NULL };
	int d = find(direction, directions);
	unsigned i = 0;

	while (i < s->n_links && strcmp(s->names[i], link))
		i++;
	bool all = !strcmp(link, "*");

	if (d < 0 || (i == s->n_links && !all))
		return false;
	o->first = (all ? 0 : 2 * i) + (d == 1);
	o->end = all ? 2 * s->n_links : 2 * i + 2;
	o->step = d == 2 ? 1 : 2;
	return true;
}

static bool in_range(enum field f, int64_t value)
{
	static const int64_t most[FIELDS] = { INT64_C(1) << 50, INT64_C(1) << 50, CERTAIN, HOLD };

	return value >= 0 && value <= most[f];
}

static void change(struct setup *s, int client, const char *text)
{
	static const char *const fields[] = { "delay", "rate", "loss", "state", NULL };
	char link[64], direction[8], field[8];
	struct order o = { .kind = CHANGE };
	int64_t duration;
	int f;

	if (sscanf(text, "change %63s %7s %7s %" SCNd64 " %" SCNd64, link, direction, field, &o.value,
		   &duration) != 5) {
		answer(client, "error: expected change LINK DIRECTION FIELD VALUE DURATION_NS");
	} else if (!select_lanes(s, link, direction, &o)) {
		answer(client, "error: no link '%s' with direction '%s'", link, direction);
	} else if ((f = find(field, fields)) < 0 || !in_range((enum field)f, o.value)) {
		answer(client, "error: %s cannot be %" PRId64, field, o.value);
	} else {
		o.field = (enum field)f;
		o.duration_ns = duration < 0 ? FOREVER : duration;
		engine_order(&s->engine, &o);
		answer(client, "ok");
	}
}

bool control_serve(struct setup *s, int client, bool *stop)
{
	char text[512];
	struct order o = { .kind = START };
	ssize_t n = recv(client, text, sizeof text - 1, 0);

	if (n <= 0)
		return false;
	text[n] = 0;
	if (!strncmp(text, "change ", 7)) {
		change(s, client, text);
	} else if (sscanf(text, "start %" SCNd64, &o.realtime_ns) == 1) {
		engine_order(&s->engine, &o);
		answer(client, "ok");
	} else if (!strcmp(text, "stats")) {
		engine_count_drops(&s->engine);
		answer_with_descriptor(client, s->engine.evidence->stats_fd);
	} else if (!strcmp(text, "fleet") && s->engine.light.fleet) {
		answer_with_descriptor(client, s->engine.light.evidence_fd);
	} else if (!strcmp(text, "stop")) {
		*stop = true;			/* answered by the end of the connection, when all is written */
	} else {
		answer(client, "error: unknown message '%.60s'", text);
	}
	return true;
}
