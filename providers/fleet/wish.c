/* wish: what a new instance would be: its type, image and network, and the runner that fits. */
#include "providers/fleet/internal.h"

#include "providers/aws/http.h"
#include "providers/host/spawn.h"
#include "planner/units.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const char *
fleet_cache_dir(struct arena *a)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

	if (cache && cache[0] == '/')
		return arena_printf(a, "%s/furrow/aws", cache).p;
	return home && home[0] == '/' ? arena_printf(a, "%s/.cache/furrow/aws", home).p : NULL;
}

static void
add_range(struct hasher *h, const struct range *r)
{
	hasher_add(h, &r->min, sizeof(r->min));
	hasher_add(h, &r->max, sizeof(r->max));
}

/* Two manifests with the same wish take each other's warm instances. */
void
fleet_describe_wish(struct fleet_site *s)
{
	const struct instances *in = &s->site.config.manifest->instances;
	int64_t numbers[] = {
		in->arch, in->disk.size_bytes, in->disk.warm_bytes_per_s, in->spot == TRI_TRUE};
	struct hasher *h = hasher_new();
	struct digest d;
	char hex[DIGEST_HEX_BYTES];

	hasher_add_field(h, in->type);
	hasher_add_field(h, in->ami);
	hasher_add_field(h, in->infra.zone);
	hasher_add_field(h, in->gpus.name);
	add_range(h, &in->gpus.count);
	add_range(h, &in->cpus);
	add_range(h, &in->memory_bytes);
	hasher_add(h, numbers, sizeof(numbers));
	d = hasher_end(h);
	hasher_free(h);
	digest_hex(hex, &d);
	snprintf(s->wish, sizeof(s->wish), "%.16s", hex);
}

static int
hash_file(const char *path, struct digest *out, struct error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct hasher *h;
	char *bytes;
	ssize_t n;

	if (fd < 0)
		return error_set_errno(err, ERR_HOST, errno, "cannot read %s", path);
	h = hasher_new();
	bytes = mem_alloc(1 << 16);
	while ((n = read(fd, bytes, 1 << 16)) > 0)
		hasher_add(h, bytes, (size_t)n);
	*out = hasher_end(h);
	hasher_free(h);
	free(bytes);
	close(fd);
	return n < 0 ? error_set_errno(err, ERR_HOST, errno, "cannot read %s", path) : 0;
}

/* Beside the runner of this machine's architecture lies that of the other, named after it. */
int
fleet_find_runner(struct fleet_site *s, struct error *err)
{
	bool arm64 = s->site.config.manifest->instances.arch == ARCH_ARM64;
	char path[4096];
	int rc = spawn_find_runner(path, sizeof(path), err);

	if (rc < 0)
		return rc;
	s->runner_path = (char *)arena_printf(&s->arena, "%s%s", path, arm64 ? "-arm64" : "").p;
	if (arm64 && access(s->runner_path, F_OK) != 0) {
		error_set(err, ERR_INPUT,
			"tasks on arm64 instances need %s, which is not there: `make arm64` builds "
			"it",
			s->runner_path);
		return fleet_at(
			err, &s->site.config.manifest->instances.pos_arch, "instances.arch");
	}
	return hash_file(s->runner_path, &s->runner_sha256, err);
}

/* The architecture that tasks are made for: x86_64 unless the manifest says arm64. */
static void
narrow_arch(struct instances *wish)
{
	if (wish->arch == ARCH_ANY)
		wish->arch = ARCH_X86_64;
}

/* Where the manifest has the wish at fault. */
static const struct pos *
place_of(const struct instances *in, const struct error *err)
{
	const struct pos *at[] = {&in->pos_cpus, &in->pos_memory, &in->pos_gpus, &in->pos_arch,
		&in->pos_spot, &in->pos_type};

	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		if (at[i]->line && at[i]->line == err->line && at[i]->col == err->col)
			return at[i];
	}
	return in->pos_type.line ? &in->pos_type : &in->infra.pos;
}

/* A type that is named may be of the architecture that is not the default. */
static int
check_named_arch(
	const struct instances *in, const struct ec2_type *types, size_t n, struct error *err)
{
	if (in->arch != ARCH_ANY || n != 1 || types[0].x86_64 || !types[0].arm64)
		return 0;
	return error_set(err, ERR_INPUT,
		"%.*s is for arm64, and tasks are made for x86_64 unless the manifest says "
		"instances.arch: arm64",
		STR_ARG(types[0].name));
}

static int
choose_type(struct fleet_site *s, struct arena *a, struct error *err)
{
	const struct instances *in = &s->site.config.manifest->instances;
	struct instances wish = *in;
	const struct ec2_type **fitting;
	struct strings named = {.v = &wish.type, .n = 1};
	struct ec2_type *types;
	size_t n, n_fitting;
	int rc;

	narrow_arch(&wish);
	if (wish.type.p)
		rc = ec2_types_named(s->aws, a, &named, &types, &n, err);
	else
		rc = ec2_types(s->aws, a, fleet_cache_dir(a), &types, &n, err);
	if (rc == 0 && wish.type.p)
		rc = check_named_arch(in, types, n, err);
	if (rc == 0)
		rc = ec2_choose(a, &wish, types, n, &fitting, &n_fitting, err);
	if (rc == 0)
		s->type = fitting[0];
	else if (rc == ERR_INPUT && err->class != CLASS_DENIED)
		fleet_at(err, place_of(in, err), "instances");
	return rc;
}

static int
find_image(struct fleet_site *s, struct arena *a, bool arm64, struct error *err)
{
	const struct instances *in = &s->site.config.manifest->instances;
	int rc = ec2_find_image(s->aws, a, in, arm64, &s->image, err);

	if (rc == ERR_INPUT && err->class != CLASS_DENIED && in->ami.p)
		return fleet_at(err, &in->pos_ami, "instances.ami");
	if (rc < 0 || in->disk.size_bytes < 0 || in->disk.size_bytes >= s->image.disk_bytes)
		return rc;
	error_set(err, ERR_INPUT, "%.*s is smaller than what image %.*s holds, %.*s",
		STR_ARG(units_format_size(a, in->disk.size_bytes)), STR_ARG(s->image.id),
		STR_ARG(units_format_size(a, s->image.disk_bytes)));
	return fleet_at(err, &in->pos_disk, "instances.disk");
}

int
fleet_read_type(struct fleet_site *s, struct arena *a, struct error *err)
{
	const struct manifest *m = s->site.config.manifest;
	struct fleet *f = &s->site.seen.observed.fleet;
	bool arm64 = m->instances.arch == ARCH_ARM64;
	int rc = choose_type(s, a, err);

	if (rc == 0)
		rc = find_image(s, a, arm64, err);
	if (rc < 0)
		return rc;
	f->type = s->type->name;
	f->cpus = s->type->cpus;
	f->memory_bytes = s->type->memory_bytes;
	f->arch = arm64 ? ARCH_ARM64 : ARCH_X86_64;
	f->image = s->image.id;
	f->spot = m->instances.spot == TRI_TRUE;
	f->slots = (uint32_t)(m->map.per_instance >= 1 ? m->map.per_instance : f->cpus);
	return 0;
}

int
fleet_ask_caller(struct arena *a, struct str *cidr, struct error *err)
{
	const char *url = getenv("FURROW_CALLER_IP_URL");
	unsigned char address[16];
	struct str answer;
	int status, rc;

	if (!url || !*url)
		url = "https://checkip.amazonaws.com";
	rc = http_fetch(
		NULL, a, "GET", url, NULL, (struct str){0}, 10 * NS_PER_S, &status, &answer, err);
	if (rc < 0)
		return error_wrap(err, "this machine's address, which instances have to let in");
	answer = str_trim(answer);
	if (status == 200 && inet_pton(AF_INET, arena_cstr(a, answer), address) == 1) {
		*cidr = arena_printf(a, "%.*s/32", STR_ARG(answer));
		return 0;
	}
	return error_set(err, ERR_HOST,
		"%s does not tell this machine's address (status %d), which instances have to let "
		"in; set FURROW_CALLER_IP_URL to one that answers with an IPv4 address alone",
		url, status);
}

static bool
lets_in(const struct fleet_site *s)
{
	for (size_t i = 0; i < s->group.cidrs.n; i++) {
		if (str_eq(s->group.cidrs.v[i], s->caller_cidr) ||
			str_is(s->group.cidrs.v[i], "0.0.0.0/0"))
			return true;
	}
	return false;
}

int
fleet_read_network(struct fleet_site *s, struct arena *a, struct error *err)
{
	struct fleet *f = &s->site.seen.observed.fleet;
	struct str zone = s->site.config.manifest->instances.infra.zone;
	int rc = ec2_subnets(s->aws, a, zone, &s->subnets, &s->n_subnets, err);

	if (rc == ERR_INPUT && err->class != CLASS_DENIED && zone.p)
		fleet_at(err, &s->site.config.manifest->instances.infra.pos, "instances.infra");
	if (rc == 0)
		rc = fleet_ask_caller(a, &s->caller_cidr, err);
	if (rc == 0)
		rc = ec2_find_group(s->aws, a, s->subnets[0].vpc, s->group_name, &s->group, err);
	if (rc == ERR_MISSING) {
		s->group = (struct ec2_group){0};
		rc = 0;
	}
	f->group = s->group_name;
	f->zone = zone;
	f->group_ready = rc == 0 && s->group.id.p && lets_in(s);
	return rc;
}
