/* clock: the machine's clocks. */
#include "planner/base/clock.h"

#include <stddef.h>
#include <stdio.h>
#include <time.h>

static int64_t
read_clock(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

static int64_t
system_now_ns(void *ctx)
{
	(void)ctx;
	return read_clock(CLOCK_BOOTTIME);
}

static int64_t
system_wall_ns(void *ctx)
{
	(void)ctx;
	return read_clock(CLOCK_REALTIME);
}

const struct clock *
clock_system(void)
{
	static const struct clock system = {.now_ns = system_now_ns, .wall_ns = system_wall_ns};

	return &system;
}

void
clock_format_rfc3339(char out[CLOCK_RFC3339_BYTES], int64_t wall_ns)
{
	time_t s = (time_t)(wall_ns / NS_PER_S);
	int ms = (int)(wall_ns % NS_PER_S / NS_PER_MS);
	struct tm tm;

	gmtime_r(&s, &tm);
	snprintf(out, CLOCK_RFC3339_BYTES, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
		(tm.tm_year + 1900) % 10000, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
		tm.tm_sec, ms);
}
