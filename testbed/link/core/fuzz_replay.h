/* A fuzz target's main without libFuzzer: runs the files that it is given. */
#ifdef REPLAY
#include <stdio.h>

int main(int argc, char **argv)
{
	static uint8_t data[1 << 20];

	for (int i = 1; i < argc; i++) {
		FILE *f = fopen(argv[i], "r");

		if (!f)
			return 1;
		LLVMFuzzerTestOneInput(data, fread(data, 1, sizeof data, f));
		fclose(f);
	}
	return 0;
}
#endif
