/* command: one entry per subcommand, one file each. */
#ifndef FURROW_COMMAND_H
#define FURROW_COMMAND_H

struct command {
	const char *name;
	const char *summary; /* for `furrow --help` and completion */
	const char *
		help; /* the whole text of `furrow NAME --help`: purpose, three examples, options, environment, exit codes */
	/* argv[0] is the subcommand. Returns the exit status. */
	int (*run)(int argc, char **argv);
};

extern const struct command command_init, command_validate, command_offers, command_plan,
	command_apply, command_status, command_logs, command_runs, command_report, command_why,
	command_destroy, command_gc, command_doctor, command_completion;

/* All of them, in the order of a session; ends with NULL. */
extern const struct command *const commands[];

#endif
