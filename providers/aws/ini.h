/* ini: the format of the SDKs' shared files, as botocore and the other SDKs read it:
 *
 *	[default]			a section; [profile NAME], [sso-session NAME], [services NAME]
 *	# or ; begins a comment		also behind a value, after a blank
 *	key = value			keys are told apart without regard to case, the last one counts
 *	  more of it			further in than its key: another line of the value
 *	s3 =
 *	  endpoint_url = http://x	behind an empty value: keys of its own
 *
 * Sections of one name are one. A name may stand in quotes. */
#ifndef FURROW_AWS_INI_H
#define FURROW_AWS_INI_H

#include "planner/base/arena.h"
#include "planner/base/error.h"
#include "planner/base/str.h"

enum { INI_MAX_BYTES = 1 << 20 };

struct ini_key {
	struct ini_key *next;
	struct str name, value; /* value ends in a NUL byte; "" when there are nested keys */
	struct ini_key *nested;
};

struct ini_section {
	struct ini_section *next;
	struct str text;       /* all between the brackets: "profile work" */
	struct str kind, name; /* "profile", "work"; kind is "" for a single word */
	struct ini_key *keys;
};

struct ini {
	struct ini_section *sections; /* in the file's order */
};

/* Copies what it keeps. ERR_INPUT with "FILE:LINE:COLUMN: …", never with a value in it. */
int ini_parse(
	struct arena *a, struct ini *out, struct str bytes, struct str file, struct error *err);

/* kind absent: `name` is all of the section's text. */
bool ini_has(const struct ini *ini, struct str kind, struct str name);
/* Absent when there is none. nested: NULL, or a key behind `key`. */
struct str ini_get(const struct ini *ini, struct str kind, struct str name, const char *key,
	const char *nested);

#endif
