
/*
 * Firstbell's edge: who asks, as a session or an access token says it.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <nginx.h>

#include "ngx_http_bell_session.h"
#include "bell_http.h"


#define NGX_HTTP_BELL_SESSION_OFF       0
#define NGX_HTTP_BELL_SESSION_ON        1
#define NGX_HTTP_BELL_SESSION_REQUIRED  2

/* what a token and what it says may take, together with 24 bytes */
#define NGX_HTTP_BELL_SESSION_SLOT      1024


typedef struct {
    ngx_uint_t            mode;
    ngx_str_t             cookie;
} ngx_http_bell_session_loc_conf_t;


/* What was found out of a request; core's context keeps it. */

typedef struct {
    bell_session_verdict  verdict;
    ngx_uint_t            bearer;       /* unsigned  bearer:1 */
    ngx_str_t             id;
} ngx_http_bell_session_ctx_t;


static ngx_int_t ngx_http_bell_session_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_bell_session_find_out(ngx_http_request_t *r,
    ngx_http_bell_session_ctx_t *ctx);
static ngx_int_t ngx_http_bell_session_identify(ngx_http_request_t *r,
    ngx_http_bell_session_ctx_t *ctx, bell_session *s);
static ngx_int_t ngx_http_bell_session_answer(ngx_http_request_t *r,
    ngx_http_bell_session_ctx_t *ctx);
static ngx_int_t ngx_http_bell_session_challenge(ngx_http_request_t *r,
    ngx_http_bell_session_ctx_t *ctx);
static bell_str ngx_http_bell_session_token(ngx_http_request_t *r,
    ngx_uint_t *bearer);
static bell_str ngx_http_bell_session_cookie(ngx_http_request_t *r);
static ngx_int_t ngx_http_bell_session_copy(ngx_http_request_t *r,
    ngx_str_t *to, bell_str from);

static ngx_http_bell_session_ctx_t *ngx_http_bell_session_get_ctx(
    ngx_http_request_t *r);
static ngx_int_t ngx_http_bell_session_status_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_bell_session_id_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);

static char *ngx_http_bell_session_cache(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_int_t ngx_http_bell_session_preconfiguration(ngx_conf_t *cf);
static void *ngx_http_bell_session_create_main_conf(ngx_conf_t *cf);
static void *ngx_http_bell_session_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_bell_session_merge_loc_conf(ngx_conf_t *cf,
    void *parent, void *child);


static ngx_conf_enum_t  ngx_http_bell_session_modes[] = {
    { ngx_string("off"), NGX_HTTP_BELL_SESSION_OFF },
    { ngx_string("on"), NGX_HTTP_BELL_SESSION_ON },
    { ngx_string("required"), NGX_HTTP_BELL_SESSION_REQUIRED },
    { ngx_null_string, 0 }
};


static ngx_command_t  ngx_http_bell_session_commands[] = {

    { ngx_string("bell_session"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_bell_session_loc_conf_t, mode),
      &ngx_http_bell_session_modes },

    { ngx_string("bell_session_cookie"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_bell_session_loc_conf_t, cookie),
      NULL },

    { ngx_string("bell_session_keys"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_bell_session_keys,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_bell_session_main_conf_t, keys),
      NULL },

    { ngx_string("bell_session_cache"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE12,
      ngx_http_bell_session_cache,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_bell_session_main_conf_t, cache),
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_bell_session_module_ctx = {
    ngx_http_bell_session_preconfiguration,  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    ngx_http_bell_session_create_main_conf,  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_bell_session_create_loc_conf,  /* create location configuration */
    ngx_http_bell_session_merge_loc_conf   /* merge location configuration */
};


ngx_module_t  ngx_http_bell_session_module = {
    NGX_MODULE_V1,
    &ngx_http_bell_session_module_ctx,     /* module context */
    ngx_http_bell_session_commands,        /* module directives */
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


static ngx_http_variable_t  ngx_http_bell_session_vars[] = {

    { ngx_string("bell_session_status"), NULL,
      ngx_http_bell_session_status_variable, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("bell_session_id"), NULL,
      ngx_http_bell_session_id_variable, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


/* In core's room of identity; again after an internal redirect. */

static ngx_int_t
ngx_http_bell_session_handler(ngx_http_request_t *r)
{
    ngx_http_bell_ctx_t                *core;
    ngx_http_bell_session_ctx_t        *ctx;
    ngx_http_bell_session_loc_conf_t   *slcf;
    ngx_http_bell_session_main_conf_t  *smcf;

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_bell_session_module);

    if (slcf->mode == NGX_HTTP_BELL_SESSION_OFF) {
        return NGX_DECLINED;
    }

    smcf = ngx_http_get_module_main_conf(r, ngx_http_bell_session_module);

    core = smcf->core->context(r);
    if (core == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx = core->session;

    if (ctx == NULL) {
        ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_bell_session_ctx_t));
        if (ctx == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        if (ngx_http_bell_session_find_out(r, ctx) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        core->session = ctx;

        smcf->core->count(smcf->requests[ctx->verdict], 1);
    }

    return ngx_http_bell_session_answer(r, ctx);
}


static ngx_int_t
ngx_http_bell_session_find_out(ngx_http_request_t *r,
    ngx_http_bell_session_ctx_t *ctx)
{
    bell_str                            token;
    bell_session                        s;
    const bell_tenant                  *tenant;
    ngx_http_bell_session_main_conf_t  *smcf;

    smcf = ngx_http_get_module_main_conf(r, ngx_http_bell_session_module);

    tenant = smcf->core->tenant(r);
    token = ngx_http_bell_session_token(r, &ctx->bearer);

    if (tenant == NULL || token.len == 0) {
        ctx->verdict = BELL_SESSION_NONE;
        return NGX_OK;
    }

    ctx->verdict = ngx_http_bell_session_verify(smcf, tenant, token,
                                                ctx->bearer, &s,
                                                r->connection->log);

    if (ctx->verdict == BELL_SESSION_OK
        && ngx_http_bell_session_identify(r, ctx, &s) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ctx->verdict == BELL_SESSION_OK) {
        return NGX_OK;
    }

    /* that sessions end is no news */

    if (ctx->verdict != BELL_SESSION_EXPIRED) {
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "bell_session: the %s of a request to tenant \"%s\" "
                      "does not count: %s",
                      ctx->bearer ? "token" : "session", tenant->name,
                      bell_session_verdict_name(ctx->verdict));
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_session_identify(ngx_http_request_t *r,
    ngx_http_bell_session_ctx_t *ctx, bell_session *s)
{
    bell_str                            part;
    ngx_int_t                           rc;
    ngx_str_t                           subject, role, scopes, none;
    ngx_http_bell_session_main_conf_t  *smcf;

    smcf = ngx_http_get_module_main_conf(r, ngx_http_bell_session_module);

    part = bell_session_subject(s);
    subject.data = (u_char *) part.p;
    subject.len = part.len;

    part = bell_session_role(s);
    role.data = (u_char *) part.p;
    role.len = part.len;

    part = bell_session_scopes(s);
    scopes.data = (u_char *) part.p;
    scopes.len = part.len;

    ngx_str_null(&none);

    rc = smcf->core->identify(r, &subject, &role, &none);

    if (rc == NGX_OK && scopes.len) {
        rc = smcf->core->grant(r, &scopes);
    }

    if (rc == NGX_DECLINED) {

        /* a signed address, say, has named somebody else before */

        ctx->verdict = BELL_SESSION_BAD_SUBJECT;
        return NGX_OK;
    }

    return rc == NGX_OK ? ngx_http_bell_session_copy(r, &ctx->id,
                                                     bell_session_sid(s))
                        : NGX_ERROR;
}


static ngx_int_t
ngx_http_bell_session_answer(ngx_http_request_t *r,
    ngx_http_bell_session_ctx_t *ctx)
{
    ngx_http_core_loc_conf_t           *clcf;
    ngx_http_bell_session_loc_conf_t   *slcf;
    ngx_http_bell_session_main_conf_t  *smcf;

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_bell_session_module);

    if (ctx->verdict == BELL_SESSION_OK) {
        return slcf->mode == NGX_HTTP_BELL_SESSION_REQUIRED ? NGX_OK
                                                            : NGX_DECLINED;
    }

    /*
     * A cookie comes with every request, also long after it has ended: such
     * a request is nobody's.  Who sends a token means it (RFC 6750, 3.1).
     */

    if (slcf->mode != NGX_HTTP_BELL_SESSION_REQUIRED
        && !(ctx->bearer && ctx->verdict != BELL_SESSION_NONE))
    {
        return NGX_DECLINED;
    }

    smcf = ngx_http_get_module_main_conf(r, ngx_http_bell_session_module);
    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    /* where any is enough, another may yet let it in */

    if (clcf->satisfy != NGX_HTTP_SATISFY_ANY) {
        smcf->core->reason(r, "a session or a token is needed here: %s",
                           bell_session_verdict_name(ctx->verdict));
    }

    return ngx_http_bell_session_challenge(r, ctx);
}


/* RFC 6750, 3: the error is for who has sent a token. */

static ngx_int_t
ngx_http_bell_session_challenge(ngx_http_request_t *r,
    ngx_http_bell_session_ctx_t *ctx)
{
    ngx_table_elt_t  *h;

    /* an internal redirect may have come from here */

    h = r->headers_out.www_authenticate;

    if (h == NULL) {
        h = ngx_list_push(&r->headers_out.headers);
        if (h == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        ngx_memzero(h, sizeof(ngx_table_elt_t));
    }

    h->hash = 1;
    ngx_str_set(&h->key, "WWW-Authenticate");

    if (ctx->bearer && ctx->verdict != BELL_SESSION_NONE) {
        ngx_str_set(&h->value, "Bearer error=\"invalid_token\"");

    } else {
        ngx_str_set(&h->value, "Bearer");
    }

    r->headers_out.www_authenticate = h;

    return NGX_HTTP_UNAUTHORIZED;
}


/*
 * A token in Authorization is what counts where there is one: a page of
 * another origin cannot send it for its visitor, as it can a cookie.
 */

static bell_str
ngx_http_bell_session_token(ngx_http_request_t *r, ngx_uint_t *bearer)
{
    bell_str          token;
    ngx_table_elt_t  *h;

    h = r->headers_in.authorization;

    if (h == NULL || h->value.len < sizeof("Bearer ") - 1
        || ngx_strncasecmp(h->value.data, (u_char *) "Bearer ",
                           sizeof("Bearer ") - 1) != 0)
    {
        *bearer = 0;
        return ngx_http_bell_session_cookie(r);
    }

    *bearer = 1;

    token.p = (char *) h->value.data + sizeof("Bearer ") - 1;
    token.len = h->value.len - (sizeof("Bearer ") - 1);

    return bell_str_trim(token);
}


/* As the origin reads it: from one line, where it stands once. */

static bell_str
ngx_http_bell_session_cookie(ngx_http_request_t *r)
{
    bell_str                           header, name;
    ngx_table_elt_t                   *h;
    ngx_http_bell_session_loc_conf_t  *slcf;

#if (nginx_version >= 1023000)

    h = r->headers_in.cookie;

    if (h == NULL || h->next) {
        return BELL_STR_NULL;
    }

#else

    if (r->headers_in.cookies.nelts != 1) {
        return BELL_STR_NULL;
    }

    h = *(ngx_table_elt_t **) r->headers_in.cookies.elts;

#endif

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_bell_session_module);

    header.p = (char *) h->value.data;
    header.len = h->value.len;

    name.p = (char *) slcf->cookie.data;
    name.len = slcf->cookie.len;

    return bell_http_cookie(header, name);
}


static ngx_int_t
ngx_http_bell_session_copy(ngx_http_request_t *r, ngx_str_t *to,
    bell_str from)
{
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


/* NULL: the request has not come as far */

static ngx_http_bell_session_ctx_t *
ngx_http_bell_session_get_ctx(ngx_http_request_t *r)
{
    ngx_http_bell_ctx_t                *core;
    ngx_http_bell_session_main_conf_t  *smcf;

    smcf = ngx_http_get_module_main_conf(r, ngx_http_bell_session_module);

    core = smcf->core->context(r);

    return core ? core->session : NULL;
}


static ngx_int_t
ngx_http_bell_session_status_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    const char                   *name;
    ngx_http_bell_session_ctx_t  *ctx;

    ctx = ngx_http_bell_session_get_ctx(r);

    if (ctx == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    name = bell_session_verdict_name(ctx->verdict);

    v->len = ngx_strlen(name);
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = (u_char *) name;

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_session_id_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_bell_session_ctx_t  *ctx;

    ctx = ngx_http_bell_session_get_ctx(r);

    if (ctx == NULL || ctx->id.len == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->len = ctx->id.len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = ctx->id.data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_session_preconfiguration(ngx_conf_t *cf)
{
    ngx_http_variable_t                *var, *v;
    ngx_http_bell_session_main_conf_t  *smcf;

    smcf = ngx_http_conf_get_module_main_conf(cf,
                                              ngx_http_bell_session_module);

    smcf->core = ngx_http_bell_core_load(cf, &ngx_http_bell_session_module);
    if (smcf->core == NULL) {
        return NGX_ERROR;
    }

    for (v = ngx_http_bell_session_vars; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    if (ngx_http_bell_session_add_metrics(cf, smcf) != NGX_OK) {
        return NGX_ERROR;
    }

    return smcf->core->access(cf, NGX_HTTP_BELL_ROOM_IDENTITY,
                              ngx_http_bell_session_handler);
}


static void *
ngx_http_bell_session_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_bell_session_main_conf_t  *smcf;

    smcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_bell_session_main_conf_t));
    if (smcf == NULL) {
        return NULL;
    }

    smcf->issuers = ngx_http_bell_session_create_issuers(cf->pool);

    return smcf->issuers ? smcf : NULL;
}


static void *
ngx_http_bell_session_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_bell_session_loc_conf_t  *slcf;

    /* set by ngx_pcalloc(): the cookie is empty */

    slcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_bell_session_loc_conf_t));
    if (slcf == NULL) {
        return NULL;
    }

    slcf->mode = NGX_CONF_UNSET_UINT;

    return slcf;
}


static char *
ngx_http_bell_session_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child)
{
    ngx_http_bell_session_loc_conf_t  *prev = parent;
    ngx_http_bell_session_loc_conf_t  *conf = child;

    ngx_conf_merge_uint_value(conf->mode, prev->mode,
                              NGX_HTTP_BELL_SESSION_OFF);
    ngx_conf_merge_str_value(conf->cookie, prev->cookie,
                             "__Host-bell_session");

    if (conf->cookie.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"bell_session_cookie\" is empty");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_bell_session_cache(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    return ngx_http_bell_sigcache(cf, cmd, conf, &ngx_http_bell_session_module,
                                  NGX_HTTP_BELL_SESSION_SLOT);
}
