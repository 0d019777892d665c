/* spawn N C PROGRAM [ARG...]: runs a program N times, C at a time, by posix_spawn and nothing else:
 * what any tool that runs programs pays at least. Prints the wall time in milliseconds. */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

int
main(int argc, char **argv)
{
	long n, at_a_time, begun = 0, ended = 0;
	double start;

	if (argc < 4) {
		fputs("usage: spawn N C PROGRAM [ARG...]\n", stderr);
		return 64;
	}
	n = strtol(argv[1], NULL, 10);
	at_a_time = strtol(argv[2], NULL, 10);
	start = now_ms();
	while (ended < n) {
		while (begun < n && begun - ended < at_a_time) {
			pid_t pid;
			int e = posix_spawnp(&pid, argv[3], NULL, NULL, argv + 3, environ);

			if (e) {
				fprintf(stderr, "spawn: %s: %s\n", argv[3], strerror(e));
				return 1;
			}
			begun++;
		}
		if (wait(NULL) < 0 && errno != EINTR)
			return 1;
		ended++;
	}
	printf("%.1f\n", now_ms() - start);
	return 0;
}
