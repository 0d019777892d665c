/* plan_state: everything that may have moved since a plan was saved, and what is then said. */
#include "tests/unit/plan_world.h"

/* What moves, and what is then said. */
typedef void (*move_fn)(struct world *w);

static void
move_nothing(struct world *w)
{
	w->plan.slots = 7;
	w->plan.id = STR("another");
	w->plan.observed.machine.name = STR("other");
}

static void
move_name(struct world *w)
{
	w->manifest.name = STR("other");
}

static void
move_manifest(struct world *w)
{
	w->plan.manifest_digest = digest_from("other");
}

static void
move_commit(struct world *w)
{
	w->source.commit = STR("9f8e7d6c5b9f8e7d6c5b9f8e7d6c5b9f8e7d6c5b");
}

static void
move_out_of_git(struct world *w)
{
	w->source.commit = (struct str){0};
}

static void
move_patch(struct world *w)
{
	w->source.patch_sha256 = STR("abc");
}

static void
move_source(struct world *w)
{
	w->plan.job.source_identity = digest_from("other");
	set_tasks(w, TASKS, "b");
	set_results(w, 0);
}

static void
move_image(struct world *w)
{
	w->plan.job.image_digest = STR("sha256:11111111111111111111");
}

static void
move_setup(struct world *w)
{
	w->plan.job.environment_identity = digest_from("other");
}

static void
move_tasks(struct world *w)
{
	set_tasks(w, TASKS - 1, "a");
}

static void
move_keys(struct world *w)
{
	set_tasks(w, TASKS, "b");
	set_results(w, 2);
}

static void
move_results(struct world *w)
{
	set_results(w, 5);
}

static void
move_lost(struct world *w)
{
	set_results(w, 0);
}

static void
move_collected(struct world *w)
{
	w->collected[0] = (struct collected){.label = STR("t0"), .key = w->plan.job.tasks[0].key};
	w->plan.observed.collected = w->collected;
	w->plan.observed.n_collected = 1;
}

static void
move_older(struct world *w)
{
	w->collected[0] = (struct collected){.label = STR("t4")};
	w->plan.observed.collected = w->collected;
	w->plan.observed.n_collected = 1;
}

static void
move_source_ready(struct world *w)
{
	w->plan.observed.source_ready = true;
}

static void
move_image_ready(struct world *w)
{
	w->plan.observed.image_ready = true;
}

static void
move_setup_ready(struct world *w)
{
	w->plan.observed.setup_ready = true;
}

static void
move_much(struct world *w)
{
	move_manifest(w);
	move_commit(w);
	move_image(w);
	move_results(w);
}

static void
test_every_move(void **state)
{
	static const struct {
		move_fn move;
		const char *said;
	} cases[] = {
		{move_nothing, NULL},
		{move_name, "the job was job, is other"},
		{move_manifest, "the manifest changed"},
		{move_commit, "commit was 1a2b3c4, is 9f8e7d6"},
		{move_out_of_git, "commit was 1a2b3c4, is none"},
		{move_patch, "there are uncommitted changes now"},
		{move_source, "fits: the source changed."},
		{move_image, "image digest was sha256:000000000000, is sha256:111111111111"},
		{move_setup, "what setup depends on changed"},
		{move_tasks, "there were 6 tasks, there are 5"},
		{move_keys, "the inputs of tasks changed"},
		{move_results, "3 more tasks have results now: task[2..4]"},
		{move_lost, "2 tasks have lost their results: task[0,1]"},
		{move_collected, "results of the store to collect were 2, are 1"},
		{move_older, "which older results lie in the results folder changed"},
		{move_source_ready, "source was to be made, is in place"},
		{move_image_ready, "image was to be made, is in place"},
		{move_setup_ready, "environment[0]: what setup left before is there now"},
		{move_much, "the manifest changed; commit was 1a2b3c4, is 9f8e7d6; image digest "
			    "was sha256:000000000000, is sha256:111111111111; 3 more tasks"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct error err = {0};
		struct plan_file f;
		struct world w;
		struct buf b;
		int r;

		world_open(&w);
		b = saved(&w);
		assert_int_equal(parse(&w, &f, buf_str(&b), &err), 0);
		cases[i].move(&w);
		replan(&w);
		r = plan_file_check(&f, &w.plan, &err);
		assert_int_equal(r, cases[i].said ? ERR_STALE : 0);
		if (cases[i].said && !strstr(err.message, cases[i].said))
			fail_msg("expected '%s' in: %s", cases[i].said, err.message);
		buf_free(&b);
		world_close(&w);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_move),
	};

	return cmocka_run_group_tests_name("plan_file", tests, NULL, NULL);
}
