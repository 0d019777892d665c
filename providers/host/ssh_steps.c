/* ssh_steps: one connection from its first byte to its end. As few round trips as libssh allows (7, with
 * connect(2), to the command's first byte): nobody asks what logins there are or whether the key is
 * known, and the command goes out together with the channel it is for, since the first channel's number
 * at the server is known to be 0. A server that numbers otherwise hangs up before it starts anything; it is
 * called again, and then each thing waits for the one before. */
#include "providers/host/ssh_internal.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <unistd.h>

enum {
	GREETING_BYTES = 64 << 10, /* before the SSH version */
	EARLY_BYTES = 1 << 20	   /* before the command was started */
};

/* Ciphers: with AES in hardware, as all our machines have it, GCM takes less time than ChaCha20. */
static const struct {
	enum ssh_options_e option;
	const char *value;
} settings[] = {
	/* Nothing of the machine's and the user's own SSH has a part in it. */
	{SSH_OPTIONS_SSH_DIR, "/dev"},
	{SSH_OPTIONS_KNOWNHOSTS, "/dev/null"},
	{SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null"},
	{SSH_OPTIONS_HOSTKEYS, "ssh-ed25519"},
	{SSH_OPTIONS_PUBLICKEY_ACCEPTED_TYPES, "ssh-ed25519"},
	{SSH_OPTIONS_KEY_EXCHANGE,
		"curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,"
		"diffie-hellman-group16-sha512"},
	{SSH_OPTIONS_CIPHERS_C_S,
		"aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,"
		"aes256-ctr"},
	{SSH_OPTIONS_CIPHERS_S_C,
		"aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,"
		"aes256-ctr"},
	{SSH_OPTIONS_COMPRESSION, "no"},
};

void
ssh_drop(struct ssh_host *h)
{
	const struct libssh *lib = h->hub->lib;

	if (h->auth_key)
		lib->ssh_key_free(h->auth_key);
	h->auth_key = NULL;
	if (h->event) {
		lib->ssh_event_remove_session(h->event, h->session);
		lib->ssh_event_free(h->event);
	}
	h->event = NULL;
	ssh_unwatch_sock(h);
	/* Closes the connection, and frees the channel. */
	if (h->session)
		lib->ssh_free(h->session);
	else if (h->sock >= 0)
		close(h->sock);
	h->session = NULL;
	h->channel = NULL;
	h->sock = -1;
	h->sock_events = 0;
}

/* What libssh has to say, fit to be shown. */
static const char *
last_words(const struct ssh_host *h, char *out, size_t size)
{
	ssh_clean(out, size, str_from(h->hub->lib->ssh_get_error(h->session)), true);
	return out[0] ? out : "no reason given";
}

static double
seconds(int64_t ns)
{
	return (double)ns / (double)NS_PER_S;
}

/* Asks for an acknowledgement at once: the server holds back what it says next until it has it. */
static void
acknowledge(const struct ssh_host *h)
{
	int one = 1;

	if (h->sock >= 0)
		setsockopt(h->sock, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof(one));
}

static bool
set_options(const struct ssh_host *h)
{
	const struct libssh *lib = h->hub->lib;
	int none = 0, on = 1, verbosity = SSH_LOG_NOLOG;
	bool ok = true;

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		ok &= lib->ssh_options_set(h->session, settings[i].option, settings[i].value) == 0;
	ok &= lib->ssh_options_set(h->session, SSH_OPTIONS_LOG_VERBOSITY, &verbosity) == 0;
	ok &= lib->ssh_options_set(h->session, SSH_OPTIONS_PROCESS_CONFIG, &(bool){false}) == 0;
	ok &= lib->ssh_options_set(h->session, SSH_OPTIONS_NODELAY, &on) == 0;
	ok &= lib->ssh_options_set(h->session, SSH_OPTIONS_STRICTHOSTKEYCHECK, &none) == 0;
	ok &= lib->ssh_options_set(h->session, SSH_OPTIONS_HOST, h->address) == 0;
	ok &= lib->ssh_options_set(h->session, SSH_OPTIONS_USER, h->user) == 0;
	ok &= lib->ssh_options_set(h->session, SSH_OPTIONS_FD, &h->sock) == 0;
	return ok;
}

void
ssh_begin(struct ssh_host *h, int64_t now)
{
	const struct libssh *lib = h->hub->lib;
	char text[256];

	h->traffic = h->packets = (struct ssh_counter_struct){0};
	h->greeting[0] = '\0';
	h->remote_eof = h->remote_closed = h->exec_answered = false;
	h->session = lib->ssh_new();
	if (!h->session || !set_options(h)) {
		ssh_clean(text, sizeof(text),
			str_from(h->session ? lib->ssh_get_error(h->session) : "out of memory"),
			true);
		if (h->session)
			lib->ssh_free(h->session);
		h->session = NULL; /* it doesn't own the connection yet */
		ssh_fail(h, CLASS_FATAL, "preparing libssh: %s", text);
		return;
	}
	lib->ssh_set_blocking(h->session, 0);
	lib->ssh_set_counters(h->session, &h->traffic, &h->packets);
	pthread_mutex_lock(&h->lock);
	h->times.connected_ns = now;
	pthread_mutex_unlock(&h->lock);
	ssh_set_state(h, SSH_HANDSHAKE);
	h->step = STEP_KEX;
	h->step_until_ns = now + h->handshake_ns;
	ssh_due(h, h->step_until_ns);
	ssh_step(h, now);
}

/* The first bytes, before libssh has them: it doesn't tell what wasn't SSH. */
static void
greet(struct ssh_host *h)
{
	char first[sizeof(h->greeting)];
	ssize_t n;

	if (h->greeting[0] || h->traffic.in_bytes)
		return;
	n = recv(h->sock, first, sizeof(first) - 1, MSG_PEEK | MSG_DONTWAIT);
	if (n <= 0 || memcmp(first, "SSH-", n < 4 ? (size_t)n : 4) == 0)
		return;
	for (ssize_t i = 0; i < n; i++) {
		if (first[i] == '\n' || first[i] == '\r')
			n = i;
	}
	ssh_clean(h->greeting, sizeof(h->greeting), (struct str){.p = first, .n = (size_t)n}, true);
}

/* The connection broke, or libssh gave it up, before the key exchange was done. */
static enum ssh_step
no_keys(struct ssh_host *h)
{
	const struct libssh *lib = h->hub->lib;
	struct str error = str_from(lib->ssh_get_error(h->session));
	bool ours = str_starts(error, STR("Socket error"));
	char text[256], why[400];

	last_words(h, text, sizeof(text));
	if (h->greeting[0])
		snprintf(why, sizeof(why), "the server said \"%s\", which is no SSH, and hung up",
			h->greeting);
	else if (ours)
		snprintf(why, sizeof(why),
			"the server hung up before keys were exchanged (%s); with stock settings "
			"it "
			"does so when 10 others are logging in",
			text);
	else
		snprintf(why, sizeof(why), "the key exchange failed: %s", text);
	if (ours)
		ssh_dial_again(h, true, why);
	else
		ssh_fail(h, CLASS_FATAL, "%s%s%s%s", why, h->greeting[0] ? " (" : "",
			h->greeting[0] ? text : "", h->greeting[0] ? ")" : "");
	return h->step;
}

/* Whether it is the one that is wanted; says what is wrong otherwise. */
static bool
check_key(struct ssh_host *h)
{
	const struct libssh *lib = h->hub->lib;
	char line[1024] = "", got[SSH_KEY_PRINT_BYTES] = "another type of key",
	     wanted[SSH_KEY_PRINT_BYTES] = "", *base64 = NULL;
	ssh_key key = NULL;

	if (lib->ssh_get_server_publickey(h->session, &key) == SSH_OK &&
		lib->ssh_pki_export_pubkey_base64(key, &base64) == SSH_OK)
		snprintf(line, sizeof(line), "%s %s",
			lib->ssh_key_type_to_char(lib->ssh_key_type(key)), base64);
	lib->ssh_string_free_char(base64);
	lib->ssh_key_free(key);
	if (strcmp(line, h->host_key) == 0)
		return true;
	ssh_key_print(got, str_from(line));
	ssh_key_print(wanted, str_from(h->host_key));
	ssh_fail(h, CLASS_DENIED,
		"it is not the host it should be: its key is %s, and the one that was given to it "
		"is %s. Nothing was sent to it. Either another machine has this address now, or "
		"somebody sits in between",
		got, wanted);
	return false;
}

static enum ssh_step
exchange_keys(struct ssh_host *h)
{
	int rc = h->hub->lib->ssh_connect(h->session);

	if (rc == SSH_AGAIN)
		return STEP_KEX;
	if (rc != SSH_OK)
		return no_keys(h);
	h->resets = 0;
	return check_key(h) ? STEP_SERVICE : h->step;
}

/* It broke between the key exchange and the command's end. */
static enum ssh_step
lost(struct ssh_host *h, const char *when)
{
	char text[256];
	struct str why = str_from(last_words(h, text, sizeof(text)));

	/* A server that counts channels otherwise hangs up like this, before it starts anything. */
	if (!h->careful && h->step > STEP_AUTH && h->step < STEP_RUN &&
		str_starts(why, STR("Received SSH_MSG_DISCONNECT"))) {
		h->careful = true;
		ssh_drop(h);
		ssh_dial(h, ssh_now());
		return h->step;
	}
	ssh_fail(h, CLASS_TRANSIENT, "the connection was lost %s: %s", when, text);
	return h->step;
}

static bool
open_channel(struct ssh_host *h)
{
	h->channel = h->hub->lib->ssh_channel_new(h->session);
	if (!h->channel)
		return false;
	ssh_relay_begin(h);
	return h->hub->lib->ssh_channel_open_session(h->channel) != SSH_ERROR;
}

static enum ssh_step
request_service(struct ssh_host *h)
{
	const struct libssh *lib = h->hub->lib;
	int rc = lib->ssh_service_request(h->session, "ssh-userauth");

	if (rc == SSH_AGAIN)
		return STEP_SERVICE;
	if (rc != SSH_OK)
		return lost(h, "before the login");
	if (lib->ssh_pki_import_privkey_base64(
		    h->key->private_key, NULL, NULL, NULL, &h->auth_key) != SSH_OK) {
		ssh_fail(h, CLASS_FATAL, "libssh does not take the private key");
		return h->step;
	}
	return STEP_AUTH;
}

static enum ssh_step
denied(struct ssh_host *h)
{
	const struct libssh *lib = h->hub->lib;
	char print[SSH_KEY_PRINT_BYTES] = "";
	unsigned methods = (unsigned)lib->ssh_userauth_list(h->session, NULL);
	bool takes = methods & SSH_AUTH_METHOD_PUBLICKEY;

	ssh_key_print(print, str_from(h->key->public_key));
	ssh_fail(h, CLASS_DENIED, "user %s was not let in with the key %s: %s", h->user, print,
		takes ? "it is not among that user's authorized_keys, or more than a key is asked "
			"for"
		      : "the server does not let anybody in with a key");
	return h->step;
}

static enum ssh_step
log_in(struct ssh_host *h)
{
	const struct libssh *lib = h->hub->lib;
	int rc = lib->ssh_userauth_publickey(h->session, NULL, h->auth_key);
	char *banner;

	if (rc == SSH_AUTH_AGAIN)
		return STEP_AUTH;
	if (rc == SSH_AUTH_DENIED || rc == SSH_AUTH_PARTIAL)
		return denied(h);
	if (rc != SSH_AUTH_SUCCESS)
		return lost(h, "at the login");
	lib->ssh_key_free(h->auth_key);
	h->auth_key = NULL;
	pthread_mutex_lock(&h->lock);
	h->times.authenticated_ns = ssh_now();
	pthread_mutex_unlock(&h->lock);
	banner = lib->ssh_get_issue_banner(h->session);
	if (banner)
		ssh_say(h, banner, strlen(banner));
	lib->ssh_string_free_char(banner);
	if (!open_channel(h))
		return lost(h, "after the login");
	if (!h->careful) {
		rc = lib->ssh_channel_request_exec(h->channel, h->command);
		if (rc == SSH_ERROR)
			return lost(h, "after the login");
		/* The answer can be here already; asked once more, libssh would send it twice. */
		h->exec_answered = rc == SSH_OK;
	}
	return STEP_CHANNEL;
}

static enum ssh_step
await_channel(struct ssh_host *h)
{
	const struct libssh *lib = h->hub->lib;
	char text[256];
	int rc = SSH_OK;

	/* A command can be over before anybody looked. */
	if (!h->remote_closed && !lib->ssh_channel_is_open(h->channel))
		rc = lib->ssh_channel_open_session(h->channel);
	if (rc == SSH_AGAIN)
		return STEP_CHANNEL;
	if (rc == SSH_OK)
		return STEP_EXEC;
	if (!lib->ssh_is_connected(h->session) || h->sock < 0)
		return lost(h, "after the login");
	ssh_fail(h, CLASS_TRANSIENT, "the server opens no channel: %s",
		last_words(h, text, sizeof(text)));
	return h->step;
}

static enum ssh_step
await_exec(struct ssh_host *h, int64_t now)
{
	const struct libssh *lib = h->hub->lib;
	int rc = h->exec_answered ? SSH_OK : lib->ssh_channel_request_exec(h->channel, h->command);

	if (rc == SSH_AGAIN)
		return STEP_EXEC;
	if (rc != SSH_OK && (!lib->ssh_is_connected(h->session) || h->sock < 0))
		return lost(h, "after the login");
	if (rc != SSH_OK) {
		ssh_fail(h, CLASS_FATAL,
			"the server does not run commands for user %s (a forced command, no shell, "
			"or no memory there)",
			h->user);
		return h->step;
	}
	now = ssh_now(); /* the login may have been a moment ago, in the same step */
	pthread_mutex_lock(&h->lock);
	h->times.open_ns = now;
	pthread_mutex_unlock(&h->lock);
	h->heard_ns = now;
	ssh_set_state(h, SSH_OPEN);
	ssh_due(h, now + h->hub->quiet_ns);
	return STEP_RUN;
}

/* The handshake's time is over. */
static void
late(struct ssh_host *h)
{
	double s = seconds(h->handshake_ns);
	char why[256];

	if (h->step == STEP_KEX && h->traffic.in_bytes == 0) {
		snprintf(why, sizeof(why),
			"the server took the connection and said nothing for %.3g s", s);
		ssh_dial_again(h, false, why);
	} else if (h->step == STEP_KEX && h->greeting[0]) {
		ssh_fail(h, CLASS_FATAL, "the server talks no SSH: it began with \"%s\"",
			h->greeting);
	} else {
		ssh_fail(h, CLASS_TRANSIENT, "%s within %.3g s",
			h->step == STEP_KEX	  ? "the server did not exchange keys"
			: h->step <= STEP_AUTH	  ? "the server did not answer the login"
			: h->step == STEP_CHANNEL ? "the server opened no channel"
						  : "the server did not start the command",
			s);
	}
}

/* More than any honest server says before it runs a command. */
static bool
floods(struct ssh_host *h)
{
	bool version = h->hub->lib->ssh_get_serverbanner(h->session) != NULL;

	if (!version && h->traffic.in_bytes > GREETING_BYTES) {
		ssh_fail(h, CLASS_FATAL,
			"the server talks no SSH: more than %d KiB of other text, which began "
			"with \"%s\"",
			GREETING_BYTES >> 10, h->greeting);
		return true;
	}
	if (h->traffic.in_bytes < EARLY_BYTES)
		return false;
	ssh_fail(h, CLASS_FATAL,
		"the server sent more than %d KiB before it started the command; it was cut",
		EARLY_BYTES >> 10);
	return true;
}

/* Whether the other side is still there. false: it is not. */
static bool
keep_alive(struct ssh_host *h, int64_t now)
{
	struct ssh_hub *hub = h->hub;
	int64_t quiet;

	/* Nothing is read then, so nothing can be heard. */
	if (h->traffic.in_bytes != h->heard_bytes || h->down_full) {
		h->heard_bytes = h->traffic.in_bytes;
		h->heard_ns = now;
	}
	if (h->due_ns != INT64_MAX)
		return true;
	quiet = now - h->heard_ns;
	if (quiet >= hub->lost_ns)
		return false;
	if (quiet >= hub->quiet_ns) {
		/* The first call only takes the answer to the one before. */
		hub->lib->ssh_send_keepalive(h->session);
		hub->lib->ssh_send_keepalive(h->session);
		ssh_due(h, now + hub->quiet_ns);
	} else {
		ssh_due(h, h->heard_ns + hub->quiet_ns);
	}
	return true;
}

static enum ssh_step
run(struct ssh_host *h, bool alive, int64_t now)
{
	bool known;

	pthread_mutex_lock(&h->lock);
	known = h->exit_status >= 0;
	pthread_mutex_unlock(&h->lock);
	ssh_relay_down(h);
	if (h->remote_closed || (!alive && known && h->remote_eof))
		return STEP_DRAIN;
	if (!alive)
		return lost(h, "while the command ran");
	ssh_relay_up(h);
	if (!keep_alive(h, now)) {
		ssh_fail(h, CLASS_TRANSIENT,
			"the connection was lost while the command ran: nothing came for %.3g s, "
			"though asked for",
			seconds(now - h->heard_ns));
	}
	return h->step;
}

static enum ssh_step
drain(struct ssh_host *h)
{
	ssh_relay_down(h);
	if (!ssh_relay_done(h))
		return STEP_DRAIN;
	ssh_set_state(h, SSH_ENDED);
	ssh_finish(h);
	return STEP_OVER;
}

static enum ssh_step
advance(struct ssh_host *h, bool alive, int64_t now)
{
	switch (h->step) {
	case STEP_KEX:
		return exchange_keys(h);
	case STEP_SERVICE:
		return request_service(h);
	case STEP_AUTH:
		return log_in(h);
	case STEP_CHANNEL:
		return await_channel(h);
	case STEP_EXEC:
		return await_exec(h, now);
	case STEP_RUN:
		return run(h, alive, now);
	case STEP_DRAIN:
		return drain(h);
	case STEP_PAUSE:
	case STEP_DIAL:
	case STEP_OVER:
		break;
	}
	return h->step;
}

/* libssh makes its poll context in the first ssh_connect. */
static void
take_event(struct ssh_host *h)
{
	const struct libssh *lib = h->hub->lib;

	if (h->event || !h->session || h->step != STEP_SERVICE)
		return;
	h->event = lib->ssh_event_new();
	if (!h->event || lib->ssh_event_add_session(h->event, h->session) != SSH_OK)
		ssh_fail(h, CLASS_FATAL, "preparing libssh: out of memory");
}

void
ssh_step(struct ssh_host *h, int64_t now)
{
	bool alive = true;
	enum ssh_step before;

	if (h->step < STEP_KEX || h->step == STEP_OVER)
		return;
	if (h->step < STEP_RUN && now >= h->step_until_ns) {
		late(h);
		return;
	}
	if (h->step == STEP_KEX)
		greet(h);
	if (h->event && h->step < STEP_DRAIN)
		alive = ssh_pump(h);
	do {
		before = h->step;
		h->step = advance(h, alive, now);
		take_event(h);
	} while (h->step > before && h->step < STEP_OVER);
	if (h->step > STEP_SERVICE && h->step < STEP_RUN && !alive)
		lost(h, "before the command was started");
	else if (h->step >= STEP_KEX && h->step < STEP_RUN && !floods(h))
		acknowledge(h);
	if (h->step >= STEP_KEX && h->step < STEP_RUN && h->due_ns == INT64_MAX)
		ssh_due(h, h->step_until_ns);
}
