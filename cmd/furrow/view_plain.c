/* view_plain: a run as lines, for logs and pipes: one for each step, the tasks folded into a
 * heartbeat, failures at once. */
#include "cmd/furrow/text.h"
#include "cmd/furrow/view_model.h"

static const int64_t heartbeat_ns = 10 * NS_PER_S;

static void
plain_end(struct view *v, const struct view_end *end)
{
	view_add_end(v, &v->out, end, "", 0);
	if (v->out.n)
		v->told_ns = end->t_ns;
	view_flush(v);
}

static void
plain_interrupt(struct view *v, int count)
{
	view_add_interrupt(v, &v->out, count);
	buf_add_char(&v->out, '\n');
	view_flush(v);
}

static void
plain_word(struct view *v, const char *text, int64_t t_ns)
{
	v->told_ns = t_ns;
	text_add_safe(&v->out, str_from(text), 0);
	buf_add_char(&v->out, '\n');
	view_flush(v);
}

static void
plain_tick(struct view *v, int64_t t_ns)
{
	if (t_ns - v->told_ns < heartbeat_ns)
		return;
	v->told_ns = t_ns;
	view_add_counts(v, &v->out, t_ns);
	buf_add_char(&v->out, '\n');
	view_flush(v);
}

const struct view_way view_way_plain = {
	.tick_ns = NS_PER_S,
	.end = plain_end,
	.interrupt = plain_interrupt,
	.word = plain_word,
	.tick = plain_tick,
};
