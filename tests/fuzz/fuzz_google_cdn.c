/* The first byte says what the rest is: 'u' a query and what stands before it, which get a right signature as a URL, 'p' the fields of a prefix and a
 * path, which get a right one in a query, 'c' the same in a cookie, anything else a target and a cookie. The key is made anew by each process: no
 * input can depend on it. longest input: 2048 bytes */
#include "bell_base64.h"
#include "bell_google_cdn.h"
#include "signed.h"

#include <openssl/rand.h>

static bell_signed_keys keys;
static fuzz_request f;
static const bell_google_cdn_options options;

static void make_key(void) {
    unsigned char raw[16];
    char text[32];
    const char *why;

    fuzz_assert(RAND_bytes(raw, sizeof(raw)) == 1);
    size_t len = bell_base64url_encode(raw, sizeof(raw), text);
    keys.keys[0] = bell_signed_key_secret(BELL_STR("k"), BELL_SIGNED_HMAC_SHA1, (bell_str){text, len}, false, &why);
    keys.nkeys = 1;
    fuzz_assert(keys.keys[0] != NULL);
}

static bell_signed_reason check(bell_str target, bell_signed_result *out) {
    bell_signed_call call = fuzz_call(&f, target, &keys);
    bell_signed_reason r = bell_google_cdn_check(&call, &options, out);

    fuzz_check_result(&f, r, out);
    return r;
}

static size_t append(char *out, size_t n, const void *p, size_t len) {
    if (len > 0) {
        memcpy(out + n, p, len);
    }
    return n + len;
}

static size_t sign(char *out, size_t n, char separator, const bell_str *pieces, size_t npieces) {
    unsigned char mac[BELL_SIGNED_MAC_MAX];
    size_t len = bell_signed_mac(keys.keys[0], pieces, npieces, mac);

    fuzz_assert(len == 20);
    out[n++] = separator;
    n = append(out, n, "Signature=", 10);
    return n + bell_base64url_encode(mac, len, out + n);
}

/* All that could be wrong is not the signature. */
static void check_url(bell_str target) {
    static char text[4096];
    bell_signed_result out;
    bell_str pieces[] = {BELL_STR("https://h.example"), target};

    size_t n = append(text, 0, target.p, target.len);
    n = sign(text, n, '&', pieces, 2);
    bell_signed_reason r = check((bell_str){text, n}, &out);
    fuzz_assert(r != BELL_SIGNED_SIGNATURE || memmem(target.p, target.len, "URLPrefix=", 10) != NULL);
    if (r == BELL_SIGNED_OK) {
        bell_str path, query, value;
        bool has_query;
        bell_signed_split(out.target, &path, &query, &has_query);
        fuzz_assert(bell_signed_param(query, BELL_STR("Signature"), &value) == 0 && bell_str_eq(out.key_id, BELL_STR("k")));
    }
}

static void check_prefix(bell_str fields, bell_str path, bool cookie) {
    static char text[4096];
    bell_signed_result out;
    size_t n = cookie ? append(text, 0, "Cloud-CDN-Cookie=", 17) : append(text, 0, path.p, path.len);

    if (!cookie) {
        text[n++] = '?';
    }
    n = append(text, n, fields.p, fields.len);
    n = sign(text, n, cookie ? ':' : '&', &fields, 1);
    if (cookie) {
        fuzz_add_field(&f, BELL_STR("cookie"), (bell_str){text, n});
        check(path, &out);
    } else {
        check((bell_str){text, n}, &out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bell_signed_result out;

    if (keys.nkeys == 0) {
        make_key();
    }
    if (size < 1 || size > 2048) {
        return 0;
    }
    f.nfields = 0;
    bell_str rest = {(const char *)data + 1, size - 1};
    if (data[0] == 'u') {
        check_url(rest);
        return 0;
    }
    bell_str first = bell_str_cut(&rest, '\n');
    if (data[0] == 'p' || data[0] == 'c') {
        check_prefix(first, rest, data[0] == 'c');
    } else {
        fuzz_add_field(&f, BELL_STR("Cookie"), rest);
        fuzz_assert(check(first, &out) != BELL_SIGNED_OK);
    }
    return 0;
}
