/* internal: what the files of the infra `aws` share. */
#ifndef FURROW_FLEET_INTERNAL_H
#define FURROW_FLEET_INTERNAL_H

#include "planner/base/buf.h"
#include "providers/aws/ec2.h"
#include "providers/fleet/fleet.h"
#include "providers/fleet/region.h"
#include "providers/fleet/share.h"
#include "providers/host/ssh.h"
#include "providers/host/ssh_key.h"
#include "providers/tasks/tasks.h"

#include <pthread.h>
#include <stdatomic.h>

struct job_lock;
struct lost;

/* What EC2 has launched it shows after so long at the latest. */
#define EC2_SHOWS_NS (30 * NS_PER_S)

enum {
	HOST_ID_BYTES = 32,
	HOST_ADDRESS_BYTES = 64,
	HOST_LINE_BYTES = 64 << 10, /* what a host says of itself, at most */
	/* Others for an instance that died before it was ready, in a row. */
	REPLACEMENTS = 2
};

/* What is read before there is a plan, each by a node of the read graph. */
enum fleet_read {
	READ_LOCK, /* for an apply: what comes after it holds until the run's end */
	READ_SOURCE,
	READ_IMAGE,
	READ_LIST,
	READ_INPUTS,  /* map.inputs from S3 */
	READ_RESULTS, /* what lies in `results` */
	READ_STORE,   /* results in the store */
	READ_HISTORY, /* durations of earlier runs */
	READ_SHARED,  /* sources and runners in the store */
	READ_HOSTS,   /* instances, and over SSH what these have */
	READ_NETWORK, /* subnets, security group, our own address */
	READ_TYPE,    /* which types fit, what they cost, and the image */
	READ_OFFERS,  /* what new instances can be had as, from these two */
	FLEET_READS
};

/* What a host says of itself: the first line of `furrow-runner host`. */
struct host_words {
	bool there;
	struct strings runners, sources, envs, runs; /* live runs */
	/* Ids of images, of those that it had once, of what setup left as images; dead containers. */
	struct strings images, images_gone, image_envs, dead;
	int64_t cpus, memory_bytes;
	double uptime_s, until_s; /* until when it stays up, as uptime; < 0: not told */
	double boot_start_s, boot_runner_s, boot_source_s; /* < 0: not told */
	double boot_warm_begin_s, boot_warm_s, sshd_s;	   /* likewise */
	int64_t warm_bytes;				   /* likewise */
	struct str boot_error;
};

/* environment.image, as hosts get it. */
struct far_image {
	struct str pull;       /* what FRAME_ORDER calls image; absent: no image is asked for */
	struct str digest, id; /* "sha256:…", and its hex alone */
	struct str login;      /* "USER:PASSWORD" for its registry; absent: none is needed */
	struct str path;       /* of the archive here; absent: it is a registry's */
	struct str object;     /* of the archive in the store */
	bool built;	       /* by a host; it is none to be fetched from anywhere */
};

/* One instance, launched or found. A step, or the reading, has it; then the run. */
struct host {
	struct fleet_site *site;
	struct region *region; /* that it is in, or was asked for last; NULL: none yet */
	uint32_t index;	       /* instance[index] */
	char id[HOST_ID_BYTES], address[HOST_ADDRESS_BYTES], type[32], zone[32];
	char host_key[SSH_KEY_PUBLIC_BYTES];
	int64_t launched_wall_ns;
	struct ssh_host *ssh; /* NULL: no connection */
	int fd;		      /* the socket of it; -1: none, or the session's */
	int begin_fd; /* the same while a session begins on it, for host_hurry; behind runner.door */
	struct buf line; /* what it said so far */
	struct host_words words;
	struct arena arena; /* of words */
	int64_t cpus;	    /* of one that was found, as its tags say */
	uint32_t slots;	    /* tasks at a time */
	bool bare_metal;
	uint32_t launches; /* so far, in this run */
	uint32_t failed;   /* of these, in a row: it was never ready */
	/* A launch whose outcome is not known: it is asked for again with the same token and user
	 * data, or looked for by its token at the end. */
	bool unsure;
	char token[64];
	size_t offer,
		subnet; /* indices of those that were tried last; the subnet is the region's */
	struct buf user_data;
	int64_t sent_ns; /* when it was asked for last */
	/* Of the instance that it has now; 0: not known. */
	int64_t asked_ns, accepted_ns, spoke_ns;
	_Atomic int64_t running_ns; /* whoever looks at EC2 next may see it */
	struct boot boot;	    /* what is told of these at the end */
	int64_t since_ns;	    /* when the wait for it began */
	int64_t env_since_ns; /* since when it is being prepared, or waits for that; 0: it is not */
	int64_t again_ns;     /* not to be connected to before */
	int64_t unseen_since_ns; /* EC2 doesn't find it; 0: it does */
	bool found;		 /* there before this run */
	atomic_bool ready;	 /* a session runs on it; the mender takes that back */
	/* Dead, or as good as dead: another one is to stand in for it. The mender finds that out as well, while
	 * the run may want another one for a host that is doomed. */
	atomic_bool spent;
	bool released;
	bool kept; /* released, and left warm */
	struct share_part share;
	struct runner runner;
	pthread_mutex_t mend_lock;	   /* over the two that follow */
	pthread_t mender;		   /* reaches it again after a cut */
	bool mending;			   /* there is a mender to be joined */
	char cut_why[ERROR_MESSAGE_BYTES]; /* of the last cut; the mender's from then on */
	atomic_bool leaving;		   /* it is let go: nothing is mended any more */
	/* It is to be interrupted: it gets no task any more, and another one may stand in for it. */
	atomic_bool doomed;
	atomic_bool gone; /* it has ended, and that was told */
	/* EC2 wanted it back: another one is better not of the same offer. */
	atomic_bool reclaimed;
};

struct fleet_site {
	struct site site;
	struct region *regions; /* home first */
	size_t n_regions;
	struct aws *aws;		 /* home's: its client, where the store is */
	struct arena arena;		 /* the coordinator's */
	struct arena reads[FLEET_READS]; /* one each: reads run side by side */
	struct source_reader *reader;
	pthread_mutex_t lock; /* over hub, key and bucket's name being made, and the poll */
	struct ssh_hub *hub;  /* NULL until a host is to be reached */
	struct ssh_key key;
	bool has_key;
	struct job_lock *job_lock; /* set under lock, once */
	char lock_run
		[32]; /* the lock is to be taken for this run, or was found to have no bucket yet */
	struct str bucket, prefix;
	bool has_bucket;
	struct str group_name, caller_cidr;
	struct far_image container;
	char wish[17]; /* what is asked of an instance, in short: a tag */
	char *runner_path;
	struct digest runner_sha256;
	struct strings stored_sources; /* ids */
	struct s3_object *setups;      /* of this job */
	size_t n_setups;
	struct stored_setup setup; /* that fits the environment */
	struct host **hosts;	   /* of this job, those that can be used first */
	size_t n_hosts;
	struct fleet_run *run;
	pthread_mutex_t ear_lock; /* over ear */
	struct ear ear;		  /* notice NULL: nobody listens */
};

/* What EC2 said of the run's instances in one region. */
struct look {
	struct ec2_instance *v;
	size_t n;
	int64_t at_ns;	  /* 0: it was not asked */
	struct error err; /* code ERR_NONE: it went well */
	struct arena arena;
};

/* One execution of a plan. */
struct fleet_run {
	struct fleet_site *site;
	const struct plan *plan;
	char id[32], trace[33];
	char *dir, *logs;
	char source_id[DIGEST_HEX_BYTES], env_id[DIGEST_HEX_BYTES];
	char share_id[DIGEST_HEX_BYTES];
	struct arena arena;
	struct setup_share share;
	struct tasks *tasks;
	struct host **hosts; /* [n_hosts] by index; the first n_seated are the site's, warm ones */
	uint32_t n_hosts, n_seated;
	atomic_bool stop_steps; /* what can be made later is not to be waited for */
	atomic_bool ending;	/* the run is over: cuts are not mended any more */
	struct look *looks; /* at each region's instances, the last ones; under the site's lock */
	struct lost *lost;  /* NULL: not read yet; under the site's lock */
	/* Of the plan's offers: EC2 had none of it; not to be asked for before. Under the site's lock. */
	int64_t *offer_again_ns;
};

/* observe.c, observe_hosts.c */
int fleet_read_graph(struct site *s, struct arena *a, struct graph *out, struct error *err);
enum step fleet_read(struct fleet_site *s, enum fleet_read what, struct error *err);
void fleet_observe_identities(struct site *s, const struct job *job, struct observed *obs);
int fleet_read_hosts(struct fleet_site *s, struct arena *a, struct error *err);
/* Why an instance cannot serve this manifest, from its tags alone; absent: it can. */
struct str fleet_judge_tags(struct fleet_site *s, struct arena *a, const struct ec2_instance *i);

/* How many cpus, and how many tasks at a time, by its tags. */
int64_t fleet_cpus_of(const struct ec2_instance *i);
uint32_t fleet_slots_of(const struct fleet_site *s, const struct ec2_instance *i);

/* known.c. Strings live in the arena. None there, or unreadable: none. */
struct known_host {
	struct str id, address, host_key;
};
void known_load(const struct fleet_site *s, struct arena *a, struct known_host **out, size_t *n);
/* Those that were kept. A file that cannot be written costs time, and no more. */
void known_save(const struct fleet_site *s, struct host *const *hosts, size_t n);

/* survey.c */
int fleet_survey(struct site *site, struct arena *a, struct site_cloud *out, struct error *err);

/* store.c: the bucket. Its name may take a call. */
int fleet_locate_store(struct fleet_site *s, struct error *err);
/* Of a store's URL, or, when that is absent, the account's own bucket for the client's region: that
 * takes a call, and lives in the arena. */
int fleet_name_bucket(struct aws *aws, struct arena *a, struct str store, struct str *bucket,
	struct str *prefix, struct error *err);
int fleet_open_store(struct fleet_site *s, struct error *err);
/* For lock_run, which is empty then; with no bucket yet it stays, for fleet_access to take it once
 * there is one. */
int fleet_take_lock(struct fleet_site *s, struct arena *a, struct error *err);
/* Before each call that changes something: whether the job is still ours. */
int fleet_check_lock(struct fleet_site *s, struct error *err);
int fleet_read_store(struct fleet_site *s, struct arena *a, struct error *err);
int fleet_read_history(struct fleet_site *s, struct arena *a, struct error *err);
int fleet_read_shared(struct fleet_site *s, struct arena *a, struct error *err);
struct str fleet_object(const struct fleet_site *s, struct arena *a, const char *name);

/* explain.c: words on what a failure means for the manifest. All return err->code.
 * Its place and key before the message. */
int fleet_at(struct error *err, const struct pos *pos, const char *key);
/* What is wrong with a bucket that the manifest names at pos, after a call that failed with rc. A failure of
 * S3 stays what it was. */
int fleet_bucket_failed(struct fleet_site *s, struct arena *a, struct str bucket,
	const struct pos *pos, const char *key, int rc, struct error *err);
/* After a read that failed: whether the region is none, the store another's. */
void fleet_explain(struct fleet_site *s, enum fleet_read what, struct arena *a, struct error *err);

/* image.c: what containers are made of. */
int fleet_read_image(struct fleet_site *s, struct arena *a, struct error *err);
/* Whether it is an archive that the store has; it was located. */
int fleet_find_image(struct fleet_site *s, struct arena *a, struct error *err);
/* Of a build: by the identity of what it is made from. */
void fleet_observe_build(struct fleet_site *s, const char *id);
int fleet_upload_image(struct fleet_run *r, struct arena *a, struct error *err);
/* Presigned; "" for a registry's. */
int fleet_image_url(struct fleet_run *r, struct arena *a, struct str *url, struct error *err);
bool fleet_has_image(const struct fleet_site *s);

/* wish.c: what a new instance would be. */
/* Where what AWS told is kept for all jobs of this user; NULL: nowhere. */
const char *fleet_cache_dir(struct arena *a);
/* "203.0.113.7/32": whom instances see when we call. */
int fleet_ask_caller(struct arena *a, struct str *cidr, struct error *err);
/* Its subnets alone. */
int fleet_read_subnets(struct region *r, struct arena *a, struct error *err);
int fleet_read_network(struct fleet_site *s, struct arena *a, struct error *err);
void fleet_describe_wish(struct fleet_site *s);
int fleet_find_runner(struct fleet_site *s, struct error *err);

/* host.c: one host's connection. */
struct host *host_new(struct fleet_site *s);
void host_free(struct host *h);
/* Begins to connect; the far side then says its words. wait_ns as ssh_wish. */
int host_connect(struct host *h, int64_t wait_ns, struct error *err);
void host_disconnect(struct host *h);
/* Reads what came of its words; never blocks. 1: all there, 0: not yet, < 0: it failed. */
/* Whether one of its words' lists has it. */
bool host_lists(const struct strings *list, const char *id);
int host_listen(struct host *h, struct error *err);
int host_parse_words(struct arena *a, struct host_words *out, struct str line, struct error *err);
/* The key furrow logs in with; made when `create` and there is none. ERR_MISSING. */
int fleet_key(struct fleet_site *s, bool create, struct error *err);

/* upload.c, access.c */
int fleet_upload(struct fleet_run *r, struct arena *a, struct error *err);
int fleet_access(struct fleet_run *r, struct arena *a, struct error *err);
/* Where a host fetches them; presigned. In the arena. */
int fleet_file_urls(struct fleet_run *r, struct arena *a, struct str *runner, struct str *source,
	struct error *err);

/* offers.c */
int fleet_read_type(struct fleet_site *s, struct arena *a, struct error *err);
int fleet_read_offers(struct fleet_site *s, struct arena *a, struct error *err);
/* An hour of an instance that is there, as of an offer; < 0: not known. */
double fleet_hourly_usd(
	const struct region *r, struct str type, struct str zone, bool spot, int64_t cpus);
/* How many tasks at a time with so many cpus and GPUs. */
uint32_t fleet_slots(const struct fleet_site *s, int64_t cpus, int64_t gpus);

/* launch.c */
enum step fleet_launch(struct fleet_run *r, struct call *call, struct error *err);
/* Launches an instance for h, or takes one over that an earlier run has asked for. */
int launch_host(struct fleet_run *r, struct host *h, struct call *call, struct error *err);
/* Likewise, instead of the one that it has. */
int replace_host(struct fleet_run *r, struct host *h, struct call *call, struct error *err);

/* lost.c: what runs that died a moment ago have asked EC2 for. The next of these instances that can
 * serve; waits until EC2 must show it if there is one. 1: *out, in *region; 0: there is none. */
int lost_take(struct fleet_run *r, struct arena *a, struct ec2_instance *out,
	struct region **region, struct error *err);
/* Terminates those that nobody took. */
void lost_close(struct fleet_run *r);

/* boot.c: what is known of how the host came up. */
void host_tell_boot(struct host *h);

/* look.c */
/* Of the instance that it has now; empty: none. Whoever looks at EC2 asks for those of all hosts, so that
 * others than its own thread read it under the site's lock, and it is set under that. */
void host_set_id(struct host *h, struct str id);
/* What EC2 says of the host now, no older than max_age_ns; one call for all hosts of a region. NULL: it doesn't
 * know it (yet). */
int fleet_look(struct fleet_run *r, const struct host *h, int64_t max_age_ns, struct arena *a,
	struct ec2_instance **out, struct error *err);
/* < 0: EC2 says that it is dead, or dying, or has not known it for a while; then it is spent. *asked:
 * EC2 could be asked. Takes the address as soon as there is one. */
int host_alive(
	struct fleet_run *r, struct host *h, int64_t max_age_ns, bool *asked, struct error *err);

/* environment.c */
enum step fleet_environment(
	struct fleet_run *r, struct call *call, struct outcome *outcome, struct error *err);
/* Tells the host which run it is, and opens the session. host NULL: without waiting for its welcome;
 * *out is
 * set behind the runner's door, before host_was_cut can come. */
int host_begin(struct fleet_run *r, struct host *h, struct session **out, struct session_host *host,
	struct error *err);

/* The run is being stopped, or it is doomed: a session that begins, which may mean all of `setup`, is cut. */
void host_hurry(struct host *h);

/* notice.c: a host tells that it is to be interrupted. struct runner's noticed, and struct provider's listen.
 */
void host_noticed(void *ctx, const char *action, int64_t left_ns, int64_t wall_s);
/* It is to be interrupted, and who wants it to begin a session is not told yet. */
void host_doomed(struct host *h);
/* Its instance has ended, or is ending: it is not paid for any more. */
void host_ended(struct host *h);
void fleet_listen(void *ctx, const struct ear *ear);

/* mend.c: reaching a host again after a cut. */
bool host_was_cut(void *ctx, const struct error *err);
/* After `leaving` or `ending` was set: no other mender begins then. */
void host_stop_mending(struct host *h);

/* release.c */
int fleet_release(struct fleet_run *r, struct host *h, struct error *err);
/* Ends the session and whatever reaches for it; nothing is in flight there, or it is lost. */
int host_say_goodbye(struct host *h, int64_t timeout_ns, struct error *err);

int64_t fleet_now(const struct fleet_site *s);

#endif
