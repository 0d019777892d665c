/* dir: opening and closing the folder store, and making it. The layout stands in dir.h. */
#include "providers/store/dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARKER "furrow-store"
#define MARKER_NEW ".furrow-store.new"

void
dir_random_hex(char *out, size_t digits)
{
	uint8_t random[16] = {0};

	for (size_t i = 0; i < digits; i++) {
		if (i % (2 * sizeof(random)) == 0 && getrandom(random, sizeof(random), 0) < 0)
			abort(); /* cannot fail for so few bytes */
		out[i] = "0123456789abcdef"[random[i / 2 % sizeof(random)] >> (i % 2 * 4) & 15];
	}
	out[digits] = '\0';
}

void
dir_part_path(char out[STORE_PATH_BYTES], const struct record *r, enum part part)
{
	char hex[DIGEST_HEX_BYTES];

	digest_hex(hex, &r->key);
	snprintf(out, STORE_PATH_BYTES, "parts/%.2s/%s.%s.%s", hex, hex + 2, r->owner,
		record_part_name(part));
}

static int
sync_folder(struct dir_store *s, const char *path)
{
	int fd = openat(s->dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return -errno;
	rc = fsync(fd) < 0 && errno != EINVAL ? -errno : 0; /* EINVAL: nothing to sync there */
	close(fd);
	return rc;
}

int
dir_sync_parent(struct dir_store *s, const char *path)
{
	char parent[STORE_PATH_BYTES];
	const char *slash = strrchr(path, '/');

	snprintf(parent, sizeof(parent), "%.*s", slash ? (int)(slash - path) : 1,
		slash ? path : ".");
	return sync_folder(s, parent);
}

int
dir_make_parents(struct dir_store *s, const char *path)
{
	char parent[STORE_PATH_BYTES];

	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		int rc;

		snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
		if (mkdirat(s->dir_fd, parent, 0777) < 0) {
			if (errno == EEXIST)
				continue;
			return -errno;
		}
		rc = dir_sync_parent(s, parent);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* 1: it is a store, 0: there is no marker, < 0: a store that this furrow cannot take. */
static int
check_marker(int dir_fd, const char *path, struct error *err)
{
	char text[32];
	int64_t version;
	ssize_t n;
	int fd = openat(dir_fd, MARKER, O_RDONLY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return error_set_errno(err, ERR_HOST, errno, "open store %s: read " MARKER, path);
	n = io_read_at(fd, text, sizeof(text), 0);
	close(fd);
	if (n < 0)
		return error_set_errno(err, ERR_HOST, (int)-n, "open store %s: read " MARKER, path);
	if (!str_to_i64(str_trim((struct str){.p = text, .n = (size_t)n}), &version) || version < 1)
		return error_set(err, ERR_INPUT,
			"open store %s: its file " MARKER
			" holds no version; if this is a store, write \"1\" into it, "
			"else name another folder as `store`",
			path);
	if (version > STORE_VERSION)
		return error_set(err, ERR_INPUT,
			"open store %s: it was made by a newer furrow (store version %lld, this "
			"furrow knows %d); use "
			"that furrow, or name another folder as `store`",
			path, (long long)version, STORE_VERSION);
	return 1;
}

static int
is_empty(int dir_fd, bool *empty)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	*empty = true;
	if (!d) {
		int rc = -errno;

		if (fd >= 0)
			close(fd);
		return rc;
	}
	while ((e = readdir(d))) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
			strcmp(e->d_name, MARKER_NEW) != 0)
			*empty = false;
	}
	closedir(d);
	return 0;
}

static int
write_marker(int dir_fd)
{
	char text[16];
	int fd, rc;

	fd = openat(
		dir_fd, MARKER_NEW, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
	if (fd < 0)
		return -errno;
	snprintf(text, sizeof(text), "%d\n", STORE_VERSION);
	rc = io_write_all(fd, text, strlen(text));
	if (rc == 0 && fsync(fd) < 0)
		rc = -errno;
	close(fd);
	if (rc == 0 && renameat(dir_fd, MARKER_NEW, dir_fd, MARKER) < 0)
		rc = -errno;
	if (rc < 0)
		unlinkat(dir_fd, MARKER_NEW, 0);
	else if (fsync(dir_fd) < 0 && errno != EINVAL)
		rc = -errno;
	return rc;
}

/* Makes an empty folder a store; ERR_MISSING for one when not `create`. */
static int
init(int dir_fd, const char *path, bool create, struct error *err)
{
	bool empty;
	int rc = is_empty(dir_fd, &empty);

	if (rc == 0 && !empty)
		return error_set(err, ERR_INPUT,
			"open store %s: the folder is not empty and is no furrow store (it has no "
			"file " MARKER "); name an empty or a new folder as `store`",
			path);
	if (rc == 0 && !create)
		return error_set(err, ERR_MISSING, "open store %s: there is no store yet", path);
	if (rc == 0)
		rc = write_marker(dir_fd);
	return rc < 0 ? error_set_errno(err, ERR_HOST, -rc, "make store %s", path) : 0;
}

static int
check_or_init(int dir_fd, const char *path, bool create, struct error *err)
{
	int rc = check_marker(dir_fd, path, err);

	if (rc != 0)
		return rc < 0 ? rc : 0;
	flock(dir_fd,
		LOCK_EX); /* another process may be at it as well; without locks: then without */
	rc = check_marker(dir_fd, path, err);
	if (rc == 0)
		rc = init(dir_fd, path, create, err);
	flock(dir_fd, LOCK_UN);
	return rc < 0 ? rc : 0;
}

static int
open_folder(const char *path, bool create, int *fd, struct error *err)
{
	int made = create ? io_make_folders(path) : 0;

	*fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*fd >= 0)
		return 0;
	if (errno == ENOTDIR || made == -ENOTDIR)
		return error_set_errno(
			err, ERR_INPUT, ENOTDIR, "open store %s (name a folder as `store`)", path);
	if (made < 0)
		return error_set_errno(err, ERR_HOST, -made, "make store %s", path);
	return error_set_errno(
		err, errno == ENOENT ? ERR_MISSING : ERR_HOST, errno, "open store %s", path);
}

static void
close_store(struct store *store)
{
	struct dir_store *s = dir_of(store);

	commit_drain(s);
	writer_close(s);
	index_forget_locked(s);
	close(s->dir_fd);
	pthread_mutex_destroy(&s->index_lock);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->work);
	free(s->path);
	free(s);
}

static const struct store_ops dir_ops = {
	.close = close_store,
	.list_results = dir_list_results,
	.list = dir_list,
	.get = dir_get,
	.open = dir_open,
	.put = dir_put,
	.remove = dir_remove,
	.result_begin = dir_result_begin,
	.result_write = dir_result_write,
	.result_take = dir_result_take,
	.result_commit = dir_result_commit,
	.result_abort = dir_result_abort,
	.gc = dir_gc,
	.gather = commit_gather,
	.readers = 1,
};

int
store_open_dir(struct store **out, const char *path, bool create, struct error *err)
{
	struct dir_store *s;
	int fd, rc;

	*out = NULL;
	rc = open_folder(path, create, &fd, err);
	if (rc < 0)
		return rc;
	rc = check_or_init(fd, path, create, err);
	if (rc < 0) {
		close(fd);
		return rc;
	}
	s = mem_alloc(sizeof(*s));
	*s = (struct dir_store){.dir_fd = fd, .own = -1, .writer_fd = -1, .sorted = true};
	s->path = mem_alloc(strlen(path) + 1);
	memcpy(s->path, path, strlen(path) + 1);
	s->base = (struct store){.ops = &dir_ops, .where = s->path};
	pthread_mutex_init(&s->index_lock, NULL);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->work, NULL);
	*out = &s->base;
	return 0;
}
