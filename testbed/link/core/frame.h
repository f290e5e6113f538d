/* A frame in the engine's memory. The vnet header carries an unfinished checksum to the other end. */
#ifndef FRAME_H
#define FRAME_H

#include <linux/virtio_net.h>

#include "packet.h"

#define ETHERNET_MAX (14 + 4 * 4)	/* bytes in front of what the MTU counts: header, four tags or labels */
#define BATCH 64			/* frames sent at once at most */

struct frame {
	struct packet packet;
	uint8_t unused[6];		/* so that the frame follows its header and is aligned to 4 + 2 */
	struct virtio_net_hdr vnet;
	uint8_t data[];
};

#endif
