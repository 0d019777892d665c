/* tail: the last words of a task. */
#include "cmd/furrow/tail.h"

#include "cmd/furrow/file.h"
#include "cmd/furrow/out.h"
#include "cmd/furrow/text.h"

enum { LAST_LINES = 5, LAST_BYTES = 8 << 10 };

struct str
tail_of(struct arena *a, const char *logs, uint32_t task, uint32_t attempt)
{
	struct str bytes;

	if (!logs)
		return (struct str){0};
	bytes = file_tail(a, arena_printf(a, "%s/%u.%u.stderr", logs, task, attempt).p, LAST_BYTES);
	return bytes.p ? text_last_lines(bytes, LAST_LINES) : bytes;
}

void
tail_add(struct buf *b, const char *logs, uint32_t task, uint32_t attempt, bool color,
	const char *eol, size_t columns)
{
	struct arena a = {0};
	struct str lines = tail_of(&a, logs, task, attempt);

	while (lines.p && lines.n) {
		buf_addf(b, "    %s|%s ", out_ink(color, INK_DIM), out_ink(color, INK_PLAIN));
		text_add_safe(b, str_cut(&lines, '\n'), columns > 6 ? columns - 6 : 0);
		buf_addf(b, "%s\n", eol);
	}
	arena_free(&a);
}
