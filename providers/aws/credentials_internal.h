/* The parts of credentials: one look at all places, the places, and how their answers are read.
 * Nothing here keeps state beyond a look; only credentials.c does. err is never NULL in here. */
#ifndef FURROW_AWS_CREDENTIALS_INTERNAL_H
#define FURROW_AWS_CREDENTIALS_INTERNAL_H

#include "planner/base/buf.h"
#include "providers/aws/credentials.h"
#include "providers/aws/shared_config.h"

struct http;

/* One walk through the places. */
struct looking {
	const struct shared_config *config;
	const struct credentials_world *world; /* clock and process_timeout_ns are there */
	struct http *http[2]; /* when the world has no fetch, from the first use on; [1]: direct */
	struct arena arena;   /* wiped afterwards */
	struct buf notes;     /* what was found so far at places that have none: "a: b; c: d" */
	bool from_imds;	      /* what was found may be used beyond its time when IMDS is down */
	bool imds_down;
};

/* Wipes and closes. */
void looking_end(struct looking *l);
void looking_note(struct looking *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A place: 1 with *out filled (in the arena), 0 when it has none, < 0 when it has but they can't be
 * had. One that has none may say so in the notes. */
typedef int credentials_place(
	struct looking *l, struct str profile, struct credentials *out, struct error *err);

/* All of them, in order. ERR_INPUT, CLASS_DENIED with the whole list when none has any. */
int credentials_look(struct looking *l, struct credentials *out, struct error *err);

credentials_place credentials_from_environment, credentials_from_role, credentials_from_web,
	credentials_from_sso, credentials_from_keys, credentials_from_process,
	credentials_from_container, credentials_from_imds;

/* What a program's command line is cut into, as the SDKs do: blanks part words, '…' and "…" hold
 * them together, a backslash takes the next character as it is (between "…" only before " and \).
 * NULL-terminated. NULL with *problem: a quote without an end. */
const char *const *credentials_split(struct arena *a, struct str line, const char **problem);

struct ask {
	const char *method, *url;
	const char *const *headers; /* NULL: none */
	struct str body;
	int64_t timeout_ns; /* of one attempt */
	bool direct;	    /* past any proxy */
	int attempts;	    /* for connections that fail, 429 and 5xx */
};

/* 0 with any status, < 0 when there was no answer. */
int credentials_ask(struct looking *l, const struct ask *ask, int *status, struct str *answer,
	struct error *err);

/* Sets err for an answer that isn't 2xx: 429 and 5xx are ERR_HOST and transient, all else ERR_INPUT
 * and denied. words: of the service, shown in one line. */
int credentials_refused(int status, struct str words, const char *what, struct error *err);

/* ERR_INPUT, CLASS_DENIED: what there is is wrong. */
int credentials_wrong(struct error *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* An answer in JSON: the names of its members. */
struct answer_shape {
	const char *inside; /* of this member; NULL: the document itself */
	const char *key_id, *secret, *token, *expires;
	bool version;	    /* "Version" must be 1 */
	bool success;	    /* "Code" must be "Success" when there is one */
	bool needs_all;	    /* token and expires must be there */
	bool expires_in_ms; /* a number since 1970, not RFC 3339 */
};

extern const struct answer_shape answer_of_process, answer_of_container, answer_of_imds,
	answer_of_sso;

/* ERR_INPUT, CLASS_DENIED with what is wrong with the answer, and never anything of a secret. `what`
 * begins the message. *out lives in the arena. */
int answer_read_json(struct arena *a, struct credentials *out, struct str bytes,
	const struct answer_shape *shape, const char *what, struct error *err);

/* An object; ERR_INPUT, CLASS_DENIED. Closing wipes its strings; NULL is fine. */
struct json_t;
int answer_open_json(struct json_t **out, struct str bytes, const char *what, struct error *err);
void answer_close_json(struct json_t *json);

/* STS's answer to AssumeRole and AssumeRoleWithWebIdentity. */
int answer_read_sts(struct arena *a, struct credentials *out, struct str xml, const char *what,
	struct error *err);

/* A member that is a string; absent when the bytes are no object or have none. For an error's words
 * and for tokens. */
struct str answer_member(struct arena *a, struct str bytes, const char *name);

/* One cached token of `aws sso login`. */
struct sso_token {
	struct str access;
	int64_t expires_wall_ns;
};
int answer_read_sso_token(struct arena *a, struct sso_token *out, struct str bytes,
	const char *what, struct error *err);

/* Makes a login longer, when it can be: `bytes` is what its file at `path` holds. 1 with *token, 0 when
 * it can't. */
int credentials_sso_renew(struct looking *l, const char *path, struct str bytes, struct str region,
	struct sso_token *token, struct error *err);

/* RFC 3339, with "UTC" for "Z" too. false: none. Beyond 2262: INT64_MAX. */
bool answer_read_time(struct str s, int64_t *wall_ns);

/* Printable and without blanks: goes into a header as it is. */
bool credentials_is_word(struct str s, size_t max_bytes);

/* ERR_INPUT unless each part is a word. */
int credentials_check(const struct credentials *c, const char *what, struct error *err);

/* A whole small file. rc as open's errno: 0, or ERR_INPUT with err. */
int credentials_read_file(struct arena *a, struct str *out, const char *path, struct error *err);

/* The region for STS: configured, else the first of the role's partition. */
struct str credentials_sts_region(const struct looking *l, struct str role_arn);
/* "https://SERVICE.REGION.amazonaws.com" or what is configured for `service`. */
struct str credentials_endpoint(
	struct looking *l, const char *service, const char *host, struct str region);

#endif
