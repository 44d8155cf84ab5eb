#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/evp.h>

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

/* Likewise for 128 bits, the first of their table. */
static void test_vectors_of_128_bits(void **unused) {
    static const unsigned char want[][BELL_SIPHASH128_BYTES] = {
        {0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02, 0x93},
        {0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44, 0x34, 0x76, 0x59, 0x11, 0x9b, 0x22, 0xfc, 0x45},
        {0x81, 0x77, 0x22, 0x8d, 0xa4, 0xa4, 0x5d, 0xc7, 0xfc, 0xa3, 0x8b, 0xde, 0xf6, 0x0a, 0xff, 0xe4},
        {0x9c, 0x70, 0xb6, 0x0c, 0x52, 0x67, 0xa9, 0x4e, 0x5f, 0x33, 0xb6, 0xb0, 0x29, 0x85, 0xed, 0x51},
    };
    unsigned char key[BELL_SIPHASH_KEY_BYTES], out[BELL_SIPHASH128_BYTES];
    char input[4] = {0, 1, 2, 3};

    (void)unused;
    for (size_t i = 0; i < sizeof(key); i++) {
        key[i] = (unsigned char)i;
    }
    for (size_t n = 0; n < sizeof(want) / sizeof(*want); n++) {
        bell_siphash128(key, (bell_str){input, n}, out);
        assert_memory_equal(out, want[n], sizeof(out));
    }
}

/* Lengths around each number of words, as another implementation has them. */
static void test_openssl_says_the_same(void **unused) {
    unsigned char key[BELL_SIPHASH_KEY_BYTES], out[BELL_SIPHASH128_BYTES], theirs[BELL_SIPHASH128_BYTES];
    char input[300];
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
    size_t len;

    (void)unused;
    assert_non_null(ctx);
    for (size_t i = 0; i < sizeof(input); i++) {
        input[i] = (char)(i * 7);
        key[i % sizeof(key)] = (unsigned char)(i * 31);
    }
    for (size_t n = 0; n <= sizeof(input); n++) {
        assert_int_equal(EVP_MAC_init(ctx, key, sizeof(key), NULL), 1);
        assert_int_equal(EVP_MAC_update(ctx, (const unsigned char *)input, n), 1);
        assert_int_equal(EVP_MAC_final(ctx, theirs, &len, sizeof(theirs)), 1);
        assert_int_equal(len, sizeof(theirs));
        bell_siphash128(key, (bell_str){input, n}, out);
        assert_memory_equal(out, theirs, sizeof(out));
    }
    EVP_MAC_CTX_free(ctx);
    EVP_MAC_free(mac);
}

static void test_key_matters(void **unused) {
    unsigned char one[BELL_SIPHASH_KEY_BYTES] = {0}, other[BELL_SIPHASH_KEY_BYTES] = {[15] = 1};

    (void)unused;
    assert_true(bell_siphash(one, BELL_STR("a token")) != bell_siphash(other, BELL_STR("a token")));
    unsigned char a[BELL_SIPHASH128_BYTES], b[BELL_SIPHASH128_BYTES];
    bell_siphash128(one, BELL_STR("a token"), a);
    bell_siphash128(other, BELL_STR("a token"), b);
    assert_memory_not_equal(a, b, sizeof(a));
    bell_siphash128(one, BELL_STR_NULL, a);
    bell_siphash128(one, BELL_STR(""), b);
    assert_memory_equal(a, b, sizeof(a));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_vectors_of_128_bits),
        cmocka_unit_test(test_openssl_says_the_same),
        cmocka_unit_test(test_key_matters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
