/* test_ssh_key: keys made, written, read, and what is none; ssh-keygen judges where it is there. */
#include "providers/host/ssh_key.h"
#include "planner/base/buf.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];

static int
make_folder(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/furrow-ssh-key-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int
remove_folder(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

static const char *
at(const char *name)
{
	static _Thread_local char path[4][128];
	static _Thread_local int turn;

	turn = (turn + 1) % 4;
	snprintf(path[turn], sizeof(path[0]), "%s/%s", folder, name);
	return path[turn];
}

static void
write_text(const char *path, const char *text, size_t n, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, n), (ssize_t)n);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

/* First line of what a command prints; "" when it fails. */
static void
ask(char *out, size_t size, const char *command)
{
	FILE *f = popen(command, "r");

	assert_non_null(f);
	out[0] = '\0';
	if (fgets(out, (int)size, f))
		out[strcspn(out, "\n")] = '\0';
	if (pclose(f) != 0)
		out[0] = '\0';
}

static bool
has_keygen(void)
{
	return system("command -v ssh-keygen >/dev/null") == 0;
}

static void
test_made_key_reads_back(void **state)
{
	struct ssh_key a, b, c;
	struct error err;

	(void)state;
	assert_int_equal(ssh_key_make(&a, &err), 0);
	assert_int_equal(ssh_key_make(&b, &err), 0);
	assert_string_not_equal(a.public_key, b.public_key);
	assert_int_equal(ssh_key_read(&c, str_from(a.private_key), &err), 0);
	assert_string_equal(a.public_key, c.public_key);
	assert_string_equal(a.private_key, c.private_key);
	assert_int_equal(strlen(a.public_key), 12 + 68);
}

static void
test_keygen_takes_ours(void **state)
{
	char command[256], got[256], print[SSH_KEY_PRINT_BYTES];
	struct ssh_key key;
	struct error err;

	(void)state;
	if (!has_keygen()) {
		print_message("ssh-keygen is not there\n");
		skip();
	}
	for (int i = 0; i < 20; i++) {
		assert_int_equal(ssh_key_make(&key, &err), 0);
		write_text(at("ours"), key.private_key, strlen(key.private_key), 0600);
		snprintf(command, sizeof(command), "ssh-keygen -y -f %s", at("ours"));
		ask(got, sizeof(got), command);
		assert_string_equal(str_trim(str_from(got)).p, key.public_key);
		write_text(at("ours.pub"), key.public_key, strlen(key.public_key), 0600);
		snprintf(command, sizeof(command), "ssh-keygen -l -f %s | cut -d ' ' -f 2",
			at("ours.pub"));
		ask(got, sizeof(got), command);
		assert_true(ssh_key_print(print, str_from(key.public_key)));
		assert_string_equal(got, print);
	}
}

static void
test_reads_keygens(void **state)
{
	static const char *const comments[] = {"", "a", "ab", "abc", "abcd", "abcde", "abcdef",
		"abcdefg", "somebody@a-host-with-a-long-name.example.com"};
	char command[256], got[256];
	struct ssh_key key;
	struct error err;

	(void)state;
	if (!has_keygen()) {
		print_message("ssh-keygen is not there\n");
		skip();
	}
	for (size_t i = 0; i < sizeof(comments) / sizeof(comments[0]); i++) {
		snprintf(command, sizeof(command),
			"rm -f %s; ssh-keygen -q -t ed25519 -N '' -C '%s' -f %s", at("theirs"),
			comments[i], at("theirs"));
		assert_int_equal(system(command), 0);
		assert_int_equal(ssh_key_open(&key, at("theirs"), &err), 0);
		snprintf(command, sizeof(command), "cut -d ' ' -f 1,2 %s", at("theirs.pub"));
		ask(got, sizeof(got), command);
		assert_string_equal(got, key.public_key);
	}
}

static void
expect_refused(const char *path, const char *word)
{
	struct ssh_key key;
	struct error err;

	assert_int_equal(ssh_key_open(&key, path, &err), ERR_INPUT);
	if (!strstr(err.message, word) || !strstr(err.message, path))
		fail_msg("\"%s\" says nothing of \"%s\"", err.message, word);
}

static void
test_other_keys_are_refused(void **state)
{
	char command[256];

	(void)state;
	if (!has_keygen()) {
		print_message("ssh-keygen is not there\n");
		skip();
	}
	snprintf(command, sizeof(command), "ssh-keygen -q -t ecdsa -N '' -f %s", at("ecdsa"));
	assert_int_equal(system(command), 0);
	expect_refused(at("ecdsa"), "another type");
	snprintf(command, sizeof(command), "ssh-keygen -q -t ed25519 -N secret -a 1 -f %s",
		at("locked"));
	assert_int_equal(system(command), 0);
	expect_refused(at("locked"), "passphrase");
	snprintf(command, sizeof(command), "ssh-keygen -q -t rsa -b 2048 -m PEM -N '' -f %s",
		at("pem"));
	assert_int_equal(system(command), 0);
	expect_refused(at("pem"), "begin and end");
}

static void
test_readable_by_others_is_refused(void **state)
{
	struct ssh_key key;
	struct error err;

	(void)state;
	assert_int_equal(ssh_key_make(&key, &err), 0);
	for (mode_t mode = 0604; mode <= 0640; mode += 034) {
		write_text(at("open"), key.private_key, strlen(key.private_key), mode);
		expect_refused(at("open"), "chmod 600");
	}
	assert_null(strstr(err.message, "BEGIN"));
}

static void
test_no_files_of_keys(void **state)
{
	(void)state;
	write_text(at("empty"), "", 0, 0600);
	expect_refused(at("empty"), "begin and end");
	write_text(at("text"), "\x1b[31mhello", 10, 0600);
	expect_refused(at("text"), "begin and end");
	assert_int_equal(mkdir(at("folder"), 0700), 0);
	expect_refused(at("folder"), "regular file");
	assert_int_equal(mkfifo(at("fifo"), 0600), 0);
	expect_refused(at("fifo"), "regular file");
}

static void
test_missing_folder(void **state)
{
	struct ssh_key key;
	struct error err;

	(void)state;
	assert_int_equal(ssh_key_open(&key, at("nowhere/key"), &err), ERR_HOST);
	assert_non_null(strstr(err.message, "nowhere/key"));
}

/* Whatever is cut off or turned around: refused or the same key, and never more than that. */
static void
test_damage(void **state)
{
	struct ssh_key key, got;
	struct error err;
	char text[SSH_KEY_PRIVATE_BYTES];
	size_t n, wrong = 0;

	(void)state;
	assert_int_equal(ssh_key_make(&key, &err), 0);
	n = strlen(key.private_key);
	for (size_t i = 0; i < n - 1; i++) {
		char *exact = malloc(i + 1);

		memcpy(exact, key.private_key, i);
		assert_int_equal(ssh_key_read(&got, (struct str){exact, i}, &err), ERR_INPUT);
		free(exact);
	}
	for (size_t i = 0; i < n; i++) {
		for (const char *c = "AQz+/=-\n\x01\xff"; *c; c++) {
			memcpy(text, key.private_key, n);
			if (text[i] == *c)
				continue;
			text[i] = *c;
			if (ssh_key_read(&got, (struct str){text, n}, &err) == 0) {
				/* Nothing but the check number, the padding's base64 rest and
				 * line ends may be other than they were. */
				assert_string_equal(got.public_key, key.public_key);
			} else {
				wrong++;
			}
		}
	}
	assert_true(wrong > n * 5);
}

static void
test_print_and_normal(void **state)
{
	static const char line[] =
		"ssh-ed25519 "
		"AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
	static const char *const bad[] = {"", "ssh-ed25519", "ssh-ed25519 ", "ssh-ed25519 AAAA",
		"ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
		"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJ",
		("ssh-ed25519 "
		 "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJlAAAA"),
		"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GK==",
		"ssh-ed25519 AAAAC3NzaC1lZDI1NTE4AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
		"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9 KJl"};
	char got[SSH_KEY_PRINT_BYTES], normal[SSH_KEY_PUBLIC_BYTES], text[256];

	(void)state;
	assert_true(ssh_key_print(got, str_from(line)));
	/* As ssh-keygen -lf says of github.com's. */
	assert_string_equal(got, "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU");
	snprintf(text, sizeof(text), "  %s   a comment\n", line);
	assert_true(ssh_key_normal(normal, str_from(text)));
	assert_string_equal(normal, line);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(ssh_key_print(got, str_from(bad[i])));
		assert_false(ssh_key_normal(normal, str_from(bad[i])));
	}
	assert_false(ssh_key_print(got, (struct str){0}));
}

static void *
open_one(void *out)
{
	struct error err;

	assert_int_equal(ssh_key_open(out, at("shared"), &err), 0);
	return NULL;
}

/* Several at once end with the same key, and leave nothing but it. */
static void
test_race(void **state)
{
	struct ssh_key keys[16];
	pthread_t threads[16];
	struct stat st;
	char left[16];

	(void)state;
	for (int round = 0; round < 20; round++) {
		unlink(at("shared"));
		for (int i = 0; i < 16; i++)
			assert_int_equal(pthread_create(&threads[i], NULL, open_one, &keys[i]), 0);
		for (int i = 0; i < 16; i++)
			pthread_join(threads[i], NULL);
		for (int i = 1; i < 16; i++)
			assert_string_equal(keys[i].private_key, keys[0].private_key);
	}
	assert_int_equal(stat(at("shared"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_nlink, 1);
	ask(left, sizeof(left), "ls /tmp/furrow-ssh-key-*/shared.* 2>/dev/null | wc -l");
	assert_string_equal(left, "0");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_made_key_reads_back),
		cmocka_unit_test(test_keygen_takes_ours),
		cmocka_unit_test(test_reads_keygens),
		cmocka_unit_test(test_other_keys_are_refused),
		cmocka_unit_test(test_readable_by_others_is_refused),
		cmocka_unit_test(test_no_files_of_keys),
		cmocka_unit_test(test_missing_folder),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_print_and_normal),
		cmocka_unit_test(test_race),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
