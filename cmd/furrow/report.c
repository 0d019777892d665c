/* report: a run as a tree with durations: its nodes, their attempts, and what tasks said of their
 * own time. */
#include "cmd/furrow/out.h"
#include "cmd/furrow/place.h"
#include "cmd/furrow/report_tree.h"
#include "cmd/furrow/run_dir.h"

#include <unistd.h>

static const char help[] =
	"usage: furrow report [RUN] [options]\n"
	"\n"
	"Shows where the time of a run went: every step with its duration and phases,\n"
	"every attempt, and the spans that tasks wrote to $FURROW_TRACE_FILE\n"
	"({\"name\":\"load\",\"start\":…,\"end\":…} lines, in seconds since 1970). A\n"
	"'*' is on the critical path. RUN is `latest` (the default), ^1, or the\n"
	"beginning of an id; it may still run.\n"
	"\n"
	"Examples:\n"
	"  furrow report                    of the latest run\n"
	"  furrow report -a ^1              every task of the one before\n"
	"  furrow report --json 01JD        as one JSON document\n"
	"\n"
	"Options:\n"
	"  -a, --all                every task, not only the longest and the failed\n"
	"      --json               print one JSON document\n"
	"  -m, --manifest FILE      its folder has the runs (default: furrow.yaml)\n"
	"      --color WHEN         auto, always or never\n"
	"  -h, --help               this text\n"
	"\n"
	"Environment:\n"
	"  FURROW_COLOR, NO_COLOR\n"
	"\n"
	"Exit codes:\n"
	"  0    shown\n"
	"  3    reading failed\n"
	"  64   there is no such run, or its journal is damaged\n";

static int
run(int argc, char **argv)
{
	struct report_facts facts = {0};
	struct arena a = {0};
	struct state_dir state;
	struct place place;
	struct options o;
	struct buf b = {0};
	struct error err;
	int status = options_parse(&o, &command_report, "all json manifest color", 1, argc, argv);

	if (status >= 0)
		return status;
	if (place_find(&a, &place, o.manifest, &err) < 0 ||
		place_state(&a, &state, &place, &err) < 0 ||
		run_dir_find(&a, &state, options_arg(&o, 0), &facts.run, &err) < 0 ||
		run_dir_timings(&a, &facts.run, &facts.timings, &err) < 0) {
		arena_free(&a);
		return out_fail(&err);
	}
	run_tasks_read(&a, facts.run.path, &facts.tasks);
	facts.color = out_color(STDOUT_FILENO, o.config.color);
	facts.all = o.all;
	run_dir_say_begun(&facts.run);
	if (o.json)
		report_write_json(&b, &facts);
	else if (facts.run.begun)
		report_write(&b, &facts);
	status = out_data(&b);
	buf_free(&b);
	arena_free(&a);
	return status;
}

const struct command command_report = {
	.name = "report",
	.summary = "where the time of a run went, as a tree",
	.help = help,
	.run = run,
};
