/* manifest: bytes in, struct or diagnostics out. Documents are loaded and merged
 * (manifest_extends.c), read by the tables of schema.c (manifest_read.c and its readers), and
 * looked at as a whole (manifest_together.c). */
#include "planner/manifest.h"

#include "planner/base/clock.h"
#include "planner/manifest_read.h"

static const struct str none = {0};
static const struct range no_range = {.min = -1, .max = -1};

static void
set_defaults(struct manifest *m, struct str file)
{
	*m = (struct manifest){
		.file = file,
		.workdir = {.kind = WORKDIR_GIT, .path = STR(".")},
		.instances = {.infra = {.kind = INFRA_LOCAL, .text = STR("local")},
			.cpus = no_range,
			.memory_bytes = no_range,
			.gpus = {.count = no_range},
			.arch = ARCH_ANY,
			.disk = {.size_bytes = -1, .warm_bytes_per_s = -1},
			.spot = TRI_AUTO,
			.max_hourly_cost_usd = -1,
			.max = 1},
		.map = {.kind = MAP_NONE, .per_instance = -1},
		.results = STR("results"),
		.retry = {.attempts = 1,
			.for_mask = RETRY_INTERRUPTION | RETRY_NO_CAPACITY | RETRY_ERROR,
			.delay_ns = NS_PER_S},
		.timeout_ns = -1,
		.max_duration_ns = -1,
		.max_cost_usd = -1,
	};
}

/* On this machine there is no S3 to be had: what would go there stays here, and that is said. */
static void
bring_home(struct manifest *m, struct diagnostics *diags)
{
	if (m->store.p && is_s3(m->store)) {
		diag_add(diags, DIAG_WARNING, m->pos_store, none,
			"store: '%.*s' is not used with --infra local; results are kept in "
			".furrow/store",
			STR_ARG(m->store));
		m->store = none;
	}
	if (is_s3(m->results)) {
		diag_add(diags, DIAG_WARNING, m->pos_results, none,
			"results: '%.*s' is not used with --infra local; they come together in "
			"results/",
			STR_ARG(m->results));
		m->results = STR("results");
	}
}

static void
override_infra(struct reading *r, struct str text)
{
	struct instances *in = &r->manifest->instances;
	struct pos pos = {.file = STR("--infra")};
	struct infra infra;
	struct str hint;
	const char *problem = infra_parse(r->arena, text, &infra, &hint);

	if (problem) {
		diag_add(r->diags, DIAG_ERROR, pos, hint, "'%.*s' %s", STR_ARG(text), problem);
		return;
	}
	infra.pos = pos;
	in->infra = infra;
	for (size_t i = 0; i < in->n_any_of; i++)
		in->any_of[i].infra = infra;
	if (infra.kind == INFRA_LOCAL)
		bring_home(r->manifest, r->diags);
}

int
manifest_parse(struct arena *a, struct manifest *out, struct diagnostics *diags, struct str file,
	struct str bytes, const struct manifest_loader *loader,
	const struct manifest_options *options, struct error *err)
{
	struct reading r = {.arena = a, .diags = diags, .manifest = out};
	size_t before = diags->n_errors, n;
	struct doc_node *root;

	set_defaults(out, file);
	root = load_documents(a, diags, file, bytes, loader);
	if (root) {
		struct value v = {.path = STR(""), .node = root};

		read_mapping(&r, &schema_manifest, &v, out);
		check_together(&r, root);
		if (options && options->infra.p)
			override_infra(&r, options->infra);
	}
	diag_sort(diags);
	n = diags->n_errors - before;
	if (n)
		return error_set(err, ERR_INPUT, "%.*s: %zu error%s in the manifest", STR_ARG(file),
			n, n == 1 ? "" : "s");
	return 0;
}
