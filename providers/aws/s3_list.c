/* s3_list: ListObjectsV2, all pages. Keys come percent-encoded (encoding-type=url), as XML 1.0
 * cannot hold all of them. What S3 answers is checked like anybody's input: a page without an end
 * or with keys that were not asked for must not send the caller anywhere. */
#include "providers/aws/s3_call.h"

#include <stdio.h>
#include <stdlib.h>

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool
s3_url_decode(struct arena *a, struct str *text)
{
	char *out = arena_alloc(a, text->n + 1);
	size_t n = 0;

	for (size_t i = 0; i < text->n; i++) {
		char c = text->p[i];

		if (c == '%') {
			int high = i + 2 < text->n ? hex_digit(text->p[i + 1]) : -1;
			int low = i + 2 < text->n ? hex_digit(text->p[i + 2]) : -1;

			if (high < 0 || low < 0)
				return false;
			c = (char)(high << 4 | low);
			i += 2;
		} else if (c == '+') {
			c = ' ';
		}
		out[n++] = c;
	}
	*text = (struct str){.p = out, .n = n};
	return true;
}

static size_t
count_children(const struct xml *x, const char *name)
{
	size_t n = 0;

	for (x = xml_at(x, name); x; x = xml_next(x))
		n++;
	return n;
}

static int
bad_page(const char *why, struct error *err)
{
	return error_set(err, ERR_HOST,
		"the answer is no list of objects: %s; is this S3 (see AWS_ENDPOINT_URL_S3)?", why);
}

static int
parse_objects(
	struct arena *a, struct s3_page *out, const struct xml *root, bool coded, struct error *err)
{
	out->objects = ARENA_ARRAY(a, struct s3_object, count_children(root, "Contents"));
	for (const struct xml *x = xml_at(root, "Contents"); x; x = xml_next(x)) {
		struct s3_object *o = &out->objects[out->n];

		o->key = xml_text(x, "Key");
		if (!o->key.p || o->key.n == 0)
			return bad_page("an object without a key", err);
		if (coded && !s3_url_decode(a, &o->key))
			return bad_page("a key that is not percent-encoded as it should be", err);
		o->etag = xml_text(x, "ETag");
		o->size_bytes = xml_int(x, "Size", -1);
		if (o->size_bytes < 0)
			return bad_page("an object without a size", err);
		o->modified_wall_ns = s3_time(xml_text(x, "LastModified"));
		out->n++;
	}
	return 0;
}

static int
parse_prefixes(
	struct arena *a, struct s3_page *out, const struct xml *root, bool coded, struct error *err)
{
	out->prefixes.v = ARENA_ARRAY(a, struct str, count_children(root, "CommonPrefixes"));
	for (const struct xml *x = xml_at(root, "CommonPrefixes"); x; x = xml_next(x)) {
		struct str prefix = xml_text(x, "Prefix");

		if (!prefix.p || (coded && !s3_url_decode(a, &prefix)))
			return bad_page("a prefix that is not as it should be", err);
		out->prefixes.v[out->prefixes.n++] = prefix;
	}
	return 0;
}

int
s3_page_parse(struct arena *a, struct s3_page *out, struct str bytes, struct error *err)
{
	struct xml *root;
	bool coded;
	int rc = xml_parse(a, &root, bytes, "s3 ListObjectsV2", err);

	*out = (struct s3_page){0};
	if (rc < 0)
		return rc;
	if (!str_is(root->name, "ListBucketResult"))
		return bad_page("its root is no ListBucketResult", err);
	coded = str_is(xml_text(root, "EncodingType"), "url");
	rc = parse_objects(a, out, root, coded, err);
	if (rc == 0)
		rc = parse_prefixes(a, out, root, coded, err);
	if (rc < 0 || !str_is(xml_text(root, "IsTruncated"), "true"))
		return rc;
	out->next = xml_text(root, "NextContinuationToken");
	return out->next.p && out->next.n ? 0 : bad_page("it goes on, but does not say where", err);
}

/* What is listed, as far as it came. */
struct listing {
	struct aws *aws;
	struct arena *a;
	struct str bucket, prefix;
	const char *delimiter; /* NULL: none */
	size_t limit;	       /* 0: none */
	struct s3_object *objects;
	size_t n, cap;
	struct str *folders;
	size_t n_folders, cap_folders;
	struct str next;
	struct error *err;
};

static int
get_page(struct listing *l, struct s3_page *page)
{
	struct aws_answer answer = {0};
	char max_keys[16];
	struct s3_call c;
	int rc;

	snprintf(max_keys, sizeof(max_keys), "%zu",
		l->limit && l->limit - l->n < S3_BATCH ? l->limit - l->n : S3_BATCH);
	s3_call_init(&c, "GET", l->bucket, (struct str){0});
	s3_call_query(&c, "list-type", STR("2"));
	s3_call_query(&c, "encoding-type", STR("url"));
	s3_call_query(&c, "max-keys", str_from(max_keys));
	if (l->prefix.n)
		s3_call_query(&c, "prefix", l->prefix);
	if (l->delimiter)
		s3_call_query(&c, "delimiter", str_from(l->delimiter));
	if (l->next.p)
		s3_call_query(&c, "continuation-token", l->next);
	rc = aws_call(l->aws, l->a, &c.request, &answer, l->err);
	return rc < 0 ? rc : s3_page_parse(l->a, page, answer.body, l->err);
}

static int
add_object(struct listing *l, const struct s3_object *o)
{
	if (!str_starts(o->key, l->prefix))
		return bad_page("it holds a key that was not asked for", l->err);
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : S3_BATCH;
		l->objects = mem_realloc(l->objects, l->cap * sizeof(*l->objects));
	}
	l->objects[l->n++] = *o;
	return 0;
}

static int
add_folder(struct listing *l, struct str prefix)
{
	if (!str_starts(prefix, l->prefix) || prefix.n <= l->prefix.n ||
		!str_ends(prefix, STR("/")))
		return bad_page("it holds a folder that was not asked for", l->err);
	if (l->n_folders == l->cap_folders) {
		l->cap_folders = l->cap_folders ? l->cap_folders * 2 : S3_BATCH;
		l->folders = mem_realloc(l->folders, l->cap_folders * sizeof(*l->folders));
	}
	l->folders[l->n_folders++] =
		(struct str){.p = prefix.p + l->prefix.n, .n = prefix.n - l->prefix.n - 1};
	return 0;
}

static int
list(struct listing *l)
{
	struct str before = {0};
	int rc = 0;

	do {
		struct s3_page page;

		before = l->next;
		rc = get_page(l, &page);
		for (size_t i = 0; rc == 0 && i < page.n; i++)
			rc = add_object(l, &page.objects[i]);
		for (size_t i = 0; rc == 0 && i < page.prefixes.n; i++)
			rc = add_folder(l, page.prefixes.v[i]);
		if (rc < 0)
			break;
		l->next = page.next;
		if (l->next.p && str_eq(l->next, before))
			rc = bad_page("it goes on where it was", l->err);
	} while (rc == 0 && l->next.p && (!l->limit || l->n < l->limit));
	return rc < 0 ? error_wrap(l->err, "s3 ListObjectsV2 %.*s/%.*s", STR_ARG(l->bucket),
				STR_ARG(l->prefix))
		      : 0;
}

static int
by_key(const void *a, const void *b)
{
	return str_cmp(((const struct s3_object *)a)->key, ((const struct s3_object *)b)->key);
}

/* General purpose buckets list in order, directory buckets don't. */
static void
sort_objects(struct s3_object *v, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		if (by_key(&v[i - 1], &v[i]) > 0) {
			qsort(v, n, sizeof(*v), by_key);
			return;
		}
	}
}

int
s3_list(struct aws *aws, struct arena *a, struct str bucket, struct str prefix, size_t limit,
	struct s3_object **out, size_t *n, struct error *err)
{
	struct listing l = {
		.aws = aws, .a = a, .bucket = bucket, .prefix = prefix, .limit = limit, .err = err};
	int rc = list(&l);

	*n = rc < 0 ? 0 : limit && l.n > limit ? limit : l.n;
	*out = ARENA_ARRAY(a, struct s3_object, *n);
	if (*n)
		memcpy(*out, l.objects, *n * sizeof(**out));
	sort_objects(*out, *n);
	free(l.objects);
	return rc;
}

static int
by_bytes(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

int
s3_list_folders(struct aws *aws, struct arena *a, struct str bucket, struct str prefix,
	struct strings *out, struct error *err)
{
	struct listing l = {.aws = aws,
		.a = a,
		.bucket = bucket,
		.prefix = prefix,
		.delimiter = "/",
		.err = err};
	int rc = list(&l);

	if (rc < 0)
		l.n_folders = 0;
	*out = (struct strings){.v = ARENA_ARRAY(a, struct str, l.n_folders)};
	if (l.n_folders)
		qsort(l.folders, l.n_folders, sizeof(*l.folders), by_bytes);
	for (size_t i = 0; i < l.n_folders; i++) {
		if (i == 0 || !str_eq(l.folders[i - 1], l.folders[i]))
			out->v[out->n++] = l.folders[i];
	}
	free(l.objects);
	free(l.folders);
	return rc;
}
