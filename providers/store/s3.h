/* s3: the store in a bucket. Names as store.h says, below the prefix:
 *
 *   results/<2 hex>/<62 hex>                           a record (record.c): result.json and small parts
 *   results/<2 hex>/<62 hex>.OWNER.tar|.stdout|.stderr parts that are too large for a record, which names
 *                                                      OWNER; put before it. OWNER: 24 hex digits, the
 *                                                      writer's 16 and a count
 *   history/…, blobs/…, runners/…, sources/…           objects as they are
 *   locks/JOB                                          job_lock.h
 *
 * A result is there once its record is: one PUT. What a writer that died has left of it is a part that
 * no record names, or an upload that nobody finishes: store_gc removes these when they are a day old. */
#ifndef FURROW_STORE_S3_H
#define FURROW_STORE_S3_H

#include "planner/base/error.h"
#include "planner/base/str.h"

struct aws;
struct store;

/* Makes no request. prefix: absent or "": none; without '/' at its end. aws must outlive the store. */
int store_open_s3(struct store **out, struct aws *aws, struct str bucket, struct str prefix,
	struct error *err);

#endif
