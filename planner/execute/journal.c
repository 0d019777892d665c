/* journal: writing the journal of a run.
 *
 * The format, version 1: JSON lines (one object a line, UTF-8, ended by a line feed). What is after
 * the last line feed is a torn line and counts as never written. Every line has "ev" and "n", its
 * number from 0 on, so that a missing line shows; "t" is nanoseconds since the run began
 * (CLOCK_BOOTTIME) and never goes back. Readers skip members and events that they don't know. What
 * is empty, zero or false is left out, but for ev, n, t, ready.
 *
 * First the head, which is line 0, then the nodes, one line for neighbours that differ in their
 * index alone:
 *
 *   {"ev":"run","v":1,"n":0,"run":ULID,"trace":32 hex,"span":16 hex (the root's),
 *    "wall0":RFC 3339,"job":…,"infra":…,"manifest":"sha256:…","manifest_path":…,
 *    "plan":"sha256:…","commit":…,"dirty":true,"patch":"sha256:…","pid":…,
 *    "tasks":of the job,"in_place":of these,"said":{"s":ns,"nusd":…} what the plan said}
 *   {"ev":"node","n":…,"id":"task[0..99,101]","kind":"task",
 *    "after":["source","instance[0..2]"],"needs":"slot","gives":"slot"}
 *
 * then, as things happen:
 *
 *   {"ev":"begin","n":…,"t":…,"span":16 hex,"node":"task[3]","phase":"run","ready":ns,
 *    "why":…,"place":i,"try":2}
 *       An attempt is handed out. ready: since when it could have been. why: what it waited for
 *       last: "start" (nothing), "after" (what it comes after), "slot" (a free slot; it may still
 *       queue at the place), "retry" (its delay). place: index of the environment whose slot it
 *       has, when not 0. try: when not 1. Its parent is the root's span. No line tells when a
 *       task's process begins: `ran` does at its end, and of what has not ended, as many as the
 *       place has slots have begun, in the order of these lines; the others queue there.
 *       a: {"nusd":…}: of an environment on an instance that was there: what an hour of that costs,
 *       in billionths of a dollar, -1 when nobody knows. It counts from the run's begin on.
 *   {"ev":"phase",…,"span":…,"phase":"boot"}
 *       It goes over to another phase. Not told of tasks.
 *   {"ev":"intent",…,"span":…,"op":…,"token":…}
 *       On disk before the call goes out.
 *   {"ev":"effect",…,"span":…,"id":…}
 *       What came of it. On disk before anything is built on it. a: {"nusd":…}: what an hour of the
 *       instance costs, which stands for that index from then on; until `gone`, or the end of its release.
 *   {"ev":"end",…,"span":…,"st":"ok|failed|cancelled|abandoned",
 *    "err":{"code":…,"class":…,"errno":…,"http":…,"msg":…},"retry":ns,"a":{…}}
 *       abandoned: its place was lost, or it was asked back from there since another one had a
 *       slot; before it had begun if there is no `ran`. retry: when the
 *       next attempt is due. a: what is known:
 *         slots         given
 *         ran           [begun ns, ended ns] of a task's process
 *         exit, sig     its status; -1 and the signal that ended it
 *         timeout       true
 *         cpu, rss      ns, bytes
 *         out, errs     bytes written to stdout and stderr
 *         out_kept, errs_kept   when less
 *         files         [bytes, count] of its outputs
 *         ph            {"boot":ns,…}: shares of its time by phase, but for what `ran` and the
 *                       `phase` lines say anyway
 *         boot          {"accepted":ns,…}: the marks of boot.h, since the instance was asked for;
 *                       "warm_files":[ns, bytes], "warm_why": what of them could not be read, "disk":[bytes, bytes a second]
 *   {"ev":"notice","n":…,"t":…,"place":i,"until":ns,"msg":…}
 *       The place of environment[i] (i: when not 0) will be taken away: no task begins there any more.
 *   {"ev":"gone","n":…,"t":…,"place":i}
 *       The instance of that index has ended without being released: it costs nothing from then on.
 *   {"ev":"remake","n":…,"t":…,"place":i,"made":true,"msg":…}
 *       Whether another one is made instead, and why.
 *   {"ev":"done",…,"exit":code,"ok":nodes,"failed":…,"cancelled":…,"tasks_ok":…,
 *    "tasks_failed":…,"tasks_cancelled":…,"interrupted":true,"out_of_time":true,
 *    "out_of_money":true,"nusd":what instances cost,"least":true (and one without a price),
 *    "first":"task[3]","err":{…}}
 *       The run ended in order; first and err tell of the node that failed first. A node without
 *       a `begin` was cancelled.
 *
 * Durability: the head, the nodes and `done` are on disk when the call returns, the others when
 * journal_sync was called: the executor does that before an intent or an effect goes on, and for
 * the others within 50 ms. */
#include "planner/execute/journal.h"

#include "planner/execute/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct journal {
	int fd;
	uint64_t n;	 /* number of the next line */
	int64_t size;	 /* bytes of whole lines in the file */
	int64_t last_ns; /* t of the last line */
	bool unsynced;
	struct error broken; /* code ERR_NONE: it isn't */
	struct buf line;     /* reused */
	char trace[33];
	char path[];
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

/* The finaliser of splitmix64 is a bijection: numbers of one trace never meet. W3C forbids the span
 * of all zeros. */
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

/* The file ends with a whole line, whatever happens: what a full disk left of this one is taken
 * back. */
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
	line_plain(&j->line, "ev", ev);
}

static void
open_event(struct journal *j, const char *ev, int64_t t_ns)
{
	if (t_ns > j->last_ns)
		j->last_ns = t_ns;
	open_line(j, ev);
	line_int(&j->line, "n", (int64_t)j->n);
	line_int(&j->line, "t", j->last_ns);
}

static void
open_call(struct journal *j, const char *ev, const struct call *call, int64_t t_ns)
{
	open_event(j, ev, t_ns);
	line_plain(&j->line, "span", call->span);
}

static int
write_head(struct journal *j, const struct journal_head *head, struct error *err)
{
	open_line(j, "run");
	line_head(&j->line, head, j->trace);
	return write_line(j, err);
}

static int
write_nodes(struct journal *j, const struct graph *g, struct error *err)
{
	uint32_t *scratch = mem_alloc(2 * (size_t)g->n_nodes * sizeof(*scratch));
	int r = 0;

	for (uint32_t first = 0; r == 0 && first < g->n_nodes;) {
		open_line(j, "node");
		line_int(&j->line, "n", (int64_t)j->n);
		first += line_nodes(&j->line, g, first, scratch);
		r = write_line(j, err);
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
	line_id(b, "node", call->node->kind, call->node->index);
	line_plain(b, "phase", phase_name(phase));
	line_int(b, "ready", ready_ns);
	line_plain(b, "why", why);
	if (call->node->needs_slot)
		line_count(b, "place", call->place);
	if (call->attempt != 1)
		line_int(b, "try", call->attempt);
	else if (call->node->kind == KIND_ENVIRONMENT)
		line_hourly(b, call->node->hourly_usd);
	return write_line(j, err);
}

int
journal_phase(struct journal *j, const struct call *call, enum phase phase, int64_t t_ns,
	struct error *err)
{
	open_call(j, "phase", call, t_ns);
	line_plain(&j->line, "phase", phase_name(phase));
	return write_line(j, err);
}

int
journal_intent(struct journal *j, const struct call *call, const char *op, const char *token,
	int64_t t_ns, struct error *err)
{
	open_call(j, "intent", call, t_ns);
	line_cstr(&j->line, "op", op);
	line_cstr(&j->line, "token", token);
	return write_line(j, err);
}

int
journal_effect(
	struct journal *j, const struct call *call, const char *id, int64_t t_ns, struct error *err)
{
	open_call(j, "effect", call, t_ns);
	line_cstr(&j->line, "id", id);
	line_hourly(&j->line, call->hourly_usd);
	return write_line(j, err);
}

int
journal_end(struct journal *j, const struct call *call, const char *status,
	const struct outcome *outcome, const struct error *e, int64_t retry_ns, int64_t t_ns,
	struct error *err)
{
	struct buf *b = &j->line;

	open_call(j, "end", call, t_ns);
	line_plain(b, "st", status);
	if (e && e->code)
		line_error(b, e);
	if (retry_ns >= 0)
		line_int(b, "retry", retry_ns);
	if (outcome)
		line_outcome(b, outcome);
	return write_line(j, err);
}

int
journal_notice(struct journal *j, uint32_t place, int64_t until_ns, const char *text, int64_t t_ns,
	struct error *err)
{
	open_event(j, "notice", t_ns);
	line_count(&j->line, "place", place);
	line_int(&j->line, "until", until_ns);
	line_cstr(&j->line, "msg", text);
	return write_line(j, err);
}

int
journal_gone(struct journal *j, uint32_t place, int64_t t_ns, struct error *err)
{
	open_event(j, "gone", t_ns);
	line_count(&j->line, "place", place);
	return write_line(j, err);
}

int
journal_remake(struct journal *j, uint32_t place, bool made, const char *why, int64_t t_ns,
	struct error *err)
{
	open_event(j, "remake", t_ns);
	line_count(&j->line, "place", place);
	line_flag(&j->line, "made", made);
	line_cstr(&j->line, "msg", why);
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
	line_int(b, "exit", exit_code);
	line_count(b, "ok", r->n_ok);
	line_count(b, "failed", r->n_failed);
	line_count(b, "cancelled", r->n_cancelled);
	line_count(b, "tasks_ok", r->tasks_ok);
	line_count(b, "tasks_failed", r->tasks_failed);
	line_count(b, "tasks_cancelled", r->tasks_cancelled);
	line_flag(b, "interrupted", r->interrupted);
	line_flag(b, "out_of_time", r->out_of_time);
	line_flag(b, "out_of_money", r->out_of_money);
	line_count(b, "nusd", line_nusd(r->usd));
	line_flag(b, "least", r->usd_least);
	if (r->first_error.code) {
		line_cstr(b, "first", r->first_failed_id);
		line_error(b, &r->first_error);
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
