/* record: how a result lies in a log: a header of fixed size, then its bytes. Pure. */
#ifndef FURROW_STORE_RECORD_H
#define FURROW_STORE_RECORD_H

#include "planner/base/buf.h"
#include "planner/base/digest.h"

enum part { PART_TAR, PART_STDOUT, PART_STDERR, PART_COUNT };

enum {
	RECORD_HEADER_BYTES = 200,
	RECORD_OWNER_BYTES = 25,	/* 24 hex digits and a NUL */
	RECORD_INLINE_BYTES = 64 << 10, /* a larger part has a file of its own */
	RECORD_JSON_BYTES = 64 << 20
};

struct record_part {
	bool in_file;	/* parts/…, else in the record */
	uint64_t bytes; /* 0: there is no such part */
};

struct record {
	struct digest key;
	int64_t wall_ns;     /* when it was committed */
	uint64_t json_bytes; /* 0: the record says that the result was removed */
	struct record_part parts[PART_COUNT];
	char owner[RECORD_OWNER_BYTES]; /* of parts in files; zeros without any */
};

const char *record_part_name(enum part part); /* "tar" */
bool record_part_parse(struct str name, enum part *out);

/* Appends header and body. parts: bytes of those that are not in files. */
void record_write(struct buf *out, const struct record *r, struct str json,
	const struct str parts[PART_COUNT]);

/* false when there is no header at the start of bytes (at least RECORD_HEADER_BYTES). */
bool record_parse(const char *bytes, struct record *out);

/* Header, body and the LF behind it. */
uint64_t record_bytes(const struct record *r);

/* Whether a whole record is as it was written. */
bool record_check(struct str bytes);

/* Where json and parts are within a whole record; absent when it has no such part in it. */
struct str record_json(const struct record *r, struct str bytes);
struct str record_inline_part(const struct record *r, enum part part, struct str bytes);

/* Whether n < RECORD_HEADER_BYTES bytes may be the beginning of a header. */
bool record_is_torn(const char *bytes, size_t n);

#endif
