/* wrap: breaking lines. Of what programs read, and what is copied into a shell, nothing may come here. */
#include "cmd/furrow/wrap.h"

#include "cmd/furrow/text.h"

#include <string.h>
#include <sys/ioctl.h>

enum { NARROWEST = 40 };

/* The bytes of a colour at the beginning of s, or 0. */
static size_t
colour(struct str s)
{
	if (!str_starts(s, STR("\033[")))
		return 0;
	for (size_t n = 2; n < s.n; n++) {
		if (s.p[n] == 'm')
			return n + 1;
	}
	return 0;
}

/* The bytes of what stands in one column at the beginning of s: colours before it come along. */
static size_t
cell(struct str s)
{
	size_t n = 0, more;

	while ((more = colour(str_from_index(s, n))) > 0)
		n += more;
	if (n < s.n)
		n++;
	while (n < s.n && ((unsigned char)s.p[n] & 0xc0) == 0x80)
		n++;
	return n;
}

static size_t
indent_of(struct str line, size_t columns)
{
	size_t indent = 2, blanks = 0;

	for (size_t at = 0; line.n && at < columns / 2; at++) {
		size_t n = cell(line);

		if (line.p[n - 1] == ' ')
			blanks++;
		else if (blanks > 1 && at > blanks)
			indent = at, blanks = 0;
		else
			blanks = 0;
		line = str_from_index(line, n);
	}
	return indent;
}

static void
add_line(struct buf *out, struct str line, size_t columns)
{
	size_t indent = indent_of(line, columns), at = 0;

	while (line.n) {
		size_t fits = 0, used = at, last = 0;

		/* As far as the last blank that still has room before it; a word that has none goes whole. */
		while (fits < line.n && (used <= columns || !last)) {
			size_t n = cell(str_from_index(line, fits));

			if (line.p[fits + n - 1] == ' ' && fits && used > indent)
				last = fits;
			fits += n;
			used++;
		}
		if (used <= columns || !last) {
			buf_add_str(out, line);
			return;
		}
		buf_add(out, line.p, last);
		while (out->p[out->n - 1] == ' ')
			out->n--;
		line = str_from_index(line, last);
		while (line.n && line.p[0] == ' ')
			line = str_from_index(line, 1);
		if (line.n) {
			buf_add_char(out, '\n');
			text_add_pad(out, indent);
		}
		at = indent;
	}
}

void
wrap_add(struct buf *out, struct str s, size_t columns)
{
	while (s.n) {
		bool whole = memchr(s.p, '\n', s.n) != NULL;
		struct str line = str_cut(&s, '\n');

		if (str_starts(line, STR("    | ")))
			buf_add_str(out, line);
		else
			add_line(out, line, columns);
		if (whole)
			buf_add_char(out, '\n');
	}
}

void
wrap_for(struct buf *b, int fd)
{
	struct winsize size;
	struct buf wrapped = {0};

	if (!b->n || ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col < NARROWEST)
		return;
	wrap_add(&wrapped, buf_str(b), size.ws_col);
	buf_free(b);
	*b = wrapped;
}
