/* Saving what a student has done. Saves are idempotent in their effect: status and percent never fall, the earliest start and completion stay. */
#ifndef FB_PROGRESS_H
#define FB_PROGRESS_H

#include "origin/server/job.h"

extern const fb_stmt fb_sql_progress_save, fb_sql_attempt_target, fb_sql_attempt_save;

/* PUT /api/v1/items/{id}/progress */
void fb_progress_save(fb_job *job);
/* POST /api/v1/items/{id}/attempts */
void fb_attempt(fb_job *job);

/* 409: what has to be finished first, by its titles. */
void fb_progress_reply_locked(fb_job *job, const char *missing);

#endif
