/* test_tree: what setup left, packed and unpacked: it comes out as it was, the same each time; what leads astray,
 * and what we would not have packed, is refused, and nothing beside the folder changes. */
#include "cmd/runner/tar.h"
#include "cmd/runner/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

enum { PLENTY = 1 << 20 };

struct place {
	char root[128], from[160], into[160];
	int from_fd, into_fd, tar; /* tar: a file in memory */
	struct tree t;
};

static struct place p;
static bool wanted;

static bool
go_on(void *ctx)
{
	(void)ctx;
	return wanted;
}

static void
write_text(const char *dir, const char *name, const char *text, mode_t mode)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static const char *
read_text(const char *dir, const char *name)
{
	static char text[256];
	char path[512];
	int fd;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY | O_NOFOLLOW);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n < 0 ? NULL : text;
}

static void
make_folder(char *out, size_t size, const char *name, int *fd)
{
	snprintf(out, size, "%s/%s", p.root, name);
	assert_int_equal(mkdir(out, 0755), 0);
	*fd = open(out, O_RDONLY | O_DIRECTORY);
	assert_true(*fd >= 0);
}

static int
set_up(void **state)
{
	const char *base = getenv("TMPDIR");

	(void)state;
	snprintf(p.root, sizeof(p.root), "%s/furrow-unit.XXXXXX", base ? base : "/tmp");
	if (!mkdtemp(p.root))
		return -1;
	make_folder(p.from, sizeof(p.from), "from", &p.from_fd);
	make_folder(p.into, sizeof(p.into), "into", &p.into_fd);
	write_text(p.root, "beside", "mine", 0644);
	p.tar = memfd_create("tar", MFD_CLOEXEC);
	p.t = (struct tree){.place = "/var/lib/furrow/env/e57", .marker = ".ready", .go_on = go_on};
	wanted = true;
	return 0;
}

static int
tear_down(void **state)
{
	char command[512];

	(void)state;
	assert_string_equal(read_text(p.root, "beside"), "mine");
	close(p.from_fd);
	close(p.into_fd);
	close(p.tar);
	snprintf(command, sizeof(command), "chmod -R u+rwx '%s'; rm -rf '%s'", p.root, p.root);
	return system(command);
}

static int
unpack(uint64_t limit)
{
	assert_int_equal(lseek(p.tar, 0, SEEK_SET), 0);
	return tree_unpack(&p.t, p.into_fd, p.tar, limit);
}

static void
refused(const char *why)
{
	if (unpack(PLENTY) == 0)
		fail_msg("taken, and not refused: %s", why);
	if (!strstr(p.t.why, why))
		fail_msg("not '%s' but: %s", why, p.t.why);
}

/* A member, as an evil packer writes it. */
static void
member(const struct tar_entry *e, const char *content)
{
	char header[TAR_HEADER_MAX], block[TAR_BLOCK_BYTES] = {0};
	size_t n = tar_header(header, e);

	assert_int_equal(write(p.tar, header, n), n);
	if (content) {
		memcpy(block, content, strlen(content));
		assert_int_equal(write(p.tar, block, sizeof(block)), sizeof(block));
	}
}

static void
file(const char *name, const char *content)
{
	member(
		&(struct tar_entry){
			.type = '0', .name = name, .mode = 0644, .size = strlen(content)},
		content);
}

static void
link_to(const char *name, const char *target)
{
	member(&(struct tar_entry){.type = '2', .name = name, .target = target, .mode = 0777},
		NULL);
}

static void
folder(const char *name)
{
	member(&(struct tar_entry){.type = '5', .name = name, .mode = 0755}, NULL);
}

static void
end(void)
{
	static const char zeros[2 * TAR_BLOCK_BYTES];

	assert_int_equal(write(p.tar, zeros, sizeof(zeros)), sizeof(zeros));
}

static void
as_it_was(void **state)
{
	const struct timespec old[2] = {{.tv_sec = 1234567890}, {.tv_sec = 1234567890}};
	char name[240], target[64];
	struct stat st;

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(mkdirat(p.from_fd, "bin", 0755), 0);
	assert_int_equal(mkdirat(p.from_fd, "empty", 0500), 0);
	write_text(p.from, "bin/tool", "#!/bin/sh\n", 0755);
	write_text(p.from, "nothing", "", 0600);
	write_text(p.from, name, "a long name", 0444);
	write_text(p.from, ".ready", "", 0644);
	write_text(p.from, "odd \xff\xfe name", "no UTF-8", 0644);
	assert_int_equal(symlinkat("../nothing", p.from_fd, "bin/up"), 0);
	assert_int_equal(symlinkat("/usr/bin/python3", p.from_fd, "bin/python"), 0);
	assert_int_equal(symlinkat("/var/lib/furrow/env/e57/bin/tool", p.from_fd, "own"), 0);
	assert_int_equal(utimensat(p.from_fd, "bin/tool", old, 0), 0);
	assert_int_equal(tree_pack(&p.t, p.from_fd, p.tar), 0);
	assert_int_equal(unpack(p.t.bytes), 0);
	assert_string_equal(read_text(p.into, "bin/tool"), "#!/bin/sh\n");
	assert_string_equal(read_text(p.into, name), "a long name");
	assert_string_equal(read_text(p.into, "odd \xff\xfe name"), "no UTF-8");
	assert_string_equal(read_text(p.into, "nothing"), "");
	assert_null(read_text(p.into, ".ready"));
	assert_int_equal(fstatat(p.into_fd, "bin/tool", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(st.st_mtim.tv_sec, 1234567890);
	assert_int_equal(fstatat(p.into_fd, "empty", &st, 0), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(readlinkat(p.into_fd, "bin/python", target, sizeof(target)), 16);
	assert_int_equal(readlinkat(p.into_fd, "own", target, sizeof(target)), 32);
}

static void
the_same_bytes(void **state)
{
	static char first[64 << 10], second[64 << 10];
	static const char *const names[] = {"c", "a", "b", "d"};
	ssize_t n;

	(void)state;
	for (int i = 0; i < 4; i++)
		write_text(p.from, names[i], names[i], 0644);
	assert_int_equal(tree_pack(&p.t, p.from_fd, p.tar), 0);
	n = pread(p.tar, first, sizeof(first), 0);
	assert_int_equal(n, p.t.bytes);
	assert_int_equal(unpack(PLENTY), 0);
	assert_int_equal(ftruncate(p.tar, 0), 0);
	assert_int_equal(lseek(p.tar, 0, SEEK_SET), 0);
	/* Of the copy, whose files were made in another order. */
	assert_int_equal(tree_pack(&p.t, p.into_fd, p.tar), 0);
	assert_int_equal(pread(p.tar, second, sizeof(second), 0), n);
	assert_memory_equal(first, second, (size_t)n);
}

static void
not_to_be_packed(void **state)
{
	(void)state;
	assert_int_equal(mkfifoat(p.from_fd, "pipe", 0600), 0);
	assert_int_equal(tree_pack(&p.t, p.from_fd, p.tar), -1);
	assert_non_null(strstr(p.t.why, "pipe is neither file, folder nor symlink"));
	assert_int_equal(unlinkat(p.from_fd, "pipe", 0), 0);
	assert_int_equal(symlinkat("/etc/passwd", p.from_fd, "out"), 0);
	assert_int_equal(tree_pack(&p.t, p.from_fd, p.tar), -1);
	assert_non_null(strstr(p.t.why, "out is a symlink to /etc/passwd"));
}

static void
nobody_waits(void **state)
{
	char big[4096];

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	for (int i = 0; i < 300; i++) {
		char name[16];

		snprintf(name, sizeof(name), "%d", i);
		write_text(p.from, name, big, 0644);
	}
	wanted = false;
	assert_int_equal(tree_pack(&p.t, p.from_fd, p.tar), -1);
	assert_string_equal(p.t.why, "nobody waits for it any more");
}

static void
which_links(void **state)
{
	static const struct {
		const char *target;
		unsigned depth;
		bool taken;
	} cases[] = {
		{"a", 0, true},
		{"a/b/", 0, true},
		{"./a", 0, true},
		{"..", 1, true},
		{"../..", 2, true},
		{"../a/b", 1, true},
		{"..", 0, false},
		{"../../a", 1, false},
		{"a/..", 0, false}, /* a might be a symlink */
		{"a/../..", 3, false},
		{"", 0, false},
		{"/", 0, false},
		{"/etc/passwd", 0, false},
		{"/usr/bin/python3", 0, true},
		{"/usr/../etc/passwd", 0, false},
		{"/usr/bin/../../etc/passwd", 0, false},
		{"/usrlocal/x", 0, false},
		{"/opt/tool/bin/x", 5, true},
		{"/proc/self/root", 0, false},
		{"/var/lib/furrow/env/e57", 0, true},
		{"/var/lib/furrow/env/e57/bin", 0, true},
		{"/var/lib/furrow/env/e57/../e58/bin", 0, false},
		{"/var/lib/furrow/env/e58", 0, false},
		{"/var/lib/furrow/env/e57x", 0, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (tree_takes_link(&p.t, cases[i].target, cases[i].depth) != cases[i].taken)
			fail_msg("%s at depth %u", cases[i].target, cases[i].depth);
	}
}

static void
paths_that_lead_out(void **state)
{
	static const char *const names[] = {"/etc/x", "../beside", "a/../../beside", "..", ".",
		"./a", "a//b", "//a", "a/./b", ""};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(ftruncate(p.tar, 0), 0);
		assert_int_equal(lseek(p.tar, 0, SEEK_SET), 0);
		if (i == 0)
			folder("a/");
		file(names[i], "evil");
		end();
		assert_int_equal(unpack(PLENTY), -1);
		assert_non_null(strstr(p.t.why, "refused"));
	}
}

static void
through_a_link(void **state)
{
	(void)state;
	folder("a/");
	link_to("a/up", "..");
	file("a/up/evil", "evil");
	end();
	refused("lies in what is no folder");
}

static void
links_that_lead_out(void **state)
{
	(void)state;
	folder("a/");
	link_to("a/up", "../../beside");
	end();
	refused("is a symlink that leads out of its folder");
}

static void
over_a_link(void **state)
{
	(void)state;
	link_to("python", "/usr/bin/python3");
	file("python", "evil");
	end();
	refused("is there twice");
}

static void
not_its_marker(void **state)
{
	(void)state;
	file(".ready", "");
	end();
	refused("is not for an archive to make");
}

static void
other_kinds(void **state)
{
	static const char types[] = "134567gLKSV";

	(void)state;
	for (const char *type = types; *type; type++) {
		if (*type == '5')
			continue;
		assert_int_equal(ftruncate(p.tar, 0), 0);
		assert_int_equal(lseek(p.tar, 0, SEEK_SET), 0);
		member(
			&(struct tar_entry){
				.type = *type, .name = "dev", .target = "beside", .mode = 0644},
			NULL);
		end();
		refused("is neither file, folder nor symlink");
	}
}

static void
more_than_was_said(void **state)
{
	(void)state;
	file("a", "x");
	file("b", "x");
	end();
	assert_int_equal(unpack(5 * TAR_BLOCK_BYTES), 0);
	assert_int_equal(unlinkat(p.into_fd, "a", 0), 0);
	assert_int_equal(unlinkat(p.into_fd, "b", 0), 0);
	assert_int_equal(unpack(4 * TAR_BLOCK_BYTES), -1);
	assert_non_null(strstr(p.t.why, "unpacks to more than the 2048 bytes that were announced"));
}

/* A file that says it has many bytes, and has them not, is no more than what was announced. */
static void
a_bomb(void **state)
{
	(void)state;
	member(
		&(struct tar_entry){
			.type = '0', .name = "big", .mode = 0644, .size = UINT64_C(1) << 40},
		"x");
	end();
	refused("it is cut short");
	assert_int_equal(unlinkat(p.into_fd, "big", 0), 0);
	assert_int_equal(unpack(4096), -1);
	assert_non_null(strstr(p.t.why, "announced"));
}

static void
cut_anywhere(void **state)
{
	off_t all;

	(void)state;
	folder("a/");
	file("a/b", "some bytes");
	link_to("a/c", "b");
	all = lseek(p.tar, 0, SEEK_CUR);
	for (off_t n = 0; n < all; n += 100) {
		char command[512];

		assert_int_equal(lseek(p.tar, 0, SEEK_SET), 0);
		assert_int_equal(ftruncate(p.tar, n), 0);
		assert_int_equal(tree_unpack(&p.t, p.into_fd, p.tar, PLENTY), -1);
		snprintf(command, sizeof(command), "rm -rf '%s'/*", p.into);
		assert_int_equal(system(command), 0);
		assert_int_equal(ftruncate(p.tar, 0), 0);
		assert_int_equal(lseek(p.tar, 0, SEEK_SET), 0);
		folder("a/");
		file("a/b", "some bytes");
		link_to("a/c", "b");
	}
}

static void
no_tar_at_all(void **state)
{
	char noise[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (char)(i * 7 + 1);
	assert_int_equal(write(p.tar, noise, sizeof(noise)), sizeof(noise));
	refused("it is no archive of ours");
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(as_it_was),
		TEST(the_same_bytes),
		TEST(not_to_be_packed),
		TEST(nobody_waits),
		TEST(which_links),
		TEST(paths_that_lead_out),
		TEST(through_a_link),
		TEST(links_that_lead_out),
		TEST(over_a_link),
		TEST(not_its_marker),
		TEST(other_kinds),
		TEST(more_than_was_said),
		TEST(a_bomb),
		TEST(cut_anywhere),
		TEST(no_tar_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
