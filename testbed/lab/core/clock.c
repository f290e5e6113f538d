/*
 * clock: the programs of one device see another time of day than the kernel's, as those of a device do whose clock was set.
 *
 * Linux has one CLOCK_REALTIME for all namespaces; to set it would move clients, tenant and samples too. So the programs
 * of a device load this library (/etc/ld.so.preload of its own /etc), which adds what FILE says, in ns, to the three calls
 * that ask for the time of day. FILE is mapped: a change holds for all of them at once. Monotonic clocks go on as they did.
 *
 * Not moved: times of files, and waits until an absolute time of day, which the kernel keeps; statically linked programs.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define FILE_OF_SHIFT "/etc/clock-shift"
#define SECOND 1000000000LL

static const _Atomic int64_t none;
static const _Atomic int64_t *shift = &none;

__attribute__((constructor)) static void map_shift(void)
{
	int fd = open(FILE_OF_SHIFT, O_RDONLY | O_CLOEXEC);
	void *page;

	if (fd < 0)
		return;
	page = mmap(NULL, sizeof(*shift), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (page != MAP_FAILED)
		shift = page;
}

int clock_gettime(clockid_t id, struct timespec *at)
{
	int64_t ns;

	if (syscall(SYS_clock_gettime, id, at))
		return -1;
	if (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE && id != CLOCK_TAI)
		return 0;
	ns = atomic_load_explicit(shift, memory_order_relaxed);
	at->tv_sec += ns / SECOND;
	at->tv_nsec += ns % SECOND;
	if (at->tv_nsec < 0) {
		at->tv_nsec += SECOND;
		at->tv_sec--;
	} else if (at->tv_nsec >= SECOND) {
		at->tv_nsec -= SECOND;
		at->tv_sec++;
	}
	return 0;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone)
{
	struct timespec now;

	(void)zone;
	if (clock_gettime(CLOCK_REALTIME, &now))
		return -1;
	at->tv_sec = now.tv_sec;
	at->tv_usec = now.tv_nsec / 1000;
	return 0;
}

time_t time(time_t *at)
{
	struct timespec now;

	if (clock_gettime(CLOCK_REALTIME, &now))
		return -1;
	if (at)
		*at = now.tv_sec;
	return now.tv_sec;
}
