#include "origin/server/job.h"

#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include "origin/server/log.h"
#include "origin/server/reply.h"
#include "origin/server/worker.h"

const fb_stmt fb_sql_tenant_enter = {"tenant_enter", "SELECT set_config('app.tenant', $1, true), set_config('statement_timeout', $2, true)", 2};
const fb_stmt fb_sql_session_enter = {"session_enter", "SELECT session_enter($1, $2, $3, $4), set_config('statement_timeout', $5, true)", 5};

static void on_group_done(fb_group *g, void *arg);
static void on_batched_done(fb_batched *b, void *arg);

void fb_job_init(fb_job *job, fb_worker *worker, const bell_http_request *request) {
    memset(job, 0, sizeof(*job));
    job->worker = worker;
    job->request = request;
    job->reply.fd = -1;
    bell_arena_init(&job->arena, FB_JOB_ARENA_BYTES);
    bell_buf_init(&job->body, (size_t)worker->settings->body_max_bytes);
    bell_buf_init(&job->reply.headers, 16 * 1024);
    bell_buf_init(&job->reply.body, FB_REPLY_MAX_BYTES);
    job->group.done = on_group_done;
    job->group.arg = job;
    job->batched.done = on_batched_done;
    job->batched.arg = job;
}

void fb_job_cancel(fb_job *job) {
    fb_group_cancel(&job->group);
    fb_batched_cancel(&job->batched);
    if (job->task != NULL) {
        fb_helper_cancel(job->task);
    }
    job->task = NULL;
    if (job->fetch != NULL) {
        fb_fetch_cancel(job->fetch);
    }
    job->fetch = NULL;
    job->next = NULL;
}

void fb_job_fini(fb_job *job) {
    fb_job_cancel(job);
    fb_reply_fini(&job->reply);
    bell_buf_fini(&job->body);
    bell_arena_fini(&job->arena);
}

static void resume(fb_job *job) {
    fb_step step = job->next;
    job->next = NULL;
    job->waits_for = NULL;
    step(job);
}

/* The statement that opens every group is its first call; it sets the time-out of those behind it, too. */
static void open_group(fb_job *job) {
    fb_group *g = &job->group;
    const char *tenant = fb_text_i64(job, job->tenant_id);
    unsigned timeout_ms = job->route->timeout_ms != 0 ? job->route->timeout_ms : (unsigned)job->worker->settings->db_statement_timeout_ms;
    const char *timeout = fb_text_i64(job, timeout_ms);

    g->timeout_ms = timeout_ms;
    g->ncalls = 1;
    if (!job->has_session || job->route->scope == FB_SCOPE_NONE || job->session_entered) {
        g->calls[0] = (fb_call){&fb_sql_tenant_enter, {tenant, timeout}};
        return;
    }
    job->session_entered = true;
    g->calls[0] =
        (fb_call){&fb_sql_session_enter,
                  {tenant, job->session.sid, fb_text_i64(job, (int64_t)job->session.user_id), fb_text_i64(job, job->session.role), timeout}};
}

void fb_call_add(fb_job *job, const fb_stmt *stmt, ...) {
    fb_group *g = &job->group;
    va_list ap;

    if (g->ncalls == 0 || g->results[0] != NULL) { /* the first of a new group */
        fb_group_clear(g);
        open_group(job);
    }
    if (g->ncalls == FB_GROUP_CALLS_MAX || stmt->nparams > FB_STMT_PARAMS_MAX) {
        fb_log(FB_LOG_ERROR, "statement %s does not fit into its group", stmt->name);
        abort(); /* a programmer's error, found by the first test of the route */
    }
    fb_call *c = &g->calls[g->ncalls++];
    c->stmt = stmt;
    va_start(ap, stmt);
    for (unsigned i = 0; i < stmt->nparams; i++) {
        c->params[i] = va_arg(ap, const char *);
    }
    va_end(ap);
}

static void answer_verdict(fb_job *job, fb_pool_verdict verdict) {
    switch (verdict) {
    case FB_POOL_SENT:
        return;
    case FB_POOL_FULL:
        fb_reply_problem(job, FB_PROBLEM_BUSY, NULL);
        return;
    case FB_POOL_DOWN:
        fb_reply_problem(job, FB_PROBLEM_DATABASE, NULL);
    }
}

void fb_await_db(fb_job *job, fb_step next) {
    job->next = next;
    job->waits_for = job->group.calls[job->group.ncalls - 1].stmt->name;
    answer_verdict(job, fb_pool_send(fb_worker_pool(job->worker, job->route->lane), &job->group));
}

static void answer_sql_error(fb_job *job, const char *sqlstate, const char *message) {
    if (strcmp(sqlstate, "FB401") == 0) {
        fb_reply_sign_in(job);
        return;
    }
    fb_log(FB_LOG_ERROR, "request %s: %s: SQLSTATE %s: %s", job->request_id, job->waits_for, sqlstate, message);
    if (strcmp(sqlstate, "57014") == 0) { /* query_canceled: the statement's time-out */
        fb_reply_problem(job, FB_PROBLEM_DEADLINE, "The records took too long to answer. What was being saved was not stored.");
    } else if (strcmp(sqlstate, "25006") == 0) { /* read_only_sql_transaction: the server is being replaced by another */
        fb_reply_problem(job, FB_PROBLEM_DATABASE, "The records take no changes at this moment. What was being saved was not stored.");
    } else if (strncmp(sqlstate, "53", 2) == 0 || strncmp(sqlstate, "57", 2) == 0 || strncmp(sqlstate, "40", 2) == 0) {
        fb_reply_problem(job, FB_PROBLEM_DATABASE, NULL); /* no resources, shutting down, serialization: worth another try */
    } else {
        fb_reply_problem(job, FB_PROBLEM_INTERNAL, NULL);
    }
}

/* true: it is done, and the job goes on */
static bool went_well(fb_job *job, fb_group_outcome outcome, const char *sqlstate, const char *message) {
    switch (outcome) {
    case FB_GROUP_OK:
        return true;
    case FB_GROUP_LOST:
        fb_reply_problem(job, FB_PROBLEM_DATABASE,
                         "The connection to the records broke. What you saved last may or may not be stored; saving again is safe.");
        return false;
    case FB_GROUP_SQL_ERROR:
        answer_sql_error(job, sqlstate, message);
    }
    return false;
}

static void on_group_done(fb_group *g, void *arg) {
    fb_job *job = arg;

    if (went_well(job, g->outcome, g->sqlstate, g->message)) {
        resume(job);
    }
}

const PGresult *fb_rows(const fb_job *job, unsigned i) {
    return job->group.results[i + 1];
}

void fb_await_batch(fb_job *job, fb_batcher *batcher, const fb_stmt *stmt, fb_step next, ...) {
    fb_batched *b = &job->batched;
    va_list ap;

    b->params[0] = fb_text_i64(job, job->tenant_id);
    b->params[1] = job->session.sid;
    b->params[2] = fb_text_i64(job, (int64_t)job->session.user_id);
    b->params[3] = fb_text_i64(job, job->session.role);
    va_start(ap, next);
    for (unsigned i = 4; i < stmt->nparams; i++) {
        b->params[i] = va_arg(ap, const char *);
    }
    va_end(ap);
    job->next = next;
    job->waits_for = stmt->name;
    answer_verdict(job, fb_batcher_add(batcher, b));
}

const PGresult *fb_batch_rows(const fb_job *job, int *row) {
    *row = job->batched.row;
    return job->batched.rows;
}

static void on_batched_done(fb_batched *b, void *arg) {
    fb_job *job = arg;

    if (went_well(job, b->outcome, b->sqlstate, b->message)) {
        resume(job);
    }
}

static void on_task_done(fb_task *t, void *owner) {
    fb_job *job = owner;
    (void)t;
    job->task = NULL;
    resume(job);
}

bool fb_try_task(fb_job *job, fb_task *task, fb_step next) {
    task->owner = job;
    task->done = on_task_done;
    if (!fb_helper_submit(job->worker->helper, task)) {
        task->drop(task);
        return false;
    }
    job->task = task;
    job->next = next;
    job->waits_for = "helper";
    return true;
}

void fb_await_task(fb_job *job, fb_task *task, fb_step next) {
    if (!fb_try_task(job, task, next)) {
        fb_reply_problem(job, FB_PROBLEM_BUSY, NULL);
    }
}

static void on_fetch_done(fb_fetch *f, void *owner) {
    fb_job *job = owner;
    (void)f;
    job->fetch = NULL;
    resume(job);
}

void fb_await_fetch(fb_job *job, fb_fetch *fetch, fb_step next) {
    fetch->tenant_id = job->tenant_id;
    fetch->owner = job;
    fetch->done = on_fetch_done;
    if (!fb_fetch_start(job->worker->fetcher, fetch)) {
        fb_reply_problem(job, FB_PROBLEM_BUSY, NULL);
        return;
    }
    job->fetch = fetch;
    job->next = next;
    job->waits_for = "another server";
}

const char *fb_text_i64(fb_job *job, int64_t v) {
    const char *z = bell_arena_printf(&job->arena, "%lld", (long long)v);
    return z != NULL ? z : "";
}

const char *fb_text(fb_job *job, bell_str s) {
    const char *z = bell_arena_strdup(&job->arena, s);
    return z != NULL ? z : "";
}

bell_str fb_col(const PGresult *r, int row, int col) {
    return (bell_str){PQgetvalue(r, row, col), (size_t)PQgetlength(r, row, col)};
}

int64_t fb_col_i64(const PGresult *r, int row, int col) {
    return strtoll(PQgetvalue(r, row, col), NULL, 10);
}

void fb_col_write_int(bell_json *j, const char *key, const PGresult *r, int row, int col) {
    bell_json_key(j, key);
    bell_json_int(j, fb_col_i64(r, row, col));
}

void fb_col_write_str(bell_json *j, const char *key, const PGresult *r, int row, int col) {
    bell_json_key(j, key);
    bell_json_str(j, fb_col(r, row, col));
}

void fb_col_write_int_or_null(bell_json *j, const char *key, const PGresult *r, int row, int col) {
    bell_json_key(j, key);
    if (PQgetisnull(r, row, col)) {
        bell_json_null(j);
    } else {
        bell_json_int(j, fb_col_i64(r, row, col));
    }
}

void fb_col_write_str_or_null(bell_json *j, const char *key, const PGresult *r, int row, int col) {
    bell_json_key(j, key);
    if (PQgetisnull(r, row, col)) {
        bell_json_null(j);
    } else {
        bell_json_str(j, fb_col(r, row, col));
    }
}

static char *put_two(char *p, int n) {
    p[0] = (char)('0' + n / 10 % 10);
    p[1] = (char)('0' + n % 10);
    return p + 2;
}

/* strftime would take longer than all the rest of an item. */
void fb_write_time(bell_json *j, int64_t unix_s) {
    char text[20], *p = text;
    time_t when = (time_t)unix_s;
    struct tm t;

    if (gmtime_r(&when, &t) == NULL || t.tm_year < -1900 || t.tm_year > 8099) { /* years of four digits */
        bell_json_null(j);
        return;
    }
    p = put_two(p, (t.tm_year + 1900) / 100);
    p = put_two(p, (t.tm_year + 1900) % 100);
    *p++ = '-';
    p = put_two(p, t.tm_mon + 1);
    *p++ = '-';
    p = put_two(p, t.tm_mday);
    *p++ = 'T';
    p = put_two(p, t.tm_hour);
    *p++ = ':';
    p = put_two(p, t.tm_min);
    *p++ = ':';
    p = put_two(p, t.tm_sec);
    *p++ = 'Z';
    bell_json_str(j, (bell_str){text, (size_t)(p - text)});
}

void fb_col_write_time_or_null(bell_json *j, const char *key, const PGresult *r, int row, int col) {
    bell_json_key(j, key);
    if (PQgetisnull(r, row, col)) {
        bell_json_null(j);
    } else {
        fb_write_time(j, fb_col_i64(r, row, col));
    }
}

void fb_rows_write(bell_json *j, const char *key, const PGresult *r, void (*write_row)(bell_json *j, const PGresult *r, int row)) {
    bell_json_key(j, key);
    bell_json_array_open(j);
    for (int row = 0; row < PQntuples(r); row++) {
        write_row(j, r, row);
    }
    bell_json_array_close(j);
}
