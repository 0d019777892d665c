/* credentials_process: credential_process of a profile, a program that prints credentials. Started
 * without a shell; what it prints on stdout is shown nowhere, of stderr no more than a line. */
#include "providers/aws/credentials_internal.h"

#include "providers/aws/printable.h"
#include "providers/host/spawn.h"

#include <ctype.h>
#include <openssl/crypto.h>

enum { SHOWN_BYTES = 160, LONGEST_RUN = 39 };

struct splitting {
	struct str rest;
	char *out; /* the word so far, room for all of the line */
	size_t n;
	bool in_word;
	const char *problem;
};

/* What stands between quotes, the opening one taken already. */
static void
take_quoted(struct splitting *s, char quote)
{
	while (s->rest.n) {
		char c = s->rest.p[0];

		s->rest = str_from_index(s->rest, 1);
		if (c == quote)
			return;
		if (c == '\\' && quote == '"' && s->rest.n &&
			(s->rest.p[0] == '"' || s->rest.p[0] == '\\')) {
			c = s->rest.p[0];
			s->rest = str_from_index(s->rest, 1);
		}
		s->out[s->n++] = c;
	}
	s->problem = "a quote has no end";
}

/* One character and what belongs to it. false: the word ends. */
static bool
take_part(struct splitting *s)
{
	char c = s->rest.p[0];

	s->rest = str_from_index(s->rest, 1);
	if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
		return !s->in_word;
	s->in_word = true;
	if (c == '"' || c == '\'') {
		take_quoted(s, c);
	} else if (c == '\\') {
		if (s->rest.n == 0) {
			s->problem = "nothing behind the last backslash";
			return false;
		}
		s->out[s->n++] = s->rest.p[0];
		s->rest = str_from_index(s->rest, 1);
	} else {
		s->out[s->n++] = c;
	}
	return true;
}

const char *const *
credentials_split(struct arena *a, struct str line, const char **problem)
{
	const char **words = ARENA_ARRAY(a, const char *, line.n / 2 + 2);
	char *text = arena_alloc(a, 2 * line.n + 2);
	struct splitting s = {.rest = line, .out = text};
	size_t n = 0;

	*problem = NULL;
	while (s.rest.n && !s.problem) {
		while (s.rest.n && !s.problem && take_part(&s))
			;
		if (!s.in_word)
			continue;
		s.out[s.n] = '\0';
		words[n++] = s.out;
		s.out += s.n + 1;
		s.n = 0;
		s.in_word = false;
	}
	*problem = s.problem;
	return s.problem ? NULL : words;
}

/* A run this long of base64's characters could be a key. */
static void
hide_secrets(struct buf *b)
{
	size_t run = 0, to = 0;

	for (size_t i = 0; i <= b->n; i++) {
		char c = i < b->n ? b->p[i] : '\0';

		if (isalnum((unsigned char)c) || c == '/' || c == '+' || c == '=') {
			run++;
			b->p[to++] = c;
			continue;
		}
		if (run > LONGEST_RUN) {
			to -= run;
			memcpy(b->p + to, "***", 3);
			to += 3;
		}
		run = 0;
		if (i < b->n)
			b->p[to++] = c;
	}
	b->n = to;
}

static void
wipe(struct buf *b)
{
	if (b->p)
		OPENSSL_cleanse(b->p, b->cap);
	buf_free(b);
}

static int
failed(int status, const char *what, struct buf *errs, struct error *err)
{
	char shown[SHOWN_BYTES];

	hide_secrets(errs);
	printable(shown, sizeof(shown), str_trim(buf_str(errs)));
	return credentials_wrong(err, "%s: %s %d%s%s", what,
		status > 128 ? "was killed by signal" : "ended with",
		status > 128 ? status - 128 : status, shown[0] ? ": " : " and without a word",
		shown);
}

static int
run(struct looking *l, const char *const *argv, const char *what, struct credentials *out,
	struct error *err)
{
	int64_t timeout_ns = l->world->process_timeout_ns;
	struct buf text = {0}, errs = {0};
	int rc;

	/* Room at once: what grows leaves copies of secrets behind. */
	buf_reserve(&text, 64 << 10);
	rc = spawn_run(argv, NULL, NULL, &text, &errs, timeout_ns, err);
	if (rc == ERR_MISSING)
		rc = credentials_wrong(err,
			"%s: there is no such program (no shell: ~ and $ stand for nothing)", what);
	else if (rc < 0)
		rc = error_wrap(err, "%s", what);
	else if (rc > 0)
		rc = failed(rc, what, &errs, err);
	else
		rc = answer_read_json(
			&l->arena, out, buf_str(&text), &answer_of_process, what, err);
	wipe(&text);
	wipe(&errs);
	return rc;
}

int
credentials_from_process(
	struct looking *l, struct str profile, struct credentials *out, struct error *err)
{
	struct str line = shared_config_get(l->config, profile, "credential_process");
	const char *const *argv;
	const char *problem, *what;
	int rc;

	if (!line.p)
		return 0;
	/* The program alone: its arguments may hold what is nobody's business. */
	what = arena_printf(&l->arena, "profile %.*s: credential_process", STR_ARG(profile)).p;
	argv = credentials_split(&l->arena, line, &problem);
	if (!argv)
		return credentials_wrong(err, "%s: %s", what, problem);
	if (!argv[0] || !argv[0][0])
		return credentials_wrong(err, "%s names no program", what);
	what = arena_printf(&l->arena, "%s %.100s", what, argv[0]).p;
	rc = run(l, argv, what, out, err);
	if (rc < 0)
		return rc;
	out->from = arena_printf(&l->arena, "profile %.*s (credential_process)", STR_ARG(profile));
	return 1;
}
