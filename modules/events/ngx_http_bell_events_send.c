
/*
 * Batches on their way to Redis.
 *
 * A few are in flight at a time.  One whose answer has not come when the
 * connection is lost is sent again on the next one: Redis may have it twice.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_events.h"


#define NGX_HTTP_BELL_EVENTS_FLIGHTS     8
#define NGX_HTTP_BELL_EVENTS_REPLIES     2      /* of XADD and of SADD */
#define NGX_HTTP_BELL_EVENTS_PAUSE_MS    1000
#define NGX_HTTP_BELL_EVENTS_EXIT_MS     500
#define NGX_HTTP_BELL_EVENTS_TELL_S      60


/* what Redis said of a batch, the worst of its answers */

#define NGX_HTTP_BELL_EVENTS_TAKEN       0
#define NGX_HTTP_BELL_EVENTS_LATER       1      /* it may take it yet */
#define NGX_HTTP_BELL_EVENTS_NEVER       2


static void ngx_http_bell_events_ready(ngx_http_bell_redis_t *redis);
static void ngx_http_bell_events_lost(ngx_http_bell_redis_t *redis);
static void ngx_http_bell_events_send(ngx_http_bell_events_t *e);
static ngx_http_bell_events_batch_t *ngx_http_bell_events_next(
    ngx_http_bell_events_t *e);
static ngx_int_t ngx_http_bell_events_send_batch(ngx_http_bell_events_t *e,
    ngx_http_bell_events_batch_t *b);
static void ngx_http_bell_events_reply(ngx_http_bell_redis_t *redis,
    redisReply *reply);
static void ngx_http_bell_events_landed(ngx_http_bell_events_t *e,
    ngx_http_bell_events_batch_t *b);
static ngx_uint_t ngx_http_bell_events_outcome(redisReply *reply);
static void ngx_http_bell_events_tell(ngx_http_bell_events_t *e,
    redisReply *reply, ngx_uint_t outcome);
static void ngx_http_bell_events_tick(ngx_event_t *ev);
static void ngx_http_bell_events_resume(ngx_event_t *ev);
static void ngx_http_bell_events_posted(ngx_event_t *ev);
static void ngx_http_bell_events_drain(ngx_http_bell_events_t *e);
static ngx_uint_t ngx_http_bell_events_hopes(ngx_http_bell_events_t *e);


/* ---- begin and end */

void
ngx_http_bell_events_open(ngx_http_bell_events_t *e)
{
    ngx_uint_t    i;
    ngx_event_t  *events[] = { &e->tick, &e->pause, &e->post };

    e->dummy.fd = (ngx_socket_t) -1;
    e->dummy.data = e;

    e->tick.handler = ngx_http_bell_events_tick;
    e->pause.handler = ngx_http_bell_events_resume;
    e->post.handler = ngx_http_bell_events_posted;

    for (i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        events[i]->data = &e->dummy;
        events[i]->log = e->log;
        events[i]->cancelable = 1;
    }

    e->redis.conf = e->conf->redis;
    e->redis.ready = ngx_http_bell_events_ready;
    e->redis.lost = ngx_http_bell_events_lost;
    e->redis.data = e;
    e->redis.stays = 1;

    ngx_http_bell_redis_open(&e->redis, e->log);
}


void
ngx_http_bell_events_close(ngx_http_bell_events_t *e)
{
    ngx_queue_t  *q;

    if (e->tick.timer_set) {
        ngx_del_timer(&e->tick);
    }

    if (e->pause.timer_set) {
        ngx_del_timer(&e->pause);
    }

    if (e->post.posted) {
        ngx_delete_posted_event(&e->post);
    }

    ngx_http_bell_events_make_due(e);
    ngx_http_bell_events_drain(e);

    ngx_http_bell_redis_close(&e->redis);

    /* of what is in flight nobody knows whether Redis has it */

    ngx_queue_add(&e->due, &e->flight);

    while (!ngx_queue_empty(&e->due)) {
        q = ngx_queue_head(&e->due);
        ngx_queue_remove(q);

        ngx_http_bell_events_settle(e,
                         ngx_queue_data(q, ngx_http_bell_events_batch_t, queue),
                         NGX_HTTP_BELL_EVENTS_EXIT);
    }
}


/* nginx' loop is over: nobody is served here any more, so it may wait. */

static void
ngx_http_bell_events_drain(ngx_http_bell_events_t *e)
{
    ngx_msec_t      end;
    ngx_msec_int_t  left;

    ngx_time_update();

    end = ngx_current_msec + NGX_HTTP_BELL_EVENTS_EXIT_MS;

    ngx_http_bell_events_send(e);

    while (ngx_http_bell_events_hopes(e)) {

        left = (ngx_msec_int_t) (end - ngx_current_msec);

        if (left <= 0) {
            break;
        }

        ngx_http_bell_redis_drive(&e->redis, left);

        ngx_time_update();
    }

    if (e->pause.timer_set) {
        ngx_del_timer(&e->pause);
    }
}


/* Whether the connection may yet take something. */

static ngx_uint_t
ngx_http_bell_events_hopes(ngx_http_bell_events_t *e)
{
    if (e->pause.timer_set) {
        return 0;
    }

    switch (e->redis.state) {

    case NGX_HTTP_BELL_REDIS_CONNECTING:
    case NGX_HTTP_BELL_REDIS_GREETING:
        return !ngx_queue_empty(&e->due);

    case NGX_HTTP_BELL_REDIS_READY:
        return e->in_flight > 0;

    default:
        return 0;
    }
}


/* ---- the connection */

static void
ngx_http_bell_events_ready(ngx_http_bell_redis_t *redis)
{
    ngx_http_bell_events_send(redis->data);
}


/* What was in flight is the first again, in its order. */

static void
ngx_http_bell_events_lost(ngx_http_bell_redis_t *redis)
{
    ngx_queue_t             *q;
    ngx_http_bell_events_t  *e;

    e = redis->data;

    while (!ngx_queue_empty(&e->flight)) {
        q = ngx_queue_last(&e->flight);
        ngx_queue_remove(q);
        ngx_queue_insert_head(&e->due, q);
    }

    e->in_flight = 0;
}


/* ---- batches */

static void
ngx_http_bell_events_send(ngx_http_bell_events_t *e)
{
    ngx_http_bell_events_batch_t  *b;

    while (e->in_flight < NGX_HTTP_BELL_EVENTS_FLIGHTS
           && e->redis.state == NGX_HTTP_BELL_REDIS_READY
           && !e->pause.timer_set)
    {
        b = ngx_http_bell_events_next(e);

        if (b == NULL) {
            return;
        }

        b->replies = 0;
        b->outcome = NGX_HTTP_BELL_EVENTS_TAKEN;

        ngx_queue_remove(&b->queue);
        ngx_queue_insert_tail(&e->flight, &b->queue);
        e->in_flight++;

        if (ngx_http_bell_events_send_batch(e, b) != NGX_OK) {

            /* the connection is lost, and it is due again */

            return;
        }
    }
}


/*
 * NULL: none is due.  Batches whose time has come take lines until one can be
 * sent: while Redis is away they are filled, and waste no room.
 */

static ngx_http_bell_events_batch_t *
ngx_http_bell_events_next(ngx_http_bell_events_t *e)
{
    ngx_queue_t  *q;

    if (e->overdue) {
        e->overdue = 0;
        ngx_http_bell_events_make_due(e);
    }

    if (ngx_queue_empty(&e->due)) {
        return NULL;
    }

    q = ngx_queue_head(&e->due);

    return ngx_queue_data(q, ngx_http_bell_events_batch_t, queue);
}


static ngx_int_t
ngx_http_bell_events_send_batch(ngx_http_bell_events_t *e,
    ngx_http_bell_events_batch_t *b)
{
    char         key[BELL_ACCESS_STREAM_BYTES], id[NGX_INT32_LEN + 1];
    const char  *add[] = { "XADD", key, "MAXLEN", "~", e->length, "*",
                           "v", BELL_ACCESS_VERSION, "events", NULL };
    const char  *note[] = { "SADD", BELL_ACCESS_TENANTS, id };
    size_t       add_lengths[] = { 4, 0, 6, 1, 0, 1,
                                   1, sizeof(BELL_ACCESS_VERSION) - 1, 6, 0 };
    size_t       note_lengths[] = { 4, sizeof(BELL_ACCESS_TENANTS) - 1, 0 };

    add_lengths[1] = bell_access_stream(b->tenant->id, key);
    add_lengths[4] = ngx_strlen(e->length);

    add[9] = ngx_http_bell_events_text(e, b);
    add_lengths[9] = b->bytes;

    note_lengths[2] = ngx_sprintf((u_char *) id, "%uD", b->tenant->id)
                      - (u_char *) id;

    if (ngx_http_bell_redis_command(&e->redis, ngx_http_bell_events_reply, 0,
                                    10, add, add_lengths)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_bell_redis_command(&e->redis, ngx_http_bell_events_reply,
                                       0, 3, note, note_lengths);
}


static void
ngx_http_bell_events_reply(ngx_http_bell_redis_t *redis, redisReply *reply)
{
    ngx_uint_t                     outcome;
    ngx_queue_t                   *q;
    ngx_http_bell_events_t        *e;
    ngx_http_bell_events_batch_t  *b;

    e = redis->data;

    /* answers come in the order of commands */

    q = ngx_queue_head(&e->flight);
    b = ngx_queue_data(q, ngx_http_bell_events_batch_t, queue);

    outcome = ngx_http_bell_events_outcome(reply);

    if (outcome != NGX_HTTP_BELL_EVENTS_TAKEN) {
        ngx_http_bell_events_tell(e, reply, outcome);
    }

    b->outcome = ngx_max(b->outcome, outcome);

    if (++b->replies == NGX_HTTP_BELL_EVENTS_REPLIES) {
        ngx_queue_remove(q);
        e->in_flight--;

        ngx_http_bell_events_landed(e, b);
        ngx_http_bell_events_send(e);
    }
}


static void
ngx_http_bell_events_landed(ngx_http_bell_events_t *e,
    ngx_http_bell_events_batch_t *b)
{
    switch (b->outcome) {

    case NGX_HTTP_BELL_EVENTS_TAKEN:
        if (e->told && ngx_time() - e->told_s >= NGX_HTTP_BELL_EVENTS_TELL_S) {
            e->told = 0;
        }

        ngx_http_bell_events_settle(e, b, NGX_HTTP_BELL_EVENTS_SENT);
        return;

    case NGX_HTTP_BELL_EVENTS_LATER:
        ngx_queue_insert_head(&e->due, &b->queue);

        if (!e->pause.timer_set) {
            ngx_add_timer(&e->pause, NGX_HTTP_BELL_EVENTS_PAUSE_MS);
        }

        return;

    default: /* NGX_HTTP_BELL_EVENTS_NEVER */
        ngx_http_bell_events_settle(e, b, NGX_HTTP_BELL_EVENTS_REFUSED);
    }
}


/* Which refusals are of the moment, and not of what was asked. */

static ngx_uint_t
ngx_http_bell_events_outcome(redisReply *reply)
{
    size_t        len;
    const char  **word;

    static const char  *later[] = {
        "OOM ", "LOADING ", "BUSY ", "READONLY ", "MASTERDOWN ", "MISCONF ",
        "NOREPLICAS ", "CLUSTERDOWN ", "TRYAGAIN ", NULL
    };

    if (reply->type != REDIS_REPLY_ERROR) {
        return NGX_HTTP_BELL_EVENTS_TAKEN;
    }

    for (word = later; *word; word++) {
        len = ngx_strlen(*word);

        if (reply->len >= len && ngx_strncmp(reply->str, *word, len) == 0) {
            return NGX_HTTP_BELL_EVENTS_LATER;
        }
    }

    return NGX_HTTP_BELL_EVENTS_NEVER;
}


/* Once, until Redis has taken some again a minute later or more. */

static void
ngx_http_bell_events_tell(ngx_http_bell_events_t *e, redisReply *reply,
    ngx_uint_t outcome)
{
    if (e->told) {
        return;
    }

    e->told = 1;
    e->told_s = ngx_time();

    ngx_log_error(NGX_LOG_ERR, e->log, 0,
                  "bell_access_events: Redis refuses access events, which are "
                  "%s: %*s",
                  outcome == NGX_HTTP_BELL_EVENTS_LATER
                  ? "kept as long as there is room" : "dropped",
                  ngx_min(reply->len, 200), reply->str);
}


/* ---- time */

static void
ngx_http_bell_events_tick(ngx_event_t *ev)
{
    ngx_connection_t        *c;
    ngx_http_bell_events_t  *e;

    c = ev->data;
    e = c->data;

    e->overdue = 1;

    ngx_http_bell_events_send(e);
}


static void
ngx_http_bell_events_resume(ngx_event_t *ev)
{
    ngx_connection_t  *c;

    c = ev->data;

    ngx_http_bell_events_send(c->data);
}


void
ngx_http_bell_events_post(ngx_http_bell_events_t *e)
{
    if (!e->post.posted) {
        ngx_post_event(&e->post, &ngx_posted_events);
    }
}


static void
ngx_http_bell_events_posted(ngx_event_t *ev)
{
    ngx_connection_t  *c;

    c = ev->data;

    ngx_http_bell_events_send(c->data);
}
