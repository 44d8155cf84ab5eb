
/*
 * Variables: what was found out of a request.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <openssl/evp.h>

#include "ngx_http_bell_signed.h"


#define NGX_HTTP_BELL_SIGNED_HASH_BYTES  16

#define NGX_HTTP_BELL_SIGNED_STATUS  0
#define NGX_HTTP_BELL_SIGNED_REASON  1
#define NGX_HTTP_BELL_SIGNED_ISSUER  2
#define NGX_HTTP_BELL_SIGNED_USE     3


static ngx_int_t ngx_http_bell_signed_text_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_bell_signed_word_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_bell_signed_expires_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_bell_signed_secret_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);


static ngx_http_variable_t  ngx_http_bell_signed_vars[] = {

    { ngx_string("bell_signed_status"), NULL,
      ngx_http_bell_signed_word_variable, NGX_HTTP_BELL_SIGNED_STATUS,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("bell_signed_reason"), NULL,
      ngx_http_bell_signed_word_variable, NGX_HTTP_BELL_SIGNED_REASON,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("bell_signed_issuer"), NULL,
      ngx_http_bell_signed_word_variable, NGX_HTTP_BELL_SIGNED_ISSUER,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("bell_signed_use"), NULL,
      ngx_http_bell_signed_word_variable, NGX_HTTP_BELL_SIGNED_USE,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("bell_signed_key"), NULL,
      ngx_http_bell_signed_text_variable,
      offsetof(ngx_http_bell_signed_ctx_t, key),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("bell_signed_subject"), NULL,
      ngx_http_bell_signed_text_variable,
      offsetof(ngx_http_bell_signed_ctx_t, subject),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("bell_signed_data"), NULL,
      ngx_http_bell_signed_text_variable,
      offsetof(ngx_http_bell_signed_ctx_t, data),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("bell_signed_token_hash"), NULL,
      ngx_http_bell_signed_text_variable,
      offsetof(ngx_http_bell_signed_ctx_t, token_hash),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("bell_signed_expires"), NULL,
      ngx_http_bell_signed_expires_variable, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("bell_signed_secret"), NULL,
      ngx_http_bell_signed_secret_variable, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


ngx_int_t
ngx_http_bell_signed_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_bell_signed_vars; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_signed_text_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                   *s;
    ngx_http_bell_signed_ctx_t  *ctx;

    ctx = ngx_http_bell_signed_get_ctx(r);

    s = ctx ? (ngx_str_t *) ((char *) ctx + data) : NULL;

    if (s == NULL || s->len == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->len = s->len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = s->data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_signed_word_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                    word;
    ngx_http_bell_signed_ctx_t  *ctx;

    ctx = ngx_http_bell_signed_get_ctx(r);

    if (ctx == NULL
        || (data == NGX_HTTP_BELL_SIGNED_ISSUER && ctx->issuer == NULL)
        || (data == NGX_HTTP_BELL_SIGNED_USE && ctx->use == NULL))
    {
        v->not_found = 1;
        return NGX_OK;
    }

    switch (data) {

    case NGX_HTTP_BELL_SIGNED_ISSUER:
        word = ctx->issuer->name;
        break;

    case NGX_HTTP_BELL_SIGNED_REASON:
        word.data = (u_char *) bell_signed_reason_name(ctx->reason);
        word.len = ngx_strlen(word.data);
        break;

    case NGX_HTTP_BELL_SIGNED_USE:
        word.data = (u_char *) ctx->use;
        word.len = ngx_strlen(ctx->use);
        break;

    default: /* NGX_HTTP_BELL_SIGNED_STATUS */
        if (ctx->reason == BELL_SIGNED_OK) {
            ngx_str_set(&word, "valid");

        } else if (ctx->reason == BELL_SIGNED_MISSING) {
            ngx_str_set(&word, "missing");

        } else {
            ngx_str_set(&word, "refused");
        }
    }

    v->len = word.len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = word.data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_signed_expires_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                      *p;
    ngx_http_bell_signed_ctx_t  *ctx;

    ctx = ngx_http_bell_signed_get_ctx(r);

    if (ctx == NULL || ctx->expires_s == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, NGX_INT64_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    v->len = ngx_sprintf(p, "%L", ctx->expires_s) - p;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = p;

    return NGX_OK;
}


/* Of the key that a secure link is tried with; nothing at any other time. */

static ngx_int_t
ngx_http_bell_signed_secret_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_bell_signed_main_conf_t  *smcf;

    smcf = ngx_http_get_module_main_conf(r, ngx_http_bell_signed_module);

    if (smcf->secret == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->len = smcf->secret->secret_len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = (u_char *) smcf->secret->secret;

    return NGX_OK;
}


/* Who reads a variable by its index has asked for it while it was configured. */

ngx_uint_t
ngx_http_bell_signed_wants_hashes(ngx_conf_t *cf)
{
    ngx_uint_t                  i;
    ngx_http_variable_t        *v;
    ngx_http_core_main_conf_t  *cmcf;

    static ngx_str_t  name = ngx_string("bell_signed_token_hash");

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    v = cmcf->variables.elts;

    for (i = 0; i < cmcf->variables.nelts; i++) {
        if (v[i].name.len == name.len
            && ngx_strncmp(v[i].name.data, name.data, name.len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_http_bell_signed_hash(ngx_http_request_t *r, bell_str token,
    ngx_str_t *hash)
{
    u_char  digest[EVP_MAX_MD_SIZE];

    ngx_str_null(hash);

    if (token.len == 0) {
        return NGX_OK;
    }

    if (EVP_Digest(token.p, token.len, digest, NULL, EVP_sha256(), NULL) != 1) {
        return NGX_ERROR;
    }

    hash->data = ngx_pnalloc(r->pool, 2 * NGX_HTTP_BELL_SIGNED_HASH_BYTES);
    if (hash->data == NULL) {
        return NGX_ERROR;
    }

    hash->len = 2 * NGX_HTTP_BELL_SIGNED_HASH_BYTES;
    ngx_hex_dump(hash->data, digest, NGX_HTTP_BELL_SIGNED_HASH_BYTES);

    return NGX_OK;
}
