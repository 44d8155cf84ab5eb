
/*
 * Firstbell's edge: requests that an issuer has signed.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_signed.h"


/* what a signature and the bytes that it is of may take, with 24 bytes */
#define NGX_HTTP_BELL_SIGNED_SLOT  1024


static ngx_int_t ngx_http_bell_signed_handler(ngx_http_request_t *r);
static ngx_uint_t ngx_http_bell_signed_asks_for(ngx_array_t *asked,
    ngx_http_bell_signed_issuer_t *issuer);
static ngx_int_t ngx_http_bell_signed_restart(ngx_http_request_t *r);
static ngx_int_t ngx_http_bell_signed_judge(ngx_http_request_t *r,
    ngx_http_bell_signed_ctx_t *ctx);
static bell_signed_reason ngx_http_bell_signed_ask(
    ngx_http_bell_signed_verify_t *verify, bell_signed_call *call,
    bell_signed_result *result);
static ngx_int_t ngx_http_bell_signed_tell(ngx_http_request_t *r,
    ngx_http_bell_signed_ctx_t *ctx);
static ngx_int_t ngx_http_bell_signed_keep(ngx_http_request_t *r,
    ngx_http_bell_signed_ctx_t *ctx, bell_signed_result *result);
static ngx_int_t ngx_http_bell_signed_copy(ngx_http_request_t *r,
    ngx_str_t *to, bell_str from);

static void ngx_http_bell_signed_cleanup(void *data);
static ngx_int_t ngx_http_bell_signed_preconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_http_bell_signed_postconfiguration(ngx_conf_t *cf);
static void *ngx_http_bell_signed_create_main_conf(ngx_conf_t *cf);
static void *ngx_http_bell_signed_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_bell_signed_merge_loc_conf(ngx_conf_t *cf,
    void *parent, void *child);
static char *ngx_http_bell_signed_keep_names(ngx_conf_t *cf,
    ngx_http_bell_signed_loc_conf_t *slcf);
static char *ngx_http_bell_signed(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_bell_signed_cache(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


static ngx_command_t  ngx_http_bell_signed_commands[] = {

    { ngx_string("bell_signed_issuer"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_2MORE,
      ngx_http_bell_signed_issuer,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("bell_signed_cache"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE12,
      ngx_http_bell_signed_cache,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_bell_signed_main_conf_t, cache),
      NULL },

    { ngx_string("bell_signed_replay"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_bell_signed_replay,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("bell_signed"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_bell_signed,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_bell_signed_loc_conf_t, issuers),
      NULL },

    { ngx_string("bell_signed_scheme"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_set_complex_value_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_bell_signed_loc_conf_t, scheme),
      NULL },

    { ngx_string("bell_signed_country"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_set_complex_value_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_bell_signed_loc_conf_t, country),
      NULL },

    { ngx_string("bell_signed_asn"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_set_complex_value_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_bell_signed_loc_conf_t, asn),
      NULL },

    { ngx_string("bell_signed_hls"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_bell_signed_hls,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_bell_signed_loc_conf_t, hls),
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_bell_signed_module_ctx = {
    ngx_http_bell_signed_preconfiguration,  /* preconfiguration */
    ngx_http_bell_signed_postconfiguration, /* postconfiguration */

    ngx_http_bell_signed_create_main_conf,  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_bell_signed_create_loc_conf,  /* create location configuration */
    ngx_http_bell_signed_merge_loc_conf    /* merge location configuration */
};


ngx_module_t  ngx_http_bell_signed_module = {
    NGX_MODULE_V1,
    &ngx_http_bell_signed_module_ctx,      /* module context */
    ngx_http_bell_signed_commands,         /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


/*
 * In core's room of identity; again after an internal redirect, where the
 * token is cut out already: what was found holds, unless others are asked.
 */

static ngx_int_t
ngx_http_bell_signed_handler(ngx_http_request_t *r)
{
    ngx_int_t                          rc;
    ngx_pool_cleanup_t                *cln;
    ngx_http_bell_signed_ctx_t        *ctx;
    ngx_http_bell_signed_loc_conf_t   *slcf;
    ngx_http_bell_signed_main_conf_t  *smcf;

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_bell_signed_module);

    if (slcf->issuers == NULL) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_bell_signed_get_ctx(r);

    if (ctx
        && (ctx->issuers == slcf->issuers
            || (ctx->reason == BELL_SIGNED_OK
                && ngx_http_bell_signed_asks_for(slcf->issuers, ctx->issuer))))
    {
        if (ctx->is_open) {
            return NGX_DECLINED;
        }

        return ngx_http_bell_signed_answer(r, ctx);
    }

    if (ctx == NULL) {
        cln = ngx_pool_cleanup_add(r->pool,
                                   sizeof(ngx_http_bell_signed_ctx_t));
        if (cln == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        ctx = cln->data;

        ngx_memzero(ctx, sizeof(ngx_http_bell_signed_ctx_t));
        ctx->target = r->unparsed_uri;

        /* nothing to clean up: the handler is what it is found by */
        cln->handler = ngx_http_bell_signed_cleanup;

        ngx_http_set_ctx(r, ctx, ngx_http_bell_signed_module);
    }

    ctx->issuers = slcf->issuers;

    rc = ngx_http_bell_signed_judge(r, ctx);

    if (rc != NGX_OK) {
        return rc == NGX_DONE ? NGX_DONE : NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_bell_signed_tell(r, ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->is_open) {
        return NGX_DECLINED;
    }

    smcf = ngx_http_get_module_main_conf(r, ngx_http_bell_signed_module);

    smcf->core->count(smcf->requests[ctx->reason], 1);

    if (ctx->is_moved) {
        ctx->is_moved = 0;
        return ngx_http_bell_signed_restart(r);
    }

    return ngx_http_bell_signed_answer(r, ctx);
}


static ngx_uint_t
ngx_http_bell_signed_asks_for(ngx_array_t *asked,
    ngx_http_bell_signed_issuer_t *issuer)
{
    ngx_uint_t                       i;
    ngx_http_bell_signed_issuer_t  **issuers;

    issuers = asked->elts;

    for (i = 0; i < asked->nelts; i++) {
        if (issuers[i] == issuer) {
            return 1;
        }
    }

    return 0;
}


/*
 * Without its token the path may be one of another location, which has rules
 * of its own: it is looked for anew, as for a request that came without.  The
 * path gets shorter each time, so this ends.  The request may be gone behind
 * it.
 */

static ngx_int_t
ngx_http_bell_signed_restart(ngx_http_request_t *r)
{
    ngx_http_core_srv_conf_t   *cscf;
    ngx_http_core_main_conf_t  *cmcf;

    cscf = ngx_http_get_module_srv_conf(r, ngx_http_core_module);
    cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);

    /* at most a named location came before, by "try_files" or "error_page" */

    r->internal = 0;
    r->error_page = 0;
    r->err_status = 0;
    r->valid_location = 1;
    r->access_code = 0;
    r->loc_conf = cscf->ctx->loc_conf;
    r->phase_handler = cmcf->phase_engine.server_rewrite_index;

    r->write_event_handler = ngx_http_core_run_phases;
    ngx_http_core_run_phases(r);

    return NGX_DONE;
}


/* The first issuer of whom there is a token decides. */

static ngx_int_t
ngx_http_bell_signed_judge(ngx_http_request_t *r,
    ngx_http_bell_signed_ctx_t *ctx)
{
    ngx_uint_t                          i, keyless;
    bell_signed_call                    call;
    bell_signed_room                    room;
    const bell_tenant                  *tenant;
    bell_signed_result                  result;
    bell_signed_request                 sr;
    ngx_http_bell_signed_fields_t       fields;
    ngx_http_bell_signed_verify_t       verify;
    ngx_http_bell_signed_issuer_t     **issuers;
    ngx_http_bell_signed_main_conf_t   *smcf;

    smcf = ngx_http_get_module_main_conf(r, ngx_http_bell_signed_module);

    tenant = smcf->core->tenant(r);

    if (ngx_http_bell_signed_request(r, tenant, &fields, &sr) != NGX_OK) {
        return NGX_ERROR;
    }

    sr.target.p = (char *) ctx->target.data;
    sr.target.len = ctx->target.len;

    verify.smcf = smcf;
    verify.request = r;
    verify.ctx = ctx;
    verify.tenant = tenant;
    verify.tenant_id = sr.tenant_id;

    ctx->use = NULL;

    call.request = &sr;
    call.verifier.verify = ngx_http_bell_signed_verify;
    call.verifier.known = ngx_http_bell_signed_known;
    call.verifier.data = &verify;
    call.room = &room;

    issuers = ctx->issuers->elts;
    keyless = 0;
    ctx->is_open = 0;

    for (i = 0; i < ctx->issuers->nelts; i++) {

        room.p = smcf->room;
        room.left = NGX_HTTP_BELL_SIGNED_ROOM;

        verify.issuer = issuers[i];

        ctx->reason = ngx_http_bell_signed_ask(&verify, &call, &result);

        if (ctx->reason != BELL_SIGNED_MISSING) {
            ctx->issuer = issuers[i];

            return ngx_http_bell_signed_keep(r, ctx, &result);
        }

        keyless += ngx_http_bell_signed_is_keyless(issuers[i], smcf->core,
                                                   tenant,
                                                   r->connection->log);
    }

    ctx->is_open = keyless == ctx->issuers->nelts;

    /* the page that asks may have one in its address, and so in Referer */

    ngx_memzero(&result, sizeof(bell_signed_result));
    result.target = sr.target;

    ctx->issuer = NULL;

    return ngx_http_bell_signed_keep(r, ctx, &result);
}


static bell_signed_reason
ngx_http_bell_signed_ask(ngx_http_bell_signed_verify_t *verify,
    bell_signed_call *call, bell_signed_result *result)
{
    bell_signed_reason              reason;
    ngx_http_bell_signed_issuer_t  *issuer;

    static const bell_signed_keys   no_keys;

    issuer = verify->issuer;

    ngx_memzero(result, sizeof(bell_signed_result));

    verify->private_keys = NULL;

    /* a line about a key does not show the request: its token is in there */

    call->keys = ngx_http_bell_signed_keys(issuer, verify->smcf->core,
                                           verify->tenant, ngx_cycle->log,
                                           &verify->private_keys);
    if (call->keys == NULL) {
        call->keys = &no_keys;
    }

    reason = issuer->kind->check(call, issuer->options, result);

    if (reason == BELL_SIGNED_OK
        && !ngx_http_bell_signed_host(verify->request, issuer,
                                      verify->tenant))
    {
        return BELL_SIGNED_RESOURCE;
    }

    return reason;
}


/* The other modules: whom a token that counts is for, and whose it is. */

static ngx_int_t
ngx_http_bell_signed_tell(ngx_http_request_t *r,
    ngx_http_bell_signed_ctx_t *ctx)
{
    ngx_http_bell_ctx_t               *bctx;
    ngx_http_bell_signed_main_conf_t  *smcf;

    smcf = ngx_http_get_module_main_conf(r, ngx_http_bell_signed_module);

    bctx = smcf->core->context(r);
    if (bctx == NULL) {
        return NGX_ERROR;
    }

    ngx_str_null(&bctx->token_subject);
    ngx_str_null(&bctx->token_kind);
    ngx_str_null(&bctx->token_issuer);

    if (ctx->reason == BELL_SIGNED_OK) {
        bctx->token_subject = ctx->subject;
        bctx->token_kind.data = (u_char *) ctx->issuer->kind->name;
        bctx->token_kind.len = ngx_strlen(ctx->issuer->kind->name);
        bctx->token_issuer = ctx->issuer->name;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_signed_keep(ngx_http_request_t *r,
    ngx_http_bell_signed_ctx_t *ctx, bell_signed_result *result)
{
    ngx_http_bell_signed_main_conf_t  *smcf;

    smcf = ngx_http_get_module_main_conf(r, ngx_http_bell_signed_module);

    ctx->expires_s = result->expires_s;
    ctx->redirect_status = result->redirect_status;

    /* before it is cut */

    if (smcf->hashes
        && ngx_http_bell_signed_hash(r, result->token, &ctx->token_hash)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_http_bell_signed_copy(r, &ctx->key, result->key_id) != NGX_OK
        || ngx_http_bell_signed_copy(r, &ctx->subject, result->subject)
           != NGX_OK
        || ngx_http_bell_signed_copy(r, &ctx->data, result->data) != NGX_OK
        || ngx_http_bell_signed_copy(r, &ctx->set_cookie, result->set_cookie)
           != NGX_OK
        || ngx_http_bell_signed_copy(r, &ctx->field_name, result->field_name)
           != NGX_OK
        || ngx_http_bell_signed_copy(r, &ctx->field_value,
                                     result->field_value)
           != NGX_OK
        || ngx_http_bell_signed_copy(r, &ctx->redirect, result->redirect)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_bell_signed_cut(r, ctx, result->target);
}


static ngx_int_t
ngx_http_bell_signed_copy(ngx_http_request_t *r, ngx_str_t *to, bell_str from)
{
    ngx_str_null(to);

    if (from.len == 0) {
        return NGX_OK;
    }

    to->data = ngx_pnalloc(r->pool, from.len);
    if (to->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(to->data, from.p, from.len);
    to->len = from.len;

    return NGX_OK;
}


ngx_http_bell_signed_ctx_t *
ngx_http_bell_signed_get_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t          *cln;
    ngx_http_bell_signed_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_bell_signed_module);

    if (ctx) {
        return ctx;
    }

    /* a subrequest, or r->ctx was zeroed by an internal redirect */

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_bell_signed_cleanup) {
            ctx = cln->data;
            ngx_http_set_ctx(r, ctx, ngx_http_bell_signed_module);
            return ctx;
        }
    }

    return NULL;
}


static void
ngx_http_bell_signed_cleanup(void *data)
{
    /* void */
}


static ngx_int_t
ngx_http_bell_signed_preconfiguration(ngx_conf_t *cf)
{
    ngx_http_bell_signed_main_conf_t  *smcf;

    smcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_bell_signed_module);

    smcf->core = ngx_http_bell_core_load(cf, &ngx_http_bell_signed_module);
    if (smcf->core == NULL) {
        return NGX_ERROR;
    }

    if (ngx_http_bell_signed_add_variables(cf) != NGX_OK
        || ngx_http_bell_signed_add_metrics(cf, smcf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return smcf->core->access(cf, NGX_HTTP_BELL_ROOM_IDENTITY,
                              ngx_http_bell_signed_handler);
}


static ngx_int_t
ngx_http_bell_signed_postconfiguration(ngx_conf_t *cf)
{
    ngx_http_bell_signed_main_conf_t  *smcf;

    smcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_bell_signed_module);

    smcf->hashes = ngx_http_bell_signed_wants_hashes(cf);

    return smcf->piece ? ngx_http_bell_signed_hls_add(cf) : NGX_OK;
}


static void *
ngx_http_bell_signed_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_bell_signed_main_conf_t  *smcf;

    smcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_bell_signed_main_conf_t));
    if (smcf == NULL) {
        return NULL;
    }

    smcf->room = ngx_palloc(cf->pool, NGX_HTTP_BELL_SIGNED_ROOM
                                      + BELL_SIGCACHE_SLOT_MAX);

    if (smcf->room == NULL
        || ngx_array_init(&smcf->issuers, cf->pool, 4,
                          sizeof(ngx_http_bell_signed_issuer_t *))
           != NGX_OK
        || ngx_array_init(&smcf->showing, cf->pool, 8, sizeof(ngx_uint_t))
           != NGX_OK)
    {
        return NULL;
    }

    return smcf;
}


static void *
ngx_http_bell_signed_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_bell_signed_loc_conf_t  *slcf;

    /* set by ngx_pcalloc(): the values are NULL */

    slcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_bell_signed_loc_conf_t));
    if (slcf == NULL) {
        return NULL;
    }

    slcf->issuers = NGX_CONF_UNSET_PTR;
    slcf->hls = NGX_CONF_UNSET_PTR;

    return slcf;
}


static char *
ngx_http_bell_signed_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_bell_signed_loc_conf_t  *prev = parent;
    ngx_http_bell_signed_loc_conf_t  *conf = child;

    ngx_conf_merge_ptr_value(conf->issuers, prev->issuers, NULL);
    ngx_conf_merge_ptr_value(conf->hls, prev->hls, NULL);

    if (conf->scheme == NULL) {
        conf->scheme = prev->scheme;
    }

    if (conf->country == NULL) {
        conf->country = prev->country;
    }

    if (conf->asn == NULL) {
        conf->asn = prev->asn;
    }

    return conf->issuers || conf->hls
           ? ngx_http_bell_signed_keep_names(cf, conf) : NGX_CONF_OK;
}


/* nginx itself forgets them behind its configuration. */

static char *
ngx_http_bell_signed_keep_names(ngx_conf_t *cf,
    ngx_http_bell_signed_loc_conf_t *slcf)
{
    ngx_array_t               *names;
    ngx_http_core_srv_conf_t  *cscf;

    cscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);
    names = &cscf->server_names;

    slcf->names = ngx_array_create(cf->pool, ngx_max(names->nelts, 1),
                                   sizeof(ngx_http_server_name_t));
    if (slcf->names == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memcpy(slcf->names->elts, names->elts,
               names->nelts * sizeof(ngx_http_server_name_t));
    slcf->names->nelts = names->nelts;

    return NGX_CONF_OK;
}


/* bell_signed off | ISSUER… */

static char *
ngx_http_bell_signed(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_bell_signed_loc_conf_t  *slcf = conf;

    ngx_str_t                          *value;
    ngx_uint_t                          i;
    ngx_http_bell_signed_issuer_t      *issuer, **asked;
    ngx_http_bell_signed_main_conf_t   *smcf;

    if (slcf->issuers != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2 && value[1].len == 3
        && ngx_strncmp(value[1].data, "off", 3) == 0)
    {
        slcf->issuers = NULL;
        return NGX_CONF_OK;
    }

    slcf->issuers = ngx_array_create(cf->pool, cf->args->nelts - 1,
                                     sizeof(ngx_http_bell_signed_issuer_t *));
    if (slcf->issuers == NULL) {
        return NGX_CONF_ERROR;
    }

    smcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_bell_signed_module);

    for (i = 1; i < cf->args->nelts; i++) {

        issuer = ngx_http_bell_signed_find_issuer(cf, smcf, &value[i]);
        if (issuer == NULL) {
            return NGX_CONF_ERROR;
        }

        asked = ngx_array_push(slcf->issuers);
        *asked = issuer;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_bell_signed_cache(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    return ngx_http_bell_sigcache(cf, cmd, conf, &ngx_http_bell_signed_module,
                                  NGX_HTTP_BELL_SIGNED_SLOT);
}
