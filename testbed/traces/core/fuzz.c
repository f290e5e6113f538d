/* libFuzzer target (make fuzz; needs clang): a block of irtt's JSON, in memory of its very size. */
#include <stdlib.h>

#include "irttscan.c"

enum { ROWS = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int64_t numbers[NUMBERS * ROWS];
	uint8_t losses[ROWS];
	struct scan s = { .block = data, .size = size, .capacity = ROWS,
			  .numbers = numbers, .loss = losses, .started = size & 1 };

	irttscan(&s);
	if (s.used > size || s.at > size || s.rows > ROWS)
		abort();
	return 0;
}
