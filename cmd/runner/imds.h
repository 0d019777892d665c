/* imds: asking the metadata service of an EC2 instance, version 2, over plain HTTP. It answers at once or not
 * at all, in a few bytes; whatever else comes is cut off. */
#ifndef RUNNER_IMDS_H
#define RUNNER_IMDS_H

#include <stddef.h>

enum { IMDS_BYTES = 4096, IMDS_TOKEN_BYTES = 256, IMDS_ASK_MS = 2000 };

struct imds {
	char token[IMDS_TOKEN_BYTES]; /* "": none yet */
};

struct imds_answer {
	int status; /* of HTTP; 0: there was no answer in IMDS_ASK_MS, or one that is none of HTTP */
	char bytes[IMDS_BYTES + 1];
	const char *body; /* in bytes; ends in a zero byte */
	size_t n;	  /* of body */
};

/* GET of a path below /latest/meta-data/. Takes a token first where there is none, and once more when it
 * is good no more. At most IMDS_BYTES of an answer are read: one that is longer has status 0. */
void imds_get(struct imds *m, const char *path, struct imds_answer *out);

#endif
