#include "bell_hex.h"
#include "unit.h"

#include <stdio.h>

/* Every byte there is, against a list of those that are digits. */
static void every_byte(void **state) {
    static const char lower[] = "0123456789abcdef", upper[] = "0123456789ABCDEF";

    (void)state;
    for (unsigned c = 0; c < 256; c++) {
        const char *small = c != 0 ? strchr(lower, (int)c) : NULL, *large = c != 0 ? strchr(upper, (int)c) : NULL;
        int want = small != NULL ? (int)(small - lower) : large != NULL ? (int)(large - upper) : -1;
        char pairs[2][2] = {{(char)c, '7'}, {'7', (char)c}}, row[8];
        unsigned char out;

        snprintf(row, sizeof(row), "0x%02x", c);
        assert_row(bell_hex_digit((char)c) == want, row);
        assert_row(bell_hex_byte((char)c, '7') == (want < 0 ? -1 : want * 16 + 7), row);
        assert_row(bell_hex_byte('7', (char)c) == (want < 0 ? -1 : 7 * 16 + want), row);
        for (size_t i = 0; i < 2; i++) {
            bell_str digits = {pairs[i], 2};
            int byte = i == 0 ? want * 16 + 7 : 7 * 16 + want;
            assert_row(bell_hex_decode(digits, BELL_HEX_ANY, &out) == (want >= 0), row);
            assert_row(want < 0 || out == byte, row);
            assert_row(bell_hex_decode(digits, BELL_HEX_LOWER, &out) == (small != NULL), row);
            assert_row(small == NULL || out == byte, row);
        }
    }
}

/* Wherever it stands, and whatever stands beside it. */
static void every_place(void **state) {
    static const char neighbours[] = {'0', '9', 'a', 'f', 'A', 'F'};

    (void)state;
    for (unsigned c = 0; c < 256; c++) {
        bool is_digit = bell_hex_digit((char)c) >= 0;
        for (size_t n = 0; n < sizeof(neighbours); n++) {
            for (size_t at = 0; at < 22; at++) {
                char text[22], row[32];
                unsigned char out[11], around = (unsigned char)bell_hex_byte(neighbours[n], neighbours[n]);
                memset(text, neighbours[n], sizeof(text));
                text[at] = (char)c;
                snprintf(row, sizeof(row), "0x%02x at %zu of %c", c, at, neighbours[n]);
                assert_row(bell_hex_decode((bell_str){text, sizeof(text)}, BELL_HEX_ANY, out) == is_digit, row);
                for (size_t i = 0; i < sizeof(out); i++) {
                    assert_row(out[i] == (i == at / 2 ? (is_digit ? bell_hex_byte(text[2 * i], text[2 * i + 1]) : out[i]) : around), row);
                }
            }
        }
    }
}

static void lengths(void **state) {
    static const struct {
        const char *digits;
        bool right;
    } rows[] = {{"", true},      {"0", false},     {"00", true},
                {"000", false},  {"00ff7F", true}, {"0g", false},
                {"00 f", false}, {"0x00", false},  {"00000000000000000g", false}};
    unsigned char out[16] = {0};

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        assert_row(bell_hex_decode(bell_str_of(rows[i].digits), BELL_HEX_ANY, out) == rows[i].right, rows[i].digits);
    }
    assert_true(bell_hex_decode(BELL_STR_NULL, BELL_HEX_LOWER, NULL));
    /* what is behind the digits is not touched, an odd one has no byte */
    memset(out, 0xee, sizeof(out));
    assert_false(bell_hex_decode(BELL_STR("0102f"), BELL_HEX_ANY, out));
    assert_memory_equal(out, "\x01\x02\xee", 3);
    assert_true(bell_hex_decode(BELL_STR("fFeE"), BELL_HEX_ANY, out));
    assert_memory_equal(out, "\xff\xee\xee", 3);
    assert_false(bell_hex_decode(BELL_STR("fFee"), BELL_HEX_LOWER, out));
}

static void escapes(void **state) {
    static const struct {
        bell_str text;
        int byte;
    } rows[] = {{BELL_STR("%41"), 'A'},
                {BELL_STR("%00x"), 0},
                {BELL_STR("%fF"), 255},
                {BELL_STR("%4"), -1},
                {BELL_STR("%"), -1},
                {BELL_STR("%-1"), -1},
                {BELL_STR("%g0"), -1},
                {BELL_STR("%0\x30\x30"), 0},
                {BELL_STR_NULL, -1},
                {BELL_STR("%4\x00"
                          "1"),
                 -1}};

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        assert_int_equal(bell_hex_escape(rows[i].text), rows[i].byte);
    }
}

/* Each byte there and back. */
static void both_ways(void **state) {
    unsigned char bytes[256], back[256];
    char digits[513];

    (void)state;
    for (unsigned i = 0; i < 256; i++) {
        bytes[i] = (unsigned char)i;
    }
    digits[512] = '!';
    bell_hex_encode(bytes, sizeof(bytes), digits);
    assert_int_equal(digits[512], '!');
    assert_memory_equal(digits, "000102", 6);
    assert_memory_equal(digits + 506, "fdfeff", 6);
    assert_true(bell_hex_decode((bell_str){digits, 512}, BELL_HEX_LOWER, back));
    assert_memory_equal(bytes, back, sizeof(bytes));
    bell_hex_encode(bytes, 0, digits + 512);
    assert_int_equal(digits[512], '!');
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte), cmocka_unit_test(every_place), cmocka_unit_test(lengths),
        cmocka_unit_test(escapes),    cmocka_unit_test(both_ways),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
