/* What is to happen when: entries leave in order of time, and those of one instant in the order of their entry. */
#ifndef AGENDA_H
#define AGENDA_H

#include <stdbool.h>
#include <stdint.h>

struct entry {
	int64_t t_ns;
	uint64_t number;		/* given by agenda_add() */
	uint32_t kind, index;
	uint32_t round;
	uint32_t size;
	int64_t since_ns;
};

struct agenda {
	struct entry *entries;		/* a binary heap */
	uint64_t n, room, added;
};

/* False: no memory. */
bool agenda_add(struct agenda *a, struct entry e);

/* Takes the first entry if it is due by `until`. */
bool agenda_take(struct agenda *a, int64_t until, struct entry *e);

void agenda_free(struct agenda *a);

#endif
