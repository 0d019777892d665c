/* job_lock: taking, renewing, giving back a job's lock in a bucket.
 *
 * A lease of L counts for its holder from before its request went out, less a tenth of L; for others
 * from the object's Last-Modified by S3's own clock, with two seconds more, as these times are in
 * whole seconds. So there is no moment in which both believe they have it. */
#include "providers/store/job_lock.h"

#include "providers/aws/s3.h"
#include "providers/store/job_holder.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum { TAKE_ATTEMPTS = 5, DOCUMENT_BYTES = 64 << 10, WORD_BYTES = 128 };

static const int64_t patience_ns = 2 * NS_PER_S;

struct job_lock {
	struct aws *aws;
	const struct clock *clock;
	struct arena arena; /* of the strings below */
	struct str bucket, key;
	struct job_document document; /* the renewing thread's alone, once it runs */
	int64_t lease_ns;
	pthread_t renewer;
	bool renewing; /* the thread was started */
	atomic_bool stop;
	pthread_mutex_t lock; /* over what follows */
	pthread_cond_t wake;
	bool closing;
	char etag[WORD_BYTES];
	int64_t valid_until_ns;	 /* by clock->now_ns */
	int64_t renewed_wall_ns; /* for people */
	int lost;		 /* < 0: somebody else's by now; err says whose */
	struct error err;	 /* of the last renewal that failed */
};

/* What was found in the place of a lock. */
struct found {
	struct job_document document;
	struct str etag;
	bool expired;
	char until[CLOCK_RFC3339_BYTES]; /* by S3's clock */
};

static void
read_word(const char *path, char out[WORD_BYTES])
{
	FILE *f = fopen(path, "re");

	out[0] = '\0';
	if (!f)
		return;
	if (!fgets(out, WORD_BYTES, f))
		out[0] = '\0';
	out[strcspn(out, "\n")] = '\0';
	fclose(f);
}

/* Where a pid means something: this boot of this kernel, in this namespace of processes. */
static struct str
this_machine(struct arena *a)
{
	char boot[WORD_BYTES], space[WORD_BYTES];
	ssize_t n = readlink("/proc/self/ns/pid", space, sizeof(space) - 1);

	read_word("/proc/sys/kernel/random/boot_id", boot);
	space[n > 0 ? n : 0] = '\0';
	return boot[0] && n > 0 ? arena_printf(a, "%s %s", boot, space) : STR("");
}

static struct str
this_user(struct arena *a)
{
	struct passwd pw, *found = NULL;
	char text[4096];

	if (getpwuid_r(geteuid(), &pw, text, sizeof(text), &found) == 0 && found)
		return arena_str(a, str_from(pw.pw_name));
	return arena_printf(a, "uid %u", (unsigned)geteuid());
}

static void
describe_us(struct job_lock *l, const struct job_lock_options *o)
{
	struct job_document *d = &l->document;
	char host[HOST_NAME_MAX + 1] = "", since[CLOCK_RFC3339_BYTES];
	uint64_t random[2];

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		abort(); /* cannot fail for so few bytes */
	gethostname(host, sizeof(host) - 1);
	clock_format_rfc3339(since, l->clock->wall_ns(l->clock->ctx));
	d->job = arena_str(&l->arena, o->job);
	d->run = arena_str(&l->arena, o->run);
	d->host = arena_str(&l->arena, str_from(host));
	d->machine = this_machine(&l->arena);
	d->user = this_user(&l->arena);
	d->since = arena_str(&l->arena, str_from(since));
	d->nonce = arena_printf(&l->arena, "%016llx%016llx", (unsigned long long)random[0],
		(unsigned long long)random[1]);
	d->pid = getpid();
	d->lease_s = (l->lease_ns + NS_PER_S - 1) / NS_PER_S;
}

static struct str
key_of(struct arena *a, const struct job_lock_options *o)
{
	return arena_printf(
		a, "%.*s%slocks/%.*s", STR_ARG(o->prefix), o->prefix.n ? "/" : "", STR_ARG(o->job));
}

/* A lock of this machine whose process is gone needs no waiting. */
static bool
is_of_a_dead_process(struct arena *a, const struct job_document *d)
{
	struct str machine = this_machine(a);

	return machine.n && str_eq(machine, d->machine) && d->pid > 0 && d->pid <= INT_MAX &&
	       kill((pid_t)d->pid, 0) < 0 && errno == ESRCH;
}

/* ERR_MISSING: there is none. */
static int
look(struct aws *aws, struct arena *a, struct str bucket, struct str key, struct found *out,
	struct error *err)
{
	struct s3_object o;
	struct str bytes;
	int64_t lease_ns;
	int rc = s3_get(aws, a, bucket, key, (struct str){0}, DOCUMENT_BYTES, &bytes, &o, err);

	*out = (struct found){0};
	if (rc < 0)
		return rc;
	out->etag = o.etag;
	rc = job_document_parse(a, &out->document, bytes, err);
	if (rc < 0)
		return error_wrap(
			err, "the job's lock s3://%.*s/%.*s", STR_ARG(bucket), STR_ARG(key));
	lease_ns = out->document.lease_s * NS_PER_S;
	clock_format_rfc3339(out->until, o.modified_wall_ns + lease_ns);
	out->expired = out->document.released || is_of_a_dead_process(a, &out->document) ||
		       (o.modified_wall_ns && o.answered_wall_ns &&
			       o.answered_wall_ns - o.modified_wall_ns >= lease_ns + patience_ns);
	return 0;
}

/* Puts the document; on success the lease counts from before the request. */
static int
put(struct job_lock *l, struct arena *a, const struct s3_condition *condition, struct error *err)
{
	int64_t sent = l->clock->now_ns(l->clock->ctx), wall = l->clock->wall_ns(l->clock->ctx);
	char until[CLOCK_RFC3339_BYTES];
	struct buf body = {0};
	struct str etag;
	int rc;

	clock_format_rfc3339(until, wall + l->lease_ns);
	l->document.until = str_from(until);
	job_document_write(&body, &l->document);
	rc = s3_put(l->aws, a, l->bucket, l->key, buf_str(&body), condition, &etag, err);
	l->document.until = (struct str){0};
	l->document.renewals++; /* no two documents are alike, so no two ETags */
	buf_free(&body);
	if (rc == 0 && (etag.n == 0 || etag.n >= sizeof(l->etag)))
		rc = error_set(err, ERR_HOST, "s3 PutObject %.*s/%.*s: the answer has no ETag",
			STR_ARG(l->bucket), STR_ARG(l->key));
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&l->lock);
	snprintf(l->etag, sizeof(l->etag), "%.*s", STR_ARG(etag));
	l->valid_until_ns = sent + l->lease_ns - l->lease_ns / 10;
	l->renewed_wall_ns = wall;
	pthread_mutex_unlock(&l->lock);
	return 0;
}

static int
is_held(const struct job_lock *l, const struct found *f, struct error *err)
{
	const struct job_document *d = &f->document;

	return error_set(err, ERR_LOCKED,
		"another furrow is at this job: run %.*s of %.*s on %.*s (process %lld), since "
		"%.*s; it holds s3://%.*s/%.*s until %s and renews that: wait for it to end, or "
		"stop it",
		STR_ARG(d->run), STR_ARG(d->user), STR_ARG(d->host), (long long)d->pid,
		STR_ARG(d->since), STR_ARG(l->bucket), STR_ARG(l->key), f->until);
}

/* ERR_STALE: somebody was faster, look again. */
static int
try_take(struct job_lock *l, struct arena *a, struct error *err)
{
	struct found f;
	int rc = put(l, a, &(struct s3_condition){.if_absent = true}, err);

	if (rc != ERR_STALE)
		return rc;
	rc = look(l->aws, a, l->bucket, l->key, &f, err);
	if (rc == ERR_MISSING)
		return ERR_STALE;
	if (rc < 0)
		return rc;
	if (!f.expired)
		return is_held(l, &f, err);
	return put(l, a, &(struct s3_condition){.if_etag = f.etag}, err);
}

static int
take(struct job_lock *l, struct error *err)
{
	int rc = ERR_STALE;

	for (int i = 0; i < TAKE_ATTEMPTS && rc == ERR_STALE; i++) {
		struct arena a = {0};

		rc = try_take(l, &a, err);
		arena_free(&a);
	}
	if (rc == ERR_STALE)
		return error_set(err, ERR_LOCKED,
			"several furrows want this job at the same time (s3://%.*s/%.*s); try "
			"again",
			STR_ARG(l->bucket), STR_ARG(l->key));
	return rc;
}

/* Somebody has changed the lock. It may have been we: a renewal that was given up, but went
 * through. */
static int
explain_loss(struct job_lock *l, struct arena *a, struct error *err)
{
	struct found f;
	int rc = look(l->aws, a, l->bucket, l->key, &f, err);

	if (rc == 0 && str_eq(f.document.nonce, l->document.nonce)) {
		pthread_mutex_lock(&l->lock);
		snprintf(l->etag, sizeof(l->etag), "%.*s", STR_ARG(f.etag));
		pthread_mutex_unlock(&l->lock);
		return 0;
	}
	if (rc == 0)
		return error_set(err, ERR_LOCKED,
			"the job's lock s3://%.*s/%.*s was taken over by run %.*s of %.*s on %.*s",
			STR_ARG(l->bucket), STR_ARG(l->key), STR_ARG(f.document.run),
			STR_ARG(f.document.user), STR_ARG(f.document.host));
	return error_set(err, ERR_LOCKED, "the job's lock s3://%.*s/%.*s was %s by somebody else",
		STR_ARG(l->bucket), STR_ARG(l->key), rc == ERR_MISSING ? "removed" : "changed");
}

/* Whether there is anything left to renew. */
static bool
renew(struct job_lock *l, bool *ok)
{
	struct arena a = {0};
	char etag[WORD_BYTES];
	struct error err;
	int rc;

	memcpy(etag, l->etag, sizeof(etag)); /* only this thread changes it */
	rc = put(l, &a, &(struct s3_condition){.if_etag = str_from(etag), .stop = &l->stop}, &err);
	*ok = rc == 0;
	if (rc == ERR_STALE)
		rc = explain_loss(l, &a, &err);
	pthread_mutex_lock(&l->lock);
	if (rc < 0)
		l->err = err;
	l->lost = rc == ERR_LOCKED ? rc : 0;
	pthread_mutex_unlock(&l->lock);
	arena_free(&a);
	return rc != ERR_LOCKED;
}

static void
wait_ns(struct job_lock *l, int64_t ns)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	ns += until.tv_nsec;
	until.tv_sec += (time_t)(ns / NS_PER_S);
	until.tv_nsec = (long)(ns % NS_PER_S);
	pthread_mutex_lock(&l->lock);
	while (!l->closing && pthread_cond_timedwait(&l->wake, &l->lock, &until) != ETIMEDOUT)
		continue;
	pthread_mutex_unlock(&l->lock);
}

static void *
renewer(void *arg)
{
	struct job_lock *l = arg;
	bool ok = true;

	for (;;) {
		wait_ns(l, l->lease_ns / (ok ? 3 : 12));
		if (atomic_load(&l->stop) || !renew(l, &ok))
			return NULL;
	}
}

static void
free_lock(struct job_lock *l)
{
	pthread_mutex_destroy(&l->lock);
	pthread_cond_destroy(&l->wake);
	arena_free(&l->arena);
	free(l);
}

static struct job_lock *
new_lock(struct aws *aws, const struct job_lock_options *o)
{
	struct job_lock *l = mem_alloc(sizeof(*l));
	pthread_condattr_t attributes;

	*l = (struct job_lock){.aws = aws, .clock = o->clock ? o->clock : clock_system()};
	l->lease_ns = o->lease_ns ? o->lease_ns : JOB_LOCK_LEASE_S * NS_PER_S;
	l->bucket = arena_str(&l->arena, o->bucket);
	l->key = key_of(&l->arena, o);
	describe_us(l, o);
	pthread_mutex_init(&l->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&l->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	return l;
}

int
job_lock_take(struct job_lock **out, struct aws *aws, const struct job_lock_options *options,
	struct error *err)
{
	struct job_lock *l = new_lock(aws, options);
	int rc = take(l, err);

	*out = NULL;
	if (rc < 0) {
		free_lock(l);
		return rc == ERR_LOCKED ? rc : error_wrap(err, "lock the job");
	}
	rc = pthread_create(&l->renewer, NULL, renewer, l);
	if (rc) {
		job_lock_release(l);
		return error_set_errno(err, ERR_HOST, rc, "lock the job: start a thread");
	}
	l->renewing = true;
	*out = l;
	return 0;
}

int
job_lock_check(struct job_lock *l, struct error *err)
{
	int64_t now = l->clock->now_ns(l->clock->ctx);
	char since[CLOCK_RFC3339_BYTES];
	int rc = 0;

	pthread_mutex_lock(&l->lock);
	if (l->lost) {
		rc = error_set(err, ERR_LOCKED, "%s", l->err.message);
	} else if (now >= l->valid_until_ns) {
		clock_format_rfc3339(since, l->renewed_wall_ns);
		rc = error_set(err, ERR_HOST,
			"the job's lock s3://%.*s/%.*s could not be renewed since %s, so another "
			"furrow may have the job by now: %s",
			STR_ARG(l->bucket), STR_ARG(l->key), since,
			l->err.code ? l->err.message : "this machine slept, or was too busy");
		if (err)
			err->class =
				CLASS_TRANSIENT; /* it may be ours still: that is being tried */
	}
	pthread_mutex_unlock(&l->lock);
	return rc;
}

/* Where an object cannot be removed on a condition, it is said to be free. */
static void
give_back(struct job_lock *l)
{
	struct arena a = {0};
	struct s3_condition condition = {.if_etag = str_from(l->etag)};
	struct error unwanted;
	struct found f;
	int rc = s3_delete(l->aws, &a, l->bucket, l->key, &condition, &unwanted);

	if (rc == ERR_STALE && look(l->aws, &a, l->bucket, l->key, &f, &unwanted) == 0 &&
		str_eq(f.document.nonce, l->document.nonce)) {
		condition.if_etag = f.etag;
		rc = s3_delete(l->aws, &a, l->bucket, l->key, &condition, &unwanted);
	}
	if (rc < 0 && rc != ERR_STALE) {
		l->document.released = true;
		put(l, &a, &condition, &unwanted);
	}
	arena_free(&a);
}

void
job_lock_release(struct job_lock *l)
{
	if (!l)
		return;
	pthread_mutex_lock(&l->lock);
	l->closing = true;
	atomic_store(&l->stop, true);
	pthread_cond_signal(&l->wake);
	pthread_mutex_unlock(&l->lock);
	if (l->renewing)
		pthread_join(l->renewer, NULL);
	if (!l->lost)
		give_back(l);
	free_lock(l);
}

int
job_lock_holder(struct aws *aws, struct arena *a, const struct job_lock_options *options,
	struct job_holder *out, struct error *err)
{
	struct found f;
	int rc = look(aws, a, options->bucket, key_of(a, options), &f, err);

	*out = (struct job_holder){0};
	if (rc < 0)
		return rc == ERR_MISSING ? 0 : rc;
	*out = (struct job_holder){.held = !f.expired,
		.run = f.document.run,
		.host = f.document.host,
		.user = f.document.user,
		.since = f.document.since,
		.until = arena_str(a, str_from(f.until)),
		.pid = f.document.pid};
	return 0;
}
