/* prices_kept: what was asked about prices, kept on disk. Losing it costs some calls.
 *
 * CACHE_DIR/NAME-REGION[-ENDPOINT], text, lines end in LF:
 *   furrow-NAME 1 REGION SECONDS     seconds since 1970 when it was asked for
 *   …                                the lines, as who keeps them has them
 *   sha256 HEX                       of all above
 * ENDPOINT tells apart who was asked, when that was not AWS itself. */
#include "providers/aws/prices_parts.h"

#include "providers/aws/sum_line.h"
#include "providers/store/io.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_BYTES = 8 << 20, VERSION = 1 };
#define KEPT_NS (INT64_C(4) * 3600 * NS_PER_S)

static struct str
file_of(struct arena *a, const struct kept_lines *k)
{
	const char *endpoint = k->variable ? getenv(k->variable) : NULL;
	char hex[DIGEST_HEX_BYTES];
	struct digest d;

	if (!endpoint || !*endpoint)
		endpoint = getenv("AWS_ENDPOINT_URL");
	if (!endpoint || !*endpoint)
		return arena_printf(a, "%s/%s-%.*s", k->dir, k->name, STR_ARG(k->region));
	d = digest_of(endpoint, strlen(endpoint));
	digest_hex(hex, &d);
	return arena_printf(a, "%s/%s-%.*s-%.8s", k->dir, k->name, STR_ARG(k->region), hex);
}

static bool
parse(const struct kept_lines *k, struct str bytes, int64_t wall_ns, int64_t *asked_wall_ns,
	struct str *lines)
{
	struct arena scratch = {0};
	struct str head, name;
	int64_t version, asked_s;
	bool good;

	if (!sum_line_cut(&bytes))
		return false;
	head = str_cut(&bytes, '\n');
	name = arena_printf(&scratch, "furrow-%s", k->name);
	good = str_eq(str_cut(&head, ' '), name) && str_to_i64(str_cut(&head, ' '), &version) &&
	       version == VERSION && str_eq(str_cut(&head, ' '), k->region) && head.p &&
	       str_to_i64(head, &asked_s);
	arena_free(&scratch);
	/* One of the future: the clock was set back, so its age is not known. */
	if (!good || asked_s < 0 || asked_s > wall_ns / NS_PER_S)
		return false;
	*asked_wall_ns = asked_s * NS_PER_S;
	*lines = bytes;
	return true;
}

bool
kept_lines_load(struct arena *a, const struct kept_lines *k, int64_t wall_ns,
	int64_t *asked_wall_ns, struct str *lines)
{
	struct arena scratch = {0};
	bool good = false;
	struct stat st;
	int fd = k->dir ? open(file_of(&scratch, k).p, O_RDONLY | O_CLOEXEC) : -1;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= MOST_BYTES) {
		char *bytes = arena_alloc(a, (size_t)st.st_size);
		ssize_t got = io_read_at(fd, bytes, (size_t)st.st_size, 0);

		good = got == st.st_size &&
		       parse(k, (struct str){bytes, (size_t)got}, wall_ns, asked_wall_ns, lines);
	}
	if (fd >= 0)
		close(fd);
	arena_free(&scratch);
	return good;
}

void
kept_lines_save(const struct kept_lines *k, int64_t wall_ns, struct str lines)
{
	struct arena scratch = {0};
	struct buf out = {0};
	const char *path;
	char *partial;
	int fd;

	if (!k->dir || io_make_folders(k->dir) < 0)
		return;
	path = file_of(&scratch, k).p;
	partial = arena_cstr(&scratch, arena_printf(&scratch, "%s.XXXXXX", path));
	fd = mkostemp(partial, O_CLOEXEC);
	if (fd >= 0) {
		buf_addf(&out, "furrow-%s %d %.*s %" PRId64 "\n", k->name, VERSION,
			STR_ARG(k->region), wall_ns / NS_PER_S);
		buf_add_str(&out, lines);
		sum_line_add(&out);
		/* Whole or damaged after a crash is told by its sum: no fsync. */
		if (io_write_all(fd, out.p, out.n) < 0 || rename(partial, path) != 0)
			unlink(partial);
		close(fd);
	}
	buf_free(&out);
	arena_free(&scratch);
}

bool
kept_lines_are_fresh(int64_t asked_wall_ns, int64_t wall_ns)
{
	return wall_ns - asked_wall_ns < KEPT_NS;
}

struct str
kept_lines_age(struct arena *a, int64_t asked_wall_ns, int64_t wall_ns)
{
	int64_t minutes = (wall_ns - asked_wall_ns) / NS_PER_S / 60, n = minutes;
	const char *unit = "minute";

	if (minutes >= 48 * 60)
		n = minutes / (24 * 60), unit = "day";
	else if (minutes >= 120)
		n = minutes / 60, unit = "hour";
	return arena_printf(
		a, "; those of %" PRId64 " %s%s ago are used", n, unit, n == 1 ? "" : "s");
}
