/* ssh_said: what the other side says, made fit to be shown: it may hold anything, and is kept short. */
#include "providers/host/ssh_internal.h"

/* The length of the character at p, 0 when it is no UTF-8 or one that changes how others look. */
static size_t
harmless(const char *p, size_t n)
{
	unsigned char c = (unsigned char)p[0], d = n > 1 ? (unsigned char)p[1] : 0,
		      e = n > 2 ? (unsigned char)p[2] : 0;
	size_t length = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;

	if (length == 1)
		return c >= 0x20 && c != 0x7f;
	if (length > n || !str_is_utf8((struct str){.p = p, .n = length}))
		return 0;
	if (c == 0xc2 && d < 0xa0) /* control characters of eight bits */
		return 0;
	/* U+200E, 200F, 2028 to 202E, 2066 to 2069: writing direction, other line ends. */
	if (c == 0xe2 && d == 0x80 && (e == 0x8e || e == 0x8f || (e >= 0xa8 && e <= 0xae)))
		return 0;
	if (c == 0xe2 && d == 0x81 && e >= 0xa6 && e <= 0xa9)
		return 0;
	return length;
}

void
ssh_clean(char *out, size_t size, struct str in, bool one_line)
{
	size_t at = 0;

	in = str_trim(in);
	while (in.n && at + 1 < size) {
		size_t n = harmless(in.p, in.n);
		bool end = in.p[0] == '\n' && !one_line;

		if (n > size - 1 - at)
			break;
		if (n)
			memcpy(out + at, in.p, n);
		else if (in.p[0] == '\n' || in.p[0] == '\t')
			out[at] = end ? '\n' : ' ';
		else if (in.p[0] != '\r')
			out[at] = '?';
		at += n ? n : in.p[0] != '\r';
		in = str_from_index(in, n ? n : 1);
	}
	out[at] = '\0';
}

void
ssh_say(struct ssh_host *h, const char *bytes, size_t n)
{
	if (n > SSH_SAID_BYTES) {
		bytes += n - SSH_SAID_BYTES;
		n = SSH_SAID_BYTES;
	}
	pthread_mutex_lock(&h->lock);
	buf_add(&h->said, bytes, n);
	if (h->said.n > SSH_SAID_BYTES)
		buf_shift(&h->said, h->said.n - SSH_SAID_BYTES);
	pthread_mutex_unlock(&h->lock);
}

void
ssh_said(struct ssh_host *h, char *out, size_t size)
{
	struct str said;

	pthread_mutex_lock(&h->lock);
	said = buf_str(&h->said);
	/* Not from the middle of a character on. */
	while (said.n && ((unsigned char)said.p[0] & 0xc0) == 0x80)
		said = str_from_index(said, 1);
	/* The end says most. */
	if (size && said.n > size - 1)
		said = str_from_index(said, said.n - (size - 1));
	if (size)
		ssh_clean(out, size, said, false);
	pthread_mutex_unlock(&h->lock);
}
