/* collect_index: reading and writing the index of a results folder, and looking whether what it
 * says is still there. */
#include "providers/store/collect_index.h"

#include "planner/base/buf.h"
#include "providers/store/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	KEY_DIGITS = 64,
	FEW = 64, /* so many folders are looked for one by one, more by listing the folder that they are in */
	INDEX_MAX_BYTES = 1 << 30
};

bool
collect_is_folder(struct str folder)
{
	if (!folder.p || folder.n == 0 || folder.n >= PATH_MAX / 2)
		return false;
	while (folder.p) {
		struct str part = str_cut(&folder, '/');

		if (part.n == 0 || part.n > NAME_MAX || str_is(part, ".") || str_is(part, "..") ||
			str_starts(part, STR(".furrow")))
			return false;
		for (size_t i = 0; i < part.n; i++) {
			if ((unsigned char)part.p[i] < 0x20 || part.p[i] == 0x7f)
				return false;
		}
	}
	return true;
}

static int
read_whole(struct arena *a, int results_fd, struct str *out, struct error *err)
{
	struct stat st;
	ssize_t n;
	char *p;
	int fd = openat(results_fd, COLLECT_INDEX, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	*out = (struct str){0};
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0) {
		int rc = error_set_errno(err, ERR_HOST, errno, "read " COLLECT_INDEX);

		if (fd >= 0)
			close(fd);
		return rc;
	}
	if (!S_ISREG(st.st_mode) || st.st_size > INDEX_MAX_BYTES) {
		close(fd);
		return error_set(err, ERR_INPUT, COLLECT_INDEX " is none of furrow's: remove it");
	}
	p = arena_alloc(a, (size_t)st.st_size + 1);
	n = io_read_at(fd, p, (size_t)st.st_size, 0);
	close(fd);
	if (n < 0)
		return error_set_errno(err, ERR_HOST, (int)-n, "read " COLLECT_INDEX);
	*out = (struct str){.p = p, .n = (size_t)n};
	return 0;
}

static bool
parse_line(struct str line, struct collected *out, uint8_t *state)
{
	if (line.n < KEY_DIGITS + 1 ||
		!digest_parse((struct str){.p = line.p, .n = KEY_DIGITS}, &out->key))
		return false;
	line = str_from_index(line, KEY_DIGITS);
	*state = line.p[0] == '-'   ? COLLECT_EMPTY
		 : line.p[0] == '?' ? COLLECT_PENDING
				    : COLLECT_FOLDER;
	if (*state != COLLECT_FOLDER)
		line = str_from_index(line, 1);
	out->label = str_from_index(line, 1);
	return line.n && line.p[0] == '\t' && collect_is_folder(out->label);
}

static size_t
count_lines(struct str bytes)
{
	size_t n = 0;

	for (size_t i = 0; i < bytes.n; i++)
		n += bytes.p[i] == '\n';
	return n;
}

struct line {
	struct collected c;
	uint8_t state;
};

static int
by_label(const void *a, const void *b)
{
	return str_cmp(((const struct line *)a)->c.label, ((const struct line *)b)->c.label);
}

/* Only when somebody has edited the file. */
static void
sort_lines(struct collect_index *index)
{
	struct line *v = mem_alloc(index->n * sizeof(*v));
	size_t n = index->n;

	for (size_t i = 0; i < n; i++)
		v[i] = (struct line){.c = index->v[i], .state = index->state[i]};
	qsort(v, n, sizeof(*v), by_label);
	index->n = 0;
	for (size_t i = 0; i < n; i++) {
		if (index->n && str_eq(index->v[index->n - 1].label, v[i].c.label)) {
			index->state[index->n - 1] = COLLECT_PENDING; /* two keys cannot be right */
			continue;
		}
		index->v[index->n] = v[i].c;
		index->state[index->n++] = v[i].state;
	}
	free(v);
}

void
collect_index_parse(struct arena *a, struct collect_index *out, struct str bytes)
{
	bool sorted = true;
	size_t lines = count_lines(bytes);

	*out = (struct collect_index){0};
	out->v = ARENA_ARRAY(a, struct collected, lines);
	out->state = ARENA_ARRAY(a, uint8_t, lines);
	while (lines--) {
		struct collected *c = &out->v[out->n];

		if (!parse_line(str_cut(&bytes, '\n'), c, &out->state[out->n]))
			continue;
		sorted &= out->n == 0 || str_cmp(c[-1].label, c->label) < 0;
		out->n++;
	}
	if (!sorted)
		sort_lines(out);
}

int
collect_index_read(struct arena *a, int results_fd, struct collect_index *out, struct error *err)
{
	struct str bytes;
	int rc = read_whole(a, results_fd, &bytes, err);

	*out = (struct collect_index){0};
	if (rc == 0)
		collect_index_parse(a, out, bytes);
	return rc;
}

static struct str
parent_of(struct str label)
{
	size_t n = label.n;

	while (n && label.p[n - 1] != '/')
		n--;
	return (struct str){.p = label.p, .n = n};
}

static void
look_at_each(int results_fd, struct collect_index *index, size_t from, size_t to)
{
	char path[PATH_MAX];

	for (size_t i = from; i < to; i++) {
		struct stat st;

		if (index->state[i] != COLLECT_FOLDER)
			continue;
		snprintf(path, sizeof(path), "%.*s", STR_ARG(index->v[i].label));
		if (fstatat(results_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
			index->state[i] = COLLECT_GONE;
	}
}

/* Open addressing: the entries of one folder by the last part of their label. */
struct names {
	uint32_t *slot; /* index + 1; 0: free */
	size_t mask;
};

static size_t
hash(struct str name)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < name.n; i++)
		h = (h ^ (unsigned char)name.p[i]) * UINT64_C(1099511628211);
	return (size_t)(h ^ h >> 32);
}

static void
mark_present(struct collect_index *index, const struct names *names, size_t parent_bytes,
	struct str name, DIR *d, const struct dirent *e)
{
	for (size_t at = hash(name) & names->mask; names->slot[at]; at = (at + 1) & names->mask) {
		size_t i = names->slot[at] - 1;
		struct stat st;

		if (!str_eq(str_from_index(index->v[i].label, parent_bytes), name))
			continue;
		if (e->d_type == DT_DIR ||
			(e->d_type == DT_UNKNOWN &&
				fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
				S_ISDIR(st.st_mode)))
			index->state[i] = COLLECT_FOLDER;
		return;
	}
}

/* For many: all are gone but those that the listing shows. */
static void
look_by_listing(struct collect_index *index, size_t from, size_t to, size_t parent_bytes, DIR *d)
{
	struct names names = {.mask = 1};
	struct dirent *e;

	while (names.mask < (to - from) * 2)
		names.mask = names.mask * 2;
	names.slot = mem_alloc(names.mask * sizeof(*names.slot));
	memset(names.slot, 0, names.mask * sizeof(*names.slot));
	names.mask--;
	for (size_t i = from; i < to; i++) {
		size_t at = hash(str_from_index(index->v[i].label, parent_bytes)) & names.mask;

		if (index->state[i] != COLLECT_FOLDER)
			continue;
		while (names.slot[at])
			at = (at + 1) & names.mask;
		names.slot[at] = (uint32_t)i + 1;
		index->state[i] = COLLECT_GONE;
	}
	while ((e = readdir(d)))
		mark_present(index, &names, parent_bytes, str_from(e->d_name), d, e);
	free(names.slot);
}

static void
look_in(int results_fd, struct collect_index *index, size_t from, size_t to, struct str parent)
{
	char path[PATH_MAX];
	size_t n = 0;
	DIR *d;
	int fd;

	for (size_t i = from; i < to; i++)
		n += index->state[i] == COLLECT_FOLDER;
	if (n <= FEW) {
		look_at_each(results_fd, index, from, to);
		return;
	}
	snprintf(path, sizeof(path), "%.*s.", STR_ARG(parent));
	fd = openat(results_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (d) {
		look_by_listing(index, from, to, parent.n, d);
		closedir(d);
		return;
	}
	if (fd >= 0)
		close(fd);
	look_at_each(results_fd, index, from, to);
}

void
collect_index_look(int results_fd, struct collect_index *index)
{
	size_t from = 0;

	for (size_t i = 1; i <= index->n; i++) {
		struct str parent = parent_of(index->v[from].label);

		if (i < index->n && str_eq(parent_of(index->v[i].label), parent))
			continue;
		look_in(results_fd, index, from, i, parent);
		from = i;
	}
}

void
collect_index_format(struct buf *out, const struct collect_index *index)
{
	static const char marks[] = {[COLLECT_EMPTY] = '-', [COLLECT_PENDING] = '?'};
	char hex[DIGEST_HEX_BYTES];

	for (size_t i = 0; i < index->n; i++) {
		if (index->state[i] == COLLECT_GONE)
			continue;
		digest_hex(hex, &index->v[i].key);
		buf_add(out, hex, KEY_DIGITS);
		if (index->state[i] != COLLECT_FOLDER)
			buf_add_char(out, marks[index->state[i]]);
		buf_add_char(out, '\t');
		buf_add_str(out, index->v[i].label);
		buf_add_char(out, '\n');
	}
}

int
collect_index_write(int temporary_fd, const struct collect_index *index)
{
	struct buf b = {0};
	int fd, rc;

	fd = openat(temporary_fd, COLLECT_INDEX,
		O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
	if (fd < 0)
		return -errno;
	collect_index_format(&b, index);
	rc = io_write_all(fd, b.p, b.n);
	if (rc == 0 && fdatasync(fd) < 0)
		rc = -errno;
	buf_free(&b);
	if (close(fd) < 0 && rc == 0)
		rc = -errno;
	return rc;
}
