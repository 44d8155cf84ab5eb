#include "bell_uri_signing.h"

#include "bell_base64.h"
#include "bell_es256.h"
#include "bell_jws.h"
#include "bell_uri_claims.h"

/* Where tokens were found, and what is left of the request without them. */
typedef struct {
    bell_str token; /* of the URI */
    unsigned times; /* how often the URI has one */
    bell_str target, uri;
} carrier;

/* ---- places */

/* "NAME=VALUE" that is a segment of the path or one of its parameters, from `from` on; false: there is none. *pair begins with what stands in front.
 */
static bool find_in_path(bell_str path, size_t from, bell_str name, bell_str *pair, bell_str *value) {
    for (size_t i = from; i + name.len + 1 < path.len; i++) {
        if ((path.p[i] != '/' && path.p[i] != ';') || path.p[i + name.len + 1] != '=' || memcmp(path.p + i + 1, name.p, name.len) != 0) {
            continue;
        }
        size_t begin = i + name.len + 2, end = begin;
        while (end < path.len && path.p[end] != '/' && path.p[end] != ';') {
            end++;
        }
        *value = (bell_str){path.p + begin, end - begin};
        *pair = (bell_str){path.p + i, end - i};
        return true;
    }
    return false;
}

/* Appends the path without its tokens: of a segment, all of it; of "/NAME=VALUE;a=b", what is left is "/a=b". */
static void strip_path(bell_str path, bell_str name, carrier *c, char *to, size_t *len) {
    size_t from = 0, search = 0, start = *len;
    bell_str pair, value;

    while (find_in_path(path, search, name, &pair, &value)) {
        size_t at = (size_t)(pair.p - path.p), end = at + pair.len;
        bool keeps = path.p[at] == '/' && end < path.len && path.p[end] == ';';
        c->token = c->times++ == 0 ? value : c->token;
        if (at + keeps > from) {
            memcpy(to + *len, path.p + from, at + keeps - from);
            *len += at + keeps - from;
        }
        search = end;
        from = end + keeps;
    }
    memcpy(to + *len, path.p + from, path.len - from);
    *len += path.len - from;
    if (*len == start) {
        to[(*len)++] = '/';
    }
}

static void append(char *to, size_t *len, bell_str s) {
    if (s.len > 0) { /* a request may have no host */
        memcpy(to + *len, s.p, s.len);
        *len += s.len;
    }
}

/* Fills the carrier; false: no room. */
static bool look_at_uri(const bell_signed_call *call, bell_str name, carrier *c) {
    const bell_signed_request *r = call->request;
    bell_str path, query, value, left;
    bool has_query;
    size_t len = 0;
    /* one more than it has, for the path that would be empty */
    char *uri = bell_signed_take(call->room, r->scheme.len + strlen("://") + r->host.len + r->target.len + 1);

    if (uri == NULL) {
        return false;
    }
    append(uri, &len, r->scheme);
    append(uri, &len, BELL_STR("://"));
    append(uri, &len, r->host);
    size_t before = len;
    bell_signed_split(r->target, &path, &query, &has_query);
    strip_path(path, name, c, uri, &len);
    unsigned in_query = bell_signed_param(query, name, &value);
    if (in_query > 0) {
        c->token = c->times == 0 ? value : c->token;
        c->times += in_query;
        left = bell_signed_strip(call->room, r->target, &name, 1);
        if (left.p == NULL) {
            return false;
        }
        append(uri, &len, (bell_str){left.p + path.len, left.len - path.len});
    } else {
        append(uri, &len, (bell_str){r->target.p + path.len, r->target.len - path.len});
    }
    c->uri = (bell_str){uri, len};
    c->target = (bell_str){uri + before, len - before};
    return true;
}

/* ---- signatures */

static bool alg_of(bell_str name, bell_signed_alg *out) {
    static const struct {
        const char *name;
        bell_signed_alg alg;
    } names[] = {
        {"HS256", BELL_SIGNED_HMAC_SHA256}, {"ES256", BELL_SIGNED_ECDSA_SHA256}, {"RS256", BELL_SIGNED_RSA_SHA256}, {"EdDSA", BELL_SIGNED_ED25519}};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (bell_str_eq(name, bell_str_of(names[i].name))) {
            *out = names[i].alg;
            return true;
        }
    }
    return false;
}

static bool signature_holds(const bell_signed_call *call, const bell_signed_key *k, bell_signed_alg alg, bell_str input, bell_str signature) {
    unsigned char der[BELL_ES256_DER_BYTES], mac[BELL_SIGNED_MAC_MAX];

    if (alg == BELL_SIGNED_HMAC_SHA256) {
        return bell_signed_mac(k, &input, 1, mac) == sizeof(mac) && bell_str_eq_secret((bell_str){(char *)mac, sizeof(mac)}, signature);
    }
    if (alg == BELL_SIGNED_ECDSA_SHA256) {
        int n = signature.len == BELL_ES256_SIGNATURE_BYTES ? bell_es256_der_from_raw((const unsigned char *)signature.p, der) : -1;
        if (n < 0) {
            return false;
        }
        signature = (bell_str){(char *)der, (size_t)n};
    }
    return bell_signed_verify(call, k, alg, input, signature);
}

/* With the key that the header names; without a name, with each that could be meant. */
static bell_signed_reason verify(const bell_signed_call *call, const bell_jws *jws, const json_t *kid, bell_signed_alg alg, bell_str signature,
                                 const bell_signed_key **key, bell_signed_result *out) {
    int64_t now_s = call->request->now_s;
    unsigned tries = 0;

    if (kid != NULL) {
        const bell_signed_key *k = *key = bell_signed_find(call->keys, bell_jws_text(kid), now_s);
        if (k == NULL) {
            return BELL_SIGNED_KEY;
        }
        out->key_id = (bell_str){k->id, k->id_len};
        if (!bell_signed_key_takes(k, alg)) {
            return BELL_SIGNED_ALGORITHM;
        }
        return signature_holds(call, k, alg, jws->input, signature) ? BELL_SIGNED_OK : BELL_SIGNED_SIGNATURE;
    }
    for (size_t i = 0; i < call->keys->nkeys && tries < BELL_URI_SIGNING_TRIES; i++) {
        const bell_signed_key *k = call->keys->keys[i];
        if (!bell_signed_key_takes(k, alg) || (k->from_s != 0 && now_s < k->from_s) || (k->until_s != 0 && now_s >= k->until_s)) {
            continue;
        }
        if (signature_holds(call, k, alg, jws->input, signature)) {
            *key = k;
            out->key_id = (bell_str){k->id, k->id_len};
            return BELL_SIGNED_OK;
        }
        tries++;
    }
    return tries > 0 ? BELL_SIGNED_SIGNATURE : BELL_SIGNED_KEY;
}

/* The header, and then the signature. */
static bell_signed_reason check_signature(const bell_signed_call *call, const bell_jws *jws, const json_t *header, char *room,
                                          const bell_signed_key **key, bell_signed_result *out) {
    const json_t *kid = json_object_get(header, "kid"), *typ = json_object_get(header, "typ");
    bell_signed_alg alg;

    if (header == NULL || json_object_get(header, "crit") != NULL || (kid != NULL && !json_is_string(kid)) ||
        (typ != NULL && !bell_str_ieq(bell_jws_text(typ), BELL_STR("JWT")))) {
        return BELL_SIGNED_MALFORMED;
    }
    if (!alg_of(bell_jws_text(json_object_get(header, "alg")), &alg)) {
        return BELL_SIGNED_ALGORITHM;
    }
    long len = bell_base64url_decode(jws->signature, (unsigned char *)room);
    if (len <= 0) {
        return BELL_SIGNED_MALFORMED;
    }
    return verify(call, jws, kid, alg, (bell_str){room, (size_t)len}, key, out);
}

/* What leaves a trace comes last, and who has used it up before gets no new one. An id of no characters would be that of many tokens. */
static bell_signed_reason use_up(const bell_uri_signing_options *options, const bell_signed_key *key, bell_str id, bell_str payload,
                                 bell_signed_result *out) {
    bell_signed_use use = {.once = true, .key = key, .is_named = id.len > 0, .id = id.len > 0 ? id : payload, .expires_s = out->expires_s};
    bell_signed_reason reason = options->use(options->data, &use);

    if (reason != BELL_SIGNED_OK) {
        out->set_cookie = BELL_STR_NULL;
    }
    return reason;
}

static bell_signed_reason check_claims(const bell_signed_call *call, const bell_uri_signing_options *options, const carrier *c, const bell_jws *jws,
                                       json_t *claims, const bell_signed_key *key, bell_signed_result *out) {
    bell_signed_reason reason = bell_uri_claims_check(call, options, claims, c->uri, out);

    if (reason != BELL_SIGNED_OK) {
        return reason;
    }
    json_t *jti = json_incref(json_object_get(claims, "jti")); /* a renewal gives the claims another one */
    if (!bell_uri_claims_renew(call, options, claims, c->target, out)) {
        reason = BELL_SIGNED_MALFORMED;
    } else if (jti != NULL && !options->many_uses) {
        reason = use_up(options, key, bell_jws_text(jti), jws->payload, out);
    }
    json_decref(jti);
    return reason;
}

static bell_signed_reason check_token(const bell_signed_call *call, const bell_uri_signing_options *options, const carrier *c, bell_str token,
                                      bell_signed_result *out) {
    char *room = token.len <= BELL_URI_SIGNING_TOKEN_BYTES ? bell_signed_take(call->room, token.len) : NULL;
    const bell_signed_key *key = NULL;
    bell_jws jws;

    *out = (bell_signed_result){.target = c->target, .token = token};
    if (room == NULL || !bell_jws_split(token, &jws)) {
        return BELL_SIGNED_MALFORMED;
    }
    json_t *header = bell_jws_object(jws.header, (unsigned char *)room);
    bell_signed_reason reason = check_signature(call, &jws, header, room, &key, out);
    json_decref(header);
    if (reason != BELL_SIGNED_OK) {
        return reason;
    }
    json_t *claims = bell_jws_object(jws.payload, (unsigned char *)room);
    reason = claims != NULL ? check_claims(call, options, c, &jws, claims, key, out) : BELL_SIGNED_MALFORMED;
    json_decref(claims);
    return reason;
}

/* ---- several of them */

/* Each cookie of the name until one is valid; the reason, when none is, is the first token's. */
static bell_signed_reason check_cookies(const bell_signed_call *call, const bell_uri_signing_options *options, bell_str name, const carrier *c,
                                        bell_signed_reason reason, bell_signed_result *out) {
    const bell_signed_request *r = call->request;
    bell_str field, n, value;
    bell_signed_result other;
    unsigned asked = 0;

    for (unsigned nth = 0; r->field(r->data, BELL_STR("cookie"), nth, &field); nth++) {
        while (bell_signed_next_cookie(&field, &n, &value)) {
            if (!bell_str_eq(n, name) || asked++ >= BELL_URI_SIGNING_COOKIES) {
                continue;
            }
            bell_signed_room before = *call->room;
            bell_signed_reason own = check_token(call, options, c, value, &other);
            if (own == BELL_SIGNED_OK || reason == BELL_SIGNED_MISSING) {
                *out = other;
                reason = own;
            } else {
                *call->room = before; /* the one before it keeps its texts */
            }
            if (own == BELL_SIGNED_OK) {
                return own;
            }
        }
    }
    return reason;
}

bell_signed_reason bell_uri_signing_check(const bell_signed_call *call, const bell_uri_signing_options *options, bell_signed_result *out) {
    bell_str name = options->name.len > 0 ? options->name : BELL_STR(BELL_URI_SIGNING_NAME), target = call->request->target, cookie;
    bool perhaps = memmem(target.p, target.len, name.p, name.len) != NULL;
    unsigned cookies = bell_signed_cookie(call->request, name, &cookie);
    bell_signed_reason reason = BELL_SIGNED_MISSING;
    carrier c = {0};

    *out = (bell_signed_result){0};
    if (!perhaps && cookies == 0) {
        return BELL_SIGNED_MISSING;
    }
    bool fits = look_at_uri(call, name, &c);
    if (fits && c.times == 0 && cookies == 0) {
        return BELL_SIGNED_MISSING;
    }
    out->target = fits ? c.target : BELL_STR("/");
    out->token = c.token;
    if (!fits || c.times > 1 || c.uri.len > BELL_URI_SIGNING_URI_BYTES) {
        return BELL_SIGNED_MALFORMED;
    }
    /* what a segment holds behind its token is a segment of its own without it */
    if (!bell_signed_is_plain_target(target) || !bell_signed_is_plain_target(c.target)) {
        return BELL_SIGNED_PATH;
    }
    if (c.times == 1) {
        reason = check_token(call, options, &c, c.token, out);
    }
    bool ask_cookies = cookies > 0 && (reason == BELL_SIGNED_MISSING || reason == BELL_SIGNED_EXPIRED || reason == BELL_SIGNED_REPLAYED);
    return ask_cookies ? check_cookies(call, options, name, &c, reason, out) : reason;
}
