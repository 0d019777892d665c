/* ec2: launches, describing, ending, security groups: what is asked and what is made of the answers. */
#include "tests/unit/ec2_fixture.h"

#define GIB (INT64_C(1) << 30)
#define MIB (INT64_C(1) << 20)

static struct pair job_tags[] = {
	{STR("furrow:job"), STR("count")}, {STR("Name"), STR("furrow-count")}};

static struct ec2_launch
usual(void)
{
	return (struct ec2_launch){
		.token = STR("tok-1"),
		.image = STR("ami-1"),
		.type = STR("m7i.large"),
		.zone = STR("us-east-2a"),
		.subnet = STR("subnet-1"),
		.group = STR("sg-1"),
		.root_device = STR("/dev/xvda"),
		.disk_bytes = -1,
		.disk_warm_bytes_per_s = -1,
		.user_data = STR("#cloud-config\n"),
		.tags = {job_tags, 2},
	};
}

static int
launch(const struct ec2_launch *l, bool dry, struct ec2_instance *out)
{
	return ec2_run_instance(NULL, &service.arena, l, dry, out, NULL, &service.err);
}

static void
launches(void **state)
{
	struct ec2_launch l = usual();
	struct ec2_instance i;

	(void)state;
	SCRIPT({"RunInstances", .body = "@launched.xml"});
	assert_int_equal(launch(&l, false, &i), 0);
	finished();
	assert_string_equal(buf_cstr(&service.asked),
		"RunInstances \n"
		"ClientToken=tok-1\n"
		"MinCount=1\n"
		"MaxCount=1\n"
		"ImageId=ami-1\n"
		"InstanceType=m7i.large\n"
		"Placement.AvailabilityZone=us-east-2a\n"
		"SubnetId=subnet-1\n"
		"SecurityGroupId.1=sg-1\n"
		"BlockDeviceMapping.1.DeviceName=/dev/xvda\n"
		"BlockDeviceMapping.1.Ebs.DeleteOnTermination=true\n"
		"InstanceInitiatedShutdownBehavior=terminate\n"
		"MetadataOptions.HttpEndpoint=enabled\n"
		"MetadataOptions.HttpTokens=required\n"
		"MetadataOptions.HttpPutResponseHopLimit=2\n"
		"TagSpecification.1.ResourceType=instance\n"
		"TagSpecification.1.Tag.1.Key=furrow:job\n"
		"TagSpecification.1.Tag.1.Value=count\n"
		"TagSpecification.1.Tag.2.Key=Name\n"
		"TagSpecification.1.Tag.2.Value=furrow-count\n"
		"TagSpecification.2.ResourceType=volume\n"
		"TagSpecification.2.Tag.1.Key=furrow:job\n"
		"TagSpecification.2.Tag.1.Value=count\n"
		"TagSpecification.2.Tag.2.Key=Name\n"
		"TagSpecification.2.Tag.2.Value=furrow-count\n"
		"TagSpecification.3.ResourceType=network-interface\n"
		"TagSpecification.3.Tag.1.Key=furrow:job\n"
		"TagSpecification.3.Tag.1.Value=count\n"
		"TagSpecification.3.Tag.2.Key=Name\n"
		"TagSpecification.3.Tag.2.Value=furrow-count\n"
		"UserData=I2Nsb3VkLWNvbmZpZwo=\n");
	assert_string_equal(i.id.p, "i-515b30ff20e6a959b");
	assert_int_equal(i.state, EC2_PENDING);
	assert_true(i.spot);
	assert_string_equal(i.client_token.p, "tok-1");
	assert_string_equal(ec2_tag(&i, "furrow:job").p, "word <count> & \"co\"");
	assert_null(ec2_tag(&i, "furrow:lease").p);
}

static void
launches_otherwise(void **state)
{
	struct ec2_launch l = usual();
	struct ec2_instance i;

	(void)state;
	l.spot = l.public_address = true;
	l.disk_bytes = 50 * GIB + 1;
	l.disk_warm_bytes_per_s = 300 * MIB;
	SCRIPT({"RunInstances", .body = "@launched.xml"});
	assert_int_equal(launch(&l, false, &i), 0);
	has("\nNetworkInterface.1.DeviceIndex=0\n"
	    "NetworkInterface.1.SubnetId=subnet-1\n"
	    "NetworkInterface.1.AssociatePublicIpAddress=true\n"
	    "NetworkInterface.1.DeleteOnTermination=true\n"
	    "NetworkInterface.1.SecurityGroupId.1=sg-1\n");
	lacks("\nSubnetId=");
	lacks("\nSecurityGroupId.1=");
	has("\nBlockDeviceMapping.1.Ebs.VolumeType=gp3\n"
	    "BlockDeviceMapping.1.Ebs.VolumeSize=51\n"
	    "BlockDeviceMapping.1.Ebs.VolumeInitializationRate=300\n");
	has("\nInstanceMarketOptions.MarketType=spot\n"
	    "InstanceMarketOptions.SpotOptions.SpotInstanceType=one-time\n"
	    "InstanceMarketOptions.SpotOptions.InstanceInterruptionBehavior=terminate\n");
	has("\nTagSpecification.4.ResourceType=spot-instances-request\n");

	l = usual(), l.root_device = (struct str){0}, l.user_data = (struct str){0};
	SCRIPT({"RunInstances", .body = "@launched.xml"});
	assert_int_equal(launch(&l, false, &i), 0);
	lacks("BlockDeviceMapping");
	lacks("UserData");
	lacks("DryRun");
}

static void
refused_before_any_call(void **state)
{
	struct ec2_launch l;
	struct ec2_instance i;
	char *long_data = calloc(1, (16 << 10) + 1);

	(void)state;
	assert_non_null(long_data);
	SCRIPT({.action = "none"});
	l = usual(), l.token = STR("");
	assert_int_equal(launch(&l, false, &i), ERR_INTERNAL);
	l.token = STR("12345678901234567890123456789012345678901234567890123456789012345");
	assert_int_equal(launch(&l, false, &i), ERR_INTERNAL);
	says("token of 65 bytes");
	l = usual(), l.user_data = (struct str){long_data, (16 << 10) + 1};
	assert_int_equal(launch(&l, false, &i), ERR_INTERNAL);
	says("16385 bytes, EC2 takes 16384");
	l = usual(), l.disk_warm_bytes_per_s = 50 * MIB;
	assert_int_equal(launch(&l, false, &i), ERR_INPUT);
	says("instances.disk.warm of 50MiB/s");
	l.disk_warm_bytes_per_s = 301 * MIB;
	assert_int_equal(launch(&l, false, &i), ERR_INPUT);
	l = usual(), l.disk_bytes = GIB, l.root_device = (struct str){0};
	assert_int_equal(launch(&l, false, &i), ERR_INPUT);
	says("does not tell its root device");
	assert_int_equal(service.at, 0);
	free(long_data);
}

static void
dry_run(void **state)
{
	struct ec2_launch l = usual();
	struct ec2_instance i;

	(void)state;
	SCRIPT({"RunInstances", "DryRunOperation", .rc = ERR_STALE});
	assert_int_equal(launch(&l, true, &i), 0);
	has("\nDryRun=true\n");
	SCRIPT({"RunInstances", "UnauthorizedOperation", .class = CLASS_DENIED});
	assert_int_equal(launch(&l, true, &i), ERR_INPUT);
	assert_int_equal(service.err.class, CLASS_DENIED);
	SCRIPT({"RunInstances", "DryRunOperation", .rc = ERR_STALE});
	assert_int_equal(launch(&l, false, &i), ERR_STALE);
}

static void
no_room(void **state)
{
	struct ec2_launch l = usual();
	struct ec2_instance i;

	(void)state;
	SCRIPT({"RunInstances", "InsufficientInstanceCapacity", .class = CLASS_CAPACITY,
		.rc = ERR_HOST});
	assert_int_equal(launch(&l, false, &i), ERR_HOST);
	assert_int_equal(service.err.class, CLASS_CAPACITY);
	says("launch m7i.large in us-east-2a (on demand): ec2 RunInstances: Insufficient");
	says("; another zone, type or market may have room");

	SCRIPT({"RunInstances", "VcpuLimitExceeded", .class = CLASS_QUOTA, .rc = ERR_HOST});
	assert_int_equal(launch(&l, false, &i), ERR_HOST);
	assert_int_equal(service.err.class, CLASS_QUOTA);
	says("(A, C, D, H, I, M, R, T, Z) instances\", L-1216C47A: ask for more");
	l.spot = true;
	SCRIPT({"RunInstances", "VcpuLimitExceeded", .class = CLASS_QUOTA, .rc = ERR_HOST});
	launch(&l, false, &i);
	says("(spot): ");
	says("L-34B43A08");
	l = usual(), l.type = STR("g6.xlarge");
	SCRIPT({"RunInstances", "VcpuLimitExceeded", .class = CLASS_QUOTA, .rc = ERR_HOST});
	launch(&l, false, &i);
	says("L-DB2E81BA");
	l.type = STR("trn1.2xlarge");
	SCRIPT({"RunInstances", "VcpuLimitExceeded", .class = CLASS_QUOTA, .rc = ERR_HOST});
	launch(&l, false, &i);
	says("quota of EC2's 'trn' instances (on demand)");
	SCRIPT({"RunInstances", "VolumeLimitExceeded", .class = CLASS_QUOTA, .rc = ERR_HOST});
	launch(&l, false, &i);
	says("quota of Amazon EBS");
}

static void
launch_waits_for_its_group(void **state)
{
	struct ec2_launch l = usual();
	struct ec2_instance i;

	(void)state;
	SCRIPT({"RunInstances", "InvalidGroup.NotFound", .rc = ERR_MISSING},
		{"RunInstances", .body = "@launched.xml"});
	assert_int_equal(launch(&l, false, &i), 0);
	finished();
}

static void
launch_without_an_instance(void **state)
{
	struct ec2_launch l = usual();
	struct ec2_instance i;

	(void)state;
	SCRIPT({"RunInstances",
		.body = "<RunInstancesResponse><instancesSet/></RunInstancesResponse>"});
	assert_int_equal(launch(&l, false, &i), ERR_HOST);
	says("names no instance");
	SCRIPT({"RunInstances", .body = "<r><instancesSet><item/></instancesSet></r>"});
	assert_int_equal(launch(&l, false, &i), ERR_HOST);
}

static void
describes(void **state)
{
	struct pair filter[] = {
		{STR("tag:furrow:job"), STR("a,b")}, {STR("instance-state-name"), STR("running")}};
	struct pairs filters = {filter, 2};
	struct ec2_instance *found;
	size_t n;

	(void)state;
	SCRIPT({"DescribeInstances", .body = "@instances.xml"});
	assert_int_equal(ec2_describe_instances(NULL, &service.arena, STR("us-west-2"), NULL,
				 &filters, &found, &n, &service.err),
		0);
	finished();
	assert_string_equal(buf_cstr(&service.asked), "DescribeInstances us-west-2\n"
						      "MaxResults=1000\n"
						      "Filter.1.Name=tag:furrow:job\n"
						      "Filter.1.Value.1=a\n"
						      "Filter.1.Value.2=b\n"
						      "Filter.2.Name=instance-state-name\n"
						      "Filter.2.Value.1=running\n");
	assert_int_equal(n, 2);
	assert_string_equal(found[0].id.p, "i-515b30ff20e6a959b");
	assert_string_equal(found[0].type.p, "m7i.large");
	assert_string_equal(found[0].zone.p, "us-east-2a");
	assert_string_equal(found[0].image.p, "ami-0abcdef1234567890");
	assert_string_equal(found[0].subnet.p, "subnet-557aafa1a6da45297");
	assert_string_equal(found[0].public_address.p, "54.214.179.207");
	assert_string_equal(found[0].private_address.p, "10.81.229.89");
	assert_int_equal(found[0].state, EC2_RUNNING);
	assert_true(found[0].spot);
	assert_null(found[0].reason.p);
	assert_null(found[0].reason_code.p);
	assert_true(found[0].launched_wall_ns == INT64_C(1795583352) * NS_PER_S);
	assert_int_equal(found[1].state, EC2_TERMINATED);
	assert_null(found[1].public_address.p);
	assert_false(found[1].spot);
	assert_string_equal(found[1].reason_code.p, "Client.UserInitiatedShutdown");
	assert_string_equal(ec2_state_name(found[1].state), "terminated");
}

#define ITEM(id)                                                                               \
	"<reservationSet><item><instancesSet><item><instanceId>" id                            \
	"</instanceId><instanceState><code>272</code></instanceState></item></instancesSet></" \
	"item>"                                                                                \
	"</reservationSet>"

static void
describes_page_by_page(void **state)
{
	struct pairs none = {0};
	struct ec2_instance *found;
	size_t n;

	(void)state;
	SCRIPT({"DescribeInstances", .body = "<r>" ITEM("i-1") "<nextToken>A+/=</nextToken></r>"},
		{"DescribeInstances", .body = "<r><reservationSet/><nextToken>B</nextToken></r>"},
		{"DescribeInstances", .body = "<r>" ITEM("i-2") "<nextToken/></r>"});
	assert_int_equal(ec2_describe_instances(NULL, &service.arena, (struct str){0}, NULL, &none,
				 &found, &n, &service.err),
		0);
	finished();
	assert_int_equal(n, 2);
	assert_string_equal(found[1].id.p, "i-2");
	assert_int_equal(found[0].state, EC2_RUNNING); /* 272 & 0xff: 16 */
	assert_string_equal(buf_cstr(&service.asked),
		"DescribeInstances \nMaxResults=1000\n"
		"DescribeInstances \nMaxResults=1000\nNextToken=A+/=\n"
		"DescribeInstances \nMaxResults=1000\nNextToken=B\n");

	SCRIPT({"DescribeInstances", .body = "<r><nextToken>A</nextToken></r>"},
		{"DescribeInstances", .body = "<r><nextToken>A</nextToken></r>"});
	assert_int_equal(ec2_describe_instances(NULL, &service.arena, (struct str){0}, NULL, &none,
				 &found, &n, &service.err),
		ERR_HOST);
	says("names itself as the next");
	SCRIPT({"DescribeInstances", .body = "<r>" ITEM("i-1") "<nextToken>A</nextToken></r>"},
		{"DescribeInstances", "RequestLimitExceeded", .rc = ERR_HOST,
			.class = CLASS_THROTTLED});
	assert_int_equal(ec2_describe_instances(NULL, &service.arena, (struct str){0}, NULL, &none,
				 &found, &n, &service.err),
		ERR_HOST);
	assert_int_equal(n, 0);
}

static void
describes_many_ids(void **state)
{
	struct str v[450];
	struct strings ids = {v, 450};
	struct ec2_instance *found;
	size_t n;

	(void)state;
	for (size_t i = 0; i < 450; i++)
		v[i] = arena_printf(&service.arena, "i-%zu", i);
	SCRIPT({"DescribeInstances", .body = "<r>" ITEM("i-1") "</r>"},
		{"DescribeInstances", .body = "<r>" ITEM("i-201") "</r>"},
		{"DescribeInstances", .body = "<r/>"});
	assert_int_equal(ec2_describe_instances(NULL, &service.arena, (struct str){0}, &ids, NULL,
				 &found, &n, &service.err),
		0);
	finished();
	assert_int_equal(n, 2);
	has("Filter.1.Name=instance-id\nFilter.1.Value.1=i-0\n");
	has("Filter.1.Value.200=i-199\nDescribeInstances ");
	has("Filter.1.Value.1=i-400\n");
	has("Filter.1.Value.50=i-449\n");
	lacks("Value.201=");
	ids.n = 0;
	SCRIPT({.action = "none"});
	assert_int_equal(ec2_describe_instances(NULL, &service.arena, (struct str){0}, &ids, NULL,
				 &found, &n, &service.err),
		0);
	assert_int_equal(n, 0);
}

static void
times(void **state)
{
	(void)state;
	assert_true(ec2_parse_time(STR("1970-01-01T00:00:01.000Z")) == NS_PER_S);
	assert_true(ec2_parse_time(STR("2026-11-25T04:50:00Z")) == INT64_C(1795582200) * NS_PER_S);
	assert_true(ec2_parse_time(STR("")) == 0);
	assert_true(ec2_parse_time((struct str){0}) == 0);
	assert_true(ec2_parse_time(STR("yesterday")) == 0);
	assert_true(ec2_parse_time(STR("2026-11-25T04:50:00.00000000000000000000000000000Z")) == 0);
}

#define NOT_FOUND(ids)                                                                           \
	"<Response><Errors><Error><Code>InvalidInstanceID.NotFound</Code><Message>The instance " \
	"IDs '" ids "' do not exist</Message></Error></Errors></Response>"

static void
terminates(void **state)
{
	struct str v[] = {STR("i-1"), STR("i-12"), STR("i-3")};
	struct strings ids = {v, 3};

	(void)state;
	SCRIPT({"TerminateInstances", "InvalidInstanceID.NotFound", NOT_FOUND("i-12, i-3"),
		       .rc = ERR_MISSING},
		{.action = "TerminateInstances"});
	assert_int_equal(
		ec2_terminate(NULL, &service.arena, STR("eu-west-1"), &ids, &service.err), 0);
	finished();
	assert_string_equal(buf_cstr(&service.asked),
		"TerminateInstances "
		"eu-west-1\nInstanceId.1=i-1\nInstanceId.2=i-12\nInstanceId.3=i-3\n"
		"TerminateInstances eu-west-1\nInstanceId.1=i-1\n");
	assert_int_equal(ids.n, 3);
	assert_string_equal(v[1].p, "i-12");

	ids.n = 2;
	SCRIPT({"TerminateInstances", "InvalidInstanceID.NotFound", NOT_FOUND("i-12"),
		       .rc = ERR_MISSING},
		{"TerminateInstances", "InvalidInstanceID.NotFound", NOT_FOUND("i-1"),
			.rc = ERR_MISSING});
	assert_int_equal(
		ec2_terminate(NULL, &service.arena, STR("eu-west-1"), &ids, &service.err), 0);
	finished();
	SCRIPT({"TerminateInstances", "InvalidInstanceID.NotFound", NOT_FOUND("i-99"),
		.rc = ERR_MISSING});
	assert_int_equal(ec2_terminate(NULL, &service.arena, STR("eu-west-1"), &ids, &service.err),
		ERR_MISSING);
	SCRIPT({"TerminateInstances", .code = "UnauthorizedOperation"});
	assert_int_equal(ec2_terminate(NULL, &service.arena, STR("eu-west-1"), &ids, &service.err),
		ERR_INPUT);
	ids.n = 0;
	SCRIPT({.action = "none"});
	assert_int_equal(
		ec2_terminate(NULL, &service.arena, STR("eu-west-1"), &ids, &service.err), 0);
}

static void
terminates_very_many(void **state)
{
	struct strings ids = {ARENA_ARRAY(&service.arena, struct str, 1500), 1500};

	(void)state;
	for (size_t i = 0; i < ids.n; i++)
		ids.v[i] = arena_printf(&service.arena, "i-%zu", i);
	SCRIPT({.action = "TerminateInstances"}, {.action = "TerminateInstances"});
	assert_int_equal(
		ec2_terminate(NULL, &service.arena, (struct str){0}, &ids, &service.err), 0);
	finished();
	has("InstanceId.1000=i-999\nTerminateInstances");
	has("InstanceId.500=i-1499\n");
	lacks("InstanceId.1001=");
}

static int
make_group(const char *cidr, struct ec2_group *g)
{
	struct pairs t = {job_tags, 1};

	return ec2_make_group(NULL, &service.arena, STR("vpc-1"), STR("furrow-x"), &t,
		str_from(cidr), g, &service.err);
}

#define NO_GROUP "<r><securityGroupInfo/></r>"

static void
groups(void **state)
{
	struct ec2_group g, *all;
	size_t n;

	(void)state;
	SCRIPT({"DescribeSecurityGroups", .body = NO_GROUP});
	assert_int_equal(ec2_find_group(NULL, &service.arena, STR("vpc-1"), STR("furrow-x"), &g,
				 &service.err),
		ERR_MISSING);
	has("Filter.1.Name=vpc-id\nFilter.1.Value.1=vpc-1\nFilter.2.Name=group-name\nFilter.2."
	    "Value.1=furrow-x\n");

	SCRIPT({"DescribeSecurityGroups", .body = "@groups.xml"});
	assert_int_equal(make_group("192.0.2.7/32", &g), 0);
	finished();
	assert_string_equal(g.id.p, "sg-bc8416e369cd288a2");
	assert_int_equal(g.cidrs.n, 1);

	SCRIPT({"DescribeSecurityGroups", .body = "@groups.xml"},
		{.action = "AuthorizeSecurityGroupIngress"});
	assert_int_equal(make_group("2001:db8::1/128", &g), 0);
	finished();
	assert_int_equal(g.cidrs.n, 2);
	has("\nGroupId=sg-bc8416e369cd288a2\nIpPermissions.1.IpProtocol=tcp\nIpPermissions.1."
	    "FromPort=22\n"
	    "IpPermissions.1.ToPort=22\nIpPermissions.1.Ipv6Ranges.1.CidrIpv6=2001:db8::1/128\n");

	SCRIPT({"DescribeSecurityGroups", .body = "@groups.xml"});
	assert_int_equal(
		ec2_list_groups(NULL, &service.arena, STR("eu-west-1"), &all, &n, &service.err), 0);
	assert_int_equal(n, 1);
	has("DescribeSecurityGroups eu-west-1\n");
	has("Filter.1.Name=tag-key\nFilter.1.Value.1=furrow:job\n");
}

static void
new_group(void **state)
{
	struct ec2_group g;

	(void)state;
	SCRIPT({"DescribeSecurityGroups", .body = NO_GROUP},
		{"CreateSecurityGroup", .body = "<r><groupId>sg-new</groupId></r>"},
		{"AuthorizeSecurityGroupIngress", "InvalidGroup.NotFound", .rc = ERR_MISSING},
		{.action = "AuthorizeSecurityGroupIngress"});
	assert_int_equal(make_group("192.0.2.7/32", &g), 0);
	finished();
	assert_string_equal(g.id.p, "sg-new");
	assert_string_equal(g.cidrs.v[0].p, "192.0.2.7/32");
	has("\nVpcId=vpc-1\nGroupName=furrow-x\nGroupDescription=furrow: SSH from where it is "
	    "applied\n"
	    "TagSpecification.1.ResourceType=security-group\nTagSpecification.1.Tag.1.Key=furrow:"
	    "job\n");
	has("\nIpPermissions.1.IpRanges.1.CidrIp=192.0.2.7/32\n");

	/* Two at once: the other one made it, and let us in as well. */
	SCRIPT({"DescribeSecurityGroups", .body = NO_GROUP},
		{"CreateSecurityGroup", .code = "InvalidGroup.Duplicate"},
		{"DescribeSecurityGroups", .body = "@groups.xml"},
		{"AuthorizeSecurityGroupIngress", .code = "InvalidPermission.Duplicate"});
	assert_int_equal(make_group("192.0.2.7/32", &g), 0);
	finished();
	assert_string_equal(g.id.p, "sg-bc8416e369cd288a2");

	SCRIPT({"DescribeSecurityGroups", .body = NO_GROUP},
		{"CreateSecurityGroup", .body = "<r/>"});
	assert_int_equal(make_group("192.0.2.7/32", &g), ERR_HOST);
	says("names no group");
	SCRIPT({"DescribeSecurityGroups", .body = "@groups.xml"},
		{"AuthorizeSecurityGroupIngress", "UnauthorizedOperation", .class = CLASS_DENIED});
	assert_int_equal(make_group("198.51.100.1/32", &g), ERR_INPUT);
}

static void
group_rules(void **state)
{
	struct xml *root;
	struct ec2_group g;
	struct str text = STR(
		"<r><item><groupId>sg-1</groupId><groupName>furrow-x</groupName><tagSet><item>"
		"<key>furrow:job</key><value>x</value></item></tagSet><ipPermissions>"
		"<item><ipProtocol>tcp</ipProtocol><fromPort>80</fromPort><toPort>443</toPort>"
		"<ipRanges><item><cidrIp>10.0.0.1/32</cidrIp></item></ipRanges></item>"
		"<item><ipProtocol>udp</ipProtocol><fromPort>22</fromPort><toPort>22</toPort>"
		"<ipRanges><item><cidrIp>10.0.0.2/32</cidrIp></item></ipRanges></item>"
		"<item><ipProtocol>tcp</ipProtocol><fromPort>0</fromPort><toPort>65535</toPort>"
		"<ipRanges><item><cidrIp>10.0.0.3/32</cidrIp></item></ipRanges>"
		"<ipv6Ranges><item><cidrIpv6>2001:db8::/32</cidrIpv6></item></ipv6Ranges></item>"
		"<item><ipProtocol>-1</ipProtocol><ipRanges><item><cidrIp>10.0.0.4/32</cidrIp></"
		"item>"
		"</ipRanges></item><item/></ipPermissions></item></r>");

	(void)state;
	assert_int_equal(xml_parse(&service.arena, &root, text, "test", NULL), 0);
	ec2_parse_group(&service.arena, xml_at(root, "item"), &g);
	assert_true(str_is(g.name, "furrow-x"));
	assert_true(str_is(ec2_tag_of(&g.tags, "furrow:job"), "x"));
	assert_int_equal(g.cidrs.n, 3);
	assert_string_equal(g.cidrs.v[0].p, "10.0.0.3/32");
	assert_string_equal(g.cidrs.v[1].p, "2001:db8::/32");
	assert_string_equal(g.cidrs.v[2].p, "10.0.0.4/32");
}

static void
deletes_a_group(void **state)
{
	(void)state;
	SCRIPT({"DeleteSecurityGroup", .code = "DependencyViolation"},
		{.action = "DeleteSecurityGroup"});
	assert_int_equal(ec2_delete_group(NULL, &service.arena, STR("us-west-1"), STR("sg-1"),
				 5 * NS_PER_S, &service.err),
		0);
	finished();
	has("DeleteSecurityGroup us-west-1\nGroupId=sg-1\n");
	SCRIPT({"DeleteSecurityGroup", "InvalidGroup.NotFound", .rc = ERR_MISSING});
	assert_int_equal(ec2_delete_group(NULL, &service.arena, (struct str){0}, STR("sg-1"), 0,
				 &service.err),
		0);
	SCRIPT({"DeleteSecurityGroup", .code = "DependencyViolation"});
	assert_int_equal(ec2_delete_group(NULL, &service.arena, (struct str){0}, STR("sg-1"), 0,
				 &service.err),
		ERR_INPUT);
	says("still uses it");
	SCRIPT({"DeleteSecurityGroup", .code = "UnauthorizedOperation"});
	assert_int_equal(ec2_delete_group(NULL, &service.arena, (struct str){0}, STR("sg-1"),
				 NS_PER_S, &service.err),
		ERR_INPUT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(launches),
		cmocka_unit_test(launches_otherwise),
		cmocka_unit_test(refused_before_any_call),
		cmocka_unit_test(dry_run),
		cmocka_unit_test(no_room),
		cmocka_unit_test(launch_waits_for_its_group),
		cmocka_unit_test(launch_without_an_instance),
		cmocka_unit_test(describes),
		cmocka_unit_test(describes_page_by_page),
		cmocka_unit_test(describes_many_ids),
		cmocka_unit_test(times),
		cmocka_unit_test(terminates),
		cmocka_unit_test(terminates_very_many),
		cmocka_unit_test(groups),
		cmocka_unit_test(new_group),
		cmocka_unit_test(group_rules),
		cmocka_unit_test(deletes_a_group),
	};

	return cmocka_run_group_tests_name("ec2", tests, NULL, teardown);
}
