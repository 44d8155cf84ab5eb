/* The first byte says whether public-key signatures hold ('y': the target says so in place of OpenSSL, whose arithmetic is not what is searched) and
 * the second whether tokens are taken; behind them a target, the value of the cookie, and two headers, a line each. "@" stands for a signature, "#"
 * for a right HMAC-SHA256 of the line up to the field before it: the key is made anew by each process, and no input can depend on it. longest input:
 * 2048 bytes */
#include "bell_base64.h"
#include "bell_media_cdn.h"
#include "signed.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

static bell_signed_keys keys;
static fuzz_request f;
static bool holds;

static void make_keys(void) {
    unsigned char raw[32];
    char text[64];
    const char *why;
    size_t len = sizeof(raw);

    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    fuzz_assert(pkey != NULL && EVP_PKEY_get_raw_public_key(pkey, raw, &len) == 1 && len == sizeof(raw));
    EVP_PKEY_free(pkey);
    size_t n = bell_base64url_encode(raw, sizeof(raw), text);
    keys.keys[0] = bell_signed_key_public(BELL_STR("ks"), (bell_str){text, n}, &why);
    fuzz_assert(RAND_bytes(raw, sizeof(raw)) == 1);
    n = bell_base64url_encode(raw, sizeof(raw), text);
    keys.keys[1] = bell_signed_key_secret(BELL_STR("short"), BELL_SIGNED_HMAC_SHA256, (bell_str){text, n}, false, &why);
    keys.nkeys = 2;
    fuzz_assert(keys.keys[0] != NULL && keys.keys[1] != NULL);
}

static bool verify(void *data, const bell_signed_key *key, bell_signed_alg alg, bell_str bytes, bell_str signature, bell_str spelled) {
    (void)spelled;
    (void)data;
    fuzz_assert(key == keys.keys[0] && alg == BELL_SIGNED_ED25519 && signature.len == 64 && bytes.len > 0);
    unsigned char last = (unsigned char)(bytes.p[0] ^ bytes.p[bytes.len - 1]); /* all of it may be read */
    return holds && last != 255;
}

/* What the HMAC is over: the token without its last field, "hmac=". */
static size_t put_mac(char *out, size_t start, size_t n) {
    static const char digits[] = "0123456789abcdef";
    unsigned char mac[BELL_SIGNED_MAC_MAX];
    size_t end = n >= start + 6 && memcmp(out + n - 6, "~hmac=", 6) == 0 ? n - 6 : n;
    bell_str body = {out + start, end - start};

    fuzz_assert(bell_signed_mac(keys.keys[1], &body, 1, mac) == 32);
    for (size_t i = 0; i < 32; i++) {
        out[n++] = digits[mac[i] >> 4];
        out[n++] = digits[mac[i] & 15];
    }
    return n;
}

static bell_str expand(bell_str line, char *out, size_t size) {
    size_t n = 0, start = 0;

    for (size_t i = 0; i < line.len && n + 100 < size; i++) {
        if (line.p[i] == '@') {
            memset(out + n, 'A', 86);
            n += 86;
        } else if (line.p[i] == '#') {
            n = put_mac(out, start, n);
        } else {
            out[n++] = line.p[i];
            if (n >= 6 && memcmp(out + n - 6, "hdnts=", 6) == 0) {
                start = n;
            }
        }
    }
    return (bell_str){out, n};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static char target[8192], cookie[8192];
    bell_signed_result out;

    if (keys.nkeys == 0) {
        make_keys();
    }
    if (size < 2 || size > 2048) {
        return 0;
    }
    f.nfields = 0;
    holds = data[0] == 'y';
    bell_media_cdn_options options = {.token_param = data[1] == 't' ? BELL_STR("hdnts") : BELL_STR_NULL, .cookie = BELL_STR("hdnts")};
    bell_str rest = {(const char *)data + 2, size - 2};
    bell_str asked = expand(bell_str_cut(&rest, '\n'), target, sizeof(target)), first = bell_str_cut(&rest, '\n');
    fuzz_add_field(&f, BELL_STR("Cookie"), expand(first, cookie, sizeof(cookie)));
    fuzz_add_field(&f, BELL_STR("foo"), bell_str_cut(&rest, '\n'));
    fuzz_add_field(&f, BELL_STR("baz"), rest);
    bell_signed_call call = fuzz_call(&f, asked, &keys);
    call.verifier.verify = verify;
    bell_signed_reason r = bell_media_cdn_check(&call, &options, &out);
    fuzz_check_result(&f, r, &out);
    if (r == BELL_SIGNED_OK) {
        fuzz_assert(holds ? out.key_id.len > 0 : bell_str_eq(out.key_id, BELL_STR("short")));
        fuzz_assert(memmem(out.target.p, out.target.len, "/edge-cache-token=", 18) == NULL || memchr(out.target.p, '?', out.target.len) != NULL);
    }
    return 0;
}
