/* s3_call: what the requests to S3 have in common. */
#include "providers/aws/s3_call.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>

enum { READ_BYTES = 256 << 10 };

void
s3_call_init(struct s3_call *c, const char *method, struct str bucket, struct str key)
{
	*c = (struct s3_call){.request = {.service = AWS_S3,
				      .method = method,
				      .bucket = bucket,
				      .path = key,
				      .repeat = AWS_REPEAT}};
	c->request.query.v = c->query;
	c->request.headers.v = c->headers;
}

static void
add_pair(struct pairs *pairs, const char *name, struct str value)
{
	assert(pairs->n < S3_PAIRS);
	pairs->v[pairs->n++] = (struct pair){.name = str_from(name), .value = value};
}

void
s3_call_query(struct s3_call *c, const char *name, struct str value)
{
	add_pair(&c->request.query, name, value);
}

void
s3_call_header(struct s3_call *c, const char *name, struct str value)
{
	add_pair(&c->request.headers, name, value);
}

void
s3_call_body(struct s3_call *c, struct str body, char checksum[S3_CHECKSUM_BYTES])
{
	struct digest d = digest_of(body.p ? body.p : "", body.n);

	s3_checksum(checksum, &d);
	c->request.body = body.p ? body : STR("");
	s3_call_header(c, S3_CHECKSUM, str_from(checksum));
}

void
s3_checksum(char out[S3_CHECKSUM_BYTES], const struct digest *d)
{
	EVP_EncodeBlock((unsigned char *)out, d->b, DIGEST_BYTES);
}

void
s3_nonce(char out[S3_NONCE_BYTES])
{
	uint8_t random[16];

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		abort(); /* cannot fail for so few bytes */
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(out + 2 * i, 3, "%02x", random[i]);
}

static int
digest_chunks(struct hasher *h, int fd, int64_t offset, int64_t bytes, char *chunk)
{
	while (bytes > 0) {
		size_t want = bytes < READ_BYTES ? (size_t)bytes : READ_BYTES;
		ssize_t n = pread(fd, chunk, want, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENODATA;
		hasher_add(h, chunk, (size_t)n);
		offset += n;
		bytes -= n;
	}
	return 0;
}

int
s3_digest_file(int fd, int64_t offset, int64_t bytes, struct digest *out, struct error *err)
{
	struct hasher *h = hasher_new();
	char *chunk = mem_alloc(READ_BYTES);
	int rc = digest_chunks(h, fd, offset, bytes, chunk);

	*out = hasher_end(h);
	hasher_free(h);
	free(chunk);
	if (rc == -ENODATA)
		return error_set(err, ERR_HOST,
			"read a file of %lld bytes: it became shorter meanwhile",
			(long long)offset + bytes);
	return rc < 0 ? error_set_errno(err, ERR_HOST, -rc, "read a file to take its SHA-256") : 0;
}

static bool
parse_month(const char *name, int *out)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	for (int i = 0; i < 12; i++) {
		if (memcmp(months + (ptrdiff_t)3 * i, name, 3) == 0) {
			*out = i;
			return true;
		}
	}
	return false;
}

int64_t
s3_time(struct str text)
{
	struct tm tm = {0};
	char copy[40], month[4] = "";
	int year = 0, end = 0;

	if (!text.p || text.n >= sizeof(copy))
		return 0;
	memcpy(copy, text.p, text.n);
	copy[text.n] = '\0';
	if (sscanf(copy, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT%n", &tm.tm_mday, month,
		    &year, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &end) != 6 ||
		end == 0 || strlen(month) != 3 || !parse_month(month, &tm.tm_mon)) {
		if (sscanf(copy, "%4d-%2d-%2dT%2d:%2d:%2d", &year, &tm.tm_mon, &tm.tm_mday,
			    &tm.tm_hour, &tm.tm_min, &tm.tm_sec) != 6)
			return 0;
		tm.tm_mon--;
	}
	if (year < 1970 || year > 2200 || tm.tm_mon < 0 || tm.tm_mon > 11 || tm.tm_mday < 1 ||
		tm.tm_mday > 31 || tm.tm_hour < 0 || tm.tm_hour > 23 || tm.tm_min < 0 ||
		tm.tm_min > 59 || tm.tm_sec < 0 || tm.tm_sec > 60)
		return 0;
	tm.tm_year = year - 1900;
	return (int64_t)timegm(&tm) * NS_PER_S;
}

void
s3_read_object(const struct aws_answer *answer, struct str key, struct s3_object *out)
{
	*out = (struct s3_object){.key = key,
		.etag = aws_header(answer, "etag"),
		.modified_wall_ns = s3_time(aws_header(answer, "last-modified")),
		.answered_wall_ns = s3_time(aws_header(answer, "date"))};
	if (!str_to_i64(aws_header(answer, "content-length"), &out->size_bytes))
		out->size_bytes = answer->body_bytes;
}

static int
digest_piece(
	struct str in_memory, int fd, int64_t at, int64_t n, struct digest *out, struct error *err)
{
	if (!in_memory.p)
		return s3_digest_file(fd, at, n, out, err);
	*out = digest_of(in_memory.p + at, (size_t)n);
	return 0;
}

/* The SHA-256 of the SHA-256s of its parts. */
static int
digest_of_parts(struct str in_memory, int fd, int64_t bytes, int64_t part_bytes, struct digest *out,
	struct error *err)
{
	struct hasher *h = hasher_new();
	int rc = 0;

	for (int64_t at = 0; at < bytes && rc == 0; at += part_bytes) {
		int64_t n = bytes - at < part_bytes ? bytes - at : part_bytes;
		struct digest d = {0};

		rc = digest_piece(in_memory, fd, at, n, &d, err);
		hasher_add(h, d.b, sizeof(d.b));
	}
	*out = hasher_end(h);
	hasher_free(h);
	return rc;
}

int
s3_not_what_was_put(struct str bucket, struct str key, int64_t bytes, struct error *err)
{
	error_set(err, ERR_HOST,
		"s3 GetObject %.*s/%.*s: the %lld bytes that came are not those that were put "
		"(their SHA-256 is not the one that S3 keeps)",
		STR_ARG(bucket), STR_ARG(key), (long long)bytes);
	if (err)
		err->class = CLASS_TRANSIENT;
	return ERR_HOST;
}

int
s3_check_body(const struct aws_answer *answer, struct str bucket, struct str key,
	struct str in_memory, int fd, int64_t bytes, struct error *err)
{
	struct str told = aws_header(answer, S3_CHECKSUM);
	char checksum[S3_CHECKSUM_BYTES];
	int64_t part_bytes = 0;
	struct digest d = {0};
	int rc;

	if (!told.p || told.n < S3_CHECKSUM_BYTES - 1)
		return 0;
	if (told.n > S3_CHECKSUM_BYTES - 1 && /* in parts, of a size that only who put it knows */
		(!str_to_i64(aws_header(answer, S3_PART_BYTES), &part_bytes) || part_bytes <= 0))
		return 0;
	rc = part_bytes ? digest_of_parts(in_memory, fd, bytes, part_bytes, &d, err)
			: digest_piece(in_memory, fd, 0, bytes, &d, err);
	if (rc < 0)
		return rc;
	s3_checksum(checksum, &d);
	return memcmp(checksum, told.p, S3_CHECKSUM_BYTES - 1) == 0
		       ? 0
		       : s3_not_what_was_put(bucket, key, bytes, err);
}
