/* view_tty: a run live on a terminal. Finished lines scroll and stay; below them one line for each
 * node that runs, and the counts. A frame is one write, within a synchronized update where the
 * terminal knows that, and the cursor is hidden only inside of it: whatever ends us, the terminal
 * is left as it was. */
#include "cmd/furrow/text.h"
#include "cmd/furrow/view_model.h"

#include <stdlib.h>

enum { MAX_LINES = 16 };

static const char begin_frame[] = "\033[?2026h\033[?25l";
static const char end_frame[] = "\033[?25h\033[?2026l";
static const char clear_to_eol[] = "\033[K";

/* Back to the first line of the last frame. The terminal may have become narrower since, so that
 * lines wrapped. */
static void
go_back(struct view *v, unsigned columns)
{
	uint32_t rows = 0;

	for (uint32_t i = 0; i < v->n_lines; i++)
		rows += v->widths[i] <= columns ? 1 : (v->widths[i] + columns - 1) / columns;
	if (rows)
		buf_addf(&v->out, "\033[%uA", rows);
	buf_add_char(&v->out, '\r');
	v->n_lines = 0;
}

static void
end_line(struct view *v, uint32_t width)
{
	if (v->n_lines == v->cap_lines) {
		v->cap_lines = v->cap_lines ? v->cap_lines * 2 : 32;
		v->widths = mem_realloc(v->widths, v->cap_lines * sizeof(*v->widths));
	}
	v->widths[v->n_lines++] = width;
	buf_addf(&v->out, "%s\n", clear_to_eol);
}

/* "  task[17] long.txt                12.3 s": the name left, the time right of the longest name.
 */
static void
add_running(struct view *v, uint32_t node, size_t name_columns, unsigned columns, int64_t t_ns)
{
	const char *phase =
		v->phases[node] < PHASE_COUNT ? phase_name((enum phase)v->phases[node]) : "";
	struct buf line = {0};
	char time[TEXT_BYTES];
	size_t used, width;

	buf_add_cstr(&line, "  ");
	view_add_name(v, &line, node);
	used = text_columns(buf_str(&line));
	text_add_pad(&line, name_columns + 2 > used ? name_columns + 2 - used : 0);
	if (view_node(v, node)->kind != KIND_TASK && *phase)
		buf_addf(&line, "  %s", phase);
	if (v->attempts[node] > 1)
		buf_addf(&line, "  attempt %u", v->attempts[node]);
	buf_addf(&line, "  %s", text_elapsed(time, t_ns - v->since_ns[node]));
	width = text_columns(buf_str(&line));
	text_add_safe(&v->out, buf_str(&line), columns);
	end_line(v, (uint32_t)(width < columns ? width : columns));
	buf_free(&line);
}

static size_t
widest_name(const struct view *v, uint32_t n, unsigned columns)
{
	struct buf name = {0};
	size_t widest = 0;

	for (uint32_t i = 0; i < n; i++) {
		size_t width;

		buf_clear(&name);
		view_add_name(v, &name, v->running[i]);
		width = text_columns(buf_str(&name));
		widest = width > widest ? width : widest;
	}
	buf_free(&name);
	return widest < columns / 2 ? widest : columns / 2;
}

static void
add_counts(struct view *v, unsigned columns, int64_t t_ns)
{
	bool color = v->facts.color;
	struct buf line = {0};
	size_t width;

	/* Escapes take no room on the screen: cut without colours, colour what fits. */
	v->facts.color = false;
	view_add_counts(v, &line, t_ns);
	v->facts.color = color;
	width = text_columns(buf_str(&line));
	if (width <= columns) {
		buf_clear(&line);
		view_add_counts(v, &line, t_ns);
		buf_add_str(&v->out, buf_str(&line));
	} else {
		text_add_safe(&v->out, buf_str(&line), columns);
		width = columns;
	}
	end_line(v, (uint32_t)width);
	buf_free(&line);
}

/* Draws the frame behind what was added to v->out before it, which stays. */
static void
add_frame(struct view *v, int64_t t_ns)
{
	unsigned rows, columns, room;
	uint32_t n = v->n_running;
	size_t names;

	v->target.size(v->target.ctx, &rows, &columns);
	columns = columns > 1 ? columns - 1 : 1; /* a full line would wrap on some terminals */
	room = rows > 5 ? rows - 3 : 2;
	if (room > MAX_LINES)
		room = MAX_LINES;
	if (n > room)
		n = room - 1;
	names = widest_name(v, n, columns);
	for (uint32_t i = 0; i < n; i++)
		add_running(v, v->running[i], names, columns, t_ns);
	if (v->n_running > n) {
		buf_addf(&v->out, "  +%u more", v->n_running - n);
		end_line(v, 0);
	}
	add_counts(v, columns, t_ns);
}

/* One frame; `stay`: finished lines, which scroll away above it. */
static void
draw(struct view *v, const struct buf *stay, int64_t t_ns)
{
	unsigned rows, columns;

	v->target.size(v->target.ctx, &rows, &columns);
	buf_add_cstr(&v->out, begin_frame);
	go_back(v, columns);
	if (stay)
		buf_add(&v->out, stay->p, stay->n);
	add_frame(v, t_ns);
	buf_addf(&v->out, "\033[J%s", end_frame);
	view_flush(v);
}

static void
tty_end(struct view *v, const struct view_end *end)
{
	unsigned rows, columns;
	struct buf stay = {0};

	v->target.size(v->target.ctx, &rows, &columns);
	view_add_end(v, &stay, end, clear_to_eol, columns);
	/* Most ends leave no line behind: the next tick shows them in the counts. */
	if (stay.n)
		draw(v, &stay, end->t_ns);
	buf_free(&stay);
}

static void
tty_interrupt(struct view *v, int count)
{
	struct buf stay = {0};

	view_add_interrupt(v, &stay, count);
	buf_addf(&stay, "%s\n", clear_to_eol);
	draw(v, &stay, v->now_ns);
	buf_free(&stay);
}

static void
tty_word(struct view *v, const char *text, int64_t t_ns)
{
	struct buf stay = {0};

	text_add_safe(&stay, str_from(text), 0);
	buf_addf(&stay, "%s\n", clear_to_eol);
	draw(v, &stay, t_ns);
	buf_free(&stay);
}

static void
tty_tick(struct view *v, int64_t t_ns)
{
	draw(v, NULL, t_ns);
}

static void
tty_close(struct view *v, int64_t t_ns)
{
	unsigned rows, columns;

	(void)t_ns;
	v->target.size(v->target.ctx, &rows, &columns);
	go_back(v, columns);
	buf_add_cstr(&v->out, "\033[J");
}

const struct view_way view_way_tty = {
	.tick_ns = NS_PER_S / 10,
	.end = tty_end,
	.interrupt = tty_interrupt,
	.word = tty_word,
	.tick = tty_tick,
	.close = tty_close,
};
