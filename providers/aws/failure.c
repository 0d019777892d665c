/* failure: XML, JSON, headers, and the rest. */
#include "providers/aws/failure.h"

#include "providers/aws/printable.h"
#include "providers/aws/xml.h"

#include <jansson.h>
#include <strings.h>

enum { MESSAGE_BYTES = 700, WORDS_BYTES = 120, BODY_BYTES = 64 << 10 };

static struct str
header(const struct pairs *headers, const char *name)
{
	for (size_t i = 0; i < headers->n; i++) {
		if (str_is(headers->v[i].name, name))
			return headers->v[i].value;
	}
	return (struct str){0};
}

/* A code or an id: letters, digits and the few signs that they have; "" for anything else. */
static void
copy_word(char *out, size_t size, struct str s)
{
	out[0] = '\0';
	if (s.n == 0 || s.n >= size)
		return;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			    strchr(".-_/+=", c)) ||
			c == '\0')
			return;
	}
	memcpy(out, s.p, s.n);
	out[s.n] = '\0';
}

/* "com.amazonaws.ssm#ParameterNotFound:http://…": the middle. */
static struct str
bare_code(struct str s)
{
	const char *hash = s.n ? memchr(s.p, '#', s.n) : NULL;

	if (hash)
		s = str_from_index(s, (size_t)(hash + 1 - s.p));
	return str_cut(&s, ':');
}

static void
set_message(struct arena *a, struct failure *out, struct str text)
{
	char line[MESSAGE_BYTES];

	printable(line, sizeof(line), text);
	out->message = arena_str(a, str_from(line));
}

static void
read_xml(struct arena *a, struct failure *out, struct str body)
{
	const struct xml *error = NULL, *id;
	struct arena scratch = {0};
	struct xml *root;

	if (xml_parse(&scratch, &root, body, "", NULL) == 0)
		error = xml_find(root, "Error");
	if (error) {
		copy_word(out->code, sizeof(out->code), xml_text(error, "Code"));
		copy_word(out->region, sizeof(out->region), xml_text(error, "Region"));
		set_message(a, out, xml_text(error, "Message"));
		id = xml_find(root, "RequestId");
		id = id ? id : xml_find(root, "RequestID");
		id = id ? id : xml_find(root, "requestId");
		if (id)
			copy_word(out->request_id, sizeof(out->request_id), id->text);
	}
	arena_free(&scratch);
}

static struct str
member(json_t *o, const char *name)
{
	json_t *v = json_object_get(o, name);

	return json_is_string(v) ? (struct str){json_string_value(v), json_string_length(v)}
				 : (struct str){0};
}

static void
read_json(struct arena *a, struct failure *out, struct str body)
{
	json_t *o = json_loadb(body.p, body.n, JSON_ALLOW_NUL, NULL);
	struct str code = member(o, "__type"), message = member(o, "message");

	code = code.p ? code : member(o, "code");
	message = message.p ? message : member(o, "Message");
	copy_word(out->code, sizeof(out->code), bare_code(code));
	if (message.p)
		set_message(a, out, message);
	json_decref(o);
}

static bool
begins_as(struct str s, const char *word)
{
	return s.n >= strlen(word) && strncasecmp(s.p, word, strlen(word)) == 0;
}

bool
failure_is_page(struct str body)
{
	body = str_trim(body);
	return begins_as(body, "<!doctype html") || begins_as(body, "<html");
}

/* No words of the service's own: what there was instead. */
static void
describe(struct arena *a, struct failure *out, int status, struct str body)
{
	char words[WORDS_BYTES];

	printable(words, sizeof(words), body);
	if (body.n == 0)
		out->message = arena_printf(a, "HTTP status %d with nothing more", status);
	else if (failure_is_page(body))
		out->message = arena_printf(a,
			"HTTP status %d with a page of HTML, as a proxy or load balancer sends it: "
			"%s",
			status, words);
	else
		out->message = arena_printf(
			a, "HTTP status %d with words that AWS doesn't use: %s", status, words);
}

void
failure_read(struct arena *a, struct failure *out, int status, const struct pairs *headers,
	struct str body)
{
	struct str region = header(headers, "x-amz-bucket-region");
	struct str id = header(headers, "x-amzn-requestid");

	*out = (struct failure){0};
	body = str_trim(body);
	if (body.n > BODY_BYTES)
		body.n = BODY_BYTES;
	if (body.n > 0 && body.p[0] == '<')
		read_xml(a, out, body);
	else if (body.n > 0 && body.p[0] == '{')
		read_json(a, out, body);
	if (!out->code[0])
		copy_word(out->code, sizeof(out->code),
			bare_code(header(headers, "x-amzn-errortype")));
	if (!out->request_id[0])
		copy_word(out->request_id, sizeof(out->request_id),
			id.p ? id : header(headers, "x-amz-request-id"));
	if (region.p)
		copy_word(out->region, sizeof(out->region), region);
	if (out->message.n == 0)
		describe(a, out, status, out->code[0] ? STR("") : body);
}

bool
failure_in_success(struct str body)
{
	body = str_trim(body);
	if (str_starts(body, STR("<?xml"))) {
		const char *end = memmem(body.p, body.n, "?>", 2);

		body = end ? str_trim(str_from_index(body, (size_t)(end + 2 - body.p))) : STR("");
	}
	return str_starts(body, STR("<Error>")) || str_starts(body, STR("<Error "));
}
