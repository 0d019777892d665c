/* inventory_wait: waiting that can be stopped. */
#include "providers/fleet/inventory_internal.h"

#include <time.h>

static const int64_t slice_ns = 50 * NS_PER_MS;

bool
inventory_is_stopped(const struct inventory *inv)
{
	return inv->stop && atomic_load(inv->stop);
}

bool
inventory_sleep(const struct inventory *inv, int64_t ns)
{
	const struct timespec slice = {.tv_nsec = slice_ns};

	for (int64_t slept = 0; slept < ns && !inventory_is_stopped(inv); slept += slice_ns)
		nanosleep(&slice, NULL);
	return !inventory_is_stopped(inv);
}
