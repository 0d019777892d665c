/* collect_s3_folder: putting the files of one result, and removing what an older one left.
 *
 * The local folder is one that collect_fill has filled: what is in it can be read, and no symlink leads
 * out of it. */
#include "providers/store/collect_s3_folder.h"

#include "providers/aws/s3.h"
#include "providers/parallel.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEY_MAX_BYTES = 1024 };

struct found {
	struct str *v;
	size_t n, cap;
};

static void
add(struct found *f, struct str s)
{
	if (f->n == f->cap) {
		f->cap = f->cap ? f->cap * 2 : 64;
		f->v = mem_realloc(f->v, f->cap * sizeof(*f->v));
	}
	f->v[f->n++] = s;
}

/* Sorts one name of a folder into files and folders. */
static int
take(int local, struct str path, struct found *files, struct found *folders, struct error *err)
{
	struct stat st;

	if (fstatat(local, path.p, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_set_errno(err, ERR_HOST, errno, "look at %s", path.p);
	if (S_ISDIR(st.st_mode)) {
		add(folders, path);
		return 0;
	}
	if (S_ISLNK(st.st_mode) && (fstatat(local, path.p, &st, 0) < 0 || !S_ISREG(st.st_mode)))
		return 0;
	add(files, path);
	return 0;
}

static int
read_folder(int local, struct str path, struct str begin, struct arena *a, struct found *files,
	struct found *folders, struct error *err)
{
	int rc = 0, fd = openat(local, path.n ? path.p : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d) {
		rc = error_set_errno(err, ERR_HOST, errno, "list %.*s", STR_ARG(path));
		if (fd >= 0)
			close(fd);
		return rc;
	}
	while (rc == 0 && (e = readdir(d))) {
		struct str below;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		below = arena_printf(a, "%.*s%s%s", STR_ARG(path), path.n ? "/" : "", e->d_name);
		if (begin.n + below.n > KEY_MAX_BYTES)
			rc = error_set(err, ERR_INPUT,
				"%.*s%.*s is longer than the %d bytes that a name in S3 can have",
				STR_ARG(begin), STR_ARG(below), KEY_MAX_BYTES);
		else
			rc = take(local, below, files, folders, err);
	}
	closedir(d);
	return rc;
}

static int
by_bytes(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* What the keys of a task's folder begin with. */
static struct str
beginning(const struct collect_s3_place *place, struct str folder, struct arena *a)
{
	return arena_printf(a, "%.*s%.*s/", STR_ARG(place->root), STR_ARG(folder));
}

int
collect_s3_folder_files(const struct collect_s3_place *place, struct str folder, int local,
	struct arena *a, struct strings *out, struct error *err)
{
	struct str begin = beginning(place, folder, a);
	struct found files = {0}, folders = {0};
	int rc = 0;

	add(&folders, STR(""));
	for (size_t i = 0; rc == 0 && i < folders.n; i++)
		rc = read_folder(local, folders.v[i], begin, a, &files, &folders, err);
	if (files.n)
		qsort(files.v, files.n, sizeof(*files.v), by_bytes);
	*out = (struct strings){.v = ARENA_ARRAY(a, struct str, files.n), .n = files.n};
	for (size_t i = 0; i < files.n; i++)
		out->v[i] = files.v[i];
	free(files.v);
	free(folders.v);
	return rc;
}

struct sending {
	const struct collect_s3_place *place;
	struct str begin;
	int local;
	const struct strings *files;
	pthread_mutex_t lock; /* over what follows */
	int rc;		      /* < 0: no further ones */
	struct error err;
};

static int
send_file(const struct sending *s, struct arena *a, struct str file, struct error *err)
{
	struct str key = arena_printf(a, "%.*s%.*s", STR_ARG(s->begin), STR_ARG(file));
	int rc, fd = openat(s->local, file.p, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		rc = error_set_errno(err, ERR_HOST, errno, "read %s", file.p);
	else
		rc = s3_put_file(
			s->place->aws, a, s->place->bucket, key, fd, (int64_t)st.st_size, err);
	if (fd >= 0)
		close(fd);
	return rc;
}

static void
send_one(void *ctx, size_t i)
{
	struct sending *s = ctx;
	struct arena a = {0};
	struct error err;
	bool stop;
	int rc;

	pthread_mutex_lock(&s->lock);
	stop = s->rc < 0;
	pthread_mutex_unlock(&s->lock);
	if (stop)
		return;
	rc = send_file(s, &a, s->files->v[i], &err);
	arena_free(&a);
	pthread_mutex_lock(&s->lock);
	if (rc < 0 && s->rc == 0) {
		s->rc = rc;
		s->err = err;
	}
	pthread_mutex_unlock(&s->lock);
}

int
collect_s3_folder_put(const struct collect_s3_place *place, struct str folder, int local,
	const struct strings *files, size_t threads, struct error *err)
{
	struct arena a = {0};
	struct sending s = {.place = place,
		.begin = beginning(place, folder, &a),
		.local = local,
		.files = files,
		.lock = PTHREAD_MUTEX_INITIALIZER};

	parallel_for(files->n, threads, send_one, &s);
	arena_free(&a);
	if (s.rc < 0 && err)
		*err = s.err;
	return s.rc;
}

int
collect_s3_folder_prune(const struct collect_s3_place *place, struct str folder,
	const struct strings *files, struct error *err)
{
	struct arena a = {0};
	struct str begin = beginning(place, folder, &a);
	struct strings old = {0};
	struct s3_object *objects;
	size_t n;
	int rc = s3_list(place->aws, &a, place->bucket, begin, 0, &objects, &n, err);

	if (rc == 0)
		old.v = ARENA_ARRAY(&a, struct str, n);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		struct str file = str_from_index(objects[i].key, begin.n);

		if (!files->n || !bsearch(&file, files->v, files->n, sizeof(file), by_bytes))
			old.v[old.n++] = objects[i].key;
	}
	if (rc == 0 && old.n)
		rc = s3_delete_many(place->aws, &a, place->bucket, &old, err);
	arena_free(&a);
	return rc;
}
