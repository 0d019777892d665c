/* read_words: what a journal says of places that went in mid-run, for people. */
#include "planner/execute/reader.h"

/* More are no run of ours. */
enum { MAX_WORDS = 1 << 14 };

static int
read_word(struct reader *r, struct event *e, bool remake)
{
	struct timing_word word = {.remake = remake};
	struct timings *t = r->t;
	int code;

	while (reader_member(e)) {
		if (str_is(e->key, "place"))
			word.place = reader_narrow(scan_count(&e->scan));
		else if (str_is(e->key, "made"))
			word.made = scan_bool(&e->scan);
		else if (str_is(e->key, "msg"))
			word.text = arena_str(r->a, scan_string(&e->scan));
		else
			scan_skip(&e->scan);
	}
	code = reader_check_timed(r, e);
	if (code || t->n_words == MAX_WORDS)
		return code;
	word.t_ns = e->t_ns;
	t->words = reader_grow(r, t->words, t->n_words, 1, &r->cap_words, sizeof(*t->words));
	t->words[t->n_words++] = word;
	return 0;
}

int
reader_notice(struct reader *r, struct event *e)
{
	return read_word(r, e, false);
}

int
reader_remake(struct reader *r, struct event *e)
{
	return read_word(r, e, true);
}
