/* lists: lists of strings in payloads of the runner's protocol (planner/base/protocol.h). */
#ifndef FURROW_HOST_LISTS_H
#define FURROW_HOST_LISTS_H

#include "planner/base/protocol.h"
#include "planner/manifest.h"

/* How many bytes they take there. */
size_t list_bytes(const struct strings *v);
size_t list_bytes_of_pairs(const struct pairs *v);

/* Put at `at`, the latter as "NAME=VALUE"; they return what is behind them. */
uint8_t *list_put(uint8_t *at, const struct strings *v);
uint8_t *list_put_pairs(uint8_t *at, const struct pairs *v);

#endif
