/* protocol: frames and fields in memory. Reading and writing the stream is the callers' business.
 */
#include "planner/base/protocol.h"

static uint64_t
get_le(const char *p, unsigned n)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < n; i++)
		v |= (uint64_t)(unsigned char)p[i] << (8 * i);
	return v;
}

static uint8_t *
put_le(uint8_t *at, uint64_t v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		at[i] = (uint8_t)(v >> (8 * i));
	return at + n;
}

uint8_t *
put_u8(uint8_t *at, uint8_t v)
{
	*at = v;
	return at + 1;
}

uint8_t *
put_u32(uint8_t *at, uint32_t v)
{
	return put_le(at, v, 4);
}

uint8_t *
put_u64(uint8_t *at, uint64_t v)
{
	return put_le(at, v, 8);
}

uint8_t *
put_i64(uint8_t *at, int64_t v)
{
	return put_le(at, (uint64_t)v, 8);
}

uint8_t *
put_str(uint8_t *at, struct str s)
{
	at = put_u32(at, (uint32_t)s.n);
	if (s.n)
		memcpy(at, s.p, s.n);
	return at + s.n;
}

void
frame_header(uint8_t out[FRAME_HEADER_BYTES], const struct frame *f)
{
	uint8_t *at = put_u32(out, (uint32_t)f->payload.n);

	at = put_u8(at, f->type);
	at = put_u8(at, f->stream);
	at = put_le(at, 0, 2);
	put_u64(at, f->id);
}

int64_t
frame_read(struct str bytes, struct frame *out)
{
	uint64_t n;

	if (bytes.n < FRAME_HEADER_BYTES)
		return 0;
	n = get_le(bytes.p, 4);
	if (n > FRAME_MAX_BYTES || get_le(bytes.p + 6, 2) != 0)
		return -1;
	if (bytes.n - FRAME_HEADER_BYTES < n)
		return 0;
	*out = (struct frame){
		.type = (uint8_t)bytes.p[4],
		.stream = (uint8_t)bytes.p[5],
		.id = get_le(bytes.p + 8, 8),
		.payload = {.p = bytes.p + FRAME_HEADER_BYTES, .n = (size_t)n},
	};
	return (int64_t)(FRAME_HEADER_BYTES + n);
}

/* The next n bytes, or NULL and bad. After a failed read nothing is read any more: what stood
 * behind it would be taken for something else. */
static const char *
take(struct fields *f, size_t n)
{
	const char *p = f->rest.p;

	if (f->bad || f->rest.n < n) {
		f->bad = true;
		return NULL;
	}
	f->rest.p += n;
	f->rest.n -= n;
	return p;
}

uint8_t
field_u8(struct fields *f)
{
	const char *p = take(f, 1);

	return p ? (uint8_t)*p : 0;
}

uint32_t
field_u32(struct fields *f)
{
	const char *p = take(f, 4);

	return p ? (uint32_t)get_le(p, 4) : 0;
}

uint64_t
field_u64(struct fields *f)
{
	const char *p = take(f, 8);

	return p ? get_le(p, 8) : 0;
}

int64_t
field_i64(struct fields *f)
{
	return (int64_t)field_u64(f);
}

struct str
field_str(struct fields *f)
{
	uint32_t n = field_u32(f);
	const char *p = take(f, n);

	return p ? (struct str){.p = p, .n = n} : (struct str){0};
}

uint32_t
field_count(struct fields *f, size_t item_bytes)
{
	uint32_t n = field_u32(f);

	if (!f->bad && n <= f->rest.n / item_bytes)
		return n;
	f->bad = true;
	return 0;
}
