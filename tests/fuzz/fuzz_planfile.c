/* fuzz_planfile: any bytes as a saved plan. Once as they are; and once with the digest that fits
 * them put behind, since no fuzzer would find it: so that what lies behind that check is reached.
 * What is taken is compared with a plan, too. */
#include "planner/plan.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void
check(const struct plan_file *file)
{
	static struct manifest manifest = {.name = STR("job")};
	static struct source source = {.commit = STR("1a2b3c4d5e")};
	static struct task tasks[3];
	static uint8_t runs[3] = {0, 1, 0};
	struct plan now = {.job = {.manifest = &manifest,
				   .source = &source,
				   .tasks = tasks,
				   .n_tasks = file->n_tasks < 3 ? file->n_tasks : 3},
		.changes = {.task_runs = runs}};
	struct plan_file known = *file;
	struct error err;

	plan_state(&now);
	plan_file_check(file, &now, &err);
	known.keys = plan_keys(&now.job); /* as if these were the tasks: compares them one by one */
	plan_file_check(&known, &now, &err);
}

static void
parse(struct str bytes)
{
	struct arena a = {0};
	struct plan_file file;
	struct error err;

	if (plan_file_parse(&a, &file, bytes, STR("plan.json"), &err) == 0)
		check(&file);
	arena_free(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct digest sum = digest_of(bytes, n);
	char hex[DIGEST_HEX_BYTES];
	struct buf b = {0};

	parse((struct str){.p = (const char *)bytes, .n = n});
	digest_hex(hex, &sum);
	buf_add(&b, bytes, n);
	buf_addf(&b, ",\"sha256\":\"%s\"}\n", hex);
	parse(buf_str(&b));
	buf_free(&b);
	return 0;
}
