/* manifest: furrow.yaml as a struct. Bytes in, struct or diagnostics out; reads no file itself.
 *
 * Every key of furrow.yaml(5) has its place here, also those that only a cloud uses. An absent key
 * is told apart from an empty one: str.p == NULL, range.min < 0, *_ns < 0. Defaults are applied
 * (see each field), so nobody else needs to know them. */
#ifndef FURROW_MANIFEST_H
#define FURROW_MANIFEST_H

#include "planner/base/arena.h"
#include "planner/base/error.h"
#include "planner/base/str.h"

struct diagnostics;

enum {
	MANIFEST_MAX_BYTES = 1 << 20,
	MANIFEST_MAX_DEPTH = 64,
	MANIFEST_MAX_NODES = 10000, /* after alias expansion */
	MANIFEST_MAX_TASKS = 100000,
	MANIFEST_MAX_EXTENDS = 8
};

/* Where a value stands; line 0: nowhere (a default). Lines and columns count from 1, in bytes. */
struct pos {
	struct str file;
	uint32_t line;
	uint32_t col;
	uint32_t len; /* bytes to underline; 0: the word that stands there */
};

struct strings {
	struct str *v;
	size_t n;
};

struct pair {
	struct str name;
	struct str value;
};

struct pairs {
	struct pair *v; /* in the order of the manifest */
	size_t n;
};

/* N, N+ or N..M. min < 0: not given; max INT64_MAX: open. */
struct range {
	int64_t min;
	int64_t max;
};

enum tristate { TRI_FALSE, TRI_TRUE, TRI_AUTO };

enum infra_kind { INFRA_LOCAL, INFRA_AWS };

struct infra {
	enum infra_kind kind;
	struct str text;   /* as written: "aws/us-east-2/us-east-2a" */
	struct str region; /* absent for local */
	struct str zone;   /* absent: any */
	struct pos pos;
};

enum arch { ARCH_X86_64, ARCH_ARM64, ARCH_ANY };

struct gpus {
	struct str name; /* absent: no GPU wanted; "any": whichever */
	struct range count;
};

struct disk {
	int64_t size_bytes;	  /* < 0: not given */
	int64_t warm_bytes_per_s; /* < 0: not given (VolumeInitializationRate) */
};

struct instances {
	struct infra infra; /* default: local */
	struct range cpus;
	struct range memory_bytes;
	struct gpus gpus;
	enum arch arch; /* default: any */
	struct disk disk;
	struct str type; /* an explicit instance type; absent: the cheapest that fits */
	struct str ami;
	enum tristate spot;	    /* default: auto */
	double max_hourly_cost_usd; /* < 0: no limit */
	struct instances *any_of;   /* alternatives, whole: what one doesn't say is inherited */
	size_t n_any_of;
	int64_t max;		   /* default: 1 */
	int64_t idle_ns;	   /* default: 0 */
	struct strings warm_files; /* on the image: read while it boots */
	struct pos pos_cpus, pos_memory, pos_gpus, pos_arch, pos_disk, pos_type, pos_ami, pos_spot,
		pos_max_hourly_cost, pos_any_of, pos_max, pos_idle,
		pos_warm_files; /* line 0: not given */
};

struct build {
	struct str context;    /* absent: no build */
	struct str dockerfile; /* default: "Dockerfile", relative to the context */
};

struct environment {
	struct str image;   /* a reference, or "oci-archive:PATH", "docker-archive:PATH" */
	struct build build; /* excludes image */
	struct str setup;   /* shell text; absent: none */
	struct strings setup_files;
	struct pairs env;
	struct strings secrets;
	struct pos pos_image, pos_build, pos_setup, pos_setup_files, pos_env, pos_secrets;
};

enum workdir_kind {
	WORKDIR_GIT,  /* "DIR": the git tree of that folder at the planned commit */
	WORKDIR_PATH, /* {path: DIR}: working files, .gitignore kept; needs no git */
	WORKDIR_URL   /* {url: URL, ref: REF}: a tree from another repository */
};

struct workdir {
	enum workdir_kind kind;
	struct str path; /* GIT, PATH: relative to the manifest's folder. Default "." */
	struct str url;
	struct str ref; /* URL: default "HEAD" */
	struct pos pos;
};

enum map_kind {
	MAP_NONE,   /* no `map`: one task */
	MAP_GLOB,   /* inputs: texts/'*'.txt */
	MAP_VALUES, /* inputs: [a, b] */
	MAP_FILE,   /* inputs: {file: list.txt}: one value a line */
	MAP_S3,	    /* inputs: {s3: "s3://b/in/'*'"} */
	MAP_COUNT,  /* inputs: {count: 200}: the values 0 .. 199 */
	MAP_MATRIX  /* inputs: {matrix: {a: [1, 2], b: [x, y]}}: every combination */
};

struct axis {
	struct str
		name; /* [A-Za-z_][A-Za-z0-9_]*: the value is in the environment under this name */
	struct strings values;
};

struct map {
	enum map_kind kind;
	struct str glob;       /* GLOB; S3: the URL */
	struct strings values; /* VALUES */
	struct str file;       /* FILE: relative to the manifest's folder, taken from the source */
	int64_t count;	       /* COUNT */
	struct axis *axes;     /* MATRIX: the last one turns fastest */
	size_t n_axes;
	int64_t per_instance; /* < 0: as many as cpus allow */
	bool fail_fast;
	struct pos pos_inputs, pos_per_instance, pos_fail_fast;
};

enum retry_for {
	RETRY_INTERRUPTION = 1, /* the host went away */
	RETRY_NO_CAPACITY = 2,
	RETRY_ERROR = 4, /* the task ended with another status than 0 */
	RETRY_TIMEOUT = 8
};

struct retry {
	int64_t attempts;  /* in all, default 1 */
	unsigned for_mask; /* of enum retry_for; default: interruption, no-capacity, error when
			      retry is given */
	int *exit_codes;   /* if any: RETRY_ERROR holds for these only */
	size_t n_exit_codes;
	int64_t delay_ns; /* base of the exponential back-off, default 1 s */
};

/* How the entrypoint was written: a string runs under sh -c, a list is an argv. */
struct entrypoint {
	bool is_list;
	struct str shell;
	struct strings argv;
	struct pos pos;
};

struct manifest {
	struct str file; /* what messages call it */
	struct str name; /* [a-z][a-z0-9-]{0,39} */
	struct environment environment;
	struct workdir workdir;
	struct instances instances;
	struct entrypoint entrypoint;
	struct map map;
	struct str outputs; /* relative to the task's working folder; absent: $FURROW_OUT alone */
	struct str results; /* default "results"; a folder relative to the manifest's, or s3://… */
	struct retry retry;
	int64_t timeout_ns;	 /* < 0: none */
	int64_t max_duration_ns; /* < 0: none */
	double max_cost_usd;	 /* < 0: none */
	struct str store;	 /* absent: the infra's default */
	struct pos pos_results, pos_outputs, pos_store, pos_max_cost, pos_retry, pos_name,
		pos_timeout, pos_max_duration;
};

/* Loads the file that `extends` names. path is as written, `from` the file that names it. On
 * failure the message in err becomes a diagnostic at the key. The bytes must live as long as the
 * arena. */
struct manifest_loader {
	void *ctx;
	int (*load)(void *ctx, struct str path, struct str from, struct str *file,
		struct str *bytes, struct error *err);
};

struct manifest_options {
	struct str infra; /* --infra; absent: as the manifest says */
};

/* Parses `bytes`, called `file` in messages. loader may be NULL: then `extends` is an error. All
 * errors of the manifest are added to diags, sorted by place; returns ERR_INPUT if there is one,
 * else 0. What *out holds lives in the arena, or in `bytes`. */
int manifest_parse(struct arena *a, struct manifest *out, struct diagnostics *diags,
	struct str file, struct str bytes, const struct manifest_loader *loader,
	const struct manifest_options *options, struct error *err);

/* Adds a warning, at its key, for each wish that the infra `local` cannot honour on `cpus` and
 * `memory_bytes` (spot, prices, GPUs, disks, idle, …), and an error for one that makes a run
 * senseless (another arch). `machine_arch` is ARCH_X86_64 or ARCH_ARM64. */
void manifest_check_local(const struct manifest *m, int64_t cpus, int64_t memory_bytes,
	enum arch machine_arch, struct diagnostics *diags);

/* The same for the infra `aws`: a warning for what has no effect there yet, an error for what would
 * make a run dangerous or senseless without it (a limit on costs, a container). */
void manifest_check_aws(const struct manifest *m, struct diagnostics *diags);

#endif
