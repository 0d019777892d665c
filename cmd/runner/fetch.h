/* fetch: `furrow-runner fetch COMMAND…`: what a task is started as whose input is an object of S3. */
#ifndef RUNNER_FETCH_H
#define RUNNER_FETCH_H

/* Fetches the object, then becomes the command. Returns an exit status when it did not. */
int fetch(char *const *command);

#endif
