/* status: what of a job is there now. Reads, changes nothing. */
#include "cmd/furrow/file.h"
#include "cmd/furrow/images.h"
#include "cmd/furrow/out.h"
#include "cmd/furrow/prepare.h"
#include "cmd/furrow/run_dir.h"
#include "cmd/furrow/text.h"
#include "cmd/furrow/wrap.h"
#include "planner/base/json.h"
#include "planner/base/ulid.h"
#include "providers/container/engine.h"
#include "providers/store/lock.h"

#include <unistd.h>

static const char help[] =
	"usage: furrow status [MANIFEST] [options]\n"
	"\n"
	"Says what of a job is there now: whether it runs, how many of its tasks have a\n"
	"result, what is kept for the next apply, and how much disk it takes. It looks at\n"
	"what plan would; where plan refuses uncommitted changes, the working files are\n"
	"taken as they are, so this works in the middle of changes. With infra aws/REGION,\n"
	"also the job's instances, whether the next apply uses them and until when they\n"
	"stay, its store and security group, and who is at it, on whatever machine.\n"
	"\n"
	"Examples:\n"
	"  furrow status                    of ./furrow.yaml\n"
	"  furrow status jobs/big.yaml      of another manifest\n"
	"  furrow status --json             for a program\n"
	"\n"
	"Options:\n"
	"      --rev REV            manifest and sources as of a git revision\n"
	"      --infra INFRA        instead of the manifest's instances.infra: local, or\n"
	"                           aws/REGION[/ZONE]\n"
	"      --json               print one JSON document\n"
	"  -m, --manifest FILE      the manifest, instead of the argument\n"
	"      --color WHEN         auto, always or never\n"
	"  -h, --help               this text\n"
	"\n"
	"Environment:\n"
	"  FURROW_COLOR, NO_COLOR, FURROW_ENGINE; for instances AWS_PROFILE, AWS_REGION and\n"
	"  the like, as the AWS SDKs take them\n"
	"\n"
	"Exit codes:\n"
	"  0    told\n"
	"  3    the host, or the cloud, failed\n"
	"  64   the command line or the manifest is wrong\n";

struct status {
	const struct prepared *p;
	int holder; /* pid of the run that goes on in this folder; 0: none */
	char running[32];
	struct str other; /* the job that it is of; absent: it is this one's */
	bool has_last;
	struct run_dir last; /* of this job */
	struct strings containers;
	struct leftovers images;
	int64_t store_bytes, cache_bytes, runs_bytes; /* store: < 0: it is not on this machine */
	bool in_cloud;
	struct site_cloud cloud;
};

static int
gather_cloud(struct status *s, struct prepared *p, struct error *err)
{
	s->in_cloud = p->site->ops->survey != NULL;
	return s->in_cloud ? p->site->ops->survey(p->site, &p->arena, &s->cloud, err) : 0;
}

static bool
is_of_another(const struct run_dir *run, const struct manifest *m)
{
	return run->begun && run->head.job.n && !str_eq(run->head.job, m->name);
}

/* A folder may have several manifests, of which one at a time is applied. */
static void
gather_runs(struct status *s, struct prepared *p)
{
	struct run_dir *all, run;
	size_t n, total;

	s->holder = lock_holder(p->state.lock, s->running);
	if (s->holder && run_dir_find(&p->arena, &p->state, s->running, &run, NULL) == 0 &&
		is_of_another(&run, &p->manifest))
		s->other = run.head.job;
	s->has_last = run_dir_find(&p->arena, &p->state, NULL, &s->last, NULL) == 0;
	if (!s->has_last || !is_of_another(&s->last, &p->manifest))
		return;
	s->has_last = false;
	run_dir_list(&p->arena, &p->state, SIZE_MAX, &all, &n, &total);
	for (size_t i = 0; i < n && !s->has_last; i++) {
		s->has_last = all[i].begun && !is_of_another(&all[i], &p->manifest);
		s->last = all[i];
	}
}

static void
gather(struct status *s, struct prepared *p)
{
	struct engine_handle *engine;
	struct engine info;

	s->p = p;
	gather_runs(s, p);
	s->store_bytes = s->in_cloud ? -1 : file_disk_bytes(p->site->config.store.p);
	s->cache_bytes = file_disk_bytes(p->state.cache);
	s->runs_bytes = file_disk_bytes(p->state.runs);
	if (!images_may_be(&p->manifest) || engine_open(&engine, &p->arena, &info, NULL) != 0)
		return;
	if (engine_list(engine, &p->arena, arena_cstr(&p->arena, p->manifest.name), &s->containers,
		    NULL) != 0)
		s->containers = (struct strings){0};
	images_add(
		&p->arena, &s->images, engine, &p->manifest, p->place.dir, IMAGES_ALL, INT64_MAX);
	engine_close(engine);
}

/* Results that lie in the store but not in the results folder are to be collected. */
static uint32_t
collected(const struct changes *c)
{
	return c->n_tasks_in_place > c->n_to_collect ? c->n_tasks_in_place - c->n_to_collect : 0;
}

static void
add_row(struct buf *b, const char *name, bool color)
{
	buf_addf(b, "  %s%-12s%s ", out_ink(color, INK_DIM), name, out_ink(color, INK_PLAIN));
}

static void
add_running(struct buf *b, const struct status *s, bool color)
{
	const struct clock *clock = clock_system();
	int64_t now = clock->wall_ns(clock->ctx), begun = ulid_wall_ns(str_from(s->running));
	char text[TEXT_BYTES];

	add_row(b, "running", color);
	if (!s->holder)
		buf_add_cstr(b, "nothing\n");
	else if (begun)
		buf_addf(b, "%s%.*s%srun %s, pid %d, for %s\n",
			s->other.n ? "nothing, but job " : "", STR_ARG(s->other),
			s->other.n ? " is applied in this folder: " : "", s->running, s->holder,
			text_elapsed(text, now - begun));
	else
		buf_addf(b, "pid %d holds the job (%s)\n", s->holder, s->running);
	if (!s->has_last)
		return;
	add_row(b, "latest run", color);
	buf_addf(b, "%s %s, %s\n", s->last.id, run_dir_result(&s->last),
		text_ago(text, now - ulid_wall_ns(str_from(s->last.id))));
}

/* Their sizes count shared layers each time: the largest is what is surely there. */
static void
add_images(struct buf *b, const struct leftovers *images)
{
	char size[TEXT_BYTES];
	int64_t largest = 0;

	for (size_t i = 0; i < images->n; i++)
		largest = images->v[i].bytes > largest ? images->v[i].bytes : largest;
	buf_addf(b, "%zu image%s", images->n, images->n == 1 ? "" : "s");
	if (images->n)
		buf_addf(b, " of up to %s", text_bytes(size, largest));
	buf_add_char(b, '\n');
}

/* "i-… t3.micro in us-east-2a, running, launched 5 minutes ago, goes by itself in 9m 12s; usable". */
static void
add_instance(struct buf *b, const struct site_instance *i)
{
	const struct clock *clock = clock_system();
	char text[TEXT_BYTES];

	buf_addf(b, "%.*s %.*s in %.*s, %s%s", STR_ARG(i->id), STR_ARG(i->type), STR_ARG(i->zone),
		i->spot ? "spot, " : "", i->state);
	if (i->launched_wall_ns)
		buf_addf(b, ", launched %s",
			text_ago(text, clock->wall_ns(clock->ctx) - i->launched_wall_ns));
	if (i->busy.p) {
		buf_add_cstr(b, ", run ");
		text_add_safe(b, i->busy, 0);
		buf_add_cstr(b, " is on it");
	}
	if (i->left_ns >= 0)
		buf_addf(b, ", goes by itself in %s", text_elapsed(text, i->left_ns));
	if (i->why_not.p) {
		buf_add_cstr(b, "; not usable: ");
		text_add_safe(b, text_first_line(i->why_not), 0);
	} else {
		buf_add_cstr(b, "; usable");
	}
	buf_add_char(b, '\n');
}

static void
add_costs(struct buf *b, const struct status *s, bool color)
{
	size_t n_run = 0;

	for (size_t i = 0; i < s->cloud.n_instances; i++) {
		const char *state = s->cloud.instances[i].state;

		n_run += strcmp(state, "running") == 0 || strcmp(state, "pending") == 0;
	}
	if (!n_run)
		return;
	add_row(b, "costs", color);
	buf_addf(b, "%zu instance%s cost%s money as long as %s; furrow destroy ends %s\n", n_run,
		n_run == 1 ? "" : "s", n_run == 1 ? "s" : "", n_run == 1 ? "it runs" : "they run",
		n_run == 1 ? "it" : "them");
}

static void
add_cloud(struct buf *b, const struct status *s, bool color)
{
	const struct fleet *f = &s->p->plan.observed.fleet;
	const struct job_holder *h = &s->cloud.holder;

	add_row(b, "locked by", color);
	if (h->held)
		buf_addf(b, "run %.*s of %.*s on %.*s (pid %lld), since %.*s\n", STR_ARG(h->run),
			STR_ARG(h->user), STR_ARG(h->host), (long long)h->pid, STR_ARG(h->since));
	else
		buf_add_cstr(b, "nobody\n");
	add_row(b, "instances", color);
	for (size_t i = 0; i < s->cloud.n_instances; i++) {
		if (i)
			add_row(b, "", color);
		add_instance(b, &s->cloud.instances[i]);
	}
	if (!s->cloud.n_instances)
		buf_add_cstr(b, "none\n");
	add_costs(b, s, color);
	add_row(b, "store", color);
	buf_addf(b, "%.*s%s\n", STR_ARG(f->store), f->bucket_ready ? "" : ", not there yet");
	add_row(b, "group", color);
	buf_addf(b, "%.*s%s\n", STR_ARG(f->group),
		f->group_ready ? ", lets this machine in"
			       : ", not open to this machine yet: apply sees to it");
}

static void
add_kept(struct buf *b, const struct status *s, bool color)
{
	const struct observed *obs = &s->p->plan.observed;
	const struct manifest *m = &s->p->manifest;

	add_row(b, "source", color);
	buf_add_cstr(b, obs->source_ready ? "exported\n" : "not exported yet\n");
	if (images_may_be(m)) {
		add_row(b, "image", color);
		buf_add_cstr(b, obs->image_ready ? "there\n" : "not there yet\n");
		add_row(b, "containers", color);
		for (size_t i = 0; i < s->containers.n; i++)
			buf_addf(b, "%s%.*s", i ? ", " : "", STR_ARG(s->containers.v[i]));
		buf_add_cstr(b, s->containers.n ? "\n" : "none\n");
		add_row(b, "in engine", color);
		add_images(b, &s->images);
	}
	if (m->environment.setup.p) {
		add_row(b, "setup", color);
		buf_add_cstr(b, obs->setup_ready ? "kept\n" : "not done yet\n");
	}
}

static void
add_changes(struct buf *b, const struct source *source, bool color)
{
	if (!source->changed.n)
		return;
	add_row(b, "uncommitted", color);
	text_add_safe(b, source->changed, 0);
	buf_add_cstr(b, "; plan and apply want a commit, or --allow-dirty\n");
}

static void
write_text(struct buf *b, const struct status *s, bool color)
{
	const struct plan *plan = &s->p->plan;
	const struct source *source = plan->job.source;
	char text[TEXT_BYTES];

	buf_addf(b, "%s%.*s%s", out_ink(color, INK_BOLD), STR_ARG(s->p->manifest.name),
		out_ink(color, INK_PLAIN));
	if (source->describe.n)
		buf_addf(b, "  %.*s%s", STR_ARG(source->describe),
			source->kind == SOURCE_DIRTY ? " with uncommitted changes" : "");
	buf_add_char(b, '\n');
	add_changes(b, source, color);
	add_running(b, s, color);
	add_row(b, "results", color);
	buf_addf(b, "%u of %u tasks have one\n", plan->changes.n_tasks_in_place, plan->job.n_tasks);
	add_row(b, "collected", color);
	buf_addf(b, "%u of %u in %.*s\n", collected(&plan->changes), plan->changes.n_tasks_in_place,
		STR_ARG(place_shown(&s->p->place, s->p->results)));
	add_kept(b, s, color);
	if (s->in_cloud)
		add_cloud(b, s, color);
	add_row(b, "disk", color);
	if (s->store_bytes >= 0)
		buf_addf(b, "store %s, ", text_bytes(text, s->store_bytes));
	buf_addf(b, "cache %s, ", text_bytes(text, s->cache_bytes));
	buf_addf(b, "runs %s\n", text_bytes(text, s->runs_bytes));
}

/* Of another job, that is in the way of an apply all the same. */
static void
add_other_json(struct buf *b, const struct status *s)
{
	json_add_name(b, "busy");
	buf_add_char(b, '{');
	json_add_member_string(b, "job", s->other);
	json_add_member_string(b, "run", str_from(s->running));
	json_add_member_int(b, "pid", s->holder);
	buf_add_char(b, '}');
}

static void
add_last_json(struct buf *b, const struct run_dir *last)
{
	json_add_name(b, "latest_run");
	buf_add_char(b, '{');
	json_add_member_string(b, "run", str_from(last->id));
	json_add_member_string(b, "result", str_from(run_dir_result(last)));
	if (last->head.done)
		json_add_member_int(b, "exit", last->head.exit_code);
	buf_add_char(b, '}');
}

static void
add_instance_json(struct buf *b, const struct site_instance *i)
{
	char since[CLOCK_RFC3339_BYTES];

	buf_add_char(b, '{');
	json_add_member_string(b, "id", i->id);
	json_add_member_string(b, "type", i->type);
	json_add_member_string(b, "zone", i->zone);
	json_add_member_string(b, "state", str_from(i->state));
	json_add_member_bool(b, "spot", i->spot);
	if (i->run.p)
		json_add_member_string(b, "run", i->run);
	if (i->launched_wall_ns) {
		clock_format_rfc3339(since, i->launched_wall_ns);
		json_add_member_string(b, "since", str_from(since));
	}
	if (i->busy.p)
		json_add_member_string(b, "busy", i->busy);
	if (i->left_ns >= 0)
		json_add_member_int(b, "left_s", i->left_ns / NS_PER_S);
	json_add_member_bool(b, "usable", !i->why_not.p);
	if (i->why_not.p)
		json_add_member_string(b, "why", i->why_not);
	buf_add_char(b, '}');
}

static void
add_lock_json(struct buf *b, const struct job_holder *h)
{
	json_add_name(b, "lock");
	if (!h->held) {
		buf_add_cstr(b, "null");
		return;
	}
	buf_add_char(b, '{');
	json_add_member_string(b, "run", h->run);
	json_add_member_string(b, "user", h->user);
	json_add_member_string(b, "host", h->host);
	json_add_member_int(b, "pid", h->pid);
	json_add_member_string(b, "since", h->since);
	json_add_member_string(b, "until", h->until);
	buf_add_char(b, '}');
}

static void
add_cloud_json(struct buf *b, const struct status *s)
{
	const struct fleet *f = &s->p->plan.observed.fleet;

	json_add_member_string(b, "region", f->region);
	json_add_name(b, "instances");
	buf_add_char(b, '[');
	for (size_t i = 0; i < s->cloud.n_instances; i++) {
		buf_add_cstr(b, i ? "," : "");
		add_instance_json(b, &s->cloud.instances[i]);
	}
	buf_add_char(b, ']');
	add_lock_json(b, &s->cloud.holder);
	json_add_member_string(b, "store", f->store);
	json_add_member_bool(b, "store_ready", f->bucket_ready);
	json_add_member_string(b, "group", f->group);
	json_add_member_bool(b, "group_ready", f->group_ready);
}

static void
write_json(struct buf *b, const struct status *s)
{
	const struct plan *plan = &s->p->plan;
	const struct manifest *m = &s->p->manifest;

	buf_add_char(b, '{');
	json_add_member_int(b, "furrow_status", 1);
	json_add_member_string(b, "job", m->name);
	json_add_member_string(b, "commit", plan->job.source->commit);
	json_add_member_bool(b, "dirty", plan->job.source->kind == SOURCE_DIRTY);
	if (plan->job.source->changed.n)
		json_add_member_string(b, "uncommitted", plan->job.source->changed);
	json_add_member_string(
		b, "running", s->holder && !s->other.n ? str_from(s->running) : (struct str){0});
	if (s->other.n)
		add_other_json(b, s);
	else if (s->holder)
		json_add_member_int(b, "pid", s->holder);
	if (s->has_last)
		add_last_json(b, &s->last);
	json_add_member_int(b, "tasks", plan->job.n_tasks);
	json_add_member_int(b, "results", plan->changes.n_tasks_in_place);
	json_add_member_int(b, "collected", collected(&plan->changes));
	json_add_member_bool(b, "source_ready", plan->observed.source_ready);
	if (images_may_be(m))
		json_add_member_bool(b, "image_ready", plan->observed.image_ready);
	if (m->environment.setup.p)
		json_add_member_bool(b, "setup_ready", plan->observed.setup_ready);
	json_add_name(b, "containers");
	buf_add_char(b, '[');
	for (size_t i = 0; i < s->containers.n; i++) {
		buf_add_cstr(b, i ? "," : "");
		json_add_string(b, s->containers.v[i]);
	}
	buf_add_char(b, ']');
	json_add_name(b, "images");
	leftovers_write_json(b, &s->images);
	if (s->in_cloud)
		add_cloud_json(b, s);
	if (s->store_bytes >= 0)
		json_add_member_int(b, "store_bytes", s->store_bytes);
	json_add_member_int(b, "cache_bytes", s->cache_bytes);
	json_add_member_int(b, "runs_bytes", s->runs_bytes);
	buf_add_cstr(b, "}\n");
}

static void
show(struct buf *b, const struct status *s, enum color color)
{
	write_text(b, s, out_color(STDOUT_FILENO, color));
	wrap_for(b, STDOUT_FILENO);
}

static int
run(int argc, char **argv)
{
	struct prepared p = {.prefer_commit = true};
	struct status s = {0};
	struct options o;
	struct buf b = {0};
	struct error err;
	int status =
		options_parse(&o, &command_status, "rev infra json manifest color", 1, argc, argv);

	if (status >= 0)
		return status;
	o.allow_dirty = !o.rev;
	if (prepare_plan(&p, &o, options_arg(&o, 0), &err) < 0 || gather_cloud(&s, &p, &err) < 0) {
		status = out_fail(&err);
	} else {
		gather(&s, &p);
		if (o.json)
			write_json(&b, &s);
		else
			show(&b, &s, o.config.color);
		status = out_data(&b);
	}
	buf_free(&b);
	prepare_close(&p);
	return status;
}

const struct command command_status = {
	.name = "status",
	.summary = "what of this job is there now",
	.help = help,
	.run = run,
};
