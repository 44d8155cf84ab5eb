#include "bell_uri_claims.h"

#include "bell_base64.h"
#include "bell_hex.h"
#include "bell_jwe.h"
#include "bell_jws.h"
#include "bell_jwt.h"
#include "bell_regex.h"

#include <openssl/evp.h>
#include <stdlib.h>

#define HASH_BYTES    32
#define SUBJECT_BYTES 64
#define LIFETIME_S    315360000 /* the longest renewal: ten years */
#define DEPTH_MAX     1000
#define ID_BYTES      16 /* of a new "jti", before it is base64url */

/* ---- shapes */

static bool is_number_in(const json_t *claims, const char *name, json_int_t most) {
    const json_t *v = json_object_get(claims, name);

    return v == NULL || (json_is_integer(v) && json_integer_value(v) >= 0 && json_integer_value(v) <= most);
}

static bool is_date(const json_t *claims, const char *name) {
    double date;

    return json_object_get(claims, name) == NULL || bell_jwt_date(claims, name, &date);
}

static bool is_text(const json_t *claims, const char *name) {
    const json_t *v = json_object_get(claims, name);

    return v == NULL || json_is_string(v);
}

static bell_signed_reason check_shapes(const json_t *claims, const bell_uri_signing_options *options) {
    static const char *const texts[] = {"iss", "sub", "jti", "cdnicrit", "cdniip", "cdniuc"}, *const dates[] = {"exp", "nbf", "iat"};
    json_int_t transport = json_integer_value(json_object_get(claims, "cdnistt"));

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        if (!is_text(claims, texts[i])) {
            return BELL_SIGNED_MALFORMED;
        }
    }
    for (size_t i = 0; i < sizeof(dates) / sizeof(*dates); i++) {
        if (!is_date(claims, dates[i])) {
            return BELL_SIGNED_MALFORMED;
        }
    }
    if (!is_number_in(claims, "cdniv", INT32_MAX) || !is_number_in(claims, "cdniets", LIFETIME_S) || !is_number_in(claims, "cdnistt", INT32_MAX) ||
        !is_number_in(claims, "cdnistd", DEPTH_MAX) || (json_object_get(claims, "exp") == NULL && !options->endless) ||
        (json_object_get(claims, "cdniuc") == NULL && !options->any_uri) ||
        (transport == 1 && json_integer_value(json_object_get(claims, "cdniets")) == 0)) {
        return BELL_SIGNED_MALFORMED;
    }
    return BELL_SIGNED_OK;
}

/* Whether all that it says is understood. */
static bell_signed_reason check_kind(const json_t *claims, const bell_uri_signing_options *options) {
    const json_t *version = json_object_get(claims, "cdniv");

    if (version != NULL && json_integer_value(version) != 1) {
        return BELL_SIGNED_VERSION;
    }
    if (json_object_get(claims, "cdnicrit") != NULL || json_integer_value(json_object_get(claims, "cdnistt")) > 1) {
        return BELL_SIGNED_UNSUPPORTED;
    }
    /* one without an end would have to be remembered for ever */
    bool once = json_object_get(claims, "jti") != NULL && !options->many_uses;
    return once && (options->use == NULL || json_object_get(claims, "exp") == NULL) ? BELL_SIGNED_UNSUPPORTED : BELL_SIGNED_OK;
}

/* ---- who and when */

static bool is_audience(const json_t *aud, bell_str us) {
    const json_t *one;
    size_t i;

    if (aud == NULL) {
        return true;
    }
    if (us.len == 0 || bell_str_eq(bell_jws_text(aud), us)) {
        return us.len > 0;
    }
    json_array_foreach(aud, i, one) {
        if (bell_str_eq(bell_jws_text(one), us)) {
            return true;
        }
    }
    return false;
}

static bell_signed_reason check_times(const json_t *claims, int64_t now_s, bell_signed_result *out) {
    double exp, nbf, now = (double)now_s;

    if (bell_jwt_date(claims, "exp", &exp)) {
        out->expires_s = (int64_t)exp;
        if (now >= exp) {
            return BELL_SIGNED_EXPIRED;
        }
    }
    return bell_jwt_date(claims, "nbf", &nbf) && now < nbf ? BELL_SIGNED_NOT_YET : BELL_SIGNED_OK;
}

static bool is_printable(bell_str s) {
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] < 0x20 || s.p[i] > 0x7e) {
            return false;
        }
    }
    return true;
}

/* Nothing is decided by it: what cannot be opened is left out. */
static void take_subject(const bell_signed_call *call, const bell_uri_signing_options *options, const json_t *claims, bell_signed_result *out) {
    bell_str sub = bell_jws_text(json_object_get(claims, "sub"));

    if (bell_jwe_is_one(sub) &&
        (options->private_keys == NULL || bell_jwe_open(options->private_keys, call->request->now_s, sub, call->room, &sub) != BELL_SIGNED_OK)) {
        return;
    }
    char *copy = sub.len > 0 && sub.len <= SUBJECT_BYTES && is_printable(sub) ? bell_signed_take(call->room, sub.len) : NULL;
    if (copy != NULL) {
        memcpy(copy, sub.p, sub.len);
        out->subject = (bell_str){copy, sub.len};
    }
}

/* The RFC's own examples have the network in brackets. */
static bell_signed_reason check_address(const bell_signed_call *call, const bell_uri_signing_options *options, const json_t *claims) {
    bell_str text = bell_jws_text(json_object_get(claims, "cdniip"));

    if (text.p == NULL) {
        return BELL_SIGNED_OK;
    }
    if (bell_jwe_is_one(text)) {
        if (options->private_keys == NULL) {
            return BELL_SIGNED_UNSUPPORTED;
        }
        bell_signed_reason reason = bell_jwe_open(options->private_keys, call->request->now_s, text, call->room, &text);
        if (reason != BELL_SIGNED_OK) {
            return reason;
        }
    } else if (!options->plain_address) {
        return BELL_SIGNED_UNSUPPORTED;
    }
    if (text.len > 2 && text.p[0] == '[' && text.p[text.len - 1] == ']') {
        text = (bell_str){text.p + 1, text.len - 2};
    }
    int inside = bell_address_is_inside(&call->request->client, text);
    if (inside < 0) {
        return BELL_SIGNED_MALFORMED;
    }
    return inside == 1 ? BELL_SIGNED_OK : BELL_SIGNED_ADDRESS;
}

/* ---- which URI */

/* Base64url as in RFC 6920; as drafts of the RFC and some issuers write it, also padded, in the other alphabet, or in 64 hexadecimal digits. */
static bool read_hash(bell_str text, unsigned char out[HASH_BYTES]) {
    char plain[BELL_BASE64URL_LEN(HASH_BYTES)];

    if (text.len == sizeof(plain) || (text.len == sizeof(plain) + 1 && text.p[sizeof(plain)] == '=')) {
        for (size_t i = 0; i < sizeof(plain); i++) {
            char c = text.p[i] == '/' ? '_' : text.p[i];
            plain[i] = c == '+' ? '-' : c;
        }
        return bell_base64url_decode((bell_str){plain, sizeof(plain)}, out) == HASH_BYTES;
    }
    return text.len == 2 * HASH_BYTES && bell_hex_decode(text, BELL_HEX_ANY, out);
}

/* The name of an algorithm that stands in front, if any: there is but one. */
static bool take_name(bell_str *said) {
    for (size_t i = 0; i < said->len; i++) {
        if (said->p[i] == ';' || said->p[i] == ':') {
            bell_str name = {said->p, i};
            *said = (bell_str){said->p + i + 1, said->len - i - 1};
            return bell_str_eq(name, BELL_STR("sha-256")) || bell_str_eq(name, BELL_STR("sha256"));
        }
    }
    return true;
}

static bell_signed_reason check_hash(bell_str said, bell_str uri) {
    unsigned char want[HASH_BYTES], got[EVP_MAX_MD_SIZE];

    if (!take_name(&said)) {
        return BELL_SIGNED_UNSUPPORTED;
    }
    if (!read_hash(said, want) || EVP_Digest(uri.p, uri.len, got, NULL, EVP_sha256(), NULL) != 1) {
        return BELL_SIGNED_MALFORMED;
    }
    return memcmp(want, got, HASH_BYTES) == 0 ? BELL_SIGNED_OK : BELL_SIGNED_RESOURCE;
}

static bell_signed_reason check_container(const bell_uri_signing_options *options, const json_t *claims, bell_str uri) {
    bell_str rest = bell_jws_text(json_object_get(claims, "cdniuc"));

    if (rest.p == NULL) {
        return BELL_SIGNED_OK; /* the shapes were asked whether it may be missing */
    }
    bell_str whole = rest, kind = bell_str_cut(&rest, ':');
    if (kind.len < whole.len && bell_str_eq(kind, BELL_STR("hash"))) {
        return check_hash(rest, uri);
    }
    if (kind.len == whole.len || !bell_str_eq(kind, BELL_STR("regex"))) {
        return BELL_SIGNED_MALFORMED;
    }
    int matches = bell_regex_matches(rest, uri, options->search);
    if (matches < 0) {
        return BELL_SIGNED_MALFORMED;
    }
    return matches == 1 ? BELL_SIGNED_OK : BELL_SIGNED_RESOURCE;
}

bell_signed_reason bell_uri_claims_check(const bell_signed_call *call, const bell_uri_signing_options *options, const json_t *claims, bell_str uri,
                                         bell_signed_result *out) {
    bell_str issuer = bell_jws_text(json_object_get(claims, "iss"));
    bell_signed_reason reason;

    if ((reason = check_shapes(claims, options)) != BELL_SIGNED_OK || (reason = check_kind(claims, options)) != BELL_SIGNED_OK) {
        return reason;
    }
    if (options->issuer.len > 0 && !bell_str_eq(issuer, options->issuer)) {
        return BELL_SIGNED_ISSUER;
    }
    if (!is_audience(json_object_get(claims, "aud"), options->audience)) {
        return BELL_SIGNED_AUDIENCE;
    }
    take_subject(call, options, claims, out);
    if ((reason = check_times(claims, call->request->now_s, out)) != BELL_SIGNED_OK ||
        (reason = check_container(options, claims, uri)) != BELL_SIGNED_OK) {
        return reason;
    }
    return check_address(call, options, claims);
}

/* ---- renewal */

/* The JSON in base64url, at the end of what is written so far. */
static bool add_json(char *out, size_t *len, size_t room, const json_t *v) {
    char *text = json_dumps(v, JSON_COMPACT);
    size_t n = text != NULL ? strlen(text) : 0;
    bool fits = text != NULL && *len + BELL_BASE64URL_LEN(n) + 1 <= room;

    if (fits) {
        *len += bell_base64url_encode(text, n, out + *len);
    }
    free(text);
    return fits;
}

static json_t *header_of(const bell_signed_key *k) {
    return json_pack("{s:s, s:s%}", "alg", "HS256", "kid", k->id, k->id_len);
}

/* The token; its length, 0: there was no room or no memory. */
static size_t write_token(const bell_signed_key *k, const json_t *claims, char *out, size_t room) {
    unsigned char mac[BELL_SIGNED_MAC_MAX];
    json_t *header = header_of(k);
    size_t len = 0;

    bool ok = header != NULL && add_json(out, &len, room, header) && len + 1 < room;
    json_decref(header);
    if (!ok) {
        return 0;
    }
    out[len++] = '.';
    if (!add_json(out, &len, room, claims) || len + 1 + BELL_BASE64URL_LEN(sizeof(mac)) + 1 > room) {
        return 0;
    }
    const bell_str input = {out, len};
    if (bell_signed_mac(k, &input, 1, mac) != sizeof(mac)) {
        return 0;
    }
    out[len++] = '.';
    return len + bell_base64url_encode(mac, sizeof(mac), out + len);
}

/* The first segments of the path, "/" for none; none from the first on that could not stand in a cookie's attribute. */
static bell_str cookie_path(bell_str target, json_int_t depth) {
    bell_str path, query;
    bool has_query;
    size_t end = 0;

    bell_signed_split(target, &path, &query, &has_query);
    while (depth-- > 0 && end < path.len) {
        const char *next = memchr(path.p + end + 1, '/', path.len - end - 1);
        size_t to = next != NULL ? (size_t)(next - path.p) : path.len;
        if (memchr(path.p + end, ';', to - end) != NULL) {
            break;
        }
        end = to;
    }
    return end > 0 ? (bell_str){path.p, end} : BELL_STR("/");
}

static bool add(char *out, size_t *len, size_t room, bell_str s) {
    if (s.len > room - *len) {
        return false;
    }
    memcpy(out + *len, s.p, s.len);
    *len += s.len;
    return true;
}

static bool write_cookie(const bell_signed_key *k, const bell_uri_signing_options *options, const json_t *claims, bell_str target,
                         bell_signed_room *room, bell_str *cookie) {
    bell_str name = options->name.len > 0 ? options->name : BELL_STR(BELL_URI_SIGNING_NAME);
    bell_str path = cookie_path(target, json_integer_value(json_object_get(claims, "cdnistd")));
    size_t len = 0, left = room->left, token;
    char *out = room->p;

    if (out == NULL || !add(out, &len, left, name) || !add(out, &len, left, BELL_STR("=")) ||
        (token = write_token(k, claims, out + len, left - len)) == 0) {
        return false;
    }
    len += token;
    if (!add(out, &len, left, BELL_STR("; Path=")) || !add(out, &len, left, path) ||
        (options->cookie_attributes.len > 0 && !add(out, &len, left, options->cookie_attributes))) {
        return false;
    }
    *cookie = (bell_str){bell_signed_take(room, len), len};
    return true;
}

/* Another "jti" for one that was used; out of the old one, the time and the secret: nobody can foresee it. */
static bool renew_id(const bell_signed_key *k, const bell_uri_signing_options *options, json_t *claims, int64_t now_s) {
    const json_t *jti = json_object_get(claims, "jti");
    unsigned char mac[BELL_SIGNED_MAC_MAX];
    char id[BELL_BASE64URL_LEN(ID_BYTES) + 1];
    bell_str pieces[] = {BELL_STR("bell-uri-renewal"), {(const char *)&now_s, sizeof(now_s)}, bell_jws_text(jti)};

    if (jti == NULL || options->many_uses) {
        return true;
    }
    if (bell_signed_mac(k, pieces, 3, mac) < ID_BYTES) {
        return false;
    }
    size_t len = bell_base64url_encode(mac, ID_BYTES, id);
    return json_object_set_new(claims, "jti", json_stringn(id, len)) == 0;
}

bool bell_uri_claims_renew(const bell_signed_call *call, const bell_uri_signing_options *options, json_t *claims, bell_str target,
                           bell_signed_result *out) {
    int64_t now_s = call->request->now_s;

    if (json_integer_value(json_object_get(claims, "cdnistt")) != 1 || options->renewal_key.len == 0) {
        return true;
    }
    const bell_signed_key *k = bell_signed_find(call->keys, options->renewal_key, now_s);
    if (k == NULL || !bell_signed_key_takes(k, BELL_SIGNED_HMAC_SHA256)) {
        return true;
    }
    json_int_t end_s = now_s + json_integer_value(json_object_get(claims, "cdniets"));
    return renew_id(k, options, claims, now_s) && json_object_set_new(claims, "exp", json_integer(end_s)) == 0 &&
           json_object_set_new(claims, "iat", json_integer(now_s)) == 0 && write_cookie(k, options, claims, target, call->room, &out->set_cookie);
}
