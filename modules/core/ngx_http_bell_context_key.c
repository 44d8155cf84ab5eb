
/*
 * What the edge says of a request to the origin, under a key of its own.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_context.h"
#include "ngx_http_bell_context_key.h"


#define NGX_HTTP_BELL_KEY_ERR_LEN  512


static bell_str ngx_http_bell_borrow(ngx_str_t *s);
static bell_str ngx_http_bell_method(ngx_http_request_t *r);
static ngx_int_t ngx_http_bell_target(ngx_http_request_t *r,
    ngx_str_t *target);
static void ngx_http_bell_context_key_cleanup(void *data);


static bell_str
ngx_http_bell_borrow(ngx_str_t *s)
{
    bell_str  b;

    b.p = (char *) s->data;
    b.len = s->len;

    return b;
}


/*
 * The variable is computed while the request to the origin is written, with
 * the same method and the same target.
 */

ngx_int_t
ngx_http_bell_signed_context_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                       *p;
    long                          len;
    ngx_str_t                     target;
    const bell_tenant            *tenant;
    bell_context_claims           claims;
    ngx_http_bell_ctx_t          *ctx;
    ngx_http_variable_value_t    *id;
    ngx_http_bell_context_key_t  *ck;

    v->not_found = 1;

    ck = ngx_http_bell_request_key(r);
    tenant = ngx_http_bell_context_tenant(r);

    if (ck == NULL || tenant == NULL) {
        return NGX_OK;
    }

    if (!bell_context_key_serves(ck->key, tenant->id)) {
        ngx_http_bell_reason(r, "key \"%s\" may not speak for tenant \"%s\"",
                             bell_context_key_id(ck->key), tenant->name);
        return NGX_OK;
    }

    if (ngx_http_bell_target(r, &target) != NGX_OK) {
        return NGX_ERROR;
    }

    p = ngx_pnalloc(r->pool, BELL_CONTEXT_MAX_BYTES);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ctx = ngx_http_bell_get_context(r);
    id = ngx_http_get_indexed_variable(r, ck->request_id);

    ngx_memzero(&claims, offsetof(bell_context_claims, text));

    claims.time_s = ngx_time();
    claims.tenant_id = tenant->id;
    claims.subject = ngx_http_bell_borrow(&ctx->subject);
    claims.role = ngx_http_bell_borrow(&ctx->role);
    claims.scopes = ngx_http_bell_borrow(&ctx->scopes);

    /*
     * A token of ours is for this address: whoever else asks gets the same,
     * so that nobody is named.
     */

    if (ctx->token_kind.len == 4
        && ngx_strncmp(ctx->token_kind.data, "path", 4) == 0)
    {
        claims.subject = BELL_STR_NULL;
        claims.role = BELL_STR_NULL;
        claims.scopes = BELL_STR(BELL_CONTEXT_BY_TOKEN);
    }

    if (id && !id->not_found) {
        claims.request_id.p = (char *) id->data;
        claims.request_id.len = id->len;
    }

    len = bell_context_write(ck->key, &claims, ngx_http_bell_method(r),
                             ngx_http_bell_borrow(&target), (char *) p);
    if (len < 0) {
        ngx_http_bell_reason(r, "the origin cannot be told of this request: "
                             "its method, target or subject has bytes that "
                             "do not belong there");
        return NGX_OK;
    }

    v->len = len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = p;

    return NGX_OK;
}


/* As ngx_http_proxy_create_request() has it, but for "proxy_method". */

static bell_str
ngx_http_bell_method(ngx_http_request_t *r)
{
    if (r->upstream && r->upstream->method.len) {
        return ngx_http_bell_borrow(&r->upstream->method);
    }

    return ngx_http_bell_borrow(&r->method_name);
}


/*
 * As ngx_http_proxy_create_request() has it when proxy_pass names no URI: as
 * the client sent it, unless a rewrite or an internal redirect made another.
 */

static ngx_int_t
ngx_http_bell_target(ngx_http_request_t *r, ngx_str_t *target)
{
    u_char     *p;
    uintptr_t   escape;

    if (r->valid_unparsed_uri) {
        *target = r->unparsed_uri;
        return NGX_OK;
    }

    escape = 0;

    if (r->quoted_uri || r->internal) {
        escape = 2 * ngx_escape_uri(NULL, r->uri.data, r->uri.len,
                                    NGX_ESCAPE_URI);
    }

    p = ngx_pnalloc(r->pool, r->uri.len + escape + sizeof("?") - 1
                             + r->args.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    target->data = p;

    if (escape) {
        ngx_escape_uri(p, r->uri.data, r->uri.len, NGX_ESCAPE_URI);
        p += r->uri.len + escape;

    } else {
        p = ngx_cpymem(p, r->uri.data, r->uri.len);
    }

    if (r->args.len) {
        *p++ = '?';
        p = ngx_cpymem(p, r->args.data, r->args.len);
    }

    target->len = p - target->data;

    return NGX_OK;
}


/*
 * The file is read here, by the master: the workers' user need not be able
 * to read it.
 */

char *
ngx_http_bell_context_key(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char  *p = conf;

    char                          err[NGX_HTTP_BELL_KEY_ERR_LEN];
    ngx_str_t                    *value, name;
    ngx_pool_cleanup_t           *cln;
    ngx_http_bell_context_key_t  *ck, **ckp;

    ckp = (ngx_http_bell_context_key_t **) (p + cmd->offset);

    if (*ckp) {
        return "is duplicate: an edge speaks under one key";
    }

    ck = ngx_pcalloc(cf->pool, sizeof(ngx_http_bell_context_key_t));
    if (ck == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    if (ngx_conf_full_name(cf->cycle, &value[1], 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    ck->key = bell_context_key_load((char *) value[1].data, err, sizeof(err));

    if (ck->key == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "bell_context_key %s", err);
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_http_bell_context_key_cleanup;
    cln->data = ck->key;

    ngx_str_set(&name, "request_id");

    ck->request_id = ngx_http_get_variable_index(cf, &name);
    if (ck->request_id == NGX_ERROR) {
        return NGX_CONF_ERROR;
    }

    *ckp = ck;

    return NGX_CONF_OK;
}


static void
ngx_http_bell_context_key_cleanup(void *data)
{
    bell_context_key_free(data);
}
