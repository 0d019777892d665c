/* credentials_look: one walk through the places, in the order that credentials.h promises, and the one
 * error that tells of all of them. */
#include "providers/aws/credentials_internal.h"

#include <stdarg.h>

enum { NOTES_BYTES = 640, BEFORE_BYTES = 400 };

void
looking_note(struct looking *l, const char *fmt, ...)
{
	va_list ap;

	if (l->notes.n)
		buf_add_cstr(&l->notes, "; ");
	va_start(ap, fmt);
	buf_vaddf(&l->notes, fmt, ap);
	va_end(ap);
}

/* Not a place: what there is of the profile, for the list. */
static int
note_profile(struct looking *l, struct str profile, struct credentials *out, struct error *err)
{
	const struct shared_config *c = l->config;
	struct str files = shared_config_files(c);

	(void)out;
	if (shared_config_get(c, profile, "login_session").p)
		return credentials_wrong(err,
			"profile %.*s: login_session (`aws login`) can't be read here; give it "
			"`credential_process = aws configure export-credentials --profile %.*s "
			"--format process` in another profile and use that",
			STR_ARG(profile), STR_ARG(profile));
	looking_note(l, "web identity: AWS_WEB_IDENTITY_TOKEN_FILE is not set");
	if (shared_config_has_profile(c, profile))
		looking_note(l,
			"profile %.*s in %.*s: no keys, role_arn, sso_session or "
			"credential_process",
			STR_ARG(profile), STR_ARG(files));
	else
		looking_note(l, "profile %.*s: not in %.*s", STR_ARG(profile), STR_ARG(files));
	return 0;
}

static int
from_environment(struct looking *l, struct str profile, struct credentials *out, struct error *err)
{
	if (shared_config_profile_is_explicit(l->config)) {
		looking_note(l, "environment: not looked at, as a profile was named");
		return 0;
	}
	return credentials_from_environment(l, profile, out, err);
}

static int
nowhere(struct looking *l, struct error *err)
{
	int n = l->notes.n < NOTES_BYTES ? (int)l->notes.n : NOTES_BYTES;

	return credentials_wrong(err,
		"no AWS credentials: %.*s%s. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
		"AWS_PROFILE, or run `aws configure` or `aws sso login`",
		n, buf_cstr(&l->notes), n == NOTES_BYTES ? "…" : "");
}

/* The error of the place that broke, and what stood before it. */
static int
broken(struct looking *l, size_t notes, struct error *err)
{
	size_t said, n = notes < BEFORE_BYTES ? notes : BEFORE_BYTES;
	const char before[] = ". Before that: ";

	error_wrap(err, "AWS credentials");
	said = strlen(err->message);
	if (n == 0 || said + sizeof(before) + n >= sizeof(err->message))
		return err->code;
	memcpy(err->message + said, before, sizeof(before) - 1);
	memcpy(err->message + said + sizeof(before) - 1, l->notes.p, n);
	err->message[said + sizeof(before) - 1 + n] = '\0';
	return err->code;
}

int
credentials_look(struct looking *l, struct credentials *out, struct error *err)
{
	static credentials_place *const places[] = {from_environment, credentials_from_role,
		credentials_from_web, credentials_from_sso, credentials_from_keys,
		credentials_from_process, note_profile, credentials_from_container,
		credentials_from_imds};
	struct str profile = shared_config_profile(l->config);
	int rc;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		size_t notes = l->notes.n;

		*out = (struct credentials){0};
		rc = places[i](l, profile, out, err);
		if (rc > 0)
			return rc;
		if (rc < 0)
			return broken(l, notes, err);
	}
	return nowhere(l, err);
}
