/* linkd.conf: which interfaces are joined to links, and what each direction plays. */
#ifndef SETUP_H
#define SETUP_H

#include "engine.h"

#define NAME_MAX_LENGTH 63
#define MAX_CELLS 16

struct setup {
	struct engine engine;
	char (*names)[NAME_MAX_LENGTH + 1];
	unsigned n_links;
	struct cell {			/* a server that several directions share */
		char name[NAME_MAX_LENGTH + 1];
		struct playback playback;
		struct server server;
		struct classes classes;
	} cells[MAX_CELLS];
	unsigned n_cells;
};

/*
 * Reads the file, maps its schedules and opens its interfaces; on failure says why on stderr. A line is
 *     mark DSCP [SECOND] | mark_length BYTES [SECOND] | memory BYTES | spin auto|never|near|always | xdp 0|1
 *     link NAME HUB_INTERFACE NET_INTERFACE SEED UP_FILE DOWN_FILE
 *     cell NAME FILE strict|weighted QUANTUM QUANTUM QUANTUM QUANTUM CLASSES
 *     share LINK up|down CELL
 * A cell is a server that the directions named after it share; CLASSES has a digit for each DSCP.
 */
int setup_read(struct setup *s, const char *file);

/* Gives the interfaces back as they were; after a failed setup_read() as well. */
void setup_close(struct setup *s);

#endif
