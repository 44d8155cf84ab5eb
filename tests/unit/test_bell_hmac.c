/* Each hash against OpenSSL's own HMAC, for secrets and texts of every length around a block's, and however the text is cut. */
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "bell_hmac.h"
#include "unit.h"

#define LONGEST 200

static const struct {
    bell_hmac_hash hash;
    const char *name;
} hashes[] = {{BELL_HMAC_MD5, "MD5"}, {BELL_HMAC_SHA1, "SHA1"}, {BELL_HMAC_SHA256, "SHA256"}};

static void fill(unsigned char *bytes, size_t n) {
    for (size_t i = 0; i < n; i++) {
        bytes[i] = (unsigned char)(i * 37 + 11);
    }
}

static void compare(bell_hmac_hash hash, const char *name, bell_str secret, bell_str text) {
    unsigned char ours[BELL_HMAC_MAX], theirs[EVP_MAX_MD_SIZE];
    bell_hmac h;
    size_t cut = text.len / 3, theirs_len = 0;
    const bell_str pieces[] = {{text.p, cut}, BELL_STR_NULL, {text.p + cut, text.len - cut}};

    assert_true(bell_hmac_init(&h, hash, secret.p, secret.len));
    for (int times = 0; times < 2; times++) {
        memset(ours, 0, sizeof(ours));
        size_t len = bell_hmac_of(&h, pieces, ROWS(pieces), ours);
        assert_non_null(EVP_Q_mac(NULL, "HMAC", NULL, name, NULL, secret.p, secret.len, (const unsigned char *)text.p, text.len, theirs,
                                  sizeof(theirs), &theirs_len));
        assert_int_equal(len, theirs_len);
        assert_memory_equal(ours, theirs, len);
    }
}

static void is_what_openssl_has(void **state) {
    unsigned char secret[LONGEST], text[LONGEST];

    (void)state;
    fill(secret, sizeof(secret));
    fill(text, sizeof(text));
    for (size_t i = 0; i < ROWS(hashes); i++) {
        for (size_t n = 0; n <= LONGEST; n++) {
            compare(hashes[i].hash, hashes[i].name, (bell_str){(char *)secret, n > 0 ? n : 1}, (bell_str){(char *)text, LONGEST - n});
            compare(hashes[i].hash, hashes[i].name, (bell_str){(char *)secret, 32}, (bell_str){(char *)text, n});
        }
    }
}

static void without_a_secret_there_is_no_mac(void **state) {
    unsigned char out[BELL_HMAC_MAX];
    bell_str text = BELL_STR("text");
    bell_hmac h = {0};

    (void)state;
    assert_int_equal(bell_hmac_of(&h, &text, 1, out), 0);
    assert_false(bell_hmac_init(&h, BELL_HMAC_NONE, "secret", 6));
    assert_false(bell_hmac_init(&h, (bell_hmac_hash)9, "secret", 6));
    assert_int_equal(bell_hmac_of(&h, &text, 1, out), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_what_openssl_has),
        cmocka_unit_test(without_a_secret_there_is_no_mac),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
