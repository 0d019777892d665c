/* runner N SLOTS PROGRAM [ARG...]: runs a program as N tasks through a session and a runner,
 * without planner, executor and store. Prints the wall time in milliseconds (from the runner's
 * start to its end) and the runner's peak RSS in KiB. */
#include "planner/base/clock.h"
#include "providers/host/session.h"
#include "providers/host/spawn.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

struct bench {
	pthread_mutex_t lock;
	pthread_cond_t ended;
	struct session *session;
	long n_ended, n_failed;
	long long bytes;
	struct error lost;
	int is_lost;
};

static void
on_begun(void *ctx, uint64_t id, int64_t t_ns)
{
	(void)ctx, (void)id, (void)t_ns;
}

static void
on_stream(void *ctx, uint64_t id, int stream, uint64_t offset, struct str bytes)
{
	struct bench *b = ctx;

	(void)id, (void)stream, (void)offset;
	b->bytes += (long long)bytes.n;
}

static void
on_output(void *ctx, uint64_t id, struct str bytes)
{
	on_stream(ctx, id, 0, 0, bytes);
}

static void
on_ended(void *ctx, uint64_t id, const struct outcome *outcome, int why, struct str message)
{
	struct bench *b = ctx;

	session_ack(b->session, id);
	pthread_mutex_lock(&b->lock);
	b->n_ended++;
	if (why != 0 || outcome->exit_status != 0) {
		if (b->n_failed++ == 0)
			fprintf(stderr, "runner: task %llu: why %d, status %d: %.*s\n",
				(unsigned long long)id, why, outcome->exit_status,
				STR_ARG(message));
	}
	pthread_mutex_unlock(&b->lock);
	pthread_cond_signal(&b->ended);
}

static void
on_lost(void *ctx, const struct error *err)
{
	struct bench *b = ctx;

	pthread_mutex_lock(&b->lock);
	b->lost = *err;
	b->is_lost = 1;
	pthread_cond_signal(&b->ended);
	pthread_mutex_unlock(&b->lock);
}

static struct pairs
environment(struct pair *room)
{
	room[0] = (struct pair){.name = STR("PATH"), .value = STR("/usr/local/bin:/usr/bin:/bin")};
	room[1] = (struct pair){.name = STR("LANG"), .value = STR("C.UTF-8")};
	return (struct pairs){.v = room, .n = 2};
}

/* Never more than slots + ahead at the runner, as the executor does it. */
static void
run_tasks(struct bench *b, long n, long slots, char **argv, int argc)
{
	struct str *words = calloc((size_t)argc, sizeof(*words));
	struct session_task task = {.attempt = 1, .timeout_ns = -1, .grace_ns = NS_PER_S};
	long begun = 0;

	for (int i = 0; i < argc; i++)
		words[i] = str_from(argv[i]);
	task.command.argv = (struct strings){.v = words, .n = (size_t)argc};
	pthread_mutex_lock(&b->lock);
	while (b->n_ended < n && !b->is_lost) {
		while (begun < n && begun - b->n_ended < slots + (slots > 32 ? slots : 32)) {
			task.id = (uint64_t)++begun;
			session_submit(b->session, &task);
		}
		pthread_cond_wait(&b->ended, &b->lock);
	}
	pthread_mutex_unlock(&b->lock);
	free(words);
}

int
main(int argc, char **argv)
{
	struct bench b = {.lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER};
	const struct clock *clock = clock_system();
	char runner[4096], root[] = "/var/tmp/furrow-bench.XXXXXX";
	struct session_events events = {.ctx = &b,
		.begun = on_begun,
		.stream = on_stream,
		.output = on_output,
		.ended = on_ended,
		.lost = on_lost};
	struct pair room[2];
	struct session_base base = {.root = root, .env = environment(room), .cap_bytes = 64 << 20};
	struct transport t;
	struct error err = {0};
	struct rusage use;
	int64_t start;
	pid_t pid;
	long n;

	if (argc < 4 || !mkdtemp(root)) {
		fputs("usage: runner N SLOTS PROGRAM [ARG...]\n", stderr);
		return 64;
	}
	n = strtol(argv[1], NULL, 10);
	base.slots = (uint32_t)strtol(argv[2], NULL, 10);
	start = clock->now_ns(NULL);
	if (spawn_find_runner(runner, sizeof(runner), &err) < 0 ||
		spawn_runner(runner, 2, &t.read_fd, &pid, &err) < 0) {
		fprintf(stderr, "runner: %s\n", err.message);
		return 1;
	}
	t.write_fd = t.read_fd;
	if (session_open(&b.session, &t, "bench", 0, &base, &events, 5 * NS_PER_S, NULL, &err) <
		0) {
		fprintf(stderr, "runner: %s\n", err.message);
		return 1;
	}
	run_tasks(&b, n, base.slots, argv + 3, argc - 3);
	if (b.is_lost || session_close(b.session, 10 * NS_PER_S, &err) < 0) {
		fprintf(stderr, "runner: %s\n", b.is_lost ? b.lost.message : err.message);
		return 1;
	}
	wait4(pid, NULL, 0, &use);
	snprintf(runner, sizeof(runner), "%s/attempts.log", root);
	unlink(runner);
	rmdir(root);
	printf("%.1f %ld\n", (double)(clock->now_ns(NULL) - start) / 1e6, use.ru_maxrss);
	return b.n_failed > 0;
}
