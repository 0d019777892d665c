/* prices_list: AWS's price list (GetProducts): what instances cost on demand, a GiB of disk, a public
 * address. Its answers hold JSON in strings: each is a product with all its terms. */
#include "providers/aws/prices_parts.h"

#include "planner/base/json.h"
#include "providers/aws/endpoint.h"

#include <jansson.h>

/* One field and the only value of it that is wanted. */
struct wanted {
	const char *field, *value;
};
enum { WANTED_MOST = 6 };

static const struct {
	const char *service, *unit;
	struct wanted wanted[WANTED_MOST];
} parts[PRICE_PARTS] = {
	[PRICES_ON_DEMAND] = {"AmazonEC2", "Hrs",
		{{"operatingSystem", "Linux"}, {"tenancy", "Shared"}, {"preInstalledSw", "NA"},
			{"capacitystatus", "Used"}, {"marketoption", "OnDemand"}}},
	[PRICES_DISK] = {"AmazonEC2", "GB-Mo",
		{{"productFamily", "Storage"}, {"volumeApiName", "gp3"}}},
	[PRICES_ADDRESS] = {"AmazonVPC", "Hrs", {{"group", "VPCPublicIPv4Address"}}},
};

/* The price list is answered in few regions, each for all of its partition. */
static struct str
asked_in(struct str region)
{
	if (str_starts(region, STR("cn-")))
		return STR("cn-northwest-1");
	if (str_starts(region, STR("eu-")) || str_starts(region, STR("af-")) ||
		str_starts(region, STR("me-")) || str_starts(region, STR("il-")))
		return STR("eu-central-1");
	if (str_starts(region, STR("ap-")))
		return STR("ap-south-1");
	return STR("us-east-1");
}

static void
add_filter(struct buf *b, const char *field, struct str value)
{
	buf_addf(b, "%s{\"Type\":\"TERM_MATCH\",\"Field\":\"%s\",\"Value\":",
		b->p[b->n - 1] == '[' ? "" : ",", field);
	json_add_string(b, value);
	buf_add_char(b, '}');
}

static void
add_question(struct buf *b, enum price_part part, struct str region, struct str token)
{
	buf_addf(b,
		"{\"ServiceCode\":\"%s\",\"FormatVersion\":\"aws_v1\",\"MaxResults\":100,"
		"\"Filters\":[",
		parts[part].service);
	add_filter(b, "regionCode", region);
	for (const struct wanted *w = parts[part].wanted; w->field; w++)
		add_filter(b, w->field, str_from(w->value));
	buf_add_char(b, ']');
	if (token.p)
		json_add_member_string(b, "NextToken", token);
	buf_add_char(b, '}');
}

static struct str
text_of(const json_t *object, const char *name)
{
	return str_from(json_string_value(json_object_get(object, name)));
}

/* Whether it is of the region itself: the list knows local zones and Outposts as well, some by the same
 * region's code. */
static bool
is_meant(const json_t *product, enum price_part part, struct str region)
{
	const json_t *attributes = json_object_get(product, "attributes");
	struct str where = text_of(attributes, "locationType");

	if (where.p && !str_is(where, "AWS Region"))
		return false;
	if (!str_eq(text_of(attributes, "regionCode"), region))
		return false;
	for (const struct wanted *w = parts[part].wanted; w->field; w++) {
		bool family = strcmp(w->field, "productFamily") == 0;

		if (!str_is(text_of(family ? product : attributes, w->field), w->value))
			return false;
	}
	if (part == PRICES_ADDRESS)
		return str_ends(text_of(attributes, "usagetype"), STR("PublicIPv4:InUseAddress"));
	return true;
}

static struct str
name_of(const json_t *product, enum price_part part)
{
	if (part == PRICES_ON_DEMAND)
		return text_of(json_object_get(product, "attributes"), "instanceType");
	return part == PRICES_DISK ? STR("gp3") : STR("ipv4");
}

static void
add_row(struct price_finding *f, struct str name, double usd)
{
	struct ec2_price *row = ec2_list_add(f->arena, &f->rows, sizeof(*row));

	row->type = arena_str(f->arena, name);
	row->hourly_usd = usd;
}

/* One of a term's dimensions: the price of a unit, from so many units on. */
static void
add_dimension(
	struct price_finding *f, enum price_part part, struct str name, const json_t *dimension)
{
	const json_t *per_unit = json_object_get(dimension, "pricePerUnit");
	struct str unit = text_of(dimension, "unit"), usd = text_of(per_unit, "USD");
	const char *why;
	double price;

	if (!str_is(unit, parts[part].unit)) {
		price_doubt(f->arena, &f->doubts, "%.*s: a price for a unit of '%.*s', not '%s'",
			STR_ARG(name), STR_ARG(unit), parts[part].unit);
		return;
	}
	if (!usd.p) {
		const char *other = json_object_iter_key(json_object_iter((json_t *)per_unit));

		price_doubt(f->arena, &f->doubts, "%.*s: the price is in %s, not in USD",
			STR_ARG(name), other ? other : "no currency");
		return;
	}
	if (price_parse(usd, &price, &why))
		add_row(f, name, price);
	else
		price_doubt(f->arena, &f->doubts, "%.*s: '%.*s' USD: %s", STR_ARG(name),
			STR_ARG(usd), why);
}

static void
add_terms(struct price_finding *f, enum price_part part, struct str name, const json_t *terms)
{
	const json_t *on_demand = json_object_get(terms, "OnDemand"), *term, *dimension;
	const char *id;
	size_t n = 0;

	json_object_foreach((json_t *)on_demand, id, term)
	{
		json_t *dimensions = json_object_get(term, "priceDimensions");
		const char *rate;

		json_object_foreach(dimensions, rate, dimension)
		{
			add_dimension(f, part, name, dimension);
			n++;
		}
	}
	if (!n)
		price_doubt(f->arena, &f->doubts, "%.*s: no on-demand price", STR_ARG(name));
}

static void
add_entry(struct price_finding *f, enum price_part part, struct str region, const json_t *string)
{
	json_error_t problem = {.text = "it is no string"};
	json_t *entry = NULL;

	if (json_is_string(string))
		entry = json_loadb(json_string_value(string), json_string_length(string),
			JSON_REJECT_DUPLICATES, &problem);
	if (!json_is_object(json_object_get(entry, "product"))) {
		price_doubt(f->arena, &f->doubts, "an entry of the list is no product: %s",
			entry ? "it has none" : problem.text);
	} else if (is_meant(json_object_get(entry, "product"), part, region)) {
		struct str name = name_of(json_object_get(entry, "product"), part);

		if (name.n && !memchr(name.p, ' ', name.n) && !memchr(name.p, '\n', name.n))
			add_terms(f, part, name, json_object_get(entry, "terms"));
		else
			price_doubt(f->arena, &f->doubts, "an entry of the list names no type");
	}
	json_decref(entry);
}

int
price_list_parse(struct price_finding *f, enum price_part part, struct str region, struct str json,
	struct str *next, struct error *err)
{
	json_error_t problem;
	json_t *root = json_loadb(json.p ? json.p : "", json.n, JSON_REJECT_DUPLICATES, &problem);
	const json_t *list = json_object_get(root, "PriceList");
	struct str token = text_of(root, "NextToken");
	int rc = 0;

	*next = token.n ? arena_str(f->arena, token) : (struct str){0};
	if (!root)
		rc = error_set(err, ERR_HOST,
			"pricing GetProducts: the answer is no JSON: line %d, column %d: %s",
			problem.line, problem.column, problem.text);
	else if (!json_is_array(list))
		rc = error_set(err, ERR_HOST, "pricing GetProducts: the answer has no PriceList");
	for (size_t i = 0; i < json_array_size(list); i++)
		add_entry(f, part, region, json_array_get(list, i));
	json_decref(root);
	return rc;
}

static int
compare(const void *a, const void *b)
{
	const struct ec2_price *x = a, *y = b;
	int c = str_cmp(x->type, y->type);

	if (c == 0)
		c = (x->hourly_usd > y->hourly_usd) - (x->hourly_usd < y->hourly_usd);
	return c;
}

void
price_list_settle(struct price_finding *f)
{
	struct ec2_price *v = f->rows.v;
	size_t kept = 0, n = f->rows.n;

	if (n)
		qsort(v, n, sizeof(*v), compare);
	for (size_t i = 0, end; i < n; i = end) {
		end = i + 1;
		while (end < n && str_eq(v[end].type, v[i].type))
			end++;
		if (v[end - 1].hourly_usd > v[i].hourly_usd)
			price_doubt(f->arena, &f->doubts, "%.*s: two prices, %g and %g USD",
				STR_ARG(v[i].type), v[i].hourly_usd, v[end - 1].hourly_usd);
		else
			v[kept++] = v[i];
	}
	f->rows.n = kept;
}

int
price_list_may_ask(struct aws *aws, struct str region, struct error *err)
{
	struct aws_answer answer = {0};
	struct arena scratch = {0};
	struct buf body = {0};
	int rc;

	buf_add_cstr(&body, "{\"ServiceCode\":\"AmazonEC2\",\"FormatVersion\":\"aws_v1\","
			    "\"MaxResults\":1,\"Filters\":[");
	add_filter(&body, "regionCode", region);
	buf_add_cstr(&body, "]}");
	rc = aws_json_call(aws, &scratch, AWS_PRICING, asked_in(region),
		"AWSPriceListService.GetProducts", buf_str(&body), &answer, err);
	buf_free(&body);
	arena_free(&scratch);
	return rc;
}

static int
ask_page(struct aws *aws, enum price_part part, struct str region, struct price_finding *out,
	struct str *token, struct error *err)
{
	struct aws_answer answer = {0};
	struct arena scratch = {0};
	struct buf body = {0};
	struct str next = {0};
	int rc;

	add_question(&body, part, region, *token);
	rc = aws_json_call(aws, &scratch, AWS_PRICING, asked_in(region),
		"AWSPriceListService.GetProducts", buf_str(&body), &answer, err);
	if (rc == 0)
		rc = price_list_parse(out, part, region, answer.body, &next, err);
	if (rc == 0 && next.p && token->p && str_eq(next, *token))
		rc = error_set(err, ERR_HOST,
			"pricing GetProducts: a page names itself as the next one; try again");
	*token = next;
	buf_free(&body);
	arena_free(&scratch);
	return rc;
}

int
price_list_ask(struct aws *aws, enum price_part part, struct str region, struct price_finding *out,
	struct error *err)
{
	const char *partition = endpoint_partition(region);
	struct str token = {0};
	int rc;

	if (strcmp(partition, "aws") != 0 && strcmp(partition, "aws-cn") != 0)
		return error_set(err, ERR_INPUT,
			"the partition %s of %.*s has no price list of its own", partition,
			STR_ARG(region));
	do
		rc = ask_page(aws, part, region, out, &token, err);
	while (rc == 0 && token.p);
	if (rc == 0)
		price_list_settle(out);
	return rc;
}
