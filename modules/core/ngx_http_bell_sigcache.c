
/*
 * Verified signatures in shared memory: what one worker has found, all know.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <openssl/rand.h>

#include "ngx_http_bell_sigcache.h"


static ngx_int_t ngx_http_bell_sigcache_init_zone(ngx_shm_zone_t *shm_zone,
    void *data);
static char *ngx_http_bell_sigcache_slot(ngx_conf_t *cf, ngx_str_t *value,
    size_t *slot);


static ngx_int_t
ngx_http_bell_sigcache_init_zone(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_http_bell_sigcache_t  *oc = data;

    size_t                          size;
    u_char                          seed[BELL_SIPHASH_KEY_BYTES];
    ngx_slab_pool_t                *shpool;
    ngx_http_bell_sigcache_t  *c;

    c = shm_zone->data;
    shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (oc && oc->slot_bytes != c->slot_bytes) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "%V: zone \"%V\" has slots of %uz bytes and cannot "
                      "change to %uz while nginx runs: give it another name "
                      "or restart", &c->directive, &shm_zone->shm.name,
                      oc->slot_bytes, c->slot_bytes);
        return NGX_ERROR;
    }

    if (oc) {
        c->cells = oc->cells;
        return NGX_OK;
    }

    if (shm_zone->shm.exists) {
        c->cells = shpool->data;
        return NGX_OK;
    }

    /* all that the zone has, in one piece; pages are aligned */

    size = shpool->pfree * ngx_pagesize;
    c->cells = ngx_slab_calloc(shpool, size);

    if (RAND_bytes(seed, sizeof(seed)) != 1) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "%V: OpenSSL gave no randomness", &c->directive);
        return NGX_ERROR;
    }

    if (c->cells == NULL
        || !bell_sigcache_init(c->cells, size, c->slot_bytes, seed))
    {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "%V: zone \"%V\" of %uz bytes cannot be laid out: make "
                      "it larger", &c->directive, &shm_zone->shm.name,
                      shm_zone->shm.size);
        return NGX_ERROR;
    }

    shpool->data = c->cells;

    return NGX_OK;
}


char *
ngx_http_bell_sigcache(ngx_conf_t *cf, ngx_command_t *cmd, void *conf,
    ngx_module_t *module, size_t slot_bytes)
{
    char  *p = conf;

    u_char                         *colon;
    ssize_t                         size;
    ngx_str_t                      *value, name, s;
    ngx_http_bell_sigcache_t  *c, **cp;

    cp = (ngx_http_bell_sigcache_t **) (p + cmd->offset);

    if (*cp) {
        return "is duplicate";
    }

    c = ngx_pcalloc(cf->pool, sizeof(ngx_http_bell_sigcache_t));
    if (c == NULL) {
        return NGX_CONF_ERROR;
    }

    c->directive = cmd->name;
    c->slot_bytes = slot_bytes;

    value = cf->args->elts;

    if (cf->args->nelts == 3
        && ngx_http_bell_sigcache_slot(cf, &value[2], &c->slot_bytes)
           != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    colon = value[1].len > 5 && ngx_strncmp(value[1].data, "zone=", 5) == 0
            ? ngx_strlchr(value[1].data, value[1].data + value[1].len, ':')
            : NULL;

    if (colon == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" is not zone=NAME:SIZE", &value[1]);
        return NGX_CONF_ERROR;
    }

    name.data = value[1].data + 5;
    name.len = colon - name.data;

    s.data = colon + 1;
    s.len = value[1].data + value[1].len - s.data;

    size = ngx_parse_size(&s);

    if (name.len == 0 || size == NGX_ERROR
        || size < (ssize_t) (8 * ngx_pagesize))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\": a name and a size of %uzk or more are "
                           "expected, as in zone=signatures:16m", &value[1],
                           8 * ngx_pagesize / 1024);
        return NGX_CONF_ERROR;
    }

    c->shm_zone = ngx_shared_memory_add(cf, &name, size, module);
    if (c->shm_zone == NULL) {
        return NGX_CONF_ERROR;
    }

    c->shm_zone->init = ngx_http_bell_sigcache_init_zone;
    c->shm_zone->data = c;

    *cp = c;

    return NGX_CONF_OK;
}


static char *
ngx_http_bell_sigcache_slot(ngx_conf_t *cf, ngx_str_t *value, size_t *slot)
{
    ssize_t    size;
    ngx_str_t  s;

    size = NGX_ERROR;

    if (value->len > 5 && ngx_strncmp(value->data, "slot=", 5) == 0) {
        s.data = value->data + 5;
        s.len = value->len - 5;
        size = ngx_parse_size(&s);
    }

    if (size < BELL_SIGCACHE_SLOT_MIN || size > BELL_SIGCACHE_SLOT_MAX
        || size % BELL_SIGCACHE_ALIGN)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" is not slot=SIZE, from %d to %d and a "
                           "multiple of %d", value, BELL_SIGCACHE_SLOT_MIN,
                           BELL_SIGCACHE_SLOT_MAX, BELL_SIGCACHE_ALIGN);
        return NGX_CONF_ERROR;
    }

    *slot = size;

    return NGX_CONF_OK;
}
