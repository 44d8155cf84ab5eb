
/*
 * The table of core's functions, and who is given it.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_access.h"
#include "ngx_http_bell_context.h"
#include "ngx_http_bell_metrics.h"
#include "ngx_http_bell_process.h"
#include "ngx_http_bell_store.h"


static ngx_int_t ngx_http_bell_api_find_tenant(ngx_cycle_t *cycle,
    ngx_str_t *host, bell_tenant *tenant, uint64_t *version);
static ngx_uint_t ngx_http_bell_api_is_revoked(ngx_cycle_t *cycle,
    uint32_t tenant_id, ngx_str_t *subject, int64_t began_s);
static size_t ngx_http_bell_api_copy_tenant(ngx_cycle_t *cycle,
    uint32_t tenant_id, void *out, uint64_t *version);
static size_t ngx_http_bell_api_copy_pool(ngx_cycle_t *cycle, ngx_str_t *name,
    void *out, uint64_t *version);
static ngx_int_t ngx_http_bell_api_directory_status(ngx_cycle_t *cycle,
    ngx_http_bell_directory_status_t *status);


static const ngx_http_bell_core_api_t  ngx_http_bell_api = {
    NGX_HTTP_BELL_CORE_VERSION,
    NGX_HTTP_BELL_CORE_OLDEST,
    sizeof(ngx_http_bell_core_api_t),

    ngx_http_bell_context,
    ngx_http_bell_context_tenant,
    ngx_http_bell_identify,
    ngx_http_bell_reason,
    ngx_http_bell_api_find_tenant,
    ngx_http_bell_api_is_revoked,
    ngx_http_bell_api_copy_tenant,
    ngx_http_bell_api_copy_pool,
    ngx_http_bell_api_directory_status,

    ngx_http_bell_add_metric,
    ngx_http_bell_add_collector,
    ngx_http_bell_count,
    ngx_http_bell_gauge,
    ngx_http_bell_collect,

    ngx_http_bell_grant,
    ngx_http_bell_access_add,

    ngx_http_bell_process_self,
    ngx_http_bell_process_lives,
    ngx_http_bell_process_on_wake,
    ngx_http_bell_process_wake,

    ngx_http_bell_store_parse,
    ngx_http_bell_store_open,
    ngx_http_bell_store_close,
    bell_redis_script_init,
    ngx_http_bell_store_command,
    ngx_http_bell_store_eval,
    ngx_http_bell_store_listen,
    bell_redis_unlisten,
    ngx_http_bell_store_status
};


const ngx_http_bell_core_api_t *
ngx_http_bell_core_api(ngx_conf_t *cf, ngx_module_t *module,
    ngx_uint_t version)
{
    if (version > NGX_HTTP_BELL_CORE_VERSION) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "module \"%s\" is newer than the "
                      "ngx_http_bell_core_module that is loaded: it needs "
                      "version %ui of core's functions and this is %ui; "
                      "install modules of one release and restart nginx (a "
                      "reload keeps the old ones in memory)",
                      module->name, version,
                      (ngx_uint_t) NGX_HTTP_BELL_CORE_VERSION);
        return NULL;
    }

    if (version < NGX_HTTP_BELL_CORE_OLDEST) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "module \"%s\" is too old for the "
                      "ngx_http_bell_core_module that is loaded: it was made "
                      "for version %ui of core's functions and %ui to %ui are "
                      "served; install modules of one release and restart "
                      "nginx",
                      module->name, version,
                      (ngx_uint_t) NGX_HTTP_BELL_CORE_OLDEST,
                      (ngx_uint_t) NGX_HTTP_BELL_CORE_VERSION);
        return NULL;
    }

    return &ngx_http_bell_api;
}


static ngx_int_t
ngx_http_bell_api_find_tenant(ngx_cycle_t *cycle, ngx_str_t *host,
    bell_tenant *tenant, uint64_t *version)
{
    ngx_http_bell_directory_t  *d;

    d = ngx_http_bell_cycle_directory(cycle);

    if (d == NULL) {
        *version = 0;
        ngx_memzero(tenant, sizeof(bell_tenant));
        return NGX_DECLINED;
    }

    return ngx_http_bell_find_host(d, host,
                                   ngx_http_bell_expect_host(d, host),
                                   tenant, version);
}


static ngx_uint_t
ngx_http_bell_api_is_revoked(ngx_cycle_t *cycle, uint32_t tenant_id,
    ngx_str_t *subject, int64_t began_s)
{
    bell_str                    s;
    ngx_http_bell_directory_t  *d;

    d = ngx_http_bell_cycle_directory(cycle);

    s.p = (char *) subject->data;
    s.len = subject->len;

    return d ? ngx_http_bell_directory_is_revoked(d, tenant_id, s, began_s)
             : 0;
}


static size_t
ngx_http_bell_api_copy_tenant(ngx_cycle_t *cycle, uint32_t tenant_id,
    void *out, uint64_t *version)
{
    ngx_http_bell_directory_t  *d;

    d = ngx_http_bell_cycle_directory(cycle);

    *version = 0;

    if (d == NULL || tenant_id == 0) {
        return 0;
    }

    return ngx_http_bell_directory_record(d, tenant_id, BELL_STR_NULL, out,
                                          version);
}


static size_t
ngx_http_bell_api_copy_pool(ngx_cycle_t *cycle, ngx_str_t *name, void *out,
    uint64_t *version)
{
    bell_str                    s;
    ngx_http_bell_directory_t  *d;

    d = ngx_http_bell_cycle_directory(cycle);

    *version = 0;

    if (d == NULL) {
        return 0;
    }

    s.p = (char *) name->data;
    s.len = name->len;

    return ngx_http_bell_directory_record(d, 0, s, out, version);
}


static ngx_int_t
ngx_http_bell_api_directory_status(ngx_cycle_t *cycle,
    ngx_http_bell_directory_status_t *status)
{
    ngx_http_bell_directory_t  *d;

    ngx_memzero(status, sizeof(ngx_http_bell_directory_status_t));

    d = ngx_http_bell_cycle_directory(cycle);

    if (d == NULL) {
        return NGX_DECLINED;
    }

    ngx_http_bell_directory_status(d, status);

    return NGX_OK;
}
