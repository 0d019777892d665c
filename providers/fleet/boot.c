/* boot: how a host came up: what we saw of it, and what it says of itself by its own clock, which counts
 * from its kernel's begin. */
#include "providers/fleet/internal.h"

#include <stdio.h>

static int64_t
since(const struct host *h, int64_t at_ns)
{
	return at_ns > h->asked_ns ? at_ns - h->asked_ns : 0;
}

/* s: by the host's clock, < 0: not told. */
static int64_t
on_host(const struct host *h, int64_t kernel_ns, double s)
{
	return s < 0 ? 0 : since(h, kernel_ns + (int64_t)(s * (double)NS_PER_S));
}

/* The host's own words, of which the first line about warm_files counts. */
static void
tell_why(struct boot *boot, struct str said)
{
	const struct str name = STR("warm_files: ");

	while (said.n && !boot->warm_why[0]) {
		struct str line = str_cut(&said, '\n');

		if (str_starts(line, name))
			snprintf(boot->warm_why, sizeof(boot->warm_why), "%.*s",
				STR_ARG(str_from_index(line, name.n)));
	}
}

/* When the host read its files, and asked EBS to be filled, what that came to. */
static void
tell_disk(struct host *h)
{
	const struct disk *disk = &h->site->site.config.manifest->instances.disk;
	const struct host_words *w = &h->words;

	if (w->boot_warm_s >= 0 && w->boot_warm_begin_s >= 0 && w->warm_bytes >= 0) {
		double s = w->boot_warm_s - w->boot_warm_begin_s;

		/* Times are told in hundredths. */
		h->boot.warm_ns = s < 0.01 ? 10 * NS_PER_MS : (int64_t)(s * (double)NS_PER_S);
		h->boot.warm_bytes = w->warm_bytes;
		tell_why(&h->boot, w->boot_error);
	}
	if (disk->warm_bytes_per_s > 0) {
		h->boot.disk_bytes_per_s = disk->warm_bytes_per_s;
		h->boot.disk_bytes = h->region->image.disk_bytes;
	}
}

void
host_tell_boot(struct host *h)
{
	const struct host_words *w = &h->words;
	struct ssh_times t = ssh_times(h->ssh);
	int64_t kernel_ns = h->spoke_ns - (int64_t)(w->uptime_s * (double)NS_PER_S);

	h->boot = (struct boot){0};
	h->boot.ns[BOOT_ACCEPTED] = since(h, h->accepted_ns);
	h->boot.ns[BOOT_RUNNING] = since(h, h->running_ns);
	if (w->uptime_s >= 0) {
		/* Not before: a host's clock may be coarse. */
		h->boot.ns[BOOT_KERNEL] = kernel_ns > h->asked_ns ? since(h, kernel_ns) : 1;
		h->boot.ns[BOOT_INIT] = on_host(h, kernel_ns, w->boot_start_s);
		h->boot.ns[BOOT_RUNNER] = on_host(h, kernel_ns, w->boot_runner_s);
		h->boot.ns[BOOT_SOURCE] = on_host(h, kernel_ns, w->boot_source_s);
		h->boot.ns[BOOT_WARM] = on_host(h, kernel_ns, w->boot_warm_s);
		h->boot.ns[BOOT_SSHD] = on_host(h, kernel_ns, w->sshd_s);
	}
	h->boot.ns[BOOT_CONNECT] = since(h, t.connected_ns);
	h->boot.ns[BOOT_LOGIN] = since(h, t.open_ns);
	h->boot.ns[BOOT_READY] = since(h, h->spoke_ns);
	tell_disk(h);
}
