/* folder: making, using again and removing the folders of tasks. */
#include "cmd/runner/folder.h"

#include "cmd/runner/alloc.h"
#include "cmd/runner/child.h"
#include "cmd/runner/dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	CLEAN_BUDGET = 64, /* entries that are removed here rather than by a child */
	OLD_TIME_S = 1000000000
};

static const char *const parts[] = {"work", "out", "tmp"};
enum { N_PARTS = sizeof(parts) / sizeof(parts[0]) };

void
folder_name(char out[FOLDER_NAME_BYTES + 16], uint64_t id, const char *sub)
{
	snprintf(
		out, FOLDER_NAME_BYTES + 16, sub ? "%llu/%s" : "%llu", (unsigned long long)id, sub);
}

struct listing {
	struct folders *f;
	const char *without; /* first part of outputs */
	size_t without_n;
};

static int
add_entry(void *ctx, const char *name, unsigned char type)
{
	struct listing *l = ctx;
	struct folders *f = l->f;

	(void)type;
	if (strlen(name) == l->without_n && memcmp(name, l->without, l->without_n) == 0)
		return 0;
	if ((f->n_entries & (f->n_entries - 1)) == 0)
		f->entries = must_realloc(f->entries, (f->n_entries * 2 + 1) * sizeof(*f->entries));
	f->entries[f->n_entries++] = must_copy(name, strlen(name));
	return 0;
}

static int
list_source(struct folders *f, const char *outputs)
{
	struct listing l = {.f = f};
	int fd, r;

	while (outputs[0] == '/' || (outputs[0] == '.' && outputs[1] == '/'))
		outputs++;
	l.without = outputs;
	l.without_n = strcspn(outputs, "/");
	fd = open(f->source, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	r = dir_each(fd, add_entry, &l);
	close(fd);
	return r;
}

/* Asks for a far away place on the disk for what is made in the folder. ext4 without a journal
 * looks at each lately removed inode of the neighbourhood before it takes a new one: where much was
 * removed that makes 0.3 ms of a mkdir's 0.02. The place comes from the name, so who wants another
 * one each time gives another name. Only ext4 knows this, and nothing but time depends on it. */
static void
spread(int fd)
{
	int flags;

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0)
		return;
	flags |= FS_TOPDIR_FL;
	ioctl(fd, FS_IOC_SETFLAGS, &flags);
}

static int
make_tasks(struct folders *f)
{
	char name[FOLDER_NAME_BYTES + 16];

	spread(f->root_fd);
	snprintf(name, sizeof(name), ".tasks-%ld", f->old_ns);
	if (mkdirat(f->root_fd, name, 0755) != 0)
		return -1;
	if (renameat(f->root_fd, name, f->root_fd, "tasks") == 0)
		return 0;
	/* What an earlier runner left there is of no use to anybody. */
	if ((errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR) &&
		dir_remove(f->root_fd, "tasks") == 0 &&
		renameat(f->root_fd, name, f->root_fd, "tasks") == 0)
		return 0;
	unlinkat(f->root_fd, name, AT_REMOVEDIR);
	return -1;
}

int
folders_open(struct folders *f, const char *root, const char *source, const char *outputs,
	char *why, size_t why_bytes)
{
	const char *what = "making the folder";
	struct timespec now;

	*f = (struct folders){.root_fd = -1, .tasks_fd = -1};
	clock_gettime(CLOCK_MONOTONIC, &now);
	f->old_ns = now.tv_nsec / 10 * 10 % 999999000;
	f->source = must_copy(source, strlen(source));
	f->tasks = must_alloc(strlen(root) + sizeof("/tasks"));
	snprintf(f->tasks, strlen(root) + sizeof("/tasks"), "%s/tasks", root);
	if (mkdir(root, 0700) != 0 && errno != EEXIST)
		goto failed;
	f->root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->root_fd < 0)
		goto failed;
	if (make_tasks(f) != 0)
		goto failed;
	f->tasks_fd = openat(f->root_fd, "tasks", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->tasks_fd < 0)
		goto failed;
	if (source[0] && list_source(f, outputs) != 0) {
		what = "reading the source folder";
		root = source;
		goto failed;
	}
	return 0;
failed:
	snprintf(why, why_bytes, "%s %s: %s", what, root, strerror(errno));
	return -1;
}

/* The times of the folder (part NULL) and of its parts differ from each other and between runners:
 * a task that copies times around, or unpacks them, doesn't hit upon them. */
static struct timespec
old_time(const struct folders *f, const char *part)
{
	struct timespec t = {.tv_sec = OLD_TIME_S, .tv_nsec = f->old_ns};

	for (size_t i = 0; part && i < N_PARTS; i++) {
		if (strcmp(parts[i], part) == 0)
			t.tv_nsec += (long)i + 1;
	}
	return t;
}

static int
make_old(struct folders *f, uint64_t id, const char *part)
{
	char name[FOLDER_NAME_BYTES + 16];
	struct timespec t[2] = {old_time(f, part), old_time(f, part)};

	folder_name(name, id, part);
	return utimensat(f->tasks_fd, name, t, AT_SYMLINK_NOFOLLOW);
}

static bool
is_old(struct folders *f, uint64_t id, const char *part)
{
	char name[FOLDER_NAME_BYTES + 16];
	struct timespec t = old_time(f, part);
	struct stat st;

	folder_name(name, id, part);
	return fstatat(f->tasks_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       st.st_mode == (S_IFDIR | 0755) && st.st_mtim.tv_sec == t.tv_sec &&
	       st.st_mtim.tv_nsec == t.tv_nsec;
}

static int
make_link(struct folders *f, int work_fd, const char *entry)
{
	char target[PATH_MAX];
	int n = snprintf(target, sizeof(target), "%s/%s", f->source, entry);

	if (n < 0 || (size_t)n >= sizeof(target)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return symlinkat(target, work_fd, entry);
}

static int
make_links(struct folders *f, const char *work)
{
	int fd, r = 0;

	if (f->n_entries == 0)
		return 0;
	fd = openat(f->tasks_fd, work, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -1;
	for (size_t i = 0; i < f->n_entries && r == 0; i++) {
		r = make_link(f, fd, f->entries[i]);
		if (r != 0 && errno == EEXIST)
			r = 0;
	}
	close(fd);
	return r;
}

static void
doom(struct folders *f, uint64_t id)
{
	if (f->n_doomed == f->cap_doomed) {
		f->cap_doomed = f->cap_doomed * 2 + 16;
		f->doomed = must_realloc(f->doomed, f->cap_doomed * sizeof(*f->doomed));
	}
	f->doomed[f->n_doomed++] = id;
}

static int
make_anew(struct folders *f, uint64_t id)
{
	char name[FOLDER_NAME_BYTES + 16];

	folder_name(name, id, NULL);
	if (mkdirat(f->tasks_fd, name, 0755) != 0)
		return -1;
	for (size_t i = 0; i < N_PARTS; i++) {
		folder_name(name, id, parts[i]);
		if (mkdirat(f->tasks_fd, name, 0755) != 0 || (i == 0 && make_links(f, name) != 0) ||
			make_old(f, id, parts[i]) != 0)
			return -1;
	}
	return make_old(f, id, NULL);
}

int
folder_open(const struct folders *f, uint64_t id)
{
	char name[FOLDER_NAME_BYTES + 16];

	folder_name(name, id, NULL);
	return openat(f->tasks_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int
folder_make(struct folders *f, uint64_t id)
{
	char from[FOLDER_NAME_BYTES + 16], to[FOLDER_NAME_BYTES + 16];
	int e;

	if (f->n_spare) {
		folder_name(from, f->spare[--f->n_spare], NULL);
		folder_name(to, id, NULL);
		return renameat(f->tasks_fd, from, f->tasks_fd, to);
	}
	if (make_anew(f, id) == 0)
		return 0;
	e = errno;
	doom(f, id);
	errno = e;
	return -1;
}

static bool
is_new(struct folders *f, uint64_t id)
{
	for (size_t i = 0; i < N_PARTS; i++) {
		if (!is_old(f, id, parts[i]))
			return false;
	}
	return is_old(f, id, NULL);
}

struct cleaning {
	struct folders *f;
	int fd;
	int budget;
	size_t n_links; /* of ours that are still there */
	bool removed;	/* something, in this pass */
	bool failed;
};

/* In the folder itself: the parts stay. */
static int
clean_top(void *ctx, const char *name, unsigned char type)
{
	struct cleaning *c = ctx;

	for (size_t i = 0; i < N_PARTS; i++) {
		if (strcmp(name, parts[i]) == 0)
			return 0;
	}
	c->removed = true;
	c->failed |= type == DT_DIR || --c->budget < 0 || unlinkat(c->fd, name, 0) != 0;
	return c->failed;
}

static bool
is_our_link(struct cleaning *c, const char *name)
{
	size_t n = strlen(c->f->source);
	char target[PATH_MAX];
	ssize_t got = readlinkat(c->fd, name, target, sizeof(target));

	return n && got == (ssize_t)(n + 1 + strlen(name)) &&
	       memcmp(target, c->f->source, n) == 0 && target[n] == '/' &&
	       memcmp(target + n + 1, name, strlen(name)) == 0;
}

/* In work/: symlinks as we made them stay. */
static int
clean_work(void *ctx, const char *name, unsigned char type)
{
	struct cleaning *c = ctx;
	int fd;

	if (type == DT_LNK && is_our_link(c, name)) {
		c->n_links++;
		return 0;
	}
	c->removed = true;
	if (type == DT_DIR) {
		fd = openat(c->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		c->failed = fd < 0 || dir_empty(fd, &c->budget) != 0 ||
			    unlinkat(c->fd, name, AT_REMOVEDIR) != 0;
		if (fd >= 0)
			close(fd);
	} else {
		c->failed = unlinkat(c->fd, name, 0) != 0;
	}
	c->failed |= --c->budget < 0;
	return c->failed;
}

/* Until a pass finds nothing: a listing may pass over names while others go. */
static bool
clean_passes(struct cleaning *c, dir_fn each)
{
	do {
		c->removed = false;
		c->n_links = 0;
		c->failed |= dir_each(c->fd, each, c) != 0;
	} while (c->removed && !c->failed);
	return !c->failed;
}

/* One of the parts, or the folder itself (part NULL). */
static bool
clean(struct cleaning *c, uint64_t id, const char *part)
{
	char name[FOLDER_NAME_BYTES + 16];
	bool work = part && strcmp(part, "work") == 0;

	folder_name(name, id, part);
	if (is_old(c->f, id, part))
		return true;
	c->fd = openat(c->f->tasks_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (c->fd < 0 || fchmod(c->fd, 0755) != 0)
		c->failed = true;
	else if (!part || work)
		clean_passes(c, part ? clean_work : clean_top);
	else
		c->failed |= dir_empty(c->fd, &c->budget) != 0;
	if (c->fd >= 0)
		close(c->fd);
	if (c->failed)
		return false;
	return (!work || c->n_links == c->f->n_entries || make_links(c->f, name) == 0) &&
	       make_old(c->f, id, part) == 0;
}

void
folder_give_back(struct folders *f, uint64_t id)
{
	struct cleaning c = {.f = f, .budget = CLEAN_BUDGET};
	bool ok = f->n_spare < FOLDER_SPARE_MAX;

	for (size_t i = 0; ok && i < N_PARTS; i++)
		ok = clean(&c, id, parts[i]);
	if (ok && clean(&c, id, NULL))
		f->spare[f->n_spare++] = id;
	else
		doom(f, id);
}

bool
folder_give_back_new(struct folders *f, uint64_t id)
{
	if (f->n_spare == FOLDER_SPARE_MAX || !is_new(f, id))
		return false;
	f->spare[f->n_spare++] = id;
	return true;
}

void
folders_trim(struct folders *f, size_t keep)
{
	while (f->n_spare > keep)
		doom(f, f->spare[--f->n_spare]);
}

/* A child that removes every step-th of the doomed ones, or -1. */
static pid_t
start_remover(struct folders *f, size_t first, size_t step)
{
	char name[FOLDER_NAME_BYTES + 16];
	pid_t pid = child_fork(f->tasks_fd, f->tasks_fd);

	if (pid != 0)
		return pid;
	for (size_t i = first; i < f->n_doomed; i += step) {
		folder_name(name, f->doomed[i], NULL);
		dir_remove(f->tasks_fd, name);
	}
	_exit(0);
}

/* FOLDER_REMOVERS: it is none of them. */
static size_t
find_remover(const struct folders *f, pid_t pid)
{
	size_t i = 0;

	while (i < FOLDER_REMOVERS && f->removers[i] != pid)
		i++;
	return i;
}

void
folders_remove(struct folders *f)
{
	char name[FOLDER_NAME_BYTES + 16];
	size_t idle = find_remover(f, 0);
	pid_t pid;

	if (idle == FOLDER_REMOVERS || f->n_doomed == 0)
		return;
	pid = start_remover(f, 0, 1);
	if (pid < 0) {
		/* No process to be had: then here, one at a time. */
		folder_name(name, f->doomed[--f->n_doomed], NULL);
		dir_remove(f->tasks_fd, name);
		return;
	}
	f->removers[idle] = pid;
	f->n_doomed = 0;
}

bool
folders_is_remover(const struct folders *f, pid_t pid)
{
	return find_remover(f, pid) < FOLDER_REMOVERS;
}

bool
folders_removed(struct folders *f, pid_t pid)
{
	size_t i = find_remover(f, pid);

	if (i == FOLDER_REMOVERS)
		return false;
	f->removers[i] = 0;
	return true;
}

static int
doom_entry(void *ctx, const char *name, unsigned char type)
{
	(void)type;
	doom(ctx, strtoull(name, NULL, 10));
	return 0;
}

/* All that is left, by as many children as there may be. What they can't remove is the caller's. */
static void
remove_together(struct folders *f)
{
	pid_t pids[FOLDER_REMOVERS];

	f->n_doomed = 0;
	dir_each(f->tasks_fd, doom_entry, f);
	if (f->n_doomed < 2 * FOLDER_REMOVERS)
		return;
	for (size_t i = 0; i < FOLDER_REMOVERS; i++)
		pids[i] = start_remover(f, i, FOLDER_REMOVERS);
	for (size_t i = 0; i < FOLDER_REMOVERS; i++) {
		while (pids[i] > 0 && waitpid(pids[i], NULL, 0) < 0 && errno == EINTR)
			;
	}
}

void
folders_close(struct folders *f)
{
	if (f->tasks_fd >= 0) {
		remove_together(f);
		close(f->tasks_fd);
		dir_remove(f->root_fd, "tasks");
	}
	if (f->root_fd >= 0)
		close(f->root_fd);
	for (size_t i = 0; i < f->n_entries; i++)
		free(f->entries[i]);
	free(f->entries);
	free(f->doomed);
	free(f->source);
	free(f->tasks);
	*f = (struct folders){.root_fd = -1, .tasks_fd = -1};
}
