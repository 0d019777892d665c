/* out: where output goes. Data goes to standard output, words to standard error; each is written
 * here and nowhere else. */
#ifndef FURROW_OUT_H
#define FURROW_OUT_H

#include "planner/base/buf.h"
#include "planner/base/error.h"

enum color { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

enum ink { INK_PLAIN, INK_BOLD, INK_DIM, INK_RED, INK_GREEN, INK_YELLOW, INK_CYAN };

/* The escape sequence that begins an ink (INK_PLAIN: ends it); "" when colours are off. */
const char *out_ink(bool color, enum ink ink);

/* Whether to colour what goes to fd: on a terminal, unless NO_COLOR is set or TERM is "dumb" or
 * missing. */
bool out_color(int fd, enum color wish);

/* Writes the buffer to standard output, and empties it. Returns 0, or the exit status to leave
 * with: a reader that went away is the reader's business and ends us in silence, anything else is
 * told. */
int out_data(struct buf *b);

/* One line of words on standard error, in one write; what a terminal would obey in it is '?'. */
void out_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The buffer on standard error, and empties it. */
void out_words(struct buf *b);
/* The same for lines that are in the form that was asked for already. */
void out_lines(struct buf *b);

/* For a program that reads standard error: from now on, words come as lines of
 * {"ev":"words","text":…}, what failed as {"ev":"error","text":…,"exit":…}. */
void out_say_as_json(bool on);

/* "furrow: MESSAGE" on standard error; returns the exit status that the error stands for. */
int out_fail(const struct error *err);
/* The same for what is wrong with a command line: returns 64. */
int out_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Asks on the terminal; false on anything but a clear yes. Only when out_can_ask(). */
bool out_can_ask(void);
bool out_ask(const char *question);

#endif
