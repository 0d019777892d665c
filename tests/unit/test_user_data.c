/* user_data: the document, and what cannot be put in it. As `test_user_data print RUNNER_URL
 * RUNNER_SHA256 SOURCE_URL SOURCE_SHA256 SOURCE_ID LEASE [PATH...]` it prints one, for the tests that run it. */
#include "providers/aws/user_data.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KEY_FILE                                                                               \
	"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjE=\n-----END OPENSSH PRIVATE " \
	"KEY-----\n"

static struct user_data
usual(void)
{
	struct user_data u = {
		.host_key_private = STR(KEY_FILE),
		.host_key_public = STR("ssh-ed25519 AAAAhost"),
		.runner = {.url = STR("https://b.s3.amazonaws.com/r?X-Amz-Date=1&b=%2F%27")},
		.source = {.url = STR("http://127.0.0.1:9/it's?a=$(id)&b=\"`x`\\")},
		.source_id = STR("0123abcd"),
		.boot_lease_s = 900,
	};

	u.authorized_key = STR("ssh-ed25519 AAAAme furrow");
	memset(u.runner.sha256.b, 0xab, DIGEST_BYTES);
	return u;
}

static void
has(const struct buf *doc, const char *part)
{
	if (!memmem(doc->p, doc->n, part, strlen(part)))
		fail_msg("the document has no '%s':\n%.*s", part, (int)doc->n, doc->p);
}

static void
document(void **state)
{
	struct user_data u = usual();
	struct buf doc = {0};
	struct error err;

	(void)state;
	assert_int_equal(user_data_write(&doc, &u, &err), 0);
	assert_memory_equal(doc.p, "#cloud-config\n", 14);
	has(&doc, "\nssh_keys:\n  ed25519_private: |\n    -----BEGIN OPENSSH PRIVATE KEY-----\n"
		  "    b3BlbnNzaC1rZXktdjE=\n    -----END OPENSSH PRIVATE KEY-----\n"
		  "  ed25519_public: 'ssh-ed25519 AAAAhost'\n");
	has(&doc, "\n  uid: 4711\n");
	has(&doc, "\n  - 'ssh-ed25519 AAAAme furrow'\n");
	has(&doc, "\ndisable_root: true\nssh_pwauth: false\n");
	has(&doc, "\n    boot_lease=900\n");
	has(&doc, "\n    runner_url='https://b.s3.amazonaws.com/r?X-Amz-Date=1&b=%2F%27'\n");
	has(&doc, "\n    runner_sha256='abababab");
	has(&doc, "\n    source_url='http://127.0.0.1:9/it'\\''s?a=$(id)&b=\"`x`\\'\n");
	has(&doc, "\n    source_id='0123abcd'\n");
	assert_null(memmem(doc.p, doc.n, "rsa", 3));
	assert_null(memmem(doc.p, doc.n, "get_image", 9));
	assert_true(doc.n < 6000);
	buf_free(&doc);
}

static void
no_source(void **state)
{
	struct user_data u = usual();
	struct buf doc = {0};
	struct error err;

	(void)state;
	u.source = (struct user_data_file){0};
	u.source_id = (struct str){0};
	assert_int_equal(user_data_write(&doc, &u, &err), 0);
	has(&doc, "\n    source_url=''\n");
	buf_free(&doc);
}

static void
image(void **state)
{
	struct user_data u = usual();
	struct buf doc = {0};
	struct error err;

	(void)state;
	u.image = STR("r.io/a/b@sha256:12"), u.image_id = STR("12");
	assert_int_equal(user_data_write(&doc, &u, &err), 0);
	has(&doc, "\n    image='r.io/a/b@sha256:12'\n    image_id='12'\n    image_url=''\n");
	has(&doc, " && start get_image\n    )\n");
	assert_true(doc.n < 8000);
	buf_free(&doc);
}

static void
refuses(const struct user_data *u, const char *why)
{
	struct buf doc = {0};
	struct error err = {0};

	buf_add_cstr(&doc, "before");
	assert_int_equal(user_data_write(&doc, u, &err), ERR_INTERNAL);
	if (!strstr(err.message, why))
		fail_msg("'%s' lacks '%s'", err.message, why);
	assert_int_equal(doc.n, 6);
	buf_free(&doc);
}

static void
unfit_values(void **state)
{
	struct user_data u;

	(void)state;
	u = usual(), u.host_key_private = STR("key\n");
	refuses(&u, "no private key file");
	u = usual(), u.host_key_private = STR("-----BEGIN X-----\n\x01\n");
	refuses(&u, "no private key file");
	u = usual(), u.host_key_public = STR("ssh-rsa AAAA");
	refuses(&u, "host's public key");
	u = usual(), u.authorized_key = STR("ssh-ed25519 AAAA\nroot: x");
	refuses(&u, "key to authorize");
	u = usual(), u.authorized_key = STR("ssh-ed25519 AAAA' x");
	refuses(&u, "key to authorize");
	u = usual(), u.runner.url = STR("");
	refuses(&u, "runner's URL");
	u = usual(), u.runner.url = STR("http://x/\nusers: []");
	refuses(&u, "runner's URL");
	u = usual(), u.source.url = STR("http://x/\xc3\xa9");
	refuses(&u, "source's URL");
	u = usual(), u.source_id = STR("../../etc");
	refuses(&u, "source's URL or id");
	u = usual(), u.source_id = STR("");
	refuses(&u, "source's URL or id");
	u = usual(), u.image = STR("x\ny"), u.image_id = STR("12");
	refuses(&u, "image");
	u = usual(), u.image = STR("x"), u.image_id = STR("");
	refuses(&u, "image");
	u = usual(), u.boot_lease_s = 0;
	refuses(&u, "lease");
}

/* As long as it may be, and a byte longer. */
static void
longest(void **state)
{
	struct user_data u = usual();
	struct buf doc = {0};
	struct error err;
	char *url = malloc(USER_DATA_MAX_BYTES);
	size_t room;

	(void)state;
	assert_non_null(url);
	memset(url, 'x', USER_DATA_MAX_BYTES);
	u.runner.url = (struct str){url, 1};
	assert_int_equal(user_data_write(&doc, &u, &err), 0);
	room = USER_DATA_MAX_BYTES - doc.n;
	buf_clear(&doc);
	u.runner.url.n = 1 + room;
	assert_int_equal(user_data_write(&doc, &u, &err), 0);
	assert_int_equal(doc.n, USER_DATA_MAX_BYTES);
	u.runner.url.n++;
	refuses(&u, "EC2 takes 16384");
	free(url);
	buf_free(&doc);
}

static int
print(char **argv, size_t n_paths)
{
	struct str paths[16];
	struct user_data u = usual();
	struct buf doc = {0};
	struct error err;
	int rc;

	u.runner.url = str_from(argv[0]);
	u.source.url = *argv[2] ? str_from(argv[2]) : (struct str){0};
	u.source_id = str_from(argv[4]);
	u.boot_lease_s = atoll(argv[5]);
	for (size_t i = 0; i < n_paths && i < 16; i++)
		paths[u.warm_files.n++] = str_from(argv[6 + i]);
	u.warm_files.v = paths;
	if (!digest_parse(str_from(argv[1]), &u.runner.sha256) ||
		!digest_parse(str_from(argv[3]), &u.source.sha256))
		return 64;
	rc = user_data_write(&doc, &u, &err);
	if (rc < 0)
		fprintf(stderr, "%s\n", err.message);
	else
		fwrite(doc.p, 1, doc.n, stdout);
	buf_free(&doc);
	return rc < 0;
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(document),
		cmocka_unit_test(no_source),
		cmocka_unit_test(image),
		cmocka_unit_test(unfit_values),
		cmocka_unit_test(longest),
	};

	if (argc >= 8 && strcmp(argv[1], "print") == 0)
		return print(argv + 2, (size_t)argc - 8);
	return cmocka_run_group_tests_name("user_data", tests, NULL, NULL);
}
