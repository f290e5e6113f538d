#include "evidence.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int evidence_open(struct evidence *e, unsigned n_lanes, const char *file)
{
	size_t size = sizeof *e->stats + n_lanes * sizeof e->stats->lanes[0];

	memset(e, 0, sizeof *e);
	e->file = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
	e->stats_fd = memfd_create("linkd-stats", MFD_CLOEXEC);
	e->records = calloc(RECORDS, sizeof *e->records);
	if (e->file < 0 || e->stats_fd < 0 || !e->records || ftruncate(e->stats_fd, (off_t)size))
		return -1;
	e->stats = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, e->stats_fd, 0);
	if (e->stats == MAP_FAILED)
		return -1;
	memcpy(e->stats->magic, STATS_MAGIC, sizeof e->stats->magic);
	e->stats->n_lanes = n_lanes;
	return 0;
}

void evidence_record(void *evidence, const struct bin *b)
{
	struct evidence *e = evidence;
	uint64_t head = atomic_load_explicit(&e->head, memory_order_relaxed);

	if (head - atomic_load_explicit(&e->tail, memory_order_acquire) == RECORDS) {
		e->stats->records_lost++;
		return;
	}
	e->records[head % RECORDS] = *b;
	atomic_store_explicit(&e->head, head + 1, memory_order_release);
}

void evidence_flush(struct evidence *e)
{
	uint64_t tail = atomic_load_explicit(&e->tail, memory_order_relaxed);
	uint64_t head = atomic_load_explicit(&e->head, memory_order_acquire);

	while (tail < head) {
		uint64_t at = tail % RECORDS, n = head - tail < RECORDS - at ? head - tail : RECORDS - at;
		ssize_t written = write(e->file, &e->records[at], n * sizeof e->records[0]);

		if (written < (ssize_t)(n * sizeof e->records[0]))	/* disk full: nothing better to do */
			e->stats->records_lost += n;
		tail += n;
		atomic_store_explicit(&e->tail, tail, memory_order_release);
	}
}
