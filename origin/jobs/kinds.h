/* The kinds of work in the queue. A kind's function runs inside a transaction under the job's own tenant; when it returns true, the job's row
 * is deleted and all is committed together, when it returns false, everything is rolled back and the job is tried again later. Work may run
 * more than once (a worker can die behind its effect), so its effects are made to bear that. */
#ifndef FB_JOBS_KINDS_H
#define FB_JOBS_KINDS_H

#include "origin/db/pg.h"

#define FB_QUEUE_HOURLY "hourly" /* the dedupe_key of what a tenant gets every hour */

typedef struct {
    PGconn *c;
    const fb_settings *settings;
    int32_t tenant_id;
    char tenant[16]; /* the same as text, for parameters */
    char id[24];
    char *kind;    /* owned by the worker */
    char *payload; /* JSON; owned by the worker */
    int attempts;  /* this one included */
    char error[400];
} fb_queue_job;

typedef bool (*fb_kind_fn)(fb_queue_job *j);

typedef struct {
    const char *name;
    fb_kind_fn run;
    int max_attempts; /* then the row stays, in state 2, for somebody to look at */
    bool hourly;      /* kept scheduled for every tenant */
} fb_kind;

extern const fb_kind fb_kinds[];
extern const size_t fb_kinds_count;

/* NULL: none of that name. */
const fb_kind *fb_kind_find(const char *name);

/* Writes the sentence that the job fails with; returns false. */
bool fb_queue_job_fail(fb_queue_job *j, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A statement of the job. NULL when it failed, with the job's sentence written. */
PGresult *fb_queue_job_exec(fb_queue_job *j, const char *sql, int nparams, const char *const *params) __attribute__((warn_unused_result));
bool fb_queue_job_do(fb_queue_job *j, const char *sql, int nparams, const char *const *params) __attribute__((warn_unused_result));

bool fb_directory_publish(fb_queue_job *j);
bool fb_sessions_sweep(fb_queue_job *j);
bool fb_throttle_sweep(fb_queue_job *j);
bool fb_outbox_trim(fb_queue_job *j);
bool fb_codes_sweep(fb_queue_job *j);
bool fb_purges_trim(fb_queue_job *j);
bool fb_mail_reset(fb_queue_job *j);

#endif
