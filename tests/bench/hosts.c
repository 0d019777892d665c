/* hosts USER KEY_FILE RUNNER TASKS [SESSIONS] < "ADDRESS HOST-KEY" lines: tasks on hosts as furrow runs
 * them, by ssh and the runner that lies there, without planner, executor and store. A KiB goes up with
 * each task, a command reads it, its output comes back and is checked. SESSIONS: connections to each
 * host, 1. Prints milliseconds from FROM_NS (in the environment, by the wall's clock) to the last result,
 * those that this process computed for, its peak RSS in KiB, how many results were right. */
#include "planner/base/buf.h"
#include "planner/base/clock.h"
#include "providers/host/session.h"
#include "providers/host/ssh.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { INPUT_BYTES = 1024, SLOTS = 10 };

struct bench;

struct link {
	struct bench *bench;
	char address[64], host_key[256];
	struct ssh_host *ssh;
	struct session *session;
	char (*said)[16]; /* by a task's number */
	long n_tasks;
};

struct bench {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	long n_left, n_right;
	char trouble[2048];
};

static void
fail(struct bench *b, const char *what, const char *why)
{
	pthread_mutex_lock(&b->lock);
	if (!b->trouble[0])
		snprintf(b->trouble, sizeof(b->trouble), "%s: %s", what, why);
	pthread_cond_signal(&b->changed);
	pthread_mutex_unlock(&b->lock);
}

static void
on_begun(void *ctx, uint64_t id, int64_t t_ns)
{
	(void)ctx, (void)id, (void)t_ns;
}

static void
on_stream(void *ctx, uint64_t id, int stream, uint64_t offset, struct str bytes)
{
	struct link *l = ctx;

	if (stream == 1 && offset + bytes.n < sizeof(l->said[0]))
		memcpy(l->said[id - 1] + offset, bytes.p, bytes.n);
}

static void
on_output(void *ctx, uint64_t id, struct str bytes)
{
	(void)ctx, (void)id, (void)bytes;
}

static void
on_ended(void *ctx, uint64_t id, const struct outcome *outcome, int why, struct str message)
{
	struct link *l = ctx;
	struct bench *b = l->bench;

	(void)message;
	session_ack(l->session, id);
	pthread_mutex_lock(&b->lock);
	b->n_right +=
		why == 0 && outcome->exit_status == 0 && strcmp(l->said[id - 1], "1024\n") == 0;
	if (--b->n_left == 0)
		pthread_cond_signal(&b->changed);
	pthread_mutex_unlock(&b->lock);
}

static void
on_lost(void *ctx, const struct error *err)
{
	struct link *l = ctx;

	fail(l->bench, l->address, err->message);
}

static void
submit(struct link *l, long n)
{
	char input[INPUT_BYTES];
	struct str words[] = {STR("sh"), STR("-c"), STR("printf %s \"$FURROW_INPUT\" | wc -c")};
	struct pair value = {.name = STR("FURROW_INPUT"), .value = {input, sizeof(input)}};
	struct session_task task = {.attempt = 1, .timeout_ns = -1, .grace_ns = NS_PER_S};

	memset(input, 'x', sizeof(input));
	task.command.argv = (struct strings){.v = words, .n = 3};
	task.command.env = (struct pairs){.v = &value, .n = 1};
	l->said = calloc((size_t)n + 1, sizeof(*l->said));
	l->n_tasks = n;
	for (long i = 0; i < n; i++) {
		task.id = (uint64_t)i + 1;
		session_submit(l->session, &task);
	}
}

static int
begin(struct link *l, size_t number, struct ssh_hub *hub, struct ssh_wish wish, long n_tasks,
	struct error *err)
{
	struct pair vars[] = {{STR("PATH"), STR("/usr/bin:/bin")}, {STR("LANG"), STR("C.UTF-8")}};
	const struct session_events events = {.ctx = l,
		.begun = on_begun,
		.stream = on_stream,
		.output = on_output,
		.ended = on_ended,
		.lost = on_lost};
	char root[64];
	struct session_base base = {
		.root = root, .env = {.v = vars, .n = 2}, .cap_bytes = 1 << 20, .slots = SLOTS};
	struct transport t;
	int rc;

	snprintf(root, sizeof(root), "/tmp/furrow-bench.%d.%zu", getpid(), number);
	wish.address = str_from(l->address);
	wish.host_key = str_from(l->host_key);
	rc = ssh_start(hub, &wish, &l->ssh, &t.read_fd, err);
	if (rc < 0)
		return rc;
	t.write_fd = t.read_fd;
	rc = session_start(&l->session, &t, "bench", 0, &base, &events, 60 * NS_PER_S, err);
	if (rc == 0)
		submit(l, n_tasks);
	return rc;
}

/* Until the last result, or the first trouble. */
static int
wait_for_all(struct bench *b)
{
	pthread_mutex_lock(&b->lock);
	while (b->n_left > 0 && !b->trouble[0])
		pthread_cond_wait(&b->changed, &b->lock);
	pthread_mutex_unlock(&b->lock);
	return b->trouble[0] ? -1 : 0;
}

static void
read_key(const char *path, char *out, size_t size)
{
	FILE *f = fopen(path, "re");

	out[f ? fread(out, 1, size - 1, f) : 0] = '\0';
	if (f)
		fclose(f);
}

/* Each host `sessions` times, one after the other. */
static struct link *
read_hosts(struct bench *b, long sessions, size_t *n)
{
	struct link *links = calloc(4096, sizeof(*links));
	char line[512];

	while (*n + (size_t)sessions <= 4096 && fgets(line, sizeof(line), stdin)) {
		struct link l = {.bench = b};

		if (sscanf(line, "%63s %255[^\n]", l.address, l.host_key) != 2)
			continue;
		for (long i = 0; i < sessions; i++)
			links[(*n)++] = l;
	}
	return links;
}

static double
ms_since(const char *from_ns)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return ((double)t.tv_sec * 1e9 + (double)t.tv_nsec -
		       (from_ns ? strtod(from_ns, NULL) : 0)) /
	       1e6;
}

static double
cpu_ms(const struct rusage *use)
{
	return (double)(use->ru_utime.tv_sec + use->ru_stime.tv_sec) * 1e3 +
	       (double)(use->ru_utime.tv_usec + use->ru_stime.tv_usec) / 1e3;
}

int
main(int argc, char **argv)
{
	struct bench b = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
	struct ssh_wish wish = {
		.port = 22, .wait_ns = 60 * NS_PER_S, .handshake_ns = 30 * NS_PER_S};
	struct error err = {0};
	struct ssh_hub *hub;
	struct link *links;
	struct rusage use;
	char key[1024], command[512];
	double wall_ms;
	size_t n = 0;
	long tasks;

	if (argc < 5) {
		fputs("usage: hosts USER KEY_FILE RUNNER TASKS [SESSIONS] < HOSTS\n", stderr);
		return 64;
	}
	tasks = strtol(argv[4], NULL, 10);
	links = read_hosts(&b, argc > 5 ? strtol(argv[5], NULL, 10) : 1, &n);
	read_key(argv[2], key, sizeof(key));
	snprintf(command, sizeof(command), "exec %s serve", argv[3]);
	wish.user = str_from(argv[1]);
	wish.private_key = str_from(key);
	wish.command = str_from(command);
	b.n_left = tasks;
	if (n == 0 || ssh_hub_open(&hub, &err) < 0) {
		fprintf(stderr, "hosts: %s\n", n ? err.message : "no hosts");
		return 1;
	}
	for (size_t i = 0; i < n; i++) {
		long share = tasks / (long)n + ((long)i < tasks % (long)n);

		if (begin(&links[i], i, hub, wish, share, &err) < 0) {
			fprintf(stderr, "hosts: %s\n", err.message);
			return 1;
		}
	}
	if (wait_for_all(&b) < 0) {
		fprintf(stderr, "hosts: %s\n", b.trouble);
		return 1;
	}
	wall_ms = ms_since(getenv("FROM_NS"));
	getrusage(RUSAGE_SELF, &use);
	printf("%.0f %.1f %ld %ld\n", wall_ms, cpu_ms(&use), use.ru_maxrss, b.n_right);
	for (size_t i = 0; i < n; i++) {
		session_close(links[i].session, 10 * NS_PER_S, NULL);
		ssh_end(links[i].ssh);
		free(links[i].said);
	}
	ssh_hub_close(hub);
	free(links);
	return b.n_right != tasks;
}
