/* credentials: what `podman login` (containers-auth.json(5)) and `docker login` keep in files. Passwords in a
 * credential helper's keeping are not asked for. */
#include "providers/container/internal.h"

#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/evp.h>

/* The files in which they may be, the first that speaks of the registry counts. */
static size_t
auth_files(struct arena *a, const char *out[4])
{
	const char *named = getenv("REGISTRY_AUTH_FILE"), *runtime = getenv("XDG_RUNTIME_DIR");
	const char *config = getenv("XDG_CONFIG_HOME"), *docker = getenv("DOCKER_CONFIG");
	const char *home = getenv("HOME");
	size_t n = 0;

	if (named && named[0]) {
		out[n++] = named;
		return n;
	}
	out[n++] = runtime && runtime[0]
			   ? arena_printf(a, "%s/containers/auth.json", runtime).p
			   : arena_printf(a, "/run/containers/%u/auth.json", (unsigned)geteuid()).p;
	if (config && config[0])
		out[n++] = arena_printf(a, "%s/containers/auth.json", config).p;
	else if (home)
		out[n++] = arena_printf(a, "%s/.config/containers/auth.json", home).p;
	if (docker && docker[0])
		out[n++] = arena_printf(a, "%s/config.json", docker).p;
	else if (home)
		out[n++] = arena_printf(a, "%s/.docker/config.json", home).p;
	return n;
}

static struct str
decode(struct arena *a, const char *base64)
{
	size_t n = strlen(base64), padding = 0;
	unsigned char *out = arena_alloc(a, n + 1);
	int got;

	if (n == 0 || n > 64 << 10 || n % 4)
		return (struct str){0};
	while (padding < 2 && base64[n - 1 - padding] == '=')
		padding++;
	got = EVP_DecodeBlock(out, (const unsigned char *)base64, (int)n);
	if (got < (int)padding)
		return (struct str){0};
	out[(size_t)got - padding] = '\0';
	return (struct str){(char *)out, (size_t)got - padding};
}

struct str
credentials_decode(struct arena *a, struct str auth)
{
	return decode(a, arena_cstr(a, auth));
}

static struct str
credentials_for(struct arena *a, const json_t *auths, const char *key)
{
	const char *text = json_string_value(json_object_get(json_object_get(auths, key), "auth"));

	return text ? decode(a, text) : (struct str){0};
}

/* The entry for the longest part of REGISTRY/REPOSITORY, down to the registry. */
static struct str
look_in(struct arena *a, const json_t *auths, const struct reference *ref)
{
	struct str key = ref->name, found;

	for (;;) {
		found = credentials_for(a, auths, arena_cstr(a, key));
		if (found.p || key.n <= ref->registry.n)
			break;
		while (key.p[key.n - 1] != '/')
			key.n--;
		key.n--;
	}
	if (!found.p && str_is(ref->registry, "docker.io"))
		found = credentials_for(a, auths, "https://index.docker.io/v1/");
	return found;
}

struct str
credentials_find(struct arena *a, const struct reference *ref)
{
	const char *files[4];
	size_t n = auth_files(a, files);
	struct str found = ref->login;

	for (size_t i = 0; i < n && !found.p; i++) {
		json_t *json = json_load_file(files[i], 0, NULL);

		found = look_in(a, json_object_get(json, "auths"), ref);
		json_decref(json);
	}
	return found;
}
