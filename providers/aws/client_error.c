/* client_error: a failure in words: what was tried, on what, what AWS said, what to do. Secrets that
 * AWS repeats in its words are struck out. */
#include "providers/aws/client_internal.h"

#include "planner/base/buf.h"
#include "providers/aws/printable.h"

#include <stdio.h>

enum { MIN_WORDS_BYTES = 64 };

/* Behind these words AWS repeats the request as it saw it, the session token in it. */
static const char *const echoes[] = {"The Canonical String", "The canonical string",
	"Encoded authorization failure message", "StringToSign"};

static struct str
without_echo(struct str words)
{
	for (size_t i = 0; i < sizeof(echoes) / sizeof(echoes[0]); i++) {
		const char *at =
			words.n ? memmem(words.p, words.n, echoes[i], strlen(echoes[i])) : NULL;

		if (at)
			words.n = (size_t)(at - words.p);
	}
	return str_trim(words);
}

static struct str
strike(struct arena *a, struct str words, struct str secret)
{
	struct buf b = {0};
	struct str out;
	const char *at;

	if (secret.n < 8 || !words.n || !memmem(words.p, words.n, secret.p, secret.n))
		return words;
	while (words.n && (at = memmem(words.p, words.n, secret.p, secret.n))) {
		buf_add(&b, words.p, (size_t)(at - words.p));
		buf_add_cstr(&b, "[secret]");
		words = str_from_index(words, (size_t)(at - words.p) + secret.n);
	}
	buf_add_str(&b, words);
	out = arena_str(a, buf_str(&b));
	buf_free(&b);
	return out;
}

static bool
is_code(const struct failure *f, const char *const *codes)
{
	for (; *codes; codes++) {
		if (strcmp(f->code, *codes) == 0)
			return true;
	}
	return false;
}

/* The word behind `before` in AWS's sentence, up to a blank. */
static struct str
word_behind(struct str words, const char *before)
{
	const char *at = words.n ? memmem(words.p, words.n, before, strlen(before)) : NULL;
	struct str rest;

	if (!at)
		return (struct str){0};
	rest = str_from_index(words, (size_t)(at - words.p) + strlen(before));
	rest = str_cut(&rest, ' ');
	while (rest.n > 0 && strchr(".,;\"'", rest.p[rest.n - 1]))
		rest.n--;
	return rest.n > 0 && !memchr(rest.p, '"', rest.n) ? rest : (struct str){0};
}

/* "User: arn:… is not authorized to perform: ec2:RunInstances on resource: arn:… because …": more
 * exact than what can be known here. */
static struct str
policy_advice(struct arena *a, const struct call *c, const struct failure *f)
{
	struct str action = word_behind(f->message, "not authorized to perform: ");
	struct str resource = word_behind(f->message, "on resource: ");
	struct str user = word_behind(f->message, "User: ");

	action = action.p ? action : c->operation.permission;
	resource = resource.p ? resource : c->operation.resource;
	/* It is asked for the instance, its volume, the image, the subnet, … in turn: the first that is
	 * refused is not all that is missing. */
	if (str_is(action, "ec2:RunInstances"))
		resource = STR("*");
	if (f->message.n && memmem(f->message.p, f->message.n, "explicit deny", 13))
		return arena_printf(a,
			"; a policy denies %.*s on %.*s explicitly: take that statement out",
			STR_ARG(action), STR_ARG(resource));
	return arena_printf(a,
		"; to the policy of %.*s%.*s add {\"Effect\":\"Allow\",\"Action\":\"%.*s\","
		"\"Resource\":\"%.*s\"}",
		user.p ? 0 : 14, "whoever is in ", user.p ? (int)user.n : (int)c->who.from.n,
		user.p ? user.p : (c->who.from.p ? c->who.from.p : ""), STR_ARG(action),
		STR_ARG(resource));
}

static struct str
denied_advice(struct arena *a, const struct call *c, const struct failure *f)
{
	static const char *const expired[] = {"ExpiredToken", "ExpiredTokenException",
		"TokenRefreshRequired", "RequestExpired", NULL};
	static const char *const unknown[] = {"InvalidClientTokenId", "InvalidAccessKeyId",
		"UnrecognizedClientException", "InvalidToken", NULL};
	/* EC2 has one word for both. */
	static const char *const either[] = {"AuthFailure", NULL};
	static const char *const wrong[] = {
		"SignatureDoesNotMatch", "InvalidSignatureException", NULL};
	static const char *const clock[] = {"RequestTimeTooSkewed", "RequestInTheFuture", NULL};
	static const char *const account[] = {"OptInRequired", "PendingVerification", "Blocked",
		"NotSignedUp", "AccountProblem", "AllAccessDisabled", NULL};
	struct str from = c->who.from.p ? c->who.from : STR("the environment");

	if (c->request->is_unsigned)
		return STR("");
	if (is_code(f, expired))
		return arena_printf(a,
			"; the credentials of %.*s have expired: renew them (for instance with "
			"`aws sso login`)",
			STR_ARG(from));
	if (is_code(f, unknown))
		return arena_printf(a,
			"; AWS doesn't know the access key %.*s of %.*s: it may be deleted, or of "
			"another partition",
			STR_ARG(c->who.key_id), STR_ARG(from));
	if (is_code(f, either))
		return arena_printf(a,
			"; AWS doesn't know the access key %.*s of %.*s, or the secret key beside "
			"it is a wrong one",
			STR_ARG(c->who.key_id), STR_ARG(from));
	if (is_code(f, wrong))
		return arena_printf(a,
			"; the secret key that belongs to %.*s in %.*s is likely a wrong one",
			STR_ARG(c->who.key_id), STR_ARG(from));
	if (is_code(f, clock))
		return STR("; set this machine's clock");
	if (is_code(f, account))
		return STR("; this is between the account and AWS: see its billing and support "
			   "pages");
	return policy_advice(a, c, f);
}

static struct str
advice(struct arena *a, const struct call *c, const struct failure *f, const struct aws_verdict *v)
{
	if (v->class == CLASS_DENIED && !(v->mend & AWS_MEND_REGION))
		return denied_advice(a, c, f);
	if ((v->mend & AWS_MEND_REGION) && f->region[0] && strcmp(f->region, c->region) != 0)
		return arena_printf(a, "; the bucket is in %s, not in %s", f->region, c->region);
	if (v->class == CLASS_THROTTLED)
		return STR("; AWS wants fewer requests: try again in some minutes, with less at a "
			   "time");
	return STR("");
}

static struct str
footnote(struct arena *a, const struct call *c, const struct failure *f)
{
	if (c->attempts > 1 && f->request_id[0])
		return arena_printf(a, " (%u attempts, request %s)", c->attempts, f->request_id);
	if (c->attempts > 1)
		return arena_printf(a, " (%u attempts)", c->attempts);
	return f->request_id[0] ? arena_printf(a, " (request %s)", f->request_id) : STR("");
}

int
client_fail(const struct call *c, const struct failure *f, const struct aws_verdict *v, int status,
	struct error *err)
{
	char words[ERROR_MESSAGE_BYTES];
	struct arena a = {0};
	struct str begin, text = f->message, after, note;
	size_t room;

	begin = arena_printf(&a, "%.*s %.*s %.*s: %s%s", STR_ARG(c->operation.service),
		STR_ARG(c->operation.name), STR_ARG(c->operation.on), f->code,
		f->code[0] ? ": " : "");
	after = advice(&a, c, f, v);
	note = footnote(&a, c, f);
	text = strike(&a, without_echo(text), c->who.secret);
	text = strike(&a, text, c->who.token);
	room = begin.n + after.n + note.n < sizeof(words) - MIN_WORDS_BYTES
		       ? sizeof(words) - begin.n - after.n - note.n
		       : MIN_WORDS_BYTES;
	printable(words, room, text);
	error_set(err, v->code, "%.*s%s%.*s%.*s", STR_ARG(begin), words, STR_ARG(note),
		STR_ARG(after));
	if (err) {
		err->class = v->class;
		err->http_status = status;
	}
	arena_free(&a);
	return v->code;
}

int
client_fail_unanswered(const struct call *c, bool sent, struct error *err)
{
	char old[ERROR_MESSAGE_BYTES];
	bool unknown = sent && c->request->repeat == AWS_REPEAT_UNSENT;

	if (!err)
		return ERR_HOST;
	memcpy(old, err->message, sizeof(old));
	snprintf(err->message, sizeof(err->message), "%.*s %.*s %.*s: %.600s",
		STR_ARG(c->operation.service), STR_ARG(c->operation.name), STR_ARG(c->operation.on),
		old);
	if (c->attempts > 1)
		snprintf(err->message + strlen(err->message),
			sizeof(err->message) - strlen(err->message), " (%u attempts)", c->attempts);
	if (unknown)
		snprintf(err->message + strlen(err->message),
			sizeof(err->message) - strlen(err->message),
			"; whether AWS has done it is not known, so it was not sent again");
	return err->code;
}
