#include "bell_gcra.h"
#include "unit.h"

#include <jansson.h>
#include <stdio.h>

#define SECOND 1000000

static bell_gcra_rule rule_of(uint64_t count, uint64_t period_s, uint64_t burst) {
    bell_gcra_rule rule;

    assert_true(bell_gcra_rule_of(count, period_s, burst, &rule));
    return rule;
}

static int64_t number(const json_t *object, const char *name) {
    const json_t *v = json_object_get(object, name);

    assert_true(json_is_integer(v));
    return json_integer_value(v);
}

/* The one vector whose clock goes back is of the plain algorithm: a key is not further ahead than the rule lets it be. */
static void check_step(const json_t *vector, const json_t *step, const bell_gcra_rule *rule, int64_t *tat_us) {
    int64_t span = rule->burst_us + rule->unit_us, back = number(step, "reset_us") - span;
    const char *id = json_string_value(json_object_get(vector, "id"));
    bell_gcra_answer a = bell_gcra_take(rule, *tat_us, number(step, "at_us"), (uint64_t)number(step, "cost"));

    back = back > 0 ? back : 0;
    *tat_us = a.tat_us;
    assert_row(a.allowed == json_is_true(json_object_get(step, "allow")), id);
    assert_row(a.remaining == (back > 0 ? 0 : number(step, "remaining")), id);
    assert_row(a.reset_us == number(step, "reset_us") - back, id);
    assert_row(a.retry_after_us == (a.allowed ? -1 : number(step, "retry_after_us") - back), id);
}

static void vectors(void **state) {
    json_error_t error;
    json_t *file = json_load_file("tests/vectors/gcra.json", JSON_REJECT_DUPLICATES, &error), *vector, *step;
    size_t i, k, steps = 0;

    (void)state;
    if (file == NULL) {
        fail_msg("tests/vectors/gcra.json (from the top of the checkout): %s", error.text);
    }
    json_array_foreach(json_object_get(file, "vectors"), i, vector) {
        bell_gcra_rule rule = rule_of((uint64_t)number(vector, "count"), (uint64_t)number(vector, "period_s"), (uint64_t)number(vector, "max_burst"));
        int64_t tat_us = BELL_GCRA_NEVER;
        assert_int_equal(rule.unit_us, number(vector, "T_us"));
        assert_int_equal(rule.burst_us, number(vector, "tau_us"));
        assert_int_equal(bell_gcra_limit(&rule), number(vector, "limit_q"));
        json_array_foreach(json_object_get(vector, "steps"), k, step) {
            check_step(vector, step, &rule, &tat_us);
            steps++;
        }
    }
    assert_true(steps > 40);
    json_decref(file);
}

static void rules(void **state) {
    static const struct {
        const char *name;
        uint64_t count, period_s, burst;
        int64_t unit_us; /* 0: refused */
    } rows[] = {
        {"no count", 0, 60, 5, 0},
        {"no period", 60, 0, 5, 0},
        {"one a microsecond", 1000000, 1, 0, 1},
        {"too fast", 1000001, 1, 0, 0},
        {"rounded up", 7, 1, 0, 142858},
        {"one a year", 1, BELL_GCRA_PERIOD_MAX_S, 0, (int64_t)BELL_GCRA_PERIOD_MAX_S * SECOND},
        {"longer than a year", 1, BELL_GCRA_PERIOD_MAX_S + 1, 0, 0},
        {"a burst of 70 years", 1, BELL_GCRA_PERIOD_MAX_S, 70, (int64_t)BELL_GCRA_PERIOD_MAX_S * SECOND},
        {"a burst of 72 years", 1, BELL_GCRA_PERIOD_MAX_S, 72, 0},
        {"any count and burst", UINT64_MAX, UINT64_MAX, UINT64_MAX, 0},
        {"any burst", 1, 1, UINT64_MAX, 0},
    };
    bell_gcra_rule rule;

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bool taken = bell_gcra_rule_of(rows[i].count, rows[i].period_s, rows[i].burst, &rule);
        assert_row(taken == (rows[i].unit_us != 0), rows[i].name);
        assert_row(!taken || (rule.unit_us == rows[i].unit_us && rule.burst_us == rows[i].unit_us * (int64_t)rows[i].burst), rows[i].name);
    }
}

/* 10 a second and 4 more at once; a clock that goes back by an hour takes nobody's turn for longer than one unit. */
static void a_clock_that_steps(void **state) {
    bell_gcra_rule rule = rule_of(10, 1, 4);
    int64_t now = 7200LL * SECOND, tat = BELL_GCRA_NEVER;
    bell_gcra_answer a;

    (void)state;
    for (int i = 0; i < 5; i++) {
        a = bell_gcra_take(&rule, tat, now, 1);
        assert_true(a.allowed);
        tat = a.tat_us;
    }
    now -= 3600LL * SECOND;
    a = bell_gcra_take(&rule, tat, now, 1);
    assert_false(a.allowed);
    assert_int_equal(a.retry_after_us, 100000);
    assert_int_equal(a.tat_us, now + 500000); /* kept, else it would be as far ahead the next time */
    assert_int_equal(bell_gcra_take(&rule, tat, now, 0).tat_us, tat);
    assert_int_equal(bell_gcra_take(&rule, tat, now, 0).remaining, 0);
    tat = a.tat_us;
    assert_false(bell_gcra_take(&rule, tat, now + 99999, 1).allowed);
    assert_true(bell_gcra_take(&rule, tat, now + 100000, 1).allowed);
    now += 7200LL * SECOND;
    a = bell_gcra_take(&rule, tat, now, 5);
    assert_true(a.allowed && a.remaining == 0); /* the burst, and not an hour's units */
}

/* Two processes, one of which has a clock that is behind: what it refuses takes nothing from what the other one has noted. */
static void clocks_apart(void **state) {
    bell_gcra_rule rule = rule_of(10, 1, 4);
    int64_t tat = bell_gcra_take(&rule, BELL_GCRA_NEVER, 0, 5).tat_us;
    bell_gcra_answer a = bell_gcra_take(&rule, tat, -SECOND, 1);

    (void)state;
    assert_true(!a.allowed && a.tat_us == tat && a.remaining == 0 && a.retry_after_us == SECOND + 100000 && a.more_us == SECOND + 100000);
    assert_int_equal(bell_gcra_give_back(&rule, tat, -SECOND, 1), tat - 100000);
    assert_int_equal(bell_gcra_take(&rule, tat, -SECOND - 1, 1).tat_us, -SECOND - 1 + 500000);
    assert_true(bell_gcra_take(&rule, tat, -SECOND, 0).allowed);
}

/* A rule that became stricter, or wider, while the key was in use. */
static void another_rule(void **state) {
    bell_gcra_rule wide = rule_of(10, 1, 99), strict = rule_of(10, 1, 4);
    int64_t tat = bell_gcra_take(&wide, BELL_GCRA_NEVER, 0, 100).tat_us;
    bell_gcra_answer a = bell_gcra_take(&strict, tat, 0, 1);

    (void)state;
    assert_int_equal(tat, 10 * SECOND);
    assert_true(!a.allowed && a.retry_after_us == 100000 && a.tat_us == 500000);
    a = bell_gcra_take(&wide, a.tat_us, 0, 1);
    assert_true(a.allowed && a.remaining == 94);
}

static void when_there_is_more(void **state) {
    bell_gcra_rule rule = rule_of(10, 1, 4);
    bell_gcra_answer a = bell_gcra_take(&rule, BELL_GCRA_NEVER, 0, 0);

    (void)state;
    assert_true(a.more_us == 0 && a.remaining == 5);
    a = bell_gcra_take(&rule, a.tat_us, 0, 2);
    assert_true(a.more_us == 100000 && a.remaining == 3);
    a = bell_gcra_take(&rule, a.tat_us, 30000, 0);
    assert_true(a.more_us == 70000 && a.remaining == 3);
    a = bell_gcra_take(&rule, a.tat_us, 100001, 4);
    assert_true(a.allowed && a.remaining == 0 && a.more_us == 99999);
    a = bell_gcra_take(&rule, a.tat_us, 100001, 2);
    assert_true(!a.allowed && !a.hopeless && a.more_us == 99999 && a.retry_after_us == 199999);
    a = bell_gcra_take(&rule, a.tat_us, 100001, 6);
    assert_true(!a.allowed && a.hopeless);
}

static void given_back(void **state) {
    bell_gcra_rule rule = rule_of(10, 1, 4);
    int64_t tat = bell_gcra_take(&rule, BELL_GCRA_NEVER, 0, 3).tat_us;

    (void)state;
    assert_int_equal(bell_gcra_give_back(&rule, tat, 0, 1), 200000);
    assert_int_equal(bell_gcra_give_back(&rule, tat, 0, 3), 0);
    assert_int_equal(bell_gcra_give_back(&rule, tat, 250000, 1), 250000); /* the rest has come back by itself */
    assert_int_equal(bell_gcra_give_back(&rule, tat, 400000, 1), tat);
    assert_int_equal(bell_gcra_give_back(&rule, tat, 0, UINT64_MAX), 0);
    assert_int_equal(bell_gcra_give_back(&rule, INT64_MAX, 0, 1), 400000);
    assert_int_equal(bell_gcra_give_back(&rule, BELL_GCRA_NEVER, 0, 1), BELL_GCRA_NEVER);
}

static uint64_t random_of(uint64_t *seed) {
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed ^ *seed >> 29;
}

/* Of all sizes, also the greatest. */
static int64_t any(uint64_t *seed) {
    uint64_t r = random_of(seed);

    return (int64_t)(random_of(seed) >> (r & 63)) * (r & 64 ? -1 : 1);
}

static void any_input(void **state) {
    uint64_t seed = 7;

    (void)state;
    for (int i = 0; i < 200000; i++) {
        bell_gcra_rule rule;
        uint64_t count = 1 + random_of(&seed) % 1000, cost = (uint64_t)any(&seed);
        if (!bell_gcra_rule_of(count, 1 + random_of(&seed) % BELL_GCRA_PERIOD_MAX_S, (uint64_t)any(&seed) >> 1, &rule)) {
            continue;
        }
        int64_t span = rule.burst_us + rule.unit_us, now = any(&seed), tat = any(&seed);
        bell_gcra_answer a = bell_gcra_take(&rule, tat, now, cost);
        assert_true(a.remaining >= 0 && a.remaining <= bell_gcra_limit(&rule) && a.reset_us >= 0 && a.reset_us <= span + SECOND);
        assert_true(a.more_us >= 0 && a.more_us <= rule.unit_us + SECOND && a.allowed == (a.retry_after_us < 0) && !(a.allowed && a.hopeless));
        assert_true(cost != 0 || a.allowed);
        int64_t less = bell_gcra_give_back(&rule, tat, now, cost);
        assert_true(less <= tat && bell_gcra_take(&rule, less, now, 0).remaining >= bell_gcra_take(&rule, tat, now, 0).remaining);
    }
}

/* Who asks all the time gets a burst and what has come since, not one more and not one less. */
static void as_many_as_the_rule_has(void **state) {
    uint64_t seed = 3;

    (void)state;
    for (int round = 0; round < 50; round++) {
        bell_gcra_rule rule = rule_of(1 + random_of(&seed) % 500, 1 + random_of(&seed) % 20, random_of(&seed) % 50);
        int64_t now = 0, tat = BELL_GCRA_NEVER, used = 0;
        while (now < 100LL * SECOND) {
            bell_gcra_answer a = bell_gcra_take(&rule, tat, now, 1);
            tat = a.tat_us;
            used += a.allowed;
            if (!a.allowed) {
                assert_int_equal(used, now / rule.unit_us + bell_gcra_limit(&rule));
                now += 1 + (int64_t)(random_of(&seed) % (uint64_t)rule.unit_us);
            }
        }
    }
}

static void scaled(void **state) {
    static const struct {
        uint64_t count, period_s, burst;
        uint32_t percent;
        int64_t unit_us, limit;
    } cases[] = {
        {10, 1, 99, 100, 100000, 100},
        {10, 1, 99, 0, 100000, 100},
        {10, 1, 99, 300, 33334, 297},
        {10, 1, 99, 50, 200000, 50},
        {10, 1, 0, 300, 33334, 1},
        {1000000, 1, 9, 300, 1, 10},
        {1000000, 1, 9, 50, 2, 5},
        {1, 86400, 9, 10000, 864000000, 901},
        {1, 366 * 86400, 0, 1, BELL_GCRA_SPAN_MAX_US, 1},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(cases); i++) {
        bell_gcra_rule rule = rule_of(cases[i].count, cases[i].period_s, cases[i].burst), s = bell_gcra_scaled(&rule, cases[i].percent);
        assert_int_equal(s.unit_us, cases[i].unit_us);
        assert_int_equal(s.burst_us, rule.burst_us);
        assert_int_equal(bell_gcra_limit(&s), cases[i].limit);
    }
}

/* Half of what there is stays half of what there is, both ways, and who has used all waits no longer than the rule has it. */
static void scaled_while_in_use(void **state) {
    bell_gcra_rule rule = rule_of(10, 10, 99), more = bell_gcra_scaled(&rule, 300);
    int64_t tat_us = bell_gcra_take(&rule, BELL_GCRA_NEVER, 0, 50).tat_us;
    bell_gcra_answer a = bell_gcra_take(&more, tat_us, 0, 0);

    (void)state;
    assert_int_equal(a.remaining, 147);
    assert_int_equal(bell_gcra_take(&rule, tat_us, 0, 0).remaining, 50);
    a = bell_gcra_take(&more, BELL_GCRA_NEVER, 0, 297);
    assert_true(a.allowed);
    a = bell_gcra_take(&rule, a.tat_us, 0, 1);
    assert_true(!a.allowed && a.retry_after_us <= rule.unit_us);
    a = bell_gcra_take(&rule, BELL_GCRA_NEVER, 0, 100);
    a = bell_gcra_take(&more, a.tat_us, 0, 1);
    assert_true(!a.allowed && a.retry_after_us <= rule.unit_us);
    assert_int_equal(bell_gcra_give_back(&more, bell_gcra_take(&more, 0, 0, 7).tat_us, 0, 7), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),
        cmocka_unit_test(rules),
        cmocka_unit_test(a_clock_that_steps),
        cmocka_unit_test(clocks_apart),
        cmocka_unit_test(another_rule),
        cmocka_unit_test(when_there_is_more),
        cmocka_unit_test(scaled),
        cmocka_unit_test(scaled_while_in_use),
        cmocka_unit_test(given_back),
        cmocka_unit_test(any_input),
        cmocka_unit_test(as_many_as_the_rule_has),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
