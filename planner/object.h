/* object: what `map.inputs: {s3: …}` names: objects of a bucket, each as it was when it was listed. */
#ifndef FURROW_OBJECT_H
#define FURROW_OBJECT_H

#include "planner/base/arena.h"

struct object {
	struct str key;
	struct str etag; /* as S3 tells it, with its quotes */
	int64_t size_bytes;
};

/* An s3:// URL whose key is a pattern as source_glob_match has it. */
struct object_pattern {
	struct str bucket;
	struct str key;	   /* without empty parts and "." */
	struct str fixed;  /* what every key that matches begins with */
	struct str folder; /* "s3://bucket/" and the folders that all of them lie in */
};
void object_pattern_parse(struct arena *a, struct str url, struct object_pattern *out);

/* A key that ends in '/' is a folder to those who show it, and never matches. */
bool object_matches(const struct object_pattern *p, struct str key);

/* The last part of a key: the name of its file on a host. */
struct str object_name(struct str key);

#endif
