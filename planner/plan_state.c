/* plan_state: what a plan stands on, as one digest, and what has moved since a plan was saved, in
 * words. */
#include "planner/plan.h"

#include "planner/ranges.h"

#include <stdlib.h>

struct digest
plan_keys(const struct job *job)
{
	struct hasher *h = hasher_new();
	struct digest d;

	for (uint32_t i = 0; i < job->n_tasks; i++)
		hasher_add(h, job->tasks[i].key.b, DIGEST_BYTES);
	d = hasher_end(h);
	hasher_free(h);
	return d;
}

static void
hash_number(struct hasher *h, uint64_t n)
{
	uint8_t b[8];

	for (int i = 0; i < 8; i++)
		b[i] = (uint8_t)(n >> (8 * i));
	hasher_add(h, b, sizeof(b));
}

static void
hash_means(struct hasher *h, const struct change *c, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (c[i].kind == KIND_TASK)
			continue;
		hasher_add_field(h, str_from(kind_name(c[i].kind)));
		hash_number(h, c[i].index);
		hasher_add_field(h, str_from(verb_name(c[i].verb)));
		hasher_add_field(h, str_from(cause_name(c[i].cause)));
	}
	hasher_add_field(h, STR("end"));
}

struct str
plan_machine_image(const struct plan *p)
{
	for (size_t i = 0; i < p->changes.n_todo; i++) {
		if (p->changes.todo[i].kind == KIND_INSTANCE)
			return p->observed.fleet.image;
	}
	return (struct str){0};
}

void
plan_state(struct plan *p)
{
	struct hasher *h = hasher_new();
	struct digest keys = plan_keys(&p->job);

	hasher_add_field(h, STR("furrow-state 1"));
	hasher_add_field(h, p->job.manifest->name);
	hasher_add(h, p->manifest_digest.b, DIGEST_BYTES);
	hasher_add_field(h, p->job.source->commit);
	hasher_add_field(h, p->job.source->patch_sha256);
	hasher_add(h, p->job.source_identity.b, DIGEST_BYTES);
	hasher_add_field(h, p->job.image_digest);
	hasher_add(h, p->job.environment_identity.b, DIGEST_BYTES);
	hash_number(h, p->job.n_tasks);
	hasher_add(h, keys.b, DIGEST_BYTES);
	hasher_add(h, p->changes.task_runs, p->job.n_tasks);
	hash_number(h, p->changes.n_to_collect);
	hash_number(h, p->changes.n_to_replace);
	hash_means(h, p->changes.todo, p->changes.n_todo);
	if (p->changes.n_tasks_run) /* what is ready doesn't matter to a plan that needs nothing */
		hash_means(h, p->changes.in_place, p->changes.n_in_place);
	if (plan_machine_image(p).p)
		hasher_add_field(h, plan_machine_image(p));
	p->state = hasher_end(h);
	hasher_free(h);
}

/* What moved. */

enum { SHORT_HEX = 7, SHORT_DIGEST = 7 + 12, MAX_RANGE_BYTES = 40 };

/* The next clause of the list. */
static struct buf *
next(struct buf *list)
{
	if (list->n)
		buf_add_cstr(list, "; ");
	return list;
}

static struct str
shortened(struct str s, size_t n)
{
	if (!s.p)
		return STR("none");
	return s.n > n ? (struct str){.p = s.p, .n = n} : s;
}

static void
compare_text(struct buf *list, const char *what, struct str was, struct str is, size_t shown)
{
	if (str_eq(was, is))
		return;
	was = shortened(was, shown);
	is = shortened(is, shown);
	buf_addf(next(list), "%s was %.*s, is %.*s", what, STR_ARG(was), STR_ARG(is));
}

static void
compare_digest(
	struct buf *list, const char *what, const struct digest *was, const struct digest *is)
{
	if (digest_cmp(was, is) != 0)
		buf_addf(next(list), "%s changed", what);
}

static void
compare_patch(struct buf *list, struct str was, struct str is)
{
	if (str_eq(was, is))
		return;
	if (!was.p)
		buf_add_cstr(next(list), "there are uncommitted changes now");
	else if (!is.p)
		buf_add_cstr(next(list), "the uncommitted changes are gone");
	else
		buf_add_cstr(next(list), "the uncommitted changes are others");
}

/* What decides the keys of all tasks: when one of these moved, that the keys did is no news. */
static void
compare_job(struct buf *list, const struct plan_file *file, const struct plan *now)
{
	const struct job *job = &now->job;

	compare_text(list, "the job", file->job, job->manifest->name, SIZE_MAX);
	compare_digest(list, "the manifest", &file->manifest_digest, &now->manifest_digest);
	compare_text(list, "commit", file->commit, job->source->commit, SHORT_HEX);
	compare_patch(list, file->patch_sha256, job->source->patch_sha256);
	compare_text(list, "image digest", file->image_digest, job->image_digest, SHORT_DIGEST);
	compare_digest(list, "the source", &file->source_identity, &job->source_identity);
	if (str_eq(file->image_digest, job->image_digest))
		compare_digest(list, "what setup depends on", &file->environment_identity,
			&job->environment_identity);
}

/* The tasks whose `runs` went from `was` to the other value. */
static void
add_turned(struct buf *list, const struct plan_file *file, const struct plan *now, uint8_t was,
	const char *one, const char *many)
{
	uint32_t *v = mem_alloc(file->n_tasks * sizeof(*v));
	size_t n = 0;

	for (uint32_t i = 0; i < file->n_tasks; i++) {
		if (file->task_runs[i] == was && now->changes.task_runs[i] != was)
			v[n++] = i;
	}
	if (n) {
		buf_addf(next(list), "%zu %s: task[", n, n == 1 ? one : many);
		ranges_add(list, v, n, MAX_RANGE_BYTES);
		buf_add_char(list, ']');
	}
	free(v);
}

static void
compare_tasks(struct buf *list, const struct plan_file *file, const struct plan *now)
{
	struct digest keys = plan_keys(&now->job);

	if (file->n_tasks != now->job.n_tasks) {
		buf_addf(next(list), "there were %u tasks, there are %u", file->n_tasks,
			now->job.n_tasks);
	} else if (digest_cmp(&keys, &file->keys) != 0) {
		if (list->n == 0)
			buf_add_cstr(next(list), "the inputs of tasks changed");
	} else {
		add_turned(list, file, now, 1, "more task has a result now",
			"more tasks have results now");
		add_turned(list, file, now, 0, "task has lost its result",
			"tasks have lost their results");
	}
}

static void
compare_collected(struct buf *list, const struct plan_file *file, const struct changes *now)
{
	if (file->n_to_collect != now->n_to_collect)
		buf_addf(next(list), "results of the store to collect were %u, are %u",
			file->n_to_collect, now->n_to_collect);
	else if (file->n_to_replace != now->n_to_replace)
		buf_add_cstr(next(list), "which older results lie in the results folder changed");
}

static const struct change *
find_change(const struct change *c, size_t n, enum kind kind, uint32_t index)
{
	for (size_t i = 0; i < n; i++) {
		if (c[i].kind == kind && c[i].index == index)
			return &c[i];
	}
	return NULL;
}

/* What the tasks need, such as source and image: made or lost by somebody else in the meantime.
 * Only of an environment is there more to tell than whether it is there. */
static void
compare_means(struct buf *list, const struct plan_file *file, const struct changes *now)
{
	for (size_t i = 0; i < file->n_means; i++) {
		const struct plan_means *was = &file->means[i];
		const struct change *is =
			find_change(now->todo, now->n_todo, was->kind, was->index);
		char id[KIND_ID_BYTES];

		if (!is)
			is = find_change(now->in_place, now->n_in_place, was->kind, was->index);
		kind_id(id, was->kind, was->index);
		if (!is)
			buf_addf(next(list), "%s is not there any more", id);
		else if (is->verb != was->verb)
			buf_addf(next(list), "%s was %s, is %s", id,
				was->verb == VERB_IN_PLACE ? "in place" : "to be made",
				is->verb == VERB_IN_PLACE ? "in place" : "to be made");
		else if (is->cause != was->cause)
			buf_addf(next(list), "%s: what setup left before is %s", id,
				is->cause == CAUSE_KEPT_SETUP ? "there now" : "gone");
	}
}

int
plan_file_check(const struct plan_file *file, const struct plan *now, struct error *err)
{
	struct buf list = {0};
	int r;

	if (digest_cmp(&file->state, &now->state) == 0)
		return 0;
	compare_job(&list, file, now);
	compare_tasks(&list, file, now);
	if (list.n == 0)
		compare_collected(&list, file, &now->changes);
	if (list.n == 0)
		compare_means(&list, file, &now->changes);
	if (list.n == 0)
		compare_text(&list, "instances.ami", file->machine_image, plan_machine_image(now),
			SIZE_MAX);
	if (list.n == 0)
		buf_add_cstr(&list, "what furrow compares changed: it was saved by another furrow");
	r = error_set(err, ERR_STALE,
		"the saved plan no longer fits: %s. Nothing was done; make a new one with furrow "
		"plan -o",
		buf_cstr(&list));
	buf_free(&list);
	return r;
}
