/* collect: bringing results into the results folder.
 *
 * Everything is prepared in RESULTS/.furrow-tmp and synced at once. Then the index is replaced
 * by one that calls the folders that are about to change pending, the folders are renamed into
 * place (exchanged with what an older result left), and at last the index says what lies there.
 * Interrupted at any moment, each folder is old or new as a whole, and the next collect knows
 * which ones it has to look after. The results folder is locked meanwhile, so what lies in
 * .furrow-tmp at the beginning is what a killed one left.
 *
 * Below the results folder (which may be a symlink itself) no symlink is followed. */
#include "providers/store/collect.h"

#include "providers/parallel.h"
#include "providers/store/collect_fill.h"
#include "providers/store/collect_plan.h"
#include "providers/store/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct collecting {
	struct store *store;
	const char *path; /* of the results folder, for messages */
	int results_fd, temporary_fd;
	struct arena arena;
	struct collect_plan plan;
	struct collect_report *report;
	struct error *err;
	/* While folders are filled side by side: over temporary_fd, report, and what follows. */
	pthread_mutex_t lock;
	struct error first; /* of those that failed */
	int failed;	    /* its code; 0: none */
	bool stop;	    /* the next one would fail as well */
};

static int
failed(const struct collecting *c, struct error *err, int os_errno, const char *what,
	struct str folder)
{
	return error_set_errno(err, ERR_HOST, os_errno, "collect into %s: %s %.*s", c->path, what,
		STR_ARG(folder));
}

/* A folder that cannot be read, as a task may leave one, is made readable first. */
static int
open_to_remove(int parent, const char *name)
{
	int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(parent, name, flags);

	if (fd < 0 && errno == EACCES && fchmodat(parent, name, 0700, 0) == 0)
		fd = openat(parent, name, flags);
	return fd;
}

/* Removes a folder with all that is in it, following no symlink. fd is closed. */
static void
remove_content(int fd)
{
	DIR *d = fdopendir(fd);
	struct dirent *e;

	if (!d) {
		close(fd);
		return;
	}
	while ((e = readdir(d))) {
		int below;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(d), e->d_name, 0) == 0 || (errno != EISDIR && errno != EPERM))
			continue;
		below = open_to_remove(dirfd(d), e->d_name);
		if (below >= 0)
			remove_content(below);
		unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR);
	}
	closedir(d);
}

static void
remove_temporary(int results_fd)
{
	int fd = openat(
		results_fd, COLLECT_TEMPORARY, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0) {
		remove_content(fd);
		unlinkat(results_fd, COLLECT_TEMPORARY, AT_REMOVEDIR);
	}
}

static int
open_results(struct collecting *c)
{
	int made = io_make_folders(c->path);

	c->results_fd = open(c->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->results_fd < 0)
		return collect_not_writable(
			c->path, errno == ENOENT && made < 0 ? -made : errno, c->err);
	while (flock(c->results_fd, LOCK_EX) < 0 && errno == EINTR)
		continue;
	remove_temporary(c->results_fd);
	return 0;
}

/* Only when there is something to write. */
static int
open_temporary(struct collecting *c, struct error *err)
{
	if (c->temporary_fd >= 0)
		return 0;
	if (mkdirat(c->results_fd, COLLECT_TEMPORARY, 0700) < 0)
		return collect_not_writable(c->path, errno, err);
	c->temporary_fd = openat(
		c->results_fd, COLLECT_TEMPORARY, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return c->temporary_fd < 0 ? collect_not_writable(c->path, errno, err) : 0;
}

/* What is there under a task's name and is not from us is the user's. */
static int
check_free(void *ctx, struct str folder, struct error *err)
{
	struct collecting *c = ctx;
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%.*s", STR_ARG(folder));
	if (fstatat(c->results_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return error_set(err, ERR_INPUT,
			"collect into %s: there is a %s %s that furrow has not made; move it away, "
			"or name another folder "
			"as `results`",
			c->path, S_ISDIR(st.st_mode) ? "folder" : "file", path);
	return errno == ENOENT ? 0 : collect_not_writable(path, errno, err);
}

static int
make_folder(struct collecting *c, struct collect_entry *e, const struct result *r, int64_t *bytes,
	struct error *err)
{
	struct str folder = e->item->folder;
	char name[16];
	int fd, rc;

	pthread_mutex_lock(&c->lock);
	rc = open_temporary(c, err);
	pthread_mutex_unlock(&c->lock);
	if (rc < 0)
		return rc;
	snprintf(name, sizeof(name), "%08x", e->number);
	if (mkdirat(c->temporary_fd, name, 0777) < 0)
		return failed(c, err, errno, "make", folder);
	fd = openat(c->temporary_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return failed(c, err, errno, "make", folder);
	rc = collect_fill(c->store, r, fd, bytes, err);
	close(fd);
	return rc < 0 ? error_wrap(err, "collect %.*s", STR_ARG(folder)) : 0;
}

/* 1: the store has no such result. */
static int
prepare(struct collecting *c, struct collect_entry *e, int64_t *bytes, struct error *err)
{
	struct arena scratch = {0};
	struct result r;
	int rc = e->item->is_empty ? 0 : result_load(c->store, &scratch, &r, &e->item->key, err);
	bool has_files = rc == 0 && !e->item->is_empty && collect_has_files(&r);

	if (has_files)
		rc = make_folder(c, e, &r, bytes, err);
	arena_free(&scratch);
	if (rc == 0) {
		e->prepared = has_files;
		e->changes = true;
	}
	return rc == ERR_MISSING && !has_files ? 1 : rc;
}

/* Whether it makes no sense to go on with the next result: the disk is full, say. */
static bool
is_general(const struct error *err)
{
	return err->os_errno != 0 && err->os_errno != ENAMETOOLONG;
}

/* One result that cannot be unpacked doesn't keep the others from their folders. */
static void
prepare_one(void *ctx, size_t i)
{
	struct collecting *c = ctx;
	struct collect_entry *e = &c->plan.entries[i];
	struct error err;
	int64_t bytes = 0;
	bool stop;
	int rc;

	pthread_mutex_lock(&c->lock);
	stop = c->stop;
	pthread_mutex_unlock(&c->lock);
	e->number = (uint32_t)i;
	if (e->kept || stop)
		return;
	rc = prepare(c, e, &bytes, &err);
	pthread_mutex_lock(&c->lock);
	c->report->bytes += bytes;
	c->report->n_missing += rc > 0;
	if (rc < 0 && !c->failed) {
		c->first = err;
		c->failed = rc;
	}
	c->stop |= rc < 0 && is_general(&err);
	pthread_mutex_unlock(&c->lock);
}

/* The folder that a task's folder is in; made when it isn't there. < 0: -errno. */
static int
open_parent(int results_fd, struct str folder, char last[NAME_MAX + 1])
{
	int fd = fcntl(results_fd, F_DUPFD_CLOEXEC, 0);

	for (;;) {
		struct str part = str_cut(&folder, '/');
		int below;

		snprintf(last, NAME_MAX + 1, "%.*s", STR_ARG(part));
		if (!folder.p || fd < 0)
			return fd < 0 ? -errno : fd;
		below = mkdirat(fd, last, 0777) < 0 && errno != EEXIST
				? -1
				: openat(fd, last, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (below < 0) {
			int saved = errno;

			close(fd);
			return -saved;
		}
		close(fd);
		fd = below;
	}
}

/* Puts the new folder in place of the old one, which then lies under the new one's temporary
 * name. */
static int
exchange(struct collecting *c, const char *temporary, int parent, const char *last)
{
	char aside[32];

	if (renameat2(c->temporary_fd, temporary, parent, last, RENAME_EXCHANGE) == 0)
		return 0;
	if (errno == ENOENT)
		return renameat(c->temporary_fd, temporary, parent, last) < 0 ? -errno : 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	snprintf(aside, sizeof(aside), "%s.old",
		temporary); /* a file system that cannot: in two steps */
	if (renameat(parent, last, c->temporary_fd, aside) < 0 ||
		renameat(c->temporary_fd, temporary, parent, last) < 0)
		return -errno;
	return 0;
}

static int
place_new(struct collecting *c, const char *temporary, int parent, const char *last)
{
	if (renameat2(c->temporary_fd, temporary, parent, last, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	return renameat(c->temporary_fd, temporary, parent, last) < 0
		       ? -errno
		       : 0; /* fails on a folder in use */
}

static int
place(struct collecting *c, const struct collect_entry *e)
{
	char temporary[16], last[NAME_MAX + 1];
	int parent = open_parent(c->results_fd, e->item->folder, last), rc;

	if (parent == -ELOOP || parent == -ENOTDIR)
		return error_set(c->err, ERR_INPUT,
			"collect into %s: %.*s would lie in what is no folder but a file or a "
			"symlink: move that away",
			c->path, STR_ARG(e->item->folder));
	if (parent < 0)
		return failed(c, c->err, -parent, "make", e->item->folder);
	snprintf(temporary, sizeof(temporary), "%08x", e->number);
	if (!e->prepared) /* nothing to bring any more */
		rc = renameat(parent, last, c->temporary_fd, temporary) < 0 && errno != ENOENT
			     ? -errno
			     : 0;
	else if (e->replaces)
		rc = exchange(c, temporary, parent, last);
	else
		rc = place_new(c, temporary, parent, last);
	close(parent);
	return rc < 0 ? failed(c, c->err, -rc, "put in place", e->item->folder) : 0;
}

static int
write_index(struct collecting *c, bool pending)
{
	struct collect_index index = collect_plan_merge(&c->plan, &c->arena, pending);
	int rc = open_temporary(c, c->err);

	if (rc < 0)
		return rc;
	rc = collect_index_write(c->temporary_fd, &index);
	if (rc == 0 && renameat(c->temporary_fd, COLLECT_INDEX, c->results_fd, COLLECT_INDEX) < 0)
		rc = -errno;
	if (rc == 0 && fsync(c->results_fd) < 0)
		rc = -errno;
	return rc < 0 ? failed(c, c->err, -rc, "write", STR(COLLECT_INDEX)) : 0;
}

static bool
needs_place(const struct collect_entry *e)
{
	return e->changes && (e->prepared || e->replaces);
}

/* What could not be put in place is as it was, and no longer a change. */
static int
publish_folders(struct collecting *c)
{
	int rc;

	if (syncfs(c->results_fd) < 0)
		rc = failed(c, c->err, errno, "sync", STR("."));
	else
		rc = write_index(c, true);
	for (size_t i = 0; i < c->plan.n; i++) {
		struct collect_entry *e = &c->plan.entries[i];

		if (rc == 0 && needs_place(e))
			rc = place(c, e);
		if (rc < 0 && needs_place(e))
			e->changes = false;
	}
	if (rc == 0 && syncfs(c->results_fd) < 0)
		rc = failed(c, c->err, errno, "sync", STR("."));
	return rc;
}

/* The index at the end is true whatever happened: what it calls pending, the next collect would
 * take for its own. */
static int
publish(struct collecting *c)
{
	bool any = false, folders = false;
	int rc = 0;

	for (size_t i = 0; i < c->plan.n; i++) {
		any |= c->plan.entries[i].changes;
		folders |= needs_place(&c->plan.entries[i]);
	}
	if (folders)
		rc = publish_folders(c);
	if (any) {
		struct error unwanted = {0}, *err = c->err;
		int wrote;

		c->err = rc < 0 ? &unwanted : err;
		wrote = write_index(c, false);
		c->err = err;
		rc = rc < 0 ? rc : wrote;
	}
	for (size_t i = 0; i < c->plan.n; i++)
		c->report->n_written += c->plan.entries[i].changes;
	return rc;
}

/* What has to be brought, against what lies in the open results folder. */
static int
decide(struct collecting *c)
{
	int rc = collect_index_read(&c->arena, c->results_fd, &c->plan.old, c->err);

	if (rc < 0)
		return rc;
	collect_index_look(c->results_fd, &c->plan.old);
	return collect_plan_decide(&c->plan, &c->report->n_kept, check_free, c, c->err);
}

int
collect_check_items(
	const char *results_dir, const struct collect_item *items, size_t n, struct error *err)
{
	struct collect_report report = {0};
	struct collecting c = {
		.path = results_dir, .plan = {.where = results_dir}, .report = &report, .err = err};
	int rc = collect_plan_items(&c.plan, &c.arena, items, n, err);

	c.results_fd = open(results_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (rc == 0 && c.results_fd >= 0)
		rc = decide(&c);
	else if (rc == 0 && errno != ENOENT)
		rc = collect_not_writable(results_dir, errno, err);
	if (c.results_fd >= 0)
		close(c.results_fd);
	arena_free(&c.arena);
	return rc;
}

static int
run(struct collecting *c, const struct collect_item *items, size_t n)
{
	struct error *err = c->err;
	int rc, published;

	rc = collect_plan_items(&c->plan, &c->arena, items, n, err);
	if (rc == 0)
		rc = open_results(c);
	if (rc == 0)
		rc = decide(c);
	if (rc < 0)
		return rc;
	parallel_for(c->plan.n, store_readers(c->store), prepare_one, c);
	published = publish(c);
	if (c->failed)
		*err = c->first;
	return c->failed ? c->failed : published;
}

int
collect_run(struct store *s, const char *results_dir, const struct collect_item *items, size_t n,
	struct collect_report *report, struct error *err)
{
	struct error unwanted = {0};
	struct collecting c = {.store = s,
		.path = results_dir,
		.plan = {.where = results_dir},
		.results_fd = -1,
		.temporary_fd = -1,
		.report = report,
		.err = err ? err : &unwanted};
	int rc;

	*report = (struct collect_report){0};
	pthread_mutex_init(&c.lock, NULL);
	rc = run(&c, items, n);
	pthread_mutex_destroy(&c.lock);
	if (c.temporary_fd >= 0) {
		close(c.temporary_fd);
		remove_temporary(c.results_fd);
	}
	if (c.results_fd >= 0)
		close(c.results_fd);
	arena_free(&c.arena);
	return rc;
}
