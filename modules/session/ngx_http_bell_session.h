
/*
 * Who asks: what the files of this module share.
 *
 *     module   directives, the handler of the access phase, variables
 *     verify   a token and a tenant in, a verdict out
 *     keys     the public keys of our own sessions, from a file
 *     issuers  those whom a tenant trusts beside us, from the directory
 *     metrics  what is counted
 */

#ifndef _NGX_HTTP_BELL_SESSION_H_INCLUDED_
#define _NGX_HTTP_BELL_SESSION_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_core.h"
#include "ngx_http_bell_sigcache.h"
#include "bell_session.h"


#pragma GCC visibility push(hidden)


#define NGX_HTTP_BELL_SESSION_ERR_LEN      512


/* ---- our own keys */

#define NGX_HTTP_BELL_SESSION_KEYS_MAX  16

/*
 * The master reads the file with the configuration; each worker looks once
 * a second, when a session comes, whether it is another one.
 */

typedef struct {
    ngx_str_t                     file;
    bell_token_key               *keys[NGX_HTTP_BELL_SESSION_KEYS_MAX];
    ngx_uint_t                    nkeys;

    ngx_file_uniq_t               uniq;
    time_t                        mtime;
    off_t                         size;
    ngx_err_t                     missing;      /* said already */
    time_t                        looked_s;
} ngx_http_bell_session_keys_t;


char *ngx_http_bell_session_keys(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* Looks at the file; once a second, or whenever it is forced. */
void ngx_http_bell_session_keys_look(ngx_http_bell_session_keys_t *k,
    ngx_uint_t force, ngx_log_t *log);
ngx_uint_t ngx_http_bell_session_keys_has(ngx_http_bell_session_keys_t *k,
    uint64_t source);


/* ---- others' */

#define NGX_HTTP_BELL_SESSION_ISSUERS_MAX  8    /* of a tenant */
#define NGX_HTTP_BELL_SESSION_TENANTS      1024 /* whose issuers are kept */
#define NGX_HTTP_BELL_SESSION_WAYS         4    /* places where a tenant may be */

typedef struct {
    bell_issuer                  *issuer;
    int64_t                       from_s;       /* 0: since ever */
    int64_t                       until_s;      /* 0: for ever */
} ngx_http_bell_session_issuer_t;


typedef struct {
    uint32_t                        tenant_id;  /* 0: empty */
    uint64_t                        revision;
    time_t                          used_s;
    ngx_uint_t                      nissuers;
    ngx_http_bell_session_issuer_t  issuers[NGX_HTTP_BELL_SESSION_ISSUERS_MAX];
} ngx_http_bell_session_issuers_t;


/*
 * Those of a tenant, as they are in the revision that the request has found;
 * good until the next call.  NULL: no memory.
 */
ngx_http_bell_session_issuers_t *ngx_http_bell_session_tenant_issuers(
    ngx_http_bell_session_issuers_t *table,
    const ngx_http_bell_core_api_t *core, const bell_tenant *tenant,
    ngx_log_t *log);

/* NULL: none of that id counts now */
bell_issuer *ngx_http_bell_session_find_issuer(
    ngx_http_bell_session_issuers_t *issuers, uint64_t id);

ngx_uint_t ngx_http_bell_session_issuer_counts(
    ngx_http_bell_session_issuer_t *issuer);

/* a table of NGX_HTTP_BELL_SESSION_TENANTS, given back with the pool */
ngx_http_bell_session_issuers_t *ngx_http_bell_session_create_issuers(
    ngx_pool_t *pool);


/* ---- */

typedef struct {
    const ngx_http_bell_core_api_t   *core;
    ngx_http_bell_sigcache_t         *cache;    /* NULL: not configured */
    ngx_http_bell_session_keys_t     *keys;     /* likewise */
    ngx_http_bell_session_issuers_t  *issuers;

    /* requests by what was found, and tokens whose signature was computed */

    ngx_http_bell_metric_t           *requests[BELL_SESSION_VERDICTS];
    ngx_http_bell_metric_t           *computed;
} ngx_http_bell_session_main_conf_t;


/* for the preconfiguration handler */
ngx_int_t ngx_http_bell_session_add_metrics(ngx_conf_t *cf,
    ngx_http_bell_session_main_conf_t *smcf);


/*
 * OK: *s says who asks.  Signatures of others than ours are accepted only
 * with "foreign".
 */
bell_session_verdict ngx_http_bell_session_verify(
    ngx_http_bell_session_main_conf_t *smcf, const bell_tenant *tenant,
    bell_str token, ngx_uint_t foreign, bell_session *s, ngx_log_t *log);


#pragma GCC visibility pop


#endif /* _NGX_HTTP_BELL_SESSION_H_INCLUDED_ */
