/* fleet: opening the infra `aws` as a provider, and the frame of one run on it. */
#include "providers/fleet/internal.h"

#include "providers/aws/s3.h"
#include "providers/base_env.h"
#include "providers/store/collect.h"
#include "providers/store/collect_s3.h"
#include "providers/store/job_lock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* How long a host may take until it begins to fetch a task's input. */
enum { INPUT_URL_S = 24 * 3600 };

int64_t
fleet_now(const struct fleet_site *s)
{
	const struct clock *c = s->site.config.clock;

	return c->now_ns(c->ctx);
}

static int
collect(struct fleet_run *r, struct arena *a, struct outcome *outcome, struct error *err)
{
	const struct job *job = &r->plan->job;
	struct collect_item *items = tasks_to_collect(r->tasks, a);
	struct collect_report report = {0};
	struct str results = r->site->site.config.results, bucket, prefix;
	struct store *store = r->site->site.store;
	int rc;

	if (s3_parse_url(results, &bucket, &prefix))
		rc = collect_s3_run(
			store, r->site->aws, bucket, prefix, items, job->n_tasks, &report, err);
	else
		rc = collect_run(store, arena_cstr(a, results), items, job->n_tasks, &report, err);
	outcome->output_files = report.n_written;
	outcome->output_bytes = report.bytes;
	return rc;
}

static enum step
quick_step(struct fleet_run *r, struct call *call, struct outcome *outcome, struct error *err)
{
	struct arena scratch = {0};
	int rc;

	switch (call->node->kind) {
	case KIND_SOURCE:
		call->sink->phase(call, PHASE_UPLOAD);
		rc = fleet_upload(r, &scratch, err);
		break;
	case KIND_IMAGE:
		call->sink->phase(call, PHASE_UPLOAD);
		rc = fleet_upload_image(r, &scratch, err);
		break;
	case KIND_ACCESS:
		call->sink->phase(call, PHASE_LAUNCH);
		rc = fleet_access(r, &scratch, err);
		break;
	case KIND_COLLECT:
		call->sink->phase(call, PHASE_COLLECT);
		rc = collect(r, &scratch, outcome, err);
		break;
	case KIND_RELEASE:
		call->sink->phase(call, PHASE_TEARDOWN);
		rc = fleet_release(r, r->hosts[call->node->index], err);
		break;
	default:
		rc = error_set(err, ERR_INTERNAL, "instances have no %s to make",
			kind_name(call->node->kind));
		break;
	}
	arena_free(&scratch);
	return rc < 0 ? STEP_FAILED : STEP_DONE;
}

static enum step
step(void *ctx, struct call *call, struct outcome *outcome, struct error *err)
{
	struct fleet_site *s = ctx;

	switch (call->node->kind) {
	case KIND_READ:
		return fleet_read(s, (enum fleet_read)call->node->index, err);
	case KIND_INSTANCE:
		return fleet_launch(s->run, call, err);
	case KIND_ENVIRONMENT:
		return fleet_environment(s->run, call, outcome, err);
	default:
		return quick_step(s->run, call, outcome, err);
	}
}

static struct runner *
runner_of(struct fleet_site *s, const struct call *call)
{
	return &s->run->hosts[call->place]->runner;
}

static void
submit(void *ctx, struct call *call)
{
	runner_submit(runner_of(ctx, call), call);
}

static void
stop_steps(struct fleet_run *r)
{
	atomic_store(&r->stop_steps, true);
	for (uint32_t i = 0; i < r->n_hosts; i++)
		host_hurry(r->hosts[i]);
}

static void
stop(void *ctx, struct call *call, int64_t grace_ns)
{
	struct fleet_site *s = ctx;

	if (call->node->kind == KIND_TASK)
		runner_stop(runner_of(s, call), call, grace_ns);
	else if (s->run && !call->node->always)
		stop_steps(s->run);
}

static void
want_lock(struct site *site, const char *run)
{
	struct fleet_site *s = (struct fleet_site *)site;

	snprintf(s->lock_run, sizeof(s->lock_run), "%s", run);
}

static uint32_t
slots_of(const struct site *site, const struct changes *changes)
{
	const struct fleet *f = &site->seen.observed.fleet;
	uint32_t n = 0;

	for (uint32_t i = 0; i < changes->n_instances; i++)
		n += i < f->n_warm && !f->warm[i].why_not.p ? f->warm[i].slots
							    : changes->offers[0].slots;

	return site->config.max_slots && site->config.max_slots < n ? site->config.max_slots : n;
}

/* A host for each instance of the plan: the warm ones that the reading found, and empty ones. */
static void
seat_hosts(struct fleet_run *r)
{
	struct fleet_site *s = r->site;
	size_t found = 0;

	r->n_hosts = r->plan->changes.n_instances + r->plan->changes.n_spare;
	r->hosts = ARENA_ARRAY(&r->arena, struct host *, r->n_hosts);
	while (found < s->n_hosts && !s->site.seen.observed.fleet.warm[found].why_not.p)
		found++;
	r->n_seated = found < r->n_hosts ? (uint32_t)found : r->n_hosts;
	for (uint32_t i = 0; i < r->n_hosts; i++) {
		char name[32];

		r->hosts[i] = i < r->n_seated ? s->hosts[i] : host_new(s);
		r->hosts[i]->index = i;
		if (i < r->n_seated)
			r->hosts[i]->slots = s->site.seen.observed.fleet.warm[i].slots;
		snprintf(name, sizeof(name), "host-%u", i);
		runner_init(&r->hosts[i]->runner, r->tasks, name,
			i < r->n_seated ? s->hosts[i]->id : "an instance");
		r->hosts[i]->runner.cut = host_was_cut;
		r->hosts[i]->runner.noticed = host_noticed;
		r->hosts[i]->runner.ctx = r->hosts[i];
	}
}

static int
make_folders(struct fleet_run *r, struct error *err)
{
	int rc = state_make_dir(r->dir, err);

	return rc < 0 ? rc : state_make_dir(r->logs, err);
}

static int
input_url(void *ctx, uint32_t index, struct arena *a, struct str *url, struct error *err)
{
	struct fleet_run *r = ctx;
	const struct job *job = &r->plan->job;
	struct pair if_match = {.name = STR("If-Match"), .value = job->objects[index].etag};
	const struct pairs headers = {.v = &if_match, .n = 1};
	struct str bucket, key;

	if (!s3_parse_url(job->tasks[index].input, &bucket, &key))
		return error_set(
			err, ERR_INTERNAL, "%.*s is no object", STR_ARG(job->tasks[index].input));
	return aws_presign(
		r->site->aws, a, "GET", bucket, key, NULL, &headers, INPUT_URL_S, url, err);
}

static int
begin_run(struct site *site, const struct plan *plan, const char *run, const char *trace,
	struct error *err)
{
	struct fleet_site *s = (struct fleet_site *)site;
	struct fleet_run *r;
	int rc = base_env_check(site->config.manifest, err);

	if (rc == 0)
		rc = fleet_open_store(s, err);
	if (rc < 0)
		return rc;
	store_remember(site->store);
	r = mem_alloc(sizeof(*r));
	*r = (struct fleet_run){.site = s, .plan = plan};
	s->run = r;
	snprintf(r->id, sizeof(r->id), "%s", run);
	snprintf(r->trace, sizeof(r->trace), "%s", trace);
	digest_hex(r->source_id, &plan->job.export_identity);
	digest_hex(r->env_id, &plan->job.environment_identity);
	share_name(r->share_id, s, &plan->job);
	r->looks = ARENA_ARRAY(&r->arena, struct look, s->n_regions);
	memset(r->looks, 0, s->n_regions * sizeof(*r->looks));
	r->dir = (char *)arena_printf(&r->arena, "%s/%s", site->config.state->runs, run).p;
	r->logs = (char *)arena_printf(&r->arena, "%s/logs", r->dir).p;
	share_open(r);
	tasks_open(&r->tasks, &(struct tasks_config){.plan = plan,
				      .store = site->store,
				      .clock = site->config.clock,
				      .run = r->id,
				      .dir = r->dir,
				      .logs = r->logs,
				      .input_url = input_url,
				      .input_ctx = r});
	r->offer_again_ns = ARENA_ARRAY(&r->arena, int64_t, plan->changes.n_offers);
	memset(r->offer_again_ns, 0, plan->changes.n_offers * sizeof(*r->offer_again_ns));
	seat_hosts(r);
	return make_folders(r, err);
}

static void
add_left(struct fleet_site *s, const struct host *h, uint32_t n_hosts)
{
	const char *region = aws_region(h->region ? h->region->aws : s->aws);
	struct pairs *left = &s->site.left;
	struct pair *p;

	if (!left->v)
		left->v = ARENA_ARRAY(&s->arena, struct pair, n_hosts);
	p = &left->v[left->n++];
	if (h->id[0])
		*p = (struct pair){arena_str(&s->arena, str_from(h->id)),
			arena_printf(&s->arena,
				"aws ec2 terminate-instances --region %s --instance-ids %s", region,
				h->id)};
	else
		*p = (struct pair){arena_printf(&s->arena, "whatever was launched as %s", h->token),
			arena_printf(&s->arena,
				"aws ec2 describe-instances --region %s --filters "
				"Name=client-token,Values=%s",
				region, h->token)};
}

/* Whatever is still there was not released: the run failed before, or was given up. */
static void
end_run(struct site *site)
{
	struct fleet_site *s = (struct fleet_site *)site;
	struct fleet_run *r = s->run;

	if (!r)
		return;
	atomic_store(&r->ending, true);
	for (uint32_t i = 0; i < r->n_hosts; i++) {
		host_stop_mending(r->hosts[i]);
		if ((r->hosts[i]->id[0] || r->hosts[i]->unsure) && !r->hosts[i]->released)
			fleet_release(r, r->hosts[i], NULL);
		if ((r->hosts[i]->id[0] || r->hosts[i]->unsure) && !r->hosts[i]->released)
			add_left(s, r->hosts[i], r->n_hosts);
		site->n_warm += r->hosts[i]->kept;
	}
	lost_close(r);
	tasks_close(r->tasks);
	known_save(s, r->hosts, r->n_hosts);
	for (uint32_t i = 0; i < r->n_hosts; i++) {
		struct host *h = r->hosts[i];

		runner_destroy(&h->runner);
		if (i >= r->n_seated)
			host_free(h);
	}
	rmdir(r->logs); /* only when it is empty, */
	rmdir(r->dir);	/* as this is when the run failed before it began */
	share_close(r);
	for (size_t i = 0; i < s->n_regions; i++)
		arena_free(&r->looks[i].arena);
	arena_free(&r->arena);
	free(r);
	s->run = NULL;
}

static void
close_site(struct site *site)
{
	struct fleet_site *s = (struct fleet_site *)site;

	end_run(site);
	for (size_t i = 0; i < s->n_hosts; i++)
		host_free(s->hosts[i]);
	if (s->hub)
		ssh_hub_close(s->hub);
	if (s->reader)
		source_close(s->reader);
	if (site->store)
		store_close(site->store);
	if (s->job_lock)
		job_lock_release(s->job_lock);
	regions_close(s);
	for (int i = 0; i < FLEET_READS; i++)
		arena_free(&s->reads[i]);
	arena_free(&s->arena);
	pthread_mutex_destroy(&s->lock);
	pthread_mutex_destroy(&s->ear_lock);
	free(s);
}

static const struct site_ops ops = {
	.lock = want_lock,
	.read_graph = fleet_read_graph,
	.observe_identities = fleet_observe_identities,
	.survey = fleet_survey,
	.slots = slots_of,
	.begin_run = begin_run,
	.end_run = end_run,
	.close = close_site,
};

int
fleet_open(struct site **out, const struct site_config *config, struct error *err)
{
	struct fleet_site *s = mem_alloc(sizeof(*s));
	int rc;

	*s = (struct fleet_site){.site = {.ops = &ops, .config = *config}};
	pthread_mutex_init(&s->lock, NULL);
	pthread_mutex_init(&s->ear_lock, NULL);
	s->site.provider = (struct provider){
		.ctx = s, .listen = fleet_listen, .step = step, .submit = submit, .stop = stop};
	s->group_name = arena_printf(&s->arena, "furrow-%.*s", STR_ARG(config->manifest->name));
	rc = regions_open(s, err);
	if (rc == 0)
		rc = fleet_find_runner(s, err);
	if (rc < 0) {
		close_site(&s->site);
		return rc;
	}
	fleet_describe_wish(s);
	*out = &s->site;
	return 0;
}
