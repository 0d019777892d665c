/* ec2: regions, zones, subnets, types, images, and who the account is. */
#include "tests/unit/ec2_fixture.h"

#define GIB (INT64_C(1) << 30)

static int
subnets(const char *zone, struct ec2_subnet **out, size_t *n)
{
	return ec2_subnets(NULL, &service.arena, str_from(zone), out, n, &service.err);
}

static void
default_subnets(void **state)
{
	struct ec2_subnet *s;
	size_t n;

	(void)state;
	SCRIPT({"DescribeSubnets", .body = "@subnets.xml"});
	assert_int_equal(subnets(NULL, &s, &n), 0);
	assert_string_equal(buf_cstr(&service.asked),
		"DescribeSubnets \nFilter.1.Name=default-for-az\nFilter.1.Value.1=true\n");
	assert_int_equal(n, 3);
	assert_string_equal(s[0].id.p, "subnet-557aafa1a6da45297");
	assert_string_equal(s[0].vpc.p, "vpc-bd1eac7a31dcd85a7");
	assert_string_equal(s[0].zone.p, "us-east-2a");
	assert_string_equal(s[2].zone.p, "us-east-2c");
	assert_true(s[0].public_address);

	SCRIPT({"DescribeSubnets",
		.body = "<r><subnetSet><item><subnetId>subnet-2</subnetId><vpcId>vpc-1</vpcId>"
			"<availabilityZone>us-east-2b</availabilityZone></"
			"item><item><subnetId>subnet-1"
			"</subnetId><vpcId>vpc-1</vpcId><availabilityZone>us-east-2a</"
			"availabilityZone>"
			"<mapPublicIpOnLaunch>false</mapPublicIpOnLaunch></item></subnetSet></r>"});
	assert_int_equal(subnets(NULL, &s, &n), 0);
	assert_int_equal(n, 2);
	assert_string_equal(s[0].id.p, "subnet-1");
	assert_false(s[0].public_address);
	assert_false(s[1].public_address);
}

#define NO_SUBNET "<r><subnetSet/></r>"

static void
no_such_zone(void **state)
{
	struct ec2_subnet *s;
	size_t n;

	(void)state;
	SCRIPT({"DescribeSubnets", .body = NO_SUBNET},
		{"DescribeAvailabilityZones", .body = "@zones.xml"});
	assert_int_equal(subnets("us-east-2d", &s, &n), ERR_INPUT);
	finished();
	has("Filter.2.Name=availability-zone\nFilter.2.Value.1=us-east-2d\n");
	says("no zone 'us-east-2d' in us-east-2, or none that this account may use: did you mean "
	     "'us-east-2a'?");
	says("there are us-east-2a, us-east-2b, us-east-2c");
	assert_int_equal(n, 0);

	SCRIPT({"DescribeSubnets", .body = NO_SUBNET},
		{"DescribeAvailabilityZones", .body = "@zones.xml"});
	assert_int_equal(subnets("us-east-2b", &s, &n), ERR_INPUT);
	says("zone us-east-2b has no default subnet: make one with `aws ec2 "
	     "create-default-subnet --availability-zone us-east-2b`");
	SCRIPT({"DescribeSubnets", .body = NO_SUBNET});
	assert_int_equal(subnets(NULL, &s, &n), ERR_INPUT);
	says("us-east-2 has no default VPC");
	says("FURROW_SUBNET");
	SCRIPT({"DescribeSubnets", .code = "UnauthorizedOperation", .class = CLASS_DENIED});
	assert_int_equal(subnets(NULL, &s, &n), ERR_INPUT);
	assert_int_equal(service.err.class, CLASS_DENIED);
}

#define TWO_SUBNETS(vpc)                                                                   \
	"<r><subnetSet><item><subnetId>subnet-2</subnetId><vpcId>vpc-1</vpcId>"            \
	"<availabilityZone>us-east-2b</availabilityZone></item><item><subnetId>subnet-1"   \
	"</subnetId><vpcId>" vpc "</vpcId><availabilityZone>us-east-2a</availabilityZone>" \
	"</item></subnetSet></r>"

static void
own_subnet(void **state)
{
	struct ec2_subnet *s;
	size_t n;

	(void)state;
	setenv("FURROW_SUBNET", "subnet-557aafa1a6da45297", 1);
	SCRIPT({"DescribeSubnets",
		.body = "<r><subnetSet><item><subnetId>subnet-2</subnetId><vpcId>vpc-1</vpcId>"
			"<availabilityZone>us-east-2b</availabilityZone></item></subnetSet></r>"});
	assert_int_equal(subnets(NULL, &s, &n), 0);
	has("Filter.1.Name=subnet-id\nFilter.1.Value.1=subnet-557aafa1a6da45297\n");
	assert_int_equal(n, 1);
	SCRIPT({"DescribeSubnets",
		.body = "<r><subnetSet><item><subnetId>subnet-2</subnetId><vpcId>vpc-1</vpcId>"
			"<availabilityZone>us-east-2b</availabilityZone></item></subnetSet></r>"});
	assert_int_equal(subnets("us-east-2a", &s, &n), ERR_INPUT);
	says("is in us-east-2b, but the manifest's infra wants us-east-2a");
	SCRIPT({"DescribeSubnets", .body = NO_SUBNET});
	assert_int_equal(subnets(NULL, &s, &n), ERR_INPUT);
	says("FURROW_SUBNET: no subnet 'subnet-557aafa1a6da45297' in us-east-2");

	setenv("FURROW_SUBNET", "subnet-1,subnet-2", 1);
	SCRIPT({"DescribeSubnets", .body = TWO_SUBNETS("vpc-1")},
		{"DescribeSubnets", .body = TWO_SUBNETS("vpc-1")},
		{"DescribeSubnets", .body = TWO_SUBNETS("vpc-2")});
	assert_int_equal(subnets(NULL, &s, &n), 0);
	has("Filter.1.Value.1=subnet-1\nFilter.1.Value.2=subnet-2\n");
	assert_int_equal(n, 2);
	assert_true(str_is(s[0].zone, "us-east-2a") && str_is(s[1].zone, "us-east-2b"));
	assert_int_equal(subnets("us-east-2b", &s, &n), 0);
	assert_true(n == 1 && str_is(s[0].id, "subnet-2"));
	assert_int_equal(subnets(NULL, &s, &n), ERR_INPUT);
	says("have to be in one VPC");
	unsetenv("FURROW_SUBNET");
}

static void
regions(void **state)
{
	struct strings all;

	(void)state;
	SCRIPT({"DescribeRegions", .body = "@regions.xml"});
	assert_int_equal(ec2_regions(NULL, &service.arena, &all, &service.err), 0);
	assert_string_equal(buf_cstr(&service.asked), "DescribeRegions us-east-1\n");
	assert_true(all.n > 20);

	SCRIPT({"DescribeRegions", .body = "@regions.xml"});
	assert_int_equal(
		ec2_check_region(NULL, &service.arena, STR("eu-central-1"), &service.err), 0);
	has("AllRegions=true\n");
	SCRIPT({"DescribeRegions", .body = "@regions.xml"});
	assert_int_equal(
		ec2_check_region(NULL, &service.arena, STR("us-east-9"), &service.err), ERR_INPUT);
	says("no region 'us-east-9' in AWS: did you mean 'us-east-1'?; there are ");
	says("us-west-2");
	SCRIPT({"DescribeRegions",
		.body = "<r><regionInfo><item><regionName>me-south-1</regionName><optInStatus>"
			"not-opted-in</optInStatus></item></regionInfo></r>"});
	assert_int_equal(
		ec2_check_region(NULL, &service.arena, STR("me-south-1"), &service.err), ERR_INPUT);
	says("not enabled for this account");
}

static int
named(const char *a, const char *b, struct ec2_type **types, size_t *n)
{
	struct str v[] = {str_from(a), str_from(b)};
	struct strings names = {v, b ? 2 : 1};

	return ec2_types_named(NULL, &service.arena, &names, types, n, &service.err);
}

static const struct ec2_type *
find(const struct ec2_type *types, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (str_is(types[i].name, name))
			return &types[i];
	}
	fail_msg("no %s", name);
	return NULL;
}

static void
types_named(void **state)
{
	const struct ec2_type *t;
	struct ec2_type *types;
	size_t n;

	(void)state;
	SCRIPT({"DescribeInstanceTypes", .body = "@types.xml"});
	assert_int_equal(named("c7gn.medium", "g6.12xlarge", &types, &n), 0);
	assert_string_equal(buf_cstr(&service.asked),
		"DescribeInstanceTypes \nInstanceType.1=c7gn.medium\nInstanceType.2=g6.12xlarge\n");
	assert_int_equal(n, 4);
	t = find(types, n, "c7gn.medium");
	assert_int_equal(t->cpus, 1);
	assert_true(t->memory_bytes == 2 * GIB);
	assert_true(t->arm64 && !t->x86_64 && t->spot && t->current && !t->bare_metal);
	assert_int_equal(t->gpus, 0);
	assert_null(t->gpu_name.p);
	t = find(types, n, "g6.12xlarge");
	assert_int_equal(t->gpus, 4);
	assert_string_equal(t->gpu_name.p, "L4");
	assert_true(t->x86_64 && !t->arm64);
	assert_true(find(types, n, "m7i.metal-24xl")->bare_metal);
	assert_true(find(types, n, "t2.micro")->x86_64); /* beside i386 */
}

static void
types_unknown(void **state)
{
	struct ec2_type *types;
	size_t n;

	(void)state;
	SCRIPT({"DescribeInstanceTypes", .code = "InvalidInstanceType"},
		{"DescribeInstanceTypes", .body = "@types.xml"});
	assert_int_equal(named("t2.micro", "c7gn.meduim", &types, &n), ERR_INPUT);
	finished();
	says("no instance type 'c7gn.meduim' in us-east-2: did you mean 'c7gn.medium'?");
	has("\nMaxResults=100\n");
	/* EC2 leaves one out instead of refusing it. */
	SCRIPT({"DescribeInstanceTypes", .body = "<r><instanceTypeSet/></r>"},
		{"DescribeInstanceTypes", .body = "@types.xml"});
	assert_int_equal(named("x9.huge", NULL, &types, &n), ERR_INPUT);
	says("no instance type 'x9.huge' in us-east-2; there are c7gn.medium, ");
	SCRIPT({"DescribeInstanceTypes", .code = "InternalError", .rc = ERR_HOST});
	assert_int_equal(named("x9.huge", NULL, &types, &n), ERR_HOST);
}

static void
types_of_nothing(void **state)
{
	struct ec2_type *types;
	size_t n;

	(void)state;
	SCRIPT({"DescribeInstanceTypes", .body = "<r><instanceTypeSet/></r>"});
	assert_int_equal(ec2_types(NULL, &service.arena, NULL, &types, &n, &service.err), ERR_HOST);
	says("told of no instance type");
}

static int
find_image(const char *ami, bool arm64, struct ec2_image *out)
{
	struct instances wish = {.ami = str_from(ami), .pos_ami = {.line = 7, .col = 3}};

	return ec2_find_image(NULL, &service.arena, &wish, arm64, false, out, &service.err);
}

/* Where containers run: what has an engine. */
static void
image_for_containers(void **state)
{
	struct instances wish = {0};
	struct ec2_image i;

	(void)state;
	SCRIPT({"AmazonSSM.GetParameter", .body = "@parameter.json"},
		{"DescribeImages", .body = "@image.xml"});
	assert_int_equal(
		ec2_find_image(NULL, &service.arena, &wish, false, true, &i, &service.err), 0);
	finished();
	assert_non_null(
		strstr(buf_cstr(&service.asked), "{\"Name\":\"/aws/service/ecs/optimized-ami/"
						 "amazon-linux-2023/recommended/image_id\"}"));
	wish.gpus.name = STR("L4");
	SCRIPT({"AmazonSSM.GetParameter", .body = "@parameter.json"},
		{"DescribeImages", .body = "@image.xml"});
	assert_int_equal(
		ec2_find_image(NULL, &service.arena, &wish, false, true, &i, &service.err), 0);
	finished();
	assert_non_null(
		strstr(buf_cstr(&service.asked), "amazon-linux-2023/gpu/recommended/image_id"));
}

static void
images(void **state)
{
	struct ec2_image i;

	(void)state;
	SCRIPT({"AmazonSSM.GetParameter", .body = "@parameter.json"},
		{"DescribeImages", .body = "@image.xml"});
	assert_int_equal(find_image(NULL, false, &i), 0);
	finished();
	assert_string_equal(buf_cstr(&service.asked),
		"AmazonSSM.GetParameter \n"
		"{\"Name\":\"/aws/service/ami-amazon-linux-latest/"
		"al2023-ami-kernel-default-x86_64\"}\n"
		"DescribeImages \nImageId.1=ami-018d49b53eee64386\n");
	assert_string_equal(i.id.p, "ami-018d49b53eee64386");
	assert_string_equal(i.root_device.p, "/dev/xvda");
	assert_string_equal(i.user.p, "ec2-user");
	assert_true(i.disk_bytes == 15 * GIB);
	assert_false(i.arm64);

	SCRIPT({"DescribeImages", .body = "@image.xml"});
	assert_int_equal(find_image("ami-018d49b53eee64386", false, &i), 0);
	SCRIPT({"AmazonSSM.GetParameter",
		       .body = "{\"Parameter\":{\"Value\":\"{\\\"image_id\\\":\\\"ami-2\\\"}\"}}"},
		{"DescribeImages",
			.body = "<r><imagesSet><item><imageId>ami-2</imageId><architecture>arm64</"
				"architecture>"
				"<name>ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-arm64</name>"
				"<rootDeviceName>/dev/sda1</rootDeviceName></item></imagesSet></"
				"r>"});
	assert_int_equal(find_image("/aws/service/x", true, &i), 0);
	finished();
	has("{\"Name\":\"/aws/service/x\"}");
	has("ImageId.1=ami-2\n");
	assert_string_equal(i.user.p, "ubuntu");
	assert_true(i.arm64);
	assert_true(i.disk_bytes == 0);
}

static void
no_image(void **state)
{
	struct ec2_image i;

	(void)state;
	SCRIPT({"DescribeImages", .code = "InvalidAMIID.NotFound", .rc = ERR_MISSING});
	assert_int_equal(find_image("ami-1", false, &i), ERR_INPUT);
	says("no image 'ami-1' in us-east-2 that this account may use: an image belongs to one "
	     "region");
	assert_int_equal(service.err.line, 7);
	SCRIPT({"DescribeImages", .body = "<r><imagesSet/></r>"});
	assert_int_equal(find_image("ami-1", false, &i), ERR_INPUT);
	SCRIPT({"DescribeImages", .code = "InternalError", .rc = ERR_HOST});
	assert_int_equal(find_image("ami-1", false, &i), ERR_HOST);
	assert_int_equal(service.err.line, 0);
	SCRIPT({"AmazonSSM.GetParameter", .code = "ParameterNotFound", .rc = ERR_MISSING});
	assert_int_equal(find_image("/aws/service/canonical/x", false, &i), ERR_INPUT);
	says("no parameter '/aws/service/canonical/x' in us-east-2: `aws ssm "
	     "get-parameters-by-path --path /aws/service/canonical --region us-east-2`");
	SCRIPT({"DescribeImages", .body = "@image.xml"});
	assert_int_equal(find_image("ami-1", true, &i), ERR_INPUT);
	says("is for x86_64, but the instance is arm64");
	SCRIPT({"DescribeImages", .body = "<r><imagesSet><item><imageId>ami-2</"
					  "imageId><architecture>x86_64</architecture>"
					  "<name>Windows_Server</name><platform>windows</"
					  "platform></item></imagesSet></r>"});
	assert_int_equal(find_image("ami-2", false, &i), ERR_INPUT);
	says("is one of Windows");
	SCRIPT({"DescribeImages",
		.body = "<r><imagesSet><item><imageId>ami-2</imageId><architecture>x86_64</"
			"architecture>"
			"<imageState>pending</imageState></item></imagesSet></r>"});
	assert_int_equal(find_image("ami-2", false, &i), ERR_INPUT);
	says("is pending, not available");
}

static void
bad_parameters(void **state)
{
	static const char *const bad[] = {"", "{", "[]", "{}", "{\"Parameter\":7}",
		"{\"Parameter\":{\"Value\":[]}}", "<html></html>"};
	struct str id;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(ec2_parse_parameter(&service.arena, str_from(bad[i]), STR("/p"),
					 &id, &service.err),
			ERR_HOST);
	assert_int_equal(
		ec2_parse_parameter(&service.arena, STR("{\"Parameter\":{\"Value\":\"x\"}}"),
			STR("/p"), &id, &service.err),
		ERR_INPUT);
	says("/p: its value names no image");
}

static void
account(void **state)
{
	struct str id, arn;

	(void)state;
	SCRIPT({"GetCallerIdentity", .body = "<GetCallerIdentityResponse><GetCallerIdentityResult><"
					     "Arn>arn:aws:iam::1:user/u</Arn>"
					     "<UserId>U</UserId><Account>123456789012</Account></"
					     "GetCallerIdentityResult>"
					     "</GetCallerIdentityResponse>"});
	assert_int_equal(sts_account(NULL, &service.arena, &id, &arn, &service.err), 0);
	assert_string_equal(id.p, "123456789012");
	assert_string_equal(arn.p, "arn:aws:iam::1:user/u");
	SCRIPT({"GetCallerIdentity", .body = "<r/>"});
	assert_int_equal(sts_account(NULL, &service.arena, &id, &arn, &service.err), ERR_HOST);
	says("names no account");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(default_subnets),
		cmocka_unit_test(no_such_zone),
		cmocka_unit_test(own_subnet),
		cmocka_unit_test(regions),
		cmocka_unit_test(types_named),
		cmocka_unit_test(types_unknown),
		cmocka_unit_test(types_of_nothing),
		cmocka_unit_test(images),
		cmocka_unit_test(image_for_containers),
		cmocka_unit_test(no_image),
		cmocka_unit_test(bad_parameters),
		cmocka_unit_test(account),
	};

	return cmocka_run_group_tests_name("ec2 place", tests, NULL, teardown);
}
