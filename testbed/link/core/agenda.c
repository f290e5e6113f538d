#include "agenda.h"

#include <stdlib.h>

static bool before(const struct entry *a, const struct entry *b)
{
	return a->t_ns != b->t_ns ? a->t_ns < b->t_ns : a->number < b->number;
}

bool agenda_add(struct agenda *a, struct entry e)
{
	if (a->n == a->room) {
		uint64_t room = a->room ? 2 * a->room : 1024;
		struct entry *entries = realloc(a->entries, room * sizeof *entries);

		if (!entries)
			return false;
		a->entries = entries;
		a->room = room;
	}
	uint64_t i = a->n++;

	e.number = a->added++;
	for (; i && before(&e, &a->entries[(i - 1) / 2]); i = (i - 1) / 2)
		a->entries[i] = a->entries[(i - 1) / 2];
	a->entries[i] = e;
	return true;
}

bool agenda_take(struct agenda *a, int64_t until, struct entry *e)
{
	if (!a->n || a->entries[0].t_ns > until)
		return false;
	*e = a->entries[0];
	struct entry last = a->entries[--a->n];
	uint64_t i = 0, child;

	while ((child = 2 * i + 1) < a->n) {
		if (child + 1 < a->n && before(&a->entries[child + 1], &a->entries[child]))
			child++;
		if (!before(&a->entries[child], &last))
			break;
		a->entries[i] = a->entries[child];
		i = child;
	}
	a->entries[i] = last;
	return true;
}

void agenda_free(struct agenda *a)
{
	free(a->entries);
	*a = (struct agenda){ 0 };
}
