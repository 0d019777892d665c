/* clock: time, injectable. The planner has none; the executor and the providers are given one. */
#ifndef FURROW_BASE_CLOCK_H
#define FURROW_BASE_CLOCK_H

#include <stdint.h>

#define NS_PER_S INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)

struct clock {
	void *ctx;
	/* Nanoseconds since an arbitrary point, counting while the machine sleeps
	 * (CLOCK_BOOTTIME). */
	int64_t (*now_ns)(void *ctx);
	/* Nanoseconds since 1970-01-01T00:00:00Z. Only for what people and other machines read. */
	int64_t (*wall_ns)(void *ctx);
};

/* The machine's own clocks. */
const struct clock *clock_system(void);

/* "2026-11-23T06:18:00.123Z" (RFC 3339) of a wall time. */
enum { CLOCK_RFC3339_BYTES = 80 };
void clock_format_rfc3339(char out[CLOCK_RFC3339_BYTES], int64_t wall_ns);

#endif
