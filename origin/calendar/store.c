#include "origin/calendar/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_S            86400
#define LOCK_CLASS       "1667329132" /* "cale" in ASCII; with the tenant's id the key of an advisory lock */
#define ARRAY_MAX_BYTES  (FB_CALENDAR_SPANS_MAX * 24)
#define UIDS_MAX_BYTES   (FB_CALENDAR_EVENTS_MAX * (2 * FB_CALENDAR_UID_MAX + 4))
#define OCCURRENCES_TEXT "200000"

/* ---- the transaction */

/* A second one would come to wait for the first, and then do its work on other rows than it has read. */
static bool take_lock(const fb_calendar_tenant *t) {
    return fb_pg_do(t->c, "SELECT pg_advisory_xact_lock(" LOCK_CLASS ", $1::integer)", 1, (const char *const[]){t->tenant});
}

static bool read_zone(fb_calendar_tenant *t) {
    PGresult *r = fb_pg_exec(t->c, "SELECT time_zone FROM tenants WHERE id = $1", 1, (const char *const[]){t->tenant});
    bool ok = r != NULL && PQntuples(r) == 1;

    snprintf(t->zone_name, sizeof t->zone_name, "%s", ok ? PQgetvalue(r, 0, 0) : "");
    PQclear(r);
    t->zone = ok ? fb_calendar_zone(t->zone_name) : NULL;
    if (ok && !t->zone) {
        fprintf(stderr, "firstbell: the time zone of %s is \"%s\", which this machine does not know; `firstbell tenant set` sets another\n", t->name,
                t->zone_name);
    }
    return t->zone != NULL;
}

bool fb_calendar_begin(const fb_settings *s, const char *command, const char *name, bool lock, fb_calendar_tenant *t) {
    *t = (fb_calendar_tenant){.c = fb_pg_connect(s, "fb_operator", command), .name = name};
    t->tenant_id = t->c ? fb_pg_tenant_id(t->c, name) : 0;
    snprintf(t->tenant, sizeof t->tenant, "%d", t->tenant_id);
    return t->tenant_id > 0 && fb_pg_begin_tenant(t->c, t->tenant_id) && (!lock || take_lock(t)) && read_zone(t);
}

bool fb_calendar_commit(const fb_calendar_tenant *t) {
    return fb_pg_do(t->c, "SELECT pg_notify('firstbell_calendar', '')", 0, NULL) && fb_pg_do(t->c, "COMMIT", 0, NULL);
}

void fb_calendar_close(fb_calendar_tenant *t) {
    PQfinish(t->c);
    t->c = NULL;
}

int64_t fb_calendar_from(int64_t now_s) {
    return now_s - DAY_S;
}

int64_t fb_calendar_to(int64_t now_s) {
    return now_s + (int64_t)FB_CALENDAR_DAYS_AHEAD * DAY_S;
}

/* ---- events */

fb_calendar_put fb_calendar_put_event(const fb_calendar_tenant *t, fb_calendar_source source, const fb_calendar_event *e, const char *ics,
                                      char id[24]) {
    static const char before[] = "SELECT id, kind = $3::smallint AND source = $4::smallint AND summary = $5 AND ics = $6 FROM calendar_events "
                                 "WHERE tenant_id = $1::integer AND uid = $2";
    static const char put[] =
        "INSERT INTO calendar_events AS e (tenant_id, uid, kind, source, summary, ics) "
        "VALUES ($1::integer, $2, $3::smallint, $4::smallint, $5, $6) "
        "ON CONFLICT (tenant_id, uid) DO UPDATE SET kind = EXCLUDED.kind, source = EXCLUDED.source, summary = EXCLUDED.summary, "
        "ics = EXCLUDED.ics RETURNING id";
    char kind[4], from[4];
    snprintf(kind, sizeof kind, "%d", (int)e->kind);
    snprintf(from, sizeof from, "%d", (int)source);
    const char *const params[] = {t->tenant, e->uid, kind, from, e->summary, ics};
    PGresult *r = fb_pg_exec(t->c, before, 6, params);
    if (!r) {
        return FB_CALENDAR_FAILED;
    }
    bool there = PQntuples(r) == 1, same = there && *PQgetvalue(r, 0, 1) == 't';
    if (!same) {
        PQclear(r);
        r = fb_pg_exec(t->c, put, 6, params);
    }
    snprintf(id, 24, "%s", r ? PQgetvalue(r, 0, 0) : "");
    fb_calendar_put result = !r ? FB_CALENDAR_FAILED : same ? FB_CALENDAR_UNCHANGED : there ? FB_CALENDAR_UPDATED : FB_CALENDAR_ADDED;
    PQclear(r);
    /* Of another kind the same times have other windows. */
    if (result == FB_CALENDAR_UPDATED && !fb_pg_do(t->c, "DELETE FROM calendar_occurrences WHERE tenant_id = $1::integer AND event_id = $2::bigint",
                                                   2, (const char *const[]){t->tenant, id})) {
        result = FB_CALENDAR_FAILED;
    }
    return result;
}

static void write_array(bell_buf *b, const fb_calendar_spans *spans, bool of_starts) {
    bell_buf_init(b, ARRAY_MAX_BYTES);
    for (size_t i = 0; i < spans->n; i++) {
        bell_buf_add_char(b, i == 0 ? '{' : ',');
        bell_buf_add_i64(b, of_starts ? spans->all[i].start_s : spans->all[i].end_s);
    }
    bell_buf_add_z(b, spans->n == 0 ? "{}" : "}");
    bell_buf_add_char(b, '\0');
}

bool fb_calendar_put_spans(const fb_calendar_tenant *t, const char *id, int64_t from_s, int64_t to_s, const fb_calendar_spans *spans) {
    char from[24], to[24];
    bell_buf starts, ends;

    write_array(&starts, spans, true);
    write_array(&ends, spans, false);
    snprintf(from, sizeof from, "%lld", (long long)from_s);
    snprintf(to, sizeof to, "%lld", (long long)to_s);
    bool ok = !starts.failed && !ends.failed;
    if (!ok) {
        fprintf(stderr, "firstbell: there is no memory for %zu times of an event\n", spans->n);
    }
    ok = ok && fb_pg_do(t->c,
                        "SELECT calendar_lay_out($1::integer, $2::bigint, to_timestamp($3::bigint), $4::bigint[], $5::bigint[],"
                        " CASE WHEN $6::boolean THEN to_timestamp($7::bigint) ELSE 'infinity' END)",
                        7, (const char *const[]){t->tenant, id, from, starts.p, ends.p, spans->has_more ? "t" : "f", to});
    bell_buf_fini(&starts);
    bell_buf_fini(&ends);
    return ok;
}

static long drop(const fb_calendar_tenant *t, const char *sql, fb_calendar_source source, const char *text) {
    char from[4];
    snprintf(from, sizeof from, "%d", (int)source);
    PGresult *r = fb_pg_exec(t->c, sql, 3, (const char *const[]){t->tenant, from, text});
    long n = r ? atol(PQcmdTuples(r)) : -1;
    PQclear(r);
    return n;
}

long fb_calendar_drop_events(const fb_calendar_tenant *t, fb_calendar_source source, const char *uid) {
    return drop(t, "DELETE FROM calendar_events WHERE tenant_id = $1::integer AND source = $2::smallint AND ($3::text IS NULL OR uid = $3)", source,
                uid);
}

/* A list of texts as PostgreSQL reads it. */
static void add_quoted(bell_buf *b, const char *text) {
    bell_buf_add_z(b, b->len > 1 ? ",\"" : "\"");
    for (const char *p = text; *p; p++) {
        if (*p == '"' || *p == '\\') {
            bell_buf_add_char(b, '\\');
        }
        bell_buf_add_char(b, *p);
    }
    bell_buf_add_char(b, '"');
}

long fb_calendar_drop_others(const fb_calendar_tenant *t, fb_calendar_source source, const fb_calendar *c) {
    bell_buf uids;
    long n = -1;

    bell_buf_init(&uids, UIDS_MAX_BYTES);
    bell_buf_add_char(&uids, '{');
    for (size_t i = 0; i < c->nevents; i++) {
        add_quoted(&uids, c->events[i].uid);
    }
    bell_buf_add(&uids, "}", 2); /* with its NUL */
    if (uids.failed) {
        fprintf(stderr, "firstbell: there is no memory for the names of %zu events\n", c->nevents);
    } else {
        n = drop(t, "DELETE FROM calendar_events WHERE tenant_id = $1::integer AND source = $2::smallint AND uid <> ALL ($3::text[])", source,
                 uids.p);
    }
    bell_buf_fini(&uids);
    return n;
}

bool fb_calendar_has_room(const fb_calendar_tenant *t) {
    PGresult *r = fb_pg_exec(t->c, "SELECT count(*) FROM calendar_occurrences WHERE tenant_id = $1::integer", 1, (const char *const[]){t->tenant});
    bool ok = r && atol(PQgetvalue(r, 0, 0)) <= FB_CALENDAR_OCCURRENCES_MAX;
    if (r && !ok) {
        fprintf(stderr, "firstbell: the events of %s take place %s times within %d days; at most " OCCURRENCES_TEXT " are kept\n", t->name,
                PQgetvalue(r, 0, 0), FB_CALENDAR_DAYS_AHEAD);
    }
    PQclear(r);
    return ok;
}

/* ---- the record */

bool fb_calendar_record(const fb_calendar_tenant *t, const fb_calendar_change *change) {
    const long counts[] = {(long)change->deed, change->refused ? 2 : 1, change->added,   change->updated,
                           change->unchanged,  change->removed,         change->skipped, change->errors};
    char texts[8][24];
    for (size_t i = 0; i < 8; i++) {
        snprintf(texts[i], sizeof texts[i], "%ld", counts[i]);
    }
    return fb_pg_do(
        t->c,
        "INSERT INTO calendar_changes (tenant_id, subject, what, outcome, added, updated, unchanged, removed, skipped, errors) "
        "VALUES ($1::integer, left($2, 200), $3::smallint, $4::smallint, $5::integer, $6::integer, $7::integer, $8::integer, $9::integer, "
        "$10::integer)",
        10, (const char *const[]){t->tenant, change->subject, texts[0], texts[1], texts[2], texts[3], texts[4], texts[5], texts[6], texts[7]});
}
