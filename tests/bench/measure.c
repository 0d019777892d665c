/* measure: runs a command some times and prints the median of its wall time in milliseconds and the largest resident set
 * of its processes in KiB: "WALL_MS RSS_KIB". Its output is thrown away.
 *   measure RUNS COMMAND [ARG...] */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static double
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int
main(int argc, char **argv)
{
	int runs = argc > 2 ? (int)strtol(argv[1], NULL, 10) : 0;
	posix_spawn_file_actions_t actions;
	double *walls;
	long rss = 0;

	if (runs < 1) {
		fprintf(stderr, "usage: measure RUNS COMMAND [ARG...]\n");
		return 64;
	}
	walls = calloc((size_t)runs, sizeof(*walls));
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	if (!getenv("MEASURE_STDERR"))
		posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	for (int i = 0; i < runs; i++) {
		double begin = now_ms();
		struct rusage usage;
		int status;
		pid_t pid;

		if (posix_spawnp(&pid, argv[2], &actions, NULL, argv + 2, environ) != 0) {
			fprintf(stderr, "measure: cannot run %s\n", argv[2]);
			return 1;
		}
		wait4(pid, &status, 0, &usage);
		walls[i] = now_ms() - begin;
		if (usage.ru_maxrss > rss)
			rss = usage.ru_maxrss;
		if (!WIFEXITED(status) || (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 2)) {
			fprintf(stderr, "measure: %s failed (status %d)\n", argv[2], status);
			return 1;
		}
	}
	qsort(walls, (size_t)runs, sizeof(*walls), by_value);
	printf("%.2f %ld\n", walls[runs / 2], rss);
	free(walls);
	return 0;
}
