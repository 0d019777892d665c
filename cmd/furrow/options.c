/* options: reading command lines with getopt_long, by one table. */
#include "cmd/furrow/options.h"

#include "planner/suggest.h"
#include "planner/units.h"

#include <getopt.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

enum takes {
	TAKES_FLAG,
	TAKES_TEXT,
	TAKES_REGION,
	TAKES_COUNT,
	TAKES_AGE,
	TAKES_SETTING,
	TAKES_HELP
};

struct spec {
	const char *name;
	char letter; /* 0: none */
	enum takes takes;
	size_t at; /* of its member in struct options */
};

#define AT(member) offsetof(struct options, member)

static const struct spec specs[] = {
	{"all", 'a', TAKES_FLAG, AT(all)},
	{"all-regions", 0, TAKES_FLAG, AT(all_regions)},
	{"allow-dirty", 0, TAKES_FLAG, AT(allow_dirty)},
	{"arch", 0, TAKES_TEXT, AT(arch)},
	{"attempt", 0, TAKES_COUNT, AT(attempt)},
	{"color", 0, TAKES_SETTING, 0},
	{"cpus", 0, TAKES_TEXT, AT(cpus)},
	{"curve", 0, TAKES_FLAG, AT(curve)},
	{"detailed-exitcode", 0, TAKES_FLAG, AT(detailed_exitcode)},
	{"dot", 0, TAKES_FLAG, AT(dot)},
	{"dry-run", 'n', TAKES_FLAG, AT(dry_run)},
	{"follow", 'f', TAKES_FLAG, AT(follow)},
	{"force", 0, TAKES_FLAG, AT(force)},
	{"gpus", 0, TAKES_TEXT, AT(gpus)},
	{"help", 'h', TAKES_HELP, 0},
	{"infra", 0, TAKES_TEXT, AT(infra)},
	{"jobs", 'j', TAKES_SETTING, 0},
	{"json", 0, TAKES_FLAG, AT(json)},
	{"keep-going", 'k', TAKES_FLAG, AT(keep_going)},
	{"limit", 'l', TAKES_COUNT, AT(limit)},
	{"manifest", 'm', TAKES_TEXT, AT(manifest)},
	{"max", 0, TAKES_COUNT, AT(max)},
	{"memory", 0, TAKES_TEXT, AT(memory)},
	{"older-than", 0, TAKES_AGE, AT(older_than_ns)},
	{"on-demand", 0, TAKES_FLAG, AT(on_demand)},
	{"output", 'o', TAKES_TEXT, AT(output)},
	{"policy", 0, TAKES_FLAG, AT(policy)},
	{"progress", 0, TAKES_SETTING, 0},
	{"refresh-prices", 0, TAKES_FLAG, AT(refresh_prices)},
	{"region", 0, TAKES_REGION, 0},
	{"rev", 0, TAKES_TEXT, AT(rev)},
	{"spot", 0, TAKES_FLAG, AT(spot)},
	{"stderr", 0, TAKES_FLAG, AT(only_stderr)},
	{"stdout", 0, TAKES_FLAG, AT(only_stdout)},
	{"task-time", 0, TAKES_TEXT, AT(task_time)},
	{"type", 0, TAKES_TEXT, AT(type)},
	{"yes", 'y', TAKES_FLAG, AT(yes)},
};

enum { N_SPECS = sizeof(specs) / sizeof(specs[0]) };

/* What getopt_long is given, and the names for "did you mean". */
struct accepted {
	struct option longs[N_SPECS + 1];
	char shorts[2 * N_SPECS + 2];
	const char *names[N_SPECS + 1];
	int n;
};

static bool
has_argument(const struct spec *s)
{
	return s->takes != TAKES_FLAG && s->takes != TAKES_HELP;
}

static void
accept_spec(struct accepted *acc, int index, size_t *n_shorts)
{
	const struct spec *s = &specs[index];

	/* getopt_long hands back 256 + index for a long option, so letters stay apart from it. */
	acc->longs[acc->n] = (struct option){s->name, has_argument(s), NULL, 256 + index};
	acc->names[acc->n++] = s->name;
	if (!s->letter)
		return;
	acc->shorts[(*n_shorts)++] = s->letter;
	if (has_argument(s))
		acc->shorts[(*n_shorts)++] = ':';
}

static bool
named_in(const char *takes, const char *name)
{
	struct str rest = str_from(takes);

	while (rest.p) {
		if (str_is(str_cut(&rest, ' '), name))
			return true;
	}
	return false;
}

static void
accept_all(struct accepted *acc, const char *takes)
{
	size_t n_shorts = 0;

	*acc = (struct accepted){0};
	acc->shorts[n_shorts++] =
		':'; /* getopt tells a missing argument apart, and prints nothing */
	for (int i = 0; i < N_SPECS; i++) {
		if (specs[i].takes == TAKES_HELP || named_in(takes, specs[i].name))
			accept_spec(acc, i, &n_shorts);
	}
}

static const struct spec *
spec_of(int opt)
{
	if (opt >= 256)
		return &specs[opt - 256];
	for (int i = 0; i < N_SPECS; i++) {
		if (specs[i].letter && specs[i].letter == opt)
			return &specs[i];
	}
	return NULL;
}

static int
take(struct options *o, const struct spec *s, const char *value, struct error *err)
{
	char *member = (char *)o + s->at;
	struct unit_problem why;

	switch (s->takes) {
	case TAKES_FLAG:
		*(bool *)member = true;
		return 0;
	case TAKES_TEXT:
		if (!*value)
			return error_set(err, ERR_INPUT, "expected something, got an empty word");
		*(const char **)member = value;
		return 0;
	case TAKES_REGION:
		if (!*value || o->regions.n == OPTION_WORDS)
			return error_set(err, ERR_INPUT, "expected a region, at most %d times",
				OPTION_WORDS);
		o->regions.v[o->regions.n++] = value;
		return 0;
	case TAKES_COUNT:
		if (!str_to_i64(str_from(value), (int64_t *)member) || *(int64_t *)member < 1 ||
			*(int64_t *)member > UINT32_MAX)
			return error_set(err, ERR_INPUT,
				"expected a number from 1 to %" PRIu32 ", got '%s'", UINT32_MAX,
				value);
		return 0;
	case TAKES_AGE:
		if (!units_duration(str_from(value), (int64_t *)member, &why))
			return error_set(err, ERR_INPUT, "%s", why.message);
		return 0;
	case TAKES_SETTING:
		return config_set(&o->config, FROM_FLAG, str_from(s->name), str_from(value), err);
	case TAKES_HELP:
		break;
	}
	return 0;
}

static int
unknown_option(const struct command *c, const struct accepted *acc, const char *word)
{
	struct str name = str_from(word);
	const char *near;

	if (optopt && optopt < 256)
		return out_usage("%s: unknown option '-%c' (furrow %s --help tells the options)",
			c->name, optopt, c->name);
	name = str_from_index(name, 2);
	name = str_cut(&name, '=');
	if (optopt)
		return out_usage(
			"%s: option '--%s' takes no value", c->name, specs[optopt - 256].name);
	near = suggest_nearest(name, acc->names, (size_t)acc->n);
	if (near)
		return out_usage("%s: unknown option '--%.*s'; did you mean '--%s'?", c->name,
			STR_ARG(name), near);
	return out_usage("%s: unknown option '--%.*s' (furrow %s --help tells the options)",
		c->name, STR_ARG(name), c->name);
}

/* -1: go on. */
static int
take_next(struct options *o, const struct command *c, const struct accepted *acc, int opt,
	const char *word)
{
	const struct spec *s = spec_of(opt);
	struct error err;

	if (opt == ':') {
		s = spec_of(optopt);
		return out_usage("%s: option '--%s' wants a value (furrow %s --help shows it)",
			c->name, s ? s->name : word, c->name);
	}
	if (opt == '?' || !s)
		return unknown_option(c, acc, word);
	if (s->takes == TAKES_HELP) {
		struct buf b = {0};
		int status;

		buf_add_cstr(&b, c->help);
		status = out_data(&b);
		buf_free(&b);
		return status;
	}
	if (take(o, s, optarg, &err) == 0)
		return -1;
	return out_usage("%s: --%s: %s", c->name, s->name, err.message);
}

int
options_parse(struct options *o, const struct command *c, const char *takes, int max_args, int argc,
	char **argv)
{
	struct accepted acc;
	struct error err;
	int opt, status;

	*o = (struct options){.limit = -1, .older_than_ns = -1};
	accept_all(&acc, takes);
	optind = 0; /* glibc: start anew */
	opterr = 0;
	for (;;) {
		opt = getopt_long(argc, argv, acc.shorts, acc.longs, NULL);
		if (opt == -1)
			break;
		status = take_next(o, c, &acc, opt, argv[optind - 1]);
		if (status >= 0)
			return status;
	}
	o->args = argv + optind;
	o->n_args = argc - optind;
	if (o->n_args > max_args)
		return out_usage("%s: what is '%s' for? (furrow %s --help tells the arguments)",
			c->name, o->args[max_args], c->name);
	if (o->rev && o->allow_dirty)
		return out_usage("%s: --rev and --allow-dirty at once: a revision has no working "
				 "files; choose one",
			c->name);
	if (config_load(&o->config, &err) != 0)
		return out_fail(&err);
	return -1;
}

const char *
options_arg(const struct options *o, int i)
{
	return i < o->n_args ? o->args[i] : NULL;
}
