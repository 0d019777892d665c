/* store: how long results take: putting 1,000 small ones, listing 100,000, collecting 1,000.
 * Prints a table.
 *   store [FOLDER]   where to work (default: TMPDIR or /tmp); on a disk, a memory file system says nothing */
#include "planner/base/clock.h"
#include "planner/base/json.h"
#include "providers/store/collect.h"
#include "providers/store/result.h"
#include "providers/store/store.h"

#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

struct counter {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	size_t done, failed;
};

static void
on_done(void *ctx, const struct error *err)
{
	struct counter *c = ctx;

	pthread_mutex_lock(&c->lock);
	c->done++;
	c->failed += err != NULL;
	pthread_cond_signal(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

static double
now_ms(void)
{
	return (double)clock_system()->now_ns(clock_system()->ctx) / 1e6;
}

static double
cpu_ms(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1e3 +
	       (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e3;
}

static double wall0, cpu0;

static void
begin(void)
{
	wall0 = now_ms();
	cpu0 = cpu_ms();
}

static void
report(const char *what)
{
	printf("%-44s %9.1f ms wall %9.1f ms cpu\n", what, now_ms() - wall0, cpu_ms() - cpu0);
}

static void
die(const struct error *err)
{
	fprintf(stderr, "%s\n", err->message);
	exit(1);
}

static struct digest
key_of(size_t i)
{
	return digest_of(&i, sizeof(i));
}

static void
put(struct store *s, size_t from, size_t n, struct str text, size_t tar_bytes)
{
	struct counter c = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
	static const char zeros[1 << 20];
	struct buf json = {0};
	struct error err;

	for (size_t i = from; i < from + n; i++) {
		struct result result = {.key = key_of(i),
			.job = STR("bench"),
			.label = STR("label"),
			.run = STR("01JDCVQ9T6W1V2F8C8ZQ0N4R5M"),
			.index = (uint32_t)i,
			.attempt = 1,
			.begun = STR("2026-11-23T06:18:00.123Z"),
			.stdout_text = text,
			.stderr_text = STR(""),
			.has_tar = tar_bytes > 0,
			.outcome = {.ran = true,
				.ended_ns = 12345678,
				.stdout_bytes = (int64_t)text.n,
				.stdout_kept_bytes = (int64_t)text.n}};
		struct store_result *r;

		if (store_result_begin(s, &result.key, &r, &err) < 0)
			die(&err);
		if (tar_bytes && store_result_write(r, "tar", zeros, tar_bytes, &err) < 0)
			die(&err);
		buf_clear(&json);
		result_write(&json, &result);
		store_result_commit(r, buf_str(&json), on_done, &c);
	}
	pthread_mutex_lock(&c.lock);
	while (c.done < n)
		pthread_cond_wait(&c.changed, &c.lock);
	pthread_mutex_unlock(&c.lock);
	buf_free(&json);
	if (c.failed) {
		fprintf(stderr, "%zu results could not be put\n", c.failed);
		exit(1);
	}
}

static void
list(const char *path, size_t n, const char *what)
{
	struct arena a = {0};
	struct digest *keys;
	struct store *s;
	struct error err;
	size_t got = 0;

	begin();
	if (store_open_dir(&s, path, false, &err) < 0 ||
		store_list_results(s, &a, &keys, &got, &err) < 0)
		die(&err);
	report(what);
	if (got != n)
		fprintf(stderr, "listed %zu, not %zu\n", got, n);
	store_close(s);
	arena_free(&a);
}

static void
collect(struct store *s, const char *results, size_t from, size_t n, const char *what)
{
	struct collect_item *items = calloc(n, sizeof(*items));
	struct collect_report count;
	struct arena a = {0};
	struct collected *seen;
	struct error err;
	size_t n_seen;
	char line[80];

	for (size_t i = 0; i < n; i++)
		items[i] = (struct collect_item){
			.key = key_of(from + i), .folder = arena_printf(&a, "task-%06zu", i)};
	begin();
	if (collect_run(s, results, items, n, &count, &err) < 0)
		die(&err);
	report(what);
	begin();
	if (collect_observe(&a, results, &seen, &n_seen, &err) < 0)
		die(&err);
	snprintf(line, sizeof(line), "  then look what is there (%zu)", n_seen);
	report(line);
	free(items);
	arena_free(&a);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

int
main(int argc, char **argv)
{
	const char *base = argc > 1 ? argv[1] : getenv("TMPDIR");
	struct arena a = {0};
	struct store *s;
	struct error err;
	char root[512];
	char *store, *results;

	snprintf(root, sizeof(root), "%s/furrow-bench.XXXXXX", base ? base : "/tmp");
	if (!mkdtemp(root)) {
		perror(root);
		return 1;
	}
	store = (char *)arena_printf(&a, "%s/store", root).p;
	results = (char *)arena_printf(&a, "%s/results", root).p;
	if (store_open_dir(&s, store, true, &err) < 0)
		die(&err);
	begin();
	put(s, 0, 1000, STR(""), 0);
	report("put 1,000 without output");
	begin();
	put(s, 1000, 1000, STR("a line of output, as a task may print it\n"), 0);
	report("put 1,000 with a line of output");
	begin();
	put(s, 2000, 1000, STR(""), 10240);
	report("put 1,000 with 10 KiB of files");
	begin();
	put(s, 3000, 100, STR(""), 1 << 20);
	report("put 100 with 1 MiB of files");
	collect(s, results, 0, 1000, "collect 1,000 without output");
	collect(s, results, 1000, 1000, "collect 1,000 with a line of output");
	begin();
	put(s, 10000, 96900, STR(""), 0);
	report("put 96,900 more");
	store_close(s);
	list(store, 100000, "open and list 100,000");
	if (store_open_dir(&s, store, false, &err) < 0)
		die(&err);
	collect(s, (char *)arena_printf(&a, "%s/many", root).p, 10000, 90000,
		"collect 90,000 without output");
	store_close(s);
	nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	arena_free(&a);
	return 0;
}
