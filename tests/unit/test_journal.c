/* journal: the lines that are written, byte for byte, and what happens when they cannot be. */
#include "planner/execute/journal.h"

#include "planner/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "planner/base/buf.h"

struct fixture {
	struct arena a;
	struct graph g;
	char folder[64], path[96];
	struct journal_head head;
	struct buf text;
};

static uint32_t
add(struct fixture *f, enum kind kind, uint32_t index, const uint32_t *after, uint32_t n)
{
	const struct node node = {.kind = kind,
		.index = index,
		.needs_slot = kind == KIND_TASK,
		.gives_slots = kind == KIND_ENVIRONMENT,
		.estimate_ns = -1};

	return graph_add(&f->g, &node, after, n);
}

static int
set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	graph_init(&f->g, &f->a);
	snprintf(f->folder, sizeof(f->folder), "%s", "/tmp/furrow-journal.XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->path, sizeof(f->path), "%s/journal.jsonl", f->folder);
	f->head = (struct journal_head){.run = "01JDBR5W0GABCDEFGHJKMNPQRS",
		.trace = "0123456789abcdef0123456789abcdef",
		.wall0_ns = 1732341600123 * NS_PER_MS};
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	unlink(f->path);
	rmdir(f->folder);
	buf_free(&f->text);
	arena_free(&f->a);
	free(f);
	return 0;
}

static struct journal *
create(struct fixture *f)
{
	struct journal *j = NULL;
	struct error err = {0};

	assert_int_equal(graph_freeze(&f->g, &err), 0);
	if (journal_create(&j, f->path, &f->head, &f->g, &err) != 0)
		fail_msg("%s", err.message);
	return j;
}

static const char *
slurp(struct fixture *f)
{
	int fd = open(f->path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	assert_true(fd >= 0);
	buf_clear(&f->text);
	while ((n = read(fd, buf_reserve(&f->text, 4096), 4096)) > 0)
		f->text.n += (size_t)n;
	close(fd);
	return buf_cstr(&f->text);
}

/* Line number n, and that every line is JSON with the right number. */
static const char *
line_of(struct fixture *f, int n)
{
	static char line[4096];
	char *text = strdup(slurp(f)), *rest = text;

	line[0] = '\0';
	for (int i = 0; *rest; i++) {
		char *end = strchr(rest, '\n');
		json_t *json;

		assert_non_null(end);
		*end = '\0';
		json = json_loads(rest, JSON_REJECT_DUPLICATES, NULL);
		assert_non_null(json);
		assert_int_equal(json_integer_value(json_object_get(json, "n")), i);
		json_decref(json);
		if (i == n)
			snprintf(line, sizeof(line), "%s", rest);
		rest = end + 1;
	}
	free(text);
	return line;
}

static struct call
call_of(const struct fixture *f, uint32_t node, uint64_t serial)
{
	struct call c = {.node = &f->g.nodes[node], .node_index = node, .attempt = 1};

	journal_span(c.span, f->head.trace, serial);
	return c;
}

static void
the_head(void **state)
{
	struct fixture *f = *state;
	struct journal *j;

	f->head.job = STR("words");
	f->head.infra = STR("local");
	f->head.manifest = digest_of("m", 1);
	f->head.plan = digest_of("p", 1);
	f->head.manifest_path = STR("/home/a \"b\"/furrow.yaml");
	f->head.commit = STR("1a2b");
	f->head.dirty = true;
	f->head.patch_sha256 = STR("c0ffee");
	f->head.pid = 42;
	f->head.n_tasks = 3;
	f->head.n_in_place = 1;
	j = create(f);
	assert_string_equal(journal_trace(j), "0123456789abcdef0123456789abcdef");
	assert_int_equal(journal_close(j, NULL, 0, NULL), 0);
	assert_string_equal(slurp(f),
		"{\"ev\":\"run\",\"v\":1,\"n\":0,\"run\":\"01JDBR5W0GABCDEFGHJKMNPQRS\","
		"\"trace\":\"0123456789abcdef0123456789abcdef\",\"span\":\"b359565622da438f\","
		"\"wall0\":\"2024-11-23T06:00:00.123Z\",\"job\":\"words\",\"infra\":\"local\","
		"\"manifest\":\"sha256:"
		"62c66a7a5dd70c3146618063c344e531e6d4b59e379808443ce962b3abd63c5a\","
		"\"manifest_path\":\"/home/a \\\"b\\\"/furrow.yaml\","
		"\"plan\":\"sha256:"
		"148de9c5a7a44d19e56cd9ae1a554bf67847afb0c58f6e12fa29ac7ddfca9940\","
		"\"commit\":\"1a2b\",\"dirty\":true,\"patch\":\"sha256:c0ffee\",\"pid\":42,"
		"\"tasks\":3,"
		"\"in_place\":1}\n");
}

static void
what_is_empty_is_left_out(void **state)
{
	struct fixture *f = *state;

	journal_close(create(f), NULL, 0, NULL);
	assert_string_equal(slurp(f),
		"{\"ev\":\"run\",\"v\":1,\"n\":0,\"run\":\"01JDBR5W0GABCDEFGHJKMNPQRS\","
		"\"trace\":\"0123456789abcdef0123456789abcdef\",\"span\":\"b359565622da438f\","
		"\"wall0\":\"2024-11-23T06:00:00.123Z\"}\n");
}

static void
nodes_are_folded(void **state)
{
	static const uint32_t indexes[] = {0, 1, 2, 5, 7, 8};
	struct fixture *f = *state;
	uint32_t source = add(f, KIND_SOURCE, 0, NULL, 0);
	uint32_t env = add(f, KIND_ENVIRONMENT, 3, &source, 1);
	uint32_t all[9] = {source, env}, n = 2;

	for (uint32_t i = 0; i < 6; i++)
		all[n++] = add(f, KIND_TASK, indexes[i], NULL, 0);
	all[n++] = add(f, KIND_TASK, 9, all + 2, 1);
	add(f, KIND_COLLECT, 0, all + 2, 7);
	add(f, KIND_RELEASE, 3, all, n);
	journal_close(create(f), NULL, 0, NULL);
	assert_string_equal(
		line_of(f, 1), "{\"ev\":\"node\",\"n\":1,\"id\":\"source\",\"kind\":\"source\"}");
	assert_string_equal(line_of(f, 2),
		"{\"ev\":\"node\",\"n\":2,\"id\":\"environment[3]\",\"kind\":\"environment\","
		"\"after\":[\"source\"],\"gives\":\"slot\"}");
	assert_string_equal(line_of(f, 3), "{\"ev\":\"node\",\"n\":3,\"id\":\"task[0..2,5,7,8]\","
					   "\"kind\":\"task\",\"needs\":\"slot\"}");
	assert_string_equal(line_of(f, 4),
		"{\"ev\":\"node\",\"n\":4,\"id\":\"task[9]\",\"kind\":\"task\","
		"\"after\":[\"task[0]\"],\"needs\":\"slot\"}");
	assert_string_equal(line_of(f, 5),
		"{\"ev\":\"node\",\"n\":5,\"id\":\"collect\","
		"\"kind\":\"collect\",\"after\":[\"task[0..2,5,7..9]\"]}");
	assert_string_equal(line_of(f, 6),
		"{\"ev\":\"node\",\"n\":6,\"id\":\"release[3]\",\"kind\":\"release\","
		"\"after\":[\"source\",\"environment[3]\",\"task[0..2,5,7..9]\"]}");
	assert_string_equal(line_of(f, 7), "");
}

static void
the_life_of_an_attempt(void **state)
{
	static const struct outcome outcome = {.ran = true,
		.begun_ns = 1600,
		.ended_ns = 1900,
		.exit_status = -1,
		.signal = 9,
		.timed_out = true,
		.cpu_ns = 7,
		.max_rss_bytes = 4096,
		.stdout_bytes = 100,
		.stdout_kept_bytes = 10,
		.stderr_bytes = 3,
		.stderr_kept_bytes = 3,
		.output_bytes = 77,
		.output_files = 2,
		.phase_ns = {[PHASE_RUN] = 300, [PHASE_UPLOAD] = 40}};
	struct error e = {
		.code = ERR_TASK, .class = CLASS_TRANSIENT, .os_errno = 5, .http_status = 503};
	struct fixture *f = *state;
	struct journal *j;
	struct call c;

	snprintf(e.message, sizeof(e.message), "%s", "line\n\"2\" \xff");
	add(f, KIND_TASK, 3, NULL, 0);
	j = create(f);
	c = call_of(f, 0, 1);
	c.attempt = 2;
	c.place = 4;
	assert_int_equal(journal_begin(j, &c, PHASE_RUN, 1500, 1000, "slot", NULL), 0);
	assert_int_equal(journal_phase(j, &c, PHASE_UPLOAD, 1510, NULL), 0);
	assert_int_equal(journal_intent(j, &c, "RunInstances", "t-1", 1520, NULL), 0);
	assert_int_equal(journal_effect(j, &c, "i-0", 1530, NULL), 0);
	assert_int_equal(journal_end(j, &c, "failed", &outcome, &e, 2500, 2000, NULL), 0);
	assert_int_equal(journal_close(j, NULL, 0, NULL), 0);
	assert_string_equal(line_of(f, 2),
		"{\"ev\":\"begin\",\"n\":2,\"t\":1500,\"span\":\"1cc2f3d3e2829e9e\",\"node\":"
		"\"task[3]\","
		"\"phase\":\"run\",\"ready\":1000,\"why\":\"slot\",\"place\":4,\"try\":2}");
	assert_string_equal(line_of(f, 3), "{\"ev\":\"phase\",\"n\":3,\"t\":1510,"
					   "\"span\":\"1cc2f3d3e2829e9e\",\"phase\":\"upload\"}");
	assert_string_equal(line_of(f, 4),
		"{\"ev\":\"intent\",\"n\":4,\"t\":1520,\"span\":\"1cc2f3d3e2829e9e\","
		"\"op\":\"RunInstances\",\"token\":\"t-1\"}");
	assert_string_equal(line_of(f, 5), "{\"ev\":\"effect\",\"n\":5,\"t\":1530,"
					   "\"span\":\"1cc2f3d3e2829e9e\",\"id\":\"i-0\"}");
	assert_string_equal(line_of(f, 6),
		"{\"ev\":\"end\",\"n\":6,\"t\":2000,\"span\":\"1cc2f3d3e2829e9e\",\"st\":"
		"\"failed\","
		"\"err\":{\"code\":\"task\",\"class\":\"transient\",\"errno\":5,\"http\":503,"
		"\"msg\":\"line\\n\\\"2\\\" \\ufffd\"},\"retry\":2500,"
		"\"a\":{\"ran\":[1600,1900],\"exit\":-1,\"sig\":9,\"timeout\":true,\"cpu\":7,"
		"\"rss\":4096,"
		"\"out\":100,\"errs\":3,\"out_kept\":10,\"files\":[77,2],\"ph\":{\"upload\":40}}}");
}

static void
a_step_and_the_end_of_the_run(void **state)
{
	struct outcome outcome = {.slots = 4, .phase_ns = {[PHASE_BOOT] = 5, [PHASE_SSH] = 6}};
	struct exec_result result = {.n_ok = 1,
		.n_failed = 2,
		.tasks_ok = 1,
		.tasks_cancelled = 3,
		.wall_ns = 90,
		.interrupted = true,
		.first_error = {.code = ERR_HOST, .message = "no"},
		.first_failed_id = "image"};
	const struct boot boot = {.ns = {[BOOT_ACCEPTED] = 7, [BOOT_READY] = 9},
		.warm_ns = 3,
		.warm_bytes = 0,
		.warm_why = "no \"x\"",
		.disk_bytes = 10,
		.disk_bytes_per_s = 2};
	struct fixture *f = *state;
	struct journal *j;
	struct call c;

	add(f, KIND_INSTANCE, 0, NULL, 0);
	outcome.boot = &boot;
	j = create(f);
	c = call_of(f, 0, 1);
	journal_begin(j, &c, PHASE_LAUNCH, 0, 0, "start", NULL);
	journal_end(j, &c, "ok", &outcome, NULL, -1, 50, NULL);
	assert_int_equal(journal_close(j, &result, 130, NULL), 0);
	assert_string_equal(line_of(f, 3),
		"{\"ev\":\"end\",\"n\":3,\"t\":50,\"span\":\"1cc2f3d3e2829e9e\",\"st\":\"ok\","
		"\"a\":{\"slots\":4,\"ph\":{\"boot\":5,\"ssh\":6},"
		"\"boot\":{\"accepted\":7,\"ready\":9,\"warm_files\":[3,0],\"warm_why\":\"no "
		"\\\"x\\\"\",\"disk\":[10,2]}}}");
	assert_string_equal(line_of(f, 4),
		"{\"ev\":\"done\",\"n\":4,\"t\":90,\"exit\":130,\"ok\":1,\"failed\":2,\"tasks_ok\":"
		"1,"
		"\"tasks_cancelled\":3,\"interrupted\":true,\"first\":\"image\","
		"\"err\":{\"code\":\"host\",\"msg\":\"no\"}}");
}

/* In billionths of a dollar: of a launch with its effect, of a warm host with its environment's first begin. */
static void
what_it_costs(void **state)
{
	const struct exec_result result = {
		.wall_ns = 90, .out_of_money = true, .usd = 0.0125, .usd_least = true};
	struct fixture *f = *state;
	struct journal *j;
	struct call c;

	add(f, KIND_INSTANCE, 0, NULL, 0);
	add(f, KIND_ENVIRONMENT, 1, NULL, 0);
	f->g.nodes[1].hourly_usd = 0.0416;
	f->head.said_ns = 7;
	f->head.said_usd = 0.25;
	j = create(f);
	c = call_of(f, 0, 1);
	journal_begin(j, &c, PHASE_LAUNCH, 0, 0, "start", NULL);
	c.hourly_usd = 1.5;
	journal_effect(j, &c, "i-1", 5, NULL);
	c.hourly_usd = -1;
	journal_effect(j, &c, "i-2", 6, NULL);
	c = call_of(f, 1, 2);
	journal_begin(j, &c, PHASE_ENV, 7, 0, "start", NULL);
	c.attempt = 2;
	journal_begin(j, &c, PHASE_ENV, 8, 0, "retry", NULL);
	assert_int_equal(journal_close(j, &result, 1, NULL), 0);
	assert_non_null(strstr(line_of(f, 0), ",\"said\":{\"s\":7,\"nusd\":250000000}}"));
	assert_non_null(strstr(line_of(f, 4), ",\"id\":\"i-1\",\"a\":{\"nusd\":1500000000}}"));
	assert_non_null(strstr(line_of(f, 5), ",\"id\":\"i-2\",\"a\":{\"nusd\":-1}}"));
	assert_non_null(strstr(line_of(f, 6), ",\"a\":{\"nusd\":41600000}}"));
	assert_null(strstr(line_of(f, 7), "nusd"));
	assert_non_null(
		strstr(line_of(f, 8), ",\"out_of_money\":true,\"nusd\":12500000,\"least\":true}"));
}

static void
a_place_that_goes(void **state)
{
	struct fixture *f = *state;
	struct journal *j;

	add(f, KIND_ENVIRONMENT, 3, NULL, 0);
	j = create(f);
	journal_notice(j, 3, 120000, "i-0 will be \"interrupted\"", 40, NULL);
	journal_remake(j, 3, true, "it pays", 50, NULL);
	journal_remake(j, 0, false, "it does not", 60, NULL);
	journal_gone(j, 3, 70, NULL);
	assert_int_equal(journal_close(j, NULL, 0, NULL), 0);
	assert_string_equal(line_of(f, 2), "{\"ev\":\"notice\",\"n\":2,\"t\":40,\"place\":3,"
					   "\"until\":120000,\"msg\":\"i-0 will "
					   "be \\\"interrupted\\\"\"}");
	assert_string_equal(line_of(f, 3),
		"{\"ev\":\"remake\",\"n\":3,\"t\":50,\"place\":3,\"made\":"
		"true,\"msg\":\"it pays\"}");
	assert_string_equal(
		line_of(f, 4), "{\"ev\":\"remake\",\"n\":4,\"t\":60,\"msg\":\"it does not\"}");
	assert_string_equal(line_of(f, 5), "{\"ev\":\"gone\",\"n\":5,\"t\":70,\"place\":3}");
}

static void
time_never_goes_back(void **state)
{
	struct fixture *f = *state;
	struct journal *j;
	struct call c;

	add(f, KIND_SOURCE, 0, NULL, 0);
	j = create(f);
	c = call_of(f, 0, 1);
	journal_begin(j, &c, PHASE_UPLOAD, 100, 0, "start", NULL);
	journal_end(j, &c, "ok", NULL, NULL, -1, 99, NULL);
	journal_close(j, NULL, 0, NULL);
	assert_string_equal(line_of(f, 3),
		"{\"ev\":\"end\",\"n\":3,\"t\":100,\"span\":\"1cc2f3d3e2829e9e\",\"st\":\"ok\"}");
}

static void
spans_differ(void **state)
{
	char spans[1000][17];

	(void)state;
	for (uint64_t i = 0; i < 1000; i++) {
		journal_span(spans[i], "0123456789abcdef0123456789abcdef", i);
		assert_int_equal(strlen(spans[i]), 16);
		for (uint64_t k = 0; k < i; k++)
			assert_string_not_equal(spans[i], spans[k]);
	}
	journal_span(spans[1], "1123456789abcdef0123456789abcdef", 0);
	assert_string_not_equal(spans[0], spans[1]);
	journal_span(spans[1], NULL, 0);
	assert_int_equal(strlen(spans[1]), 16);
}

static void
an_existing_file_is_left_alone(void **state)
{
	struct fixture *f = *state;
	struct journal *j = NULL;
	struct error err = {0};

	journal_close(create(f), NULL, 0, NULL);
	slurp(f);
	assert_int_equal(journal_create(&j, f->path, &f->head, &f->g, &err), ERR_HOST);
	assert_null(j);
	assert_int_equal(err.os_errno, EEXIST);
	assert_non_null(strstr(err.message, f->path));
	assert_string_not_equal(slurp(f), "");
}

static void
no_folder(void **state)
{
	struct fixture *f = *state;
	struct journal *j = NULL;
	struct error err = {0};

	snprintf(f->path, sizeof(f->path), "%s/no/such/folder", f->folder);
	assert_int_equal(graph_freeze(&f->g, &err), 0);
	assert_int_equal(journal_create(&j, f->path, &f->head, &f->g, &err), ERR_HOST);
	assert_int_equal(err.os_errno, ENOENT);
	assert_int_equal(journal_close(NULL, NULL, 0, &err), 0);
}

/* A limit on file sizes is like a disk that gets full: part of a line still fits. */
static void
a_full_disk_leaves_whole_lines(void **state)
{
	struct fixture *f = *state;
	struct rlimit before, limit;
	struct journal *j;
	struct error err = {0}, again = {0};
	struct call c;
	size_t size;
	int code;

	add(f, KIND_TASK, 0, NULL, 0);
	j = create(f);
	c = call_of(f, 0, 1);
	slurp(f);
	size = f->text.n;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	limit.rlim_cur = size + 40;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	code = journal_begin(j, &c, PHASE_RUN, 1, 1, "slot", &err);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	signal(SIGXFSZ, SIG_DFL);
	assert_int_equal(code, ERR_HOST);
	assert_int_equal(err.os_errno, EFBIG);
	assert_non_null(strstr(err.message, f->path));
	slurp(f);
	assert_int_equal(f->text.n, size);
	/* from then on nothing is written, though there would be room again */
	assert_int_equal(journal_end(j, &c, "ok", NULL, NULL, -1, 2, &again), ERR_HOST);
	assert_string_equal(again.message, err.message);
	assert_int_equal(journal_sync(j, &again), ERR_HOST);
	assert_int_equal(journal_close(j, &(struct exec_result){0}, 3, &again), ERR_HOST);
	slurp(f);
	assert_int_equal(f->text.n, size);
}

static void
a_full_disk_at_the_start_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	struct rlimit before, limit;
	struct journal *j = NULL;
	struct error err = {0};
	int code;

	assert_int_equal(graph_freeze(&f->g, &err), 0);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	limit.rlim_cur = 40;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	code = journal_create(&j, f->path, &f->head, &f->g, &err);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	signal(SIGXFSZ, SIG_DFL);
	assert_int_equal(code, ERR_HOST);
	assert_int_equal(access(f->path, F_OK), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_head),
		TEST(what_is_empty_is_left_out),
		TEST(nodes_are_folded),
		TEST(the_life_of_an_attempt),
		TEST(a_step_and_the_end_of_the_run),
		TEST(what_it_costs),
		TEST(a_place_that_goes),
		TEST(time_never_goes_back),
		TEST(spans_differ),
		TEST(an_existing_file_is_left_alone),
		TEST(no_folder),
		TEST(a_full_disk_leaves_whole_lines),
		TEST(a_full_disk_at_the_start_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
