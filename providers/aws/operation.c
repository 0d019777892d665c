/* operation: Query services name the action in their form, JSON services in a header; S3's follows
 * from method, path and query. */
#include "providers/aws/operation.h"

#include "providers/aws/endpoint.h"
#include "providers/aws/printable.h"

#include <strings.h>

struct s3_operation {
	const char *method;
	bool key;	   /* on an object, else on the bucket */
	const char *query; /* a name in the query; NULL: any */
	const char *name, *permission;
};

/* The first that fits. */
static const struct s3_operation s3_operations[] = {
	{"GET", false, "uploads", "ListMultipartUploads", "s3:ListBucketMultipartUploads"},
	{"GET", false, "location", "GetBucketLocation", "s3:GetBucketLocation"},
	{"GET", false, "publicAccessBlock", "GetPublicAccessBlock",
		"s3:GetBucketPublicAccessBlock"},
	{"GET", false, "tagging", "GetBucketTagging", "s3:GetBucketTagging"},
	{"GET", false, NULL, "ListObjectsV2", "s3:ListBucket"},
	{"HEAD", false, NULL, "HeadBucket", "s3:ListBucket"},
	{"PUT", false, "publicAccessBlock", "PutPublicAccessBlock",
		"s3:PutBucketPublicAccessBlock"},
	{"PUT", false, "tagging", "PutBucketTagging", "s3:PutBucketTagging"},
	{"PUT", false, "lifecycle", "PutBucketLifecycleConfiguration",
		"s3:PutLifecycleConfiguration"},
	{"PUT", false, "encryption", "PutBucketEncryption", "s3:PutEncryptionConfiguration"},
	{"PUT", false, "versioning", "PutBucketVersioning", "s3:PutBucketVersioning"},
	{"PUT", false, "ownershipControls", "PutBucketOwnershipControls",
		"s3:PutBucketOwnershipControls"},
	{"PUT", false, NULL, "CreateBucket", "s3:CreateBucket"},
	{"DELETE", false, NULL, "DeleteBucket", "s3:DeleteBucket"},
	{"POST", false, "delete", "DeleteObjects", "s3:DeleteObject"},
	{"GET", true, "uploadId", "ListParts", "s3:ListMultipartUploadParts"},
	{"GET", true, NULL, "GetObject", "s3:GetObject"},
	{"HEAD", true, NULL, "HeadObject", "s3:GetObject"},
	{"PUT", true, "partNumber", "UploadPart", "s3:PutObject"},
	{"PUT", true, NULL, "PutObject", "s3:PutObject"},
	{"POST", true, "uploads", "CreateMultipartUpload", "s3:PutObject"},
	{"POST", true, "uploadId", "CompleteMultipartUpload", "s3:PutObject"},
	{"DELETE", true, "uploadId", "AbortMultipartUpload", "s3:AbortMultipartUpload"},
	{"DELETE", true, NULL, "DeleteObject", "s3:DeleteObject"},
};

static bool
has_query(const struct aws_request *r, const char *name)
{
	for (size_t i = 0; i < r->query.n; i++) {
		if (str_is(r->query.v[i].name, name))
			return true;
	}
	return false;
}

static const struct s3_operation *
find_s3(const struct aws_request *r)
{
	for (size_t i = 0; i < sizeof(s3_operations) / sizeof(s3_operations[0]); i++) {
		const struct s3_operation *o = &s3_operations[i];

		if (strcmp(o->method, r->method) == 0 && o->key == (r->path.n > 0) &&
			(!o->query || has_query(r, o->query)))
			return o;
	}
	return NULL;
}

static void
name_s3(struct arena *a, struct operation *out, const struct aws_request *r, struct str region)
{
	const struct s3_operation *o = find_s3(r);
	const char *partition = endpoint_partition(region);
	bool objects = r->path.n > 0 || has_query(r, "delete");
	char key[160] = "";

	if (!r->bucket.p) {
		out->name = STR("ListBuckets");
		out->permission = STR("s3:ListAllMyBuckets");
		out->on = arena_printf(a, "in %.*s", STR_ARG(region));
		out->resource = STR("*");
		return;
	}
	printable(key, sizeof(key), r->path);
	out->name = str_from(o ? o->name : r->method);
	out->permission = str_from(o ? o->permission : "s3:*");
	out->on = arena_printf(a, "s3://%.*s%s%s", STR_ARG(r->bucket), r->path.n ? "/" : "", key);
	out->resource = arena_printf(
		a, "arn:%s:s3:::%.*s%s", partition, STR_ARG(r->bucket), objects ? "/*" : "");
}

/* "Action=X&…" */
static struct str
query_action(struct str body)
{
	struct str first = str_cut(&body, '&'), name = str_cut(&first, '=');

	return str_is(name, "Action") && first.p ? first : STR("call");
}

/* "AmazonSSM.GetParameter" */
static struct str
json_action(const struct aws_request *r)
{
	for (size_t i = 0; i < r->headers.n; i++) {
		struct str target = r->headers.v[i].value;

		if (r->headers.v[i].name.n == 12 &&
			strncasecmp(r->headers.v[i].name.p, "X-Amz-Target", 12) == 0) {
			str_cut(&target, '.');
			return target.p ? target : STR("call");
		}
	}
	return STR("call");
}

void
operation_of(struct arena *a, struct operation *out, const struct aws_request *r, struct str region)
{
	*out = (struct operation){.service = str_from(endpoint_service(r->service))};
	if (r->service == AWS_S3) {
		name_s3(a, out, r, region);
		return;
	}
	out->name = r->service == AWS_EC2 || r->service == AWS_STS ? query_action(r->body)
								   : json_action(r);
	out->on = arena_printf(a, "in %.*s", STR_ARG(region));
	out->permission = arena_printf(a, "%.*s:%.*s", STR_ARG(out->service), STR_ARG(out->name));
	out->resource = STR("*");
}
