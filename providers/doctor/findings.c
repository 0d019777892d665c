/* findings: the list of what was found. */
#include "providers/doctor/internal.h"

#include <stdarg.h>

const char *
doctor_verdict_name(enum doctor_verdict v)
{
	static const char *const names[] = {
		[DOCTOR_OK] = "ok", [DOCTOR_WARN] = "warn", [DOCTOR_FAIL] = "fail"};

	return names[v];
}

static struct doctor_finding *
add(struct doctor_findings *f)
{
	if (f->n == f->cap) {
		struct doctor_finding *v;

		f->cap = f->cap ? f->cap * 2 : 16;
		v = ARENA_ARRAY(f->arena, struct doctor_finding, f->cap);
		if (f->n)
			memcpy(v, f->v, f->n * sizeof(*v));
		f->v = v;
	}
	return &f->v[f->n++];
}

static struct str
format(struct arena *a, const char *fmt, va_list ap)
{
	struct buf b = {0};
	struct str s;

	buf_vaddf(&b, fmt, ap);
	s = arena_str(a, b.n ? buf_str(&b) : STR(""));
	buf_free(&b);
	return s;
}

struct doctor_finding *
doctor_add(struct doctor_findings *f, const char *check, enum doctor_verdict verdict,
	struct str tried, const char *found, ...)
{
	struct doctor_finding *out = add(f);
	va_list ap;

	va_start(ap, found);
	*out = (struct doctor_finding){.check = check,
		.verdict = verdict,
		.tried = arena_str(f->arena, tried),
		.found = format(f->arena, found, ap)};
	va_end(ap);
	return out;
}

void
doctor_advise(struct doctor_findings *f, struct doctor_finding *finding, const char *advice, ...)
{
	va_list ap;

	va_start(ap, advice);
	finding->advice = format(f->arena, advice, ap);
	va_end(ap);
}

struct doctor_finding *
doctor_add_error(struct doctor_findings *f, const char *check, enum doctor_verdict verdict,
	struct str tried, const struct error *err)
{
	struct doctor_finding *out = doctor_add(f, check, verdict, tried, "%s", err->message);

	out->input = err->code == ERR_INPUT && err->class != CLASS_DENIED;
	return out;
}
