/* links: symbolic links of a source, followed within its listing alone, as they will be followed
 * where it is written out. A link that leads nowhere, or in a circle, stays inside and is the
 * user's own matter. */
#include "providers/git/reader.h"

enum { FOLLOW_MAX = 40 }; /* as Linux */

enum follow { FOLLOW_ENDS, FOLLOW_LEAVES, FOLLOW_ABSOLUTE, FOLLOW_CIRCLE };

struct trail {
	struct buf at;	 /* where it has come to: a path of the tree, "" for its top */
	struct buf rest; /* what is still to be followed from there */
	int links;
};

static void
trail_free(struct trail *t)
{
	buf_free(&t->at);
	buf_free(&t->rest);
}

/* Goes one part on; false when that leads out at the top. */
static bool
take_part(struct trail *t)
{
	const char *slash = memchr(t->rest.p, '/', t->rest.n);
	struct str part = {t->rest.p, slash ? (size_t)(slash - t->rest.p) : t->rest.n};

	if (str_is(part, "..")) {
		if (t->at.n == 0)
			return false;
		relative_cut(&t->at);
	} else if (part.n && !str_is(part, ".")) {
		if (t->at.n)
			buf_add_char(&t->at, '/');
		buf_add_str(&t->at, part);
	}
	buf_shift(&t->rest, part.n + 1);
	return true;
}

/* The trail stands on the link e: goes back to its folder and puts its target before the rest. */
static int
take_link(struct source_reader *r, struct trail *t, const struct source_entry *e, enum follow *how,
	struct error *err)
{
	struct arena scratch = {0};
	struct buf rest = {0};
	struct str target;
	int rc = reader_read(r, &scratch, e, &target, err);

	if (rc == 0) {
		if (str_starts(target, STR("/")))
			*how = FOLLOW_ABSOLUTE;
		if (++t->links > FOLLOW_MAX)
			*how = FOLLOW_CIRCLE;
		relative_cut(&t->at);
		buf_add_str(&rest, target);
		buf_add_char(&rest, '/');
		buf_add_str(&rest, buf_str(&t->rest));
		buf_free(&t->rest);
		t->rest = rest;
	}
	arena_free(&scratch);
	return rc;
}

static int
trail_follow(struct source_reader *r, const struct source *s, struct trail *t, enum follow *how,
	struct error *err)
{
	*how = FOLLOW_ENDS;
	while (t->rest.n && *how == FOLLOW_ENDS) {
		const struct source_entry *e;
		int rc;

		if (!take_part(t)) {
			*how = FOLLOW_LEAVES;
			return 0;
		}
		e = source_find(s, buf_str(&t->at));
		if (!e || e->mode != FILE_SYMLINK)
			continue;
		rc = take_link(r, t, e, how, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int
check_link(struct source_reader *r, const struct source *s, const struct source_entry *e,
	struct error *err)
{
	struct arena scratch = {0};
	struct trail t = {0};
	struct str target;
	enum follow how = FOLLOW_ENDS;
	int rc = reader_read(r, &scratch, e, &target, err);

	if (rc == 0) {
		buf_add_str(&t.rest, e->path);
		rc = trail_follow(r, s, &t, &how, err);
	}
	if (rc == 0 && (how == FOLLOW_LEAVES || how == FOLLOW_ABSOLUTE))
		rc = error_set(err, ERR_INPUT,
			"the symbolic link %.*s -> %.*s %s; what it points to would be missing "
			"where "
			"the job runs: put the file itself there, or a relative link within the "
			"workdir",
			STR_ARG(e->path), STR_ARG(target),
			how == FOLLOW_LEAVES ? "leaves the workdir" : "leads to an absolute path");
	trail_free(&t);
	arena_free(&scratch);
	return rc;
}

int
links_check(struct source_reader *r, const struct source *s, struct error *err)
{
	for (size_t i = 0; i < s->n_entries; i++) {
		int rc;

		if (s->entries[i].mode != FILE_SYMLINK)
			continue;
		rc = check_link(r, s, &s->entries[i], err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int
links_follow(struct source_reader *r, const struct source *s, struct str path,
	const struct source_entry **out, struct error *err)
{
	struct trail t = {0};
	enum follow how;
	int rc;

	*out = NULL;
	buf_add_str(&t.rest, path);
	rc = trail_follow(r, s, &t, &how, err);
	if (rc == 0 && how == FOLLOW_ENDS)
		*out = source_find(s, buf_str(&t.at));
	trail_free(&t);
	return rc;
}
