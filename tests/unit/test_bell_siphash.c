#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bell_siphash.h"

/* Vectors of the authors: key 00 01 … 0f, input the first n bytes of 00 01 02 …; that of 15 bytes is the paper's, appendix A. */
static void test_vectors(void **unused) {
    static const struct {
        size_t len;
        uint64_t hash;
    } cases[] = {{0, 0x726fdb47dd0e0e31}, {1, 0x74f839c593dc67fd}, {2, 0x0d6c8009d9a94f5a}, {3, 0x85676696d7fb7e2d},
                 {7, 0xab0200f58b01d137}, {8, 0x93f5f5799a932462}, {15, 0xa129ca6149be45e5}};
    unsigned char key[BELL_SIPHASH_KEY_BYTES];
    char input[16];

    (void)unused;
    for (size_t i = 0; i < 16; i++) {
        key[i] = (unsigned char)i;
        input[i] = (char)i;
    }
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(bell_siphash(key, (bell_str){input, cases[i].len}) == cases[i].hash);
    }
}

static void test_key_matters(void **unused) {
    unsigned char one[BELL_SIPHASH_KEY_BYTES] = {0}, other[BELL_SIPHASH_KEY_BYTES] = {[15] = 1};

    (void)unused;
    assert_true(bell_siphash(one, BELL_STR("a token")) != bell_siphash(other, BELL_STR("a token")));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors), cmocka_unit_test(test_key_matters)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
