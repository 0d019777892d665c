/* fleet: opening the infra `aws`. */
#include "providers/fleet/fleet.h"

int
fleet_open(struct site **out, const struct site_config *config, struct error *err)
{
	*out = NULL;
	return error_set(err, ERR_INPUT,
		"infra %.*s: this furrow runs jobs on this machine only; add --infra local to run "
		"it here",
		STR_ARG(config->manifest->instances.infra.text));
}
