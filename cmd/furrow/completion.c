/* completion: completions for shells, made from the command table and what each command's help
 * says: what is told there is completed, and nothing else, so they cannot come apart. */
#include "cmd/furrow/help_text.h"
#include "cmd/furrow/options.h"
#include "cmd/furrow/out.h"
#include "planner/suggest.h"

static const char help[] =
	"usage: furrow completion bash | zsh | fish\n"
	"\n"
	"Prints a script that completes furrow's commands, options, files and runs in a\n"
	"shell.\n"
	"\n"
	"Examples:\n"
	"  . <(furrow completion bash)                     in this bash; or in ~/.bashrc\n"
	"  furrow completion zsh >~/.zfunc/_furrow         a folder that is in $fpath\n"
	"  furrow completion fish >~/.config/fish/completions/furrow.fish\n"
	"\n"
	"Options:\n"
	"  -h, --help               this text\n"
	"\n"
	"Environment:\n"
	"  none\n"
	"\n"
	"Exit codes:\n"
	"  0    printed\n"
	"  64   the command line is wrong\n";

/* What a word in a help text that stands for a value can be: a fixed choice, or what a command
 * prints. */
static const struct {
	const char *value, *words, *command;
} values[] = {
	{"WHEN", "auto always never", NULL},
	{"HOW", "auto tty plain json quiet", NULL},
	{"INFRA", "local", NULL},
	{"REV", NULL, "git for-each-ref --format='%(refname:short)' 2>/dev/null"},
	{"RUN", "latest ^1", "furrow runs -a 2>/dev/null | sed -n '1!s/ .*//p'"},
};

enum { N_VALUES = sizeof(values) / sizeof(values[0]) };

static int
value_index(struct str value)
{
	for (int i = 0; i < N_VALUES; i++) {
		if (str_is(value, values[i].value))
			return i;
	}
	return -1;
}

static bool
is_file(struct str value)
{
	return str_is(value, "FILE") || str_is(value, "DIR");
}

/* Whether the usage line of a command has the word. */
static bool
usage_has(const struct command *c, const char *word)
{
	const char *end = strchr(c->help, '\n'), *at = strstr(c->help, word);

	return at && at < end;
}

static void
add_names(struct buf *b)
{
	for (const struct command *const *c = commands; *c; c++)
		buf_addf(b, "%s%s", c == commands ? "" : " ", (*c)->name);
}

/* Values in bash: "words $(command)". */
static void
add_bash_words(struct buf *b, int i)
{
	buf_addf(b, "%s%s", values[i].words ? values[i].words : "",
		values[i].words && values[i].command ? " " : "");
	if (values[i].command)
		buf_addf(b, "$(%s)", values[i].command);
}

static void
add_bash_command(struct buf *b, const struct command *c)
{
	struct help_option o;
	const char *at = help_options(c->help);

	buf_addf(b, "\t%s)\n\t\tcase $prev in\n", c->name);
	while (help_next(&at, &o)) {
		int i = value_index(o.value);

		if (!o.value.n)
			continue;
		buf_addf(b, "\t\t--%.*s", STR_ARG(o.name));
		if (o.letter)
			buf_addf(b, " | -%c", o.letter);
		buf_add_cstr(b, ") ");
		if (i >= 0) {
			buf_add_cstr(b, "COMPREPLY=($(compgen -W \"");
			add_bash_words(b, i);
			buf_add_cstr(b, "\" -- \"$cur\")); return ;;\n");
		} else {
			buf_addf(b, "%sreturn ;;\n",
				is_file(o.value) ? "COMPREPLY=($(compgen -f -- \"$cur\")); " : "");
		}
	}
	buf_add_cstr(b, "\t\tesac\n\t\toptions='");
	at = help_options(c->help);
	while (help_next(&at, &o)) {
		buf_addf(b, "--%.*s ", STR_ARG(o.name));
		if (o.letter)
			buf_addf(b, "-%c ", o.letter);
	}
	buf_add_cstr(b, "'\n");
	if (usage_has(c, "RUN")) {
		buf_add_cstr(b, "\t\twords=\"");
		add_bash_words(b, value_index(STR("RUN")));
		buf_add_cstr(b, "\"\n");
	}
	if (usage_has(c, "bash |"))
		buf_add_cstr(b, "\t\twords='bash zsh fish'\n");
	buf_addf(b, "\t\tfiles=%s ;;\n", usage_has(c, "MANIFEST") ? "-f" : "");
}

static void
write_bash(struct buf *b)
{
	buf_add_cstr(b, "# bash completion for furrow, made by `furrow completion bash`\n"
			"_furrow()\n{\n"
			"\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} "
			"command= i\n"
			"\tlocal options= words= files=\n"
			"\tCOMPREPLY=()\n"
			"\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
			"\t\tcase ${COMP_WORDS[i]} in -C) ((i++)) ;; -*) ;; *) "
			"command=${COMP_WORDS[i]}; break ;; esac\n"
			"\tdone\n"
			"\tcase $command in\n"
			"\t'')\n"
			"\t\tif [ \"$prev\" = -C ]; then COMPREPLY=($(compgen -d -- \"$cur\")); "
			"return; fi\n"
			"\t\toptions='--help --version -C'\n"
			"\t\twords='");
	add_names(b);
	buf_add_cstr(b, "' ;;\n");
	for (const struct command *const *c = commands; *c; c++)
		add_bash_command(b, *c);
	buf_add_cstr(b, "\tesac\n"
			"\tcase $cur in\n"
			"\t-*) COMPREPLY=($(compgen -W \"$options\" -- \"$cur\")) ;;\n"
			"\t*) COMPREPLY=($(compgen -W \"$words\" $files -- \"$cur\")) ;;\n"
			"\tesac\n"
			"}\n"
			"complete -o filenames -F _furrow furrow\n");
}

/* Text within single quotes, in a description within [...]. */
static void
add_zsh_text(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\'')
			buf_add_cstr(b, "'\\''");
		else if (s.p[i] == '[' || s.p[i] == ']' || s.p[i] == ':')
			buf_addf(b, "\\%c", s.p[i]);
		else
			buf_add_char(b, s.p[i]);
	}
}

static void
add_zsh_action(struct buf *b, struct str value)
{
	int i = value_index(value);

	buf_addf(b, ":%.*s:", STR_ARG(value));
	if (is_file(value))
		buf_add_cstr(b, "_files");
	else if (i >= 0 && values[i].command)
		buf_addf(b, "_furrow_%s", values[i].value);
	else if (i >= 0)
		buf_addf(b, "(%s)", values[i].words);
	else
		buf_add_cstr(b, "( )");
}

static void
add_zsh_command(struct buf *b, const struct command *c)
{
	struct help_option o;
	const char *at = help_options(c->help);

	buf_addf(b, "\t%s)\n\t\t_arguments -s", c->name);
	while (help_next(&at, &o)) {
		buf_add_cstr(b, " \\\n\t\t\t");
		if (o.letter)
			buf_addf(b, "'(-%c --%.*s)'{-%c,--%.*s}'[", o.letter, STR_ARG(o.name),
				o.letter, STR_ARG(o.name));
		else
			buf_addf(b, "'--%.*s[", STR_ARG(o.name));
		add_zsh_text(b, o.text);
		buf_add_char(b, ']');
		if (o.value.n)
			add_zsh_action(b, o.value);
		buf_add_char(b, '\'');
	}
	if (usage_has(c, "MANIFEST"))
		buf_add_cstr(b, " \\\n\t\t\t'*:file:_files'");
	if (usage_has(c, "RUN"))
		buf_add_cstr(b, " \\\n\t\t\t'1:run:_furrow_RUN'");
	if (usage_has(c, "bash |"))
		buf_add_cstr(b, " \\\n\t\t\t'1:shell:(bash zsh fish)'");
	buf_add_cstr(b, " ;;\n");
}

static void
write_zsh(struct buf *b)
{
	buf_add_cstr(b,
		"#compdef furrow\n# zsh completion for furrow, made by `furrow completion zsh`\n");
	for (int i = 0; i < N_VALUES; i++) {
		if (values[i].command)
			buf_addf(b, "_furrow_%s() { compadd -- %s ${(f)\"$(%s)\"} }\n",
				values[i].value, values[i].words ? values[i].words : "",
				values[i].command);
	}
	buf_add_cstr(b, "_furrow() {\n\tlocal -a commands\n\tcommands=(\n");
	for (const struct command *const *c = commands; *c; c++) {
		buf_addf(b, "\t\t'%s:", (*c)->name);
		add_zsh_text(b, str_from((*c)->summary));
		buf_add_cstr(b, "'\n");
	}
	buf_add_cstr(b, "\t)\n"
			"\tlocal context state line curcontext=$curcontext\n"
			"\t_arguments -C '-C[work as if started in]:folder:_files -/' "
			"'--help[help]' '--version[version]' "
			"'1:command:->command' '*::argument:->argument' && return\n"
			"\tif [[ $state == command ]]; then\n\t\t_describe command "
			"commands\n\t\treturn\n\tfi\n"
			"\tcase $line[1] in\n");
	for (const struct command *const *c = commands; *c; c++)
		add_zsh_command(b, *c);
	buf_add_cstr(b, "\tesac\n}\n_furrow \"$@\"\n");
}

/* Text within single quotes. */
static void
add_fish_text(struct buf *b, struct str s)
{
	buf_add_char(b, '\'');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\'' || s.p[i] == '\\')
			buf_add_char(b, '\\');
		buf_add_char(b, s.p[i]);
	}
	buf_add_char(b, '\'');
}

/* Values in fish: words, or the lines of a command in parentheses. */
static void
add_fish_words(struct buf *b, int i)
{
	buf_add_cstr(b, " -a '");
	if (values[i].words)
		buf_addf(b, "%s ", values[i].words);
	if (values[i].command) {
		buf_add_char(b, '(');
		for (const char *p = values[i].command; *p; p++)
			buf_addf(b, *p == '\'' ? "\\'" : "%c", *p);
		buf_add_char(b, ')');
	}
	buf_add_char(b, '\'');
}

static void
add_fish_command(struct buf *b, const struct command *c)
{
	struct help_option o;
	const char *at = help_options(c->help);

	buf_addf(b, "complete -c furrow -n __fish_use_subcommand -a %s -d ", c->name);
	add_fish_text(b, str_from(c->summary));
	buf_add_char(b, '\n');
	while (help_next(&at, &o)) {
		int i = value_index(o.value);

		buf_addf(b, "complete -c furrow -n '__fish_seen_subcommand_from %s' -l %.*s",
			c->name, STR_ARG(o.name));
		if (o.letter)
			buf_addf(b, " -s %c", o.letter);
		if (o.value.n)
			buf_add_cstr(b, is_file(o.value) ? " -rF" : " -x");
		if (i >= 0)
			add_fish_words(b, i);
		buf_add_cstr(b, " -d ");
		add_fish_text(b, o.text);
		buf_add_char(b, '\n');
	}
	if (usage_has(c, "MANIFEST"))
		buf_addf(b, "complete -c furrow -n '__fish_seen_subcommand_from %s' -F\n", c->name);
	if (usage_has(c, "RUN")) {
		buf_addf(b, "complete -c furrow -n '__fish_seen_subcommand_from %s'", c->name);
		add_fish_words(b, value_index(STR("RUN")));
		buf_add_char(b, '\n');
	}
	if (usage_has(c, "bash |"))
		buf_addf(b,
			"complete -c furrow -n '__fish_seen_subcommand_from %s' -a 'bash zsh "
			"fish'\n",
			c->name);
}

static void
write_fish(struct buf *b)
{
	buf_add_cstr(b, "# fish completion for furrow, made by `furrow completion fish`\n"
			"complete -c furrow -f\n"
			"complete -c furrow -n __fish_use_subcommand -l help -s h -d 'help'\n"
			"complete -c furrow -n __fish_use_subcommand -l version -d 'the version'\n"
			"complete -c furrow -n __fish_use_subcommand -s C -rF -d 'work as if "
			"started in a folder'\n");
	for (const struct command *const *c = commands; *c; c++)
		add_fish_command(b, *c);
}

static int
run(int argc, char **argv)
{
	static const char *const shells[] = {"bash", "zsh", "fish"};
	static void (*const writers[])(struct buf *) = {write_bash, write_zsh, write_fish};
	struct options o;
	struct buf b = {0};
	const char *shell, *near;
	int status = options_parse(&o, &command_completion, "", 1, argc, argv);

	if (status >= 0)
		return status;
	shell = options_arg(&o, 0);
	if (!shell)
		return out_usage("completion for which shell? bash, zsh or fish");
	for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++) {
		if (strcmp(shell, shells[i]) == 0)
			writers[i](&b);
	}
	if (b.n == 0) {
		near = suggest_nearest(str_from(shell), shells, 3);
		return out_usage("completion: there is none for '%s'%s%s%s", shell,
			near ? "; did you mean '" : " (bash, zsh, fish)", near ? near : "",
			near ? "'?" : "");
	}
	status = out_data(&b);
	buf_free(&b);
	return status;
}

const struct command command_completion = {
	.name = "completion",
	.summary = "completions for bash, zsh and fish",
	.help = help,
	.run = run,
};
