/* ec2_parts: the pure halves of ec2's calls: a struct to parameters, an answer to a struct. Only
 * ec2*.c and tests include it. */
#ifndef FURROW_AWS_EC2_PARTS_H
#define FURROW_AWS_EC2_PARTS_H

#include "providers/aws/ec2.h"
#include "providers/aws/query.h"

enum { EC2_FILTER_VALUES = 200 };

/* Elements that grow in an arena. */
struct ec2_list {
	void *v;
	size_t n, cap;
};
/* Room for one more, zeroed. */
void *ec2_list_add(struct arena *a, struct ec2_list *list, size_t size);

struct ec2_filter {
	struct str name;
	struct strings values; /* at most EC2_FILTER_VALUES go into one call */
};

/* Filter.NUMBER.Name and its values; number counts from 1. */
void ec2_add_filter(struct query *q, size_t number, const struct ec2_filter *filter);
void ec2_add_filter1(struct query *q, size_t number, const char *name, struct str value);

/* "a,b" to two values. */
struct strings ec2_split(struct arena *a, struct str values);

/* Calls page for the root of each page's answer until there is no more. The roots live in the arena
 * `a`, or, when that is NULL, as long as the call of page. */
typedef int ec2_page_fn(void *ctx, const struct xml *root, struct error *err);
int ec2_each_page(struct aws *aws, struct arena *a, struct query *q, ec2_page_fn *page, void *ctx,
	struct error *err);

/* From an `item` of an instancesSet. */
void ec2_parse_instance(struct arena *a, const struct xml *item, struct ec2_instance *out);
/* The items of a tagSet; NULL: none. */
struct pairs ec2_parse_tags(struct arena *a, const struct xml *set);
/* "2026-11-25T04:50:00.000Z"; 0 when it is none. */
int64_t ec2_parse_time(struct str text);

/* Puts "launch TYPE in ZONE (spot): " before a failure's message, and behind it what to do about
 * capacity or the quota. */
void ec2_explain_launch(const struct ec2_launch *launch, struct error *err);

void ec2_parse_group(struct arena *a, const struct xml *item, struct ec2_group *out);
void ec2_ingress_params(struct query *q, struct str group, struct str cidr);

/* The cache's file, see ec2_type_cache.c. false: none, of another version, of another region, too
 * old at wall_ns, or damaged. */
bool ec2_type_cache_parse(struct arena *a, struct str bytes, const char *region, int64_t wall_ns,
	struct ec2_type **out, size_t *n);
void ec2_type_cache_write(struct buf *out, const char *region, int64_t wall_ns,
	const struct ec2_type *types, size_t n);
bool ec2_type_cache_load(struct arena *a, const char *cache_dir, const char *region,
	int64_t wall_ns, struct ec2_type **out, size_t *n);
/* By rename. What fails leaves no file, and no error: the next one asks AWS again. */
void ec2_type_cache_save(const char *cache_dir, const char *region, int64_t wall_ns,
	const struct ec2_type *types, size_t n);

/* The image id in GetParameter's answer. */
int ec2_parse_parameter(
	struct arena *a, struct str json, struct str name, struct str *id, struct error *err);

/* ERR_INPUT: "WHAT 'NAME' of REGION: there is none; those there are: …; did you mean …?" */
int ec2_unknown(struct arena *a, struct error *err, const char *what, struct str name,
	const char *where, const struct strings *known);

/* At least once per try; for what AWS's own bookkeeping is late with. false when timeout_ns is
 * over. */
struct ec2_patience {
	int64_t begun_ns, timeout_ns, pause_ns; /* pause_ns: 0 at first */
};
struct ec2_patience ec2_patience(int64_t timeout_ns);
bool ec2_wait(struct ec2_patience *p);

#endif
