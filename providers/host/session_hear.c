/* session_hear: judging what a runner says. The host it runs on is not trusted: whatever comes,
 * memory stays bounded, tasks that nobody submitted are ignored, and what contradicts what was said
 * before ends the session. */
#include "providers/host/session_internal.h"

#include <stdio.h>
#include <stdlib.h>

enum { MAX_HOST_TASKS = 1 << 17, MAX_MESSAGE_BYTES = 4096, MAX_NOTE_BYTES = 4096 };

static size_t
slot_of(const struct open_tasks *o, uint64_t id)
{
	/* Fibonacci hashing: ids run in sequence, or differ in their upper half only. */
	return (size_t)((id * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (o->cap - 1);
}

struct open_task *
open_find(struct open_tasks *o, uint64_t id)
{
	if (o->cap == 0 || id == 0)
		return NULL;
	for (size_t i = slot_of(o, id); o->v[i].id != 0; i = (i + 1) & (o->cap - 1)) {
		if (o->v[i].id == id)
			return &o->v[i];
	}
	return NULL;
}

static struct open_task *
place(struct open_tasks *o, const struct open_task *t)
{
	size_t i = slot_of(o, t->id);

	while (o->v[i].id != 0)
		i = (i + 1) & (o->cap - 1);
	o->v[i] = *t;
	return &o->v[i];
}

static void
grow(struct open_tasks *o)
{
	struct open_tasks old = *o;

	o->cap = old.cap ? old.cap * 2 : 64;
	o->v = mem_alloc(o->cap * sizeof(*o->v));
	memset(o->v, 0, o->cap * sizeof(*o->v));
	for (size_t i = 0; i < old.cap; i++) {
		if (old.v[i].id != 0)
			place(o, &old.v[i]);
	}
	free(old.v);
}

struct open_task *
open_add(struct open_tasks *o, uint64_t id)
{
	struct open_task t = {.id = id};

	if (o->n * 2 >= o->cap)
		grow(o);
	o->n++;
	return place(o, &t);
}

void
open_remove(struct open_tasks *o, struct open_task *t)
{
	size_t hole = (size_t)(t - o->v), i = hole;

	o->n--;
	/* What comes behind and would not be found over the hole moves into it. */
	for (;;) {
		size_t home;

		o->v[hole].id = 0;
		do {
			i = (i + 1) & (o->cap - 1);
			if (o->v[i].id == 0)
				return;
			home = slot_of(o, o->v[i].id);
		} while (hole <= i ? hole < home && home <= i : hole < home || home <= i);
		o->v[hole] = o->v[i];
		hole = i;
	}
}

static int
nonsense(struct session *s, const struct frame *f, const char *what)
{
	return error_set(&s->why, ERR_HOST,
		"the runner said what makes no sense (frame of type %u, %zu bytes, task %llu: %s); "
		"is it of "
		"this furrow's version?",
		f->type, f->payload.n, (unsigned long long)f->id, what);
}

/* Clocks count from a host's boot: what is further away than this is no time. */
static const int64_t far_ns = INT64_MAX / 4;

static bool
is_time(int64_t host_ns)
{
	return host_ns >= 0 && host_ns <= far_ns;
}

static int
hear_welcome(struct session *s, const struct frame *f, int64_t now_ns)
{
	struct fields in = {.rest = f->payload};
	uint32_t version = field_u32(&in), n;
	int64_t host_ns;
	struct str arch;

	/* From the first on s->host is read by who opened the session. */
	if (s->welcomed)
		return nonsense(s, f, "a second welcome");
	s->host.pid = field_u32(&in);
	s->host.cpus = field_u32(&in);
	s->host.memory_bytes = field_i64(&in);
	host_ns = field_i64(&in);
	arch = field_str(&in);
	n = field_count(&in, 8);
	if (in.bad || n > MAX_HOST_TASKS)
		return nonsense(s, f, "no welcome");
	if (version != PROTOCOL_VERSION)
		return error_set(&s->why, ERR_HOST,
			"the runner speaks version %u of the protocol, this furrow version %d; use "
			"the "
			"furrow-runner that came with it",
			version, PROTOCOL_VERSION);
	if (s->host.memory_bytes < 0 || !is_time(host_ns))
		return nonsense(s, f, "a number that cannot be");
	snprintf(s->host.arch, sizeof(s->host.arch), "%.*s", STR_ARG(arch));
	s->host.tasks = mem_alloc((n + (size_t)1) * sizeof(*s->host.tasks));
	for (uint32_t i = 0; i < n; i++)
		s->host.tasks[i] = field_u64(&in);
	s->host.n_tasks = n;
	/* The host read its clock between then and now. If that can be the same clock, it is; else
	 * the middle. */
	if (host_ns < s->hello_ns || host_ns > now_ns)
		s->offset_ns = host_ns - (s->hello_ns + (now_ns - s->hello_ns) / 2);
	pthread_mutex_lock(&s->lock);
	s->welcomed = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static int
hear_stream(struct session *s, const struct frame *f, struct open_task *t)
{
	struct fields in = {.rest = f->payload};
	uint64_t offset = field_u64(&in);
	uint64_t *at;

	if (in.bad || f->stream < STREAM_STDOUT || f->stream > STREAM_TRACE ||
		in.rest.n > FRAME_CHUNK_BYTES)
		return nonsense(s, f, "no piece of a stream");
	at = &t->at[f->stream - 1];
	if (offset != *at || (f->stream == STREAM_TRACE && offset + in.rest.n > TRACE_MAX_BYTES))
		return nonsense(s, f, "a stream with a gap, or too long");
	*at += in.rest.n;
	s->taken_bytes += (uint32_t)in.rest.n;
	if (f->stream != STREAM_TRACE)
		s->events.stream(s->events.ctx, f->id, f->stream, offset, in.rest);
	else if (s->events.trace)
		s->events.trace(s->events.ctx, f->id, in.rest);
	return 0;
}

static int
hear_output(struct session *s, const struct frame *f, const struct open_task *t)
{
	if (f->payload.n > FRAME_CHUNK_BYTES)
		return nonsense(s, f, "too long a piece of output");
	if (t->placed)
		return nonsense(s, f, "output that was placed elsewhere");
	s->taken_bytes += (uint32_t)f->payload.n;
	s->events.output(s->events.ctx, f->id, f->payload);
	return 0;
}

/* OFFER and PLACED. The table is changed first: the caller's function may answer at once. */
static int
hear_offer(struct session *s, const struct frame *f)
{
	struct fields in = {.rest = f->payload};
	uint8_t part = field_u8(&in);
	int64_t bytes = field_i64(&in);
	bool placed = f->type == FRAME_PLACED, fits = false;
	struct open_task *t;

	if (in.bad || part != OFFER_TAR || bytes <= 0)
		return nonsense(s, f, "no outputs to offer");
	pthread_mutex_lock(&s->lock);
	t = open_find(&s->open, f->id);
	if (t)
		fits = placed ? t->may_put && !t->placed : !t->offered && !t->placed;
	if (fits) {
		t->placed = placed;
		t->offered = !placed;
		t->may_put = false;
	}
	pthread_mutex_unlock(&s->lock);
	if (!fits)
		return nonsense(s, f, "outputs that nobody asked to be put elsewhere");
	if (placed)
		s->events.placed(s->events.ctx, f->id, bytes);
	else if (s->events.offer)
		s->events.offer(s->events.ctx, f->id, bytes);
	else
		session_put(s, f->id, NULL);
	return 0;
}

/* Numbers that a plan is made of, and people read: whatever came, they are in their ranges. */
static int64_t
positive(struct fields *in)
{
	int64_t v = field_i64(in);

	return v < 0 ? 0 : v;
}

static int
hear_ended(struct session *s, const struct frame *f, const struct open_task *t)
{
	struct fields in = {.rest = f->payload};
	int32_t status = (int32_t)field_u32(&in);
	uint32_t signal = field_u32(&in);
	uint8_t why = field_u8(&in);
	int64_t begun_ns = field_i64(&in), ended_ns = field_i64(&in);
	struct outcome o = {0};
	struct str message;

	o.cpu_ns = positive(&in);
	o.max_rss_bytes = positive(&in);
	o.stdout_bytes = positive(&in);
	o.stderr_bytes = positive(&in);
	o.stdout_kept_bytes = positive(&in);
	o.stderr_kept_bytes = positive(&in);
	o.output_bytes = positive(&in);
	o.output_files = positive(&in);
	message = field_str(&in);
	if (in.bad || why > ENDED_BAD_OUTPUT || status < -1 || status > 255 || signal > 127 ||
		!is_time(begun_ns) || !is_time(ended_ns) || ended_ns < begun_ns ||
		message.n > MAX_MESSAGE_BYTES)
		return nonsense(s, f, "no end of a task");
	if ((uint64_t)o.stdout_kept_bytes != t->at[STREAM_STDOUT - 1] ||
		(uint64_t)o.stderr_kept_bytes != t->at[STREAM_STDERR - 1] ||
		o.stdout_bytes < o.stdout_kept_bytes || o.stderr_bytes < o.stderr_kept_bytes)
		return nonsense(s, f, "an end that doesn't fit its streams");
	o.ran = t->begun;
	o.exit_status = status;
	o.signal = (int)signal;
	o.timed_out = why == ENDED_TIMEOUT;
	o.begun_ns = begun_ns ? begun_ns - s->offset_ns : 0;
	o.ended_ns = ended_ns - s->offset_ns;
	s->events.ended(s->events.ctx, f->id, &o, why, message);
	return 0;
}

static int
hear_note(struct session *s, const struct frame *f)
{
	struct fields in = {.rest = f->payload};
	struct str text = field_str(&in);

	if (in.bad || text.n > MAX_NOTE_BYTES)
		return nonsense(s, f, "no note");
	snprintf(s->note, sizeof(s->note), "%.*s", STR_ARG(text));
	if (s->events.note)
		s->events.note(s->events.ctx, text);
	return 0;
}

static int
hear_notice(struct session *s, const struct frame *f)
{
	static const int64_t far_ms = INT64_C(2) * 86400 * 1000;
	struct fields in = {.rest = f->payload};
	struct str said = field_str(&in);
	int64_t left_ms = field_i64(&in), wall_s = field_i64(&in);
	char action[NOTICE_ACTION_BYTES + 1];

	if (in.bad || said.n == 0 || said.n > NOTICE_ACTION_BYTES || left_ms < 0 ||
		left_ms > far_ms || wall_s < 0 || wall_s > INT64_C(1) << 40)
		return nonsense(s, f, "no notice of an interruption");
	for (size_t i = 0; i < said.n; i++) {
		if (said.p[i] < 'a' || said.p[i] > 'z')
			return nonsense(s, f, "no notice of an interruption");
	}
	snprintf(action, sizeof(action), "%.*s", STR_ARG(said));
	if (s->events.notice)
		s->events.notice(s->events.ctx, action, left_ms * NS_PER_MS, wall_s);
	return 0;
}

/* A frame about a task. Its record is taken out and put back around the caller's function: that may
 * submit others, and then the table moves. */
static int
hear_task(struct session *s, const struct frame *f)
{
	struct fields in = {.rest = f->payload};
	struct open_task t = {0}, *found;
	int64_t t_ns;
	int rc = 0;

	pthread_mutex_lock(&s->lock);
	found = open_find(&s->open, f->id);
	if (found)
		t = *found;
	if (found && f->type == FRAME_ENDED) {
		open_remove(&s->open, found);
		s->n_unacked++;
	}
	pthread_mutex_unlock(&s->lock);
	if (!found || t.too_long)
		return 0;
	switch (f->type) {
	case FRAME_BEGUN:
		t_ns = field_i64(&in);
		if (in.bad || !is_time(t_ns) || t.begun)
			return nonsense(s, f, "no begin of a task");
		t.begun = true;
		s->events.begun(s->events.ctx, f->id, t_ns - s->offset_ns);
		break;
	case FRAME_STREAM:
		rc = hear_stream(s, f, &t);
		break;
	case FRAME_OUTPUT:
		return hear_output(s, f, &t);
	case FRAME_OFFER:
	case FRAME_PLACED:
		return hear_offer(s, f);
	case FRAME_ENDED:
		return hear_ended(s, f, &t);
	default:
		return 0;
	}
	pthread_mutex_lock(&s->lock);
	found = open_find(&s->open, f->id);
	if (found)
		*found = t;
	pthread_mutex_unlock(&s->lock);
	return rc;
}

int
session_hear(struct session *s, const struct frame *f, int64_t now_ns)
{
	if (f->type == FRAME_WELCOME)
		return hear_welcome(s, f, now_ns);
	if (f->type == FRAME_NOTE)
		return hear_note(s, f);
	if (f->type == FRAME_NOTICE)
		return hear_notice(s, f);
	if (!s->welcomed)
		return nonsense(s, f, "no welcome first");
	return hear_task(s, f);
}
