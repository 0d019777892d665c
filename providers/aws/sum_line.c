/* sum_line: see sum_line.h. */
#include "providers/aws/sum_line.h"

void
sum_line_add(struct buf *out)
{
	char hex[DIGEST_HEX_BYTES];
	struct digest d = digest_of(out->p, out->n);

	digest_hex(hex, &d);
	buf_addf(out, "sha256 %s\n", hex);
}

bool
sum_line_cut(struct str *bytes)
{
	static const size_t tail = sizeof("sha256 ") - 1 + DIGEST_HEX_BYTES;
	struct digest said, is;
	struct str last;

	if (bytes->n < tail || bytes->p[bytes->n - 1] != '\n')
		return false;
	last = str_from_index(*bytes, bytes->n - tail);
	bytes->n -= tail;
	is = digest_of(bytes->p, bytes->n);
	return str_starts(last, STR("sha256 ")) &&
	       digest_parse((struct str){last.p + 7, DIGEST_HEX_BYTES - 1}, &said) &&
	       digest_cmp(&said, &is) == 0;
}
