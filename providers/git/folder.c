/* folder: the working files of a folder, without git: what no .gitignore leaves out. Those of the
 * folders around it count as well, up to the one that holds ".git". ".git" itself is never part of
 * a source. */
#include "providers/git/ignore.h"
#include "providers/git/reader.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { IGNORE_FILE_BYTES = 1 << 20 };

struct folder_walk {
	struct source_reader *r;
	struct entries *entries;
	struct arena arena; /* the rules' text */
	struct ignore_rules rules;
	struct buf path; /* below the real top of the rules: above + what is below the workdir */
	size_t above;	 /* bytes of path that lie above the workdir, with their '/' */
};

static struct str
path_in_workdir(const struct folder_walk *w)
{
	return str_from_index(buf_str(&w->path), w->above);
}

/* No .gitignore, or one that is no readable file, has no rules. */
static void
read_rules(struct folder_walk *w, int dir_fd, struct str base)
{
	int fd = openat(dir_fd, ".gitignore", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct buf text = {0};
	ssize_t n;

	if (fd < 0)
		return;
	while (text.n < IGNORE_FILE_BYTES && (n = read(fd, buf_reserve(&text, 4096), 4096)) > 0)
		text.n += (size_t)n;
	close(fd);
	ignore_add(&w->rules, base, buf_str(&text));
	buf_free(&text);
}

/* Finds the folder above (or at) root that holds ".git" and reads the rules from there down to
 * above root. Leaves root's path below it in w->path, with a '/' behind. */
static void
read_rules_above(struct folder_walk *w)
{
	struct str root = w->r->root;
	size_t top = root.n;
	char *path = arena_cstr(&w->arena, root);

	for (;;) {
		struct str git = arena_printf(&w->arena, "%.*s/.git", (int)top, path);

		if (access(git.p, F_OK) == 0)
			break;
		while (top && path[top - 1] != '/')
			top--;
		if (top == 0)
			return;
		top--;
	}
	for (size_t at = top; at < root.n;) {
		struct str base = at > top ? (struct str){root.p + top + 1, at - top - 1} : STR("");
		struct str folder = arena_printf(&w->arena, "%.*s/", (int)at, path);
		int fd = open(folder.p, O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (fd >= 0) {
			read_rules(w, fd, base);
			close(fd);
		}
		do
			at++;
		while (at < root.n && path[at] != '/');
	}
	if (top < root.n) {
		buf_add_str(&w->path, str_from_index(root, top + 1));
		buf_add_char(&w->path, '/');
		w->above = w->path.n;
	}
}

static int walk_folder(struct folder_walk *w, int dir_fd, struct error *err);

static int
walk_subfolder(struct folder_walk *w, int dir_fd, const char *name, struct error *err)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	size_t keep = w->path.n;
	int rc;

	if (fd < 0)
		return error_set_errno(err, ERR_INPUT, errno,
			"open folder %.*s (a folder that shall not be part of the source belongs "
			"into "
			".gitignore)",
			STR_ARG(path_in_workdir(w)));
	buf_add_char(&w->path, '/');
	rc = walk_folder(w, fd, err);
	w->path.n = keep;
	return rc;
}

static int
walk_name(struct folder_walk *w, int dir_fd, const char *name, struct error *err)
{
	struct str path = path_in_workdir(w);
	struct source_entry entry = {.path = path};
	struct stat st;
	int rc;

	if (path.n > PATH_MAX_BYTES)
		return error_set(err, ERR_INPUT,
			"a path below the workdir is longer than %d bytes: "
			"%.60s...",
			PATH_MAX_BYTES, path.p);
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT
			       ? 0
			       : error_set_errno(err, ERR_INPUT, errno, "stat %.*s", STR_ARG(path));
	if (reader_skips(w->r, path, S_ISDIR(st.st_mode)) ||
		ignore_match(&w->rules, buf_str(&w->path), S_ISDIR(st.st_mode)))
		return 0;
	if (S_ISDIR(st.st_mode))
		return walk_subfolder(w, dir_fd, name, err);
	rc = blob_of_file(w->r->hasher, dir_fd, name, &st, path, &entry, err);
	return rc < 0 ? rc : entries_add(w->entries, &entry, err);
}

/* Takes over dir_fd. w->path is the folder's, with '/' behind unless it is the top. */
static int
walk_folder(struct folder_walk *w, int dir_fd, struct error *err)
{
	size_t n_rules = w->rules.n, keep = w->path.n;
	DIR *dir = fdopendir(dir_fd);
	struct dirent *d;
	int rc = 0;

	if (!dir) {
		rc = error_set_errno(err, ERR_INPUT, errno, "list %.*s", STR_ARG(w->r->root));
		close(dir_fd);
		return rc;
	}
	read_rules(w, dir_fd, (struct str){w->path.p ? w->path.p : "", keep ? keep - 1 : 0});
	while (rc == 0 && (errno = 0, d = readdir(dir))) {
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0 ||
			strcmp(d->d_name, ".git") == 0)
			continue;
		buf_add_cstr(&w->path, d->d_name);
		buf_cstr(&w->path);
		rc = walk_name(w, dir_fd, d->d_name, err);
		w->path.n = keep;
	}
	if (rc == 0 && errno)
		rc = error_set_errno(err, ERR_INPUT, errno, "list %.*s/%.*s", STR_ARG(w->r->root),
			STR_ARG(path_in_workdir(w)));
	w->rules.n = n_rules;
	closedir(dir);
	return rc;
}

int
folder_walk(struct source_reader *r, struct entries *e, struct error *err)
{
	struct folder_walk w = {.r = r, .entries = e};
	int fd = open(arena_cstr(&r->arena, r->root), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return error_set_errno(
			err, ERR_INPUT, errno, "open the workdir %.*s", STR_ARG(r->root));
	w.rules.arena = &w.arena;
	read_rules_above(&w);
	rc = walk_folder(&w, fd, err);
	ignore_free(&w.rules);
	buf_free(&w.path);
	arena_free(&w.arena);
	return rc;
}
