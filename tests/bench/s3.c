/* s3 put|get|remove BUCKET PREFIX FOLDER: all files of a folder to or from S3, with the product's own s3_put_file,
 * s3_get_file, s3_list and s3_delete, eight side by side. For tests/bench/s3_peers. */
#include "planner/base/arena.h"
#include "providers/aws/s3.h"
#include "providers/parallel.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SIDE_BY_SIDE = 8 };

struct job {
	struct aws *aws;
	const char *bucket, *prefix, *folder;
	struct str *names;
	int64_t *sizes; /* as listed */
	size_t n;
	pthread_mutex_t lock;
	struct error err;
};

typedef void carry_one(struct job *j, const char *path, struct str key, int64_t about_bytes,
	struct arena *a, struct error *err);

static void
put_one(struct job *j, const char *path, struct str key, int64_t about_bytes, struct arena *a,
	struct error *err)
{
	(void)about_bytes;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0)
		error_set(err, ERR_HOST, "%s cannot be read", path);
	else
		s3_put_file(j->aws, a, str_from(j->bucket), key, fd, st.st_size, err);
	if (fd >= 0)
		close(fd);
}

static void
get_one(struct job *j, const char *path, struct str key, int64_t about_bytes, struct arena *a,
	struct error *err)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	int64_t bytes;

	if (fd < 0)
		error_set(err, ERR_HOST, "%s cannot be written", path);
	else
		s3_get_file(j->aws, a, str_from(j->bucket), key, (struct str){0}, about_bytes, fd,
			&bytes, err);
	if (fd >= 0)
		close(fd);
}

static void
carry(struct job *j, size_t i, carry_one *one)
{
	struct arena a = {0};
	struct error err = {0};
	const char *path = arena_printf(&a, "%s/%.*s", j->folder, STR_ARG(j->names[i])).p;
	struct str key = arena_printf(&a, "%s/%.*s", j->prefix, STR_ARG(j->names[i]));

	one(j, path, key, j->sizes ? j->sizes[i] : -1, &a, &err);
	pthread_mutex_lock(&j->lock);
	if (err.code && !j->err.code)
		j->err = err;
	pthread_mutex_unlock(&j->lock);
	arena_free(&a);
}

static void
remove_one(struct job *j, const char *path, struct str key, int64_t about_bytes, struct arena *a,
	struct error *err)
{
	(void)path, (void)about_bytes;
	s3_delete(j->aws, a, str_from(j->bucket), key, NULL, err);
}

static void
put(void *ctx, size_t i)
{
	carry(ctx, i, put_one);
}

static void
get(void *ctx, size_t i)
{
	carry(ctx, i, get_one);
}

static void
remove_it(void *ctx, size_t i)
{
	carry(ctx, i, remove_one);
}

static void
read_folder(struct job *j, struct arena *a)
{
	DIR *d = opendir(j->folder);
	struct dirent *e;
	size_t cap = 0;

	while (d && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		if (j->n == cap)
			j->names = realloc(j->names, (cap = 2 * cap + 64) * sizeof(*j->names));
		j->names[j->n++] = arena_str(a, str_from(e->d_name));
	}
	if (d)
		closedir(d);
}

static int
read_bucket(struct job *j, struct arena *a, struct error *err)
{
	struct str prefix = arena_printf(a, "%s/", j->prefix);
	struct s3_object *found;
	int rc = s3_list(j->aws, a, str_from(j->bucket), prefix, 0, &found, &j->n, err);

	if (rc < 0)
		return rc;
	j->names = calloc(j->n + 1, sizeof(*j->names));
	j->sizes = calloc(j->n + 1, sizeof(*j->sizes));
	for (size_t i = 0; i < j->n; i++) {
		j->sizes[i] = found[i].size_bytes;
		j->names[i] = str_from_index(found[i].key, prefix.n);
	}
	return 0;
}

int
main(int argc, char **argv)
{
	struct job j = {.lock = PTHREAD_MUTEX_INITIALIZER};
	const struct aws_options options = {.clock = clock_system(), .region = STR("us-east-2")};
	struct arena a = {0};
	bool puts;

	if (argc != 5) {
		fputs("usage: s3 put|get|remove BUCKET PREFIX FOLDER\n", stderr);
		return 64;
	}
	puts = strcmp(argv[1], "put") == 0;
	j.bucket = argv[2];
	j.prefix = argv[3];
	j.folder = argv[4];
	if (aws_open(&j.aws, &options, &j.err) == 0) {
		if (puts)
			read_folder(&j, &a);
		else
			read_bucket(&j, &a, &j.err);
		parallel_for(j.n, SIDE_BY_SIDE,
			puts		    ? put
			: argv[1][0] == 'g' ? get
					    : remove_it,
			&j);
		aws_close(j.aws);
	}
	if (j.err.code || j.n == 0)
		fprintf(stderr, "s3: %s\n", j.n ? j.err.message : "no files");
	free(j.names);
	free(j.sizes);
	arena_free(&a);
	return j.err.code || j.n == 0;
}
