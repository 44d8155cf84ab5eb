/* Percent-encoding, forms and paths over the same bytes.
 * longest input: 512 bytes */
#include "bell_url.h"
#include "fuzz.h"

static void check_form(bell_str s, bell_str name) {
    bell_arena a;
    bell_str value;

    bell_arena_init(&a, 1 << 20);
    if (bell_form_get(&a, s, name, &value) == 1) {
        fuzz_assert(value.len < s.len && value.p[value.len] == '\0' && bell_str_is_utf8(value));
    }
    bell_arena_fini(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bell_str s = {(const char *)data, size};
    char *out = malloc(size ? size : 1);
    long len;

    fuzz_assert(out != NULL);
    len = bell_url_decode(s, true, out);
    fuzz_assert(len <= (long)size && (len < 0 || memchr(out, '\0', (size_t)len) == NULL));
    fuzz_assert((bell_url_decode(s, false, out) < 0) == (len < 0));
    if (bell_url_is_plain_path(s)) {
        fuzz_assert(size <= 255 && memmem(s.p, s.len, "..", 2) != s.p && memmem(s.p, s.len, "/.", 2) == NULL);
    }
    free(out);
    check_form(s, BELL_STR("a"));
    check_form(s, BELL_STR("user name"));
    return 0;
}
