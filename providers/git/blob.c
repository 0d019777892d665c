/* blob: SHA-1 through libcrypto, over bytes and over working files. */
#include "providers/git/blob.h"

#include "planner/base/arena.h"
#include "providers/git/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/evp.h>

enum { CHUNK_BYTES = 128 << 10 };

struct blob_hasher {
	EVP_MD *md;
	EVP_MD_CTX *ctx;
	char *chunk;
};

static _Noreturn void
libcrypto_failed(void)
{
	fprintf(stderr, "furrow: libcrypto cannot compute SHA-1\n");
	abort();
}

struct blob_hasher *
blob_hasher_new(void)
{
	struct blob_hasher *h = mem_alloc(sizeof(*h));

	h->md = EVP_MD_fetch(NULL, "SHA1", NULL);
	h->ctx = EVP_MD_CTX_new();
	h->chunk = mem_alloc(CHUNK_BYTES);
	if (!h->md || !h->ctx)
		libcrypto_failed();
	return h;
}

void
blob_hasher_begin(struct blob_hasher *h, int64_t n_bytes)
{
	char head[32];
	int n = snprintf(head, sizeof(head), "blob %lld", (long long)n_bytes);

	if (EVP_DigestInit_ex(h->ctx, h->md, NULL) != 1)
		libcrypto_failed();
	blob_hasher_add(h, head, (size_t)n + 1);
}

void
blob_hasher_add(struct blob_hasher *h, const void *bytes, size_t n)
{
	if (EVP_DigestUpdate(h->ctx, bytes, n) != 1)
		libcrypto_failed();
}

void
blob_hasher_end(struct blob_hasher *h, uint8_t id[BLOB_ID_BYTES])
{
	if (EVP_DigestFinal_ex(h->ctx, id, NULL) != 1)
		libcrypto_failed();
}

void
blob_hasher_free(struct blob_hasher *h)
{
	if (!h)
		return;
	EVP_MD_CTX_free(h->ctx);
	EVP_MD_free(h->md);
	free(h->chunk);
	free(h);
}

int
source_blob_id(uint8_t id[BLOB_ID_BYTES], struct str bytes, struct error *err)
{
	struct blob_hasher *h;

	if (bytes.n > INT64_MAX)
		return error_set(err, ERR_INPUT, "hash %zu bytes: too many", bytes.n);
	h = blob_hasher_new();
	blob_hasher_begin(h, (int64_t)bytes.n);
	blob_hasher_add(h, bytes.p, bytes.n);
	blob_hasher_end(h, id);
	blob_hasher_free(h);
	return 0;
}

int
blob_open_folder(int root_fd, const char *path, const char **name)
{
	int fd = fcntl(root_fd, F_DUPFD_CLOEXEC, 0);

	for (const char *slash; fd >= 0 && (slash = strchr(path, '/')); path = slash + 1) {
		char part[NAME_MAX + 1];
		size_t n = (size_t)(slash - path);
		int next;

		if (n > NAME_MAX) {
			close(fd);
			errno = ENAMETOOLONG;
			return -1;
		}
		memcpy(part, path, n);
		part[n] = '\0';
		next = openat(fd, part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0) {
			int saved = errno;

			close(fd);
			errno = saved;
			return -1;
		}
		close(fd);
		fd = next;
	}
	*name = path;
	return fd;
}

static int
hash_fd(struct blob_hasher *h, int fd, struct str shown, struct source_entry *out,
	struct error *err)
{
	int64_t left = out->size_bytes;
	ssize_t n;

	blob_hasher_begin(h, left);
	while ((n = read(fd, h->chunk, CHUNK_BYTES)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set_errno(err, ERR_INPUT, errno, "read %.*s", STR_ARG(shown));
		left -= n;
		if (left < 0)
			break;
		blob_hasher_add(h, h->chunk, (size_t)n);
	}
	if (left != 0)
		return error_set(err, ERR_STALE,
			"%.*s changes while it is read; run this again when nobody writes to it",
			STR_ARG(shown));
	blob_hasher_end(h, out->id);
	return 0;
}

static int
regular_entry(struct blob_hasher *h, int dir_fd, const char *name, struct str shown,
	struct source_entry *out, struct error *err)
{
	/* O_NONBLOCK: if a pipe has taken the file's place meanwhile, this doesn't wait for a
	 * writer. */
	int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	int rc;

	if (fd < 0)
		return error_set_errno(err, ERR_INPUT, errno,
			"open %.*s (a file that shall not be part of the source belongs into "
			".gitignore)",
			STR_ARG(shown));
	if (fstat(fd, &st) < 0) {
		rc = error_set_errno(err, ERR_INPUT, errno, "stat %.*s", STR_ARG(shown));
	} else if (!S_ISREG(st.st_mode)) {
		rc = error_set(
			err, ERR_STALE, "%.*s is being replaced; run this again", STR_ARG(shown));
	} else {
		out->mode = st.st_mode & S_IXUSR ? FILE_EXECUTABLE : FILE_REGULAR;
		out->size_bytes = st.st_size;
		rc = hash_fd(h, fd, shown, out, err);
	}
	close(fd);
	return rc;
}

static int
symlink_entry(struct blob_hasher *h, int dir_fd, const char *name, struct str shown,
	struct source_entry *out, struct error *err)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dir_fd, name, target, sizeof(target));

	if (n < 0)
		return error_set_errno(err, ERR_INPUT, errno, "read link %.*s", STR_ARG(shown));
	out->mode = FILE_SYMLINK;
	out->size_bytes = n;
	blob_hasher_begin(h, n);
	blob_hasher_add(h, target, (size_t)n);
	blob_hasher_end(h, out->id);
	return 0;
}

int
blob_of_file(struct blob_hasher *h, int dir_fd, const char *name, const struct stat *st,
	struct str shown, struct source_entry *out, struct error *err)
{
	if (S_ISREG(st->st_mode))
		return regular_entry(h, dir_fd, name, shown, out, err);
	if (S_ISLNK(st->st_mode))
		return symlink_entry(h, dir_fd, name, shown, out, err);
	return error_set(err, ERR_INPUT,
		"%.*s is %s, which no source can hold; remove it, or add it to .gitignore",
		STR_ARG(shown),
		S_ISFIFO(st->st_mode)	? "a named pipe"
		: S_ISSOCK(st->st_mode) ? "a socket"
		: S_ISDIR(st->st_mode)	? "a folder"
					: "a device");
}
