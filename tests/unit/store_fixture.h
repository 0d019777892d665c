/* store_fixture: what the tests of the store share: a folder that goes away, results that are
 * easy to make. */
#ifndef FURROW_TESTS_STORE_FIXTURE_H
#define FURROW_TESTS_STORE_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "planner/base/json.h"
#include "providers/store/result.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LONG_PATH = 2 * PATH_MAX };

struct fixture {
	char root[128];
	char path[PATH_MAX]; /* of the store: ROOT/store */
	struct store *s;
	int (*open)(struct fixture *f, struct store **out); /* the same place once more */
	struct arena a;
	struct error err;
};

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)ftw;
	(void)type;
	return remove(path);
}

static inline void
remove_tree(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline int
fixture_open_dir(struct fixture *f, struct store **out)
{
	return store_open_dir(out, f->path, true, &f->err);
}

static inline int
fixture_open_by(void **state, int (*open)(struct fixture *f, struct store **out))
{
	struct fixture *f = calloc(1, sizeof(*f));
	const char *base = getenv("TMPDIR");

	snprintf(f->root, sizeof(f->root), "%s/furrow-unit.XXXXXX", base ? base : "/tmp");
	if (!mkdtemp(f->root))
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/store", f->root);
	f->open = open;
	*state = f;
	return open(f, &f->s);
}

static inline int
fixture_open(void **state)
{
	return fixture_open_by(state, fixture_open_dir);
}

static inline int
fixture_close(void **state)
{
	struct fixture *f = *state;

	store_close(f->s);
	remove_tree(f->root);
	arena_free(&f->a);
	free(f);
	return 0;
}

static inline void
reopen(struct fixture *f)
{
	store_close(f->s);
	assert_int_equal(f->open(f, &f->s), 0);
}

static inline struct digest
key_of(unsigned i)
{
	return digest_of(&i, sizeof(i));
}

struct waiting {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned n, n_failed;
	struct error last;
};
#define WAITING_INIT                                                                   \
	{                                                                              \
		.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER \
	}

static inline void
on_done(void *ctx, const struct error *err)
{
	struct waiting *w = ctx;

	pthread_mutex_lock(&w->lock);
	w->n++;
	if (err) {
		w->n_failed++;
		w->last = *err;
	}
	pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

static inline void
wait_for(struct waiting *w, unsigned n)
{
	pthread_mutex_lock(&w->lock);
	while (w->n < n)
		pthread_cond_wait(&w->changed, &w->lock);
	pthread_mutex_unlock(&w->lock);
}

/* Queues a result whose stdout is text; parts of tar_bytes and err_bytes, each byte 't' and 'e'. */
static inline void
queue(struct store *s, unsigned i, struct str text, size_t tar_bytes, size_t err_bytes,
	struct waiting *w)
{
	struct result result = {.key = key_of(i),
		.job = STR("job"),
		.label = STR("label"),
		.run = STR("RUN"),
		.index = i,
		.attempt = 1,
		.begun = STR("2026-11-23T06:18:00.123Z"),
		.stdout_text = text,
		.has_tar = tar_bytes > 0,
		.outcome = {.ran = true,
			.stdout_bytes = (int64_t)text.n,
			.stdout_kept_bytes = (int64_t)text.n,
			.stderr_bytes = (int64_t)err_bytes,
			.stderr_kept_bytes = (int64_t)err_bytes,
			.output_bytes = (int64_t)tar_bytes}};
	struct store_result *r;
	struct buf json = {0};
	struct error err;
	char *bytes = malloc(tar_bytes + err_bytes + 1);

	memset(bytes, 't', tar_bytes);
	memset(bytes + tar_bytes, 'e', err_bytes);
	assert_int_equal(store_result_begin(s, &result.key, &r, &err), 0);
	for (size_t at = 0; at < tar_bytes; at += 40000)
		assert_int_equal(store_result_write(r, "tar", bytes + at,
					 tar_bytes - at < 40000 ? tar_bytes - at : 40000, &err),
			0);
	if (err_bytes)
		assert_int_equal(
			store_result_write(r, "stderr", bytes + tar_bytes, err_bytes, &err), 0);
	result_write(&json, &result);
	store_result_commit(r, buf_str(&json), on_done, w);
	buf_free(&json);
	free(bytes);
}

static inline void
put(struct store *s, unsigned i, struct str text, size_t tar_bytes, size_t err_bytes)
{
	struct waiting w = WAITING_INIT;

	queue(s, i, text, tar_bytes, err_bytes, &w);
	wait_for(&w, 1);
	assert_int_equal(w.n_failed, 0);
}

static inline size_t
count_results(struct store *s)
{
	struct arena a = {0};
	struct digest *keys;
	struct error err;
	size_t n;

	assert_int_equal(store_list_results(s, &a, &keys, &n, &err), 0);
	arena_free(&a);
	return n;
}

/* -1: no such file. */
static inline long
file_bytes(const char *root, const char *name)
{
	char path[LONG_PATH];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	return stat(path, &st) < 0 ? -1 : (long)st.st_size;
}

static inline void
write_file(const char *root, const char *name, const void *bytes, size_t n)
{
	char path[LONG_PATH];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static inline char *
read_file(const char *root, const char *name, char *out, size_t size)
{
	char path[LONG_PATH];
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	f = fopen(path, "r");
	if (!f)
		return NULL;
	n = fread(out, 1, size - 1, f);
	out[n] = '\0';
	fclose(f);
	return out;
}

static inline size_t
count_entries(const char *root, const char *folder)
{
	char path[LONG_PATH];
	struct dirent *e;
	size_t n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/%s", root, folder);
	d = opendir(path);
	if (!d)
		return 0;
	while ((e = readdir(d)))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static inline void
nth_entry(const char *root, const char *folder, size_t nth, char out[LONG_PATH])
{
	struct dirent *e;
	DIR *d;

	assert_true(snprintf(out, LONG_PATH, "%s/%s", root, folder) < LONG_PATH);
	d = opendir(out);
	assert_non_null(d);
	while ((e = readdir(d))) {
		if (e->d_name[0] != '.' && nth-- == 0)
			snprintf(out + strlen(out), LONG_PATH - strlen(out), "/%s", e->d_name);
	}
	closedir(d);
}

static inline struct str
get(struct fixture *f, unsigned i, const char *part)
{
	char name[STORE_NAME_BYTES];
	struct digest key = key_of(i);
	struct str bytes = {0};

	store_result_name(name, &key, part);
	if (store_get(f->s, &f->a, name, &bytes, &f->err) < 0)
		return (struct str){0};
	return bytes;
}

/* A result is whole: its json parses, and its parts are as long as it says. */
static inline void
check_whole(struct store *s, const struct digest *key)
{
	struct arena a = {0};
	struct error err;
	struct result r;
	char name[STORE_NAME_BYTES];
	int64_t size;
	int fd;

	if (result_load(s, &a, &r, key, &err) < 0)
		fail_msg("%s", err.message);
	if (r.has_tar) {
		store_result_name(name, key, "tar");
		if (store_open(s, name, &fd, &size, &err) < 0)
			fail_msg("%s", err.message);
		assert_int_equal(size, r.outcome.output_bytes);
		close(fd);
	}
	if (r.outcome.stderr_kept_bytes) {
		store_result_name(name, key, "stderr");
		if (store_open(s, name, &fd, &size, &err) < 0)
			fail_msg("%s", err.message);
		assert_int_equal(size, r.outcome.stderr_kept_bytes);
		close(fd);
	}
	arena_free(&a);
}

static inline size_t
check_all_whole(struct store *s)
{
	struct arena a = {0};
	struct digest *keys;
	struct error err;
	size_t n;

	assert_int_equal(store_list_results(s, &a, &keys, &n, &err), 0);
	for (size_t i = 0; i < n; i++) {
		check_whole(s, &keys[i]);
		assert_true(i == 0 || digest_cmp(&keys[i - 1], &keys[i]) < 0);
	}
	arena_free(&a);
	return n;
}

#endif
