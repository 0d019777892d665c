/* writer: the temporary files of a store's writers, each in a folder that the writer holds a
 * lock on. The lock ends with the writer, so whoever gets it knows that the folder is a dead
 * one's. */
#include "providers/store/dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WRITER_ATTEMPTS = 100 };

static bool
is_writer_name(const char *name)
{
	return strlen(name) == WRITER_BYTES - 1 &&
	       strspn(name, "0123456789abcdef") == WRITER_BYTES - 1;
}

/* A sweeper may see the folder before it is locked, and remove it: then the next name is tried. */
static int
try_open(struct dir_store *s, const char *path)
{
	struct stat st;
	int fd;

	if (mkdirat(s->dir_fd, path, 0777) < 0)
		return -errno;
	fd = openat(s->dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -EAGAIN : -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &st) == 0 && st.st_nlink > 0)
		return fd;
	close(fd);
	return -EAGAIN;
}

static int
open_locked(struct dir_store *s, struct error *err)
{
	char path[STORE_PATH_BYTES];
	struct store_gc unused = {0};
	int fd = -EAGAIN;

	if (s->writer_fd >= 0)
		return 0;
	if (mkdirat(s->dir_fd, "tmp", 0777) < 0 && errno != EEXIST)
		return error_set_errno(err, ERR_HOST, errno, "store %s: make folder tmp", s->path);
	writer_sweep(s, false, &unused);
	for (int i = 0; i < WRITER_ATTEMPTS && (fd == -EAGAIN || fd == -EEXIST); i++) {
		dir_random_hex(s->writer, WRITER_BYTES - 1);
		snprintf(path, sizeof(path), "tmp/%s", s->writer);
		fd = try_open(s, path);
	}
	if (fd < 0)
		return error_set_errno(
			err, ERR_HOST, -fd, "store %s: make folder %s", s->path, path);
	s->writer_fd = fd;
	return 0;
}

/* fd: of the folder, locked; it is closed. */
static void
remove_folder(int parent, const char *name, int fd, bool dry, struct store_gc *count)
{
	DIR *d = fdopendir(fd); /* takes fd over */
	struct dirent *e;

	if (!d) {
		close(fd);
		return;
	}
	while ((e = readdir(d))) {
		struct stat st;

		if (e->d_name[0] == '.')
			continue;
		if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
			count->n_temporary++;
			count->bytes += st.st_size;
		}
		if (!dry)
			unlinkat(dirfd(d), e->d_name, 0);
	}
	if (!dry)
		unlinkat(parent, name,
			AT_REMOVEDIR); /* with the lock held, so a new writer sees it gone */
	closedir(d);
}

void
writer_sweep(struct dir_store *s, bool dry, struct store_gc *count)
{
	int tmp = openat(s->dir_fd, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = tmp < 0 ? NULL : fdopendir(tmp);
	struct dirent *e;

	if (!d) {
		if (tmp >= 0)
			close(tmp);
		return;
	}
	while ((e = readdir(d))) {
		int fd;

		if (!is_writer_name(e->d_name))
			continue;
		fd = openat(tmp, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0)
			continue;
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			remove_folder(tmp, e->d_name, fd, dry, count);
		else
			close(fd);
	}
	closedir(d);
}

bool
writer_is_alive(struct dir_store *s, const char writer[WRITER_BYTES])
{
	char path[STORE_PATH_BYTES];
	bool alive;
	int fd;

	if (s->writer_fd >= 0 && strcmp(s->writer, writer) == 0)
		return true;
	snprintf(path, sizeof(path), "tmp/%s", writer);
	fd = openat(s->dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return false;
	alive = flock(fd, LOCK_EX | LOCK_NB) < 0;
	close(fd);
	return alive;
}

void
writer_close(struct dir_store *s)
{
	char path[STORE_PATH_BYTES];
	struct store_gc unused = {0};

	if (s->writer_fd < 0)
		return;
	snprintf(path, sizeof(path), "tmp/%s", s->writer);
	remove_folder(s->dir_fd, path, s->writer_fd, false, &unused);
	s->writer_fd = -1;
}

int
writer_owner(struct dir_store *s, char out[RECORD_OWNER_BYTES], struct error *err)
{
	int rc;

	pthread_mutex_lock(&s->lock);
	rc = open_locked(s, err);
	if (rc == 0)
		snprintf(out, RECORD_OWNER_BYTES, "%s%08x", s->writer, ++s->n_names);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

int
writer_temporary(struct dir_store *s, char out[STORE_PATH_BYTES], struct error *err)
{
	char owner[RECORD_OWNER_BYTES];
	int rc = writer_owner(s, owner, err);

	if (rc == 0)
		snprintf(out, STORE_PATH_BYTES, "tmp/%.*s/%s", WRITER_BYTES - 1, owner,
			owner + WRITER_BYTES - 1);
	return rc;
}
