/* service_quota: one quota, asked for and read. */
#include "providers/aws/service_quota.h"

#include "providers/aws/query.h"

#include <jansson.h>

int
service_quota_parse(struct arena *a, struct str json, struct service_quota *out, struct error *err)
{
	json_error_t problem;
	json_t *root = json_loadb(json.p ? json.p : "", json.n, 0, &problem), *quota, *value;

	*out = (struct service_quota){0};
	quota = json_object_get(root, "Quota");
	if (!json_is_object(quota)) {
		json_decref(root);
		return error_set(err, ERR_HOST,
			"servicequotas GetServiceQuota: the answer holds no Quota%s%s",
			root ? "" : ": ", root ? "" : problem.text);
	}
	value = json_object_get(quota, "Value");
	out->name = arena_str(a, str_from(json_string_value(json_object_get(quota, "QuotaName"))));
	out->has_value = json_is_number(value);
	out->value = json_number_value(value);
	out->adjustable = json_is_true(json_object_get(quota, "Adjustable"));
	json_decref(root);
	return 0;
}

int
service_quota_get(struct aws *aws, struct arena *a, const char *service, const char *code,
	struct service_quota *out, struct error *err)
{
	struct str body =
		arena_printf(a, "{\"ServiceCode\":\"%s\",\"QuotaCode\":\"%s\"}", service, code);
	struct aws_answer answer = {0};
	int rc = aws_json_call(aws, a, AWS_QUOTAS, (struct str){0},
		"ServiceQuotasV20190624.GetServiceQuota", body, &answer, err);

	*out = (struct service_quota){0};
	if (rc < 0 && strcmp(answer.code, "NoSuchResourceException") == 0) {
		if (err)
			err->code = ERR_MISSING;
		return ERR_MISSING;
	}
	return rc < 0 ? rc : service_quota_parse(a, answer.body, out, err);
}
