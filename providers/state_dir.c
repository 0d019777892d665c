/* state_dir: the folder .furrow beside a manifest: where what lies. It keeps itself out of git. */
#include "providers/state_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char *
below(struct arena *a, const char *dir, const char *name)
{
	return (char *)arena_printf(a, "%s/%s", dir, name).p;
}

int
state_make_dir(const char *path, struct error *err)
{
	if (mkdir(path, 0777) == 0 || errno == EEXIST)
		return 0;
	return error_set_errno(err, ERR_HOST, errno, "cannot make the folder %s", path);
}

static int
keep_out_of_git(const char *root, struct error *err)
{
	struct arena scratch = {0};
	const char *path = below(&scratch, root, ".gitignore");
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	int rc = 0;

	if (fd >= 0) {
		if (write(fd, "*\n", 2) != 2)
			rc = error_set_errno(err, ERR_HOST, errno, "cannot write %s", path);
		close(fd);
	} else if (errno != EEXIST) {
		rc = error_set_errno(err, ERR_HOST, errno, "cannot write %s", path);
	}
	arena_free(&scratch);
	return rc;
}

int
state_dir_open(struct arena *a, struct state_dir *out, const char *manifest_dir, bool create,
	struct error *err)
{
	const char *cache;
	int rc;

	out->root = below(a, manifest_dir, ".furrow");
	out->store = below(a, out->root, "store");
	out->runs = below(a, out->root, "runs");
	out->cache = below(a, out->root, "cache");
	out->work = below(a, out->root, "work");
	out->lock = below(a, out->root, "lock");
	if (!create)
		return 0;
	cache = out->cache;
	if ((rc = state_make_dir(out->root, err)) < 0 ||
		(rc = keep_out_of_git(out->root, err)) < 0 ||
		(rc = state_make_dir(out->runs, err)) < 0 ||
		(rc = state_make_dir(out->work, err)) < 0 ||
		(rc = state_make_dir(cache, err)) < 0 ||
		(rc = state_make_dir(below(a, cache, "source"), err)) < 0 ||
		(rc = state_make_dir(below(a, cache, "env"), err)) < 0)
		return rc;
	return 0;
}

static int remove_below(int dir, const char *path, struct error *err);

/* Removes `name` in the folder `dir`; path is for messages. */
static int
remove_entry(int dir, const char *name, const char *path, struct error *err)
{
	int fd, rc;

	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM && errno != ENOTDIR)
		return error_set_errno(err, ERR_HOST, errno, "cannot remove %s in %s", name, path);
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == EACCES && fchmodat(dir, name, 0700, 0) == 0)
		fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0; /* a process of a dead run, on its way out, was faster */
	if (fd < 0)
		return error_set_errno(err, ERR_HOST, errno, "cannot remove %s in %s", name, path);
	rc = remove_below(fd, path, err);
	if (rc == 0 && unlinkat(dir, name, AT_REMOVEDIR) != 0 && errno != ENOENT)
		rc = error_set_errno(err, ERR_HOST, errno, "cannot remove %s in %s", name, path);
	return rc;
}

/* Empties the open folder fd, which it closes. */
static int
remove_below(int fd, const char *path, struct error *err)
{
	struct dirent *entry;
	DIR *dir;
	int rc = 0;

	fchmod(fd, 0700);
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return error_set_errno(err, ERR_HOST, errno, "cannot read a folder in %s", path);
	}
	while (rc == 0 && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			rc = remove_entry(fd, entry->d_name, path, err);
	}
	closedir(dir);
	return rc;
}

int
state_remove_tree(const char *path, struct error *err)
{
	return remove_entry(AT_FDCWD, path, path, err);
}

int
state_remove_whole(const char *path, struct error *err)
{
	struct arena scratch = {0};
	const char *partial = arena_printf(&scratch, "%s.partial", path).p;
	int rc = state_remove_tree(partial, err);

	if (rc == 0 && rename(path, partial) != 0 && errno != ENOENT)
		rc = error_set_errno(err, ERR_HOST, errno, "cannot rename %s", path);
	if (rc == 0)
		rc = state_remove_tree(partial, err);
	arena_free(&scratch);
	return rc;
}
