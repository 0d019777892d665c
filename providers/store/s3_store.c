/* s3_store: the store in a bucket: opening, finding, reading. How results get in: s3_result.c. */
#include "providers/store/s3_store.h"

#include "providers/parallel.h"
#include "providers/store/s3.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "providers/store/io.h"

enum {
	FIRST_PAGE = 1000, /* a listing that is longer goes on in 16 side by side */
	RECORD_MAX_BYTES =
		RECORD_HEADER_BYTES + RECORD_JSON_BYTES + PART_COUNT * RECORD_INLINE_BYTES + 1
};

struct str
s3_store_key(const struct s3_store *s, struct arena *a, const char *name)
{
	return arena_printf(a, "%.*s%s", STR_ARG(s->root), name);
}

struct str
s3_store_part_key(const struct s3_store *s, struct arena *a, const struct record *r, enum part part)
{
	char hex[DIGEST_HEX_BYTES];

	digest_hex(hex, &r->key);
	return arena_printf(a, "%.*sresults/%.2s/%s.%s.%s", STR_ARG(s->root), hex, hex + 2,
		r->owner, record_part_name(part));
}

bool
s3_store_parse_key(const struct s3_store *s, struct str key, struct digest *out, struct str *rest)
{
	char hex[DIGEST_HEX_BYTES];
	struct str name = str_from_index(key, s->root.n + sizeof("results/") - 1);

	if (name.n < 2 + 1 + 62 || name.p[2] != '/')
		return false;
	snprintf(hex, sizeof(hex), "%.2s%.62s", name.p, name.p + 3);
	*rest = str_from_index(name, 2 + 1 + 62);
	return digest_parse(str_from(hex), out) && (rest->n == 0 || rest->p[0] == '.');
}

static int
wrap(const struct s3_store *s, int rc, struct error *err)
{
	return rc < 0 ? error_wrap(err, "store %s", s->base.where) : 0;
}

static int
missing(const struct s3_store *s, const char *name, struct error *err)
{
	return error_set(err, ERR_MISSING, "store %s: there is no %s", s->base.where, name);
}

static int
is_damaged(const struct s3_store *s, struct str key, struct error *err)
{
	return error_set(err, ERR_HOST,
		"store %s: s3://%.*s/%.*s is damaged (it is not as it was written); `furrow gc` "
		"removes the damaged result, the next apply makes it anew",
		s->base.where, STR_ARG(s->bucket), STR_ARG(key));
}

int
s3_store_read_record(struct s3_store *s, struct arena *a, const struct digest *key,
	struct record *out, struct str *bytes, struct s3_object *object, bool *damaged,
	struct error *err)
{
	char name[STORE_NAME_BYTES];
	struct str s3_key;
	int rc;

	store_result_name(name, key, NULL);
	s3_key = s3_store_key(s, a, name);
	rc = s3_get(s->aws, a, s->bucket, s3_key, (struct str){0}, RECORD_MAX_BYTES, bytes, object,
		err);
	if (rc < 0)
		return rc == ERR_MISSING ? missing(s, name, err) : wrap(s, rc, err);
	if (bytes->n >= RECORD_HEADER_BYTES && record_parse(bytes->p, out) &&
		digest_cmp(&out->key, key) == 0 && record_check(*bytes))
		return out->json_bytes ? 0 : missing(s, name, err);
	if (damaged)
		*damaged = true;
	return is_damaged(s, s3_key, err);
}

/* The same, but what this process has put is not asked for again. */
static int
recall_record(struct s3_store *s, struct arena *a, const struct digest *key, struct record *out,
	struct str *bytes, struct error *err)
{
	*bytes = s3_cache_get(&s->cache, a, key);
	if (bytes->p && record_parse(bytes->p, out))
		return 0;
	return s3_store_read_record(s, a, key, out, bytes, NULL, NULL, err);
}

/* The bytes of a result that are in its record; absent: they are elsewhere, or there are none. */
static struct str
in_record(const struct store_name *name, const struct record *r, struct str bytes)
{
	return name->is_json ? record_json(r, bytes) : record_inline_part(r, name->part, bytes);
}

static int
open_bytes(
	const struct s3_store *s, struct str bytes, int *fd, int64_t *size_bytes, struct error *err)
{
	int rc;

	*fd = memfd_create("furrow-object", MFD_CLOEXEC);
	rc = *fd < 0 ? -errno : io_write_all(*fd, bytes.p, bytes.n);
	if (rc == 0 && lseek(*fd, 0, SEEK_SET) < 0)
		rc = -errno;
	*size_bytes = (int64_t)bytes.n;
	if (rc == 0)
		return 0;
	if (*fd >= 0)
		close(*fd);
	return error_set_errno(err, ERR_HOST, -rc, "store %s: keep what was read", s->base.where);
}

static int
open_object(struct s3_store *s, struct arena *a, struct str key, const char *name,
	int64_t about_bytes, int *fd, int64_t *size_bytes, struct error *err)
{
	int rc;

	*fd = spool_unlinked_file();
	if (*fd < 0)
		return error_set_errno(err, ERR_HOST, -*fd,
			"store %s: make a temporary file for %s (TMPDIR names another place)",
			s->base.where, name);
	rc = s3_get_file(
		s->aws, a, s->bucket, key, (struct str){0}, about_bytes, *fd, size_bytes, err);
	if (rc == 0 && lseek(*fd, 0, SEEK_SET) < 0)
		rc = error_set_errno(err, ERR_HOST, errno, "read %s", name);
	if (rc == 0)
		return 0;
	close(*fd);
	return rc == ERR_MISSING ? missing(s, name, err) : wrap(s, rc, err);
}

static int
open_part(struct s3_store *s, struct arena *a, const struct record *r, enum part part,
	const char *name, int *fd, int64_t *size_bytes, struct error *err)
{
	struct str key = s3_store_part_key(s, a, r, part);
	int rc = open_object(s, a, key, name, (int64_t)r->parts[part].bytes, fd, size_bytes, err);

	if (rc == 0 && (uint64_t)*size_bytes != r->parts[part].bytes) {
		close(*fd);
		return error_set(err, ERR_HOST,
			"store %s: s3://%.*s/%.*s has %lld bytes, %llu were written; `furrow gc` "
			"removes it",
			s->base.where, STR_ARG(s->bucket), STR_ARG(key), (long long)*size_bytes,
			(unsigned long long)r->parts[part].bytes);
	}
	return rc;
}

static int
open_result(struct s3_store *s, struct arena *a, const struct store_name *name, int *fd,
	int64_t *size_bytes, struct error *err)
{
	struct record r;
	struct str bytes, found;
	int rc = recall_record(s, a, &name->key, &r, &bytes, err);

	if (rc < 0)
		return rc;
	found = in_record(name, &r, bytes);
	if (found.p)
		return open_bytes(s, found, fd, size_bytes, err);
	if (r.parts[name->part].bytes == 0)
		return missing(s, name->text, err);
	return open_part(s, a, &r, name->part, name->text, fd, size_bytes, err);
}

static int
open_name(struct store *store, const struct store_name *name, int *fd, int64_t *size_bytes,
	struct error *err)
{
	struct s3_store *s = s3_store_of(store);
	struct arena a = {0};
	int rc = name->is_result ? open_result(s, &a, name, fd, size_bytes, err)
				 : open_object(s, &a, s3_store_key(s, &a, name->text), name->text,
					   -1, fd, size_bytes, err);

	arena_free(&a);
	return rc;
}

static int
get_part(struct s3_store *s, struct arena *a, const struct record *r, enum part part,
	const char *name, struct str *bytes, struct error *err)
{
	int rc;

	if (r->parts[part].bytes == 0)
		return missing(s, name, err);
	if (r->parts[part].bytes > STORE_GET_BYTES)
		return error_set(err, ERR_HOST,
			"store %s: %s is too large to be read at once (%llu bytes)", s->base.where,
			name, (unsigned long long)r->parts[part].bytes);
	rc = s3_get(s->aws, a, s->bucket, s3_store_part_key(s, a, r, part), (struct str){0},
		STORE_GET_BYTES, bytes, NULL, err);
	if (rc == ERR_MISSING)
		return missing(s, name, err);
	if (rc == 0 && bytes->n != r->parts[part].bytes)
		return error_set(err, ERR_HOST,
			"store %s: %s has %zu bytes, %llu were written; `furrow gc` removes it",
			s->base.where, name, bytes->n, (unsigned long long)r->parts[part].bytes);
	return wrap(s, rc, err);
}

static int
get_name(struct store *store, struct arena *a, const struct store_name *name, struct str *bytes,
	struct error *err)
{
	struct s3_store *s = s3_store_of(store);
	struct record r;
	struct str whole, found;
	int rc;

	if (!name->is_result) {
		rc = s3_get(s->aws, a, s->bucket, s3_store_key(s, a, name->text), (struct str){0},
			STORE_GET_BYTES, bytes, NULL, err);
		return rc == ERR_MISSING ? missing(s, name->text, err) : wrap(s, rc, err);
	}
	rc = recall_record(s, a, &name->key, &r, &whole, err);
	if (rc < 0)
		return rc;
	found = in_record(name, &r, whole);
	if (!found.p)
		return get_part(s, a, &r, name->part, name->text, bytes, err);
	*bytes = found;
	return 0;
}

static int
put_name(struct store *store, const struct store_name *name, struct str bytes, struct error *err)
{
	struct s3_store *s = s3_store_of(store);
	struct arena a = {0};
	int rc = s3_put(
		s->aws, &a, s->bucket, s3_store_key(s, &a, name->text), bytes, NULL, NULL, err);

	arena_free(&a);
	return wrap(s, rc, err);
}

/* A result: its record first, so that it is gone as a whole; then the parts that it named. */
static int
remove_result(struct s3_store *s, struct arena *a, const struct store_name *name, struct error *err)
{
	struct record r = {0};
	struct str bytes;
	int rc = s3_store_read_record(s, a, &name->key, &r, &bytes, NULL, NULL, err);
	bool readable = rc == 0;

	s3_cache_drop(&s->cache, &name->key);
	if (rc == ERR_MISSING)
		return 0;
	rc = s3_delete(s->aws, a, s->bucket, s3_store_key(s, a, name->text), NULL, err);
	for (int i = 0; rc == 0 && readable && i < PART_COUNT; i++) {
		if (r.parts[i].in_file)
			rc = s3_delete(s->aws, a, s->bucket,
				s3_store_part_key(s, a, &r, (enum part)i), NULL, err);
	}
	return wrap(s, rc, err);
}

static int
remove_name(struct store *store, const struct store_name *name, struct error *err)
{
	struct s3_store *s = s3_store_of(store);
	struct arena a = {0};
	int rc;

	if (name->is_result)
		rc = remove_result(s, &a, name, err);
	else
		rc = wrap(s,
			s3_delete(
				s->aws, &a, s->bucket, s3_store_key(s, &a, name->text), NULL, err),
			err);
	arena_free(&a);
	return rc;
}

/* The sixteenths of a long listing, by the first digit of the key. */
struct sixteenths {
	struct s3_store *s;
	struct {
		struct arena arena;
		struct s3_object *v;
		size_t n;
		int rc;
		struct error err;
	} of[16];
};

static void
list_sixteenth(void *ctx, size_t i)
{
	struct sixteenths *x = ctx;
	struct arena *a = &x->of[i].arena;
	struct str prefix = arena_printf(a, "%.*sresults/%zx", STR_ARG(x->s->root), i);

	x->of[i].rc = s3_list(
		x->s->aws, a, x->s->bucket, prefix, 0, &x->of[i].v, &x->of[i].n, &x->of[i].err);
}

/* Keys live in the arenas of the sixteenths: they are copied. */
static void
join(struct sixteenths *x, struct arena *a, struct s3_object **out, size_t *n)
{
	*n = 0;
	for (size_t i = 0; i < 16; i++)
		*n += x->of[i].n;
	*out = ARENA_ARRAY(a, struct s3_object, *n);
	*n = 0;
	for (size_t i = 0; i < 16; i++) {
		for (size_t k = 0; k < x->of[i].n; k++) {
			struct s3_object *o = &(*out)[(*n)++];

			*o = x->of[i].v[k];
			o->key = arena_str(a, o->key);
			o->etag = arena_str(a, o->etag);
		}
	}
}

static int
list_by_sixteenths(
	struct s3_store *s, struct arena *a, struct s3_object **out, size_t *n, struct error *err)
{
	struct sixteenths *x = mem_alloc(sizeof(*x));
	int rc = 0;

	memset(x, 0, sizeof(*x));
	x->s = s;
	parallel_for(16, 16, list_sixteenth, x);
	for (size_t i = 0; i < 16 && rc == 0; i++) {
		rc = x->of[i].rc;
		if (rc < 0 && err)
			*err = x->of[i].err;
	}
	if (rc == 0)
		join(x, a, out, n);
	for (size_t i = 0; i < 16; i++)
		arena_free(&x->of[i].arena);
	free(x);
	return rc;
}

int
s3_store_list_results(
	struct s3_store *s, struct arena *a, struct s3_object **out, size_t *n, struct error *err)
{
	int rc = s3_list(
		s->aws, a, s->bucket, s3_store_key(s, a, "results/"), FIRST_PAGE, out, n, err);

	if (rc == 0 && *n == FIRST_PAGE)
		rc = list_by_sixteenths(s, a, out, n, err);
	if (rc == ERR_MISSING) { /* the bucket */
		*n = 0;
		return 0;
	}
	return wrap(s, rc, err);
}

static int
list_results(
	struct store *store, struct arena *a, struct digest **keys, size_t *n, struct error *err)
{
	struct s3_store *s = s3_store_of(store);
	struct arena scratch = {0};
	struct s3_object *v;
	size_t all;
	int rc = s3_store_list_results(s, &scratch, &v, &all, err);

	if (rc == 0)
		*keys = ARENA_ARRAY(a, struct digest, all);
	for (size_t i = 0; rc == 0 && i < all; i++) {
		struct digest key;
		struct str rest;

		if (s3_store_parse_key(s, v[i].key, &key, &rest) && rest.n == 0)
			(*keys)[(*n)++] = key;
	}
	arena_free(&scratch);
	return rc;
}

static int
list_folder(struct store *store, struct arena *a, const char *folder, struct strings *out,
	struct error *err)
{
	struct s3_store *s = s3_store_of(store);
	struct str prefix = arena_printf(a, "%.*s%s/", STR_ARG(s->root), folder);
	struct s3_object *v;
	size_t n;
	int rc = s3_list(s->aws, a, s->bucket, prefix, 0, &v, &n, err);

	if (rc < 0)
		return rc == ERR_MISSING ? 0 : wrap(s, rc, err);
	out->v = ARENA_ARRAY(a, struct str, n);
	for (size_t i = 0; i < n; i++) {
		struct str name = str_from_index(v[i].key, prefix.n);

		if (name.n && !memchr(name.p, '/', name.n))
			out->v[out->n++] = name;
	}
	return 0;
}

static void
close_store(struct store *store)
{
	struct s3_store *s = s3_store_of(store);

	s3_result_drain(s);
	spool_close(s->spool);
	s3_cache_free(&s->cache);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->work);
	arena_free(&s->arena);
	free(s);
}

static void
remember(struct store *store)
{
	s3_cache_open(&s3_store_of(store)->cache);
}

static const struct store_ops s3_ops = {
	.close = close_store,
	.list_results = list_results,
	.list = list_folder,
	.get = get_name,
	.open = open_name,
	.put = put_name,
	.remove = remove_name,
	.result_begin = s3_result_begin,
	.result_write = s3_result_write,
	.result_take = s3_result_take,
	.result_offer = s3_result_offer,
	.result_placed = s3_result_placed,
	.result_commit = s3_result_commit,
	.result_abort = s3_result_abort,
	.gc = s3_store_gc,
	.remember = remember,
	.readers = S3_STORE_THREADS,
};

int
store_open_s3(struct store **out, struct aws *aws, struct str bucket, struct str prefix,
	struct error *err)
{
	struct s3_store *s = mem_alloc(sizeof(*s));
	uint8_t random[8];

	(void)err;
	*s = (struct s3_store){.aws = aws};
	s->bucket = arena_str(&s->arena, bucket);
	s->root = prefix.n ? arena_printf(&s->arena, "%.*s/", STR_ARG(prefix)) : STR("");
	s->base = (struct store){.ops = &s3_ops,
		.where = arena_printf(&s->arena, "s3://%.*s%s%.*s", STR_ARG(bucket),
			prefix.n ? "/" : "", STR_ARG(prefix))
				 .p};
	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		abort(); /* cannot fail for so few bytes */
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(s->writer + 2 * i, 3, "%02x", random[i]);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->work, NULL);
	s3_cache_init(&s->cache);
	*out = &s->base;
	return 0;
}
