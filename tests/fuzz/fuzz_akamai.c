/* The first byte says what the rest is: 's' fields, which get a right MAC, and a target, 'g' what a token is to say, which is signed and taken,
 * anything else a target, a cookie and a header; the second byte has the options in its bits, and the parts are lines. The key is made anew by each
 * process: no input can depend on it. longest input: 2048 bytes */
#include "bell_akamai.h"
#include "signed.h"

#include <openssl/rand.h>

static bell_signed_keys keys[3]; /* by algorithm */
static fuzz_request f;

static void make_keys(void) {
    static const char digits[] = "0123456789abcdef";
    unsigned char raw[64];
    char hex[64];
    const char *why;

    fuzz_assert(RAND_bytes(raw, sizeof(raw)) == 1);
    for (size_t i = 0; i < sizeof(hex); i++) {
        hex[i] = digits[raw[i] & 15];
    }
    for (int i = 0; i < 3; i++) {
        bell_signed_alg alg = (bell_signed_alg)(BELL_SIGNED_HMAC_MD5 + i);
        keys[i].keys[0] = bell_signed_key_secret(BELL_STR("k"), alg, (bell_str){hex, sizeof(hex)}, true, &why);
        keys[i].nkeys = 1;
        fuzz_assert(keys[i].keys[0] != NULL);
    }
}

static bell_akamai_options options_of(uint8_t bits) {
    return (bell_akamai_options){
        .location = (bell_akamai_location)(bits % 4 % 3),
        .name = BELL_STR("hdnts"),
        .alg = (bell_signed_alg)(BELL_SIGNED_HMAC_MD5 + (bits >> 2) % 4 % 3),
        .escape = (bits & 16) != 0,
        .ignore_query = (bits & 32) != 0,
        .salt = (bits & 64) != 0 ? BELL_STR("pepper") : BELL_STR_NULL,
        .long_cookie = (bits & 128) != 0 ? BELL_STR("hdntl") : BELL_STR_NULL,
        .long_s = 60,
    };
}

static bell_signed_reason check(const bell_akamai_options *o, bell_str target, bell_signed_result *out) {
    bell_signed_call call = fuzz_call(&f, target, &keys[o->alg - BELL_SIGNED_HMAC_MD5]);
    bell_signed_reason r = bell_akamai_check(&call, o, out);

    fuzz_check_result(&f, r, out);
    if (out->set_cookie.p != NULL) {
        fuzz_assert(bell_str_starts(out->set_cookie, BELL_STR("hdntl=")));
        fuzz_assert(memchr(out->set_cookie.p, '\n', out->set_cookie.len) == NULL && memchr(out->set_cookie.p, '\r', out->set_cookie.len) == NULL);
    }
    return r;
}

/* Right or not: the text of the fields is in a header, so that nothing is cut off it. */
static void check_signed(bell_akamai_options o, bell_str body, bell_str target) {
    static const char digits[] = "0123456789abcdef";
    char token[4096];
    unsigned char mac[BELL_SIGNED_MAC_MAX];
    bell_signed_result out;
    bell_str pieces[] = {body, BELL_STR("~salt="), o.salt};
    bool has_acl = bell_str_starts(body, BELL_STR("acl=")) || memmem(body.p, body.len, "~acl=", 5) != NULL;

    if (body.len == 0 || !has_acl) {
        return; /* of a URL: see check_grant() */
    }
    size_t len = bell_signed_mac(keys[o.alg - BELL_SIGNED_HMAC_MD5].keys[0], pieces, o.salt.len > 0 ? 3 : 1, mac), n = body.len;
    memcpy(token, body.p, n);
    memcpy(token + n, "~hmac=", 6);
    n += 6;
    for (size_t i = 0; i < len; i++) {
        token[n++] = digits[mac[i] >> 4];
        token[n++] = digits[mac[i] & 15];
    }
    o.location = BELL_AKAMAI_HEADER;
    fuzz_add_field(&f, BELL_STR("HDNTS"), (bell_str){token, n});
    bell_signed_reason r = check(&o, target, &out);
    fuzz_assert(r != BELL_SIGNED_SIGNATURE && r != BELL_SIGNED_KEY && r != BELL_SIGNED_MISSING);
}

static void check_grant(bell_akamai_options o, bell_str rest) {
    char token[8192];
    bell_signed_result out;
    bell_akamai_grant g = {.expires_s = FUZZ_NOW + 60, .escape = o.escape, .salt = o.salt};

    g.url = bell_str_cut(&rest, '\n');
    g.ip = bell_str_cut(&rest, '\n');
    g.id = bell_str_cut(&rest, '\n');
    g.data = bell_str_cut(&rest, '\n');
    g.acl = bell_str_cut(&rest, '\n');
    bell_str target = g.url;
    if (g.acl.len > 0) {
        g.url = BELL_STR_NULL;
    }
    size_t n = bell_akamai_sign(keys[o.alg - BELL_SIGNED_HMAC_MD5].keys[0], &g, token, sizeof(token));
    if (n == 0 || target.len == 0) {
        return;
    }
    o.location = BELL_AKAMAI_HEADER;
    o.ignore_query = false;
    fuzz_add_field(&f, BELL_STR("hdnts"), (bell_str){token, n});
    bell_signed_reason r = check(&o, target, &out);
    fuzz_assert(r == BELL_SIGNED_OK || r == BELL_SIGNED_PATH || r == BELL_SIGNED_MALFORMED || r == BELL_SIGNED_ADDRESS || r == BELL_SIGNED_RESOURCE);
    if (r == BELL_SIGNED_OK) {
        fuzz_assert(bell_str_eq(out.subject, g.id) && bell_str_eq(out.data, g.data) && out.expires_s == g.expires_s);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bell_signed_result out;

    if (keys[0].nkeys == 0) {
        make_keys();
    }
    if (size < 2 || size > 2048) {
        return 0;
    }
    f.nfields = 0;
    bell_akamai_options o = options_of(data[1]);
    bell_str rest = {(const char *)data + 2, size - 2};
    if (data[0] == 's') {
        bell_str body = bell_str_cut(&rest, '\n');
        check_signed(o, body, rest);
    } else if (data[0] == 'g') {
        check_grant(o, rest);
    } else {
        bell_str target = bell_str_cut(&rest, '\n'), cookie = bell_str_cut(&rest, '\n');
        fuzz_add_field(&f, BELL_STR("Cookie"), cookie);
        fuzz_add_field(&f, BELL_STR("hdnts"), rest);
        fuzz_assert(check(&o, target, &out) != BELL_SIGNED_OK);
    }
    return 0;
}
