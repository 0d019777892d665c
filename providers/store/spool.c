/* spool: TMPDIR/furrow-spool-UID-XXXXXX/. */
#include "providers/store/spool.h"

#include "planner/base/buf.h"
#include "planner/base/arena.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct spool {
	int fd; /* of the folder, locked */
	atomic_uint n_names;
	char path[PATH_MAX];
};

static const char *
base(void)
{
	const char *tmpdir = getenv("TMPDIR");

	if (tmpdir && tmpdir[0] == '/')
		return tmpdir;
	return access("/var/tmp", W_OK | X_OK) == 0 ? "/var/tmp" : "/tmp";
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)ftw;
	if (type == FTW_D || type == FTW_DP)
		chmod(path, 0700); /* what a task leaves may be closed to its owner */
	remove(path);
	return 0;
}

void
spool_remove(const char *path)
{
	nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* What dead ones of this user left. */
static void
sweep(const char *beginning, const char *own)
{
	DIR *d = opendir(base());
	struct dirent *e;

	while (d && (e = readdir(d))) {
		char path[PATH_MAX];
		struct stat st;
		int fd, n;

		if (strncmp(e->d_name, beginning, strlen(beginning)) != 0 ||
			strcmp(e->d_name, own) == 0)
			continue;
		n = snprintf(path, sizeof(path), "%s/%s", base(), e->d_name);
		if (n < 0 || (size_t)n >= sizeof(path))
			continue;
		fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (fstat(fd, &st) == 0 && st.st_uid == geteuid() &&
			flock(fd, LOCK_EX | LOCK_NB) == 0)
			spool_remove(path);
		close(fd);
	}
	if (d)
		closedir(d);
}

/* A sweeper may see it before it is locked, and remove it: then another one. */
static int
make_locked(struct spool *s, const char *beginning)
{
	for (int i = 0; i < 100; i++) {
		struct stat st;

		snprintf(s->path, sizeof(s->path), "%s/%sXXXXXX", base(), beginning);
		if (!mkdtemp(s->path))
			return -errno;
		s->fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (s->fd >= 0 && flock(s->fd, LOCK_EX | LOCK_NB) == 0 && fstat(s->fd, &st) == 0 &&
			st.st_nlink > 0)
			return 0;
		if (s->fd >= 0)
			close(s->fd);
	}
	return -EAGAIN;
}

int
spool_open(struct spool **out, struct error *err)
{
	struct spool *s = mem_alloc(sizeof(*s));
	char beginning[48];
	int rc;

	*out = NULL;
	*s = (struct spool){.fd = -1};
	snprintf(beginning, sizeof(beginning), "furrow-spool-%u-", (unsigned)geteuid());
	rc = make_locked(s, beginning);
	if (rc < 0) {
		free(s);
		return error_set_errno(err, ERR_HOST, -rc,
			"make a folder for temporary files in %s (TMPDIR names another place)",
			base());
	}
	sweep(beginning, strrchr(s->path, '/') + 1);
	*out = s;
	return 0;
}

void
spool_close(struct spool *s)
{
	if (!s)
		return;
	spool_remove(s->path);
	close(s->fd);
	free(s);
}

int
spool_name(struct spool *s, char path[SPOOL_PATH_BYTES], struct error *err)
{
	int n = snprintf(
		path, SPOOL_PATH_BYTES, "%s/%08x", s->path, atomic_fetch_add(&s->n_names, 1));

	return n >= SPOOL_PATH_BYTES ? error_set(err, ERR_HOST,
					       "%s is too long a name for temporary files", s->path)
				     : 0;
}

int
spool_unlinked_file(void)
{
	char path[PATH_MAX];
	int fd = open(base(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0)
		return fd;
	if (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT && errno != EINVAL)
		return -errno;
	snprintf(path, sizeof(path), "%s/furrow-XXXXXX", base()); /* a file system that cannot */
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	unlink(path);
	return fd;
}
