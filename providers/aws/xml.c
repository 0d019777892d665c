/* xml: expat's events into a tree. */
#include "providers/aws/xml.h"

#include "planner/base/buf.h"
#include "providers/aws/printable.h"
#include "providers/expat/lib.h"

#include <limits.h>

enum { WORDS_BYTES = 80 };

struct parsing {
	const struct expat *lib;
	XML_Parser parser;
	struct arena *arena;
	struct xml *root;
	struct {
		struct xml *x, *last; /* last: of its children */
		size_t text_at;	      /* where its own text begins in `text`, see take_text */
	} open[XML_MAX_DEPTH];
	size_t depth;
	/* Text of the innermost element since its begin, without its children's: a child's is cut
	 * off again when it ends. */
	struct buf text;
	const char *refused; /* why it was stopped, NULL: it wasn't */
};

static void
refuse(struct parsing *p, const char *why)
{
	p->refused = why;
	p->lib->XML_StopParser(p->parser, XML_FALSE);
}

static struct str
local_name(struct arena *a, const char *name)
{
	const char *colon = strrchr(name, ':');

	return arena_str(a, str_from(colon && colon[1] ? colon + 1 : name));
}

static void
begin_element(void *ctx, const XML_Char *name, const XML_Char **attributes)
{
	struct parsing *p = ctx;
	struct xml *x;

	(void)attributes;
	if (p->refused)
		return;
	if (p->depth == XML_MAX_DEPTH) {
		refuse(p, "elements too deep in each other");
		return;
	}
	x = ARENA_NEW(p->arena, struct xml);
	x->name = local_name(p->arena, name);
	if (p->depth == 0) {
		p->root = x;
	} else {
		struct xml *last = p->open[p->depth - 1].last;

		if (last)
			last->next = x;
		else
			p->open[p->depth - 1].x->first = x;
		p->open[p->depth - 1].last = x;
	}
	p->open[p->depth].x = x;
	p->open[p->depth].last = NULL;
	p->open[p->depth++].text_at = p->text.n;
}

static void
end_element(void *ctx, const XML_Char *name)
{
	struct parsing *p = ctx;
	struct str text;
	size_t at;

	(void)name;
	if (p->refused)
		return;
	at = p->open[--p->depth].text_at;
	text = p->text.n > at ? (struct str){p->text.p + at, p->text.n - at} : STR("");
	p->open[p->depth].x->text = arena_str(p->arena, str_trim(text));
	p->text.n = at;
}

static void
take_text(void *ctx, const XML_Char *text, int n)
{
	struct parsing *p = ctx;

	if (!p->refused)
		buf_add(&p->text, text, (size_t)n);
}

static void
begin_doctype(void *ctx, const XML_Char *name, const XML_Char *system_id, const XML_Char *public_id,
	int has_internal)
{
	(void)name, (void)system_id, (void)public_id, (void)has_internal;
	refuse(ctx, "a document type declaration, which AWS never sends");
}

static int
fail(struct parsing *p, struct str bytes, const char *what, struct error *err)
{
	unsigned long line = p->lib->XML_GetCurrentLineNumber(p->parser);
	unsigned long col = p->lib->XML_GetCurrentColumnNumber(p->parser) + 1;
	const char *why = p->refused ? p->refused
				     : p->lib->XML_ErrorString(p->lib->XML_GetErrorCode(p->parser));
	char words[WORDS_BYTES];

	printable(words, sizeof(words), bytes);
	error_set(err, ERR_HOST,
		"%s: the answer is not the XML that was expected, at line %lu, column %lu: %s; it "
		"begins: %s",
		what, line, col, why, words);
	if (err) {
		err->line = line > UINT32_MAX ? UINT32_MAX : (uint32_t)line;
		err->col = col > UINT32_MAX ? UINT32_MAX : (uint32_t)col;
	}
	return ERR_HOST;
}

static bool
feed(struct parsing *p, struct str bytes)
{
	/* expat counts in int. */
	while (bytes.n > INT_MAX / 2) {
		if (p->lib->XML_Parse(p->parser, bytes.p, INT_MAX / 2, 0) != XML_STATUS_OK)
			return false;
		bytes = str_from_index(bytes, INT_MAX / 2);
	}
	return p->lib->XML_Parse(p->parser, bytes.p ? bytes.p : "", (int)bytes.n, 1) ==
	       XML_STATUS_OK;
}

int
xml_parse(struct arena *a, struct xml **root, struct str bytes, const char *what, struct error *err)
{
	struct parsing p = {.arena = a};
	int rc = expat_load(&p.lib, err);

	*root = NULL;
	if (rc < 0)
		return rc;
	while (bytes.n > 0 && strchr(" \t\r\n", bytes.p[0]) && bytes.p[0])
		bytes = str_from_index(bytes, 1);
	if (bytes.n == 0)
		return error_set(
			err, ERR_HOST, "%s: the answer is empty where XML was expected", what);
	p.parser = p.lib->XML_ParserCreate(NULL);
	if (!p.parser)
		return error_set(err, ERR_HOST, "%s: begin to read XML: out of memory", what);
	p.lib->XML_SetUserData(p.parser, &p);
	p.lib->XML_SetElementHandler(p.parser, begin_element, end_element);
	p.lib->XML_SetCharacterDataHandler(p.parser, take_text);
	p.lib->XML_SetStartDoctypeDeclHandler(p.parser, begin_doctype);
	if (feed(&p, bytes))
		*root = p.root;
	else
		rc = fail(&p, bytes, what, err);
	p.lib->XML_ParserFree(p.parser);
	buf_free(&p.text);
	return rc;
}

static const struct xml *
child(const struct xml *x, struct str name)
{
	const struct xml *c = x->first;

	while (c && !str_eq(c->name, name))
		c = c->next;
	return c;
}

const struct xml *
xml_at(const struct xml *x, const char *path)
{
	struct str rest = str_from(path);

	while (x && rest.p)
		x = child(x, str_cut(&rest, '/'));
	return x;
}

struct str
xml_text(const struct xml *x, const char *path)
{
	x = xml_at(x, path);
	return x ? x->text : (struct str){0};
}

const struct xml *
xml_next(const struct xml *x)
{
	struct str name = x->name;

	do
		x = x->next;
	while (x && !str_eq(x->name, name));
	return x;
}

const struct xml *
xml_find(const struct xml *x, const char *name)
{
	const struct xml *found = NULL;

	if (!x || str_is(x->name, name))
		return x;
	for (const struct xml *c = x->first; c && !found; c = c->next)
		found = xml_find(c, name);
	return found;
}

int64_t
xml_int(const struct xml *x, const char *path, int64_t otherwise)
{
	int64_t n;

	return str_to_i64(xml_text(x, path), &n) ? n : otherwise;
}
