/*
 * The control socket: one message, one answer ("ok" or "error: ..."). Messages:
 *     start REALTIME_NS
 *     change LINK|* up|down|both delay|rate|loss|state VALUE DURATION_NS
 *         (duration 0: the schedule's values again; -1: until changed; loss in 2^-32)
 *     stats       answered with a descriptor of the shared counters (struct run_stats)
 *     stop
 */
#ifndef CONTROL_H
#define CONTROL_H

#include "setup.h"

/* Listens at this path; the descriptor or -1. */
int control_listen(const char *path);

/* Reads one message from a client and answers it; false: the client is gone. */
bool control_serve(struct setup *s, int client, bool *stop);

#endif
