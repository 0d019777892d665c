/* ecr: see ecr.h. */
#include "providers/aws/ecr.h"

#include "providers/aws/query.h"

#include <jansson.h>

enum { ACCOUNT_DIGITS = 12 };

bool
ecr_is_there(struct str image, struct str *account, struct str *region)
{
	struct str host = str_cut(&image, '/'), word;

	if (!image.n)
		return false;
	*account = str_cut(&host, '.');
	if (account->n != ACCOUNT_DIGITS)
		return false;
	for (size_t i = 0; i < account->n; i++) {
		if (account->p[i] < '0' || account->p[i] > '9')
			return false;
	}
	word = str_cut(&host, '.');
	if (!str_is(word, "dkr"))
		return false;
	word = str_cut(&host, '.');
	if (!str_is(word, "ecr") && !str_is(word, "ecr-fips"))
		return false;
	*region = str_cut(&host, '.');
	return region->n && host.n;
}

int
ecr_parse_login(struct arena *a, struct str json, struct str *auth, struct error *err)
{
	json_error_t problem;
	json_t *root = json_loadb(json.p ? json.p : "", json.n, 0, &problem);
	const json_t *data = json_array_get(json_object_get(root, "authorizationData"), 0);
	const char *token = json_string_value(json_object_get(data, "authorizationToken"));

	*auth = arena_str(a, str_from(token));
	json_decref(root);
	if (auth->n)
		return 0;
	return error_set(err, ERR_HOST, "ecr GetAuthorizationToken: the answer holds no login%s%s",
		root ? "" : ": ", root ? "" : problem.text);
}

int
ecr_login(struct aws *aws, struct arena *a, struct str region, struct str *auth, struct error *err)
{
	struct aws_answer answer = {0};
	int rc = aws_json_call(aws, a, AWS_ECR, region,
		"AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken", STR("{}"), &answer,
		err);

	*auth = (struct str){0};
	return rc < 0 ? rc : ecr_parse_login(a, answer.body, auth, err);
}
