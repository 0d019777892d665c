/* folder: where below the results folder a task's result comes to lie. What others need of it
 * stands in job.h (job_results_root, job_task_folder); here are its checks. */
#ifndef FURROW_FOLDER_H
#define FURROW_FOLDER_H

#include "planner/job.h"

/* The results' root must not be the workdir itself: results would become a part of the source. */
void folder_check_root(struct arena *a, const struct job *job, struct diagnostics *diags);

/* With a template in `results`: no folder twice, none in another. Needs tasks with labels and keys.
 */
void folder_check_tasks(const struct job *job, struct diagnostics *diags);

#endif
