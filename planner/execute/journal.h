/* journal: writing .furrow/runs/RUN/journal.jsonl: trace, intent log and what a resume reads, in one. Append-only,
 * one write() a line. The format stands on top of journal.c. Only the coordinator writes. */
#ifndef FURROW_JOURNAL_H
#define FURROW_JOURNAL_H

#include "planner/base/digest.h"
#include "planner/execute/executor.h"

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
};

/* Creates the file (must not exist) and writes the head and a `node` line for each node, tasks folded to ranges
 * ("task[0..999]"), all on disk when it returns. labels: of tasks, may be NULL. */
int journal_create(struct journal **out, const char *path, const struct journal_head *head,
	const struct graph *graph, struct error *err);

int journal_begin(struct journal *j, const struct call *call, enum phase phase, int64_t t_ns,
	int64_t ready_ns, const char *why, struct error *err);
int journal_phase(struct journal *j, const struct call *call, enum phase phase, int64_t t_ns, struct error *err);
int journal_intent(struct journal *j, const struct call *call, const char *op, const char *token,
	int64_t t_ns, struct error *err);
int journal_effect(struct journal *j, const struct call *call, const char *id, int64_t t_ns, struct error *err);
/* status: "ok", "failed", "cancelled", "abandoned". */
int journal_end(struct journal *j, const struct call *call, const char *status,
	const struct outcome *outcome, const struct error *e, int64_t t_ns, struct error *err);

/* Everything so far is on disk when it returns. */
int journal_sync(struct journal *j, struct error *err);

/* The last line: {"ev":"done",…} with exit code and counts, then sync and close. */
int journal_close(struct journal *j, const struct exec_result *result, int exit_code, struct error *err);

#endif
