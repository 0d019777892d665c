/* yaml_problem: what makes bytes no YAML, in words for people who don't know libyaml's scanner. */
#include "planner/yaml_problem.h"

static const struct str none = {0};

struct pos
doc_pos_of_byte(struct str file, struct str bytes, size_t at)
{
	struct pos pos = {.file = file, .line = 1, .col = 1};

	for (size_t i = 0; i < at && i < bytes.n; i++) {
		pos.col++;
		if (bytes.p[i] == '\n') {
			pos.line++;
			pos.col = 1;
		}
	}
	return pos;
}

/* What libyaml says, for people who don't know its scanner. */
static const struct {
	const char *problem;
	const char *words;
} problems[] = {
	{"mapping values are not allowed in this context",
		"a ':' where no key can stand: is the line indented as the ones above it, and is a "
		"value that holds ': ' in quotes?"},
	{"did not find expected key", "expected a key here: is the line indented as the ones above "
				      "it, and are quotes and brackets closed?"},
	{"did not find expected '-' indicator",
		"expected '- ' and an item, or less indentation: a list and a mapping don't mix"},
	{"could not find expected ':'", "a key without its ': '"},
	{"did not find expected ',' or ']'", "the list in [ ] is not closed, or lacks a ','"},
	{"did not find expected ',' or '}'", "the mapping in { } is not closed, or lacks a ','"},
	{"found a tab character that violates indentation", "a tab: YAML is indented with blanks"},
	{"did not find expected alphabetic or numeric character",
		"a name is missing behind the '*' or '&': put the value in quotes if it is meant "
		"as text"},
	{"did not find expected comment or line break",
		"nothing but a comment can follow '|' or '>' on its line"},
	{"did not find expected <document start>",
		"expected nothing more here: is the line indented as the ones above it, and are "
		"brackets closed?"},
	{"found unexpected end of stream", "what begins here is never closed"},
	{"found unknown escape character", "no such escape: within double quotes '\\' begins one; "
					   "use single quotes for text as it is"},
	{"block sequence entries are not allowed in this context",
		"a list's '- ' cannot stand on the line of its key: put it on the next line"},
};

const char *
doc_problem_words(const char *problem, struct str bytes, size_t at)
{
	if (at < bytes.n && strcmp(problem, "found character that cannot start any token") == 0) {
		switch (bytes.p[at]) {
		case '\t':
			return "a tab: YAML is indented with blanks";
		case '@':
		case '`':
			return "a value cannot begin with this character: put it in quotes";
		case '%':
			return "a value cannot begin with '%': put it in quotes";
		default:
			break;
		}
	}
	for (size_t i = 0; i < sizeof(problems) / sizeof(*problems); i++) {
		if (strcmp(problem, problems[i].problem) == 0)
			return problems[i].words;
	}
	return problem;
}

static int
check_utf8(struct diagnostics *diags, struct str file, struct str bytes)
{
	size_t at = 0;

	if (str_is_utf8(bytes))
		return 0;
	while (at < bytes.n) {
		size_t n = 1;

		while (n < 4 && at + n <= bytes.n &&
			!str_is_utf8((struct str){.p = bytes.p + at, .n = n}))
			n++;
		if (at + n > bytes.n || !str_is_utf8((struct str){.p = bytes.p + at, .n = n}))
			break;
		at += n;
	}
	diag_add(diags, DIAG_ERROR, doc_pos_of_byte(file, bytes, at), none,
		"the byte 0x%02x is no UTF-8; save the file as UTF-8", (unsigned char)bytes.p[at]);
	return ERR_INPUT;
}

/* What libyaml would refuse with fewer words. */
int
doc_check_bytes(struct diagnostics *diags, struct str file, struct str bytes)
{
	struct pos top = {.file = file};

	if (bytes.n > MANIFEST_MAX_BYTES) {
		diag_add(diags, DIAG_ERROR, top, none,
			"%zu bytes are too many for a manifest; at most %d", bytes.n,
			MANIFEST_MAX_BYTES);
		return ERR_INPUT;
	}
	if (bytes.n >= 2 &&
		(memcmp(bytes.p, "\xff\xfe", 2) == 0 || memcmp(bytes.p, "\xfe\xff", 2) == 0)) {
		diag_add(diags, DIAG_ERROR, top, none, "the text is UTF-16; save it as UTF-8");
		return ERR_INPUT;
	}
	for (size_t i = 0; i < bytes.n; i++) {
		unsigned char c = (unsigned char)bytes.p[i];

		if ((c >= 0x20 && c != 0x7f) || c == '\t' || c == '\n' || c == '\r')
			continue;
		if (c == 0)
			diag_add(diags, DIAG_ERROR, doc_pos_of_byte(file, bytes, i), none,
				"a NUL byte: this is a binary file, not a manifest");
		else
			diag_add(diags, DIAG_ERROR, doc_pos_of_byte(file, bytes, i), none,
				"the control character 0x%02x is not allowed in YAML", c);
		return ERR_INPUT;
	}
	return check_utf8(diags, file, bytes);
}
