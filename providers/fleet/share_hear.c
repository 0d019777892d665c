/* share_hear: what a host says between the order and its runner's first word: what setup left is offered, and
 * how the host came to it is told. */
#include "providers/fleet/internal.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

struct hearing {
	struct fleet_run *r;
	struct host *h;
	int fd;
	int64_t until_ns;
	struct stored_setup offered;
};

static int
cut_off(struct error *err, int os_errno)
{
	return os_errno
		       ? error_set_errno(err, ERR_HOST, os_errno, "the connection was cut")
		       : error_set(err, ERR_HOST, "the connection ended before the host was ready");
}

/* Not a byte more than wanted: what follows is the session's. */
static int
read_exactly(struct hearing *e, void *to, size_t n, struct error *err)
{
	uint8_t *at = to;

	while (n) {
		struct pollfd p = {.fd = e->fd, .events = POLLIN};
		int64_t left_ns = e->until_ns - fleet_now(e->r->site);
		ssize_t got;

		if (left_ns <= 0)
			return error_set(err, ERR_HOST, "the host was not ready in time");
		if (poll(&p, 1,
			    left_ns / NS_PER_MS >= 60000 ? 60000
							 : (int)(left_ns / NS_PER_MS) + 1) <= 0)
			continue;
		got = recv(e->fd, at, n, 0);
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got <= 0)
			return cut_off(err, got < 0 ? errno : 0);
		at += got;
		n -= (size_t)got;
	}
	return 0;
}

/* In the arena. */
static int
read_frame(struct hearing *e, struct arena *a, struct frame *out, struct error *err)
{
	uint8_t head[FRAME_HEADER_BYTES] = {0};
	uint32_t n;
	char *all;
	int rc = read_exactly(e, head, sizeof(head), err);

	if (rc < 0)
		return rc;
	n = (uint32_t)head[0] | (uint32_t)head[1] << 8 | (uint32_t)head[2] << 16 |
	    (uint32_t)head[3] << 24;
	if (n > FRAME_MAX_BYTES)
		return error_set(err, ERR_HOST, "what came from the host is no frame");
	all = arena_alloc(a, sizeof(head) + n);
	memcpy(all, head, sizeof(head));
	rc = read_exactly(e, all + sizeof(head), n, err);
	if (rc == 0 && frame_read((struct str){.p = all, .n = sizeof(head) + n}, out) <= 0)
		rc = error_set(err, ERR_HOST, "what came from the host is no frame");
	return rc;
}

static int
send_frame(int fd, uint8_t type, const void *payload, size_t n, struct error *err)
{
	uint8_t head[FRAME_HEADER_BYTES];
	struct buf b = {0};
	int rc = 0;

	frame_header(head, &(struct frame){.type = type, .payload = {.p = payload, .n = n}});
	buf_add(&b, (const char *)head, sizeof(head));
	buf_add(&b, payload, n);
	for (struct str rest = buf_str(&b); rc == 0 && rest.n;) {
		ssize_t done = send(fd, rest.p, rest.n, MSG_NOSIGNAL);

		if (done < 0 && errno != EINTR)
			rc = cut_off(err, errno);
		if (done > 0)
			rest = str_from_index(rest, (size_t)done);
	}
	buf_free(&b);
	return rc;
}

int
share_send_lease(int fd, uint32_t lease_s, struct error *err)
{
	uint8_t payload[4];

	put_u32(payload, lease_s);
	return send_frame(fd, FRAME_LEASE, payload, sizeof(payload), err);
}

static int
nonsense(struct error *err)
{
	return error_set(err, ERR_HOST, "what the host says of setup makes no sense");
}

static void
remember(struct hearing *e, const struct error *why)
{
	snprintf(e->h->share.why, sizeof(e->h->share.why), "not shared: %.500s", why->message);
}

/* A store that cannot be asked costs the others time, and no more. */
static int
hear_offer(struct hearing *e, struct arena *a, const struct frame *f, struct error *err)
{
	struct fields in = {.rest = f->payload};
	struct stored_setup *offered = &e->offered;
	uint8_t part = field_u8(&in), *payload, *at;
	struct str sha256, url = STR("");
	struct error why;

	offered->bytes = field_i64(&in);
	offered->tar_bytes = field_i64(&in);
	sha256 = field_str(&in);
	if (in.bad || part != OFFER_SETUP || offered->bytes < 0 || offered->tar_bytes < 0 ||
		sha256.n != sizeof(offered->sha256) - 1)
		return nonsense(err);
	snprintf(offered->sha256, sizeof(offered->sha256), "%.*s", STR_ARG(sha256));
	if (strspn(offered->sha256, "0123456789abcdef") != sha256.n)
		return nonsense(err);
	if (share_put_url(e->r, a, offered, &url, &why) < 0)
		remember(e, &why);
	payload = at = arena_alloc(a, 1 + 4 + url.n);
	at = put_u8(at, OFFER_SETUP);
	at = put_str(at, url);
	return send_frame(e->fd, FRAME_PUT, payload, (size_t)(at - payload), err);
}

static int
hear_placed(struct hearing *e, struct arena *a, const struct frame *f, struct error *err)
{
	struct fields in = {.rest = f->payload};
	uint8_t part = field_u8(&in);
	int64_t bytes = field_i64(&in);
	struct error why;

	if (in.bad || part != OFFER_SETUP || !e->offered.key[0] || bytes != e->offered.bytes)
		return nonsense(err);
	if (share_placed(e->r, a, &e->offered, &why) < 0)
		remember(e, &why);
	return 0;
}

static int
hear_prepared(struct hearing *e, const struct frame *f, struct error *err)
{
	struct fields in = {.rest = f->payload};
	struct share_part *part = &e->h->share;
	uint8_t how = field_u8(&in);
	struct str why = field_str(&in);

	if (in.bad || how > PREPARED_FETCHED)
		return nonsense(err);
	part->ended = true;
	part->how = (enum prepared)how;
	if (why.n)
		snprintf(part->why, sizeof(part->why), "%.*s", STR_ARG(why));
	/* It is setup's own words, and goes to a terminal. */
	for (char *c = part->why; *c; c++) {
		if (((unsigned char)*c < ' ' && *c != '\n') || *c == 0x7f)
			*c = '?';
	}
	return how == PREPARED_FAILED
		       ? error_set(err, ERR_HOST, "%s: %s", e->h->id,
				 part->why[0] ? part->why : "environment.setup failed")
		       : 0;
}

/* Another one is launched in its place, and another host takes its turn. */
static int
hear_notice(struct hearing *e, struct error *err)
{
	host_doomed(e->h);
	return error_set(err, ERR_HOST, "EC2 will interrupt %s before it is ready", e->h->id);
}

int
share_hear(struct fleet_run *r, struct host *h, int fd, int64_t until_ns, struct error *err)
{
	struct hearing e = {.r = r, .h = h, .fd = fd, .until_ns = until_ns};
	int rc = 0;

	while (rc == 0 && h->share.taken && !h->share.ended) {
		struct arena a = {0};
		struct frame f = {0};

		rc = read_frame(&e, &a, &f, err);
		if (rc == 0 && f.type == FRAME_OFFER)
			rc = hear_offer(&e, &a, &f, err);
		else if (rc == 0 && f.type == FRAME_PLACED)
			rc = hear_placed(&e, &a, &f, err);
		else if (rc == 0 && f.type == FRAME_PREPARED)
			rc = hear_prepared(&e, &f, err);
		else if (rc == 0 && f.type == FRAME_NOTICE)
			rc = hear_notice(&e, err);
		arena_free(&a);
	}
	return rc;
}
