#include "bell_json.h"
#include "unit.h"

#include <jansson.h>

static void assert_text(bell_json *j, const char *expected) {
    assert_true(bell_json_done(j));
    assert_int_equal(j->buf->len, strlen(expected));
    assert_memory_equal(j->buf->p, expected, j->buf->len);
}

static void nesting_and_commas(void **state) {
    bell_buf b;
    bell_json j;

    (void)state;
    bell_buf_init(&b, 1000);
    bell_json_init(&j, &b);
    assert_false(bell_json_done(&j));
    bell_json_object_open(&j);
    bell_json_key(&j, "a");
    bell_json_array_open(&j);
    bell_json_int(&j, 1);
    bell_json_object_open(&j);
    bell_json_object_close(&j);
    bell_json_array_open(&j);
    bell_json_array_close(&j);
    bell_json_bool(&j, true);
    bell_json_bool(&j, false);
    bell_json_null(&j);
    bell_json_z(&j, NULL);
    bell_json_z(&j, "z");
    bell_json_array_close(&j);
    bell_json_key(&j, "b");
    bell_json_raw(&j, BELL_STR("{\"x\":[]}"));
    bell_json_key(&j, "c");
    bell_json_raw(&j, BELL_STR_NULL);
    bell_json_key(&j, "d");
    bell_json_str(&j, BELL_STR_NULL);
    assert_false(bell_json_done(&j));
    bell_json_object_close(&j);
    assert_text(&j, "{\"a\":[1,{},[],true,false,null,null,\"z\"],\"b\":{\"x\":[]},\"c\":null,\"d\":\"\"}");
    bell_buf_fini(&b);
}

static void strings(void **state) {
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"plain", "\"plain\""},
        {"", "\"\""},
        {"\"\\/", "\"\\\"\\\\/\""},
        {"\b\t\n\f\r", "\"\\b\\t\\n\\f\\r\""},
        {"\x01\x1F\x7F", "\"\\u0001\\u001f\x7F\""},
        {"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x8E\x93", "\"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x8E\x93\""},
        {"a\xFF"
         "b",
         "\"a\xEF\xBF\xBD"
         "b\""},
        {"\xE2\x82", "\"\xEF\xBF\xBD\""},
        {"\xF0\x9F\x8E"
         "A",
         "\"\xEF\xBF\xBD"
         "A\""},
        {"\xED\xA0\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
        {"</script>", "\"</script>\""},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_buf b;
        bell_json j;

        bell_buf_init(&b, 1000);
        bell_json_init(&j, &b);
        bell_json_str(&j, bell_str_of(rows[i].in));
        assert_text(&j, rows[i].out);
        bell_buf_fini(&b);
    }
}

static void numbers(void **state) {
    static const struct {
        int64_t value;
        unsigned digits;
        const char *out;
    } rows[] = {
        {8750, 2, "87.5"},
        {8755, 2, "87.55"},
        {8700, 2, "87"},
        {5, 2, "0.05"},
        {50, 2, "0.5"},
        {-5, 2, "-0.05"},
        {-8750, 2, "-87.5"},
        {0, 2, "0"},
        {0, 0, "0"},
        {42, 0, "42"},
        {10000, 2, "100"},
        {INT64_MAX, 18, "9.223372036854775807"},
        {INT64_MIN, 18, "-9.223372036854775808"},
        {INT64_MIN, 0, "-9223372036854775808"},
        {1, 18, "0.000000000000000001"},
        {100000, 5, "1"},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_buf b;
        bell_json j;

        bell_buf_init(&b, 100);
        bell_json_init(&j, &b);
        bell_json_fixed(&j, rows[i].value, rows[i].digits);
        assert_text(&j, rows[i].out);
        bell_buf_fini(&b);
    }
}

/* Each misuse leaves a writer that says so: never text that looks right. */
static void misuse_shows(void **state) {
    static const struct {
        const char *calls; /* {}[] as they are, k a key, v a value */
        bool good;
    } rows[] = {
        {"v", true},     {"{}", true},  {"[]", true},     {"[vv[v]v]", true}, {"{kvk{kv}k[]}", true}, {"", false},
        {"{", false},    {"[", false},  {"vv", false},    {"{}v", false},     {"{}{}", false},        {"{v}", false},
        {"[kv]", false}, {"k", false},  {"{kkv}", false}, {"{k}", false},     {"{kvv}", false},       {"}", false},
        {"]", false},    {"[}", false}, {"{]", false},    {"[{]}", false},    {"{k[}]", false},       {"[]]", false},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_buf b;
        bell_json j;

        bell_buf_init(&b, 1000);
        bell_json_init(&j, &b);
        for (const char *c = rows[i].calls; *c; c++) {
            switch (*c) {
            case '{':
                bell_json_object_open(&j);
                break;
            case '}':
                bell_json_object_close(&j);
                break;
            case '[':
                bell_json_array_open(&j);
                break;
            case ']':
                bell_json_array_close(&j);
                break;
            case 'k':
                bell_json_key(&j, "k");
                break;
            default:
                bell_json_int(&j, 1);
                break;
            }
        }
        assert_row(bell_json_done(&j) == rows[i].good, rows[i].calls);
        bell_buf_fini(&b);
    }
}

static bool nests(unsigned depth, bool objects) {
    bell_buf b;
    bell_json j;
    bool good;

    bell_buf_init(&b, 10000);
    bell_json_init(&j, &b);
    for (unsigned i = 0; i < depth; i++) {
        if (objects) {
            bell_json_object_open(&j);
        } else {
            bell_json_array_open(&j);
        }
        if (objects && i + 1 < depth) {
            bell_json_key(&j, "k");
        }
    }
    for (unsigned i = 0; i < depth; i++) {
        if (objects) {
            bell_json_object_close(&j);
        } else {
            bell_json_array_close(&j);
        }
    }
    good = bell_json_done(&j);
    bell_buf_fini(&b);
    return good;
}

static void depth(void **state) {
    (void)state;
    assert_true(nests(BELL_JSON_DEPTH_MAX, false));
    assert_true(nests(BELL_JSON_DEPTH_MAX, true));
    assert_false(nests(BELL_JSON_DEPTH_MAX + 1, false));
    assert_false(nests(BELL_JSON_DEPTH_MAX + 1, true));
}

static void a_full_buffer_shows(void **state) {
    bell_buf b;
    bell_json j;

    (void)state;
    for (size_t max = 0; max < 12; max++) {
        bell_buf_init(&b, max);
        bell_json_init(&j, &b);
        bell_json_array_open(&j);
        bell_json_str(&j, BELL_STR("12345\n"));
        bell_json_array_close(&j);
        assert_int_equal(bell_json_done(&j), max >= 11);
        assert_true(b.len <= max);
        bell_buf_fini(&b);
    }
}

/* A parser of somebody else reads back what was written, whatever bytes went in. */
static void jansson_reads_it_back(void **state) {
    char bytes[256];
    json_t *v;
    bell_buf b;
    bell_json j;

    (void)state;
    for (unsigned i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (char)i;
    }
    bell_buf_init(&b, 10000);
    bell_json_init(&j, &b);
    bell_json_str(&j, (bell_str){bytes, sizeof(bytes)});
    assert_true(bell_json_done(&j));
    v = json_loadb(b.p, b.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    assert_non_null(v);
    assert_memory_equal(json_string_value(v), bytes, 128);
    json_decref(v);
    bell_buf_fini(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nesting_and_commas),    cmocka_unit_test(strings), cmocka_unit_test(numbers),
        cmocka_unit_test(misuse_shows),          cmocka_unit_test(depth),   cmocka_unit_test(a_full_buffer_shows),
        cmocka_unit_test(jansson_reads_it_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
