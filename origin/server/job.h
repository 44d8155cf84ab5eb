/* A job is one request on its way through the origin: a handler of 3 to 7 named steps. A step adds statements and waits
 * (fb_await_db), gives its part of what is saved for many (fb_await_batch), hands work to the helper pool (fb_await_task), asks another server
 * (fb_await_fetch), or replies; job_resume is the only way back.
 * Locals live in the job's arena. Whoever waits can be cancelled: a reply that comes late finds nobody. Each job has one deadline, kept by its
 * connection. */
#ifndef FB_JOB_H
#define FB_JOB_H

#include "bell_arena.h"
#include "bell_http.h"
#include "bell_json.h"
#include "bell_token.h"
#include "origin/db/batch.h"
#include "origin/server/context.h"
#include "origin/server/fetch.h"
#include "origin/server/helper.h"
#include "origin/server/problem.h"

typedef struct fb_job fb_job;
typedef struct fb_route fb_route;
typedef struct fb_worker fb_worker;
typedef struct fb_static_file fb_static_file;
typedef void (*fb_step)(fb_job *job);

#define FB_ROUTE_IDS_MAX    2
#define FB_REQUEST_ID_BYTES 64
#define FB_JOB_ARENA_BYTES  (1024 * 1024)
#define FB_REPLY_MAX_BYTES  (8 * 1024 * 1024)

typedef struct {
    unsigned status;
    const char *content_type; /* NULL: no body */
    bell_buf headers;         /* further header lines, each with CRLF */
    bell_buf body;
    const fb_static_file *file; /* a body that lives longer than the job, in place of `body` */
    int fd;                     /* a file to send in place of a body; -1: none */
    uint64_t fd_first, fd_bytes;
} fb_reply;

struct fb_job {
    fb_worker *worker;
    void (*on_reply)(fb_job *job, void *arg); /* called once, when the reply is complete */
    void *on_reply_arg;
    bool replied;

    const bell_http_request *request; /* points into the connection's buffer */
    bell_buf body;
    const fb_route *route;
    uint64_t ids[FB_ROUTE_IDS_MAX]; /* of {id} in the route's pattern, in order */
    bell_str rest;                  /* of {path} */

    char request_id[FB_REQUEST_ID_BYTES + 1];
    int32_t tenant_id; /* 0: no edge has vouched for one */
    fb_context context;
    bool has_session;
    bell_token_claims session;

    bell_arena arena;
    fb_group group;
    fb_batched batched;
    bool session_entered; /* the first group checks the session, the later ones set the tenant only */
    fb_step next;
    fb_task *task;
    fb_fetch *fetch;
    const char *waits_for; /* named in the log when the deadline strikes */
    void *state;           /* the handler's own, in the arena */

    fb_reply reply;
};

/* What opens a group. */
extern const fb_stmt fb_sql_tenant_enter, fb_sql_session_enter;

void fb_job_init(fb_job *job, fb_worker *worker, const bell_http_request *request);
/* Nobody waits for its statements or its task any more; it may still reply. */
void fb_job_cancel(fb_job *job);
/* Cancels what is under way and frees all. */
void fb_job_fini(fb_job *job);

/* Adds a statement to the group that the next fb_await_db sends; the first one of a group frees the rows of the group before. Parameters are text, as
 * many as the statement has; NULL is SQL's NULL. */
void fb_call_add(fb_job *job, const fb_stmt *stmt, ...);
/* Sends the group under the job's tenant and, in a signed-in job, its session; `next` runs with its results. Errors, a lost connection and a
 * session that has ended are answered here and `next` is not called. */
void fb_await_db(fb_job *job, fb_step next);
/* The rows of the i-th statement of the last group. */
const PGresult *fb_rows(const fb_job *job, unsigned i);

/* Gives one row to a statement that saves for many clients in one commit (db/batch.h): the tenant, the session's id, user and role are its first four
 * parameters, the others follow as text. `next` runs when it is committed, with the job's row in fb_batch_rows at `*row`; errors and a lost
 * connection are answered here. What holds the statement to the tenant and to the session is the statement's. */
void fb_await_batch(fb_job *job, fb_batcher *batcher, const fb_stmt *stmt, fb_step next, ...);
const PGresult *fb_batch_rows(const fb_job *job, int *row);

/* Runs task->run on a helper thread, then `next`. false: the pool is full, and the task was dropped. */
bool fb_try_task(fb_job *job, fb_task *task, fb_step next) __attribute__((warn_unused_result));
/* The same, but a full pool is answered with 503. */
void fb_await_task(fb_job *job, fb_task *task, fb_step next);

/* Starts the fetch, then runs `next` with what it brought, which is gone when `next` returns. tenant_id, done and owner are set here; the fetch lives
 * in the job's arena. Answers 503 when there is no room. */
void fb_await_fetch(fb_job *job, fb_fetch *fetch, fb_step next);

/* Decimal text in the arena. Out of memory gives "", which no statement takes for a number. */
const char *fb_text_i64(fb_job *job, int64_t v);
const char *fb_text(fb_job *job, bell_str s);

/* One column of one row; empty for NULL. */
bell_str fb_col(const PGresult *r, int row, int col);
int64_t fb_col_i64(const PGresult *r, int row, int col);

/* The same as a member of the object that is open in the writer; NULL is written as null by the _or_null ones, as 0 or "" by the others. */
void fb_col_write_int(bell_json *j, const char *key, const PGresult *r, int row, int col);
void fb_col_write_str(bell_json *j, const char *key, const PGresult *r, int row, int col);
void fb_col_write_int_or_null(bell_json *j, const char *key, const PGresult *r, int row, int col);
void fb_col_write_str_or_null(bell_json *j, const char *key, const PGresult *r, int row, int col);
/* From whole seconds since 1970, what is cheapest for PostgreSQL to say and the same whatever its DateStyle: "2026-11-21T08:15:00Z". */
void fb_col_write_time_or_null(bell_json *j, const char *key, const PGresult *r, int row, int col);
/* A value of the same form. */
void fb_write_time(bell_json *j, int64_t unix_s);

/* A member of the object that is open in the writer: an array with what write_row makes of each row. */
void fb_rows_write(bell_json *j, const char *key, const PGresult *r, void (*write_row)(bell_json *j, const PGresult *r, int row));

#endif
