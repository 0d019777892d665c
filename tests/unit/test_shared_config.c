/* test_shared_config: the SDKs' files, as people really write them, and what is wrong with them. */
#include "tests/unit/aws_fixture.h"

#include "providers/aws/ini.h"

static struct ini
parse(struct arena *a, const char *text)
{
	struct error err = {0};
	struct ini ini;

	if (ini_parse(a, &ini, str_from(text), STR("f"), &err) != 0)
		fail_msg("%s", err.message);
	return ini;
}

#define assert_str(got, wanted) assert_str_at(got, wanted, __LINE__)
static void
assert_str_at(struct str got, const char *wanted, int line)
{
	if (wanted ? !str_is(got, wanted) || !got.p : got.p != NULL)
		fail_msg("line %d: got '%.*s', not '%s'", line, STR_ARG(got),
			wanted ? wanted : "(absent)");
}

static struct str
get(const struct ini *ini, const char *kind, const char *name, const char *key)
{
	return ini_get(ini, str_from(kind), str_from(name), key, NULL);
}

static void
forms_of_lines(void **state)
{
	struct arena a = {0};
	struct ini ini = parse(&a, "\xef\xbb\xbf# a comment\r\n"
				   "[default] ; the first\r\n"
				   "region = us-east-2 # near\r\n"
				   "output=json\r\n"
				   "empty =\r\n"
				   "hash = a#b;c\r\n"
				   "commented = ; nothing\r\n"
				   "; another comment\r\n"
				   "\r\n"
				   "[profile\twork]\n"
				   "REGION=eu-west-1\n"
				   "  equal = not a line of its own\n"
				   "url = http://x/?a=b\n"
				   "[profile \"two words\"]\n"
				   "  region = a\n"
				   "  # in between\n"
				   "  output = b\n"
				   "[default]\n"
				   "region: us-west-2\n"
				   "last = one"); /* no line break at the end */

	(void)state;
	assert_str(get(&ini, "", "default", "region"), "us-west-2");
	assert_str(get(&ini, "", "default", "output"), "json");
	assert_str(get(&ini, "", "default", "empty"), "");
	assert_str(get(&ini, "", "default", "hash"), "a#b;c");
	assert_str(get(&ini, "", "default", "commented"), "");
	assert_str(get(&ini, "", "default", "last"), "one");
	assert_str(get(&ini, "", "default", "none"), NULL);
	assert_str(
		get(&ini, "profile", "work", "region"), "eu-west-1\nequal = not a line of its own");
	assert_str(get(&ini, "profile", "work", "Url"), "http://x/?a=b");
	assert_str(get(&ini, "profile", "two words", "region"), "a");
	assert_str(get(&ini, "profile", "two words", "output"), "b");
	assert_str(get(&ini, NULL, "profile \"two words\"", "output"), "b");
	assert_str(get(&ini, "profile", "Work", "region"), NULL);
	arena_free(&a);
}

static void
nested_keys(void **state)
{
	struct arena a = {0};
	struct ini ini = parse(&a, "[services local]\n"
				   "s3 =\n"
				   "  endpoint_url = http://s3\n"
				   "\n"
				   "  # comment\n"
				   "  addressing_style=path\n"
				   "ec2 = \n"
				   "\tendpoint_url=http://ec2\n"
				   "[services local]\n"
				   "sts=\n"
				   " endpoint_url=http://sts\n");

	(void)state;
	assert_str(ini_get(&ini, STR("services"), STR("local"), "s3", "endpoint_url"), "http://s3");
	assert_str(ini_get(&ini, STR("services"), STR("local"), "s3", "addressing_style"), "path");
	assert_str(
		ini_get(&ini, STR("services"), STR("local"), "ec2", "endpoint_url"), "http://ec2");
	assert_str(
		ini_get(&ini, STR("services"), STR("local"), "sts", "endpoint_url"), "http://sts");
	assert_str(ini_get(&ini, STR("services"), STR("local"), "ssm", "endpoint_url"), NULL);
	assert_str(ini_get(&ini, STR("services"), STR("local"), "s3", NULL), "");
	arena_free(&a);
}

static void
bad_files(void **state)
{
	static const struct {
		struct str bytes;
		const char *message;
	} bad[] = {
		{STR("[a"), "f:1:1: a section's name has no closing ']'"},
		{STR("\n  [a] b = c"), "f:2:7: behind ']' there may only be a comment"},
		{STR("[]"), "f:1:1: a section without a name"},
		{STR("[ \t]"), "f:1:1: a section without a name"},
		{STR("[profile \"a]"),
			"f:1:1: a section's name begins with a quote that does not end"},
		{STR("a = b"), "f:1:1: a key before the first [section]"},
		{STR("[a]\nb"), "f:2:1: neither a [section] nor key = value"},
		{STR("[a]\n = b"), "f:2:2: no key before '='"},
		{STR("[a]\ns3 =\n  what"), "f:3:3: neither a [section] nor key = value"},
		{STR("[a]\nb = \0c"), "f:2:5: a control character: is this a text file?"},
		{STR("[a]\nb = x\ry\n"), "f:2:6: a control character: is this a text file?"},
		{STR("[a]\nb = \xff\n"), "f:2:1: not UTF-8"},
		{STR("\xff\xfe[\0a\0]\0"), "f:1:1: UTF-16: save the file as UTF-8"},
		{STR("<html>"), "f:1:1: no [section] before it, and no key = value: is this a "
				"shared file of AWS?"},
	};
	struct arena a = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct error err = {0};
		struct ini ini;

		assert_int_equal(ini_parse(&a, &ini, bad[i].bytes, STR("f"), &err), ERR_INPUT);
		assert_string_equal(err.message, bad[i].message);
		assert_true(err.line > 0 && err.col > 0);
	}
	arena_free(&a);
}

static void
too_large(void **state)
{
	char *bytes = malloc(INI_MAX_BYTES + 1);
	struct arena a = {0};
	struct error err = {0};
	struct ini ini;

	(void)state;
	assert_non_null(bytes);
	memset(bytes, '\n', INI_MAX_BYTES + 1);
	assert_int_equal(
		ini_parse(&a, &ini, (struct str){bytes, INI_MAX_BYTES}, STR("f"), &err), 0);
	assert_int_equal(
		ini_parse(&a, &ini, (struct str){bytes, INI_MAX_BYTES + 1}, STR("f"), &err),
		ERR_INPUT);
	assert_string_equal(err.message, "f:1:1: more than 1 MiB");
	free(bytes);
	arena_free(&a);
}

static const struct str chosen = {0};

static void
no_files_at_all(void **state)
{
	struct world *w = world_new();

	(void)state;
	assert_int_equal(world_open(w, NULL), 0);
	assert_str(shared_config_profile(w->config), "default");
	assert_str(shared_config_region(w->config), NULL);
	assert_str(shared_config_endpoint(w->config, "s3"), NULL);
	assert_str(
		shared_config_files(w->config), "~/.aws/credentials (none), ~/.aws/config (none)");
	assert_false(shared_config_has_profile(w->config, STR("default")));
	w->n = 0; /* not even a home */
	assert_int_equal(world_open(w, NULL), 0);
	assert_str(shared_config_files(w->config), "no home folder, no files");
	world_free(w);
}

static void
which_profile(void **state)
{
	struct world *w = world_new();

	(void)state;
	world_write(w, ".aws/config",
		"[default]\nregion=d\n[profile a]\nregion=ra\n[b]\nregion=ignored\n"
		"[sso-session s]\nsso_region=x\n");
	world_write(w, ".aws/credentials", "[c]\naws_access_key_id=k\n[a]\n");
	assert_int_equal(world_open(w, NULL), 0);
	assert_str(shared_config_region(w->config), "d");
	assert_false(shared_config_profile_is_explicit(w->config));

	world_set(w, "AWS_DEFAULT_PROFILE", "c");
	assert_int_equal(world_open(w, NULL), 0);
	assert_str(shared_config_profile(w->config), "c");
	assert_str(shared_config_region(w->config), NULL);
	world_set(w, "AWS_PROFILE", "a");
	assert_int_equal(world_open(w, NULL), 0);
	assert_str(shared_config_region(w->config), "ra");
	assert_int_equal(world_open(w, "default"), 0);
	assert_str(shared_config_region(w->config), "d");
	assert_true(shared_config_profile_is_explicit(w->config));

	world_set(w, "AWS_PROFILE", "b"); /* in the config file, but no [profile b] */
	assert_int_equal(world_open(w, NULL), ERR_INPUT);
	assert_string_equal(w->err.message,
		"AWS_PROFILE: there is no AWS profile b in "
		"~/.aws/credentials, ~/.aws/config; there are: default, "
		"a, c");
	assert_int_equal(world_open(w, "s"), ERR_INPUT);
	assert_true(strstr(w->err.message, "the profile option: there is no AWS profile s "));
	world_free(w);
}

static void
many_profiles_in_the_error(void **state)
{
	struct world *w = world_new();
	struct buf b = {0};

	(void)state;
	for (int i = 0; i < 200; i++)
		buf_addf(&b, "[profile some-name-%d]\n", i);
	world_write(w, ".aws/config", buf_cstr(&b));
	assert_int_equal(world_open(w, "x"), ERR_INPUT);
	assert_true(strlen(w->err.message) < 700);
	assert_string_equal(w->err.message + strlen(w->err.message) - 5, ", …");
	buf_free(&b);
	world_free(w);
}

static void
profile_default_wins(void **state)
{
	struct world *w = world_new();

	(void)state;
	world_write(w, ".aws/config",
		"[profile default]\nregion=with\n[default]\nregion=without\noutput=x\n");
	assert_int_equal(world_open(w, NULL), 0);
	assert_str(shared_config_get(w->config, chosen, "region"), "with");
	assert_str(shared_config_get(w->config, chosen, "output"), NULL);
	world_free(w);
}

static void
two_files(void **state)
{
	struct world *w = world_new();

	(void)state;
	world_write(w, ".aws/config",
		"[profile a]\nregion=config\noutput=json\naws_access_key_id=OLD\n"
		"aws_secret_access_key=old\naws_session_token=old-token\n");
	world_write(w, ".aws/credentials",
		"[a]\nregion=keys\naws_access_key_id=NEW\naws_secret_access_key=new\n");
	assert_int_equal(world_open(w, "a"), 0);
	assert_str(shared_config_get(w->config, chosen, "region"), "keys");
	assert_str(shared_config_get(w->config, chosen, "output"), "json");
	assert_str(shared_config_get(w->config, chosen, "aws_access_key_id"), "NEW");
	/* A token of other keys would only be refused. */
	assert_str(shared_config_get(w->config, chosen, "aws_session_token"), NULL);
	world_free(w);
}

static void
files_elsewhere(void **state)
{
	struct world *w = world_new();

	(void)state;
	world_write(w, "elsewhere/c", "[default]\nregion=there\n");
	world_set(w, "AWS_CONFIG_FILE", "~/elsewhere/c");
	world_set(w, "AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
	assert_int_equal(world_open(w, NULL), 0);
	assert_str(shared_config_region(w->config), "there");
	assert_str(shared_config_files(w->config), "/dev/null, ~/elsewhere/c");

	world_set(w, "AWS_CONFIG_FILE", w->home); /* a folder */
	assert_int_equal(world_open(w, NULL), ERR_INPUT);
	assert_true(strstr(w->err.message, "Is a directory"));
	assert_true(strstr(w->err.message, w->home));

	world_write(w, "broken", "[default]\nregion=a\nnonsense\n");
	world_set(w, "AWS_CONFIG_FILE", "~/broken");
	assert_int_equal(world_open(w, NULL), ERR_INPUT);
	assert_true(strstr(w->err.message, "/broken:3:1: neither"));
	assert_int_equal(w->err.line, 3);
	world_free(w);
}

static void
region_order(void **state)
{
	struct world *w = world_new();

	(void)state;
	world_write(w, ".aws/config", "[default]\nregion=file\n");
	world_set(w, "AWS_REGION", "");
	assert_int_equal(world_open(w, NULL), 0);
	assert_str(shared_config_region(w->config), "file");
	world_set(w, "AWS_DEFAULT_REGION", "default-variable");
	assert_str(shared_config_region(w->config), "default-variable");
	world_set(w, "AWS_REGION", "variable");
	assert_str(shared_config_region(w->config), "variable");
	world_free(w);
}

static void
endpoint_order(void **state)
{
	struct world *w = world_new();

	(void)state;
	world_write(w, ".aws/config",
		"[default]\nendpoint_url = http://profile/\nservices = local\n"
		"[services local]\ns3 =\n  endpoint_url = http://section//\n"
		"ec2_instance_connect =\n  endpoint_url = http://connect\n"
		"[profile gone]\nservices = nowhere\n");
	assert_int_equal(world_open(w, NULL), 0);
	assert_str(shared_config_endpoint(w->config, "ec2"), "http://profile");
	assert_str(shared_config_endpoint(w->config, "s3"), "http://section");
	assert_str(shared_config_endpoint(w->config, "ec2-instance-connect"), "http://connect");
	world_set(w, "AWS_ENDPOINT_URL", "http://all:5000/");
	assert_str(shared_config_endpoint(w->config, "s3"), "http://all:5000");
	world_set(w, "AWS_ENDPOINT_URL_S3", "http://only-s3");
	assert_str(shared_config_endpoint(w->config, "s3"), "http://only-s3");
	assert_str(shared_config_endpoint(w->config, "sts"), "http://all:5000");
	world_set(w, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "True");
	assert_str(shared_config_endpoint(w->config, "s3"), NULL);
	world_set(w, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "false");
	assert_str(shared_config_endpoint(w->config, "s3"), "http://only-s3");
	world_set(w, "AWS_ENDPOINT_URL", "");
	world_set(w, "AWS_ENDPOINT_URL_S3", "");
	assert_int_equal(world_open(w, "gone"), 0);
	assert_str(shared_config_endpoint(w->config, "s3"), NULL);
	world_free(w);
}

static void
sso_sessions(void **state)
{
	struct world *w = world_new();

	(void)state;
	world_write(w, ".aws/config", "[sso-session corp]\nsso_region=eu-west-1\n");
	assert_int_equal(world_open(w, NULL), 0);
	assert_str(shared_config_sso(w->config, STR("corp"), "sso_region"), "eu-west-1");
	assert_str(shared_config_sso(w->config, STR("corp"), "sso_start_url"), NULL);
	assert_true(shared_config_has_sso(w->config, STR("corp")));
	assert_false(shared_config_has_sso(w->config, STR("other")));
	world_free(w);
}

static void
the_real_environment(void **state)
{
	struct shared_config *c;
	struct error err = {0};

	(void)state;
	setenv("AWS_CONFIG_FILE", "/dev/null", 1);
	setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null", 1);
	setenv("AWS_REGION", "eu-central-1", 1);
	unsetenv("AWS_PROFILE");
	unsetenv("AWS_DEFAULT_PROFILE");
	unsetenv("HOME");
	assert_int_equal(shared_config_open(&c, chosen, NULL, NULL, &err), 0);
	assert_str(shared_config_region(c), "eu-central-1");
	assert_non_null(shared_config_home(c).p); /* of the user's account */
	shared_config_close(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms_of_lines),
		cmocka_unit_test(nested_keys),
		cmocka_unit_test(bad_files),
		cmocka_unit_test(too_large),
		cmocka_unit_test(no_files_at_all),
		cmocka_unit_test(which_profile),
		cmocka_unit_test(many_profiles_in_the_error),
		cmocka_unit_test(profile_default_wins),
		cmocka_unit_test(two_files),
		cmocka_unit_test(files_elsewhere),
		cmocka_unit_test(region_order),
		cmocka_unit_test(endpoint_order),
		cmocka_unit_test(sso_sessions),
		cmocka_unit_test(the_real_environment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
