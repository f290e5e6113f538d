#include "claim.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define NAME "testbed-link-%d"		/* the interface's index */

static socklen_t address_of(int index, struct sockaddr_un *a)
{
	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	int length = snprintf(a->sun_path + 1, sizeof a->sun_path - 1, NAME, index);

	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
}

/* The process that holds this address; 0: it cannot be seen from here. */
static pid_t owner(const struct sockaddr_un *a, socklen_t size)
{
	struct ucred peer = { .pid = 0 };
	socklen_t length = sizeof peer;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return 0;
	if (connect(fd, (const struct sockaddr *)a, size) ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length))
		peer.pid = 0;
	close(fd);
	return peer.pid;
}

static void tell(const char *name, pid_t pid)
{
	char link[64], folder[PATH_MAX] = "elsewhere";

	if (pid == getpid()) {
		fprintf(stderr, "interface %s: named twice, expected a link between two interfaces, each in one link\n", name);
		return;
	}
	snprintf(link, sizeof link, "/proc/%d/cwd", (int)pid);
	ssize_t length = pid ? readlink(link, folder, sizeof folder - 1) : -1;

	if (length > 0)
		folder[length] = 0;
	fprintf(stderr, "interface %s: in use by another link, of process %d in %s\n", name, (int)pid, folder);
}

bool claim(const char *name, int index)
{
	struct sockaddr_un address;
	socklen_t size = address_of(index, &address);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd >= 0 && !bind(fd, (struct sockaddr *)&address, size) && !listen(fd, 1))
		return true;		/* open as long as the process lives */
	if (fd >= 0 && errno == EADDRINUSE)
		tell(name, owner(&address, size));
	else
		perror(name);
	if (fd >= 0)
		close(fd);
	return false;
}
