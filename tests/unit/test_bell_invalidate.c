/* Rows name the test of the public suite http-cache-tests that asks for the same, or a section of an RFC. */
#include "bell_invalidate.h"
#include "unit.h"

static const bell_uri_base request = {{"https", 5}, {"www.school.example", 18}, {"/courses/7?x=1", 14}};

static void targets(void **state) {
    static const struct {
        const char *why, *method;
        unsigned status;
        const char *location, *content_location, *want; /* with "|" between */
    } rows[] = {
        {"invalidate-POST", "POST", 200, "", "", "/courses/7?x=1"},
        {"invalidate-PUT", "PUT", 204, "", "", "/courses/7?x=1"},
        {"invalidate-DELETE", "DELETE", 202, "", "", "/courses/7?x=1"},
        {"invalidate-M-SEARCH", "M-SEARCH", 200, "", "", "/courses/7?x=1"},
        {"a redirect is no error", "POST", 303, "", "", "/courses/7?x=1"},
        {"invalidate-POST-failed", "POST", 500, "/a", "/b", ""},
        {"client's error", "POST", 404, "/a", "/b", ""},
        {"interim", "POST", 103, "/a", "/b", ""},
        {"GET", "GET", 200, "/a", "/b", ""},
        {"HEAD", "HEAD", 200, "/a", "/b", ""},
        {"OPTIONS", "OPTIONS", 200, "/a", "/b", ""},
        {"invalidate-POST-location", "POST", 201, "https://www.school.example/courses/8", "", "/courses/7?x=1|/courses/8"},
        {"invalidate-PUT-cl", "PUT", 200, "", "8#top", "/courses/7?x=1|/courses/8"},
        {"both", "PUT", 200, "/a?b", "../c", "/courses/7?x=1|/a?b|/c"},
        {"once", "PUT", 200, "/a", "https://WWW.school.example:443/a", "/courses/7?x=1|/a"},
        {"the target itself", "PUT", 200, "/courses/7?x=1", "?x=1", "/courses/7?x=1"},
        {"another host (4.4)", "PUT", 200, "https://evil.example/a", "//evil.example/b", "/courses/7?x=1"},
        {"another scheme", "PUT", 200, "http://www.school.example/a", "", "/courses/7?x=1"},
        {"another port", "PUT", 200, "https://www.school.example:444/a", "", "/courses/7?x=1"},
        {"another host hidden", "PUT", 200, "\\\\evil.example/a", "https://u@www.school.example/a", "/courses/7?x=1"},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_invalidate_answer answer = {bell_str_of(rows[i].method), rows[i].status, bell_str_of(rows[i].location),
                                         bell_str_of(rows[i].content_location)};
        bell_str found[BELL_INVALIDATE_MAX], want = bell_str_of(rows[i].want);
        char room[200];
        unsigned n = bell_invalidate_targets(&request, &answer, room, sizeof(room), found);
        for (unsigned j = 0; j < n; j++) {
            assert_row(bell_str_eq(found[j], bell_str_cut(&want, '|')), rows[i].why);
        }
        assert_row(want.len == 0, rows[i].why);
    }
}

static void no_room(void **state) {
    const bell_invalidate_answer answer = {BELL_STR("PUT"), 200, BELL_STR("/abc"), BELL_STR("/de")};
    bell_str found[BELL_INVALIDATE_MAX];
    char room[7];

    (void)state;
    assert_int_equal(bell_invalidate_targets(&request, &answer, room, 7, found), 3);
    assert_int_equal(bell_invalidate_targets(&request, &answer, room, 6, found), 2);
    assert_true(bell_str_eq(found[1], BELL_STR("/abc")));
    assert_int_equal(bell_invalidate_targets(&request, &answer, room, 3, found), 2);
    assert_true(bell_str_eq(found[1], BELL_STR("/de")));
    assert_int_equal(bell_invalidate_targets(&request, &answer, NULL, 0, found), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(targets), cmocka_unit_test(no_room)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
