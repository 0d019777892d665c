/* tar: ustar and pax headers. */
#include "cmd/runner/tar.h"

#include "planner/base/str.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { NAME_BYTES = 100 };

struct ustar {
	char name[NAME_BYTES];
	char mode[8], uid[8], gid[8];
	char size[12], mtime[12];
	char checksum[8];
	char type;
	char target[NAME_BYTES];
	char magic[6], version[2];
	char user[32], group[32];
	char major[8], minor[8];
	char prefix[155];
	char rest[12];
};
_Static_assert(sizeof(struct ustar) == TAR_BLOCK_BYTES, "a header is one block");

/* Octal digits and a NUL, as wide as the field. */
static void
put_octal(char *field, size_t width, uint64_t v)
{
	field[width - 1] = '\0';
	for (size_t i = width - 1; i > 0; i--) {
		field[i - 1] = (char)('0' + (v & 7));
		v >>= 3;
	}
}

static void
put_block(char *out, const struct tar_entry *e)
{
	struct ustar u = {.type = e->type, .magic = "ustar", .version = {'0', '0'}};
	unsigned sum = 0;

	memcpy(u.name, e->name, strnlen(e->name, sizeof(u.name)));
	if (e->target)
		memcpy(u.target, e->target, strnlen(e->target, sizeof(u.target)));
	put_octal(u.mode, sizeof(u.mode), e->mode);
	put_octal(u.uid, sizeof(u.uid), 0);
	put_octal(u.gid, sizeof(u.gid), 0);
	put_octal(u.size, sizeof(u.size), e->size);
	put_octal(u.mtime, sizeof(u.mtime), e->mtime_s);
	put_octal(u.major, sizeof(u.major), 0);
	put_octal(u.minor, sizeof(u.minor), 0);
	memset(u.checksum, ' ', sizeof(u.checksum));
	memcpy(out, &u, sizeof(u));
	for (size_t i = 0; i < sizeof(u); i++)
		sum += (unsigned char)out[i];
	put_octal(out + offsetof(struct ustar, checksum), 7, sum);
}

/* "LENGTH KEY=VALUE\n", where LENGTH counts itself. */
static char *
put_record(char *at, const char *key, const char *value)
{
	size_t bare = strlen(key) + strlen(value) + 3, digits = 1, n;

	for (;;) {
		size_t ten = 1;

		n = bare + digits;
		for (size_t i = 0; i < digits; i++)
			ten *= 10;
		if (n < ten)
			break;
		digits++;
	}
	at += snprintf(at, n + 1, "%zu %s=%s\n", n, key, value);
	return at;
}

static bool
is_plain(const char *s)
{
	size_t n = strlen(s);

	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)s[i] >= 0x80)
			return false;
	}
	return n <= NAME_BYTES;
}

static char *
put_records(char *at, const struct tar_entry *e)
{
	char size[24];

	/* Bytes that are no UTF-8 have to be announced: pax takes names for UTF-8. */
	if (!str_is_utf8(str_from(e->name)) || !str_is_utf8(str_from(e->target)))
		at = put_record(at, "hdrcharset", "BINARY");
	if (!is_plain(e->name))
		at = put_record(at, "path", e->name);
	if (e->target && !is_plain(e->target))
		at = put_record(at, "linkpath", e->target);
	if (e->size >> 33) {
		snprintf(size, sizeof(size), "%llu", (unsigned long long)e->size);
		at = put_record(at, "size", size);
	}
	return at;
}

size_t
tar_header(char out[TAR_HEADER_MAX], const struct tar_entry *e)
{
	struct tar_entry pax = {.type = 'x', .name = "@PaxHeader", .mode = 0644};
	struct tar_entry plain = *e;
	char *records = out + TAR_BLOCK_BYTES;
	size_t n = (size_t)(put_records(records, e) - records), padded;

	if (n == 0) {
		put_block(out, e);
		return TAR_BLOCK_BYTES;
	}
	padded = (n + TAR_BLOCK_BYTES - 1) / TAR_BLOCK_BYTES * TAR_BLOCK_BYTES;
	memset(records + n, 0, padded - n);
	pax.size = n;
	put_block(out, &pax);
	if (plain.size >> 33)
		plain.size = 0;
	put_block(records + padded, &plain);
	return TAR_BLOCK_BYTES + padded + TAR_BLOCK_BYTES;
}
