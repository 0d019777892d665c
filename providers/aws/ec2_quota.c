/* ec2_quota: what a launch that EC2 had no room for, or that the account may not have, means, in
 * words: which quota, and what to do. Quotas count vCPUs, for each family and market of their own. */
#include "providers/aws/ec2_parts.h"

#include <stdio.h>

/* The letters before a type's generation: "m" of m7i.large. */
static struct str
family(struct str type)
{
	size_t n = 0;

	while (n < type.n && type.p[n] >= 'a' && type.p[n] <= 'z')
		n++;
	return (struct str){type.p, n};
}

static const struct ec2_quota quotas[] = {
	{" a c d h i im is m r t z ", false,
		"Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", "L-1216C47A"},
	{" a c d h i im is m r t z ", true,
		"All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests", "L-34B43A08"},
	{" g gr vt ", false, "Running On-Demand G and VT instances", "L-DB2E81BA"},
	{" g gr vt ", true, "All G and VT Spot Instance Requests", "L-3819A6DF"},
	{" p ", false, "Running On-Demand P instances", "L-417A185B"},
	{" p ", true, "All P Spot Instance Requests", "L-7212CCBC"},
};

const struct ec2_quota *
ec2_quota_of(struct str type, bool spot)
{
	struct str letters = family(type);
	char word[16];

	if (!letters.n || letters.n > sizeof(word) - 3)
		return NULL;
	snprintf(word, sizeof(word), " %.*s ", STR_ARG(letters));
	for (size_t i = 0; i < sizeof(quotas) / sizeof(quotas[0]); i++) {
		if (quotas[i].spot == spot && strstr(quotas[i].families, word))
			return &quotas[i];
	}
	return NULL;
}

static void
append(struct error *err, const char *text)
{
	size_t n = strlen(err->message);

	snprintf(err->message + n, sizeof(err->message) - n, "%s", text);
}

static void
append_quota(struct error *err, const struct ec2_launch *l)
{
	const struct ec2_quota *q = ec2_quota_of(l->type, l->spot);
	struct str letters = family(l->type);
	char text[400];

	/* A quota on disks is named by EC2 itself. */
	if (strstr(err->message, "Volume") || strstr(err->message, "IOPS"))
		snprintf(text, sizeof(text),
			"; ask for more of this quota of Amazon EBS in Service Quotas, or wish "
			"for a smaller disk");
	else if (q)
		snprintf(text, sizeof(text),
			"; the quota is \"%s\", %s: ask for more in Service Quotas, or wish for "
			"fewer or smaller instances",
			q->name, q->code);
	else
		snprintf(text, sizeof(text),
			"; ask for more of the quota of EC2's '%.*s' instances (%s) in Service "
			"Quotas, or wish for another type",
			STR_ARG(letters), l->spot ? "spot" : "on demand");
	append(err, text);
}

void
ec2_explain_launch(const struct ec2_launch *l, struct error *err)
{
	if (!err)
		return;
	error_wrap(err, "launch %.*s in %.*s (%s)", STR_ARG(l->type),
		STR_ARG(l->zone.p ? l->zone : l->subnet), l->spot ? "spot" : "on demand");
	/* One for the whole region: other zones are under it as well. */
	if (err->class == CLASS_QUOTA || strstr(err->message, "MaxSpotInstanceCountExceeded"))
		append_quota(err, l);
	else if (err->class == CLASS_CAPACITY)
		append(err, "; another zone, type or market may have room, or the same one later");
}
