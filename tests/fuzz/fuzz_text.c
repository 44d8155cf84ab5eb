/* Bytes as UTF-8, as a JSON string and as base64url, each against another reader of the same.
 * longest input: 1024 bytes */
#include "bell_base64.h"
#include "bell_json.h"
#include "fuzz.h"

#include <jansson.h>

/* jansson reads back what the writer wrote: the same text, when the bytes were text. */
static void check_json(bell_str s) {
    bool is_text = bell_str_is_utf8(s);
    bell_buf b;
    bell_json j;
    json_t *v;

    bell_buf_init(&b, 6 * s.len + 2);
    bell_json_init(&j, &b);
    bell_json_str(&j, s);
    fuzz_assert(bell_json_done(&j));
    v = json_loadb(b.p, b.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    fuzz_assert(v != NULL);
    if (is_text) {
        fuzz_assert(json_string_length(v) == s.len && memcmp(json_string_value(v), s.len ? s.p : "", s.len) == 0);
    }
    json_decref(v);
    bell_buf_fini(&b);
    v = json_stringn(s.len ? s.p : "", s.len);
    fuzz_assert((v != NULL) == is_text || memchr(s.p, '\0', s.len) != NULL);
    json_decref(v);
}

/* A text that can be decoded is the one way to write its bytes. */
static void check_base64(bell_str s) {
    unsigned char *raw = malloc(BELL_BASE64URL_LEN(s.len) + 1);
    char *text = malloc(BELL_BASE64URL_LEN(s.len) + 1);
    long len;

    fuzz_assert(raw != NULL && text != NULL);
    len = bell_base64url_decode(s, raw);
    if (len >= 0) {
        fuzz_assert(bell_base64url_encode(raw, (size_t)len, text) == s.len && memcmp(text, s.len ? s.p : "", s.len) == 0);
    }
    len = (long)bell_base64url_encode(s.p, s.len, text);
    fuzz_assert(bell_base64url_decode((bell_str){text, (size_t)len}, raw) == (long)s.len);
    fuzz_assert(s.len == 0 || memcmp(raw, s.p, s.len) == 0);
    free(raw);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bell_str s = {(const char *)data, size};

    check_json(s);
    check_base64(s);
    return 0;
}
