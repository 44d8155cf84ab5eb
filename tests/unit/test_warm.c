/* What a Cache-Status says of what was asked for: the last cache of the list is the edge, whatever those behind it have done. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "origin/warm/ask.h"

static void verdicts(void **state) {
    static const struct {
        const char *field;
        fb_warm_verdict verdict;
        const char *why;
    } cases[] = {
        {"firstbell;hit;ttl=17", FB_WARM_HIT, ""},
        {"firstbell;hit;ttl=-3", FB_WARM_HIT, ""},
        {"firstbell;fwd=uri-miss;fwd-status=200;stored;ttl=60", FB_WARM_STORED, ""},
        {"firstbell;fwd=uri-miss;fwd-status=200;stored;collapsed;ttl=60", FB_WARM_STORED, ""},
        {"shield;hit;ttl=9, firstbell;fwd=uri-miss;stored", FB_WARM_STORED, ""},
        {"\"the edge\";hit", FB_WARM_HIT, ""},
        {"firstbell;fwd=stale;fwd-status=304;ttl=60", FB_WARM_STORED, ""},
        {"firstbell;fwd=stale;fwd-status=304;collapsed;ttl=60", FB_WARM_STORED, ""},
        {"firstbell;fwd=stale;fwd-status=502;ttl=-7;detail=stale-if-error", FB_WARM_UNKEPT, "not stored: stale, stale-if-error"},
        {"firstbell;fwd=stale;fwd-status=304;ttl=0", FB_WARM_UNKEPT, "not stored: stale"},
        {"shield;hit, firstbell;fwd=bypass", FB_WARM_UNKEPT, "not stored: bypass"},
        {"firstbell;fwd=miss;fwd-status=200;detail=private", FB_WARM_UNKEPT, "not stored: miss, private"},
        {"firstbell;fwd=miss;stored=?0", FB_WARM_UNKEPT, "not stored: miss"},
        {"firstbell;hit=1;fwd=stale", FB_WARM_UNKEPT, "not stored: stale"},
        {"firstbell", FB_WARM_UNKEPT, "not stored: it does not say why"},
        {"", FB_WARM_UNKEPT, "not stored: nobody keeps it on the way"},
        {"firstbell;hit, ;", FB_WARM_UNKEPT, "not stored: nobody keeps it on the way"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char why[160] = "";
        if (fb_warm_judge(bell_str_of(cases[i].field), why, sizeof(why)) != cases[i].verdict || strcmp(why, cases[i].why) != 0) {
            fail_msg("%s: %s", cases[i].field, why);
        }
    }
}

static void why_is_bounded(void **state) {
    char field[600] = "firstbell;fwd=miss;detail=", why[40];

    (void)state;
    memset(field + strlen(field), 'x', 500);
    assert_int_equal(fb_warm_judge(bell_str_of(field), why, sizeof(why)), FB_WARM_UNKEPT);
    assert_int_equal(strlen(why), sizeof(why) - 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(verdicts), cmocka_unit_test(why_is_bounded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
