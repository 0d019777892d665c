/* ec2_image: the image to boot: an id, or a public parameter of SSM that holds one. */
#include "providers/aws/ec2_parts.h"

#include "planner/base/json.h"

#include <jansson.h>

#define GIB (INT64_C(1) << 30)

static const char *
default_parameter(bool arm64, bool containers, bool gpus)
{
	if (containers && gpus && !arm64)
		return "/aws/service/ecs/optimized-ami/amazon-linux-2023/gpu/recommended/image_id";
	if (containers)
		return arm64 ? "/aws/service/ecs/optimized-ami/amazon-linux-2023/arm64/"
			       "recommended/image_id"
			     : "/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/"
			       "image_id";
	return arm64 ? "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"
		     : "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64";
}

/* "ami-…", or the member of an object, as the ECS and EKS images' parameters hold one. */
static struct str
id_in(struct arena *a, const char *value)
{
	json_t *object;
	struct str id = {0};

	if (strncmp(value, "ami-", 4) == 0)
		return arena_str(a, str_trim(str_from(value)));
	object = json_loads(value, 0, NULL);
	id = arena_str(a, str_from(json_string_value(json_object_get(object, "image_id"))));
	json_decref(object);
	return id;
}

int
ec2_parse_parameter(
	struct arena *a, struct str json, struct str name, struct str *id, struct error *err)
{
	json_error_t problem;
	json_t *root = json_loadb(json.p ? json.p : "", json.n, 0, &problem);
	const char *value;

	*id = (struct str){0};
	if (!root)
		return error_set(err, ERR_HOST,
			"ssm GetParameter %.*s: the answer is no JSON: line %d, column %d: %s",
			STR_ARG(name), problem.line, problem.column, problem.text);
	value = json_string_value(json_object_get(json_object_get(root, "Parameter"), "Value"));
	if (value)
		*id = id_in(a, value);
	json_decref(root);
	if (id->n)
		return 0;
	return error_set(err, value ? ERR_INPUT : ERR_HOST,
		"ssm GetParameter %.*s: its value names no image", STR_ARG(name));
}

static struct str
folder_of(struct str path)
{
	while (path.n > 1 && path.p[path.n - 1] != '/')
		path.n--;
	if (path.n > 1)
		path.n--;
	return path;
}

static int
ask_parameter(struct aws *aws, struct arena *a, struct str name, struct str *id, struct error *err)
{
	struct aws_answer answer = {0};
	struct buf body = {0};
	int rc;

	buf_add_cstr(&body, "{\"Name\":");
	json_add_string(&body, name);
	buf_add_cstr(&body, "}");
	rc = aws_json_call(aws, a, AWS_SSM, (struct str){0}, "AmazonSSM.GetParameter",
		buf_str(&body), &answer, err);
	buf_free(&body);
	if (rc < 0 && (rc == ERR_MISSING || strcmp(answer.code, "ParameterNotFound") == 0))
		return error_set(err, ERR_INPUT,
			"no parameter '%.*s' in %s: `aws ssm get-parameters-by-path --path %.*s "
			"--region %s` lists those there are",
			STR_ARG(name), aws_region(aws), STR_ARG(folder_of(name)), aws_region(aws));
	return rc < 0 ? rc : ec2_parse_parameter(a, answer.body, name, id, err);
}

static int64_t
disk_of(const struct xml *item, struct str root_device)
{
	const struct xml *m = xml_at(item, "blockDeviceMapping/item");

	while (m && !str_eq(xml_text(m, "deviceName"), root_device))
		m = xml_next(m);
	return xml_int(m, "ebs/volumeSize", 0) * GIB;
}

static const char *
user_of(struct str name)
{
	if (memmem(name.p, name.n, "ubuntu", 6))
		return "ubuntu";
	if (str_starts(name, STR("debian")))
		return "admin";
	return "ec2-user";
}

static const char *
arch_name(bool arm64)
{
	return arm64 ? "arm64" : "x86_64";
}

/* From an `item` of an imagesSet, for wish and architecture. ERR_INPUT: furrow cannot boot it. */
static int
parse_image(struct arena *a, const struct xml *item, bool arm64, struct ec2_image *out,
	struct error *err)
{
	struct str arch = xml_text(item, "architecture"), state = xml_text(item, "imageState");

	*out = (struct ec2_image){
		.id = arena_str(a, xml_text(item, "imageId")),
		.name = arena_str(a, xml_text(item, "name")),
		.root_device = arena_str(a, xml_text(item, "rootDeviceName")),
		.arm64 = str_is(arch, "arm64"),
	};
	if (!out->name.p)
		out->name = STR("");
	out->user = str_from(user_of(out->name));
	out->disk_bytes = disk_of(item, out->root_device);
	if (str_is(xml_text(item, "platform"), "windows"))
		return error_set(err, ERR_INPUT,
			"image %.*s (%.*s) is one of Windows; furrow needs Linux with cloud-init",
			STR_ARG(out->id), STR_ARG(out->name));
	if (!str_is(arch, arch_name(arm64)))
		return error_set(err, ERR_INPUT,
			"image %.*s (%.*s) is for %.*s, but the instance is %s: wish for "
			"instances.arch %.*s, or another image",
			STR_ARG(out->id), STR_ARG(out->name), STR_ARG(arch), arch_name(arm64),
			STR_ARG(arch));
	if (state.n && !str_is(state, "available"))
		return error_set(err, ERR_INPUT, "image %.*s (%.*s) is %.*s, not available",
			STR_ARG(out->id), STR_ARG(out->name), STR_ARG(state));
	return 0;
}

static int
describe(struct aws *aws, struct arena *a, struct str id, bool arm64, struct ec2_image *out,
	struct error *err)
{
	struct query q = {.service = AWS_EC2, .action = "DescribeImages"};
	struct aws_answer answer = {0};
	const struct xml *root, *item = NULL;
	int rc;

	query_add(&q, id, "ImageId.1");
	rc = query_call(aws, a, &q, &root, &answer, err);
	query_free(&q);
	if (rc == 0)
		item = xml_at(root, "imagesSet/item");
	else if (strncmp(answer.code, "InvalidAMIID.", 13) != 0)
		return rc;
	if (!item)
		return error_set(err, ERR_INPUT,
			"no image '%.*s' in %s that this account may use: an image belongs to one "
			"region, and has another id in each",
			STR_ARG(id), aws_region(aws));
	return parse_image(a, item, arm64, out, err);
}

int
ec2_find_image(struct aws *aws, struct arena *a, const struct instances *wish, bool arm64,
	bool containers, struct ec2_image *out, struct error *err)
{
	struct str id = wish->ami;
	struct str parameter = {0};
	int rc = 0;

	*out = (struct ec2_image){0};
	if (!id.p)
		parameter =
			str_from(default_parameter(arm64, containers, wish->gpus.name.p != NULL));
	else if (str_starts(id, STR("/")))
		parameter = id;
	if (parameter.p)
		rc = ask_parameter(aws, a, parameter, &id, err);
	if (rc == 0)
		rc = describe(aws, a, id, arm64, out, err);
	if (rc == ERR_INPUT && err && err->class != CLASS_DENIED && wish->pos_ami.line) {
		err->line = wish->pos_ami.line;
		err->col = wish->pos_ami.col;
	}
	return rc;
}
