#include "bell_base64.h"
#include "unit.h"

static void known_answers(void **state) {
    /* RFC 4648, section 10, without padding; the last rows show the two letters that differ from plain base64 */
    static const struct {
        const char *raw, *text;
    } rows[] = {
        {"", ""},
        {"f", "Zg"},
        {"fo", "Zm8"},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg"},
        {"fooba", "Zm9vYmE"},
        {"foobar", "Zm9vYmFy"},
        {"\xFB\xEF\xFF", "--__"},
        {"\xFF\xFF", "__8"},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        char text[32];
        unsigned char raw[32];
        size_t len = strlen(rows[i].raw);

        assert_int_equal(bell_base64url_encode(rows[i].raw, len, text), BELL_BASE64URL_LEN(len));
        assert_string_equal(text, rows[i].text);
        assert_int_equal(bell_base64url_decode(bell_str_of(text), raw), len);
        assert_memory_equal(raw, rows[i].raw, len);
    }
}

static void there_and_back(void **state) {
    unsigned char in[256], out[400];
    char text[400];

    (void)state;
    for (size_t len = 0; len <= sizeof(in); len++) {
        for (size_t i = 0; i < len; i++) {
            in[i] = (unsigned char)(i * 7 + len);
        }
        assert_int_equal(bell_base64url_encode(in, len, text), BELL_BASE64URL_LEN(len));
        assert_int_equal(strlen(text), BELL_BASE64URL_LEN(len));
        assert_int_equal(bell_base64url_decode(bell_str_of(text), out), len);
        assert_memory_equal(in, out, len);
    }
}

static void refused(void **state) {
    static const char *const rows[] = {
        "A",   "AAAAA", "Zg==",  "Zg=", "Zm8=", "Zm9v\n", " Zm9v", "Zm 9v", "Zm9+", "Zm9/", "Zm9\xC3", "Zh", /* bits that no byte uses are set */
        "Zm9", "____-", "Zm9v.",
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        unsigned char out[32];

        assert_row(bell_base64url_decode(bell_str_of(rows[i]), out) == -1, rows[i]);
    }
    assert_int_equal(bell_base64url_decode((bell_str){"Zm\0v", 4}, (unsigned char[4]){0}), -1);
    assert_int_equal(bell_base64url_decode(BELL_STR_NULL, (unsigned char[1]){0}), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(known_answers), cmocka_unit_test(there_and_back), cmocka_unit_test(refused)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
