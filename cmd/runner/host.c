/* host: the conversation with furrow, from words to the run's end. */
#include "cmd/runner/host.h"

#include "cmd/runner/alloc.h"
#include "cmd/runner/serve.h"
#include "cmd/runner/text.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	/* Who said goodbye terminates the host; one that is forgotten goes by itself. */
	GOODBYE_LEAST_S = 60,
	END_STEPS = 500
};

bool
host_path(char *out, const char *fmt, ...)
{
	const char *root = getenv("FURROW_ROOT");
	size_t n = root ? strlen(root) : 0;
	va_list args;
	int added;

	if (n >= HOST_PATH_BYTES / 2)
		return false;
	memcpy(out, root ? root : "", n);
	va_start(args, fmt);
	added = vsnprintf(out + n, HOST_PATH_BYTES - n, fmt, args);
	va_end(args);
	if (added >= 0 && (size_t)added < HOST_PATH_BYTES - n)
		return true;
	fprintf(stderr, "furrow-runner: a path of %d bytes is too long\n", added);
	return false;
}

/* Not a byte more than wanted: what follows is the run's. 1, 0: the end came first. */
static int
read_exactly(int fd, void *to, size_t n)
{
	size_t at = 0;

	while (at < n) {
		ssize_t got = read(fd, (char *)to + at, n - at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return 0;
		at += (size_t)got;
	}
	return 1;
}

/* A name of a folder of ours; "" is fine as well. */
static bool
is_name(const char *s)
{
	return s[strspn(s, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")] ==
		       '\0' &&
	       strlen(s) <= 128;
}

static bool
is_relative(const char *path)
{
	if (!path[0] || path[0] == '/')
		return false;
	for (const char *at = path; at; at = strchr(at, '/')) {
		at += *at == '/';
		if (strncmp(at, "..", 2) == 0 && (at[2] == '/' || at[2] == '\0'))
			return false;
	}
	return true;
}

static bool
read_fields(struct order *o, struct str payload)
{
	struct fields f = {.rest = payload};
	char *at = o->block = must_alloc(payload.n + 40);

	if (!text_string(&f, &at, &o->run))
		return false;
	o->lease_s = field_u32(&f);
	o->idle_s = field_u32(&f);
	if (!text_string(&f, &at, &o->source_id) || !text_string(&f, &at, &o->source_url) ||
		!text_string(&f, &at, &o->env_id) || !text_string(&f, &at, &o->setup) ||
		!text_list(&f, &at, &o->setup_files) || !text_list(&f, &at, &o->setup_vars))
		return false;
	/* Who asks for no container may leave out what that is made of. */
	o->job = o->image = o->image_id = o->image_url = o->image_login = (char *)"";
	if (f.rest.n && (!text_string(&f, &at, &o->job) || !text_string(&f, &at, &o->image) ||
				!text_string(&f, &at, &o->image_id) ||
				!text_string(&f, &at, &o->image_url) ||
				!text_string(&f, &at, &o->image_login)))
		return false;
	o->share_url = o->share_sha256 = o->build_context = o->build_file = (char *)"";
	if (f.rest.n) {
		o->share = field_u8(&f);
		if (!text_string(&f, &at, &o->share_url) || !text_string(&f, &at, &o->share_sha256))
			return false;
		o->share_bytes = field_u64(&f);
		o->share_tar_bytes = field_u64(&f);
		if (!text_string(&f, &at, &o->build_context) ||
			!text_string(&f, &at, &o->build_file) ||
			(o->build_file[0] &&
				(!is_relative(o->build_context) || !is_relative(o->build_file))))
			return false;
	}
	for (char **file = o->setup_files; *file; file++) {
		if (!is_relative(*file))
			return false;
	}
	if (o->image[0] == '-' || !o->image_id[0] != !o->image[0])
		return false;
	return !f.bad && o->run[0] && o->lease_s && is_name(o->run) && is_name(o->source_id) &&
	       is_name(o->env_id) && is_name(o->image_id);
}

int
host_read_frame(struct frame *out, uint8_t **block)
{
	uint8_t head[FRAME_HEADER_BYTES];
	uint32_t n;

	*block = NULL;
	if (read_exactly(0, head, sizeof(head)) == 0)
		return 0;
	memcpy(&n, head, sizeof(n));
	if (n > FRAME_MAX_BYTES)
		return -1;
	*block = must_alloc(sizeof(head) + n);
	memcpy(*block, head, sizeof(head));
	if (read_exactly(0, *block + sizeof(head), n) == 0 ||
		frame_read((struct str){.p = (const char *)*block, .n = sizeof(head) + n}, out) <=
			0)
		return -1;
	return 1;
}

int
host_say(uint8_t type, const void *payload, size_t n)
{
	uint8_t *all = must_alloc(FRAME_HEADER_BYTES + n);
	size_t at = 0;

	frame_header(all,
		&(struct frame){.type = type, .payload = {.p = (const char *)payload, .n = n}});
	memcpy(all + FRAME_HEADER_BYTES, payload, n);
	n += FRAME_HEADER_BYTES;
	while (at < n) {
		ssize_t done = write(1, all + at, n - at);

		if (done < 0 && errno != EINTR)
			break;
		at += done > 0 ? (size_t)done : 0;
	}
	free(all);
	return at == n ? 0 : -1;
}

/* 1, 0: furrow wanted to know what is here, and nothing more; -1: no order. */
static int
read_order(struct order *o)
{
	struct frame f;
	uint8_t *block;
	bool waits;
	int got;

	do {
		got = host_read_frame(&f, &block);
		waits = got > 0 && f.type == FRAME_LEASE;
		if (waits) {
			struct fields lease = {.rest = f.payload};
			uint32_t lease_s = field_u32(&lease);

			if (!lease.bad && lease_s)
				host_lease_renew(lease_s, 0);
		} else if (got > 0 && (f.type != FRAME_ORDER || !read_fields(o, f.payload))) {
			got = -1;
		}
		free(block);
	} while (waits);
	return got;
}

/* Tells furrow how it came to what setup makes. */
static int
say_prepared(const struct prepared_words *p)
{
	struct str why = {.p = p->why, .n = strlen(p->why)};
	uint8_t payload[8 + sizeof(p->why)], *at = put_u8(payload, (uint8_t)p->how);

	at = put_str(at, why);
	return host_say(FRAME_PREPARED, payload, (size_t)(at - payload));
}

static int
offer(const struct order *o, char *why, size_t size)
{
	char name[128];

	if (!o->image[0])
		return host_share_offer(o, why, size);
	if (o->build_file[0])
		host_image_name(name, o->image_id);
	else
		host_env_name(name, o->env_id);
	return host_image_offer(o, name, why, size);
}

/* What was made here goes to other hosts, if furrow wants it. */
static void
share(const struct order *o, struct prepared_words *how)
{
	char why[sizeof(how->why) / 2] = "";
	size_t n = strlen(how->why);

	if (how->how != PREPARED_RAN || !(o->share & SHARE_OFFER))
		return;
	if (offer(o, why, sizeof(why)) != 0)
		snprintf(
			how->why + n, sizeof(how->why) - n, "%snot shared: %s", n ? "; " : "", why);
}

/* What hosts may have from each other: a built image, or else what setup left. */
static int
prepare_shared(const struct order *o, struct prepared_words *how)
{
	int rc;

	if (!o->image[0])
		rc = host_setup(o, how);
	else if (host_run_lives(o->run))
		rc = 0;
	else if (o->build_file[0] || !o->setup[0])
		rc = host_image(o, how);
	else
		rc = host_container_setup(o, how);
	if (rc == 0)
		share(o, how);
	/* What failed beside it is told on stderr alone. */
	if (o->share & SHARE_TELL && (rc == 0 || how->how == PREPARED_FAILED) &&
		say_prepared(how) != 0)
		return -1;
	return rc;
}

/* What a run stands on, in the order in which that needs each other. */
static int
prepare(const struct order *o)
{
	struct prepared_words how = {.how = PREPARED_THERE};

	if (host_source(o) != 0 || prepare_shared(o, &how) != 0)
		return -1;
	if (!o->build_file[0] || host_run_lives(o->run))
		return 0;
	return host_container_setup(o, &how); /* of the image that was built */
}

static void
heard(void *ctx)
{
	const struct order *o = ctx;

	host_lease_renew(o->lease_s, 0);
}

static void
free_order(struct order *o)
{
	free(o->setup_files);
	free(o->setup_vars);
	free(o->block);
}

/* The runner ended before furrow's end of the connection did: furrow said goodbye, or nothing is
 * left to come back for. Where another end of the same run took over, the runner lives; one that
 * ends closes the connection last. */
static void
leave(const struct order *o)
{
	const struct timespec step = {.tv_nsec = 1000000};

	for (int i = 0; host_run_lives(o->run); i++) {
		if (i == END_STEPS)
			return;
		nanosleep(&step, NULL);
	}
	host_lease(o->idle_s > GOODBYE_LEAST_S ? o->idle_s : GOODBYE_LEAST_S);
	/* Heard only by a furrow that has not said goodbye. */
	if (o->image[0])
		fprintf(stderr, "furrow-runner: the container of %s ended\n", o->run);
	host_container_end(o->run);
	host_forget_run(o->run);
}

/* Until the run ends, or furrow goes; returns the exit status. */
static int
serve_order(struct order *o)
{
	struct relay_side side = {.heard = heard, .ctx = o};
	int fd = -1, turn, got = -1;
	pid_t watcher;

	host_lease_renew(o->lease_s, 0);
	turn = host_take_turn();
	if (turn < 0)
		return 1;
	watcher = host_watch_notices(&side.say_fd);
	host_end_others(o->run);
	if (prepare(o) == 0)
		fd = host_open_run(o);
	host_give_turn(turn);
	if (fd >= 0)
		got = relay(fd, 0, 1, &side);
	host_end_watch(watcher, side.say_fd);
	if (got == 0)
		leave(o);
	return got == 0 ? 0 : 1;
}

int
host(void)
{
	struct order o = {0};
	int got;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD,
		SIG_DFL); /* who ignored it has left that to us: then nobody hears how children end */
	umask(022);
	if (host_words(1) != 0)
		return 1;
	got = read_order(&o);
	if (got < 0)
		fprintf(stderr, "furrow-runner: what came is no order of which run to serve\n");
	if (got > 0)
		got = serve_order(&o);
	else if (got < 0)
		got = 64;
	free_order(&o);
	return got;
}
