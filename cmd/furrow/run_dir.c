/* run_dir: listing runs and finding one. */
#include "cmd/furrow/run_dir.h"

#include "cmd/furrow/file.h"
#include "cmd/furrow/out.h"
#include "planner/base/ulid.h"
#include "providers/store/lock.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

enum { ULID_CHARACTERS = ULID_BYTES - 1 };

/* Without a whole line: the run was killed before it could write one, or is about to. */
static bool
has_line(struct str bytes)
{
	return bytes.n && memchr(bytes.p, '\n', bytes.n);
}

static void
load(struct arena *a, const struct state_dir *state, const char *id, const char *running,
	struct run_dir *out)
{
	bool runs = strcmp(id, running) == 0;
	struct str bytes = {0};
	struct error err;
	const char *journal;
	int rc;

	*out = (struct run_dir){.id = id, .path = arena_printf(a, "%s/%s", state->runs, id).p};
	journal = arena_printf(a, "%s/journal.jsonl", out->path).p;
	rc = file_map(journal, &bytes, &err);
	out->begun = rc == 0 && has_line(bytes);
	if (out->begun)
		rc = timings_parse_head(a, &out->head, bytes, str_from(journal), &err);
	else if (rc == ERR_MISSING)
		rc = 0;
	if (!out->begun || rc != 0)
		out->head = (struct timings){.run = str_from(id)};
	if (rc != 0) {
		out->state = runs ? RUN_RUNNING : RUN_UNREADABLE;
		out->problem = arena_cstr(a, str_from(err.message));
	} else if (out->head.done) {
		out->state = RUN_ENDED;
	} else {
		out->state = runs ? RUN_RUNNING : RUN_INTERRUPTED;
	}
	file_unmap(bytes);
}

/* Ids of all runs, newest first. */
static struct names
list_ids(struct arena *a, const struct state_dir *state)
{
	struct names all = file_names(a, state->runs), ids = {.v = ARENA_ARRAY(a, char *, all.n)};

	for (size_t i = all.n; i-- > 0;) {
		if (ulid_is(str_from(all.v[i])))
			ids.v[ids.n++] = all.v[i];
	}
	return ids;
}

/* The run that holds the lock; empty when none does. */
static void
running_run(const struct state_dir *state, char run[32])
{
	if (lock_holder(state->lock, run) == 0)
		run[0] = '\0';
}

void
run_dir_list(struct arena *a, const struct state_dir *state, size_t limit, struct run_dir **out,
	size_t *n, size_t *all)
{
	struct names ids = list_ids(a, state);
	char running[32];

	running_run(state, running);
	*all = ids.n;
	*n = ids.n < limit ? ids.n : limit;
	*out = ARENA_ARRAY(a, struct run_dir, *n);
	for (size_t i = 0; i < *n; i++)
		load(a, state, ids.v[i], running, &(*out)[i]);
}

bool
run_dir_is_spec(const char *word)
{
	size_t n = strlen(word);

	if (word[0] == '^' || strcmp(word, "latest") == 0)
		return true;
	/* Ids of this century start with '0', two characters later they are digits and letters. */
	if (n < 4 || n > ULID_CHARACTERS || word[0] != '0')
		return false;
	return strspn(word, "0123456789ABCDEFGHJKMNPQRSTVWXYZabcdefghjkmnpqrstvwxyz") == n;
}

/* The position in ids; < 0 with err. */
static int64_t
position(const struct names *ids, const char *spec, struct error *err)
{
	size_t n = strlen(spec), found = SIZE_MAX;
	int64_t back;

	if (strcmp(spec, "latest") == 0)
		return 0;
	if (spec[0] == '^') {
		if (!str_to_i64(spec[1] ? str_from(spec + 1) : STR("1"), &back) || back < 0)
			return error_set(err, ERR_INPUT,
				"'%s' is no run: write ^1 for the one before the latest", spec);
		if (back >= (int64_t)ids->n)
			return error_set(err, ERR_INPUT,
				"there is no run '%s': there %s %zu (furrow runs lists them)", spec,
				ids->n == 1 ? "is" : "are", ids->n);
		return back;
	}
	for (size_t i = 0; i < ids->n; i++) {
		if (strncasecmp(ids->v[i], spec, n) != 0)
			continue;
		if (found != SIZE_MAX)
			return error_set(err, ERR_INPUT,
				"'%s' begins more than one run's id: %s and %s; write more of it",
				spec, ids->v[found], ids->v[i]);
		found = i;
	}
	if (found == SIZE_MAX)
		return error_set(err, ERR_INPUT, "there is no run '%s' in %s", spec,
			"this state folder (furrow runs lists them)");
	return (int64_t)found;
}

int
run_dir_find(struct arena *a, const struct state_dir *state, const char *spec, struct run_dir *out,
	struct error *err)
{
	struct names ids = list_ids(a, state);
	char running[32];
	int64_t at;

	if (ids.n == 0)
		return error_set(
			err, ERR_INPUT, "nothing was applied here yet: %s has no run", state->runs);
	at = position(&ids, spec ? spec : "latest", err);
	if (at < 0)
		return (int)at;
	running_run(state, running);
	load(a, state, ids.v[at], running, out);
	return 0;
}

int
run_dir_timings(struct arena *a, const struct run_dir *run, struct timings *out, struct error *err)
{
	const char *journal = arena_printf(a, "%s/journal.jsonl", run->path).p;
	struct str bytes;
	int rc = file_map(journal, &bytes, err);

	*out = (struct timings){.run = str_from(run->id)};
	if (rc != 0)
		return rc == ERR_MISSING ? 0 : rc;
	if (has_line(bytes))
		rc = timings_parse(a, out, bytes, str_from(journal), err);
	file_unmap(bytes);
	return rc;
}

void
run_dir_say_begun(const struct run_dir *run)
{
	if (run->begun || run->state == RUN_UNREADABLE)
		return;
	if (run->state == RUN_RUNNING)
		out_say("run %s has not begun anything yet", run->id);
	else
		out_say("run %s was ended from outside before it began: nothing of it was done",
			run->id);
}

const char *
run_dir_result(const struct run_dir *run)
{
	switch (run->state) {
	case RUN_RUNNING:
		return "running";
	case RUN_ENDED:
		if (run->head.exit_code == 0)
			return "done";
		return run->head.interrupted ? "interrupted" : "failed";
	case RUN_INTERRUPTED:
		return "interrupted";
	case RUN_UNREADABLE:
		break;
	}
	return "unreadable";
}

int
run_tasks_write(const char *run_path, const struct plan *plan, struct error *err)
{
	struct arena a = {0};
	struct buf b = {0};
	char hex[DIGEST_HEX_BYTES];
	int rc;

	for (uint32_t i = 0; i < plan->job.n_tasks; i++) {
		const struct task *t = &plan->job.tasks[i];

		if (!plan->changes.task_runs[i])
			continue;
		digest_hex(hex, &t->key);
		buf_addf(&b, "%u\t%s\t", i, hex);
		buf_add_str(&b, t->label);
		buf_add_char(&b, '\n');
	}
	rc = file_create(arena_printf(&a, "%s/tasks", run_path).p, buf_str(&b), err);
	buf_free(&b);
	arena_free(&a);
	return rc;
}

static bool
read_task(struct run_task *out, struct str line)
{
	int64_t index;

	if (!str_to_i64(str_cut(&line, '\t'), &index) || index < 0 || index > UINT32_MAX)
		return false;
	if (!line.p || !digest_parse(str_cut(&line, '\t'), &out->key) || !line.p)
		return false;
	out->index = (uint32_t)index;
	out->label = line;
	return true;
}

void
run_tasks_read(struct arena *a, const char *run_path, struct run_tasks *out)
{
	size_t lines = 0;
	struct str bytes;

	*out = (struct run_tasks){0};
	if (file_read(a, arena_printf(a, "%s/tasks", run_path).p, 64u << 20, &bytes, NULL) != 0)
		return;
	for (size_t i = 0; i < bytes.n; i++)
		lines += bytes.p[i] == '\n';
	out->v = ARENA_ARRAY(a, struct run_task, lines);
	while (bytes.p && out->n < lines) {
		if (read_task(&out->v[out->n], str_cut(&bytes, '\n')))
			out->n++;
	}
}

const struct run_task *
run_tasks_find(const struct run_tasks *t, uint32_t index)
{
	size_t low = 0, high = t->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (t->v[middle].index < index)
			low = middle + 1;
		else
			high = middle;
	}
	return low < t->n && t->v[low].index == index ? &t->v[low] : NULL;
}

int
run_tasks_named(
	const struct run_tasks *t, const char *word, const struct run_task **out, struct error *err)
{
	enum kind kind;
	uint32_t index;

	/* A label first: an input may be called "7". */
	for (size_t i = 0; i < t->n; i++) {
		*out = &t->v[i];
		if (str_is(t->v[i].label, word))
			return 0;
	}
	*out = NULL;
	if (kind_parse_id(str_from(word), &kind, &index) && kind == KIND_TASK)
		*out = run_tasks_find(t, index);
	if (*out)
		return 0;
	return error_set(err, ERR_INPUT, "'%s' is no task that ran in it", word);
}
