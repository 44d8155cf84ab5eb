#include "bell_purge.h"
#include "unit.h"

#include <stdio.h>

static bool equal(const bell_purge *a, const bell_purge *b) {
    return a->sequence == b->sequence && a->at_ms == b->at_ms && a->tenant_id == b->tenant_id && a->is_hard == b->is_hard && a->kind == b->kind &&
           bell_str_eq(a->host, b->host) && bell_str_eq(a->value, b->value);
}

static void lines(void **state) {
    static const struct {
        const char *line;
        bell_purge purge;
    } rows[] = {
        {"1 42 1800000000000 7 soft url www.a.example /a/b?c=d",
         {42, 1800000000000, 7, false, BELL_PURGE_URL, {"www.a.example", 13}, {"/a/b?c=d", 8}}},
        {"1 1 1 0 hard url [::1]:8443 /", {1, 1, 0, true, BELL_PURGE_URL, {"[::1]:8443", 10}, {"/", 1}}},
        {"1 18446744073709551615 9223372036854775807 4294967295 soft prefix a /unit-1",
         {UINT64_MAX, INT64_MAX, UINT32_MAX, false, BELL_PURGE_PREFIX, {"a", 1}, {"/unit-1", 7}}},
        {"1 43 5 7 hard tag course-17", {43, 5, 7, true, BELL_PURGE_TAG, {NULL, 0}, {"course-17", 9}}},
        {"1 44 5 7 soft all", {44, 5, 7, false, BELL_PURGE_ALL, {NULL, 0}, {NULL, 0}}},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_purge read;
        char out[200];
        long len = (long)strlen(rows[i].line);

        assert_row(bell_purge_fault(&rows[i].purge) == NULL, rows[i].line);
        assert_row(bell_purge_write(&rows[i].purge, out, sizeof(out)) == len && memcmp(out, rows[i].line, (size_t)len) == 0, rows[i].line);
        assert_row(bell_purge_read(bell_str_of(rows[i].line), &read) && equal(&read, &rows[i].purge), rows[i].line);
        for (size_t room = 0; room < (size_t)len; room++) {
            assert_row(bell_purge_write(&rows[i].purge, out, room) == -1, rows[i].line);
        }
        assert_row(bell_purge_write(&rows[i].purge, out, (size_t)len) == len, rows[i].line);
    }
}

static void other_lines_are_refused(void **state) {
    static const char *const rows[] = {
        "",
        " ",
        "1",
        "2 1 1 7 soft all",
        "01 1 1 7 soft all",
        "1  1 1 7 soft all",
        " 1 1 1 7 soft all",
        "1 1 1 7 soft all ",
        "1 1 1 7 soft all\n",
        "1 1 1 7 soft all x",
        "1 01 1 7 soft all",
        "1 0 1 7 soft all",
        "1 1 0 7 soft all",
        "1 1 -1 7 soft all",
        "1 +1 1 7 soft all",
        "1 18446744073709551616 1 7 soft all",
        "1 1 9223372036854775808 7 soft all",
        "1 1 1 4294967296 soft all",
        "1 1 1 7 Soft all",
        "1 1 1 7 all",
        "1 1 1 7 soft",
        "1 1 1 7 soft everything",
        "1 1 1 7 soft tag",
        "1 1 1 7 soft tag ",
        "1 1 1 7 soft tag a b",
        "1 1 1 7 soft tag a,b",
        "1 1 1 7 soft tag a\tb",
        "1 1 1 7 soft tag \xff",
        "1 1 1 7 soft url www.a.example",
        "1 1 1 7 soft url www.a.example ",
        "1 1 1 7 soft url  /a",
        "1 1 1 7 soft url /a /b",
        "1 1 1 7 soft url WWW /a",
        "1 1 1 7 soft url www a",
        "1 1 1 7 soft url www /a b",
        "1 1 1 7 soft url www /a#b",
        "1 1 1 7 soft prefix www /a?b",
        "1 1 1 7 soft prefix www",
    };
    bell_purge p;

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        assert_row(!bell_purge_read(bell_str_of(rows[i]), &p), rows[i]);
    }
    assert_false(bell_purge_read((bell_str){"1 1 1 7 soft tag a\0b", 20}, &p));
    assert_false(bell_purge_read(BELL_STR_NULL, &p));
}

static void what_cannot_be_written(void **state) {
    static char long_target[BELL_PURGE_VALUE_BYTES_MAX + 1], long_host[BELL_PURGE_HOST_BYTES_MAX + 1], out[BELL_PURGE_BYTES_MAX];
    bell_purge p = {1, 1, 7, false, BELL_PURGE_URL, BELL_STR("www"), {long_target, BELL_PURGE_VALUE_BYTES_MAX}}, back;

    (void)state;
    memset(long_target, '/', sizeof(long_target));
    memset(long_host, 'a', sizeof(long_host));
    p.sequence = UINT64_MAX;
    p.at_ms = INT64_MAX;
    p.tenant_id = UINT32_MAX;
    p.kind = BELL_PURGE_PREFIX;
    p.host = (bell_str){long_host, BELL_PURGE_HOST_BYTES_MAX};
    long len = bell_purge_write(&p, out, sizeof(out)); /* the longest there is */
    assert_true(len > 0);
    assert_true(bell_purge_read((bell_str){out, (size_t)len}, &back) && equal(&p, &back));
    p.host.len++;
    assert_non_null(bell_purge_fault(&p));
    p.host.len--;
    p.value.len++;
    assert_non_null(bell_purge_fault(&p));
    assert_int_equal(bell_purge_write(&p, out, sizeof(out)), -1);
    p.kind = BELL_PURGE_KINDS;
    assert_non_null(bell_purge_fault(&p));
    p = (bell_purge){1, 1, 7, false, BELL_PURGE_ALL, BELL_STR("www"), BELL_STR_NULL};
    assert_non_null(bell_purge_fault(&p));
    p = (bell_purge){1, 1, 7, false, BELL_PURGE_ALL, BELL_STR_NULL, BELL_STR("x")};
    assert_non_null(bell_purge_fault(&p));
    p = (bell_purge){1, 1, 7, false, BELL_PURGE_TAG, BELL_STR_NULL, BELL_STR_NULL};
    assert_non_null(bell_purge_fault(&p));
}

static void what_a_purge_is_about(void **state) {
    static const struct {
        const char *why, *line;
        uint32_t tenant_id;
        const char *host, *target;
        bool about;
    } rows[] = {
        {"url", "1 1 1 7 soft url www /a?b", 7, "www", "/a?b", true},
        {"another query", "1 1 1 7 soft url www /a?b", 7, "www", "/a", false},
        {"another host", "1 1 1 7 soft url www /a", 7, "ww2", "/a", false},
        {"another port", "1 1 1 7 soft url www:8443 /a", 7, "www:1", "/a", true},
        {"no port", "1 1 1 7 soft url www /a", 7, "www:0443", "/a", true},
        {"an address in brackets", "1 1 1 7 soft url [::1]:8443 /a", 7, "[::1]", "/a", true},
        {"another one", "1 1 1 7 soft url [::1] /a", 7, "[::2]", "/a", false},
        {"prefix, another port", "1 1 1 7 soft prefix www /unit-", 7, "www:1", "/unit-1", true},
        {"another tenant's url", "1 1 1 7 soft url www /a", 8, "www", "/a", false},
        {"prefix", "1 1 1 7 soft prefix www /unit-1", 7, "www", "/unit-10/x?y", true},
        {"not a prefix", "1 1 1 7 soft prefix www /unit-1/", 7, "www", "/unit-1", false},
        {"another tenant's prefix", "1 1 1 7 soft prefix www /", 8, "www", "/", false},
        {"a host that begins so", "1 1 1 7 soft prefix www /", 7, "www2", "/", false},
        {"all", "1 1 1 7 soft all", 7, "any", "/any", true},
        {"another tenant's all", "1 1 1 7 soft all", 8, "any", "/any", false},
        {"tag", "1 1 1 7 soft tag /a", 7, "www", "/a", false},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_purge p;
        assert_row(bell_purge_read(bell_str_of(rows[i].line), &p), rows[i].why);
        assert_row(bell_purge_is_about(&p, rows[i].tenant_id, bell_str_of(rows[i].host), bell_str_of(rows[i].target)) == rows[i].about, rows[i].why);
    }
    assert_string_equal(bell_purge_kind_name(BELL_PURGE_PREFIX), "prefix");
    assert_string_equal(bell_purge_kind_name(BELL_PURGE_KINDS), "none");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),
        cmocka_unit_test(other_lines_are_refused),
        cmocka_unit_test(what_cannot_be_written),
        cmocka_unit_test(what_a_purge_is_about),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
