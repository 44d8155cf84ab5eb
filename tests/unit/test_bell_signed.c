#include "signed.h"

#include <stdlib.h>

static void names_of_reasons(void **state) {
    (void)state;
    for (unsigned r = 0; r < BELL_SIGNED_REASONS; r++) {
        const char *name = bell_signed_reason_name(r);
        assert_non_null(name);
        assert_true(strspn(name, "abcdefghijklmnopqrstuvwxyz_") == strlen(name) && name[0] != '\0');
        for (unsigned other = 0; other < r; other++) {
            assert_string_not_equal(name, bell_signed_reason_name(other));
        }
    }
    assert_string_equal(bell_signed_reason_name(BELL_SIGNED_OK), "ok");
    assert_string_equal(bell_signed_reason_name(BELL_SIGNED_NOT_YET), "not_yet");
}

static void addresses(void **state) {
    static const struct {
        const char *text;
        sa_family_t family;
        unsigned char first, last;
    } rows[] = {
        {"192.0.2.10", AF_INET, 192, 10},
        {"0.0.0.0", AF_INET, 0, 0},
        {"::ffff:192.0.2.10", AF_INET, 192, 10},
        {"::ffff:c000:20a", AF_INET, 192, 10},
        {"::1", AF_INET6, 0, 1},
        {"2001:db8::7", AF_INET6, 0x20, 7},
        {"::192.0.2.10", AF_INET6, 0, 10},
        {"", 0, 0, 0},
        {"192.0.2", 0, 0, 0},
        {"192.0.2.010", 0, 0, 0},
        {"192.0.2.256", 0, 0, 0},
        {"192.0.2.10 ", 0, 0, 0},
        {"192.0.2.10/32", 0, 0, 0},
        {"fe80::1%eth0", 0, 0, 0},
        {"0:0:0:0:0:0:0:0:0", 0, 0, 0},
        {"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa", 0, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_address a;
        bool ok = bell_address_parse(bell_str_of(rows[i].text), &a);
        assert_row(ok == (rows[i].family != 0) && a.family == rows[i].family, rows[i].text);
        assert_row(a.bytes[0] == rows[i].first && a.bytes[a.family == AF_INET ? 3 : 15] == rows[i].last, rows[i].text);
    }
    bell_address a;
    assert_false(bell_address_parse((bell_str){"192.0.2.1\0000", 11}, &a));
    assert_false(bell_address_parse(BELL_STR_NULL, &a));
}

static void networks(void **state) {
    static const struct {
        const char *address, *network;
        int want;
    } rows[] = {
        {"192.0.2.10", "192.0.2.10", 1},
        {"192.0.2.10", "192.0.2.11", 0},
        {"192.0.2.10", "192.0.2.0/24", 1},
        {"192.0.2.10", "192.0.2.77/24", 1},
        {"192.0.3.10", "192.0.2.0/24", 0},
        {"192.0.3.10", "192.0.2.0/23", 1},
        {"192.0.2.10", "192.0.2.8/30", 1},
        {"192.0.2.12", "192.0.2.8/30", 0},
        {"255.0.2.10", "0.0.0.0/0", 1},
        {"192.0.2.10", "192.0.2.10/32", 1},
        {"::ffff:192.0.2.10", "192.0.2.0/24", 1},
        {"192.0.2.10", "::ffff:192.0.2.0/120", 1},
        {"192.0.3.10", "::ffff:192.0.2.0/120", 0},
        {"192.0.2.10", "::ffff:192.0.2.10", 1},
        {"192.0.2.10", "::ffff:0:0/96", 1},
        {"192.0.2.10", "::ffff:0:0/95", -1},
        {"192.0.2.10", "::/0", 0},
        {"2001:db8::7", "::/0", 1},
        {"2001:db8::7", "2001:db8::/32", 1},
        {"2001:db9::7", "2001:db8::/32", 0},
        {"2001:db8::7", "2001:db8::7/128", 1},
        {"2001:db8::7", "0.0.0.0/0", 0},
        {"192.0.2.10", "192.0.2.0/33", -1},
        {"192.0.2.10", "192.0.2.0/", -1},
        {"192.0.2.10", "192.0.2.0/024", -1},
        {"192.0.2.10", "192.0.2.0/+24", -1},
        {"192.0.2.10", "192.0.2.0/24/24", -1},
        {"192.0.2.10", "192.0.2/24", -1},
        {"192.0.2.10", "", -1},
        {"192.0.2.10", "/24", -1},
        {"2001:db8::7", "2001:db8::/129", -1},
        {"2001:db8::7", "192.0.2.0/33", -1},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_address a;
        assert_true(bell_address_parse(bell_str_of(rows[i].address), &a));
        assert_row(bell_address_is_inside(&a, bell_str_of(rows[i].network)) == rows[i].want, rows[i].network);
    }
    bell_address unknown = {0};
    assert_int_equal(bell_address_is_inside(&unknown, BELL_STR("0.0.0.0/0")), 0);
    assert_int_equal(bell_address_is_inside(&unknown, BELL_STR("::/0")), 0);
    assert_int_equal(bell_address_is_inside(&unknown, BELL_STR("x")), -1);
}

static void plain_targets(void **state) {
    static const struct {
        const char *target;
        bool plain;
    } rows[] = {
        {"/", true},
        {"/a/b.ts", true},
        {"/a//b", true},
        {"/a/...", true},
        {"/a/.hidden", true},
        {"/a/..b", true},
        {"/a/b..", true},
        {"/a/b.", true},
        {"/a/%2e%2eb", true},
        {"/a/%2e.%2e", true},
        {"/a%2Fb", true},
        {"/a%23b", true},
        {"/a%25b", true},
        {"/%252e%252e/a", true}, /* decoded once it is a name */
        {"/a%5cb", true},
        {"/\xc3\xa9", true},
        {"/a;b=c", true},
        {"/a?../../x=%zz", true},
        {"/a?b=../c", true},
        {"", false},
        {"a", false},
        {"?a", false},
        {"*", false},
        {"/.", false},
        {"/..", false},
        {"/./a", false},
        {"/../a", false},
        {"/a/..", false},
        {"/a/.", false},
        {"/a/../b", false},
        {"/a/..?x", false},
        {"/a/%2e%2e/b", false},
        {"/a/%2E./b", false},
        {"/a/.%2e", false},
        {"/a/%2e", false},
        {"/a%2f..%2fb", false},
        {"/a%2F%2e%2E%2Fb", false},
        {"/%2e%2e%2fb", false},
        {"/a/..%2fb", false},
        {"/a%5c..%5cb", false},
        {"/a/..;/b", false},
        {"/a/..;x=y/b", false},
        {"/a\\b", false},
        {"/a#b", false},
        {"/a?b#c", false},
        {"/a%00b", false},
        {"/a%0ab", false},
        {"/a%7fb", false},
        {"/a\nb", false},
        {"/a\x7f", false},
        {"/a%", false},
        {"/a%2", false},
        {"/a%2g", false},
        {"/a%g2", false},
        {"/a%%41", false},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        assert_row(bell_signed_is_plain_target(bell_str_of(rows[i].target)) == rows[i].plain, rows[i].target);
    }
    assert_false(bell_signed_is_plain_target((bell_str){"/a\0b", 4}));
    assert_false(bell_signed_is_plain_target(BELL_STR_NULL));
    assert_false(bell_signed_is_plain_target((bell_str){"/a%2e", 4})); /* the last byte is not the target's */
}

/* Paths of every length, with a text at every place of them: it says the same wherever it stands. */
static void plain_targets_of_any_length(void **state) {
    static const struct {
        const char *text;
        bool plain;
    } rows[] = {{"b", true},   {".", true},       {"/", true},     {"/...", true},    {"/.b", true},   {"%2f", true},
                {";x", true},  {"/../x", false},  {"/./x", false}, {"/%2E/x", false}, {"%2e", true},   {"%0a", false},
                {"%g", false}, {"%2f..;", false}, {"#", false},    {"\\", false},     {"\x1f", false}, {"\x7f", false}};
    char path[80];

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        size_t n = strlen(rows[i].text);
        for (size_t len = n + 3; len < sizeof(path); len++) {
            for (size_t at = 2; at + n < len; at++) {
                memset(path, 'a', len);
                path[0] = '/';
                memcpy(path + at, rows[i].text, n);
                assert_row(bell_signed_is_plain_target((bell_str){path, len}) == rows[i].plain, rows[i].text);
            }
        }
    }
}

static void parameters(void **state) {
    bell_str value;

    (void)state;
    assert_int_equal(bell_signed_param(BELL_STR("a=1&b=2&a=3&A=4&ab=5&&a"), BELL_STR("a"), &value), 3);
    assert_true(bell_str_eq(value, BELL_STR("1")));
    assert_int_equal(bell_signed_param(BELL_STR("b=1=2&%61=3"), BELL_STR("b"), &value), 1);
    assert_true(bell_str_eq(value, BELL_STR("1=2")));
    assert_int_equal(bell_signed_param(BELL_STR("b&c="), BELL_STR("b"), &value), 1);
    assert_int_equal(value.len, 0);
    assert_int_equal(bell_signed_param(BELL_STR("%61=3"), BELL_STR("a"), &value), 0);
    assert_null(value.p);
    assert_int_equal(bell_signed_param(BELL_STR_NULL, BELL_STR("a"), &value), 0);

    bell_str query = BELL_STR("&&x&y=&=z&"), pair, name;
    assert_true(bell_signed_next_pair(&query, &pair, &name, &value));
    assert_true(bell_str_eq(pair, BELL_STR("x")) && bell_str_eq(name, pair) && value.len == 0);
    assert_true(bell_signed_next_pair(&query, &pair, &name, &value));
    assert_true(bell_str_eq(pair, BELL_STR("y=")) && bell_str_eq(name, BELL_STR("y")) && value.len == 0);
    assert_true(bell_signed_next_pair(&query, &pair, &name, &value));
    assert_true(bell_str_eq(pair, BELL_STR("=z")) && name.len == 0 && bell_str_eq(value, BELL_STR("z")));
    assert_false(bell_signed_next_pair(&query, &pair, &name, &value));
}

static void splitting(void **state) {
    bell_str path, query;
    bool has_query;

    (void)state;
    bell_signed_split(BELL_STR("/a"), &path, &query, &has_query);
    assert_true(bell_str_eq(path, BELL_STR("/a")) && query.len == 0 && !has_query);
    bell_signed_split(BELL_STR("/a?"), &path, &query, &has_query);
    assert_true(bell_str_eq(path, BELL_STR("/a")) && query.len == 0 && has_query);
    bell_signed_split(BELL_STR("/a?b?c"), &path, &query, &has_query);
    assert_true(bell_str_eq(path, BELL_STR("/a")) && bell_str_eq(query, BELL_STR("b?c")) && has_query);
}

static void cookies(void **state) {
    signed_case c;
    bell_str value;

    (void)state;
    signed_case_init(&c);
    assert_int_equal(bell_signed_cookie(&c.request, BELL_STR("a"), &value), 0);
    json_t *headers = json_pack("{s:[s,s],s:s}", "Cookie", "x=1;a=2; b=\"3\" ;;a ; =4", " a=5=6 ", "cookie", "c=7");
    c.headers = headers;
    assert_int_equal(bell_signed_cookie(&c.request, BELL_STR("a"), &value), 3);
    assert_true(bell_str_eq(value, BELL_STR("2")));
    assert_int_equal(bell_signed_cookie(&c.request, BELL_STR("b"), &value), 1);
    assert_true(bell_str_eq(value, BELL_STR("\"3\"")));
    assert_int_equal(bell_signed_cookie(&c.request, BELL_STR("c"), &value), 1);
    assert_true(bell_str_eq(value, BELL_STR("7")));
    assert_int_equal(bell_signed_cookie(&c.request, BELL_STR("A"), &value), 0);
    json_decref(headers);
}

static void stripping(void **state) {
    static const struct {
        const char *target, *want;
    } rows[] = {
        {"/a", "/a"},
        {"/a?", "/a?"},
        {"/a?b=1", "/a?b=1"},
        {"/a?S=1", "/a"},
        {"/a?S=1&K", "/a"},
        {"/a?b=1&S=1", "/a?b=1"},
        {"/a?S=1&b=1", "/a?b=1"},
        {"/a?b&S=1&c&K=2", "/a?b&c"},
        {"/a?&S=1", "/a?"},
        {"/a?b&&S=1", "/a?b&"},
        {"/a?s=1", "/a?s=1"},
        {"/a?SS=1", "/a?SS=1"},
        {"/a?%53=1", "/a?%53=1"},
        {"/S=1?S=1", "/S=1"},
        {"/a?b?S=1&S=2", "/a?b?S=1"},
        {"/a?S&", "/a?"},
        {"/a?b&&c", "/a?b&&c"},
    };
    static const bell_str names[] = {{"S", 1}, {"K", 1}};
    char bytes[64];

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_signed_room room = {bytes, sizeof(bytes)};
        bell_str got = bell_signed_strip(&room, bell_str_of(rows[i].target), names, 2);
        assert_row(bell_str_eq(got, bell_str_of(rows[i].want)), rows[i].target);
    }
    bell_signed_room small = {bytes, 5};
    assert_null(bell_signed_strip(&small, BELL_STR("/a?b=1&S=1"), names, 2).p);
    assert_int_equal(small.left, 5);
    assert_non_null(bell_signed_strip(&small, BELL_STR("/a?S=1"), names, 2).p); /* needs none */
    assert_non_null(bell_signed_strip(&small, BELL_STR("/a?b&S=1"), names, 2).p);
    assert_int_equal(small.left, 1);
}

static void rooms(void **state) {
    char bytes[8];
    bell_signed_room room = {bytes, sizeof(bytes)}, none = {NULL, 0};

    (void)state;
    assert_ptr_equal(bell_signed_take(&room, 3), bytes);
    assert_ptr_equal(bell_signed_take(&room, 0), bytes + 3);
    assert_null(bell_signed_take(&room, 6));
    assert_ptr_equal(bell_signed_take(&room, 5), bytes + 3);
    assert_null(bell_signed_take(&room, 1));
    assert_null(bell_signed_take(&none, 0));
}

static void patterns(void **state) {
    static const struct {
        const char *pattern, *text;
        bool any, one; /* without and with "?" */
    } rows[] = {
        {"", "", true, true},
        {"", "a", false, false},
        {"a", "a", true, true},
        {"a", "ab", false, false},
        {"*", "", true, true},
        {"*", "a/b?c", true, true},
        {"**", "ab", true, true},
        {"a*", "a", true, true},
        {"a*", "ba", false, false},
        {"*a", "ba", true, true},
        {"*a", "ab", false, false},
        {"a*a", "a", false, false},
        {"a*a", "aa", true, true},
        {"a*b*c", "axxbyyc", true, true},
        {"a*b*c", "axxbyy", false, false},
        {"a*b*c", "acb", false, false},
        {"*ab*ab*", "ab-ab", true, true},
        {"*ab*ab*", "aab-b", false, false},
        {"*aab", "aaab", true, true},
        {"*aab*", "aaabx", true, true},
        {"?", "a", false, true},
        {"?", "?", true, true},
        {"?", "", false, false},
        {"?", "ab", false, false},
        {"a?c", "abc", false, true},
        {"*?", "", false, false},
        {"*?", "abc", false, true},
        {"*?b*", "ab", false, true},
        {"*?b*", "b", false, false},
        {"a*?*b", "ab", false, false},
        {"a*?*b", "axb", false, true},
        {"*a?c*e", "abcaxce", false, true},
        {"a?*", "a", false, false},
        {"*ab?", "ababx", false, true},
        {"http*://h/*", "https://h/a?b=c&d", true, true},
        {"https://h/*/seg_?.ts", "https://h/a/b/seg_7.ts", false, true},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        assert_row(bell_signed_matches(bell_str_of(rows[i].pattern), bell_str_of(rows[i].text), false) == rows[i].any, rows[i].pattern);
        assert_row(bell_signed_matches(bell_str_of(rows[i].pattern), bell_str_of(rows[i].text), true) == rows[i].one, rows[i].pattern);
    }
    assert_true(bell_signed_matches(BELL_STR_NULL, BELL_STR_NULL, true));
    assert_true(bell_signed_matches(BELL_STR("*"), BELL_STR_NULL, true));
    assert_false(bell_signed_matches(BELL_STR_NULL, BELL_STR("a"), true));
}

/* What the words say, slowly. */
static bool matches_slowly(const char *p, size_t np, const char *t, size_t nt, bool one) {
    if (np == 0) {
        return nt == 0;
    }
    if (*p == '*') {
        return matches_slowly(p + 1, np - 1, t, nt, one) || (nt > 0 && matches_slowly(p, np, t + 1, nt - 1, one));
    }
    return nt > 0 && (*p == *t || (one && *p == '?')) && matches_slowly(p + 1, np - 1, t + 1, nt - 1, one);
}

static void patterns_of_chance(void **state) {
    uint64_t seed = 20261121;

    (void)state;
    for (int i = 0; i < 200000; i++) {
        char pattern[8], text[9];
        size_t np = signed_random(&seed) % sizeof(pattern), nt = signed_random(&seed) % sizeof(text);
        bool one = signed_random(&seed) % 2;
        for (size_t k = 0; k < np; k++) {
            pattern[k] = "ab*?"[signed_random(&seed) % 4];
        }
        for (size_t k = 0; k < nt; k++) {
            text[k] = "ab"[signed_random(&seed) % 2];
        }
        if (bell_signed_matches((bell_str){pattern, np}, (bell_str){text, nt}, one) != matches_slowly(pattern, np, text, nt, one)) {
            fail_msg("%.*s against %.*s", (int)np, pattern, (int)nt, text);
        }
    }
}

static void keys_by_id_and_time(void **state) {
    bell_signed_key a = {.id = "a", .id_len = 1, .from_s = 100, .until_s = 200}, b = {.id = "a", .id_len = 1, .from_s = 150},
                    c = {.id = "ab", .id_len = 2};
    bell_signed_keys keys = {{&a, &b, &c}, 3};
    size_t i = 0;

    (void)state;
    assert_null(bell_signed_find(&keys, BELL_STR("a"), 99));
    assert_ptr_equal(bell_signed_find(&keys, BELL_STR("a"), 100), &a);
    assert_ptr_equal(bell_signed_find(&keys, BELL_STR("a"), 199), &a);
    assert_ptr_equal(bell_signed_find(&keys, BELL_STR("a"), 200), &b);
    assert_ptr_equal(bell_signed_find(&keys, BELL_STR("ab"), 0), &c);
    assert_null(bell_signed_find(&keys, BELL_STR("A"), 150));
    assert_null(bell_signed_find(&keys, BELL_STR(""), 150));
    assert_null(bell_signed_find(&keys, BELL_STR_NULL, 150));
    assert_ptr_equal(bell_signed_next_key(&keys, BELL_STR("a"), 150, &i), &a);
    assert_ptr_equal(bell_signed_next_key(&keys, BELL_STR("a"), 150, &i), &b);
    assert_null(bell_signed_next_key(&keys, BELL_STR("a"), 150, &i));
    i = 0;
    assert_ptr_equal(bell_signed_next_key(&keys, BELL_STR_NULL, 99, &i), &c);
    assert_null(bell_signed_next_key(&keys, BELL_STR_NULL, 99, &i));
}

static void seconds(void **state) {
    static const struct {
        const char *text;
        int64_t want; /* -1: refused */
    } rows[] = {{"1", 1},
                {"2145916800", 2145916800},
                {"9999999999", 9999999999},
                {"10000000000", -1},
                {"0", -1},
                {"01", -1},
                {"+1", -1},
                {"-1", -1},
                {"1.0", -1},
                {"1e3", -1},
                {"", -1},
                {" 1", -1}};

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        int64_t s = -1;
        assert_row(bell_signed_seconds(bell_str_of(rows[i].text), &s) == (rows[i].want > 0) && s == rows[i].want, rows[i].text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_reasons),
        cmocka_unit_test(addresses),
        cmocka_unit_test(networks),
        cmocka_unit_test(plain_targets),
        cmocka_unit_test(plain_targets_of_any_length),
        cmocka_unit_test(parameters),
        cmocka_unit_test(splitting),
        cmocka_unit_test(cookies),
        cmocka_unit_test(stripping),
        cmocka_unit_test(rooms),
        cmocka_unit_test(patterns),
        cmocka_unit_test(patterns_of_chance),
        cmocka_unit_test(keys_by_id_and_time),
        cmocka_unit_test(seconds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
