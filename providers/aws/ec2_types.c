/* ec2_types: the instance types of a region. All of them are some thirteen pages, so they are kept
 * on disk for some hours (ec2_type_cache.c); named ones are one call. */
#include "providers/aws/ec2_parts.h"

static bool
has_item(const struct xml *item, const char *path, const char *text)
{
	const struct xml *i = xml_at(item, path);

	while (i && !str_is(i->text, text))
		i = xml_next(i);
	return i != NULL;
}

static void
parse_type(struct arena *a, const struct xml *item, struct ec2_type *t)
{
	const struct xml *gpu = xml_at(item, "gpuInfo/gpus/item");

	*t = (struct ec2_type){
		.name = arena_str(a, xml_text(item, "instanceType")),
		.cpus = xml_int(item, "vCpuInfo/defaultVCpus", 0),
		.memory_bytes = xml_int(item, "memoryInfo/sizeInMiB", 0) << 20,
		.x86_64 = has_item(item, "processorInfo/supportedArchitectures/item", "x86_64"),
		.arm64 = has_item(item, "processorInfo/supportedArchitectures/item", "arm64"),
		.spot = has_item(item, "supportedUsageClasses/item", "spot"),
		.on_demand = has_item(item, "supportedUsageClasses/item", "on-demand"),
		.current = str_is(xml_text(item, "currentGeneration"), "true"),
		.bare_metal = str_is(xml_text(item, "bareMetal"), "true"),
	};
	if (gpu)
		t->gpu_name = arena_str(a, xml_text(gpu, "name"));
	for (; gpu; gpu = xml_next(gpu))
		t->gpus += xml_int(gpu, "count", 0);
}

/* Of a DescribeInstanceTypes answer: adds to a list of struct ec2_type. */
static void
parse_types(struct arena *a, const struct xml *root, struct ec2_list *list)
{
	const struct xml *item = xml_at(root, "instanceTypeSet/item");

	for (; item; item = xml_next(item))
		parse_type(a, item, ec2_list_add(a, list, sizeof(struct ec2_type)));
}

struct finding {
	struct arena *arena;
	struct ec2_list found;
};

static int
add_page(void *ctx, const struct xml *root, struct error *err)
{
	struct finding *f = ctx;

	(void)err;
	parse_types(f->arena, root, &f->found);
	return 0;
}

static int
ask_all(struct aws *aws, struct arena *a, struct ec2_type **out, size_t *n, struct error *err)
{
	struct query q = {.service = AWS_EC2, .action = "DescribeInstanceTypes"};
	struct finding f = {.arena = a};
	int rc;

	query_add_int(&q, 100, "MaxResults");
	rc = ec2_each_page(aws, NULL, &q, add_page, &f, err);
	query_free(&q);
	if (rc < 0)
		return rc;
	if (!f.found.n)
		return error_set(err, ERR_HOST,
			"ec2 DescribeInstanceTypes: %s told of no instance type at all",
			aws_region(aws));
	*out = f.found.v;
	*n = f.found.n;
	return 0;
}

int
ec2_types(struct aws *aws, struct arena *a, const char *cache_dir, struct ec2_type **out, size_t *n,
	struct error *err)
{
	const struct clock *c = clock_system();
	int rc;

	*out = NULL;
	*n = 0;
	if (cache_dir &&
		ec2_type_cache_load(a, cache_dir, aws_region(aws), c->wall_ns(c->ctx), out, n))
		return 0;
	rc = ask_all(aws, a, out, n, err);
	if (rc == 0 && cache_dir)
		ec2_type_cache_save(cache_dir, aws_region(aws), c->wall_ns(c->ctx), *out, *n);
	return rc;
}

/* EC2 refused the names: says which of them is none of the region's. */
static int
unknown_type(struct aws *aws, struct arena *a, const struct strings *names, struct error *err)
{
	struct ec2_type *all = NULL;
	struct strings known;
	struct str unknown = names->v[0];
	size_t n = 0;
	int rc = ask_all(aws, a, &all, &n, err);

	if (rc < 0)
		return rc;
	known = (struct strings){ARENA_ARRAY(a, struct str, n), n};
	for (size_t i = 0; i < n; i++)
		known.v[i] = all[i].name;
	for (size_t i = 0; i < names->n; i++) {
		size_t k = 0;

		while (k < n && !str_eq(known.v[k], names->v[i]))
			k++;
		if (k == n) {
			unknown = names->v[i];
			break;
		}
	}
	return ec2_unknown(a, err, "instance type", unknown,
		arena_printf(a, "in %s", aws_region(aws)).p, &known);
}

int
ec2_types_named(struct aws *aws, struct arena *a, const struct strings *names,
	struct ec2_type **out, size_t *n, struct error *err)
{
	struct query q = {.service = AWS_EC2, .action = "DescribeInstanceTypes"};
	struct aws_answer answer = {0};
	struct ec2_list found = {0};
	const struct xml *root;
	int rc;

	*out = NULL;
	*n = 0;
	if (!names->n)
		return 0;
	for (size_t i = 0; i < names->n; i++)
		query_add(&q, names->v[i], "InstanceType.%zu", i + 1);
	rc = query_call(aws, a, &q, &root, &answer, err);
	query_free(&q);
	if (rc < 0 && (strcmp(answer.code, "InvalidInstanceType") == 0 ||
			      strcmp(answer.code, "InvalidParameterValue") == 0))
		return unknown_type(aws, a, names, err);
	if (rc < 0)
		return rc;
	parse_types(a, root, &found);
	if (found.n < names->n)
		return unknown_type(aws, a, names, err);
	*out = found.v;
	*n = found.n;
	return 0;
}
