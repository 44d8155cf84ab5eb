
/*
 * Playlists whose URIs are given tokens: what is asked of the upstream, who
 * signs and for whom, and the headers of the answer.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_header.h"
#include "ngx_http_bell_signed_hls.h"


static ngx_int_t ngx_http_bell_signed_hls_precontent(ngx_http_request_t *r);
static ngx_uint_t ngx_http_bell_signed_hls_is_name(ngx_str_t *path);
static ngx_int_t ngx_http_bell_signed_hls_lay_aside(ngx_http_request_t *r);
static void ngx_http_bell_signed_hls_take_up(ngx_http_request_t *r);
#if (NGX_HTTP_GZIP)
static void ngx_http_bell_signed_hls_cleanup(void *data);
#endif
static void ngx_http_bell_signed_hls_drop_fields(ngx_http_request_t *r);
static ngx_int_t ngx_http_bell_signed_hls_header_filter(ngx_http_request_t *r);
static ngx_uint_t ngx_http_bell_signed_hls_is_type(ngx_str_t *type);
static ngx_int_t ngx_http_bell_signed_hls_start(ngx_http_request_t *r,
    ngx_http_bell_signed_hls_t *conf);
static ngx_int_t ngx_http_bell_signed_hls_token(ngx_http_request_t *r,
    ngx_http_bell_signed_ctx_t *found, bell_hls *hls);
static ngx_int_t ngx_http_bell_signed_hls_grant(ngx_http_request_t *r,
    ngx_http_bell_signed_ctx_t *found, ngx_http_bell_signed_hls_ctx_t *ctx);
static ngx_int_t ngx_http_bell_signed_hls_value(ngx_http_request_t *r,
    ngx_http_complex_value_t *given, ngx_str_t *own, bell_str *text);
static ngx_int_t ngx_http_bell_signed_hls_headers(ngx_http_request_t *r);


static ngx_str_t  ngx_http_bell_signed_hls_types[] = {
    ngx_string("application/vnd.apple.mpegurl"),
    ngx_string("application/x-mpegurl"),
    ngx_string("audio/mpegurl"),
    ngx_string("audio/x-mpegurl"),
    ngx_null_string
};


/* Of requests: what makes an answer one that cannot be rewritten. */

static ngx_str_t  ngx_http_bell_signed_hls_request_fields[] = {
    ngx_string("accept-encoding"),
    ngx_string("range"),
    ngx_string("if-range"),
    ngx_string("if-match"),
    ngx_string("if-none-match"),
    ngx_string("if-modified-since"),
    ngx_string("if-unmodified-since"),
    ngx_null_string
};


/* Of answers: what is said of bytes that are others now, or of who keeps them. */

static ngx_str_t  ngx_http_bell_signed_hls_fields[] = {
    ngx_string("cache-control"),
    ngx_string("expires"),
    ngx_string("cdn-cache-control"),
    ngx_string("surrogate-control"),
    ngx_string("content-md5"),
    ngx_string("digest"),
    ngx_string("content-digest"),
    ngx_string("repr-digest"),
    ngx_null_string
};


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;


/* ---- the request */

/*
 * What a client has of a playlist is not what the upstream has, and what is
 * compressed cannot be rewritten: such requests go on as if they asked for
 * all of it.  What will be in the answer is not known yet, but for its name.
 */

static ngx_int_t
ngx_http_bell_signed_hls_precontent(ngx_http_request_t *r)
{
    ngx_http_bell_signed_loc_conf_t  *slcf;

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_bell_signed_module);

    if (slcf->hls == NULL || r != r->main
        || !ngx_http_bell_signed_hls_is_name(&r->uri))
    {
        return NGX_DECLINED;
    }

    if (ngx_http_bell_signed_hls_lay_aside(r) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_bell_signed_hls_drop_fields(r);

    return NGX_DECLINED;
}


static ngx_uint_t
ngx_http_bell_signed_hls_is_name(ngx_str_t *path)
{
    return (path->len > 5
            && ngx_strncasecmp(path->data + path->len - 5,
                               (u_char *) ".m3u8", 5) == 0)
           || (path->len > 4
               && ngx_strncasecmp(path->data + path->len - 4,
                                  (u_char *) ".m3u", 4) == 0);
}


/*
 * What the client accepts is for nginx's own gzip, behind us, and not for the
 * upstream, nor for gzip_static.  An internal redirect may come between.
 */

static ngx_int_t
ngx_http_bell_signed_hls_lay_aside(ngx_http_request_t *r)
{
#if (NGX_HTTP_GZIP)

    ngx_table_elt_t     *h;
    ngx_pool_cleanup_t  *cln;

    if (r->headers_in.accept_encoding == NULL) {
        return NGX_OK;
    }

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_table_elt_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    /* nothing to clean up: the handler is what it is found by */
    cln->handler = ngx_http_bell_signed_hls_cleanup;

    h = cln->data;
    *h = *r->headers_in.accept_encoding;

    r->headers_in.accept_encoding = NULL;

#endif

    return NGX_OK;
}


static void
ngx_http_bell_signed_hls_take_up(ngx_http_request_t *r)
{
#if (NGX_HTTP_GZIP)

    ngx_pool_cleanup_t  *cln;

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_bell_signed_hls_cleanup) {
            r->headers_in.accept_encoding = cln->data;
            r->gzip_tested = 0;
            return;
        }
    }

#endif
}


#if (NGX_HTTP_GZIP)

static void
ngx_http_bell_signed_hls_cleanup(void *data)
{
    /* void */
}

#endif


static void
ngx_http_bell_signed_hls_drop_fields(ngx_http_request_t *r)
{
    ngx_str_t        *name;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    r->headers_in.range = NULL;
    r->headers_in.if_range = NULL;
    r->headers_in.if_match = NULL;
    r->headers_in.if_none_match = NULL;
    r->headers_in.if_modified_since = NULL;
    r->headers_in.if_unmodified_since = NULL;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            for (name = ngx_http_bell_signed_hls_request_fields; name->len;
                 name++)
            {
                if (h[i].key.len == name->len
                    && ngx_strncasecmp(h[i].key.data, name->data, name->len)
                       == 0)
                {
                    ngx_http_bell_drop_header(&h[i]);
                    break;
                }
            }
        }
    }
}


/* ---- the answer */

/* Before nginx looks whether the client has it already, or wants a part. */

static ngx_int_t
ngx_http_bell_signed_hls_header_filter(ngx_http_request_t *r)
{
    ngx_int_t                          rc;
    ngx_http_bell_signed_loc_conf_t   *slcf;
    ngx_http_bell_signed_main_conf_t  *smcf;

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_bell_signed_module);

    /*
     * What the edge fetches for a cache is nobody's visit, and so is not
     * logged: it is kept for many, each of whom is to have his own tokens.
     */

    if (slcf->hls == NULL || r != r->main || r->logged) {
        return ngx_http_next_header_filter(r);
    }

    ngx_http_bell_signed_hls_take_up(r);

    if ((r->headers_out.status != NGX_HTTP_OK
         && r->headers_out.status != NGX_HTTP_PARTIAL_CONTENT)
        || !ngx_http_bell_signed_hls_is_type(&r->headers_out.content_type))
    {
        return ngx_http_next_header_filter(r);
    }

    smcf = ngx_http_get_module_main_conf(r, ngx_http_bell_signed_module);

    if (r->headers_out.status == NGX_HTTP_PARTIAL_CONTENT
        || (r->headers_out.content_encoding
            && r->headers_out.content_encoding->value.len))
    {
        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "bell_signed_hls: the playlist came %s, its URIs are "
                      "left without tokens",
                      r->headers_out.status == NGX_HTTP_OK ? "compressed"
                                                           : "in part");
        smcf->core->count(smcf->playlists[NGX_HTTP_BELL_SIGNED_OPAQUE], 1);

        return ngx_http_next_header_filter(r);
    }

    rc = ngx_http_bell_signed_hls_start(r, slcf->hls);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    return ngx_http_next_header_filter(r);
}


static ngx_uint_t
ngx_http_bell_signed_hls_is_type(ngx_str_t *type)
{
    bell_str    text, word;
    ngx_str_t  *t;

    text.p = (char *) type->data;
    text.len = type->len;

    word = bell_str_trim(bell_str_cut(&text, ';'));

    for (t = ngx_http_bell_signed_hls_types; t->len; t++) {
        if (word.len == t->len
            && ngx_strncasecmp((u_char *) word.p, t->data, t->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


static ngx_int_t
ngx_http_bell_signed_hls_start(ngx_http_request_t *r,
    ngx_http_bell_signed_hls_t *conf)
{
    bell_hls                          *hls;
    ngx_int_t                          rc;
    bell_signed_request                sr;
    ngx_http_bell_signed_ctx_t        *found;
    ngx_http_bell_signed_fields_t      fields;
    ngx_http_bell_signed_hls_ctx_t    *ctx;
    ngx_http_bell_signed_main_conf_t  *smcf;

    smcf = ngx_http_get_module_main_conf(r, ngx_http_bell_signed_module);
    found = ngx_http_bell_signed_get_ctx(r);

    if (conf->issuer == NULL
        && (found == NULL || found->reason != BELL_SIGNED_OK))
    {
        return NGX_DECLINED;
    }

    /* what is large in it is not read before it is written */

    ctx = ngx_palloc(r->pool, sizeof(ngx_http_bell_signed_hls_ctx_t));
    if (ctx == NULL
        || ngx_http_bell_signed_request(r, smcf->core->tenant(r), &fields, &sr)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    hls = &ctx->hls;

    ngx_memzero(ctx, offsetof(ngx_http_bell_signed_hls_ctx_t, hls));
    ngx_memzero(hls, offsetof(bell_hls, own));

    ctx->conf = conf;
    ctx->last_out = &ctx->out;

    hls->scheme = conf->issuer ? conf->issuer->kind->hls : BELL_HLS_INHERIT;
    hls->base.scheme = sr.scheme;
    hls->base.host = sr.host;
    hls->base.target = sr.target;
    hls->tenant_id = sr.tenant_id;
    hls->below.p = (char *) conf->below.data;
    hls->below.len = conf->below.len;

    if (found && ngx_http_bell_signed_hls_token(r, found, hls) != NGX_OK) {
        return NGX_ERROR;
    }

    if (conf->issuer
        && ngx_http_bell_signed_hls_grant(r, found, ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    hls->room.p = smcf->room;
    hls->room.left = BELL_HLS_ROOM;

    rc = bell_hls_init(hls) ? NGX_OK : NGX_DECLINED;

    if (rc == NGX_DECLINED) {

        /* one that came with a cookie has nothing to hand on */

        if (conf->issuer) {
            ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                          "bell_signed_hls: %s, the playlist's URIs are left "
                          "without tokens",
                          hls->key ? "no token can be made for its directory, "
                                     "subject and data"
                                   : "the issuer has no key here to sign with");
            smcf->core->count(smcf->playlists[NGX_HTTP_BELL_SIGNED_UNSIGNED],
                              1);
        }

        return NGX_DECLINED;
    }

    bell_m3u8_init(&ctx->m3u8, &hls->base, bell_hls_edit, hls);

    ngx_http_set_ctx(r, ctx, ngx_http_bell_signed_hls_module);
    smcf->core->count(smcf->playlists[NGX_HTTP_BELL_SIGNED_REWRITTEN], 1);

    return ngx_http_bell_signed_hls_headers(r);
}


/* Where the request's own token was, and what it is. */

static ngx_int_t
ngx_http_bell_signed_hls_token(ngx_http_request_t *r,
    ngx_http_bell_signed_ctx_t *found, bell_hls *hls)
{
    bool              has_query;
    bell_str          target, cut, path, left, query;
    bell_signed_room  room;

    target.p = (char *) found->target.data;
    target.len = found->target.len;

    bell_signed_split(target, &path, &query, &has_query);
    bell_signed_split(hls->base.target, &left, &query, &has_query);

    hls->whole_paths = !bell_str_eq(path, left);

    if (hls->scheme != BELL_HLS_INHERIT) {
        return NGX_OK;
    }

    cut = target;
    room.left = target.len;
    room.p = ngx_pnalloc(r->pool, target.len + 1);

    if (room.p == NULL
        || ngx_http_bell_signed_strip(r, found->issuer, &cut) != NGX_OK)
    {
        return NGX_ERROR;
    }

    bell_hls_find_token(target, cut, &room, &hls->query, &hls->before,
                        &hls->component);

    return NGX_OK;
}


/* Whom tokens are for, until when, and who signs them. */

static ngx_int_t
ngx_http_bell_signed_hls_grant(ngx_http_request_t *r,
    ngx_http_bell_signed_ctx_t *found, ngx_http_bell_signed_hls_ctx_t *ctx)
{
    int64_t                      most_s;
    ngx_str_t                    none, id;
    ngx_http_bell_signed_hls_t  *conf;

    conf = ctx->conf;
    most_s = 0;

    ngx_str_null(&none);
    ngx_str_null(&id);

    if (found && found->reason != BELL_SIGNED_OK) {
        found = NULL;
    }

    if (found && !conf->outlive) {
        most_s = found->expires_s;
    }

    if (ngx_http_bell_signed_hls_value(r, conf->subject,
                                       found ? &found->subject : &none,
                                       &ctx->hls.subject)
        != NGX_OK
        || ngx_http_bell_signed_hls_value(r, conf->data,
                                          found ? &found->data : &none,
                                          &ctx->hls.data)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    ctx->hls.akamai = conf->issuer->options;
    ctx->hls.until_s = bell_hls_until(ngx_time(), conf->lifetime_s, most_s);
    ctx->hls.key = ngx_http_bell_signed_hls_key(r, conf->issuer, &id,
                                                &ctx->hls.until_s);
    if (ctx->hls.key == NULL) {
        return NGX_OK;
    }

    ctx->key.len = ctx->hls.key->id_len;
    ctx->key.data = ngx_pnalloc(r->pool, ctx->key.len + 1);
    if (ctx->key.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(ctx->key.data, ctx->hls.key->id, ctx->key.len);

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_signed_hls_value(ngx_http_request_t *r,
    ngx_http_complex_value_t *given, ngx_str_t *own, bell_str *text)
{
    ngx_str_t  value;

    value = *own;

    if (given && ngx_http_complex_value(r, given, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    text->p = (char *) value.data;
    text->len = value.len;

    return NGX_OK;
}


const bell_signed_key *
ngx_http_bell_signed_hls_key(ngx_http_request_t *r,
    ngx_http_bell_signed_issuer_t *issuer, ngx_str_t *id, int64_t *until_s)
{
    bell_str                           name;
    const bell_tenant                 *tenant;
    const bell_signed_key             *key;
    const bell_signed_keys            *keys;
    ngx_http_bell_signed_main_conf_t  *smcf;

    smcf = ngx_http_get_module_main_conf(r, ngx_http_bell_signed_module);

    tenant = smcf->core->tenant(r);

    if (!ngx_http_bell_signed_host(r, issuer, tenant)) {
        return NULL;
    }

    keys = ngx_http_bell_signed_keys(issuer, smcf->core, tenant,
                                     r->connection->log, NULL);
    if (keys == NULL) {
        return NULL;
    }

    if (id->data == NULL) {
        return bell_hls_choose_key(keys, issuer->mac_alg, ngx_time(), until_s);
    }

    name.p = (char *) id->data;
    name.len = id->len;

    key = bell_signed_find(keys, name, ngx_time());

    return key && key->type == BELL_SIGNED_SECRET
           && key->mac_alg == issuer->mac_alg ? key : NULL;
}


/*
 * Tokens end, and are somebody's: nobody keeps the answer, and what the bytes
 * were known by before they were others is not said.
 */

static ngx_int_t
ngx_http_bell_signed_hls_headers(ngx_http_request_t *r)
{
    ngx_str_t         *name, key, value;
    ngx_uint_t         i;
    ngx_list_part_t   *part;
    ngx_table_elt_t   *h;

    r->disable_not_modified = 1;
    r->filter_need_in_memory = 1;

    ngx_http_clear_content_length(r);
    ngx_http_clear_accept_ranges(r);
    ngx_http_clear_last_modified(r);
    ngx_http_clear_etag(r);

    for (part = &r->headers_out.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            for (name = ngx_http_bell_signed_hls_fields; name->len; name++) {
                if (h[i].key.len == name->len
                    && ngx_strncasecmp(h[i].key.data, name->data, name->len)
                       == 0)
                {
                    h[i].hash = 0;
                    break;
                }
            }
        }
    }

    /* "expires" of the operator begins anew, and stands beside ours */

    r->headers_out.expires = NULL;
    ngx_memzero(&r->headers_out.cache_control,
                sizeof(r->headers_out.cache_control));

    ngx_str_set(&key, "Cache-Control");
    ngx_str_set(&value, "private, no-store");

    return ngx_http_bell_signed_add_field(r, &key, &value);
}


ngx_int_t
ngx_http_bell_signed_hls_add(ngx_conf_t *cf)
{
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_PRECONTENT_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_bell_signed_hls_precontent;

    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_bell_signed_hls_header_filter;

    return NGX_OK;
}
