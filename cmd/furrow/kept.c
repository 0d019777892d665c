/* kept: telling that streams were cut. */
#include "cmd/furrow/kept.h"

#include "cmd/furrow/text.h"
#include "planner/base/json.h"

bool
kept_less(const struct outcome *o)
{
	return o->stdout_kept_bytes < o->stdout_bytes || o->stderr_kept_bytes < o->stderr_bytes;
}

static void
add_stream(struct buf *b, const char *before, int64_t kept, int64_t bytes, const char *name)
{
	char part[TEXT_BYTES], whole[TEXT_BYTES];

	buf_addf(b, "%sthe first %s of its %s of %s", before, text_bytes(part, kept),
		text_bytes(whole, bytes), name);
}

void
kept_add(struct buf *b, const struct outcome *o)
{
	bool out = o->stdout_kept_bytes < o->stdout_bytes;

	if (out)
		add_stream(b, "", o->stdout_kept_bytes, o->stdout_bytes, "stdout");
	if (o->stderr_kept_bytes < o->stderr_bytes)
		add_stream(b, out ? " and " : "", o->stderr_kept_bytes, o->stderr_bytes, "stderr");
}

void
kept_add_json(struct buf *b, const struct outcome *o)
{
	json_add_member_int(b, "stdout_bytes", o->stdout_bytes);
	json_add_member_int(b, "stdout_kept", o->stdout_kept_bytes);
	json_add_member_int(b, "stderr_bytes", o->stderr_bytes);
	json_add_member_int(b, "stderr_kept", o->stderr_kept_bytes);
}
