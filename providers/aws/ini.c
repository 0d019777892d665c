/* ini: one pass over the lines. Knows nothing of what the keys mean. */
#include "providers/aws/ini.h"

#include "planner/base/buf.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <strings.h>

struct parsing {
	struct arena *arena;
	struct str file;
	struct ini *out;
	struct ini_section *section, **next_section;
	struct ini_key *key, **next_key, **next_nested;
	struct buf value; /* of key, while more lines of it may come */
	size_t indent;	  /* of key */
	uint32_t line;
	struct error *err;
};

static int
fail(struct parsing *p, size_t col, const char *what)
{
	error_set(p->err, ERR_INPUT, "%.*s:%u:%zu: %s", STR_ARG(p->file), p->line, col + 1, what);
	if (p->err) {
		p->err->line = p->line;
		p->err->col = (uint32_t)col + 1;
	}
	return ERR_INPUT;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Without a comment, which begins behind a blank, and without blanks around. */
static struct str
without_comment(struct str s)
{
	for (size_t i = 1; i < s.n; i++) {
		if ((s.p[i] == '#' || s.p[i] == ';') && is_blank(s.p[i - 1])) {
			s.n = i;
			break;
		}
	}
	return str_trim(s);
}

static void
end_key(struct parsing *p)
{
	if (p->key)
		p->key->value = arena_str(p->arena, str_trim(buf_str(&p->value)));
	if (p->key && !p->key->value.p)
		p->key->value = STR("");
	p->key = NULL;
	buf_clear(&p->value);
}

/* The name in `profile "a b"`, whose quotes go. false: they don't match. */
static bool
unquote(struct str *name)
{
	char quote = name->n ? name->p[0] : 0;

	if (quote != '"' && quote != '\'')
		return true;
	if (name->n < 2 || name->p[name->n - 1] != quote)
		return false;
	*name = (struct str){name->p + 1, name->n - 2};
	return true;
}

static int
begin_section(struct parsing *p, struct str line, size_t indent)
{
	const char *end = memchr(line.p, ']', line.n);
	size_t length = end ? (size_t)(end - line.p) : 0, word = 0;
	struct str rest;
	struct ini_section *s;

	end_key(p);
	if (!end)
		return fail(p, indent, "a section's name has no closing ']'");
	rest = str_trim(str_from_index(line, length + 1));
	if (rest.n && rest.p[0] != '#' && rest.p[0] != ';')
		return fail(p, (size_t)(rest.p - line.p) + indent,
			"behind ']' there may only be a comment");
	s = ARENA_NEW(p->arena, struct ini_section);
	s->text = arena_str(p->arena, str_trim((struct str){line.p + 1, length - 1}));
	if (s->text.n == 0)
		return fail(p, indent, "a section without a name");
	while (word < s->text.n && !is_blank(s->text.p[word]))
		word++;
	s->kind = word < s->text.n ? (struct str){s->text.p, word} : STR("");
	s->name = word < s->text.n ? str_trim(str_from_index(s->text, word)) : s->text;
	if (!unquote(&s->name))
		return fail(p, indent, "a section's name begins with a quote that does not end");
	*p->next_section = p->section = s;
	p->next_section = &s->next;
	p->next_key = &s->keys;
	return 0;
}

/* Cuts "name = value" apart; ':' is as good when there is no '='. */
static int
split(struct parsing *p, struct str line, size_t indent, struct str *name, struct str *value)
{
	const char *at = memchr(line.p, '=', line.n);

	if (!at)
		at = memchr(line.p, ':', line.n);
	if (!at)
		return fail(p, indent,
			p->section ? "neither a [section] nor key = value"
				   : "no [section] before it, and no key = value: is this a "
				     "shared file of AWS?");
	*name = str_trim((struct str){line.p, (size_t)(at - line.p)});
	*value = without_comment(str_from_index(line, (size_t)(at - line.p) + 1));
	if (name->n == 0)
		return fail(p, indent, "no key before '='");
	if (!p->section)
		return fail(p, indent, "a key before the first [section]");
	return 0;
}

static int
begin_key(struct parsing *p, struct str line, size_t indent)
{
	struct ini_key *k;
	struct str name = {0}, value = {0};
	int rc;

	end_key(p);
	rc = split(p, line, indent, &name, &value);
	if (rc < 0)
		return rc;
	k = ARENA_NEW(p->arena, struct ini_key);
	k->name = arena_str(p->arena, name);
	buf_add_str(&p->value, value);
	*p->next_key = p->key = k;
	p->next_key = &k->next;
	p->next_nested = &k->nested;
	p->indent = indent;
	return 0;
}

static int
continue_key(struct parsing *p, struct str line, size_t indent)
{
	struct str name = {0}, value = {0};
	struct ini_key *k;
	int rc;

	if (p->value.n) {
		buf_add_char(&p->value, '\n');
		buf_add_str(&p->value, str_trim(line));
		return 0;
	}
	rc = split(p, line, indent, &name, &value);
	if (rc < 0)
		return rc;
	k = ARENA_NEW(p->arena, struct ini_key);
	k->name = arena_str(p->arena, name);
	k->value = value.p ? arena_str(p->arena, value) : STR("");
	*p->next_nested = k;
	p->next_nested = &k->next;
	return 0;
}

static int
take_line(struct parsing *p, struct str line)
{
	size_t indent = 0;

	for (size_t i = 0; i < line.n; i++) {
		unsigned char c = (unsigned char)line.p[i];

		if (c < ' ' && c != '\t' && !(c == '\r' && i + 1 == line.n))
			return fail(p, i, "a control character: is this a text file?");
	}
	while (indent < line.n && is_blank(line.p[indent]))
		indent++;
	line = str_trim(line);
	if (line.n == 0 || line.p[0] == '#' || line.p[0] == ';')
		return 0;
	if (p->key && indent > p->indent)
		return continue_key(p, line, indent);
	if (line.p[0] == '[')
		return begin_section(p, line, indent);
	return begin_key(p, line, indent);
}

static int
take_lines(struct parsing *p, struct str bytes)
{
	while (bytes.p) {
		struct str line = str_cut(&bytes, '\n');
		int rc;

		p->line++;
		if (!str_is_utf8(line))
			return fail(p, 0, "not UTF-8");
		rc = take_line(p, line);
		if (rc < 0)
			return rc;
	}
	end_key(p);
	return 0;
}

int
ini_parse(struct arena *a, struct ini *out, struct str bytes, struct str file, struct error *err)
{
	struct parsing p = {.arena = a, .file = file, .out = out, .line = 0, .err = err};
	int rc;

	*out = (struct ini){0};
	p.next_section = &out->sections;
	if (str_starts(bytes, STR("\xff\xfe")) || str_starts(bytes, STR("\xfe\xff"))) {
		p.line = 1;
		return fail(&p, 0, "UTF-16: save the file as UTF-8");
	}
	if (bytes.n > INI_MAX_BYTES) {
		p.line = 1;
		return fail(&p, 0, "more than 1 MiB");
	}
	if (str_starts(bytes, STR("\xef\xbb\xbf")))
		bytes = str_from_index(bytes, 3);
	/* All at once: what grows leaves copies of secrets behind. */
	buf_reserve(&p.value, bytes.n + 1);
	rc = take_lines(&p, bytes);
	OPENSSL_cleanse(p.value.p, p.value.cap);
	buf_free(&p.value);
	return rc;
}

static bool
is_section(const struct ini_section *s, struct str kind, struct str name)
{
	if (!kind.p)
		return str_eq(s->text, name);
	return str_eq(s->kind, kind) && str_eq(s->name, name);
}

static const struct ini_key *
find_key(const struct ini_key *k, const char *name, const struct ini_key *found)
{
	size_t n = strlen(name);

	for (; k; k = k->next) {
		if (k->name.n == n && strncasecmp(k->name.p, name, n) == 0)
			found = k;
	}
	return found;
}

bool
ini_has(const struct ini *ini, struct str kind, struct str name)
{
	for (const struct ini_section *s = ini->sections; s; s = s->next) {
		if (is_section(s, kind, name))
			return true;
	}
	return false;
}

struct str
ini_get(const struct ini *ini, struct str kind, struct str name, const char *key,
	const char *nested)
{
	const struct ini_key *found = NULL;

	for (const struct ini_section *s = ini->sections; s; s = s->next) {
		if (is_section(s, kind, name))
			found = find_key(s->keys, key, found);
	}
	if (found && nested)
		found = find_key(found->nested, nested, NULL);
	return found ? found->value : (struct str){0};
}
