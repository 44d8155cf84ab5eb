/* Saving what a student has done. Saves are idempotent in their effect: status and percent never fall, the earliest start and completion stay. */
#ifndef FB_PROGRESS_H
#define FB_PROGRESS_H

#include "origin/server/job.h"

extern const fb_stmt fb_sql_item_target, fb_sql_progress_save, fb_sql_attempt_target, fb_sql_attempt_save;

/* PUT /api/v1/items/{id}/progress */
void fb_progress_save(fb_job *job);
/* POST /api/v1/items/{id}/attempts */
void fb_attempt(fb_job *job);

/* 404 or 409 when the first statement of the group (item_target or attempt_target) says so: true when answered. Its columns 0 and 1 are kind
 * and the missing conditions. */
bool fb_progress_refused(fb_job *job);

#endif
