/* Route patterns, roles and shedding: the rules of origin/server/route.c that need no server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "origin/registry.h"
#include "origin/server/problem.h"

static void patterns(void **state) {
    static const struct {
        const char *pattern, *path;
        bool matches;
        uint64_t id;
        const char *rest;
    } cases[] = {
        {"/", "/", true, 0, NULL},
        {"/", "", false, 0, NULL},
        {"/a", "/a", true, 0, NULL},
        {"/a", "/a/", false, 0, NULL},
        {"/a", "/ab", false, 0, NULL},
        {"/c/{id}", "/c/1", true, 1, NULL},
        {"/c/{id}", "/c/9223372036854775807", true, INT64_MAX, NULL},
        {"/c/{id}", "/c/9223372036854775808", false, 0, NULL},
        {"/c/{id}", "/c/0", false, 0, NULL},
        {"/c/{id}", "/c/01", false, 0, NULL},
        {"/c/{id}", "/c/-1", false, 0, NULL},
        {"/c/{id}", "/c/+1", false, 0, NULL},
        {"/c/{id}", "/c/1x", false, 0, NULL},
        {"/c/{id}", "/c/%31", false, 0, NULL},
        {"/c/{id}", "/c/", false, 0, NULL},
        {"/c/{id}", "/c/1/", false, 0, NULL},
        {"/c/{id}/p", "/c/12/p", true, 12, NULL},
        {"/c/{id}/p", "/c/12", false, 0, NULL},
        {"/m/{id}/{path}", "/m/3/a/b.ts", true, 3, "a/b.ts"},
        {"/m/{id}/{path}", "/m/3/", false, 0, NULL},
        {"/m/{id}/{path}", "/m/3", false, 0, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t ids[FB_ROUTE_IDS_MAX] = {0};
        bell_str rest = BELL_STR_NULL;
        if (fb_route_matches(cases[i].pattern, bell_str_of(cases[i].path), ids, &rest) != cases[i].matches) {
            fail_msg("%s against %s", cases[i].pattern, cases[i].path);
        }
        if (cases[i].id != 0) {
            assert_true(ids[0] == cases[i].id);
        }
        if (cases[i].rest != NULL) {
            assert_true(bell_str_eq(rest, bell_str_of(cases[i].rest)));
        }
    }
}

static void every_route_is_whole(void **state) {
    (void)state;
    for (const fb_route *r = fb_routes; r->pattern != NULL; r++) {
        assert_int_equal(r->pattern[0], '/');
        assert_true(r->methods != 0);
        assert_true(r->shed_class >= FB_SHED_PREFETCH && r->shed_class <= FB_SHED_NEVER);
        assert_non_null(r->handler);
        assert_true(!r->is_page || r->file != NULL);
    }
}

/* Who may come in without a session is a list that somebody has to lengthen on purpose. */
static void open_routes_are_these(void **state) {
    static const char *const open[] = {"/healthz",
                                       "/readyz",
                                       "/api/v1/sessions",
                                       "/sign-in",
                                       "/sign-in/oidc/{id}",
                                       "/sign-in/oidc/{id}/callback",
                                       "/api/v1/sessions/current",
                                       "/sign-out",
                                       "/api/v1/account-rules",
                                       "/api/v1/activation/person",
                                       "/api/v1/activation",
                                       "/api/v1/reset-links",
                                       "/",
                                       "/activate",
                                       "/reset",
                                       "/web/{path}"};
    const unsigned of_account = BELL_HTTP_GET | BELL_HTTP_DELETE; /* /api/v1/sessions is open to who signs in, and nothing else of it */
    (void)state;
    for (const fb_route *r = fb_routes; r->pattern != NULL; r++) {
        bool listed = false;
        for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++) {
            listed |= strcmp(open[i], r->pattern) == 0 && !(strcmp(r->pattern, "/api/v1/sessions") == 0 && (r->methods & of_account));
        }
        if (listed != (r->scope == FB_SCOPE_NONE)) {
            fail_msg("%s is %s to everybody", r->pattern, listed ? "no longer open" : "open");
        }
    }
}

static void every_scope_has_a_role_and_unknown_roles_have_none(void **state) {
    unsigned all = 0;
    (void)state;
    for (uint32_t role = 0; role < 64; role++) {
        all |= fb_role_scopes(role);
    }
    for (const fb_route *r = fb_routes; r->pattern != NULL; r++) {
        assert_int_equal(r->scope & ~all, 0);
    }
    assert_int_equal(fb_role_scopes(0), FB_SCOPE_NONE);
    assert_int_equal(fb_role_scopes(5), FB_SCOPE_NONE); /* proctor */
    assert_int_equal(fb_role_scopes(22), FB_SCOPE_NONE);
    assert_int_equal(fb_role_scopes(1), FB_SCOPE_SELF); /* school admin */
    assert_int_equal(fb_role_scopes(3), FB_SCOPE_SELF); /* guardian */
    assert_int_equal(fb_role_scopes(21), FB_SCOPE_SELF | FB_SCOPE_DISTRICT | FB_SCOPE_PURGES);
    for (unsigned scope = 1; scope <= all; scope <<= 1) {
        assert_non_null(fb_scope_name(scope));
    }
    assert_null(fb_scope_name(all + 1));
    assert_int_equal(fb_role_scopes(7) & (FB_SCOPE_CLASSES | FB_SCOPE_DISTRICT), 0);
    assert_int_equal(fb_role_scopes(20) & (FB_SCOPE_CONTENT | FB_SCOPE_PROGRESS | FB_SCOPE_CLASSES), 0);
}

static void the_lowest_class_goes_first(void **state) {
    (void)state;
    for (int c = FB_SHED_PREFETCH; c < FB_SHED_NEVER; c++) {
        assert_true(fb_shed_admits((fb_shed_class)c, 0));
        assert_true(fb_shed_admits((fb_shed_class)c, (unsigned)c * 10 - 1));
        assert_false(fb_shed_admits((fb_shed_class)c, (unsigned)c * 10));
    }
    assert_true(fb_shed_admits(FB_SHED_NEVER, 100));
}

static void statements_have_names_of_their_own(void **state) {
    (void)state;
    for (size_t i = 0; fb_statements[i] != NULL; i++) {
        char last[8];
        assert_true(fb_statements[i]->nparams <= FB_STMT_PARAMS_MAX);
        snprintf(last, sizeof(last), "$%u", fb_statements[i]->nparams);
        assert_non_null(strstr(fb_statements[i]->sql, last));
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(fb_statements[i]->name, fb_statements[j]->name);
        }
    }
}

static void problems_are_whole(void **state) {
    (void)state;
    for (int p = 0; p < FB_PROBLEM_COUNT; p++) {
        assert_true(fb_problem_status((fb_problem)p) >= 400 && fb_problem_status((fb_problem)p) < 600);
        assert_non_null(fb_problem_name((fb_problem)p));
        assert_int_equal(fb_problem_status((fb_problem)p) == 503, fb_problem_retry_after_s((fb_problem)p) > 0);
        for (int q = 0; q < p; q++) {
            assert_string_not_equal(fb_problem_name((fb_problem)p), fb_problem_name((fb_problem)q));
        }
    }
    static const unsigned codec[] = {400, 414, 417, 431, 501, 505};
    for (size_t i = 0; i < sizeof(codec) / sizeof(codec[0]); i++) {
        assert_int_equal(fb_problem_status(fb_problem_of_status(codec[i])), codec[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns),
        cmocka_unit_test(every_route_is_whole),
        cmocka_unit_test(open_routes_are_these),
        cmocka_unit_test(every_scope_has_a_role_and_unknown_roles_have_none),
        cmocka_unit_test(the_lowest_class_goes_first),
        cmocka_unit_test(statements_have_names_of_their_own),
        cmocka_unit_test(problems_are_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
