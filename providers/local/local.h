/* local: the infra `local`: this machine, as a provider. Knows which folder below .furrow holds
 * what. */
#ifndef FURROW_LOCAL_H
#define FURROW_LOCAL_H

#include "providers/site.h"

int local_open(struct site **out, const struct site_config *config, struct error *err);

/* This machine: its name, cpus, memory and architecture. */
void local_read_machine(struct arena *a, struct machine *out);

#endif
