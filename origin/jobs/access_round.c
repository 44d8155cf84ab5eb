#include "origin/jobs/access_round.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define NUMBER_BYTES 24

/* Where the reading of a stream stands: the row, and what Redis says. */
typedef struct {
    fb_access_id position;
    int64_t added; /* entries that the stream had got up to the position */
    fb_access_state stream;
    fb_access_entries entries;
} standing;

static bool fail(fb_access_round *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool fail(fb_access_round *r, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(r->error, sizeof r->error, fmt, ap);
    va_end(ap);
    return false;
}

/* ---- PostgreSQL */

PGresult *fb_access_query(fb_access_round *r, const char *sql, int nparams, const char *const *params, bool *refused) {
    PGresult *result = fb_pg_query(r->c, sql, nparams, params);
    if (PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_TUPLES_OK) {
        return result;
    }
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE), *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    char reason[300];
    fb_pg_reason(r->c, reason, sizeof reason);
    *refused = state && (strncmp(state, "22", 2) == 0 || strncmp(state, "23", 2) == 0 || strncmp(state, "54", 2) == 0);
    fail(r, "PostgreSQL refuses: %.300s", primary ? primary : *reason ? reason : "the connection was closed");
    PQclear(result);
    return NULL;
}

static bool run(fb_access_round *r, const char *sql, int nparams, const char *const *params) {
    bool refused;
    PGresult *result = fb_access_query(r, sql, nparams, params, &refused);
    PQclear(result);
    return result != NULL;
}

static void tenant_text(const fb_access_round *r, char out[NUMBER_BYTES]) {
    snprintf(out, NUMBER_BYTES, "%d", r->tenant_id);
}

static bool begin(fb_access_round *r) {
    char tenant[NUMBER_BYTES];
    tenant_text(r, tenant);
    return run(r, "BEGIN", 0, NULL) && run(r, "SELECT set_config('app.tenant', $1, true)", 1, (const char *const[]){tenant});
}

static void roll_back(fb_access_round *r) {
    char kept[sizeof r->error];
    memcpy(kept, r->error, sizeof kept);
    if (PQstatus(r->c) == CONNECTION_OK && !run(r, "ROLLBACK", 0, NULL)) {
        return; /* the connection is of no use any more, which the next statement will find */
    }
    memcpy(r->error, kept, sizeof kept);
}

/* 1: the row is ours until the end of the transaction; 0: it is somebody else's, or not there; -1: failed. */
static int lock_row(fb_access_round *r, const char *tenant, standing *s) {
    bool refused;
    PGresult *row = fb_access_query(r, "SELECT position, entries_added FROM access_streams WHERE tenant_id = $1::int FOR UPDATE SKIP LOCKED", 1,
                                    (const char *const[]){tenant}, &refused);
    int n = row ? PQntuples(row) : -1;
    if (n == 1) {
        uint64_t added = 0;
        bool ok = fb_access_id_read(bell_str_of(PQgetvalue(row, 0, 0)), &s->position) &&
                  bell_str_to_u64(bell_str_of(PQgetvalue(row, 0, 1)), INT64_MAX, &added);
        s->position = ok ? s->position : (fb_access_id){0, 0};
        s->added = (int64_t)added;
    }
    PQclear(row);
    return n;
}

/* The row, made when it is not there. ALL_READ stands for well. */
static fb_access_result take_row(fb_access_round *r, standing *s) {
    char tenant[NUMBER_BYTES];
    bool refused;
    tenant_text(r, tenant);
    int mine = lock_row(r, tenant, s);
    if (mine != 0) {
        return mine > 0 ? FB_ACCESS_ALL_READ : FB_ACCESS_FAILED;
    }
    PGresult *made = fb_access_query(r,
                                     "WITH known AS (SELECT id FROM tenants WHERE id = $1::int),"
                                     " made AS (INSERT INTO access_streams (tenant_id) SELECT id FROM known ON CONFLICT DO NOTHING RETURNING 1)"
                                     " SELECT (SELECT count(*) FROM known), (SELECT count(*) FROM made)",
                                     1, (const char *const[]){tenant}, &refused);
    if (!made) {
        return FB_ACCESS_FAILED;
    }
    bool known = *PQgetvalue(made, 0, 0) == '1', is_ours = *PQgetvalue(made, 0, 1) == '1';
    PQclear(made);
    return !known ? FB_ACCESS_NOBODY : is_ours ? FB_ACCESS_ALL_READ : FB_ACCESS_BUSY;
}

/* The position, and what became of the events, in the transaction that has their effects. */
static bool move_position(fb_access_round *r, const standing *s) {
    char tenant[NUMBER_BYTES], position[FB_ACCESS_ID_BYTES], numbers[7][NUMBER_BYTES];
    const fb_access_counts *n = &r->counts;
    const uint64_t counted = n->events - n->strangers - n->others - n->malformed;
    const uint64_t values[] = {(uint64_t)s->added, n->events, counted, n->strangers, n->others, n->malformed, r->lost};
    const char *params[10] = {tenant, position};
    tenant_text(r, tenant);
    fb_access_id_write(s->position, position);
    for (size_t i = 0; i < 7; i++) {
        snprintf(numbers[i], NUMBER_BYTES, "%llu", (unsigned long long)values[i]);
        params[2 + i] = numbers[i];
    }
    params[9] = r->anew ? "1" : "0";
    return run(r,
               "UPDATE access_streams SET position = $2, entries_added = $3::bigint, events = events + $4::bigint, counted = counted + $5::bigint,"
               " strangers = strangers + $6::bigint, others = others + $7::bigint, malformed = malformed + $8::bigint,"
               " batches_lost = batches_lost + $9::bigint, begun_anew = begun_anew + $10::bigint, read_at = now() WHERE tenant_id = $1::int",
               10, params);
}

/* ---- Redis */

/* A stream whose ids or number of entries went back is another one, or an older state of the same: Redis has lost it, and what is in it is read from
 * its beginning. What was counted already is counted again without effect. */
static bool is_another(const standing *s) {
    return fb_access_id_compare(s->stream.last, s->position) < 0 || s->stream.added < s->added;
}

/* Reads what is next. Entries that were read stay in the stream when a reader dies between its commit and this: they are removed here, and not
 * before. What the stream has got and has no more, and what was not read, was cut off: the edges keep it bounded. */
static fb_access_answer read_stream(fb_access_round *r, standing *s) {
    fb_access_answer answer = fb_access_look(r->redis, r->tenant_id, &s->stream);
    if (answer != FB_ACCESS_WELL) {
        return answer;
    }
    r->anew = is_another(s);
    s->position = r->anew ? (fb_access_id){0, 0} : s->position;
    s->added = r->anew ? 0 : s->added;
    int64_t removed = s->position.ms == 0 && s->position.seq == 0 ? 0 : fb_access_trim(r->redis, r->tenant_id, s->position);
    if (removed >= 0) {
        int64_t gone = s->stream.added - (s->stream.length - removed);
        r->anew = r->anew || gone < s->added; /* it was lost, and has got as many since */
        r->lost = !r->anew && gone > s->added ? (uint64_t)(gone - s->added) : 0;
        s->added = gone;
    }
    return fb_access_read(r->redis, r->tenant_id, s->position, r->most, &s->entries);
}

/* ---- a step */

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool collect(fb_access_round *r, const standing *s, fb_access_fetches *f) {
    bool ok = true;
    int64_t now = now_ms();
    for (size_t i = 0; ok && i < s->entries.n; i++) {
        const fb_access_entry *e = &s->entries.list[i];
        if (e->text.p) {
            ok = fb_access_fetches_add(f, e->text, now);
        } else {
            f->counts.events++; /* how many are in it nobody knows */
            f->counts.malformed++;
        }
    }
    return ok || fail(r, "there is no memory for the events");
}

static fb_access_result apply(fb_access_round *r, standing *s) {
    fb_access_fetches f;
    bool refused = false;
    fb_access_fetches_init(&f);
    bool ok = collect(r, s, &f);
    bool is_passed_over = s->entries.n == 1 && fb_access_id_compare(s->entries.list[0].id, r->pass_over) == 0;
    if (ok && is_passed_over) {
        f.counts = (fb_access_counts){.events = f.counts.events, .malformed = f.counts.events};
    } else if (ok) {
        ok = fb_access_apply(r, &f, &refused);
    }
    r->counts = f.counts;
    fb_access_fetches_fini(&f);
    s->position = s->entries.n > 0 ? s->entries.list[s->entries.n - 1].id : s->position;
    s->added += (int64_t)s->entries.n;
    r->position = s->position;
    if (ok && move_position(r, s) && run(r, "COMMIT", 0, NULL)) {
        return FB_ACCESS_MORE;
    }
    return refused ? FB_ACCESS_REFUSED : FB_ACCESS_FAILED;
}

static fb_access_result step(fb_access_round *r, standing *s) {
    fb_access_result result = take_row(r, s);
    if (result != FB_ACCESS_ALL_READ) {
        return result;
    }
    fb_access_answer answer = read_stream(r, s);
    if (answer == FB_ACCESS_AWAY) {
        return FB_ACCESS_NO_REDIS;
    }
    bool nothing = answer == FB_ACCESS_NONE || (s->entries.n == 0 && !r->anew && r->lost == 0);
    return nothing ? FB_ACCESS_ALL_READ : apply(r, s);
}

fb_access_result fb_access_round_run(fb_access_round *r) {
    standing s = {0};
    r->counts = (fb_access_counts){0};
    r->lost = 0;
    r->anew = false;
    r->error[0] = r->no_video[0] = 0;
    fb_access_result result = begin(r) ? step(r, &s) : FB_ACCESS_FAILED;
    if (result != FB_ACCESS_MORE) {
        roll_back(r);
    }
    fb_access_entries_free(&s.entries);
    return result;
}
