/* Tests of the views: every byte that a run shows, on a terminal of a given size, as lines, and as JSON. */
#include "cmd/furrow/view_model.h"
#include "planner/execute/meter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { MAX_TASKS = 60 };

struct screen {
	struct buf bytes;
	unsigned rows, columns, writes;
	struct node nodes[MAX_TASKS + 2];
	struct task tasks[MAX_TASKS];
	char labels[MAX_TASKS][16];
	struct plan plan;
	struct view *view;
	const struct exec_observer *observer;
};

static void
write_screen(void *ctx, struct str bytes)
{
	struct screen *s = ctx;

	buf_add_str(&s->bytes, bytes);
	s->writes++;
}

static void
size_of_screen(void *ctx, unsigned *rows, unsigned *columns)
{
	const struct screen *s = ctx;

	*rows = s->rows;
	*columns = s->columns;
}

/* A source, an environment, n tasks: nodes 0, 1, 2 and so on. */
static void
open_screen(struct screen *s, enum progress mode, uint32_t n)
{
	const struct view_target target = {.ctx = s, .write = write_screen, .size = size_of_screen};
	struct view_facts facts = {.plan = &s->plan, .run = "RUN"};

	*s = (struct screen){.rows = 24, .columns = 80};
	s->nodes[0] = (struct node){.kind = KIND_SOURCE};
	s->nodes[1] = (struct node){.kind = KIND_ENVIRONMENT};
	for (uint32_t i = 0; i < n; i++) {
		snprintf(s->labels[i], sizeof(s->labels[i]), "in%u.txt", i);
		s->nodes[i + 2] = (struct node){.kind = KIND_TASK, .index = i};
		s->tasks[i].label = str_from(s->labels[i]);
	}
	s->plan.graph = (struct graph){.nodes = s->nodes, .n_nodes = n + 2};
	s->plan.job = (struct job){.tasks = s->tasks, .n_tasks = n};
	s->plan.changes.n_tasks_run = n;
	s->plan.slots = 2;
	s->plan.ns = -1;
	s->view = view_open(mode, &facts, &target);
	s->observer = view_observer(s->view);
}

static void
close_screen(struct screen *s, int64_t t_ns)
{
	view_close(s->view, t_ns);
}

static void
begin(struct screen *s, uint32_t node, int64_t t_ms)
{
	s->observer->begin(s->observer->ctx, node, 1, t_ms * NS_PER_MS);
	if (node >= 2)
		s->observer->begun(s->observer->ctx, node, t_ms * NS_PER_MS);
}

static void
end_ok(struct screen *s, uint32_t node, int64_t t_ms)
{
	const struct outcome outcome = {0};

	s->observer->end(
		s->observer->ctx, node, 1, NODE_OK, &outcome, NULL, false, t_ms * NS_PER_MS);
}

static void
end_failed(struct screen *s, uint32_t node, uint32_t attempt, bool again, int64_t t_ms)
{
	const struct outcome outcome = {0};
	struct error err;

	error_set(&err, ERR_TASK, "exit status 3");
	s->observer->end(s->observer->ctx, node, attempt, NODE_FAILED, &outcome, &err, again,
		t_ms * NS_PER_MS);
}

static void
tick(struct screen *s, int64_t t_ms)
{
	s->observer->tick(s->observer->ctx, t_ms * NS_PER_MS);
}

static const char *
taken(struct screen *s)
{
	static char text[1 << 16];

	assert_true(s->bytes.n < sizeof(text));
	snprintf(text, sizeof(text), "%s", buf_cstr(&s->bytes));
	buf_clear(&s->bytes);
	s->writes = 0;
	return text;
}

#define FRAME(up, lines) "\033[?2026h\033[?25l" up "\r" lines "\033[J\033[?25h\033[?2026l"
#define LINE(text) text "\033[K\n"

static void
tty_frames(void **state)
{
	struct screen s;

	(void)state;
	open_screen(&s, PROGRESS_TTY, 3);
	begin(&s, 0, 0);
	s.observer->phase(s.observer->ctx, 0, PHASE_UPLOAD, 0);
	assert_string_equal(taken(&s), "");
	tick(&s, 1000);
	assert_string_equal(
		taken(&s), FRAME("", LINE("  source  upload  1 s")
					     LINE("0 of 3 tasks done, 0 running, 0 failed, 1 s")));
	end_ok(&s, 0, 1500);
	assert_int_equal(s.writes, 1);
	assert_string_equal(taken(&s),
		FRAME("\033[2A", LINE("done   source 1.5 s")
					 LINE("0 of 3 tasks done, 0 running, 0 failed, 1 s")));
	begin(&s, 3, 2000);
	begin(&s, 2, 4000);
	tick(&s, 5000);
	/* The longest first. */
	assert_string_equal(taken(&s),
		FRAME("\033[1A", LINE("  task[1] in1.txt  3 s") LINE("  task[0] in0.txt  1 s")
					 LINE("0 of 3 tasks done, 2 running, 0 failed, 5 s")));
	end_failed(&s, 3, 1, false, 6000);
	assert_string_equal(taken(&s),
		FRAME("\033[3A",
			LINE("failed task[1] in1.txt: exit status 3") LINE("  task[0] in0.txt  2 s")
				LINE("0 of 3 tasks done, 1 running, 1 failed, 6 s")));
	end_ok(&s, 2, 7000);
	taken(&s);
	close_screen(&s, 7000 * NS_PER_MS);
	assert_string_equal(taken(&s), "\033[1A\r\033[J");
	buf_free(&s.bytes);
}

static void
tty_folds_what_is_too_much(void **state)
{
	struct screen s;
	const char *text;

	(void)state;
	open_screen(&s, PROGRESS_TTY, 60);
	s.plan.slots = 60;
	s.rows = 8;
	for (uint32_t i = 0; i < 60; i++)
		begin(&s, i + 2, i);
	tick(&s, 1000);
	text = taken(&s);
	assert_non_null(strstr(text, "task[0] "));
	assert_non_null(strstr(text, "task[3] "));
	assert_null(strstr(text, "task[4] "));
	assert_non_null(strstr(text, "  +56 more\033[K\n"));
	assert_non_null(strstr(text, "60 running"));
	/* So many tasks: a success leaves no line, and draws nothing before the next tick. */
	end_ok(&s, 2, 1100);
	assert_string_equal(taken(&s), "");
	close_screen(&s, 0);
	buf_free(&s.bytes);
}

static void
tty_never_wraps(void **state)
{
	struct screen s;
	const char *text;

	(void)state;
	for (unsigned columns = 1; columns <= 90; columns++) {
		open_screen(&s, PROGRESS_TTY, 3);
		s.columns = columns;
		begin(&s, 2, 0);
		begin(&s, 3, 0);
		tick(&s, 100000);
		text = strchr(taken(&s), '\r') + 1;
		while (*text != '\033' || text[1] != '[' || text[2] != 'J') {
			size_t width = strcspn(text, "\033");

			/* One column is left free, so that no terminal wraps a full line. */
			assert_true(width <= (columns > 1 ? columns - 1 : 1));
			text = strchr(text, '\n') + 1;
		}
		close_screen(&s, 0);
		buf_free(&s.bytes);
	}
}

static void
tty_goes_back_over_wrapped_lines(void **state)
{
	struct screen s;

	(void)state;
	open_screen(&s, PROGRESS_TTY, 3);
	begin(&s, 2, 0);
	tick(&s, 1000);
	taken(&s);
	/* 22 columns and 43: in a terminal of 20 they now take 2 and 3 rows. */
	s.columns = 20;
	tick(&s, 1100);
	assert_non_null(strstr(taken(&s), "\033[5A\r"));
	close_screen(&s, 0);
	buf_free(&s.bytes);
}

static void
plain_lines(void **state)
{
	struct screen s;

	(void)state;
	open_screen(&s, PROGRESS_PLAIN, 60);
	s.plan.slots = 4;
	begin(&s, 0, 0);
	end_ok(&s, 0, 20);
	assert_string_equal(taken(&s), "done   source 20 ms\n");
	for (uint32_t i = 0; i < 4; i++)
		begin(&s, i + 2, 1000);
	end_ok(&s, 2, 2000);
	assert_string_equal(taken(&s), "");
	tick(&s, 9000);
	assert_string_equal(taken(&s), "");
	tick(&s, 11000);
	assert_string_equal(taken(&s), "1 of 60 tasks done, 3 running, 0 failed, 11 s\n");
	end_failed(&s, 3, 1, true, 12000);
	assert_string_equal(taken(&s),
		"again  task[1] in1.txt: exit status 3 (attempt 1; it is tried again)\n");
	begin(&s, 3, 12500);
	end_failed(&s, 3, 2, false, 13000);
	assert_string_equal(
		taken(&s), "failed task[1] in1.txt: exit status 3 (attempt 2, the last one)\n");
	s.observer->interrupt(s.observer->ctx, 1);
	assert_string_equal(
		taken(&s), "finishing 2 running tasks; press Ctrl-C again to stop them\n");
	s.observer->interrupt(s.observer->ctx, 2);
	assert_string_equal(
		taken(&s), "stopping 2 running tasks; press Ctrl-C again to kill them at once\n");
	close_screen(&s, 0);
	buf_free(&s.bytes);
}

static void
plain_says_when_it_will_end(void **state)
{
	struct screen s;

	(void)state;
	open_screen(&s, PROGRESS_PLAIN, 60);
	s.plan.ns = 100 * NS_PER_S;
	tick(&s, 10000);
	assert_string_equal(
		taken(&s), "0 of 60 tasks done, 0 running, 0 failed, 10 s, about 90 s left\n");
	/* Two slots, 10 s a task, 58 left. */
	begin(&s, 2, 0);
	begin(&s, 3, 0);
	end_ok(&s, 2, 10000);
	end_ok(&s, 3, 10000);
	tick(&s, 20000);
	assert_string_equal(
		taken(&s), "2 of 60 tasks done, 0 running, 0 failed, 20 s, about 4m 50s left\n");
	close_screen(&s, 0);
	buf_free(&s.bytes);
}

static void
what_is_only_stored_has_no_slot(void **state)
{
	struct screen s;

	(void)state;
	open_screen(&s, PROGRESS_PLAIN, 60);
	/* Each runs for ten seconds and is stored for as long, while the next two run. */
	for (uint32_t i = 0; i < 10; i += 2) {
		begin(&s, 2 + i, 5000 * i);
		begin(&s, 3 + i, 5000 * i);
		if (i > 0) {
			end_ok(&s, i, 5000 * i + 9990);
			end_ok(&s, 1 + i, 5000 * i + 9990);
		}
	}
	begin(&s, 12, 50000);
	taken(&s);
	tick(&s, 50000);
	assert_string_equal(
		taken(&s), "8 of 60 tasks done, 2 running, 0 failed, 50 s, about 5m 25s left\n");
	close_screen(&s, 0);
	buf_free(&s.bytes);
}

static void
failures_are_bounded(void **state)
{
	struct screen s;
	size_t lines = 0;

	(void)state;
	open_screen(&s, PROGRESS_PLAIN, 2);
	for (int i = 0; i < 300; i++) {
		begin(&s, 2, i);
		end_failed(&s, 2, 1, true, i);
	}
	for (const char *p = taken(&s); (p = strchr(p, '\n')); p++)
		lines++;
	assert_int_equal(lines, VIEW_MAX_ERRORS + 1);
	close_screen(&s, 0);
	buf_free(&s.bytes);
}

static void
last_words(void **state)
{
	char dir[] = "/tmp/furrow-view.XXXXXX", path[64];
	struct screen s;
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/1.1.stderr", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs("one\ntwo\nthree\nfour\nfive\nsix \033[31mred\033[0m\n", f);
	fclose(f);
	open_screen(&s, PROGRESS_PLAIN, 3);
	s.view->facts.logs = dir;
	begin(&s, 3, 0);
	end_failed(&s, 3, 1, false, 100);
	/* The last five; nothing in them reaches the terminal as a command. */
	assert_string_equal(taken(&s),
		"failed task[1] in1.txt: exit status 3\n"
		"    | two\n    | three\n    | four\n    | five\n    | six ?[31mred?[0m\n");
	close_screen(&s, 0);
	buf_free(&s.bytes);
	unlink(path);
	rmdir(dir);
}

static void
json_lines(void **state)
{
	struct screen s;

	(void)state;
	open_screen(&s, PROGRESS_JSON, 3);
	begin(&s, 2, 500);
	assert_string_equal(taken(&s), "{\"ev\":\"begin\",\"t\":0.5,\"node\":\"task[0]\",\"label\":"
				       "\"in0.txt\",\"attempt\":1}\n");
	end_failed(&s, 2, 1, true, 750);
	assert_string_equal(taken(&s),
		"{\"ev\":\"end\",\"t\":0.75,\"node\":\"task[0]\",\"label\":\"in0.txt\","
		"\"attempt\":1,\"state\":\"failed\",\"s\":0.25,\"error\":\"exit status 3\","
		"\"again\":true}\n");
	s.observer->interrupt(s.observer->ctx, 1);
	assert_string_equal(taken(&s), "{\"ev\":\"interrupt\",\"count\":1}\n");
	s.observer->word(s.observer->ctx, "a \"word\"", 800 * NS_PER_MS);
	assert_string_equal(
		taken(&s), "{\"ev\":\"notice\",\"t\":0.8,\"text\":\"a \\\"word\\\"\"}\n");
	tick(&s, 1000);
	assert_string_equal(taken(&s),
		"{\"ev\":\"counts\",\"t\":1,\"tasks\":3,\"done\":0,\"running\":0,\"failed\":0,"
		"\"cancelled\":0}\n");
	close_screen(&s, 0);
	buf_free(&s.bytes);
}

static void
quiet_is_quiet(void **state)
{
	struct screen s;

	(void)state;
	open_screen(&s, PROGRESS_QUIET, 3);
	begin(&s, 2, 0);
	end_failed(&s, 2, 1, false, 10);
	s.observer->interrupt(s.observer->ctx, 1);
	s.observer->word(s.observer->ctx, "a word", 800 * NS_PER_MS);
	tick(&s, 1000);
	close_screen(&s, 0);
	assert_string_equal(taken(&s), "");
	buf_free(&s.bytes);
}

static void
words_of_the_executor(void **state)
{
	struct screen s;

	(void)state;
	open_screen(&s, PROGRESS_PLAIN, 1);
	s.observer->word(s.observer->ctx, "i-0 will be \033[2Jinterrupted", 10);
	assert_string_equal(taken(&s), "i-0 will be ?[2Jinterrupted\n");
	close_screen(&s, 0);
	buf_free(&s.bytes);
	open_screen(&s, PROGRESS_TTY, 1);
	s.observer->word(s.observer->ctx, "i-0 will be interrupted", 10);
	assert_non_null(strstr(taken(&s), "i-0 will be interrupted\033[K\n"));
	close_screen(&s, 0);
	buf_free(&s.bytes);
}

static void
what_was_spent_so_far(void **state)
{
	struct meter m = {0};
	struct screen s;

	(void)state;
	open_screen(&s, PROGRESS_PLAIN, 3);
	s.observer->meter(s.observer->ctx, &m);
	tick(&s, 20000);
	assert_string_equal(taken(&s), "0 of 3 tasks done, 0 running, 0 failed, 20 s\n");
	meter_begin(&m, 0, 0, 36, false);
	tick(&s, 40000);
	assert_string_equal(
		taken(&s), "0 of 3 tasks done, 0 running, 0 failed, 40 s, $0.40 so far\n");
	close_screen(&s, 0);
	buf_free(&s.bytes);
	open_screen(&s, PROGRESS_JSON, 3);
	s.observer->meter(s.observer->ctx, &m);
	tick(&s, 50000);
	assert_non_null(strstr(taken(&s), ",\"cancelled\":0,\"usd\":0.5}\n"));
	close_screen(&s, 0);
	buf_free(&s.bytes);
	meter_free(&m);
}

/* It only queued at a place that is gone; one that ran there is told. */
static void
moved_leaves_no_line(void **state)
{
	struct outcome outcome = {.place_lost = true};
	struct error err;
	struct screen s;

	(void)state;
	error_set(&err, ERR_HOST, "gone");
	open_screen(&s, PROGRESS_PLAIN, 3);
	s.observer->end(s.observer->ctx, 2, 1, NODE_FAILED, &outcome, &err, true, 10);
	assert_string_equal(taken(&s), "");
	outcome.ran = true;
	s.observer->end(s.observer->ctx, 2, 2, NODE_FAILED, &outcome, &err, true, 10);
	assert_string_equal(
		taken(&s), "again  task[0] in0.txt: gone (attempt 2; it is tried again)\n");
	close_screen(&s, 0);
	buf_free(&s.bytes);
}

static void
cancelled_leaves_no_line(void **state)
{
	const struct outcome outcome = {0};
	struct screen s;

	(void)state;
	open_screen(&s, PROGRESS_PLAIN, 3);
	s.observer->end(s.observer->ctx, 2, 0, NODE_CANCELLED, &outcome, NULL, false, 10);
	assert_string_equal(taken(&s), "");
	assert_int_equal(s.view->tasks_cancelled, 1);
	close_screen(&s, 0);
	buf_free(&s.bytes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tty_frames),
		cmocka_unit_test(tty_folds_what_is_too_much),
		cmocka_unit_test(tty_never_wraps),
		cmocka_unit_test(tty_goes_back_over_wrapped_lines),
		cmocka_unit_test(plain_lines),
		cmocka_unit_test(plain_says_when_it_will_end),
		cmocka_unit_test(what_is_only_stored_has_no_slot),
		cmocka_unit_test(failures_are_bounded),
		cmocka_unit_test(last_words),
		cmocka_unit_test(json_lines),
		cmocka_unit_test(quiet_is_quiet),
		cmocka_unit_test(words_of_the_executor),
		cmocka_unit_test(what_was_spent_so_far),
		cmocka_unit_test(moved_leaves_no_line),
		cmocka_unit_test(cancelled_leaves_no_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
