/* host_words: what a host says of itself before anything is asked of it. */
#include "cmd/runner/host.h"

#include "cmd/runner/alloc.h"
#include "cmd/runner/dir.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BOOT_BYTES = 4096, LINE_BYTES = 48 << 10, IMAGES_BYTES = 16 << 10 };

/* The line on its way. What does not fit any more is left out: names are short, and few. */
struct words {
	char line[LINE_BYTES];
	size_t n;
	bool full;
	const char *folder; /* being listed */
	bool any;	    /* an item stands in the list already */
	char images[IMAGES_BYTES];
};

static void
add(struct words *w, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(w->line + w->n, LINE_BYTES - w->n, fmt, args);
	va_end(args);
	if (n < 0 || (size_t)n >= LINE_BYTES - w->n)
		w->full = true;
	else
		w->n += (size_t)n;
}

static void
add_string(struct words *w, const char *s)
{
	add(w, "\"");
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			add(w, "\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			add(w, "\\u%04x", c);
		else
			add(w, "%c", c);
	}
	add(w, "\"");
}

static void
add_item(struct words *w, const char *before, const char *name, const char *behind)
{
	size_t n = w->n;

	add(w, "%s%s", w->any ? "," : "", before);
	add_string(w, name);
	add(w, "%s", behind);
	/* Room for all that comes behind the lists. */
	if (w->full || w->n > LINE_BYTES - BOOT_BYTES * 7) {
		w->n = n;
		w->full = false;
	} else {
		w->any = true;
	}
}

/* Names that furrow gives are of hex digits alone; partial ones have a dot. */
static bool
is_id(const char *name)
{
	return name[0] && name[strspn(name, "0123456789abcdef")] == '\0';
}

static int
each_id(void *ctx, const char *name, unsigned char type)
{
	(void)type;
	if (is_id(name))
		add_item(ctx, "", name, "");
	return 0;
}

static int
each_env(void *ctx, const char *name, unsigned char type)
{
	char path[HOST_PATH_BYTES];

	(void)type;
	if (is_id(name) && host_path(path, "/var/lib/furrow/env/%s/.furrow-ready", name) &&
		access(path, F_OK) == 0)
		add_item(ctx, "", name, "");
	return 0;
}

static int
each_run(void *ctx, const char *name, unsigned char type)
{
	(void)type;
	if (!strchr(name, '.') && host_run_lives(name))
		add_item(ctx, "{\"run\":", name, "}");
	return 0;
}

static int
each_dead(void *ctx, const char *name, unsigned char type)
{
	(void)type;
	if (!strchr(name, '.') && host_has_container(name) && !host_run_lives(name))
		add_item(ctx, "", name, "");
	return 0;
}

/* One that was here once, and that the engine doesn't have. */
static int
each_gone(void *ctx, const char *name, unsigned char type)
{
	struct words *w = ctx;
	char image[128], listed[132];

	(void)type;
	if (!is_id(name) || strlen(name) > 64)
		return 0;
	host_image_name(image, name);
	snprintf(listed, sizeof(listed), " %s ", image);
	if (!strstr(w->images, listed))
		add_item(ctx, "", name, "");
	return 0;
}

/* The ids in names that begin so. */
static void
add_images(struct words *w, const char *member, const char *before)
{
	const char *at = w->images;
	char id[65];

	w->any = false;
	add(w, ",\"%s\":[", member);
	while ((at = strstr(at, before))) {
		at += strlen(before);
		snprintf(id, sizeof(id), "%.*s", (int)strcspn(at, " "), at);
		if (is_id(id))
			add_item(w, "", id, "");
	}
	add(w, "]");
}

static void
add_list(struct words *w, const char *member, const char *folder, dir_fn each)
{
	char path[HOST_PATH_BYTES];
	int fd = -1;

	w->any = false;
	add(w, ",\"%s\":[", member);
	if (host_path(path, "%s", folder))
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		dir_each(fd, each, w);
		close(fd);
	}
	add(w, "]");
}

/* The beginning of a small file; "" when there is none. */
static void
read_text(const char *name, char out[BOOT_BYTES])
{
	char path[HOST_PATH_BYTES];
	int fd = host_path(path, "%s", name) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	ssize_t n = fd < 0 ? 0 : read(fd, out, BOOT_BYTES - 1);

	out[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		close(fd);
}

/* "NAME UPTIME" lines: the first of each name, which is when it came about. What is no such line is
 * passed over. */
static void
add_boot(struct words *w)
{
	char text[BOOT_BYTES], *rest = text, *line;
	const char *seen[8];
	size_t n = 0;

	read_text("/run/furrow/boot", text);
	add(w, ",\"boot\":{");
	while ((line = strsep(&rest, "\n"))) {
		char *value = line + strspn(line, "abcdefghijklmnopqrstuvwxyz_"), *end;
		double s;
		bool again = false;

		if (value == line || *value != ' ')
			continue;
		*value++ = '\0';
		s = strtod(value, &end);
		for (size_t i = 0; i < n; i++)
			again |= strcmp(seen[i], line) == 0;
		if (end == value || again || n == sizeof(seen) / sizeof(seen[0]) ||
			!(s >= 0 && s < 1e9))
			continue;
		add(w, "%s", n ? "," : "");
		add_string(w, line);
		add(w, ":%.2f", s);
		seen[n++] = line;
	}
	add(w, "}");
}

static void
add_numbers(struct words *w)
{
	struct timespec now;
	char until[BOOT_BYTES], *end;
	cpu_set_t cpus;
	long until_s;

	CPU_ZERO(&cpus);
	sched_getaffinity(0, sizeof(cpus), &cpus);
	clock_gettime(CLOCK_BOOTTIME, &now);
	read_text("/run/furrow/until", until);
	add(w, ",\"cpus\":%d,\"memory\":%lld,\"uptime_s\":%lld.%02ld", CPU_COUNT(&cpus),
		(long long)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE), (long long)now.tv_sec,
		now.tv_nsec / 10000000);
	until_s = strtol(until, &end, 10);
	if (end != until)
		add(w, ",\"until_s\":%ld", until_s);
}

/* The first sshd above this process, which is the one that listens: when it was started, since the boot.
 * < 0: there is none. */
static double
sshd_start_s(void)
{
	pid_t pid = getppid();
	double found_s = -1;

	for (int depth = 0; pid > 1 && depth < 32; depth++) {
		char path[64], text[1024], *name, *rest;
		unsigned long long start;
		int fd, parent;
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
		if (fd >= 0)
			close(fd);
		text[n > 0 ? n : 0] = '\0';
		/* "PID (NAME) STATE PPID …", the start as the 22nd. */
		name = strchr(text, '(');
		rest = strrchr(text, ')');
		if (!name || !rest ||
			sscanf(rest + 1,
				" %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d "
				"%*d %*d %*d %llu",
				&parent, &start) != 2)
			break;
		if (strncmp(name, "(sshd", 5) == 0)
			found_s = (double)start / (double)sysconf(_SC_CLK_TCK);
		pid = parent;
	}
	return found_s;
}

/* How much of warm_files was read, once it was. */
static void
add_warm(struct words *w)
{
	char text[BOOT_BYTES], *end;
	long long bytes;

	read_text("/run/furrow/warm_bytes", text);
	bytes = strtoll(text, &end, 10);
	if (end != text && bytes >= 0)
		add(w, ",\"warm_bytes\":%lld", bytes);
}

int
host_words(int fd)
{
	struct words *w = must_alloc(sizeof(*w));
	char why[BOOT_BYTES];
	double sshd_s = sshd_start_s();
	size_t at = 0;

	add(w, "{\"furrow_host\":1");
	add_numbers(w);
	/* What matters most first: a host that has many of the last doesn't tell all. */
	add_list(w, "runs", "/run/furrow/runs", each_run);
	add_list(w, "dead", "/run/furrow/runs", each_dead);
	host_image_list(w->images, sizeof(w->images));
	add_images(w, "images", " localhost/furrow-image:");
	add_images(w, "image_envs", " localhost/furrow-env:");
	if (w->images[0])
		add_list(w, "images_gone", "/var/lib/furrow/image", each_gone);
	add_list(w, "runners", "/var/lib/furrow/runner", each_id);
	add_list(w, "envs", "/var/lib/furrow/env", each_env);
	add_list(w, "sources", "/var/lib/furrow/source", each_id);
	add_boot(w);
	if (sshd_s >= 0)
		add(w, ",\"sshd_s\":%.2f", sshd_s);
	add_warm(w);
	read_text("/run/furrow/boot.err", why);
	if (why[0]) {
		add(w, ",\"boot_err\":");
		add_string(w, why);
	}
	add(w, "}\n");
	while (at < w->n) {
		ssize_t n = write(fd, w->line + at, w->n - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		at += (size_t)n;
	}
	at = at == w->n;
	free(w);
	return at ? 0 : -1;
}
