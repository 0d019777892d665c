/* certs: keeps libgit2 from reading the machine's CA certificates whenever it is initialised.
 *
 * Debian's libgit2 speaks TLS through mbedTLS and reads ca-certificates.crt at its start: 4 ms, which is most of what a
 * plan that finds nothing to do takes, and only {url: https://...} needs them. The function that reads them is called from
 * one library to another, hence found by the dynamic linker, which looks into the program first if that exports the name
 * (LINK in the Makefile does): it finds the one below. That remembers the file, and reads it when certs_load() has come.
 * Without the export, or with a libgit2 on another TLS library, nobody calls it, and all is as usual. */
#include "providers/git/certs.h"

#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

typedef int (*parse_file_fn)(void *chain, const char *path);

static parse_file_fn parse_file; /* mbedTLS's own; NULL until the certificates are wanted */
static char remembered[PATH_MAX];
static struct error load_error;
static int load_result;
static pthread_once_t load_once = PTHREAD_ONCE_INIT;
static const struct libgit2 *libgit2;

int mbedtls_x509_crt_parse_file(void *chain, const char *path);

int
mbedtls_x509_crt_parse_file(void *chain, const char *path)
{
	if (parse_file)
		return parse_file(chain, path);
	snprintf(remembered, sizeof(remembered), "%s", path);
	return 0;
}

static void
load(void)
{
	void *handle, *function;

	if (!remembered[0]) /* it has read them itself, or does without */
		return;
	/* From libgit2 on, not from the program: past the function above. */
	handle = dlopen(libgit2_soname, RTLD_NOW | RTLD_NOLOAD);
	function = handle ? dlsym(handle, "mbedtls_x509_crt_parse_file") : NULL;
	if (!function) {
		load_result = error_set(&load_error, ERR_HOST, "find mbedTLS, which %s uses: %s",
			libgit2_soname, dlerror());
		return;
	}
	memcpy(&parse_file, &function, sizeof(parse_file));
	if (libgit2->git_libgit2_opts(GIT_OPT_SET_SSL_CERT_LOCATIONS, remembered, NULL) < 0)
		load_result = libgit2_fail(libgit2, &load_error, ERR_HOST,
			"read the CA certificates in %s", remembered);
}

int
certs_load(const struct libgit2 *lib, struct error *err)
{
	libgit2 = lib;
	pthread_once(&load_once, load);
	if (load_result < 0 && err)
		*err = load_error;
	return load_result;
}
