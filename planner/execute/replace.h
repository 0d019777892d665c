/* replace: whether an instance that goes is worth another one in its place. Pure: facts in, answer and words
 * out. */
#ifndef FURROW_REPLACE_H
#define FURROW_REPLACE_H

#include <stdbool.h>
#include <stdint.h>

enum { REPLACE_WORDS_BYTES = 160 };

struct replace_facts {
	uint32_t waiting; /* tasks that run nowhere yet, those that queue included */
	uint64_t slots;	  /* of the places that stay */
	uint64_t running; /* tasks there */
	uint64_t coming;  /* slots of places that are on their way */
	uint32_t gained;  /* slots that the other one would give */
	int64_t task_ns;  /* how long a task takes; < 0: not known */
	int64_t boot_ns;  /* until a new instance takes tasks; < 0: not known */
	int64_t left_ns;  /* until max_duration; < 0: there is none */
	bool too_dear;	  /* max_cost would be passed */
};

/* It pays when what is left ends sooner with it, by a tenth and by five seconds at least, or when there is
 * nobody else to do it; and when max_duration and max_cost leave room for it. Where it is not known how long
 * things take it pays when more tasks wait than the others have slots. words: why, or why not. */
bool replace_pays(const struct replace_facts *f, char words[REPLACE_WORDS_BYTES]);

#endif
