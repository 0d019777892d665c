/* wish: what is asked of an instance, its network, and the runner that fits. */
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

static void
add_wish(struct hasher *h, const struct instances *in)
{
	int64_t numbers[] = {
		in->arch, in->disk.size_bytes, in->disk.warm_bytes_per_s, in->spot == TRI_TRUE};

	hasher_add_field(h, in->type);
	hasher_add_field(h, in->ami);
	hasher_add_field(h, in->infra.zone);
	hasher_add_field(h, in->gpus.name);
	add_range(h, &in->gpus.count);
	for (size_t i = 0; i < in->warm_files.n; i++)
		hasher_add_field(h, in->warm_files.v[i]);
	add_range(h, &in->cpus);
	add_range(h, &in->memory_bytes);
	hasher_add(h, numbers, sizeof(numbers));
}

/* Two manifests with the same wish take each other's warm instances. */
void
fleet_describe_wish(struct fleet_site *s)
{
	const struct instances *in = &s->site.config.manifest->instances;
	struct hasher *h = hasher_new();
	struct digest d;
	char hex[DIGEST_HEX_BYTES];

	add_wish(h, in);
	for (size_t i = 0; i < in->n_any_of; i++)
		add_wish(h, &in->any_of[i]);
	if (fleet_has_image(s))
		hasher_add_field(
			h, STR("containers")); /* by default, of another image than others */
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
lets_in(const struct ec2_group *group, struct str caller_cidr)
{
	for (size_t i = 0; i < group->cidrs.n; i++) {
		if (str_eq(group->cidrs.v[i], caller_cidr) ||
			str_is(group->cidrs.v[i], "0.0.0.0/0"))
			return true;
	}
	return false;
}

int
fleet_read_subnets(struct region *r, struct arena *a, struct error *err)
{
	const struct instances *in = &r->site->site.config.manifest->instances;
	const struct str any = {0}, zone = in->n_any_of ? any : in->infra.zone;
	int rc = ec2_subnets(r->aws, a, zone, &r->subnets, &r->n_subnets, err);

	if (rc == ERR_INPUT && err->class != CLASS_DENIED && (zone.p || regions_are_many(r->site)))
		return fleet_at(err, &r->wish->wish->infra.pos, arena_cstr(a, r->wish->key));
	return rc;
}

static int
read_network(struct region *r, struct arena *a, struct error *err)
{
	int rc = fleet_read_subnets(r, a, err);

	if (rc == 0)
		rc = ec2_find_group(
			r->aws, a, r->subnets[0].vpc, r->site->group_name, &r->group, err);
	if (rc == ERR_MISSING) {
		r->group = (struct ec2_group){0};
		rc = 0;
	}
	if (rc < 0)
		r->n_subnets = 0;
	return region_left_out(r, REGION_NETWORK, a, rc, err);
}

int
fleet_read_network(struct fleet_site *s, struct arena *a, struct error *err)
{
	struct fleet *f = &s->site.seen.observed.fleet;
	int rc = regions_read(s, false, REGION_NETWORK, read_network, err);

	if (rc == 0)
		rc = fleet_ask_caller(a, &s->caller_cidr, err);
	if (rc < 0)
		return rc;
	f->group = s->group_name;
	f->group_ready = true;
	f->regions.v = ARENA_ARRAY(a, struct str, s->n_regions);
	f->group_missing.v = ARENA_ARRAY(a, struct str, s->n_regions);
	for (size_t i = 0; i < s->n_regions; i++) {
		struct region *r = &s->regions[i];

		if (!r->wish->launches || !r->n_subnets)
			continue;
		r->group_ready = r->group.id.p && lets_in(&r->group, s->caller_cidr);
		f->group_ready &= r->group_ready;
		if (regions_are_many(s))
			f->regions.v[f->regions.n++] = r->wish->name;
		if (regions_are_many(s) && !r->group_ready)
			f->group_missing.v[f->group_missing.n++] = r->wish->name;
	}
	return 0;
}
