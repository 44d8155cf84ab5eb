#include "bell_cloudfront.h"

#include <arpa/inet.h>

#define SIGNATURE_BYTES_MAX 512 /* RSA of 4096 bits */

/* A canned policy: its head, the URL, and what stands behind it and behind the time. */
#define CANNED_HEAD   "{\"Statement\":[{\"Resource\":\""
#define CANNED_MIDDLE "\",\"Condition\":{\"DateLessThan\":{\"AWS:EpochTime\":"
#define CANNED_TAIL   "}}}]}"

typedef enum { EXPIRES, POLICY, SIGNATURE, KEY_PAIR_ID, HASH_ALGORITHM, PARAMS } param;

/* The parameters as they came. */
typedef struct {
    bell_str value[PARAMS];
    unsigned times[PARAMS];
    bool alone; /* the query is made of nothing else */
} params;

/* PARAMS: none of them. No two names have one length. */
static param param_of(bell_str name) {
    static const bell_str names[PARAMS] = {{"Expires", 7}, {"Policy", 6}, {"Signature", 9}, {"Key-Pair-Id", 11}, {"Hash-Algorithm", 14}};

    for (unsigned i = 0; i < PARAMS; i++) {
        if (names[i].len == name.len) {
            return memcmp(names[i].p, name.p, name.len) == 0 ? (param)i : PARAMS;
        }
    }
    return PARAMS;
}

/* Whether it is one of theirs. */
static bool note(params *p, bell_str name, bell_str value) {
    param which = param_of(name);

    if (which != PARAMS && p->times[which]++ == 0) {
        p->value[which] = value;
    }
    return which != PARAMS;
}

static void take_query(bell_str query, params *p) {
    size_t len = query.len, theirs = 0; /* bytes, each pair with an "&" */
    bell_str pair, name, value;

    while (bell_signed_next_pair(&query, &pair, &name, &value)) {
        theirs += note(p, name, value) ? pair.len + 1 : 0;
    }
    p->alone = theirs == len + 1;
}

static void take_cookies(const bell_signed_request *r, params *p) {
    bell_str prefix = BELL_STR("CloudFront-"), field, name, value;

    for (unsigned nth = 0; r->field(r->data, BELL_STR("cookie"), nth, &field); nth++) {
        while (bell_signed_next_cookie(&field, &name, &value)) {
            if (bell_str_starts(name, prefix)) {
                note(p, (bell_str){name.p + prefix.len, name.len - prefix.len}, value);
            }
        }
    }
}

static bool is_whole(const params *p) {
    return p->times[SIGNATURE] > 0 && p->times[KEY_PAIR_ID] > 0 && (p->times[POLICY] > 0 || p->times[EXPIRES] > 0);
}

static bool has_double(const params *p) {
    for (unsigned i = 0; i < PARAMS; i++) {
        if (p->times[i] > 1) {
            return true;
        }
    }
    return false;
}

/* false: there is no token; in_url tells where the parameters are from. */
static bool take_params(const bell_signed_request *r, bell_str query, params *p, bool *in_url) {
    *p = (params){0};
    *in_url = true;
    if (query.len > 0) {
        take_query(query, p);
        if (p->times[POLICY] > 0 || p->times[SIGNATURE] > 0 || p->times[KEY_PAIR_ID] > 0) {
            return is_whole(p);
        }
        *p = (params){0};
    }
    *in_url = false;
    take_cookies(r, p);
    return is_whole(p);
}

/* ---- the URL and what is signed of it */

/* A buffer in which the URL stands where a canned policy has it, so that this needs no copy. */
typedef struct {
    char *start;
    bell_str url, target; /* scheme, host and target without the parameters; the latter alone */
} url_text;

static char *append(char *p, bell_str s) {
    if (s.len > 0) {
        memcpy(p, s.p, s.len);
    }
    return p + s.len;
}

/* The query without the parameters, with "?" when anything is left, be it empty pairs: they are part of what was signed. */
static char *append_own(char *p, bell_str query) {
    char sep = '?';

    for (bool more = true; more;) {
        size_t before = query.len;
        bell_str pair = bell_str_cut(&query, '&'), name = pair;
        more = pair.len < before;
        name = bell_str_cut(&name, '=');
        if (param_of(name) == PARAMS) {
            *p++ = sep;
            p = append(p, pair);
            sep = '&';
        }
    }
    return p;
}

/* false: no room. */
static bool write_url(const bell_signed_call *call, bool in_url, const params *p, url_text *out) {
    const bell_signed_request *r = call->request;
    bell_str path, query;
    bool has_query;
    size_t most = sizeof(CANNED_HEAD CANNED_MIDDLE CANNED_TAIL) + r->scheme.len + sizeof("://") + r->host.len + r->target.len + p->value[EXPIRES].len;

    out->start = bell_signed_take(call->room, most);
    if (out->start == NULL) {
        return false;
    }
    char *url = append(out->start, BELL_STR(CANNED_HEAD));
    char *target = append(append(append(url, r->scheme), BELL_STR("://")), r->host), *end;
    if (in_url) {
        bell_signed_split(r->target, &path, &query, &has_query);
        end = append(target, path);
        end = p->alone ? end : append_own(end, query);
    } else {
        end = append(target, r->target);
    }
    out->url = (bell_str){url, (size_t)(end - url)};
    out->target = (bell_str){target, (size_t)(end - target)};
    return true;
}

/* Nobody's SDK leaves a quote or a backslash in a URL, and in the text of a policy they would be somebody's words. */
static bool is_quotable(bell_str url) {
    return memchr(url.p, '"', url.len) == NULL && memchr(url.p, '\\', url.len) == NULL;
}

static bell_str canned_policy(const url_text *url, bell_str expires) {
    char *end = url->start + (url->url.p - url->start) + url->url.len;

    end = append(append(append(end, BELL_STR(CANNED_MIDDLE)), expires), BELL_STR(CANNED_TAIL));
    return (bell_str){url->start, (size_t)(end - url->start)};
}

/* ---- base64 */

/* The value plus one; 0: no letter of theirs. */
static const unsigned char letters[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,  ['I'] = 9,  ['J'] = 10, ['K'] = 11,
    ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16, ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22,
    ['W'] = 23, ['X'] = 24, ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32, ['g'] = 33,
    ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40, ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44,
    ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48, ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55,
    ['3'] = 56, ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['-'] = 63, ['~'] = 64,
};

/* Into `out`, which has room for s.len: the three bytes that are no letters or digits may come escaped, in the one form that encoders write. */
static long unescape(bell_str s, char *out) {
    size_t n = 0;

    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] != '%') {
            out[n++] = s.p[i];
            continue;
        }
        bell_str escape = {s.p + i, s.len - i > 2 ? 3 : 0};
        if (bell_str_eq(escape, BELL_STR("%7E"))) {
            out[n++] = '~';
        } else if (bell_str_eq(escape, BELL_STR("%2D"))) {
            out[n++] = '-';
        } else if (bell_str_eq(escape, BELL_STR("%5F"))) {
            out[n++] = '_';
        } else {
            return -1;
        }
        i += 2;
    }
    return (long)n;
}

/* Two or three letters behind the last four; the bits that no byte uses are zero. -1: malformed. */
static long decode_rest(bell_str s, unsigned char *out) {
    unsigned bits = 0;

    for (size_t i = 0; i < s.len; i++) {
        unsigned letter = letters[(unsigned char)s.p[i]];
        if (letter == 0) {
            return -1;
        }
        bits = bits << 6 | (letter - 1);
    }
    switch (s.len) {
    case 0:
        return 0;
    case 2:
        out[0] = (unsigned char)(bits >> 4);
        return (bits & 0xf) == 0 ? 1 : -1;
    case 3:
        out[0] = (unsigned char)(bits >> 10);
        out[1] = (unsigned char)(bits >> 2);
        return (bits & 0x3) == 0 ? 2 : -1;
    default:
        return -1;
    }
}

/* -1: malformed. out has room for s.len, and may be where s is. */
static long decode_letters(bell_str s, unsigned char *out) {
    size_t i = 0, n = 0;

    if (s.len % 4 == 0) {
        for (int pad = 0; pad < 2 && s.len > 0 && s.p[s.len - 1] == '_'; pad++) {
            s.len--;
        }
    }
    for (; s.len - i >= 4; i += 4, n += 3) {
        unsigned a = letters[(unsigned char)s.p[i]] - 1u, b = letters[(unsigned char)s.p[i + 1]] - 1u, c = letters[(unsigned char)s.p[i + 2]] - 1u,
                 d = letters[(unsigned char)s.p[i + 3]] - 1u;
        if ((a | b | c | d) > 63) {
            return -1;
        }
        uint32_t bytes = htonl(a << 26 | b << 20 | c << 14 | d << 8); /* and one byte more, which the next four letters write again */
        memcpy(out + n, &bytes, sizeof(bytes));
    }
    long rest = decode_rest((bell_str){s.p + i, s.len - i}, out + n);
    return rest < 0 ? -1 : (long)n + rest;
}

/* Into the room; false: malformed, or no room. */
static bool decode(bell_signed_room *room, bell_str text, bell_str *out) {
    char *p = bell_signed_take(room, text.len);
    long n = -1;

    if (p == NULL || text.len == 0) {
        return false;
    }
    if (memchr(text.p, '%', text.len) == NULL) {
        n = decode_letters(text, (unsigned char *)p);
    } else if ((n = unescape(text, p)) >= 0) {
        n = decode_letters((bell_str){p, (size_t)n}, (unsigned char *)p); /* in place: it writes behind where it reads */
    }
    *out = (bell_str){p, n > 0 ? (size_t)n : 0};
    return n > 0;
}

/* ---- the verdict */

/* 0: none that is known. */
static bell_signed_alg alg_of(const params *p, const bell_signed_key *key) {
    bell_str said = p->value[HASH_ALGORITHM];
    bool sha256 = p->times[HASH_ALGORITHM] > 0 && bell_str_eq(said, BELL_STR("SHA256"));

    if (p->times[HASH_ALGORITHM] > 0 && !sha256 && !bell_str_eq(said, BELL_STR("SHA1"))) {
        return 0;
    }
    switch (key->type) {
    case BELL_SIGNED_RSA:
        return sha256 ? BELL_SIGNED_RSA_SHA256 : BELL_SIGNED_RSA_SHA1;
    case BELL_SIGNED_P256:
        return sha256 ? BELL_SIGNED_ECDSA_SHA256 : BELL_SIGNED_ECDSA_SHA1;
    default:
        return 0;
    }
}

/* Whether the part of a Resource that stands for the host is for this one: a star there must not reach into the path. */
static bool is_for_host(bell_str resource, bell_str host) {
    const char *scheme_end = memmem(resource.p, resource.len, "://", 3);

    if (scheme_end == NULL) {
        return true;
    }
    bell_str rest = {scheme_end + 3, resource.len - (size_t)(scheme_end + 3 - resource.p)}, own;
    size_t before = rest.len;
    own = bell_str_cut(&rest, '/');
    return own.len == before || bell_signed_matches(own, host, true);
}

static bell_signed_reason judge(const bell_signed_request *r, const bell_cloudfront_policy *policy, bell_str url, bool any_resource) {
    if (r->now_s >= policy->until_s) {
        return BELL_SIGNED_EXPIRED;
    }
    if (policy->from_s != 0 && r->now_s <= policy->from_s) {
        return BELL_SIGNED_NOT_YET;
    }
    if (policy->network.p != NULL && bell_address_is_inside(&r->client, policy->network) != 1) {
        return BELL_SIGNED_ADDRESS;
    }
    if (!policy->has_resource) {
        return any_resource ? BELL_SIGNED_OK : BELL_SIGNED_RESOURCE;
    }
    if (!bell_signed_matches(policy->resource, url, true) || !is_for_host(policy->resource, r->host)) {
        return BELL_SIGNED_RESOURCE;
    }
    return BELL_SIGNED_OK;
}

/* What was signed: OK, or MALFORMED. */
static bell_signed_reason read_policy(const bell_signed_call *call, const params *p, const url_text *url, bell_str *policy, bell_signed_result *out) {
    if (p->times[POLICY] > 0) {
        return decode(call->room, p->value[POLICY], policy) ? BELL_SIGNED_OK : BELL_SIGNED_MALFORMED;
    }
    if (!bell_signed_seconds(p->value[EXPIRES], &out->expires_s) || !is_quotable(url->url)) {
        return BELL_SIGNED_MALFORMED;
    }
    *policy = canned_policy(url, p->value[EXPIRES]);
    return BELL_SIGNED_OK;
}

/* What a verdict is kept under: the text as it stands there, so that a known one need not even be decoded; of texts with escapes one signature has
 * thousands, and those have its bytes. A canned policy says the target, and of one that is not plain nothing is kept: a known one was. */
static bell_str spelling(const params *p, bool plain, bell_str signature) {
    bell_str text = p->value[SIGNATURE];

    if (p->times[POLICY] == 0 && !plain) {
        return BELL_STR_NULL;
    }
    return memchr(text.p, '%', text.len) != NULL ? signature : text;
}

/* What was signed and by whom; OK when the signature holds. *plain: whether the target is, set unless the reason is MALFORMED. */
static bell_signed_reason check_signature(const bell_signed_call *call, const params *p, const url_text *url, bell_str *policy, bool *plain,
                                          bell_signed_result *out) {
    bell_str text = p->value[SIGNATURE], signature;

    if (has_double(p) || text.len == 0 || read_policy(call, p, url, policy, out) != BELL_SIGNED_OK) {
        return BELL_SIGNED_MALFORMED;
    }
    const bell_signed_key *key = bell_signed_find(call->keys, p->value[KEY_PAIR_ID], call->request->now_s);
    bell_signed_alg alg = key != NULL ? alg_of(p, key) : 0;
    bool known = alg != 0 && bell_signed_is_known(call, key, alg, *policy, text);
    *plain = (known && p->times[POLICY] == 0) || bell_signed_is_plain_target(out->target);
    if (!known && (!decode(call->room, text, &signature) || signature.len > SIGNATURE_BYTES_MAX)) {
        return BELL_SIGNED_MALFORMED;
    }
    if (key == NULL) {
        return BELL_SIGNED_KEY;
    }
    out->key_id = (bell_str){key->id, key->id_len};
    if (alg == 0) {
        return BELL_SIGNED_ALGORITHM;
    }
    if (known || bell_signed_verify_spelled(call, key, alg, *policy, signature, spelling(p, *plain, signature))) {
        return BELL_SIGNED_OK;
    }
    return BELL_SIGNED_SIGNATURE;
}

/* Behind a right signature. The URL of a canned policy is the request's already. */
static bell_signed_reason check_policy(const bell_signed_call *call, const params *p, const url_text *url, bell_str text, bool any_resource,
                                       bell_signed_result *out) {
    const bell_signed_request *r = call->request;
    bell_cloudfront_policy policy;

    if (p->times[POLICY] == 0) {
        return r->now_s >= out->expires_s ? BELL_SIGNED_EXPIRED : BELL_SIGNED_OK;
    }
    if (!bell_cloudfront_policy_read(text, call->room, &policy)) {
        return BELL_SIGNED_MALFORMED;
    }
    out->expires_s = policy.until_s;
    return judge(r, &policy, url->url, any_resource);
}

bell_signed_reason bell_cloudfront_check(const bell_signed_call *call, const bell_cloudfront_options *options, bell_signed_result *out) {
    bell_str path, query, policy = BELL_STR_NULL;
    bool has_query, in_url, plain = false;
    url_text url;
    params p;

    *out = (bell_signed_result){0};
    bell_signed_split(call->request->target, &path, &query, &has_query);
    if (!take_params(call->request, query, &p, &in_url)) {
        return BELL_SIGNED_MISSING;
    }
    out->token = p.value[SIGNATURE];
    out->target = in_url ? path : call->request->target; /* when there is no room for more */
    if (!write_url(call, in_url, &p, &url)) {
        return BELL_SIGNED_MALFORMED;
    }
    out->target = in_url ? url.target : call->request->target;
    bell_signed_reason reason = check_signature(call, &p, &url, &policy, &plain, out);
    if (reason != BELL_SIGNED_OK) {
        out->expires_s = 0;
        return reason;
    }
    return plain ? check_policy(call, &p, &url, policy, options->any_resource, out) : BELL_SIGNED_PATH;
}
