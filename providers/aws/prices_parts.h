/* prices_parts: what the files of prices share, and their pure halves. Only prices*.c and tests include
 * it. */
#ifndef FURROW_AWS_PRICES_PARTS_H
#define FURROW_AWS_PRICES_PARTS_H

#include "planner/base/buf.h"
#include "providers/aws/ec2_parts.h"
#include "providers/aws/prices.h"

#define PRICE_HOURLY_MOST_USD 10000.0
#define PRICE_HOURLY_LEAST_USD 0.0001 /* a spot t4g.nano is at ten times that */
#define PRICE_DISK_ASSUMED_USD 0.08   /* us-east-1, 2026; 0.08 to 0.152 elsewhere */
#define PRICE_ADDRESS_ASSUMED_USD 0.005

/* What was not believed, in words. */
struct price_doubts {
	struct ec2_list list; /* of struct str */
};
void price_doubt(struct arena *a, struct price_doubts *d, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* "2 are not believed: m5.large: …; c5.large: …"; absent: none. The first few stand for all. */
struct str price_doubts_told(struct arena *a, const struct price_doubts *d);

/* Decimal digits with or without a point, nothing else, within what can be a price. false: *why says
 * what is wrong ("it is 0"). */
bool price_parse(struct str text, double *usd, const char **why);

/* One of the things that are priced: read, kept and told separately. */
enum price_part {
	PRICES_ON_DEMAND, /* rows: type, no zone */
	PRICES_DISK,	  /* one row "gp3", by GiB and month */
	PRICES_ADDRESS,	  /* one row "ipv4" */
	PRICES_SPOT,	  /* rows: type, zone */
	PRICE_PARTS
};

/* What was found of a part. */
struct price_finding {
	struct arena *arena;
	struct ec2_list rows; /* of struct ec2_price, sorted by type and zone, each once */
	struct price_doubts doubts;
};

/* Whether the price list answers at all: its shortest answer is read. Errors as aws_call's. */
int price_list_may_ask(struct aws *aws, struct str region, struct error *err);
/* Asks AWS. Errors as aws_call's. */
int price_list_ask(struct aws *aws, enum price_part part, struct str region,
	struct price_finding *out, struct error *err);
int price_spot_ask(
	struct aws *aws, struct str region, struct price_finding *out, struct error *err);

/* A page of GetProducts for the region: adds to rows and doubts; *next: the token of the next page,
 * absent: it was the last. ERR_HOST: the answer is none of GetProducts'. */
int price_list_parse(struct price_finding *f, enum price_part part, struct str region,
	struct str json, struct str *next, struct error *err);
/* Sorts; takes out what is there twice, and what contradicts itself. */
void price_list_settle(struct price_finding *f);

/* The spot advisor's file: the types of one region under Linux, sorted. ERR_HOST: it is none. */
int interruptions_parse(struct arena *a, struct str json, struct str region,
	struct ec2_interruption **out, size_t *n, struct error *err);

/* Lines that are kept on disk, see prices_kept.c. */
struct kept_lines {
	const char *dir;      /* NULL: nothing is kept */
	const char *name;     /* "prices-spot" */
	const char *variable; /* names who is asked instead of AWS, beside AWS_ENDPOINT_URL */
	struct str region;
};
/* false: none, of another version, damaged, or of the future at wall_ns. */
bool kept_lines_load(struct arena *a, const struct kept_lines *k, int64_t wall_ns,
	int64_t *asked_wall_ns, struct str *lines);
/* By rename. What fails leaves no file, and no error. */
void kept_lines_save(const struct kept_lines *k, int64_t wall_ns, struct str lines);
bool kept_lines_are_fresh(int64_t asked_wall_ns, int64_t wall_ns);
/* ", so those of 5 hours ago are used" */
struct str kept_lines_age(struct arena *a, int64_t asked_wall_ns, int64_t wall_ns);

#endif
