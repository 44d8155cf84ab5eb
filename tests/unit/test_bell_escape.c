#include "bell_escape.h"
#include "unit.h"

#include <jansson.h>

static void assert_becomes(void (*form)(bell_buf *, bell_str), bell_str in, const char *expected) {
    bell_buf b;

    bell_buf_init(&b, 4096);
    form(&b, in);
    assert_false(b.failed);
    assert_int_equal(b.len, strlen(expected));
    if (b.len > 0) {
        assert_memory_equal(b.p, expected, b.len);
    }
    bell_buf_fini(&b);
}

static void both_forms(void **state) {
    static const struct {
        bell_str in;
        const char *html, *json;
    } rows[] = {
        {BELL_STR(""), "", ""},
        {BELL_STR("Back on Monday."), "Back on Monday.", "Back on Monday."},
        {BELL_STR("<script>alert('x')</script>"), "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;",
         "\\u003cscript\\u003ealert(\\u0027x\\u0027)\\u003c/script\\u003e"},
        {BELL_STR("\" onload=\"x"), "&quot; onload=&quot;x", "\\u0022 onload=\\u0022x"},
        {BELL_STR("A & B &lt;"), "A &amp; B &amp;lt;", "A \\u0026 B \\u0026lt;"},
        {BELL_STR("one\ntwo\tthree\r\n"), "one&#10;two&#9;three&#10;", "one\\ntwo\\tthree\\n"},
        {BELL_STR("back\\slash"), "back&#92;slash", "back\\\\slash"},
        {BELL_STR("\x01\x1B\x7F\xC2\x85\xC2\xA0"), "\xC2\xA0", "\xC2\xA0"},
        {BELL_STR("a\0b"), "ab", "ab"},
        {BELL_STR("\xEF\xBF\xBE\xEF\xBF\xBF\xEF\xBF\xBD"), "\xEF\xBF\xBD", "\xEF\xBF\xBD"},
        {BELL_STR("\xE2\x80\xA8\xE2\x80\xA9"), "\xE2\x80\xA8\xE2\x80\xA9", "\\u2028\\u2029"},
        {BELL_STR("\xD9\x85\xD8\xB1\xF0\x9F\x8E\x93"), "\xD9\x85\xD8\xB1\xF0\x9F\x8E\x93", "\xD9\x85\xD8\xB1\xF0\x9F\x8E\x93"},
        {BELL_STR("a\xFF\x3C\xE2\x80"), "a\xEF\xBF\xBD&lt;\xEF\xBF\xBD", "a\xEF\xBF\xBD\\u003c\xEF\xBF\xBD"},
        {BELL_STR("\xC0\xBCscript"), "\xEF\xBF\xBD\xEF\xBF\xBDscript", "\xEF\xBF\xBD\xEF\xBF\xBDscript"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_becomes(bell_escape_html, rows[i].in, rows[i].html);
        assert_becomes(bell_escape_json, rows[i].in, rows[i].json);
    }
}

/* Whatever two bytes stand side by side: a JSON string for a parser, and nothing that begins or ends anything in a page. */
static void every_pair_of_bytes(void **state) {
    (void)state;
    for (unsigned pair = 0; pair < 65536; pair++) {
        const char in[2] = {(char)(pair >> 8), (char)(pair & 0xFF)};
        bell_buf b;

        bell_buf_init(&b, 64);
        bell_buf_add_char(&b, '"');
        bell_escape_json(&b, (bell_str){in, 2});
        bell_buf_add_char(&b, '"');
        json_t *parsed = json_loadb(b.p, b.len, JSON_DECODE_ANY, NULL);
        assert_true(json_is_string(parsed));
        json_decref(parsed);
        assert_null(memchr(b.p + 1, '"', b.len - 2));
        bell_buf_add_char(&b, '\0');
        assert_null(strpbrk(b.p, "<>&'"));
        bell_buf_reset(&b);
        bell_escape_html(&b, (bell_str){in, 2});
        bell_buf_add_char(&b, '\0');
        assert_null(strpbrk(b.p, "<>\"'\\\n\t\r"));
        bell_buf_fini(&b);
    }
}

static void a_full_buffer_says_so(void **state) {
    bell_buf b;

    (void)state;
    bell_buf_init(&b, 8);
    bell_escape_html(&b, BELL_STR("<<<"));
    assert_true(b.failed);
    bell_buf_fini(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_forms),
        cmocka_unit_test(every_pair_of_bytes),
        cmocka_unit_test(a_full_buffer_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
