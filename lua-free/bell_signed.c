#include "bell_signed.h"

#include "bell_hex.h"

#include <arpa/inet.h>

const char *bell_signed_reason_name(bell_signed_reason r) {
    static const char *const names[BELL_SIGNED_REASONS] = {
        [BELL_SIGNED_OK] = "ok",
        [BELL_SIGNED_MISSING] = "missing",
        [BELL_SIGNED_MALFORMED] = "malformed",
        [BELL_SIGNED_ALGORITHM] = "algorithm",
        [BELL_SIGNED_KEY] = "key",
        [BELL_SIGNED_SIGNATURE] = "signature",
        [BELL_SIGNED_EXPIRED] = "expired",
        [BELL_SIGNED_NOT_YET] = "not_yet",
        [BELL_SIGNED_RESOURCE] = "resource",
        [BELL_SIGNED_PATH] = "path",
        [BELL_SIGNED_ADDRESS] = "address",
        [BELL_SIGNED_METHOD] = "method",
        [BELL_SIGNED_HEADER] = "header",
        [BELL_SIGNED_COUNTRY] = "country",
        [BELL_SIGNED_ISSUER] = "issuer",
        [BELL_SIGNED_AUDIENCE] = "audience",
        [BELL_SIGNED_VERSION] = "version",
        [BELL_SIGNED_REPLAYED] = "replayed",
        [BELL_SIGNED_FULL] = "full",
        [BELL_SIGNED_UNSUPPORTED] = "unsupported",
        [BELL_SIGNED_TENANT] = "tenant",
    };

    return (unsigned)r < BELL_SIGNED_REASONS ? names[r] : "malformed";
}

/* ---- addresses */

static bool is_mapped(const unsigned char bytes[16]) {
    static const unsigned char prefix[12] = {[10] = 0xff, [11] = 0xff};

    return memcmp(bytes, prefix, sizeof(prefix)) == 0;
}

bool bell_address_parse(bell_str text, bell_address *out) {
    char copy[INET6_ADDRSTRLEN];

    *out = (bell_address){0};
    if (text.len == 0 || text.len >= sizeof(copy) || memchr(text.p, '\0', text.len) != NULL) {
        return false;
    }
    memcpy(copy, text.p, text.len);
    copy[text.len] = '\0';
    if (inet_pton(AF_INET, copy, out->bytes) == 1) {
        out->family = AF_INET;
        return true;
    }
    if (inet_pton(AF_INET6, copy, out->bytes) != 1) {
        *out = (bell_address){0};
        return false;
    }
    out->family = AF_INET6;
    if (is_mapped(out->bytes)) {
        memmove(out->bytes, out->bytes + 12, 4);
        memset(out->bytes + 4, 0, 12);
        out->family = AF_INET;
    }
    return true;
}

/* The bits of a network; false: malformed. A mapped one counts those of IPv6. */
static bool network_bits(bell_str text, bool has_bits, const bell_address *base, bool mapped, unsigned *bits) {
    unsigned most = base->family == AF_INET && !mapped ? 32 : 128;
    uint64_t said = most;

    if (has_bits && (text.len > 3 || (text.len > 1 && text.p[0] == '0') || !bell_str_to_u64(text, most, &said))) {
        return false;
    }
    if (mapped && said < 96) {
        return false; /* it would hold other addresses than IPv4 */
    }
    *bits = (unsigned)said - (mapped ? 96 : 0);
    return true;
}

int bell_address_is_inside(const bell_address *a, bell_str network) {
    bell_str bits_text = network, text = bell_str_cut(&bits_text, '/');
    bell_address base;
    unsigned bits;

    if (!bell_address_parse(text, &base)) {
        return -1;
    }
    bool mapped = base.family == AF_INET && memchr(text.p, ':', text.len) != NULL;
    if (!network_bits(bits_text, text.len < network.len, &base, mapped, &bits)) {
        return -1;
    }
    if (a->family != base.family) {
        return 0;
    }
    unsigned whole = bits / 8, rest = bits % 8;
    return memcmp(a->bytes, base.bytes, whole) == 0 && (rest == 0 || ((a->bytes[whole] ^ base.bytes[whole]) >> (8 - rest)) == 0);
}

/* ---- memory */

char *bell_signed_take(bell_signed_room *room, size_t bytes) {
    char *p = room->p;

    if (p == NULL || bytes > room->left) {
        return NULL;
    }
    room->p += bytes;
    room->left -= bytes;
    return p;
}

/* ---- targets */

typedef enum { PLAIN, SEPARATOR, DOT, PARAMETER, FORBIDDEN, ESCAPE } byte_class;

/* Of bytes as they stand; most are plain, and a path is made of few others. */
static const unsigned char classes[256] = {
    [0x00] = FORBIDDEN, [0x01] = FORBIDDEN, [0x02] = FORBIDDEN, [0x03] = FORBIDDEN, [0x04] = FORBIDDEN, [0x05] = FORBIDDEN, [0x06] = FORBIDDEN,
    [0x07] = FORBIDDEN, [0x08] = FORBIDDEN, [0x09] = FORBIDDEN, [0x0a] = FORBIDDEN, [0x0b] = FORBIDDEN, [0x0c] = FORBIDDEN, [0x0d] = FORBIDDEN,
    [0x0e] = FORBIDDEN, [0x0f] = FORBIDDEN, [0x10] = FORBIDDEN, [0x11] = FORBIDDEN, [0x12] = FORBIDDEN, [0x13] = FORBIDDEN, [0x14] = FORBIDDEN,
    [0x15] = FORBIDDEN, [0x16] = FORBIDDEN, [0x17] = FORBIDDEN, [0x18] = FORBIDDEN, [0x19] = FORBIDDEN, [0x1a] = FORBIDDEN, [0x1b] = FORBIDDEN,
    [0x1c] = FORBIDDEN, [0x1d] = FORBIDDEN, [0x1e] = FORBIDDEN, [0x1f] = FORBIDDEN, [0x7f] = FORBIDDEN, ['#'] = FORBIDDEN,  ['\\'] = FORBIDDEN,
    ['/'] = SEPARATOR,  ['.'] = DOT,        [';'] = PARAMETER,  ['%'] = ESCAPE,
};

/* The class of an escape, decoded once. A backslash that is escaped is a byte of a name to nginx, and a separator to some that stand behind it. */
static byte_class class_of_escape(bell_str rest) {
    int byte = bell_hex_escape(rest);

    if (byte < 0) {
        return FORBIDDEN;
    }
    switch (byte) {
    case '\\':
        return SEPARATOR;
    case '#':
    case '%':
        return PLAIN;
    default:
        return classes[byte];
    }
}

/* Sixteen bytes at once, in the compiler's own words, so that every machine has them in its own way. */
typedef unsigned char lane __attribute__((vector_size(16)));

static lane load(const char *p) {
    lane v;

    memcpy(&v, p, sizeof(v));
    return v;
}

/* Whether one of the sixteen is more than a byte of a name: forbidden, an escape, a ";", or a dot that begins a segment. There is a byte before p. */
static bool is_one_special(const char *p) {
    lane v = load(p), before = load(p - 1);
    lane special = (lane)((v < 0x20) | (v == 0x7f) | (v == '#') | (v == '\\') | (v == '%') | (v == ';') | ((v == '.') & (before == '/')));
    uint64_t halves[2];

    memcpy(halves, &special, sizeof(halves));
    return (halves[0] | halves[1]) != 0;
}

/* Of a path that begins with "/": true when all of it is plainly names and slashes, as nearly every one is. */
static bool is_simple(bell_str path) {
    size_t i = 1, lane_bytes = sizeof(lane);

    if (path.len <= lane_bytes) {
        return false;
    }
    for (; path.len - i > lane_bytes; i += lane_bytes) {
        if (is_one_special(path.p + i)) {
            return false;
        }
    }
    return !is_one_special(path.p + path.len - lane_bytes);
}

static bool has_plain_segments(bell_str path) {
    enum { NOT_DOTS = 3 };
    unsigned dots = 0; /* of the segment so far, NOT_DOTS when it is something else */

    for (size_t i = 0; i < path.len; i++) {
        byte_class class = classes[(unsigned char)path.p[i]];
        if (class == PLAIN) {
            dots = NOT_DOTS;
            continue;
        }
        if (class == ESCAPE) {
            class = class_of_escape((bell_str){path.p + i, path.len - i});
            i += 2;
        }
        if (class == FORBIDDEN || ((class == SEPARATOR || class == PARAMETER) && (dots == 1 || dots == 2))) {
            return false;
        }
        if (class == SEPARATOR) {
            dots = 0;
        } else {
            dots = class == DOT && dots < NOT_DOTS ? dots + 1 : NOT_DOTS;
        }
    }
    return dots == 0 || dots == NOT_DOTS;
}

bool bell_signed_is_plain_target(bell_str target) {
    bell_str path, query;
    bool has_query;

    bell_signed_split(target, &path, &query, &has_query);
    if (path.len == 0 || path.p[0] != '/' || (query.len > 0 && memchr(query.p, '#', query.len) != NULL)) {
        return false;
    }
    return is_simple(path) || has_plain_segments(path);
}

void bell_signed_split(bell_str target, bell_str *path, bell_str *query, bool *has_query) {
    *query = target;
    *path = bell_str_cut(query, '?');
    *has_query = path->len < target.len;
}

static void split_pair(bell_str pair, bell_str *name, bell_str *value) {
    *value = pair;
    *name = bell_str_cut(value, '=');
}

bool bell_signed_next_pair(bell_str *query, bell_str *pair, bell_str *name, bell_str *value) {
    while (query->len > 0) {
        *pair = bell_str_cut(query, '&');
        if (pair->len > 0) {
            split_pair(*pair, name, value);
            return true;
        }
    }
    return false;
}

unsigned bell_signed_param(bell_str query, bell_str name, bell_str *value) {
    bell_str pair, n, v;
    unsigned times = 0;

    *value = BELL_STR_NULL;
    while (bell_signed_next_pair(&query, &pair, &n, &v)) {
        if (bell_str_eq(n, name) && times++ == 0) {
            *value = v;
        }
    }
    return times;
}

bool bell_signed_next_cookie(bell_str *field, bell_str *name, bell_str *value) {
    while (field->len > 0) {
        bell_str cookie = bell_str_trim(bell_str_cut(field, ';'));
        if (cookie.len > 0) {
            split_pair(cookie, name, value);
            return true;
        }
    }
    return false;
}

unsigned bell_signed_cookie(const bell_signed_request *r, bell_str name, bell_str *value) {
    bell_str field, n, v;
    unsigned times = 0;

    *value = BELL_STR_NULL;
    for (unsigned nth = 0; r->field(r->data, BELL_STR("cookie"), nth, &field); nth++) {
        while (bell_signed_next_cookie(&field, &n, &v)) {
            if (bell_str_eq(n, name) && times++ == 0) {
                *value = v;
            }
        }
    }
    return times;
}

static bool is_one_of(bell_str name, const bell_str *names, size_t nnames) {
    for (size_t i = 0; i < nnames; i++) {
        if (bell_str_eq(name, names[i])) {
            return true;
        }
    }
    return false;
}

/* The pairs that stay, written to `out` or, where that is NULL, only measured; *kept is their number. Pairs that are empty stay: who signs a target
 * that ends in "&" appends another one. */
static size_t write_rest(bell_str query, const bell_str *names, size_t nnames, char *out, size_t *kept) {
    size_t len = 0;
    bool more = true;

    *kept = 0;
    while (more) {
        size_t before = query.len;
        bell_str pair = bell_str_cut(&query, '&'), name, value;
        more = pair.len < before;
        split_pair(pair, &name, &value);
        if (is_one_of(name, names, nnames)) {
            continue;
        }
        if (out != NULL) {
            if (*kept > 0) {
                out[len] = '&';
            }
            memcpy(out + len + (*kept > 0), pair.p, pair.len);
        }
        len += pair.len + (*kept > 0);
        *kept += 1;
    }
    return len;
}

bell_str bell_signed_strip(bell_signed_room *room, bell_str target, const bell_str *names, size_t nnames) {
    bell_str path, query;
    bool has_query;
    size_t kept;

    bell_signed_split(target, &path, &query, &has_query);
    if (!has_query) {
        return target;
    }
    size_t len = write_rest(query, names, nnames, NULL, &kept);
    if (kept == 0) {
        return path;
    }
    if (len == query.len) {
        return target;
    }
    char *p = bell_signed_take(room, path.len + 1 + len);
    if (p == NULL) {
        return BELL_STR_NULL;
    }
    memcpy(p, target.p, path.len + 1);
    write_rest(query, names, nnames, p + path.len + 1, &kept);
    return (bell_str){p, path.len + 1 + len};
}

/* ---- patterns */

static bool equal_here(bell_str piece, const char *text, bool one) {
    if (!one) {
        return memcmp(piece.p, text, piece.len) == 0;
    }
    for (size_t i = 0; i < piece.len; i++) {
        if (piece.p[i] != text[i] && piece.p[i] != '?') {
            return false;
        }
    }
    return true;
}

/* The first place of a piece in the text; NULL: none. */
static const char *find_piece(bell_str piece, bell_str text, bool one) {
    if (!one || memchr(piece.p, '?', piece.len) == NULL) {
        return memmem(text.p, text.len, piece.p, piece.len);
    }
    for (size_t i = 0; i + piece.len <= text.len; i++) {
        if (equal_here(piece, text.p + i, true)) {
            return text.p + i;
        }
    }
    return NULL;
}

/* What stands between two stars is taken where it first is: a later place would leave less for the rest. */
bool bell_signed_matches(bell_str pattern, bell_str text, bool one) {
    size_t before = pattern.len;
    bell_str piece = bell_str_cut(&pattern, '*');

    if (piece.len == before) { /* no star */
        return piece.len == text.len && (text.len == 0 || equal_here(piece, text.p, one));
    }
    if (piece.len > text.len || (piece.len > 0 && !equal_here(piece, text.p, one))) {
        return false;
    }
    text = (bell_str){text.p + piece.len, text.len - piece.len};
    for (;;) {
        before = pattern.len;
        piece = bell_str_cut(&pattern, '*');
        if (piece.len == before) { /* behind the last star */
            return piece.len <= text.len && (piece.len == 0 || equal_here(piece, text.p + text.len - piece.len, one));
        }
        if (piece.len == 0) {
            continue;
        }
        const char *at = text.len >= piece.len ? find_piece(piece, text, one) : NULL;
        if (at == NULL) {
            return false;
        }
        text.len -= (size_t)(at - text.p) + piece.len;
        text.p = at + piece.len;
    }
}

/* ---- keys and numbers */

const bell_signed_key *bell_signed_next_key(const bell_signed_keys *keys, bell_str id, int64_t now_s, size_t *i) {
    while (*i < keys->nkeys) {
        const bell_signed_key *k = keys->keys[(*i)++];
        bool in_window = (k->from_s == 0 || now_s >= k->from_s) && (k->until_s == 0 || now_s < k->until_s);
        if (in_window && (id.p == NULL || bell_str_eq(id, (bell_str){k->id, k->id_len}))) {
            return k;
        }
    }
    return NULL;
}

const bell_signed_key *bell_signed_find(const bell_signed_keys *keys, bell_str id, int64_t now_s) {
    size_t i = 0;

    return id.p != NULL ? bell_signed_next_key(keys, id, now_s, &i) : NULL;
}

bool bell_signed_verify_spelled(const bell_signed_call *call, const bell_signed_key *key, bell_signed_alg alg, bell_str bytes, bell_str signature,
                                bell_str spelled) {
    if (!bell_signed_key_takes(key, alg)) {
        return false;
    }
    if (call->verifier.verify != NULL) {
        return call->verifier.verify(call->verifier.data, key, alg, bytes, signature, spelled);
    }
    return bell_signed_key_verify(key, alg, bytes, signature);
}

bool bell_signed_verify(const bell_signed_call *call, const bell_signed_key *key, bell_signed_alg alg, bell_str bytes, bell_str signature) {
    return bell_signed_verify_spelled(call, key, alg, bytes, signature, signature);
}

bool bell_signed_is_known(const bell_signed_call *call, const bell_signed_key *key, bell_signed_alg alg, bell_str bytes, bell_str spelled) {
    return call->verifier.known != NULL && bell_signed_key_takes(key, alg) && call->verifier.known(call->verifier.data, key, alg, bytes, spelled);
}

bool bell_signed_seconds(bell_str text, int64_t *out) {
    uint64_t seconds;

    if (text.len == 0 || text.len > 10 || text.p[0] == '0' || !bell_str_to_u64(text, INT64_MAX, &seconds)) {
        return false;
    }
    *out = (int64_t)seconds;
    return true;
}
