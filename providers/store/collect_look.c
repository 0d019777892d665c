/* collect_look: what lies in a results folder, and whether it could be written to; changes
 * nothing. */
#include "providers/store/collect.h"

#include "providers/store/collect_index.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int
collect_not_writable(const char *path, int os_errno, struct error *err)
{
	bool is_users = os_errno == EACCES || os_errno == EPERM || os_errno == EROFS ||
			os_errno == ENOTDIR || os_errno == ELOOP || os_errno == ENAMETOOLONG ||
			os_errno == ENOENT;

	return error_set_errno(err, is_users ? ERR_INPUT : ERR_HOST, os_errno,
		"results folder %s is %s", path,
		os_errno == ENOTDIR ? "no folder, name another one as `results`" : "not writable");
}

int
collect_observe(struct arena *a, const char *results_dir, struct collected **out, size_t *n,
	struct error *err)
{
	struct collect_index index;
	int rc, fd = open(results_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	*out = NULL;
	*n = 0;
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return collect_not_writable(results_dir, errno, err);
	rc = collect_index_read(a, fd, &index, err);
	if (rc < 0) {
		close(fd);
		return error_wrap(err, "results folder %s", results_dir);
	}
	collect_index_look(fd, &index);
	close(fd);
	*out = index.v;
	for (size_t i = 0; i < index.n; i++) {
		if (index.state[i] == COLLECT_FOLDER || index.state[i] == COLLECT_EMPTY)
			index.v[(*n)++] = index.v[i];
	}
	return 0;
}

int
collect_check(const char *results_dir, struct error *err)
{
	char path[PATH_MAX];
	struct stat st;

	if (strlen(results_dir) >= sizeof(path))
		return collect_not_writable(results_dir, ENAMETOOLONG, err);
	snprintf(path, sizeof(path), "%s", results_dir);
	while (stat(path, &st) < 0) { /* the nearest one that is there */
		char *slash = strrchr(path, '/');

		if (errno != ENOENT)
			return collect_not_writable(results_dir, errno, err);
		if (lstat(path, &st) == 0)
			return error_set(err, ERR_INPUT,
				"results folder %s: %s is a symlink to nowhere", results_dir, path);
		if (!slash)
			snprintf(path, sizeof(path), ".");
		else
			slash[slash == path] = '\0';
	}
	if (!S_ISDIR(st.st_mode))
		return collect_not_writable(results_dir, ENOTDIR, err);
	if (faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS) < 0)
		return collect_not_writable(results_dir, errno, err);
	return 0;
}
