/* Any bytes as what a place answers that hands out credentials, and as a command line: refused with a
 * reason that holds nothing of them, or good enough to go into a header. The first byte says as what. */
#include "providers/aws/credentials_internal.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
give_up(const char *what)
{
	fprintf(stderr, "%s\n", what);
	abort();
}

static void
check_refusal(int rc, const struct error *err)
{
	if ((rc != ERR_INPUT && rc != ERR_HOST) || strncmp(err->message, "fuzz:", 5) != 0)
		give_up("refused without a reason");
}

static void
check(int rc, const struct credentials *c, const struct error *err)
{
	if (rc) {
		check_refusal(rc, err);
		return;
	}
	if (!credentials_is_word(c->key_id, 128) || !credentials_is_word(c->secret, 1024))
		give_up("a key that no header can hold");
	if (c->token.p && !credentials_is_word(c->token, 16 << 10))
		give_up("a token that no header can hold");
	if (c->expires_wall_ns < 0)
		give_up("a time before all times");
}

static void
check_split(struct arena *a, struct str line)
{
	const char *problem = NULL;
	const char *const *words = credentials_split(a, line, &problem);
	size_t bytes = 0;

	if (!words != !!problem)
		give_up("split without a reason");
	for (; words && *words; words++)
		bytes += strlen(*words);
	if (bytes > line.n)
		give_up("more than there was");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct answer_shape *const shapes[] = {
		&answer_of_process, &answer_of_container, &answer_of_imds, &answer_of_sso};
	struct str bytes = {.p = (const char *)data + 1, .n = size - 1};
	struct error err = {0};
	struct arena a = {0};
	struct credentials c;
	struct sso_token token;
	int64_t at;
	int rc;

	if (size == 0)
		return 0;
	switch (data[0] % 8) {
	default:
		rc = answer_read_json(&a, &c, bytes, shapes[data[0] % 4], "fuzz", &err);
		check(rc, &c, &err);
		break;
	case 4:
		rc = answer_read_sso_token(&a, &token, bytes, "fuzz", &err);
		if (rc)
			check_refusal(rc, &err);
		break;
	case 5:
		check(answer_read_sts(&a, &c, bytes, "fuzz", &err), &c, &err);
		break;
	case 6:
		check_split(&a, bytes);
		break;
	case 7:
		if (answer_read_time(bytes, &at) && at < 0)
			give_up("a time before all times");
		answer_member(&a, bytes, "message");
		break;
	}
	arena_wipe(&a);
	return 0;
}
