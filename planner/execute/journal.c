/* journal: writing the journal of a run.
 *
 * The format, version 1: JSON lines (one object a line, UTF-8, ended by a line feed). What is after the last line feed is a
 * torn line and counts as never written. Every line has "ev" and "n", its number from 0 on, so that a missing line shows;
 * "t" is nanoseconds since the run began (CLOCK_BOOTTIME) and never goes back. Readers skip members and events that
 * they don't know. What is empty, zero or false is left out, but for ev, n, t, ready.
 *
 * First the head, which is line 0, then the nodes:
 *
 *   {"ev":"run","v":1,"n":0,"run":ULID,"trace":32 hex,"span":16 hex: the root's,"wall0":RFC 3339,"job":…,"infra":…,
 *    "manifest":"sha256:…","manifest_path":…,"plan":"sha256:…","commit":…,"dirty":true,"patch":"sha256:…","pid":…,
 *    "tasks":of the job,"in_place":of these}
 *   {"ev":"node","n":…,"id":"task[0..99,101]","kind":"task","after":["source","instance[0..2]"],
 *    "needs":"slot","gives":"slot"}    one line for neighbours that differ in their index alone
 *
 * then, as things happen:
 *
 *   {"ev":"begin","n":…,"t":…,"span":16 hex,"node":"task[3]","phase":"run","ready":ns,"why":…,"place":i,"try":2}
 *       An attempt is handed out. ready: since when it could have been. why: what it waited for last: "start" (nothing),
 *       "after" (what it comes after), "slot" (a free slot; it may still queue at the place), "retry" (its delay).
 *       place: index of the environment whose slot it has, when not 0. try: when not 1. parent: the root's span.
 *   {"ev":"phase",…,"span":…,"phase":"boot"}         goes over to another phase; not told of tasks
 *   {"ev":"intent",…,"span":…,"op":…,"token":…}      on disk before the call goes out
 *   {"ev":"effect",…,"span":…,"id":…}                what came of it; on disk before anything is built on it
 *   {"ev":"end",…,"span":…,"st":"ok|failed|cancelled|abandoned","err":{"code":…,"class":…,"errno":…,"http":…,"msg":…},
 *    "retry":ns when the next attempt is due,"a":{…}}
 *       abandoned: its place was lost. a: what is known of it:
 *       slots (given) · ran [begun ns, ended ns] of a task's process · exit · sig · timeout true · cpu ns · rss bytes ·
 *       out, errs: bytes written to stdout, stderr · out_kept, errs_kept when less · files [bytes, count] of outputs ·
 *       ph {"boot":ns,…}: shares of its time by phase, when it isn't what ran and the `phase` lines say anyway
 *   {"ev":"done",…,"exit":code,"ok":nodes,"failed":…,"cancelled":…,"tasks_ok":…,"tasks_failed":…,
 *    "tasks_cancelled":…,"interrupted":true,"out_of_time":true,"first":"task[3]","err":{…}}
 *       The run ended in order; first and err tell of the node that failed first. A node without `begin` was cancelled.
 *
 * Durability: the head and the nodes, an intent, an effect and `done` are on disk when the call returns; the others when
 * journal_sync is called. */
#include "planner/execute/journal.h"

#include "planner/base/clock.h"
#include "planner/base/json.h"
#include "planner/ranges.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct journal {
	int fd;
	uint64_t n;       /* number of the next line */
	int64_t size;     /* bytes of whole lines in the file */
	int64_t last_ns;  /* t of the last line */
	bool unsynced;
	struct error broken; /* code ERR_NONE: it isn't */
	struct buf line;     /* reused */
	char trace[33];
	char path[];
};

static const char *const code_names[] = {
	[-ERR_INPUT] = "input",
	[-ERR_TASK] = "task",
	[-ERR_HOST] = "host",
	[-ERR_STALE] = "stale",
	[-ERR_LOCKED] = "locked",
	[-ERR_CANCELLED] = "cancelled",
	[-ERR_MISSING] = "missing",
	[-ERR_INTERNAL] = "internal",
};

enum phase
journal_kind_phase(enum kind kind)
{
	switch (kind) {
	case KIND_SOURCE:
		return PHASE_UPLOAD;
	case KIND_IMAGE:
	case KIND_ENVIRONMENT:
		return PHASE_ENV;
	case KIND_ACCESS:
	case KIND_INSTANCE:
		return PHASE_LAUNCH;
	case KIND_TASK:
		return PHASE_RUN;
	case KIND_COLLECT:
		return PHASE_COLLECT;
	case KIND_RELEASE:
		return PHASE_TEARDOWN;
	default:
		return PHASE_OTHER;
	}
}

const char *
journal_trace(const struct journal *j)
{
	return j->trace;
}

/* The finaliser of splitmix64 is a bijection: numbers of one trace never meet. W3C forbids the span of all zeros. */
void
journal_span(char out[17], const char *trace, uint64_t serial)
{
	static const char hex[] = "0123456789abcdef";
	uint64_t z = 0;

	for (const char *p = trace; p && *p; p++)
		z = (z ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
	z += (serial + 1) * UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	z ^= z >> 31;
	if (z == 0)
		z = 1;
	for (int i = 15; i >= 0; i--, z >>= 4)
		out[i] = hex[z & 15];
	out[16] = '\0';
}

static void
add_int(struct buf *b, int64_t value)
{
	uint64_t u = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	char digits[24], *p = digits + sizeof(digits);

	do {
		*--p = (char)('0' + u % 10);
		u /= 10;
	} while (u);
	if (value < 0)
		*--p = '-';
	buf_add(b, p, (size_t)(digits + sizeof(digits) - p));
}

static void
member_int(struct buf *b, const char *name, int64_t value)
{
	json_add_name(b, name);
	add_int(b, value);
}

static void
member_count(struct buf *b, const char *name, int64_t value)
{
	if (value != 0)
		member_int(b, name, value);
}

static void
member_pair(struct buf *b, const char *name, int64_t first, int64_t second)
{
	json_add_name(b, name);
	buf_add_char(b, '[');
	add_int(b, first);
	buf_add_char(b, ',');
	add_int(b, second);
	buf_add_char(b, ']');
}

static void
member_flag(struct buf *b, const char *name, bool value)
{
	if (value)
		json_add_member_bool(b, name, true);
}

static void
member_text(struct buf *b, const char *name, struct str value)
{
	if (value.n)
		json_add_member_string(b, name, value);
}

static void
member_cstr(struct buf *b, const char *name, const char *value)
{
	member_text(b, name, str_from(value));
}

/* What is known to need no escapes. */
static void
member_plain(struct buf *b, const char *name, const char *value)
{
	json_add_name(b, name);
	buf_add_char(b, '"');
	buf_add_cstr(b, value);
	buf_add_char(b, '"');
}

static void
member_sha256(struct buf *b, const char *name, const struct digest *d)
{
	char hex[DIGEST_HEX_BYTES];

	if (digest_is_zero(d))
		return;
	digest_hex(hex, d);
	json_add_name(b, name);
	buf_addf(b, "\"sha256:%s\"", hex);
}

static void
member_id(struct buf *b, const char *name, enum kind kind, uint32_t index)
{
	json_add_name(b, name);
	buf_add_char(b, '"');
	buf_add_cstr(b, kind_name(kind));
	if (kind_is_indexed(kind)) {
		buf_add_char(b, '[');
		add_int(b, index);
		buf_add_char(b, ']');
	}
	buf_add_char(b, '"');
}

/* The file ends with a whole line, whatever happens: what a full disk left of this one is taken back. */
static int
break_journal(struct journal *j, int os_errno, const char *what, struct error *err)
{
	error_set_errno(&j->broken, ERR_HOST, os_errno, "journal %s: %s", j->path, what);
	if (err)
		*err = j->broken;
	return ERR_HOST;
}

static int
write_line(struct journal *j, struct error *err)
{
	size_t done = 0;

	if (j->broken.code) {
		if (err)
			*err = j->broken;
		return j->broken.code;
	}
	buf_add(&j->line, "}\n", 2);
	while (done < j->line.n) {
		ssize_t n = write(j->fd, j->line.p + done, j->line.n - done);

		if (n > 0) {
			done += (size_t)n;
		} else if (n == 0 || errno != EINTR) {
			int saved = n == 0 ? ENOSPC : errno;

			while (done && ftruncate(j->fd, j->size) < 0 && errno == EINTR)
				;
			return break_journal(j, saved, "write a line", err);
		}
	}
	j->size += (int64_t)j->line.n;
	j->n++;
	j->unsynced = true;
	return 0;
}

static void
open_line(struct journal *j, const char *ev)
{
	buf_clear(&j->line);
	buf_add_char(&j->line, '{');
	member_plain(&j->line, "ev", ev);
}

static void
open_event(struct journal *j, const char *ev, int64_t t_ns)
{
	if (t_ns > j->last_ns)
		j->last_ns = t_ns;
	open_line(j, ev);
	member_int(&j->line, "n", (int64_t)j->n);
	member_int(&j->line, "t", j->last_ns);
}

static void
open_call(struct journal *j, const char *ev, const struct call *call, int64_t t_ns)
{
	open_event(j, ev, t_ns);
	member_plain(&j->line, "span", call->span);
}

static int
write_head(struct journal *j, const struct journal_head *h, struct error *err)
{
	char wall0[CLOCK_RFC3339_BYTES], root[17];
	struct buf *b = &j->line;

	clock_format_rfc3339(wall0, h->wall0_ns);
	journal_span(root, j->trace, 0);
	open_line(j, "run");
	member_int(b, "v", JOURNAL_VERSION);
	member_int(b, "n", 0);
	member_cstr(b, "run", h->run);
	member_plain(b, "trace", j->trace);
	member_plain(b, "span", root);
	member_plain(b, "wall0", wall0);
	member_text(b, "job", h->job);
	member_text(b, "infra", h->infra);
	member_sha256(b, "manifest", &h->manifest);
	member_text(b, "manifest_path", h->manifest_path);
	member_sha256(b, "plan", &h->plan);
	member_text(b, "commit", h->commit);
	member_flag(b, "dirty", h->dirty);
	if (h->patch_sha256.n) {
		json_add_name(b, "patch");
		buf_addf(b, "\"sha256:%.*s\"", STR_ARG(h->patch_sha256));
	}
	member_count(b, "pid", h->pid);
	member_count(b, "tasks", h->n_tasks);
	member_count(b, "in_place", h->n_in_place);
	return write_line(j, err);
}

/* How many of the edges from `at` on lead to one kind, upwards by index. */
static uint32_t
run_of_kind(const struct graph *g, const uint32_t *edges, uint32_t n)
{
	const struct node *nodes = g->nodes;
	uint32_t i = 1;

	while (i < n && nodes[edges[i]].kind == nodes[edges[0]].kind &&
		nodes[edges[i]].index > nodes[edges[i - 1]].index)
		i++;
	return i;
}

/* "kind[0..3,7]" of n nodes of one kind, upwards by index; numbers is scratch for n. */
static void
add_ids(struct buf *b, const struct graph *g, const uint32_t *edges, uint32_t n, uint32_t *numbers)
{
	enum kind kind = g->nodes[edges[0]].kind;

	buf_add_char(b, '"');
	buf_add_cstr(b, kind_name(kind));
	if (kind_is_indexed(kind)) {
		for (uint32_t i = 0; i < n; i++)
			numbers[i] = g->nodes[edges[i]].index;
		buf_add_char(b, '[');
		ranges_add(b, numbers, n, 0);
		buf_add_char(b, ']');
	}
	buf_add_char(b, '"');
}

static bool
fold_together(const struct graph *g, const struct node *a, const struct node *b)
{
	return a->kind == b->kind && kind_is_indexed(a->kind) && b->index > a->index &&
	       a->needs_slot == b->needs_slot && a->gives_slots == b->gives_slots &&
	       a->n_after == b->n_after &&
	       (a->n_after == 0 || memcmp(g->edges + a->after, g->edges + b->after,
					    a->n_after * sizeof(*g->edges)) == 0);
}

/* The line of the n nodes from `first` on. */
static int
write_node(struct journal *j, const struct graph *g, uint32_t first, uint32_t n, uint32_t *members,
	uint32_t *numbers, struct error *err)
{
	const struct node *node = &g->nodes[first];
	const uint32_t *edges = g->edges + node->after;
	struct buf *b = &j->line;

	open_line(j, "node");
	member_int(b, "n", (int64_t)j->n);
	json_add_name(b, "id");
	for (uint32_t i = 0; i < n; i++)
		members[i] = first + i;
	add_ids(b, g, members, n, numbers);
	member_plain(b, "kind", kind_name(node->kind));
	if (node->n_after) {
		json_add_name(b, "after");
		buf_add_char(b, '[');
		for (uint32_t i = 0, run; i < node->n_after; i += run) {
			if (i)
				buf_add_char(b, ',');
			run = run_of_kind(g, edges + i, node->n_after - i);
			add_ids(b, g, edges + i, run, numbers);
		}
		buf_add_char(b, ']');
	}
	if (node->needs_slot)
		member_plain(b, "needs", "slot");
	if (node->gives_slots)
		member_plain(b, "gives", "slot");
	return write_line(j, err);
}

static int
write_nodes(struct journal *j, const struct graph *g, struct error *err)
{
	/* An edge may be given twice, so a run of edges is not longer than there are nodes, but strictly upwards. */
	uint32_t *scratch = mem_alloc(2 * (size_t)g->n_nodes * sizeof(*scratch));
	int r = 0;

	for (uint32_t first = 0, end; r == 0 && first < g->n_nodes; first = end) {
		end = first + 1;
		while (end < g->n_nodes && fold_together(g, &g->nodes[end - 1], &g->nodes[end]))
			end++;
		r = write_node(j, g, first, end - first, scratch, scratch + g->n_nodes, err);
	}
	free(scratch);
	return r;
}

/* The name of a new file is on disk when its folder is. */
static int
sync_folder(struct journal *j, struct error *err)
{
	const char *slash = strrchr(j->path, '/');
	char *folder = slash ? strndup(j->path, (size_t)(slash - j->path) + 1) : strdup(".");
	int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int saved = 0;

	if (fd < 0 || fsync(fd) < 0)
		saved = errno;
	if (fd >= 0)
		close(fd);
	free(folder);
	/* Some file systems know no fsync of a folder. */
	if (saved && saved != EINVAL)
		return break_journal(j, saved, "bring its folder to disk", err);
	return 0;
}

static void
free_journal(struct journal *j)
{
	if (j->fd >= 0)
		close(j->fd);
	buf_free(&j->line);
	free(j);
}

int
journal_create(struct journal **out, const char *path, const struct journal_head *head,
	const struct graph *graph, struct error *err)
{
	size_t n = strlen(path) + 1;
	struct journal *j = mem_alloc(sizeof(*j) + n);
	int r;

	memset(j, 0, sizeof(*j));
	memcpy(j->path, path, n);
	memcpy(j->trace, head->trace, strnlen(head->trace, sizeof(j->trace) - 1));
	j->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
	if (j->fd < 0) {
		r = break_journal(j, errno, "create it", err);
		free_journal(j);
		return r;
	}
	r = write_head(j, head, err);
	if (r == 0)
		r = write_nodes(j, graph, err);
	if (r == 0)
		r = journal_sync(j, err);
	if (r == 0)
		r = sync_folder(j, err);
	if (r) {
		unlink(path);
		free_journal(j);
		return r;
	}
	*out = j;
	return 0;
}

int
journal_begin(struct journal *j, const struct call *call, enum phase phase, int64_t t_ns,
	int64_t ready_ns, const char *why, struct error *err)
{
	struct buf *b = &j->line;

	open_call(j, "begin", call, t_ns);
	member_id(b, "node", call->node->kind, call->node->index);
	member_plain(b, "phase", phase_name(phase));
	member_int(b, "ready", ready_ns);
	member_plain(b, "why", why);
	if (call->node->needs_slot)
		member_count(b, "place", call->place);
	if (call->attempt != 1)
		member_int(b, "try", call->attempt);
	return write_line(j, err);
}

int
journal_phase(struct journal *j, const struct call *call, enum phase phase, int64_t t_ns,
	struct error *err)
{
	open_call(j, "phase", call, t_ns);
	member_plain(&j->line, "phase", phase_name(phase));
	return write_line(j, err);
}

int
journal_intent(struct journal *j, const struct call *call, const char *op, const char *token,
	int64_t t_ns, struct error *err)
{
	open_call(j, "intent", call, t_ns);
	member_cstr(&j->line, "op", op);
	member_cstr(&j->line, "token", token);
	return write_line(j, err);
}

int
journal_effect(struct journal *j, const struct call *call, const char *id, int64_t t_ns,
	struct error *err)
{
	open_call(j, "effect", call, t_ns);
	member_cstr(&j->line, "id", id);
	return write_line(j, err);
}

static void
add_error(struct buf *b, const struct error *e)
{
	json_add_name(b, "err");
	buf_add_char(b, '{');
	if (e->code < 0 && -e->code < (int)(sizeof(code_names) / sizeof(code_names[0])))
		member_plain(b, "code", code_names[-e->code]);
	if (e->class != CLASS_FATAL)
		member_plain(b, "class", error_class_name(e->class));
	member_count(b, "errno", e->os_errno);
	member_count(b, "http", e->http_status);
	member_cstr(b, "msg", e->message);
	buf_add_char(b, '}');
}

/* What the times of the process say anyway is left out: see how timings.c lays out an attempt. */
static void
add_phases(struct buf *b, const struct outcome *o)
{
	bool open = false;

	for (int p = 0; p < PHASE_COUNT; p++) {
		if (o->phase_ns[p] <= 0 || (o->ran && (p < PHASE_LAUNCH || p > PHASE_UPLOAD)))
			continue;
		if (!open) {
			json_add_name(b, "ph");
			buf_add_char(b, '{');
			open = true;
		}
		member_int(b, phase_name((enum phase)p), o->phase_ns[p]);
	}
	if (open)
		buf_add_char(b, '}');
}

static void
add_process(struct buf *b, const struct outcome *o)
{
	member_pair(b, "ran", o->begun_ns, o->ended_ns);
	member_count(b, "exit", o->exit_status);
	member_count(b, "sig", o->signal);
	member_flag(b, "timeout", o->timed_out);
	member_count(b, "cpu", o->cpu_ns);
	member_count(b, "rss", o->max_rss_bytes);
	member_count(b, "out", o->stdout_bytes);
	member_count(b, "errs", o->stderr_bytes);
	if (o->stdout_kept_bytes < o->stdout_bytes)
		member_int(b, "out_kept", o->stdout_kept_bytes);
	if (o->stderr_kept_bytes < o->stderr_bytes)
		member_int(b, "errs_kept", o->stderr_kept_bytes);
	if (o->output_bytes || o->output_files)
		member_pair(b, "files", o->output_bytes, o->output_files);
}

int
journal_end(struct journal *j, const struct call *call, const char *status,
	const struct outcome *outcome, const struct error *e, int64_t retry_ns, int64_t t_ns,
	struct error *err)
{
	struct buf *b = &j->line;
	size_t before, after;

	open_call(j, "end", call, t_ns);
	member_plain(b, "st", status);
	if (e && e->code)
		add_error(b, e);
	if (retry_ns >= 0)
		member_int(b, "retry", retry_ns);
	if (outcome) {
		before = b->n;
		json_add_name(b, "a");
		buf_add_char(b, '{');
		after = b->n;
		member_count(b, "slots", outcome->slots);
		if (outcome->ran)
			add_process(b, outcome);
		add_phases(b, outcome);
		if (b->n == after)
			b->n = before;
		else
			buf_add_char(b, '}');
	}
	return write_line(j, err);
}

int
journal_sync(struct journal *j, struct error *err)
{
	if (j->broken.code) {
		if (err)
			*err = j->broken;
		return j->broken.code;
	}
	if (!j->unsynced)
		return 0;
	while (fdatasync(j->fd) < 0) {
		if (errno != EINTR)
			return break_journal(j, errno, "bring it to disk", err);
	}
	j->unsynced = false;
	return 0;
}

static int
write_done(struct journal *j, const struct exec_result *r, int exit_code, struct error *err)
{
	struct buf *b = &j->line;

	open_event(j, "done", r->wall_ns);
	member_int(b, "exit", exit_code);
	member_count(b, "ok", r->n_ok);
	member_count(b, "failed", r->n_failed);
	member_count(b, "cancelled", r->n_cancelled);
	member_count(b, "tasks_ok", r->tasks_ok);
	member_count(b, "tasks_failed", r->tasks_failed);
	member_count(b, "tasks_cancelled", r->tasks_cancelled);
	member_flag(b, "interrupted", r->interrupted);
	member_flag(b, "out_of_time", r->out_of_time);
	if (r->first_error.code) {
		member_cstr(b, "first", r->first_failed_id);
		add_error(b, &r->first_error);
	}
	return write_line(j, err);
}

int
journal_close(struct journal *j, const struct exec_result *result, int exit_code, struct error *err)
{
	int r = 0;

	if (!j)
		return 0;
	if (result)
		r = write_done(j, result, exit_code, err);
	if (r == 0)
		r = journal_sync(j, err);
	if (close(j->fd) < 0 && r == 0 && errno != EINTR)
		r = break_journal(j, errno, "close it", err);
	j->fd = -1;
	free_journal(j);
	return r;
}
