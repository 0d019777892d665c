/* init: writes a manifest to start from: one that is valid and runs as it is, with every key
 * explained. */
#include "cmd/furrow/file.h"
#include "cmd/furrow/out.h"
#include "cmd/furrow/place.h"

#include <errno.h>
#include <unistd.h>

static const char help[] =
	"usage: furrow init [--force] [FILE]\n"
	"\n"
	"Writes a manifest (default: ./furrow.yaml) to start from. It runs as it is, and\n"
	"shows in comments what else there is; furrow.yaml(5) tells all of it. A file that\n"
	"is there already stays as it is.\n"
	"\n"
	"Examples:\n"
	"  furrow init                      write ./furrow.yaml\n"
	"  furrow init jobs/train.yaml      another name\n"
	"  furrow init --force              write it again, over what is there\n"
	"\n"
	"Options:\n"
	"      --force              replace the file when it is there already\n"
	"  -h, --help               this text\n"
	"\n"
	"Environment:\n"
	"  none\n"
	"\n"
	"Exit codes:\n"
	"  0 written; 3 it could not be written; 64 the file is there already, or the\n"
	"  command line is wrong\n";

static const char head[] =
	"# A batch job. `furrow plan` shows what would be done and why, `furrow apply`\n"
	"# does it; what has a result already is not done again.\n"
	"# All keys: man furrow.yaml\n"
	"furrow: 1                  # the version of this file's form\n";

static const char body[] =
	"\n"
	"# What runs, once for each input: a string runs under sh -c, a list is a\n"
	"# program with its arguments. The input is in $FURROW_INPUT. What the task\n"
	"# leaves in the folder $FURROW_OUT, and what it prints, is its result.\n"
	"entrypoint: |\n"
	"  echo \"hello, $FURROW_INPUT\"\n"
	"  printf '%s' \"$FURROW_INPUT\" | wc -c >\"$FURROW_OUT/length.txt\"\n"
	"\n"
	"# What it runs for. Without a map there is one task.\n"
	"map:\n"
	"  inputs: [furrow, plan, apply]\n"
	"  # inputs: texts/*.txt          # a task for each file that matches\n"
	"  # inputs: {file: list.txt}     # a task for each line\n"
	"  # inputs: {s3: \"s3://bucket/in/*\"}   # for each object; infra aws only\n"
	"  # inputs: {count: 200}         # the inputs 0 to 199\n"
	"  # inputs: {matrix: {size: [1, 2], color: [red, blue]}}   # in $size and $color\n"
	"  # per_instance: 4              # tasks at a time; else as many as there are CPUs\n"
	"  # fail_fast: true              # start no more once one failed\n"
	"\n"
	"results: results/          # where results come together: a folder for each task\n"
	"# outputs: out/            # a folder that the task makes, besides $FURROW_OUT\n"
	"\n"
	"# The environment of the entrypoint. Without an image it runs on the host, in a\n"
	"# folder of its own.\n"
	"# environment:\n"
	"#   image: docker.io/library/python:3.12-slim\n"
	"#   # build: {context: ., dockerfile: Dockerfile}   # instead of an image\n"
	"#   setup: pip install -r requirements.txt          # once; its result is kept\n"
	"#   setup_files: [requirements.txt]                 # what setup depends on\n"
	"#   env: {LANG: C.UTF-8}\n"
	"#   secrets: [HF_TOKEN]          # from your environment, never stored or shown\n"
	"\n"
	"# Where it runs: local is this machine, aws/REGION are instances of EC2; most other\n"
	"# keys here are for these.\n"
	"# instances:\n"
	"#   infra: local                 # or aws/us-east-2\n"
	"#   cpus: 4+                     # 4, 4+ or 4..8\n"
	"#   memory: 16GiB+\n"
	"#   gpus: L4:1\n"
	"#   arch: x86_64                 # x86_64, arm64 or any\n"
	"#   disk: 50GiB                  # or {size: 50GiB, warm: 300MiB/s}\n"
	"#   spot: auto                   # true, false or auto\n"
	"#   max_hourly_cost: 0.50        # US dollars for one instance\n"
	"#   any_of: [{infra: aws/us-east-2}, {infra: aws/us-west-2}]   # the cheaper one\n"
	"#   max: 20                      # instances at a time\n"
	"#   idle: 10m                    # how long a warm one waits for the next apply\n"
	"#   warm_files: [/opt/model/*]   # of the image: read while it boots\n"
	"\n"
	"# retry: {attempts: 3, for: [interruption, no-capacity, error], exit_codes: [75], delay: "
	"5s}\n"
	"# timeout: 20m             # of one attempt\n"
	"# max_duration: 2h         # of the whole run\n"
	"# max_cost: 5.00           # of the whole run, in US dollars\n"
	"# store: .furrow/store     # where results are kept under their keys\n"
	"# extends: base.yaml       # another manifest: its keys hold where this one has none\n";

enum { LONGEST_NAME = 40 };

/* The folder's name as a job's name: letters, digits and '-'. */
static struct str
job_name(struct arena *a, const char *dir)
{
	const char *slash = strrchr(dir, '/'), *p = slash ? slash + 1 : dir;
	struct buf b = {0};
	struct str name;

	for (; *p && b.n < LONGEST_NAME; p++) {
		char c = (char)(*p >= 'A' && *p <= 'Z' ? *p - 'A' + 'a' : *p);
		bool letter = c >= 'a' && c <= 'z';

		if (letter || (b.n && c >= '0' && c <= '9'))
			buf_add_char(&b, c);
		else if (b.n && b.p[b.n - 1] != '-')
			buf_add_char(&b, '-');
	}
	while (b.n && b.p[b.n - 1] == '-')
		b.n--;
	name = b.n ? arena_str(a, buf_str(&b)) : STR("hello");
	buf_free(&b);
	return name;
}

/* Whether a folder lies in a git working tree. */
static bool
in_git(struct arena *a, struct str dir)
{
	for (;;) {
		const char *git = arena_printf(a, "%.*s/.git", STR_ARG(dir)).p;

		if (access(git, F_OK) == 0)
			return true;
		if (!dir.n)
			return false;
		while (dir.n && dir.p[dir.n - 1] != '/')
			dir.n--;
		if (dir.n)
			dir.n--;
	}
}

static struct str
make_text(struct arena *a, const char *dir, bool git)
{
	struct str name = job_name(a, dir);

	/* Without git, the working files are the source, so that the first apply works. */
	return arena_printf(a, "%sname: %.*s\n%s%s", head, STR_ARG(name),
		git ? "# workdir: .               # the source: this folder as committed\n"
		    : "workdir: {path: .}         # the source: the files here; in git: `workdir: "
		      ".`\n",
		body);
}

static int
write_manifest(const struct place *place, struct str text, bool force, struct error *err)
{
	int rc;

	if (force)
		return file_replace(place->path, text, err);
	rc = file_create(place->path, text, err);
	if (rc && err->os_errno == EEXIST)
		return error_set(err, ERR_INPUT,
			"%s is there already and stays as it is; --force writes over it",
			place->shown);
	return rc;
}

static int
init(struct arena *a, const char *file, bool force)
{
	struct place place;
	struct error err;
	bool git;

	if (place_find(a, &place, file, &err))
		return out_fail(&err);
	git = in_git(a, str_from(place.dir));
	if (write_manifest(&place, make_text(a, place.dir, git), force, &err))
		return out_fail(&err);
	out_say("wrote %s; %s`furrow plan` shows what it would do, `furrow apply` does it",
		place.shown, git ? "commit it (and add results/ to .gitignore), then " : "");
	return 0;
}

static int
run(int argc, char **argv)
{
	struct arena arena = {0};
	struct options o;
	int status = options_parse(&o, &command_init, "force", 1, argc, argv);

	if (status >= 0)
		return status;
	status = init(&arena, options_arg(&o, 0), o.force);
	arena_free(&arena);
	return status;
}

const struct command command_init = {
	.name = "init",
	.summary = "write a manifest to start from",
	.help = help,
	.run = run,
};
