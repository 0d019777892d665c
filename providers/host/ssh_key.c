/* ssh_key: making, writing and reading ed25519 keys. What is secret is wiped wherever it was.
 *
 * The file (PROTOCOL.key of OpenSSH), in base64 between its two lines; a string has a 32-bit length
 * before it, numbers are big-endian:
 *
 *   "openssh-key-v1\0"
 *   string cipher "none", string kdf "none", string options ""
 *   uint32 1, string public: (string "ssh-ed25519", string key[32])
 *   string private: uint32 check, uint32 check, string "ssh-ed25519", string key[32],
 *                   string seed[32] key[32], string comment, 1 2 3 … up to a multiple of 8
 */
#include "providers/host/ssh_key.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	RAW_BYTES = 32,
	BLOB_BYTES = 4 + 11 + 4 + RAW_BYTES, /* of a public key */
	LINE_BYTES = 70,		     /* of base64, as ssh-keygen writes it */
	FILE_BYTES = 8 << 10
};

static const char magic[] = "openssh-key-v1"; /* its NUL is part of it */
static const char first_line[] = "-----BEGIN OPENSSH PRIVATE KEY-----";
static const char last_line[] = "-----END OPENSSH PRIVATE KEY-----";
static const struct str type = {"ssh-ed25519", 11};

static uint8_t *
put_u32(uint8_t *at, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(v >> (24 - 8 * i));
	return at + 4;
}

static uint8_t *
put(uint8_t *at, const void *bytes, size_t n)
{
	at = put_u32(at, (uint32_t)n);
	memcpy(at, bytes, n);
	return at + n;
}

static uint8_t *
put_blob(uint8_t *at, const uint8_t *key)
{
	return put(put(at, type.p, type.n), key, RAW_BYTES);
}

/* Cuts a number, or a string, off *rest; false when there is none. */
static bool
cut_u32(struct str *rest, uint32_t *out)
{
	if (rest->n < 4)
		return false;
	*out = 0;
	for (int i = 0; i < 4; i++)
		*out = *out << 8 | (uint8_t)rest->p[i];
	*rest = str_from_index(*rest, 4);
	return true;
}

static bool
cut(struct str *rest, struct str *out)
{
	uint32_t n;

	if (!cut_u32(rest, &n) || n > rest->n)
		return false;
	*out = (struct str){.p = rest->p, .n = n};
	*rest = str_from_index(*rest, n);
	return true;
}

static bool
cut_is(struct str *rest, struct str wanted)
{
	struct str got;

	return cut(rest, &got) && str_eq(got, wanted);
}

/* Decodes base64 without anything between; its size, or 0 when it is none. */
static size_t
decode(uint8_t *out, size_t size, struct str text)
{
	size_t padding = 0;
	int n;

	if (text.n == 0 || text.n % 4 != 0 || text.n / 4 * 3 > size)
		return 0;
	while (padding < 2 && text.p[text.n - 1 - padding] == '=')
		padding++;
	for (size_t i = 0; i < text.n - padding; i++) {
		char c = text.p[i];

		if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
			    c == '+' || c == '/'))
			return 0;
	}
	n = EVP_DecodeBlock(out, (const unsigned char *)text.p, (int)text.n);
	return n < 0 ? 0 : (size_t)n - padding;
}

/* "ssh-ed25519 BASE64 COMMENT" to the blob; the base64 must be what the blob gives again. */
static bool
read_public(uint8_t blob[BLOB_BYTES], struct str line)
{
	uint8_t bytes[128];
	char again[128];
	struct str rest = str_trim(line), word = str_cut(&rest, ' '), b = {0}, got;
	size_t n;

	if (!str_eq(word, type) || !rest.p)
		return false;
	rest = str_trim(rest);
	word = str_cut(&rest, ' ');
	n = decode(bytes, sizeof(bytes), word);
	b = (struct str){.p = (const char *)bytes, .n = n};
	if (n != BLOB_BYTES || !cut_is(&b, type) || !cut(&b, &got) || got.n != RAW_BYTES)
		return false;
	EVP_EncodeBlock((unsigned char *)again, bytes, BLOB_BYTES);
	memcpy(blob, bytes, BLOB_BYTES);
	return str_is(word, again);
}

bool
ssh_key_normal(char out[SSH_KEY_PUBLIC_BYTES], struct str public_key)
{
	uint8_t blob[BLOB_BYTES];

	if (!read_public(blob, public_key))
		return false;
	memcpy(out, "ssh-ed25519 ", type.n + 1);
	EVP_EncodeBlock((unsigned char *)out + type.n + 1, blob, BLOB_BYTES);
	return true;
}

bool
ssh_key_print(char out[SSH_KEY_PRINT_BYTES], struct str public_key)
{
	uint8_t blob[BLOB_BYTES], digest[SHA256_DIGEST_LENGTH];

	if (!read_public(blob, public_key))
		return false;
	SHA256(blob, sizeof(blob), digest);
	memcpy(out, "SHA256:", 7);
	/* 43 characters and one '=', which isn't shown. */
	EVP_EncodeBlock((unsigned char *)out + 7, digest, sizeof(digest));
	out[7 + 43] = '\0';
	return true;
}

/* The file's text: base64 in lines between the two. */
static void
write_armor(char out[SSH_KEY_PRIVATE_BYTES], const uint8_t *bytes, size_t n)
{
	char text[SSH_KEY_PRIVATE_BYTES];
	int left = EVP_EncodeBlock((unsigned char *)text, bytes, (int)n);
	int at = snprintf(out, SSH_KEY_PRIVATE_BYTES, "%s\n", first_line);

	for (const char *p = text; left > 0; p += LINE_BYTES, left -= LINE_BYTES)
		at += snprintf(out + at, (size_t)(SSH_KEY_PRIVATE_BYTES - at), "%.*s\n",
			left < LINE_BYTES ? left : LINE_BYTES, p);
	snprintf(out + at, (size_t)(SSH_KEY_PRIVATE_BYTES - at), "%s\n", last_line);
	OPENSSL_cleanse(text, sizeof(text));
}

static void
write_private(
	char out[SSH_KEY_PRIVATE_BYTES], const uint8_t *seed, const uint8_t *key, uint32_t check)
{
	uint8_t bytes[320], both[2 * RAW_BYTES], *at = bytes, *length, *begin;

	memcpy(both, seed, RAW_BYTES);
	memcpy(both + RAW_BYTES, key, RAW_BYTES);
	memcpy(at, magic, sizeof(magic));
	at = put(at + sizeof(magic), "none", 4);
	at = put(at, "none", 4);
	at = put(at, "", 0);
	at = put_u32(at, 1);
	at = put_u32(at, BLOB_BYTES);
	at = put_blob(at, key);
	length = at;
	begin = at = at + 4;
	at = put_u32(put_u32(at, check), check);
	at = put_blob(at, key);
	at = put(at, both, sizeof(both));
	at = put(at, "", 0);
	for (uint8_t pad = 1; (at - begin) % 8 != 0; pad++)
		*at++ = pad;
	put_u32(length, (uint32_t)(at - begin));
	write_armor(out, bytes, (size_t)(at - bytes));
	OPENSSL_cleanse(bytes, sizeof(bytes));
	OPENSSL_cleanse(both, sizeof(both));
}

/* The public key that belongs to a seed. */
static bool
derive(uint8_t key[RAW_BYTES], const uint8_t *seed)
{
	EVP_PKEY *pair = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, RAW_BYTES);
	size_t n = RAW_BYTES;
	bool ok = pair && EVP_PKEY_get_raw_public_key(pair, key, &n) == 1 && n == RAW_BYTES;

	EVP_PKEY_free(pair);
	return ok;
}

static void
fill(struct ssh_key *out, const uint8_t *seed, const uint8_t *key, uint32_t check)
{
	uint8_t blob[BLOB_BYTES];

	put_blob(blob, key);
	memcpy(out->public_key, "ssh-ed25519 ", type.n + 1);
	EVP_EncodeBlock((unsigned char *)out->public_key + type.n + 1, blob, BLOB_BYTES);
	write_private(out->private_key, seed, key, check);
}

int
ssh_key_make(struct ssh_key *out, struct error *err)
{
	uint8_t seed[RAW_BYTES], key[RAW_BYTES];
	uint32_t check;
	bool ok = RAND_priv_bytes(seed, sizeof(seed)) == 1 &&
		  RAND_bytes((unsigned char *)&check, sizeof(check)) == 1 && derive(key, seed);

	if (ok)
		fill(out, seed, key, check);
	OPENSSL_cleanse(seed, sizeof(seed));
	return ok ? 0 : error_set(err, ERR_INTERNAL, "making an ed25519 key: OpenSSL failed");
}

/* What is between the two lines, without blanks; its size, 0 when there is none. */
static size_t
strip_armor(char *out, size_t size, struct str text)
{
	struct str rest = str_trim(text);
	size_t n = 0;

	if (!str_starts(rest, str_from(first_line)) || !str_ends(rest, str_from(last_line)) ||
		rest.n < sizeof(first_line) + sizeof(last_line))
		return 0;
	rest.n -= sizeof(last_line) - 1;
	rest = str_from_index(rest, sizeof(first_line) - 1);
	for (size_t i = 0; i < rest.n; i++) {
		char c = rest.p[i];

		if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
			continue;
		if (n == size)
			return 0;
		out[n++] = c;
	}
	return n;
}

/* What stands behind the header; NULL when all is well, else what is wrong. */
static const char *
read_secret(struct ssh_key *out, struct str secret, struct str public)
{
	struct str key, both, comment;
	uint32_t check, again;
	uint8_t derived[RAW_BYTES];

	if (!cut_u32(&secret, &check) || !cut_u32(&secret, &again) || check != again)
		return "it is damaged";
	if (!cut_is(&secret, type))
		return "it is of another type";
	if (!cut(&secret, &key) || key.n != RAW_BYTES || !cut(&secret, &both) ||
		both.n != 2 * RAW_BYTES || !cut(&secret, &comment))
		return "it is damaged";
	for (size_t i = 0; i < secret.n; i++) {
		if ((uint8_t)secret.p[i] != i + 1 || i > 15)
			return "it is damaged";
	}
	if (!derive(derived, (const uint8_t *)both.p) ||
		memcmp(derived, both.p + RAW_BYTES, RAW_BYTES) != 0 ||
		memcmp(derived, key.p, RAW_BYTES) != 0 || !cut_is(&public, type) ||
		!cut(&public, &key) || key.n != RAW_BYTES || memcmp(derived, key.p, RAW_BYTES) != 0)
		return "its private and its public part don't belong together";
	fill(out, (const uint8_t *)both.p, derived, check);
	return NULL;
}

static const char *
read_bytes(struct ssh_key *out, struct str rest)
{
	struct str cipher, kdf, options, public, secret;
	uint32_t count;

	if (rest.n < sizeof(magic) || memcmp(rest.p, magic, sizeof(magic)) != 0)
		return "it is damaged";
	rest = str_from_index(rest, sizeof(magic));
	if (!cut(&rest, &cipher) || !cut(&rest, &kdf) || !cut(&rest, &options))
		return "it is damaged";
	if (!str_is(cipher, "none") || !str_is(kdf, "none"))
		return "it is protected by a passphrase, and nobody is asked for one";
	if (!cut_u32(&rest, &count) || count != 1 || !cut(&rest, &public) || !cut(&rest, &secret) ||
		rest.n != 0)
		return "it is damaged";
	rest = public;
	if (!cut_is(&rest, type))
		return "it is of another type";
	return read_secret(out, secret, public);
}

int
ssh_key_read(struct ssh_key *out, struct str private_key, struct error *err)
{
	char text[FILE_BYTES];
	uint8_t bytes[FILE_BYTES];
	const char *wrong = "it doesn't begin and end as one";
	size_t n = strip_armor(text, sizeof(text), private_key);

	if (n) {
		n = decode(bytes, sizeof(bytes), (struct str){.p = text, .n = n});
		wrong = "it is damaged";
	}
	if (n)
		wrong = read_bytes(out, (struct str){.p = (const char *)bytes, .n = n});
	OPENSSL_cleanse(text, sizeof(text));
	OPENSSL_cleanse(bytes, sizeof(bytes));
	if (!wrong)
		return 0;
	return error_set(err, ERR_INPUT,
		"no private key that furrow can use: %s; it takes an ed25519 key in OpenSSH's "
		"format without a passphrase: ssh-keygen -t ed25519 -N ''",
		wrong);
}

/* Reads the open file; nothing is left of it elsewhere. */
static int
read_file(struct ssh_key *out, int fd, const char *path, struct error *err)
{
	char text[FILE_BYTES];
	size_t n = 0;
	ssize_t got = 0;
	struct stat st;
	int rc;

	if (fstat(fd, &st) != 0)
		return error_set_errno(err, ERR_HOST, errno, "reading the key %s", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERR_INPUT, "the key %s is no regular file", path);
	if (st.st_mode & 077)
		return error_set(err, ERR_INPUT,
			"the private key %s can be read by others (mode %04o); make it yours "
			"alone: chmod 600 %s",
			path, (unsigned)st.st_mode & 07777, path);
	while (n < sizeof(text) && (got = read(fd, text + n, sizeof(text) - n)) > 0)
		n += (size_t)got;
	if (got < 0)
		rc = error_set_errno(err, ERR_HOST, errno, "reading the key %s", path);
	else
		rc = ssh_key_read(out, (struct str){.p = text, .n = n}, err);
	OPENSSL_cleanse(text, sizeof(text));
	return rc < 0 && got >= 0 ? error_wrap(err, "the key %s", path) : rc;
}

static int
write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -1;
		p += done;
		n -= (size_t)done;
	}
	return fsync(fd);
}

static void
sync_folder(const char *path)
{
	char folder[4096];
	const char *slash = strrchr(path, '/');
	int n = slash == path ? 1 : slash ? (int)(slash - path) : 1, fd;

	snprintf(folder, sizeof(folder), "%.*s", n, slash ? path : ".");
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	fsync(fd);
	close(fd);
}

/* Writes it beside its place, and links it there unless somebody was first. */
static int
write_file(const struct ssh_key *key, const char *path, struct error *err)
{
	char beside[4096];
	uint64_t random;
	int fd, e = 0;

	if (RAND_bytes((unsigned char *)&random, sizeof(random)) != 1)
		return error_set(err, ERR_INTERNAL, "making the key %s: OpenSSL failed", path);
	if ((size_t)snprintf(beside, sizeof(beside), "%s.%016llx", path,
		    (unsigned long long)random) >= sizeof(beside))
		return error_set_errno(err, ERR_HOST, ENAMETOOLONG, "writing the key %s", path);
	fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_set_errno(err, ERR_HOST, errno, "writing the key %s", path);
	if (write_all(fd, key->private_key, strlen(key->private_key)) != 0)
		e = errno;
	if (close(fd) != 0 && !e)
		e = errno;
	if (!e && link(beside, path) != 0 && errno != EEXIST)
		e = errno;
	unlink(beside);
	if (e)
		return error_set_errno(err, ERR_HOST, e, "writing the key %s", path);
	sync_folder(path);
	return 0;
}

int
ssh_key_open(struct ssh_key *out, const char *path, struct error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc;

	if (fd < 0 && errno == ENOENT) {
		rc = ssh_key_make(out, err);
		if (rc == 0)
			rc = write_file(out, path, err);
		if (rc < 0)
			return rc;
		/* What is there now: this one, or that of who was first. */
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	}
	if (fd < 0)
		return error_set_errno(err, ERR_HOST, errno, "opening the key %s", path);
	rc = read_file(out, fd, path, err);
	close(fd);
	return rc;
}
