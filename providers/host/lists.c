/* lists: counting and putting strings. */
#include "providers/host/lists.h"

size_t
list_bytes(const struct strings *v)
{
	size_t n = 4;

	for (size_t i = 0; i < v->n; i++)
		n += 4 + v->v[i].n;
	return n;
}

uint8_t *
list_put(uint8_t *at, const struct strings *v)
{
	at = put_u32(at, (uint32_t)v->n);
	for (size_t i = 0; i < v->n; i++)
		at = put_str(at, v->v[i]);
	return at;
}

size_t
list_bytes_of_pairs(const struct pairs *v)
{
	size_t n = 4;

	for (size_t i = 0; i < v->n; i++)
		n += 4 + v->v[i].name.n + 1 + v->v[i].value.n;
	return n;
}

uint8_t *
list_put_pairs(uint8_t *at, const struct pairs *v)
{
	at = put_u32(at, (uint32_t)v->n);
	for (size_t i = 0; i < v->n; i++) {
		const struct pair *p = &v->v[i];

		at = put_u32(at, (uint32_t)(p->name.n + 1 + p->value.n));
		memcpy(at, p->name.p, p->name.n);
		at += p->name.n;
		*at++ = '=';
		if (p->value.n)
			memcpy(at, p->value.p, p->value.n);
		at += p->value.n;
	}
	return at;
}
