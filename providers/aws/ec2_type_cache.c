/* ec2_type_cache: what a region's instance types are, kept on disk. Losing it costs some calls.
 *
 * CACHE_DIR/ec2-types-REGION[-ENDPOINT], text, lines end in LF:
 *   furrow-ec2-types 2 REGION SECONDS COUNT       seconds since 1970 when it was asked for
 *   NAME CPUS MEMORY-BYTES FLAGS GPUS GPU-NAME    COUNT times. FLAGS: of "xasocb" those that hold
 *                                                 (x86_64, arm64, spot, on demand, current, bare
 *                                                 metal), or "-". GPU-NAME may hold blanks; "-": none
 *   sha256 HEX                                    of all above
 * ENDPOINT tells apart who was asked, when that was not AWS itself. */
#include "providers/aws/ec2_parts.h"

#include "providers/aws/sum_line.h"
#include "providers/store/io.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_BYTES = 8 << 20, MOST_TYPES = 100000 };
#define KEPT_S (INT64_C(4) * 3600)
#define HEAD "furrow-ec2-types 2"

static const char flag_letters[] = "xasocb";

static void
add_flags(struct buf *out, const struct ec2_type *t)
{
	const bool flags[] = {
		t->x86_64, t->arm64, t->spot, t->on_demand, t->current, t->bare_metal};
	size_t before = out->n;

	for (size_t i = 0; i < sizeof(flags); i++) {
		if (flags[i])
			buf_add_char(out, flag_letters[i]);
	}
	if (out->n == before)
		buf_add_char(out, '-');
}

void
ec2_type_cache_write(struct buf *out, const char *region, int64_t wall_ns,
	const struct ec2_type *types, size_t n)
{
	buf_addf(out, HEAD " %s %" PRId64 " %zu\n", region, wall_ns / NS_PER_S, n);
	for (size_t i = 0; i < n; i++) {
		const struct ec2_type *t = &types[i];

		buf_addf(out, "%.*s %" PRId64 " %" PRId64 " ", STR_ARG(t->name), t->cpus,
			t->memory_bytes);
		add_flags(out, t);
		buf_addf(out, " %" PRId64 " %.*s\n", t->gpus,
			STR_ARG(t->gpu_name.n ? t->gpu_name : STR("-")));
	}
	sum_line_add(out);
}

static bool
parse_line(struct arena *a, struct str line, struct ec2_type *t)
{
	struct str name = str_cut(&line, ' '), cpus = str_cut(&line, ' ');
	struct str memory = str_cut(&line, ' '), flags = str_cut(&line, ' ');
	struct str gpus = str_cut(&line, ' ');

	if (!line.p || !name.n || !str_to_i64(cpus, &t->cpus) ||
		!str_to_i64(memory, &t->memory_bytes) || !str_to_i64(gpus, &t->gpus))
		return false;
	t->name = arena_str(a, name);
	t->x86_64 = memchr(flags.p, 'x', flags.n);
	t->arm64 = memchr(flags.p, 'a', flags.n);
	t->spot = memchr(flags.p, 's', flags.n);
	t->on_demand = memchr(flags.p, 'o', flags.n);
	t->current = memchr(flags.p, 'c', flags.n);
	t->bare_metal = memchr(flags.p, 'b', flags.n);
	if (!str_is(line, "-"))
		t->gpu_name = arena_str(a, line);
	return true;
}

bool
ec2_type_cache_parse(struct arena *a, struct str bytes, const char *region, int64_t wall_ns,
	struct ec2_type **out, size_t *n)
{
	int64_t now_s = wall_ns / NS_PER_S, asked_s, count;
	struct ec2_type *types;
	struct str head;

	if (!sum_line_cut(&bytes))
		return false;
	head = str_cut(&bytes, '\n');
	if (!str_starts(head, STR(HEAD " ")))
		return false;
	head = str_from_index(head, sizeof(HEAD));
	if (!str_is(str_cut(&head, ' '), region) || !str_to_i64(str_cut(&head, ' '), &asked_s) ||
		!head.p || !str_to_i64(head, &count))
		return false;
	/* One of the future: the clock was set back, so its age is not known. */
	if (asked_s > now_s || now_s - asked_s >= KEPT_S || count <= 0 || count > MOST_TYPES)
		return false;
	types = ARENA_ARRAY(a, struct ec2_type, (size_t)count);
	for (int64_t i = 0; i < count; i++) {
		if (!bytes.n || !parse_line(a, str_cut(&bytes, '\n'), &types[i]))
			return false;
	}
	*out = types;
	*n = (size_t)count;
	return bytes.n == 0;
}

static struct str
file_of(struct arena *a, const char *cache_dir, const char *region)
{
	const char *endpoint = getenv("AWS_ENDPOINT_URL_EC2");
	char hex[DIGEST_HEX_BYTES];
	struct digest d;

	if (!endpoint || !*endpoint)
		endpoint = getenv("AWS_ENDPOINT_URL");
	if (!endpoint || !*endpoint)
		return arena_printf(a, "%s/ec2-types-%s", cache_dir, region);
	d = digest_of(endpoint, strlen(endpoint));
	digest_hex(hex, &d);
	return arena_printf(a, "%s/ec2-types-%s-%.8s", cache_dir, region, hex);
}

bool
ec2_type_cache_load(struct arena *a, const char *cache_dir, const char *region, int64_t wall_ns,
	struct ec2_type **out, size_t *n)
{
	struct arena scratch = {0};
	bool good = false;
	struct stat st;
	int fd = open(file_of(&scratch, cache_dir, region).p, O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= MOST_BYTES) {
		char *bytes = arena_alloc(&scratch, (size_t)st.st_size);
		ssize_t got = io_read_at(fd, bytes, (size_t)st.st_size, 0);

		good = got == st.st_size &&
		       ec2_type_cache_parse(
			       a, (struct str){bytes, (size_t)got}, region, wall_ns, out, n);
	}
	if (fd >= 0)
		close(fd);
	arena_free(&scratch);
	return good;
}

void
ec2_type_cache_save(const char *cache_dir, const char *region, int64_t wall_ns,
	const struct ec2_type *types, size_t n)
{
	struct arena scratch = {0};
	const char *path = file_of(&scratch, cache_dir, region).p;
	char *partial = arena_cstr(&scratch, arena_printf(&scratch, "%s.XXXXXX", path));
	struct buf out = {0};
	int fd = io_make_folders(cache_dir) == 0 ? mkostemp(partial, O_CLOEXEC) : -1;

	if (fd >= 0) {
		ec2_type_cache_write(&out, region, wall_ns, types, n);
		/* Whole or damaged after a crash is told by its sum: no fsync. */
		if (io_write_all(fd, out.p, out.n) < 0 || rename(partial, path) != 0)
			unlink(partial);
		close(fd);
	}
	buf_free(&out);
	arena_free(&scratch);
}
