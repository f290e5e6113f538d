/* linkd.conf: which interfaces are joined to links, and what each direction plays. */
#ifndef SETUP_H
#define SETUP_H

#include "engine.h"

#define NAME_MAX_LENGTH 63

struct setup {
	struct engine engine;
	char (*names)[NAME_MAX_LENGTH + 1];
	unsigned n_links;
};

/*
 * Reads the file, maps its schedules and opens its interfaces; on failure says why on stderr. A line is
 *     mark DSCP [SECOND] | mark_length BYTES [SECOND] | memory BYTES | spin auto|never|near|always | xdp 0|1
 *     link NAME HUB_INTERFACE NET_INTERFACE SEED UP_FILE DOWN_FILE
 *     fleet FILE | share LINK up|down STATION
 * FILE is a plan (plan.h) of cells, its stations from 0, and of light hubs that use them beside the links that share one.
 */
int setup_read(struct setup *s, const char *file);

/* Gives the interfaces back as they were; after a failed setup_read() as well. */
void setup_close(struct setup *s);

#endif
