
/*
 * "bell_limit_redis" and "bell_limit_leases": what policies over all edges
 * need, and the memory that they have.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <openssl/evp.h>
#include <openssl/rand.h>

#include "ngx_http_bell_limit.h"


#define NGX_HTTP_BELL_LIMIT_LEASES_MIN      (32 * 1024)
#define NGX_HTTP_BELL_LIMIT_LEASES_DEFAULT  (1024 * 1024)


static uint64_t ngx_http_bell_limit_id(ngx_str_t *name);
static ngx_int_t ngx_http_bell_limit_add_leases(ngx_conf_t *cf,
    ngx_http_bell_limit_leases_t *leases);
static ngx_int_t ngx_http_bell_limit_init_leases_zone(ngx_shm_zone_t *shm_zone,
    void *data);
static ngx_int_t ngx_http_bell_limit_create_leases(ngx_shm_zone_t *shm_zone,
    ngx_http_bell_limit_leases_t *leases);
static void *ngx_http_bell_limit_leases_table(
    ngx_http_bell_limit_leases_sh_t *sh);


/* bell_limit_redis ADDRESS... [cluster] PARAMETER... */

char *
ngx_http_bell_limit_redis(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_bell_limit_main_conf_t  *lmcf = conf;

    if (lmcf->leases.redis) {
        return "is duplicate";
    }

    lmcf->leases.redis = ngx_pcalloc(cf->pool,
                                     sizeof(ngx_http_bell_store_conf_t));
    if (lmcf->leases.redis == NULL) {
        return NGX_CONF_ERROR;
    }

    return lmcf->core->store_parse(cf, lmcf->leases.redis);
}


/* bell_limit_leases [zone=NAME:SIZE] [edges=N] */

char *
ngx_http_bell_limit_leases(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_bell_limit_main_conf_t  *lmcf = conf;

    ngx_int_t                      n;
    ngx_str_t                     *value;
    ngx_uint_t                     i;
    ngx_http_bell_limit_leases_t  *leases;

    leases = &lmcf->leases;

    if (leases->name.len || leases->edges) {
        return "is duplicate";
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "zone=", 5) == 0) {

            if (ngx_http_bell_limit_parse_zone(cf, &value[i],
                                               NGX_HTTP_BELL_LIMIT_LEASES_MIN,
                                               "leases:1m", &leases->name,
                                               &leases->size)
                != NGX_OK)
            {
                return NGX_CONF_ERROR;
            }

            continue;
        }

        if (ngx_strncmp(value[i].data, "edges=", 6) == 0) {
            n = ngx_atoi(value[i].data + 6, value[i].len - 6);

            if (n >= 1 && n <= BELL_LEASE_EDGES_MAX) {
                leases->edges = n;
                continue;
            }
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"%V\": zone=NAME:SIZE is expected, or "
                           "edges=N, how many edges there are, from 1 to %d",
                           &value[i], BELL_LEASE_EDGES_MAX);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_bell_limit_init_leases(ngx_conf_t *cf,
    ngx_http_bell_limit_main_conf_t *lmcf)
{
    ngx_uint_t                      i;
    ngx_http_bell_limit_policy_t  **policies;

    policies = lmcf->policies.elts;

    for (i = 0; i < lmcf->policies.nelts; i++) {

        if (!policies[i]->over_edges) {
            continue;
        }

        if (lmcf->leases.redis == NULL) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "policy \"%V\" holds over all edges, which share it "
                          "by Redis: add \"bell_limit_redis ADDRESS:PORT;\" "
                          "to the http block", &policies[i]->name);
            return NGX_ERROR;
        }

        policies[i]->id = ngx_http_bell_limit_id(&policies[i]->name);
        lmcf->leases.used = 1;
    }

    return lmcf->leases.used ? ngx_http_bell_limit_add_leases(cf,
                                                              &lmcf->leases)
                             : NGX_OK;
}


/*
 * A lease outlives configurations, and the memory of numbers: it says whose it
 * is by this.
 */

static uint64_t
ngx_http_bell_limit_id(ngx_str_t *name)
{
    u_char    md[EVP_MAX_MD_SIZE];
    uint64_t  id;

    ngx_memzero(md, sizeof(md));

    (void) EVP_Digest(name->data, name->len, md, NULL, EVP_sha256(), NULL);

    ngx_memcpy(&id, md, sizeof(uint64_t));

    return id;
}


static ngx_int_t
ngx_http_bell_limit_add_leases(ngx_conf_t *cf,
    ngx_http_bell_limit_leases_t *leases)
{
    ngx_shm_zone_t  *shm_zone;

    if (leases->name.len == 0) {
        ngx_str_set(&leases->name, "bell_limit_leases");
        leases->size = NGX_HTTP_BELL_LIMIT_LEASES_DEFAULT;
    }

    shm_zone = ngx_shared_memory_add(cf, &leases->name, leases->size,
                                     &ngx_http_bell_limit_module);
    if (shm_zone == NULL) {
        return NGX_ERROR;
    }

    if (shm_zone->data) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "zone \"%V\" is that of \"bell_limit_zone\", and leases "
                      "need one of their own", &leases->name);
        return NGX_ERROR;
    }

    shm_zone->init = ngx_http_bell_limit_init_leases_zone;
    shm_zone->data = leases;

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_limit_init_leases_zone(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_http_bell_limit_leases_t  *former = data;

    ngx_http_bell_limit_leases_t  *leases;

    leases = shm_zone->data;
    leases->shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (former) {
        leases->sh = former->sh;
        leases->table = former->table;

        return NGX_OK;
    }

    if (shm_zone->shm.exists) {
        leases->sh = leases->shpool->data;
        leases->table = ngx_http_bell_limit_leases_table(leases->sh);

        return NGX_OK;
    }

    return ngx_http_bell_limit_create_leases(shm_zone, leases);
}


/*
 * Its number is by lot: two edges of one number would take each other's leases
 * for their own.  So is the first epoch: an edge that was a former one of that
 * number is another.
 */

static ngx_int_t
ngx_http_bell_limit_create_leases(ngx_shm_zone_t *shm_zone,
    ngx_http_bell_limit_leases_t *leases)
{
    u_char    *p;
    size_t     size;
    uint64_t   lot[2];

    if (RAND_bytes((u_char *) lot, sizeof(lot)) != 1) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "bell_limit_leases: OpenSSL gave no randomness");
        return NGX_ERROR;
    }

    size = leases->shpool->pfree * ngx_pagesize;

    p = ngx_slab_calloc(leases->shpool, size);

    if (p) {
        leases->sh = (ngx_http_bell_limit_leases_sh_t *) p;
        leases->table = ngx_http_bell_limit_leases_table(leases->sh);
    }

    if (p == NULL || (u_char *) leases->table >= p + size
        || !bell_leases_init(leases->table,
                             p + size - (u_char *) leases->table,
                             lot[1] % BELL_LEASE_UNITS_MAX))
    {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "bell_limit_leases: zone \"%V\" of %uz bytes cannot be "
                      "laid out: make it larger", &shm_zone->shm.name,
                      shm_zone->shm.size);
        return NGX_ERROR;
    }

    leases->sh->edge = lot[0] % BELL_LEASE_UNITS_MAX;
    leases->shpool->data = leases->sh;

    return NGX_OK;
}


static void *
ngx_http_bell_limit_leases_table(ngx_http_bell_limit_leases_sh_t *sh)
{
    return ngx_align_ptr((u_char *) (sh + 1), BELL_LEASES_ALIGN);
}
