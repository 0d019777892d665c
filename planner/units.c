/* units: reading quantities exactly, and proposing what was meant by one that is none.
 *
 * Each reader is strict. When it refuses a text, the text is rewritten by the common habits
 * (blanks, other spellings of units, other signs for a range), and what the strict reader then
 * takes is proposed. */
#include "planner/units.h"

#include "planner/base/clock.h"
#include "planner/diag.h"
#include "planner/units_meant.h"

#include <stdio.h>

enum verdict { FINE, MALFORMED, NEGATIVE, TOO_SMALL, TOO_LARGE, BACKWARDS };

enum { FRACTION_DIGITS = 9 };

struct unit {
	const char *name;
	int64_t factor;
};

static const struct unit time_units[] = {{"d", 86400 * NS_PER_S}, {"h", 3600 * NS_PER_S},
	{"m", 60 * NS_PER_S}, {"s", NS_PER_S}, {"ms", NS_PER_MS}};
enum { N_TIME_UNITS = sizeof(time_units) / sizeof(*time_units) };

static const struct unit size_units[] = {{"TiB", INT64_C(1) << 40}, {"GiB", INT64_C(1) << 30},
	{"MiB", INT64_C(1) << 20}, {"KiB", INT64_C(1) << 10}};
enum { N_SIZE_UNITS = sizeof(size_units) / sizeof(*size_units) };

/* whole + fraction / 10^FRACTION_DIGITS */
struct number {
	int64_t whole;
	int64_t fraction;
	bool has_fraction;
	bool too_large;
};

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static struct str
take(struct str *s, bool (*is)(char))
{
	struct str head = {.p = s->p, .n = 0};

	while (head.n < s->n && is(s->p[head.n]))
		head.n++;
	*s = str_from_index(*s, head.n);
	return head;
}

static bool
take_char(struct str *s, char c)
{
	if (!s->n || s->p[0] != c)
		return false;
	*s = str_from_index(*s, 1);
	return true;
}

/* DIGITS[.DIGITS] from the start of *s. No leading zeros: some read those as octal. */
static bool
take_number(struct str *s, struct number *out)
{
	struct str digits = take(s, is_digit);

	*out = (struct number){0};
	if (!digits.n || (digits.n > 1 && digits.p[0] == '0'))
		return false;
	out->too_large = !str_to_i64(digits, &out->whole);
	if (!take_char(s, '.'))
		return true;
	digits = take(s, is_digit);
	out->has_fraction = true;
	if (!digits.n || digits.n > FRACTION_DIGITS)
		return false;
	for (size_t i = 0; i < FRACTION_DIGITS; i++)
		out->fraction = out->fraction * 10 + (i < digits.n ? digits.p[i] - '0' : 0);
	return true;
}

/* *total += number * factor, rounded down. */
static bool
add_scaled(int64_t *total, const struct number *n, int64_t factor)
{
	__extension__ typedef __int128 wide;
	wide sum = (wide)n->whole * factor + (wide)n->fraction * factor / NS_PER_S + *total;

	if (n->too_large || sum > INT64_MAX)
		return false;
	*total = (int64_t)sum;
	return true;
}

static enum verdict
read_duration(struct str s, int64_t *ns)
{
	size_t next = 0;
	bool large = false, last = false;

	*ns = 0;
	if (str_is(s, "0"))
		return FINE;
	if (take_char(&s, '-'))
		return s.n && is_digit(s.p[0]) ? NEGATIVE : MALFORMED;
	if (!s.n)
		return MALFORMED;
	while (s.n) {
		struct number n;
		struct str unit;

		if (last || !take_number(&s, &n))
			return MALFORMED;
		unit = take(&s, is_letter);
		while (next < N_TIME_UNITS && !str_is(unit, time_units[next].name))
			next++;
		if (next == N_TIME_UNITS)
			return MALFORMED;
		large |= !add_scaled(ns, &n, time_units[next].factor);
		last = n.has_fraction;
		next++;
	}
	return large || *ns > UNITS_MAX_DAYS * time_units[0].factor ? TOO_LARGE : FINE;
}

static enum verdict
read_size(struct str s, int64_t *bytes)
{
	struct number n;

	*bytes = 0;
	if (take_char(&s, '-'))
		return s.n && is_digit(s.p[0]) ? NEGATIVE : MALFORMED;
	if (!take_number(&s, &n))
		return MALFORMED;
	for (size_t i = 0; i < N_SIZE_UNITS; i++) {
		if (!str_is(s, size_units[i].name))
			continue;
		if (!add_scaled(bytes, &n, size_units[i].factor))
			return TOO_LARGE;
		return *bytes ? FINE : TOO_SMALL;
	}
	return MALFORMED;
}

static enum verdict
read_rate(struct str s, int64_t *bytes_per_s)
{
	if (!str_ends(s, STR("/s")))
		return MALFORMED;
	return read_size((struct str){.p = s.p, .n = s.n - 2}, bytes_per_s);
}

static enum verdict
read_count(struct str s, int64_t *out)
{
	struct str rest = s, digits;

	*out = 0;
	take_char(&rest, '-');
	digits = take(&rest, is_digit);
	if (!digits.n || rest.n || (digits.n > 1 && digits.p[0] == '0'))
		return MALFORMED;
	if (!str_to_i64(s, out))
		return s.p[0] == '-' ? TOO_SMALL : TOO_LARGE;
	return FINE;
}

/* To the millionth of a dollar, and at most a billion of them. */
static enum verdict
read_money(struct str s, int64_t *micro_usd)
{
	struct number n;

	*micro_usd = 0;
	if (take_char(&s, '-'))
		return s.n && is_digit(s.p[0]) ? NEGATIVE : MALFORMED;
	if (!take_number(&s, &n) || s.n || n.fraction % 1000)
		return MALFORMED;
	if (!add_scaled(micro_usd, &n, 1000000) || *micro_usd > INT64_C(1000000000000000))
		return TOO_LARGE;
	return FINE;
}

typedef enum verdict (*reader_fn)(struct str s, int64_t *out);

static bool
cut_dots(struct str s, struct str *before, struct str *after)
{
	for (size_t i = 0; i + 1 < s.n; i++) {
		if (s.p[i] != '.' || s.p[i + 1] != '.')
			continue;
		*before = (struct str){.p = s.p, .n = i};
		*after = str_from_index(s, i + 2);
		return true;
	}
	return false;
}

static enum verdict
read_range(struct str s, reader_fn read, struct range *out)
{
	struct str from, to;
	enum verdict v;

	if (cut_dots(s, &from, &to)) {
		v = read(from, &out->min);
		if (v == FINE)
			v = read(to, &out->max);
		return v == FINE && out->min > out->max ? BACKWARDS : v;
	}
	if (str_ends(s, STR("+"))) {
		out->max = INT64_MAX;
		return read((struct str){.p = s.p, .n = s.n - 1}, &out->min);
	}
	v = read(s, &out->min);
	out->max = out->min;
	return v;
}

struct wording {
	const char *noun;
	const char *expected;
	meant_fn meant;
};

static void
explain(struct unit_problem *why, enum verdict v, struct str s, const struct wording *w)
{
	char quoted[DIAG_QUOTE_BYTES];
	const char *what = "";

	diag_quote(quoted, s);
	why->proposal[0] = '\0';
	switch (v) {
	case FINE:
	case MALFORMED:
		snprintf(why->message, sizeof(why->message), "%s is no %s; expected %s", quoted,
			w->noun, w->expected);
		return;
	case NEGATIVE:
		what = "is negative";
		break;
	case TOO_SMALL:
		what = "is too small";
		break;
	case TOO_LARGE:
		what = "is too large";
		break;
	case BACKWARDS:
		what = "ends before it begins";
		break;
	}
	snprintf(why->message, sizeof(why->message), "%s %s; expected %s", quoted, what,
		w->expected);
}

static void
propose(struct unit_problem *why, const struct meant *d)
{
	memcpy(why->proposal, d->text, d->n);
	why->proposal[d->n] = '\0';
}

static bool
read_scalar(struct str s, reader_fn read, const struct wording *w, int64_t *out,
	struct unit_problem *why)
{
	enum verdict v = read(s, out);
	struct meant d = {0};
	int64_t ignored;

	if (v == FINE)
		return true;
	explain(why, v, s, w);
	if (v == MALFORMED)
		w->meant(s, &d);
	if (d.n && !d.bad && read(meant_str(&d), &ignored) == FINE)
		propose(why, &d);
	return false;
}

static bool
read_any_range(struct str s, reader_fn read, const struct wording *w, struct range *out,
	struct unit_problem *why)
{
	enum verdict v = read_range(s, read, out);
	struct meant d = {0};
	struct range ignored;

	if (v == FINE)
		return true;
	explain(why, v, s, w);
	if (v == MALFORMED)
		w->meant(s, &d);
	if (d.n && !d.bad && read_range(meant_str(&d), read, &ignored) == FINE)
		propose(why, &d);
	return false;
}

bool
units_duration(struct str s, int64_t *ns, struct unit_problem *why)
{
	static const struct wording w = {"duration",
		"numbers with units of d, h, m, s or ms, such as 10m, 1h30m or 500ms",
		meant_duration};

	return read_scalar(s, read_duration, &w, ns, why);
}

bool
units_size(struct str s, int64_t *bytes, struct unit_problem *why)
{
	static const struct wording w = {
		"size", "a number with a unit of KiB, MiB, GiB or TiB, such as 16GiB", meant_size};

	return read_scalar(s, read_size, &w, bytes, why);
}

bool
units_rate(struct str s, int64_t *bytes_per_s, struct unit_problem *why)
{
	static const struct wording w = {"rate", "a size per second, such as 300MiB/s", meant_rate};

	return read_scalar(s, read_rate, &w, bytes_per_s, why);
}

bool
units_money(struct str s, double *usd, struct unit_problem *why)
{
	static const struct wording w = {
		"amount of money", "US dollars as a plain number, such as 5 or 0.25", meant_money};
	int64_t micro_usd;

	if (!read_scalar(s, read_money, &w, &micro_usd, why))
		return false;
	*usd = (double)micro_usd / 1e6;
	return true;
}

bool
units_count(struct str s, int64_t least, int64_t most, int64_t *out, struct unit_problem *why)
{
	char expected[96];
	struct wording w = {"whole number", expected, meant_count};

	if (most == INT64_MAX)
		snprintf(expected, sizeof(expected), "a whole number of %lld or more",
			(long long)least);
	else
		snprintf(expected, sizeof(expected), "a whole number from %lld to %lld",
			(long long)least, (long long)most);
	if (!read_scalar(s, read_count, &w, out, why)) {
		int64_t n;

		if (read_count(str_from(why->proposal), &n) == FINE && (n < least || n > most))
			why->proposal[0] = '\0';
		return false;
	}
	if (*out >= least && *out <= most)
		return true;
	explain(why, *out < least ? TOO_SMALL : TOO_LARGE, s, &w);
	return false;
}

bool
units_count_range(struct str s, int64_t least, struct range *out, struct unit_problem *why)
{
	static const struct wording w = {
		"count", "a whole number, or a range, such as 4, 4+ or 4..8", meant_count_range};

	if (!read_any_range(s, read_count, &w, out, why)) {
		struct range r;

		if (read_range(str_from(why->proposal), read_count, &r) == FINE && r.min < least)
			why->proposal[0] = '\0';
		return false;
	}
	if (out->min >= least)
		return true;
	explain(why, out->min < 0 ? NEGATIVE : TOO_SMALL, s, &w);
	return false;
}

bool
units_size_range(struct str s, struct range *out, struct unit_problem *why)
{
	static const struct wording w = {"size",
		"a number with a unit of KiB, MiB, GiB or TiB, such as 16GiB, 16GiB+ or "
		"8GiB..32GiB",
		meant_size_range};

	return read_any_range(s, read_size, &w, out, why);
}

struct str
units_format_duration(struct arena *a, int64_t ns)
{
	struct str text = STR("");

	if (ns < NS_PER_MS)
		return STR("0");
	for (size_t i = 0; i < N_TIME_UNITS && ns >= NS_PER_MS; i++) {
		int64_t n = ns / time_units[i].factor;

		ns %= time_units[i].factor;
		if (n)
			text = arena_printf(
				a, "%.*s%lld%s", STR_ARG(text), (long long)n, time_units[i].name);
	}
	return text;
}

struct str
units_format_size(struct arena *a, int64_t bytes)
{
	for (size_t i = 0; i < N_SIZE_UNITS; i++) {
		int64_t factor = size_units[i].factor;

		if (bytes >= factor && bytes % (factor / 1024 * 1024) == 0)
			return arena_printf(
				a, "%lld%s", (long long)(bytes / factor), size_units[i].name);
		if (bytes >= factor)
			return arena_printf(
				a, "%.1f%s", (double)bytes / (double)factor, size_units[i].name);
	}
	return arena_printf(a, "%lld bytes", (long long)bytes);
}

struct str
units_format_range(struct arena *a, struct range r)
{
	if (r.max == INT64_MAX)
		return arena_printf(a, "%lld+", (long long)r.min);
	if (r.max == r.min)
		return arena_printf(a, "%lld", (long long)r.min);
	return arena_printf(a, "%lld..%lld", (long long)r.min, (long long)r.max);
}
