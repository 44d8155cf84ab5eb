/* The ways in which claims compare text, and the parts of a URI that they compare. */
#include "bell_cat_parts.h"

#include "bell_hex.h"
#include "bell_regex.h"

#include <openssl/evp.h>

enum { MATCH_EXACT = 0, MATCH_PREFIX = 1, MATCH_SUFFIX = 2, MATCH_CONTAINS = 3, MATCH_REGEX = 4, MATCH_SHA256 = -1, MATCH_SHA512_256 = -2 };

#define QUERY_PAIRS_MAX 64

/* ---- regular expressions */

/* [expression]: what may follow, matches for its groups, is not known here. */
static bell_signed_reason match_regex(bell_str value, bell_str text) {
    bell_cbor_item item;

    if (!bell_cbor_next(&value, &item) || item.type != BELL_CBOR_ARRAY || item.n == 0) {
        return BELL_SIGNED_MALFORMED;
    }
    if (item.n > 1) {
        return BELL_SIGNED_UNSUPPORTED;
    }
    if (!bell_cbor_next(&value, &item) || item.type != BELL_CBOR_TEXT) {
        return BELL_SIGNED_MALFORMED;
    }
    int found = bell_regex_matches(item.text, text, true);
    if (found < 0) {
        return BELL_SIGNED_MALFORMED;
    }
    return found > 0 ? BELL_SIGNED_OK : BELL_SIGNED_RESOURCE;
}

/* ---- digests */

static bool is_digest(const bell_cbor_item *want, const unsigned char *digest, size_t len) {
    char hex[2 * EVP_MAX_MD_SIZE];

    if (want->type == BELL_CBOR_BYTES) {
        return bell_str_eq(want->text, (bell_str){(const char *)digest, len});
    }
    bell_hex_encode(digest, len, hex);
    return bell_str_ieq(want->text, (bell_str){hex, 2 * len});
}

static bool has_digest(const bell_cbor_item *want, bell_str text, const EVP_MD *md, size_t cut) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len;

    return EVP_Digest(text.p ? text.p : "", text.len, digest, &len, md, NULL) == 1 && is_digest(want, digest, cut < len ? cut : len);
}

/* "sha512/256" is SHA-512/256 by its name; libraries have written the whole of SHA-512 and its first half. All three bind the text. */
static bell_signed_reason match_digest(int64_t kind, const bell_cbor_item *want, bell_str text) {
    bool same;

    if (want->type != BELL_CBOR_TEXT && want->type != BELL_CBOR_BYTES) {
        return BELL_SIGNED_MALFORMED;
    }
    if (kind == MATCH_SHA256) {
        same = has_digest(want, text, EVP_sha256(), EVP_MAX_MD_SIZE);
    } else {
        same = has_digest(want, text, EVP_sha512_256(), EVP_MAX_MD_SIZE) || has_digest(want, text, EVP_sha512(), EVP_MAX_MD_SIZE) ||
               has_digest(want, text, EVP_sha512(), 32);
    }
    return same ? BELL_SIGNED_OK : BELL_SIGNED_RESOURCE;
}

/* ---- text */

/* The same parameters, each as often, in any order. More than QUERY_PAIRS_MAX are compared in theirs. */
static bool is_same_query(bell_str a, bell_str b) {
    bell_str pairs[QUERY_PAIRS_MAX], pair, name, value, rest = a;
    size_t n = 0, i;

    while (bell_signed_next_pair(&rest, &pair, &name, &value)) {
        if (n == QUERY_PAIRS_MAX) {
            return bell_str_eq(a, b);
        }
        pairs[n++] = pair;
    }
    while (bell_signed_next_pair(&b, &pair, &name, &value)) {
        for (i = 0; i < n && !bell_str_eq(pairs[i], pair); i++) {
        }
        if (i == n) {
            return false;
        }
        pairs[i] = pairs[--n];
    }
    return n == 0;
}

static bool is_same(bell_str text, bell_str want, bell_cat_compare how) {
    switch (how) {
    case CAT_FOLDED:
        return bell_str_ieq(text, want);
    case CAT_QUERY: /* some write its "?" as well */
        return is_same_query(text, want.len > 0 && want.p[0] == '?' ? (bell_str){want.p + 1, want.len - 1} : want);
    case CAT_FOLDER: /* and some the "/" at the end of a folder */
        want.len -= want.len > 0 && want.p[want.len - 1] == '/';
        return bell_str_eq(text, want);
    default:
        return bell_str_eq(text, want);
    }
}

static bell_signed_reason match_text(int64_t kind, bell_str want, bell_str text, bell_cat_compare how) {
    bell_cat_compare part = how == CAT_FOLDED ? how : CAT_AS_IS;
    bool same = false;

    if (kind == MATCH_EXACT) {
        same = is_same(text, want, how);
    } else if (want.len <= text.len) {
        size_t last = text.len - want.len;
        size_t from = kind == MATCH_SUFFIX ? last : 0, to = kind == MATCH_PREFIX ? 0 : last;
        for (size_t at = from; !same && at <= to; at++) {
            same = is_same((bell_str){text.p + at, want.len}, want, part);
        }
    }
    return same ? BELL_SIGNED_OK : BELL_SIGNED_RESOURCE;
}

static bell_signed_reason match_one(int64_t kind, bell_str value, bell_str text, bell_cat_compare how) {
    bell_str rest = value;
    bell_cbor_item want;

    if (kind < MATCH_SHA512_256 || kind > MATCH_REGEX) {
        return BELL_SIGNED_UNSUPPORTED;
    }
    if (!bell_cbor_next(&rest, &want)) {
        return BELL_SIGNED_MALFORMED;
    }
    if (kind == MATCH_REGEX) {
        return match_regex(value, text);
    }
    if (kind < 0) {
        return match_digest(kind, &want, text);
    }
    return want.type == BELL_CBOR_TEXT ? match_text(kind, want.text, text, how) : BELL_SIGNED_MALFORMED;
}

bell_signed_reason bell_cat_match(bell_str matches, bell_str text, bell_cat_compare how) {
    bell_cbor_item head, key;
    bell_str value;
    int64_t kind;

    if (!bell_cbor_next(&matches, &head) || head.type != BELL_CBOR_MAP || head.n == 0) {
        return BELL_SIGNED_MALFORMED;
    }
    for (uint64_t i = 0; i < head.n; i++) {
        if (!bell_cbor_next(&matches, &key) || !bell_cbor_take(&matches, &value) || !bell_cbor_to_i64(&key, &kind)) {
            return BELL_SIGNED_MALFORMED;
        }
        bell_signed_reason r = match_one(kind, value, text, how);
        if (r != BELL_SIGNED_OK) {
            return r;
        }
    }
    return BELL_SIGNED_OK;
}

/* ---- URIs */

enum { URI_SCHEME, URI_HOST, URI_PORT, URI_PATH, URI_QUERY, URI_PARENT, URI_FILE, URI_STEM, URI_EXTENSION, URI_PARTS };

static const bell_cat_compare compares[URI_PARTS] = {
    [URI_SCHEME] = CAT_FOLDED,
    [URI_HOST] = CAT_FOLDED,
    [URI_QUERY] = CAT_QUERY,
    [URI_PARENT] = CAT_FOLDER,
};

static bell_str behind(bell_str s, size_t from) {
    return (bell_str){s.p + from, s.len - from};
}

/* The place behind the last `c`, 0 without one. */
static size_t after_last(bell_str s, char c) {
    const char *at = s.len > 0 ? memrchr(s.p, c, s.len) : NULL;
    return at != NULL ? (size_t)(at - s.p) + 1 : 0;
}

static void split_host(bell_str host, bell_str *name, bell_str *port) {
    size_t at = after_last(host, ':');

    if (at > 0 && memchr(host.p + at, ']', host.len - at) == NULL) { /* not a colon of an IPv6 address */
        *name = (bell_str){host.p, at - 1};
        *port = behind(host, at);
    } else {
        *name = host;
        *port = behind(host, host.len);
    }
}

static void split_uri(const bell_signed_request *r, bell_str target, bell_str parts[URI_PARTS]) {
    bool has_query;

    parts[URI_SCHEME] = r->scheme;
    split_host(r->host, &parts[URI_HOST], &parts[URI_PORT]);
    bell_signed_split(target, &parts[URI_PATH], &parts[URI_QUERY], &has_query);
    bell_str path = parts[URI_PATH];
    size_t file = after_last(path, '/');
    parts[URI_FILE] = behind(path, file);
    parts[URI_PARENT] = (bell_str){path.p, file > 0 ? file - 1 : 0};
    size_t dot = after_last(parts[URI_FILE], '.');
    size_t stem = dot > 0 ? dot - 1 : parts[URI_FILE].len;
    parts[URI_STEM] = (bell_str){parts[URI_FILE].p, stem};
    parts[URI_EXTENSION] = behind(parts[URI_FILE], stem);
}

bell_signed_reason bell_cat_uri(bell_str claim, const bell_signed_request *r, bell_str target) {
    bell_str parts[URI_PARTS], matches;
    bell_cbor_item head, key;
    int64_t part;

    if (!bell_cbor_next(&claim, &head) || head.type != BELL_CBOR_MAP || head.n == 0) {
        return BELL_SIGNED_MALFORMED;
    }
    split_uri(r, target, parts);
    for (uint64_t i = 0; i < head.n; i++) {
        if (!bell_cbor_next(&claim, &key) || !bell_cbor_take(&claim, &matches)) {
            return BELL_SIGNED_MALFORMED;
        }
        if (!bell_cbor_to_i64(&key, &part) || part < 0 || part >= URI_PARTS) {
            return BELL_SIGNED_UNSUPPORTED;
        }
        bell_signed_reason reason = bell_cat_match(matches, parts[part], compares[part]);
        if (reason != BELL_SIGNED_OK) {
            return reason;
        }
    }
    return BELL_SIGNED_OK;
}
