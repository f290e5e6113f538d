#include "setup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MEMORY (UINT64_C(256) << 20)	/* for packets inside links; touched as needed */
#define RING_FRAMES 16384		/* of all rings together */

struct line {				/* one `link` line */
	char name[NAME_MAX_LENGTH + 1], ends[2][16], schedules[2][128];
	uint64_t seed;
};

struct plan {
	struct line *lines;
	unsigned n, xdp;
	struct mark marks[2];
	uint64_t memory;
	enum spin spin;
	char fleet[128];		/* the file of a plan; empty: none */
};

static enum spin spin_named(const char *word)
{
	static const char *const names[] = { "auto", "never", "near", "always" };
	unsigned i = 3;

	while (i && strcmp(word, names[i]))
		i--;
	return (enum spin)i;
}

static int parse(struct plan *p, FILE *f, const char *file)
{
	char text[512], word[16];

	for (unsigned number = 1; fgets(text, sizeof text, f); number++) {
		struct line l;

		if (sscanf(text, "mark %u %u", &p->marks[0].dscp, &p->marks[1].dscp) >= 1 ||
		    sscanf(text, "mark_length %u %u", &p->marks[0].length, &p->marks[1].length) >= 1 ||
		    sscanf(text, "memory %" SCNu64, &p->memory) == 1 ||
		    sscanf(text, "fleet %127s", p->fleet) == 1 ||
		    sscanf(text, "xdp %u", &p->xdp) == 1)
			continue;
		if (sscanf(text, "spin %15s", word) == 1) {
			p->spin = spin_named(word);
			continue;
		}
		if (!strncmp(text, "share ", 6))
			continue;		/* when the links are there: see parse_shares() */
		if (sscanf(text, "link %63s %15s %15s %" SCNu64 " %127s %127s", l.name, l.ends[0], l.ends[1],
			   &l.seed, l.schedules[0], l.schedules[1]) != 6) {
			fprintf(stderr, "%s:%u: found '%s', expected mark, memory, spin, xdp, fleet, share or link\n", file,
				number, strtok(text, "\n"));
			return -1;
		}
		p->lines = realloc(p->lines, (p->n + 1) * sizeof l);
		if (!p->lines)
			return -1;
		p->lines[p->n++] = l;
	}
	if (!p->n)
		fprintf(stderr, "%s: no link in it\n", file);
	return p->n ? 0 : -1;
}

static const struct schedule *map_schedule(const char *file)
{
	struct stat st;
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	const struct schedule *s = MAP_FAILED;

	if (fd >= 0 && !fstat(fd, &st) && st.st_size)
		s = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (s == MAP_FAILED) {
		fprintf(stderr, "%s: %s\n", file, strerror(errno));
		return NULL;
	}
	close(fd);
	const char *fault = schedule_fault(s, (size_t)st.st_size);

	if (fault)
		fprintf(stderr, "%s: %s\n", file, fault);
	return fault ? NULL : s;
}

static unsigned ring_frames(unsigned ports)
{
	unsigned frames = RING_FRAMES / ports / 32 * 32;	/* whole blocks of 64 KiB */

	return frames > 6144 ? 6144 : frames < 512 ? 512 : frames;
}

static int join(struct setup *s, unsigned link, const struct plan *p)
{
	const struct line *line = &p->lines[link];
	struct engine *e = &s->engine;
	struct port *ends = &e->ports[2 * link];

	strcpy(s->names[link], line->name);
	for (unsigned i = 0; i < 2; i++)
		if (port_open(&ends[i], line->ends[i], ring_frames(e->n_lanes), p->xdp))
			return -1;
	for (unsigned d = 0; d < 2; d++) {
		struct lane *lane = &e->lanes[2 * link + d];
		const struct schedule *schedule = map_schedule(line->schedules[d]);

		if (!schedule)
			return -1;
		link_init(&lane->link, schedule, line->seed, d);
		recorder_init(&lane->recorder, &e->stats->lanes[2 * link + d], link, d);
		lane->recorder.emit = evidence_record;
		lane->recorder.to = e->evidence;
		memcpy(lane->recorder.marks, p->marks, sizeof p->marks);
		lane->station = NONE;
		lane->in = &ends[d];
		lane->out = &ends[!d];
	}
	return 0;
}

static enum sending way_of_sending(const struct engine *e)
{
	unsigned xdp = 0;

	for (unsigned i = 0; i < e->n_lanes; i++)
		xdp += e->ports[i].xdp.fd >= 0;
	return !xdp ? BY_PACKET : xdp == e->n_lanes ? BY_XDP : BY_BOTH;
}

static int watch_ports(struct engine *e)
{
	struct epoll_event event = { .events = EPOLLIN };

	e->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	e->watch = epoll_create1(EPOLL_CLOEXEC);
	for (unsigned i = 0; i < e->n_lanes; i++)
		if (epoll_ctl(e->watch, EPOLL_CTL_ADD, e->ports[i].in, &event))
			return -1;
	event.events |= EPOLLET;		/* who rang may wait for this thread's processor before it can stop the bell */
	return epoll_ctl(e->watch, EPOLL_CTL_ADD, e->bell, &event);
}

static int parse_share(struct setup *s, const char *text)
{
	struct engine *e = &s->engine;
	char link[64], direction[8];
	unsigned l = 0, station;

	if (sscanf(text, "share %63s %7s %u", link, direction, &station) != 3)
		return -1;
	while (l < s->n_links && strcmp(s->names[l], link))
		l++;
	if (l == s->n_links || !e->light.plan || station >= e->light.plan->n_stations)
		return -1;
	struct lane *lane = &e->lanes[2 * l + !strcmp(direction, "down")];

	lane->station = station;
	fleet_share(e->light.fleet, &lane->link, station);
	return 0;
}

/* The second reading, for what refers to links. */
static int parse_shares(struct setup *s, FILE *f, const char *file)
{
	char text[512];

	rewind(f);
	for (unsigned number = 1; fgets(text, sizeof text, f); number++)
		if (!strncmp(text, "share ", 6) && parse_share(s, text)) {
			fprintf(stderr, "%s:%u: share of an unknown link or station\n", file, number);
			return -1;
		}
	return 0;
}

static int build(struct setup *s, const struct plan *p)
{
	static struct evidence evidence;
	struct engine *e = &s->engine;

	e->n_lanes = 2 * p->n;
	e->lanes = calloc(e->n_lanes, sizeof *e->lanes);
	e->ports = calloc(e->n_lanes, sizeof *e->ports);
	s->names = calloc(p->n, sizeof *s->names);
	s->n_links = p->n;
	e->evidence = &evidence;
	if (!e->lanes || !e->ports || !s->names || evidence_open(&evidence, e->n_lanes, "links.bins")) {
		perror("memory or files");
		return -1;
	}
	e->stats = evidence.stats;
	e->waking.spin = p->spin;
	if (*p->fleet && light_open(&e->light, p->fleet))
		return -1;
	for (unsigned i = 0; i < p->n; i++)
		if (join(s, i, p))
			return -1;
	e->stats->sending = way_of_sending(e);
	if (watch_ports(e) || !engine_init(e, p->memory)) {
		perror("packet memory");
		return -1;
	}
	return 0;
}

int setup_read(struct setup *s, const char *file)
{
	struct plan p = { .marks = { { .dscp = 46 }, { .dscp = NO_DSCP } }, .memory = MEMORY, .spin = SPIN_AUTO, .xdp = 1 };
	FILE *f = fopen(file, "r");
	int failed;

	memset(s, 0, sizeof *s);
	if (!f) {
		perror(file);
		return -1;
	}
	failed = parse(&p, f, file) || build(s, &p) || parse_shares(s, f, file);
	fclose(f);
	free(p.lines);
	return failed ? -1 : 0;
}

void setup_close(struct setup *s)
{
	for (unsigned i = 0; s->engine.ports && i < s->engine.n_lanes; i++)
		port_close(&s->engine.ports[i]);
}
