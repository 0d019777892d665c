/* fleet: the infra `aws`: instances of EC2, found warm or launched, with S3 for what they share. */
#ifndef FURROW_FLEET_H
#define FURROW_FLEET_H

#include "providers/site.h"

/* Reads the environment's and the shared files' settings; makes no call. ERR_INPUT: these are wrong. */
int fleet_open(struct site **out, const struct site_config *config, struct error *err);

/* What new instances can be had as, for the manifest's wishes alone: fleet.region, offers and prices_missing of
 * what is seen. Nothing of a job is read. Errors as a plan's. */
int fleet_look_at_offers(struct site *site, struct error *err);

#endif
