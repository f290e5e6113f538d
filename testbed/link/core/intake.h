/* From a port into a lane's link. */
#ifndef INTAKE_H
#define INTAKE_H

#include "engine.h"

/* Takes what has arrived at the lane's entrance, as much as is its turn; returns how many frames that were. */
unsigned intake(struct engine *e, struct lane *lane, int64_t now);

#endif
