/* manifest: where tasks run: environments, instances, places, `--infra`, and what local cannot give. */
#include "tests/unit/manifest_fixture.h"

static void
environments(void **state)
{
	struct fixture *f = *state;

	refuses(f, "environment: python:3.12\n", 4, 14, "did you mean {image: python:3.12}?");
	refuses(f, "environment: {image: a b}\n", 4, 22, "expected an image");
	refuses(f, "environment: {image: -v}\n", 4, 22, "expected an image");
	refuses(f, "environment: {image: 'docker://a/b'}\n", 4, 22, "did you mean 'a/b'?");
	refuses(f, "environment: {image: 'oci-archive:'}\n", 4, 22, "names no file");
	refuses(f, "environment: {image: a, build: {}}\n", 4, 32, "not both; image stands in f:4");
	refuses(f, "environment: {build: .}\n", 4, 22, "did you mean {context: .}?");
	refuses(f, "environment: {build: {context: ..}}\n", 4, 32, "has a part '..'");
	refuses(f, "environment: {build: {dockerfile: .}}\n", 4, 35,
		"expected a file in the context");
	refuses(f, "environment: {setup: [a]}\n", 4, 22, "environment.setup: found a list");
	refuses(f, "environment: {setup: 'x ${{ input }}'}\n", 4, 22, "'${{' has no meaning here");
	refuses(f, "environment: {setup: x, setup_files: req.txt}\n", 4, 38,
		"did you mean [req.txt]?");
	refuses(f, "environment: {setup: x, setup_files: [/etc/x]}\n", 4, 39, "begins with '/'");
	refuses(f, "environment: {setup: x, setup_files: [a/../../x]}\n", 4, 39, "has a part '..'");
	refuses(f, "environment: {setup: x, setup_files: ['']}\n", 4, 39, "empty");
	refuses(f, "environment: {setup: x, setup_files: [a, ./a]}\n", 4, 42,
		"in the list already");
	refuses(f, "environment: {env: [A=b]}\n", 4, 20, "did you mean {A: b}?");
	refuses(f, "environment: {env: {A-B: x}}\n", 4, 21, "'A-B' cannot name a variable");
	refuses(f, "environment: {env: {FURROW_RUN: x}}\n", 4, 21, "that furrow sets itself");
	refuses(f, "environment: {env: {TRACEPARENT: x}}\n", 4, 21, "that furrow sets itself");
	refuses(f, "environment: {env: {A: [x]}}\n", 4, 24,
		"environment.env.A: a list; expected text");
	refuses(f, "environment: {env: {A: }}\n", 4, 21,
		"no value; expected text (\"\" for an empty one)");
	refuses(f, "environment: {env: {A: \"a\\0b\"}}\n", 4, 24, "NUL byte");
	refuses(f, "environment: {secrets: [A, A]}\n", 4, 28, "in the list already");
	refuses(f, "environment: {secrets: [A B]}\n", 4, 25, "cannot name a variable");
	refuses(f, "environment: {secrets: [FURROW_X]}\n", 4, 25, "that furrow sets itself");
	refuses(f, "environment: {secrets: {A: b}}\n", 4, 24, "names alone");
	refuses(f, "environment: {secrets: [A], env: {A: b}}\n", 4, 25,
		"in environment.env as well");
	refuses(f, "environment: {FOO: bar}\n", 4, 15, "did you mean 'env: {FOO: …}'?");
	parses(f, MINIMAL "environment: {setup_files: [a]}\n");
	told(f, 4, 28, "without a 'setup' they have no effect");
}

static void
instances(void **state)
{
	struct fixture *f = *state;

	refuses(f, "instances: {infra: gcp/x}\n", 4, 20,
		"is no infra; expected local, or aws/REGION[/ZONE]");
	refuses(f, "instances: {infra: aws}\n", 4, 20, "names no region");
	refuses(f, "instances: {infra: us-east-2}\n", 4, 20, "did you mean 'aws/us-east-2'?");
	refuses(f, "instances: {infra: us-east-2b}\n", 4, 20,
		"did you mean 'aws/us-east-2/us-east-2b'?");
	refuses(f, "instances: {infra: aws/us-east-2/b}\n", 4, 20,
		"did you mean 'aws/us-east-2/us-east-2b'?");
	refuses(f, "instances: {infra: aws/us-east-2/us-west-2b}\n", 4, 20,
		"has no zone of that region");
	refuses(f, "instances: {infra: aws/useast}\n", 4, 20, "has no region of AWS");
	refuses(f, "instances: {infra: aws/us-east-2/us-east-2a/x}\n", 4, 20, "has no zone");
	refuses(f, "instances: {infra: localhost}\n", 4, 20, "did you mean 'local'?");
	refuses(f, "instances: {cpus: 0}\n", 4, 19, "instances.cpus: '0' is too small");
	refuses(f, "instances: {cpus: -1}\n", 4, 19, "is negative");
	refuses(f, "instances: {cpus: 8..4}\n", 4, 19, "ends before it begins");
	refuses(f, "instances: {cpus: [4]}\n", 4, 19, "found a list; expected a count or range");
	refuses(f, "instances: {memory: 16Gb}\n", 4, 21, "did you mean '16GiB'?");
	refuses(f, "instances: {gpus: {L4: 1}}\n", 4, 19, "did you mean 'L4:1'?");
	refuses(f, "instances: {gpus: 0}\n", 4, 19, "leave the key out when none is needed");
	refuses(f, "instances: {gpus: 'L4:x'}\n", 4, 19, "is no count");
	refuses(f, "instances: {gpus: ':1'}\n", 4, 19, "expected NAME:COUNT");
	refuses(f, "instances: {arch: amd64}\n", 4, 19, "did you mean 'x86_64'?");
	refuses(f, "instances: {arch: aarch64}\n", 4, 19, "did you mean 'arm64'?");
	refuses(f, "instances: {disk: 50}\n", 4, 19, "did you mean '50GiB'?");
	refuses(f, "instances: {disk: {warm: 300MiB/s}}\n", 4, 13,
		"instances.disk: 'size' is missing");
	refuses(f, "instances: {disk: {size: 1GiB, warm: 300MB/s}}\n", 4, 38,
		"did you mean '300MiB/s'?");
	refuses(f, "instances: {disk: {size: 1GiB, warm: 5MiB/s}}\n", 4, 38,
		"from 100MiB/s to 300MiB/s");
	refuses(f, "instances: {type: large}\n", 4, 19, "expected an instance type");
	refuses(f, "instances: {ami: ubuntu}\n", 4, 18, "expected an image id");
	refuses(f, "instances: {ami: /}\n", 4, 18, "or an SSM parameter");
	refuses(f, "instances: {ami: /a b}\n", 4, 18, "or an SSM parameter");
	refuses(f, "instances: {warm_files: /opt}\n", 4, 25, "a list of files and folders");
	refuses(f, "instances: {warm_files: [opt]}\n", 4, 26, "an absolute path, or pattern");
	refuses(f, "instances: {warm_files: [/opt/../x]}\n", 4, 26, "an absolute path");
	refuses(f, "instances: {warm_files: [/opt, /opt]}\n", 4, 32, "is in the list already");
	refuses(f, "instances: {spot: yes}\n", 4, 19, "did you mean 'true'?");
	refuses(f, "instances: {max_hourly_cost: $1}\n", 4, 30, "did you mean '1'?");
	refuses(f, "instances: {max_hourly_cost: 0}\n", 4, 30, "allows nothing");
	refuses(f, "instances: {max: 0}\n", 4, 18, "is too small");
	refuses(f, "instances: {idle: 10}\n", 4, 19, "did you mean '10s'?");
	refuses(f, "instances: {any_of: []}\n", 4, 21, "an empty list");
	refuses(f, "instances: {any_of: [local]}\n", 4, 22, "did you mean {infra: local}?");
	refuses(f, "instances: {any_of: [{max: 2}]}\n", 4, 23, "did you mean 'instances.max'?");
	refuses(f, "instances: {any_of: [{memory: 1}]}\n", 4, 31,
		"instances.any_of[0].memory: '1' is no size");
	refuses(f, "instances: {any_of: [{infra: local}, {infra: aws/us-east-2}]}\n", 4, 38,
		"don't mix");
	refuses(f, "instances: {use_spot: true}\n", 4, 13, "did you mean 'spot'?");
	refuses(f, "cpus: 4\n", 4, 1, "did you mean 'instances.cpus'?");
}

static void
places(void **state)
{
	struct fixture *f = *state;

	refuses(f, "workdir: https://x.org/r\n", 4, 10, "did you mean {url: https://x.org/r}?");
	refuses(f, "workdir: ~/src\n", 4, 10, "'~' is not expanded");
	refuses(f, "workdir: {}\n", 4, 10, "expected a folder");
	refuses(f, "workdir: {ref: x}\n", 4, 16, "a ref goes with a url");
	refuses(f, "workdir: {path: ., url: 'https://x.org/r'}\n", 4, 10, "exclude each other");
	refuses(f, "workdir: {url: '-upload-pack=x://'}\n", 4, 16, "begins with no '-'");
	refuses(f, "workdir: {url: 'https://x/r', ref: -x}\n", 4, 36,
		"expected a branch, tag or commit");
	refuses(f, "workdir: {url: nonsense}\n", 4, 16, "expected a git URL");
	refuses(f, "outputs: /out\n", 4, 10, "begins with '/'");
	refuses(f, "outputs: a/../b\n", 4, 10, "has a part '..'");
	refuses(f, "outputs: ./\n", 4, 10, "expected a folder below");
	refuses(f, "outputs: ''\n", 4, 10, "empty");
	refuses(f, "outputs: [a, b]\n", 4, 10, "one folder");
	refuses(f, "outputs: 'out-${{ input }}'\n", 4, 10, "has no meaning here");
	refuses(f, "results: .\n", 4, 10, "names no folder of its own");
	refuses(f, "results: ..\n", 4, 10, "names no folder of its own");
	refuses(f, "results: ''\n", 4, 10, "empty");
	refuses(f, "results: .furrow/x\n", 4, 10, "furrow's own state");
	refuses(f, "results: '${{ task.key }}'\n", 4, 10, "before its first template");
	refuses(f, "results: 'r-${{ task.key }}'\n", 4, 10, "before its first template");
	refuses(f, "results: 'r/${{ task.key }}/../x'\n", 4, 10, "behind a template");
	refuses(f, "results: 's3://X'\n", 4, 10, "expected a folder such as results/");
	refuses(f, "store: https://x\n", 4, 8, "expected a folder, or s3://");
	refuses(f, "store: s3://\n", 4, 8, "expected a folder, or s3://");
	refuses(f, "store: ~/x\n", 4, 8, "'~' is not expanded");
	parses(f, MINIMAL "results: /data/r\nstore: ../common\n");
	assert_true(str_is(f->m.results, "/data/r"));
}

static void
infra_override(void **state)
{
	struct fixture *f = *state;

	f->infra = "local";
	parses(f, everything);
	assert_int_equal(f->m.instances.infra.kind, INFRA_LOCAL);
	assert_int_equal(f->m.instances.any_of[1].infra.kind, INFRA_LOCAL);
	assert_null(f->m.store.p);
	told(f, 35, 8, "not used with --infra local");
	parses(f, MINIMAL "results: s3://bucket/x\n");
	assert_true(str_is(f->m.results, "results"));
	told(f, 4, 10, "not used with --infra local");
	f->infra = "aws/us-east-2";
	parses(f, MINIMAL);
	assert_int_equal(f->m.instances.infra.kind, INFRA_AWS);
	f->infra = "moon";
	parse(f, MINIMAL);
	assert_true(str_is(f->diags.v[0].pos.file, "--infra"));
	told(f, 0, 0, "is no infra");
}

static void
check_local(void **state)
{
	struct fixture *f = *state;

	parses(f, MINIMAL);
	manifest_check_local(&f->m, 2, 4 * GIB, ARCH_X86_64, &f->diags);
	assert_int_equal(f->diags.n, 0);
	parses(f, MINIMAL "instances: {cpus: 2+, memory: 4GiB+, spot: auto, max: 1, idle: 0, arch: "
			  "any, infra: local}\n");
	manifest_check_local(&f->m, 2, 4 * GIB, ARCH_X86_64, &f->diags);
	assert_int_equal(f->diags.n, 0);

	f->infra = "local";
	parses(f, everything);
	manifest_check_local(&f->m, 2, 4 * GIB, ARCH_X86_64, &f->diags);
	told(f, 12, 9, "at least 4 wanted, this machine has 2");
	told(f, 13, 11, "at least 8GiB wanted, this machine has 4GiB");
	told(f, 14, 9, "instances.gpus:");
	told(f, 15, 9, "this machine is x86_64, so what is made for arm64 doesn't run here");
	assert_int_equal(f->diags.n_errors, 1);
	told(f, 16, 9, "instances.disk:");
	told(f, 17, 9, "instances.type:");
	told(f, 18, 8, "instances.ami:");
	told(f, 19, 9, "instances.spot:");
	told(f, 20, 20, "instances.max_hourly_cost:");
	told(f, 21, 11, "instances.any_of:");
	told(f, 22, 8, "instances.max:");
	told(f, 23, 9, "instances.idle:");
	told(f, 34, 11, "max_cost:");

	f->infra = NULL;
	parses(f, MINIMAL "store: s3://bucket/a\nresults: s3://bucket/b\nmap: {inputs: {s3: "
			  "'s3://bucket/*'}}\n"
			  "retry: {attempts: 2, for: [no-capacity]}\n");
	manifest_check_local(&f->m, 2, 4 * GIB, ARCH_X86_64, &f->diags);
	assert_int_equal(f->diags.n_errors, 3);
	told(f, 4, 8, "store: 's3://bucket/a' cannot be reached with infra local");
	told(f, 5, 10, "results:");
	told(f, 6, 15, "map.inputs:");
	told(f, 7, 8, "nothing is tried again");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(environments),
		TEST(instances),
		TEST(places),
		TEST(infra_override),
		TEST(check_local),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
