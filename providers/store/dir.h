/* dir: what the files of the folder store share. Nobody else includes it.
 *
 *   STORE/furrow-store        "1\n": the version of this layout
 *   STORE/results/ID.log      records of results, appended (record.c); ID: 16 hex digits
 *   STORE/parts/ab/REST.OWNER.tar | .stdout | .stderr
 *                             parts that are too large for a record, which names OWNER: 24 hex digits,
 *                             the writer's 16 and a count
 *   STORE/history/…, blobs/…  objects as they are
 *   STORE/tmp/WRITER/         files that a writer has not finished; WRITER: 16 hex digits
 *
 * Why logs and not one file a result: making a file costs 40 to 300 µs of CPU on ext4 (the more,
 * the more files were deleted in the last seconds), and syncing many of them means syncing the
 * whole file system with what the tasks are writing. A batch of results is one write and one
 * fdatasync.
 *
 * Liveness is a flock(2), which ends with its holder however that ends, in another container and
 * after a reboot as well: a writer holds its WRITER folder and, once it appends, one log. A log
 * that nobody holds is taken up by the next writer, so there are as many logs as there were
 * writers at the same time. */
#ifndef FURROW_STORE_DIR_H
#define FURROW_STORE_DIR_H

#include "providers/store/io.h"
#include "providers/store/ops.h"

#include <pthread.h>
#include <sys/types.h>

enum { STORE_VERSION = 1, STORE_PATH_BYTES = 160, WRITER_BYTES = 17 };

/* A log as far as it was read. */
struct store_log {
	char name[24]; /* "0123456789abcdef.log" */
	int fd;
	dev_t dev;
	ino_t ino;
	uint64_t end; /* behind the last whole record */
	bool torn;    /* behind end is the beginning of a record: a writer is at it, or died */
	bool damaged; /* behind end is something else: left alone */
};

struct index_entry {
	struct digest key;
	int64_t wall_ns;   /* of several of one key the last one counts */
	uint64_t log : 15; /* which one */
	uint64_t removed : 1;
	uint64_t at : 48; /* offset of its record */
};

struct dir_store {
	struct store base; /* first */
	char *path;
	int dir_fd;

	pthread_mutex_t
		index_lock; /* over the logs and what is known of them; taken before `lock` */
	struct store_log *logs;
	size_t n_logs;
	int own; /* the log that this store appends to, locked; -1: none yet */
	struct index_entry *entries;
	size_t n_entries, cap_entries;
	bool sorted;	      /* entries, by key, one for each */
	int64_t last_wall_ns; /* of any record seen: a new one comes after it, whatever the clock says */

	pthread_mutex_t lock;		 /* over what follows; never held over a sync */
	char writer[WRITER_BYTES];	 /* set with writer_fd */
	int writer_fd;			 /* of tmp/WRITER, locked; -1: none yet */
	uint32_t n_names;		 /* counts what was named after the writer */
	struct dir_result *first, *last; /* queue */
	bool started, closing;
	int64_t gather_ns; /* how long a result may wait for others */
	pthread_t committer;
	pthread_cond_t work;
};

static inline struct dir_store *
dir_of(struct store *s)
{
	return (struct dir_store *)s;
}

/* index.c: finding results. All with index_lock held. */

/* Reads what was added to the logs since the last time. */
int index_refresh_locked(struct dir_store *s, struct error *err);
/* The same for one log: from its end on. */
int index_scan_locked(struct dir_store *s, size_t log, struct error *err);
void index_sort_locked(struct dir_store *s);
/* NULL: none, or it was removed. Refreshes when it finds none. */
int index_find_locked(
	struct dir_store *s, const struct digest *key, struct index_entry *out, struct error *err);
void index_add_locked(struct dir_store *s, const struct record *r, size_t log, uint64_t at);
void index_forget_locked(struct dir_store *s);
/* Locks a log for appending (s->own), or makes one; cuts a torn end. */
int index_own_locked(struct dir_store *s, struct error *err);
/* Locks a log against appending, on a descriptor that can write: 1 with *fd, 0 when another has
 * it or it is gone. */
int log_try_lock(struct dir_store *s, const char *name, int *fd, struct error *err);
/* Reads a whole record into buf and checks it. ERR_HOST when it is damaged. */
int log_read_record(const struct dir_store *s, const struct store_log *log, uint64_t at,
	struct record *out, struct buf *bytes, struct error *err);

/* writer.c: temporary files, and whose they are. */

void writer_close(struct dir_store *s);
/* The path, relative to the store, of a new temporary file; makes the writer's folder first. */
int writer_temporary(struct dir_store *s, char out[STORE_PATH_BYTES], struct error *err);
/* A new name that is known as this writer's: its 16 digits and a count. */
int writer_owner(struct dir_store *s, char out[RECORD_OWNER_BYTES], struct error *err);
/* Removes files of dead writers, counts them; dry: only counts. Never fails: what cannot be
 * removed stays. */
void writer_sweep(struct dir_store *s, bool dry, struct store_gc *count);
bool writer_is_alive(struct dir_store *s, const char writer[WRITER_BYTES]);

/* dir.c */

/* Makes the folders above a path in the store, durably; 0 or -errno. */
int dir_make_parents(struct dir_store *s, const char *path);
int dir_sync_parent(struct dir_store *s, const char *path);
void dir_random_hex(char *out, size_t digits);
/* parts/ab/REST.OWNER.tar */
void dir_part_path(char out[STORE_PATH_BYTES], const struct record *r, enum part part);

/* object.c, commit.c and gc.c: the operations of store.h */

int dir_list_results(
	struct store *s, struct arena *a, struct digest **keys, size_t *n, struct error *err);
int dir_list(struct store *s, struct arena *a, const char *folder, struct strings *out,
	struct error *err);
int dir_get(struct store *s, struct arena *a, const struct store_name *name, struct str *bytes,
	struct error *err);
int dir_open(struct store *s, const struct store_name *name, int *fd, int64_t *size_bytes,
	struct error *err);
int dir_put(struct store *s, const struct store_name *name, struct str bytes, struct error *err);
int dir_remove(struct store *s, const struct store_name *name, struct error *err);
struct store_result *dir_result_begin(struct store *s, const struct digest *key);
int dir_result_write(
	struct store_result *r, enum part part, const void *bytes, size_t n, struct error *err);
int dir_result_take(struct store_result *r, enum part part, const char *path, struct error *err);
void dir_result_commit(struct store_result *r, struct str json, store_done_fn done, void *ctx);
void dir_result_abort(struct store_result *r);
int dir_gc(struct store *s, const struct digest *keep, size_t n_keep, int64_t before_wall_ns,
	bool dry, struct store_gc *out, struct error *err);

/* commit.c */

int commit_remove_result(struct dir_store *s, const struct digest *key, struct error *err);
void commit_gather(struct store *s, int64_t at_most_ns);
void commit_drain(struct dir_store *s); /* commits what is queued, ends the thread */

#endif
