/* known: the instances that the last apply of a job left warm. They are connected to while EC2 is still
 * being asked; what counts is what EC2 says.
 *
 * CACHE_DIR/hosts-HASH, a line each: ID SPACE ADDRESS SPACE HOST-KEY LF. HASH: of job, region, and who
 * was asked, when that was not AWS itself. */
#include "providers/fleet/internal.h"

#include "providers/store/io.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { KNOWN_BYTES = 256 << 10 };

static const char *
file_of(const struct fleet_site *s, struct arena *a, const char *dir)
{
	struct hasher *h = hasher_new();
	char hex[DIGEST_HEX_BYTES];
	struct digest d;

	hasher_add_field(h, s->site.config.manifest->name);
	hasher_add_field(h, str_from(aws_region(s->aws)));
	hasher_add_field(h, str_from(getenv("AWS_ENDPOINT_URL")));
	hasher_add_field(h, str_from(getenv("AWS_ENDPOINT_URL_EC2")));
	d = hasher_end(h);
	hasher_free(h);
	digest_hex(hex, &d);
	return arena_printf(a, "%s/hosts-%.16s", dir, hex).p;
}

static bool
parse_line(struct str line, struct known_host *out)
{
	out->id = str_cut(&line, ' ');
	out->address = str_cut(&line, ' ');
	out->host_key = line;
	return str_starts(out->id, STR("i-")) && out->id.n < HOST_ID_BYTES && out->address.n &&
	       out->address.n < HOST_ADDRESS_BYTES && out->host_key.n &&
	       out->host_key.n < SSH_KEY_PUBLIC_BYTES;
}

void
known_load(const struct fleet_site *s, struct arena *a, struct known_host **out, size_t *n)
{
	const char *dir = fleet_cache_dir(a);
	int fd = dir ? open(file_of(s, a, dir), O_RDONLY | O_CLOEXEC) : -1;
	struct str rest;
	char *bytes;
	ssize_t got;

	*n = 0;
	if (fd < 0)
		return;
	bytes = arena_alloc(a, KNOWN_BYTES);
	got = io_read_at(fd, bytes, KNOWN_BYTES, 0);
	close(fd);
	rest = (struct str){.p = bytes, .n = got > 0 ? (size_t)got : 0};
	*out = ARENA_ARRAY(a, struct known_host, rest.n / 8 + 1);
	/* What is left behind the last line's end is torn. */
	while (rest.p && memchr(rest.p, '\n', rest.n)) {
		if (parse_line(str_cut(&rest, '\n'), &(*out)[*n]))
			++*n;
	}
}

void
known_save(const struct fleet_site *s, struct host *const *hosts, size_t n)
{
	struct arena a = {0};
	const char *dir = fleet_cache_dir(&a), *path = dir ? file_of(s, &a, dir) : NULL;
	struct buf text = {0};
	char *partial;
	int fd = -1;

	for (size_t i = 0; i < n; i++) {
		if (hosts[i]->kept)
			buf_addf(&text, "%s %s %s\n", hosts[i]->id, hosts[i]->address,
				hosts[i]->host_key);
	}
	if (path && !text.n)
		unlink(path);
	if (path && text.n && io_make_folders(dir) == 0) {
		partial = arena_cstr(&a, arena_printf(&a, "%s.XXXXXX", path));
		fd = mkostemp(partial, O_CLOEXEC);
	}
	if (fd >= 0) {
		if (io_write_all(fd, text.p, text.n) < 0 || rename(partial, path) != 0)
			unlink(partial);
		close(fd);
	}
	buf_free(&text);
	arena_free(&a);
}
