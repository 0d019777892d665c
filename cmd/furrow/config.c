/* config: reading settings. The file is a flat mapping of scalars; anything else in it is an error.
 */
#include "cmd/furrow/config.h"

#include "cmd/furrow/file.h"
#include "planner/suggest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

static const char *const names[] = {"progress", "color", "jobs", NULL};
static const char *const progresses[] = {"auto", "tty", "plain", "json", "quiet", NULL};
static const char *const colors[] = {"auto", "always", "never", NULL};

enum { JOBS_MAX = 4096 };

/* The position of s in a list, -1 when it is not there. */
static int
find(const char *const *list, struct str s)
{
	for (int i = 0; list[i]; i++) {
		if (str_is(s, list[i]))
			return i;
	}
	return -1;
}

static int
choice(const char *const *list, struct str name, struct str value, int *out, struct error *err)
{
	struct buf b = {0};
	int rc;

	*out = find(list, value);
	if (*out >= 0)
		return 0;
	for (int i = 0; list[i]; i++)
		buf_addf(&b, "%s%s", i ? ", " : "", list[i]);
	rc = error_set(err, ERR_INPUT, "%.*s is one of %s, not '%.*s'", STR_ARG(name), buf_cstr(&b),
		STR_ARG(value));
	buf_free(&b);
	return rc;
}

int
config_set(struct config *c, enum config_from from, struct str name, struct str value,
	struct error *err)
{
	enum config_from *before[] = {&c->progress_from, &c->color_from, &c->jobs_from};
	int which = find(names, name), n = 0;
	int64_t jobs = 0;

	if (which < 0) {
		const char *near = suggest_nearest(name, names, 3);

		return error_set(err, ERR_INPUT, "there is no setting '%.*s'%s%s%s", STR_ARG(name),
			near ? "; did you mean '" : " (there are: progress, color, jobs)",
			near ? near : "", near ? "'?" : "");
	}
	if (which == 0 && choice(progresses, name, value, &n, err) != 0)
		return ERR_INPUT;
	if (which == 1 && choice(colors, name, value, &n, err) != 0)
		return ERR_INPUT;
	if (which == 2 && (!str_to_i64(value, &jobs) || jobs < 1 || jobs > JOBS_MAX))
		return error_set(err, ERR_INPUT, "jobs is a number from 1 to %d, not '%.*s'",
			JOBS_MAX, STR_ARG(value));
	if (*before[which] > from)
		return 0;
	*before[which] = from;
	if (which == 0)
		c->progress = (enum progress)n;
	else if (which == 1)
		c->color = (enum color)n;
	else
		c->jobs = (uint32_t)jobs;
	return 0;
}

static struct str
scalar(const yaml_node_t *node)
{
	if (!node || node->type != YAML_SCALAR_NODE)
		return (struct str){0};
	return (struct str){
		.p = (const char *)node->data.scalar.value, .n = node->data.scalar.length};
}

static int
take_pair(struct config *c, yaml_document_t *doc, const yaml_node_pair_t *pair, const char *file,
	struct error *err)
{
	yaml_node_t *key = yaml_document_get_node(doc, pair->key);
	yaml_node_t *value = yaml_document_get_node(doc, pair->value);
	int rc;

	if (!scalar(key).p || !scalar(value).p)
		rc = error_set(err, ERR_INPUT, "expected 'NAME: VALUE'");
	else
		rc = config_set(c, FROM_FILE, scalar(key), scalar(value), err);
	if (rc != 0)
		error_wrap(err, "%s:%zu:%zu", file, key ? key->start_mark.line + 1 : 0,
			key ? key->start_mark.column + 1 : 0);
	return rc;
}

static int
take_document(struct config *c, yaml_document_t *doc, const char *file, struct error *err)
{
	yaml_node_t *root = yaml_document_get_root_node(doc);
	int rc = 0;

	if (!root)
		return 0;
	if (root->type != YAML_MAPPING_NODE)
		return error_set(err, ERR_INPUT, "%s: expected lines of 'NAME: VALUE'", file);
	for (const yaml_node_pair_t *p = root->data.mapping.pairs.start;
		p < root->data.mapping.pairs.top && rc == 0; p++)
		rc = take_pair(c, doc, p, file, err);
	return rc;
}

/* The text of a config file called `file` in messages. */
static int
parse(struct config *c, struct str bytes, const char *file, struct error *err)
{
	yaml_parser_t parser;
	yaml_document_t doc;
	int rc;

	if (!yaml_parser_initialize(&parser))
		return error_set(err, ERR_INTERNAL, "%s: no memory for a YAML parser", file);
	yaml_parser_set_input_string(&parser, (const unsigned char *)bytes.p, bytes.n);
	if (yaml_parser_load(&parser, &doc)) {
		rc = take_document(c, &doc, file, err);
		yaml_document_delete(&doc);
	} else {
		rc = error_set(err, ERR_INPUT, "%s:%zu:%zu: no YAML: %s", file,
			parser.problem_mark.line + 1, parser.problem_mark.column + 1,
			parser.problem ? parser.problem : "cannot be read");
	}
	yaml_parser_delete(&parser);
	return rc;
}

static int
load_environment(struct config *c, struct error *err)
{
	static const char *const variables[] = {"FURROW_PROGRESS", "FURROW_COLOR", "FURROW_JOBS"};

	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		const char *value = getenv(variables[i]);

		if (!value || !*value)
			continue;
		if (config_set(c, FROM_ENVIRONMENT, str_from(names[i]), str_from(value), err) !=
			0) {
			error_wrap(err, "%s", variables[i]);
			return err->code;
		}
	}
	return 0;
}

/* With sudo and the like, HOME may still be somebody else's. Their settings are not missed. */
static bool
is_somebody_elses(const char *path, const struct error *err)
{
	struct stat st;

	return err->os_errno == EACCES && (stat(path, &st) != 0 || st.st_uid != geteuid());
}

int
config_load(struct config *c, struct error *err)
{
	const char *base = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	struct arena a = {0};
	struct str path, bytes;
	int rc = load_environment(c, err);

	if (rc != 0)
		return rc;
	if (base && base[0] == '/')
		path = arena_printf(&a, "%s/furrow/config.yaml", base);
	else if (home && home[0] == '/')
		path = arena_printf(&a, "%s/.config/furrow/config.yaml", home);
	else
		return 0;
	rc = file_read(&a, path.p, 64 << 10, &bytes, err);
	if (rc == 0)
		rc = parse(c, bytes, path.p, err);
	else if (rc == ERR_MISSING)
		rc = 0;
	if (rc != 0 && is_somebody_elses(path.p, err)) {
		out_say("furrow: warning: %s; it is not yours, so its settings are left out",
			err->message);
		rc = 0;
	}
	arena_free(&a);
	return rc;
}
