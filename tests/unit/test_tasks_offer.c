/* test_tasks_offer: from what a runner offers to a result in the store: the real tasks, session and
 * store; the runner is the test, the bucket a stand-in. */
#include "tests/unit/tasks_fixture.h"

static void
say_part(enum frame_type type, int64_t bytes)
{
	uint8_t p[9];

	put_i64(put_u8(p, OFFER_TAR), bytes);
	say(&bed->fake, type, 0, bed->id, p, sizeof(p));
}

/* What it is answered with. */
static void
hear_put(char url[512])
{
	struct frame frame = hear_type(FRAME_PUT);
	struct fields in = {.rest = frame.payload};
	struct str s;

	assert_int_equal(field_u8(&in), OFFER_TAR);
	s = field_str(&in);
	assert_true(!in.bad && s.n < 512);
	snprintf(url, 512, "%.*s", STR_ARG(s));
}

static void
offer(int64_t bytes, char url[512])
{
	say_part(FRAME_OFFER, bytes);
	hear_put(url);
}

/* As the host would: the bucket has it then. */
static void
put_to(const char *url, const char *bytes)
{
	static const char origin[] = "https://bucket.s3/";
	struct buf body = {0};
	struct str rest;

	assert_memory_equal(url, origin, strlen(origin));
	rest = str_from(url + strlen(origin));
	buf_add_cstr(&body, bytes);
	pthread_mutex_lock(&standin.lock);
	standin_store(standin_make(str_cut(&rest, '?')), &body, (struct str){0}, (struct str){0},
		(struct str){0});
	pthread_mutex_unlock(&standin.lock);
	buf_free(&body);
}

static void
assert_done(const char *tar)
{
	struct digest key = bed->plan.job.tasks[0].key;
	char name[STORE_NAME_BYTES], got[64] = "";
	struct error err = {0};
	int64_t size = 0;
	int fd;

	wait_until(&bed->answered);
	if (bed->step != STEP_DONE)
		fail_msg("%s", bed->err.message);
	hear_type(FRAME_ACK);
	store_result_name(name, &key, "tar");
	if (store_open(bed->store, name, &fd, &size, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(size, strlen(tar));
	assert_int_equal(pread(fd, got, sizeof(got), 0), size);
	close(fd);
	assert_string_equal(got, tar);
	assert_int_equal(tasks_left(bed->tasks), 0);
}

static size_t
count_tars(void)
{
	size_t n = 0;

	pthread_mutex_lock(&standin.lock);
	for (size_t i = 0; i < standin.n; i++)
		n += str_ends(
			(struct str){.p = standin.objects[i]->key, .n = standin.objects[i]->key_n},
			STR(".tar"));
	pthread_mutex_unlock(&standin.lock);
	return n;
}

static void
assert_logged(const char *text)
{
	char path[128], got[4096] = "";
	int fd;

	snprintf(path, sizeof(path), "%s/host-0.log", bed->fake.h.dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_true(read(fd, got, sizeof(got) - 1) > 0);
	close(fd);
	if (!strstr(got, text))
		fail_msg("the log has '%s', not '%s'", got, text);
}

static void
what_was_placed_is_the_result(void **state)
{
	char url[512];

	(void)state;
	start(true);
	say_begun();
	offer(1 << 30, url);
	put_to(url, "the tar");
	say_part(FRAME_PLACED, 7);
	say_ended(ENDED_SELF);
	assert_done("the tar");
	assert_int_equal(count_tars(), 1);
}

static void
renewed_url_is_of_the_same_object(void **state)
{
	char url[512], again[512];

	(void)state;
	start(true);
	offer(7, url);
	offer(7, again);
	assert_string_equal(url, again); /* the stand-in's have no time in them */
	put_to(url, "the tar");
	say_part(FRAME_PLACED, 7);
	say_ended(ENDED_SELF);
	assert_done("the tar");
}

static void
a_store_without_urls(void **state)
{
	char url[512];

	(void)state;
	start(false);
	offer(7, url);
	assert_string_equal(url, "");
	say(&bed->fake, FRAME_OUTPUT, 0, bed->id, "the tar", 7);
	say_ended(ENDED_SELF);
	assert_done("the tar");
	assert_logged("the outputs of task[0] (7 bytes) come over the connection: ");
}

static void
more_than_one_put_takes(void **state)
{
	char url[512];

	(void)state;
	start(true);
	offer(INT64_C(6) << 30, url);
	assert_string_equal(url, "");
	say(&bed->fake, FRAME_OUTPUT, 0, bed->id, "the tar", 7);
	say_ended(ENDED_SELF);
	assert_done("the tar");
	assert_logged("5 GiB");
}

/* A URL, and then it goes over the connection all the same. */
static void
sent_in_the_end(void **state)
{
	char url[512];

	(void)state;
	start(true);
	offer(7, url);
	bed->presign_rc = -1;
	offer(7, url);
	assert_string_equal(url, "");
	assert_logged("the login ended");
	say(&bed->fake, FRAME_OUTPUT, 0, bed->id, "the tar", 7);
	say_ended(ENDED_SELF);
	assert_done("the tar");
}

static void
sent_though_it_may_be_put(void **state)
{
	char url[512];

	(void)state;
	start(true);
	offer(7, url);
	say(&bed->fake, FRAME_OUTPUT, 0, bed->id, "the tar", 7);
	say_ended(ENDED_SELF);
	assert_done("the tar");
	assert_int_equal(count_tars(), 0); /* so short, it is in the record */
}

static void
placed_but_not_there(void **state)
{
	char url[512];

	(void)state;
	start(true);
	offer(7, url);
	say_part(FRAME_PLACED, 7);
	say_ended(ENDED_SELF);
	wait_until(&bed->answered);
	assert_int_equal(bed->step, STEP_FAILED);
	assert_non_null(strstr(bed->err.message, "it is not there"));
	assert_int_equal(tasks_left(bed->tasks), 1);
}

static void
cut_after_placed(void **state)
{
	char url[512], again[512];

	(void)state;
	start(true);
	say_begun();
	offer(7, url);
	put_to(url, "the tar");
	say_part(FRAME_PLACED, 7);
	/* Twice: nothing is known of the one before the last. */
	cut_and_resume();
	hear_type(FRAME_RESUME);
	cut_and_resume();
	hear_type(FRAME_RESUME);
	say_begun();
	offer(7, again);
	assert_string_equal(again, url);
	say_part(FRAME_PLACED, 7);
	say_ended(ENDED_SELF);
	assert_done("the tar");
	assert_int_equal(count_tars(), 1);
}

static void
cut_before_placed(void **state)
{
	char url[512], again[512];

	(void)state;
	start(true);
	offer(7, url);
	cut_and_resume();
	offer(7, again);
	assert_string_equal(again, url);
	put_to(url, "the tar");
	say_part(FRAME_PLACED, 7);
	say_ended(ENDED_SELF);
	assert_done("the tar");
}

/* Placed; then, after a cut, no URL can be had: it comes anew, and what was put goes. */
static void
placed_in_vain(void **state)
{
	char url[512];

	(void)state;
	start(true);
	offer(7, url);
	put_to(url, "the tar");
	say_part(FRAME_PLACED, 7);
	cut_and_resume();
	bed->presign_rc = -1;
	offer(7, url);
	assert_string_equal(url, "");
	say(&bed->fake, FRAME_OUTPUT, 0, bed->id, "the tar", 7);
	say_ended(ENDED_SELF);
	assert_done("the tar");
	for (int i = 0; count_tars() > 0; i++) {
		assert_true(i < PATIENCE_S * 100);
		pause_ns(10 * NS_PER_MS);
	}
}

static void
cut_while_a_url_is_made(void **state)
{
	char url[512];

	(void)state;
	start(true);
	hold(true);
	say_part(FRAME_OFFER, 7);
	wait_until(&bed->asked);
	cut_and_resume();
	hear_type(FRAME_RESUME);
	say_part(FRAME_OFFER, 7);
	hold(false);
	hear_put(url);
	put_to(url, "the tar");
	say_part(FRAME_PLACED, 7);
	say_ended(ENDED_SELF);
	assert_done("the tar");
	assert_int_equal(bed->asked, 2);
	assert_int_equal(count_tars(), 1);
}

static void
ended_while_a_url_is_made(void **state)
{
	(void)state;
	start(true);
	hold(true);
	say_part(FRAME_OFFER, 7);
	wait_until(&bed->asked);
	say_ended(ENDED_STOPPED);
	wait_until(&bed->answered);
	assert_int_equal(bed->step, STEP_FAILED);
	assert_int_equal(bed->err.code, ERR_CANCELLED);
	hold(false);
}

/* What was placed of a task that is of no use any more goes. */
static void
lost_after_placed(void **state)
{
	char url[512];
	struct error err;

	(void)state;
	start(true);
	offer(7, url);
	put_to(url, "the tar");
	say_part(FRAME_PLACED, 7);
	cut_and_resume();
	hear_type(FRAME_RESUME);
	shutdown(bed->fake.peer, SHUT_RDWR);
	wait_until(&bed->cut);
	error_set(&err, ERR_HOST, "gone");
	runner_give_up(&bed->runner, &err);
	wait_until(&bed->answered);
	assert_int_equal(bed->step, STEP_FAILED);
	assert_true(bed->outcome.place_lost);
	for (int i = 0; count_tars() > 0; i++) {
		assert_true(i < PATIENCE_S * 100);
		pause_ns(10 * NS_PER_MS);
	}
}

/* A session that was cut as it began is taken before all know of the cut. */
static void
sent_over_the_next_session(void **state)
{
	struct session_host far = {0};
	struct call second;

	(void)state;
	start(true);
	hear_type(FRAME_TASK);
	say_ended(ENDED_STOPPED);
	wait_until(&bed->answered);
	session_close(runner_take_session(&bed->runner), 0, NULL);
	close(bed->fake.peer);
	assert_int_equal(runner_state(&bed->runner), RUNNER_LIVE);
	second = bed->call;
	second.attempt = 2;
	bed->id = UINT64_C(2) << 32 | 1;
	bed->answered = 0;
	runner_submit(&bed->runner, &second);
	runner_resume(&bed->runner, open_session(), &far);
	assert_int_equal(hear_type(FRAME_TASK).id, bed->id);
	say_begun();
	say_ended(ENDED_SELF);
	wait_until(&bed->answered);
	assert_int_equal(bed->step, STEP_DONE);
}

#define bed_test(fn) cmocka_unit_test_setup_teardown(fn, bed_setup, bed_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(what_was_placed_is_the_result),
		bed_test(renewed_url_is_of_the_same_object),
		bed_test(a_store_without_urls),
		bed_test(more_than_one_put_takes),
		bed_test(sent_in_the_end),
		bed_test(sent_though_it_may_be_put),
		bed_test(placed_but_not_there),
		bed_test(cut_after_placed),
		bed_test(cut_before_placed),
		bed_test(placed_in_vain),
		bed_test(cut_while_a_url_is_made),
		bed_test(ended_while_a_url_is_made),
		bed_test(lost_after_placed),
		bed_test(sent_over_the_next_session),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
