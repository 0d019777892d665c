/* ranges: writing and reading lists of ascending numbers. */
#include "planner/ranges.h"

static const struct str ETC = {.p = ",...", .n = 4};

void
ranges_add(struct buf *out, const uint32_t *v, size_t n, size_t max_bytes)
{
	size_t from = out->n, end;

	for (size_t i = 0; i < n; i = end) {
		size_t before = out->n;

		for (end = i + 1; end < n && v[end] == v[end - 1] + 1; end++)
			;
		if (i > 0)
			buf_add_char(out, ',');
		buf_addf(out, "%u", v[i]);
		if (end - i > 1)
			buf_addf(out, "%s%u", end - i > 2 ? ".." : ",", v[end - 1]);
		if (max_bytes && i > 0 && out->n - from + (end < n ? ETC.n : 0) > max_bytes) {
			out->n = before;
			buf_add_str(out, ETC);
			return;
		}
	}
}

/* A number without sign and leading zeros, at or above `least` and below n, cut off the front of
 * *text. */
static bool
cut_number(struct str *text, uint32_t least, uint32_t n, uint32_t *out)
{
	struct str digits = {.p = text->p, .n = 0};
	int64_t value;

	while (digits.n < text->n && text->p[digits.n] >= '0' && text->p[digits.n] <= '9')
		digits.n++;
	if (!str_to_i64(digits, &value) || value < least || value >= n)
		return false;
	if (digits.n > 1 && digits.p[0] == '0')
		return false;
	*out = (uint32_t)value;
	*text = str_from_index(*text, digits.n);
	return true;
}

bool
ranges_parse(struct str text, uint8_t *set, uint32_t n)
{
	uint32_t least = 0;

	memset(set, 0, n);
	if (text.n == 0)
		return true;
	for (;;) {
		uint32_t first, last;

		if (!cut_number(&text, least, n, &first))
			return false;
		last = first;
		if (str_starts(text, STR(".."))) {
			text = str_from_index(text, 2);
			if (!cut_number(&text, first + 1, n, &last))
				return false;
		}
		memset(set + first, 1, last - first + 1);
		if (text.n == 0)
			return true;
		if (text.p[0] != ',')
			return false;
		text = str_from_index(text, 1);
		least = last + 1;
	}
}
