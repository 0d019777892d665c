/* xml: an answer of AWS as a tree, by expat. Namespaces are dropped from names; no DTD, no entities
 * beyond XML's five. */
#ifndef FURROW_AWS_XML_H
#define FURROW_AWS_XML_H

#include "planner/base/arena.h"
#include "planner/base/error.h"
#include "planner/base/str.h"

enum { XML_MAX_DEPTH = 64 };

struct xml {
	struct str name, text; /* text: all of this element's own, blanks at both ends cut */
	struct xml *first, *next;
};

/* ERR_HOST with line and column for what is no XML, too deep, or has a DTD. `what` is named in the
 * message ("ec2 DescribeInstances"). Blanks before the declaration are skipped. */
int xml_parse(
	struct arena *a, struct xml **root, struct str bytes, const char *what, struct error *err);

/* The child of this name, NULL when there is none or x is NULL; path: "placement/availabilityZone". */
const struct xml *xml_at(const struct xml *x, const char *path);
/* Its text, absent when there is no such element. */
struct str xml_text(const struct xml *x, const char *path);
/* The next sibling of the same name, or NULL. */
const struct xml *xml_next(const struct xml *x);
/* The first element of this name at any depth, x included. */
const struct xml *xml_find(const struct xml *x, const char *name);
/* As a number; `otherwise` when it is absent or none. */
int64_t xml_int(const struct xml *x, const char *path, int64_t otherwise);

#endif
