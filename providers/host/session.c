/* session: queueing frames for a runner, and the thread that carries them there and listens. */
#include "providers/host/lists.h"
#include "providers/host/session_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
	READ_BYTES = 128 << 10,
	ALIVE_MS = 30000, /* of silence from us, at most */
	ACK_MS = 20,	  /* how long an acknowledgement may lie in the queue */
	CREDIT_BYTES = PROTOCOL_WINDOW_BYTES / 8 /* taken before it is said so */
};

static int64_t
now_ns(void)
{
	const struct clock *c = clock_system();

	return c->now_ns(c->ctx);
}

/* Ends what changed the queue. The thread is woken after the lock is given back, or it would run
 * into it. */
static void
unlock_and_wake(struct session *s)
{
	uint64_t one = 1;
	bool wake = !s->woken;

	s->woken = true;
	pthread_mutex_unlock(&s->lock);
	while (wake && write(s->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

/* Room for a frame of n bytes at the end of b; returns where its payload goes. */
static uint8_t *
add_frame(struct buf *b, enum frame_type type, uint64_t id, size_t n)
{
	struct frame f = {.type = (uint8_t)type, .id = id, .payload.n = n};
	uint8_t *at = (uint8_t *)buf_reserve(b, FRAME_HEADER_BYTES + n);

	frame_header(at, &f);
	b->n += FRAME_HEADER_BYTES + n;
	return at + FRAME_HEADER_BYTES;
}

static int
queue_hello(struct session *s, const char *run, uint32_t linger_s, const struct session_base *base,
	struct error *err)
{
	struct str root = str_from(base->root), source = str_from(base->source ? base->source : "");
	struct str outputs = str_from(base->outputs ? base->outputs : "");
	size_t n = 4 + root.n + 4 + source.n + 4 + outputs.n + list_bytes_of_pairs(&base->env) + 8 +
		   4 + 1 + 8;
	uint8_t *at;

	if (n > FRAME_MAX_BYTES)
		return error_set(err, ERR_INPUT,
			"the environment variables of the tasks take %zu bytes, more than %d; put "
			"what is "
			"long into a file",
			n, FRAME_MAX_BYTES);
	at = add_frame(&s->queue, FRAME_HELLO, 0, 4 + 4 + strlen(run) + 4);
	at = put_u32(at, PROTOCOL_VERSION);
	at = put_str(at, str_from(run));
	put_u32(at, linger_s);
	at = add_frame(&s->queue, FRAME_BASE, 0, n);
	at = put_str(at, root);
	at = put_str(at, source);
	at = put_str(at, outputs);
	at = list_put_pairs(at, &base->env);
	at = put_i64(at, base->cap_bytes > 0 ? base->cap_bytes : 0);
	at = put_u32(at, base->slots);
	at = put_u8(at, base->inherit_env);
	put_i64(at, base->offer_over_bytes > 0 ? base->offer_over_bytes : 0);
	return 0;
}

static uint32_t
to_ms(int64_t ns)
{
	int64_t ms = ns <= 0 ? 0 : (ns + NS_PER_MS - 1) / NS_PER_MS;

	return ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
}

static int64_t
timeout_ms(int64_t ns)
{
	if (ns < 0 || ns > INT64_MAX - NS_PER_MS)
		return 0;
	return ns < NS_PER_MS ? 1 : (ns + NS_PER_MS - 1) / NS_PER_MS;
}

void
session_submit(struct session *s, const struct session_task *task)
{
	const struct task_command *c = &task->command;
	size_t n =
		4 + 8 + 4 + list_bytes(&c->argv) + list_bytes_of_pairs(&c->env) + 4 + task->input.n;
	struct open_task *t;
	uint8_t *at;

	pthread_mutex_lock(&s->lock);
	t = open_add(&s->open, task->id);
	if (n > FRAME_MAX_BYTES) {
		t->too_long = true;
		s->n_refused++;
	} else {
		at = add_frame(&s->queue, FRAME_TASK, task->id, n);
		at = put_u32(at, task->attempt);
		at = put_i64(at, timeout_ms(task->timeout_ns));
		at = put_u32(at, to_ms(task->grace_ns));
		at = list_put(at, &c->argv);
		at = list_put_pairs(at, &c->env);
		put_str(at, task->input);
	}
	unlock_and_wake(s);
}

void
session_stop_task(struct session *s, uint64_t id, int64_t grace_ns)
{
	pthread_mutex_lock(&s->lock);
	put_u32(add_frame(&s->queue, FRAME_STOP, id, 4),
		grace_ns < 0 ? STOP_WAITING : to_ms(grace_ns));
	unlock_and_wake(s);
}

void
session_resume(struct session *s, uint64_t id, uint64_t stdout_from, uint64_t stderr_from)
{
	struct open_task *t;

	pthread_mutex_lock(&s->lock);
	t = open_add(&s->open, id);
	t->at[STREAM_STDOUT - 1] = stdout_from;
	t->at[STREAM_STDERR - 1] = stderr_from;
	put_u64(put_u64(add_frame(&s->queue, FRAME_RESUME, id, 16), stdout_from), stderr_from);
	unlock_and_wake(s);
}

void
session_ack(struct session *s, uint64_t id)
{
	pthread_mutex_lock(&s->lock);
	add_frame(&s->queue, FRAME_ACK, id, 0);
	if (s->n_unacked)
		s->n_unacked--;
	/* No hurry, so nobody is woken for it: the thread comes by itself, see wait_for. */
	pthread_mutex_unlock(&s->lock);
}

void
session_put(struct session *s, uint64_t id, const char *url)
{
	struct str where = str_from(url ? url : "");
	struct open_task *t;

	pthread_mutex_lock(&s->lock);
	t = open_find(&s->open, id);
	if (t && t->offered) {
		uint8_t *at;

		if (where.n > FRAME_MAX_BYTES - 5)
			where.n = 0;
		t->offered = false;
		t->may_put = where.n > 0;
		at = add_frame(&s->queue, FRAME_PUT, id, 1 + 4 + where.n);
		put_str(put_u8(at, OFFER_TAR), where);
	}
	unlock_and_wake(s);
}

/* Tasks that don't fit into a frame end here, without the runner having heard of them. */
static void
refuse(struct session *s)
{
	static const struct outcome none = {.exit_status = -1};
	uint64_t id = 0;

	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->open.cap && !id; i++) {
		if (s->open.v[i].id != 0 && s->open.v[i].too_long) {
			id = s->open.v[i].id;
			open_remove(&s->open, &s->open.v[i]);
		}
	}
	s->n_refused--;
	pthread_mutex_unlock(&s->lock);
	s->events.ended(s->events.ctx, id, &none, ENDED_NOT_STARTED,
		STR("its command and environment take more than 1 MiB; put what is long into a "
		    "file"));
}

static int
write_out(struct session *s)
{
	while (s->out_at < s->out.n) {
		ssize_t n = write(s->t.write_fd, s->out.p + s->out_at, s->out.n - s->out_at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0)
			return error_set_errno(&s->why, ERR_HOST, errno, "writing to the runner");
		s->out_at += (size_t)n;
		s->spoke_ns = now_ns();
	}
	buf_clear(&s->out);
	s->out_at = 0;
	return 0;
}

/* What the thread has to know of the queue's side. */
struct orders {
	int64_t close_until_ns; /* 0: nobody closes */
	bool refusals, acks_to_come;
};

/* Takes over what was queued. */
static struct orders
take_queue(struct session *s)
{
	struct orders o;
	uint64_t count;

	/* Before the lock: who finds `woken` false after it sets it anew. Nothing to read is fine.
	 */
	if (read(s->wake_fd, &count, sizeof(count)) < 0)
		count = 0;
	pthread_mutex_lock(&s->lock);
	s->woken = false;
	if (s->out.n == 0) {
		struct buf empty = s->out;

		s->out = s->queue;
		s->queue = empty;
	} else {
		buf_add(&s->out, s->queue.p, s->queue.n);
		buf_clear(&s->queue);
	}
	o.close_until_ns = s->close_until_ns;
	o.refusals = s->n_refused > 0 && !o.close_until_ns;
	o.acks_to_come = s->n_unacked > 0;
	pthread_mutex_unlock(&s->lock);
	return o;
}

static void
give_credit(struct session *s)
{
	put_u32(add_frame(&s->out, FRAME_CREDIT, 0, 4), s->taken_bytes);
	s->taken_bytes = 0;
}

/* A host stays up for as long as it hears from us, also while there is nothing to say. */
static void
say_alive(struct session *s)
{
	if (s->welcomed && s->out.n == 0 && now_ns() - s->spoke_ns >= ALIVE_MS * NS_PER_MS)
		give_credit(s);
}

static int
hear_all(struct session *s, bool closing)
{
	struct frame f;
	int64_t n;
	int rc = 0;

	for (;;) {
		n = frame_read((struct str){.p = s->in.p + s->in_at, .n = s->in.n - s->in_at}, &f);
		if (n == 0)
			break;
		if (n < 0)
			return error_set(&s->why, ERR_HOST,
				"what came from the runner is no frame of its protocol; is "
				"something else "
				"writing to its connection?");
		s->in_at += (size_t)n;
		/* Who closes wants to hear no more. */
		if (!closing)
			rc = session_hear(s, &f, now_ns());
		if (rc < 0)
			return rc;
		if (s->taken_bytes >= CREDIT_BYTES) {
			give_credit(s);
			rc = write_out(s);
			if (rc < 0)
				return rc;
		}
	}
	buf_shift(&s->in, s->in_at);
	s->in_at = 0;
	return 0;
}

static int
read_in(struct session *s, bool closing)
{
	char *at = buf_reserve(&s->in, READ_BYTES);
	ssize_t n = read(s->t.read_fd, at, s->in.cap - s->in.n);

	if (n > 0) {
		s->in.n += (size_t)n;
		return hear_all(s, closing);
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0)
		return error_set_errno(&s->why, ERR_HOST, errno, "reading from the runner");
	return error_set(
		&s->why, ERR_HOST, "the runner ended%s%s", s->note[0] ? ": " : "", s->note);
}

/* Waits for either side. < 0: the time came. */
static int
wait_for(struct session *s, const struct orders *o, bool *readable)
{
	struct pollfd p[3] = {
		{.fd = s->t.read_fd, .events = POLLIN},
		{.fd = s->wake_fd, .events = POLLIN},
		{.fd = s->out_at < s->out.n ? s->t.write_fd : -1, .events = POLLOUT},
	};
	int64_t until = o->close_until_ns ? o->close_until_ns : s->welcomed ? 0 : s->open_until_ns;
	int64_t left = until - now_ns();
	int ms = o->acks_to_come ? ACK_MS : ALIVE_MS;

	if (until && left < 0)
		return -1;
	if (until)
		ms = left / NS_PER_MS >= 60000 ? 60000 : (int)(left / NS_PER_MS) + 1;
	if (poll(p, 3, ms) < 0 && errno != EINTR)
		return -1;
	*readable = p[0].revents != 0;
	return 0;
}

/* Until the connection ends: < 0 with s->why. */
static int
drive(struct session *s)
{
	bool readable = false;

	for (;;) {
		struct orders o = take_queue(s);
		bool closing = o.close_until_ns != 0;
		int rc;

		say_alive(s);
		rc = write_out(s);
		if (rc < 0 && !closing)
			return rc;
		if (rc < 0) /* it is gone already: its end is to be read */
			s->out.n = s->out_at = 0;
		if (o.refusals) {
			refuse(s);
			continue;
		}
		if (wait_for(s, &o, &readable) < 0) {
			s->late = closing;
			return error_set(&s->why, ERR_HOST,
				s->late ? "the runner did not end in time"
					: "the runner did not answer in time");
		}
		rc = readable ? read_in(s, closing) : 0;
		if (rc < 0)
			return rc;
	}
}

static void *
thread_main(void *arg)
{
	struct session *s = arg;
	bool tell;

	s->hello_ns = now_ns();
	drive(s);
	pthread_mutex_lock(&s->lock);
	tell = (s->welcomed || !s->awaited) && !s->close_until_ns;
	pthread_mutex_unlock(&s->lock);
	if (tell)
		s->events.lost(s->events.ctx, &s->why);
	pthread_mutex_lock(&s->lock);
	s->ended = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static int
start_thread(struct session *s, struct error *err)
{
	sigset_t all, before;
	int e;

	/* Signals are the main thread's; and a write to a pipe whose reader is gone is an error,
	 * not the end. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	e = pthread_create(&s->thread, NULL, thread_main, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return e ? error_set_errno(
			   err, ERR_HOST, e, "starting a thread for the runner's connection")
		 : 0;
}

static void
free_session(struct session *s)
{
	close(s->t.read_fd);
	if (s->t.write_fd != s->t.read_fd)
		close(s->t.write_fd);
	if (s->wake_fd >= 0)
		close(s->wake_fd);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->changed);
	buf_free(&s->queue);
	buf_free(&s->out);
	buf_free(&s->in);
	free(s->open.v);
	free(s->host.tasks);
	free(s);
}

static int
no_blocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

/* *out is set before the thread may tell anybody. */
static int
begin(struct session **out, const struct transport *t, const char *run, uint32_t linger_s,
	const struct session_base *base, const struct session_events *events, int64_t timeout_ns,
	bool awaited, struct error *err)
{
	struct session *s = mem_alloc(sizeof(*s));
	int rc = 0;

	*s = (struct session){.t = *t,
		.events = *events,
		.open_until_ns = now_ns() + timeout_ns,
		.awaited = awaited};
	*out = s;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->wake_fd < 0 || no_blocking(t->read_fd) != 0 || no_blocking(t->write_fd) != 0)
		rc = error_set_errno(err, ERR_HOST, errno, "preparing the runner's connection");
	if (rc == 0)
		rc = queue_hello(s, run, linger_s, base, err);
	if (rc == 0)
		rc = start_thread(s, err);
	if (rc < 0) {
		free_session(s);
		*out = NULL;
	}
	return rc;
}

int
session_start(struct session **out, const struct transport *t, const char *run, uint32_t linger_s,
	const struct session_base *base, const struct session_events *events, int64_t timeout_ns,
	struct error *err)
{
	return begin(out, t, run, linger_s, base, events, timeout_ns, false, err);
}

int
session_begin(struct session **out, const struct transport *t, const char *run, uint32_t linger_s,
	const struct session_base *base, const struct session_events *events, int64_t timeout_ns,
	struct error *err)
{
	return begin(out, t, run, linger_s, base, events, timeout_ns, true, err);
}

int
session_await(struct session *s, struct session_host *host, struct error *err)
{
	int rc = 0;

	pthread_mutex_lock(&s->lock);
	while (!s->welcomed && !s->ended)
		pthread_cond_wait(&s->changed, &s->lock);
	if (!s->welcomed) {
		rc = s->why.code;
		if (err)
			*err = s->why;
	}
	pthread_mutex_unlock(&s->lock);
	if (rc == 0 && host)
		*host = s->host;
	return rc;
}

int
session_open(struct session **out, const struct transport *t, const char *run, uint32_t linger_s,
	const struct session_base *base, const struct session_events *events, int64_t timeout_ns,
	struct session_host *host, struct error *err)
{
	struct session *s;
	int rc = session_begin(&s, t, run, linger_s, base, events, timeout_ns, err);

	*out = NULL;
	if (rc < 0)
		return rc;
	rc = session_await(s, host, err);
	if (rc < 0)
		session_close(s, 0, NULL);
	else
		*out = s;
	return rc;
}

int
session_close(struct session *s, int64_t timeout_ns, struct error *err)
{
	int rc = 0;

	pthread_mutex_lock(&s->lock);
	add_frame(&s->queue, FRAME_BYE, 0, 0);
	s->close_until_ns = now_ns() + (timeout_ns > 0 ? timeout_ns : 0);
	unlock_and_wake(s);
	pthread_join(s->thread, NULL);
	if (s->late) {
		rc = s->why.code;
		if (err)
			*err = s->why;
	}
	free_session(s);
	return rc;
}
