/* prices: what instances cost and where they are offered: from AWS's price list (on-demand, disks,
 * public addresses), the history of spot prices, the zones' offerings, and the public file that tells
 * how often spot instances are interrupted. Blocking; strings live in the arena. */
#ifndef FURROW_AWS_PRICES_H
#define FURROW_AWS_PRICES_H

#include "providers/aws/client.h"

/* What an hour costs in one region, in US dollars. */
struct ec2_price {
	struct str type, zone; /* zone absent: on-demand, the same in all */
	bool spot;
	double hourly_usd; /* > 0 */
};

struct ec2_prices {
	struct ec2_price *v;
	size_t n;		   /* sorted by type, on-demand first, then by zone */
	double disk_gib_month_usd; /* gp3; without `disk` an assumed one */
	double address_hourly_usd; /* a public IPv4 address in use; likewise assumed when not known */
	int64_t read_wall_ns; /* how old they are: the oldest of what is used; 0: nothing is known */
	struct str missing; /* absent: all is known; else in words what could not be had and why */
	bool on_demand, spot, disk; /* which of them are known (read or cached) */
};

/* Cached for 4 hours below cache_dir (NULL: not kept); refresh: asked for anew. Stale ones are used,
 * and told in `missing`, when new ones cannot be had. A price that cannot be one (0, negative, absurd,
 * contradicted, in another currency) is left out, and told there as well. What cannot be had is no
 * failure; < 0: ERR_CANCELLED only. */
int ec2_prices_read(struct aws *aws, struct arena *a, const char *cache_dir, struct str region,
	bool refresh, struct ec2_prices *out, struct error *err);

/* Which types each zone of the region has; cached likewise; sorted by type, then zone. Errors as
 * aws_call's, when there are no cached ones either. */
struct ec2_offering {
	struct str type, zone;
};
int ec2_offerings(struct aws *aws, struct arena *a, const char *cache_dir, struct str region,
	bool refresh, struct ec2_offering **out, size_t *n, struct error *err);

/* How often spot instances of a type were interrupted within a month, as AWS's spot instance advisor
 * tells: 0 (< 5 %), 1 (5-10 %), 2 (10-15 %), 3 (15-20 %), 4 (> 20 %). */
enum { EC2_INTERRUPTION_UNKNOWN = -1, EC2_INTERRUPTION_MOST = 4 };
struct ec2_interruption {
	struct str type;
	int bracket;
};
/* Sorted by type, cached likewise. From FURROW_SPOT_ADVISOR_URL, else the public file, unless another
 * endpoint than AWS's own is configured: then none is asked. Not having it is no error: *n is 0, and
 * *missing tells why in words (absent: all is known). Asks nothing of the API. */
int ec2_interruptions(struct arena *a, const char *cache_dir, struct str region, bool refresh,
	struct ec2_interruption **out, size_t *n, struct str *missing, struct error *err);
/* EC2_INTERRUPTION_UNKNOWN: of this type nothing is told. */
int ec2_interruption_of(const struct ec2_interruption *v, size_t n, struct str type);

#endif
