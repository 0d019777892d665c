/* furrow: a batch job as a manifest, planned and applied. This file finds the command that is asked
 * for. Nothing is initialised before it is needed: `furrow --version` opens nothing. */
#include "cmd/furrow/command.h"
#include "cmd/furrow/out.h"
#include "planner/suggest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FIRST_INHERITED = STDERR_FILENO + 1 };

static const char usage_head[] =
	"usage: furrow [-C DIR] COMMAND [options]\n"
	"\n"
	"Plans and applies batch jobs. A job is described in furrow.yaml, in a git\n"
	"repository. `furrow plan` shows what would be done and why, `furrow apply` does\n"
	"it; what has a result already is not done again.\n"
	"\n"
	"Commands:\n";

static const char usage_tail[] =
	"\n"
	"Examples:\n"
	"  furrow init                      write a furrow.yaml to start from\n"
	"  furrow plan                      what would happen, and why\n"
	"  furrow apply                     show it, ask, do it\n"
	"\n"
	"Options:\n"
	"  -C DIR                   work as if started in DIR\n"
	"      --version            the version\n"
	"  -h, --help               this text; `furrow COMMAND --help` tells of one command\n"
	"\n"
	"Environment:\n"
	"  FURROW_PROGRESS, FURROW_COLOR, FURROW_JOBS: as --progress, --color, -j\n"
	"  FURROW_RUNNER: the furrow-runner to use\n"
	"  FURROW_ENGINE: the container engine to use: podman, docker, or a path\n"
	"  NO_COLOR: no colours; CI: no live view\n"
	"\n"
	"Exit codes:\n"
	"  0    done\n"
	"  1    a task failed\n"
	"  2    there are changes (plan --detailed-exitcode)\n"
	"  3    the host or a service failed\n"
	"  4    a saved plan is out of date\n"
	"  64   the command line or the manifest is wrong\n"
	"  75   another apply of this job runs\n"
	"  128+ ended by a signal: 130 is Ctrl-C\n";

static int
show_help(void)
{
	struct buf b = {0};
	int status;

	buf_add_cstr(&b, usage_head);
	for (const struct command *const *c = commands; *c; c++)
		buf_addf(&b, "  %-12s %s\n", (*c)->name, (*c)->summary);
	buf_add_cstr(&b, usage_tail);
	status = out_data(&b);
	buf_free(&b);
	return status;
}

static int
show_version(void)
{
	struct buf b = {0};
	int status;

	buf_add_cstr(&b, "furrow " FURROW_VERSION "\n");
	status = out_data(&b);
	buf_free(&b);
	return status;
}

static int
unknown_command(const char *word)
{
	const char *names[64], *near;
	size_t n = 0;

	for (; n < sizeof(names) / sizeof(names[0]) && commands[n]; n++)
		names[n] = commands[n]->name;
	near = suggest_nearest(str_from(word), names, n);
	if (near)
		return out_usage("there is no command '%s'; did you mean '%s'?", word, near);
	return out_usage("there is no command '%s' (furrow --help lists them)", word);
}

static int
run_command(int argc, char **argv)
{
	for (const struct command *const *c = commands; *c; c++) {
		if (strcmp((*c)->name, argv[0]) == 0)
			return (*c)->run(argc, argv);
	}
	return unknown_command(argv[0]);
}

/* `furrow help` and `furrow help plan`, for those who try it. */
static int
help_on(int argc, char **argv)
{
	char help[] = "--help";
	char *line[] = {argc > 1 ? argv[1] : NULL, help, NULL};

	return argc > 1 ? run_command(2, line) : show_help();
}

/* Kernels before 5.11 don't do it in one call. */
static void
close_one_by_one_on_exec(void)
{
	DIR *d = opendir("/proc/self/fd");
	const struct dirent *e;

	while (d && (e = readdir(d))) {
		int fd = (int)strtol(e->d_name, NULL, 10);

		if (fd >= FIRST_INHERITED)
			fcntl(fd, F_SETFD, FD_CLOEXEC);
	}
	if (d)
		closedir(d);
}

/* Who is started without stdin, stdout or stderr gets none: else the next files that are opened, a
 * journal or a lock, would be taken for them. Opened the wrong way round, so that to use one is
 * an error. */
static void
hold_standard_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
			(void)!open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
	}
}

/* Whatever else our caller left open, its pipes and locked files, is not for tasks, which may
 * outlast it. */
static void
close_inherited_on_exec(void)
{
#if defined(SYS_close_range) && defined(CLOSE_RANGE_CLOEXEC)
	if (syscall(SYS_close_range, FIRST_INHERITED, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
		return;
#endif
	close_one_by_one_on_exec();
}

int
main(int argc, char **argv)
{
	/* One for each of a hundred threads that mostly wait is what glibc would make, and half of the memory of
	 * a run on many hosts would be holes in them. */
	mallopt(M_ARENA_MAX, 2);
	hold_standard_descriptors();
	close_inherited_on_exec();
	/* A reader that goes away shows as EPIPE where we write. */
	signal(SIGPIPE, SIG_IGN);
	/* Who ignored it has left that to us: then nobody hears how children end. */
	signal(SIGCHLD, SIG_DFL);
	argc--, argv++;
	while (argc > 0 && strcmp(argv[0], "-C") == 0) {
		if (argc < 2)
			return out_usage("-C wants a folder (furrow --help shows it)");
		if (chdir(argv[1]) != 0)
			return out_usage("-C %s: %s", argv[1], strerror(errno));
		argc -= 2, argv += 2;
	}
	if (argc == 0) {
		show_help();
		return error_exit_code(ERR_INPUT);
	}
	if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)
		return show_help();
	if (strcmp(argv[0], "--version") == 0 || strcmp(argv[0], "-V") == 0)
		return show_version();
	if (strcmp(argv[0], "help") == 0)
		return help_on(argc, argv);
	if (argv[0][0] == '-')
		return out_usage("unknown option '%s' (furrow --help tells the options)", argv[0]);
	return run_command(argc, argv);
}
