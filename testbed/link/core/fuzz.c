/*
 * libFuzzer target (make fuzz; needs clang): the input is a schedule as linkd would map it, with
 * arrivals and live changes behind. The physics must take any schedule that schedule_fault() lets pass.
 * Built without clang (make fuzz-replay), it runs the files that it is given.
 */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define ARRIVALS 64

struct step {
	uint32_t gap_ns;
	uint16_t size;
	uint8_t dscp, field;		/* field: below 16 a change as well, in units of value */
	uint32_t value, duration_ns;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t tail = ARRIVALS * sizeof(struct step);

	if (size < tail + sizeof(struct schedule))
		return 0;
	size -= tail;
	struct schedule *schedule = malloc(size);	/* its own block: the sanitiser sees its end */
	struct step steps[ARRIVALS];
	uint64_t ids[4 * ARRIVALS];
	uint32_t sims[4 * ARRIVALS], only = 0;
	int64_t out_ns[4 * ARRIVALS], now = 0;
	struct sim *s;

	memcpy(schedule, data, size);
	memcpy(steps, data + size, tail);
	/* a schedule of a few ns that repeats in a hold is walked ns by ns: slow, and no fault */
	if (schedule->end_ns < 1000000 || !(s = sim_open(schedule, size, 7, 0, 0))) {
		free(schedule);
		return 0;
	}
	sim_start(s, 0, 46, 44);
	for (int i = 0; i < ARRIVALS; i++) {
		uint32_t bytes = steps[i].size;
		uint8_t fate;

		now += steps[i].gap_ns;
		if (steps[i].field < 16)
			sim_change(s, steps[i].field % FIELDS,
				   steps[i].field % FIELDS == STATE ? steps[i].value % 3 : steps[i].value, now,
				   now + steps[i].duration_ns);
		if (sim_run(&s, 1, &(struct arrivals){ 1, &only, &now, &bytes, &steps[i].dscp, &fate }, now,
			    &(struct departures){ 4 * ARRIVALS, sims, ids, out_ns }) > 4 * ARRIVALS)
			abort();
	}
	if (sim_counters(s)->reordered)
		abort();
	sim_close(s);
	free(schedule);
	return 0;
}

#include "fuzz_replay.h"
