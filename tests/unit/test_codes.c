#include "origin/server/codes.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const fb_codes_keys one_key = {.keys = {{"0123456789abcdef0123456789abcdef", 32}}, .nkeys = 1};
static const fb_codes_keys two_keys = {.keys = {{"fedcba9876543210fedcba9876543210", 32}, {"0123456789abcdef0123456789abcdef", 32}}, .nkeys = 2};

static const struct {
    const char *name;
    bell_str typed;
    const char *code; /* NULL: cannot be one */
} typings[] = {
    {"as it is shown", {"K7P-2XM-9TW", 11}, "K7P2XM9TW"},
    {"in small letters", {"k7p-2xm-9tw", 11}, "K7P2XM9TW"},
    {"without hyphens", {"K7P2XM9TW", 9}, "K7P2XM9TW"},
    {"with blanks and dots", {" K7P.2XM 9TW\t", 13}, "K7P2XM9TW"},
    {"one too few", {"K7P-2XM-9T", 10}, NULL},
    {"one too many", {"K7P-2XM-9TWW", 12}, NULL},
    {"a letter that is in no code", {"K7P-2XM-9TA", 11}, NULL},
    {"a digit that is in no code", {"K7P-2XM-9T0", 11}, NULL},
    {"a NUL", {"K7P-2XM-9T\0", 11}, NULL},
    {"nothing", {"", 0}, NULL},
    {"UTF-8", {"K7P-2XM-9T\xc3\x84", 12}, NULL},
};

static void what_is_typed(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS(typings); i++) {
        char code[FB_CODE_BYTES + 1];
        bool ok = fb_code_read(typings[i].typed, code);
        assert_row(ok == (typings[i].code != NULL), typings[i].name);
        assert_row(!ok || strcmp(code, typings[i].code) == 0, typings[i].name);
    }
}

static void a_new_code_can_be_read_as_it_is_shown(void **state) {
    (void)state;
    unsigned seen[256] = {0};
    for (int i = 0; i < 2000; i++) {
        char code[FB_CODE_BYTES + 1], shown[FB_CODE_SHOWN_BYTES + 1], again[FB_CODE_BYTES + 1];
        assert_true(fb_code_new(code));
        fb_code_show(code, shown);
        assert_true(fb_code_read(bell_str_of(shown), again));
        assert_string_equal(code, again);
        for (size_t j = 0; j < FB_CODE_BYTES; j++) {
            seen[(unsigned char)code[j]]++;
        }
    }
    size_t letters = 0;
    for (size_t i = 0; i < 256; i++) {
        letters += seen[i] > 0;
        assert_true(seen[i] < 1400); /* 18,000 over 21 letters: about 857 of each, 19 standard deviations from here */
    }
    assert_int_equal(letters, 21);
}

static void a_link_is_43_characters(void **state) {
    (void)state;
    char one[FB_LINK_BYTES + 1], other[FB_LINK_BYTES + 1];
    assert_true(fb_link_new(one) && fb_link_new(other));
    assert_int_equal(strlen(one), FB_LINK_BYTES);
    assert_string_not_equal(one, other);
}

static void hashes_differ_by_purpose_tenant_code_and_key(void **state) {
    (void)state;
    char h[5][FB_CODE_HASH_BYTES + 1];
    assert_true(fb_code_hash(&one_key, 0, FB_CODE_OF_SHEET, 1, BELL_STR("K7P2XM9TW"), h[0]));
    assert_true(fb_code_hash(&one_key, 0, FB_CODE_OF_LINK, 1, BELL_STR("K7P2XM9TW"), h[1]));
    assert_true(fb_code_hash(&one_key, 0, FB_CODE_OF_SHEET, 2, BELL_STR("K7P2XM9TW"), h[2]));
    assert_true(fb_code_hash(&one_key, 0, FB_CODE_OF_SHEET, 1, BELL_STR("K7P2XM9TX"), h[3]));
    assert_true(fb_code_hash(&two_keys, 0, FB_CODE_OF_SHEET, 1, BELL_STR("K7P2XM9TW"), h[4]));
    for (int i = 0; i < 5; i++) {
        assert_int_equal(strlen(h[i]), FB_CODE_HASH_BYTES);
        for (int j = i + 1; j < 5; j++) {
            assert_string_not_equal(h[i], h[j]);
        }
    }
    /* openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef of "firstbell c 1 K7P2XM9TW" */
    assert_string_equal(h[0], "a7b2948b7584e79f0a66322f12025f717a6fbfafdca88574913527cf40f99b76");
}

static void the_hashes_under_every_key_are_an_array(void **state) {
    (void)state;
    char all[FB_CODE_HASHES_MAX], first[FB_CODE_HASH_BYTES + 1], second[FB_CODE_HASH_BYTES + 1], expected[FB_CODE_HASHES_MAX];
    assert_true(fb_code_hashes(&two_keys, FB_CODE_OF_SHEET, 1, BELL_STR("K7P2XM9TW"), all));
    assert_true(fb_code_hash(&two_keys, 0, FB_CODE_OF_SHEET, 1, BELL_STR("K7P2XM9TW"), first));
    assert_true(fb_code_hash(&one_key, 0, FB_CODE_OF_SHEET, 1, BELL_STR("K7P2XM9TW"), second));
    snprintf(expected, sizeof expected, "{%s,%s}", first, second);
    assert_string_equal(all, expected);
}

/* Loads a file of that content and mode; gives the number of keys, 0 when it is refused. */
static size_t keys_in(const char *content, mode_t mode) {
    char path[] = "/tmp/fb-codes-XXXXXX";
    char err[300] = "";
    fb_codes_keys k;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)), (ssize_t)strlen(content));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
    bool ok = fb_codes_keys_load(&k, path, err, sizeof err);
    unlink(path);
    assert_true(ok == (err[0] == 0));
    return ok ? k.nkeys : 0;
}

#define KEY "0123456789abcdef0123456789abcdef"

static void a_file_of_keys(void **state) {
    (void)state;
    assert_int_equal(keys_in(KEY "\n", 0600), 1);
    assert_int_equal(keys_in(KEY, 0400), 1);
    assert_int_equal(keys_in(KEY "\r\n\n" KEY "x\n", 0600), 2);
    assert_int_equal(keys_in(KEY "\n" KEY "\n" KEY "\n" KEY "\n", 0600), 4);
    assert_int_equal(keys_in(KEY "\n" KEY "\n" KEY "\n" KEY "\n" KEY "\n", 0600), 0);
    assert_int_equal(keys_in(KEY "\nshort\n", 0600), 0);
    assert_int_equal(keys_in("", 0600), 0);
    assert_int_equal(keys_in("\n\n", 0600), 0);
    assert_int_equal(keys_in(KEY "\n", 0640), 0);
    assert_int_equal(keys_in(KEY "\n", 0604), 0);
    /* a file that is longer than all keys would be cut in the middle of one, which would be another */
    char large[FB_CODES_KEYS_MAX * (FB_CODES_KEY_MAX + 2) + 64];
    memset(large, '\n', sizeof large);
    memcpy(large, KEY, strlen(KEY));
    memcpy(large + sizeof large - 100, KEY KEY, 2 * strlen(KEY));
    large[sizeof large - 1] = 0;
    assert_int_equal(keys_in(large, 0600), 0);
    fb_codes_keys k;
    char err[300];
    assert_false(fb_codes_keys_load(&k, "/nonexistent/codes.key", err, sizeof err));
    assert_string_equal(err, "codes_key /nonexistent/codes.key: No such file or directory");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_typed),
        cmocka_unit_test(a_new_code_can_be_read_as_it_is_shown),
        cmocka_unit_test(a_link_is_43_characters),
        cmocka_unit_test(hashes_differ_by_purpose_tenant_code_and_key),
        cmocka_unit_test(the_hashes_under_every_key_are_an_array),
        cmocka_unit_test(a_file_of_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
