
/*
 * The directory's feed from Redis: the snapshot and the deltas, as they are
 * read, put in service, and kept on disk.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <stdio.h>

#include "ngx_http_bell_directory_feed.h"


#define NGX_HTTP_BELL_SNAPSHOT  "bell:directory:snapshot"

#define NGX_HTTP_BELL_HEAD_MS   3000     /* between looks at the snapshot */
#define NGX_HTTP_BELL_FETCH_MS  60000    /* a large snapshot may take */
#define NGX_HTTP_BELL_AGAIN_MS  60000    /* for what was refused, or not kept */


static ngx_uint_t ngx_http_bell_directory_feed_wants_state(
    ngx_http_bell_directory_feed_t *f, uint64_t version);
static void ngx_http_bell_directory_feed_head(ngx_http_bell_feed_t *feed,
    redisReply *reply);
static void ngx_http_bell_directory_feed_ask_snapshot(
    ngx_http_bell_directory_feed_t *f);
static void ngx_http_bell_directory_feed_fetch(ngx_http_bell_feed_t *feed,
    redisReply *reply);
static void ngx_http_bell_directory_feed_snapshot(
    ngx_http_bell_directory_feed_t *f, bell_str snapshot);
static void ngx_http_bell_directory_feed_refuse(
    ngx_http_bell_directory_feed_t *f, uint64_t refused, char *reason);
static ngx_int_t ngx_http_bell_directory_feed_take(
    ngx_http_bell_directory_feed_t *f, ngx_http_bell_feed_entry_t *entry,
    ngx_uint_t n);
static void ngx_http_bell_directory_feed_apply(
    ngx_http_bell_directory_feed_t *f, bell_str *documents, ngx_uint_t n);
static void ngx_http_bell_directory_feed_keep(
    ngx_http_bell_directory_feed_t *f, bell_str *documents, ngx_uint_t n);


/* ---- the snapshot; only its header at first: it may be large */

void
ngx_http_bell_directory_feed_ask_head(ngx_http_bell_directory_feed_t *f)
{
    char         last[NGX_INT_T_LEN + 1];
    const char  *words[4];

    snprintf(last, sizeof(last), "%d", BELL_DIRECTORY_HEADER_MAX - 1);

    words[0] = "GETRANGE";
    words[1] = NGX_HTTP_BELL_SNAPSHOT;
    words[2] = "0";
    words[3] = last;

    ngx_http_bell_feed_ask(&f->feed, ngx_http_bell_directory_feed_head,
                           REDIS_REPLY_STRING, 0, words, 4);
}


/* The state has nothing to go on from, or more deltas than are worth it. */

static ngx_uint_t
ngx_http_bell_directory_feed_wants_state(ngx_http_bell_directory_feed_t *f,
    uint64_t version)
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
ngx_http_bell_directory_feed_head(ngx_http_bell_feed_t *feed,
    redisReply *reply)
{
    bool                             whole, got;
    char                             reason[NGX_HTTP_BELL_REASON_LEN];
    bell_str                         text;
    uint64_t                         version;
    bell_directory_head              head;
    ngx_http_bell_directory_feed_t  *f;

    f = feed->data;

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
            || ngx_http_bell_directory_feed_wants_state(f, head.version)))
    {
        ngx_http_bell_directory_feed_ask_snapshot(f);
        return;
    }

    if (text.len && head.version < version && f->told != head.version) {
        f->told = head.version;
        ngx_log_error(NGX_LOG_WARN, feed->log, 0,
                      "bell_directory: Redis' snapshot has version %uL, and "
                      "version %uL stays in service", head.version, version);
    }

    if (f->gap || version == 0) {
        f->gap = 0;
        ngx_http_bell_directory_feed_in_vain(f);
    }

    ngx_http_bell_directory_feed_next(feed);
}


static void
ngx_http_bell_directory_feed_ask_snapshot(ngx_http_bell_directory_feed_t *f)
{
    char         last[NGX_INT_T_LEN + 1];
    const char  *words[4];

    snprintf(last, sizeof(last), "%u", BELL_DIRECTORY_DOCUMENT_MAX);

    words[0] = "GETRANGE";
    words[1] = NGX_HTTP_BELL_SNAPSHOT;
    words[2] = "0";
    words[3] = last;

    ngx_http_bell_feed_ask(&f->feed, ngx_http_bell_directory_feed_fetch,
                           REDIS_REPLY_STRING, NGX_HTTP_BELL_FETCH_MS, words,
                           4);
}


static void
ngx_http_bell_directory_feed_fetch(ngx_http_bell_feed_t *feed,
    redisReply *reply)
{
    bell_str                         text;
    ngx_http_bell_directory_feed_t  *f;

    f = feed->data;

    text.p = reply->str;
    text.len = reply->type == REDIS_REPLY_STRING ? reply->len : 0;

    if (ngx_http_bell_directory_lock(f->d, feed->log) != NGX_OK) {
        f->head_ms = ngx_current_msec;
        ngx_http_bell_feed_rest(feed);
        return;
    }

    ngx_http_bell_directory_feed_snapshot(f, text);

    ngx_http_bell_directory_unlock(f->d);

    ngx_http_bell_directory_feed_next(feed);
}


/* The lock is held. */

static void
ngx_http_bell_directory_feed_snapshot(ngx_http_bell_directory_feed_t *f,
    bell_str snapshot)
{
    bool                 whole;
    char                 reason[NGX_HTTP_BELL_REASON_LEN];
    uint64_t             version;
    ngx_int_t            rc;
    bell_directory_head  head;

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
            ngx_log_error(NGX_LOG_NOTICE, f->feed.log, 0,
                          "bell_directory: version %uL is in service, after "
                          "%uL, by a snapshot from Redis", head.version,
                          version);
        }
    }

    if (rc != NGX_OK) {
        ngx_http_bell_directory_feed_refuse(f, head.version, reason);
        return;
    }

    f->keep_ms = ngx_current_msec;

    if (ngx_http_bell_directory_state_replace(f->d, &f->state, snapshot,
                                              f->feed.log)
        != NGX_OK)
    {
        f->keep_ms += NGX_HTTP_BELL_AGAIN_MS;
    }
}


static void
ngx_http_bell_directory_feed_refuse(ngx_http_bell_directory_feed_t *f,
    uint64_t refused, char *reason)
{
    ngx_log_error(NGX_LOG_ERR, f->feed.log, 0,
                  "bell_directory: the snapshot of Redis is refused: %s; "
                  "version %uL stays in service",
                  reason, ngx_http_bell_directory_version(f->d));

    f->refused = refused;
    f->refused_ms = ngx_current_msec + NGX_HTTP_BELL_AGAIN_MS;

    f->gap = 0;
    ngx_http_bell_directory_feed_in_vain(f);
}


/* ---- deltas */

void
ngx_http_bell_directory_feed_ask_deltas(ngx_http_bell_directory_feed_t *f,
    uint64_t version)
{
    /* the state may have been left behind: it is given what it lacks */

    if (!f->state.broken && f->state.version && f->state.version < version) {
        version = f->state.version;
    }

    ngx_http_bell_feed_ask_entries(&f->feed, version);
}


void
ngx_http_bell_directory_feed_deltas(ngx_http_bell_feed_t *feed,
    ngx_http_bell_feed_entry_t *entry, ngx_uint_t n)
{
    uint64_t                         before, kept;
    ngx_http_bell_directory_feed_t  *f;

    f = feed->data;

    before = ngx_http_bell_directory_version(f->d);
    kept = f->state.version;

    if (ngx_http_bell_directory_feed_take(f, entry, n) != NGX_OK) {
        ngx_http_bell_feed_rest(feed);
        return;
    }

    if (ngx_http_bell_directory_version(f->d) != before
        || f->state.version != kept)
    {
        f->tries = 0;

    } else if (n || f->last > before) {

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

    ngx_http_bell_directory_feed_next(feed);
}


/* NGX_AGAIN: another process has the lock. */

static ngx_int_t
ngx_http_bell_directory_feed_take(ngx_http_bell_directory_feed_t *f,
    ngx_http_bell_feed_entry_t *entry, ngx_uint_t n)
{
    bell_str    documents[NGX_HTTP_BELL_FEED_ENTRIES];
    ngx_uint_t  i, found;

    found = 0;

    /* versions are read from the documents, which are signed */

    for (i = 0; i < n; i++) {
        if (entry[i].value.p) {
            documents[found++] = entry[i].value;
        }
    }

    if (found == 0) {
        return NGX_OK;
    }

    if (ngx_http_bell_directory_lock(f->d, f->feed.log) != NGX_OK) {
        return NGX_AGAIN;
    }

    ngx_http_bell_directory_feed_apply(f, documents, found);

    ngx_http_bell_directory_unlock(f->d);

    return NGX_OK;
}


/* The lock is held. */

static void
ngx_http_bell_directory_feed_apply(ngx_http_bell_directory_feed_t *f,
    bell_str *documents, ngx_uint_t n)
{
    char       reason[NGX_HTTP_BELL_REASON_LEN];
    uint64_t   before, version;
    ngx_int_t  rc;

    before = ngx_http_bell_directory_version(f->d);

    rc = ngx_http_bell_directory_apply_deltas(f->d, documents, n, reason);

    version = ngx_http_bell_directory_version(f->d);

    if (version != before) {
        ngx_log_error(NGX_LOG_INFO, f->feed.log, 0,
                      "bell_directory: version %uL is in service, after %uL",
                      version, before);
    }

    ngx_http_bell_directory_feed_keep(f, documents, n);

    if (rc == NGX_OK || rc == NGX_DONE || f->told == version) {
        return;
    }

    /* once, however often it is read again before a snapshot helps */

    f->told = version;

    if (rc == NGX_AGAIN) {
        ngx_log_error(NGX_LOG_NOTICE, f->feed.log, 0,
                      "bell_directory: a delta of Redis cannot be used: %s; "
                      "a snapshot is asked for", reason);

    } else {
        ngx_log_error(NGX_LOG_ERR, f->feed.log, 0,
                      "bell_directory: a delta of Redis is refused: %s; "
                      "version %uL stays in service until there is a "
                      "snapshot", reason, version);
    }
}


/* What came in service of them goes to the disk. */

static void
ngx_http_bell_directory_feed_keep(ngx_http_bell_directory_feed_t *f,
    bell_str *documents, ngx_uint_t n)
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
                                                f->feed.log)
           == NGX_ERROR)
    {
        f->keep_ms = ngx_current_msec + NGX_HTTP_BELL_AGAIN_MS;
    }
}
