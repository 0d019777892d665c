/* reader: what reads the lines of a journal share. Inside of timings only. */
#ifndef FURROW_READER_H
#define FURROW_READER_H

#include "planner/execute/scan.h"
#include "planner/execute/spans.h"
#include "planner/execute/timings.h"

struct reader {
	struct arena *a;
	struct timings *t;
	struct str name;
	uint32_t line; /* 1-based */
	size_t cap_nodes, cap_groups, cap_intents, cap_lives, cap_words;
	/* The first event came: nodes are sorted, and `first` is where each kind starts. */
	bool nodes_known;
	size_t first[KIND_COUNT];
	struct slot_queue *queues; /* of environments, by their places among them */
	struct spans spans;	   /* of attempts, to their nodes */
	struct buf own, after;	   /* scratch for `node` lines */
	int64_t last_ns;	   /* t of the line before */
	uint32_t last_ended;	   /* the node whose attempt ended last; UINT32_MAX: none */
	struct error *err;
};

/* One line. The members that every event may have: n and t are -1 and 0 without. */
struct event {
	struct scan scan;
	struct str key;
	int64_t n, t_ns;
	struct str span;
};

/* ERR_INPUT with the journal's name and the line. */
int reader_refuse(struct reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The next member that is not one of the common ones; false at the end of the line. */
bool reader_member(struct event *e);

/* What has to hold once all members were read: that it was JSON with the right number, and (timed)
 * that time doesn't go back. */
int reader_check(struct reader *r, const struct event *e);
int reader_check_timed(struct reader *r, const struct event *e);

/* Room for `more` in an array of n that lives in the arena. */
void *reader_grow(struct reader *r, void *v, size_t n, size_t more, size_t *cap, size_t size);

/* What doesn't fit becomes the largest that does. */
uint32_t reader_narrow(int64_t value);
/* An int; anything beyond is bad. */
int reader_small(struct scan *s);

/* The head and the end of a run. */
int reader_head(struct reader *r, struct event *e);
int reader_done(struct reader *r, struct event *e);

/* `node` lines; the first event makes them known: sorted, each named once. */
int reader_node(struct reader *r, struct event *e);
int reader_know_nodes(struct reader *r);
struct timing_node *reader_find_node(struct reader *r, enum kind kind, uint32_t index);

/* Events of attempts. */
int reader_begin(struct reader *r, struct event *e);
int reader_phase(struct reader *r, struct event *e);
int reader_intent(struct reader *r, struct event *e);
int reader_effect(struct reader *r, struct event *e);
int reader_end(struct reader *r, struct event *e);

/* What becomes of places. */
int reader_notice(struct reader *r, struct event *e);
int reader_gone(struct reader *r, struct event *e);
int reader_remake(struct reader *r, struct event *e);

/* Money: "a" of a begin or an effect, {"nusd":…} an hour; false: it says nothing of that. */
bool reader_hourly(struct scan *s, double *hourly_usd);
double reader_usd(int64_t nusd);
/* An instance stands for that index from t_ns on, in place of one before; id absent: it was there. */
void reader_live(struct reader *r, uint32_t index, int64_t t_ns, double hourly_usd, struct str id);
/* It was let go of. */
void reader_let_go(struct reader *r, uint32_t index, int64_t t_ns);
/* What each cost up to the last event, and all together. */
void reader_sum_lives(struct timings *t);

/* Slots, as attempts begin and end: of the node's last attempt. */
void reader_open_queues(struct reader *r);
void reader_make_slots(struct reader *r, const struct timing_node *environment);
void reader_take_slot(struct reader *r, struct timing_node *node);
void reader_give_slot(struct reader *r, const struct timing_node *node);

#endif
