/* units_meant: rewriting a text by the common habits: blanks, other spellings of units, other signs
 * for ranges. */
#include "planner/units_meant.h"

#include <stdio.h>

static const char *const size_units[] = {"TiB", "GiB", "MiB", "KiB"};
enum { N_UNITS = sizeof(size_units) / sizeof(*size_units) };

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

static char
lower(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
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

static void
put(struct meant *d, struct str s)
{
	if (d->n + s.n >= sizeof(d->text)) {
		d->bad = true;
		return;
	}
	memcpy(d->text + d->n, s.p, s.n);
	d->n += s.n;
}

struct str
meant_str(const struct meant *d)
{
	return (struct str){.p = d->text, .n = d->n};
}

/* Adds s without blanks and without what people put between digits. */
static void
put_squeezed(struct meant *d, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] != ' ' && s.p[i] != '\t' && s.p[i] != '_')
			put(d, (struct str){.p = s.p + i, .n = 1});
	}
}

static const char *
time_unit_meant(struct str word)
{
	static const struct {
		const char *word, *unit;
	} words[] = {{"", "s"}, {"s", "s"}, {"sec", "s"}, {"secs", "s"}, {"second", "s"},
		{"seconds", "s"}, {"m", "m"}, {"min", "m"}, {"mins", "m"}, {"minute", "m"},
		{"minutes", "m"}, {"h", "h"}, {"hr", "h"}, {"hrs", "h"}, {"hour", "h"},
		{"hours", "h"}, {"d", "d"}, {"day", "d"}, {"days", "d"}, {"ms", "ms"},
		{"msec", "ms"}, {"millis", "ms"}, {"millisecond", "ms"}, {"milliseconds", "ms"}};
	char low[16];

	if (word.n > sizeof(low))
		return NULL;
	for (size_t i = 0; i < word.n; i++)
		low[i] = lower(word.p[i]);
	word.p = low;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (str_is(word, words[i].word))
			return words[i].unit;
	}
	return NULL;
}

static bool
is_number_char(char c)
{
	return is_digit(c) || c == '.';
}

void
meant_duration(struct str s, struct meant *d)
{
	struct meant plain = {0};
	struct str rest;

	put_squeezed(&plain, s);
	rest = meant_str(&plain);
	d->bad = plain.bad;
	while (rest.n && !d->bad) {
		struct str number = take(&rest, is_number_char);
		const char *unit = time_unit_meant(take(&rest, is_letter));

		if (!number.n || !unit) {
			d->bad = true;
			break;
		}
		put(d, number);
		put(d, str_from(unit));
	}
}

static const char *
size_unit_meant(struct str word)
{
	static const char *const tails[] = {"", "b", "i", "ib", "byte", "bytes"};
	char tail[8];

	if (!word.n)
		return "GiB";
	if (word.n > sizeof(tail))
		return NULL;
	for (size_t i = 1; i < word.n; i++)
		tail[i - 1] = lower(word.p[i]);
	for (size_t i = 0; i < sizeof(tails) / sizeof(*tails); i++) {
		if (!str_is((struct str){.p = tail, .n = word.n - 1}, tails[i]))
			continue;
		for (size_t k = 0; k < N_UNITS; k++) {
			if (lower(size_units[k][0]) == lower(word.p[0]))
				return size_units[k];
		}
	}
	return NULL;
}

/* A plain number is taken for GiB, or for bytes when it is that large. */
static bool
meant_bytes(struct str digits, struct meant *d)
{
	int64_t n;
	char text[32];

	if (!str_to_i64(digits, &n) || n < 1 << 20)
		return false;
	for (size_t i = 0; i < N_UNITS; i++) {
		int64_t factor = INT64_C(1) << (40 - 10 * i);

		if (n % factor)
			continue;
		snprintf(text, sizeof(text), "%lld%s", (long long)(n / factor), size_units[i]);
		put(d, str_from(text));
		return true;
	}
	return false;
}

void
meant_size(struct str s, struct meant *d)
{
	struct meant plain = {0};
	struct str rest, number;
	const char *unit;

	put_squeezed(&plain, s);
	rest = meant_str(&plain);
	number = take(&rest, is_number_char);
	if (!rest.n && meant_bytes(number, d))
		return;
	unit = size_unit_meant(rest);
	d->bad |= plain.bad || !number.n || !unit;
	if (d->bad)
		return;
	put(d, number);
	put(d, str_from(unit));
}

void
meant_rate(struct str s, struct meant *d)
{
	static const char *const tails[] = {"/s", "/sec", "/second", "ps"};

	for (size_t i = 0; i < sizeof(tails) / sizeof(*tails); i++) {
		if (str_ends(s, str_from(tails[i]))) {
			s.n -= strlen(tails[i]);
			break;
		}
	}
	meant_size(s, d);
	put(d, STR("/s"));
}

void
meant_count(struct str s, struct meant *d)
{
	struct meant plain = {0};
	struct str rest;
	bool minus;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] != ',')
			put_squeezed(&plain, (struct str){.p = s.p + i, .n = 1});
	}
	rest = meant_str(&plain);
	d->bad = plain.bad;
	if (str_ends(rest, STR(".0")))
		rest.n -= 2;
	minus = take_char(&rest, '-');
	if (!minus)
		take_char(&rest, '+');
	while (rest.n > 1 && rest.p[0] == '0')
		rest = str_from_index(rest, 1);
	put(d, minus ? STR("-") : STR(""));
	put(d, rest);
}

void
meant_money(struct str s, struct meant *d)
{
	struct meant plain = {0};
	struct str rest, whole;

	put_squeezed(&plain, s);
	rest = meant_str(&plain);
	d->bad = plain.bad;
	take_char(&rest, '$');
	if (rest.n > 3 && (str_ends(rest, STR("USD")) || str_ends(rest, STR("usd"))))
		rest.n -= 3;
	else if (str_ends(rest, STR("$")))
		rest.n -= 1;
	whole = take(&rest, is_digit);
	put(d, whole.n ? whole : STR("0"));
	if (rest.n > 1 && (rest.p[0] == '.' || rest.p[0] == ',')) {
		put(d, STR("."));
		put(d, str_from_index(rest, 1));
	} else if (rest.n && !str_is(rest, ".")) {
		d->bad = true;
	}
}

/* ">=4", "4 or more", "4..", "4-8", "<=8" and the like. */
static void
meant_range(struct str s, meant_fn side, struct meant *d)
{
	static const char *const between[] = {"...", "..", "–", "-", ":", "to"};
	struct meant plain = {0};
	struct str from, to = {0};

	put_squeezed(&plain, s);
	d->bad = plain.bad;
	from = meant_str(&plain);
	if (str_starts(from, STR(">="))) {
		side(str_from_index(from, 2), d);
		put(d, STR("+"));
		return;
	}
	if (str_ends(from, STR("+")))
		from.n--, to = STR("");
	for (size_t i = 0; i < sizeof(between) / sizeof(*between) && !to.p; i++) {
		size_t n = strlen(between[i]);

		for (size_t k = 1; k + n <= from.n && !to.p; k++) {
			if (memcmp(from.p + k, between[i], n) != 0)
				continue;
			to = str_from_index(from, k + n);
			from.n = k;
		}
	}
	side(from, d);
	if (!to.p)
		return;
	put(d, to.n ? STR("..") : STR("+"));
	if (to.n) {
		struct meant other = {0};

		side(to, &other);
		d->bad |= other.bad;
		put(d, meant_str(&other));
	}
}

void
meant_count_range(struct str s, struct meant *d)
{
	meant_range(s, meant_count, d);
}

void
meant_size_range(struct str s, struct meant *d)
{
	meant_range(s, meant_size, d);
}
