/* help_text: reading the options in a help text. */
#include "cmd/furrow/help_text.h"

static const char heading[] = "\nOptions:\n";

const char *
help_options(const char *help)
{
	const char *at = strstr(help, heading);

	return at ? at + sizeof(heading) - 1 : "";
}

static bool
read_line(struct str line, struct help_option *out)
{
	struct str rest = str_trim(line), word;

	*out = (struct help_option){.value = STR("")};
	if (rest.n > 4 && rest.p[0] == '-' && rest.p[1] != '-' && rest.p[2] == ',') {
		out->letter = rest.p[1];
		rest = str_trim(str_from_index(rest, 3));
	}
	if (!str_starts(rest, STR("--")))
		return false;
	rest = str_from_index(rest, 2);
	out->name = str_cut(&rest, ' ');
	if (!rest.p)
		return true;
	/* One blank: its value follows. Two: the text does. */
	if (rest.n && rest.p[0] != ' ') {
		word = str_cut(&rest, ' ');
		out->value = word;
	}
	out->text = rest.p ? str_trim(rest) : STR("");
	return true;
}

bool
help_next(const char **at, struct help_option *out)
{
	while (**at == ' ') {
		const char *end = strchr(*at, '\n');
		struct str line = {.p = *at, .n = end ? (size_t)(end - *at) : strlen(*at)};

		*at += line.n + (end != NULL);
		if (read_line(line, out))
			return true;
	}
	return false;
}
