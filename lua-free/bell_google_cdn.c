#include "bell_google_cdn.h"

#include "bell_base64.h"
#include "bell_google_form.h"
#include "bell_signed_text.h"

#include <stdio.h>

#define MAC_BYTES      20
#define ED25519_BYTES  64 /* of a signature of Media CDN, whose URLs look the same */
#define MAC_TEXT       96 /* of 88 characters at most, escaped */
#define NAME_MAX_BYTES 63
#define LAST_S         9999999999

/* The methods that Cloud CDN takes a signature for. */
static bool is_method(bell_str m) {
    return bell_str_eq(m, BELL_STR("GET")) || bell_str_eq(m, BELL_STR("HEAD")) || bell_str_eq(m, BELL_STR("OPTIONS"));
}

/* As Google's names are: [a-z]([-a-z0-9]*[a-z0-9])?, at most 63. */
static bool is_key_name(bell_str name) {
    if (name.len == 0 || name.len > NAME_MAX_BYTES || name.p[0] < 'a' || name.p[0] > 'z' || name.p[name.len - 1] == '-') {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        char c = name.p[i];
        if (c != '-' && (c < 'a' || c > 'z') && (c < '0' || c > '9')) {
            return false;
        }
    }
    return true;
}

static bool is_mac_right(const bell_signed_key *k, const bell_str *pieces, size_t n, const unsigned char *said) {
    unsigned char mac[BELL_SIGNED_MAC_MAX];

    return bell_signed_mac(k, pieces, n, mac) == MAC_BYTES &&
           bell_str_eq_secret((bell_str){(const char *)mac, MAC_BYTES}, (bell_str){(const char *)said, MAC_BYTES});
}

/* Without a prefix the URL up to the signature, which is at its end. */
static bool is_signed(const bell_signed_call *call, const bell_google_form *f, const bell_signed_key *k, const unsigned char *said) {
    const bell_signed_request *r = call->request;

    if (f->prefix.p == NULL) {
        bell_str pieces[] = {r->scheme, BELL_STR("://"), r->host, {r->target.p, (size_t)(f->fields.p + f->fields.len - r->target.p)}};
        return is_mac_right(k, pieces, 4, said);
    }
    if (is_mac_right(k, &f->fields, 1, said)) {
        return true;
    }
    bell_str unescaped = bell_google_unescape_padding(call->room, f->fields);
    return unescaped.p != NULL && is_mac_right(k, &unescaped, 1, said);
}

static bell_signed_reason verify(const bell_signed_call *call, const bell_google_form *f, bell_signed_result *out) {
    unsigned char said[MAC_TEXT];
    size_t i = 0;
    const bell_signed_key *k;

    long len = f->signature.len <= MAC_TEXT ? bell_google_decode(f->signature, said) : -1;
    if (len == ED25519_BYTES) {
        return BELL_SIGNED_MISSING;
    }
    if (len != MAC_BYTES || !is_key_name(f->key_name)) {
        return BELL_SIGNED_MALFORMED;
    }
    while ((k = bell_signed_next_key(call->keys, f->key_name, call->request->now_s, &i)) != NULL) {
        if (k->type == BELL_SIGNED_SECRET && k->mac_alg == BELL_SIGNED_HMAC_SHA1) {
            out->key_id = (bell_str){k->id, k->id_len};
            if (is_signed(call, f, k, said)) {
                return BELL_SIGNED_OK;
            }
        }
    }
    return out->key_id.p != NULL ? BELL_SIGNED_SIGNATURE : BELL_SIGNED_KEY;
}

static bell_signed_reason check_form(const bell_signed_call *call, const bell_google_form *f, bell_signed_result *out) {
    bell_signed_reason r = verify(call, f, out);

    if (r == BELL_SIGNED_OK) {
        r = bell_google_check_time(call->request->now_s, BELL_STR_NULL, f->expires, out);
    }
    if (r != BELL_SIGNED_OK) {
        return r;
    }
    if (!is_method(call->request->method)) {
        return BELL_SIGNED_METHOD;
    }
    if (!bell_signed_is_plain_target(out->target)) {
        return BELL_SIGNED_PATH;
    }
    return f->prefix.p != NULL ? bell_google_check_prefix(call, f->prefix, out->target) : BELL_SIGNED_OK;
}

/* `found`: as bell_google_form_find() says. */
static bell_signed_reason check_url(const bell_signed_call *call, int found, bell_str text, bell_signed_result *out) {
    bell_str path, query;
    bell_google_form f;
    bool has_query;

    out->token = text;
    out->target = bell_google_form_strip(call->room, call->request->target, false);
    if (out->target.p == NULL) {
        bell_signed_split(call->request->target, &path, &query, &has_query);
        out->target = path;
        return BELL_SIGNED_MALFORMED;
    }
    if (found < 0 || !bell_google_form_read(&text, '&', false, &f)) {
        return BELL_SIGNED_MALFORMED;
    }
    const bell_str *target = &call->request->target;
    if (f.prefix.p == NULL && f.whole.p + f.whole.len != target->p + target->len) {
        return BELL_SIGNED_MALFORMED; /* it would not be signed */
    }
    out->token = f.whole;
    return check_form(call, &f, out);
}

static bell_signed_reason check_cookie(const bell_signed_call *call, const bell_google_cdn_options *options, bell_signed_result *out) {
    bell_str name = options->cookie.len > 0 ? options->cookie : BELL_STR("Cloud-CDN-Cookie");
    bell_google_form f;
    unsigned times = bell_signed_cookie(call->request, name, &out->token);

    if (times == 0 || (times == 1 && out->token.len == 0)) {
        return BELL_SIGNED_MISSING;
    }
    out->target = call->request->target;
    bell_str text = out->token;
    if (times > 1 || !bell_google_form_read(&text, ':', false, &f) || f.prefix.p == NULL || f.whole.len != out->token.len) {
        return BELL_SIGNED_MALFORMED;
    }
    return check_form(call, &f, out);
}

bell_signed_reason bell_google_cdn_check(const bell_signed_call *call, const bell_google_cdn_options *options, bell_signed_result *out) {
    bell_str path, query, text;
    bool has_query;

    *out = (bell_signed_result){0};
    bell_signed_split(call->request->target, &path, &query, &has_query);
    int found = bell_google_form_find(query, false, &text);
    return found != 0 ? check_url(call, found, text, out) : check_cookie(call, options, out);
}

/* ---- signing */

/* base64url with its padding, as Google's own libraries write it. */
static void put_base64(bell_signed_writer *w, const void *bytes, size_t len) {
    size_t chars = (len + 2) / 3 * 4;

    if (w->failed || w->size - w->len <= chars) { /* and NUL */
        w->failed = true;
        return;
    }
    size_t n = bell_base64url_encode(bytes, len, w->p + w->len);
    memset(w->p + w->len + n, '=', chars - n);
    w->len += chars;
}

/* The prefix in plain stands at the end of the room, where nothing is written before it has been read. */
static void put_prefix(bell_signed_writer *w, const bell_str url[3]) {
    size_t len = url[0].len + 3 + url[1].len + url[2].len, chars = (len + 2) / 3 * 4;

    bell_signed_put(w, BELL_STR("URLPrefix="));
    if (w->failed || len > w->size || chars > w->size || w->size - w->len <= chars + len) {
        w->failed = true;
        return;
    }
    bell_signed_writer plain = {.p = w->p + w->size - len, .size = len};
    bell_signed_put(&plain, url[0]);
    bell_signed_put(&plain, BELL_STR("://"));
    bell_signed_put(&plain, url[1]);
    bell_signed_put(&plain, url[2]);
    put_base64(w, plain.p, plain.len);
}

size_t bell_google_cdn_sign(const bell_signed_key *key, const bell_str url[3], int64_t expires_s, char *out, size_t size) {
    bell_signed_writer w = {.p = out, .size = size};
    unsigned char mac[BELL_SIGNED_MAC_MAX];
    bell_str id = {key->id, key->id_len};
    char expires[32];

    if (key->type != BELL_SIGNED_SECRET || key->mac_alg != BELL_SIGNED_HMAC_SHA1 || !is_key_name(id) || expires_s <= 0 || expires_s > LAST_S) {
        return 0;
    }
    put_prefix(&w, url);
    snprintf(expires, sizeof(expires), "&Expires=%lld&KeyName=", (long long)expires_s);
    bell_signed_put(&w, bell_str_of(expires));
    bell_signed_put(&w, id);
    bell_str fields = {w.p, w.len};
    if (w.failed || bell_signed_mac(key, &fields, 1, mac) != MAC_BYTES) {
        return 0;
    }
    bell_signed_put(&w, BELL_STR("&Signature="));
    put_base64(&w, mac, MAC_BYTES);
    return w.failed ? 0 : w.len;
}
