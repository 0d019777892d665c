/* store: the names of objects and parts, checked, and then whichever store is behind them. */
#include "providers/store/ops.h"

#include <stdio.h>

void
store_result_name(char out[STORE_NAME_BYTES], const struct digest *key, const char *part)
{
	char hex[DIGEST_HEX_BYTES];

	digest_hex(hex, key);
	snprintf(out, STORE_NAME_BYTES, "results/%.2s/%s%s%s", hex, hex + 2, part ? "." : "",
		part ? part : "");
}

static bool
parse_result_name(struct str name, struct store_name *out)
{
	char hex[DIGEST_HEX_BYTES];
	struct str rest = str_from_index(name, sizeof("results/") - 1);

	if (rest.n < 2 + 1 + 62 || rest.p[2] != '/')
		return false;
	snprintf(hex, sizeof(hex), "%.2s%.62s", rest.p, rest.p + 3);
	if (!digest_parse(str_from(hex), &out->key))
		return false;
	rest = str_from_index(rest, 2 + 1 + 62);
	out->is_json = rest.n == 0;
	return out->is_json ||
	       (rest.p[0] == '.' && record_part_parse(str_from_index(rest, 1), &out->part));
}

static bool
is_plain_path(struct str name)
{
	while (name.p) {
		struct str part = str_cut(&name, '/');

		if (part.n == 0 || part.p[0] == '.')
			return false;
		for (size_t i = 0; i < part.n; i++) {
			if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "._-",
				    part.p[i]))
				return false;
		}
	}
	return true;
}

static bool
is_below_a_root(struct str name)
{
	static const char *const roots[] = {"history/", "blobs/", "runners/", "sources/"};

	for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
		if (str_starts(name, str_from(roots[i])))
			return true;
	}
	return false;
}

static int
parse_name(const struct store *s, const char *name, struct store_name *out, struct error *err)
{
	struct str n = str_from(name);

	*out = (struct store_name){.text = name, .is_result = str_starts(n, STR("results/"))};
	if (out->is_result && parse_result_name(n, out))
		return 0;
	if (!out->is_result && n.n < STORE_NAME_BYTES && is_plain_path(n) && is_below_a_root(n))
		return 0;
	return error_set(
		err, ERR_INTERNAL, "store %s: '%s' is no name of an object", s->where, name);
}

static int
parse_part(const struct store_result *r, const char *name, enum part *out, struct error *err)
{
	if (record_part_parse(str_from(name), out))
		return 0;
	return error_set(
		err, ERR_INTERNAL, "store %s: '%s' is no part of a result", r->store->where, name);
}

void
store_close(struct store *s)
{
	if (s)
		s->ops->close(s);
}

const char *
store_where(const struct store *s)
{
	return s->where;
}

void
store_remember(struct store *s)
{
	if (s->ops->remember)
		s->ops->remember(s);
}

void
store_gather(struct store *s, int64_t at_most_ns)
{
	if (s->ops->gather)
		s->ops->gather(s, at_most_ns);
}

unsigned
store_readers(const struct store *s)
{
	return s->ops->readers;
}

int
store_list_results(
	struct store *s, struct arena *a, struct digest **keys, size_t *n, struct error *err)
{
	*keys = NULL;
	*n = 0;
	return s->ops->list_results(s, a, keys, n, err);
}

int
store_list(struct store *s, struct arena *a, const char *folder, struct strings *out,
	struct error *err)
{
	struct str name = arena_printf(a, "%s/", folder);

	*out = (struct strings){0};
	if (!is_plain_path(str_from(folder)) || !is_below_a_root(name))
		return error_set(err, ERR_INTERNAL, "store %s: '%s' is no folder of objects",
			s->where, folder);
	return s->ops->list(s, a, folder, out, err);
}

int
store_get(struct store *s, struct arena *a, const char *name, struct str *bytes, struct error *err)
{
	struct store_name n;
	int rc = parse_name(s, name, &n, err);

	return rc < 0 ? rc : s->ops->get(s, a, &n, bytes, err);
}

int
store_open(struct store *s, const char *name, int *fd, int64_t *size_bytes, struct error *err)
{
	struct store_name n;
	int rc = parse_name(s, name, &n, err);

	return rc < 0 ? rc : s->ops->open(s, &n, fd, size_bytes, err);
}

int
store_put(struct store *s, const char *name, struct str bytes, struct error *err)
{
	struct store_name n;
	int rc = parse_name(s, name, &n, err);

	if (rc == 0 && n.is_result)
		rc = error_set(err, ERR_INTERNAL,
			"store %s: put %s: results are put by store_result_commit", s->where, name);
	return rc < 0 ? rc : s->ops->put(s, &n, bytes, err);
}

int
store_remove(struct store *s, const char *name, struct error *err)
{
	struct store_name n;
	int rc = parse_name(s, name, &n, err);

	if (rc == 0 && n.is_result && !n.is_json)
		rc = error_set(err, ERR_INTERNAL,
			"store %s: remove %s: a result is removed as a whole", s->where, name);
	return rc < 0 ? rc : s->ops->remove(s, &n, err);
}

int
store_result_begin(
	struct store *s, const struct digest *key, struct store_result **out, struct error *err)
{
	(void)err;
	*out = s->ops->result_begin(s, key);
	return 0;
}

int
store_result_write(
	struct store_result *r, const char *part, const void *bytes, size_t n, struct error *err)
{
	enum part which;
	int rc = parse_part(r, part, &which, err);

	return rc < 0 ? rc : r->store->ops->result_write(r, which, bytes, n, err);
}

int
store_result_take(struct store_result *r, const char *part, const char *path, struct error *err)
{
	enum part which;
	int rc = parse_part(r, part, &which, err);

	return rc < 0 ? rc : r->store->ops->result_take(r, which, path, err);
}

static int
no_urls(const struct store_result *r, struct error *err)
{
	return error_set(err, ERR_INPUT,
		"store %s: a folder has no URLs that a host could put its outputs to; name "
		"s3://BUCKET as `store`",
		r->store->where);
}

int
store_result_offer(
	struct store_result *r, const char *part, int64_t bytes, struct str *url, struct error *err)
{
	enum part which;
	int rc = parse_part(r, part, &which, err);

	if (rc < 0)
		return rc;
	if (!r->store->ops->result_offer)
		return no_urls(r, err);
	return r->store->ops->result_offer(r, which, bytes, url, err);
}

int
store_result_placed(struct store_result *r, const char *part, int64_t bytes, struct error *err)
{
	enum part which;
	int rc = parse_part(r, part, &which, err);

	if (rc < 0)
		return rc;
	if (!r->store->ops->result_placed)
		return no_urls(r, err);
	return r->store->ops->result_placed(r, which, bytes, err);
}

void
store_result_commit(struct store_result *r, struct str json, store_done_fn done, void *ctx)
{
	r->store->ops->result_commit(r, json, done, ctx);
}

void
store_result_abort(struct store_result *r)
{
	r->store->ops->result_abort(r);
}

int
store_gc(struct store *s, const struct digest *keep, size_t n_keep, int64_t before_wall_ns,
	bool dry, struct store_gc *out, struct error *err)
{
	*out = (struct store_gc){0};
	return s->ops->gc(s, keep, n_keep, before_wall_ns, dry, out, err);
}
