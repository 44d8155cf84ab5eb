/* "catr": a token that asks for a new one before it ends. */
#include "bell_cat_parts.h"

enum { RENEW_AUTO, RENEW_COOKIE, RENEW_FIELD, RENEW_REDIRECT };
enum { CATR_TYPE, CATR_EXPADD, CATR_DEADLINE, CATR_COOKIE, CATR_FIELD, CATR_COOKIE_PARAMS, CATR_FIELD_PARAMS, CATR_CODE };

#define SECONDS_MAX    315360000 /* of a renewal: ten years */
#define NAME_MAX_BYTES 64
#define ID_BYTES       16 /* of "cti" */
#define FOUND          302

typedef struct {
    uint64_t type, add_s, before_s, code;
    bell_str cookie, field;
    bell_str cookie_params, field_params; /* whole items */
} renewal;

/* ---- texts that go into fields of the answer */

static bool is_name(bell_str s) {
    static const char more[] = "!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        bool good = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c != '\0' && strchr(more, c) != NULL);
        if (!good) {
            return false;
        }
    }
    return s.len > 0 && s.len <= NAME_MAX_BYTES;
}

static bool is_printable(bell_str s) {
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] < ' ' || s.p[i] > '~') {
            return false;
        }
    }
    return true;
}

/* Text, or an array of texts. */
static bool are_params(bell_str whole) {
    bell_cbor_item item;
    bell_str text;

    if (bell_cat_text(whole, &text)) {
        return is_printable(text);
    }
    if (!bell_cbor_next(&whole, &item) || item.type != BELL_CBOR_ARRAY) {
        return false;
    }
    for (uint64_t n = item.n; n > 0; n--) {
        if (!bell_cbor_next(&whole, &item) || item.type != BELL_CBOR_TEXT || !is_printable(item.text)) {
            return false;
        }
    }
    return true;
}

/* ---- reading "catr" */

static bell_signed_reason read_one(renewal *r, int64_t key, bell_str value) {
    bool good;

    switch (key) {
    case CATR_TYPE:
        good = bell_cat_uint(value, RENEW_REDIRECT, &r->type);
        break;
    case CATR_EXPADD:
        good = bell_cat_uint(value, SECONDS_MAX, &r->add_s);
        break;
    case CATR_DEADLINE:
        good = bell_cat_uint(value, SECONDS_MAX, &r->before_s);
        break;
    case CATR_COOKIE:
        good = bell_cat_text(value, &r->cookie) && is_name(r->cookie);
        break;
    case CATR_FIELD:
        good = bell_cat_text(value, &r->field) && is_name(r->field);
        break;
    case CATR_COOKIE_PARAMS:
        r->cookie_params = value;
        good = are_params(value);
        break;
    case CATR_FIELD_PARAMS:
        r->field_params = value;
        good = are_params(value);
        break;
    case CATR_CODE:
        good = bell_cat_uint(value, 399, &r->code);
        break;
    default:
        return BELL_SIGNED_UNSUPPORTED;
    }
    return good ? BELL_SIGNED_OK : BELL_SIGNED_MALFORMED;
}

bool bell_cat_is_redirect(uint64_t code) {
    return code == 301 || code == FOUND || code == 303 || code == 307 || code == 308;
}

static bell_signed_reason read_renewal(const bell_cat_token *t, bell_str claim, renewal *r) {
    bell_cbor_item head, key;
    bell_str value;
    int64_t label;

    *r = (renewal){.type = RENEW_REDIRECT + 1, .before_s = t->options->renewal_window_s, .code = FOUND};
    r->cookie = t->options->cookie.len > 0 ? t->options->cookie : BELL_CAT_NAME;
    r->field = t->options->field.len > 0 ? t->options->field : BELL_CAT_NAME;
    if (!bell_cbor_next(&claim, &head) || head.type != BELL_CBOR_MAP) {
        return BELL_SIGNED_MALFORMED;
    }
    for (uint64_t i = 0; i < head.n; i++) {
        if (!bell_cbor_next(&claim, &key) || !bell_cbor_take(&claim, &value) || !bell_cbor_to_i64(&key, &label)) {
            return BELL_SIGNED_MALFORMED;
        }
        bell_signed_reason reason = read_one(r, label, value);
        if (reason != BELL_SIGNED_OK) {
            return reason;
        }
    }
    return r->type <= RENEW_REDIRECT && r->add_s > 0 && bell_cat_is_redirect(r->code) ? BELL_SIGNED_OK : BELL_SIGNED_MALFORMED;
}

/* ---- the new token */

static bool is_usable(const bell_signed_key *k, int64_t now_s) {
    return k->type == BELL_SIGNED_SECRET && k->mac_alg == BELL_SIGNED_HMAC_SHA256 && now_s >= k->from_s && (k->until_s == 0 || now_s < k->until_s);
}

static const bell_signed_key *minting_key(const bell_cat_token *t) {
    const bell_signed_keys *keys = t->call->keys;
    int64_t now_s = t->call->request->now_s;

    if (t->options->renewal_key.len > 0) {
        const bell_signed_key *k = bell_signed_find(keys, t->options->renewal_key, now_s);
        return k != NULL && is_usable(k, now_s) ? k : NULL;
    }
    if (is_usable(t->key, now_s)) {
        return t->key;
    }
    for (size_t i = 0; i < keys->nkeys; i++) {
        if (is_usable(keys->keys[i], now_s)) {
            return keys->keys[i];
        }
    }
    return NULL;
}

/* A new id out of the old claims, the time and the secret: nobody can foresee it, and no source of chance is needed. */
static bool put_id(cat_writer *w, const bell_signed_key *key, bell_str payload, int64_t now_s) {
    unsigned char mac[BELL_SIGNED_MAC_MAX], head = 0x40 | ID_BYTES;
    bell_str pieces[] = {BELL_STR("bell-cat-renewal"), {(const char *)&now_s, sizeof(now_s)}, payload};

    if (bell_signed_mac(key, pieces, 3, mac) < ID_BYTES) {
        return false;
    }
    cat_put(w, &head, 1);
    cat_put(w, mac, ID_BYTES);
    return true;
}

/* The same claims with another end, and where they are there, another time of issue and another id. */
static bell_str renew_claims(bell_cat_token *t, const bell_signed_key *key, uint64_t end) {
    bell_str rest = t->payload, at, value, none = BELL_STR_NULL;
    bell_cbor_item head, item;
    int64_t label, now_s = t->call->request->now_s;
    cat_writer w;

    if (!cat_writer_of(t->call->room, rest.len + ID_BYTES + 3 * BELL_CBOR_HEAD_MAX, &w) || !bell_cbor_next(&rest, &head)) {
        return none;
    }
    cat_put(&w, t->payload.p, (size_t)(rest.p - t->payload.p));
    for (uint64_t i = 0; i < head.n; i++) {
        at = rest;
        if (!bell_cbor_next(&rest, &item) || !bell_cbor_take(&rest, &value)) {
            return none;
        }
        cat_put(&w, at.p, (size_t)(value.p - at.p));
        label = item.type == BELL_CBOR_UINT && item.n <= CAT_CTI ? (int64_t)item.n : 0;
        if (label == CAT_EXP || label == CAT_IAT) {
            cat_put_uint(&w, label == CAT_EXP ? end : (uint64_t)now_s);
        } else if (label != CAT_CTI) {
            cat_put_str(&w, value);
        } else if (!put_id(&w, key, t->payload, now_s)) {
            return none;
        }
    }
    return cat_written(&w);
}

/* ---- how it is sent */

static void put_params(cat_writer *w, bell_str whole) {
    bell_cbor_item item;

    while (bell_cbor_next(&whole, &item)) { /* a text, or the head of an array and its texts */
        if (item.type == BELL_CBOR_TEXT) {
            cat_put(w, "; ", 2);
            cat_put_str(w, item.text);
        }
    }
}

static bool send_cookie(bell_cat_token *t, const renewal *r, bell_str token) {
    bell_str usual = BELL_STR("; Path=/; HttpOnly"), secure = BELL_STR("; Secure");
    cat_writer w;

    if (!cat_writer_of(t->call->room, r->cookie.len + 1 + token.len + 2 * r->cookie_params.len + usual.len + secure.len, &w)) {
        return false;
    }
    cat_put_str(&w, r->cookie);
    cat_put(&w, "=", 1);
    cat_put_str(&w, token);
    if (r->cookie_params.len > 0) {
        put_params(&w, r->cookie_params);
    } else { /* without a path a browser would keep it for one folder of the playlist's */
        cat_put_str(&w, usual);
        cat_put_str(&w, bell_str_eq(t->call->request->scheme, BELL_STR("https")) ? secure : BELL_STR_NULL);
    }
    t->out->set_cookie = cat_written(&w);
    return !w.full;
}

static bool send_field(bell_cat_token *t, const renewal *r, bell_str token) {
    cat_writer w;

    if (!cat_writer_of(t->call->room, token.len + 2 * r->field_params.len, &w)) {
        return false;
    }
    cat_put_str(&w, token);
    put_params(&w, r->field_params);
    t->out->field_name = r->field;
    t->out->field_value = cat_written(&w);
    return !w.full;
}

static bool send_redirect(bell_cat_token *t, const renewal *r, bell_str token) {
    bell_str target = t->out->target, path, query, param = t->options->param;
    bool has_query;
    cat_writer w;

    if (!cat_writer_of(t->call->room, target.len + 1 + param.len + 1 + token.len, &w)) {
        return false;
    }
    bell_signed_split(target, &path, &query, &has_query);
    cat_put_str(&w, target);
    if (!has_query || query.len > 0) {
        cat_put(&w, has_query ? "&" : "?", 1);
    }
    cat_put_str(&w, param);
    cat_put(&w, "=", 1);
    cat_put_str(&w, token);
    t->out->redirect = cat_written(&w);
    t->out->redirect_status = (unsigned)r->code;
    return !w.full;
}

static uint64_t way_of(const bell_cat_token *t, const renewal *r) {
    static const uint64_t by_carrier[] = {[CAT_IN_QUERY] = RENEW_REDIRECT, [CAT_IN_FIELD] = RENEW_FIELD, [CAT_IN_COOKIE] = RENEW_COOKIE};

    return r->type == RENEW_AUTO ? by_carrier[t->carrier] : r->type;
}

/* A redirect must lead somewhere that does not redirect again, and must not turn a request with a body into another one. */
static bool may_redirect(const bell_cat_token *t, const renewal *r) {
    bell_str method = t->call->request->method;

    return t->options->param.len > 0 && r->add_s > r->before_s && (bell_str_eq(method, BELL_STR("GET")) || bell_str_eq(method, BELL_STR("HEAD")));
}

bell_signed_reason bell_cat_renewal(bell_cat_token *t, bell_str claim) {
    renewal r;

    return read_renewal(t, claim, &r);
}

bell_signed_reason bell_cat_renew(bell_cat_token *t) {
    bell_str claim = bell_cat_claim(t, CAT_R), claims, token = BELL_STR_NULL;
    int64_t now_s = t->call->request->now_s;
    const bell_signed_key *key;
    bell_signed_reason reason;
    renewal r;

    if (claim.len == 0) {
        return BELL_SIGNED_OK;
    }
    if ((reason = read_renewal(t, claim, &r)) != BELL_SIGNED_OK) {
        return reason;
    }
    uint64_t way = way_of(t, &r);
    if (now_s < t->out->expires_s - (int64_t)r.before_s || (way == RENEW_REDIRECT && !may_redirect(t, &r)) || (key = minting_key(t)) == NULL) {
        return BELL_SIGNED_OK;
    }
    claims = renew_claims(t, key, (uint64_t)now_s + r.add_s);
    token = claims.p != NULL ? bell_cat_mint(t->call->room, key, claims) : token;
    if (token.p == NULL) {
        return BELL_SIGNED_MALFORMED;
    }
    bool sent = way == RENEW_COOKIE ? send_cookie(t, &r, token) : (way == RENEW_FIELD ? send_field(t, &r, token) : send_redirect(t, &r, token));
    return sent ? BELL_SIGNED_OK : BELL_SIGNED_MALFORMED;
}
