/* text: strings of a payload as C strings, and the environment of a task. */
#ifndef RUNNER_TEXT_H
#define RUNNER_TEXT_H

#include "planner/base/protocol.h"

/* Copies the next string (list of strings) of a payload to *at, which moves on; a block as long as
 * the payload has room for all of its strings. false: fields are bad, or a string holds a NUL byte.
 * The list is malloc'd and ends with NULL. */
bool text_string(struct fields *f, char **at, char **out);
bool text_list(struct fields *f, char **at, char ***out);

/* The end of a text, room bytes at most, from the begin of a line on where there is one. Points into it. */
const char *text_tail(const char *text, size_t room);

/* The value of NAME in a list of "NAME=VALUE"; NULL: not in it. */
const char *text_variable(char *const *env, const char *name);

/* One environment out of several, of which earlier ones win: malloc'd, the strings stay where they
 * are. */
char **text_merge(char *const *const *envs, size_t n);

#endif
