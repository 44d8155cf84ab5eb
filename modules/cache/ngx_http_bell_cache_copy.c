
/*
 * A request of the edge's own, as one of a client's: whatever of it somebody
 * may look at is copied, for the client may go at any time.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_cache_copy.h"


static ngx_int_t ngx_http_bell_cache_copy_location(ngx_http_request_t *r,
    ngx_http_request_t *client);
static ngx_int_t ngx_http_bell_cache_copy_fields(ngx_http_request_t *r,
    ngx_http_request_t *client, ngx_http_bell_cache_drops_pt drops);
static ngx_int_t ngx_http_bell_cache_copy_variables(ngx_http_request_t *r,
    ngx_http_request_t *client);
static ngx_int_t ngx_http_bell_cache_copy_captures(ngx_http_request_t *r,
    ngx_http_request_t *client);


ngx_int_t
ngx_http_bell_cache_copy_request(ngx_http_request_t *r,
    ngx_http_request_t *client, ngx_http_bell_cache_drops_pt drops)
{
    ngx_str_t  get = ngx_string("GET"), protocol = ngx_string("HTTP/1.1");

    r->main_conf = client->main_conf;
    r->srv_conf = client->srv_conf;
    r->loc_conf = client->loc_conf;

    r->method = NGX_HTTP_GET;
    r->method_name = get;
    r->http_version = NGX_HTTP_VERSION_11;
    r->http_protocol = protocol;

    r->valid_location = client->valid_location;
    r->valid_unparsed_uri = client->valid_unparsed_uri;
    r->internal = client->internal;
    r->quoted_uri = client->quoted_uri;
    r->complex_uri = client->complex_uri;
    r->plus_in_uri = client->plus_in_uri;

    r->content_handler = client->content_handler;
    r->read_event_handler = ngx_http_block_reading;
    r->write_event_handler = ngx_http_request_empty_handler;
    r->http_state = NGX_HTTP_PROCESS_REQUEST_STATE;

    /*
     * it is no visit, by which filters that write for one client alone know it;
     * and what nginx would say in an origin's place is not
     */

    r->logged = 1;
    r->error_page = 1;
    r->disable_not_modified = 1;

#if (NGX_STAT_STUB)
    (void) ngx_atomic_fetch_add(ngx_stat_reading, -1);
    r->stat_reading = 0;
    (void) ngx_atomic_fetch_add(ngx_stat_writing, 1);
    r->stat_writing = 1;
#endif

    if (ngx_http_bell_cache_copy(r->pool, &r->uri, &client->uri) != NGX_OK
        || ngx_http_bell_cache_copy(r->pool, &r->args, &client->args)
           != NGX_OK
        || ngx_http_bell_cache_copy(r->pool, &r->exten, &client->exten)
           != NGX_OK
        || ngx_http_bell_cache_copy(r->pool, &r->unparsed_uri,
                                    &client->unparsed_uri)
           != NGX_OK
        || ngx_http_bell_cache_copy(r->pool, &r->request_line,
                                    &client->request_line)
           != NGX_OK
        || ngx_http_bell_cache_copy(r->pool, &r->headers_in.server,
                                    &client->headers_in.server)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_list_init(&r->headers_in.headers, r->pool, 20,
                      sizeof(ngx_table_elt_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_bell_cache_copy_location(r, client) == NGX_OK
           && ngx_http_bell_cache_copy_fields(r, client, drops) == NGX_OK
           && ngx_http_bell_cache_copy_variables(r, client) == NGX_OK
           && ngx_http_bell_cache_copy_captures(r, client) == NGX_OK
           ? NGX_OK : NGX_ERROR;
}


/* What is done behind a visit ("post_action") is not done behind a fetch. */

static ngx_int_t
ngx_http_bell_cache_copy_location(ngx_http_request_t *r,
    ngx_http_request_t *client)
{
    void                      **loc_conf;
    ngx_http_core_loc_conf_t   *clcf, *own;

    clcf = ngx_http_get_module_loc_conf(client, ngx_http_core_module);

    if (clcf->post_action.data == NULL) {
        return NGX_OK;
    }

    loc_conf = ngx_palloc(r->pool, ngx_http_max_module * sizeof(void *));
    own = ngx_palloc(r->pool, sizeof(ngx_http_core_loc_conf_t));

    if (loc_conf == NULL || own == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(loc_conf, client->loc_conf,
               ngx_http_max_module * sizeof(void *));

    *own = *clcf;
    ngx_str_null(&own->post_action);

    loc_conf[ngx_http_core_module.ctx_index] = own;
    r->loc_conf = loc_conf;

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_cache_copy_fields(ngx_http_request_t *r,
    ngx_http_request_t *client, ngx_http_bell_cache_drops_pt drops)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &client->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (!drops(&h[i].key)
                && ngx_http_bell_cache_copy_field(r, &h[i]) != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


/* Fields that nginx knows have a place besides, where variables look. */

ngx_int_t
ngx_http_bell_cache_copy_field(ngx_http_request_t *r, ngx_table_elt_t *from)
{
    ngx_str_t                   lowcase;
    ngx_table_elt_t            *h;
    ngx_http_header_t          *hh;
    ngx_http_core_main_conf_t  *cmcf;

    h = ngx_list_push(&r->headers_in.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    lowcase.data = from->lowcase_key;
    lowcase.len = from->key.len;

    if (ngx_http_bell_cache_copy(r->pool, &h->key, &from->key) != NGX_OK
        || ngx_http_bell_cache_copy(r->pool, &h->value, &from->value) != NGX_OK
        || ngx_http_bell_cache_copy(r->pool, &lowcase, &lowcase) != NGX_OK)
    {
        return NGX_ERROR;
    }

    h->hash = from->hash;
    h->lowcase_key = lowcase.data;

    if (h->key.len == 4 && ngx_strncmp(h->lowcase_key, "host", 4) == 0) {
        r->headers_in.host = h;
        return NGX_OK;
    }

    cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);

    hh = ngx_hash_find(&cmcf->headers_in_hash, h->hash, h->lowcase_key,
                       h->key.len);

    return hh && hh->handler ? hh->handler(r, h, hh->offset) : NGX_OK;
}


/* As they were found for the client: "set", maps, and what names him. */

static ngx_int_t
ngx_http_bell_cache_copy_variables(ngx_http_request_t *r,
    ngx_http_request_t *client)
{
    ngx_str_t                   value;
    ngx_uint_t                  i;
    ngx_http_core_main_conf_t  *cmcf;
    ngx_http_variable_value_t  *v;

    cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);

    for (i = 0; i < cmcf->variables.nelts; i++) {
        v = &client->variables[i];

        if (!v->valid || v->no_cacheable) {
            continue;
        }

        value.data = v->data;
        value.len = v->len;

        if (ngx_http_bell_cache_copy(r->pool, &value, &value) != NGX_OK) {
            return NGX_ERROR;
        }

        r->variables[i] = *v;
        r->variables[i].data = value.data;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_cache_copy_captures(ngx_http_request_t *r,
    ngx_http_request_t *client)
{
#if (NGX_PCRE)

    ngx_str_t                   data;
    ngx_uint_t                  i;
    ngx_http_core_main_conf_t  *cmcf;

    /* there may be a number of them and nothing captured */

    if (client->ncaptures == 0 || client->captures == NULL
        || client->captures_data == NULL)
    {
        return NGX_OK;
    }

    cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);

    r->captures = ngx_palloc(r->pool, cmcf->ncaptures * sizeof(int));
    if (r->captures == NULL) {
        return NGX_ERROR;
    }

    data.data = client->captures_data;
    data.len = 0;

    for (i = 0; i < client->ncaptures; i++) {
        r->captures[i] = client->captures[i];
        data.len = ngx_max((int) data.len, client->captures[i]);
    }

    if (ngx_http_bell_cache_copy(r->pool, &data, &data) != NGX_OK) {
        return NGX_ERROR;
    }

    r->captures_data = data.data;
    r->ncaptures = client->ncaptures;

#endif

    return NGX_OK;
}


/* On whose behalf it is: the origin may answer this tenant, or this role. */

ngx_int_t
ngx_http_bell_cache_copy_context(ngx_http_request_t *r,
    ngx_http_request_t *client, const ngx_http_bell_core_api_t *core)
{
    ngx_http_bell_ctx_t  *ctx, *from;

    from = core->context(client);
    ctx = core->context(r);

    if (from == NULL || ctx == NULL) {
        return NGX_ERROR;
    }

    ctx->tenant = from->tenant;
    ctx->directory_version = from->directory_version;
    ctx->charged = from->charged;

    return ngx_http_bell_cache_copy(r->pool, &ctx->subject, &from->subject)
           == NGX_OK
           && ngx_http_bell_cache_copy(r->pool, &ctx->role, &from->role)
              == NGX_OK
           && ngx_http_bell_cache_copy(r->pool, &ctx->class, &from->class)
              == NGX_OK
           && ngx_http_bell_cache_copy(r->pool, &ctx->scopes, &from->scopes)
              == NGX_OK
           && ngx_http_bell_cache_copy(r->pool, &ctx->token_subject,
                                       &from->token_subject)
              == NGX_OK
           && ngx_http_bell_cache_copy(r->pool, &ctx->token_kind,
                                       &from->token_kind)
              == NGX_OK
           && ngx_http_bell_cache_copy(r->pool, &ctx->token_issuer,
                                       &from->token_issuer)
              == NGX_OK
           ? NGX_OK : NGX_ERROR;
}


/* "to" may be "from". */

ngx_int_t
ngx_http_bell_cache_copy(ngx_pool_t *pool, ngx_str_t *to, ngx_str_t *from)
{
    u_char  *p;

    if (from->len == 0) {
        ngx_str_null(to);
        return NGX_OK;
    }

    p = ngx_pnalloc(pool, from->len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    /* nginx reads a byte behind some of them */

    *ngx_cpymem(p, from->data, from->len) = '\0';

    to->len = from->len;
    to->data = p;

    return NGX_OK;
}
