/*
 * libFuzzer target (make fuzz): frames as any host may hand them over, cut into segments and joined again.
 * Built without clang (make fuzz-replay), it runs the files that it is given.
 */
#include <stdlib.h>
#include <string.h>

#include "segments.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct virtio_net_hdr vnet, cut;
	struct segments s;
	struct train t;

	if (size < sizeof vnet)
		return 0;
	memcpy(&vnet, data, sizeof vnet);
	size -= sizeof vnet;
	uint8_t *frame = malloc(size), *head;	/* blocks of their own: the sanitiser sees their ends */

	memcpy(frame, data + sizeof vnet, size);
	if (segments_read(&s, &vnet, frame, (uint32_t)size, (uint32_t)size)) {
		uint8_t *whole = malloc(s.headers + s.jumbo);

		memcpy(whole, frame, s.headers + s.jumbo);
		segments_strip(&s, whole);
		head = malloc(s.headers);
		for (unsigned i = 0; i < segments_count(&s); i++) {
			memcpy(head, whole, s.headers);
			segments_head(&s, head, i, &cut);
		}
		free(head);
		free(whole);
	}
	if (train_begin(&t, &vnet, frame, (uint32_t)size)) {
		train_couple(&t, &vnet, frame, (uint32_t)size);
		train_head(&t, &vnet);
	}
	free(frame);
	return 0;
}

#include "fuzz_replay.h"
