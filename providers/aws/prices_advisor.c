/* prices_advisor: how often spot instances are interrupted, from the public file of AWS's spot instance
 * advisor: {"spot_advisor": {REGION: {"Linux": {TYPE: {"s": saved percent, "r": bracket}}}}}. */
#include "providers/aws/prices_parts.h"

#include "providers/aws/http.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

#define PUBLIC_URL "https://spot-bid-advisor.s3.amazonaws.com/spot-advisor-data.json"
#define URL_VARIABLE "FURROW_SPOT_ADVISOR_URL"
enum { MOST_BYTES = 32 << 20, TIMEOUT_S = 20 };

static int
compare(const void *a, const void *b)
{
	const struct ec2_interruption *x = a, *y = b;

	return str_cmp(x->type, y->type);
}

static int
take(struct arena *a, const json_t *root, struct str region, struct ec2_interruption **out,
	size_t *n, struct error *err)
{
	const json_t *regions = json_object_get(root, "spot_advisor"), *entry;
	const json_t *types =
		json_object_get(json_object_get(regions, arena_cstr(a, region)), "Linux");
	const char *type;

	if (!json_is_object(regions))
		return error_set(err, ERR_HOST, "the file has no spot_advisor");
	if (!json_is_object(types))
		return error_set(err, ERR_HOST, "the file has nothing of %.*s", STR_ARG(region));
	*out = ARENA_ARRAY(a, struct ec2_interruption, json_object_size(types));
	json_object_foreach((json_t *)types, type, entry)
	{
		const json_t *bracket = json_object_get(entry, "r");
		json_int_t r = json_integer_value(bracket);

		/* One that is none is as good as unknown. */
		if (json_is_integer(bracket) && r >= 0 && r <= EC2_INTERRUPTION_MOST)
			(*out)[(*n)++] =
				(struct ec2_interruption){arena_str(a, str_from(type)), (int)r};
	}
	if (*n)
		qsort(*out, *n, sizeof(**out), compare);
	return 0;
}

int
interruptions_parse(struct arena *a, struct str json, struct str region,
	struct ec2_interruption **out, size_t *n, struct error *err)
{
	json_error_t problem;
	json_t *root = json_loadb(json.p ? json.p : "", json.n, JSON_REJECT_DUPLICATES, &problem);
	int rc;

	*out = NULL;
	*n = 0;
	if (root)
		rc = take(a, root, region, out, n, err);
	else
		rc = error_set(err, ERR_HOST, "the file is no JSON: line %d, column %d: %s",
			problem.line, problem.column, problem.text);
	json_decref(root);
	return rc;
}

static int
fetch(struct arena *a, const char *url, struct str *body, struct error *err)
{
	struct http_options options = {.ca_bundle = str_from(getenv("AWS_CA_BUNDLE"))};
	struct http_ask question = {.method = "GET",
		.url = url,
		.from_bytes = -1,
		.max_bytes = MOST_BYTES,
		.timeout_ns = TIMEOUT_S * NS_PER_S};
	struct http_reply reply = {0};
	struct http *http = NULL;
	int rc = http_open(&http, &options, err);

	if (rc == 0)
		rc = http_send(http, a, &question, &reply, err);
	if (rc == 0 && reply.status != 200)
		rc = error_set(err, ERR_HOST, "the answer's status is %d", reply.status);
	*body = reply.body;
	http_close(http);
	return rc;
}

static int
ask(struct arena *a, const char *url, struct str region, struct ec2_interruption **out, size_t *n,
	struct error *err)
{
	struct arena scratch = {0};
	struct str body = {0};
	int rc = fetch(&scratch, url, &body, err);

	if (rc == 0)
		rc = interruptions_parse(a, body, region, out, n, err);
	arena_free(&scratch);
	return rc;
}

static void
save(const struct kept_lines *k, int64_t wall_ns, const struct ec2_interruption *v, size_t n)
{
	struct buf out = {0};

	for (size_t i = 0; i < n; i++)
		buf_addf(&out, "%.*s %d\n", STR_ARG(v[i].type), v[i].bracket);
	kept_lines_save(k, wall_ns, buf_str(&out));
	buf_free(&out);
}

static void
load(struct arena *a, struct str lines, struct ec2_interruption **out, size_t *n)
{
	struct ec2_list list = {0};

	while (lines.n) {
		struct str line = str_cut(&lines, '\n'), type = str_cut(&line, ' ');
		struct ec2_interruption *i;
		int64_t bracket;

		if (!line.p || !str_to_i64(line, &bracket) || bracket < 0 ||
			bracket > EC2_INTERRUPTION_MOST)
			continue;
		i = ec2_list_add(a, &list, sizeof(*i));
		*i = (struct ec2_interruption){type, (int)bracket};
	}
	*out = list.v;
	*n = list.n;
}

/* NULL: nobody is to be asked. */
static const char *
url_of(void)
{
	const char *url = getenv(URL_VARIABLE), *other = getenv("AWS_ENDPOINT_URL");
	const char *ec2 = getenv("AWS_ENDPOINT_URL_EC2");

	if (url && *url)
		return url;
	return (other && *other) || (ec2 && *ec2) ? NULL : PUBLIC_URL;
}

int
ec2_interruptions(struct arena *a, const char *cache_dir, struct str region, bool refresh,
	struct ec2_interruption **out, size_t *n, struct str *missing, struct error *err)
{
	struct kept_lines k = {cache_dir, "spot-advisor", URL_VARIABLE, region};
	const struct clock *c = clock_system();
	int64_t wall_ns = c->wall_ns(c->ctx), asked_wall_ns = 0;
	const char *url = url_of();
	struct str lines = {0};
	struct error failure = {0};
	bool kept;
	int rc;

	*out = NULL;
	*n = 0;
	*missing = (struct str){0};
	if (!url) {
		*missing = STR("interruptions of spot instances are not known: AWS's own endpoint "
			       "is not used, and " URL_VARIABLE " is not set");
		return 0;
	}
	kept = kept_lines_load(a, &k, wall_ns, &asked_wall_ns, &lines);
	if (kept && !refresh && kept_lines_are_fresh(asked_wall_ns, wall_ns)) {
		load(a, lines, out, n);
		return 0;
	}
	rc = ask(a, url, region, out, n, &failure);
	if (rc == ERR_CANCELLED) {
		if (err)
			*err = failure;
		return rc;
	}
	if (rc == 0) {
		save(&k, wall_ns, *out, *n);
		return 0;
	}
	if (kept)
		load(a, lines, out, n);
	*missing = arena_printf(a, "interruptions of spot instances cannot be had: %s: %s%s", url,
		failure.message, kept ? kept_lines_age(a, asked_wall_ns, wall_ns).p : "");
	return 0;
}

int
ec2_interruption_of(const struct ec2_interruption *v, size_t n, struct str type)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int c = str_cmp(v[middle].type, type);

		if (c == 0)
			return v[middle].bracket;
		if (c < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return EC2_INTERRUPTION_UNKNOWN;
}
