#include "bell_cache_status.h"
#include "bell_sf.h"
#include "unit.h"

static void written(void **state) {
    static const struct {
        bell_cache_status s;
        const char *upstream, *value;
    } rows[] = {
        /* RFC 9211, 2.1: a hit; its ttl may be negative */
        {{.cache = BELL_STR("edge"), .outcome = BELL_OUTCOME_HIT, .has_ttl = true, .ttl_s = 376}, "", "edge;hit;ttl=376"},
        {{.cache = BELL_STR("edge"), .outcome = BELL_OUTCOME_HIT, .has_ttl = true, .ttl_s = -30}, "", "edge;hit;ttl=-30"},
        {{.cache = BELL_STR("edge"), .outcome = BELL_OUTCOME_HIT}, "", "edge;hit"},
        {{.cache = BELL_STR("edge"), .outcome = BELL_OUTCOME_HIT, .fwd_status = 200, .stored = true, .collapsed = true}, "", "edge;hit"},
        /* 2.2 to 2.6: each way forward */
        {{.cache = BELL_STR("edge"), .outcome = BELL_OUTCOME_BYPASS}, "", "edge;fwd=bypass"},
        {{.cache = BELL_STR("edge"), .outcome = BELL_OUTCOME_METHOD}, "", "edge;fwd=method"},
        {{.cache = BELL_STR("edge"), .outcome = BELL_OUTCOME_URI_MISS, .stored = true, .has_ttl = true, .ttl_s = 60},
         "",
         "edge;fwd=uri-miss;stored;ttl=60"},
        {{.cache = BELL_STR("edge"), .outcome = BELL_OUTCOME_VARY_MISS, .collapsed = true}, "", "edge;fwd=vary-miss;collapsed"},
        {{.cache = BELL_STR("edge"), .outcome = BELL_OUTCOME_MISS}, "", "edge;fwd=miss"},
        {{.cache = BELL_STR("edge"), .outcome = BELL_OUTCOME_REQUEST, .fwd_status = 200}, "", "edge;fwd=request;fwd-status=200"},
        {{.cache = BELL_STR("edge"), .outcome = BELL_OUTCOME_STALE, .fwd_status = 304, .stored = true}, "", "edge;fwd=stale;fwd-status=304;stored"},
        {{.cache = BELL_STR("edge"), .outcome = BELL_OUTCOME_PARTIAL}, "", "edge;fwd=partial"},
        /* 2: names are tokens or strings */
        {{.cache = BELL_STR("edge-1.school.example:8443"), .outcome = BELL_OUTCOME_HIT}, "", "edge-1.school.example:8443;hit"},
        {{.cache = BELL_STR("Edge, \"one\""), .outcome = BELL_OUTCOME_HIT}, "", "\"Edge, \\\"one\\\"\";hit"},
        {{.cache = BELL_STR("1st"), .outcome = BELL_OUTCOME_HIT}, "", "\"1st\";hit"},
        /* 2.7, 2.8: key and detail */
        {{.cache = BELL_STR("edge"), .outcome = BELL_OUTCOME_BYPASS, .key = BELL_STR("9f3a"), .detail = BELL_STR("exam-mode")},
         "",
         "edge;fwd=bypass;key=\"9f3a\";detail=exam-mode"},
        {{.cache = BELL_STR("edge"), .outcome = BELL_OUTCOME_MISS, .key = BELL_STR(""), .detail = BELL_STR("origin \"down\"")},
         "",
         "edge;fwd=miss;key=\"\";detail=\"origin \\\"down\\\"\""},
        {{.cache = BELL_STR("edge"), .outcome = BELL_OUTCOME_MISS, .key = BELL_STR("/caf\xC3\xA9"), .detail = BELL_STR("a\nb")}, "", "edge;fwd=miss"},
        {{.cache = BELL_STR("edge"), .outcome = BELL_OUTCOME_MISS, .key = BELL_STR("/\xFF"), .detail = BELL_STR("set-cookie")},
         "",
         "edge;fwd=miss;detail=set-cookie"},
        /* behind others */
        {{.cache = BELL_STR("edge"), .outcome = BELL_OUTCOME_HIT}, "shield; hit; ttl=100", "shield; hit; ttl=100, edge;hit"},
        {{.cache = BELL_STR("edge"), .outcome = BELL_OUTCOME_HIT}, " a;fwd=miss, \"b, c\";hit ", "a;fwd=miss, \"b, c\";hit, edge;hit"},
        {{.cache = BELL_STR("edge"), .outcome = BELL_OUTCOME_HIT}, "shield; hit,", "edge;hit"},
        {{.cache = BELL_STR("edge"), .outcome = BELL_OUTCOME_HIT}, "HIT from <shield>", "edge;hit"},
        {{.cache = BELL_STR("edge"), .outcome = BELL_OUTCOME_HIT}, "   ", "edge;hit"},
        /* names that have no form */
        {{.cache = BELL_STR("\xC3\xA9"), .outcome = BELL_OUTCOME_HIT}, "", ""},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        char out[200];
        size_t n = bell_cache_status_write(&rows[i].s, bell_str_of(rows[i].upstream), out, sizeof(out) - 1);

        out[n] = '\0';
        assert_string_equal(out, rows[i].value);
        assert_true(bell_sf_is_list((bell_str){out, n}));
    }
}

/* As the room shrinks: first detail goes, then key, then what others said, then nothing is written. */
static void room(void **state) {
    static const bell_cache_status s = {.cache = BELL_STR("edge"), .outcome = BELL_OUTCOME_HIT, .key = BELL_STR("abc"), .detail = BELL_STR("warm")};
    static const char *const shorter[] = {"shield;hit, edge;hit;key=\"abc\";detail=warm",
                                          "shield;hit, edge;hit;key=\"abc\"",
                                          "shield;hit, edge;hit",
                                          "edge;hit;key=\"abc\"",
                                          "edge;hit",
                                          ""};
    size_t best = 0;

    (void)state;
    for (size_t cap = strlen(shorter[0]) + 1; cap-- > 0;) {
        char out[60];
        size_t n;

        memset(out, '#', sizeof(out));
        n = bell_cache_status_write(&s, BELL_STR("shield;hit"), out, cap);
        assert_int_equal(out[cap], '#');
        assert_true(n <= cap);
        while (best + 1 < ROWS(shorter) && (bell_str_eq((bell_str){out, n}, bell_str_of(shorter[best])) == false)) {
            best++;
        }
        assert_true(bell_str_eq((bell_str){out, n}, bell_str_of(shorter[best])));
    }
    assert_int_equal(best, ROWS(shorter) - 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written),
        cmocka_unit_test(room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
