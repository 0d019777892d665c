/* seal: a bind mount, remounted read-only. */
#include "cmd/runner/seal.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

/* A remount has to repeat what holds already, or it would allow more than before. */
static unsigned long
flags_of(const char *path)
{
	static const struct {
		unsigned long stat, mount;
	} flags[] = {
		{ST_NOSUID, MS_NOSUID},
		{ST_NODEV, MS_NODEV},
		{ST_NOEXEC, MS_NOEXEC},
		{ST_NOATIME, MS_NOATIME},
		{ST_NODIRATIME, MS_NODIRATIME},
		{ST_RELATIME, MS_RELATIME},
	};
	unsigned long found = 0;
	struct statvfs st;

	if (statvfs(path, &st) != 0)
		return 0;
	for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		if (st.f_flag & flags[i].stat)
			found |= flags[i].mount;
	}
	return found;
}

void
seal_folder(const char *path)
{
	unsigned long flags = MS_BIND | MS_REMOUNT | MS_RDONLY | flags_of(path);

	/* As a slave: what the host mounts and unmounts later is seen here, and nothing of ours there. */
	if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) != 0 ||
		mount(path, path, NULL, MS_BIND | MS_REC, NULL) != 0)
		return;
	if (mount(NULL, path, NULL, flags, NULL) != 0)
		umount2(path, MNT_DETACH);
}
