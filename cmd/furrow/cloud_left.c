/* cloud_left: telling of what is in an account. */
#include "cmd/furrow/cloud_left.h"

#include "cmd/furrow/text.h"
#include "planner/base/clock.h"
#include "planner/base/json.h"

void
cloud_left_add(struct arena *a, struct leftovers *l, struct inventory *inv)
{
	size_t n;
	const struct inventory_item *items = inventory_items(inv, &n);

	for (size_t i = 0; i < n; i++) {
		struct leftover *added;

		if (items[i].stays.p)
			continue;
		leftovers_add(a, l, LEFT_CLOUD, items[i].what, arena_cstr(a, items[i].id), NULL);
		added = &l->v[l->n - 1];
		added->cloud = &items[i];
		added->region = inventory_region(inv);
		added->bytes = items[i].bytes;
	}
}

void
cloud_left_settle(struct leftovers *l)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->v[i].cloud)
			l->v[i].stays = !l->v[i].cloud->gone;
	}
}

static void
add_safe(struct buf *b, const char *before, struct str s, const char *behind)
{
	if (!s.n)
		return;
	buf_add_cstr(b, before);
	text_add_safe(b, s, 0);
	buf_add_cstr(b, behind);
}

void
cloud_left_add_words(struct buf *b, const struct inventory_item *item)
{
	const struct clock *clock = clock_system();
	char text[TEXT_BYTES];

	if (item->kind == INVENTORY_INSTANCE) {
		add_safe(b, "  ", item->type, "");
		add_safe(b, " in ", item->zone, "");
		buf_addf(b, ", %s%s", item->spot ? "spot, " : "", item->state);
	} else {
		add_safe(b, "  ", item->name, "");
	}
	if (item->since_wall_ns)
		buf_addf(b, ", %s %s", item->kind == INVENTORY_INSTANCE ? "launched" : "put there",
			text_ago(text, clock->wall_ns(clock->ctx) - item->since_wall_ns));
	add_safe(b, ", of job ", item->job, "");
}

void
cloud_left_add_members(struct buf *b, const struct inventory_item *item, const char *region)
{
	char since[CLOCK_RFC3339_BYTES];

	json_add_member_string(b, "region", str_from(region));
	if (item->job.p)
		json_add_member_string(b, "job", item->job);
	if (item->kind == INVENTORY_INSTANCE) {
		json_add_member_string(b, "type", item->type);
		json_add_member_string(b, "zone", item->zone);
		json_add_member_string(b, "state", str_from(item->state));
		json_add_member_bool(b, "spot", item->spot);
		if (item->run.p)
			json_add_member_string(b, "run", item->run);
	}
	if (item->since_wall_ns) {
		clock_format_rfc3339(since, item->since_wall_ns);
		json_add_member_string(b, "since", str_from(since));
	}
}

/* Of objects there may be thousands, which cost next to nothing. */
static bool
is_told(const struct inventory_item *item)
{
	return item->stays.p && (item->kind == INVENTORY_INSTANCE || item->kind == INVENTORY_GROUP);
}

void
cloud_left_write_kept(struct buf *b, struct inventory *inv)
{
	size_t n;
	const struct inventory_item *items = inventory_items(inv, &n);

	for (size_t i = 0; i < n; i++) {
		if (!is_told(&items[i]))
			continue;
		buf_addf(b, "= %-22s ", items[i].what);
		text_add_safe(b, items[i].id, 0);
		cloud_left_add_words(b, &items[i]);
		add_safe(b, ": ", items[i].stays, "\n");
	}
}

void
cloud_left_write_kept_json(struct buf *b, struct inventory *inv, size_t *n_shown)
{
	size_t n;
	const struct inventory_item *items = inventory_items(inv, &n);

	for (size_t i = 0; i < n; i++) {
		if (!is_told(&items[i]))
			continue;
		buf_add_cstr(b, (*n_shown)++ ? ",{" : "{");
		json_add_member_string(b, "what", str_from(items[i].what));
		json_add_member_string(b, "name", items[i].id);
		cloud_left_add_members(b, &items[i], inventory_region(inv));
		json_add_member_string(b, "why", items[i].stays);
		buf_add_char(b, '}');
	}
}

size_t
cloud_left_write_problems(struct buf *b, struct inventory *inv)
{
	struct arena a = {0};
	size_t n, n_left = 0;
	const struct inventory_item *items = inventory_items(inv, &n);

	for (size_t i = 0; i < n; i++) {
		const struct inventory_item *item = &items[i];
		struct str by_hand;

		if (item->stays.p || item->gone)
			continue;
		by_hand = inventory_by_hand(&a, item, inventory_region(inv));
		n_left++;
		buf_addf(b, "furrow: %s ", item->what);
		text_add_safe(b, item->id, 0);
		if (item->kind == INVENTORY_INSTANCE)
			buf_addf(b, " (%s)", item->state);
		buf_add_cstr(b, " is still there");
		add_safe(b, ": ", item->problem, "");
		add_safe(b, "\n        by hand: ", by_hand, "\n");
	}
	arena_free(&a);
	return n_left;
}
