/* pack: a task's outputs as a tar stream, piece by piece: what lies in work/OUTPUTS and in out/,
 * together, sorted by name. Files, folders, and symlinks that stay inside; anything else fails the
 * task. OUTPUTS may be a file; what isn't there is left out. A name that lies in both is an error,
 * unless it is a folder in both. */
#ifndef RUNNER_PACK_H
#define RUNNER_PACK_H

#include <stdint.h>
#include <sys/types.h>

struct pack;

/* task_fd: the task's folder. source: path, for the symlinks in work/ that the runner made (with
 * outputs "."); they are left out. Never NULL; what is wrong comes from pack_read. */
struct pack *pack_open(int task_fd, const char *outputs, const char *source);

/* The next bytes: as many as fit, fewer only at the end, 0: the end, -1: pack_error says why.
 * Nothing at all when there are no outputs. */
ssize_t pack_read(struct pack *p, void *out, size_t n);
/* Instead of reading, and quicker: looks at so many more entries and adds to *tar_bytes what reading
 * them would give. 1: that was all; 0: not yet; -1: pack_error says why not. */
int pack_measure(struct pack *p, unsigned n_entries, uint64_t *tar_bytes);
const char *pack_error(const struct pack *p);
uint64_t pack_files(const struct pack *p); /* packed so far */
uint64_t pack_bytes(const struct pack *p); /* in them */
void pack_close(struct pack *p);

#endif
