/* wishes: each option is read as the manifest's key of the same name is, so that both mean the same. */
#include "cmd/furrow/wishes.h"

#include "planner/diag.h"

#include <stddef.h>

static const struct {
	const char *key;
	size_t option; /* of the text in struct options */
} wishes[] = {
	{"arch", offsetof(struct options, arch)},
	{"cpus", offsetof(struct options, cpus)},
	{"gpus", offsetof(struct options, gpus)},
	{"memory", offsetof(struct options, memory)},
	{"type", offsetof(struct options, type)},
};

enum { N_WISHES = sizeof(wishes) / sizeof(wishes[0]) };

static const char *
value_of(const struct options *o, size_t i)
{
	return *(const char *const *)((const char *)o + wishes[i].option);
}

static const char *
spot_of(const struct options *o)
{
	return o->spot ? "true" : o->on_demand ? "false" : NULL;
}

bool
wishes_given(const struct options *o)
{
	for (size_t i = 0; i < N_WISHES; i++) {
		if (value_of(o, i))
			return true;
	}
	return spot_of(o) != NULL;
}

/* Whether it is one plain scalar wherever it stands: nothing else is a value of any of these. */
static bool
is_plain(struct str s)
{
	static const char others[] = "+.:-_/";

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			    strchr(others, c)))
			return false;
	}
	return s.n > 0;
}

/* The manifest with one wish in it, or with none. */
static int
parse(struct arena *a, struct manifest *out, struct str infra, const char *key, const char *value,
	struct error *err)
{
	struct diagnostics diags = {.arena = a};
	struct str text = arena_printf(a,
		"furrow: 1\nname: offers\nentrypoint: \"true\"\ninstances:\n  infra: "
		"%.*s\n%s%s%s%s%s",
		STR_ARG(infra), key ? "  " : "", key ? key : "", key ? ": " : "", key ? value : "",
		key ? "\n" : "");
	int rc = manifest_parse(a, out, &diags, STR("the command line"), text, NULL, NULL, err);

	for (size_t i = 0; rc < 0 && i < diags.n; i++) {
		const struct diagnostic *d = &diags.v[i];

		if (d->severity == DIAG_ERROR)
			return error_set(err, ERR_INPUT, "--%s: %.*s%s%.*s", key ? key : "infra",
				STR_ARG(d->message), d->hint.p ? "; " : "", STR_ARG(d->hint));
	}
	return rc;
}

static void
take(struct instances *to, const struct instances *from, const char *key)
{
	if (strcmp(key, "arch") == 0)
		to->arch = from->arch;
	else if (strcmp(key, "cpus") == 0)
		to->cpus = from->cpus;
	else if (strcmp(key, "gpus") == 0)
		to->gpus = from->gpus;
	else if (strcmp(key, "memory") == 0)
		to->memory_bytes = from->memory_bytes;
	else if (strcmp(key, "type") == 0)
		to->type = from->type;
	else
		to->spot = from->spot;
}

/* Positions stay the manifest's: what is said of a wish is said of where it would stand. */
static int
override(struct arena *a, struct manifest *m, const char *key, const char *value, struct error *err)
{
	struct manifest wished;
	int rc;

	if (!is_plain(str_from(value)))
		return error_set(err, ERR_INPUT, "--%s: what does '%s' mean?", key, value);
	rc = parse(a, &wished, STR("aws/us-east-1"), key, value, err);
	if (rc < 0)
		return rc;
	take(&m->instances, &wished.instances, key);
	for (size_t i = 0; i < m->instances.n_any_of; i++)
		take(&m->instances.any_of[i], &wished.instances, key);
	return 0;
}

int
wishes_override(struct arena *a, struct manifest *m, const struct options *o, struct error *err)
{
	int rc = 0;

	for (size_t i = 0; i < N_WISHES && rc == 0; i++) {
		if (value_of(o, i))
			rc = override(a, m, wishes[i].key, value_of(o, i), err);
	}
	if (rc == 0 && spot_of(o))
		rc = override(a, m, "spot", spot_of(o), err);
	return rc;
}

int
wishes_manifest(struct arena *a, struct manifest *out, struct str infra, const struct options *o,
	struct error *err)
{
	int rc;

	if (!is_plain(infra))
		return error_set(err, ERR_INPUT, "--infra: what does '%.*s' mean?", STR_ARG(infra));
	rc = parse(a, out, infra, NULL, NULL, err);
	return rc < 0 ? rc : wishes_override(a, out, o, err);
}
