/* protocol: what furrow and furrow-runner say to each other, over any two-way byte stream (a
 * socket, the two ends of an SSH channel). The one header that the runner shares with furrow; no
 * dependency beyond libc.
 *
 * A stream is a sequence of frames in both directions: a header of 16 bytes, little-endian, then
 * `bytes` of payload:
 *
 *   u32 bytes     of payload, at most FRAME_MAX_BYTES
 *   u8  type      enum frame_type
 *   u8  stream    FRAME_STREAM: enum frame_stream; else 0
 *   u16 zero
 *   u64 id        the task it is about (chosen by furrow, unique in the life of a runner); 0: none
 *
 * Fields in payloads: integers little-endian; a string is a u32 length and the bytes; a list is a
 * u32 count and its items. Payloads by type stand beside the enum. What is beyond the fields that a
 * reader knows is ignored, so fields may be added at the end; an unknown type is ignored as well.
 *
 * Furrow says HELLO first, is answered WELCOME, then says BASE. What has to survive a cut
 * connection is kept by the runner until furrow acknowledges it with ACK: WELCOME names the tasks
 * that it has, and is silent about each until furrow says RESUME, with the bytes that it doesn't
 * have yet.
 *
 * Outputs that are large need not go through furrow: OFFER, answered by PUT, lets the runner send
 * them to where they are stored, and PLACED says that they are there. That is for the tar of a
 * task's outputs alone. Streams are bounded by the cap of BASE, and people follow them. */
#ifndef FURROW_PROTOCOL_H
#define FURROW_PROTOCOL_H

#include "planner/base/str.h"

enum {
	PROTOCOL_VERSION = 1,
	FRAME_HEADER_BYTES = 16,
	FRAME_MAX_BYTES = 1 << 20,
	/* Data in one STREAM or OUTPUT, at most. */
	FRAME_CHUNK_BYTES = 64 << 10,
	/* Data in STREAM and OUTPUT that was sent and not yet credited. */
	PROTOCOL_WINDOW_BYTES = 1 << 20,
	TRACE_MAX_BYTES = 1 << 20
};

enum frame_type {
	/* From furrow to the runner. */

	/* u32 version, str run, u32 linger_s: how long to go on without a connection. */
	FRAME_HELLO = 1,
	/* str root (absolute; task folders are made below it), str source (absolute or empty), str
	 * outputs (relative or empty), list of str env ("NAME=VALUE") that all tasks get, u64 cap:
	 * bytes kept of each of stdout and stderr, u32 slots: tasks at a time (0: 1), u8 inherit:
	 * 1: what the runner's own environment holds lies beneath env, u64 offer_over: outputs whose
	 * tar has more bytes are offered (absent or 0: none is). */
	FRAME_BASE = 2,
	/* u32 attempt, i64 timeout_ms (<= 0: none), u32 grace_ms, list of str argv, list of str
	 * env, str input: when not empty, FURROW_INPUT is the absolute path of this path below
	 * source. Tasks are begun in the order in which they came, as slots become free. */
	FRAME_TASK = 3,
	/* u32 grace_ms: TERM now, KILL after; 0: KILL now; STOP_WAITING: only if it has not begun. */
	FRAME_STOP = 4,
	/* u32 bytes: of STREAM and OUTPUT data that furrow has taken in. */
	FRAME_CREDIT = 5,
	/* Nothing: the task's end is stored; the runner forgets it and removes its folder. */
	FRAME_ACK = 6,
	/* u64 stdout_from, u64 stderr_from: send this task's BEGUN, its streams from here on, trace
	 * and output from their beginning, then its end. */
	FRAME_RESUME = 7,
	/* Nothing: end all tasks, clean up, exit. The end of the connection says that this is done.
	 */
	FRAME_BYE = 8,
	/* To `furrow-runner host`, before HELLO: str run, u32 lease_s: the host stays up for so long
	 * without a word from furrow, u32 idle_s: and for so long after a BYE, str source_id, str
	 * source_url, str env_id (empty: no setup), str setup, list of str setup_files, list of str
	 * setup_vars ("NAME=VALUE"), str job, str image (empty: no container; NAME@sha256:DIGEST of a
	 * registry, or oci-archive:REF, docker-archive:REF with REF as in the manifest or empty), str
	 * image_id (hex; what it is kept as), str image_url (where an archive is fetched), str
	 * image_login (USER:PASSWORD for the registry; empty: none), u8 share (of enum share_bit), str
	 * share_url (empty: nowhere; where what setup left on another host is fetched), str
	 * share_sha256 (hex), u64 share_bytes (of the file there), u64 share_tar_bytes (unpacked), str
	 * build_context, str build_file (empty: the image is not built here; the image that
	 * image_id names is shared then, as the archive that engines save). The host prepares what is missing; then it is as if furrow was connected to the run's runner. */
	FRAME_ORDER = 9,
	/* u8 part (enum offer_part), str url: the answer to OFFER. Where to PUT the part, by HTTP,
	 * as one body with its length; empty: send it in OUTPUT; of what setup left: keep it. */
	FRAME_PUT = 10,
	/* u32 lease_s: before ORDER, as often as it takes: the host stays up for so long. */
	FRAME_LEASE = 11,

	/* From the runner to furrow. */

	/* u32 version, u32 pid, u32 cpus, u64 memory_bytes, i64 now_ns (CLOCK_BOOTTIME), str arch,
	 * list of u64: ids of tasks that it has (waiting, running, or ended and not acknowledged).
	 */
	FRAME_WELCOME = 32,
	/* i64 t_ns: the process was started (CLOCK_BOOTTIME of the host). */
	FRAME_BEGUN = 33,
	/* u64 offset, then data to the end of the payload. The trace is what the task wrote to
	 * FURROW_TRACE_FILE, at most TRACE_MAX_BYTES of it, sent after the process ended. */
	FRAME_STREAM = 34,
	/* A piece of a tar stream (ustar, pax for what doesn't fit): what `outputs` and FURROW_OUT
	 * hold. Comes after the last STREAM, before ENDED. Absent when there is nothing, when it was
	 * PLACED, and unless the process ended with status 0. */
	FRAME_OUTPUT = 35,
	/* i32 exit_status (-1: by signal), u32 signal, u8 why (enum ended_why), i64 begun_ns, i64
	 * ended_ns, i64 cpu_ns, i64 max_rss_bytes, u64 stdout_bytes, u64 stderr_bytes (written by
	 * the task), u64 stdout_kept, u64 stderr_kept, u64 output_bytes (of the files), u64
	 * output_files, str message. */
	FRAME_ENDED = 36,
	/* str: a word for people ("no base folder: …"); not fatal. */
	FRAME_NOTE = 37,
	/* u8 part, u64 bytes, as of now: instead of OUTPUT, may I put this elsewhere? Said again
	 * when the URL turned out to be good no more, and, over a new connection, also when it was
	 * PLACED over an earlier one: if PUT then names the same place again, nothing is sent
	 * twice. */
	FRAME_OFFER = 38,
	/* u8 part, u64 bytes: it was put to the URL that PUT named last. No OUTPUT comes. */
	FRAME_PLACED = 39,
	/* From `furrow-runner host`, as soon as it has the ORDER: the instance is to be interrupted. str action
	 * (NOTICE_ACTION_BYTES at most, small letters: "terminate", "stop", "hibernate"), i64
	 * left_ms: until then, not below 0, i64 wall_s: when that is (Unix time), by the host's
	 * clock. Said once over each connection, and again when the time changes. */
	FRAME_NOTICE = 40,
	/* Before WELCOME, where ORDER's share asks for it: u8 how (enum prepared), str why: what a
	 * person should know of it, or empty. What setup left comes before that, as OFFER (u8
	 * OFFER_SETUP, u64 bytes, u64 tar_bytes, str sha256), answered by PUT, and PLACED. */
	FRAME_PREPARED = 41
};

enum { NOTICE_ACTION_BYTES = 16 };

#define STOP_WAITING UINT32_MAX

enum offer_part { OFFER_TAR = 1, OFFER_SETUP = 2 };
enum share_bit { SHARE_TELL = 1, SHARE_OFFER = 2 };
enum prepared {
	PREPARED_FAILED = 0, /* setup ended badly; the host's stderr has its last lines */
	PREPARED_THERE = 1,
	PREPARED_RAN = 2,
	PREPARED_FETCHED = 3
};

enum ended_why {
	ENDED_SELF = 0,
	ENDED_TIMEOUT = 1,
	ENDED_STOPPED = 2,
	/* No such program, no disk space, …: message says. */
	ENDED_NOT_STARTED = 3,
	/* Its streams could not be kept, or its outputs not be packed: message says why. */
	ENDED_BAD_OUTPUT = 4
};

enum frame_stream { STREAM_STDOUT = 1, STREAM_STDERR = 2, STREAM_TRACE = 3 };

/* A task whose input is an object of S3 is started as `RUNNER fetch COMMAND…`, with these in its
 * environment, and FURROW_INPUT the object's s3:// URL: see cmd/runner/fetch.c. The exit status, and what
 * its stderr begins with, tell that it was not the command that failed. */
#define FETCH_URL "FURROW_FETCH_URL"
#define FETCH_ETAG "FURROW_FETCH_ETAG"
#define FETCH_SAYS "furrow-runner fetch: "
enum { FETCH_CHANGED = 118, FETCH_FAILED = 119 };

struct frame {
	uint8_t type;
	uint8_t stream;
	uint64_t id;
	struct str payload;
};

/* Writes the header of a frame. */
void frame_header(uint8_t out[FRAME_HEADER_BYTES], const struct frame *f);

/* Reads one frame from the start of bytes. Returns how many bytes it took, 0: not all there yet,
 * -1: no frame (too large, non-zero reserved field). payload points into bytes. */
int64_t frame_read(struct str bytes, struct frame *out);

/* Reading the fields of a payload. A read beyond the end gives zero or absent and sets `bad`. */
struct fields {
	struct str rest;
	bool bad;
};
uint32_t field_u32(struct fields *f);
uint64_t field_u64(struct fields *f);
int64_t field_i64(struct fields *f);
uint8_t field_u8(struct fields *f);
struct str field_str(struct fields *f);
/* The count of a list; one that cannot be (an item takes at least item_bytes) gives 0 and sets
 * `bad`. */
uint32_t field_count(struct fields *f, size_t item_bytes);

/* Writing fields: each puts its bytes at `at` and returns what is behind them. A string takes 4 + n
 * bytes. */
uint8_t *put_u8(uint8_t *at, uint8_t v);
uint8_t *put_u32(uint8_t *at, uint32_t v);
uint8_t *put_u64(uint8_t *at, uint64_t v);
uint8_t *put_i64(uint8_t *at, int64_t v);
uint8_t *put_str(uint8_t *at, struct str s);

#endif
