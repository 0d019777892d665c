/* base_env: a clean environment, and secrets. */
#include "providers/base_env.h"

#include <stdlib.h>

static const char clean_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

enum { OWN = 4 };

int
base_env_check(const struct manifest *m, struct error *err)
{
	struct arena scratch = {0};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < m->environment.secrets.n; i++) {
		struct str name = m->environment.secrets.v[i];

		if (!getenv(arena_cstr(&scratch, name)))
			rc = error_set(err, ERR_INPUT,
				"%.*s:%u: the secret %.*s is not set in your environment: export "
				"it, then apply again",
				STR_ARG(m->environment.pos_secrets.file),
				m->environment.pos_secrets.line, STR_ARG(name));
	}
	arena_free(&scratch);
	return rc;
}

static void
add(struct arena *a, struct pairs *out, struct str name, struct str value)
{
	out->v[out->n++] = (struct pair){.name = arena_str(a, name), .value = arena_str(a, value)};
}

struct pairs
base_env(struct arena *a, const struct manifest *m, const struct base_env *wish)
{
	const struct strings *secrets = &m->environment.secrets;
	struct pairs out = {.v = ARENA_ARRAY(a, struct pair, OWN + secrets->n)};

	if (wish->on_host) {
		add(a, &out, STR("PATH"),
			wish->setup_dir ? arena_printf(a, "%s/bin:%s", wish->setup_dir, clean_path)
					: str_from(clean_path));
		add(a, &out, STR("LANG"), STR("C.UTF-8"));
		if (wish->setup_dir)
			add(a, &out, STR("FURROW_ENV"), str_from(wish->setup_dir));
	}
	add(a, &out, STR("FURROW_RUN"), str_from(wish->run));
	for (size_t i = 0; wish->secrets && i < secrets->n; i++) {
		const char *value = getenv(arena_cstr(a, secrets->v[i]));

		if (value)
			add(a, &out, secrets->v[i], str_from(value));
	}
	return out;
}
