/* ssh_key: key pairs for hosts and for furrow: ed25519, in OpenSSH's file format
 * (openssh-key-v1, PROTOCOL.key). */
#ifndef FURROW_SSH_KEY_H
#define FURROW_SSH_KEY_H

#include "planner/base/error.h"
#include "planner/base/str.h"

enum { SSH_KEY_PRIVATE_BYTES = 512, SSH_KEY_PUBLIC_BYTES = 128, SSH_KEY_PRINT_BYTES = 64 };

struct ssh_key {
	char private_key[SSH_KEY_PRIVATE_BYTES]; /* "-----BEGIN OPENSSH PRIVATE KEY-----…" */
	char public_key[SSH_KEY_PUBLIC_BYTES];	 /* "ssh-ed25519 AAAA…", no comment */
};

/* A new one. ERR_INTERNAL: OpenSSL cannot. The caller wipes what is private in it. */
int ssh_key_make(struct ssh_key *out, struct error *err);

/* Reads a private key file's text, without a passphrase; a comment in it is dropped. ERR_INPUT, that says
 * what is wrong with it and nothing of what is in it. */
int ssh_key_read(struct ssh_key *out, struct str private_key, struct error *err);

/* Reads the file, makes it (mode 0600, complete or not there, one of several that do so at once wins) when
 * there is none. ERR_INPUT: no such key, or others may read it. */
int ssh_key_open(struct ssh_key *out, const char *path, struct error *err);

/* "SHA256:…" of a public key line, as ssh-keygen -l shows it; false when it is none. */
bool ssh_key_print(char out[SSH_KEY_PRINT_BYTES], struct str public_key);

/* The line without a comment and blanks around it, as in struct ssh_key; false when it is none. */
bool ssh_key_normal(char out[SSH_KEY_PUBLIC_BYTES], struct str public_key);

#endif
