/* lend: a host's curl or python3, for the runner in a container. An image need have neither, nor the
 * certificates that they trust; the host has, or it could not have fetched this binary. */
#ifndef RUNNER_LEND_H
#define RUNNER_LEND_H

/* On the host, as root: takes requests at DOOR/curl (or DOOR/python3, which stands for what there is)
 * until that process ends. Exit status. */
int lend(const char *door, const char *pid);

/* "curl" or "python3" when that is lent here, else NULL. */
const char *lend_program(void);
/* As child_exec of `argv`, which begins with the runner's own path and "borrow": becomes what runs it
 * on the host, where it has the descriptors 0, 1, 2 and argv[2], a number, as they are here. */
int borrow(char *const *argv);

enum { BORROW_WORDS = 3 }; /* before the command */
#define BORROW_RUNNER "/.furrow/runner"

#endif
