/* environment: from an instance that has an address to a runner that takes tasks: waits for the boot
 * without occupying anybody, then tells the host which run it is. One that dies on the way is
 * replaced. */
#include "providers/fleet/internal.h"

#include "planner/base/protocol.h"
#include "planner/path.h"
#include "providers/base_env.h"
#include "providers/host/lists.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* How much of a task's stdout, and of its stderr, is kept. */
static const int64_t kept_bytes = INT64_C(64) << 20;
/* Outputs that are larger go from the host to the bucket, by themselves; for smaller ones asking for a
 * URL, and another connection, costs more than the way through here. */
static const int64_t offer_over_bytes = INT64_C(8) << 20;

static const int64_t look_again_ns = 20 * NS_PER_MS;
static const int64_t poll_ns = NS_PER_S;
static const int64_t setup_ns = 50 * NS_PER_MS;
static const int64_t again_ns = NS_PER_S; /* after a connection that came to nothing */
/* Without a word from us for so long the host powers itself off. */
enum { LEASE_S = 600, LINGER_S = 600 };
/* Fetching the source, and setup, which may build the world. */
static const int64_t begin_ns = 2 * 3600 * NS_PER_S;

/* Machines of metal test their memory first. */
static int64_t
boot_ns(const struct host *h)
{
	return (h->bare_metal ? 1200 : 300) * NS_PER_S;
}

/* FRAME_ORDER: what makes the far side the runner of this run. */
static int
order_run(struct buf *b, struct fleet_run *r, struct host *h, struct arena *a, struct error *err)
{
	const struct manifest *m = r->site->site.config.manifest;
	const struct environment *e = &m->environment;
	struct str run = str_from(r->id), source_id = str_from(r->source_id), runner, source;
	struct str env_id = str_from(e->setup.p ? r->env_id : "");
	struct str setup = e->setup.p ? e->setup : STR("");
	const struct far_image *image = &r->site->container;
	struct str parts[] = {m->name, image->pull.p ? image->pull : STR(""),
		image->pull.p ? image->id : STR(""), STR(""),
		image->login.p ? image->login : STR("")};
	struct str context = e->build.context.p ? path_clean(a, e->build.context) : STR("");
	struct str file = e->build.context.p ? e->build.dockerfile : STR("");
	struct share_order share;
	struct pairs vars = {0};
	uint8_t head[FRAME_HEADER_BYTES], *payload, *at;
	size_t n;
	int rc = fleet_file_urls(r, a, &runner, &source, err);

	if (rc == 0)
		rc = fleet_image_url(r, a, &parts[3], err);
	if (rc == 0)
		rc = share_order(r, h, a, &share, err);
	if (rc < 0)
		return rc;
	if (e->setup.p)
		job_setup_env(m, a, &vars);
	n = 4 + run.n + 4 + 4 + 4 + source_id.n + 4 + source.n + 4 + env_id.n + 4 + setup.n +
	    list_bytes(&e->setup_files) + list_bytes_of_pairs(&vars);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		n += 4 + parts[i].n;
	n += 1 + 4 + share.url.n + 4 + share.sha256.n + 8 + 8 + 4 + context.n + 4 + file.n;
	if (n > FRAME_MAX_BYTES)
		return error_set(err, ERR_INPUT,
			"%.*s:%u: environment.setup and its variables take %zu bytes, more than "
			"%d; put what is long into a file of setup_files",
			STR_ARG(e->pos_setup.file), e->pos_setup.line, n, FRAME_MAX_BYTES);
	payload = at = arena_alloc(a, n);
	at = put_str(at, run);
	at = put_u32(at, LEASE_S);
	at = put_u32(at, (uint32_t)(m->instances.idle_ns / NS_PER_S));
	at = put_str(at, source_id);
	at = put_str(at, source);
	at = put_str(at, env_id);
	at = put_str(at, setup);
	at = list_put(at, &e->setup_files);
	at = list_put_pairs(at, &vars);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		at = put_str(at, parts[i]);
	at = put_u8(at, share.bits);
	at = put_str(at, share.url);
	at = put_str(at, share.sha256);
	at = put_i64(at, share.bytes);
	at = put_i64(at, share.tar_bytes);
	at = put_str(at, context);
	put_str(at, file);
	frame_header(head, &(struct frame){.type = FRAME_ORDER,
				   .payload = {.p = (const char *)payload, .n = n}});
	buf_add(b, (const char *)head, sizeof(head));
	buf_add(b, (const char *)payload, n);
	return 0;
}

static int
send_all(int fd, struct str bytes, struct error *err)
{
	while (bytes.n) {
		ssize_t n = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return error_set_errno(err, ERR_HOST, errno, "the connection was cut");
		if (n > 0)
			bytes = str_from_index(bytes, (size_t)n);
	}
	return 0;
}

/* What the far side said on its stderr is why the session did not come about. */
static int
tell_why(struct host *h, struct error *err)
{
	struct error ssh;
	char said[512];

	ssh_wait(h->ssh, NS_PER_S, &ssh);
	ssh_said(h->ssh, said, sizeof(said));
	if (ssh_look(h->ssh, NULL, &ssh) == SSH_FAILED) {
		*err = ssh;
		return err->code;
	}
	if (said[0])
		return error_set(err, ERR_HOST, "%s: %s", h->id, said);
	return error_wrap(err, "%s", h->id);
}

/* What host_hurry may cut until end_begin; < 0: the run is being stopped. */
static int
open_begin(struct fleet_run *r, struct host *h, struct error *err)
{
	int fd = dup(h->fd);

	pthread_mutex_lock(&h->runner.door);
	h->begin_fd = fd;
	pthread_mutex_unlock(&h->runner.door);
	if (atomic_load(&r->stop_steps))
		return error_set(err, ERR_CANCELLED, "the run is being stopped");
	return 0;
}

static void
end_begin(struct host *h)
{
	pthread_mutex_lock(&h->runner.door);
	if (h->begin_fd >= 0)
		close(h->begin_fd);
	h->begin_fd = -1;
	pthread_mutex_unlock(&h->runner.door);
}

void
host_hurry(struct host *h)
{
	pthread_mutex_lock(&h->runner.door);
	if (h->begin_fd >= 0)
		shutdown(h->begin_fd, SHUT_RDWR);
	pthread_mutex_unlock(&h->runner.door);
}

/* Others know of the runner's session, by its door, until this takes it back. */
static int
await_welcome(struct host *h, struct session **out, struct session_host *host, struct error *err)
{
	struct session *session = *out;
	int rc = session_await(session, host, err);

	if (rc == 0)
		return 0;
	pthread_mutex_lock(&h->runner.door);
	*out = NULL;
	pthread_mutex_unlock(&h->runner.door);
	session_close(session, 0, NULL);
	return rc;
}

int
host_begin(struct fleet_run *r, struct host *h, struct session **out, struct session_host *host,
	struct error *err)
{
	const struct manifest *m = r->site->site.config.manifest;
	struct arena scratch = {0};
	bool boxed = fleet_has_image(r->site);
	const struct base_env env = {.run = r->id,
		.on_host = !boxed,
		.setup_dir = m->environment.setup.p && !boxed
				     ? arena_printf(&scratch, "/var/lib/furrow/env/%s", r->env_id).p
				     : NULL,
		.secrets = true};
	struct session_base base = {
		.root = boxed ? "/.furrow/root"
			      : arena_printf(&scratch, "/var/lib/furrow/run/%s", r->id).p,
		.source =
			boxed ? "/.furrow/source"
			      : arena_printf(&scratch, "/var/lib/furrow/source/%s", r->source_id).p,
		.outputs = m->outputs.p ? arena_cstr(&scratch, m->outputs) : "",
		.env = base_env(&scratch, m, &env),
		.cap_bytes = kept_bytes,
		.offer_over_bytes = offer_over_bytes,
		.slots = h->slots,
		.inherit_env = boxed};
	struct transport transport = {.read_fd = h->fd, .write_fd = h->fd};
	struct session_events events;
	struct buf order = {0};
	int rc = open_begin(r, h, err);

	if (rc == 0)
		rc = order_run(&order, r, h, &scratch, err);
	if (rc == 0)
		rc = send_all(h->fd, buf_str(&order), err);
	if (rc == 0)
		rc = share_hear(r, h, h->fd, fleet_now(r->site) + begin_ns, err);
	/* Before there is a session: once that is cut, the mender looks at its part. */
	share_end(r, h);
	runner_events(&h->runner, &events);
	if (rc == 0) {
		h->fd = -1; /* the session's */
		/* Who stores results of an earlier one's tasks looks at the runner's at any time. */
		pthread_mutex_lock(&h->runner.door);
		rc = (host ? session_begin : session_start)(
			out, &transport, r->id, LINGER_S, &base, &events, begin_ns, err);
		pthread_mutex_unlock(&h->runner.door);
	}
	if (rc == 0 && host)
		rc = await_welcome(h, out, host, err);
	end_begin(h);
	if (rc < 0 && atomic_load(&r->stop_steps))
		rc = error_set(err, ERR_CANCELLED, "%s: stopped before it was ready", h->id);
	else if (rc < 0 && rc != ERR_INPUT && h->ssh && !share_failed(h))
		rc = tell_why(h, err);
	buf_free(&order);
	arena_free(&scratch);
	return rc;
}

/* How long each part of the way took, from what the connection saw. A warm host may have been reached long
 * before, by who observed it. */
static void
tell_phases(struct host *h, struct outcome *outcome)
{
	struct ssh_times t = ssh_times(h->ssh);
	int64_t boot = t.connected_ns - h->since_ns, ssh = t.open_ns - t.connected_ns;

	if (t.connected_ns && boot > 0 && !h->found)
		outcome->phase_ns[PHASE_BOOT] = boot;
	if (t.open_ns && t.connected_ns && boot > 0)
		outcome->phase_ns[PHASE_SSH] = ssh;
	if (h->asked_ns) {
		host_tell_boot(h);
		outcome->boot = &h->boot;
	}
}

static enum step
wait_more(struct call *call)
{
	call->pending_until_ns = call->sink->now_ns(call) + look_again_ns;
	return STEP_PENDING;
}

/* An instance that died, or never came up, is replaced by another one. */
static enum step
replace(struct fleet_run *r, struct host *h, struct call *call, struct error *err)
{
	host_disconnect(h);
	h->env_since_ns = 0;
	h->spent = true;
	if (h->failed++ >= REPLACEMENTS || atomic_load(&r->stop_steps))
		return STEP_FAILED;
	return replace_host(r, h, call, err) < 0 ? STEP_FAILED : wait_more(call);
}

static int
never_booted(const struct host *h, const struct error *ssh, struct error *err)
{
	return error_set(err, ERR_HOST,
		"%s did not come up within %lld s%s%s; its console says why: aws ec2 "
		"get-console-output --latest --instance-id %s",
		h->id, (long long)(boot_ns(h) / NS_PER_S), ssh->message[0] ? ": " : "",
		ssh->message, h->id);
}

/* One look at a host on its way up: 1 when it said its words, 0 while it is waited for. */
static int
look_at(struct fleet_run *r, struct host *h, struct error *err)
{
	int64_t now_ns = fleet_now(r->site);
	bool late = now_ns - h->since_ns > boot_ns(h), asked;
	struct error ssh = {0};
	int rc = h->ssh && h->words.there ? 0 : host_alive(r, h, poll_ns, &asked, err);

	if (rc < 0 || !h->address[0] || now_ns < h->again_ns)
		return rc;
	if (!h->ssh && (rc = host_connect(h, boot_ns(h), err)) < 0)
		return rc;
	if (ssh_look(h->ssh, NULL, &ssh) == SSH_FAILED) {
		*err = ssh;
		rc = err->code;
	} else {
		rc = host_listen(h, err);
	}
	if (rc < 0 && err->class == CLASS_TRANSIENT && !late) {
		host_disconnect(h);
		h->again_ns = now_ns + again_ns;
		return 0;
	}
	return rc == 0 && late ? never_booted(h, &ssh, err) : rc;
}

/* Nothing is to be fetched or made on it before tasks can run. */
static bool
is_prepared(const struct fleet_run *r, const struct host *h)
{
	const struct environment *e = &r->site->site.config.manifest->environment;

	return h->found && host_lists(&h->words.sources, r->source_id) && !e->image.p &&
	       !e->build.context.p && (!e->setup.p || host_lists(&h->words.envs, r->env_id));
}

/* Another host makes what this one needs; until then it is to stay up. */
static enum step
wait_for_setup(struct fleet_run *r, struct host *h, struct call *call, struct error *err)
{
	int64_t now_ns = fleet_now(r->site);

	call->sink->phase(call, PHASE_ENV);
	if (!h->env_since_ns)
		h->env_since_ns = now_ns;
	if (now_ns - h->share.leased_ns >= LEASE_S / 10 * NS_PER_S) {
		h->share.leased_ns = now_ns;
		if (share_send_lease(h->fd, LEASE_S, err) < 0)
			host_disconnect(h); /* it is reached once more, or replaced */
	}
	call->pending_until_ns = call->sink->now_ns(call) + setup_ns;
	return STEP_PENDING;
}

static enum step
begin(struct fleet_run *r, struct host *h, struct call *call, struct outcome *outcome,
	struct error *err)
{
	bool prepared = is_prepared(r, h);
	struct session_host far = {0};
	int rc = 1;

	h->share.ended = false;
	if (share_wanted(r, h))
		rc = share_turn(r, h, err);
	if (rc < 0)
		return STEP_FAILED;
	if (rc == 0)
		return wait_for_setup(r, h, call, err);
	call->sink->phase(call, PHASE_ENV);
	tell_phases(h, outcome);
	outcome->slots = h->slots;
	if (!h->env_since_ns)
		h->env_since_ns = fleet_now(r->site);
	/* Then the first tasks go out in one flight with the order, which costs no round trip of its own. Where
	 * the host cannot serve after all they are lost with it, and have not begun. */
	if (prepared)
		h->ready = true;
	/* Before the session can be cut, which counts. No task comes before this step is done. */
	runner_renew(&h->runner);
	rc = host_begin(r, h, &h->runner.session, prepared ? NULL : &far, err);
	share_tell(r, h, call);
	outcome->phase_ns[PHASE_ENV] = fleet_now(r->site) - h->env_since_ns;
	h->env_since_ns = 0;
	if (rc >= 0 && !prepared)
		h->ready = true; /* from now on the executor is told of an interruption */
	if (!prepared && atomic_load(&h->doomed) && !atomic_load(&r->stop_steps)) {
		error_set(err, ERR_HOST, "EC2 interrupts %s before it is ready", h->id);
		host_say_goodbye(h, 0, NULL);
		return replace(r, h, call, err);
	}
	if (rc < 0) {
		h->ready = false;
		host_disconnect(h); /* where that may help it is reached once more */
		h->since_ns = fleet_now(r->site);
		return STEP_FAILED;
	}
	h->failed = 0;
	return STEP_DONE;
}

enum step
fleet_environment(
	struct fleet_run *r, struct call *call, struct outcome *outcome, struct error *err)
{
	struct host *h = r->hosts[call->node->index];
	bool lost;
	int rc;

	if (tasks_left(r->tasks) == 0)
		return STEP_DONE; /* the others were faster: no slots are wanted any more */
	if (!h->since_ns)
		h->since_ns = fleet_now(r->site);
	/* Lost when it was ready, or no other one was to be had then. A mender may still be at one that is doomed:
	 * its connection is not to be looked at. */
	lost = h->spent || atomic_load(&h->doomed) || !h->id[0];
	if (lost || !h->ssh)
		call->sink->phase(call, PHASE_BOOT);
	if (lost) {
		rc = replace_host(r, h, call, err);
		return rc < 0 ? STEP_FAILED : wait_more(call);
	}
	rc = look_at(r, h, err);
	if (rc == 0)
		return wait_more(call);
	if (rc > 0)
		return begin(r, h, call, outcome, err);
	if (err->class == CLASS_DENIED)
		return STEP_FAILED; /* another host than ours: not to be tried again */
	return replace(r, h, call, err);
}
