/* internal: what the checks share. Checks run side by side, each with findings and an arena of its own; what
 * one learns for others it writes where only later ones read. */
#ifndef FURROW_DOCTOR_INTERNAL_H
#define FURROW_DOCTOR_INTERNAL_H

#include "providers/doctor/doctor.h"
#include "providers/fleet/internal.h"

struct doctor {
	const struct site_config *config;
	const struct manifest *manifest;
	struct aws *aws; /* of the region; NULL: infra local */
	/* One of the manifest's regions: home, or another, of which all is asked that is not the store's. */
	const struct region_wish *where;
	bool many;		  /* it is not the only one */
	bool full;		  /* the fourth stage's: no quota has room for an instance there */
	struct fleet_site *fleet; /* NULL: it could not be opened */
	struct str account, arn;  /* absent: not known who we are */
	bool no_region;		  /* it is none: nothing can be asked of it */
	/* The third stage's: only read in the fourth. */
	struct ec2_image image; /* id absent: none */
	struct ec2_subnet *subnets;
	size_t n_subnets;
	bool has_offer;
	struct offer offer;	   /* what an instance would be */
	struct str bucket, prefix; /* bucket absent: not known */
};

typedef void doctor_check(struct doctor *d, struct doctor_findings *f);

/* found and advice as printf takes them. */
struct doctor_finding *doctor_add(struct doctor_findings *f, const char *check,
	enum doctor_verdict verdict, struct str tried, const char *found, ...)
	__attribute__((format(printf, 5, 6)));
void doctor_advise(struct doctor_findings *f, struct doctor_finding *finding, const char *advice,
	...) __attribute__((format(printf, 3, 4)));
/* What came back from a call: the message tells what to do. Input when err says so and nobody was denied. */
struct doctor_finding *doctor_add_error(struct doctor_findings *f, const char *check,
	enum doctor_verdict verdict, struct str tried, const struct error *err);

/* machine.c: what every job needs here. */
doctor_check doctor_runner, doctor_source, doctor_folders, doctor_engine, doctor_machine,
	doctor_wishes;

/* account.c: who we are, where, and what time it is. */
doctor_check doctor_credentials, doctor_region;

/* launch.c: what an instance would be, and where. */
doctor_check doctor_image, doctor_type, doctor_subnet, doctor_address;
/* After doctor_type: the best of the region's offers. */
void doctor_take_offer(struct doctor *d);

/* permissions.c, bucket.c, quota.c */
doctor_check doctor_reads, doctor_prices, doctor_launch, doctor_bucket, doctor_quota;

#endif
