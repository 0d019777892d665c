/* Any bytes as an answer of AWS that is no success. The first line is the status and one header
 * ("403 x-amz-bucket-region: eu-west-1"), what follows the body. What comes out is printable, and judged
 * the same twice. */
#include "providers/aws/failure.h"
#include "providers/aws/retry.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
give_up(const char *what)
{
	fprintf(stderr, "%s\n", what);
	abort();
}

static void
check_word(const char *word, size_t size)
{
	if (strlen(word) >= size)
		give_up("a word without an end");
	for (; *word; word++) {
		if (*word <= ' ' || *word >= 0x7f)
			give_up("a code or id with blanks or controls in it");
	}
}

static void
check_line(struct str line)
{
	if (!line.p || line.n == 0 || !str_is_utf8(line))
		give_up("a message that is none");
	for (size_t i = 0; i < line.n; i++) {
		if ((unsigned char)line.p[i] < ' ' || line.p[i] == 0x7f)
			give_up("a message with controls in it");
	}
}

static void
check_verdict(const char *code, int status)
{
	struct aws_verdict v = aws_retry_judge(code, status), again = aws_retry_judge(code, status);
	uint64_t random = 1;

	if (v.code >= 0 || v.code != again.code || v.class != again.class || v.mend != again.mend)
		give_up("no verdict");
	if (v.class == CLASS_CAPACITY && v.untouched)
		give_up("capacity that is asked for again");
	if (aws_retry_delay_ns(v.class, 3, &random, 0) < 0)
		give_up("a delay into the past");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str body = {.p = (const char *)data, .n = size}, line = str_cut(&body, '\n');
	struct str number = str_cut(&line, ' '), name = str_cut(&line, ':');
	struct pair header = {name.p ? name : STR(""), line.p ? str_trim(line) : STR("")};
	struct pairs headers = {&header, 1};
	struct arena a = {0};
	struct failure f;
	int64_t status;

	if (!str_to_i64(number, &status) || status < 0 || status > 999)
		status = 500;
	failure_read(&a, &f, (int)status, &headers, body);
	check_word(f.code, sizeof(f.code));
	check_word(f.request_id, sizeof(f.request_id));
	check_word(f.region, sizeof(f.region));
	check_line(f.message);
	check_verdict(f.code, (int)status);
	failure_in_success(body);
	aws_retry_after_ns(arena_cstr(&a, header.value), arena_cstr(&a, header.value));
	arena_free(&a);
	return 0;
}
