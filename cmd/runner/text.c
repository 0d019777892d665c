/* text: strings out of payloads. */
#include "cmd/runner/text.h"

#include "cmd/runner/alloc.h"

#include <string.h>

bool
text_string(struct fields *f, char **at, char **out)
{
	struct str s = field_str(f);

	if (f->bad || (s.n && memchr(s.p, '\0', s.n)))
		return false;
	/* The length's four bytes make room for the NUL. */
	if (s.n)
		memcpy(*at, s.p, s.n);
	(*at)[s.n] = '\0';
	*out = *at;
	*at += s.n + 1;
	return true;
}

bool
text_list(struct fields *f, char **at, char ***out)
{
	uint32_t n = field_count(f, 4);

	*out = must_alloc((n + (size_t)1) * sizeof(**out));
	for (uint32_t i = 0; i < n; i++) {
		if (!text_string(f, at, &(*out)[i]))
			return false;
	}
	return !f->bad;
}

const char *
text_tail(const char *text, size_t room)
{
	size_t n = strlen(text);
	const char *from = n > room ? text + n - room : text, *line;

	if (from == text || from[-1] == '\n')
		return from;
	line = strchr(from, '\n');
	return line && line[1] ? line + 1 : from;
}

const char *
text_variable(char *const *env, const char *name)
{
	size_t n = strlen(name);

	for (; env && *env; env++) {
		if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
			return *env + n + 1;
	}
	return NULL;
}

/* Whether one of the n first entries has this entry's name. */
static bool
has_name(char *const *env, size_t n, const char *entry)
{
	size_t name_n = strcspn(entry, "=");

	for (size_t i = 0; i < n; i++) {
		if (env[i][0] == entry[0] && strncmp(env[i], entry, name_n) == 0 &&
			env[i][name_n] == '=')
			return true;
	}
	return false;
}

char **
text_merge(char *const *const *envs, size_t n)
{
	size_t all = 0, used = 0;
	char **out;

	for (size_t i = 0; i < n; i++) {
		for (char *const *e = envs[i]; e && *e; e++)
			all++;
	}
	out = must_alloc((all + 1) * sizeof(*out));
	for (size_t i = 0; i < n; i++) {
		for (char *const *e = envs[i]; e && *e; e++) {
			if (!has_name(out, used, *e))
				out[used++] = *e;
		}
	}
	return out;
}
