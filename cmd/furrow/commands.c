/* commands: the table of them, in the order of a session. */
#include "cmd/furrow/command.h"

#include <stddef.h>

const struct command *const commands[] = {
	&command_init,
	&command_validate,
	&command_offers,
	&command_plan,
	&command_apply,
	&command_status,
	&command_logs,
	&command_runs,
	&command_report,
	&command_why,
	&command_destroy,
	&command_gc,
	&command_doctor,
	&command_completion,
	NULL,
};
