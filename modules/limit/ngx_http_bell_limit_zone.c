
/*
 * What all workers share: the numbers of policies, counts, the table of keys,
 * and the board of those that are near a limit.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <openssl/rand.h>

#include "ngx_http_bell_limit.h"


/* places of the board that a key may stand in */
#define NGX_HTTP_BELL_LIMIT_PLACES  4


static ngx_int_t ngx_http_bell_limit_create_zone(ngx_shm_zone_t *shm_zone,
    ngx_http_bell_limit_main_conf_t *lmcf);
static void ngx_http_bell_limit_number(ngx_http_bell_limit_main_conf_t *lmcf,
    ngx_http_bell_limit_main_conf_t *former);
static ngx_uint_t ngx_http_bell_limit_number_of(ngx_http_bell_limit_sh_t *sh,
    ngx_str_t *name);
static ngx_uint_t ngx_http_bell_limit_free_number(
    ngx_http_bell_limit_main_conf_t *lmcf,
    ngx_http_bell_limit_main_conf_t *former);
static ngx_uint_t ngx_http_bell_limit_names(
    ngx_http_bell_limit_main_conf_t *lmcf, ngx_http_bell_limit_number_t *n);
static void ngx_http_bell_limit_clear(ngx_http_bell_limit_sh_t *sh,
    ngx_uint_t number);
static ngx_http_bell_limit_near_t *ngx_http_bell_limit_place(
    ngx_http_bell_limit_sh_t *sh, bell_limits_name name);


ngx_int_t
ngx_http_bell_limit_init_zone(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_http_bell_limit_main_conf_t  *former = data;

    ngx_http_bell_limit_main_conf_t  *lmcf;

    lmcf = shm_zone->data;
    lmcf->shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (former) {

        /* a reload: what was used stays used, also under other rules */

        lmcf->sh = former->sh;
        lmcf->table = former->table;

    } else if (shm_zone->shm.exists) {
        lmcf->sh = lmcf->shpool->data;
        lmcf->table = ngx_align_ptr((u_char *) (lmcf->sh + 1),
                                    BELL_LIMITS_ALIGN);

    } else if (ngx_http_bell_limit_create_zone(shm_zone, lmcf) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_bell_limit_number(lmcf, former);

    return NGX_OK;
}


/* All that the zone has, in one piece; pages are aligned. */

static ngx_int_t
ngx_http_bell_limit_create_zone(ngx_shm_zone_t *shm_zone,
    ngx_http_bell_limit_main_conf_t *lmcf)
{
    size_t   size;
    u_char  *p, seed[BELL_SIPHASH_KEY_BYTES];

    if (RAND_bytes(seed, sizeof(seed)) != 1) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "bell_limit_zone: OpenSSL gave no randomness");
        return NGX_ERROR;
    }

    size = lmcf->shpool->pfree * ngx_pagesize;

    p = ngx_slab_calloc(lmcf->shpool, size);

    if (p) {
        lmcf->sh = (ngx_http_bell_limit_sh_t *) p;
        lmcf->table = ngx_align_ptr(p + sizeof(ngx_http_bell_limit_sh_t),
                                    BELL_LIMITS_ALIGN);
    }

    if (p == NULL || (u_char *) lmcf->table >= p + size
        || !bell_limits_init(lmcf->table, p + size - (u_char *) lmcf->table,
                             seed))
    {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "bell_limit_zone: zone \"%V\" of %uz bytes cannot be "
                      "laid out: make it larger", &shm_zone->shm.name,
                      shm_zone->shm.size);
        return NGX_ERROR;
    }

    lmcf->shpool->data = lmcf->sh;

    return NGX_OK;
}


/* ---- numbers: what a policy is known by in the table */

/*
 * A policy keeps its number as long as its name stands in the configuration.
 * There are enough for two configurations: the former one's workers still
 * count under theirs.
 */

static void
ngx_http_bell_limit_number(ngx_http_bell_limit_main_conf_t *lmcf,
    ngx_http_bell_limit_main_conf_t *former)
{
    ngx_uint_t                      i;
    ngx_http_bell_limit_number_t   *n;
    ngx_http_bell_limit_policy_t  **policies;

    policies = lmcf->policies.elts;

    for (i = 0; i < lmcf->policies.nelts; i++) {
        policies[i]->number = ngx_http_bell_limit_number_of(lmcf->sh,
                                                           &policies[i]->name);
    }

    for (i = 0; i < lmcf->policies.nelts; i++) {

        if (policies[i]->number) {
            continue;
        }

        policies[i]->number = ngx_http_bell_limit_free_number(lmcf, former);

        ngx_http_bell_limit_clear(lmcf->sh, policies[i]->number);

        n = &lmcf->sh->numbers[policies[i]->number];

        ngx_memcpy(n->name, policies[i]->name.data, policies[i]->name.len);
        n->len = policies[i]->name.len;
    }
}


/* 0: it has none */

static ngx_uint_t
ngx_http_bell_limit_number_of(ngx_http_bell_limit_sh_t *sh, ngx_str_t *name)
{
    ngx_uint_t                     i;
    ngx_http_bell_limit_number_t  *n;

    for (i = 1; i <= NGX_HTTP_BELL_LIMIT_NUMBERS; i++) {
        n = &sh->numbers[i];

        if (n->len == name->len
            && ngx_memcmp(n->name, name->data, name->len) == 0)
        {
            return i;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_http_bell_limit_free_number(ngx_http_bell_limit_main_conf_t *lmcf,
    ngx_http_bell_limit_main_conf_t *former)
{
    ngx_uint_t                     i;
    ngx_http_bell_limit_number_t  *n;

    for (i = 1; i < NGX_HTTP_BELL_LIMIT_NUMBERS; i++) {
        n = &lmcf->sh->numbers[i];

        if (n->len == 0
            || (!ngx_http_bell_limit_names(lmcf, n)
                && !(former && ngx_http_bell_limit_names(former, n))))
        {
            break;
        }
    }

    return i;
}


static ngx_uint_t
ngx_http_bell_limit_names(ngx_http_bell_limit_main_conf_t *lmcf,
    ngx_http_bell_limit_number_t *n)
{
    ngx_str_t  name;

    name.data = n->name;
    name.len = n->len;

    return ngx_http_bell_limit_find_policy(lmcf, &name) != NULL;
}


static void
ngx_http_bell_limit_clear(ngx_http_bell_limit_sh_t *sh, ngx_uint_t number)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_BELL_LIMIT_ROWS; i++) {
        ngx_memzero((void *) sh->rows[i].results[number],
                    sizeof(sh->rows[i].results[number]));
    }

    for (i = 0; i < NGX_HTTP_BELL_LIMIT_BOARD; i++) {
        if (sh->board[i].number == number) {
            ngx_memzero(&sh->board[i], sizeof(ngx_http_bell_limit_near_t));
        }
    }
}


/* ---- counts */

/* Workers of two generations have the same row: an addition is atomic. */

void
ngx_http_bell_limit_count(ngx_http_bell_limit_main_conf_t *lmcf,
    ngx_http_bell_limit_policy_t *policy, ngx_http_bell_limit_result_e result)
{
    ngx_http_bell_limit_row_t  *row;

    row = &lmcf->sh->rows[ngx_worker % NGX_HTTP_BELL_LIMIT_ROWS];

    (void) ngx_atomic_fetch_add(&row->results[policy->number][result], 1);
}


uint64_t
ngx_http_bell_limit_counted(ngx_http_bell_limit_main_conf_t *lmcf,
    ngx_http_bell_limit_policy_t *policy, ngx_http_bell_limit_result_e result)
{
    uint64_t    n;
    ngx_uint_t  i;

    n = 0;

    for (i = 0; i < NGX_HTTP_BELL_LIMIT_ROWS; i++) {
        n += lmcf->sh->rows[i].results[policy->number][result];
    }

    return n;
}


/* ---- the board */

/*
 * The mutex is the zone's own, which nginx unlocks when a worker dies that has
 * it.  Nobody waits for it: what is not noted now will be the next time.
 */

void
ngx_http_bell_limit_note(ngx_http_request_t *r,
    ngx_http_bell_limit_ask_t *ask, int64_t now_us)
{
    u_char                            text[NGX_HTTP_BELL_LIMIT_TEXT];
    size_t                            len;
    uint32_t                          tenant_id;
    ngx_http_bell_limit_near_t       *near;
    ngx_http_bell_limit_main_conf_t  *lmcf;

    lmcf = ngx_http_get_module_main_conf(r, ngx_http_bell_limit_module);

    len = ngx_http_bell_limit_describe(r, ask->policy, text,
                                       text + NGX_HTTP_BELL_LIMIT_TEXT)
          - text;

    tenant_id = ngx_http_bell_limit_tenant_id(r);

    if (!ngx_shmtx_trylock(&lmcf->shpool->mutex)) {
        return;
    }

    near = ngx_http_bell_limit_place(lmcf->sh, ask->name);

    if (near->name.tag != ask->name.tag || near->name.where != ask->name.where)
    {
        near->refused = 0;
        near->name = ask->name;
    }

    near->seen_us = now_us;
    near->refused += !ask->answer.allowed;
    near->tenant_id = tenant_id;
    near->number = (uint16_t) ask->policy->number;
    near->percent = (uint16_t) ask->percent;
    near->len = len;
    ngx_memcpy(near->text, text, len);

    ngx_shmtx_unlock(&lmcf->shpool->mutex);
}


/* The key's own, a free one, or that of the key that was seen longest ago. */

static ngx_http_bell_limit_near_t *
ngx_http_bell_limit_place(ngx_http_bell_limit_sh_t *sh, bell_limits_name name)
{
    ngx_uint_t                   i;
    ngx_http_bell_limit_near_t  *near, *oldest;

    near = &sh->board[name.where % NGX_HTTP_BELL_LIMIT_BOARD
                      / NGX_HTTP_BELL_LIMIT_PLACES
                      * NGX_HTTP_BELL_LIMIT_PLACES];
    oldest = near;

    for (i = 0; i < NGX_HTTP_BELL_LIMIT_PLACES; i++, near++) {

        if (near->name.tag == name.tag && near->name.where == name.where) {
            return near;
        }

        if (near->name.tag == 0 ? oldest->name.tag != 0
                                : (oldest->name.tag != 0
                                   && near->seen_us < oldest->seen_us))
        {
            oldest = near;
        }
    }

    return oldest;
}
