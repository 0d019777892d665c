/* host: the connection to one instance, and what that says of itself before anything is asked of
 * it. */
#include "providers/fleet/internal.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SSH_PORT = 22 };

static const int64_t handshake_ns = 20 * NS_PER_S;

struct host *
host_new(struct fleet_site *s)
{
	struct host *h = mem_alloc(sizeof(*h));

	*h = (struct host){.site = s, .fd = -1, .begin_fd = -1};
	return h;
}

void
host_free(struct host *h)
{
	host_disconnect(h);
	pthread_mutex_destroy(&h->mend_lock);
	buf_free(&h->line);
	if (h->user_data.p)
		explicit_bzero(h->user_data.p, h->user_data.n);
	buf_free(&h->user_data);
	arena_free(&h->arena);
	free(h);
}

static const char *
key_path(struct arena *a)
{
	const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");

	if (data && data[0] == '/')
		return arena_printf(a, "%s/furrow/ssh_key", data).p;
	return arena_printf(a, "%s/.local/share/furrow/ssh_key", home && *home ? home : "/").p;
}

static int
make_folders(char *path, struct error *err)
{
	for (char *at = path + 1; (at = strchr(at, '/')); at++) {
		*at = '\0';
		if (mkdir(path, 0700) != 0 && errno != EEXIST)
			return error_set_errno(err, ERR_HOST, errno, "cannot make %s", path);
		*at = '/';
	}
	return 0;
}

static int
load_key(struct fleet_site *s, bool create, struct error *err)
{
	struct arena scratch = {0};
	const char *path = key_path(&scratch);
	int rc = 0;

	if (access(path, F_OK) != 0 && !create)
		rc = error_set(err, ERR_MISSING, "there is no key %s yet", path);
	if (rc == 0 && create)
		rc = make_folders((char *)path, err);
	if (rc == 0)
		rc = ssh_key_open(&s->key, path, err);
	s->has_key = rc == 0;
	arena_free(&scratch);
	return rc;
}

int
fleet_key(struct fleet_site *s, bool create, struct error *err)
{
	int rc = 0;

	pthread_mutex_lock(&s->lock);
	if (!s->has_key)
		rc = load_key(s, create, err);
	if (rc == 0 && !s->hub)
		rc = ssh_hub_open(&s->hub, err);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

/* Waits for the runner, which the host fetches while it boots, and becomes it. Where the fetching is
 * over and another one lies there, another furrow launched the host. Files that it reads are waited
 * for as well, some two minutes at most. */
static struct str
command_of(struct host *h)
{
	char hex[DIGEST_HEX_BYTES];

	digest_hex(hex, &h->site->runner_sha256);
	return arena_printf(&h->arena,
		"r=/var/lib/furrow/runner/%s b=/run/furrow/boot i=0 w=0; "
		"until [ -x $r ] && { ! grep -qs '^warm_begin ' $b || grep -q '^warm ' $b || "
		"[ $w -gt 2000 ]; }; do if [ -x $r ]; then w=$((w+1)); fi; "
		"if grep -qs '^runner ' $b && [ ! -x $r ]; then "
		"echo it was launched by another version of furrow >&2; exit 10; fi; "
		"if [ $i -gt 6000 ]; then cat $b.err >&2; exit 9; fi; "
		"i=$((i+1)); sleep 0.05; done; exec $r host",
		hex);
}

int
host_connect(struct host *h, int64_t wait_ns, struct error *err)
{
	struct ssh_wish wish = {.address = str_from(h->address),
		.port = SSH_PORT,
		.user = STR("furrow"),
		.host_key = str_from(h->host_key),
		.wait_ns = wait_ns,
		.handshake_ns = handshake_ns};
	int rc = fleet_key(h->site, true, err);

	host_disconnect(h);
	if (rc < 0)
		return rc;
	wish.private_key = str_from(h->site->key.private_key);
	wish.command = command_of(h);
	h->words = (struct host_words){0};
	buf_clear(&h->line);
	return ssh_start(h->site->hub, &wish, &h->ssh, &h->fd, err);
}

void
host_disconnect(struct host *h)
{
	if (h->fd >= 0)
		close(h->fd);
	if (h->ssh)
		ssh_end(h->ssh);
	h->fd = -1;
	h->ssh = NULL;
}

static int
tell_silence(struct host *h, struct error *err)
{
	char said[1024];
	int status = -1;
	enum ssh_state state = ssh_look(h->ssh, &status, err);

	if (state == SSH_FAILED)
		return err->code;
	ssh_said(h->ssh, said, sizeof(said));
	return error_set(
		err, ERR_HOST, "%s did not start its runner%s%s", h->id, said[0] ? ": " : "", said);
}

static struct strings
strings_of(struct arena *a, const json_t *list, const char *member)
{
	struct strings out = {0};
	size_t i;
	json_t *item;

	if (!json_is_array(list))
		return out;
	out.v = ARENA_ARRAY(a, struct str, json_array_size(list));
	json_array_foreach(list, i, item)
	{
		const json_t *text = member ? json_object_get(item, member) : item;

		if (json_is_string(text))
			out.v[out.n++] = arena_str(a, str_from(json_string_value(text)));
	}
	return out;
}

static double
number_of(const json_t *object, const char *name)
{
	const json_t *v = json_object_get(object, name);

	return json_is_number(v) ? json_number_value(v) : -1;
}

int
host_parse_words(struct arena *a, struct host_words *out, struct str line, struct error *err)
{
	json_error_t why;
	json_t *root = json_loadb(line.p, line.n, JSON_REJECT_DUPLICATES, &why);
	const json_t *boot = json_object_get(root, "boot"), *text;

	if (json_integer_value(json_object_get(root, "furrow_host")) != 1) {
		json_decref(root);
		return error_set(err, ERR_HOST,
			"what answers is no furrow-runner of this furrow; is something else "
			"writing to the connection?");
	}
	out->runners = strings_of(a, json_object_get(root, "runners"), NULL);
	out->sources = strings_of(a, json_object_get(root, "sources"), NULL);
	out->envs = strings_of(a, json_object_get(root, "envs"), NULL);
	out->runs = strings_of(a, json_object_get(root, "runs"), "run");
	out->images = strings_of(a, json_object_get(root, "images"), NULL);
	out->images_gone = strings_of(a, json_object_get(root, "images_gone"), NULL);
	out->image_envs = strings_of(a, json_object_get(root, "image_envs"), NULL);
	out->dead = strings_of(a, json_object_get(root, "dead"), NULL);
	out->cpus = json_integer_value(json_object_get(root, "cpus"));
	out->memory_bytes = json_integer_value(json_object_get(root, "memory"));
	out->uptime_s = number_of(root, "uptime_s");
	out->until_s = number_of(root, "until_s");
	out->boot_start_s = number_of(boot, "start");
	out->boot_runner_s = number_of(boot, "runner");
	out->boot_source_s = number_of(boot, "source");
	out->boot_warm_begin_s = number_of(boot, "warm_begin");
	out->boot_warm_s = number_of(boot, "warm");
	out->sshd_s = number_of(root, "sshd_s");
	out->warm_bytes = (int64_t)number_of(root, "warm_bytes");
	text = json_object_get(root, "boot_err");
	if (json_is_string(text))
		out->boot_error = arena_str(a, str_from(json_string_value(text)));
	out->there = true;
	json_decref(root);
	return 0;
}

bool
host_lists(const struct strings *list, const char *id)
{
	for (size_t i = 0; i < list->n; i++) {
		if (str_is(list->v[i], id))
			return true;
	}
	return false;
}

int
host_listen(struct host *h, struct error *err)
{
	char *end = NULL;
	ssize_t n = 1;

	if (h->words.there)
		return 1;
	/* Byte by byte towards the line's end is not needed: nothing follows it until we speak. */
	while (!end && n > 0) {
		char *at = buf_reserve(&h->line, 4096);

		n = recv(h->fd, at, 4096, MSG_DONTWAIT);
		if (n > 0)
			h->line.n += (size_t)n;
		end = memchr(h->line.p, '\n', h->line.n);
		if (!end && h->line.n > HOST_LINE_BYTES)
			return error_set(err, ERR_HOST, "%s talks without end", h->id);
	}
	if (end) {
		h->spoke_ns = fleet_now(h->site);
		return host_parse_words(&h->arena, &h->words,
			       (struct str){.p = h->line.p, .n = (size_t)(end - h->line.p)},
			       err) < 0
			       ? err->code
			       : 1;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	return tell_silence(h, err);
}
