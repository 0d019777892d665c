/* text: formatting for people. Nothing here writes anywhere. */
#include "cmd/furrow/text.h"

#include "planner/base/clock.h"

#include <limits.h>
#include <stdio.h>
#include <time.h>

static const char *
minutes_and_more(char out[TEXT_BYTES], int64_t s)
{
	if (s < 100 * 60)
		snprintf(out, TEXT_BYTES, "%dm %02ds", (int)(s / 60), (int)(s % 60));
	else if (s < 48 * 3600)
		snprintf(out, TEXT_BYTES, "%dh %02dm", (int)(s / 3600), (int)(s / 60 % 60));
	else
		snprintf(out, TEXT_BYTES, "%lldd %02dh", (long long)(s / 86400),
			(int)(s / 3600 % 24));
	return out;
}

const char *
text_duration(char out[TEXT_BYTES], int64_t ns)
{
	if (ns < 0)
		snprintf(out, TEXT_BYTES, "-");
	else if (ns < 10 * NS_PER_MS)
		snprintf(out, TEXT_BYTES, "%.1f ms", (double)ns / 1e6);
	else if (ns < NS_PER_S)
		snprintf(out, TEXT_BYTES, "%d ms", (int)(ns / NS_PER_MS));
	else if (ns < 100 * NS_PER_S)
		snprintf(out, TEXT_BYTES, "%d.%d s", (int)(ns / NS_PER_S),
			(int)(ns / (100 * NS_PER_MS) % 10));
	else
		return minutes_and_more(out, ns / NS_PER_S);
	return out;
}

const char *
text_elapsed(char out[TEXT_BYTES], int64_t ns)
{
	int64_t s = ns < 0 ? 0 : ns / NS_PER_S;

	if (s >= 100)
		return minutes_and_more(out, s);
	snprintf(out, TEXT_BYTES, "%d s", (int)s);
	return out;
}

const char *
text_usd(char out[TEXT_BYTES], double usd)
{
	if (usd < 0)
		snprintf(out, TEXT_BYTES, "-");
	else if (usd > 1e15)
		snprintf(out, TEXT_BYTES, "$%.3g", usd);
	else
		snprintf(out, TEXT_BYTES, "$%.*f", usd >= 0.00005 && usd < 0.01 ? 4 : 2, usd);
	return out;
}

const char *
text_bytes(char out[TEXT_BYTES], int64_t n)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double v = (double)n / 1024;
	size_t u = 0;

	if (n < 0)
		snprintf(out, TEXT_BYTES, "-");
	if (n < 0)
		return out;
	if (n < 1024) {
		snprintf(out, TEXT_BYTES, "%d B", (int)n);
		return out;
	}
	while (v >= 1023.95 && u < sizeof(units) / sizeof(units[0]) - 1) {
		v /= 1024;
		u++;
	}
	snprintf(out, TEXT_BYTES, v < 99.95 ? "%.1f %s" : "%.0f %s", v, units[u]);
	return out;
}

const char *
text_time(char out[TEXT_BYTES], int64_t wall_ns)
{
	time_t s = (time_t)(wall_ns / NS_PER_S);
	struct tm tm;

	localtime_r(&s, &tm);
	if (strftime(out, TEXT_BYTES, "%Y-%m-%d %H:%M", &tm) == 0)
		out[0] = '\0';
	return out;
}

const char *
text_ago(char out[TEXT_BYTES], int64_t ns)
{
	static const struct {
		int64_t s;
		const char *name;
	} units[] = {{86400, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}};
	int64_t s = ns / NS_PER_S;

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		int64_t n = s / units[i].s;

		if (n < 1)
			continue;
		snprintf(out, TEXT_BYTES, "%lld %s%s ago", (long long)n, units[i].name,
			n == 1 ? "" : "s");
		return out;
	}
	snprintf(out, TEXT_BYTES, "just now");
	return out;
}

/* The bytes of the character at s.p, 0 when it is not to be shown: a control character, or no
 * UTF-8. C1 controls (U+0080 to U+009F) move the cursor on some terminals, too. */
static size_t
character(struct str s)
{
	unsigned char c = (unsigned char)s.p[0];

	if (c < 0x80)
		return c >= 0x20 && c != 0x7f;
	if (c == 0xc2 && s.n > 1 && (unsigned char)s.p[1] < 0xa0)
		return 0;
	for (size_t n = 2; n <= 4 && n <= s.n; n++) {
		if (str_is_utf8((struct str){.p = s.p, .n = n}))
			return n;
	}
	return 0;
}

size_t
text_columns(struct str s)
{
	size_t columns = 0;

	while (s.n) {
		size_t n = character(s);

		s = str_from_index(s, n ? n : 1);
		columns++;
	}
	return columns;
}

void
text_add_safe(struct buf *b, struct str s, size_t columns)
{
	bool cut = columns && s.n > columns && text_columns(s) > columns;
	size_t room = !cut ? SIZE_MAX : columns > 3 ? columns - 3 : columns;

	for (; s.n && room; room--) {
		size_t n = character(s);

		if (n)
			buf_add(b, s.p, n);
		else
			buf_add_char(b, s.p[0] == '\t' ? ' ' : '?');
		s = str_from_index(s, n ? n : 1);
	}
	if (cut && columns > 3)
		buf_add_cstr(b, "...");
}

void
text_add_pad(struct buf *b, size_t columns)
{
	if (!columns)
		return; /* a buffer that is empty as yet has nothing to point at */
	memset(buf_reserve(b, columns), ' ', columns);
	b->n += columns;
}

struct str
text_last_lines(struct str s, unsigned n)
{
	size_t i;

	while (s.n && (s.p[s.n - 1] == '\n' || s.p[s.n - 1] == '\r'))
		s.n--;
	for (i = s.n; i > 0; i--) {
		if (s.p[i - 1] == '\n' && --n == 0)
			break;
	}
	return str_from_index(s, i);
}

void
text_add_message(struct buf *b, struct str message, struct str suffix, const char *eol)
{
	struct str rest = text_last_lines(message, UINT_MAX); /* without newlines at its end */

	text_add_safe(b, str_cut(&rest, '\n'), 0);
	buf_add_str(b, suffix);
	while (rest.p) {
		buf_addf(b, "%s\n    | ", eol);
		text_add_safe(b, str_cut(&rest, '\n'), 0);
	}
	buf_addf(b, "%s\n", eol);
}

struct str
text_first_line(struct str s)
{
	return s.p ? str_cut(&s, '\n') : s;
}
