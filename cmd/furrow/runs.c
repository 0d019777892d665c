/* runs: the runs of this folder, newest first. */
#include "cmd/furrow/out.h"
#include "cmd/furrow/place.h"
#include "cmd/furrow/run_dir.h"
#include "cmd/furrow/text.h"
#include "planner/base/clock.h"
#include "planner/base/json.h"
#include "planner/base/ulid.h"

#include <unistd.h>

enum { SHOWN = 20 };

static const char help[] =
	"usage: furrow runs [options]\n"
	"\n"
	"Lists what was applied in this folder, newest first: when, which job, what\n"
	"became of it, how long it took, what it cost.\n"
	"\n"
	"Examples:\n"
	"  furrow runs                      the last 20\n"
	"  furrow runs -a                   all\n"
	"  furrow runs --json -l 1          the latest, for a program\n"
	"\n"
	"Options:\n"
	"  -l, --limit N            the last N (default: 20)\n"
	"  -a, --all                all\n"
	"      --json               print one JSON document\n"
	"  -m, --manifest FILE      its folder has the runs (default: furrow.yaml)\n"
	"      --color WHEN         auto, always or never\n"
	"  -h, --help               this text\n"
	"\n"
	"Environment:\n"
	"  FURROW_COLOR, NO_COLOR\n"
	"\n"
	"Exit codes:\n"
	"  0    listed, also when there is none\n"
	"  3    reading failed\n"
	"  64   the command line is wrong\n";

static int64_t
now_ns(void)
{
	const struct clock *clock = clock_system();

	return clock->wall_ns(clock->ctx);
}

static int64_t
wall_of(const struct run_dir *r)
{
	return r->state == RUN_RUNNING ? now_ns() - ulid_wall_ns(str_from(r->id)) : r->head.wall_ns;
}

static enum ink
ink_of(const struct run_dir *r)
{
	if (r->state == RUN_ENDED)
		return r->head.exit_code == 0 ? INK_GREEN : INK_RED;
	return r->state == RUN_RUNNING ? INK_CYAN : INK_YELLOW;
}

static void
add_row(struct buf *b, const struct run_dir *r, bool color)
{
	char when[TEXT_BYTES], wall[TEXT_BYTES], usd[TEXT_BYTES];
	const struct timings *h = &r->head;

	buf_addf(b, "%-26s  %s  ", r->id, text_time(when, ulid_wall_ns(str_from(r->id))));
	buf_addf(b, "%s%-11s%s  %9s  ", out_ink(color, ink_of(r)), run_dir_result(r),
		out_ink(color, INK_PLAIN), text_duration(wall, wall_of(r)));
	if (r->state == RUN_UNREADABLE) {
		text_add_safe(b, str_from(r->problem), 100);
	} else {
		buf_addf(b, "%8s  %7u  ", h->usd > 0 ? text_usd(usd, h->usd) : "", h->n_tasks);
		text_add_safe(b, h->job, 0);
		if (h->commit.n >= 8)
			buf_addf(b, " @%.8s%s", h->commit.p, h->dirty ? " (dirty)" : "");
	}
	buf_add_char(b, '\n');
}

static void
add_json(struct buf *b, const struct run_dir *r)
{
	const struct timings *h = &r->head;
	char when[CLOCK_RFC3339_BYTES];

	clock_format_rfc3339(when, ulid_wall_ns(str_from(r->id)));
	buf_add_char(b, '{');
	json_add_member_string(b, "run", str_from(r->id));
	json_add_member_string(b, "when", str_from(when));
	json_add_member_string(b, "result", str_from(run_dir_result(r)));
	if (r->state == RUN_UNREADABLE) {
		json_add_member_string(b, "problem", str_from(r->problem));
	} else {
		json_add_member_string(b, "job", h->job);
		json_add_member_string(b, "commit", h->commit);
		json_add_member_bool(b, "dirty", h->dirty);
		if (h->done)
			json_add_member_int(b, "exit", h->exit_code);
		json_add_member_seconds(b, "wall_s", wall_of(r));
		if (h->usd > 0)
			json_add_member_usd(b, "usd", h->usd);
		json_add_member_int(b, "tasks", h->n_tasks);
		json_add_member_int(b, "in_place", h->n_in_place);
		json_add_member_int(b, "pid", h->pid);
	}
	buf_add_char(b, '}');
}

/* A journal that has no end says nothing of money in its head: it is added up, for those that had
 * instances. */
static void
find_costs(struct run_dir *runs, size_t n)
{
	struct arena a = {0};

	for (size_t i = 0; i < n; i++) {
		struct timings t;

		if (runs[i].state == RUN_UNREADABLE || runs[i].head.done ||
			str_is(runs[i].head.infra, "local"))
			continue;
		if (run_dir_timings(&a, &runs[i], &t, NULL) == 0)
			runs[i].head.usd = t.usd;
		arena_reset(&a);
	}
	arena_free(&a);
}

static int
print(const struct run_dir *runs, size_t n, size_t all, const struct options *o)
{
	bool color = out_color(STDOUT_FILENO, o->config.color);
	struct buf b = {0};
	int status;

	if (o->json) {
		buf_add_cstr(&b, "{\"furrow_runs\":1,\"runs\":[");
		for (size_t i = 0; i < n; i++) {
			buf_add_cstr(&b, i ? "," : "");
			add_json(&b, &runs[i]);
		}
		buf_add_cstr(&b, "]}\n");
	} else if (n) {
		buf_addf(&b, "%s%-26s  %-16s  %-11s  %9s  %8s  %7s  %s%s\n",
			out_ink(color, INK_BOLD), "RUN", "WHEN", "RESULT", "WALL", "COST", "TASKS",
			"JOB", out_ink(color, INK_PLAIN));
		for (size_t i = 0; i < n; i++)
			add_row(&b, &runs[i], color);
	}
	status = out_data(&b);
	buf_free(&b);
	if (!o->json && all == 0)
		out_say("nothing was applied here yet");
	if (!o->json && n < all)
		out_say("and %zu older (-a lists all)", all - n);
	return status;
}

static int
run(int argc, char **argv)
{
	struct arena a = {0};
	struct run_dir *runs = NULL;
	struct state_dir state;
	struct place place;
	struct options o;
	struct error err;
	size_t n = 0, shown;
	int status =
		options_parse(&o, &command_runs, "limit all json manifest color", 0, argc, argv);

	if (status >= 0)
		return status;
	if (place_find(&a, &place, o.manifest, &err) < 0 ||
		state_dir_open(&a, &state, place.dir, false, &err) < 0) {
		arena_free(&a);
		return out_fail(&err);
	}
	run_dir_list(&a, &state,
		o.all	      ? SIZE_MAX
		: o.limit > 0 ? (size_t)o.limit
			      : SHOWN,
		&runs, &shown, &n);
	find_costs(runs, shown);
	status = print(runs, shown, n, &o);
	arena_free(&a);
	return status;
}

const struct command command_runs = {
	.name = "runs",
	.summary = "what was applied here, newest first",
	.help = help,
	.run = run,
};
