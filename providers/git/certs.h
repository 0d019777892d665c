/* certs: the machine's CA certificates, read when https needs them. */
#ifndef FURROW_GIT_CERTS_H
#define FURROW_GIT_CERTS_H

#include "providers/git/lib.h"

/* To be called before the first request over https. Any thread. */
int certs_load(const struct libgit2 *lib, struct error *err);

#endif
