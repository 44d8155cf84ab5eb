
/*
 * Policies over all edges, as a request meets them: it spends what this edge
 * has been lent, and waits for nobody.  A key that is in use has a lease; one
 * for which there is no room, or that has not been used lately, has its share
 * of an edge in the table of all keys.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_limit.h"


/* looks at a lock that somebody has: he has it for a microsecond, or is dead */
#define NGX_HTTP_BELL_LIMIT_SPINS  1000


static bell_leases_key *ngx_http_bell_limit_lease_add(ngx_http_request_t *r,
    ngx_http_bell_limit_ask_t *ask, const bell_lease_rule *rule,
    int64_t now_us);
static ngx_uint_t ngx_http_bell_limit_lease_lock(
    ngx_http_bell_limit_leases_t *leases);
static void ngx_http_bell_limit_share_take(
    ngx_http_bell_limit_main_conf_t *lmcf, ngx_http_bell_limit_ask_t *ask,
    const bell_lease_rule *rule, int64_t now_us);
static void ngx_http_bell_limit_lease_tell(ngx_http_bell_limit_ask_t *ask,
    const bell_lease_rule *rule, int64_t now_us);


ngx_uint_t
ngx_http_bell_limit_edges(ngx_http_bell_limit_main_conf_t *lmcf)
{
    return lmcf->leases.edges ? lmcf->leases.edges
                              : bell_edges_number(&lmcf->leases.sh->edges);
}


bell_lease_rule
ngx_http_bell_limit_lease_rule(ngx_http_bell_limit_main_conf_t *lmcf,
    const bell_gcra_rule *gcra)
{
    bell_lease_rule  rule;

    rule.gcra = *gcra;
    rule.edges = (uint32_t) ngx_http_bell_limit_edges(lmcf);

    return rule;
}


bell_lease_rule
ngx_http_bell_limit_lease_rule_of(ngx_http_bell_limit_main_conf_t *lmcf,
    ngx_http_bell_limit_policy_t *policy, bell_leases_key *key)
{
    uint32_t        percent;
    bell_gcra_rule  gcra;

    percent = __atomic_load_n(&key->percent, __ATOMIC_RELAXED);
    gcra = policy->rule;

    if (percent != 100) {
        gcra = bell_gcra_scaled(&policy->rule, percent);
    }

    return ngx_http_bell_limit_lease_rule(lmcf, &gcra);
}


void
ngx_http_bell_limit_lease_take(ngx_http_request_t *r,
    ngx_http_bell_limit_ask_t *ask, int64_t now_us)
{
    bell_lease_rule                   rule;
    ngx_http_bell_limit_main_conf_t  *lmcf;

    lmcf = ngx_http_get_module_main_conf(r, ngx_http_bell_limit_module);

    rule = ngx_http_bell_limit_lease_rule(lmcf, &ask->rule);

    ask->lease = bell_leases_find(lmcf->leases.table, ask->name);

    if (ask->lease == NULL && ask->cost) {
        ask->lease = ngx_http_bell_limit_lease_add(r, ask, &rule, now_us);
    }

    if (ask->lease == NULL) {
        ngx_http_bell_limit_share_take(lmcf, ask, &rule, now_us);
        return;
    }

    if (ask->lease->percent != ask->percent) {
        __atomic_store_n(&ask->lease->percent, (uint32_t) ask->percent,
                         __ATOMIC_RELAXED);
    }

    ask->epoch = ask->lease->lease.epoch;
    ask->answer = bell_lease_take(&ask->lease->lease, &rule, now_us,
                                  ask->cost);

    ngx_http_bell_limit_lease_tell(ask, &rule, now_us);
}


/* A key begins to be used.  NULL: there is no room, now. */

static bell_leases_key *
ngx_http_bell_limit_lease_add(ngx_http_request_t *r,
    ngx_http_bell_limit_ask_t *ask, const bell_lease_rule *rule,
    int64_t now_us)
{
    bell_gcra_rule                    share;
    bell_leases_key                   key, *at;
    ngx_http_bell_limit_main_conf_t  *lmcf;

    lmcf = ngx_http_get_module_main_conf(r, ngx_http_bell_limit_module);

    ngx_memzero(&key, sizeof(bell_leases_key));

    key.name = ask->name;
    key.limit = ask->policy->id;
    key.percent = (uint32_t) ask->percent;
    key.tenant_id = ngx_http_bell_limit_tenant_id(r);

    at = NULL;

    if (bell_leases_has_room(lmcf->leases.table, ask->name)
        && ngx_http_bell_limit_digest(r, ask->policy, key.digest) == NGX_OK
        && ngx_http_bell_limit_lease_lock(&lmcf->leases))
    {
        at = bell_leases_find(lmcf->leases.table, ask->name);

        if (at == NULL) {
            share = bell_lease_share(rule, 1);
            at = bell_leases_add(lmcf->leases.table, &key,
                                 bell_limits_peek(lmcf->table, ask->name,
                                                  &share, now_us).tat_us);
        }

        ngx_shmtx_unlock(&lmcf->leases.shpool->mutex);
    }

    if (at == NULL) {
        ngx_http_bell_limit_lease_count(lmcf, NGX_HTTP_BELL_LIMIT_NO_ROOM);
    }

    return at;
}


static ngx_uint_t
ngx_http_bell_limit_lease_lock(ngx_http_bell_limit_leases_t *leases)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_BELL_LIMIT_SPINS; i++) {

        if (ngx_shmtx_trylock(&leases->shpool->mutex)) {
            return 1;
        }

        ngx_cpu_pause();
    }

    return 0;
}


static void
ngx_http_bell_limit_share_take(ngx_http_bell_limit_main_conf_t *lmcf,
    ngx_http_bell_limit_ask_t *ask, const bell_lease_rule *rule,
    int64_t now_us)
{
    bell_gcra_rule  share;

    share = bell_lease_share(rule, ask->cost);

    ask->answer = bell_limits_take(lmcf->table, ask->name, &share, now_us,
                                   ask->cost);

    ask->left = (uint64_t) ask->answer.remaining * rule->edges;
}


/* One that has ended meanwhile has told what was spent; it is little. */

void
ngx_http_bell_limit_lease_give_back(ngx_http_bell_limit_main_conf_t *lmcf,
    ngx_http_bell_limit_ask_t *ask, int64_t now_us)
{
    bell_gcra_rule   share;
    bell_lease_rule  rule;

    if (ask->lease == NULL) {
        rule = ngx_http_bell_limit_lease_rule(lmcf, &ask->rule);
        share = bell_lease_share(&rule, ask->cost);

        bell_limits_give_back(lmcf->table, ask->name, &share, now_us,
                              ask->cost);

    } else if (bell_leases_find(lmcf->leases.table, ask->name) == ask->lease
               && ask->lease->lease.epoch == ask->epoch)
    {
        bell_lease_give_back(&ask->lease->lease, ask->cost);
    }

    ngx_http_bell_limit_lease_look(lmcf, ask, now_us);
}


void
ngx_http_bell_limit_lease_look(ngx_http_bell_limit_main_conf_t *lmcf,
    ngx_http_bell_limit_ask_t *ask, int64_t now_us)
{
    bell_gcra_rule   share;
    bell_lease_rule  rule;

    rule = ngx_http_bell_limit_lease_rule(lmcf, &ask->rule);

    ask->lease = bell_leases_find(lmcf->leases.table, ask->name);

    if (ask->lease == NULL) {
        share = bell_lease_share(&rule, 1);

        ask->answer = bell_limits_peek(lmcf->table, ask->name, &share, now_us);
        ask->left = (uint64_t) ask->answer.remaining * rule.edges;
        return;
    }

    ask->answer = bell_lease_take(&ask->lease->lease, &rule, now_us, 0);
    ask->answer.more_us = rule.gcra.unit_us;

    ngx_http_bell_limit_lease_tell(ask, &rule, now_us);
}


/*
 * What remains is what all edges have together, about; of who spends his share
 * it is the share.
 */

static void
ngx_http_bell_limit_lease_tell(ngx_http_bell_limit_ask_t *ask,
    const bell_lease_rule *rule, int64_t now_us)
{
    int64_t             left;
    const bell_lease   *l;

    l = &ask->lease->lease;
    left = bell_lease_left(l, rule, now_us);

    ask->left = left;
    ask->answer.reset_us = ((int64_t) ask->quota - left)
                           * rule->gcra.unit_us;

    if (ask->answer.allowed && !bell_lease_is_alone(l, now_us)) {
        ask->answer.remaining = left;
    }
}


/* What its share has used goes to where it had it from. */

void
ngx_http_bell_limit_lease_end(ngx_http_bell_limit_main_conf_t *lmcf,
    ngx_http_bell_limit_policy_t *policy, bell_leases_key *key, int64_t now_us)
{
    int64_t          from_us, units;
    bell_gcra_rule   share;
    bell_lease_rule  rule;

    if (policy) {
        rule = ngx_http_bell_limit_lease_rule_of(lmcf, policy, key);
        share = bell_lease_share(&rule, 1);

        from_us = bell_limits_peek(lmcf->table, key->name, &share,
                                   now_us).tat_us;
        from_us = ngx_max(from_us, now_us);

        units = (key->lease.local_tat_us - from_us + share.unit_us - 1)
                / share.unit_us;
        units = ngx_min(units, bell_gcra_take(&share, from_us, now_us,
                                              0).remaining);

        if (units > 0) {
            (void) bell_limits_take(lmcf->table, key->name, &share, now_us,
                                    units);
        }
    }

    bell_leases_remove(lmcf->leases.table, key);
}


ngx_http_bell_limit_policy_t *
ngx_http_bell_limit_lease_policy(ngx_http_bell_limit_main_conf_t *lmcf,
    bell_leases_key *key)
{
    ngx_uint_t                      i;
    ngx_http_bell_limit_policy_t  **policies;

    policies = lmcf->policies.elts;

    for (i = 0; i < lmcf->policies.nelts; i++) {
        if (policies[i]->over_edges && policies[i]->id == key->limit) {
            return policies[i];
        }
    }

    return NULL;
}


ngx_uint_t
ngx_http_bell_limit_lease_keys(ngx_http_bell_limit_main_conf_t *lmcf,
    ngx_uint_t *lent)
{
    size_t            place;
    int64_t           now_us;
    ngx_uint_t        n;
    bell_leases_key  *key;

    now_us = ngx_http_bell_limit_now_us();

    place = 0;
    *lent = 0;

    for (n = 0; /* void */ ; n++) {
        key = bell_leases_next(lmcf->leases.table, &place);

        if (key == NULL) {
            return n;
        }

        *lent += !bell_lease_is_alone(&key->lease, now_us);
    }
}


/* Those of a tenant are on one node of a Redis Cluster. */

u_char *
ngx_http_bell_limit_lease_name(ngx_http_bell_limit_policy_t *policy,
    bell_leases_key *key, u_char *p, u_char *last)
{
    u_char  hex[2 * BELL_LEASES_DIGEST_BYTES];

    (void) ngx_hex_dump(hex, key->digest, BELL_LEASES_DIGEST_BYTES);

    return ngx_slprintf(p, last, "rl:{t%uD}:%V:%*s", key->tenant_id,
                        &policy->name, sizeof(hex), hex);
}


void
ngx_http_bell_limit_lease_count(ngx_http_bell_limit_main_conf_t *lmcf,
    ngx_http_bell_limit_lease_count_e count)
{
    (void) ngx_atomic_fetch_add(&lmcf->leases.sh->counts[count], 1);
}
