/* shared_config: finds the two files and the profile, and answers from them and the environment.
 * Makes no call and looks at no credentials. */
#include "providers/aws/shared_config.h"

#include "planner/base/buf.h"
#include "providers/aws/ini.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <pwd.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

struct shared_config {
	struct arena arena;
	struct ini config, keys; /* keys: the credentials file */
	struct str home, profile, files;
	bool explicit;
	const char *(*getenv)(void *ctx, const char *name);
	void *ctx;
};

enum { NAMES_BYTES = 500, LONGEST_SERVICE = 64 };

static const char *
real_getenv(void *ctx, const char *name)
{
	(void)ctx;
	return getenv(name);
}

struct str
shared_config_env(const struct shared_config *c, const char *name)
{
	const char *value = c->getenv(c->ctx, name);

	return value && value[0] ? str_from(value) : (struct str){0};
}

static struct str
find_home(struct shared_config *c)
{
	struct str home = shared_config_env(c, "HOME");
	struct passwd pw, *found = NULL;
	char text[1024];

	if (home.p || c->getenv != real_getenv)
		return home;
	if (getpwuid_r(geteuid(), &pw, text, sizeof(text), &found) != 0 || !found)
		return home;
	return arena_str(&c->arena, str_from(pw.pw_dir));
}

/* Where the file is; absent: nowhere, as there is no home. */
static struct str
file_path(struct shared_config *c, const char *variable, const char *below_home)
{
	struct str named = shared_config_env(c, variable);

	if (named.p && named.p[0] != '~')
		return named;
	if (!c->home.p)
		return named;
	if (!named.p)
		return arena_printf(&c->arena, "%.*s/%s", STR_ARG(c->home), below_home);
	if (named.n > 1 && named.p[1] != '/')
		return named;
	return arena_printf(&c->arena, "%.*s%s", STR_ARG(c->home), named.p + 1);
}

/* As people write it. */
static struct str
short_path(struct shared_config *c, struct str path)
{
	if (c->home.n > 1 && str_starts(path, c->home) && path.n > c->home.n &&
		path.p[c->home.n] == '/')
		return arena_printf(&c->arena, "~%s", path.p + c->home.n);
	return path;
}

/* 1: read; 0: there is none; < 0 with err. */
static int
read_file(struct str path, struct buf *out, struct error *err)
{
	int fd = open(path.p, O_RDONLY | O_CLOEXEC);
	ssize_t n = 0;
	int e;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (fd < 0)
		return error_set_errno(err, ERR_INPUT, errno, "reading %s", path.p);
	buf_reserve(out, INI_MAX_BYTES + 2);
	while (out->n <= INI_MAX_BYTES) {
		n = read(fd, out->p + out->n, INI_MAX_BYTES + 1 - out->n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		out->n += (size_t)n;
	}
	e = errno;
	close(fd);
	return n < 0 ? error_set_errno(err, ERR_INPUT, e, "reading %s", path.p) : 1;
}

static int
load(struct shared_config *c, struct ini *out, const char *variable, const char *below_home,
	struct error *err)
{
	struct str path = file_path(c, variable, below_home), shown;
	struct buf bytes = {0};
	int rc;

	if (!path.p)
		return 0;
	shown = short_path(c, path);
	rc = read_file(path, &bytes, err);
	c->files = arena_printf(&c->arena, "%.*s%s%.*s%s", STR_ARG(c->files),
		c->files.p ? ", " : "", STR_ARG(shown), rc == 0 ? " (none)" : "");
	if (rc > 0)
		rc = ini_parse(&c->arena, out, buf_str(&bytes), path, err);
	if (bytes.p)
		OPENSSL_cleanse(bytes.p, bytes.cap);
	buf_free(&bytes);
	return rc;
}

/* "" and [default], or [profile default], which wins. */
static struct str
config_kind(const struct shared_config *c, struct str profile)
{
	if (str_is(profile, "default") && !ini_has(&c->config, STR("profile"), profile))
		return STR("");
	return STR("profile");
}

bool
shared_config_has_profile(const struct shared_config *c, struct str profile)
{
	return ini_has(&c->config, config_kind(c, profile), profile) ||
	       ini_has(&c->keys, (struct str){0}, profile);
}

/* As many as there is room for. */
struct names {
	struct buf text;
	bool full;
};

static void
add_name(struct names *names, struct str name)
{
	if (names->full)
		return;
	buf_add_cstr(&names->text, names->text.n ? ", " : "");
	names->full = names->text.n + name.n > NAMES_BYTES;
	buf_add_str(&names->text, names->full ? STR("…") : name);
}

static int
no_such_profile(const struct shared_config *c, const char *named_by, struct error *err)
{
	struct names names = {0};
	int rc;

	for (const struct ini_section *s = c->config.sections; s; s = s->next) {
		if (str_is(s->kind, "profile") || str_is(s->text, "default"))
			add_name(&names, s->name);
	}
	for (const struct ini_section *s = c->keys.sections; s; s = s->next) {
		if (!ini_has(&c->config, config_kind(c, s->text), s->text))
			add_name(&names, s->text);
	}
	rc = error_set(err, ERR_INPUT, "%s: there is no AWS profile %.*s in %.*s; there %s: %s",
		named_by, (int)(c->profile.n < 80 ? c->profile.n : 80), c->profile.p,
		STR_ARG(shared_config_files(c)), names.text.n ? "are" : "is",
		names.text.n ? buf_cstr(&names.text) : "none at all");
	buf_free(&names.text);
	return rc;
}

static int
choose_profile(struct shared_config *c, struct str profile, struct error *err)
{
	const char *named_by = "the profile option";

	c->explicit = profile.p != NULL;
	if (!profile.p) {
		profile = shared_config_env(c, "AWS_PROFILE");
		named_by = "AWS_PROFILE";
	}
	if (!profile.p) {
		profile = shared_config_env(c, "AWS_DEFAULT_PROFILE");
		named_by = "AWS_DEFAULT_PROFILE";
	}
	c->profile = profile.p ? arena_str(&c->arena, profile) : STR("default");
	if (str_is(c->profile, "default") || shared_config_has_profile(c, c->profile))
		return 0;
	return no_such_profile(c, named_by, err);
}

int
shared_config_open(struct shared_config **out, struct str profile,
	const char *(*getenv_fn)(void *ctx, const char *name), void *ctx, struct error *err)
{
	struct shared_config *c = mem_alloc(sizeof(*c));
	int rc;

	*c = (struct shared_config){.getenv = getenv_fn ? getenv_fn : real_getenv, .ctx = ctx};
	*out = NULL;
	c->home = find_home(c);
	rc = load(c, &c->keys, "AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials", err);
	if (rc >= 0)
		rc = load(c, &c->config, "AWS_CONFIG_FILE", ".aws/config", err);
	if (rc >= 0)
		rc = choose_profile(c, profile, err);
	if (rc < 0) {
		shared_config_close(c);
		return rc;
	}
	*out = c;
	return 0;
}

void
shared_config_close(struct shared_config *c)
{
	if (!c)
		return;
	arena_wipe(&c->arena);
	free(c);
}

struct str
shared_config_profile(const struct shared_config *c)
{
	return c->profile;
}

bool
shared_config_profile_is_explicit(const struct shared_config *c)
{
	return c->explicit;
}

struct str
shared_config_home(const struct shared_config *c)
{
	return c->home;
}

struct str
shared_config_files(const struct shared_config *c)
{
	return c->files.p ? c->files : STR("no home folder, no files");
}

static const char *const key_parts[] = {
	"aws_access_key_id", "aws_secret_access_key", "aws_session_token"};

/* A third of a key which the other file must not complete. */
static bool
belongs_to_credentials_file(const struct shared_config *c, struct str profile, const char *key)
{
	bool part = false, any = false;

	for (size_t i = 0; i < sizeof(key_parts) / sizeof(key_parts[0]); i++) {
		part |= strcmp(key, key_parts[i]) == 0;
		any |= ini_get(&c->keys, (struct str){0}, profile, key_parts[i], NULL).p != NULL;
	}
	return part && any;
}

struct str
shared_config_get(const struct shared_config *c, struct str profile, const char *key)
{
	struct str value;

	if (!profile.p)
		profile = c->profile;
	value = ini_get(&c->keys, (struct str){0}, profile, key, NULL);
	if (value.n == 0 && !belongs_to_credentials_file(c, profile, key))
		value = ini_get(&c->config, config_kind(c, profile), profile, key, NULL);
	return value.n ? value : (struct str){0};
}

struct str
shared_config_sso(const struct shared_config *c, struct str session, const char *key)
{
	struct str value = ini_get(&c->config, STR("sso-session"), session, key, NULL);

	return value.n ? value : (struct str){0};
}

bool
shared_config_has_sso(const struct shared_config *c, struct str session)
{
	return ini_has(&c->config, STR("sso-session"), session);
}

struct str
shared_config_region(const struct shared_config *c)
{
	struct str region = shared_config_env(c, "AWS_REGION");

	if (!region.p)
		region = shared_config_env(c, "AWS_DEFAULT_REGION");
	if (!region.p)
		region = shared_config_get(c, (struct str){0}, "region");
	return region;
}

static bool
ignores_endpoints(const struct shared_config *c)
{
	struct str s = shared_config_env(c, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");

	if (!s.p)
		s = shared_config_get(c, (struct str){0}, "ignore_configured_endpoint_urls");
	return s.n == 4 && strncasecmp(s.p, "true", 4) == 0;
}

/* "ssm-contacts" is SSM_CONTACTS in a variable and ssm_contacts in a file. */
static void
spell(char out[LONGEST_SERVICE], const char *prefix, const char *service, bool upper)
{
	size_t n = 0;

	for (; *prefix && n + 1 < LONGEST_SERVICE; prefix++)
		out[n++] = *prefix;
	for (; *service && n + 1 < LONGEST_SERVICE; service++) {
		int c = isalnum((unsigned char)*service) ? (unsigned char)*service : '_';

		out[n++] = (char)(upper ? toupper(c) : tolower(c));
	}
	out[n] = '\0';
}

static struct str
of_services_section(const struct shared_config *c, const char *service)
{
	struct str section = shared_config_get(c, (struct str){0}, "services");
	char key[LONGEST_SERVICE];

	if (!section.p)
		return section;
	spell(key, "", service, false);
	return ini_get(&c->config, STR("services"), section, key, "endpoint_url");
}

struct str
shared_config_endpoint(const struct shared_config *c, const char *service)
{
	char variable[LONGEST_SERVICE];
	struct str url;

	if (ignores_endpoints(c))
		return (struct str){0};
	spell(variable, "AWS_ENDPOINT_URL_", service, true);
	url = shared_config_env(c, variable);
	if (!url.p)
		url = shared_config_env(c, "AWS_ENDPOINT_URL");
	if (!url.n)
		url = of_services_section(c, service);
	if (!url.n)
		url = shared_config_get(c, (struct str){0}, "endpoint_url");
	while (url.n && url.p[url.n - 1] == '/')
		url.n--;
	return url.n ? url : (struct str){0};
}
