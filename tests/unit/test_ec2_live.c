/* ec2 over the wire, against a real server of the same API (moto_server) on loopback: one launch from
 * nothing to gone, as furrow makes it. Skipped where that server isn't there. As `test_ec2_live here` it asks the service
 * that the environment names. */
#include "providers/aws/ec2.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define GIB (INT64_C(1) << 30)

extern char **environ;

static struct {
	bool is_here; /* the environment names the service */
	pid_t pid;
	struct aws *aws;
	struct arena arena;
	struct error err;
} live;

static struct sockaddr_in
loopback(uint16_t port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* A port that nobody listened on a moment ago. */
static uint16_t
free_port(void)
{
	struct sockaddr_in at = loopback(0);
	socklen_t n = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
	close(fd);
	return ntohs(at.sin_port);
}

static bool
listens(uint16_t port)
{
	struct sockaddr_in at = loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	bool yes = connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0;

	close(fd);
	return yes;
}

static void
use_server(uint16_t port)
{
	char url[40];

	snprintf(url, sizeof(url), "http://127.0.0.1:%u", port);
	setenv("AWS_ENDPOINT_URL", url, 1);
	setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
	setenv("AWS_CONFIG_FILE", "/dev/null", 1);
	setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null", 1);
	unsetenv("AWS_SESSION_TOKEN");
	unsetenv("AWS_PROFILE");
}

static bool
start_server(void)
{
	uint16_t port = free_port();
	char text[8];
	char *argv[] = {"moto_server", "-H", "127.0.0.1", "-p", text, NULL};
	posix_spawn_file_actions_t files;
	struct timespec pause = {0, 50 * NS_PER_MS};

	snprintf(text, sizeof(text), "%u", port);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
	if (posix_spawnp(&live.pid, argv[0], &files, NULL, argv, environ) != 0)
		live.pid = 0;
	posix_spawn_file_actions_destroy(&files);
	for (int i = 0; i < 600 && live.pid > 0; i++) {
		if (listens(port)) {
			use_server(port);
			return true;
		}
		/* A shim of the name, without the program behind it, ends at once. */
		if (waitpid(live.pid, NULL, WNOHANG) == live.pid)
			live.pid = 0;
		nanosleep(&pause, NULL);
	}
	return false;
}

static int
setup(void **state)
{
	struct aws_options options = {.region = STR("us-east-2")};

	(void)state;
	unsetenv("FURROW_SUBNET");
	if (!live.is_here && !start_server())
		return 0;
	if (aws_open(&live.aws, &options, &live.err) < 0)
		fail_msg("%s", live.err.message);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	if (live.aws)
		aws_close(live.aws);
	if (live.pid > 0) {
		kill(live.pid, SIGTERM);
		waitpid(live.pid, NULL, 0);
	}
	arena_free(&live.arena);
	return 0;
}

static void
need_server(void)
{
	if (!live.aws) {
		print_message("moto_server is not there: pip install 'moto[server]'\n");
		skip();
	}
}

static void
good(int rc)
{
	if (rc < 0)
		fail_msg("%d: %s", rc, live.err.message);
}

static void
says(const char *part)
{
	if (!strstr(live.err.message, part))
		fail_msg("'%s' lacks '%s'", live.err.message, part);
}

static struct ec2_image
default_image(void)
{
	struct instances wish = {0};
	struct ec2_image image;

	good(ec2_find_image(live.aws, &live.arena, &wish, false, false, &image, &live.err));
	return image;
}

static struct pair tags[] = {
	{STR("furrow:job"), STR("word count, \"é\" & <more>")}, {STR("furrow:slot"), STR("7")}};

static struct ec2_instance
launch(const struct ec2_subnet *subnet, struct str group, bool spot)
{
	struct ec2_image image = default_image();
	struct ec2_launch l = {
		.token = spot ? STR("token-spot") : STR("token-1"),
		.image = image.id,
		.type = STR("m7i.large"),
		.zone = subnet->zone,
		.subnet = subnet->id,
		.group = group,
		.root_device = image.root_device,
		.disk_bytes = 50 * GIB,
		.disk_warm_bytes_per_s = 200 << 20,
		.spot = spot,
		.public_address = spot,
		.user_data = STR("#cloud-config\n# + / = & %\n"),
		.tags = {tags, 2},
	};
	struct ec2_instance i;

	good(ec2_run_instance(live.aws, &live.arena, &l, true, &i, NULL, &live.err));
	assert_null(i.id.p);
	good(ec2_run_instance(live.aws, &live.arena, &l, false, &i, NULL, &live.err));
	return i;
}

static void
find_by_tag(const char *value, struct ec2_instance **found, size_t *n)
{
	struct pair filter = {STR("tag:furrow:job"), str_from(value)};
	struct pairs filters = {&filter, 1};

	good(ec2_describe_instances(
		live.aws, &live.arena, (struct str){0}, NULL, &filters, found, n, &live.err));
}

/* EC2 takes its time. */
static void
wait_for(enum ec2_state state, size_t count, struct ec2_instance **found)
{
	struct timespec pause = {0, 100 * NS_PER_MS};
	size_t n = 0, there = 0;

	for (int i = 0; i < 300 && there < count; i++) {
		find_by_tag("*", found, &n);
		there = 0;
		for (size_t k = 0; k < n; k++)
			there += (*found)[k].state == state;
		if (there < count)
			nanosleep(&pause, NULL);
	}
	if (there != count || n != count)
		fail_msg("%zu of %zu instances are %s", there, n, ec2_state_name(state));
}

static void
from_nothing_to_gone(void **state)
{
	struct ec2_subnet *subnets;
	struct ec2_group group, *groups;
	struct ec2_instance one, two, *found;
	struct pairs t = {tags, 2};
	size_t n;

	(void)state;
	need_server();
	good(ec2_subnets(live.aws, &live.arena, (struct str){0}, &subnets, &n, &live.err));
	assert_true(n >= 3);
	assert_int_equal(ec2_find_group(live.aws, &live.arena, subnets[0].vpc, STR("furrow-x"),
				 &group, &live.err),
		ERR_MISSING);
	for (int i = 0; i < 2; i++) {
		good(ec2_make_group(live.aws, &live.arena, subnets[0].vpc, STR("furrow-x"), &t,
			STR("192.0.2.7/32"), &group, &live.err));
		assert_int_equal(group.cidrs.n, 1);
	}
	good(ec2_make_group(live.aws, &live.arena, subnets[0].vpc, STR("furrow-x"), &t,
		STR("2001:db8::7/128"), &group, &live.err));
	good(ec2_find_group(
		live.aws, &live.arena, subnets[0].vpc, STR("furrow-x"), &group, &live.err));
	assert_int_equal(group.cidrs.n, 2);
	good(ec2_list_groups(live.aws, &live.arena, (struct str){0}, &groups, &n, &live.err));
	assert_int_equal(n, 1);

	one = launch(&subnets[0], group.id, false);
	assert_int_equal(one.state, EC2_PENDING);
	two = launch(&subnets[1], group.id, true);
	find_by_tag("nobody,word count", &found, &n);
	assert_int_equal(n, 0);
	wait_for(EC2_RUNNING, 2, &found);
	for (size_t i = 0; i < 2; i++) {
		bool is_one = str_eq(found[i].id, one.id);

		assert_string_equal(ec2_tag(&found[i], "furrow:job").p, tags[0].value.p);
		assert_true(found[i].spot == !is_one);
		assert_true(str_eq(found[i].zone, subnets[is_one ? 0 : 1].zone));
		assert_true(found[i].private_address.n && found[i].launched_wall_ns > 0);
	}

	{
		struct str v[] = {STR("i-0123456789abcdef0"), one.id, two.id};
		struct strings ids = {v, 3}, first = {&one.id, 1};

		good(ec2_describe_instances(live.aws, &live.arena, (struct str){0}, &first, NULL,
			&found, &n, &live.err));
		assert_int_equal(n, 1);
		assert_string_equal(ec2_tag(found, "furrow:slot").p, tags[1].value.p);
		good(ec2_terminate(live.aws, &live.arena, (struct str){0}, &ids, &live.err));
	}
	wait_for(EC2_TERMINATED, 2, &found);
	assert_string_equal(found[0].reason_code.p, "Client.UserInitiatedShutdown");
	good(ec2_delete_group(
		live.aws, &live.arena, (struct str){0}, group.id, NS_PER_S, &live.err));
	good(ec2_delete_group(
		live.aws, &live.arena, (struct str){0}, group.id, NS_PER_S, &live.err));
}

static void
types(void **state)
{
	struct instances wish = {.cpus = {4, INT64_MAX},
		.memory_bytes = {16 * GIB, INT64_MAX},
		.gpus = {.count = {-1, -1}},
		.arch = ARCH_X86_64,
		.spot = TRI_AUTO,
		.max_hourly_cost_usd = -1};
	struct str wrong = STR("m7i.larg");
	struct strings names = {&wrong, 1};
	const struct ec2_type **fit;
	struct ec2_type *all;
	size_t n;

	(void)state;
	need_server();
	good(ec2_types(live.aws, &live.arena, NULL, &all, &n, &live.err));
	assert_true(n > 1000);
	good(ec2_choose(&live.arena, &wish, all, n, &fit, &n, &live.err));
	assert_string_equal(fit[0]->name.p, "m5a.xlarge");
	assert_int_equal(
		ec2_types_named(live.aws, &live.arena, &names, &all, &n, &live.err), ERR_INPUT);
	says("no instance type 'm7i.larg' in us-east-2: did you mean 'm7i.large'?");
	wrong = STR("m7i.large");
	good(ec2_types_named(live.aws, &live.arena, &names, &all, &n, &live.err));
	assert_int_equal(n, 1);
	assert_int_equal(all->cpus, 2);
}

static void
what_is_not_there(void **state)
{
	struct instances wish = {.ami = STR("ami-0123456789abcdef0")};
	struct ec2_image image;
	struct ec2_subnet *subnets;
	struct strings all;
	struct str id, arn;
	size_t n;

	(void)state;
	need_server();
	assert_int_equal(
		ec2_find_image(live.aws, &live.arena, &wish, false, false, &image, &live.err),
		ERR_INPUT);
	says("no image 'ami-0123456789abcdef0' in us-east-2");
	wish.ami = STR("/aws/service/none");
	assert_int_equal(
		ec2_find_image(live.aws, &live.arena, &wish, false, false, &image, &live.err),
		ERR_INPUT);
	says("no parameter '/aws/service/none'");
	wish.ami = default_image().id;
	assert_int_equal(
		ec2_find_image(live.aws, &live.arena, &wish, true, false, &image, &live.err),
		ERR_INPUT);
	says("is for x86_64, but the instance is arm64");
	assert_int_equal(
		ec2_subnets(live.aws, &live.arena, STR("us-east-2q"), &subnets, &n, &live.err),
		ERR_INPUT);
	says("there are us-east-2a, us-east-2b, us-east-2c");
	good(ec2_regions(live.aws, &live.arena, &all, &live.err));
	assert_true(all.n > 10);
	assert_int_equal(
		ec2_check_region(live.aws, &live.arena, STR("us-esat-1"), &live.err), ERR_INPUT);
	says("did you mean 'us-east-1'?");
	good(sts_account(live.aws, &live.arena, &id, &arn, &live.err));
	assert_string_equal(id.p, "123456789012");
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(from_nothing_to_gone),
		cmocka_unit_test(types),
		cmocka_unit_test(what_is_not_there),
	};

	live.is_here = argc == 2 && strcmp(argv[1], "here") == 0;
	return cmocka_run_group_tests_name("ec2 live", tests, setup, teardown);
}
