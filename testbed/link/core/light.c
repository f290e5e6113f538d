#include "light.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A copy of our own: pointers are written into it. */
static void *map(const char *file, size_t *size)
{
	struct stat st;
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	void *block = MAP_FAILED;

	if (fd >= 0 && !fstat(fd, &st) && st.st_size)
		block = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (block == MAP_FAILED)
		fprintf(stderr, "%s: %s\n", file, strerror(errno));
	else
		*size = (size_t)st.st_size;
	if (fd >= 0)
		close(fd);
	return block == MAP_FAILED ? NULL : block;
}

int light_open(struct light *l, const char *file)
{
	const char *fault;
	size_t size;
	void *block = map(file, &size), *evidence;

	if (!block)
		return -1;
	if (!(l->plan = plan_read(block, size, &fault))) {
		fprintf(stderr, "%s: %s\n", file, fault);
		return -1;
	}
	size = fleet_evidence_size(l->plan) + 1;	/* of cells without hubs: none, and an empty file has no memory */
	l->evidence_fd = memfd_create("linkd-fleet", MFD_CLOEXEC);
	if (l->evidence_fd < 0 || ftruncate(l->evidence_fd, (off_t)size) ||
	    (evidence = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, l->evidence_fd, 0)) == MAP_FAILED ||
	    !(l->fleet = fleet_open(l->plan, evidence))) {
		fprintf(stderr, "%s: memory: %s\n", file, strerror(errno));
		return -1;
	}
	return 0;
}
