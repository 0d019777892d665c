/* journal_fixture: journals that are put together line by line. */
#ifndef FURROW_TEST_JOURNAL_FIXTURE_H
#define FURROW_TEST_JOURNAL_FIXTURE_H

#include "planner/execute/timings.h"

#include "tests/exec/invariants.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HEAD                                                                                       \
	"{\"ev\":\"run\",\"v\":1,\"n\":0,\"run\":\"01JDBR5W0GABCDEFGHJKMNPQRS\",\"trace\":\"ab\"," \
	"\"span\":\"b359565622da438f\",\"wall0\":\"2024-11-23T06:00:00.123Z\",\"job\":\"words\","  \
	"\"infra\":\"local\",\"manifest\":\"sha256:62\",\"commit\":\"1a2b\",\"dirty\":true,"       \
	"\"pid\":42,\"tasks\":3,\"in_place\":1}\n"

struct fixture {
	struct arena a;
	struct timings t;
	struct error err;
	struct buf text;
	int lines;
};

static inline int
set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	buf_add_cstr(&f->text, HEAD);
	f->lines = 1;
	*state = f;
	return 0;
}

static inline int
tear_down(void **state)
{
	struct fixture *f = *state;

	buf_free(&f->text);
	arena_free(&f->a);
	free(f);
	return 0;
}

/* Adds a line: what stands behind "ev" and "n". */
static inline void
line(struct fixture *f, const char *ev, const char *fmt, ...)
{
	va_list ap;

	buf_addf(&f->text, "{\"ev\":\"%s\",\"n\":%d", ev, f->lines++);
	va_start(ap, fmt);
	buf_vaddf(&f->text, fmt, ap);
	va_end(ap);
	buf_add_cstr(&f->text, "}\n");
}

static inline void
node(struct fixture *f, const char *ids, const char *more)
{
	line(f, "node", ",\"id\":\"%s\"%s", ids, more);
}

static inline void
begin(struct fixture *f, int64_t t, int span, const char *id, const char *more)
{
	line(f, "begin", ",\"t\":%lld,\"span\":\"%016x\",\"node\":\"%s\"%s", (long long)t,
		(unsigned)span, id, more);
}

static inline void
end(struct fixture *f, int64_t t, int span, const char *more)
{
	line(f, "end", ",\"t\":%lld,\"span\":\"%016x\"%s", (long long)t, (unsigned)span, more);
}

static inline void
parse(struct fixture *f)
{
	const char *broken;

	if (timings_parse(&f->a, &f->t, buf_str(&f->text), STR("j"), &f->err) != 0)
		fail_msg("%s", f->err.message);
	broken = broken_invariant(&f->t);
	if (broken)
		fail_msg("%s", broken);
}

/* source 0..100, environment 100..150, one slot: task 0 until 400, then task 1 until 450,
 * collect. */
static inline void
set_up_run(struct fixture *f)
{
	node(f, "source", "");
	node(f, "environment[0]", ",\"after\":[\"source\"],\"gives\":\"slot\"");
	node(f, "task[0..2]", ",\"needs\":\"slot\"");
	node(f, "collect", ",\"after\":[\"task[0..2]\"]");
	begin(f, 2, 1, "source", ",\"phase\":\"upload\",\"ready\":1,\"why\":\"start\"");
	end(f, 100, 1, ",\"st\":\"ok\"");
	begin(f, 101, 2, "environment[0]", ",\"phase\":\"env\",\"ready\":100,\"why\":\"after\"");
	end(f, 150, 2, ",\"st\":\"ok\",\"a\":{\"slots\":1}");
	begin(f, 151, 3, "task[0]", ",\"phase\":\"run\",\"ready\":1,\"why\":\"slot\"");
	begin(f, 152, 4, "task[1]", ",\"phase\":\"run\",\"ready\":1,\"why\":\"slot\"");
	end(f, 410, 3,
		",\"st\":\"ok\",\"a\":{\"ran\":[160,400],\"cpu\":99,\"rss\":4096,\"out\":7,"
		"\"files\":[12,3]}");
	end(f, 455, 4,
		",\"st\":\"failed\",\"err\":{\"code\":\"task\",\"msg\":\"exit status 3\"},"
		"\"a\":{\"ran\":[405,450],\"exit\":3,\"out\":9,\"out_kept\":4}");
	begin(f, 457, 5, "collect", ",\"phase\":\"collect\",\"ready\":456,\"why\":\"after\"");
	end(f, 500, 5, ",\"st\":\"ok\"");
	line(f, "done",
		",\"t\":503,\"exit\":1,\"ok\":4,\"failed\":1,\"tasks_ok\":1,\"tasks_failed\":1,"
		"\"tasks_cancelled\":1");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
