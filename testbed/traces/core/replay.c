/* Scans every beginning of each file, in memory of its very size, so that the sanitisers see a look beyond it. */
#include <stdio.h>
#include <stdlib.h>

#include "irttscan.c"

enum { ROWS = 4, LARGEST = 1 << 16 };

static void replay(const uint8_t *text, size_t size, uint64_t started)
{
	int64_t numbers[NUMBERS * ROWS];
	uint8_t losses[ROWS];
	uint8_t *block = malloc(size ? size : 1);
	struct scan s = { .block = block, .size = size, .capacity = ROWS,
			  .numbers = numbers, .loss = losses, .started = started };

	if (!block)
		abort();
	memcpy(block, text, size);
	irttscan(&s);
	if (s.used > size || s.at > size || s.rows > ROWS)
		abort();
	free(block);
}

int main(int argc, char **argv)
{
	static uint8_t text[LARGEST];

	for (int i = 1; i < argc; i++) {
		FILE *file = fopen(argv[i], "rb");
		if (!file)
			return 1;
		size_t size = fread(text, 1, sizeof text, file);
		fclose(file);
		for (size_t n = 0; n <= size; n++)
			replay(text, n, n & 1);
	}
	return 0;
}
