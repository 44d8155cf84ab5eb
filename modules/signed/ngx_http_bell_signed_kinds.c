
/*
 * The kinds of issuers: their verifiers, the options that the configuration
 * sets, and where their tokens stand besides the URL.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_signed_link.h"
#include "ngx_http_bell_signed_options.h"
#include "bell_akamai.h"
#include "bell_cat.h"
#include "bell_cloudfront.h"
#include "bell_google_cdn.h"
#include "bell_hls.h"
#include "bell_media_cdn.h"
#include "bell_path_token.h"
#include "bell_uri_signing.h"


/* ---- our own path tokens */

static ngx_http_bell_signed_option_t  ngx_http_bell_signed_path_options[] = {
    { "one_host", NGX_HTTP_BELL_SIGNED_FLAG,
      offsetof(bell_path_token_options, one_host) },
    { NULL, 0, 0 }
};


static bell_signed_reason
ngx_http_bell_signed_path(const bell_signed_call *call, const void *options,
    bell_signed_result *out)
{
    return bell_path_token_check(call, options, out);
}


/* ---- CloudFront */

static ngx_http_bell_signed_option_t
    ngx_http_bell_signed_cloudfront_options[] =
{
    { "any_resource", NGX_HTTP_BELL_SIGNED_FLAG,
      offsetof(bell_cloudfront_options, any_resource) },
    { NULL, 0, 0 }
};


static bell_signed_reason
ngx_http_bell_signed_cloudfront(const bell_signed_call *call,
    const void *options, bell_signed_result *out)
{
    return bell_cloudfront_check(call, options, out);
}


static ngx_uint_t
ngx_http_bell_signed_cloudfront_cookies(const void *options, bell_str *names)
{
    names[0] = BELL_STR("CloudFront-Expires");
    names[1] = BELL_STR("CloudFront-Policy");
    names[2] = BELL_STR("CloudFront-Signature");
    names[3] = BELL_STR("CloudFront-Key-Pair-Id");
    names[4] = BELL_STR("CloudFront-Hash-Algorithm");

    return 5;
}


/* ---- Akamai */

static const bell_akamai_options  ngx_http_bell_signed_akamai_defaults = {
    .location = BELL_AKAMAI_QUERY,
    .name = { "__token__", 9 },
    .alg = BELL_SIGNED_HMAC_SHA256,
};


static ngx_http_bell_signed_option_t  ngx_http_bell_signed_akamai_options[] = {
    { "location", NGX_HTTP_BELL_SIGNED_LOCATION,
      offsetof(bell_akamai_options, location) },
    { "name", NGX_HTTP_BELL_SIGNED_TEXT, offsetof(bell_akamai_options, name) },
    { "algorithm", NGX_HTTP_BELL_SIGNED_ALGORITHM,
      offsetof(bell_akamai_options, alg) },
    { "escape", NGX_HTTP_BELL_SIGNED_FLAG,
      offsetof(bell_akamai_options, escape) },
    { "ignore_query", NGX_HTTP_BELL_SIGNED_FLAG,
      offsetof(bell_akamai_options, ignore_query) },
    { "salt", NGX_HTTP_BELL_SIGNED_FILE, offsetof(bell_akamai_options, salt) },
    { "long_cookie", NGX_HTTP_BELL_SIGNED_TEXT,
      offsetof(bell_akamai_options, long_cookie) },
    { "long_time", NGX_HTTP_BELL_SIGNED_TIME,
      offsetof(bell_akamai_options, long_s) },
    { "long_attributes", NGX_HTTP_BELL_SIGNED_TEXT,
      offsetof(bell_akamai_options, long_attributes) },
    { NULL, 0, 0 }
};


static bell_signed_reason
ngx_http_bell_signed_akamai(const bell_signed_call *call, const void *options,
    bell_signed_result *out)
{
    return bell_akamai_check(call, options, out);
}


static ngx_uint_t
ngx_http_bell_signed_akamai_cookies(const void *options, bell_str *names)
{
    const bell_akamai_options  *o = options;

    names[0] = o->name;

    return o->location == BELL_AKAMAI_COOKIE;
}


static bell_str
ngx_http_bell_signed_akamai_field(const void *options)
{
    const bell_akamai_options  *o = options;

    return o->location == BELL_AKAMAI_HEADER ? o->name : BELL_STR_NULL;
}


/* ---- Google's Cloud CDN and Media CDN */

static ngx_http_bell_signed_option_t
    ngx_http_bell_signed_google_options[] =
{
    { "cookie", NGX_HTTP_BELL_SIGNED_TEXT,
      offsetof(bell_google_cdn_options, cookie) },
    { NULL, 0, 0 }
};


static bell_signed_reason
ngx_http_bell_signed_google(const bell_signed_call *call, const void *options,
    bell_signed_result *out)
{
    return bell_google_cdn_check(call, options, out);
}


static ngx_uint_t
ngx_http_bell_signed_google_cookies(const void *options, bell_str *names)
{
    const bell_google_cdn_options  *o = options;

    names[0] = o->cookie.len ? o->cookie : BELL_STR("Cloud-CDN-Cookie");

    return 1;
}


static ngx_http_bell_signed_option_t
    ngx_http_bell_signed_media_options[] =
{
    { "cookie", NGX_HTTP_BELL_SIGNED_TEXT,
      offsetof(bell_media_cdn_options, cookie) },
    { "param", NGX_HTTP_BELL_SIGNED_TEXT,
      offsetof(bell_media_cdn_options, token_param) },
    { "keyset", NGX_HTTP_BELL_SIGNED_TEXT,
      offsetof(bell_media_cdn_options, token_keys) },
    { "algorithm", NGX_HTTP_BELL_SIGNED_ALGORITHM,
      NGX_HTTP_BELL_SIGNED_SECRETS },
    { NULL, 0, 0 }
};


static bell_signed_reason
ngx_http_bell_signed_media(const bell_signed_call *call, const void *options,
    bell_signed_result *out)
{
    return bell_media_cdn_check(call, options, out);
}


static ngx_uint_t
ngx_http_bell_signed_media_cookies(const void *options, bell_str *names)
{
    const bell_media_cdn_options  *o = options;

    names[0] = o->cookie.len ? o->cookie : BELL_STR("Edge-Cache-Cookie");

    return 1;
}


/* ---- RFC 9246 */

static ngx_http_bell_signed_option_t
    ngx_http_bell_signed_uri_options[] =
{
    { "name", NGX_HTTP_BELL_SIGNED_TEXT,
      offsetof(bell_uri_signing_options, name) },
    { "issuer", NGX_HTTP_BELL_SIGNED_TEXT,
      offsetof(bell_uri_signing_options, issuer) },
    { "audience", NGX_HTTP_BELL_SIGNED_TEXT,
      offsetof(bell_uri_signing_options, audience) },
    { "search", NGX_HTTP_BELL_SIGNED_FLAG,
      offsetof(bell_uri_signing_options, search) },
    { "any_uri", NGX_HTTP_BELL_SIGNED_FLAG,
      offsetof(bell_uri_signing_options, any_uri) },
    { "endless", NGX_HTTP_BELL_SIGNED_FLAG,
      offsetof(bell_uri_signing_options, endless) },
    { "many_uses", NGX_HTTP_BELL_SIGNED_FLAG,
      offsetof(bell_uri_signing_options, many_uses) },
    { "plain_address", NGX_HTTP_BELL_SIGNED_FLAG,
      offsetof(bell_uri_signing_options, plain_address) },
    { "renewal_key", NGX_HTTP_BELL_SIGNED_TEXT,
      offsetof(bell_uri_signing_options, renewal_key) },
    { "cookie_attributes", NGX_HTTP_BELL_SIGNED_TEXT,
      offsetof(bell_uri_signing_options, cookie_attributes) },
    { "private_key", NGX_HTTP_BELL_SIGNED_OPENS, 0 },
    { "private_use", NGX_HTTP_BELL_SIGNED_OPENS_USE, 0 },
    { NULL, 0, 0 }
};


static bell_signed_reason
ngx_http_bell_signed_uri(const bell_signed_call *call, const void *options,
    bell_signed_result *out)
{
    bell_uri_signing_options        o;
    ngx_http_bell_signed_verify_t  *verify;

    verify = call->verifier.data;

    o = *(const bell_uri_signing_options *) options;

    /* NULL: without keys, for where the token is */

    if (verify) {
        o.private_keys = verify->private_keys;
    }

    if (verify && verify->smcf->replay) {
        o.use = ngx_http_bell_signed_use;
        o.data = verify;
    }

    return bell_uri_signing_check(call, &o, out);
}


static ngx_uint_t
ngx_http_bell_signed_uri_cookies(const void *options, bell_str *names)
{
    const bell_uri_signing_options  *o = options;

    names[0] = o->name.len ? o->name : BELL_STR(BELL_URI_SIGNING_NAME);

    return 1;
}


/* ---- Common Access Tokens */

static const bell_cat_options  ngx_http_bell_signed_cat_defaults = {
    .param = { "CAT", 3 },
    .field = { "CTA-Common-Access-Token", 23 },
    .cookie = { "CTA-Common-Access-Token", 23 },
    .renewal_window_s = BELL_CAT_RENEWAL_WINDOW_S,
};


static ngx_http_bell_signed_option_t  ngx_http_bell_signed_cat_options[] = {
    { "issuer", NGX_HTTP_BELL_SIGNED_TEXT,
      offsetof(bell_cat_options, issuer) },
    { "audience", NGX_HTTP_BELL_SIGNED_AUDIENCE,
      offsetof(bell_cat_options, audiences) },
    { "param", NGX_HTTP_BELL_SIGNED_TEXT, offsetof(bell_cat_options, param) },
    { "field", NGX_HTTP_BELL_SIGNED_TEXT, offsetof(bell_cat_options, field) },
    { "cookie", NGX_HTTP_BELL_SIGNED_TEXT,
      offsetof(bell_cat_options, cookie) },
    { "renewal_window", NGX_HTTP_BELL_SIGNED_SECONDS,
      offsetof(bell_cat_options, renewal_window_s) },
    { "renewal_key", NGX_HTTP_BELL_SIGNED_TEXT,
      offsetof(bell_cat_options, renewal_key) },
    { NULL, 0, 0 }
};


static bell_signed_reason
ngx_http_bell_signed_cat(const bell_signed_call *call, const void *options,
    bell_signed_result *out)
{
    bell_cat_options                o;
    ngx_http_bell_signed_verify_t  *verify;

    verify = call->verifier.data;

    o = *(const bell_cat_options *) options;

    if (verify && verify->smcf->replay) {
        o.use = ngx_http_bell_signed_use;
        o.data = verify;
    }

    return bell_cat_check(call, &o, out);
}


static ngx_uint_t
ngx_http_bell_signed_cat_cookies(const void *options, bell_str *names)
{
    const bell_cat_options  *o = options;

    names[0] = o->cookie;

    return o->cookie.len != 0;
}


static bell_str
ngx_http_bell_signed_cat_field(const void *options)
{
    const bell_cat_options  *o = options;

    return o->field;
}


/* ---- nginx's secure links */

static ngx_http_bell_signed_option_t  ngx_http_bell_signed_link_options[] = {
    { "link", NGX_HTTP_BELL_SIGNED_LINK, 0 },
    { "text", NGX_HTTP_BELL_SIGNED_LINK_TEXT, 0 },
    { NULL, 0, 0 }
};


/* ---- */

static ngx_http_bell_signed_kind_t  ngx_http_bell_signed_kinds[] = {

    { "path", sizeof(bell_path_token_options), NULL,
      ngx_http_bell_signed_path_options, BELL_SIGNED_HMAC_SHA256, 1,
      ngx_http_bell_signed_path, NULL, NULL, BELL_HLS_PATH, NULL },

    { "cloudfront", sizeof(bell_cloudfront_options), NULL,
      ngx_http_bell_signed_cloudfront_options, BELL_SIGNED_HMAC_SHA256, 0,
      ngx_http_bell_signed_cloudfront,
      ngx_http_bell_signed_cloudfront_cookies, NULL, BELL_HLS_NONE, NULL },

    { "akamai", sizeof(bell_akamai_options),
      &ngx_http_bell_signed_akamai_defaults,
      ngx_http_bell_signed_akamai_options, BELL_SIGNED_HMAC_SHA256, 1,
      ngx_http_bell_signed_akamai, ngx_http_bell_signed_akamai_cookies,
      ngx_http_bell_signed_akamai_field, BELL_HLS_AKAMAI, NULL },

    { "google-cdn", sizeof(bell_google_cdn_options), NULL,
      ngx_http_bell_signed_google_options, BELL_SIGNED_HMAC_SHA1, 0,
      ngx_http_bell_signed_google, ngx_http_bell_signed_google_cookies,
      NULL, BELL_HLS_GOOGLE_CDN, NULL },

    { "media-cdn", sizeof(bell_media_cdn_options), NULL,
      ngx_http_bell_signed_media_options, BELL_SIGNED_HMAC_SHA256, 0,
      ngx_http_bell_signed_media, ngx_http_bell_signed_media_cookies, NULL,
      BELL_HLS_NONE, NULL },

    { "uri-signing", sizeof(bell_uri_signing_options), NULL,
      ngx_http_bell_signed_uri_options, BELL_SIGNED_HMAC_SHA256, 0,
      ngx_http_bell_signed_uri, ngx_http_bell_signed_uri_cookies, NULL,
      BELL_HLS_NONE, NULL },

    { "cat", sizeof(bell_cat_options), &ngx_http_bell_signed_cat_defaults,
      ngx_http_bell_signed_cat_options, BELL_SIGNED_HMAC_SHA256, 0,
      ngx_http_bell_signed_cat, ngx_http_bell_signed_cat_cookies,
      ngx_http_bell_signed_cat_field, BELL_HLS_NONE, NULL },

    { "secure-link", sizeof(ngx_http_bell_signed_link_t), NULL,
      ngx_http_bell_signed_link_options, BELL_SIGNED_HMAC_MD5, 0,
      ngx_http_bell_signed_link_check, ngx_http_bell_signed_link_cookies, NULL,
      BELL_HLS_NONE, ngx_http_bell_signed_link_ready },

    { "secure-link-secret", 0, NULL, NULL, BELL_SIGNED_HMAC_MD5, 0,
      ngx_http_bell_signed_link_secret_check, NULL, NULL, BELL_HLS_NONE,
      NULL },

    { NULL, 0, NULL, NULL, 0, 0, NULL, NULL, NULL, BELL_HLS_NONE, NULL }
};


ngx_http_bell_signed_kind_t *
ngx_http_bell_signed_find_kind(ngx_str_t *name)
{
    ngx_http_bell_signed_kind_t  *kind;

    for (kind = ngx_http_bell_signed_kinds; kind->name; kind++) {
        if (ngx_strlen(kind->name) == name->len
            && ngx_strncmp(kind->name, name->data, name->len) == 0)
        {
            return kind;
        }
    }

    return NULL;
}
