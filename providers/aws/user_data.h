/* user_data: what an instance is told at its launch: whom to let in, its own host key, the lease, and what
 * to fetch while it boots. A #cloud-config document. Pure. */
#ifndef FURROW_AWS_USER_DATA_H
#define FURROW_AWS_USER_DATA_H

#include "planner/base/buf.h"
#include "planner/base/digest.h"
#include "planner/base/error.h"
#include "planner/manifest.h"

enum { USER_DATA_MAX_BYTES = 16 << 10 };

/* A file that the host fetches by a URL that needs no credentials. */
struct user_data_file {
	struct str url;
	struct digest sha256;
};

struct user_data {
	struct str host_key_private;  /* OpenSSH private key file, ed25519 */
	struct str host_key_public;   /* "ssh-ed25519 AAAA…" */
	struct str authorized_key;    /* likewise, furrow's own */
	struct user_data_file runner; /* furrow-runner */
	/* tar.gz of the job's source; url absent: none. sha256 zero, as it is packed while the host
	 * is launched: gzip's own checksum has to do. */
	struct user_data_file source;
	struct str source_id; /* hex: name of its folder on the host */
	/* As FRAME_ORDER has them: what to pull or load, its id in hex, an archive's URL. absent: no image
	 * is to be fetched while it boots. Whoever is on the host can read this: no passwords. */
	struct str image, image_id, image_url;
	struct strings warm_files; /* absolute paths and patterns, one line of ASCII each */
	int64_t boot_lease_s;	   /* powers off when nobody came for so long after boot */
};

/* ERR_INTERNAL: longer than EC2 takes. */
int user_data_write(struct buf *out, const struct user_data *u, struct error *err);

#endif
