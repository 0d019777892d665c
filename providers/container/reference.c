/* reference: names of images, by the grammar of distribution/reference: [REGISTRY/]REPOSITORY[:TAG][@DIGEST]. */
#include "providers/container/internal.h"

enum { TAG_BYTES = 128, NAME_BYTES = 255 };

static bool
is_lower_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool
is_word(char c)
{
	return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '_';
}

/* One part of a repository: words of [a-z0-9] with '.', '_', '__' or dashes between them. */
static bool
is_repository_part(struct str s)
{
	if (s.n == 0 || !is_lower_or_digit(s.p[0]) || !is_lower_or_digit(s.p[s.n - 1]))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (!is_lower_or_digit(s.p[i]) && !strchr("._-", s.p[i]))
			return false;
		if (i && s.p[i] == '.' && s.p[i - 1] == '.')
			return false;
	}
	return true;
}

static bool
is_repository(struct str s)
{
	while (s.p) {
		if (!is_repository_part(str_cut(&s, '/')))
			return false;
	}
	return true;
}

static bool
is_registry(struct str s)
{
	struct str port = s, host = str_cut(&port, ':');
	int64_t number;

	if (host.n == 0 || (port.p && (!str_to_i64(port, &number) || number < 1 || number > 65535)))
		return false;
	for (size_t i = 0; i < host.n; i++) {
		if ((!is_word(host.p[i]) || host.p[i] == '_') && !strchr(".-", host.p[i]))
			return false;
	}
	return host.p[0] != '-';
}

static bool
is_tag(struct str s)
{
	if (s.n == 0 || s.n > TAG_BYTES || !is_word(s.p[0]))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (!is_word(s.p[i]) && !strchr(".-", s.p[i]))
			return false;
	}
	return true;
}

static bool
is_digest(struct str s)
{
	struct digest d;

	return str_starts(s, STR("sha256:")) && digest_parse(str_from_index(s, 7), &d);
}

/* The first part of a path names a registry when it couldn't be a user of docker.io. */
static bool
names_registry(struct str first)
{
	return memchr(first.p, '.', first.n) || memchr(first.p, ':', first.n) ||
	       str_is(first, "localhost");
}

static bool
split_name(struct arena *a, struct reference *out, struct str name)
{
	struct str rest = name, first = str_cut(&rest, '/');

	if (rest.p && first.n && names_registry(first)) {
		out->registry = arena_str(a, first);
		out->repository = arena_str(a, rest);
		if (str_is(first, "index.docker.io"))
			out->registry = STR("docker.io");
	} else {
		out->registry = STR("docker.io");
		out->repository = arena_str(a, name);
	}
	if (str_is(out->registry, "docker.io") &&
		!memchr(out->repository.p, '/', out->repository.n))
		out->repository = arena_printf(a, "library/%.*s", STR_ARG(out->repository));
	out->name = arena_printf(a, "%.*s/%.*s", STR_ARG(out->registry), STR_ARG(out->repository));
	return is_registry(out->registry) && is_repository(out->repository) &&
	       out->name.n <= NAME_BYTES;
}

/* Where the tag's ':' is: behind the last '/', as a registry has a port before it. */
static size_t
tag_colon(struct str s)
{
	for (size_t i = s.n; i-- > 0 && s.p[i] != '/';) {
		if (s.p[i] == ':')
			return i;
	}
	return s.n;
}

int
reference_parse(struct arena *a, struct reference *out, struct str text, struct error *err)
{
	struct str digest = text, name = str_cut(&digest, '@');
	size_t colon = tag_colon(name);
	struct str tag = colon < name.n ? str_from_index(name, colon + 1) : (struct str){0};

	*out = (struct reference){.digest = arena_str(a, digest)};
	name.n = colon;
	out->tag = tag.p || digest.p ? arena_str(a, tag) : STR("latest");
	if (text.n && split_name(a, out, name) && (!tag.p || is_tag(tag)) &&
		(!digest.p || is_digest(digest)))
		return 0;
	return error_set(err, ERR_INPUT,
		"'%.*s' names no image: expected [REGISTRY/]REPOSITORY[:TAG][@sha256:DIGEST] in "
		"lower "
		"case, oci-archive:PATH or docker-archive:PATH",
		STR_ARG(text));
}
