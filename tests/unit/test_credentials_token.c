/* test_credentials_token: places that give a role for a token: web identity and SSO. */
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
web_identity(void **state)
{
	struct world *w = config_world("[profile p]\nrole_arn = arn:aws-cn:iam::1:role/r\n"
				       "web_identity_token_file = /no/such\n"
				       "role_session_name = me & you\n",
		"p");
	struct credentials c;

	(void)state;
	ASSERT_FAILS(
		w, ERR_INPUT, "profile p: web_identity_token_file: reading /no/such: No such file");
	world_set(w, "AWS_WEB_IDENTITY_TOKEN_FILE", "/not/looked/at"); /* a profile was named */
	ASSERT_FAILS(w, ERR_INPUT, "reading /no/such");

	world_write(w, "token", "a.b+c/\n");
	world_write(w, ".aws/config",
		arena_printf(&w->arena,
			"[profile p]\nrole_arn = arn:aws-cn:iam::1:role/r\n"
			"web_identity_token_file = %s/token\nrole_session_name = me & you\n",
			w->home)
			.p);
	w->routes[0] = (struct route){.method = "POST",
		.url = "https://sts.cn-north-1.amazonaws.com.cn/",
		.status = 200,
		.body = STS_XML};
	assert_int_equal(world_open(w, "p"), 0);
	if (world_get(w, &c) != 0)
		fail_msg("%s", w->err.message);
	assert_true(str_is(c.key_id, "ROLE"));
	assert_string_equal(buf_cstr(&w->heard),
		"POST https://sts.cn-north-1.amazonaws.com.cn/|Content-Type: "
		"application/x-www-form-urlencoded; charset=utf-8|Action=AssumeRoleWithWebIdentity&"
		"Version=2011-06-15&RoleArn=arn%3Aaws-cn%3Aiam%3A%3A1%3Arole%2Fr&"
		"RoleSessionName=me%20%26%20you&WebIdentityToken=a.b%2Bc%2F\n");
	world_free(w);
}

static void
web_identity_of_the_environment(void **state)
{
	struct world *w = world_new();
	struct credentials c;
	static const char *const bad[] = {"", " \n", "two words", "line\nbreak"};

	(void)state;
	world_set(w, "AWS_WEB_IDENTITY_TOKEN_FILE", arena_printf(&w->arena, "%s/token", w->home).p);
	assert_int_equal(world_open(w, NULL), 0);
	ASSERT_FAILS(w, ERR_INPUT, "AWS_ROLE_ARN is not set");
	world_set(w, "AWS_ROLE_ARN", "arn:aws:iam::1:role/r");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		world_write(w, "token", bad[i]);
		ASSERT_FAILS(w, ERR_INPUT, w->home);
	}
	assert_int_equal(atomic_load(&w->asked), 0);
	world_write(w, "token", "t");
	world_set(w, "AWS_ENDPOINT_URL", "http://127.0.0.1:5000/");
	w->routes[0] = (struct route){.method = "POST",
		.url = "http://127.0.0.1:5000/",
		.status = 400,
		.body = "<ErrorResponse><Error><Type>Sender</Type><Code>ExpiredTokenException"
			"</Code><Message>Token expired</Message></Error></ErrorResponse>"};
	ASSERT_FAILS(w, ERR_INPUT,
		"AssumeRoleWithWebIdentity arn:aws:iam::1:role/r: HTTP 400: ExpiredTokenException "
		"Token expired");
	w->routes[0].body = "garbage";
	ASSERT_FAILS(w, ERR_INPUT, "HTTP 400");
	w->routes[0].status = 200;
	ASSERT_FAILS(w, ERR_HOST, "");
	w->routes[0].body = "<a><b/></a>";
	ASSERT_FAILS(w, ERR_INPUT, "the answer has no Credentials");
	w->routes[0].body = "<a><Credentials><AccessKeyId>x</AccessKeyId></Credentials></a>";
	ASSERT_FAILS(w, ERR_INPUT, "the answer has no SessionToken");
	w->routes[0].status = 503;
	ASSERT_FAILS(w, ERR_HOST, "HTTP 503");
	w->routes[0].status = 200;
	w->routes[0].body = STS_XML;
	assert_int_equal(world_get(w, &c), 0);
	world_free(w);
}

#define SSO                                                                                       \
	"[profile p]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Ops&x\n" \
	"[sso-session corp]\nsso_region = eu-west-1\nsso_start_url = https://corp/start\n"

/* By another's SHA-1. */
static struct str
sso_file(struct world *w, const char *key)
{
	FILE *f = popen(
		arena_printf(&w->arena, "printf %%s '%s' | sha1sum | cut -c1-40", key).p, "r");
	char hex[64] = "";

	assert_non_null(f);
	assert_non_null(fgets(hex, sizeof(hex), f));
	pclose(f);
	hex[40] = '\0';
	return arena_printf(&w->arena, ".aws/sso/cache/%s.json", hex);
}

static void
sso(void **state)
{
	struct world *w = config_world(SSO, "p");
	const char *file = sso_file(w, "corp").p;
	struct credentials c;

	(void)state;
	ASSERT_FAILS(
		w, ERR_INPUT, "profile p: sso: not logged in; run `aws sso login --profile p`");
	world_write(w, file, "{\"accessToken\":\"bearer\",\"expiresAt\":\"2030-03-17T17:46:40Z\"}");
	ASSERT_FAILS(w, ERR_INPUT, "sso: the login expired; run `aws sso login --profile p`");
	world_write(
		w, file, "{\"accessToken\":\"bearer\",\"expiresAt\":\"2030-03-17T17:46:41UTC\"}");
	w->routes[0] = (struct route){.method = "GET",
		.url = "https://portal.sso.eu-west-1.amazonaws.com/federation/credentials",
		.status = 200,
		.body = "{\"roleCredentials\":{\"accessKeyId\":\"A\",\"secretAccessKey\":\"s\","
			"\"sessionToken\":\"t\",\"expiration\":1900003600000}}"};
	if (world_get(w, &c) != 0)
		fail_msg("%s", w->err.message);
	assert_true(c.expires_wall_ns == (NOON_S + 3600) * NS_PER_S);
	assert_true(str_is(c.from, "profile p (sso)"));
	assert_string_equal(buf_cstr(&w->heard),
		"GET https://portal.sso.eu-west-1.amazonaws.com/federation/credentials?role_name="
		"Ops%26x&account_id=123456789012|x-amz-sso_bearer_token: bearer|Accept: "
		"application/json|\n");
	world_free(w);
}

static void
sso_of_old(void **state)
{
	struct world *w = config_world("[profile p]\nsso_start_url = https://corp/start\n"
				       "sso_region = eu-west-1\nsso_account_id = 1\n"
				       "sso_role_name = r\n",
		"p");

	(void)state;
	world_write(w, sso_file(w, "https://corp/start").p,
		"{\"accessToken\":\"bearer\",\"expiresAt\":\"2031-01-01T00:00:00Z\"}");
	ASSERT_FAILS(w, ERR_INPUT, "profile p: sso: role r in account 1: HTTP 404");
	assert_true(strstr(buf_cstr(&w->heard), "|x-amz-sso_bearer_token: bearer|"));
	world_free(w);
}

static void
sso_that_fails(void **state)
{
	static const struct {
		int status;
		const char *body, *part;
		int code;
	} cases[] = {
		{401, "{\"message\":\"Session token not found\"}",
			"no longer accepted (HTTP 401); run `aws sso login --profile p`",
			ERR_INPUT},
		{403, "{\"message\":\"No access\"}",
			"role Ops&x in account 123456789012: HTTP 403: No access", ERR_INPUT},
		{503, "", "HTTP 503", ERR_HOST},
		{0, "", "connection refused", ERR_HOST},
		{200, "{}", "profile p: sso: roleCredentials is missing", ERR_INPUT},
		{200, "{\"roleCredentials\":3}", "roleCredentials is missing", ERR_INPUT},
		{200,
			"{\"roleCredentials\":{\"accessKeyId\":\"A\",\"secretAccessKey\":\"s\","
			"\"sessionToken\":\"t\",\"expiration\":\"2031\"}}",
			"expiration is no time in ms", ERR_INPUT},
	};
	static const char *const tokens[] = {"", "[]", "{\"accessToken\":\"" SECRET "\"}",
		"{\"accessToken\":\"a\\nb\",\"expiresAt\":\"2031-01-01T00:00:00Z\"}",
		"{\"accessToken\":\"a\",\"expiresAt\":\"later\"}"};
	struct world *w = config_world(SSO, "p");
	const char *file = sso_file(w, "corp").p;

	(void)state;
	for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
		world_write(w, file, tokens[i]);
		ASSERT_FAILS(w, ERR_INPUT, "profile p: sso: ");
		assert_true(strstr(w->err.message, file));
	}
	world_write(w, file, "{\"accessToken\":\"b\",\"expiresAt\":\"2031-01-01T00:00:00Z\"}");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		w->routes[0] = (struct route){.method = "GET",
			.url = "https://",
			.status = cases[i].status,
			.body = cases[i].body};
		assert_fails(w, cases[i].code, cases[i].part, (int)i);
	}
	world_free(w);
	CONFIG_FAILS("[profile p]\nsso_session = x\n", "there is no [sso-session x] in ");
	CONFIG_FAILS("[profile p]\nsso_session = x\n[sso-session x]\n", "has no sso_region");
	CONFIG_FAILS("[profile p]\nsso_start_url = x\n", "profile p: sso: sso_region is missing");
	CONFIG_FAILS(
		"[profile p]\nsso_start_url = x\nsso_region = y\n", "sso_account_id is missing");
	CONFIG_FAILS("[profile p]\nsso_start_url = x\nsso_region = y\nsso_account_id = 1\n",
		"sso_role_name is missing");
}

#define LOGIN                                                                                    \
	"{\"startUrl\":\"https://corp/start\",\"region\":\"eu-west-1\",\"accessToken\":\"old\"," \
	"\"expiresAt\":\"%s\",\"clientId\":\"id\",\"clientSecret\":\"" SECRET "\","              \
	"\"registrationExpiresAt\":\"%s\",\"refreshToken\":\"again\"}"

static void
write_login(struct world *w, const char *file, int64_t until_s, int64_t registered_until_s)
{
	struct str text = arena_printf(
		&w->arena, LOGIN, world_time(w, until_s), world_time(w, registered_until_s));

	world_write(w, file, text.p);
}

static const char *
file_text(struct world *w, const char *file)
{
	struct str text;

	assert_int_equal(credentials_read_file(&w->arena, &text,
				 arena_printf(&w->arena, "%s/%s", w->home, file).p, &w->err),
		0);
	return text.p;
}

#define OIDC "https://oidc.eu-west-1.amazonaws.com/token"

static struct world *
renewing_world(const char **file)
{
	struct world *w = config_world(SSO, "p");

	*file = sso_file(w, "corp").p;
	w->routes[0] = (struct route){.method = "POST",
		.url = OIDC,
		.status = 200,
		.body = "{\"accessToken\":\"new\",\"expiresIn\":3600,\"tokenType\":\"Bearer\","
			"\"refreshToken\":\"next\"}"};
	w->routes[1] = (struct route){.method = "GET",
		.url = "https://portal.sso.eu-west-1.amazonaws.com/",
		.status = 200,
		.body = "{\"roleCredentials\":{\"accessKeyId\":\"A\",\"secretAccessKey\":\"s\","
			"\"sessionToken\":\"t\",\"expiration\":1900007200000}}"};
	return w;
}

/* The login ends, but its refresh token makes another, which the CLI finds as well. */
static void
sso_renewed(void **state)
{
	const char *file, *text;
	struct world *w = renewing_world(&file);
	struct credentials c;

	(void)state;
	write_login(w, file, 16 * 60, 86400); /* long enough yet */
	assert_int_equal(world_get(w, &c), 0);
	assert_null(strstr(buf_cstr(&w->heard), OIDC));

	write_login(w, file, -60, 86400);
	credentials_forget(w->chain, STR("A"));
	w->heard.n = 0;
	if (world_get(w, &c) != 0)
		fail_msg("%s", w->err.message);
	assert_true(strstr(buf_cstr(&w->heard),
		"POST " OIDC "|Content-Type: application/json|Accept: application/json|"
		"{\"grantType\":\"refresh_token\",\"clientId\":\"id\",\"clientSecret\":\"" SECRET
		"\",\"refreshToken\":\"again\"}\n"));
	assert_true(strstr(buf_cstr(&w->heard), "x-amz-sso_bearer_token: new|"));
	text = file_text(w, file);
	assert_true(strstr(text, "\"accessToken\": \"new\""));
	assert_true(strstr(text, "\"refreshToken\": \"next\""));
	assert_true(strstr(text, "\"expiresAt\": \"2030-03-17T18:46:40Z\""));
	assert_true(strstr(text, "\"clientId\": \"id\""));
	world_free(w);
}

static void
sso_not_renewed(void **state)
{
	static const struct {
		int status;
		const char *body, *part;
	} cases[] = {
		{400, "{\"error\":\"invalid_grant\"}",
			"the login expired (renewing the login: HTTP 400: invalid_grant); run `aws "
			"sso login --profile p`"},
		{0, "",
			"the login expired (renewing the login: " OIDC
			": connection refused); run"},
		{200, "{}", "(renewing the login: no accessToken or expiresIn)"},
		{200, "{\"accessToken\":\"a b\",\"expiresIn\":9}", "(renewing the login: the new "},
		{200, "{\"accessToken\":\"a\",\"expiresIn\":-9}", "no accessToken or expiresIn"},
		{200, "<html>", "(renewing the login: not JSON (line 1"},
	};
	const char *file;
	struct world *w = renewing_world(&file);
	struct credentials c;

	(void)state;
	write_login(w, file, 0, -1); /* the client's registration ended too */
	ASSERT_FAILS(w, ERR_INPUT, "sso: the login expired; run `aws sso login --profile p`");
	assert_int_equal(atomic_load(&w->asked), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		write_login(w, file, 0, 86400);
		w->routes[0].status = cases[i].status;
		w->routes[0].body = cases[i].body;
		assert_fails(w, ERR_INPUT, cases[i].part, (int)i);
		assert_true(strstr(file_text(w, file), "\"accessToken\":\"old\""));
	}
	write_login(w, file, 1, 86400); /* it lasts a little longer: is used */
	if (world_get(w, &c) != 0)
		fail_msg("%s", w->err.message);
	assert_true(strstr(buf_cstr(&w->heard), "x-amz-sso_bearer_token: old|"));
	world_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(web_identity),
		cmocka_unit_test(web_identity_of_the_environment),
		cmocka_unit_test(sso),
		cmocka_unit_test(sso_of_old),
		cmocka_unit_test(sso_that_fails),
		cmocka_unit_test(sso_renewed),
		cmocka_unit_test(sso_not_renewed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
