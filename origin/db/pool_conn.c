#include "origin/db/pool_conn.h"

#include <stdio.h>
#include <stdlib.h>

#include "origin/db/pg.h"
#include "origin/server/log.h"

#define CONNECT_TIMEOUT_MS 5000
#define RETRY_FIRST_MS     100
#define RETRY_MAX_MS       2000

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
    unsigned ms = RETRY_FIRST_MS << (c->tries > 5 ? 5 : c->tries);
    if (ms > RETRY_MAX_MS) {
        ms = RETRY_MAX_MS;
    }
    return ms / 2 + (unsigned)rand() % (ms / 2 + 1); /* jitter: not all workers at once */
}

/* The one way down: the socket closed, what was in flight told, the next try set. */
static void go_down(fb_pool_conn *c, const char *reason) {
    fb_pool *p = c->pool;

    if (!c->reported && !p->closing) {
        fb_log(FB_LOG_ERROR, "database connection lost: %s; trying again", reason);
        c->reported = true;
    }
    if (c->state == FB_POOL_CONN_READY) {
        p->nready--;
    }
    c->state = FB_POOL_CONN_DOWN;
    if (c->socket_armed) {
        event_del(&c->socket_event);
    }
    c->socket_armed = false;
    event_del(&c->timer);
    PQfinish(c->pg);
    c->pg = NULL;

    fb_ticket *t = c->flight_head;
    c->flight_head = c->flight_tail = NULL;
    c->nflight = 0;
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
        go_down(c, PQerrorMessage(c->pg));
    } else {
        watch(c, left > 0 ? EV_READ | EV_WRITE : EV_READ);
    }
}

static void quiet(void *arg, const PGresult *res) {
    (void)arg;
    (void)res;
}

static void begin_connect(fb_pool_conn *c) {
    c->pg = PQconnectStart(c->pool->options.conninfo);
    if (c->pg == NULL) {
        set_timer(c, RETRY_MAX_MS);
        return;
    }
    c->state = FB_POOL_CONN_CONNECTING;
    if (PQstatus(c->pg) == CONNECTION_BAD) {
        go_down(c, PQerrorMessage(c->pg));
        return;
    }
    PQsetNoticeReceiver(c->pg, quiet, NULL);
    watch(c, EV_WRITE);
    set_timer(c, CONNECT_TIMEOUT_MS);
}

/* A role that could look over the walls between tenants is not served with: better no answer than a foreign one. */
#define CHECK_ROLE "DO $$ BEGIN IF " FB_PG_ROLE_LOOKS_OVER " THEN RAISE EXCEPTION '%', format('" FB_PG_ROLE_REFUSED "', current_user); END IF; END $$"

#define NSETUP 2 /* statements before those that are prepared */

static bool send_plain(fb_pool_conn *c, const char *sql) {
    return PQsendQueryParams(c->pg, sql, 0, NULL, NULL, NULL, NULL, 0) == 1;
}

static void begin_prepare(fb_pool_conn *c) {
    const fb_stmt *const *s = c->pool->options.statements;
    char sql[64];

    c->state = FB_POOL_CONN_PREPARING;
    c->nprepared = 0;
    c->prepare_failed = false;
    snprintf(sql, sizeof(sql), "SET statement_timeout = %u", c->pool->options.statement_timeout_ms);
    bool sent = PQsetnonblocking(c->pg, 1) == 0 && PQenterPipelineMode(c->pg) == 1 && send_plain(c, sql) && send_plain(c, CHECK_ROLE);
    for (; sent && *s != NULL; s++) {
        sent = PQsendPrepare(c->pg, (*s)->name, (*s)->sql, (int)(*s)->nparams, NULL) == 1;
    }
    if (!sent || PQpipelineSync(c->pg) != 1) {
        go_down(c, PQerrorMessage(c->pg));
        return;
    }
    flush(c);
}

static void become_ready(fb_pool_conn *c) {
    event_del(&c->timer);
    c->state = FB_POOL_CONN_READY;
    c->tries = 0;
    if (c->reported) {
        fb_log(FB_LOG_NOTICE, "database connection is up again");
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
        go_down(c, PQerrorMessage(c->pg));
    }
}

static void take_prepare_result(fb_pool_conn *c, PGresult *res) {
    ExecStatusType st = PQresultStatus(res);

    if (st == PGRES_FATAL_ERROR) {
        const char *message = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
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
            go_down(c, "statements could not be prepared");
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

static void take_result(fb_pool_conn *c, PGresult *res) {
    fb_ticket *t = c->flight_head;
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
        c->flight_head = t->next;
        if (c->flight_head == NULL) {
            c->flight_tail = NULL;
        }
        c->nflight--;
        fb_ticket_end(t, FB_GROUP_OK);
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
        c->flight_head->next_call++;
    }
}

static void read_results(fb_pool_conn *c) {
    if (!PQconsumeInput(c->pg)) {
        go_down(c, PQerrorMessage(c->pg));
        return;
    }
    while ((c->state == FB_POOL_CONN_PREPARING || (c->state == FB_POOL_CONN_READY && c->flight_head != NULL)) && !PQisBusy(c->pg)) {
        PGresult *res = PQgetResult(c->pg);
        if (res == NULL && PQstatus(c->pg) == CONNECTION_BAD) {
            go_down(c, PQerrorMessage(c->pg));
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
        go_down(c, PQerrorMessage(c->pg));
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
        go_down(c, PQerrorMessage(c->pg));
    } else {
        go_down(c, "no answer in time while connecting");
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
        go_down(c, "shutting down");
    }
    event_del(&c->timer);
}

void fb_pool_conn_send(fb_pool_conn *c, fb_ticket *t) {
    fb_group *g = t->group;
    bool sent = true;

    t->ncalls = g->ncalls;
    if (c->flight_tail != NULL) {
        c->flight_tail->next = t;
    } else {
        c->flight_head = t;
    }
    c->flight_tail = t;
    c->nflight++;
    for (unsigned i = 0; sent && i < g->ncalls; i++) {
        sent = PQsendQueryPrepared(c->pg, g->calls[i].stmt->name, (int)g->calls[i].stmt->nparams, g->calls[i].params, NULL, NULL, 0) == 1;
    }
    int left = sent && PQpipelineSync(c->pg) == 1 ? PQflush(c->pg) : -1;
    if (left > 0) {
        watch(c, EV_READ | EV_WRITE);
    } else if (left < 0) {
        set_timer(c, 0); /* not from here: the caller is not to be called back from within */
    }
}
