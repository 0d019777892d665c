/* endpoint: partitions, and the few rules that make a host's name. */
#include "providers/aws/endpoint.h"

#include <strings.h>

struct partition {
	const char *name, *begins, *suffix, *dualstack_suffix;
};

/* The first whose regions begin so; the last one takes what is left. */
static const struct partition partitions[] = {
	{"aws-cn", "cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"},
	{"aws-us-gov", "us-gov-", "amazonaws.com", "api.aws"},
	{"aws-eusc", "eusc-", "amazonaws.eu", "api.amazonwebservices.eu"},
	{"aws-iso", "us-iso-", "c2s.ic.gov", "api.aws.ic.gov"},
	{"aws-iso-b", "us-isob-", "sc2s.sgov.gov", "api.aws.scloud"},
	{"aws-iso-e", "eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"},
	{"aws-iso-f", "us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"},
	{"aws", "", "amazonaws.com", "api.aws"},
};

const char *
endpoint_service(enum aws_service service)
{
	static const char *const names[AWS_SERVICES] = {[AWS_EC2] = "ec2",
		[AWS_S3] = "s3",
		[AWS_STS] = "sts",
		[AWS_SSM] = "ssm",
		[AWS_PRICING] = "pricing",
		[AWS_QUOTAS] = "servicequotas",
		[AWS_ECR] = "ecr"};

	return names[service];
}

static bool
is_word(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= '0' && s.p[i] <= '9')))
			return false;
	}
	return s.n > 0;
}

bool
endpoint_is_region(struct str region)
{
	struct str rest = region, last = {0};
	int words = 0;
	int64_t n;

	if (region.n > 32)
		return false;
	for (; rest.p; words++) {
		last = str_cut(&rest, '-');
		if (!is_word(last))
			return false;
	}
	return words >= 3 && str_to_i64(last, &n) && region.p[0] >= 'a';
}

static const struct partition *
partition_of(struct str region)
{
	const struct partition *p = partitions;

	while (!str_starts(region, str_from(p->begins)))
		p++;
	return p;
}

const char *
endpoint_partition(struct str region)
{
	return partition_of(region)->name;
}

static bool
is_true(struct str s)
{
	return s.n == 4 && strncasecmp(s.p, "true", 4) == 0;
}

/* The variable, else the profile's key. */
static bool
wants(const struct shared_config *config, const char *variable, const char *key)
{
	struct str v = shared_config_env(config, variable);

	return is_true(v.p ? v : shared_config_get(config, (struct str){0}, key));
}

static int
bad_url(struct str url, const char *why, struct error *err)
{
	return error_set(err, ERR_INPUT,
		"endpoint URL '%.*s': %s; expected something like http://127.0.0.1:5000 in "
		"AWS_ENDPOINT_URL or endpoint_url",
		STR_ARG(url), why);
}

static bool
is_host_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       strchr(".-_:[]", c);
}

/* Without the port that the scheme means anyway, as clients leave it out of the Host header. */
static struct str
without_default_port(struct str host, struct str scheme)
{
	struct str port = str_is(scheme, "https") ? STR(":443") : STR(":80");

	if (str_ends(host, port) && host.n > port.n)
		host.n -= port.n;
	return host;
}

static int
parse_url(struct endpoint *out, struct str url, struct error *err)
{
	struct str rest = url;
	size_t n = 0;

	out->custom = true;
	out->scheme = str_starts(url, STR("https://"))	? STR("https")
		      : str_starts(url, STR("http://")) ? STR("http")
							: (struct str){0};
	if (!out->scheme.p)
		return bad_url(url, "it begins neither with https:// nor with http://", err);
	rest = str_from_index(rest, out->scheme.n + 3);
	while (n < rest.n && rest.p[n] && is_host_char(rest.p[n]))
		n++;
	if (n == 0 || (n < rest.n && rest.p[n] != '/'))
		return bad_url(url, "its host cannot be one", err);
	out->host = without_default_port((struct str){rest.p, n}, out->scheme);
	out->base_path = str_from_index(rest, n);
	while (str_ends(out->base_path, STR("/")))
		out->base_path.n--;
	for (size_t i = 0; i < out->base_path.n; i++) {
		unsigned char c = (unsigned char)out->base_path.p[i];

		if (c <= ' ' || c >= 0x7f || c == '?' || c == '#')
			return bad_url(url, "its path has a query or what needs encoding", err);
	}
	if (!out->base_path.p)
		out->base_path = STR("");
	return 0;
}

static void
name_s3(struct arena *a, struct endpoint *out, struct str region, bool fips, bool dualstack)
{
	out->host = arena_printf(a, "s3%s.%s%.*s.%s", fips ? "-fips" : "",
		dualstack ? "dualstack." : "", STR_ARG(region), partition_of(region)->suffix);
}

static void
name_other(struct arena *a, struct endpoint *out, const char *service, struct str region, bool fips,
	bool dualstack)
{
	const struct partition *p = partition_of(region);
	bool gov = strcmp(p->name, "aws-us-gov") == 0 && strcmp(service, "api.pricing") != 0 &&
		   strcmp(service, "api.ecr") != 0;

	/* GovCloud's plain endpoints are FIPS ones. */
	out->host = arena_printf(a, "%s%s.%.*s.%s", service,
		fips && !(gov && !dualstack) ? "-fips" : "", STR_ARG(region),
		dualstack ? p->dualstack_suffix : p->suffix);
}

/* A certificate's wildcard stands for one label: no dots before the host. */
static void
add_bucket(struct arena *a, struct endpoint *out, struct str bucket)
{
	if (!out->custom && !memchr(bucket.p, '.', bucket.n))
		out->host = arena_printf(a, "%.*s.%.*s", STR_ARG(bucket), STR_ARG(out->host));
	else
		out->base_path =
			arena_printf(a, "%.*s/%.*s", STR_ARG(out->base_path), STR_ARG(bucket));
}

static bool
is_bucket(struct str b)
{
	for (size_t i = 0; i < b.n; i++) {
		char c = b.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			    ((c == '-' || c == '.' || c == '_') && i > 0)))
			return false;
	}
	return b.n >= 3 && b.n <= 255;
}

/* Some hosts are not called as what requests to them are signed for. */
static const char *
host_name(enum aws_service service, bool dualstack)
{
	if (service == AWS_PRICING)
		return "api.pricing";
	return service == AWS_ECR && !dualstack ? "api.ecr" : endpoint_service(service);
}

int
endpoint_find(struct arena *a, struct endpoint *out, enum aws_service service, struct str region,
	struct str bucket, const struct shared_config *config, struct error *err)
{
	const char *name = endpoint_service(service);
	bool fips = wants(config, "AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint");
	bool dualstack = wants(config, "AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint");
	/* Settings call a service by its id, whose blanks become '_'. */
	struct str url =
		shared_config_endpoint(config, service == AWS_QUOTAS ? "service quotas" : name);
	int rc = 0;

	*out = (struct endpoint){.scheme = STR("https"), .base_path = STR("")};
	if (!endpoint_is_region(region))
		return error_set(err, ERR_INPUT,
			"'%.*s' is no name of a region; expected something like us-east-2",
			STR_ARG(region));
	if (bucket.p && !is_bucket(bucket))
		return error_set(err, ERR_INPUT,
			"'%.*s' cannot be a bucket's name: expected 3 to "
			"63 small letters, digits, '.' and '-'",
			STR_ARG(bucket));
	if (url.p)
		rc = parse_url(out, url, err);
	else if (service == AWS_S3 && fips && str_starts(region, STR("cn-")))
		rc = error_set(err, ERR_INPUT,
			"S3 has no FIPS endpoint in %.*s; unset AWS_USE_FIPS_ENDPOINT (or "
			"use_fips_endpoint in the profile)",
			STR_ARG(region));
	else if (service == AWS_S3)
		name_s3(a, out, region, fips, dualstack);
	else
		name_other(a, out, host_name(service, dualstack), region, fips, dualstack);
	if (rc == 0 && bucket.p)
		add_bucket(a, out, bucket);
	return rc;
}
