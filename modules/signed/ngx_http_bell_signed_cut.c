
/*
 * Takes the token out of a request, so that nothing behind shows or keeps it:
 * the address, the request line of logs, cookies and fields on their way to
 * the upstream, the Referer, and variables that were read before.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_header.h"
#include "ngx_http_bell_signed.h"


static ngx_int_t ngx_http_bell_signed_cut_target(ngx_http_request_t *r,
    ngx_http_bell_signed_ctx_t *ctx, bell_str target);
static ngx_int_t ngx_http_bell_signed_parse(ngx_http_request_t *r,
    ngx_str_t *target);
static ngx_int_t ngx_http_bell_signed_cut_args(ngx_http_request_t *r,
    bell_str was, bell_str query);
static ngx_int_t ngx_http_bell_signed_cut_line(ngx_http_request_t *r);
static void ngx_http_bell_signed_cut_fields(ngx_http_request_t *r,
    ngx_http_bell_signed_issuer_t *issuer);
static void ngx_http_bell_signed_cut_cookies(ngx_table_elt_t *h,
    bell_str *names, ngx_uint_t n);
static ngx_uint_t ngx_http_bell_signed_is_name(bell_str name, bell_str *names,
    ngx_uint_t n);
static ngx_int_t ngx_http_bell_signed_cut_referer(ngx_http_request_t *r,
    ngx_http_bell_signed_issuer_t *issuer);
static bool ngx_http_bell_signed_no_field(void *data, bell_str name,
    unsigned nth, bell_str *value);
static void ngx_http_bell_signed_forget_variables(ngx_http_request_t *r);
static void ngx_http_bell_signed_find_showing(ngx_http_request_t *r,
    ngx_http_bell_signed_main_conf_t *smcf);


/*
 * Also what is another issuer's who is asked here: who decided is not the only
 * one whose token somebody would take.
 */

ngx_int_t
ngx_http_bell_signed_cut(ngx_http_request_t *r,
    ngx_http_bell_signed_ctx_t *ctx, bell_str target)
{
    ngx_int_t                        rc;
    ngx_uint_t                       i;
    ngx_http_bell_signed_issuer_t  **issuers;

    /*
     * Behind an internal redirect others may be asked: they find their token
     * in the address as it was received, and it is cut out of what is left.
     */

    if (ctx->is_cut) {
        target.p = (char *) r->unparsed_uri.data;
        target.len = r->unparsed_uri.len;
    }

    issuers = ctx->issuers->elts;

    for (i = 0; i < ctx->issuers->nelts; i++) {
        if ((issuers[i] != ctx->issuer || ctx->is_cut)
            && ngx_http_bell_signed_strip(r, issuers[i], &target) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    ctx->is_cut = 1;

    rc = ngx_http_bell_signed_cut_target(r, ctx, target);

    if (rc != NGX_OK) {
        return rc;
    }

    for (i = 0; i < ctx->issuers->nelts; i++) {
        ngx_http_bell_signed_cut_fields(r, issuers[i]);

        if (r->headers_in.referer
            && ngx_http_bell_signed_cut_referer(r, issuers[i]) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    ngx_http_bell_signed_forget_variables(r);

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_signed_cut_target(ngx_http_request_t *r,
    ngx_http_bell_signed_ctx_t *ctx, bell_str target)
{
    bool        has_query;
    bell_str    was, was_path, was_query, path, query;
    ngx_int_t   rc;
    ngx_str_t   copy;

    was.p = (char *) r->unparsed_uri.data;
    was.len = r->unparsed_uri.len;

    if (target.p == NULL || bell_str_eq(target, was)) {
        return NGX_OK;
    }

    /* nginx reads a byte behind a target, where a request line goes on */

    copy.len = target.len;
    copy.data = ngx_pnalloc(r->pool, target.len + 1);
    if (copy.data == NULL) {
        return NGX_ERROR;
    }

    *ngx_cpymem(copy.data, target.p, target.len) = ' ';

    target.p = (char *) copy.data;

    bell_signed_split(was, &was_path, &was_query, &has_query);
    bell_signed_split(target, &path, &query, &has_query);

    r->unparsed_uri = copy;

    if (ngx_http_bell_signed_cut_line(r) != NGX_OK) {
        return NGX_ERROR;
    }

    /* what "rewrite" has made of the path before is the operator's */

    if (!r->valid_unparsed_uri || bell_str_eq(was_path, path)) {
        return ngx_http_bell_signed_cut_args(r, was_query, query);
    }

    rc = ngx_http_bell_signed_parse(r, &copy);

    if (rc == NGX_OK) {
        ctx->is_moved = 1;
    }

    return rc;
}


/* As nginx does with the one that it receives. */

static ngx_int_t
ngx_http_bell_signed_parse(ngx_http_request_t *r, ngx_str_t *target)
{
    r->uri_start = target->data;
    r->uri_end = target->data + target->len;
    r->uri_ext = NULL;
    r->args_start = NULL;
    r->complex_uri = 0;
    r->quoted_uri = 0;
    r->plus_in_uri = 0;
    r->empty_path_in_uri = 0;

    ngx_str_null(&r->args);
    ngx_str_null(&r->exten);

    if (ngx_http_parse_uri(r) != NGX_OK) {
        return NGX_ERROR;
    }

    /* when it fails, it has answered */

    return ngx_http_process_request_uri(r) == NGX_OK ? NGX_OK : NGX_DONE;
}


/* "rewrite" puts what it adds in front, and "&" between. */

static ngx_int_t
ngx_http_bell_signed_cut_args(ngx_http_request_t *r, bell_str was,
    bell_str query)
{
    u_char  *p;
    size_t   head;

    if (was.len == 0 || r->args.len < was.len) {
        return NGX_OK;
    }

    head = r->args.len - was.len;

    if ((head && r->args.data[head - 1] != '&')
        || (r->args.data + head != (u_char *) was.p
            && ngx_memcmp(r->args.data + head, was.p, was.len) != 0))
    {
        return NGX_OK;
    }

    if (head == 0) {
        r->args.data = (u_char *) query.p;
        r->args.len = query.len;
        return NGX_OK;
    }

    if (query.len == 0) {
        r->args.len = head - 1;
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, head + query.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(ngx_cpymem(p, r->args.data, head), query.p, query.len);

    r->args.data = p;
    r->args.len = head + query.len;

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_signed_cut_line(ngx_http_request_t *r)
{
    u_char  *p;
    size_t   len;

    len = r->method_name.len + 1 + r->unparsed_uri.len + 1
          + r->http_protocol.len;

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    r->request_line.data = p;
    r->request_line.len = len;

    p = ngx_cpymem(p, r->method_name.data, r->method_name.len);
    *p++ = ' ';
    p = ngx_cpymem(p, r->unparsed_uri.data, r->unparsed_uri.len);
    *p++ = ' ';

    if (r->http_protocol.len) { /* HTTP/0.9 has none */
        ngx_memcpy(p, r->http_protocol.data, r->http_protocol.len);
    }

    return NGX_OK;
}


static void
ngx_http_bell_signed_cut_fields(ngx_http_request_t *r,
    ngx_http_bell_signed_issuer_t *issuer)
{
    bell_str          field, names[NGX_HTTP_BELL_SIGNED_COOKIES];
    ngx_uint_t        i, n;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    field = issuer->kind->field ? issuer->kind->field(issuer->options)
                                : BELL_STR_NULL;
    n = issuer->kind->cookies && ngx_http_bell_has_cookies(r)
        ? issuer->kind->cookies(issuer->options, names) : 0;

    if (field.len == 0 && n == 0) {
        return;
    }

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (field.len && h[i].key.len == field.len
                && ngx_strncasecmp(h[i].key.data, (u_char *) field.p,
                                   field.len) == 0)
            {
                ngx_http_bell_drop_header(&h[i]);

            } else if (n && h[i].key.len == 6
                       && ngx_strncasecmp(h[i].key.data, (u_char *) "cookie",
                                          6) == 0)
            {
                ngx_http_bell_signed_cut_cookies(&h[i], names, n);
            }
        }
    }
}


/* In place: the header's bytes are the request's own, and it gets shorter. */

static void
ngx_http_bell_signed_cut_cookies(ngx_table_elt_t *h, bell_str *names,
    ngx_uint_t n)
{
    u_char    *p;
    bell_str   list, name, value, pair;

    list.p = (char *) h->value.data;
    list.len = h->value.len;
    p = h->value.data;

    while (list.len) {
        pair = bell_str_trim(bell_str_cut(&list, ';'));
        value = pair;
        name = bell_str_cut(&value, '=');

        if (pair.len == 0 || ngx_http_bell_signed_is_name(name, names, n)) {
            continue;
        }

        if (p != h->value.data) {
            *p++ = ';';

            if (p < (u_char *) pair.p) {
                *p++ = ' ';
            }
        }

        p = ngx_movemem(p, pair.p, pair.len);
    }

    h->value.len = p - h->value.data;

    if (h->value.len == 0) {
        ngx_http_bell_drop_header(h);
    }
}


/* Without case, as some verifiers find them: no token stays behind. */

static ngx_uint_t
ngx_http_bell_signed_is_name(bell_str name, bell_str *names, ngx_uint_t n)
{
    ngx_uint_t  i;

    for (i = 0; i < n; i++) {
        if (bell_str_ieq(name, names[i])) {
            return 1;
        }
    }

    return 0;
}


/* A page whose address holds a token names it to all that it asks for. */

static ngx_int_t
ngx_http_bell_signed_cut_referer(ngx_http_request_t *r,
    ngx_http_bell_signed_issuer_t *issuer)
{
    u_char           *p;
    size_t            head;
    bell_str          value, target;
    ngx_table_elt_t  *h;

    h = r->headers_in.referer;

    p = ngx_strnstr(h->value.data, "://", h->value.len);
    p = p ? ngx_strlchr(p + 3, h->value.data + h->value.len, '/') : NULL;

    if (p == NULL) {
        return NGX_OK;
    }

    head = p - h->value.data;

    target.p = (char *) p;
    target.len = h->value.len - head;

    value = target;

    if (ngx_http_bell_signed_strip(r, issuer, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    if (value.p == target.p) {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, head + value.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(ngx_cpymem(p, h->value.data, head), value.p, value.len);

    h->value.data = p;
    h->value.len = head + value.len;

    return NGX_OK;
}


/* The verifier finds them: without a key it does no more than that. */

ngx_int_t
ngx_http_bell_signed_strip(ngx_http_request_t *r,
    ngx_http_bell_signed_issuer_t *issuer, bell_str *target)
{
    static const bell_signed_keys  no_keys;

    u_char                            *p;
    bell_signed_call                   call;
    bell_signed_room                   room;
    bell_signed_result                 result;
    bell_signed_request                sr;
    ngx_http_bell_signed_fields_t      fields;
    ngx_http_bell_signed_main_conf_t  *smcf;

    smcf = ngx_http_get_module_main_conf(r, ngx_http_bell_signed_module);

    ngx_memzero(&sr, sizeof(bell_signed_request));
    ngx_memzero(&fields, sizeof(ngx_http_bell_signed_fields_t));
    ngx_memzero(&call, sizeof(bell_signed_call));
    ngx_memzero(&result, sizeof(bell_signed_result));

    sr.method = BELL_STR("GET");
    sr.scheme = BELL_STR("https");
    sr.host = BELL_STR("");
    sr.target = *target;
    sr.now_s = ngx_time();
    sr.field = ngx_http_bell_signed_no_field;
    sr.data = &fields;

    fields.request = r;

    room.p = smcf->room;
    room.left = NGX_HTTP_BELL_SIGNED_ROOM;

    call.request = &sr;
    call.keys = &no_keys;
    call.room = &room;

    if (issuer->kind->check(&call, issuer->options, &result)
        == BELL_SIGNED_MISSING)
    {
        return NGX_OK;
    }

    /* where it cannot be cut, all goes that may hold it */

    if (result.target.p == NULL || result.target.len >= target->len) {
        result.target = BELL_STR("/");
    }

    p = ngx_pnalloc(r->pool, result.target.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, result.target.p, result.target.len);

    target->p = (char *) p;
    target->len = result.target.len;

    return NGX_OK;
}


static bool
ngx_http_bell_signed_no_field(void *data, bell_str name, unsigned nth,
    bell_str *value)
{
    *value = BELL_STR_NULL;

    return false;
}


/* Those that a map or "set" has read before are read anew. */

static void
ngx_http_bell_signed_forget_variables(ngx_http_request_t *r)
{
    ngx_uint_t                        *index, i;
    ngx_http_bell_signed_main_conf_t  *smcf;

    smcf = ngx_http_get_module_main_conf(r, ngx_http_bell_signed_module);

    if (!smcf->showing_known) {
        ngx_http_bell_signed_find_showing(r, smcf);
    }

    index = smcf->showing.elts;

    for (i = 0; i < smcf->showing.nelts; i++) {
        r->variables[index[i]].valid = 0;
        r->variables[index[i]].not_found = 0;
    }
}


/* Once in a worker: indices are given out until all modules are configured. */

static void
ngx_http_bell_signed_find_showing(ngx_http_request_t *r,
    ngx_http_bell_signed_main_conf_t *smcf)
{
    static const char  *names[] = {
        "request_uri", "request", "args", "query_string", "is_args",
        "uri", "document_uri", "request_filename", "http_*", "arg_*",
        "cookie_*", NULL
    };

    size_t                      len;
    ngx_uint_t                  i, n, *index;
    ngx_http_variable_t        *v;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);
    v = cmcf->variables.elts;

    for (i = 0; i < cmcf->variables.nelts; i++) {

        for (n = 0; names[n]; n++) {
            len = ngx_strlen(names[n]);

            if (names[n][len - 1] == '*'
                    ? v[i].name.len >= len - 1
                      && ngx_strncmp(v[i].name.data, names[n], len - 1) == 0
                    : v[i].name.len == len
                      && ngx_strncmp(v[i].name.data, names[n], len) == 0)
            {
                index = ngx_array_push(&smcf->showing);

                if (index) {
                    *index = i;
                }

                break;
            }
        }
    }

    smcf->showing_known = 1;
}
