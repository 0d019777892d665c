/* host_image: the image of a run on this host. It comes by its digest from a registry, or out of an
 * archive that is fetched like the source; mostly the boot has seen to it already. Either way it gets a name
 * by its digest, and so is found again whatever else the engine knows it by. */
#include "cmd/runner/host.h"

#include "cmd/runner/dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of each sort so many are kept: the one in use, and the one before, for who goes to and fro. */
enum { KEPT = 2, NAME_BYTES = 128, MAX_NOTES = 64 };

void
host_image_name(char out[128], const char *id)
{
	snprintf(out, NAME_BYTES, "localhost/furrow-image:%.100s", id);
}

void
host_env_name(char out[128], const char *id)
{
	snprintf(out, NAME_BYTES, "localhost/furrow-env:%.100s", id);
}

bool
host_image_is_there(const struct order *o, const char *name)
{
	const char *const words[] = {"image", "inspect", "--format", "{{.Id}}", name, NULL};
	char said[HOST_SAID_BYTES];

	return host_engine(o, said, sizeof(said), words) == 0;
}

static int
any_name(void *ctx, const char *name, unsigned char type)
{
	(void)ctx;
	(void)name;
	(void)type;
	return 1;
}

static bool
had_images(void)
{
	char path[HOST_PATH_BYTES];
	int fd = -1;
	bool some;

	if (host_path(path, "/var/lib/furrow/image"))
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	some = fd >= 0 && dir_each(fd, any_name, NULL) > 0;
	if (fd >= 0)
		close(fd);
	return some;
}

void
host_image_list(char *out, size_t size)
{
	const char *const words[] = {"images", "--filter", "reference=localhost/furrow-*",
		"--format", "{{.Repository}}:{{.Tag}} ", NULL};

	size_t n;

	out[0] = '\0';
	if (!had_images() || host_boot_fetches("image", NULL))
		return;
	if (host_engine(NULL, out + 1, size - 2, words) != 0) {
		out[0] = '\0';
		return;
	}
	out[0] = ' ';
	n = strlen(out);
	out[n++] = ' ';
	out[n] = '\0';
	for (char *at = out; *at; at++)
		*at = *at == '\n' ? ' ' : *at;
}

static int
complain(const struct order *o, const char *what, int status, const char *said)
{
	if (status == HOST_NO_ENGINE)
		fprintf(stderr,
			"furrow-runner: environment.image needs podman or docker on the host, and "
			"this one has neither: take an image (instances.ami) that has one of the "
			"packages podman, docker or docker.io\n");
	else
		fprintf(stderr, "furrow-runner: %s image %s: %s (exit status %d)\n", what, o->image,
			said[0] ? said : "the engine gives no reason", status);
	return -1;
}

/* What `docker login` writes; podman reads the same. In a folder of its own, for nobody else. */
static int
write_login(const struct order *o, const char *dir)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char path[HOST_PATH_BYTES];
	const unsigned char *in = (const unsigned char *)o->image_login;
	size_t n = strlen(o->image_login), registry_n = strcspn(o->image, "/");
	const char *registry =
		strncmp(o->image, "docker.io/", 10) == 0 ? "https://index.docker.io/v1/" : o->image;
	FILE *f;
	int fd;

	if (registry != o->image)
		registry_n = strlen(registry);
	if ((mkdir(dir, 0700) != 0 && errno != EEXIST) ||
		snprintf(path, sizeof(path), "%s/config.json", dir) >= (int)sizeof(path))
		return -1;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	f = fd < 0 ? NULL : fdopen(fd, "w");
	if (!f)
		return -1;
	fprintf(f, "{\"auths\":{\"%.*s\":{\"auth\":\"", (int)registry_n, registry);
	for (size_t i = 0; i < n; i += 3) {
		unsigned bits = (unsigned)in[i] << 16;

		bits |= i + 1 < n ? (unsigned)in[i + 1] << 8 : 0;
		bits |= i + 2 < n ? in[i + 2] : 0;
		fputc(digits[bits >> 18], f);
		fputc(digits[bits >> 12 & 63], f);
		fputc(i + 1 < n ? digits[bits >> 6 & 63] : '=', f);
		fputc(i + 2 < n ? digits[bits & 63] : '=', f);
	}
	fputs("\"}}}\n", f);
	return fclose(f);
}

static int
pull_with_login(const struct order *o, char *said)
{
	char dir[HOST_PATH_BYTES], file[HOST_PATH_BYTES + 16];
	const char *const podman[] = {"pull", "--quiet", "--authfile", file, o->image, NULL};
	const char *const docker[] = {"--config", dir, "pull", "--quiet", o->image, NULL};
	int status = 127;

	said[0] = '\0';
	if (!host_path(dir, "/run/furrow/login.%d", (int)getpid()))
		return status;
	snprintf(file, sizeof(file), "%s/config.json", dir);
	if (write_login(o, dir) == 0)
		status = host_engine(
			o, said, HOST_SAID_BYTES, host_engine_is_docker() ? docker : podman);
	else
		snprintf(said, HOST_SAID_BYTES, "its login cannot be written below /run/furrow: %s",
			strerror(errno));
	unlink(file);
	rmdir(dir);
	return status;
}

static int
pull(const struct order *o, const char *name)
{
	const char *const plain[] = {"pull", "--quiet", o->image, NULL};
	const char *const tag[] = {"tag", o->image, name, NULL};
	char said[HOST_SAID_BYTES];
	int status = o->image_login[0] ? pull_with_login(o, said)
				       : host_engine(o, said, sizeof(said), plain);

	if (status != 0)
		return complain(o, "pulling", status, said);
	status = host_engine(o, said, sizeof(said), tag);
	return status == 0 ? 0 : complain(o, "naming", status, said);
}

/* "oci-archive:REF" with a path in between, as podman wants it; docker's load takes no names. */
static int
load(const struct order *o, const char *name)
{
	char path[HOST_PATH_BYTES], from[2 * HOST_PATH_BYTES], said[HOST_SAID_BYTES];
	const char *ref = strchr(o->image, ':') + 1;
	const char *const docker[] = {"load", "--quiet", "--input", path, NULL};
	const char *const podman[] = {"pull", "--quiet", from, NULL};
	const char *const tag[] = {"tag", o->image_id, name, NULL};
	int status;

	if (!host_path(path, "/var/lib/furrow/image/%s.%d.tar", o->image_id, (int)getpid()))
		return -1;
	snprintf(from, sizeof(from), "%.*s%s%s%s", (int)(ref - o->image), o->image, path,
		ref[0] ? ":" : "", ref);
	status = host_fetch(o, o->image_url, path);
	if (status != 0)
		fprintf(stderr,
			"furrow-runner: the archive of image %s could not be fetched "
			"(status %d)\n",
			o->image_id, status);
	if (status == 0) {
		status = host_engine(
			o, said, sizeof(said), host_engine_is_docker() ? docker : podman);
		if (status == 0)
			status = host_engine(o, said, sizeof(said), tag);
		if (status != 0)
			complain(o, "loading", status, said);
	}
	unlink(path);
	return status == 0 ? 0 : -1;
}

int
host_image_begin(const struct order *o)
{
	char folder[HOST_PATH_BYTES], said[HOST_SAID_BYTES];
	int status;

	if (!host_path(folder, "/var/lib/furrow/image") ||
		(mkdir(folder, 0755) != 0 && errno != EEXIST)) {
		fprintf(stderr, "furrow-runner: cannot make %s: %s\n", folder, strerror(errno));
		return -1;
	}
	status = host_engine_await(o, said, sizeof(said));
	return status == 0 ? 0 : complain(o, "asking for", status, said);
}

int
host_image(const struct order *o, struct prepared_words *how)
{
	char name[NAME_BYTES];

	host_image_name(name, o->image_id);
	if (host_image_begin(o) != 0)
		return -1;
	host_await_boot(o, "image", o->image_id, NULL);
	if (host_image_is_there(o, name))
		return 0;
	if (host_is_left())
		return -1;
	if (o->build_file[0])
		return host_build(o, how);
	return o->image_url[0] ? load(o, name) : pull(o, name);
}

/* A file of which the time counts. */
static void
note(const char *id, const char *suffix)
{
	char path[HOST_PATH_BYTES];
	int fd;

	if (!host_path(path, "/var/lib/furrow/image/%s%s", id, suffix))
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd >= 0) {
		futimens(fd, NULL);
		close(fd);
	}
}

struct note {
	char name[NAME_BYTES];
	struct timespec used;
};

struct notes {
	int fd;
	bool env; /* those of setup's, else the others */
	struct note v[MAX_NOTES];
	size_t n;
};

static int
each_note(void *ctx, const char *name, unsigned char type)
{
	struct notes *l = ctx;
	const char *dot = strchr(name, '.');
	struct stat st;

	(void)type;
	if ((dot && strcmp(dot, ".env") != 0) || (dot != NULL) != l->env || l->n == MAX_NOTES ||
		strlen(name) >= NAME_BYTES || fstatat(l->fd, name, &st, 0) != 0)
		return 0;
	snprintf(l->v[l->n].name, NAME_BYTES, "%s", name);
	l->v[l->n++].used = st.st_mtim;
	return 0;
}

static int
newest_first(const void *a, const void *b)
{
	const struct timespec *x = &((const struct note *)a)->used;
	const struct timespec *y = &((const struct note *)b)->used;

	if (x->tv_sec != y->tv_sec)
		return x->tv_sec < y->tv_sec ? 1 : -1;
	return (x->tv_nsec < y->tv_nsec) - (x->tv_nsec > y->tv_nsec);
}

/* By its id: a name alone would be one of several. One that is gone already is fine. */
static void
drop(int fd, const struct note *old, bool env)
{
	char name[NAME_BYTES], id[NAME_BYTES], said[HOST_SAID_BYTES];
	const char *const inspect[] = {"image", "inspect", "--format", "{{.Id}}", name, NULL};
	const char *const rmi[] = {"rmi", "--force", said, NULL};
	char unwanted[HOST_SAID_BYTES];

	snprintf(id, sizeof(id), "%.*s", (int)strcspn(old->name, "."), old->name);
	if (env)
		host_env_name(name, id);
	else
		host_image_name(name, id);
	if (host_engine(NULL, said, sizeof(said), inspect) != 0 ||
		host_engine(NULL, unwanted, sizeof(unwanted), rmi) == 0)
		unlinkat(fd, old->name, 0);
}

static void
drop_old(bool env)
{
	char path[HOST_PATH_BYTES];
	struct notes l = {.fd = -1, .env = env};

	if (host_path(path, "/var/lib/furrow/image"))
		l.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (l.fd < 0)
		return;
	dir_each(l.fd, each_note, &l);
	qsort(l.v, l.n, sizeof(l.v[0]), newest_first);
	for (size_t i = KEPT; i < l.n; i++)
		drop(l.fd, &l.v[i], env);
	close(l.fd);
}

void
host_image_used(const struct order *o)
{
	note(o->image_id, "");
	if (o->setup[0])
		note(o->env_id, ".env");
	if (!host_detach())
		return;
	/* What setup made stands on the image: an engine that cares removes that one after it. */
	drop_old(true);
	drop_old(false);
	_exit(0);
}
