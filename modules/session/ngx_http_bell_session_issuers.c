
/*
 * Issuers of tokens that a tenant trusts: keys of the directory with the use
 * "token" and the algorithm "jwks" (lua-free/bell_issuer.h).  Each worker
 * keeps those of some tenants parsed, as long as the tenant is of the same
 * revision.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_session.h"


static ngx_http_bell_session_issuers_t *ngx_http_bell_session_place(
    ngx_http_bell_session_issuers_t *table, uint32_t tenant_id);
static void ngx_http_bell_session_forget(
    ngx_http_bell_session_issuers_t *issuers);
static void ngx_http_bell_session_read(
    ngx_http_bell_session_issuers_t *issuers, const bell_tenant *tenant,
    void *record, size_t len, ngx_log_t *log);
static void ngx_http_bell_session_free_issuers(void *data);


ngx_http_bell_session_issuers_t *
ngx_http_bell_session_create_issuers(ngx_pool_t *pool)
{
    ngx_pool_cleanup_t               *cln;
    ngx_http_bell_session_issuers_t  *table;

    table = ngx_pcalloc(pool, NGX_HTTP_BELL_SESSION_TENANTS
                              * sizeof(ngx_http_bell_session_issuers_t));
    cln = ngx_pool_cleanup_add(pool, 0);
    if (table == NULL || cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_bell_session_free_issuers;
    cln->data = table;

    return table;
}


ngx_http_bell_session_issuers_t *
ngx_http_bell_session_tenant_issuers(ngx_http_bell_session_issuers_t *table,
    const ngx_http_bell_core_api_t *core, const bell_tenant *tenant,
    ngx_log_t *log)
{
    void                             *record;
    size_t                            len;
    uint64_t                          version;
    ngx_http_bell_session_issuers_t  *issuers;

    issuers = ngx_http_bell_session_place(table, tenant->id);

    issuers->used_s = ngx_time();

    if (issuers->tenant_id == tenant->id
        && issuers->revision == tenant->revision)
    {
        return issuers;
    }

    record = malloc(BELL_DIRECTORY_RECORD_MAX);
    if (record == NULL) {
        return NULL;
    }

    ngx_http_bell_session_forget(issuers);

    /*
     * The record may be of a later revision than the request's tenant: then
     * the next request, which finds that one, has it read again.
     */

    len = core->copy_tenant((ngx_cycle_t *) ngx_cycle, tenant->id, record,
                            &version);

    ngx_http_bell_session_read(issuers, tenant, record, len, log);

    free(record);

    issuers->tenant_id = tenant->id;
    issuers->revision = tenant->revision;

    return issuers;
}


/*
 * Where a tenant is, or who has to go for it: one without issuers, which cost
 * nothing to read again, or who was asked for longest ago.
 */

static ngx_http_bell_session_issuers_t *
ngx_http_bell_session_place(ngx_http_bell_session_issuers_t *table,
    uint32_t tenant_id)
{
    ngx_uint_t                        i;
    ngx_http_bell_session_issuers_t  *set, *oldest;

    i = tenant_id % (NGX_HTTP_BELL_SESSION_TENANTS
                     / NGX_HTTP_BELL_SESSION_WAYS);

    set = &table[i * NGX_HTTP_BELL_SESSION_WAYS];
    oldest = set;

    for (i = 0; i < NGX_HTTP_BELL_SESSION_WAYS; i++) {
        if (set[i].tenant_id == tenant_id) {
            return &set[i];
        }

        if (set[i].nissuers == 0 && oldest->nissuers) {
            oldest = &set[i];

        } else if ((set[i].nissuers == 0) == (oldest->nissuers == 0)
                   && set[i].used_s < oldest->used_s)
        {
            oldest = &set[i];
        }
    }

    return oldest;
}


static void
ngx_http_bell_session_read(ngx_http_bell_session_issuers_t *issuers,
    const bell_tenant *tenant, void *record, size_t len, ngx_log_t *log)
{
    bell_str                         keys;
    const char                      *why;
    bell_record_key                  key;
    ngx_http_bell_session_issuer_t  *issuer;

    keys = bell_record_get(record, len, BELL_RECORD_KEYS);

    while (bell_record_next_key(&keys, &key)) {

        if (!bell_str_eq(key.use, BELL_STR("token"))) {
            continue;
        }

        if (issuers->nissuers == NGX_HTTP_BELL_SESSION_ISSUERS_MAX) {
            ngx_log_error(NGX_LOG_WARN, log, 0,
                          "bell_session: tenant \"%s\" has more issuers of "
                          "tokens than %d; \"%*s\" is passed over",
                          tenant->name, NGX_HTTP_BELL_SESSION_ISSUERS_MAX,
                          key.kid.len, key.kid.p);
            continue;
        }

        issuer = &issuers->issuers[issuers->nissuers];

        why = "its algorithm is not \"jwks\"";
        issuer->issuer = bell_str_eq(key.alg, BELL_STR("jwks"))
                             ? bell_issuer_parse(key.kid, key.material, &why)
                             : NULL;

        if (issuer->issuer == NULL) {
            ngx_log_error(NGX_LOG_WARN, log, 0,
                          "bell_session: issuer \"%*s\" of tenant \"%s\" "
                          "cannot be used: %s",
                          key.kid.len, key.kid.p, tenant->name, why);
            continue;
        }

        issuer->from_s = key.from_s;
        issuer->until_s = key.until_s;
        issuers->nissuers++;
    }
}


ngx_uint_t
ngx_http_bell_session_issuer_counts(ngx_http_bell_session_issuer_t *issuer)
{
    return (issuer->from_s == 0 || issuer->from_s <= ngx_time())
           && (issuer->until_s == 0 || issuer->until_s > ngx_time());
}


bell_issuer *
ngx_http_bell_session_find_issuer(ngx_http_bell_session_issuers_t *issuers,
    uint64_t id)
{
    ngx_uint_t                       i;
    ngx_http_bell_session_issuer_t  *issuer;

    for (i = 0; i < issuers->nissuers; i++) {
        issuer = &issuers->issuers[i];

        if (bell_issuer_id(issuer->issuer) == id
            && ngx_http_bell_session_issuer_counts(issuer))
        {
            return issuer->issuer;
        }
    }

    return NULL;
}


static void
ngx_http_bell_session_forget(ngx_http_bell_session_issuers_t *issuers)
{
    issuers->tenant_id = 0;

    while (issuers->nissuers) {
        bell_issuer_free(issuers->issuers[--issuers->nissuers].issuer);
    }
}


static void
ngx_http_bell_session_free_issuers(void *data)
{
    ngx_http_bell_session_issuers_t  *table = data;

    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_BELL_SESSION_TENANTS; i++) {
        ngx_http_bell_session_forget(&table[i]);
    }
}
