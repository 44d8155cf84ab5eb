
/*
 * The directory's feed from Redis: the snapshot and the deltas, as they are
 * read, put in service, and kept on disk.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <stdio.h>

#include "ngx_http_bell_directory_feed.h"


#define NGX_HTTP_BELL_BLOCK_MS  1000     /* that XREAD waits at Redis */
#define NGX_HTTP_BELL_ENTRIES   256      /* of one XREAD, at most */
#define NGX_HTTP_BELL_HEAD_MS   3000     /* between looks at the snapshot */
#define NGX_HTTP_BELL_FETCH_MS  60000    /* a large snapshot may take */
#define NGX_HTTP_BELL_AGAIN_MS  60000    /* for what was refused, or not kept */


static ngx_uint_t ngx_http_bell_feed_wants_state(ngx_http_bell_feed_t *f,
    uint64_t version);
static void ngx_http_bell_feed_head(ngx_http_bell_redis_t *redis,
    redisReply *reply);
static void ngx_http_bell_feed_fetch(ngx_http_bell_redis_t *redis,
    redisReply *reply);
static void ngx_http_bell_feed_snapshot(ngx_http_bell_feed_t *f,
    bell_str snapshot);
static void ngx_http_bell_feed_deltas(ngx_http_bell_redis_t *redis,
    redisReply *reply);
static ngx_uint_t ngx_http_bell_feed_documents(redisReply *reply,
    bell_str *documents);
static void ngx_http_bell_feed_apply(ngx_http_bell_feed_t *f,
    bell_str *documents, ngx_uint_t n);
static void ngx_http_bell_feed_keep(ngx_http_bell_feed_t *f,
    bell_str *documents, ngx_uint_t n);


/* ---- the snapshot; only its header at first: it may be large */

void
ngx_http_bell_feed_ask_head(ngx_http_bell_feed_t *f)
{
    char         last[NGX_INT_T_LEN + 1];
    const char  *words[4];

    snprintf(last, sizeof(last), "%d", BELL_DIRECTORY_HEADER_MAX - 1);

    words[0] = "GETRANGE";
    words[1] = NGX_HTTP_BELL_SNAPSHOT;
    words[2] = "0";
    words[3] = last;

    ngx_http_bell_feed_ask(f, NGX_HTTP_BELL_FEED_HEAD,
                           ngx_http_bell_feed_head, 0, words, 4);
}


/* The state has nothing to go on from, or more deltas than are worth it. */

static ngx_uint_t
ngx_http_bell_feed_wants_state(ngx_http_bell_feed_t *f, uint64_t version)
{
    ngx_http_bell_state_t  *state;

    state = &f->state;

    if (!ngx_http_bell_feed_due(f->keep_ms)) {
        return 0;
    }

    return state->broken
           || (version > state->snapshot
               && state->deltas_len > state->snapshot_len);
}


static void
ngx_http_bell_feed_head(ngx_http_bell_redis_t *redis, redisReply *reply)
{
    bool                  whole, got;
    char                  last[NGX_INT_T_LEN + 1];
    char                  reason[NGX_HTTP_BELL_REASON_LEN];
    bell_str              text;
    uint64_t              version;
    const char           *words[4];
    bell_directory_head   head;
    ngx_http_bell_feed_t  *f;

    f = ngx_http_bell_feed_answered(redis, reply, REDIS_REPLY_STRING);
    if (f == NULL) {
        return;
    }

    f->head_ms = ngx_current_msec + NGX_HTTP_BELL_HEAD_MS;

    version = ngx_http_bell_directory_version(f->d);

    text.p = reply->str;
    text.len = reply->type == REDIS_REPLY_STRING ? reply->len : 0;

    /* the payload is not there, and "bytes" tells that the header is */

    ngx_memzero(&head, sizeof(bell_directory_head));
    got = bell_directory_peek(text, &head, &whole, reason, sizeof(reason))
          || head.bytes;

    /* what has no header is fetched, and refused with a reason */

    if (text.len
        && (head.version != f->refused || ngx_http_bell_feed_due(f->refused_ms))
        && (!got || head.version > version
            || ngx_http_bell_feed_wants_state(f, head.version)))
    {
        snprintf(last, sizeof(last), "%u", BELL_DIRECTORY_DOCUMENT_MAX);

        words[0] = "GETRANGE";
        words[1] = NGX_HTTP_BELL_SNAPSHOT;
        words[2] = "0";
        words[3] = last;

        ngx_http_bell_feed_ask(f, NGX_HTTP_BELL_FEED_FETCH,
                               ngx_http_bell_feed_fetch,
                               NGX_HTTP_BELL_FETCH_MS, words, 4);
        return;
    }

    if (text.len && head.version < version && f->told != head.version) {
        f->told = head.version;
        ngx_log_error(NGX_LOG_WARN, f->log, 0,
                      "bell_directory: Redis' snapshot has version %uL, and "
                      "version %uL stays in service", head.version, version);
    }

    if (f->gap || version == 0) {
        f->gap = 0;
        ngx_http_bell_feed_in_vain(f);
    }

    ngx_http_bell_feed_next(f);
}


static void
ngx_http_bell_feed_fetch(ngx_http_bell_redis_t *redis, redisReply *reply)
{
    bell_str               text;
    ngx_http_bell_feed_t  *f;

    f = ngx_http_bell_feed_answered(redis, reply, REDIS_REPLY_STRING);
    if (f == NULL) {
        return;
    }

    text.p = reply->str;
    text.len = reply->type == REDIS_REPLY_STRING ? reply->len : 0;

    if (ngx_http_bell_directory_lock(f->d, f->log) != NGX_OK) {
        f->head_ms = ngx_current_msec;
        f->step = NGX_HTTP_BELL_FEED_IDLE;
        return;
    }

    ngx_http_bell_feed_snapshot(f, text);

    ngx_http_bell_directory_unlock(f->d);

    ngx_http_bell_feed_next(f);
}


/* The lock is held. */

static void
ngx_http_bell_feed_snapshot(ngx_http_bell_feed_t *f, bell_str snapshot)
{
    bool                  whole;
    char                  reason[NGX_HTTP_BELL_REASON_LEN];
    uint64_t              version;
    ngx_int_t             rc;
    bell_directory_head   head;

    version = ngx_http_bell_directory_version(f->d);

    ngx_memzero(&head, sizeof(bell_directory_head));

    /* what is not newer is for the state only */

    if (bell_directory_peek(snapshot, &head, &whole, reason, sizeof(reason))
        && head.version <= version)
    {
        rc = ngx_http_bell_directory_check(f->d, snapshot, reason);

    } else {
        rc = ngx_http_bell_directory_apply(f->d, snapshot, reason);

        if (rc == NGX_OK) {
            f->gap = 0;
            f->tries = 0;
            ngx_log_error(NGX_LOG_NOTICE, f->log, 0,
                          "bell_directory: version %uL is in service, after "
                          "%uL, by a snapshot from Redis", head.version,
                          version);
        }
    }

    if (rc == NGX_OK) {
        f->keep_ms = ngx_current_msec;

        if (ngx_http_bell_directory_state_replace(f->d, &f->state, snapshot,
                                                  f->log)
            != NGX_OK)
        {
            f->keep_ms += NGX_HTTP_BELL_AGAIN_MS;
        }

        return;
    }

    ngx_log_error(NGX_LOG_ERR, f->log, 0,
                  "bell_directory: the snapshot of Redis is refused: %s; "
                  "version %uL stays in service", reason, version);

    f->refused = head.version;
    f->refused_ms = ngx_current_msec + NGX_HTTP_BELL_AGAIN_MS;

    f->gap = 0;
    ngx_http_bell_feed_in_vain(f);
}


/* ---- deltas */

void
ngx_http_bell_feed_ask_deltas(ngx_http_bell_feed_t *f, uint64_t version)
{
    char         id[NGX_INT64_LEN + 3], count[NGX_INT_T_LEN + 1];
    char         block[NGX_INT_T_LEN + 1];
    const char  *words[8];

    /* the state may have been left behind: it is given what it lacks */

    if (!f->state.broken && f->state.version && f->state.version < version) {
        version = f->state.version;
    }

    snprintf(count, sizeof(count), "%d", NGX_HTTP_BELL_ENTRIES);
    snprintf(block, sizeof(block), "%d", NGX_HTTP_BELL_BLOCK_MS);
    snprintf(id, sizeof(id), "%llu-0", (unsigned long long) version);

    words[0] = "XREAD";
    words[1] = "COUNT";
    words[2] = count;
    words[3] = "BLOCK";
    words[4] = block;
    words[5] = "STREAMS";
    words[6] = NGX_HTTP_BELL_DELTAS;
    words[7] = id;

    ngx_http_bell_feed_ask(f, NGX_HTTP_BELL_FEED_READ,
                           ngx_http_bell_feed_deltas, NGX_HTTP_BELL_BLOCK_MS,
                           words, 8);
}


static void
ngx_http_bell_feed_deltas(ngx_http_bell_redis_t *redis, redisReply *reply)
{
    bell_str               documents[NGX_HTTP_BELL_ENTRIES];
    uint64_t               before, kept;
    ngx_uint_t             n;
    ngx_http_bell_feed_t  *f;

    f = ngx_http_bell_feed_answered(redis, reply, REDIS_REPLY_ARRAY);
    if (f == NULL) {
        return;
    }

    before = ngx_http_bell_directory_version(f->d);
    kept = f->state.version;

    n = ngx_http_bell_feed_documents(reply, documents);

    if (n) {
        if (ngx_http_bell_directory_lock(f->d, f->log) != NGX_OK) {
            f->step = NGX_HTTP_BELL_FEED_IDLE;
            return;
        }

        ngx_http_bell_feed_apply(f, documents, n);

        ngx_http_bell_directory_unlock(f->d);
    }

    if (ngx_http_bell_directory_version(f->d) != before
        || f->state.version != kept)
    {
        f->tries = 0;

    } else if (reply->type == REDIS_REPLY_ARRAY || f->last > before) {

        /*
         * It had something that led nowhere, or it says that there is
         * something and does not give it: entries are gone.
         */

        f->gap = 1;
        f->last = 0;

        if (f->tries == 0) {
            f->try_ms = ngx_current_msec;
        }
    }

    ngx_http_bell_feed_next(f);
}


/* [[stream, [[id, [name, value, ...]], ...]]]: the values of "d" */

static ngx_uint_t
ngx_http_bell_feed_documents(redisReply *reply, bell_str *documents)
{
    size_t       i, j;
    ngx_uint_t   n;
    redisReply  *entries, *fields;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 1
        || reply->element[0]->type != REDIS_REPLY_ARRAY
        || reply->element[0]->elements != 2)
    {
        return 0;
    }

    entries = reply->element[0]->element[1];
    n = 0;

    if (entries->type != REDIS_REPLY_ARRAY) {
        return 0;
    }

    for (i = 0; i < entries->elements && n < NGX_HTTP_BELL_ENTRIES; i++) {

        if (entries->element[i]->type != REDIS_REPLY_ARRAY
            || entries->element[i]->elements != 2
            || entries->element[i]->element[1]->type != REDIS_REPLY_ARRAY)
        {
            return n;
        }

        fields = entries->element[i]->element[1];

        for (j = 0; j + 1 < fields->elements; j += 2) {
            if (fields->element[j]->type == REDIS_REPLY_STRING
                && fields->element[j + 1]->type == REDIS_REPLY_STRING
                && ngx_strcmp(fields->element[j]->str, "d") == 0)
            {
                documents[n].p = fields->element[j + 1]->str;
                documents[n++].len = fields->element[j + 1]->len;
                break;
            }
        }
    }

    return n;
}


/* The lock is held. */

static void
ngx_http_bell_feed_apply(ngx_http_bell_feed_t *f, bell_str *documents,
    ngx_uint_t n)
{
    char       reason[NGX_HTTP_BELL_REASON_LEN];
    uint64_t   before, version;
    ngx_int_t  rc;

    before = ngx_http_bell_directory_version(f->d);

    rc = ngx_http_bell_directory_apply_deltas(f->d, documents, n, reason);

    version = ngx_http_bell_directory_version(f->d);

    if (version != before) {
        ngx_log_error(NGX_LOG_INFO, f->log, 0,
                      "bell_directory: version %uL is in service, after %uL",
                      version, before);
    }

    ngx_http_bell_feed_keep(f, documents, n);

    if (rc == NGX_OK || rc == NGX_DONE || f->told == version) {
        return;
    }

    /* once, however often it is read again before a snapshot helps */

    f->told = version;

    if (rc == NGX_AGAIN) {
        ngx_log_error(NGX_LOG_NOTICE, f->log, 0,
                      "bell_directory: a delta of Redis cannot be used: %s; "
                      "a snapshot is asked for", reason);

    } else {
        ngx_log_error(NGX_LOG_ERR, f->log, 0,
                      "bell_directory: a delta of Redis is refused: %s; "
                      "version %uL stays in service until there is a "
                      "snapshot", reason, version);
    }
}


/* What came in service of them goes to the disk. */

static void
ngx_http_bell_feed_keep(ngx_http_bell_feed_t *f, bell_str *documents,
    ngx_uint_t n)
{
    bool                 whole;
    char                 reason[NGX_HTTP_BELL_REASON_LEN];
    uint64_t             version;
    ngx_uint_t           i;
    bell_directory_head  head;

    version = ngx_http_bell_directory_version(f->d);

    for (i = 0; i < n; i++) {
        if (!bell_directory_peek(documents[i], &head, &whole, reason,
                                 sizeof(reason))
            || head.version > version)
        {
            break;
        }
    }

    if (i
        && ngx_http_bell_directory_state_append(f->d, &f->state, documents, i,
                                                f->log)
           == NGX_ERROR)
    {
        f->keep_ms = ngx_current_msec + NGX_HTTP_BELL_AGAIN_MS;
    }
}
