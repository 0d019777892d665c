/* user_data: a #cloud-config document. All that prepares the host is one shell script in `bootcmd`,
 * the first of cloud-init's modules that runs at every boot: it leaves its work to the background
 * and never holds up the boot. The script reads no clock but /proc/uptime.
 *
 * On the host, below $FURROW_ROOT (which only tests set):
 *   /run/furrow/until     uptime in seconds at which it powers itself off; replaced by rename
 *   /run/furrow/boot      "NAME UPTIME" a line: start, runner, source, as each is there; warm_begin,
 *                         warm: the reading of warm_files
 *   /run/furrow/warm_bytes      what was read of warm_files, when "warm" stands in boot
 *   /run/furrow/boot.err  "NAME: what failed" a line; what is transient is tried again
 *   /run/furrow/source.id the source that it was told to fetch; get_source.pid: by whom
 *   /run/furrow/image.id, get_image.pid   likewise, of a container's image
 *   /var/lib/furrow/runner/SHA256, /var/lib/furrow/source/ID/   whole or not there
 *   /var/lib/furrow/image/ID.boot.tar     an image's archive, until an engine has it */
#include "providers/aws/user_data.h"

#include <inttypes.h>

/* POSIX sh, and what Amazon Linux 2023, Ubuntu and Debian have at boot. python3 is what cloud-init
 * itself runs on. */
static const char script[] =
	"PATH=${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}\n"
	"umask 022\n"
	"run=${FURROW_ROOT-}/run/furrow lib=${FURROW_ROOT-}/var/lib/furrow\n"
	"now() { read -r up _ </proc/uptime; echo \"${up%%.*}\"; }\n"
	"mark() { read -r up _ </proc/uptime; echo \"$1 $up\" >>\"$run/boot\"; }\n"
	"# Sets $until to what the file says, or keeps it when that is no number.\n"
	"look() {\n"
	"	read -r u <\"$run/until\" || return 0\n"
	"	u=${u%%.*}\n"
	"	case $u in '' | *[!0-9]* | ????????????*) ;; *) until=$u ;; esac\n"
	"}\n"
	"lease() {\n"
	"	echo -1000 >/proc/self/oom_score_adj\n"
	"	while look; [ \"$(now)\" -lt \"$until\" ]; do sleep 2; done\n"
	"	while :; do\n"
	"		poweroff || shutdown -P now\n"
	"		sleep 60\n"
	"		poweroff -f\n"
	"	done\n"
	"}\n"
	"get() { # URL FILE\n"
	"	if command -v curl >/dev/null; then\n"
	"		curl -gfsS --connect-timeout 5 --speed-limit 1000 --speed-time 20 -o "
	"\"$2\" \"$1\"\n"
	"	else\n"
	"		python3 -c 'import shutil, sys, urllib.request as r\n"
	"try:\n"
	"	shutil.copyfileobj(r.urlopen(sys.argv[1], timeout=20), open(sys.argv[2], \"wb\"))\n"
	"except Exception as e:\n"
	"	sys.exit(str(e))' \"$1\" \"$2\"\n"
	"	fi\n"
	"}\n"
	"is_whole() { # SHA256 FILE; an empty one: what it is told by is checked elsewhere\n"
	"	[ -n \"$1\" ] || return 0\n"
	"	s=$(sha256sum <\"$2\") || return 1\n"
	"	[ \"${s%% *}\" = \"$1\" ] || { echo \"its sha256 is ${s%% *}, expected $1\"; "
	"return 1; }\n"
	"}\n"
	"# Says why not; runs in a subshell.\n"
	"try() { # URL SHA256 FILE FINISH; no URL: there is no file\n"
	"	{ [ -z \"$1\" ] || get \"$1\" \"$3\"; } && is_whole \"$2\" \"$3\" && \"$4\"\n"
	"}\n"
	"fetch() { # NAME URL SHA256 FILE FINISH\n"
	"	pause=1 last=\n"
	"	until why=$(try \"$2\" \"$3\" \"$4\" \"$5\" 2>&1); do\n"
	"		why=$(printf %s \"$why\" | tr -s '\\n\\r\\t' ' ')\n"
	"		[ \"$why\" = \"$last\" ] || echo \"$1: $why\" >>\"$run/boot.err\"\n"
	"		last=$why\n"
	"		look\n"
	"		[ \"$(now)\" -lt \"$until\" ] || return 1\n"
	"		sleep $pause\n"
	"		[ $pause -ge 15 ] || pause=$((pause * 2))\n"
	"	done\n"
	"	mark \"$1\"\n"
	"}\n"
	"runner=$lib/runner/$runner_sha256 source=$lib/source/$source_id\n"
	"finish_runner() {\n"
	"	chmod 555 \"$runner.partial\" && mv -f \"$runner.partial\" \"$runner\"\n"
	"}\n"
	"finish_source() {\n"
	"	rm -rf \"$source.partial\" && mkdir \"$source.partial\" &&\n"
	"		tar -xzf \"$source.tar.gz\" --no-same-owner -C \"$source.partial\" &&\n"
	"		find \"$source.partial\" -type f -exec chmod a-w '{}' + &&\n"
	"		chown -Rh 4711:4711 \"$source.partial\" &&\n"
	"		{ sync -f \"$source.partial\" || sync; } &&\n"
	"		{ mv -T \"$source.partial\" \"$source\" || [ -d \"$source\" ]; } &&\n"
	"		rm -rf \"$source.partial\" \"$source.tar.gz\"\n"
	"}\n"
	"get_runner() {\n"
	"	if [ -x \"$runner\" ] && is_whole \"$runner_sha256\" \"$runner\"; then\n"
	"		mark runner\n"
	"	else\n"
	"		fetch runner \"$runner_url\" \"$runner_sha256\" \"$runner.partial\" "
	"finish_runner\n"
	"	fi\n"
	"}\n"
	"get_source() {\n"
	"	if [ -d \"$source\" ]; then\n"
	"		mark source\n"
	"	else\n"
	"		fetch source \"$source_url\" \"$source_sha256\" \"$source.tar.gz\" "
	"finish_source\n"
	"	fi\n"
	"}\n"
	"is_running() { read -r pid <\"$run/$1.pid\" && kill -0 \"$pid\"; }\n"
	"start() { # FUNCTION, unless it runs from an earlier pass in this boot\n"
	"	is_running \"$1\" && return\n"
	"	(trap '' HUP; \"$1\") >/dev/null &\n"
	"	echo $! >\"$run/$1.pid\"\n"
	"}\n";

/* The engines' words are those of host_image.c. docker's daemon comes up later than this; without either
 * engine the host says what is wrong when it is asked to begin. */
static const char image_functions[] =
	"name=localhost/furrow-image:$image_id tar=$lib/image/$image_id.boot.tar\n"
	"finish_image() {\n"
	"	case $image in\n"
	"	*-archive:*)\n"
	"		if [ $engine = podman ]; then\n"
	"			ref=${image#*:}\n"
	"			podman pull -q \"${image%%:*}:$tar${ref:+:$ref}\"\n"
	"		else\n"
	"			docker load -q -i \"$tar\"\n"
	"		fi && $engine tag \"$image_id\" $name && rm -f \"$tar\" ;;\n"
	"	*) $engine pull -q \"$image\" && $engine tag \"$image\" $name ;;\n"
	"	esac\n"
	"}\n"
	"get_image() {\n"
	"	if command -v podman; then\n"
	"		engine=podman\n"
	"	elif command -v docker; then\n"
	"		engine=docker\n"
	"		until docker version || { look; [ \"$(now)\" -ge \"$until\" ]; }; do\n"
	"			sleep 0.2\n"
	"		done\n"
	"	else\n"
	"		return\n"
	"	fi\n"
	"	if $engine image inspect $name; then\n"
	"		mark image\n"
	"	else\n"
	"		fetch image \"$image_url\" '' \"$tar\" finish_image\n"
	"	fi\n"
	"}\n";
static const char run[] =
	"(\n"
	"	exec </dev/null >/dev/null 2>&1\n"
	"	mkdir -p \"$run\"\n"
	"	mark start\n"
	"	until=$(($(now) + boot_lease))\n"
	"	[ -s \"$run/until\" ] ||\n"
	"		{ echo \"$until\" >\"$run/until.new\" && mv -f \"$run/until.new\" "
	"\"$run/until\"; }\n"
	"	start lease\n"
	"	mkdir -p \"$lib/runner\" \"$lib/source\" \"$lib/env\" \"$lib/run\"\n"
	"	chown 4711:4711 \"$run\" \"$lib\" \"$lib\"/*\n"
	"	start get_runner\n"
	"	[ -z \"$source_url\" ] ||\n"
	"		{ echo \"$source_id\" >\"$run/source.id\" && start get_source; }\n";
static const char warm_functions[] =
	"# warm_list names paths, a line each; blanks are part of them.\n"
	"warm_files() {\n"
	"	mark warm_begin\n"
	"	n=$(\n"
	"		IFS='\n'\n"
	"		{ find -H $(warm_list) -xdev -type f -print0 |\n"
	"			xargs -0 -r -n 8 -P 16 cat | wc -c; } 2>\"$run/warm.err\"\n"
	"	)\n"
	"	[ ! -s \"$run/warm.err\" ] || { read -r why <\"$run/warm.err\"\n"
	"		echo \"warm_files: $why\" >>\"$run/boot.err\"; }\n"
	"	echo \"$n\" >\"$run/warm_bytes\"\n"
	"	mark warm\n"
	"}\n";
static const char run_warm[] = "	start warm_files\n";
static const char run_image[] = "	mkdir -p \"$lib/image\" && chown 4711:4711 \"$lib/image\"\n"
				"	echo \"$image_id\" >\"$run/image.id\" && start get_image\n";

/* Behind a block scalar's header: each line at its depth; an empty one stays empty. */
static void
add_block(struct buf *out, const char *indent, struct str text)
{
	while (text.p && text.n) {
		struct str line = str_cut(&text, '\n');

		if (line.n)
			buf_add_cstr(out, indent);
		buf_add_str(out, line);
		buf_add_char(out, '\n');
	}
}

/* What is in no single-quoted string of sh is the quote alone. Ends the line. */
static void
add_quoted(struct buf *out, struct str value)
{
	buf_add_char(out, '\'');
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] == '\'')
			buf_add_cstr(out, "'\\''");
		else
			buf_add_char(out, value.p[i]);
	}
	buf_add_cstr(out, "'\n");
}

/* A variable of the script. */
static void
add_variable(struct buf *out, const char *name, struct str value)
{
	buf_addf(out, "    %s=", name);
	add_quoted(out, value);
}

/* The paths as a function's words: what is quoted is not expanded there, but where it is used. */
static void
add_warm_list(struct buf *out, const struct strings *paths)
{
	buf_add_cstr(out, "    warm_list() {\n");
	for (size_t i = 0; i < paths->n; i++) {
		buf_add_cstr(out, "    printf '%s\\n' ");
		add_quoted(out, paths->v[i]);
	}
	buf_add_cstr(out, "    }\n");
}

/* One line of printable ASCII: anything else could end the line or the document that it is put in. */
static bool
is_line(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < ' ' || s.p[i] > '~')
			return false;
	}
	return true;
}

static bool
is_key_line(struct str s)
{
	return is_line(s) && str_starts(s, STR("ssh-ed25519 ")) && !memchr(s.p, '\'', s.n);
}

static bool
is_private_key(struct str s)
{
	if (!str_starts(s, STR("-----BEGIN ")))
		return false;
	while (s.p) {
		if (!is_line(str_cut(&s, '\n')))
			return false;
	}
	return true;
}

static bool
is_id(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (!(s.p[i] >= '0' && s.p[i] <= '9') && !(s.p[i] >= 'a' && s.p[i] <= 'f'))
			return false;
	}
	return s.n > 0;
}

/* What of it cannot be written, NULL: nothing. */
static const char *
unfit(const struct user_data *u)
{
	if (!is_private_key(u->host_key_private))
		return "the host key is no private key file";
	if (!is_key_line(u->host_key_public))
		return "the host's public key is no ssh-ed25519 line";
	if (!is_key_line(u->authorized_key))
		return "the key to authorize is no ssh-ed25519 line";
	if (!u->runner.url.n || !is_line(u->runner.url))
		return "the runner's URL is none";
	if (u->source.url.p && (!is_line(u->source.url) || !is_id(u->source_id)))
		return "the source's URL or id is none";
	if (u->image.p && (!u->image.n || !is_line(u->image) || !is_line(u->image_url) ||
				  !is_id(u->image_id)))
		return "the image is none";
	for (size_t i = 0; i < u->warm_files.n; i++) {
		if (!is_line(u->warm_files.v[i]) || u->warm_files.v[i].p[0] != '/')
			return "a path to be read is none";
	}
	if (u->boot_lease_s <= 0)
		return "the lease is over before it begins";
	return NULL;
}

static void
add_who(struct buf *out, const struct user_data *u)
{
	buf_add_cstr(out, "#cloud-config\n"
			  "ssh_deletekeys: true\n"
			  "ssh_keys:\n"
			  "  ed25519_private: |\n");
	add_block(out, "    ", u->host_key_private);
	buf_addf(out, "  ed25519_public: '%.*s'\n", STR_ARG(str_trim(u->host_key_public)));
	buf_addf(out,
		"users:\n"
		"- name: furrow\n"
		"  uid: 4711\n"
		"  homedir: /var/lib/furrow\n"
		"  shell: /bin/sh\n"
		"  lock_passwd: true\n"
		"  sudo: 'ALL=(ALL) NOPASSWD:ALL'\n"
		"  ssh_authorized_keys:\n"
		"  - '%.*s'\n"
		"disable_root: true\n"
		"ssh_pwauth: false\n"
		"package_update: false\n"
		"package_upgrade: false\n",
		STR_ARG(str_trim(u->authorized_key)));
}

static void
add_script(struct buf *out, const struct user_data *u)
{
	char hex[DIGEST_HEX_BYTES];

	buf_add_cstr(out, "bootcmd:\n- |\n");
	buf_addf(out, "    boot_lease=%" PRId64 "\n", u->boot_lease_s);
	add_variable(out, "runner_url", u->runner.url);
	digest_hex(hex, &u->runner.sha256);
	add_variable(out, "runner_sha256", str_from(hex));
	add_variable(out, "source_url", u->source.url);
	digest_hex(hex, &u->source.sha256);
	add_variable(
		out, "source_sha256", digest_is_zero(&u->source.sha256) ? STR("") : str_from(hex));
	add_variable(out, "source_id", u->source_id);
	if (u->image.p) {
		add_variable(out, "image", u->image);
		add_variable(out, "image_id", u->image_id);
		add_variable(out, "image_url", u->image_url);
	}
	add_block(out, "    ", str_from(script));
	if (u->image.p)
		add_block(out, "    ", str_from(image_functions));
	if (u->warm_files.n) {
		add_warm_list(out, &u->warm_files);
		add_block(out, "    ", str_from(warm_functions));
	}
	add_block(out, "    ", str_from(run));
	if (u->image.p)
		add_block(out, "    ", str_from(run_image));
	if (u->warm_files.n)
		add_block(out, "    ", str_from(run_warm));
	buf_add_cstr(out, "    )\n");
}

int
user_data_write(struct buf *out, const struct user_data *u, struct error *err)
{
	const char *problem = unfit(u);
	size_t before = out->n;

	if (problem)
		return error_set(err, ERR_INTERNAL, "write user data: %s", problem);
	add_who(out, u);
	add_script(out, u);
	if (out->n - before > USER_DATA_MAX_BYTES) {
		size_t n = out->n - before;

		out->n = before;
		return error_set(err, ERR_INTERNAL,
			"user data of %zu bytes: EC2 takes %d (the URLs in it have %zu and %zu)", n,
			USER_DATA_MAX_BYTES, u->runner.url.n, u->source.url.n);
	}
	return 0;
}
