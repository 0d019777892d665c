/* record: writing and reading the records of a log of results.
 *
 * A record is a header of RECORD_HEADER_BYTES, then result.json, then those of the parts tar,
 * stdout and stderr that are in the record, in this order, then LF. The header is text, one
 * line, its fields of fixed width with a blank between them:
 *
 *   furrow-result 1   the version of the record
 *   64 hex            key
 *   16 hex            when it was committed: nanoseconds since 1970
 *    8 hex            bytes of result.json; 0: the result was removed, nothing follows but LF
 *   3 × 12 hex        bytes of each part, with 'i' (in the record) or 'f' (a file of its own) before them
 *   24 hex            owner: part of the name of those files
 *   16 hex            check: the first 8 bytes of the SHA-256 of the fields before it and of the body
 *   blanks, LF        up to the header's size
 *
 * A record counts when it is there to its LF; so the end of a log that a writer died over is
 * never taken for a result. */
#include "providers/store/record.h"

#include <inttypes.h>
#include <stdio.h>

#define MAGIC "furrow-result 1 "

enum {
	AT_KEY = sizeof(MAGIC) - 1,
	AT_WALL = AT_KEY + 64 + 1,
	AT_JSON = AT_WALL + 16 + 1,
	AT_PARTS = AT_JSON + 8 + 1,
	PART_WIDTH = 1 + 12,
	AT_OWNER = AT_PARTS + PART_COUNT * (PART_WIDTH + 1),
	AT_CHECK = AT_OWNER + RECORD_OWNER_BYTES - 1 + 1,
	CHECK_DIGITS = 16,
	AT_PADDING = AT_CHECK + CHECK_DIGITS
};
_Static_assert((int)AT_PADDING < (int)RECORD_HEADER_BYTES, "the fields fit");

static const char *const part_names[PART_COUNT] = {
	[PART_TAR] = "tar", [PART_STDOUT] = "stdout", [PART_STDERR] = "stderr"};

const char *
record_part_name(enum part part)
{
	return part_names[part];
}

bool
record_part_parse(struct str name, enum part *out)
{
	for (int i = 0; i < PART_COUNT; i++) {
		if (str_is(name, part_names[i])) {
			*out = (enum part)i;
			return true;
		}
	}
	return false;
}

static uint64_t
inline_bytes(const struct record_part *p)
{
	return p->in_file ? 0 : p->bytes;
}

uint64_t
record_bytes(const struct record *r)
{
	uint64_t n = RECORD_HEADER_BYTES + r->json_bytes + 1;

	for (int i = 0; i < PART_COUNT; i++)
		n += inline_bytes(&r->parts[i]);
	return n;
}

static void
check_of(char out[CHECK_DIGITS + 1], struct str record)
{
	struct hasher *h = hasher_new();
	char hex[DIGEST_HEX_BYTES];
	struct digest d;

	hasher_add(h, record.p, AT_CHECK);
	hasher_add(h, record.p + RECORD_HEADER_BYTES, record.n - RECORD_HEADER_BYTES);
	d = hasher_end(h);
	hasher_free(h);
	digest_hex(hex, &d);
	memcpy(out, hex, CHECK_DIGITS);
	out[CHECK_DIGITS] = '\0';
}

void
record_write(struct buf *out, const struct record *r, struct str json,
	const struct str parts[PART_COUNT])
{
	size_t at = out->n;
	char hex[DIGEST_HEX_BYTES], check[CHECK_DIGITS + 1];

	digest_hex(hex, &r->key);
	buf_addf(out, MAGIC "%s %016" PRIx64 " %08" PRIx64 " ", hex, (uint64_t)r->wall_ns,
		r->json_bytes);
	for (int i = 0; i < PART_COUNT; i++)
		buf_addf(out, "%c%012" PRIx64 " ", r->parts[i].in_file ? 'f' : 'i',
			r->parts[i].bytes);
	buf_addf(out, "%.*s ", RECORD_OWNER_BYTES - 1,
		r->owner[0] ? r->owner : "000000000000000000000000");
	memset(buf_reserve(out, RECORD_HEADER_BYTES), ' ', RECORD_HEADER_BYTES);
	out->n = at + RECORD_HEADER_BYTES;
	out->p[out->n - 1] = '\n';
	buf_add_str(out, json);
	for (int i = 0; i < PART_COUNT; i++) {
		if (!r->parts[i].in_file)
			buf_add_str(out, parts[i]);
	}
	buf_add_char(out, '\n');
	check_of(check, (struct str){.p = out->p + at, .n = out->n - at});
	memcpy(out->p + at + AT_CHECK, check, CHECK_DIGITS);
}

/* A number of n lower-case hex digits and the blank behind it. */
static bool
parse_hex(const char *p, int n, uint64_t *out)
{
	uint64_t u = 0;

	for (int i = 0; i < n; i++) {
		char c = p[i];

		if (c >= '0' && c <= '9')
			u = u << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			u = u << 4 | (uint64_t)(c - 'a' + 10);
		else
			return false;
	}
	*out = u;
	return p[n] == ' ';
}

bool
record_parse(const char *bytes, struct record *out)
{
	uint64_t u;

	*out = (struct record){0};
	if (memcmp(bytes, MAGIC, AT_KEY) != 0 || bytes[RECORD_HEADER_BYTES - 1] != '\n')
		return false;
	if (!digest_parse((struct str){.p = bytes + AT_KEY, .n = 64}, &out->key) ||
		bytes[AT_WALL - 1] != ' ')
		return false;
	if (!parse_hex(bytes + AT_WALL, 16, &u) || !parse_hex(bytes + AT_JSON, 8, &out->json_bytes))
		return false;
	out->wall_ns = (int64_t)u;
	if (out->json_bytes > RECORD_JSON_BYTES)
		return false;
	for (int i = 0; i < PART_COUNT; i++) {
		const char *p = bytes + AT_PARTS + i * (PART_WIDTH + 1);
		struct record_part *part = &out->parts[i];

		if ((*p != 'i' && *p != 'f') || !parse_hex(p + 1, PART_WIDTH - 1, &part->bytes))
			return false;
		part->in_file = *p == 'f';
		if (!part->in_file && part->bytes > RECORD_INLINE_BYTES)
			return false;
	}
	if (!parse_hex(bytes + AT_OWNER, RECORD_OWNER_BYTES - 1, &u))
		return false;
	memcpy(out->owner, bytes + AT_OWNER, RECORD_OWNER_BYTES - 1);
	return true;
}

bool
record_check(struct str bytes)
{
	struct record r;
	char check[CHECK_DIGITS + 1];

	if (bytes.n < RECORD_HEADER_BYTES || !record_parse(bytes.p, &r) ||
		record_bytes(&r) != bytes.n || bytes.p[bytes.n - 1] != '\n')
		return false;
	check_of(check, bytes);
	return memcmp(check, bytes.p + AT_CHECK, CHECK_DIGITS) == 0;
}

struct str
record_json(const struct record *r, struct str bytes)
{
	return (struct str){.p = bytes.p + RECORD_HEADER_BYTES, .n = (size_t)r->json_bytes};
}

struct str
record_inline_part(const struct record *r, enum part part, struct str bytes)
{
	uint64_t at = RECORD_HEADER_BYTES + r->json_bytes;

	if (r->parts[part].in_file || r->parts[part].bytes == 0)
		return (struct str){0};
	for (int i = 0; i < (int)part; i++)
		at += inline_bytes(&r->parts[i]);
	return (struct str){.p = bytes.p + at, .n = (size_t)r->parts[part].bytes};
}

bool
record_is_torn(const char *bytes, size_t n)
{
	size_t magic = AT_KEY;

	return memcmp(bytes, MAGIC, n < magic ? n : magic) == 0;
}
