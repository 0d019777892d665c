/* template: one scan over a text, for checking and for replacing. */
#include "planner/template.h"

#include "planner/suggest.h"

enum piece {
	PIECE_END,
	PIECE_TEXT,
	PIECE_NAME,
	PIECE_OPEN /* "${{" without its "}}" */
};

static const struct {
	const char *name;
	enum template_use use;
} names[] = {
	{"input", TEMPLATE_INPUT},
	{"task.index", TEMPLATE_INDEX},
	{"task.key", TEMPLATE_KEY},
};
enum { N_NAMES = sizeof(names) / sizeof(names[0]) };

size_t
template_fixed(struct str text)
{
	const char *at = text.n ? memmem(text.p, text.n, "${{", 3) : NULL;

	if (!at)
		return text.n;
	if (at > text.p && at[-1] == '$')
		at--;
	return (size_t)(at - text.p);
}

/* Takes the next piece off *rest: text that stands for itself, or the name in a template. */
static enum piece
next_piece(struct str *rest, struct str *out)
{
	size_t n = template_fixed(*rest);
	const char *end;

	if (rest->n == 0)
		return PIECE_END;
	if (n > 0) {
		*out = (struct str){.p = rest->p, .n = n};
		*rest = str_from_index(*rest, n);
		return PIECE_TEXT;
	}
	if (str_starts(*rest, STR("$${{"))) {
		*out = (struct str){.p = rest->p + 1, .n = 3};
		*rest = str_from_index(*rest, 4);
		return PIECE_TEXT;
	}
	end = memmem(rest->p + 3, rest->n - 3, "}}", 2);
	if (!end) {
		*out = *rest;
		*rest = str_from_index(*rest, rest->n);
		return PIECE_OPEN;
	}
	*out = str_trim((struct str){.p = rest->p + 3, .n = (size_t)(end - rest->p) - 3});
	*rest = str_from_index(*rest, (size_t)(end - rest->p) + 2);
	return PIECE_NAME;
}

/* The axis that "matrix.NAME" speaks of; map->n_axes when it is none. */
static size_t
axis_of(const struct map *map, struct str name)
{
	struct str prefix = STR("matrix.");
	size_t i = map->n_axes;

	if (map->kind == MAP_MATRIX && str_starts(name, prefix)) {
		name = str_from_index(name, prefix.n);
		for (i = 0; i < map->n_axes && !str_eq(map->axes[i].name, name); i++)
			;
	}
	return i;
}

/* 0 when the map has no such thing. */
static unsigned
use_of(const struct map *map, struct str name)
{
	bool has_input = map->kind != MAP_NONE;

	for (size_t i = 0; i < N_NAMES; i++) {
		if (str_is(name, names[i].name))
			return has_input || names[i].use != TEMPLATE_INPUT ? names[i].use : 0;
	}
	return axis_of(map, name) < map->n_axes ? TEMPLATE_MATRIX : 0;
}

/* All names that this map has, as C strings. */
static const char **
all_names(struct arena *a, const struct map *map, size_t *n)
{
	const char **v = ARENA_ARRAY(a, const char *, N_NAMES + map->n_axes);

	*n = 0;
	for (size_t i = 0; i < N_NAMES; i++) {
		if (use_of(map, str_from(names[i].name)))
			v[(*n)++] = names[i].name;
	}
	for (size_t i = 0; map->kind == MAP_MATRIX && i < map->n_axes; i++)
		v[(*n)++] = arena_printf(a, "matrix.%.*s", STR_ARG(map->axes[i].name)).p;
	return v;
}

static int
unknown_name(struct arena *a, struct str name, const struct map *map, struct str *hint,
	struct error *err)
{
	size_t n;
	const char **v = all_names(a, map, &n);
	struct buf list = {0};
	int rc;

	for (size_t i = 0; i < n; i++)
		buf_addf(&list, "%s%s", i == 0 ? "" : i + 1 == n ? " or " : ", ", v[i]);
	*hint = suggest_hint(a, suggest_nearest(name, v, n));
	if (map->kind == MAP_NONE && str_is(name, "input"))
		rc = error_set(err, ERR_INPUT, "'${{ input }}' without a map: no inputs");
	else
		rc = error_set(err, ERR_INPUT, "'${{ %.*s }}' names nothing; expected %s",
			(int)(name.n < 60 ? name.n : 60), name.p ? name.p : "", buf_cstr(&list));
	buf_free(&list);
	return rc;
}

int
template_check(struct arena *a, struct str text, const struct map *map, unsigned *uses,
	struct str *hint, struct error *err)
{
	struct str piece;

	*hint = (struct str){0};
	for (;;) {
		unsigned use;

		switch (next_piece(&text, &piece)) {
		case PIECE_END:
			return 0;
		case PIECE_TEXT:
			break;
		case PIECE_OPEN:
			*hint = STR("write '$${{' for a '${{' that is meant as such");
			return error_set(err, ERR_INPUT, "'${{' without its '}}': '%.*s'",
				(int)(piece.n < 40 ? piece.n : 40), piece.p);
		case PIECE_NAME:
			use = use_of(map, piece);
			if (!use)
				return unknown_name(a, piece, map, hint, err);
			*uses |= use;
			break;
		}
	}
}

static struct str
value_of(const struct template_vars *vars, struct str name)
{
	switch (use_of(vars->map, name)) {
	case TEMPLATE_INPUT:
		return vars->input;
	case TEMPLATE_INDEX:
		return vars->index;
	case TEMPLATE_KEY:
		return vars->key;
	case TEMPLATE_MATRIX:
		return vars->axis_values[axis_of(vars->map, name)];
	default:
		return STR("");
	}
}

struct str
template_render(struct arena *a, struct str text, const struct template_vars *vars)
{
	struct str rest = text, piece, out;
	struct buf b = {0};
	enum piece p;

	if (template_fixed(text) == text.n)
		return text;
	while ((p = next_piece(&rest, &piece)) != PIECE_END)
		buf_add_str(&b, p == PIECE_NAME ? value_of(vars, piece) : piece);
	out = arena_str(a, buf_str(&b));
	buf_free(&b);
	return out;
}
