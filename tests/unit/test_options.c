/* Tests of options and config: what a command line, the environment and the config file say, and which is stronger. */
#include "cmd/furrow/options.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static int
no_run(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return 0;
}

static const struct command command = {
	.name = "try", .summary = "", .help = "usage: furrow try\n", .run = no_run};

enum { MAX_WORDS = 16 };

/* Parses "try WORDS…" (separated by blanks) with words on standard error caught in `told`. */
static int
parse(struct options *o, const char *takes, int max_args, const char *words, char told[512])
{
	static char line[256];
	static char *argv[MAX_WORDS + 1];
	char *rest = line, *word;
	int argc = 0, saved = dup(STDERR_FILENO), out = dup(STDOUT_FILENO), fds[2], status;
	ssize_t n;

	snprintf(line, sizeof(line), "try %s", words);
	while (argc < MAX_WORDS && (word = strsep(&rest, " "))) {
		if (*word)
			argv[argc++] = word;
	}
	argv[argc] = NULL;
	assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
	dup2(fds[1], STDERR_FILENO);
	dup2(fds[1], STDOUT_FILENO);
	status = options_parse(o, &command, takes, max_args, argc, argv);
	dup2(saved, STDERR_FILENO);
	dup2(out, STDOUT_FILENO);
	n = read(fds[0], told, 511);
	told[n < 0 ? 0 : n] = '\0';
	close(saved);
	close(out);
	close(fds[0]);
	close(fds[1]);
	return status;
}

static char home[] = "/tmp/furrow-options.XXXXXX";

static int
setup(void **state)
{
	(void)state;
	unsetenv("FURROW_PROGRESS");
	unsetenv("FURROW_COLOR");
	unsetenv("FURROW_JOBS");
	setenv("XDG_CONFIG_HOME", home, 1);
	return 0;
}

static void
write_config(const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/furrow", home);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/furrow/config.yaml", home);
	if (!text) {
		unlink(path);
		return;
	}
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void
takes_what_it_names(void **state)
{
	struct options o;
	char told[512];

	(void)state;
	assert_int_equal(parse(&o, "rev json jobs yes", 1, "a --rev v1 -j 3 --json -y", told), -1);
	assert_string_equal(o.rev, "v1");
	assert_true(o.json);
	assert_true(o.yes);
	assert_int_equal(o.config.jobs, 3);
	assert_int_equal(o.n_args, 1);
	assert_string_equal(options_arg(&o, 0), "a");
	assert_null(options_arg(&o, 1));
	assert_string_equal(told, "");
}

static void
joins_and_ends(void **state)
{
	struct options o;
	char told[512];

	(void)state;
	assert_int_equal(parse(&o, "jobs dry-run yes", 1, "-ynj4 -- -x", told), -1);
	assert_true(o.yes && o.dry_run);
	assert_int_equal(o.config.jobs, 4);
	assert_string_equal(options_arg(&o, 0), "-x");
	assert_int_equal(parse(&o, "jobs", 0, "--jobs=7", told), -1);
	assert_int_equal(o.config.jobs, 7);
}

static void
defaults(void **state)
{
	struct options o;
	char told[512];

	(void)state;
	assert_int_equal(parse(&o, "", 0, "", told), -1);
	assert_null(o.rev);
	assert_int_equal(o.limit, -1);
	assert_int_equal(o.older_than_ns, -1);
	assert_int_equal(o.config.jobs, 0);
	assert_int_equal(o.config.progress, PROGRESS_AUTO);
	assert_int_equal(o.config.color, COLOR_AUTO);
}

static void
unknown_options(void **state)
{
	struct options o;
	char told[512];

	(void)state;
	assert_int_equal(parse(&o, "jobs json", 1, "file --jbos 3", told), 64);
	assert_non_null(strstr(told, "unknown option '--jbos'; did you mean '--jobs'?"));
	assert_int_equal(parse(&o, "jobs json", 0, "--jsno=1", told), 64);
	assert_non_null(strstr(told, "unknown option '--jsno'; did you mean '--json'?"));
	assert_int_equal(parse(&o, "jobs", 0, "--completely-else", told), 64);
	assert_non_null(strstr(told, "furrow try --help"));
	assert_int_equal(parse(&o, "jobs", 0, "-x", told), 64);
	assert_non_null(strstr(told, "unknown option '-x'"));
	/* Known, but not to this command. */
	assert_int_equal(parse(&o, "jobs", 0, "--yes", told), 64);
	assert_non_null(strstr(told, "unknown option '--yes'"));
}

static void
bad_values(void **state)
{
	static const char *const lines[] = {"-j 0", "-j -1", "-j x", "-j 4097",
		"-j 99999999999999999999", "--limit 0", "--limit 1x", "--older-than 3x",
		"--older-than -1d", "--older-than 999999999999d", "--progress loud", "--color blue",
		"--rev=", "--json=yes", "-j", "--rev", "--progress"};
	struct options o;
	char told[512];

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		if (parse(&o, "jobs limit older-than progress color rev json", 0, lines[i], told) !=
			64)
			fail_msg("'%s' was taken", lines[i]);
		assert_non_null(strstr(told, "furrow: try: "));
	}
}

static void
ages(void **state)
{
	struct options o;
	char told[512];

	(void)state;
	assert_int_equal(parse(&o, "older-than", 0, "--older-than 30d", told), -1);
	assert_true(o.older_than_ns == INT64_C(30) * 86400 * 1000000000);
	assert_int_equal(parse(&o, "older-than", 0, "--older-than 0", told), -1);
	assert_true(o.older_than_ns == 0);
}

static void
too_many_arguments(void **state)
{
	struct options o;
	char told[512];

	(void)state;
	assert_int_equal(parse(&o, "", 1, "a b", told), 64);
	assert_non_null(strstr(told, "'b'"));
}

static void
help_is_there(void **state)
{
	struct options o;
	char told[512];

	(void)state;
	assert_int_equal(parse(&o, "", 0, "--help", told), 0);
	assert_string_equal(told, "usage: furrow try\n");
	assert_int_equal(parse(&o, "", 0, "-h", told), 0);
}

static void
precedence(void **state)
{
	struct options o;
	char told[512];

	(void)state;
	write_config("jobs: 2\nprogress: plain # of this machine\ncolor: never\n");
	assert_int_equal(parse(&o, "jobs progress", 0, "", told), -1);
	assert_int_equal(o.config.jobs, 2);
	assert_int_equal(o.config.jobs_from, FROM_FILE);
	assert_int_equal(o.config.progress, PROGRESS_PLAIN);
	assert_int_equal(o.config.color, COLOR_NEVER);
	setenv("FURROW_JOBS", "3", 1);
	setenv("FURROW_COLOR", "always", 1);
	assert_int_equal(parse(&o, "jobs progress", 0, "", told), -1);
	assert_int_equal(o.config.jobs, 3);
	assert_int_equal(o.config.color, COLOR_ALWAYS);
	assert_int_equal(parse(&o, "jobs progress", 0, "-j 4 --progress quiet", told), -1);
	assert_int_equal(o.config.jobs, 4);
	assert_int_equal(o.config.jobs_from, FROM_FLAG);
	assert_int_equal(o.config.progress, PROGRESS_QUIET);
	write_config(NULL);
}

static void
bad_settings(void **state)
{
	static const struct {
		const char *text, *told;
	} files[] = {
		{"jbos: 3\n", "config.yaml:1:1: there is no setting 'jbos'; did you mean 'jobs'?"},
		{"progress: plain\ncolor: blue\n",
			"config.yaml:2:1: color is one of auto, always, never, not 'blue'"},
		{"- a\n", "config.yaml: expected lines"},
		{"jobs: [1]\n", "config.yaml:1:1: expected 'NAME: VALUE'"},
		{"jobs: 'x\n", "config.yaml:"},
	};
	struct options o;
	char told[512];

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		write_config(files[i].text);
		assert_int_equal(parse(&o, "", 0, "", told), 64);
		if (!strstr(told, files[i].told))
			fail_msg("%s: %s", files[i].text, told);
	}
	write_config("");
	assert_int_equal(parse(&o, "", 0, "", told), -1);
	write_config(NULL);
	setenv("FURROW_JOBS", "many", 1);
	assert_int_equal(parse(&o, "", 0, "", told), 64);
	assert_non_null(strstr(told, "FURROW_JOBS: jobs is a number from 1 to 4096, not 'many'"));
}

static int
remove_home(void **state)
{
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/furrow", home);
	rmdir(path);
	return rmdir(home);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(takes_what_it_names, setup),
		cmocka_unit_test_setup(joins_and_ends, setup),
		cmocka_unit_test_setup(defaults, setup),
		cmocka_unit_test_setup(unknown_options, setup),
		cmocka_unit_test_setup(bad_values, setup),
		cmocka_unit_test_setup(ages, setup),
		cmocka_unit_test_setup(too_many_arguments, setup),
		cmocka_unit_test_setup(help_is_there, setup),
		cmocka_unit_test_setup(precedence, setup),
		cmocka_unit_test_setup(bad_settings, setup),
	};

	if (!mkdtemp(home))
		return 1;
	return cmocka_run_group_tests(tests, NULL, remove_home);
}
