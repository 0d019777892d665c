/* journal: writing .furrow/runs/RUN/journal.jsonl: trace, intent log and what a resume reads, in
 * one. Append-only, one write() a line. The format stands on top of journal.c. Only the coordinator
 * writes.
 *
 * A line that could not be written as a whole is taken back, and the journal is closed for good:
 * that call and every later one give the same ERR_HOST. */
#ifndef FURROW_JOURNAL_H
#define FURROW_JOURNAL_H

#include "planner/base/digest.h"
#include "planner/execute/executor.h"

enum { JOURNAL_VERSION = 1 };

struct journal;

struct journal_head {
	const char *run;   /* ULID */
	const char *trace; /* 32 hex */
	int64_t wall0_ns;
	struct str job, manifest_path, commit, patch_sha256, infra;
	struct digest manifest, plan;
	bool dirty;
	int pid;
	uint32_t n_tasks, n_in_place;
	int64_t said_ns; /* what the plan said that it takes; <= 0: nothing */
	double said_usd; /* and costs; 0: nothing to tell, < 0: unknown */
};

/* Creates the file (must not exist) and writes the head and the `node` lines, like ones folded to
 * ranges ("task[0..999]"): all on disk, and the file's name too, when it returns. */
int journal_create(struct journal **out, const char *path, const struct journal_head *head,
	const struct graph *graph, struct error *err);

/* The head's trace; valid as long as the journal. */
const char *journal_trace(const struct journal *j);

/* The span of number `serial` in a trace: 0 is the run's own, the root. Different for different
 * numbers. */
void journal_span(char out[17], const char *trace, uint64_t serial);

/* The phase that a node is in from its begin on, unless it says otherwise. */
enum phase journal_kind_phase(enum kind kind);

/* Times are nanoseconds since the run began; in the file they never go back. call->place is told of
 * slot nodes. */
int journal_begin(struct journal *j, const struct call *call, enum phase phase, int64_t t_ns,
	int64_t ready_ns, const char *why, struct error *err);
int journal_phase(struct journal *j, const struct call *call, enum phase phase, int64_t t_ns,
	struct error *err);
int journal_intent(struct journal *j, const struct call *call, const char *op, const char *token,
	int64_t t_ns, struct error *err);
int journal_effect(struct journal *j, const struct call *call, const char *id, int64_t t_ns,
	struct error *err);
/* The place of environment[place] will be taken away at until_ns. */
int journal_notice(struct journal *j, uint32_t place, int64_t until_ns, const char *text,
	int64_t t_ns, struct error *err);
/* The instance of that place has ended by itself: it costs nothing from now on. */
int journal_gone(struct journal *j, uint32_t place, int64_t t_ns, struct error *err);
/* Whether another place is made for it, and why. */
int journal_remake(struct journal *j, uint32_t place, bool made, const char *why, int64_t t_ns,
	struct error *err);
/* status: "ok", "failed", "cancelled", "abandoned". outcome and e may be NULL. retry_ns: when the
 * next attempt is due; < 0: there is none. */
int journal_end(struct journal *j, const struct call *call, const char *status,
	const struct outcome *outcome, const struct error *e, int64_t retry_ns, int64_t t_ns,
	struct error *err);

/* Everything so far is on disk when it returns. */
int journal_sync(struct journal *j, struct error *err);

/* The last line: {"ev":"done",…} with exit code and counts, then sync and close. result NULL: no
 * such line. The journal is gone afterwards, also on failure. j may be NULL. */
int journal_close(
	struct journal *j, const struct exec_result *result, int exit_code, struct error *err);

#endif
