
/*
 * Behind the requests: tells Redis what has been spent of budgets over all
 * edges, and is lent what may be spent next.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <hiredis/hiredis.h>

#include "ngx_http_bell_limit_exchange.h"


/* a lease that nobody answers for is lost after 500 ms, bell_lease.h */
#define NGX_HTTP_BELL_LIMIT_DEADLINE_MS  400

#define NGX_HTTP_BELL_LIMIT_IDLE_US      1000000    /* then a lease ends */

#define NGX_HTTP_BELL_LIMIT_EDGES_KEY    "rl:edges"


static void ngx_http_bell_limit_beat(ngx_http_bell_limit_exchange_t *x,
    int64_t now_us);
static void ngx_http_bell_limit_beaten(void *data,
    const bell_redis_result *result);
static void ngx_http_bell_limit_uncounted(ngx_http_bell_limit_exchange_t *x,
    const bell_redis_result *result);
static void ngx_http_bell_limit_crowd(ngx_http_bell_limit_exchange_t *x,
    int64_t n);

static ngx_uint_t ngx_http_bell_limit_see_to(
    ngx_http_bell_limit_exchange_t *x, bell_leases_key *key, int64_t now_us);
static void ngx_http_bell_limit_end(ngx_http_bell_limit_exchange_t *x,
    ngx_http_bell_limit_policy_t *policy, bell_leases_key *key,
    int64_t now_us);
static void ngx_http_bell_limit_begin(ngx_http_bell_limit_exchange_t *x,
    ngx_http_bell_limit_policy_t *policy, bell_leases_key *key,
    int64_t now_us);
static void ngx_http_bell_limit_answered(void *data,
    const bell_redis_result *result);
static ngx_uint_t ngx_http_bell_limit_settle_flight(
    ngx_http_bell_limit_exchange_t *x, ngx_http_bell_limit_flight_t *flight,
    const bell_lease_answer *answer);
static ngx_uint_t ngx_http_bell_limit_read(const bell_redis_result *result,
    bell_lease_answer *answer);
static void ngx_http_bell_limit_lends(ngx_http_bell_limit_exchange_t *x);
static void ngx_http_bell_limit_lends_not(ngx_http_bell_limit_exchange_t *x,
    const char *reason);


/* ---- how many edges there are */

static void
ngx_http_bell_limit_beat(ngx_http_bell_limit_exchange_t *x, int64_t now_us)
{
    char             text[NGX_INT64_LEN];
    bell_str         word;
    bell_redis_call  call;

    if (x->lmcf->leases.edges || !x->is_ready || x->is_beating
        || now_us < x->beat_us)
    {
        return;
    }

    word.p = text;
    word.len = ngx_sprintf((u_char *) text, "%uL", x->lmcf->leases.sh->edge)
               - (u_char *) text;

    ngx_memzero(&call, sizeof(bell_redis_call));

    call.key = bell_str_of(NGX_HTTP_BELL_LIMIT_EDGES_KEY);
    call.words = &word;
    call.nwords = 1;
    call.deadline_ms = NGX_HTTP_BELL_LIMIT_DEADLINE_MS;
    call.may_repeat = 1;
    call.handler = ngx_http_bell_limit_beaten;
    call.data = x;

    x->beat_us = now_us + NGX_HTTP_BELL_LIMIT_DEADLINE_MS * 1000;

    if (x->lmcf->core->store_eval(x->store, &x->edges, &call) == NULL) {
        x->is_beating = 1;
    }
}


static void
ngx_http_bell_limit_beaten(void *data, const bell_redis_result *result)
{
    ngx_http_bell_limit_exchange_t *x = data;

    int64_t  now_us;

    x->is_beating = 0;

    if (!ngx_http_bell_limit_owns(x)) {
        return;
    }

    if (result->outcome != BELL_REDIS_DONE
        || result->reply->type != REDIS_REPLY_INTEGER)
    {
        ngx_http_bell_limit_uncounted(x, result);
        return;
    }

    if (x->uncounted) {
        x->uncounted = 0;
        ngx_log_error(NGX_LOG_NOTICE, x->log, 0,
                      "bell_limit: Redis counts edges again");
    }

    now_us = ngx_http_bell_limit_now_us();

    x->beat_us = now_us + BELL_EDGES_BEAT_US;

    if (bell_edges_counted(&x->lmcf->leases.sh->edges, result->reply->integer,
                           now_us))
    {
        ngx_log_error(NGX_LOG_NOTICE, x->log, 0,
                      "bell_limit: budgets are shared by %ui edges now",
                      ngx_http_bell_limit_edges(x->lmcf));
    }

    ngx_http_bell_limit_crowd(x, result->reply->integer);
}


/* That Redis cannot be reached is said by the store. */

static void
ngx_http_bell_limit_uncounted(ngx_http_bell_limit_exchange_t *x,
    const bell_redis_result *result)
{
    if (x->uncounted || result->reply == NULL) {
        return;
    }

    x->uncounted = 1;

    ngx_log_error(NGX_LOG_ERR, x->log, 0,
                  "bell_limit: Redis does not count edges: %s; until it does, "
                  "this edge takes itself for one of %ui",
                  result->reason ? result->reason
                                 : "it answers in an unknown way",
                  ngx_http_bell_limit_edges(x->lmcf));
}


/*
 * Said once, until there have been fewer edges than are counted for a while:
 * a number that goes up and down by one is no news.
 */

static void
ngx_http_bell_limit_crowd(ngx_http_bell_limit_exchange_t *x, int64_t n)
{
    if (bell_edges_number(&x->lmcf->leases.sh->edges) < BELL_EDGES_MAX) {
        x->crowded = 0;
    }

    if (n <= BELL_EDGES_MAX || x->crowded) {
        return;
    }

    x->crowded = 1;

    ngx_log_error(NGX_LOG_WARN, x->log, 0,
                  "bell_limit: %L edges share budgets, and no more than %d "
                  "can: more than a budget may pass while Redis is away", n,
                  BELL_EDGES_MAX);
}


/* ---- leases */

/*
 * All keys that are in use.  Those for which too many others were under way
 * are the first in the next round.  While Redis does not lend, one exchange at
 * a time asks whether it does again.
 */

void
ngx_http_bell_limit_round(ngx_http_bell_limit_exchange_t *x)
{
    void              *table;
    size_t             place, first;
    int64_t            now_us;
    ngx_uint_t         lap, is_behind;
    bell_leases_key   *key;
    bell_redis_status  status;

    if (!x->is_owner) {
        return;
    }

    x->lmcf->core->store_status(x->store, &status);

    x->is_ready = status.is_ready;
    x->lmcf->leases.sh->is_lending = x->is_ready && !x->failing;

    now_us = ngx_http_bell_limit_now_us();

    ngx_http_bell_limit_beat(x, now_us);

    table = x->lmcf->leases.table;
    place = x->place;
    first = place;
    is_behind = 0;
    lap = 0;

    while (lap == 0 || place < first) {
        key = bell_leases_next(table, &place);

        if (key == NULL) {

            if (lap++) {
                break;
            }

            place = 0;

        } else if (!ngx_http_bell_limit_see_to(x, key, now_us) && !is_behind) {
            is_behind = 1;
            x->place = place - 1;
        }
    }
}


/* 0: an exchange is due, and has to wait. */

static ngx_uint_t
ngx_http_bell_limit_see_to(ngx_http_bell_limit_exchange_t *x,
    bell_leases_key *key, int64_t now_us)
{
    int64_t                        due_us;
    ngx_http_bell_limit_policy_t  *policy;

    policy = ngx_http_bell_limit_lease_policy(x->lmcf, key);
    due_us = bell_lease_due_us(&key->lease, now_us);

    if (policy == NULL
        || (due_us == INT64_MAX && !key->lease.is_out
            && now_us - key->lease.sent_us > NGX_HTTP_BELL_LIMIT_IDLE_US))
    {
        ngx_http_bell_limit_end(x, policy, key, now_us);
        return 1;
    }

    if (due_us > now_us || !x->is_ready) {
        return 1;
    }

    if (x->out >= (x->failing ? 1 : NGX_HTTP_BELL_LIMIT_FLIGHTS)) {
        return 0;
    }

    ngx_http_bell_limit_begin(x, policy, key, now_us);

    return 1;
}


/* Whose lock is taken is seen to in the next round. */

static void
ngx_http_bell_limit_end(ngx_http_bell_limit_exchange_t *x,
    ngx_http_bell_limit_policy_t *policy, bell_leases_key *key, int64_t now_us)
{
    ngx_shmtx_t  *mutex;

    mutex = &x->lmcf->leases.shpool->mutex;

    if (!ngx_shmtx_trylock(mutex)) {
        return;
    }

    if (policy == NULL || bell_lease_due_us(&key->lease, now_us) == INT64_MAX)
    {
        ngx_http_bell_limit_lease_end(x->lmcf, policy, key, now_us);
    }

    ngx_shmtx_unlock(mutex);
}


static void
ngx_http_bell_limit_begin(ngx_http_bell_limit_exchange_t *x,
    ngx_http_bell_limit_policy_t *policy, bell_leases_key *key, int64_t now_us)
{
    char                           text[BELL_LEASE_REQUEST_MAX];
    u_char                         name[NGX_HTTP_BELL_LIMIT_LEASE_NAME];
    bell_str                       word;
    const char                    *why;
    bell_lease_rule                rule;
    bell_redis_call                call;
    bell_lease_request             request;
    ngx_http_bell_limit_flight_t  *flight;

    rule = ngx_http_bell_limit_lease_rule_of(x->lmcf, policy, key);

    bell_lease_begin(&key->lease, &rule, x->lmcf->leases.sh->edge, now_us,
                     &request);

    word.p = text;
    word.len = bell_lease_write(&request, &rule, text);

    flight = ngx_queue_data(ngx_queue_head(&x->free),
                            ngx_http_bell_limit_flight_t, queue);

    flight->key = key;
    flight->name = key->name;
    flight->epoch = key->lease.epoch;
    flight->number = request.number;

    ngx_memzero(&call, sizeof(bell_redis_call));

    call.key.p = (char *) name;
    call.key.len = ngx_http_bell_limit_lease_name(policy, key, name,
                                                  name + sizeof(name))
                   - name;
    call.words = &word;
    call.nwords = 1;
    call.deadline_ms = NGX_HTTP_BELL_LIMIT_DEADLINE_MS;
    call.may_repeat = 1;
    call.handler = ngx_http_bell_limit_answered;
    call.data = flight;

    why = x->lmcf->core->store_eval(x->store, &x->lease, &call);

    if (why) {
        bell_lease_failed(&key->lease, request.number);
        ngx_http_bell_limit_lends_not(x, why);
        return;
    }

    ngx_queue_remove(&flight->queue);
    x->out++;
}


static void
ngx_http_bell_limit_answered(void *data, const bell_redis_result *result)
{
    ngx_http_bell_limit_flight_t *flight = data;

    bell_lease_answer                answer;
    ngx_http_bell_limit_exchange_t  *x;

    x = ngx_http_bell_limit_exchange;

    ngx_queue_insert_head(&x->free, &flight->queue);
    x->out--;

    if (!ngx_http_bell_limit_owns(x)) {
        return;
    }

    if (!ngx_http_bell_limit_read(result, &answer)) {
        (void) ngx_http_bell_limit_settle_flight(x, flight, NULL);

        ngx_http_bell_limit_lends_not(x, result->outcome == BELL_REDIS_DONE
                                             ? "it answers in an unknown way"
                                             : result->reason);
        return;
    }

    if (ngx_http_bell_limit_settle_flight(x, flight, &answer)) {
        ngx_http_bell_limit_lease_count(x->lmcf,
                                        answer.is_late
                                            ? NGX_HTTP_BELL_LIMIT_LATE
                                            : NGX_HTTP_BELL_LIMIT_ANSWERED);
    }

    ngx_http_bell_limit_lends(x);
}


/* answer NULL: there is none.  0: the key is no longer in use. */

static ngx_uint_t
ngx_http_bell_limit_settle_flight(ngx_http_bell_limit_exchange_t *x,
    ngx_http_bell_limit_flight_t *flight, const bell_lease_answer *answer)
{
    bell_lease                    *l;
    bell_lease_rule                rule;
    ngx_http_bell_limit_policy_t  *policy;

    l = &flight->key->lease;

    if (bell_leases_find(x->lmcf->leases.table, flight->name) != flight->key
        || l->epoch != flight->epoch)
    {
        return 0;
    }

    policy = ngx_http_bell_limit_lease_policy(x->lmcf, flight->key);

    if (answer == NULL || policy == NULL) {
        bell_lease_failed(l, flight->number);
        return policy != NULL;
    }

    rule = ngx_http_bell_limit_lease_rule_of(x->lmcf, policy, flight->key);

    bell_lease_answered(l, &rule, flight->number,
                        ngx_http_bell_limit_now_us(), answer);

    return 1;
}


static ngx_uint_t
ngx_http_bell_limit_read(const bell_redis_result *result,
    bell_lease_answer *answer)
{
    bell_str  text;

    if (result->outcome != BELL_REDIS_DONE
        || result->reply->type != REDIS_REPLY_STRING)
    {
        return 0;
    }

    text.p = result->reply->str;
    text.len = result->reply->len;

    return bell_lease_read(text, answer);
}


static void
ngx_http_bell_limit_lends(ngx_http_bell_limit_exchange_t *x)
{
    x->failing = 0;
    x->lmcf->leases.sh->lent_us =
                             (ngx_atomic_uint_t) ngx_http_bell_limit_now_us();

    if (x->told) {
        x->told = 0;
        ngx_log_error(NGX_LOG_NOTICE, x->log, 0,
                      "bell_limit: Redis lends again of budgets over all "
                      "edges");
    }
}


/* Said when leases are lost for it, not for one that went wrong. */

static void
ngx_http_bell_limit_lends_not(ngx_http_bell_limit_exchange_t *x,
    const char *reason)
{
    ngx_atomic_uint_t  now_us;

    ngx_http_bell_limit_lease_count(x->lmcf, NGX_HTTP_BELL_LIMIT_FAILED);

    x->failing = 1;

    now_us = (ngx_atomic_uint_t) ngx_http_bell_limit_now_us();

    if (x->told
        || now_us - x->lmcf->leases.sh->lent_us < BELL_LEASE_LOST_US)
    {
        return;
    }

    x->told = 1;
    ngx_log_error(NGX_LOG_ERR, x->log, 0,
                  "bell_limit: Redis lends nothing of budgets over all edges: "
                  "%s; until it does, this edge has 1/%ui of each", reason,
                  ngx_http_bell_limit_edges(x->lmcf));
}
