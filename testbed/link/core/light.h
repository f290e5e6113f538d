/* The light hubs of a run and the cells of all: a plan from a file, its evidence in memory that is shared. */
#ifndef LIGHT_H
#define LIGHT_H

#include "fleet.h"

struct light {
	const struct fleet_plan *plan;	/* NULL: none */
	struct fleet *fleet;
	int evidence_fd;		/* what fleet.h says of it; it outlives a killed linkd */
};

/* Maps the plan in `file` and opens its fleet; -1: could not, and said why on stderr. */
int light_open(struct light *l, const char *file);

#endif
