
/*
 * What a request asks for: whether that is the cache's, the bytes of keys, and
 * who shares an answer.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "bell_range.h"

#include "ngx_http_bell_cache.h"
#include "ngx_http_bell_cache_load.h"
#include "ngx_http_bell_cache_parts.h"


/* no name of a field begins so, nor goes a target on so */

#define NGX_HTTP_BELL_CACHE_NOBODY  "\0nobody"


static ngx_uint_t ngx_http_bell_cache_is_websocket(ngx_http_request_t *r);
static ngx_int_t ngx_http_bell_cache_ask(ngx_http_bell_cache_ctx_t *ctx);
static ngx_int_t ngx_http_bell_cache_host(ngx_http_bell_cache_ctx_t *ctx);
static ngx_int_t ngx_http_bell_cache_target(ngx_http_bell_cache_ctx_t *ctx);
static ngx_int_t ngx_http_bell_cache_raw_target(ngx_http_request_t *r,
    bell_str *target);
static ngx_int_t ngx_http_bell_cache_variant(ngx_http_bell_cache_ctx_t *ctx,
    bell_cache_scope scope, bell_str names);
static ngx_uint_t ngx_http_bell_cache_is_left_out(bell_str names,
    bell_fields *fields);
static bool ngx_http_bell_cache_sent_field(void *data, bell_str name,
    unsigned nth, bell_str *value);
static void ngx_http_bell_cache_control_in(ngx_http_bell_cache_ctx_t *ctx);


/* NGX_OK: it is the cache's; NGX_DECLINED: it goes by. */

ngx_int_t
ngx_http_bell_cache_passes(ngx_http_bell_cache_ctx_t *ctx)
{
    ngx_int_t            rc;
    bell_cache_method    method;
    ngx_http_request_t  *r;

    r = ctx->request;
    ctx->passed = 1;

    method = bell_cache_method_of(ngx_http_bell_cache_str(&r->method_name));

    if (method != BELL_CACHE_READ) {
        ctx->asked.method = method;
        ngx_http_bell_cache_says(ctx, NGX_HTTP_BELL_CACHE_METRIC_METHOD,
                                 BELL_OUTCOME_METHOD);

        /* what it makes untrue is known by where it is */

        rc = method == BELL_CACHE_UNSAFE ? ngx_http_bell_cache_ask(ctx)
                                         : NGX_DECLINED;
        ctx->asked.method = method;
        ctx->unsafe = rc == NGX_OK;

        return rc == NGX_ERROR ? NGX_ERROR : NGX_DECLINED;
    }

    /* a body, a condition that only the origin knows, or another protocol */

    if (ngx_http_bell_cache_is_set(r, ctx->blcf->bypass)
        || r->headers_in.content_length_n > 0 || r->headers_in.chunked
        || r->headers_in.if_match || r->headers_in.if_unmodified_since
        || ngx_http_bell_cache_is_websocket(r))
    {
        ngx_http_bell_cache_says(ctx, NGX_HTTP_BELL_CACHE_METRIC_BYPASS,
                                 BELL_OUTCOME_BYPASS);
        return NGX_DECLINED;
    }

    rc = ngx_http_bell_cache_ask(ctx);

    if (rc == NGX_DECLINED) {
        ngx_http_bell_cache_says(ctx, NGX_HTTP_BELL_CACHE_METRIC_BYPASS,
                                 BELL_OUTCOME_BYPASS);
        ctx->status.detail = BELL_STR("key");
    }

    if (rc == NGX_OK) {
        ctx->passed = 0;

        if (ngx_http_bell_cache_is_set(r, ctx->blcf->exam)) {
            ctx->exam = 1;
        }
    }

    return rc;
}


static ngx_uint_t
ngx_http_bell_cache_is_websocket(ngx_http_request_t *r)
{
    ngx_table_elt_t  *upgrade;

    upgrade = r->headers_in.upgrade;

    return upgrade && upgrade->value.len == sizeof("websocket") - 1
           && ngx_strncasecmp(upgrade->value.data, (u_char *) "websocket",
                              sizeof("websocket") - 1)
              == 0;
}


/*
 * The key of what is for everybody.  What it is made of lives as long as the
 * request.  NGX_DECLINED: there is none.
 */

static ngx_int_t
ngx_http_bell_cache_ask(ngx_http_bell_cache_ctx_t *ctx)
{
    long                  n;
    u_char               *p;
    ngx_int_t             rc;
    const bell_tenant    *tenant;
    ngx_http_request_t   *r;
    ngx_http_bell_ctx_t  *who;

    r = ctx->request;

    tenant = ctx->bmcf->core->tenant(r);
    who = ctx->bmcf->core->context(r);

    if (who == NULL) {
        return NGX_ERROR;
    }

    ctx->role = ngx_http_bell_cache_str(&who->role);
    ctx->subject = ngx_http_bell_cache_str(&who->subject);

    ctx->asked.tenant_id = tenant ? tenant->id : 0;
    ctx->exam = tenant && tenant->status == BELL_TENANT_EXAM;
    ctx->asked.method = BELL_CACHE_READ;
    ctx->asked.scope = BELL_CACHE_PUBLIC;
    ctx->asked.origin = ctx->blcf->origin;
#if (NGX_HTTP_SSL)
    ctx->asked.scheme = r->connection->ssl ? BELL_STR("https")
                                           : BELL_STR("http");
#else
    ctx->asked.scheme = BELL_STR("http");
#endif

    rc = ngx_http_bell_cache_host(ctx);

    if (rc == NGX_OK) {
        rc = ngx_http_bell_cache_target(ctx);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    p = ngx_pnalloc(r->pool, ctx->asked.host.len + ctx->asked.target.len + 64);
    if (p == NULL) {
        return NGX_ERROR;
    }

    n = bell_cache_key_write(&ctx->asked, NULL, (char *) p,
                             ctx->asked.host.len + ctx->asked.target.len + 64);

    if (n < 0
        || ctx->asked.host.len + ctx->asked.target.len
           > BELL_CACHE_URL_BYTES_MAX)
    {
        return NGX_DECLINED;
    }

    ctx->key = (bell_str) { (char *) p, n };
    ctx->hash = ngx_http_bell_cache_hash_of(ctx->zone, ctx->key);

    if (ctx->blcf->client_control) {
        ngx_http_bell_cache_control_in(ctx);
    }

    return NGX_OK;
}


/*
 * The name that nginx has checked, in lower case, and the port where it is an
 * unusual one.
 * Of a request that has another name in its line than in its field nobody
 * knows which one the origin goes by.
 */

static ngx_int_t
ngx_http_bell_cache_host(ngx_http_bell_cache_ctx_t *ctx)
{
    u_char              *p;
    bell_str             port;
    ngx_str_t           *server, *host;
    ngx_http_request_t  *r;

    r = ctx->request;
    server = &r->headers_in.server;

    if (r->headers_in.host == NULL) {
        ctx->asked.host = (bell_str) { NULL, 0 };
        return NGX_OK;
    }

    host = &r->headers_in.host->value;

    if (host->len < server->len
        || (ngx_memcmp(host->data, server->data, server->len) != 0
            && ngx_strncasecmp(host->data, server->data, server->len) != 0))
    {
        return NGX_DECLINED;
    }

    port.p = (char *) host->data + server->len;
    port.len = host->len - server->len;

    /* a name with the root's dot behind it is the same name */

    if (port.len && port.p[0] == '.') {
        port.p++;
        port.len--;
    }

    if (port.len && port.p[0] != ':') {
        return NGX_DECLINED;
    }

    if (port.len == 1
        || bell_str_eq(port, ctx->asked.scheme.len == 4 ? BELL_STR(":80")
                                                        : BELL_STR(":443")))
    {
        port.len = 0;
    }

    if (port.len == 0) {
        ctx->asked.host = ngx_http_bell_cache_str(server);
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, server->len + port.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, server->data, server->len);
    ngx_memcpy(p + server->len, port.p, port.len);

    ctx->asked.host = (bell_str) { (char *) p, server->len + port.len };

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_cache_target(ngx_http_bell_cache_ctx_t *ctx)
{
    long       n;
    char      *p;
    bell_str   raw;

    if (ngx_http_bell_cache_raw_target(ctx->request, &raw) != NGX_OK) {
        return NGX_ERROR;
    }

    p = ngx_pnalloc(ctx->request->pool, raw.len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    n = bell_cache_target_write(raw, &ctx->blcf->query, p, raw.len + 1);

    if (n < 0) {
        return NGX_DECLINED;
    }

    ctx->asked.target = (bell_str) { p, n };

    return NGX_OK;
}


/*
 * As it was received and, where tokens were in it, cut; where it was rewritten,
 * what it is by now, as proxy_pass sends it.
 */

static ngx_int_t
ngx_http_bell_cache_raw_target(ngx_http_request_t *r, bell_str *target)
{
    u_char     *p, *s;
    size_t      len;
    uintptr_t   escapes;

    if (r->valid_unparsed_uri && r == r->main) {
        target->p = (char *) r->unparsed_uri.data;
        target->len = r->unparsed_uri.len;

        /* absolute form: nginx has taken scheme and host off its own copy */

        if (target->len == 0 || target->p[0] == '/') {
            return NGX_OK;
        }
    }

    escapes = 2 * ngx_escape_uri(NULL, r->uri.data, r->uri.len,
                                 NGX_ESCAPE_URI);
    len = r->uri.len + escapes + 1 + r->args.len;

    s = ngx_pnalloc(r->pool, len);
    if (s == NULL) {
        return NGX_ERROR;
    }

    if (escapes) {
        p = (u_char *) ngx_escape_uri(s, r->uri.data, r->uri.len,
                                      NGX_ESCAPE_URI);
    } else {
        p = ngx_cpymem(s, r->uri.data, r->uri.len);
    }

    if (r->args.len) {
        *p++ = '?';
        p = ngx_cpymem(p, r->args.data, r->args.len);
    }

    target->p = (char *) s;
    target->len = p - s;

    return NGX_OK;
}


/* What purges go by; who is served from the zone needs it not. */

void
ngx_http_bell_cache_ask_url(ngx_http_bell_cache_ctx_t *ctx)
{
    if (!ctx->has_url) {

        /* true for every length that ngx_http_bell_cache_ask() lets pass */

        ctx->has_url = bell_cache_url_hash(ctx->zone->sh->key,
                                           ctx->asked.tenant_id,
                                           ctx->asked.host, ctx->asked.target,
                                           &ctx->url);
    }
}


ngx_int_t
ngx_http_bell_cache_ask_part(ngx_http_bell_cache_ctx_t *ctx, uint64_t at)
{
    long     n;
    u_char  *p;
    size_t   room;

    ctx->asked.part_bytes = ngx_http_bell_cache_part_bytes(ctx->zone);
    ctx->asked.part_first = bell_range_part(at, ctx->asked.part_bytes).first;

    room = ctx->asked.host.len + ctx->asked.target.len + 96;

    p = ngx_pnalloc(ctx->pool, room);
    if (p == NULL) {
        return NGX_ERROR;
    }

    n = bell_cache_key_write(&ctx->asked, NULL, (char *) p, room);
    if (n < 0) {
        return NGX_ERROR;
    }

    ctx->key = (bell_str) { (char *) p, n };
    ctx->hash = ngx_http_bell_cache_hash_of(ctx->zone, ctx->key);

    return NGX_OK;
}


/* ---- variants */

ngx_int_t
ngx_http_bell_cache_ask_variant(ngx_http_bell_cache_ctx_t *ctx,
    bell_cache_scope scope, bell_str names)
{
    ctx->nobody = 0;

    return ngx_http_bell_cache_variant(ctx, scope, names);
}


ngx_int_t
ngx_http_bell_cache_ask_nobody(ngx_http_bell_cache_ctx_t *ctx, bell_str names)
{
    if (ctx->subject.len || ctx->role.len) {
        return NGX_DECLINED;
    }

    ctx->nobody = 1;

    return ngx_http_bell_cache_variant(ctx, BELL_CACHE_PUBLIC, names);
}


static ngx_int_t
ngx_http_bell_cache_variant(ngx_http_bell_cache_ctx_t *ctx,
    bell_cache_scope scope, bell_str names)
{
    long                  n, m;
    u_char               *p;
    size_t                room;
    bell_fields           fields;
    ngx_list_part_t      *part;
    ngx_table_elt_t      *h;
    ngx_uint_t            i;
    bell_vary_rules       rules;
    ngx_http_request_t   *r;

    r = ctx->request;

    ctx->variant = ctx->asked;
    ctx->variant.scope = scope;

    if (scope == BELL_CACHE_ROLE) {
        ctx->variant.who = ctx->role;

    } else if (scope == BELL_CACHE_SUBJECT) {
        ctx->variant.who = ctx->subject;
    }

    /* a key of variants has at most what the request has, and separators */

    room = ctx->key.len + ctx->variant.who.len + names.len + 1024;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            room += h[i].value.len + 8;
        }
    }

    if (room > NGX_HTTP_BELL_CACHE_KEY_BYTES) {
        room = NGX_HTTP_BELL_CACHE_KEY_BYTES;
    }

    p = ngx_pnalloc(ctx->pool, room);
    if (p == NULL) {
        return NGX_ERROR;
    }

    n = bell_cache_key_write(&ctx->variant, NULL, (char *) p, room);
    if (n < 0) {
        return NGX_DECLINED;
    }

    if (ctx->nobody) {
        m = sizeof(NGX_HTTP_BELL_CACHE_NOBODY) - 1;

        if (room - n < (size_t) m) {
            return NGX_DECLINED;
        }

        ngx_memcpy(p + n, NGX_HTTP_BELL_CACHE_NOBODY, m);
        n += m;
    }

    ngx_memzero(&rules, sizeof(rules));
    fields = ngx_http_bell_cache_fields_in(r);

    if (ngx_http_bell_cache_is_left_out(names, &fields)) {
        return NGX_DECLINED;
    }

    fields.field = ngx_http_bell_cache_sent_field;

    m = bell_vary_key(names, &rules, &fields, (char *) p + n, room - n);
    if (m < 0) {
        return NGX_DECLINED;
    }

    ctx->variant_key = (bell_str) { (char *) p, n + m };

    /* cookies and tokens are nobody else's business: their hash will do */

    if (bell_vary_has_secrets(names)) {
        bell_cache_hash  hash;

        hash = ngx_http_bell_cache_hash_of(ctx->zone, ctx->variant_key);

        ngx_memcpy(p + n, &hash, sizeof(hash));
        ctx->variant_key.len = n + sizeof(hash);
    }

    ctx->variant_hash = ngx_http_bell_cache_hash_of(ctx->zone,
                                                    ctx->variant_key);

    return NGX_OK;
}


/*
 * What a field of a body says that is not there is the client's word alone: an
 * answer that depends on it comes from no fetch.
 */

static ngx_uint_t
ngx_http_bell_cache_is_left_out(bell_str names, bell_fields *fields)
{
    static const char  *body[] = { "content-type", "content-encoding" };

    bell_str    name, value;
    ngx_uint_t  i;

    for (i = 0; i < sizeof(body) / sizeof(body[0]); i++) {
        name = bell_str_of(body[i]);

        if (bell_field_is_named(names, name)
            && fields->field(fields->data, name, 0, &value))
        {
            return 1;
        }
    }

    return 0;
}


/*
 * As a fetch sends it.  What that leaves out (Range, conditions, what is of
 * one connection) makes no difference to what it brings.
 */

static bool
ngx_http_bell_cache_sent_field(void *data, bell_str name, unsigned nth,
    bell_str *value)
{
    ngx_str_t  s;

    s.data = (u_char *) (uintptr_t) name.p;
    s.len = name.len;

    return !ngx_http_bell_cache_drops(&s)
           && ngx_http_bell_cache_list_field(data, name, nth, value);
}


/* ---- fields */

bool
ngx_http_bell_cache_list_field(void *data, bell_str name, unsigned nth,
    bell_str *value)
{
    ngx_list_t *list = data;

    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &list->part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].hash == 0 || h[i].key.len != name.len
                || ngx_strncasecmp(h[i].key.data, (u_char *) name.p, name.len)
                   != 0
                || nth-- != 0)
            {
                continue;
            }

            *value = bell_str_trim(ngx_http_bell_cache_str(&h[i].value));

            return true;
        }
    }

    return false;
}


bell_fields
ngx_http_bell_cache_fields_in(ngx_http_request_t *r)
{
    bell_fields  fields;

    fields.field = ngx_http_bell_cache_list_field;
    fields.data = &r->headers_in.headers;

    return fields;
}


static void
ngx_http_bell_cache_control_in(ngx_http_bell_cache_ctx_t *ctx)
{
    unsigned            i;
    bell_str            value;
    bell_fields         fields;

    fields = ngx_http_bell_cache_fields_in(ctx->request);

    for (i = 0; fields.field(fields.data, BELL_STR("cache-control"), i,
                             &value);
         i++)
    {
        bell_cache_request_add(&ctx->control, value);
    }

    for (i = 0; fields.field(fields.data, BELL_STR("pragma"), i, &value); i++)
    {
        bell_cache_request_add_pragma(&ctx->control, value);
    }
}


/* Whether one of them is neither empty nor "0", as nginx has it elsewhere. */

ngx_uint_t
ngx_http_bell_cache_is_set(ngx_http_request_t *r, ngx_array_t *values)
{
    return values && ngx_http_test_predicates(r, values) == NGX_DECLINED;
}
