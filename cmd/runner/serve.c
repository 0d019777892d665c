/* serve: the loop: what comes from furrow, from children, from pipes and from the clock.
 *
 * On a connection: HELLO, answered by WELCOME; BASE, once; then tasks. When the connection goes, or
 * says BYE, or TERM, INT, HUP or QUIT come, all tasks are ended and the runner exits; only a
 * listening one whose furrow said in HELLO that it may linger goes on for that long. A listening
 * one that nobody ever spoke to ends after a minute. */
#include "cmd/runner/serve.h"

#include "cmd/runner/alloc.h"
#include "cmd/runner/proc.h"
#include "cmd/runner/reap.h"
#include "cmd/runner/runner.h"
#include "cmd/runner/seal.h"
#include "cmd/runner/stream.h"
#include "cmd/runner/tell.h"
#include "cmd/runner/text.h"
#include "cmd/runner/upload.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define S_NS INT64_C(1000000000)
#define MS_NS INT64_C(1000000)

enum {
	FIRST_WORD_S = 60, /* a listening runner waits so long for its first HELLO */
	DOOMED_MANY = 16,  /* folders to remove: so many don't wait for a quiet moment */
	SPARE_AT_REST = 8, /* folders that are kept when no task waits */
	QUIET_MS = 50,
	RUN_NAME_BYTES = 256
};

int64_t
runner_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (int64_t)t.tv_sec * S_NS + t.tv_nsec;
}

struct task *
runner_task(struct runner *r, uint64_t id)
{
	struct task *t = r->by_id[id % RUNNER_BUCKETS];

	while (t && t->id != id)
		t = t->next_by_id;
	return t;
}

struct task *
runner_task_of(struct runner *r, pid_t pid)
{
	struct task *t = r->by_pid[(unsigned)pid % RUNNER_BUCKETS];

	while (t && t->pid != pid)
		t = t->next_by_pid;
	return t;
}

bool
runner_keeps(const struct runner *r)
{
	return r->listen_fd >= 0 && r->linger_s > 0;
}

bool
runner_can_send(const struct runner *r, const struct task *t)
{
	return r->conn.greeted && !t->muted;
}

static void
leave(struct runner *r, int status)
{
	r->leaving = true;
	if (r->exit_status == 0)
		r->exit_status = status;
}

static void
mute_all(struct task_list *l)
{
	for (struct task *t = l->first; t; t = t->next)
		task_mute(t);
}

/* The connection is gone. */
static void
lose(struct runner *r)
{
	bool spoke = r->conn.greeted;

	conn_close(&r->conn);
	r->alone_ns = runner_now();
	if (r->listen_fd < 0 || (spoke && r->linger_s == 0)) {
		leave(r, 0);
		return;
	}
	mute_all(&r->waiting);
	mute_all(&r->active);
	mute_all(&r->done);
}

static const char *
machine(const struct utsname *u)
{
	return strcmp(u->machine, "aarch64") == 0 ? "arm64" : u->machine;
}

static uint8_t *
put_ids(uint8_t *at, const struct task_list *l)
{
	for (const struct task *t = l->first; t; t = t->next)
		at = put_u64(at, t->id);
	return at;
}

static void
welcome(struct runner *r)
{
	size_t n_ids = r->waiting.n + r->active.n + r->done.n;
	uint8_t *payload, *at;
	struct utsname u;
	cpu_set_t cpus;

	if (uname(&u) != 0)
		u.machine[0] = '\0';
	CPU_ZERO(&cpus);
	sched_getaffinity(0, sizeof(cpus), &cpus);
	at = payload = must_alloc(64 + sizeof(u.machine) + n_ids * 8);
	at = put_u32(at, PROTOCOL_VERSION);
	at = put_u32(at, (uint32_t)getpid());
	at = put_u32(at, (uint32_t)CPU_COUNT(&cpus));
	at = put_u64(at, (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE));
	at = put_i64(at, runner_now());
	at = put_str(at, str_from(machine(&u)));
	at = put_u32(at, (uint32_t)n_ids);
	at = put_ids(at, &r->waiting);
	at = put_ids(at, &r->active);
	at = put_ids(at, &r->done);
	r->conn.greeted = true;
	conn_send(&r->conn, FRAME_WELCOME, 0, payload, (size_t)(at - payload));
	free(payload);
}

/* false: the connection is of no use. */
static bool
hello(struct runner *r, struct str payload)
{
	struct fields f = {.rest = payload};
	uint32_t version = field_u32(&f);
	struct str run = field_str(&f);
	uint32_t linger_s = field_u32(&f);

	if (f.bad || r->conn.greeted || run.n == 0 || run.n > RUN_NAME_BYTES ||
		memchr(run.p, '\0', run.n))
		return false;
	/* With the runner's own version in it: furrow has to be able to say what doesn't fit. */
	welcome(r);
	if (version != PROTOCOL_VERSION)
		return false;
	if (r->run && !str_is(run, r->run)) {
		conn_note(&r->conn, "this runner belongs to the run %s", r->run);
		return false;
	}
	if (!r->run)
		r->run = must_copy(run.p, run.n);
	r->linger_s = linger_s;
	return true;
}

static bool
read_base(struct runner *r, struct str payload)
{
	struct fields f = {.rest = payload};
	char *at, *root, *source, *outputs;

	r->base_block = at = must_alloc(payload.n + 1);
	if (!text_string(&f, &at, &root) || !text_string(&f, &at, &source) ||
		!text_string(&f, &at, &outputs) || !text_list(&f, &at, &r->base_env))
		return false;
	r->cap = field_u64(&f);
	r->slots = field_u32(&f);
	r->inherited = field_u8(&f) ? environ : NULL;
	if (f.bad || root[0] != '/' || (source[0] && source[0] != '/'))
		return false;
	r->offer_over = field_u64(&f);
	/* Paths of folders have to leave room for what is put behind them. */
	if (strlen(root) > PATH_MAX / 2 || strlen(source) > PATH_MAX / 2)
		return false;
	if (r->slots == 0)
		r->slots = 1;
	r->root = root;
	r->source = source;
	r->outputs = outputs;
	if (source[0] && getpid() != 1)
		seal_folder(source);
	return true;
}

static void
base(struct runner *r, struct str payload)
{
	char why[1024] = "a field of it makes no sense";

	if (r->has_base)
		return;
	/* Before anything can be orphaned: the helper of the record is the first child. */
	if (read_base(r, payload) &&
		folders_open(&r->folders, r->root, r->source, r->outputs, why, sizeof(why)) == 0 &&
		record_open(&r->record, r->folders.root_fd, r->epoll, why, sizeof(why)) == 0) {
		r->has_base = true;
		return;
	}
	conn_note(&r->conn, "no base folder: %s", why);
	fprintf(stderr, "furrow-runner: no base folder: %s\n", why);
	leave(r, 1);
}

/* false: the connection is of no use. */
static bool
frame(struct runner *r, const struct frame *f)
{
	struct task *t = runner_task(r, f->id);
	struct fields fields = {.rest = f->payload};
	uint32_t credit;
	uint64_t from;

	if (f->type == FRAME_HELLO)
		return hello(r, f->payload);
	if (!r->conn.greeted)
		return false;
	switch (f->type) {
	case FRAME_BASE:
		base(r, f->payload);
		break;
	case FRAME_TASK:
		task_submit(r, f);
		break;
	case FRAME_STOP:
		if (t)
			task_stop(r, t, field_u32(&fields));
		break;
	case FRAME_CREDIT:
		credit = field_u32(&fields);
		r->conn.window += credit < PROTOCOL_WINDOW_BYTES - r->conn.window
					  ? credit
					  : PROTOCOL_WINDOW_BYTES - r->conn.window;
		break;
	case FRAME_ACK:
		if (t)
			task_ack(r, t);
		break;
	case FRAME_RESUME:
		from = field_u64(&fields);
		if (t)
			task_resume(r, t, from, field_u64(&fields));
		break;
	case FRAME_PUT:
		if (t && t->upload && field_u8(&fields) == OFFER_TAR)
			upload_put(r, t->upload, field_str(&fields));
		break;
	case FRAME_BYE:
		leave(r, 0);
		break;
	default:
		break;
	}
	return true;
}

static void
hear(struct runner *r)
{
	struct frame f;
	int got = 0;
	bool fine = conn_read(&r->conn) == 0;

	while (fine && !r->leaving && (got = conn_next(&r->conn, &f)) > 0)
		fine = frame(r, &f);
	if (!fine || got < 0) {
		conn_flush(&r->conn);
		lose(r);
	}
}

static void
answer_door(struct runner *r)
{
	int fd = accept4(r->listen_fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	/* One connection. Where tasks outlive connections the newest is the one that lives: the
	 * older one's other end may be gone without a word. So may be that of one that said nothing
	 * yet. */
	if (r->conn.in_fd >= 0 && r->conn.greeted && r->linger_s == 0) {
		close(fd);
		return;
	}
	if (r->conn.in_fd >= 0)
		lose(r);
	if (conn_open(&r->conn, fd, fd) != 0)
		lose(r);
}

static void
take_signals(struct runner *r)
{
	struct signalfd_siginfo info[8];
	ssize_t n = read(r->signal_fd, info, sizeof(info));
	bool child = false;

	for (ssize_t i = 0; i < n / (ssize_t)sizeof(info[0]); i++) {
		if (info[i].ssi_signo == SIGCHLD)
			child = true;
		else
			leave(r, 128 + (int)info[i].ssi_signo);
	}
	if (child)
		reap(r);
}

static void
handle(struct runner *r, const struct epoll_event *e)
{
	struct watch *w = e->data.ptr;

	switch (w->kind) {
	case WATCH_IN:
		if (r->conn.in_fd >= 0)
			hear(r);
		break;
	case WATCH_OUT:
		/* What can be written is written at the end of the round. A reader who went away
		 * shows here. */
		if (r->conn.out_fd >= 0 && (e->events & EPOLLERR))
			lose(r);
		break;
	case WATCH_LISTEN:
		answer_door(r);
		break;
	case WATCH_SIGNAL:
		take_signals(r);
		break;
	case WATCH_RECORD:
		record_answered(&r->record);
		break;
	case WATCH_STREAM:
		stream_take(r, (struct stream *)(void *)w);
		if (((struct stream *)(void *)w)->task->state == TASK_ENDING)
			task_check_end(r, ((struct stream *)(void *)w)->task);
		break;
	}
}

/* When something is to be done though nothing comes. */
static int64_t
next_wake(const struct runner *r)
{
	int64_t at = INT64_MAX, end;

	for (const struct task *t = r->active.first; t; t = t->next)
		at = t->wake_ns < at ? t->wake_ns : at;
	if (r->conn.in_fd < 0) {
		end = r->alone_ns + (r->run ? (int64_t)r->linger_s : FIRST_WORD_S) * S_NS;
		at = end < at ? end : at;
	}
	return at;
}

static int
wait_ms(const struct runner *r)
{
	int64_t at = next_wake(r), ms;

	if (at == INT64_MAX)
		return r->folders.n_doomed ? QUIET_MS : -1;
	ms = (at - runner_now() + MS_NS - 1) / MS_NS;
	if (r->folders.n_doomed && ms > QUIET_MS)
		ms = QUIET_MS;
	return ms < 0 ? 0 : ms > 60000 ? 60000 : (int)ms;
}

static void
look_at_clock(struct runner *r)
{
	int64_t now = runner_now();
	struct task *next;

	for (struct task *t = r->active.first; t; t = next) {
		next = t->next;
		if (t->wake_ns <= now)
			task_wake(r, t);
	}
	if (r->conn.in_fd < 0 && now >= next_wake(r) &&
		now - r->alone_ns >= (r->run ? (int64_t)r->linger_s : FIRST_WORD_S) * S_NS)
		leave(r, r->run ? 0 : 1);
}

/* Recorded tasks are kept in stock for all slots, so that none waits for the disk; asking the disk
 * earlier than that would only make the batches smaller. */
static bool
wants_records(const struct runner *r)
{
	uint64_t unrecorded = r->record.added - r->record.durable;

	return unrecorded > 0 &&
	       (r->waiting.n <= unrecorded || r->waiting.n - unrecorded < r->slots);
}

static void
round_end(struct runner *r, bool quiet)
{
	struct task *next;

	look_at_clock(r);
	if (r->has_base) {
		task_start_waiting(r);
		if (wants_records(r))
			record_sync(&r->record);
		task_start_waiting(r);
		/* Towards the end, while the last tasks run, beside them. */
		if (r->waiting.n == 0)
			folders_trim(&r->folders, SPARE_AT_REST);
		if (quiet || r->folders.n_doomed >= DOOMED_MANY)
			folders_remove(&r->folders);
	}
	uploads_go_on(r);
	for (struct task *t = r->active.first; t && r->conn.greeted; t = next) {
		next = t->next;
		tell(r, t);
	}
	if (conn_flush(&r->conn) != 0)
		lose(r);
	if (r->has_base)
		task_prepare_waiting(r);
}

static void
loop(struct runner *r)
{
	struct epoll_event events[64];

	while (!r->leaving) {
		int n = epoll_wait(r->epoll, events, 64, wait_ms(r));

		/* What came from furrow last: it may free what other events point to. */
		for (int i = 0; i < n && !r->leaving; i++) {
			if (events[i].data.ptr != &r->conn.in_watch)
				handle(r, &events[i]);
		}
		for (int i = 0; i < n && !r->leaving; i++) {
			if (events[i].data.ptr == &r->conn.in_watch)
				handle(r, &events[i]);
		}
		if (!r->leaving)
			round_end(r, n == 0);
	}
}

static void
free_list(struct runner *r, struct task_list *l)
{
	while (l->first) {
		struct task *t = l->first;

		task_list_remove(l, t);
		task_free(r, t);
	}
}

static void
end(struct runner *r)
{
	if (r->socket_path && r->listen_fd >= 0)
		unlink(r->socket_path);
	conn_flush(&r->conn);
	reap_everything(r);
	free_list(r, &r->waiting);
	free_list(r, &r->active);
	free_list(r, &r->done);
	record_close(&r->record);
	folders_close(&r->folders);
	/* Last: furrow takes the end of the connection for the end of everything. */
	conn_close(&r->conn);
	free(r->orphans);
	free(r->base_block);
	free(r->base_env);
	free(r->run);
}

static int
watch(struct runner *r, int fd, struct watch *w, enum watch_kind kind)
{
	struct epoll_event in = {.events = EPOLLIN, .data.ptr = w};

	w->kind = kind;
	return epoll_ctl(r->epoll, EPOLL_CTL_ADD, fd, &in);
}

static int
open_socket(struct runner *r, const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	size_t n = strlen(path);

	if (n >= sizeof(a.sun_path)) {
		fprintf(stderr,
			"furrow-runner: listening on %s: a socket's path has at most %zu bytes\n",
			path, sizeof(a.sun_path) - 1);
		return -1;
	}
	memcpy(a.sun_path, path, n + 1);
	unlink(path);
	r->socket_path = path;
	r->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* Who may connect is decided by the folder: in a container the caller may have another uid.
	 */
	if (r->listen_fd < 0 || bind(r->listen_fd, (struct sockaddr *)&a, sizeof(a)) != 0 ||
		chmod(path, 0666) != 0 || listen(r->listen_fd, 4) != 0 ||
		watch(r, r->listen_fd, &r->listen_watch, WATCH_LISTEN) != 0) {
		fprintf(stderr, "furrow-runner: listening on %s: %s\n", path, strerror(errno));
		return -1;
	}
	return 0;
}

/* What tasks must not inherit, and what the runner needs of the kernel. */
static int
prepare(struct runner *r)
{
	sigset_t all;
	struct rlimit most;

	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	umask(022);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	getrlimit(RLIMIT_NOFILE, &r->files);
	most = r->files;
	most.rlim_cur = most.rlim_max;
	setrlimit(RLIMIT_NOFILE, &most);
	sigemptyset(&all);
	sigaddset(&all, SIGCHLD);
	sigaddset(&all, SIGTERM);
	sigaddset(&all, SIGINT);
	sigaddset(&all, SIGHUP);
	sigaddset(&all, SIGQUIT);
	r->children_fd = proc_open_children();
	r->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	r->signal_fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	r->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (r->null_fd < 0 || r->signal_fd < 0 || r->epoll < 0 ||
		watch(r, r->signal_fd, &r->signal_watch, WATCH_SIGNAL) != 0) {
		fprintf(stderr, "furrow-runner: starting: %s\n", strerror(errno));
		return -1;
	}
	return 0;
}

int
serve(int in_fd, int out_fd, const char *socket_path)
{
	/* Opened with the base folder, closed in any case. */
	struct runner r = {.listen_fd = -1,
		.alone_ns = runner_now(),
		.folders = {.root_fd = -1, .tasks_fd = -1},
		.record = {.log_fd = -1, .helper_fd = -1}};

	if (prepare(&r) != 0)
		return 1;
	conn_init(&r.conn, r.epoll);
	if (socket_path && open_socket(&r, socket_path) != 0)
		return 1;
	if (!socket_path && conn_open(&r.conn, in_fd, out_fd) != 0) {
		fprintf(stderr, "furrow-runner: stdin and stdout are no pipes or sockets: %s\n",
			strerror(errno));
		return 1;
	}
	loop(&r);
	end(&r);
	return r.exit_status;
}
