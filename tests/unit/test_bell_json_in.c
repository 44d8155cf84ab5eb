#include "bell_json_in.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

/* The text in memory of exactly its size: a sanitizer sees the first read past the end. */
static json_t *read_text(const char *text, size_t len, char err[BELL_JSON_IN_ERROR_BYTES]) {
    char *copy = malloc(len ? len : 1);
    json_t *v;

    memcpy(copy, text, len);
    err[0] = '\0';
    v = bell_json_read((bell_str){copy, len}, err, BELL_JSON_IN_ERROR_BYTES);
    free(copy);
    assert_int_equal(v == NULL, err[0] != '\0');
    return v;
}

static void refused(void **state) {
    static const struct {
        const char *text, *sentence;
    } rows[] = {
        {"", "Line 1, column 1: not well-formed JSON."},
        {"{", "Line 1, column 1: not well-formed JSON."},
        {"{\"a\":1,}", "Line 1, column 8: not well-formed JSON."},
        {"{\n\"a\":1,\n\"a\":2}", "Line 3, column 3: a name stands twice in one object."},
        {"{\"a\":{\"b\":1,\"b\":1}}", "Line 1, column 15: a name stands twice in one object."},
        {"{\"a\":1}x", "Line 1, column 8: not well-formed JSON."},
        {"{\"a\":1}{}", "Line 1, column 8: not well-formed JSON."},
        {"{\"\xE4\":1}", "Line 1, column 3: a NUL, or a byte that is not UTF-8."},
        {"{\n\"\xC3\xA4\xC3\":1}", "Line 2, column 4: a NUL, or a byte that is not UTF-8."},
        {"{\"\xED\xA0\x80\":1}", "Line 1, column 3: a NUL, or a byte that is not UTF-8."}, /* half of a surrogate pair */
        {"{\"\\u0000\":1}", "Line 1, column 9: not well-formed JSON."},
        {"{\"a\":\"\\u0000\"}", "Line 1, column 13: not well-formed JSON."},
        {"{\"a\":\"\\ud800\"}", "Line 1, column 13: not well-formed JSON."},
        {"{\"a\":\"\t\"}", "Line 1, column 6: not well-formed JSON."},
        {"{\"a\":\"", "Line 1, column 6: not well-formed JSON."},
        {"{\"a\":\"\\", "Line 1, column 7: not well-formed JSON."},
        {"{'a':1}", "Line 1, column 2: not well-formed JSON."},
        {"{\"a\":01}", "Line 1, column 6: not well-formed JSON."},
        {"{\"a\":NaN}", "Line 1, column 8: not well-formed JSON."},
        {"{\"a\":1e999}", "Line 1, column 10: not well-formed JSON."},
        {"{\"a\":99999999999999999999}", "Line 1, column 25: not well-formed JSON."},
        {"\xEF\xBB\xBF{}", "Line 1, column 1: not well-formed JSON."},
        {"1", "Line 1, column 1: not well-formed JSON."}, /* neither array nor object */
        {"]]]", "Line 1, column 1: not well-formed JSON."},
    };
    char err[BELL_JSON_IN_ERROR_BYTES];

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        assert_null(read_text(rows[i].text, strlen(rows[i].text), err));
        if (strcmp(err, rows[i].sentence) != 0) {
            fail_msg("%s: found \"%s\", expected \"%s\"", rows[i].text, err, rows[i].sentence);
        }
    }
    assert_null(read_text("{\"a\":1\0}", 8, err));
    assert_string_equal(err, "Line 1, column 7: a NUL, or a byte that is not UTF-8.");
}

static void accepted(void **state) {
    static const char *const rows[] = {
        "{}", "[]", " {\"a\":[1,2.5,true,null,\"x\"]}\n", "{\"a\":\"]]]]{{{{,,,,\"}", "{\"a\\\"[\":\"\\\\\"}", "{\"\xC3\xA4\":1}"};
    char err[BELL_JSON_IN_ERROR_BYTES];

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        json_t *v = read_text(rows[i], strlen(rows[i]), err);

        assert_row(v != NULL, rows[i]);
        json_decref(v);
    }
}

/* The deepest text that is read, and one level more; brackets in strings are none. */
static void nesting_has_a_bound(void **state) {
    char err[BELL_JSON_IN_ERROR_BYTES], text[256];

    (void)state;
    for (size_t depth = BELL_JSON_IN_DEPTH_MAX - 1; depth <= BELL_JSON_IN_DEPTH_MAX + 1; depth++) {
        json_t *v;

        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        v = read_text(text, 2 * depth, err);
        assert_int_equal(v != NULL, depth <= BELL_JSON_IN_DEPTH_MAX);
        json_decref(v);
    }
    assert_string_equal(err, "Line 1, column 33: arrays and objects are nested more than 32 deep.");
    /* told before the end is looked for */
    memset(text, '{', sizeof(text));
    assert_null(read_text(text, sizeof(text), err));
    assert_string_equal(err, "Line 1, column 33: arrays and objects are nested more than 32 deep.");
}

static void values_have_a_bound(void **state) {
    size_t cap = 2 * BELL_JSON_IN_VALUES_MAX + 8, len;
    char err[BELL_JSON_IN_ERROR_BYTES], *text = malloc(cap);

    (void)state;
    for (size_t n = BELL_JSON_IN_VALUES_MAX - 1; n <= BELL_JSON_IN_VALUES_MAX + 1; n++) {
        json_t *v;

        len = 0;
        for (size_t i = 0; i < n; i++) {
            text[len++] = i == 0 ? '[' : ',';
            text[len++] = '1';
        }
        text[len++] = ']';
        v = read_text(text, len, err);
        assert_int_equal(v != NULL, n <= BELL_JSON_IN_VALUES_MAX);
        json_decref(v);
    }
    assert_string_equal(err, "Line 1, column 20001: there are more than 10000 values.");
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused),
        cmocka_unit_test(accepted),
        cmocka_unit_test(nesting_has_a_bound),
        cmocka_unit_test(values_have_a_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
