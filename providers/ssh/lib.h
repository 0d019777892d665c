/* lib: libssh, loaded when first needed. Its functions are members of a const table under their own
 * names: lib->ssh_connect(). A function that is missing here is one more line in LIBSSH_FUNCTIONS.
 * Its SFTP, SCP, forwarding, configuration files and ProxyCommand are not used. */
#ifndef FURROW_SSH_LIB_H
#define FURROW_SSH_LIB_H

#include "planner/base/error.h"

#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <libssh/server.h>

#define LIBSSH_FUNCTIONS(X)              \
	X(ssh_blocking_flush)            \
	X(ssh_channel_is_open)           \
	X(ssh_channel_new)               \
	X(ssh_channel_open_session)      \
	X(ssh_channel_read_nonblocking)  \
	X(ssh_channel_request_exec)      \
	X(ssh_channel_send_eof)          \
	X(ssh_channel_window_size)       \
	X(ssh_channel_write)             \
	X(ssh_connect)                   \
	X(ssh_event_add_session)         \
	X(ssh_event_dopoll)              \
	X(ssh_event_free)                \
	X(ssh_event_new)                 \
	X(ssh_event_remove_session)      \
	X(ssh_free)                      \
	X(ssh_get_cipher_out)            \
	X(ssh_get_error)                 \
	X(ssh_get_fd)                    \
	X(ssh_get_issue_banner)          \
	X(ssh_get_poll_flags)            \
	X(ssh_get_server_publickey)      \
	X(ssh_get_serverbanner)          \
	X(ssh_get_status)                \
	X(ssh_init)                      \
	X(ssh_is_connected)              \
	X(ssh_key_free)                  \
	X(ssh_key_type_to_char)          \
	X(ssh_key_type)                  \
	X(ssh_new)                       \
	X(ssh_options_set)               \
	X(ssh_pki_export_pubkey_base64)  \
	X(ssh_pki_import_privkey_base64) \
	X(ssh_send_keepalive)            \
	X(ssh_service_request)           \
	X(ssh_set_blocking)              \
	X(ssh_set_channel_callbacks)     \
	X(ssh_set_counters)              \
	X(ssh_silent_disconnect)         \
	X(ssh_string_free_char)          \
	X(ssh_userauth_list)             \
	X(ssh_userauth_publickey)        \
	X(ssh_version)

struct libssh {
#define LIBSSH_MEMBER(name) __typeof__(&name) name;
	LIBSSH_FUNCTIONS(LIBSSH_MEMBER)
#undef LIBSSH_MEMBER
};

/* Gives the table; loads and initialises the library on the first call. Any thread. ERR_HOST when it
 * cannot be loaded or is older than 0.10.6, which is the first one without known holes in its key
 * exchange (CVE-2023-48795). */
int libssh_load(const struct libssh **out, struct error *err);

#endif
