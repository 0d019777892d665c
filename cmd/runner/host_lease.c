/* host_lease: until when the host stays up. */
#include "cmd/runner/host.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int64_t
uptime_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return t.tv_sec;
}

int
host_lease(uint32_t seconds)
{
	char path[HOST_PATH_BYTES], partial[HOST_PATH_BYTES], line[32];
	int fd, n, e;

	/* Of two hosts' ends that renew it at the same time either may win. */
	if (!host_path(path, "/run/furrow/until") ||
		!host_path(partial, "/run/furrow/until.%d", (int)getpid()))
		return -1;
	n = snprintf(line, sizeof(line), "%" PRId64 "\n", uptime_s() + seconds);
	fd = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	e = fd < 0 || write(fd, line, (size_t)n) != n ? errno : 0;
	if (fd >= 0 && close(fd) != 0 && !e)
		e = errno;
	if (!e && rename(partial, path) == 0)
		return 0;
	fprintf(stderr, "furrow-runner: renewing the lease in %s: %s\n", path,
		strerror(e ? e : errno));
	unlink(partial);
	return -1;
}

void
host_lease_renew(uint32_t seconds, int in_fd)
{
	static time_t renewed_s;
	struct pollfd p = {.fd = in_fd, .events = POLLRDHUP};
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	if (renewed_s && now.tv_sec - renewed_s < (time_t)(seconds / 10))
		return;
	if (poll(&p, 1, 0) > 0 && p.revents & (POLLHUP | POLLRDHUP | POLLERR))
		return;
	/* One that failed is tried again soon, but not with every byte that comes. */
	renewed_s = now.tv_sec;
	if (host_lease(seconds) != 0 && seconds >= 20)
		renewed_s -= (time_t)(seconds / 10) - 1;
}
