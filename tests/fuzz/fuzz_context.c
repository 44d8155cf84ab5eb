/* The first byte says what the rest is: 'h' a header as a stranger would send it, 'k' the file of a key, anything else what stands in a header behind
 * the key's id, which gets a right MAC so that it is read.
 * longest input: 700 bytes */
#include "bell_base64.h"
#include "bell_context.h"
#include "fuzz.h"

#include <openssl/hmac.h>
#include <string.h>

#define NOW 1800000000

static const char secret[] = "2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a";
static bell_context_key *key;

static void check_header(const char *p, size_t len) {
    bell_context_claims c;

    fuzz_assert(bell_context_verify(&key, 1, (bell_str){p, len}, BELL_STR("GET"), BELL_STR("/"), NOW, &c) != BELL_CONTEXT_OK);
}

static void check_key(const char *p, size_t len) {
    char err[200] = "";
    bell_context_key *k = bell_context_key_parse(BELL_STR("edge"), (bell_str){p, len}, err, sizeof(err));

    fuzz_assert((k == NULL) == (err[0] != '\0'));
    fuzz_assert(k == NULL || !bell_context_key_serves(k, 0) || bell_context_key_serves(k, 77));
    bell_context_key_free(k);
}

/* What is taken is what would have been written: there is one spelling. */
static void check_signed(const char *p, size_t len) {
    char value[1024], again[BELL_CONTEXT_MAX_BYTES];
    unsigned char raw[32], text[1024];
    bell_context_claims c;
    int n = snprintf(value, sizeof(value), "v1.edge.%.*s", (int)len, p);

    if ((size_t)n != len + 8) { /* a NUL, which no header has */
        return;
    }
    memset(raw, 0x2a, sizeof(raw));
    int m = snprintf((char *)text, sizeof(text), "%s\nGET /", value);
    fuzz_assert(HMAC(EVP_sha256(), raw, sizeof(raw), text, (size_t)m, raw, NULL) != NULL);
    value[n++] = '.';
    n += (int)bell_base64url_encode(raw, sizeof(raw), value + n);
    bell_context_verdict v = bell_context_verify(&key, 1, (bell_str){value, (size_t)n}, BELL_STR("GET"), BELL_STR("/"), NOW, &c);
    fuzz_assert(v != BELL_CONTEXT_BAD_MAC && v != BELL_CONTEXT_UNKNOWN_KEY);
    if (v == BELL_CONTEXT_OK) {
        fuzz_assert(c.tenant_id == 42 && c.time_s >= NOW - 30 && c.time_s <= NOW + 30);
        fuzz_assert(bell_context_write(key, &c, BELL_STR("GET"), BELL_STR("/"), again) == n && memcmp(again, value, (size_t)n) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char err[200], file[100];

    if (key == NULL) {
        snprintf(file, sizeof(file), "%s\ntenants 42\n", secret);
        key = bell_context_key_parse(BELL_STR("edge"), bell_str_of(file), err, sizeof(err));
        fuzz_assert(key != NULL);
    }
    if (size == 0 || size > 700) {
        return 0;
    }
    if (data[0] == 'h') {
        check_header((const char *)data + 1, size - 1);
    } else if (data[0] == 'k') {
        check_key((const char *)data + 1, size - 1);
    } else {
        check_signed((const char *)data + 1, size - 1);
    }
    return 0;
}
