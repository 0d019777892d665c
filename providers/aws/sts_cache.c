/* sts_cache: which account an access key belongs to, kept on disk: that never changes, and asking
 * costs two round trips before anything else can begin.
 *
 * CACHE_DIR/account-HASH, one line: "furrow-account 1 ACCOUNT" LF. HASH: of the key's id and of who
 * was asked, when that was not AWS itself. */
#include "providers/aws/client_internal.h"
#include "providers/aws/credentials.h"
#include "providers/aws/ec2.h"
#include "providers/store/io.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ACCOUNT_DIGITS = 12, FILE_BYTES = 64 };
#define HEAD "furrow-account 1 "

static bool
is_account(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	}
	return s.n == ACCOUNT_DIGITS;
}

static const char *
file_of(struct aws *aws, struct arena *a, const char *cache_dir)
{
	const char *endpoint = getenv("AWS_ENDPOINT_URL_STS");
	struct hasher *h;
	struct credentials who;
	struct digest d;
	char hex[DIGEST_HEX_BYTES];

	if (credentials_get(aws->chain, a, &who, NULL) < 0)
		return NULL;
	if (!endpoint || !*endpoint)
		endpoint = getenv("AWS_ENDPOINT_URL");
	h = hasher_new();
	hasher_add_field(h, who.key_id);
	hasher_add_field(h, str_from(endpoint));
	d = hasher_end(h);
	hasher_free(h);
	digest_hex(hex, &d);
	return arena_printf(a, "%s/account-%.16s", cache_dir, hex).p;
}

static bool
load(struct arena *a, const char *path, struct str *account)
{
	char bytes[FILE_BYTES];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : io_read_at(fd, bytes, sizeof(bytes), 0);
	struct str text = {.p = bytes, .n = n > 0 ? (size_t)n : 0};

	if (fd >= 0)
		close(fd);
	if (!str_starts(text, STR(HEAD)) || !str_ends(text, STR("\n")))
		return false;
	text = str_trim(str_from_index(text, sizeof(HEAD) - 1));
	*account = arena_str(a, text);
	return is_account(text);
}

/* What cannot be kept is asked for again. */
static void
save(struct arena *a, const char *cache_dir, const char *path, struct str account)
{
	char *partial = arena_cstr(a, arena_printf(a, "%s.XXXXXX", path));
	struct str text = arena_printf(a, HEAD "%.*s\n", STR_ARG(account));
	int fd = io_make_folders(cache_dir) == 0 ? mkostemp(partial, O_CLOEXEC) : -1;

	if (fd < 0)
		return;
	if (io_write_all(fd, text.p, text.n) < 0 || rename(partial, path) != 0)
		unlink(partial);
	close(fd);
}

int
sts_account_kept(struct aws *aws, struct arena *a, const char *cache_dir, struct str *account,
	struct error *err)
{
	const char *path = cache_dir ? file_of(aws, a, cache_dir) : NULL;
	struct str arn;
	int rc;

	if (path && load(a, path, account))
		return 0;
	rc = sts_account(aws, a, account, &arn, err);
	if (rc == 0 && path && is_account(*account))
		save(a, cache_dir, path, *account);
	return rc;
}
