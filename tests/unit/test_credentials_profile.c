/* test_credentials_profile: what stands in a profile: a program that hands out keys, and roles upon roles. */
#include "tests/unit/aws_fixture.h"

#include "providers/aws/credentials_internal.h"

#define SECRET "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"

#define STS_XML                                                                                  \
	"<AssumeRoleResponse xmlns='https://sts.amazonaws.com/doc/2011-06-15/'>"                 \
	"<AssumeRoleResult><Credentials><AccessKeyId>ROLE</AccessKeyId><SecretAccessKey>" SECRET \
	"</SecretAccessKey><SessionToken>tok</SessionToken>"                                     \
	"<Expiration>2030-03-18T00:00:00Z</Expiration></Credentials></AssumeRoleResult>"         \
	"</AssumeRoleResponse>"

static struct world *
config_world(const char *config, const char *profile)
{
	struct world *w = world_new();

	world_set(w, "AWS_EC2_METADATA_DISABLED", "true");
	world_write(w, ".aws/config", config);
	if (world_open(w, profile) != 0)
		fail_msg("%s", w->err.message);
	return w;
}

static void
assert_fails(struct world *w, int code, const char *part, int line)
{
	struct credentials c;
	int rc = world_get(w, &c);

	if (rc != code || (int)w->err.code != code || !strstr(w->err.message, part))
		fail_msg("line %d: %d: %s", line, rc, w->err.message);
	if (strstr(w->err.message, SECRET))
		fail_msg("line %d: a secret in the message", line);
}
#define ASSERT_FAILS(w, code, part) assert_fails(w, code, part, __LINE__)

/* The profile p of such a file has none, for this reason. */
static void
config_fails(const char *config, const char *part, int line)
{
	struct world *w = config_world(config, "p");

	assert_fails(w, ERR_INPUT, part, line);
	assert_int_equal(w->err.class, CLASS_DENIED);
	world_free(w);
}
#define CONFIG_FAILS(config, part) config_fails(config, part, __LINE__)

static void
command_lines(void **state)
{
	static const struct {
		const char *line, *words; /* words with '|' between; NULL: none, see problem */
		const char *problem;
	} cases[] = {
		{"a b  c", "a|b|c", NULL},
		{"  a\t b\n", "a|b", NULL},
		{"", "", NULL},
		{"   ", "", NULL},
		{"'a b' \"c d\"", "a b|c d", NULL},
		{"a'b'\"c\"d", "abcd", NULL},
		{"'' \"\"", "|", NULL},
		{"'\\' \"\\\"\" \"\\\\\" \"\\x\"", "\\|\"|\\|\\x", NULL},
		{"a\\ b \\'", "a b|'", NULL},
		{"$HOME ~ * `x` #y", "$HOME|~|*|`x`|#y", NULL},
		{"'a", NULL, "a quote has no end"},
		{"a \"b", NULL, "a quote has no end"},
		{"a \"b\\\"", NULL, "a quote has no end"},
		{"a\\", NULL, "nothing behind the last backslash"},
	};
	struct arena a = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *problem;
		const char *const *words = credentials_split(&a, str_from(cases[i].line), &problem);
		struct buf got = {0};

		for (size_t n = 0; words && words[n]; n++)
			buf_addf(&got, "%s%s", n ? "|" : "", words[n]);
		if (cases[i].words)
			assert_string_equal(buf_cstr(&got), cases[i].words);
		else
			assert_string_equal(problem, cases[i].problem);
		assert_true(!words == !cases[i].words);
		buf_free(&got);
	}
	arena_free(&a);
}

/* A program that does so. */
static struct world *
process_world(const char *script)
{
	struct world *w = world_new();
	struct str path = arena_printf(&w->arena, "%s/the program", w->home);

	world_set(w, "AWS_EC2_METADATA_DISABLED", "true");
	world_write(w, "the program", arena_printf(&w->arena, "#!/bin/sh\n%s\n", script).p);
	assert_int_equal(chmod(path.p, 0700), 0);
	world_write(w, ".aws/config",
		arena_printf(
			&w->arena, "[profile p]\ncredential_process = \"%s\" --for 'a b'\n", path.p)
			.p);
	assert_int_equal(world_open(w, "p"), 0);
	return w;
}

static void
a_process(void **state)
{
	struct world *w = process_world(
		"[ \"$1|$2|$3\" = '--for|a b|' ] || exit 9\n"
		"printf '{\"Version\": 1, \"AccessKeyId\": \"A\", \"SecretAccessKey\": \"" SECRET
		"\", \"SessionToken\": \"t\", \"Expiration\": \"2030-03-17T20:00:00+01:00\", "
		"\"More\": []}'; echo words >&2");
	struct credentials c;

	(void)state;
	if (world_get(w, &c) != 0)
		fail_msg("%s", w->err.message);
	assert_true(str_is(c.key_id, "A") && str_is(c.token, "t") && str_is(c.secret, SECRET));
	assert_true(c.expires_wall_ns == (NOON_S + 4400) * NS_PER_S); /* 19:00:00Z */
	assert_true(str_is(c.from, "profile p (credential_process)"));
	world_free(w);
}

static void
processes_that_fail(void **state)
{
	static const struct {
		const char *script, *part;
	} cases[] = {
		{"echo no token >&2; echo '" SECRET "'; exit 3", "ended with 3: no token"},
		{"exit 4", "ended with 4 and without a word"},
		{"kill -9 $$", "was killed by signal 9"},
		{"echo key " SECRET "/" SECRET " leaked >&2; exit 1", ": key *** leaked"},
		{"printf 'a\\033[31m\\nb' >&2; exit 1", ": a [31m b"},
		{"", ": not JSON (line 1, column 0 of 0 bytes)"},
		{"echo " SECRET, ": not JSON (line 1, column "},
		{"echo '{\"AccessKeyId\": \"" SECRET "\", '", ": not JSON (line "},
		{"echo '[]'", ": not a JSON object"},
		{"echo '{}'", ": Version is missing, only 1 is known"},
		{"echo '{\"Version\":2}'", ": Version is another, only 1 is known"},
		{"echo '{\"Version\":\"1\"}'", ": Version is another, only 1 is known"},
		{"echo '{\"Version\":1}'", ": AccessKeyId is missing"},
		{"echo '{\"Version\":1,\"AccessKeyId\":null}'", ": AccessKeyId is missing"},
		{"echo '{\"Version\":1,\"AccessKeyId\":7}'", ": AccessKeyId is not a string"},
		{"echo '{\"Version\":1,\"AccessKeyId\":\"A\"}'", ": SecretAccessKey is missing"},
		{"echo '{\"Version\":1,\"AccessKeyId\":\"\",\"SecretAccessKey\":\"s\"}'",
			": the access key id is empty"},
		{"echo '{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s s\"}'",
			": the secret access key is empty, too long, or has a blank"},
		{"echo '{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\","
		 "\"SessionToken\":\"a\\\\r\\\\nb\"}'",
			": the session token is empty, too long"},
		{"echo '{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\","
		 "\"Expiration\":\"soon\"}'",
			": Expiration is no time like"},
		{"echo '{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\","
		 "\"Expiration\":1900000000}'",
			": Expiration is not a string"},
		{"echo '{\"Version\":1,\"Version\":1}'", ": not JSON"},
		{"echo '{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\","
		 "\"Expiration\":\"2030-03-17T17:46:40Z\"}'",
			"profile p (credential_process) ended already, at 2030-03-17T17:46:40"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world *w = process_world(cases[i].script);

		assert_fails(w, ERR_INPUT, cases[i].part, (int)i);
		assert_int_equal(w->err.class, CLASS_DENIED);
		world_free(w);
	}
}

static void
processes_that_are_none(void **state)
{
	struct world *w;

	(void)state;
	CONFIG_FAILS("[profile p]\ncredential_process = /no/such/program x\n",
		"profile p: credential_process /no/such/program: there is no such program");
	CONFIG_FAILS("[profile p]\ncredential_process = ~/bin/x\n", "~ and $ stand for nothing");
	CONFIG_FAILS(
		"[profile p]\ncredential_process = 'x\n", "credential_process: a quote has no");
	CONFIG_FAILS(
		"[profile p]\ncredential_process = ''\n", "credential_process names no program");
	w = config_world("[profile p]\ncredential_process = /\n", "p");
	ASSERT_FAILS(w, ERR_HOST, "credential_process /: running /: Permission denied");
	world_free(w);
	w = process_world("sleep 60");
	w->credentials.process_timeout_ns = 200 * NS_PER_MS;
	assert_int_equal(world_open(w, "p"), 0);
	ASSERT_FAILS(w, ERR_HOST, "did not end within 0.2 s and was killed");
	world_free(w);
}

#define IMDS "http://169.254.169.254/latest/"
#define ROLES IMDS "meta-data/iam/security-credentials/"

static void
imds_routes(struct world *w, const char *credentials)
{
	w->routes[0] = (struct route){
		.method = "PUT", .url = IMDS "api/token", .status = 200, .body = "TOKEN=="};
	w->routes[1] = (struct route){
		.method = "GET", .url = ROLES, .status = 200, .body = "r", .times = 1};
	w->routes[2] = (struct route){
		.method = "GET", .url = ROLES "r", .status = 200, .body = credentials};
}

static void
roles(void **state)
{
	struct world *w = config_world(
		"[profile p]\nrole_arn = arn:aws:iam::1:role/p\nsource_profile = q\n"
		"external_id = ex\nduration_seconds = 1800\nrole_session_name = me@x\n"
		"[profile q]\nrole_arn = arn:aws:iam::1:role/q\nsource_profile = base\n"
		"[profile base]\naws_access_key_id = BASE\naws_secret_access_key = s\n"
		"[profile self]\nrole_arn = arn:aws:iam::1:role/self\nsource_profile = self\n"
		"aws_access_key_id = SELF\naws_secret_access_key = s\nregion = us-west-1\n",
		"p");
	struct credentials c;

	(void)state;
	w->sts_xml = STS_XML;
	if (world_get(w, &c) != 0)
		fail_msg("%s", w->err.message);
	assert_true(str_is(c.key_id, "ROLE") && str_is(c.token, "tok"));
	assert_true(str_is(c.from, "profile p (role arn:aws:iam::1:role/p)"));
	assert_int_equal(world_open(w, "self"), 0);
	assert_int_equal(world_get(w, &c), 0);
	assert_string_equal(buf_cstr(&w->assumed),
		"BASE arn:aws:iam::1:role/q furrow  0 us-east-1\n"
		"ROLE arn:aws:iam::1:role/p me@x ex 1800 us-east-1\n"
		"SELF arn:aws:iam::1:role/self furrow  0 us-west-1\n");
	w->sts_xml = NULL;
	assert_int_equal(world_open(w, "p"), 0);
	ASSERT_FAILS(w, ERR_INPUT,
		"profile q: AssumeRole arn:aws:iam::1:role/q by profile base: sts AssumeRole: "
		"AccessDenied");
	w->sts_xml = "<x/>";
	ASSERT_FAILS(w, ERR_INPUT, "the answer has no Credentials");
	world_free(w);
}

static void
sources_of_roles(void **state)
{
	struct world *w = config_world(
		"[profile env]\nrole_arn = arn:aws:iam::1:role/r\ncredential_source = Environment\n"
		"[profile ecs]\nrole_arn = arn:aws:iam::1:role/r\ncredential_source = "
		"EcsContainer\n"
		"[profile ec2]\nrole_arn = arn:aws:iam::1:role/r\n"
		"credential_source = Ec2InstanceMetadata\n"
		"[profile sso]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = s\n"
		"[profile s]\nsso_start_url = x\n"
		"[profile process]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = pr\n"
		"[profile pr]\ncredential_process = echo '{\"Version\":1,\"AccessKeyId\":\"PR\","
		"\"SecretAccessKey\":\"s\"}'\n",
		"env");
	struct credentials c;

	(void)state;
	w->sts_xml = STS_XML;
	ASSERT_FAILS(w, ERR_INPUT,
		"credential_source = Environment has none (environment: AWS_ACCESS_KEY_ID is not");
	world_set(w, "AWS_ACCESS_KEY_ID", "ENV");
	world_set(w, "AWS_SECRET_ACCESS_KEY", "s");
	assert_int_equal(world_get(w, &c), 0);
	assert_int_equal(world_open(w, "ecs"), 0);
	ASSERT_FAILS(w, ERR_INPUT, "credential_source = EcsContainer has none (");
	assert_int_equal(world_open(w, "ec2"), 0);
	ASSERT_FAILS(w, ERR_INPUT, "has none (IMDS: turned off");
	world_set(w, "AWS_EC2_METADATA_DISABLED", "");
	imds_routes(w, "{\"AccessKeyId\":\"EC2\",\"SecretAccessKey\":\"s\",\"Token\":\"t\","
		       "\"Expiration\":\"2030-03-18T00:00:00Z\"}");
	assert_int_equal(world_get(w, &c), 0);
	assert_int_equal(world_open(w, "sso"), 0);
	ASSERT_FAILS(w, ERR_INPUT, "profile s: sso: sso_region is missing");
	assert_int_equal(world_open(w, "process"), 0);
	assert_int_equal(world_get(w, &c), 0);
	assert_string_equal(buf_cstr(&w->assumed),
		"ENV arn:aws:iam::1:role/r furrow  0 us-east-1\n"
		"EC2 arn:aws:iam::1:role/r furrow  0 us-east-1\n"
		"PR arn:aws:iam::1:role/r furrow  0 us-east-1\n");
	world_free(w);
}

#define ROLE "[profile p]\nrole_arn = arn:aws:iam::1:role/p\n"

static void
roles_that_fail(void **state)
{
	struct buf chain = {0};

	(void)state;
	CONFIG_FAILS(ROLE, "profile p: role_arn needs source_profile, credential_source or");
	CONFIG_FAILS(ROLE "source_profile = q\ncredential_source = Environment\n",
		"source_profile and credential_source exclude each other");
	CONFIG_FAILS(ROLE "source_profile = gone\n", "source_profile gone is in neither ");
	CONFIG_FAILS(ROLE "source_profile = p\n", "source_profile goes round: p -> p");
	CONFIG_FAILS(ROLE "source_profile = q\n[profile q]\nrole_arn = arn:x\nsource_profile = r\n"
			  "[profile r]\nrole_arn = arn:x\nsource_profile = q\n",
		"source_profile goes round: p -> q -> r -> q");
	CONFIG_FAILS(ROLE "source_profile = q\n[profile q]\nregion = x\n",
		"profile p: source_profile q has no credentials in it");
	CONFIG_FAILS(ROLE "credential_source = Elsewhere\n",
		"credential_source = Elsewhere is none of Environment, ");
	CONFIG_FAILS(ROLE "source_profile = q\nmfa_serial = arn:mfa\n",
		"mfa_serial: furrow asks for no codes; give another profile `credential_process = "
		"aws configure export-credentials --profile p --format process`");
	CONFIG_FAILS("[profile p]\nrole_arn = admin\nsource_profile = q\n",
		"role_arn does not begin with arn:");
	CONFIG_FAILS(ROLE "source_profile = q\nduration_seconds = 60\n",
		"duration_seconds is not 900 to 43200");
	CONFIG_FAILS(ROLE "source_profile = q\nduration_seconds = 1h\n",
		"duration_seconds is not 900 to 43200");
	CONFIG_FAILS(ROLE "source_profile = q\nrole_session_name = a b\n",
		"role_session_name must be 2 to 64 of");
	buf_add_cstr(&chain, ROLE "source_profile = q0\n");
	for (int i = 0; i < 40; i++)
		buf_addf(&chain, "[profile q%d]\nrole_arn = arn:x\nsource_profile = q%d\n", i,
			i + 1);
	CONFIG_FAILS(buf_cstr(&chain), "more than 16 roles one upon another");
	buf_free(&chain);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(command_lines),
		cmocka_unit_test(a_process),
		cmocka_unit_test(processes_that_fail),
		cmocka_unit_test(processes_that_are_none),
		cmocka_unit_test(roles),
		cmocka_unit_test(sources_of_roles),
		cmocka_unit_test(roles_that_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
