/* busy: a run in full swing, to be ended. */
#ifndef FURROW_TEST_BUSY_H
#define FURROW_TEST_BUSY_H

#include "tests/exec/scene.h"

/* Two tasks run, one queues at the place, one waits; an instance boots; collect and release have to
 * run. */
static inline void
set_up_busy(struct scene *s)
{
	uint32_t tasks[5];

	set_up(s);
	tasks[4] = add_one(s, KIND_ENVIRONMENT, 0);
	for (uint32_t i = 0; i < 4; i++)
		tasks[i] = add_one(s, KIND_TASK, i);
	add(s, KIND_COLLECT, 0, tasks, 4);
	add(s, KIND_RELEASE, 0, tasks, 5);
	add_one(s, KIND_INSTANCE, 1);
	gives(s, 0, 2, 0);
	takes(s, KIND_TASK, WORLD_ANY, 1000);
	world_add(s->w,
		&(struct script){
			.kind = KIND_INSTANCE, .index = 1, .pendings = 9, .pending_ns = MS(700)});
	s->options.ahead = 1;
}

#define BUSY_BEGIN                     \
	"0.000 begin environment[0]\n" \
	"0.000 begin instance[1]\n"    \
	"0.000 ok environment[0]\n"    \
	"0.000 begin task[0]\n"        \
	"0.000 begin task[1]\n"        \
	"0.000 begin task[2]\n"

#endif
