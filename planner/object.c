/* object: patterns of keys. */
#include "planner/object.h"

#include "planner/source.h"

void
object_pattern_parse(struct arena *a, struct str url, struct object_pattern *out)
{
	struct str rest = str_from_index(url, sizeof("s3://") - 1);
	size_t n;

	out->bucket = str_cut(&rest, '/');
	out->key = source_glob_tidy(a, rest.p ? rest : STR(""));
	n = source_glob_fixed(out->key);
	out->fixed = (struct str){.p = out->key.p, .n = n};
	while (n && out->key.p[n - 1] != '/')
		n--;
	out->folder = arena_printf(a, "s3://%.*s/%.*s", STR_ARG(out->bucket), (int)n, out->key.p);
}

bool
object_matches(const struct object_pattern *p, struct str key)
{
	return str_starts(key, p->fixed) && !str_ends(key, STR("/")) &&
	       source_glob_match(p->key, key);
}

struct str
object_name(struct str key)
{
	size_t at = key.n;

	while (at && key.p[at - 1] != '/')
		at--;
	return str_from_index(key, at);
}
