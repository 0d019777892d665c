/* uri: percent-encoding as AWS wants it (RFC 3986's unreserved characters stay, hex in capitals, a
 * blank is %20). Pure. */
#ifndef FURROW_AWS_URI_H
#define FURROW_AWS_URI_H

#include "planner/base/buf.h"

/* All but A-Za-z0-9-._~ is encoded. */
void uri_encode(struct buf *out, struct str s);
/* The same, but '/' stays. */
void uri_encode_path(struct buf *out, struct str s);

#endif
