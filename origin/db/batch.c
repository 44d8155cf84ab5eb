#include "origin/db/batch.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

#include "bell_buf.h"

#define COLUMN_MAX_BYTES (1 << 20) /* of the text of an array */

const fb_stmt fb_sql_batch_open = {"batch_open", "SELECT set_config('statement_timeout', $1, true)", 1};

typedef struct fb_batch {
    fb_batcher *owner;
    fb_group group;
    bell_buf columns[FB_STMT_PARAMS_MAX];
    fb_batched *rows[FB_BATCH_ROWS_MAX]; /* NULL: cancelled, or answered */
    unsigned nrows, nlive;
    bool busy;
} fb_batch;

struct fb_batcher {
    fb_pool *pool;
    fb_batcher_options options;
    char timeout[16];
    struct event *kick; /* runs once all that the loop has for now is read: so what comes together goes together */
    fb_batched *head, *tail;
    unsigned nwaiting;
    fb_batch batches[];
};

/* ---- those who wait */

static void append(fb_batcher *b, fb_batched *row) {
    row->next = NULL;
    row->prev = b->tail;
    *(b->tail != NULL ? &b->tail->next : &b->head) = row;
    b->tail = row;
    b->nwaiting++;
}

static void prepend(fb_batcher *b, fb_batched *row) {
    row->prev = NULL;
    row->next = b->head;
    *(b->head != NULL ? &b->head->prev : &b->tail) = row;
    b->head = row;
    b->nwaiting++;
}

static void unlink_row(fb_batcher *b, fb_batched *row) {
    *(row->prev != NULL ? &row->prev->next : &b->head) = row->next;
    *(row->next != NULL ? &row->next->prev : &b->tail) = row->prev;
    row->prev = row->next = NULL;
    b->nwaiting--;
}

/* ---- answers */

static void tell(fb_batched *row, fb_group_outcome outcome, const char *sqlstate, const char *message) {
    row->batcher = NULL;
    row->batch = NULL;
    row->outcome = outcome;
    snprintf(row->sqlstate, sizeof(row->sqlstate), "%s", sqlstate);
    snprintf(row->message, sizeof(row->message), "%s", message);
    row->done(row, row->arg);
    /* it may be gone */
}

static fb_batched *take(fb_batch *batch, unsigned place) {
    fb_batched *row = batch->rows[place];

    batch->rows[place] = NULL;
    batch->nlive -= row != NULL;
    return row;
}

static void tell_all(fb_batch *batch, fb_group_outcome outcome, const char *sqlstate, const char *message) {
    for (unsigned i = 0; i < batch->nrows; i++) {
        fb_batched *row = take(batch, i);
        if (row != NULL) {
            tell(row, outcome, sqlstate, message);
        }
    }
}

static void answer(fb_batch *batch, const PGresult *rows) {
    for (int r = 0; r < PQntuples(rows); r++) {
        unsigned long n = strtoul(PQgetvalue(rows, r, 0), NULL, 10);
        fb_batched *row = n >= 1 && n <= batch->nrows ? take(batch, (unsigned)n - 1) : NULL;
        if (row != NULL) {
            row->rows = rows;
            row->row = r;
            tell(row, FB_GROUP_OK, "", "");
        }
    }
    tell_all(batch, FB_GROUP_SQL_ERROR, "XX000", "the statement of a batch gave no row for one that it was given");
}

/* That the server is going, is full, or takes no writes, it says to each of them alike. */
static bool is_about_the_rows(const char *sqlstate) {
    bool timed_out = strcmp(sqlstate, "57014") == 0;
    return timed_out || (strncmp(sqlstate, "25", 2) != 0 && strncmp(sqlstate, "53", 2) != 0 && strncmp(sqlstate, "57", 2) != 0);
}

/* They are the first again, in their order. */
static void send_again_alone(fb_batch *batch) {
    for (unsigned i = batch->nrows; i-- > 0;) {
        fb_batched *row = take(batch, i);
        if (row != NULL) {
            row->batch = NULL;
            row->alone = true;
            prepend(batch->owner, row);
        }
    }
}

static void end(fb_batch *batch) {
    fb_group_clear(&batch->group);
    batch->nrows = batch->nlive = 0;
    batch->busy = false;
    event_active(batch->owner->kick, 0, 0);
}

static void on_group_done(fb_group *g, void *arg) {
    fb_batch *batch = arg;

    if (g->outcome == FB_GROUP_OK) {
        answer(batch, g->results[1]);
    } else if (g->outcome == FB_GROUP_SQL_ERROR && batch->nrows > 1 && is_about_the_rows(g->sqlstate)) {
        send_again_alone(batch);
    } else {
        tell_all(batch, g->outcome, g->sqlstate, g->message);
    }
    end(batch);
}

/* ---- batches */

static void add_element(bell_buf *column, const char *text, bool first) {
    bell_buf_add_char(column, first ? '{' : ',');
    if (text == NULL) {
        bell_buf_add_z(column, "NULL");
        return;
    }
    bell_buf_add_char(column, '"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') {
            bell_buf_add_char(column, '\\');
        }
        bell_buf_add_char(column, *text);
    }
    bell_buf_add_char(column, '"');
}

static void take_in(fb_batch *batch, fb_batched *row) {
    unlink_row(batch->owner, row);
    row->batch = batch;
    row->place = batch->nrows;
    for (unsigned i = 0; i < batch->owner->options.stmt->nparams; i++) {
        add_element(&batch->columns[i], row->params[i], batch->nrows == 0);
    }
    batch->rows[batch->nrows++] = row;
    batch->nlive++;
}

static void gather(fb_batch *batch) {
    fb_batcher *b = batch->owner;

    for (unsigned i = 0; i < b->options.stmt->nparams; i++) {
        bell_buf_reset(&batch->columns[i]);
    }
    do {
        take_in(batch, b->head);
    } while (b->head != NULL && batch->nrows < FB_BATCH_ROWS_MAX && !batch->rows[0]->alone && !b->head->alone);
}

/* false: out of memory */
static bool write_calls(fb_batch *batch) {
    const fb_batcher *b = batch->owner;
    fb_group *g = &batch->group;

    g->ncalls = 2;
    g->timeout_ms = b->options.timeout_ms;
    g->calls[0] = (fb_call){&fb_sql_batch_open, {b->timeout}};
    g->calls[1] = (fb_call){.stmt = b->options.stmt};
    for (unsigned i = 0; i < b->options.stmt->nparams; i++) {
        bell_buf_add_char(&batch->columns[i], '}');
        bell_buf_add_char(&batch->columns[i], '\0');
        if (batch->columns[i].failed) {
            return false;
        }
        g->calls[1].params[i] = batch->columns[i].p;
    }
    return true;
}

static void send_batch(fb_batch *batch) {
    batch->busy = true;
    gather(batch);
    if (!write_calls(batch)) {
        tell_all(batch, FB_GROUP_SQL_ERROR, "53200", "out of memory");
    } else if (fb_pool_send(batch->owner->pool, &batch->group) != FB_POOL_SENT) {
        tell_all(batch, FB_GROUP_SQL_ERROR, "53300", "no connection to the records is up");
    } else {
        return;
    }
    end(batch);
}

static fb_batch *free_batch(fb_batcher *b) {
    for (unsigned i = 0; i < b->options.batches; i++) {
        if (!b->batches[i].busy) {
            return &b->batches[i];
        }
    }
    return NULL;
}

static void on_kick(evutil_socket_t fd, short what, void *arg) {
    fb_batcher *b = arg;
    fb_batch *batch;
    (void)fd;
    (void)what;

    while (b->head != NULL && (batch = free_batch(b)) != NULL) {
        send_batch(batch);
    }
}

/* ---- for callers */

fb_batcher *fb_batcher_new(struct event_base *base, fb_pool *pool, const fb_batcher_options *o) {
    fb_batcher *b = calloc(1, sizeof(*b) + o->batches * sizeof(fb_batch));

    if (b == NULL) {
        return NULL;
    }
    b->pool = pool;
    b->options = *o;
    snprintf(b->timeout, sizeof(b->timeout), "%u", o->timeout_ms);
    b->kick = event_new(base, -1, 0, on_kick, b);
    for (unsigned i = 0; i < o->batches; i++) {
        fb_batch *batch = &b->batches[i];
        batch->owner = b;
        batch->group.done = on_group_done;
        batch->group.arg = batch;
        for (unsigned c = 0; c < FB_STMT_PARAMS_MAX; c++) {
            bell_buf_init(&batch->columns[c], COLUMN_MAX_BYTES);
        }
    }
    if (b->kick == NULL) {
        fb_batcher_free(b);
        return NULL;
    }
    return b;
}

void fb_batcher_free(fb_batcher *b) {
    if (b == NULL) {
        return;
    }
    for (unsigned i = 0; i < b->options.batches; i++) {
        fb_group_cancel(&b->batches[i].group);
        for (unsigned c = 0; c < FB_STMT_PARAMS_MAX; c++) {
            bell_buf_fini(&b->batches[i].columns[c]);
        }
    }
    if (b->kick != NULL) {
        event_free(b->kick);
    }
    free(b);
}

unsigned fb_batcher_pressure_percent(const fb_batcher *b) {
    return b->nwaiting * 100 / b->options.waiting_max;
}

fb_pool_verdict fb_batcher_add(fb_batcher *b, fb_batched *row) {
    if (!fb_pool_ready(b->pool)) {
        return FB_POOL_DOWN;
    }
    if (b->nwaiting >= b->options.waiting_max) {
        return FB_POOL_FULL;
    }
    row->batcher = b;
    row->batch = NULL;
    row->alone = false;
    row->rows = NULL;
    append(b, row);
    event_active(b->kick, 0, 0);
    return FB_POOL_SENT;
}

void fb_batched_cancel(fb_batched *row) {
    fb_batcher *b = row->batcher;
    fb_batch *batch = row->batch;

    row->batcher = NULL;
    row->batch = NULL;
    if (b == NULL) {
        return;
    }
    if (batch == NULL) {
        unlink_row(b, row);
        return;
    }
    (void)take(batch, row->place);
    if (batch->nlive == 0 && batch->group.ticket != NULL) {
        fb_group_cancel(&batch->group);
        end(batch);
    }
}
