/* share: what `environment.setup` leaves, or the image that `environment.build` makes, once for a fleet. The first host that is ready runs it, and puts
 * what it left into the store; the others, later runs' too, fetch that. Who waits is not occupied, and nothing
 * is waited for that nobody makes any more. Where sharing fails, each host runs setup itself.
 *
 * In the store: setups/JOB/IDENTITY/SORT/SHA256-TARBYTES.tar.gz; SORT is the AMI, or for an image its architecture. The name says what it is and how large,
 * so a listing tells all, and what does not fit its name is not taken. */
#ifndef FURROW_FLEET_SHARE_H
#define FURROW_FLEET_SHARE_H

#include "planner/base/arena.h"
#include "planner/base/digest.h"
#include "planner/base/error.h"
#include "planner/base/protocol.h"
#include "providers/aws/s3.h"

#include <pthread.h>

struct call;
struct fleet_run;
struct fleet_site;
struct host;
struct job;

/* Where it failed on two hosts, it is setup that fails, not a host. A build is tried once. */
enum { SHARE_FAILURES = 2 };
enum { STORED_KEY_BYTES = 1024, STORED_SHA256_BYTES = 65 };

/* One that is there; key "": none. */
struct stored_setup {
	char key[STORED_KEY_BYTES]; /* with the store's prefix */
	char sha256[STORED_SHA256_BYTES];
	int64_t bytes, tar_bytes;
};

enum share_state {
	SHARE_OPEN,   /* nobody has it, nobody makes it */
	SHARE_MAKING, /* `maker` does */
	SHARE_STORED,
	SHARE_EACH,  /* it cannot be shared */
	SHARE_FAILED /* it failed on so many hosts that others are not to try */
};

struct setup_share {
	pthread_mutex_t lock; /* over all */
	enum share_state state;
	const struct host *maker;
	struct stored_setup stored;
	uint32_t n_failed;
	char failed_on[SHARE_FAILURES][32]; /* instances */
};

/* A host's part, while a session begins on it; its step's. */
struct share_part {
	bool taken;
	bool ended; /* the host said how */
	enum prepared how;
	char why[960];
	int64_t leased_ns; /* when it was told last to stay up, as it waited */
};

/* What FRAME_ORDER says of it. */
struct share_order {
	uint8_t bits;
	struct str url, sha256;
	int64_t bytes, tar_bytes;
};

/* Whether it is what setup leaves that is shared: a folder, or in containers an image. */
bool share_may(const struct fleet_site *s);
/* The identity of what is shared. */
void share_name(char id[DIGEST_HEX_BYTES], const struct fleet_site *s, const struct job *job);
/* Lists what the store has of this job. */
int share_read(struct fleet_site *s, struct arena *a, struct error *err);
/* Which of these is it. */
void share_choose(struct fleet_site *s, const char *id);
bool share_parse(struct stored_setup *out, const struct s3_object *object, struct str folder);

void share_open(struct fleet_run *r);
void share_close(struct fleet_run *r);
/* Whether the host needs what setup makes, and may get it from another one. */
bool share_wanted(const struct fleet_run *r, const struct host *h);
/* 1: it is to begin, as part of it; 0: it waits for another host; < 0: setup failed on others. */
int share_turn(struct fleet_run *r, struct host *h, struct error *err);
/* After its connection is open: no part: all empty. */
int share_order(struct fleet_run *r, struct host *h, struct arena *a, struct share_order *out,
	struct error *err);
/* After the order was sent on fd: hears the host until it is prepared. until_ns: on the run's clock. */
int share_hear(struct fleet_run *r, struct host *h, int fd, int64_t until_ns, struct error *err);
/* What that needs: where a host may put what it offers, of which all but the key is filled in. And that it has put it there: it is whole before others hear of it. */
int share_put_url(struct fleet_run *r, struct arena *a, struct stored_setup *offered,
	struct str *url, struct error *err);
int share_placed(struct fleet_run *r, struct arena *a, const struct stored_setup *offered,
	struct error *err);
/* A host that waits for another one is to stay up. */
int share_send_lease(int fd, uint32_t lease_s, struct error *err);
/* Setup itself did, and err says all. */
bool share_failed(const struct host *h);
/* Its part is over, well or not; before the session that comes of it begins. */
void share_end(struct fleet_run *r, struct host *h);
/* Says in the journal, and in the host's log, how the host came to it. */
void share_tell(struct fleet_run *r, const struct host *h, struct call *call);

#endif
