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
 *     mark DSCP | memory BYTES | spin auto|never|near|always
 *     link NAME HUB_INTERFACE NET_INTERFACE SEED UP_FILE DOWN_FILE
 */
int setup_read(struct setup *s, const char *file);

#endif
