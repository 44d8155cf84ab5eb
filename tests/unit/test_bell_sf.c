#include "bell_sf.h"
#include "unit.h"

#include <stdio.h>

/* A value as text: its type's letter, number or text, "|" and its parameters when there are any. */
static void describe(const bell_sf_value *v, char *out, size_t cap) {
    static const char letters[] = "idstbBDuL";
    size_t n;

    if (v->type == BELL_SF_INTEGER || v->type == BELL_SF_DECIMAL || v->type == BELL_SF_BOOLEAN || v->type == BELL_SF_DATE) {
        n = (size_t)snprintf(out, cap, "%c:%lld", letters[v->type], (long long)v->number);
    } else {
        n = (size_t)snprintf(out, cap, "%c:%.*s", letters[v->type], BELL_STR_ARG(v->text));
    }
    if (v->params.len > 0) {
        snprintf(out + n, cap - n, "|%.*s", BELL_STR_ARG(v->params));
    }
}

static void items(void **state) {
    static const struct {
        const char *field, *value;
    } rows[] = {
        /* RFC 9651, 3.3.1 and 4.2.4: numbers */
        {"42", "i:42"},
        {"-42", "i:-42"},
        {"0", "i:0"},
        {"-0", "i:0"},
        {"00042", "i:42"},
        {"  42  ", "i:42"},
        {"999999999999999", "i:999999999999999"},
        {"-999999999999999", "i:-999999999999999"},
        {"4.5", "d:4500"},
        {"-0.25", "d:-250"},
        {"1.234", "d:1234"},
        {"123456789012.125", "d:123456789012125"},
        {"-123456789012.1", "d:-123456789012100"},
        /* 3.3.3: strings */
        {"\"\"", "s:"},
        {"\"hello world\"", "s:hello world"},
        {"\"a \\\"b\\\\\"", "s:a \\\"b\\\\"},
        {"\"a, b; c=(d)\"", "s:a, b; c=(d)"},
        /* 3.3.4: tokens */
        {"foo123/456", "t:foo123/456"},
        {"*", "t:*"},
        {"A:b!#$%&'*+-.^_`|~", "t:A:b!#$%&'*+-.^_`|~"},
        /* 3.3.5: byte sequences */
        {":cHJldGVuZCB0aGlzIGlzIGJpbmFyeSBjb250ZW50Lg==:", "b:cHJldGVuZCB0aGlzIGlzIGJpbmFyeSBjb250ZW50Lg=="},
        {":aGVsbG8:", "b:aGVsbG8"},
        {":iZ==:", "b:iZ=="},
        {":+/Aa:", "b:+/Aa"},
        {"::", "b:"},
        /* 3.3.6 to 3.3.8: booleans, dates, display strings */
        {"?1", "B:1"},
        {"?0", "B:0"},
        {"@1659578233", "D:1659578233"},
        {"@-62135596800", "D:-62135596800"},
        {"%\"This is intended for display to %c3%bcsers.\"", "u:This is intended for display to %c3%bcsers."},
        {"%\"%f0%9f%8e%93 \\ %25\"", "u:%f0%9f%8e%93 \\ %25"},
        {"%\"\"", "u:"},
        /* 3.1.2: parameters */
        {"text/html;charset=utf-8", "t:text/html|;charset=utf-8"},
        {"5; foo;  bar=?0;baz=\"x;y\"", "i:5|; foo;  bar=?0;baz=\"x;y\""},
        {"5;*a_b-c.d=1", "i:5|;*a_b-c.d=1"},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_sf_value v;
        char text[200];

        assert_row(bell_sf_item(bell_str_of(rows[i].field), &v), rows[i].field);
        describe(&v, text, sizeof(text));
        assert_string_equal(text, rows[i].value);
    }
}

static void no_items(void **state) {
    static const char *const rows[] = {
        "",
        " ",
        "\t42",
        "42\t",
        "42 43",
        "42,43",
        "(1 2)",
        "&",
        "é",
        "=1",
        ";a",
        /* numbers */
        "-",
        "+1",
        "--1",
        "- 1",
        "1.",
        ".5",
        "1.2.3",
        "1.2345",
        "1234567890123.1",
        "1000000000000000",
        "-1000000000000000",
        "1e3",
        "0x1",
        "1a",
        /* strings */
        "\"",
        "\"a",
        "\"a\\",
        "\"a\\\"",
        "\"a\\b\"",
        "'a'",
        "\"a\tb\"",
        "\"\x7F\"",
        "\"\xC3\xA9\"",
        "\"a\"b",
        /* tokens */
        "a\"b",
        "a b",
        "a(b",
        "a=b",
        "!a",
        "/a",
        /* byte sequences */
        ":",
        ":a:",
        ":ab",
        ":ab=:",
        ":abc==:",
        ":ab===:",
        ":====:",
        ":=:",
        ":ab==cd:",
        ":ab-_:",
        ":a b:",
        ":aaaaa:",
        /* booleans, dates, display strings */
        "?",
        "?2",
        "?true",
        "?10",
        "@",
        "@1.5",
        "@a",
        "@ 1",
        "%",
        "%a",
        "%\"",
        "%\"a",
        "%\"%",
        "%\"%4",
        "%\"%C3%BC\"",
        "%\"%c3\"",
        "%\"%c3a\"",
        "%\"%bc\"",
        "%\"%ed%a0%80\"",
        "%\"%f8%80%80%80\"",
        "%\"%g1\"",
        "%\"\xC3\xBC\"",
        "%\"a\tb\"",
        /* parameters */
        "1;",
        "1; ",
        "1;A",
        "1;a=",
        "1;a=;b",
        "1;a= 1",
        "1;a =1",
        "1 ;a",
        "1;a=(1 2)",
        "1;1a",
        "1;;a",
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_sf_value v;

        assert_row(!bell_sf_item(bell_str_of(rows[i]), &v), rows[i]);
    }
}

/* All members of a field as one text, "!" when it is none. */
static void read_all(const char *field, bool dictionary, char *out, size_t cap) {
    bell_sf r;
    bell_str key = BELL_STR("");
    bell_sf_value v;
    char *to = out;
    int more;

    *out = '\0';
    bell_sf_init(&r, bell_str_of(field));
    while ((more = dictionary ? bell_sf_next_member(&r, &key, &v) : bell_sf_next_entry(&r, &v)) == 1) {
        to += snprintf(to, cap - (size_t)(to - out), "%s%.*s%s", to == out ? "" : " ", BELL_STR_ARG(key), dictionary ? "=" : "");
        describe(&v, to, cap - (size_t)(to - out));
        to += strlen(to);
    }
    if (more < 0) {
        snprintf(out, cap, "!");
        /* and so it stays */
        assert_int_equal(dictionary ? bell_sf_next_member(&r, &key, &v) : bell_sf_next_entry(&r, &v), -1);
    }
}

static void dictionaries(void **state) {
    static const struct {
        const char *field, *members;
    } rows[] = {
        {"", ""},
        {"   ", ""},
        {"en=\"Applepie\", da=:w4ZibGV0w6ZydGU=:", "en=s:Applepie da=b:w4ZibGV0w6ZydGU="}, /* RFC 9651, 3.2 */
        {"a=?0, b, c; foo=bar", "a=B:0 b=B:1 c=B:1|; foo=bar"},
        {"rating=1.5, feelings=(joy sadness)", "rating=d:1500 feelings=L:joy sadness"},
        {"a=(1 2), b=3, c=4;aa=bb, d=(5 6);valid", "a=L:1 2 b=i:3 c=i:4|;aa=bb d=L:5 6|;valid"},
        {"a=1,b=2", "a=i:1 b=i:2"},
        {"a=1 \t,\t b=2  ", "a=i:1 b=i:2"},
        {"a=1, a=2", "a=i:1 a=i:2"},
        {"max-age=3600, stale-while-revalidate=60, no-cache=\"a, b\"", "max-age=i:3600 stale-while-revalidate=i:60 no-cache=s:a, b"},
        {"*a.b_c-1=()", "*a.b_c-1=L:"},
        {"a=( 1  ( )", "!"},
        {"a=( 1   2 );x", "a=L: 1   2 |;x"},
        /* not one member good when one is bad */
        {"max-age=10000, &&&&&", "!"},
        {"max-age =100", "!"},
        {"max-age= 100", "!"},
        {"MaX-aGe=3600", "!"},
        {"a=1,", "!"},
        {"a=1, ", "!"},
        {",a=1", "!"},
        {"a=1,,b=2", "!"},
        {"a=1 b=2", "!"},
        {"a=1;b=2;", "!"},
        {"\ta=1", "!"},
        {"1a=1", "!"},
        {"a=", "!"},
        {"a=(1 2", "!"},
        {"a=(1\t2)", "!"},
        {"a=(1,2)", "!"},
        {"a=(\"x\"\"y\")", "!"},
        {"a=((1) 2)", "!"},
        {"a=1)", "!"},
        {"a=\"1, b=2", "!"},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        char text[300];

        read_all(rows[i].field, true, text, sizeof(text));
        assert_row(strcmp(text, rows[i].members) == 0, rows[i].field);
        assert_int_equal(bell_sf_is_dictionary(bell_str_of(rows[i].field)), rows[i].members[0] != '!');
    }
}

static void lists(void **state) {
    static const struct {
        const char *field, *entries;
    } rows[] = {
        {"", ""},
        {"sugar, tea, rum", "t:sugar t:tea t:rum"}, /* RFC 9651, 3.1 */
        {"(\"foo\" \"bar\"), (\"baz\"), (\"bat\" \"one\"), ()", "L:\"foo\" \"bar\" L:\"baz\" L:\"bat\" \"one\" L:"},
        {"(\"foo\"; a=1;b=2);lvl=5, (\"bar\" \"baz\");lvl=1", "L:\"foo\"; a=1;b=2|;lvl=5 L:\"bar\" \"baz\"|;lvl=1"},
        {"abc;a=1;b=2; cde_456, (ghi;jk=4 l);q=\"9\";r=w", "t:abc|;a=1;b=2; cde_456 L:ghi;jk=4 l|;q=\"9\";r=w"},
        {"Origin; hit; ttl=1100, \"CDN, Inc\"; fwd=stale; ttl=-30", "t:Origin|; hit; ttl=1100 s:CDN, Inc|; fwd=stale; ttl=-30"}, /* RFC 9211 */
        {"a,\tb", "t:a t:b"},
        {"a, ", "!"},
        {"a,,b", "!"},
        {", a", "!"},
        {"a b", "!"},
        {"a=1", "!"},
        {"edge; hit, =", "!"},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        char text[300];

        read_all(rows[i].field, false, text, sizeof(text));
        assert_row(strcmp(text, rows[i].entries) == 0, rows[i].field);
        assert_int_equal(bell_sf_is_list(bell_str_of(rows[i].field)), rows[i].entries[0] != '!');
    }
}

static void inside_of_a_value(void **state) {
    bell_sf r, inner, params;
    bell_str key;
    bell_sf_value list, v;

    (void)state;
    bell_sf_init(&r, BELL_STR("( a;x  \"b \\\\ c\";y=1;z=?0 );q=tea;  p"));
    assert_int_equal(bell_sf_next_entry(&r, &list), 1);
    bell_sf_inner(&inner, &list);
    assert_int_equal(bell_sf_next_inner(&inner, &v), 1);
    assert_true(v.type == BELL_SF_TOKEN && bell_str_eq(v.text, BELL_STR("a")) && bell_str_eq(v.params, BELL_STR(";x")));
    assert_int_equal(bell_sf_next_inner(&inner, &v), 1);
    assert_true(v.type == BELL_SF_STRING && bell_str_eq(v.text, BELL_STR("b \\\\ c")));
    bell_sf_params(&params, &v);
    assert_int_equal(bell_sf_next_param(&params, &key, &v), 1);
    assert_true(bell_str_eq(key, BELL_STR("y")) && v.type == BELL_SF_INTEGER && v.number == 1);
    assert_int_equal(bell_sf_next_param(&params, &key, &v), 1);
    assert_true(bell_str_eq(key, BELL_STR("z")) && v.type == BELL_SF_BOOLEAN && v.number == 0);
    assert_int_equal(bell_sf_next_param(&params, &key, &v), 0);
    assert_int_equal(bell_sf_next_inner(&inner, &v), 0);

    bell_sf_params(&params, &list);
    assert_int_equal(bell_sf_next_param(&params, &key, &v), 1);
    assert_true(bell_str_eq(key, BELL_STR("q")) && bell_str_eq(v.text, BELL_STR("tea")));
    assert_int_equal(bell_sf_next_param(&params, &key, &v), 1);
    assert_true(bell_str_eq(key, BELL_STR("p")) && v.type == BELL_SF_BOOLEAN && v.number == 1);
    assert_int_equal(bell_sf_next_param(&params, &key, &v), 0);
    assert_int_equal(bell_sf_next_entry(&r, &list), 0);
    assert_int_equal(bell_sf_next_entry(&r, &list), 0);
}

static void unescaped(void **state) {
    char out[20];

    (void)state;
    assert_int_equal(bell_sf_unescape(BELL_STR("a \\\"b\\\\"), out), 5);
    assert_memory_equal(out, "a \"b\\", 5);
    assert_int_equal(bell_sf_unescape(BELL_STR(""), out), 0);
}

static void a_list_is_written(void **state) {
    char out[200];
    bell_sf_writer w;

    (void)state;
    bell_sf_writer_init(&w, out, sizeof(out));
    bell_sf_put_token(&w, BELL_STR("edge-1"));
    bell_sf_param_boolean(&w, "hit", true);
    bell_sf_param_boolean(&w, "stored", false);
    bell_sf_param_integer(&w, "ttl", -30);
    bell_sf_param_token(&w, "fwd", BELL_STR("uri-miss"));
    bell_sf_param_string(&w, "key", BELL_STR("/a?b=\"\\c\""));
    bell_sf_put_string(&w, BELL_STR(""));
    bell_sf_param_bytes(&w, "a", BELL_STR("\xfb\xff\x01"));
    bell_sf_param_bytes(&w, "b", BELL_STR("hell"));
    bell_sf_param_bytes(&w, "c", BELL_STR("hello"));
    bell_sf_param_bytes(&w, "d", BELL_STR_NULL);
    bell_sf_put_integer(&w, 999999999999999);
    bell_sf_put_integer(&w, 0);
    bell_sf_put_boolean(&w, true);
    bell_sf_put_boolean(&w, false);
    assert_false(w.failed);
    out[w.len] = '\0';
    assert_string_equal(out, "edge-1;hit;stored=?0;ttl=-30;fwd=uri-miss;key=\"/a?b=\\\"\\\\c\\\"\", \"\";a=:+/8B:;b=:aGVsbA==:;c=:aGVsbG8=:;d=::, "
                             "999999999999999, 0, ?1, ?0");
    assert_true(bell_sf_is_list((bell_str){out, w.len}));
}

static void what_has_no_form_is_not_written(void **state) {
    static const struct {
        const char *token, *text, *key;
        int64_t number;
    } rows[] = {
        {"", "x", "k", 0},          {"1a", "x", "k", 0},       {"a b", "x", "k", 0},  {"a\"", "x", "k", 0},
        {"a", "\n", "k", 0},        {"a", "\xC3\xA9", "k", 0}, {"a", "\x7F", "k", 0}, {"a", "x", "", 0},
        {"a", "x", "K", 0},         {"a", "x", "1k", 0},       {"a", "x", "k=", 0},   {"a", "x", "k", 1000000000000000},
        {"a", "x", "k", INT64_MIN},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        char out[100];
        bell_sf_writer w;
        size_t len;

        bell_sf_writer_init(&w, out, sizeof(out));
        bell_sf_put_token(&w, bell_str_of(rows[i].token));
        bell_sf_param_string(&w, rows[i].key, bell_str_of(rows[i].text));
        bell_sf_param_integer(&w, "n", rows[i].number);
        assert_true(w.failed);
        len = w.len;
        bell_sf_put_token(&w, BELL_STR("more"));
        assert_int_equal(w.len, len);
    }
}

/* Whatever the room, no byte is written behind it, and all is there when it suffices. */
static void room(void **state) {
    (void)state;
    for (size_t cap = 0; cap <= 40; cap++) {
        char out[41];
        bell_sf_writer w;

        memset(out, '#', sizeof(out));
        bell_sf_writer_init(&w, out, cap);
        bell_sf_put_token(&w, BELL_STR("edge"));
        bell_sf_param_string(&w, "key", BELL_STR("a\"b"));
        bell_sf_param_integer(&w, "ttl", 86400);
        assert_int_equal(w.failed, cap < 25);
        assert_int_equal(out[cap], '#');
        assert_true(w.failed || w.len == 25);
    }
}

static void a_parameter_needs_an_item(void **state) {
    char out[20];
    bell_sf_writer w;

    (void)state;
    bell_sf_writer_init(&w, out, sizeof(out));
    bell_sf_param_boolean(&w, "hit", true);
    assert_true(w.failed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items),
        cmocka_unit_test(no_items),
        cmocka_unit_test(dictionaries),
        cmocka_unit_test(lists),
        cmocka_unit_test(inside_of_a_value),
        cmocka_unit_test(unescaped),
        cmocka_unit_test(a_list_is_written),
        cmocka_unit_test(what_has_no_form_is_not_written),
        cmocka_unit_test(room),
        cmocka_unit_test(a_parameter_needs_an_item),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
