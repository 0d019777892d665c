/* yaml_problem: what makes bytes no YAML, in plain words. Part of yaml. */
#ifndef FURROW_YAML_PROBLEM_H
#define FURROW_YAML_PROBLEM_H

#include "planner/diag.h"

/* Adds what is wrong with the bytes before any parsing: too many, binary, not UTF-8. Returns 0 or
 * ERR_INPUT. */
int doc_check_bytes(struct diagnostics *diags, struct str file, struct str bytes);

/* libyaml's `problem`, found at a byte, in plain words; the problem itself when there are none for
 * it. */
const char *doc_problem_words(const char *problem, struct str bytes, size_t at);

struct pos doc_pos_of_byte(struct str file, struct str bytes, size_t at);

#endif
