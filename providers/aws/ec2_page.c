/* ec2_page: what all of EC2's describing calls share: filters, pages, and waiting for what EC2's
 * bookkeeping is late with. */
#include "providers/aws/ec2_parts.h"

#include "planner/suggest.h"

#include <stdio.h>
#include <time.h>

void *
ec2_list_add(struct arena *a, struct ec2_list *list, size_t size)
{
	if (list->n == list->cap) {
		size_t cap = list->cap ? list->cap * 2 : 16;
		void *v = arena_alloc_array(a, cap, size);

		if (list->n)
			memcpy(v, list->v, list->n * size);
		list->v = v;
		list->cap = cap;
	}
	return (char *)list->v + list->n++ * size;
}

void
ec2_add_filter(struct query *q, size_t number, const struct ec2_filter *filter)
{
	query_add(q, filter->name, "Filter.%zu.Name", number);
	for (size_t i = 0; i < filter->values.n; i++)
		query_add(q, filter->values.v[i], "Filter.%zu.Value.%zu", number, i + 1);
}

void
ec2_add_filter1(struct query *q, size_t number, const char *name, struct str value)
{
	struct ec2_filter filter = {str_from(name), {&value, 1}};

	ec2_add_filter(q, number, &filter);
}

struct strings
ec2_split(struct arena *a, struct str values)
{
	struct strings out = {.n = 1};

	for (size_t i = 0; i < values.n; i++)
		out.n += values.p[i] == ',';
	out.v = ARENA_ARRAY(a, struct str, out.n);
	for (size_t i = 0; i < out.n; i++)
		out.v[i] = str_cut(&values, ',');
	return out;
}

int
ec2_each_page(struct aws *aws, struct arena *a, struct query *q, ec2_page_fn *page, void *ctx,
	struct error *err)
{
	size_t first = q->params.n;
	struct arena scratch = {0};
	struct buf token = {0};
	int rc;

	do {
		const struct xml *root;
		struct str next;

		q->params.n = first;
		if (token.n)
			query_add(q, buf_str(&token), "NextToken");
		rc = query_call(aws, a ? a : &scratch, q, &root, NULL, err);
		if (rc == 0)
			rc = page(ctx, root, err);
		next = rc == 0 ? xml_text(root, "nextToken") : (struct str){0};
		if (next.n && str_eq(next, buf_str(&token)))
			rc = error_set(err, ERR_HOST,
				"ec2 %s: a page names itself as the next one; try again",
				q->action);
		buf_clear(&token);
		buf_add_str(&token, next);
		arena_reset(&scratch);
	} while (rc == 0 && token.n);
	buf_free(&token);
	arena_free(&scratch);
	return rc;
}

enum { LISTED = 40 };

int
ec2_unknown(struct arena *a, struct error *err, const char *what, struct str name,
	const char *where, const struct strings *known)
{
	const char **names = ARENA_ARRAY(a, const char *, known->n);
	struct buf list = {0};
	struct str hint;
	int rc;

	for (size_t i = 0; i < known->n; i++) {
		names[i] = arena_cstr(a, known->v[i]);
		if (known->n <= LISTED)
			buf_addf(&list, "%s%s", i ? ", " : "; there are ", names[i]);
	}
	if (known->n > LISTED)
		buf_addf(&list, "; there are %zu others", known->n);
	hint = suggest_hint(a, suggest_nearest(name, names, known->n));
	rc = error_set(err, ERR_INPUT, "no %s '%.*s' %s%s%.*s%s", what, STR_ARG(name), where,
		hint.p ? ": " : "", STR_ARG(hint), list.n ? buf_cstr(&list) : "");
	buf_free(&list);
	return rc;
}

static int64_t
now_ns(void)
{
	const struct clock *c = clock_system();

	return c->now_ns(c->ctx);
}

struct ec2_patience
ec2_patience(int64_t timeout_ns)
{
	return (struct ec2_patience){.begun_ns = now_ns(), .timeout_ns = timeout_ns};
}

bool
ec2_wait(struct ec2_patience *p)
{
	int64_t left = p->begun_ns + p->timeout_ns - now_ns();
	struct timespec t;

	if (left <= 0)
		return false;
	p->pause_ns = p->pause_ns ? p->pause_ns * 2 : 250 * NS_PER_MS;
	if (p->pause_ns > 5 * NS_PER_S)
		p->pause_ns = 5 * NS_PER_S;
	if (p->pause_ns > left)
		p->pause_ns = left;
	t = (struct timespec){p->pause_ns / NS_PER_S, p->pause_ns % NS_PER_S};
	while (nanosleep(&t, &t) != 0)
		;
	return true;
}
