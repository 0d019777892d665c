/* manifest_instances: infra, gpus, disk, any_of and what else only instances have. */
#include "planner/manifest_read.h"

#include "planner/suggest.h"
#include "planner/units.h"

static const struct str none = {0};

static bool
is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* us-east-2, us-gov-west-1, ap-southeast-4 */
static bool
is_region(struct str s)
{
	size_t parts = 0;

	while (s.p) {
		struct str part = str_cut(&s, '-');

		if (!part.n)
			return false;
		for (size_t i = 0; i < part.n; i++) {
			if (!(s.p ? is_lower : is_digit)(part.p[i]))
				return false;
		}
		parts++;
	}
	return parts >= 3;
}

/* A zone begins with its region: us-east-2a, us-west-2-lax-1a. */
static bool
is_zone_of(struct str s, struct str region)
{
	struct str rest = str_from_index(s, region.n);

	if (!str_starts(s, region) || !rest.n || !is_lower(rest.p[rest.n - 1]))
		return false;
	return rest.n == 1 || (rest.p[0] == '-' && is_digit(rest.p[rest.n - 2]));
}

static struct str
infra_meant(struct arena *a, struct str text)
{
	struct str region = text;

	if (is_region(text))
		return arena_printf(a, "did you mean 'aws/%.*s'?", STR_ARG(text));
	if (text.n && is_lower(text.p[text.n - 1])) {
		region.n--;
		if (is_region(region))
			return arena_printf(
				a, "did you mean 'aws/%.*s/%.*s'?", STR_ARG(region), STR_ARG(text));
	}
	if (str_starts(text, STR("aws:")) && is_region(str_from_index(text, 4)))
		return arena_printf(
			a, "did you mean 'aws/%.*s'?", STR_ARG(str_from_index(text, 4)));
	if (suggest_distance(text, STR("local"), 1) <= 1 || str_is(text, "localhost") ||
		str_is(text, "host"))
		return STR("did you mean 'local'?");
	return none;
}

const char *
infra_parse(struct arena *a, struct str text, struct infra *out, struct str *hint)
{
	struct str rest = text, zone;

	*hint = none;
	*out = (struct infra){.kind = INFRA_LOCAL, .text = text};
	if (str_is(text, "local"))
		return NULL;
	if (!str_is(str_cut(&rest, '/'), "aws")) {
		*hint = infra_meant(a, text);
		return "is no infra; expected local, or aws/REGION[/ZONE] such as aws/us-east-2";
	}
	out->kind = INFRA_AWS;
	if (!rest.p || !rest.n)
		return "names no region; expected aws/REGION[/ZONE], such as aws/us-east-2";
	out->region = str_cut(&rest, '/');
	zone = rest;
	if (!is_region(out->region)) {
		*hint = infra_meant(a, out->region);
		return "has no region of AWS behind its '/'; expected one such as us-east-2";
	}
	if (!zone.p)
		return NULL;
	if (!is_zone_of(zone, out->region)) {
		if (zone.n == 1 && is_lower(zone.p[0]))
			*hint = arena_printf(a, "did you mean 'aws/%.*s/%.*s%.*s'?",
				STR_ARG(out->region), STR_ARG(out->region), STR_ARG(zone));
		return "has no zone of that region at its end; expected one such as us-east-2a";
	}
	out->zone = zone;
	return NULL;
}

void
read_infra(struct reading *r, const struct value *v, void *at, void *base)
{
	char quoted[DIAG_QUOTE_BYTES];
	struct infra infra;
	struct str text, hint;
	const char *problem;

	(void)base;
	if (!value_text(r, v, &text))
		return;
	problem = infra_parse(r->arena, text, &infra, &hint);
	if (problem) {
		value_bad(r, v, hint, "%s %s", diag_quote(quoted, text), problem);
		return;
	}
	infra.pos = v->node->pos;
	*(struct infra *)at = infra;
}

static bool
is_gpu_name(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!is_digit(c) && !is_lower(c) && !(c >= 'A' && c <= 'Z') &&
			(i == 0 || !strchr("._- ", c)))
			return false;
	}
	return s.n && s.n <= 40;
}

static struct str
gpus_hint(struct reading *r, const struct doc_node *n)
{
	if (n->kind != DOC_MAP || n->n != 1 || n->entries[0].value->kind != DOC_SCALAR)
		return none;
	return arena_printf(r->arena, "did you mean '%.*s:%.*s'?", STR_ARG(n->entries[0].key),
		STR_ARG(n->entries[0].value->text));
}

void
read_gpus(struct reading *r, const struct value *v, void *at, void *base)
{
	struct gpus gpus = {.name = STR("any"), .count = {1, 1}};
	struct unit_problem why;
	struct str text, rest;

	(void)base;
	if (v->node->kind == DOC_MAP) {
		value_unexpected(r, v, gpus_hint(r, v->node));
		return;
	}
	if (!value_text(r, v, &text))
		return;
	rest = text;
	if (!is_digit(text.p[0]) || memchr(text.p, ':', text.n)) {
		gpus.name = str_cut(&rest, ':');
		if (!is_gpu_name(gpus.name)) {
			value_unexpected(r, v, none);
			return;
		}
	}
	if (str_is(rest, "0"))
		value_bad(r, v, none, "0 GPUs: leave the key out when none is needed");
	else if (rest.p && !units_count_range(rest, 1, &gpus.count, &why))
		value_bad_unit(r, v, &why);
	else
		*(struct gpus *)at = gpus;
}

void
read_disk(struct reading *r, const struct value *v, void *at, void *base)
{
	struct disk *disk = at;
	struct unit_problem why;
	struct str text;

	(void)base;
	*disk = (struct disk){.size_bytes = -1, .warm_bytes_per_s = -1};
	if (v->node->kind == DOC_MAP) {
		read_mapping(r, v->key->map, v, disk);
		return;
	}
	if (!value_text(r, v, &text))
		return;
	if (!units_size(text, &disk->size_bytes, &why)) {
		disk->size_bytes = -1;
		value_bad_unit(r, v, &why);
	}
}

/* m7i.large, u-6tb1.56xlarge */
void
read_type(struct reading *r, const struct value *v, void *at, void *base)
{
	struct str text;
	size_t dots = 0;

	(void)base;
	if (!value_text(r, v, &text))
		return;
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		if (c == '.' && i && i + 1 < text.n)
			dots++;
		else if (!is_lower(c) && !is_digit(c) && c != '-')
			dots = 2;
	}
	if (dots == 1)
		*(struct str *)at = text;
	else
		value_unexpected(r, v, none);
}

/* "/team/images/latest": a parameter of SSM by its path. */
static bool
is_parameter(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!is_digit(c) && !is_lower(c) && !(c >= 'A' && c <= 'Z') && !strchr("/._-", c))
			return false;
	}
	return s.n > 1 && s.n <= 1011 && s.p[0] == '/' && s.p[s.n - 1] != '/';
}

void
read_ami(struct reading *r, const struct value *v, void *at, void *base)
{
	struct str text, id;
	bool good;

	(void)base;
	if (!value_text(r, v, &text))
		return;
	id = str_from_index(text, 4);
	good = str_starts(text, STR("ami-")) && (id.n == 8 || id.n == 17);
	for (size_t i = 0; i < id.n; i++)
		good &= is_digit(id.p[i]) || (id.p[i] >= 'a' && id.p[i] <= 'f');
	if (good || is_parameter(text))
		*(struct str *)at = text;
	else
		value_unexpected(r, v, none);
}

void
read_any_of(struct reading *r, const struct value *v, void *at, void *base)
{
	struct instances *whole = base, *alternatives;

	(void)at;
	if (!value_list(r, v))
		return;
	alternatives = ARENA_ARRAY(r->arena, struct instances, v->node->n);
	for (size_t i = 0; i < v->node->n; i++) {
		struct value item = value_item(r, v, i);
		struct instances *one = &alternatives[i];

		*one = *whole;
		read_mapping(r, v->key->map, &item, one);
		if (one->infra.kind != alternatives[0].infra.kind)
			value_bad(r, &item, none,
				"instances of '%.*s' and '%.*s' don't mix in one run",
				STR_ARG(alternatives[0].infra.text), STR_ARG(one->infra.text));
	}
	if (!whole->infra.pos.line && v->node->n)
		whole->infra = alternatives[0].infra;
	whole->any_of = alternatives;
	whole->n_any_of = v->node->n;
}
