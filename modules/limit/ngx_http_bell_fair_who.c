
/*
 * Whose request it is: tenant, class and student, or his address where nobody
 * is known; and what it is for.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_fair.h"


#define NGX_HTTP_BELL_FAIR_WEIGHT  100  /* of who has no other */
#define NGX_HTTP_BELL_FAIR_RANK    3    /* browsing */


static ngx_int_t ngx_http_bell_fair_pool_key(ngx_http_request_t *r,
    ngx_http_bell_fair_loc_conf_t *flcf, uint64_t *key, ngx_str_t *text);
static uint64_t ngx_http_bell_fair_student(ngx_http_request_t *r,
    ngx_http_bell_ctx_t *ctx);
static uint64_t ngx_http_bell_fair_hash(ngx_http_request_t *r, void *data,
    size_t len);
static ngx_int_t ngx_http_bell_fair_number(ngx_http_request_t *r,
    ngx_http_complex_value_t *cv, ngx_int_t most, ngx_int_t otherwise,
    const char *what, uint32_t *number);
static uint32_t ngx_http_bell_fair_weight(ngx_http_request_t *r,
    const bell_tenant *tenant);
static uint32_t ngx_http_bell_fair_read_weight(ngx_http_request_t *r,
    uint32_t tenant_id);


ngx_int_t
ngx_http_bell_fair_who(ngx_http_request_t *r,
    ngx_http_bell_fair_loc_conf_t *flcf, bell_fair_asked *asked,
    uint64_t *key, ngx_str_t *text)
{
    ngx_str_t                        class;
    const bell_tenant               *tenant;
    ngx_http_bell_ctx_t             *ctx;
    ngx_http_bell_fair_main_conf_t  *fmcf;

    fmcf = ngx_http_get_module_main_conf(r, ngx_http_bell_fair_module);

    ctx = fmcf->core->context(r);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    class = ctx->class;

    if (flcf->class && ngx_http_complex_value(r, flcf->class, &class) != NGX_OK)
    {
        return NGX_ERROR;
    }

    tenant = fmcf->core->tenant(r);

    asked->tenant = tenant ? tenant->id : 0;
    asked->class = ngx_http_bell_fair_hash(r, class.data, class.len);
    asked->student = ngx_http_bell_fair_student(r, ctx);
    asked->queue = (uint32_t) flcf->pool->queue;

    if (ngx_http_bell_fair_number(r, flcf->weight, BELL_FAIR_WEIGHT_MAX,
                                  NGX_HTTP_BELL_FAIR_WEIGHT, "weight=",
                                  &asked->weight)
        != NGX_OK
        || ngx_http_bell_fair_number(r, flcf->rank, BELL_FAIR_RANKS,
                                     NGX_HTTP_BELL_FAIR_RANK,
                                     "bell_fair_rank", &asked->rank)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (flcf->weight == NULL && tenant) {
        asked->weight = ngx_http_bell_fair_weight(r, tenant);
    }

    return ngx_http_bell_fair_pool_key(r, flcf, key, text);
}


static ngx_int_t
ngx_http_bell_fair_pool_key(ngx_http_request_t *r,
    ngx_http_bell_fair_loc_conf_t *flcf, uint64_t *key, ngx_str_t *text)
{
    u_char     *p;
    size_t      len;
    ngx_str_t  *name;

    ngx_str_null(text);

    name = &flcf->pool->name;

    if (flcf->key && ngx_http_complex_value(r, flcf->key, text) != NGX_OK) {
        return NGX_ERROR;
    }

    /* a name has no NUL, so that it is known where it ends */

    len = name->len + 1 + text->len;

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, name->data, name->len + 1);

    if (text->len) {
        ngx_memcpy(p + name->len + 1, text->data, text->len);
    }

    *key = ngx_http_bell_fair_hash(r, p, len);

    return NGX_OK;
}


/* Of IPv6 it is the network that counts: who has one has many addresses. */

static uint64_t
ngx_http_bell_fair_student(ngx_http_request_t *r, ngx_http_bell_ctx_t *ctx)
{
    struct sockaddr      *sa;
#if (NGX_HAVE_INET6)
    struct sockaddr_in6  *sin6;
#endif

    if (ctx->subject.len) {
        return ngx_http_bell_fair_hash(r, ctx->subject.data, ctx->subject.len);
    }

    if (ctx->token_subject.len) {
        return ngx_http_bell_fair_hash(r, ctx->token_subject.data,
                                       ctx->token_subject.len);
    }

    sa = r->connection->sockaddr;

    switch (sa->sa_family) {

    case AF_INET:
        return ngx_http_bell_fair_hash(r,
                                   &((struct sockaddr_in *) sa)->sin_addr,
                                   sizeof(struct in_addr));

#if (NGX_HAVE_INET6)
    case AF_INET6:
        sin6 = (struct sockaddr_in6 *) sa;

        return IN6_IS_ADDR_V4MAPPED(&sin6->sin6_addr)
               ? ngx_http_bell_fair_hash(r, &sin6->sin6_addr.s6_addr[12], 4)
               : ngx_http_bell_fair_hash(r, &sin6->sin6_addr, 8);
#endif

    default: /* AF_UNIX */
        return 0;
    }
}


/* Never 0, which is nobody's; of nothing it is 0. */

static uint64_t
ngx_http_bell_fair_hash(ngx_http_request_t *r, void *data, size_t len)
{
    bell_str                         s;
    uint64_t                         hash;
    ngx_http_bell_fair_main_conf_t  *fmcf;

    if (len == 0) {
        return 0;
    }

    fmcf = ngx_http_get_module_main_conf(r, ngx_http_bell_fair_module);

    s.p = data;
    s.len = len;

    hash = bell_siphash(fmcf->sh->seed, s);

    return hash ? hash : 1;
}


static ngx_int_t
ngx_http_bell_fair_number(ngx_http_request_t *r, ngx_http_complex_value_t *cv,
    ngx_int_t most, ngx_int_t otherwise, const char *what, uint32_t *number)
{
    ngx_int_t  n;
    ngx_str_t  text;

    *number = (uint32_t) otherwise;

    if (cv == NULL) {
        return NGX_OK;
    }

    if (ngx_http_complex_value(r, cv, &text) != NGX_OK) {
        return NGX_ERROR;
    }

    if (text.len == 0) {
        return NGX_OK;
    }

    n = ngx_atoi(text.data, text.len);

    if (n < 1 || n > most) {
        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "bell_fair: %s is \"%V\", which is no number from 1 to "
                      "%i: it is taken for %i", what, &text, most, otherwise);
        return NGX_OK;
    }

    *number = (uint32_t) n;

    return NGX_OK;
}


/* The directory's word; what was read of a tenant is good until he changes. */

static uint32_t
ngx_http_bell_fair_weight(ngx_http_request_t *r, const bell_tenant *tenant)
{
    ngx_http_bell_fair_known_t      *known;
    ngx_http_bell_fair_main_conf_t  *fmcf;

    fmcf = ngx_http_get_module_main_conf(r, ngx_http_bell_fair_module);

    known = &fmcf->known[tenant->id % NGX_HTTP_BELL_FAIR_KNOWN];

    if (known->tenant_id != tenant->id || known->revision != tenant->revision)
    {
        known->weight = ngx_http_bell_fair_read_weight(r, tenant->id);
        known->tenant_id = tenant->id;
        known->revision = tenant->revision;
    }

    return known->weight;
}


static uint32_t
ngx_http_bell_fair_read_weight(ngx_http_request_t *r, uint32_t tenant_id)
{
    void                            *record;
    size_t                           len;
    uint64_t                         version, weight;
    bell_str                         name;
    ngx_http_bell_fair_main_conf_t  *fmcf;

    fmcf = ngx_http_get_module_main_conf(r, ngx_http_bell_fair_module);

    record = ngx_alloc(BELL_DIRECTORY_RECORD_MAX, r->connection->log);
    if (record == NULL) {
        return NGX_HTTP_BELL_FAIR_WEIGHT;
    }

    name.p = "fair_weight";
    name.len = sizeof("fair_weight") - 1;

    len = fmcf->core->copy_tenant((ngx_cycle_t *) ngx_cycle, tenant_id, record,
                                  &version);

    if (!bell_record_limit(record, len, name, &weight)
        || weight < 1 || weight > BELL_FAIR_WEIGHT_MAX)
    {
        weight = NGX_HTTP_BELL_FAIR_WEIGHT;
    }

    ngx_free(record);

    return (uint32_t) weight;
}
