/* What the verifiers of signed requests share. The first byte says what the rest is: 'k' a public key, 'x' and 'b' a secret, 'a' an address and,
 * behind a newline, a network, 'm' a pattern and a text, 'c' a Cookie field, anything else a target. */
#include "bell_signed.h"
#include "bell_url.h"
#include "fuzz.h"

static void check_public(bell_str material) {
    const char *why = NULL;
    bell_signed_key *k = bell_signed_key_public(BELL_STR("k"), material, &why);

    fuzz_assert((k == NULL) == (why != NULL));
    if (k != NULL) {
        unsigned char mac[BELL_SIGNED_MAC_MAX];
        fuzz_assert(k->type != BELL_SIGNED_SECRET && k->pkey != NULL && bell_signed_mac(k, NULL, 0, mac) == 0);
        for (unsigned alg = BELL_SIGNED_HMAC_MD5; alg <= BELL_SIGNED_ED25519; alg++) {
            fuzz_assert(!bell_signed_key_verify(k, alg, BELL_STR("bytes"), BELL_STR("signature")));
        }
    }
    bell_signed_key_free(k);
}

static void check_secret(bell_str material, bool hex) {
    const char *why = NULL;
    bell_signed_key *k = bell_signed_key_secret(BELL_STR("k"), BELL_SIGNED_HMAC_SHA256, material, hex, &why);
    unsigned char mac[BELL_SIGNED_MAC_MAX];

    fuzz_assert((k == NULL) == (why != NULL));
    if (k != NULL) {
        fuzz_assert(k->secret_len > 0 && k->secret_len <= BELL_SIGNED_SECRET_MAX && bell_signed_mac(k, &material, 1, mac) == 32);
        fuzz_assert(!bell_signed_key_verify(k, BELL_SIGNED_HMAC_SHA256, material, (bell_str){(char *)mac, 32}));
    }
    bell_signed_key_free(k);
}

static void check_address(bell_str text, bell_str network) {
    bell_address a, unknown = {0};
    bool good = bell_address_parse(text, &a);
    int inside = bell_address_is_inside(&a, network);

    fuzz_assert(good == (a.family == AF_INET || a.family == AF_INET6));
    fuzz_assert(inside >= -1 && inside <= 1 && (good || inside != 1));
    fuzz_assert((inside < 0) == (bell_address_is_inside(&unknown, network) < 0));
    fuzz_assert(!good || bell_address_is_inside(&a, text) == 1);
}

/* What the words say, slowly. */
static bool matches_slowly(bell_str p, bell_str t, bool one) {
    if (p.len == 0) {
        return t.len == 0;
    }
    bell_str rest = {p.p + 1, p.len - 1};
    if (p.p[0] == '*') {
        return matches_slowly(rest, t, one) || (t.len > 0 && matches_slowly(p, (bell_str){t.p + 1, t.len - 1}, one));
    }
    return t.len > 0 && (p.p[0] == t.p[0] || (one && p.p[0] == '?')) && matches_slowly(rest, (bell_str){t.p + 1, t.len - 1}, one);
}

static void check_pattern(bell_str pattern, bell_str text) {
    for (int one = 0; one < 2; one++) {
        bool found = bell_signed_matches(pattern, text, one);
        fuzz_assert(pattern.len > 8 || text.len > 12 || found == matches_slowly(pattern, text, one));
    }
    fuzz_assert(bell_signed_matches(BELL_STR("*"), text, false));
    fuzz_assert(memchr(text.p, '*', text.len) != NULL || bell_signed_matches(text, text, true));
}

static void check_cookies(bell_str field) {
    const char *end = field.p + field.len;
    bell_str name, value;

    while (bell_signed_next_cookie(&field, &name, &value)) {
        fuzz_assert(name.p + name.len <= end && (value.len == 0 || value.p + value.len <= end));
        fuzz_assert(memchr(name.p, ';', name.len) == NULL && memchr(name.p, '=', name.len) == NULL);
    }
}

/* No segment of the decoded path is made of dots, wherever somebody may cut it. */
static void check_plain(bell_str path) {
    static char decoded[8192];

    if (path.len > sizeof(decoded)) {
        return;
    }
    long n = bell_url_decode(path, false, decoded);
    fuzz_assert(n > 0 && decoded[0] == '/');
    bell_str rest = {decoded, (size_t)n};
    while (rest.len > 0) {
        size_t len = 0;
        while (len < rest.len && memchr("/\\;", rest.p[len], 3) == NULL) {
            len++;
        }
        bool named = len > 0 && rest.p[-1] != ';';
        fuzz_assert(!named || !(len == 1 && rest.p[0] == '.'));
        fuzz_assert(!named || !(len == 2 && rest.p[0] == '.' && rest.p[1] == '.'));
        size_t step = len < rest.len ? len + 1 : len;
        rest = (bell_str){rest.p + step, rest.len - step};
    }
}

static void check_target(bell_str target) {
    static const bell_str names[] = {{"S", 1}, {"Key", 3}};
    static char bytes[8192];
    bell_signed_room room = {bytes, sizeof(bytes)};
    bell_str path, query, value, left = bell_signed_strip(&room, target, names, 2);
    bool has_query;

    if (left.p == NULL) {
        fuzz_assert(target.p == NULL || target.len > sizeof(bytes));
        return;
    }
    bell_signed_split(left, &path, &query, &has_query);
    fuzz_assert(left.len <= target.len && bell_signed_param(query, names[0], &value) == 0 && bell_signed_param(query, names[1], &value) == 0);
    fuzz_assert(bell_signed_strip(&room, left, names, 2).p == left.p); /* nothing to cut */
    fuzz_assert(!has_query || memchr(target.p, '?', target.len) != NULL);
    bell_signed_split(target, &path, &query, &has_query);
    if (bell_signed_is_plain_target(target)) {
        check_plain(path);
        fuzz_assert(memchr(target.p, '#', target.len) == NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    bell_str whole = {(const char *)data, size}, rest = {whole.p + 1, size - 1}, second = rest, first = bell_str_cut(&second, '\n');
    switch (data[0]) {
    case 'k':
        check_public(rest);
        break;
    case 'x':
    case 'b':
        check_secret(rest, data[0] == 'x');
        break;
    case 'a':
        check_address(first, second);
        break;
    case 'm':
        check_pattern(first, second);
        break;
    case 'c':
        check_cookies(rest);
        break;
    default:
        check_target(whole);
    }
    return 0;
}
