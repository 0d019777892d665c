/* report_boot: marks of boots in words and in JSON. */
#include "cmd/furrow/report_boot.h"

#include "cmd/furrow/text.h"
#include "planner/base/clock.h"
#include "planner/base/json.h"

#include <stdio.h>

const struct boot *
report_boot_of(const struct timing_node *n)
{
	for (uint32_t i = n->n_attempts; i > 0; i--) {
		if (n->attempts[i - 1].outcome.boot)
			return n->attempts[i - 1].outcome.boot;
	}
	return NULL;
}

static int64_t
rate(int64_t bytes, int64_t ns)
{
	return ns > 0 ? (int64_t)((double)bytes * 1e9 / (double)ns) : 0;
}

/* How long EBS takes for it at most: it fills what the image's snapshot holds. */
static int64_t
fill_ns(const struct boot *boot)
{
	return (int64_t)((double)boot->disk_bytes * 1e9 / (double)boot->disk_bytes_per_s);
}

/* The marks that are known by time. */
static size_t
sort_marks(const struct boot *boot, enum boot_mark out[BOOT_MARKS])
{
	size_t n = 0;

	for (int m = 0; m < BOOT_MARKS; m++) {
		size_t at = n;

		if (!boot->ns[m])
			continue;
		for (; at > 0 && boot->ns[out[at - 1]] > boot->ns[m]; at--)
			out[at] = out[at - 1];
		out[at] = (enum boot_mark)m;
		n++;
	}
	return n;
}

static void
add_warm(struct buf *b, const struct boot *boot)
{
	char bytes[TEXT_BYTES], time[TEXT_BYTES], speed[TEXT_BYTES];

	buf_addf(b, "warm_files: %s read in %s, %s/s\n", text_bytes(bytes, boot->warm_bytes),
		text_duration(time, boot->warm_ns),
		text_bytes(speed, rate(boot->warm_bytes, boot->warm_ns)));
}

static void
add_warm_why(struct buf *b, const struct boot *boot)
{
	buf_add_cstr(b, "warm_files: not all could be read: ");
	text_add_safe(b, str_from(boot->warm_why), 0);
	buf_add_char(b, '\n');
}

void
report_boot_add(struct buf *b, const struct boot *boot, size_t indent)
{
	char time[TEXT_BYTES], bytes[TEXT_BYTES], speed[TEXT_BYTES];
	enum boot_mark marks[BOOT_MARKS];
	size_t n = sort_marks(boot, marks);

	if (n) {
		text_add_pad(b, indent);
		buf_add_cstr(b, "since it was asked for:");
	}
	for (size_t i = 0; i < n; i++)
		buf_addf(b, "%s %s %s", i ? "," : "", boot_mark_name(marks[i]),
			text_duration(time, boot->ns[marks[i]]));
	buf_add_cstr(b, n ? "\n" : "");
	if (boot->warm_ns) {
		text_add_pad(b, indent);
		add_warm(b, boot);
	}
	if (boot->warm_why[0]) {
		text_add_pad(b, indent);
		add_warm_why(b, boot);
	}
	if (boot->disk_bytes_per_s) {
		text_add_pad(b, indent);
		buf_addf(b, "disk.warm: EBS fills %s at %s/s, in %s at most\n",
			text_bytes(bytes, boot->disk_bytes),
			text_bytes(speed, boot->disk_bytes_per_s),
			text_duration(time, fill_ns(boot)));
	}
}

void
report_boot_add_json(struct buf *b, const struct boot *boot)
{
	char name[32];

	json_add_name(b, "boot");
	buf_add_char(b, '{');
	for (int m = 0; m < BOOT_MARKS; m++) {
		snprintf(name, sizeof(name), "%s_s", boot_mark_name((enum boot_mark)m));
		if (boot->ns[m])
			json_add_member_seconds(b, name, boot->ns[m]);
	}
	if (boot->warm_ns) {
		json_add_name(b, "warm_files");
		buf_add_char(b, '{');
		json_add_member_seconds(b, "s", boot->warm_ns);
		json_add_member_int(b, "bytes", boot->warm_bytes);
		if (boot->warm_why[0])
			json_add_member_string(b, "why", str_from(boot->warm_why));
		buf_add_char(b, '}');
	}
	if (boot->disk_bytes_per_s) {
		json_add_name(b, "disk");
		buf_add_char(b, '{');
		json_add_member_int(b, "bytes", boot->disk_bytes);
		json_add_member_int(b, "bytes_per_s", boot->disk_bytes_per_s);
		json_add_member_seconds(b, "s", fill_ns(boot));
		buf_add_char(b, '}');
	}
	buf_add_char(b, '}');
}

void
report_boot_add_sum(struct buf *b, const struct timings *t)
{
	char bytes[TEXT_BYTES], time[TEXT_BYTES];
	const struct boot *lacking = NULL;
	int64_t all_bytes = 0, longest_ns = 0;
	unsigned n = 0;

	for (size_t i = 0; i < t->n_nodes; i++) {
		const struct boot *boot = report_boot_of(&t->nodes[i]);

		if (!boot || !boot->warm_ns)
			continue;
		n++;
		if (!lacking && boot->warm_why[0])
			lacking = boot;
		all_bytes += boot->warm_bytes;
		if (boot->warm_ns > longest_ns)
			longest_ns = boot->warm_ns;
	}
	if (n)
		buf_addf(b, "\nwarm_files: %u instance%s read %s while booting, in %s%s\n", n,
			n == 1 ? "" : "s", text_bytes(bytes, all_bytes),
			text_duration(time, longest_ns), n == 1 ? "" : " at most");
	if (lacking)
		add_warm_why(b, lacking);
}
