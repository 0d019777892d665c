/* account: credentials and the clock by one call, and the region. */
#include "providers/doctor/internal.h"

#include "providers/aws/query.h"
#include "providers/aws/s3_call.h"

/* AWS refuses what was signed more than this earlier or later than it comes. */
#define SKEW_REFUSED_NS (300 * NS_PER_S)
#define SKEW_TOLD_NS (30 * NS_PER_S)

static void
tell_clock(struct doctor *d, struct doctor_findings *f, struct str date, int64_t asked_ns)
{
	const struct clock *clock = d->config->clock;
	const struct str tried = STR("the Date of AWS's answer against this machine's clock");
	int64_t server_ns = s3_time(date);
	int64_t now_ns = clock->wall_ns(clock->ctx), off_ns = 0;
	bool behind = server_ns > now_ns;
	struct doctor_finding *finding;

	if (!server_ns) {
		doctor_add(f, "clock", DOCTOR_WARN, tried, "AWS's answer has no Date");
		return;
	}
	/* A Date counts whole seconds, and was written while we waited. */
	if (behind)
		off_ns = server_ns - now_ns;
	else if (server_ns + NS_PER_S < asked_ns)
		off_ns = asked_ns - server_ns - NS_PER_S;
	if (off_ns <= SKEW_TOLD_NS) {
		doctor_add(f, "clock", DOCTOR_OK, tried, "within %lld s of AWS's",
			(long long)(off_ns / NS_PER_S) + 1);
		return;
	}
	finding = doctor_add(f, "clock", DOCTOR_WARN, tried, "%lld s %s AWS's",
		(long long)(off_ns / NS_PER_S), behind ? "behind" : "ahead of");
	doctor_advise(f, finding, "%sset this machine's clock, best by NTP",
		off_ns >= SKEW_REFUSED_NS ? "furrow signs by AWS's time, but other tools are "
					    "refused: "
					  : "");
}

void
doctor_credentials(struct doctor *d, struct doctor_findings *f)
{
	const struct clock *clock = d->config->clock;
	struct query q = {.service = AWS_STS, .action = "GetCallerIdentity"};
	struct str key_id, from, tried;
	int64_t asked_ns = clock->wall_ns(clock->ctx);
	struct arena scratch = {0};
	struct aws_answer answer = {0};
	const struct xml *root, *who;
	struct error err;

	if (aws_identity(d->aws, &scratch, &key_id, &from, &err) < 0) {
		doctor_add_error(f, "credentials", DOCTOR_FAIL,
			STR("the places where credentials can be"), &err);
		arena_free(&scratch);
		return;
	}
	tried = arena_printf(&scratch, "sts GetCallerIdentity with key %.*s from %.*s",
		STR_ARG(key_id), STR_ARG(from));
	if (query_call(d->aws, &scratch, &q, &root, &answer, &err) < 0) {
		doctor_add_error(f, "credentials", DOCTOR_FAIL, tried, &err);
	} else {
		who = xml_find(root, "GetCallerIdentityResult");
		doctor_add(f, "credentials", DOCTOR_OK, tried, "%.*s of account %.*s",
			STR_ARG(xml_text(who, "Arn")), STR_ARG(xml_text(who, "Account")));
		d->account = arena_str(f->arena, xml_text(who, "Account"));
		d->arn = arena_str(f->arena, xml_text(who, "Arn"));
	}
	if (answer.status)
		tell_clock(d, f, aws_header(&answer, "date"), asked_ns);
	query_free(&q);
	arena_free(&scratch);
}

void
doctor_region(struct doctor *d, struct doctor_findings *f)
{
	struct str region = str_from(aws_region(d->aws));
	struct str tried = STR("ec2 DescribeRegions");
	struct arena scratch = {0};
	struct error err;

	if (ec2_check_region(d->aws, &scratch, region, &err) == 0)
		doctor_add(
			f, "region", DOCTOR_OK, tried, "%.*s is one, and enabled", STR_ARG(region));
	else {
		d->no_region = err.code == ERR_INPUT && err.class != CLASS_DENIED;
		doctor_add_error(
			f, "region", d->no_region ? DOCTOR_FAIL : DOCTOR_WARN, tried, &err);
	}
	arena_free(&scratch);
}
