
/*
 * The edge context of a request, for core's own files; other modules reach
 * these functions through the table of ngx_http_bell_core.h.
 */

#ifndef _NGX_HTTP_BELL_CONTEXT_H_INCLUDED_
#define _NGX_HTTP_BELL_CONTEXT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_core.h"
#include "ngx_http_bell_hosts.h"


#pragma GCC visibility push(hidden)


extern ngx_module_t  ngx_http_bell_core_module
    __attribute__((visibility("default")));


/* NULL: there is none yet */
ngx_http_bell_ctx_t *ngx_http_bell_get_context(ngx_http_request_t *r);

/* what the table calls context, tenant, identify, grant, reason */
ngx_http_bell_ctx_t *ngx_http_bell_context(ngx_http_request_t *r);
const bell_tenant *ngx_http_bell_context_tenant(ngx_http_request_t *r);
ngx_int_t ngx_http_bell_identify(ngx_http_request_t *r, ngx_str_t *subject,
    ngx_str_t *role, ngx_str_t *class);
ngx_int_t ngx_http_bell_grant(ngx_http_request_t *r, ngx_str_t *scopes);
void ngx_http_bell_reason(ngx_http_request_t *r, const char *fmt, ...);

/*
 * $bell_tenant_title_html and its like: the tenant's own words, escaped.
 * "data" is a bell_record_part, with NGX_HTTP_BELL_NOTICE_JSON or without.
 */
#define NGX_HTTP_BELL_NOTICE_JSON  0x100

ngx_int_t ngx_http_bell_notice_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);

/* NULL: "bell_directory" is not configured */
ngx_http_bell_directory_t *ngx_http_bell_request_directory(
    ngx_http_request_t *r);
ngx_http_bell_directory_t *ngx_http_bell_cycle_directory(ngx_cycle_t *cycle);


#pragma GCC visibility pop


#endif /* _NGX_HTTP_BELL_CONTEXT_H_INCLUDED_ */
