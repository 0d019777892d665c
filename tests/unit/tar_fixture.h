/* tar_fixture: archives made by hand, also such as no tar program would make. */
#ifndef FURROW_TESTS_TAR_FIXTURE_H
#define FURROW_TESTS_TAR_FIXTURE_H

#include "planner/base/buf.h"

#include <stdio.h>

static inline void
tar_header(struct buf *b, const char *name, char type, unsigned mode, const char *link,
	unsigned long size)
{
	char h[512] = {0};
	unsigned sum = 0;

	memcpy(h, name, strlen(name) < 100 ? strlen(name) : 100);
	snprintf(h + 100, 8, "%07o", mode & 07777);
	snprintf(h + 108, 8, "%07o", 0);
	snprintf(h + 116, 8, "%07o", 0);
	snprintf(h + 124, 12, "%011lo", size);
	snprintf(h + 136, 12, "%011o", 0);
	h[156] = type;
	memcpy(h + 157, link, strlen(link) < 100 ? strlen(link) : 100);
	memcpy(h + 257, "ustar\00000", 8);
	memset(h + 148, ' ', 8);
	for (int i = 0; i < 512; i++)
		sum += (unsigned char)h[i];
	snprintf(h + 148, 7, "%06o", sum & 0777777);
	buf_add(b, h, sizeof(h));
}

static inline void
tar_content(struct buf *b, struct str content)
{
	static const char zeros[512];

	buf_add_str(b, content);
	buf_add(b, zeros, (512 - content.n % 512) % 512);
}

static inline void
tar_add(struct buf *b, const char *name, char type, unsigned mode, const char *link,
	struct str content)
{
	tar_header(b, name, type, mode, link, content.n);
	tar_content(b, content);
}

static inline void
tar_file(struct buf *b, const char *name, const char *content)
{
	tar_add(b, name, '0', 0644, "", str_from(content));
}

/* A pax extended header that says `key` of the member behind it. */
static inline void
tar_pax(struct buf *b, const char *key, struct str value)
{
	struct buf record = {0};
	size_t n = strlen(key) + value.n + 3, digits = 1;

	for (size_t m = n + digits; m >= 10; m /= 10)
		digits++;
	n += digits;
	if (n >= 10 && digits == 1)
		n++;
	buf_addf(&record, "%zu %s=", n, key);
	buf_add_str(&record, value);
	buf_add_char(&record, '\n');
	tar_add(b, "PaxHeader", 'x', 0644, "", buf_str(&record));
	buf_free(&record);
}

static inline void
tar_end(struct buf *b)
{
	static const char zeros[1024];

	buf_add(b, zeros, sizeof(zeros));
}

#endif
