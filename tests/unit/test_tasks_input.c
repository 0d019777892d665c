/* test_tasks_input: tasks whose inputs are objects: how they are sent, and what it means when the object
 * cannot be fetched. */
#include "tests/unit/tasks_fixture.h"

static int
input_url(void *ctx, uint32_t index, struct arena *a, struct str *url, struct error *err)
{
	int rc = presign(err);

	assert_ptr_equal(ctx, bed);
	*url = arena_printf(a, "https://b.s3/%u?X-Amz-Signature=1", index);
	return rc;
}

static void
with_objects(struct tasks_config *config)
{
	struct fixture *f = &bed->job;

	OBJECTS(f, "s3://b/in/*", "in/a", "\"e-1\"");
	config->input_url = input_url;
	config->input_ctx = bed;
}

static char *
variable(struct fields *in, const char *name)
{
	static char value[512];
	uint32_t n = field_count(in, 4);
	size_t length = strlen(name);

	value[0] = '\0';
	while (n--) {
		struct str s = field_str(in);

		if (s.n > length && memcmp(s.p, name, length) == 0 && s.p[length] == '=')
			snprintf(value, sizeof(value), "%.*s",
				STR_ARG(str_from_index(s, length + 1)));
	}
	return value;
}

/* The fields of the task's frame, from its argv on. */
static struct fields
hear_task(void)
{
	struct fields in = {.rest = hear_type(FRAME_TASK).payload};

	field_u32(&in);
	field_i64(&in);
	field_u32(&in);
	return in;
}

static void
they_are_fetched_first(void **state)
{
	static const char *const argv[] = {"/proc/self/exe", "fetch", "/bin/sh", "-c"};
	static const char *const env[][2] = {{"FURROW_INPUT", "s3://b/in/a"},
		{FETCH_URL, "https://b.s3/0?X-Amz-Signature=1"}, {FETCH_ETAG, "\"e-1\""}};
	struct fields in, at;

	(void)state;
	start_as(true, with_objects);
	in = hear_task();
	assert_int_equal(field_count(&in, 4), 5);
	for (size_t i = 0; i < 4; i++)
		assert_true(str_is(field_str(&in), argv[i]));
	assert_true(str_is(field_str(&in), "./count.sh \"$FURROW_INPUT\""));
	for (size_t i = 0; i < 3; i++) {
		at = in;
		assert_string_equal(variable(&at, env[i][0]), env[i][1]);
	}
	assert_int_equal(field_str(&at).n, 0); /* no file of the source */
	assert_false(at.bad);
	say_begun();
	say_ended(ENDED_SELF);
	wait_until(&bed->answered);
	assert_int_equal(bed->step, STEP_DONE);
	assert_int_equal(bed->asked, 1);
}

static void
others_are_not(void **state)
{
	struct fields in;

	(void)state;
	start(true);
	in = hear_task();
	assert_int_equal(field_count(&in, 4), 3);
	assert_true(str_is(field_str(&in), "/bin/sh"));
	say_begun();
	say_ended(ENDED_SELF);
	wait_until(&bed->answered);
	assert_int_equal(bed->step, STEP_DONE);
}

/* The task ends so, with this on its stderr. */
static void
end_with(int status, const char *text)
{
	int64_t now = now_of_test();

	start_as(true, with_objects);
	hear_task();
	say_begun();
	say_stream(&bed->fake, STREAM_STDERR, bed->id, 0, text);
	say_end(&bed->fake, bed->id,
		&(struct end){.status = status,
			.begun = now,
			.ended = now,
			.errs = strlen(text),
			.errs_kept = strlen(text)});
	wait_until(&bed->answered);
	assert_int_equal(bed->step, STEP_FAILED);
}

static void
one_that_changed(void **state)
{
	(void)state;
	end_with(FETCH_CHANGED, FETCH_SAYS "s3://b/in/a changed: plan again\n");
	assert_int_equal(bed->err.code, ERR_STALE);
	assert_int_equal(bed->err.class, CLASS_FATAL);
	assert_string_equal(bed->err.message, "s3://b/in/a changed: plan again");
}

static void
one_that_cannot_be_fetched(void **state)
{
	(void)state;
	end_with(FETCH_FAILED, FETCH_SAYS "s3://b/in/a: S3 answers 403 AccessDenied\n");
	assert_int_equal(bed->err.code, ERR_HOST);
	assert_int_equal(bed->err.class, CLASS_TRANSIENT);
	assert_true(bed->outcome.fetching);
	assert_string_equal(bed->err.message,
		"its input cannot be fetched: s3://b/in/a: S3 answers 403 AccessDenied");
}

/* The same exit status, but the command's own. */
static void
a_command_that_fails(void **state)
{
	(void)state;
	end_with(FETCH_CHANGED, "count.sh: no\n" FETCH_SAYS "no\n");
	assert_int_equal(bed->err.code, ERR_TASK);
	assert_string_equal(bed->err.message, "exit status 118");
	assert_true(bed->outcome.ran && !bed->outcome.fetching);
}

static void
hold_and_start(struct tasks_config *config)
{
	with_objects(config);
	bed->held = true;
}

static void
nobody_waits_for_credentials(void **state)
{
	(void)state;
	start_as(true, hold_and_start); /* comes back although no URL can be made yet */
	wait_until(&bed->asked);
	assert_false(bed->answered);
	hold(false);
	hear_task();
	say_begun();
	say_ended(ENDED_SELF);
	wait_until(&bed->answered);
	assert_int_equal(bed->step, STEP_DONE);
}

static void
no_credentials(void **state)
{
	(void)state;
	start_as(true, hold_and_start);
	wait_until(&bed->asked);
	bed->presign_rc = -1;
	hold(false);
	wait_until(&bed->answered);
	assert_int_equal(bed->step, STEP_FAILED);
	assert_non_null(strstr(bed->err.message, "the login ended"));
}

static void
stopped_before_it_was_sent(void **state)
{
	(void)state;
	start_as(true, hold_and_start);
	wait_until(&bed->asked);
	runner_stop(&bed->runner, &bed->call, 0);
	assert_true(bed->answered);
	assert_int_equal(bed->err.code, ERR_CANCELLED);
	hold(false);
}

/* The connection is cut before the task was sent: it is sent over the next one, once. */
static void
cut_meanwhile(void **state)
{
	const struct session_host far = {0};
	struct session *old;
	int peer;

	(void)state;
	for (int made_before = 0; made_before < 2; made_before++) {
		start_as(true, hold_and_start);
		wait_until(&bed->asked);
		peer = bed->fake.peer;
		shutdown(peer, SHUT_RDWR);
		wait_until(&bed->cut);
		old = runner_take_session(&bed->runner);
		session_close(old, 0, NULL);
		close(peer);
		if (made_before)
			hold(false);
		runner_resume(&bed->runner, open_session(), &far);
		if (!made_before)
			hold(false);
		hear_task();
		say_begun();
		say_ended(ENDED_SELF);
		wait_until(&bed->answered);
		assert_int_equal(bed->step, STEP_DONE);
		if (!made_before) {
			bed_teardown(state);
			bed_setup(state);
		}
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(they_are_fetched_first),
		TEST(others_are_not),
		TEST(one_that_changed),
		TEST(one_that_cannot_be_fetched),
		TEST(a_command_that_fails),
		TEST(nobody_waits_for_credentials),
		TEST(no_credentials),
		TEST(stopped_before_it_was_sent),
		TEST(cut_meanwhile),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("tasks_input", tests, NULL, NULL);
}
