#include "origin/db/pool_conn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "origin/db/pg.h"
#include "origin/db/resolver.h"
#include "origin/server/log.h"

#define CONNECT_TIMEOUT_MS      5000
#define CONNECT_TIMEOUT_MANY_MS 2000 /* with another host to go to */
#define RETRY_FIRST_MS          100
#define RETRY_MAX_MS            2000
#define CANCELLED               "57014" /* SQLSTATE query_canceled: by its time-out, or by somebody's cancel */
#define READ_ONLY               "25006" /* SQLSTATE read_only_sql_transaction */
#define RETRIES_MAX             2

static void on_socket(evutil_socket_t fd, short what, void *arg);
static void on_timer(evutil_socket_t fd, short what, void *arg);

/* Waits for exactly these directions on libpq's present socket (it changes while connecting). */
static void watch(fb_pool_conn *c, short interest) {
    int fd = PQsocket(c->pg);
    if (c->socket_armed && c->socket_interest == interest && event_get_fd(&c->socket_event) == fd) {
        return;
    }
    if (c->socket_armed) {
        event_del(&c->socket_event);
    }
    event_assign(&c->socket_event, c->pool->base, fd, interest | EV_PERSIST, on_socket, c);
    event_add(&c->socket_event, NULL);
    c->socket_armed = true;
    c->socket_interest = interest;
}

static void set_timer(fb_pool_conn *c, unsigned ms) {
    struct timeval tv = {ms / 1000, (ms % 1000) * 1000};
    event_add(&c->timer, &tv);
}

static unsigned retry_ms(const fb_pool_conn *c) {
    unsigned round = c->tries / c->pool->hosts.n; /* all hosts are tried before the first wait */
    if (c->tries > 0 && c->tries % c->pool->hosts.n != 0) {
        return 1;
    }
    unsigned ms = RETRY_FIRST_MS << (round > 5 ? 5 : round);
    if (ms > RETRY_MAX_MS) {
        ms = RETRY_MAX_MS;
    }
    return ms / 2 + (unsigned)rand() % (ms / 2 + 1); /* jitter: not all workers at once */
}

static void report_down(fb_pool_conn *c, const char *reason) {
    if (c->reported || c->pool->closing) {
        return;
    }
    int shown = (int)strcspn(reason, "\n");
    fb_log(FB_LOG_ERROR, "database connection lost (%s lane): %.*s; trying again", c->pool->options.name, shown, reason);
    c->reported = true;
}

void fb_pool_conn_down(fb_pool_conn *c, const char *reason) {
    fb_pool *p = c->pool;

    report_down(c, reason);
    if (c->state == FB_POOL_CONN_READY) {
        p->nready--;
    } else { /* it never came as far as that */
        c->host = (c->host + 1) % p->hosts.n;
    }
    c->state = FB_POOL_CONN_DOWN;
    c->leaving = false;
    if (c->socket_armed) {
        event_del(&c->socket_event);
    }
    c->socket_armed = false;
    event_del(&c->timer);
    PQfinish(c->pg);
    c->pg = NULL;
    fb_pool_conn_cancel_drop(c);

    fb_ticket *t = c->flight.head;
    c->flight = (fb_ticket_list){0};
    if (!p->closing) {
        c->tries++;
        set_timer(c, retry_ms(c));
    }
    while (t != NULL) {
        fb_ticket *next = t->next;
        fb_ticket_end(t, FB_GROUP_LOST);
        t = next;
    }
    if (!p->closing) {
        fb_pool_settle(p);
        fb_pool_pump(p);
    }
}

static void flush(fb_pool_conn *c) {
    int left = PQflush(c->pg);
    if (left < 0) {
        fb_pool_conn_down(c, PQerrorMessage(c->pg));
    } else {
        watch(c, left > 0 ? EV_READ | EV_WRITE : EV_READ);
    }
}

static void quiet(void *arg, const PGresult *res) {
    (void)arg;
    (void)res;
}

static unsigned connect_timeout_ms(const fb_pool *p) {
    return p->hosts.n > 1 ? CONNECT_TIMEOUT_MANY_MS : CONNECT_TIMEOUT_MS;
}

void fb_pool_conn_connect(fb_pool_conn *c, const char *addresses) {
    const fb_pool *p = c->pool;
    char names[FB_PG_NAMES_BYTES], rotated[FB_ADDRESSES_BYTES];
    fb_pg_host host = p->hosts.list[c->host];
    fb_pg_words w;

    if (addresses != NULL && !fb_pg_host_at(&host, addresses, c->tries / p->hosts.n, names, rotated)) {
        fb_pool_conn_down(c, "the name of the host is too long");
        return;
    }
    fb_pg_words_fill(&w, p->options.database, &host, p->options.user, p->options.application);
    c->pg = PQconnectStartParams(w.words, w.values, 1);
    if (c->pg == NULL) {
        fb_pool_conn_down(c, "out of memory");
        return;
    }
    c->state = FB_POOL_CONN_CONNECTING;
    if (PQstatus(c->pg) == CONNECTION_BAD) {
        fb_pool_conn_down(c, PQerrorMessage(c->pg));
        return;
    }
    PQsetNoticeReceiver(c->pg, quiet, NULL);
    watch(c, EV_WRITE);
    set_timer(c, connect_timeout_ms(p));
}

static void begin_connect(fb_pool_conn *c) {
    const fb_pg_host *host = &c->pool->hosts.list[c->host];

    if (host->hostaddr != NULL || !fb_resolver_is_name(host->host)) {
        fb_pool_conn_connect(c, NULL);
        return;
    }
    c->state = FB_POOL_CONN_LOOKING_UP;
    if (fb_pool_lookup_begin(c->pool, c->host)) {
        set_timer(c, connect_timeout_ms(c->pool));
    } else {
        fb_pool_conn_down(c, "there is neither memory nor thread nor descriptor to look the host's name up");
    }
}

/* A role that could look over the walls between tenants is not served with: better no answer than a foreign one. */
#define CHECK_ROLE "DO $$ BEGIN IF " FB_PG_ROLE_LOOKS_OVER " THEN RAISE EXCEPTION '%', format('" FB_PG_ROLE_REFUSED "', current_user); END IF; END $$"

#define NSETUP 2 /* statements before those that are prepared */

static bool send_plain(fb_pool_conn *c, const char *sql) {
    return PQsendQueryParams(c->pg, sql, 0, NULL, NULL, NULL, NULL, 0) == 1;
}

static bool send_setup(fb_pool_conn *c) {
    const fb_pool_options *o = &c->pool->options;
    char sql[64] = ""; /* an empty statement where a session keeps nothing */

    if (o->prepared) {
        snprintf(sql, sizeof(sql), "SET statement_timeout = %u", o->statement_timeout_ms);
    }
    bool sent = PQsetnonblocking(c->pg, 1) == 0 && PQenterPipelineMode(c->pg) == 1 && send_plain(c, sql) && send_plain(c, CHECK_ROLE);
    for (const fb_stmt *const *s = o->statements; sent && *s != NULL; s++) { /* unnamed: only to know whether it is right */
        sent = PQsendPrepare(c->pg, o->prepared ? (*s)->name : "", (*s)->sql, (int)(*s)->nparams, NULL) == 1;
    }
    return sent && PQpipelineSync(c->pg) == 1;
}

static void begin_prepare(fb_pool_conn *c) {
    c->state = FB_POOL_CONN_PREPARING;
    c->nprepared = 0;
    c->prepare_failed = false;
    if (send_setup(c)) {
        flush(c);
    } else {
        fb_pool_conn_down(c, PQerrorMessage(c->pg));
    }
}

static void become_ready(fb_pool_conn *c) {
    event_del(&c->timer);
    c->state = FB_POOL_CONN_READY;
    c->tries = 0;
    c->heard_ms = fb_pool_now_ms();
    if (c->reported) {
        fb_log(FB_LOG_NOTICE, "database connection is up again (%s lane)", c->pool->options.name);
    }
    c->reported = false;
    c->pool->nready++;
    fb_pool_settle(c->pool);
    fb_pool_pump(c->pool);
}

static void go_on_connecting(fb_pool_conn *c) {
    switch (PQconnectPoll(c->pg)) {
    case PGRES_POLLING_READING:
        watch(c, EV_READ);
        break;
    case PGRES_POLLING_WRITING:
        watch(c, EV_WRITE);
        break;
    case PGRES_POLLING_OK:
        begin_prepare(c);
        break;
    default:
        fb_pool_conn_down(c, PQerrorMessage(c->pg));
    }
}

static void take_prepare_result(fb_pool_conn *c, PGresult *res) {
    ExecStatusType st = PQresultStatus(res);

    if (st == PGRES_FATAL_ERROR) {
        const char *primary = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
        const char *message = primary != NULL ? primary : PQresultErrorMessage(res); /* libpq's own errors have no fields */
        if (c->nprepared < NSETUP) {
            fb_log(FB_LOG_ERROR, "a database connection is refused: %s", message);
        } else {
            fb_log(FB_LOG_ERROR, "statement %s cannot be prepared (is the schema migrated?): %s",
                   c->pool->options.statements[c->nprepared - NSETUP]->name, message);
        }
        c->prepare_failed = true;
        c->reported = true;
    }
    PQclear(res);
    if (st == PGRES_PIPELINE_SYNC) {
        if (c->prepare_failed) {
            fb_pool_conn_down(c, "statements could not be prepared");
        } else {
            become_ready(c);
        }
    }
}

static void keep_error(fb_group *g, const PGresult *res) {
    const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE), *message = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
    g->outcome = FB_GROUP_SQL_ERROR;
    snprintf(g->sqlstate, sizeof(g->sqlstate), "%s", state != NULL ? state : "XX000");
    snprintf(g->message, sizeof(g->message), "%s", message != NULL ? message : "unknown error");
}

/* The statement was cancelled long before its time-out: the cancel was meant for another. PostgreSQL has undone the whole group, so it may be sent
 * again, whatever it does. */
static bool was_hit_by_chance(const fb_pool_conn *c, const fb_ticket *t) {
    const fb_group *g = t->group;
    if (g == NULL || g->outcome != FB_GROUP_SQL_ERROR || strcmp(g->sqlstate, CANCELLED) != 0 || t->retries == RETRIES_MAX) {
        return false;
    }
    return t->exposed || (fb_pool_now_ms() - c->head_since_ms) * 2 < t->timeout_ms;
}

static void send_again(fb_ticket *t) {
    fb_group *g = t->group;
    for (unsigned i = 0; i < t->ncalls; i++) {
        PQclear(g->results[i]);
        g->results[i] = NULL;
    }
    g->outcome = FB_GROUP_OK;
    t->conn = NULL;
    t->next_call = 0;
    t->exposed = false;
    t->retries++;
    fb_ticket_prepend(&t->pool->waiting, t);
}

/* A Sync: the first group in flight is complete. */
static void take_sync(fb_pool_conn *c) {
    fb_ticket *t = c->flight.head;
    bool again = was_hit_by_chance(c, t);

    fb_ticket_remove(&c->flight, t);
    c->head_since_ms = c->heard_ms;
    fb_pool_conn_cancel_forget(c, t);
    if (again) {
        send_again(t);
        return;
    }
    c->leaving = c->leaving || (t->group != NULL && strcmp(t->group->sqlstate, READ_ONLY) == 0 && t->group->outcome == FB_GROUP_SQL_ERROR);
    fb_ticket_end(t, FB_GROUP_OK);
}

static void take_result(fb_pool_conn *c, PGresult *res) {
    fb_ticket *t = c->flight.head;
    fb_group *g = t->group;

    switch (PQresultStatus(res)) {
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
        if (g != NULL && t->next_call < t->ncalls && g->results[t->next_call] == NULL) {
            g->results[t->next_call] = res;
            return;
        }
        break;
    case PGRES_PIPELINE_ABORTED: /* behind the statement that failed */
        break;
    case PGRES_PIPELINE_SYNC:
        PQclear(res);
        take_sync(c);
        return;
    default:
        if (g != NULL && g->outcome == FB_GROUP_OK) {
            keep_error(g, res);
        }
    }
    PQclear(res);
}

/* NULL ends a statement's results; the next call of PQgetResult goes on with the next statement. */
static void take_end_of_statement(fb_pool_conn *c) {
    if (c->state == FB_POOL_CONN_PREPARING) {
        c->nprepared++;
    } else {
        c->flight.head->next_call++;
    }
}

static void read_results(fb_pool_conn *c) {
    if (!PQconsumeInput(c->pg)) {
        fb_pool_conn_down(c, PQerrorMessage(c->pg));
        return;
    }
    c->heard_ms = fb_pool_now_ms();
    while ((c->state == FB_POOL_CONN_PREPARING || (c->state == FB_POOL_CONN_READY && c->flight.n > 0)) && !PQisBusy(c->pg)) {
        PGresult *res = PQgetResult(c->pg);
        if (res == NULL && PQstatus(c->pg) == CONNECTION_BAD) {
            fb_pool_conn_down(c, PQerrorMessage(c->pg));
            return;
        }
        if (res == NULL) {
            take_end_of_statement(c);
        } else if (c->state == FB_POOL_CONN_PREPARING) {
            take_prepare_result(c, res);
        } else {
            take_result(c, res);
        }
    }
    if (c->state == FB_POOL_CONN_READY && PQstatus(c->pg) == CONNECTION_BAD) {
        fb_pool_conn_down(c, PQerrorMessage(c->pg));
    } else if (c->state == FB_POOL_CONN_READY && c->leaving && c->flight.n == 0) {
        fb_pool_conn_down(c, "the server takes no writes any more");
    }
}

static void on_socket(evutil_socket_t fd, short what, void *arg) {
    fb_pool_conn *c = arg;
    (void)fd;

    if (c->state == FB_POOL_CONN_CONNECTING) {
        go_on_connecting(c);
        return;
    }
    if (what & EV_WRITE) {
        flush(c);
    }
    if ((what & EV_READ) && c->pg != NULL) {
        read_results(c);
        if (c->state == FB_POOL_CONN_READY) {
            fb_pool_pump(c->pool);
        }
    }
}

static void on_timer(evutil_socket_t fd, short what, void *arg) {
    fb_pool_conn *c = arg;
    (void)fd;
    (void)what;

    if (c->state == FB_POOL_CONN_DOWN) {
        begin_connect(c);
    } else if (c->state == FB_POOL_CONN_READY) {
        fb_pool_conn_down(c, PQerrorMessage(c->pg));
    } else if (c->state == FB_POOL_CONN_LOOKING_UP) {
        fb_pool_conn_down(c, "the host's name could not be looked up in time");
    } else {
        fb_pool_conn_down(c, "no answer in time while connecting");
    }
}

void fb_pool_conn_start(fb_pool_conn *c, fb_pool *p) {
    c->pool = p;
    c->state = FB_POOL_CONN_DOWN;
    event_assign(&c->timer, p->base, -1, 0, on_timer, c);
    begin_connect(c);
}

void fb_pool_conn_stop(fb_pool_conn *c) {
    if (c->pg != NULL) {
        fb_pool_conn_down(c, "shutting down");
    }
    event_del(&c->timer);
}

static bool send_call(const fb_pool_conn *c, const fb_call *call) {
    const fb_stmt *s = call->stmt;
    if (c->pool->options.prepared) {
        return PQsendQueryPrepared(c->pg, s->name, (int)s->nparams, call->params, NULL, NULL, 0) == 1;
    }
    return PQsendQueryParams(c->pg, s->sql, (int)s->nparams, NULL, call->params, NULL, NULL, 0) == 1;
}

void fb_pool_conn_send(fb_pool_conn *c, fb_ticket *t) {
    const fb_group *g = t->group;
    bool sent = true;

    if (c->flight.n == 0) {
        c->head_since_ms = fb_pool_now_ms();
    }
    t->conn = c;
    fb_ticket_append(&c->flight, t);
    fb_pool_watch(c->pool);
    for (unsigned i = 0; sent && g != NULL && i < t->ncalls; i++) { /* a probe has no group */
        sent = send_call(c, &g->calls[i]);
    }
    int left = sent && PQpipelineSync(c->pg) == 1 ? PQflush(c->pg) : -1;
    if (left > 0) {
        watch(c, EV_READ | EV_WRITE);
    } else if (left < 0) {
        set_timer(c, 0); /* not from here: the caller is not to be called back from within */
    }
}

bool fb_pool_conn_probe(fb_pool_conn *c) {
    fb_ticket *t = calloc(1, sizeof(*t));
    if (t == NULL) {
        return false;
    }
    t->pool = c->pool;
    t->probe = true;
    fb_pool_conn_send(c, t);
    return true;
}
