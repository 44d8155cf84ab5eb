
/*
 * nginx's own secure links: the same two texts as "secure_link" and
 * "secure_link_md5" have, but that the secret is a key, of a tenant or of a
 * file, which stands in the second as $bell_signed_secret.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_signed_link.h"
#include "bell_secure_link.h"


/* what a target has of a link's parameters */

#define NGX_HTTP_BELL_SIGNED_LINK_NONE   0
#define NGX_HTTP_BELL_SIGNED_LINK_NAMED  1
#define NGX_HTTP_BELL_SIGNED_LINK_ODD    2


static ngx_http_complex_value_t *ngx_http_bell_signed_compile(ngx_conf_t *cf,
    ngx_str_t *value);
static ngx_uint_t ngx_http_bell_signed_next_variable(ngx_str_t *text,
    bell_str *name);
static ngx_uint_t ngx_http_bell_signed_add_name(bell_str *names, size_t *n,
    bell_str name);
static bell_signed_reason ngx_http_bell_signed_link_missing(
    const bell_signed_call *call, const bell_secure_link_options *given,
    bell_signed_result *out);
static ngx_int_t ngx_http_bell_signed_link_text(const bell_signed_call *call,
    ngx_http_complex_value_t *value, bell_str *text);
static bell_signed_reason ngx_http_bell_signed_link_try(
    const bell_signed_call *call, const ngx_http_bell_signed_link_t *link,
    bell_secure_link_options *given, bell_signed_result *out);
static bell_signed_reason ngx_http_bell_signed_link_one(
    const bell_signed_call *call, const ngx_http_bell_signed_link_t *link,
    const bell_signed_key *key, bell_secure_link_options *given,
    bell_signed_result *out);
static ngx_uint_t ngx_http_bell_signed_link_names(
    const ngx_http_bell_signed_link_t *link, bell_str target);


/* ---- configuration */

/* "$arg_md5,$arg_expires": what is taken from a request belongs to the token */

ngx_int_t
ngx_http_bell_signed_set_link(ngx_conf_t *cf, ngx_http_bell_signed_link_t *link,
    ngx_str_t *value)
{
    bell_str   name;
    ngx_str_t  text;

    text = *value;

    while (ngx_http_bell_signed_next_variable(&text, &name)) {

        if (bell_str_starts(name, BELL_STR("arg_"))) {
            name.p += 4;
            name.len -= 4;

            if (!ngx_http_bell_signed_add_name(link->params, &link->nparams,
                                               name))
            {
                return NGX_ERROR;
            }

        } else if (bell_str_starts(name, BELL_STR("cookie_"))) {
            name.p += 7;
            name.len -= 7;

            if (!ngx_http_bell_signed_add_name(link->cookies, &link->ncookies,
                                               name))
            {
                return NGX_ERROR;
            }
        }
    }

    link->link = ngx_http_bell_signed_compile(cf, value);

    return link->link ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_http_bell_signed_set_link_text(ngx_conf_t *cf,
    ngx_http_bell_signed_link_t *link, ngx_str_t *value)
{
    bell_str   name;
    ngx_str_t  text;

    text = *value;

    while (ngx_http_bell_signed_next_variable(&text, &name)) {

        if (bell_str_eq(name, BELL_STR("uri"))) {
            link->served_path = true;

        } else if (bell_str_eq(name, BELL_STR("bell_signed_secret"))) {
            link->has_secret = true;
        }
    }

    link->text = ngx_http_bell_signed_compile(cf, value);

    return link->text ? NGX_OK : NGX_ERROR;
}


static ngx_http_complex_value_t *
ngx_http_bell_signed_compile(ngx_conf_t *cf, ngx_str_t *value)
{
    ngx_http_compile_complex_value_t   ccv;

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = value;
    ccv.complex_value = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));

    if (ccv.complex_value == NULL
        || ngx_http_compile_complex_value(&ccv) != NGX_OK)
    {
        return NULL;
    }

    return ccv.complex_value;
}


/* "$name" or "${name}"; *text is what is behind it. */

static ngx_uint_t
ngx_http_bell_signed_next_variable(ngx_str_t *text, bell_str *name)
{
    u_char  *p, *last;

    last = text->data + text->len;

    p = ngx_strlchr(text->data, last, '$');
    if (p == NULL) {
        return 0;
    }

    p++;

    if (p < last && *p == '{') {
        p++;
    }

    name->p = (char *) p;

    while (p < last
           && ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z')
               || (*p >= '0' && *p <= '9') || *p == '_'))
    {
        p++;
    }

    name->len = (char *) p - name->p;

    text->data = p;
    text->len = last - p;

    return 1;
}


static ngx_uint_t
ngx_http_bell_signed_add_name(bell_str *names, size_t *n, bell_str name)
{
    size_t  i;

    for (i = 0; i < *n; i++) {
        if (bell_str_eq(names[i], name)) {
            return 1;
        }
    }

    if (name.len == 0 || *n == NGX_HTTP_BELL_SIGNED_LINK_NAMES) {
        return 0;
    }

    names[(*n)++] = name;

    return 1;
}


ngx_int_t
ngx_http_bell_signed_link_ready(ngx_conf_t *cf,
    ngx_http_bell_signed_issuer_t *issuer)
{
    ngx_http_bell_signed_link_t  *link;

    link = issuer->options;

    if (link->link && link->text && link->has_secret) {
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "issuer \"%V\" needs \"link=\" and \"text=\" as "
                       "\"secure_link\" and \"secure_link_md5\" have them, with "
                       "$bell_signed_secret in the text", &issuer->name);

    return NGX_ERROR;
}


/* ---- requests */

/* A link names no key: whichever is right. */

bell_signed_reason
ngx_http_bell_signed_link_check(const bell_signed_call *call,
    const void *options, bell_signed_result *out)
{
    const ngx_http_bell_signed_link_t  *link = options;

    bell_str                  text;
    ngx_uint_t                named;
    bell_secure_link_options  given;

    ngx_memzero(&given, sizeof(bell_secure_link_options));

    given.served_path = link->served_path;
    given.params = link->params;
    given.nparams = link->nparams;

    named = ngx_http_bell_signed_link_names(link, call->request->target);

    if (named == NGX_HTTP_BELL_SIGNED_LINK_ODD) {
        out->target = BELL_STR("/");
        return BELL_SIGNED_MALFORMED;
    }

    if (call->keys->nkeys == 0) {

        /* only what stands in the target is of interest */

        given.hash = named ? BELL_STR("-") : BELL_STR_NULL;

        return named ? ngx_http_bell_signed_link_missing(call, &given, out)
                     : BELL_SIGNED_MISSING;
    }

    if (ngx_http_bell_signed_link_text(call, link->link, &text) != NGX_OK) {
        return BELL_SIGNED_MALFORMED;
    }

    given.has_expires = text.len && memchr(text.p, ',', text.len);
    given.hash = bell_str_cut(&text, ',');
    given.expires = text;

    return given.hash.len ? ngx_http_bell_signed_link_try(call, link, &given,
                                                          out)
                          : BELL_SIGNED_MISSING;
}


/* Without a key, too, the request is logged without the link. */

static bell_signed_reason
ngx_http_bell_signed_link_missing(const bell_signed_call *call,
    const bell_secure_link_options *given, bell_signed_result *out)
{
    bell_signed_reason  reason;

    reason = bell_secure_link_check(call, given, out);

    return reason == BELL_SIGNED_SIGNATURE || reason == BELL_SIGNED_OK
           || reason == BELL_SIGNED_EXPIRED
           ? BELL_SIGNED_KEY : reason;
}


/*
 * Evaluated with the arguments of the target that is looked at: those of the
 * request may have been cut already.
 */

static ngx_int_t
ngx_http_bell_signed_link_text(const bell_signed_call *call,
    ngx_http_complex_value_t *value, bell_str *text)
{
    const ngx_http_bell_signed_fields_t  *fields = call->request->data;

    bool                 has_query;
    bell_str             path, query;
    ngx_int_t            rc;
    ngx_str_t            args, s;
    ngx_http_request_t  *r;

    r = fields->request;
    args = r->args;

    bell_signed_split(call->request->target, &path, &query, &has_query);

    r->args.data = (u_char *) query.p;
    r->args.len = query.len;

    rc = ngx_http_complex_value(r, value, &s);

    r->args = args;

    text->p = (char *) s.data;
    text->len = s.len;

    return rc;
}


static bell_signed_reason
ngx_http_bell_signed_link_try(const bell_signed_call *call,
    const ngx_http_bell_signed_link_t *link, bell_secure_link_options *given,
    bell_signed_result *out)
{
    size_t                  i;
    bell_signed_room        room;
    bell_signed_reason      reason;
    const bell_signed_key  *key;

    i = 0;
    room = *call->room;
    reason = ngx_http_bell_signed_link_missing(call, given, out);

    if (reason != BELL_SIGNED_KEY) {
        return reason;
    }

    while ((key = bell_signed_next_key(call->keys, BELL_STR_NULL,
                                       call->request->now_s, &i))
           != NULL)
    {
        if (key->type != BELL_SIGNED_SECRET) {
            continue;
        }

        *call->room = room;
        reason = ngx_http_bell_signed_link_one(call, link, key, given, out);

        if (reason != BELL_SIGNED_SIGNATURE) {
            out->key_id.p = key->id;
            out->key_id.len = key->id_len;
            break;
        }
    }

    return reason;
}


/* The secret is in a variable as long as the text is made, and not longer. */

static bell_signed_reason
ngx_http_bell_signed_link_one(const bell_signed_call *call,
    const ngx_http_bell_signed_link_t *link, const bell_signed_key *key,
    bell_secure_link_options *given, bell_signed_result *out)
{
    const ngx_http_bell_signed_fields_t  *fields = call->request->data;

    ngx_int_t                          rc;
    bell_signed_reason                 reason;
    ngx_http_bell_signed_main_conf_t  *smcf;

    smcf = ngx_http_get_module_main_conf(fields->request,
                                         ngx_http_bell_signed_module);
    smcf->secret = key;

    rc = ngx_http_bell_signed_link_text(call, link->text, &given->expression);

    smcf->secret = NULL;
    ngx_http_script_flush_complex_value(fields->request, link->text);

    if (rc != NGX_OK) {
        return BELL_SIGNED_MALFORMED;
    }

    reason = bell_secure_link_check(call, given, out);

    ngx_explicit_memzero((void *) given->expression.p, given->expression.len);

    return reason;
}


/*
 * Whether the target has a parameter of the link.  nginx finds $arg_md5
 * whatever the case of the name, and it is cut as the configuration has it:
 * in another spelling it would go on to the upstream.
 */

static ngx_uint_t
ngx_http_bell_signed_link_names(const ngx_http_bell_signed_link_t *link,
    bell_str target)
{
    bool        has_query;
    size_t      i;
    bell_str    path, query, pair, name, value;
    ngx_uint_t  found;

    found = NGX_HTTP_BELL_SIGNED_LINK_NONE;

    bell_signed_split(target, &path, &query, &has_query);

    while (bell_signed_next_pair(&query, &pair, &name, &value)) {

        for (i = 0; i < link->nparams; i++) {

            if (!bell_str_ieq(name, link->params[i])) {
                continue;
            }

            if (!bell_str_eq(name, link->params[i])) {
                return NGX_HTTP_BELL_SIGNED_LINK_ODD;
            }

            found = NGX_HTTP_BELL_SIGNED_LINK_NAMED;
        }
    }

    return found;
}


ngx_uint_t
ngx_http_bell_signed_link_cookies(const void *options, bell_str *names)
{
    const ngx_http_bell_signed_link_t  *link = options;

    size_t  i;

    for (i = 0; i < link->ncookies; i++) {
        names[i] = link->cookies[i];
    }

    return link->ncookies;
}


bell_signed_reason
ngx_http_bell_signed_link_secret_check(const bell_signed_call *call,
    const void *options, bell_signed_result *out)
{
    size_t                            i;
    bell_signed_room                  room;
    bell_signed_reason                reason, found;
    const bell_signed_key            *key;
    bell_secure_link_secret_options   given;

    ngx_memzero(&given, sizeof(bell_secure_link_secret_options));

    room = *call->room;
    reason = bell_secure_link_secret_check(call, &given, out);

    if (reason != BELL_SIGNED_SIGNATURE && reason != BELL_SIGNED_OK) {
        return reason;
    }

    found = BELL_SIGNED_KEY;

    for (i = 0;
         (key = bell_signed_next_key(call->keys, BELL_STR_NULL,
                                     call->request->now_s, &i)) != NULL;
         /* void */ )
    {
        if (key->type != BELL_SIGNED_SECRET) {
            continue;
        }

        given.secret.p = (char *) key->secret;
        given.secret.len = key->secret_len;

        *call->room = room;
        found = bell_secure_link_secret_check(call, &given, out);

        if (found == BELL_SIGNED_OK) {
            out->key_id.p = key->id;
            out->key_id.len = key->id_len;
            break;
        }
    }

    return found;
}
