/* diag: collecting what is wrong with an input, and showing it. */
#include "planner/diag.h"

#include "planner/base/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	QUOTE_BYTES = 60,
	LINE_COLUMNS = 88, /* of a source line; what is longer is cut around the place */
	LEAD_COLUMNS = 32  /* kept before the place in a cut line */
};

static void
count(struct diagnostics *d, enum severity severity)
{
	if (severity == DIAG_ERROR)
		d->n_errors++;
	else
		d->n_warnings++;
}

static bool
is_same(const struct diagnostic *d, enum severity severity, const struct pos *pos,
	struct str message)
{
	return d->severity == severity && d->pos.line == pos->line && d->pos.col == pos->col &&
	       str_eq(d->pos.file, pos->file) && str_eq(d->message, message);
}

static struct diagnostic *
append(struct diagnostics *d)
{
	if (d->n == d->cap) {
		size_t cap = d->cap ? d->cap * 2 : 16;
		struct diagnostic *v = ARENA_ARRAY(d->arena, struct diagnostic, cap);

		if (d->n)
			memcpy(v, d->v, d->n * sizeof(*v));
		d->v = v;
		d->cap = cap;
	}
	return &d->v[d->n++];
}

void
diag_add(struct diagnostics *d, enum severity severity, struct pos pos, struct str hint,
	const char *fmt, ...)
{
	struct buf text = {0};
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&text, fmt, ap);
	va_end(ap);
	for (size_t i = 0; i < d->n; i++) {
		if (is_same(&d->v[i], severity, &pos, buf_str(&text)))
			goto out;
	}
	count(d, severity);
	if (d->n < DIAG_MAX)
		*append(d) = (struct diagnostic){.severity = severity,
			.pos = pos,
			.message = arena_str(d->arena, buf_str(&text)),
			.hint = hint};
out:
	buf_free(&text);
}

const char *
diag_quote(char out[DIAG_QUOTE_BYTES], struct str text)
{
	size_t n = text.n;

	if (n > QUOTE_BYTES) {
		n = QUOTE_BYTES;
		while (n && ((unsigned char)text.p[n] & 0xc0) == 0x80)
			n--;
	}
	snprintf(out, DIAG_QUOTE_BYTES, "'%.*s%s'", (int)n, text.p ? text.p : "",
		n < text.n ? "…" : "");
	return out;
}

static int
compare_u32(uint32_t a, uint32_t b)
{
	return a < b ? -1 : a > b;
}

static int
compare(const struct diagnostic *a, const struct diagnostic *b)
{
	int c = str_cmp(a->pos.file, b->pos.file);

	if (c == 0)
		c = compare_u32(a->pos.line, b->pos.line);
	if (c == 0)
		c = compare_u32(a->pos.col, b->pos.col);
	return c;
}

/* By insertion: stable, and there are at most DIAG_MAX. */
void
diag_sort(struct diagnostics *d)
{
	for (size_t i = 1; i < d->n; i++) {
		struct diagnostic x = d->v[i];
		size_t k = i;

		for (; k && compare(&d->v[k - 1], &x) > 0; k--)
			d->v[k] = d->v[k - 1];
		d->v[k] = x;
	}
}

/* One character as a terminal shows it. */
struct glyph {
	size_t bytes;
	unsigned columns;
	bool shown; /* as it is; else as '?' */
};

static uint32_t
decode(struct str s, size_t *bytes)
{
	static const unsigned char lead[] = {0, 0x7f, 0x1f, 0x0f, 0x07};

	for (size_t n = 1; n <= 4 && n <= s.n; n++) {
		uint32_t point;

		if (!str_is_utf8((struct str){.p = s.p, .n = n}))
			continue;
		point = (unsigned char)s.p[0] & lead[n];
		for (size_t i = 1; i < n; i++)
			point = point << 6 | ((unsigned char)s.p[i] & 0x3fu);
		*bytes = n;
		return point;
	}
	*bytes = 1;
	return UINT32_MAX;
}

static bool
is_control(uint32_t point)
{
	return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == UINT32_MAX ||
	       (point >= 0x200b && point <= 0x200f) || (point >= 0x2028 && point <= 0x202e) ||
	       (point >= 0x2060 && point <= 0x206f) || point == 0xfeff;
}

/* East Asian wide characters and emoji; near enough to put a caret. */
static bool
is_wide(uint32_t point)
{
	return (point >= 0x1100 && point <= 0x115f) || (point >= 0x2e80 && point <= 0xa4cf) ||
	       (point >= 0xac00 && point <= 0xd7a3) || (point >= 0xf900 && point <= 0xfaff) ||
	       (point >= 0xfe30 && point <= 0xfe6f) || (point >= 0xff00 && point <= 0xff60) ||
	       (point >= 0xffe0 && point <= 0xffe6) || (point >= 0x1f300 && point <= 0x1f64f) ||
	       (point >= 0x1f900 && point <= 0x1f9ff) || (point >= 0x20000 && point <= 0x3fffd);
}

static struct glyph
glyph_at(struct str s)
{
	struct glyph g = {.columns = 1, .shown = true};
	uint32_t point = decode(s, &g.bytes);

	if (is_control(point))
		g.shown = false;
	else if (is_wide(point))
		g.columns = 2;
	else if (point >= 0x300 && point <= 0x36f)
		g.columns = 0;
	return g;
}

/* Adds text as it may be shown; a tab takes one column, as the caret's line counts it. */
static void
add_shown(struct buf *out, struct str text)
{
	while (text.n) {
		struct glyph g = glyph_at(text);

		if (g.shown)
			buf_add(out, text.p, g.bytes);
		else
			buf_add_char(out, text.p[0] == '\t' ? ' ' : '?');
		text = str_from_index(text, g.bytes);
	}
}

static unsigned
columns_of(struct str text)
{
	unsigned columns = 0;

	while (text.n) {
		struct glyph g = glyph_at(text);

		columns += g.columns;
		text = str_from_index(text, g.bytes);
	}
	return columns;
}

/* The first bytes of text that take at most so many columns. */
static struct str
first_columns(struct str text, unsigned columns)
{
	size_t n = 0;

	while (n < text.n) {
		struct glyph g = glyph_at(str_from_index(text, n));

		if (g.columns > columns)
			break;
		columns -= g.columns;
		n += g.bytes;
	}
	return (struct str){.p = text.p, .n = n};
}

/* What stands at the place up to where its word ends, for a diagnostic that doesn't say how long it
 * is. */
static size_t
word_bytes(struct str s)
{
	size_t n = 0;

	while (n < s.n && !strchr(" \t,]}[{#", s.p[n]) &&
		!(s.p[n] == ':' && (n + 1 == s.n || s.p[n + 1] == ' ')))
		n++;
	return n;
}

static bool
line_of(struct str text, uint32_t line, struct str *out)
{
	for (uint32_t i = 1; text.p; i++) {
		struct str s = str_cut(&text, '\n');

		if (i < line)
			continue;
		if (s.n && s.p[s.n - 1] == '\r')
			s.n--;
		*out = s;
		return true;
	}
	return false;
}

static void
add_source(struct buf *out, const struct pos *pos, struct str line)
{
	size_t at = pos->col ? pos->col - 1 : 0;
	struct str before, from, mark;
	bool cut_before = false, cut_after = false;
	unsigned columns;

	if (at > line.n)
		at = line.n;
	before = (struct str){.p = line.p, .n = at};
	from = str_from_index(line, at);
	mark = (struct str){.p = from.p, .n = pos->len ? pos->len : word_bytes(from)};
	if (mark.n > from.n)
		mark.n = from.n;
	if (columns_of(line) > LINE_COLUMNS) {
		while (columns_of(before) > LEAD_COLUMNS) {
			before = str_from_index(before, glyph_at(before).bytes);
			cut_before = true;
		}
		from = first_columns(from, LINE_COLUMNS - columns_of(before));
		cut_after = from.p + from.n < line.p + line.n;
		if (mark.n > from.n)
			mark.n = from.n;
	}
	buf_addf(out, "%5u | %s", pos->line, cut_before ? "…" : "");
	add_shown(out, before);
	add_shown(out, from);
	buf_addf(out, "%s\n      | %*s^", cut_after ? "…" : "",
		(int)(columns_of(before) + cut_before), "");
	columns = columns_of(mark);
	for (unsigned i = 1; i < columns; i++)
		buf_add_char(out, '~');
	buf_add_char(out, '\n');
}

void
diag_render(struct buf *out, const struct diagnostic *d, diag_source_fn source, void *ctx)
{
	struct str text = {0}, line;

	add_shown(out, d->pos.file);
	if (d->pos.line)
		buf_addf(out, ":%u:%u", d->pos.line, d->pos.col);
	buf_addf(out, ": %s: ", d->severity == DIAG_ERROR ? "error" : "warning");
	add_shown(out, d->message);
	if (d->hint.p) {
		buf_add_cstr(out, "; ");
		add_shown(out, d->hint);
	}
	buf_add_char(out, '\n');
	if (source && d->pos.line)
		text = source(ctx, d->pos.file);
	if (str_starts(text, STR("\xef\xbb\xbf")))
		text = str_from_index(text, 3); /* columns count from behind a byte order mark */
	if (text.p && line_of(text, d->pos.line, &line))
		add_source(out, &d->pos, line);
}

void
diag_render_json(struct buf *out, const struct diagnostic *d)
{
	buf_add_char(out, '{');
	json_add_member_string(
		out, "severity", d->severity == DIAG_ERROR ? STR("error") : STR("warning"));
	json_add_member_string(out, "file", d->pos.file);
	json_add_member_int(out, "line", d->pos.line);
	json_add_member_int(out, "column", d->pos.col);
	json_add_member_string(out, "message", d->message);
	json_add_member_string(out, "hint", d->hint);
	buf_add_char(out, '}');
}
