/* seal: making the source read-only for tasks, so that no task sees what another one did to it. */
#ifndef FURROW_RUNNER_SEAL_H
#define FURROW_RUNNER_SEAL_H

/* Lays a read-only mount over the folder, in a mount namespace that only this process and its
 * children see. Works for root on a host; elsewhere it changes nothing: another user's files are
 * without write permission, and a container has its source mounted read-only. */
void seal_folder(const char *path);

#endif
