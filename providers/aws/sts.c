/* sts: who the credentials are. */
#include "providers/aws/ec2.h"
#include "providers/aws/query.h"

int
sts_account(
	struct aws *aws, struct arena *a, struct str *account, struct str *arn, struct error *err)
{
	struct query q = {.service = AWS_STS, .action = "GetCallerIdentity"};
	const struct xml *root, *result;
	int rc = query_call(aws, a, &q, &root, NULL, err);

	query_free(&q);
	*account = *arn = (struct str){0};
	if (rc < 0)
		return rc;
	result = xml_find(root, "GetCallerIdentityResult");
	*account = arena_str(a, xml_text(result, "Account"));
	*arn = arena_str(a, xml_text(result, "Arn"));
	if (!account->n || !arn->n)
		return error_set(
			err, ERR_HOST, "sts GetCallerIdentity: the answer names no account");
	return 0;
}
