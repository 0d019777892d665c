/* collect_s3_look: looking for folders side by side: few by their own names, many that lie in one
 * folder by listing that. */
#include "providers/store/collect_s3_look.h"

#include "providers/aws/s3.h"
#include "providers/parallel.h"

#include <pthread.h>
#include <stdlib.h>

enum { THREADS = 16, FEW = 16 };

/* What one request, or one listing, looks for. */
struct job {
	size_t from, to;
	struct str parent; /* of all of them, when by listing; else absent */
};

struct looking {
	const struct collect_s3_place *place;
	const struct str *folders;
	bool *there;
	struct job *jobs;
	pthread_mutex_t lock; /* over what follows */
	int rc;
	struct error err;
};

/* "" or ending in '/'. */
static struct str
parent_of(struct str folder)
{
	size_t n = folder.n;

	while (n && folder.p[n - 1] != '/')
		n--;
	return (struct str){.p = folder.p, .n = n};
}

static int
look_for_one(struct looking *l, struct arena *a, size_t i, struct error *err)
{
	const struct collect_s3_place *p = l->place;
	struct str prefix = arena_printf(a, "%.*s%.*s/", STR_ARG(p->root), STR_ARG(l->folders[i]));
	struct s3_object *objects;
	size_t n;
	int rc = s3_list(p->aws, a, p->bucket, prefix, 1, &objects, &n, err);

	l->there[i] = rc == 0 && n > 0;
	return rc;
}

static int
by_bytes(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static int
look_by_listing(struct looking *l, struct arena *a, const struct job *job, struct error *err)
{
	const struct collect_s3_place *p = l->place;
	struct str prefix = arena_printf(a, "%.*s%.*s", STR_ARG(p->root), STR_ARG(job->parent));
	struct strings found;
	int rc = s3_list_folders(p->aws, a, p->bucket, prefix, &found, err);

	for (size_t i = 0; rc == 0 && i < found.n; i++) {
		struct str folder =
			arena_printf(a, "%.*s%.*s", STR_ARG(job->parent), STR_ARG(found.v[i]));
		const struct str *ours = bsearch(&folder, l->folders + job->from,
			job->to - job->from, sizeof(folder), by_bytes);

		if (ours)
			l->there[ours - l->folders] = true;
	}
	return rc;
}

static void
look(void *ctx, size_t i)
{
	struct looking *l = ctx;
	const struct job *job = &l->jobs[i];
	struct arena a = {0};
	struct error err;
	int rc = job->parent.p ? look_by_listing(l, &a, job, &err)
			       : look_for_one(l, &a, job->from, &err);

	if (rc < 0) {
		pthread_mutex_lock(&l->lock);
		l->rc = rc;
		l->err = err;
		pthread_mutex_unlock(&l->lock);
	}
	arena_free(&a);
}

int
collect_s3_look(const struct collect_s3_place *place, const struct str *folders, size_t n,
	bool *there, struct error *err)
{
	struct looking l = {.place = place,
		.folders = folders,
		.there = there,
		.jobs = mem_alloc((n + 1) * sizeof(*l.jobs)),
		.lock = PTHREAD_MUTEX_INITIALIZER};
	size_t n_jobs = 0, to;

	for (size_t from = 0; from < n; from = to) {
		struct str parent = parent_of(folders[from]);

		for (to = from; to < n && str_eq(parent_of(folders[to]), parent); to++)
			there[to] = false;
		if (to - from > FEW) {
			l.jobs[n_jobs++] = (struct job){.from = from, .to = to, .parent = parent};
			continue;
		}
		for (size_t i = from; i < to; i++)
			l.jobs[n_jobs++] = (struct job){.from = i, .to = i + 1};
	}
	parallel_for(n_jobs, THREADS, look, &l);
	free(l.jobs);
	if (l.rc < 0 && err)
		*err = l.err;
	return l.rc;
}
