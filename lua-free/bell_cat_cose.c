/* COSE_Mac0 and COSE_Sign1 (RFC 9052, sections 4.2 and 6.2): opened, verified, made. */
#include "bell_cat_parts.h"

#include "bell_base64.h"
#include "bell_es256.h"

enum { TAG_MAC0 = 17, TAG_SIGN1 = 18, TAG_CWT = 61 };
enum { LABEL_ALG = 1, LABEL_CRIT = 2, LABEL_KID = 4 };
enum { ALG_HS256 = 5, ALG_ES256 = -7 };

#define HS256_BYTES 32

typedef struct {
    bool has_alg, has_kid;
    int64_t alg; /* 0 for a name */
    bell_str kid;
    bell_str crit; /* a whole item */
} headers;

typedef struct {
    uint64_t tag;
    bell_str protected_bytes, payload, signature;
    headers secure, open; /* protected or not */
} message;

/* Outside of the signature nothing is taken but what finds the key, or names an algorithm that will not be used. */
static bool read_header(headers *h, const bell_cbor_item *key, bell_str value, bool secure) {
    bell_str rest = value;
    bell_cbor_item item;
    int64_t label;

    if (!bell_cbor_to_i64(key, &label) || !bell_cbor_next(&rest, &item)) {
        return secure; /* a name: none is known */
    }
    switch (label) {
    case LABEL_ALG:
        h->has_alg = true;
        return bell_cbor_to_i64(&item, &h->alg) || item.type == BELL_CBOR_TEXT;
    case LABEL_CRIT:
        h->crit = value;
        return secure && item.type == BELL_CBOR_ARRAY && item.n > 0;
    case LABEL_KID: /* bytes by the standard, text in some libraries, which protect it */
        h->has_kid = true;
        h->kid = item.text;
        return item.type == BELL_CBOR_BYTES || (secure && item.type == BELL_CBOR_TEXT);
    default:
        return secure;
    }
}

static bool read_headers(bell_str map, headers *h, bool secure) {
    bell_cbor_item head, key;
    bell_str value;

    if (!bell_cbor_next(&map, &head) || head.type != BELL_CBOR_MAP) {
        return false;
    }
    for (uint64_t i = 0; i < head.n; i++) {
        if (!bell_cbor_next(&map, &key) || !bell_cbor_take(&map, &value) || !read_header(h, &key, value, secure)) {
            return false;
        }
    }
    return true;
}

/* Every header that must be understood is: of those here, and there. */
static bool crit_is_understood(const headers *h) {
    bell_str rest = h->crit;
    bell_cbor_item item;
    int64_t label;
    uint64_t n;

    if (rest.len == 0) {
        return true;
    }
    if (!bell_cbor_next(&rest, &item)) {
        return false;
    }
    for (n = item.n; n > 0; n--) {
        if (!bell_cbor_next(&rest, &item) || !bell_cbor_to_i64(&item, &label) ||
            !((label == LABEL_ALG && h->has_alg) || (label == LABEL_KID && h->has_kid))) {
            return false;
        }
    }
    return true;
}

static bool next_bytes(bell_str *rest, bell_str *out) {
    bell_cbor_item item;
    bool good = bell_cbor_next(rest, &item) && item.type == BELL_CBOR_BYTES;

    *out = good ? item.text : BELL_STR_NULL;
    return good;
}

static bool read_body(message *m, bell_str rest) {
    bell_str open, whole, inner;
    bell_cbor_item item;

    if (!bell_cbor_next(&rest, &item) || item.type != BELL_CBOR_ARRAY || item.n != 4 || !next_bytes(&rest, &m->protected_bytes) ||
        !bell_cbor_take(&rest, &open) || !read_headers(open, &m->open, false) || !next_bytes(&rest, &m->payload) ||
        !next_bytes(&rest, &m->signature)) {
        return false;
    }
    inner = m->protected_bytes; /* no bytes at all stand for an empty map */
    return rest.len == 0 && (inner.len == 0 || (bell_cbor_take(&inner, &whole) && inner.len == 0 && read_headers(whole, &m->secure, true)));
}

static bool read_message(message *m, bell_str bytes) {
    bell_cbor_item item;

    *m = (message){.tag = 0};
    if (!bell_cbor_next(&bytes, &item) || item.type != BELL_CBOR_TAG) {
        return false;
    }
    if (item.n == TAG_CWT && (!bell_cbor_next(&bytes, &item) || item.type != BELL_CBOR_TAG)) {
        return false;
    }
    m->tag = item.n;
    if ((m->tag != TAG_MAC0 && m->tag != TAG_SIGN1) || !read_body(m, bytes)) {
        return false;
    }
    /* A header may be in one of the two places only. */
    return !(m->secure.has_alg && m->open.has_alg) && !(m->secure.has_kid && m->open.has_kid) && crit_is_understood(&m->secure);
}

/* Without a key id the one key of a set of one is meant. */
static const bell_signed_key *find_key(const bell_signed_call *call, const message *m) {
    const headers *h = m->secure.has_kid ? &m->secure : &m->open;

    if (h->has_kid) {
        return bell_signed_find(call->keys, h->kid, call->request->now_s);
    }
    return call->keys->nkeys == 1 ? bell_signed_find(call->keys, bell_str_of(call->keys->keys[0]->id), call->request->now_s) : NULL;
}

static bool is_algorithm_of(const bell_signed_key *k, const message *m) {
    switch (k->type) {
    case BELL_SIGNED_SECRET:
        return k->mac_alg == BELL_SIGNED_HMAC_SHA256 && m->tag == TAG_MAC0 && m->secure.has_alg && m->secure.alg == ALG_HS256;
    case BELL_SIGNED_P256:
        return m->tag == TAG_SIGN1 && m->secure.has_alg && m->secure.alg == ALG_ES256;
    default:
        return false;
    }
}

/* What is under the MAC or signature: [context, protected headers, no external data, payload]. */
#define COVERED_PIECES 6

typedef struct {
    unsigned char heads[2][BELL_CBOR_HEAD_MAX];
    bell_str pieces[COVERED_PIECES];
} covered;

static bell_str byte_head(size_t len, unsigned char room[BELL_CBOR_HEAD_MAX]) {
    return (bell_str){(const char *)room, cbor_encode_bytestring_start(len, room, BELL_CBOR_HEAD_MAX)};
}

static void cover(covered *c, bell_str context, bell_str protected_bytes, bell_str payload) {
    c->pieces[0] = context;
    c->pieces[1] = byte_head(protected_bytes.len, c->heads[0]);
    c->pieces[2] = protected_bytes;
    c->pieces[3] = BELL_STR("\x40"); /* no bytes of external data */
    c->pieces[4] = byte_head(payload.len, c->heads[1]);
    c->pieces[5] = payload;
}

static size_t mac_of(const bell_signed_key *key, bell_str protected_bytes, bell_str payload, unsigned char mac[BELL_SIGNED_MAC_MAX]) {
    covered c;

    cover(&c, BELL_STR("\x84\x64MAC0"), protected_bytes, payload);
    return bell_signed_mac(key, c.pieces, COVERED_PIECES, mac);
}

static bool mac_holds(const bell_signed_key *key, const message *m) {
    unsigned char mac[BELL_SIGNED_MAC_MAX];

    return mac_of(key, m->protected_bytes, m->payload, mac) == HS256_BYTES &&
           bell_str_eq_secret((bell_str){(const char *)mac, HS256_BYTES}, m->signature);
}

static bell_str join(bell_signed_room *room, const bell_str *pieces, size_t n) {
    size_t len = 0;
    char *p;

    for (size_t i = 0; i < n; i++) {
        len += pieces[i].len;
    }
    p = bell_signed_take(room, len);
    if (p == NULL) {
        return BELL_STR_NULL;
    }
    len = 0;
    for (size_t i = 0; i < n; i++) {
        if (pieces[i].len > 0) {
            memcpy(p + len, pieces[i].p, pieces[i].len);
            len += pieces[i].len;
        }
    }
    return (bell_str){p, len};
}

static bell_signed_reason signature_holds(const bell_signed_call *call, const bell_signed_key *key, const message *m) {
    unsigned char der[BELL_ES256_DER_BYTES];
    covered c;

    cover(&c, BELL_STR("\x84\x6aSignature1"), m->protected_bytes, m->payload);
    bell_str bytes = join(call->room, c.pieces, COVERED_PIECES);
    if (bytes.p == NULL) {
        return BELL_SIGNED_MALFORMED;
    }
    int len = m->signature.len == BELL_ES256_SIGNATURE_BYTES ? bell_es256_der_from_raw((const unsigned char *)m->signature.p, der) : -1;
    return len > 0 && bell_signed_verify(call, key, BELL_SIGNED_ECDSA_SHA256, bytes, (bell_str){(const char *)der, (size_t)len})
               ? BELL_SIGNED_OK
               : BELL_SIGNED_SIGNATURE;
}

bell_signed_reason bell_cat_open(bell_cat_token *t, bell_str bytes) {
    message m;

    if (!read_message(&m, bytes)) {
        return BELL_SIGNED_MALFORMED;
    }
    t->key = find_key(t->call, &m);
    if (t->key == NULL) {
        return BELL_SIGNED_KEY;
    }
    if (!is_algorithm_of(t->key, &m)) {
        return BELL_SIGNED_ALGORITHM;
    }
    t->out->key_id = bell_str_of(t->key->id);
    t->payload = m.payload;
    if (m.tag == TAG_SIGN1) {
        return signature_holds(t->call, t->key, &m);
    }
    return mac_holds(t->key, &m) ? BELL_SIGNED_OK : BELL_SIGNED_SIGNATURE;
}

/* ---- made */

#define PROTECTED BELL_STR("\xa1\x01\x05") /* {alg: HS256} */

bell_str bell_cat_mint(bell_signed_room *room, const bell_signed_key *key, bell_str claims) {
    unsigned char mac[BELL_SIGNED_MAC_MAX], heads[3][BELL_CBOR_HEAD_MAX];
    bell_str kid = bell_str_of(key->id), none = BELL_STR_NULL;
    bell_str pieces[] = {
        BELL_STR("\xd8\x3d\xd1\x84\x43"), /* 61(17([ and the head of the protected headers */
        PROTECTED,
        BELL_STR("\xa1\x04"), /* {kid: */
        byte_head(kid.len, heads[0]),
        kid,
        byte_head(claims.len, heads[1]),
        claims,
        byte_head(HS256_BYTES, heads[2]),
        {(const char *)mac, HS256_BYTES},
    };

    if (key->type != BELL_SIGNED_SECRET || key->mac_alg != BELL_SIGNED_HMAC_SHA256 || mac_of(key, PROTECTED, claims, mac) != HS256_BYTES) {
        return none;
    }
    bell_str bytes = join(room, pieces, sizeof(pieces) / sizeof(*pieces));
    char *text = bytes.p != NULL ? bell_signed_take(room, BELL_BASE64URL_LEN(bytes.len) + 1) : NULL;
    return text != NULL ? (bell_str){text, bell_base64url_encode(bytes.p, bytes.len, text)} : none;
}
